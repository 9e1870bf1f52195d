//! What was asked for at the start: arguments and environment as typed ([`Args`]), then resolved ([`Config`]).
//!
//! The paper's `-sip IP` and `-sp PORT` are taken out of the arguments before anything else reads them, and come back as
//! one `--bootstrap`: an ordinary option parser would see `-s -p` in `-sp`. Everything that cannot work is refused here,
//! in one line that says what to do, before anything on the disk is touched.

use std::ffi::OsString;
use std::fs::File;
use std::io::{IsTerminal, Read};
use std::net::{Ipv6Addr, SocketAddrV6};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use clap::builder::FalseyValueParser;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{ArgAction, ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use crate::identity::Name;
use crate::identity::name::harmless;
use crate::identity::network::NetworkKey;
use crate::proto::Accept;
use crate::wire::record::roles;

/// The UDP port of a node unless told otherwise (cli.md).
pub const DEFAULT_PORT: u16 = 27272;
/// A network key file holds at most four keys of 64 characters; this leaves room for comments.
const MAX_KEY_FILE: u64 = 64 * 1024;
/// Nodes to start from: more than any list kept by hand.
const MAX_BOOTSTRAP: usize = 64;

/// What the program is to do.
pub enum Action {
    Run(Box<Config>),
    /// Print a new network key file.
    NetworkNew,
    /// Print the recovery words of the user whose directory this is.
    IdentityWords(Place),
    /// Make an empty directory that of the user whose recovery words are typed.
    IdentityRestore(Place),
    /// `--help` or `--version`: print this and be done.
    Tell(String),
}

/// Whose data, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub name: Name,
    /// The name was given by hand. One made from the host's name gives way to whoever the directory belongs to.
    pub named: bool,
    pub dir: PathBuf,
}

/// A node as it is to run; everything in it has been checked.
pub struct Config {
    pub place: Place,
    /// Given by hand, so that a taken one is an error; 0 is any free one. `None`: [`DEFAULT_PORT`], or any if that is taken.
    pub port: Option<u16>,
    /// Worker threads.
    pub threads: NonZeroUsize,
    /// Bits of [`roles`].
    pub roles: u32,
    pub accept: Accept,
    /// Each `host:port`, an IPv6 address in brackets.
    pub bootstrap: Vec<String>,
    /// Look for others on the local link by mDNS.
    pub lan: bool,
    pub network: NetworkKey,
    pub face: Face,
    /// Nobody sits here: the end of standard input is ignored.
    pub headless: bool,
    /// A valid filter for tracing.
    pub log: String,
    /// What a person should know before the node starts, a line each.
    pub warnings: Vec<String>,
}

/// How the node talks to whoever started it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Face {
    /// A line editor on a terminal.
    Interactive,
    /// Lines for people.
    Plain,
    /// One JSON object a line.
    Json,
}

/// Arguments or a configuration that cannot work; the exit code is 2.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unusable(String);

