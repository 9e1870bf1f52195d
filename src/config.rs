//! What was asked for at the start: arguments and environment as typed ([`args`]), then resolved ([`Config`]).
//!
//! The paper's `-sip IP` and `-sp PORT` become one `--bootstrap` before anything else reads them ([`paper`]). Everything that cannot work is refused here,
//! in one line that says what to do, before anything on the disk is touched.

mod args;
mod paper;
mod simulation;

use std::ffi::OsString;
use std::fs::File;
use std::io::{IsTerminal, Read};
use std::net::{Ipv6Addr, SocketAddrV6};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory, FromArgMatches};
use tracing_subscriber::filter::Targets;

use crate::identity::Name;
use crate::identity::address::{ContactAddress, SCHEME};
use crate::identity::name::harmless;
use crate::identity::network::NetworkKey;
use crate::proto::Accept;
use crate::wire::record::roles;
use args::{AcceptArg, Args, IdentitySub, NetworkSub, Sub};
use paper::paper_spelling;
pub use simulation::Simulation;

/// The UDP port of a node unless told otherwise (cli.md).
pub const DEFAULT_PORT: u16 = 27272;
/// A network key file holds at most four keys of 64 characters; this leaves room for comments.
const MAX_KEY_FILE: u64 = 64 * 1024;
/// Nodes to start from: more than any list kept by hand.
const MAX_BOOTSTRAP: usize = 64;
/// A filter that is logged by; what is asked for is stronger. Whoever dials remembered addresses from an island is told by
/// the system, each minute, that there is no way there: that is the use of an island.
const QUIET: &str = "quinn_udp=error";

/// What the program is to do.
pub enum Action {
    Run(Box<Config>),
    /// Print a new network key file.
    NetworkNew,
    /// Print the recovery words of the user whose directory this is.
    IdentityWords(Place),
    /// Make an empty directory that of the user whose recovery words are typed.
    IdentityRestore(Place),
    /// Play a scenario in the simulator.
    Simulate(Box<Simulation>),
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
    /// What is logged, by target and level.
    pub log: Targets,
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
        Some(Sub::Sim(sim)) => Ok(Action::Simulate(Box::new(simulation::resolve(sim)?))),
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
    let log = format!("{QUIET},{}", args.log).parse().map_err(|_| {
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
        log,
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

/// `host[:port]` with its port, an IPv6 address in brackets; or an address as `\me` shows it.
fn normal_address(text: &str) -> Result<String, Unusable> {
    let wrong = || {
        let shown = harmless(text);
        unusable(format!("`{shown}` is no address for --bootstrap; write host, host:port or [2001:db8::1]:port"))
    };
    if text.starts_with(SCHEME) {
        return text
            .parse()
            .map(|address: ContactAddress| address.to_string())
            .map_err(|why| unusable(why.to_string()));
    }
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