/// Options as typed.
#[derive(Debug, Parser)]
#[command(name = "darknode", version, about = "A chat node that needs no server", disable_help_subcommand = true)]
struct Args {
    /// Your name: 1 to 32 characters; required unless --server
    #[arg(short = 'u', long, env = "DARKNODE_USERNAME", value_name = "NAME", global = true)]
    username: Option<String>,
    /// UDP port for incoming; 27272, or any free one if that is taken; 0 is any free one
    #[arg(short, long, env = "DARKNODE_PORT", value_name = "PORT")]
    port: Option<u16>,
    /// Worker threads; as many as the machine has cores
    #[arg(short, long, env = "DARKNODE_THREADS", value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Declare myself a server; implies --relay and --headless
    #[arg(short, long, env = "DARKNODE_SERVER", action = ArgAction::SetTrue, value_parser = FalseyValueParser::new())]
    server: bool,
    /// Declare myself a relay
    #[arg(long, env = "DARKNODE_RELAY", action = ArgAction::SetTrue, value_parser = FalseyValueParser::new())]
    relay: bool,
    /// Nobody sits here: the end of standard input is ignored
    #[arg(long, env = "DARKNODE_HEADLESS", action = ArgAction::SetTrue, value_parser = FalseyValueParser::new())]
    headless: bool,
    /// host[:port] of any node to start from; repeatable; also spelt -sip IP -sp PORT
    #[arg(long, env = "DARKNODE_BOOTSTRAP", value_name = "ADDR", value_delimiter = ',')]
    bootstrap: Vec<String>,
    /// Where keys, history and memory are kept
    #[arg(long, env = "DARKNODE_DATA_DIR", value_name = "DIR", global = true)]
    data_dir: Option<PathBuf>,
    /// The key of a closed network, as printed by `darknode network new`
    #[arg(long, env = "DARKNODE_NETWORK_KEY", value_name = "FILE")]
    network_key: Option<PathBuf>,
    /// What happens to requests for a link
    #[arg(
        long,
        env = "DARKNODE_ACCEPT",
        value_name = "auto|ask",
        value_enum,
        default_value = "auto",
        hide_possible_values = true
    )]
    accept: AcceptArg,
    /// No mDNS
    #[arg(long, env = "DARKNODE_NO_LAN", action = ArgAction::SetTrue, value_parser = FalseyValueParser::new())]
    no_lan: bool,
    /// Lines for people on standard output
    #[arg(long, env = "DARKNODE_PLAIN", action = ArgAction::SetTrue, value_parser = FalseyValueParser::new())]
    plain: bool,
    /// One JSON object a line on standard output
    #[arg(long, env = "DARKNODE_JSON", action = ArgAction::SetTrue, value_parser = FalseyValueParser::new())]
    json: bool,
    /// What to log on standard error: error, warn, info, debug, or a filter such as darknode=debug
    #[arg(long, env = "DARKNODE_LOG", value_name = "FILTER", default_value = "warn")]
    log: String,
    #[command(subcommand)]
    command: Option<Sub>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum AcceptArg {
    Auto,
    Ask,
}

#[derive(Debug, Subcommand)]
enum Sub {
    /// Closed networks
    #[command(subcommand)]
    Network(NetworkSub),
    /// The identity of -u NAME
    #[command(subcommand)]
    Identity(IdentitySub),
}

#[derive(Debug, Subcommand)]
enum NetworkSub {
    /// Print a network key file
    New,
}

#[derive(Debug, Subcommand)]
enum IdentitySub {
    /// Print the 24 recovery words
    Words,
    /// Type the 24 recovery words, to be that user in an empty directory
    Restore,
}

/// Reads the command line (the program's own name first) and the environment.
pub fn read(argv: impl IntoIterator<Item = OsString>) -> Result<Action, Unusable> {
    let argv = paper_spelling(argv.into_iter().collect())?;
    let matches = match Args::command().try_get_matches_from(argv) {
        Ok(matches) => matches,
        Err(error) if !error.use_stderr() => return Ok(Action::Tell(error.to_string())),
        Err(error) => return Err(one_line(&error)),
    };
    let args = Args::from_arg_matches(&matches).map_err(|error| one_line(&error))?;
    match &args.command {
        None => Ok(Action::Run(Box::new(resolve(args, &matches)?))),
        Some(Sub::Network(NetworkSub::New)) => Ok(Action::NetworkNew),
        Some(Sub::Identity(IdentitySub::Words)) => Ok(Action::IdentityWords(place(&args)?)),
        Some(Sub::Identity(IdentitySub::Restore)) => Ok(Action::IdentityRestore(place(&args)?)),
    }
}

fn unusable(text: impl Into<String>) -> Unusable {
    Unusable(text.into())
}

/// The parser's complaint without its usage block, as one line.
fn one_line(error: &clap::Error) -> Unusable {
    if let (ErrorKind::InvalidSubcommand, Some(ContextValue::String(word))) =
        (error.kind(), error.get(ContextKind::InvalidSubcommand))
    {
        let word = harmless(word);
        return unusable(format!("there is no command `{word}`; a name stands behind -u, as in `darknode -u alice`"));
    }
    let text = error.to_string();
    let complaint =
        text.split("\n\nUsage:").next().unwrap_or_default().split("\n\nFor more").next().unwrap_or_default();
    let line = complaint.trim_start_matches("error: ").split_whitespace().collect::<Vec<_>>().join(" ");
    unusable(format!("{}; `darknode --help` lists the options", harmless(&line)))
}

/// `argv` with `-sip IP` and `-sp PORT` turned into one `--bootstrap IP:PORT`.
fn paper_spelling(argv: Vec<OsString>) -> Result<Vec<OsString>, Unusable> {
    let (mut rest, mut ip, mut port) = (Vec::with_capacity(argv.len()), None, None);
    let mut argv = argv.into_iter();
    while let Some(arg) = argv.next() {
        let text = arg.to_str().unwrap_or_default();
        if text == "--" {
            rest.push(arg);
            rest.extend(argv);
            break;
        }
        let Some((option, attached)) = paper_option(text) else {
            rest.push(arg);
            continue;
        };
        let value = match attached {
            Some(value) => value.to_owned(),
            None => argv.next().and_then(|value| value.into_string().ok()).unwrap_or_default(),
        };
        let (slot, what) = if option == "-sip" { (&mut ip, "an IP address") } else { (&mut port, "a port") };
        if value.is_empty() || value.starts_with('-') {
            return Err(unusable(format!("{option} needs {what} behind it, as in `-sip 192.0.2.1 -sp 27272`")));
        }
        if slot.replace(value).is_some() {
            return Err(unusable(format!("{option} was given twice; name further nodes by --bootstrap")));
        }
    }
    match (ip, port) {
        (None, None) => {}
        (None, Some(_)) => return Err(unusable("-sp PORT belongs to a -sip IP; my own port is -p PORT")),
        (Some(ip), port) => {
            // Ahead of a subcommand and behind the program's name.
            let at = rest.len().min(1);
            rest.insert(at, bootstrap_of(&ip, port.as_deref())?.into());
            rest.insert(at, "--bootstrap".into());
        }
    }
    Ok(rest)
}

/// Whether an argument is one of the paper's two, and what is attached to it (`-sp=1`, `-sp1`).
fn paper_option(text: &str) -> Option<(&'static str, Option<&str>)> {
    let (option, behind) = ["-sip", "-sp"].into_iter().find_map(|option| {
        let behind = text.strip_prefix(option);
        let long = text.strip_prefix('-').and_then(|text| text.strip_prefix(option));
        let long = long.filter(|behind| behind.is_empty() || behind.starts_with('='));
        behind.or(long).map(|behind| (option, behind))
    })?;
    Some((option, (!behind.is_empty()).then(|| behind.strip_prefix('=').unwrap_or(behind))))
}

fn bootstrap_of(ip: &str, port: Option<&str>) -> Result<String, Unusable> {
    let ip: std::net::IpAddr = ip.parse().map_err(|_| {
        unusable(format!("`{}` behind -sip is no IP address; name a host by --bootstrap HOST:PORT", harmless(ip)))
    })?;
    let port = match port {
        Some(port) => some_port(port).ok_or_else(|| {
            unusable(format!("`{}` behind -sp is no port; a port is a number from 1 to 65535", harmless(port)))
        })?,
        None => DEFAULT_PORT,
    };
    Ok(std::net::SocketAddr::new(ip, port).to_string())
}

fn some_port(text: &str) -> Option<u16> {
    text.parse().ok().filter(|port| *port != 0)
}

fn resolve(args: Args, matches: &ArgMatches) -> Result<Config, Unusable> {
    let mut warnings = Vec::new();
    let place = place(&args)?;
    let network = match &args.network_key {
        Some(file) => read_key(file, &mut warnings)?,
        None => NetworkKey::open(),
    };
    let face = face(&args, matches)?;
    if args.bootstrap.len() > MAX_BOOTSTRAP {
        return Err(unusable(format!("at most {MAX_BOOTSTRAP} nodes can be given by --bootstrap")));
    }
    let bootstrap = args.bootstrap.iter().map(|text| normal_address(text)).collect::<Result<_, _>>()?;
    tracing_subscriber::EnvFilter::try_new(&args.log).map_err(|_| {
        unusable(format!("`{}` is no log filter; try --log debug or --log darknode=debug", harmless(&args.log)))
    })?;
    let server = if args.server { roles::SERVER } else { 0 };
    let relay = if args.server || args.relay { roles::RELAY } else { 0 };
    Ok(Config {
        place,
        port: args.port,
        threads: threads(args.threads),
        roles: server | relay,
        accept: match args.accept {
            AcceptArg::Auto => Accept::Auto,
            AcceptArg::Ask => Accept::Ask,
        },
        bootstrap,
        lan: !args.no_lan,
        network,
        face,
        headless: args.headless || args.server,
        log: args.log,
        warnings,
    })
}

fn threads(wanted: Option<u16>) -> NonZeroUsize {
    let wanted = wanted.and_then(|n| NonZeroUsize::new(n.into()));
    wanted.or_else(|| std::thread::available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN)
}

fn place(args: &Args) -> Result<Place, Unusable> {
    let name = match &args.username {
        Some(text) => {
            Name::parse(text).map_err(|wrong| unusable(format!("`{}` cannot be your name: {wrong}", harmless(text))))?
        }
        None if args.server => server_name(&gethostname::gethostname().to_string_lossy()),
        None => return Err(unusable("say who you are: darknode -u NAME")),
    };
    let dir = match &args.data_dir {
        Some(dir) if dir.as_os_str().is_empty() => return Err(unusable("--data-dir needs a directory behind it")),
        Some(dir) => dir.clone(),
        None => directories::BaseDirs::new()
            .map(|dirs| dirs.data_dir().join("darknode").join(file_safe(name.as_str())))
            .ok_or_else(|| unusable("there is no home directory here; say where to keep data by --data-dir DIR"))?,
    };
    Ok(Place { name, named: args.username.is_some(), dir })
}

/// `server-HOSTNAME`, as far as it makes a name.
fn server_name(host: &str) -> Name {
    let host: String = host.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-' || *c == '.').take(25).collect();
    let text = if host.is_empty() { "server".to_owned() } else { format!("server-{host}") };
    Name::parse(&text).expect("1 to 32 ASCII letters, digits, hyphens and dots make a name")
}

/// A name as one component of a path; different names stay different. What a file system could take for something else
/// is written as `%` and its code in hexadecimal.
fn file_safe(name: &str) -> String {
    let last = name.chars().count().saturating_sub(1);
    name.chars().enumerate().fold(String::new(), |mut safe, (i, c)| {
        let at_edge = (i == 0 || i == last) && (c == '.' || c.is_whitespace());
        if at_edge || c.is_control() || r#"/\:*?"<>|%"#.contains(c) {
            safe.push_str(&format!("%{:02x}", u32::from(c)));
        } else {
            safe.push(c);
        }
        safe
    })
}

/// Which face; of `--plain` and `--json` the one on the command line wins over the one from the environment.
fn face(args: &Args, matches: &ArgMatches) -> Result<Face, Unusable> {
    let typed = |id| matches.value_source(id) == Some(ValueSource::CommandLine);
    match (args.plain, args.json) {
        (true, true) if typed("plain") == typed("json") => Err(unusable("choose one of --plain and --json")),
        (true, true) if typed("json") => Ok(Face::Json),
        (false, true) => Ok(Face::Json),
        (true, _) => Ok(Face::Plain),
        (false, false) => {
            let terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
            let nobody = args.headless || args.server;
            Ok(if terminal && !nobody { Face::Interactive } else { Face::Plain })
        }
    }
}

fn read_key(file: &Path, warnings: &mut Vec<String>) -> Result<NetworkKey, Unusable> {
    let shown = harmless(&file.to_string_lossy()).into_owned();
    let wrong = |why: String| {
        unusable(format!("the network key file {shown} cannot be used: {why}; `darknode network new` makes one"))
    };
    let handle = File::open(file).map_err(|error| wrong(error.to_string()))?;
    if others_may_read(&handle) {
        warnings.push(format!("others on this machine can read the network key: chmod 600 {shown}"));
    }
    let mut bytes = Vec::new();
    handle.take(MAX_KEY_FILE + 1).read_to_end(&mut bytes).map_err(|error| wrong(error.to_string()))?;
    if bytes.len() as u64 > MAX_KEY_FILE {
        return Err(wrong("it is too long for a key".to_owned()));
    }
    let text = String::from_utf8(bytes).map_err(|_| wrong("it is not text".to_owned()))?;
    NetworkKey::parse(&text).map_err(|why| wrong(why.to_string()))
}

#[cfg(unix)]
fn others_may_read(file: &File) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata().is_ok_and(|data| data.permissions().mode() & 0o044 != 0)
}

#[cfg(not(unix))]
fn others_may_read(_file: &File) -> bool {
    false
}

/// `host[:port]` with its port, an IPv6 address in brackets.
fn normal_address(text: &str) -> Result<String, Unusable> {
    let wrong = || {
        let shown = harmless(text);
        unusable(format!("`{shown}` is no address for --bootstrap; write host, host:port or [2001:db8::1]:port"))
    };
    if let Ok(ip) = text.parse::<Ipv6Addr>() {
        return Ok(format!("[{ip}]:{DEFAULT_PORT}"));
    }
    if text.starts_with('[') {
        let whole = if text.ends_with(']') { format!("{text}:{DEFAULT_PORT}") } else { text.to_owned() };
        let addr = whole.parse::<SocketAddrV6>().map_err(|_| wrong())?;
        return if addr.port() == 0 { Err(wrong()) } else { Ok(addr.to_string()) };
    }
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, some_port(port).ok_or_else(wrong)?),
        None => (text, DEFAULT_PORT),
    };
    let fits = |c: char| c.is_alphanumeric() || matches!(c, '-' | '.' | '_');
    if host.is_empty() || host.len() > 253 || host.starts_with('-') || !host.chars().all(fits) {
        return Err(wrong());
    }
    Ok(format!("{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(args: &[&str]) -> Result<Vec<String>, String> {
        let argv = std::iter::once("darknode").chain(args.iter().copied()).map(OsString::from).collect();
        paper_spelling(argv)
            .map(|argv| argv.into_iter().skip(1).map(|arg| arg.into_string().unwrap()).collect())
            .map_err(|wrong| wrong.to_string())
    }

    #[test]
    fn the_papers_address_becomes_one_bootstrap_however_it_is_spelt() {
        let one = Ok(["--bootstrap", "192.0.2.1:5", "-u", "a"].map(String::from).to_vec());
        assert_eq!(rewritten(&["-u", "a", "-sip", "192.0.2.1", "-sp", "5"]), one);
        assert_eq!(rewritten(&["-sp", "5", "-u", "a", "--sip", "192.0.2.1"]), one);
        assert_eq!(rewritten(&["-sp=5", "-u", "a", "--sip=192.0.2.1"]), one);
        assert_eq!(rewritten(&["-sp5", "-u", "a", "-sip192.0.2.1"]), one);
        assert_eq!(rewritten(&["-sip", "::1"]), Ok(["--bootstrap", "[::1]:27272"].map(String::from).to_vec()));
    }

    #[test]
    fn other_options_are_left_alone() {
        for args in [&["-s", "-p", "5"][..], &["--server"], &["--spread"], &["-u", "x", "--", "-sp", "1"]] {
            assert_eq!(rewritten(args).unwrap(), args);
        }
    }

    #[test]
    fn a_papers_address_that_cannot_be_is_refused() {
        for args in [&["-sp", "5"][..], &["-sip"], &["-sip", "1.2.3.4", "-sp", "0"], &["-sip", "-sp", "5"]] {
            assert!(rewritten(args).is_err(), "{args:?}");
        }
        assert!(rewritten(&["-sip", "1.1.1.1", "-sip", "1.1.1.2"]).unwrap_err().contains("--bootstrap"));
        assert!(rewritten(&["-sip", "host.example"]).unwrap_err().contains("--bootstrap"));
    }

    #[test]
    fn who_types_a_bare_name_is_told_where_names_stand() {
        let wrong = read(["darknode", "alice"].map(OsString::from)).err().expect("alice is no command").to_string();
        assert_eq!(wrong, "there is no command `alice`; a name stands behind -u, as in `darknode -u alice`");
    }

    #[test]
    fn an_address_gets_its_port_and_brackets() {
        let normal = |text| normal_address(text).map_err(|_| ());
        assert_eq!(normal("example.org"), Ok("example.org:27272".into()));
        assert_eq!(normal("192.0.2.1:9"), Ok("192.0.2.1:9".into()));
        assert_eq!(normal("2001:db8::1"), Ok("[2001:db8::1]:27272".into()));
        assert_eq!(normal("[::1]"), Ok("[::1]:27272".into()));
        assert_eq!(normal("[::1]:7"), Ok("[::1]:7".into()));
        for text in ["", ":5", "a:0", "a:70000", "a b", "[::1", "[::1]:0", "a:b:c", "\u{1b}[2J", "-x"] {
            assert_eq!(normal(text), Err(()), "{text:?}");
        }
    }

    #[test]
    fn names_make_one_component_of_a_path_and_stay_different() {
        assert_eq!(file_safe("alice b.c"), "alice b.c");
        assert_eq!(file_safe(".."), "%2e%2e");
        assert_eq!(file_safe("."), "%2e");
        assert_eq!(file_safe("a/b\\c%"), "a%2fb%5cc%25");
        assert_eq!(file_safe("ярослав"), "ярослав");
    }

    #[test]
    fn a_server_is_called_after_its_host() {
        assert_eq!(server_name("pi-4.local").as_str(), "server-pi-4.local");
        assert_eq!(server_name("\u{1b}[1m").as_str(), "server-1m");
        assert_eq!(server_name("").as_str(), "server");
        assert!(server_name(&"x".repeat(300)).as_str().len() <= 32);
    }
}
