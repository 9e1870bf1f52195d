//! Configuration: arguments and environment variables as typed (`args.rs`), then validated ([`Config`]).
//!
//! `-sip IP` and `-sp PORT` are rewritten as one `--bootstrap` before the option parser sees them (`bootstrap.rs`). Everything
//! that cannot work is refused here, with one line that says what to do, before anything on the disk is touched.

mod args;
mod bootstrap;
mod manual;
pub mod remote;
mod simulation;
mod values;

use std::ffi::OsString;
use std::fs::File;
use std::io::{IsTerminal, Read};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{ArgMatches, FromArgMatches};
use tracing_subscriber::filter::Targets;

use crate::identity::Name;
use crate::identity::name::escape;
use crate::identity::network::NetworkKey;
use crate::identity::place::Target;
use crate::proto::Accept;
use crate::wire::record::roles;
use args::{AcceptArg, Args, IdentitySub, NetworkSub, NodeArgs, Sub};
use bootstrap::merge_bootstrap_parts;
use remote::{Remote, ScreenArgs, Where};
pub use simulation::Simulation;

/// A network key file holds at most four keys of 64 characters. The rest is for comments.
const MAX_KEY_FILE: u64 = 64 * 1024;
/// More bootstrap nodes than anybody lists by hand.
const MAX_BOOTSTRAP: usize = 64;
/// Columns and rows of the smallest full screen. Below, nothing is readable.
pub const MIN_SCREEN: (u16, u16) = (40, 10);

/// What the program shall do.
pub enum Action {
    /// Run a node.
    Run(Box<Config>),
    /// Run a node that waits to be linked, and then is that of its user. Its name is not known yet, nor its data directory if
    /// none was given.
    Link(Box<Config>),
    /// Print a new network key file.
    NetworkNew,
    /// Print the recovery words of the user who owns this directory.
    IdentityWords(DataDir),
    /// Restore a user from typed recovery words into an empty directory.
    IdentityRestore(DataDir),
    /// Run a scenario in the simulator.
    Simulate(Box<Simulation>),
    /// Speak to the running node.
    Remote(Box<Remote>),
    /// Print this text: `--help`, `--version`, completions or the manual page.
    Print(String),
}

/// A data directory and the name of its user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataDir {
    /// The name of the user, as given or derived from the host name.
    pub name: Name,
    /// Whether the name was given. A name derived from the host name is replaced by that of the directory's owner.
    pub named: bool,
    /// The directory. It need not exist.
    pub dir: PathBuf,
    /// Whether it is the default directory of the name.
    pub default_dir: bool,
}

/// A validated configuration of a node.
pub struct Config {
    /// The data directory and its user.
    pub data: DataDir,
    /// If given, it must be free; 0 is any free port. `None`: [`DEFAULT_PORT`](crate::identity::place::DEFAULT_PORT), or any free port if that is in use.
    pub port: Option<u16>,
    /// Worker threads.
    pub threads: NonZeroUsize,
    /// Bits of [`roles`].
    pub roles: u32,
    /// Whether links requested by strangers are accepted without asking.
    pub accept: Accept,
    /// Nodes to connect to at the start, at most 64.
    pub bootstrap: Vec<Target>,
    /// Find others on the local link by mDNS.
    pub lan: bool,
    /// The network to join: that of the key file, or the open network.
    pub network: NetworkKey,
    /// The user interface to run.
    pub interface: Interface,
    /// How the full screen behaves.
    pub screen: ScreenArgs,
    /// Ignore the end of standard input.
    pub headless: bool,
    /// At the end of standard input, wait until what was typed is delivered.
    pub wait: bool,
    /// Where metrics are served, if they are.
    pub metrics: Option<SocketAddr>,
    /// Whether the page is served from the start, and where if it was said.
    pub web: Option<Option<SocketAddr>>,
    /// What is logged, by target and level.
    pub log: Targets,
    /// Warnings to print before the node starts, one line each.
    pub warnings: Vec<String>,
}

/// The user interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interface {
    /// The full screen of a terminal.
    Screen,
    /// A line editor on a terminal.
    Line,
    /// Sentences, one per line.
    Plain,
    /// JSON, one object per line.
    Json,
}

impl Interface {
    /// Whether it uses the terminal as it likes, so that nothing else may be written there.
    pub fn takes_terminal(self) -> bool {
        matches!(self, Interface::Screen | Interface::Line)
    }
}

/// Why the arguments or the configuration cannot work, as one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(String);

/// Reads the command line (the program's own name first) and the environment.
pub fn read(argv: impl IntoIterator<Item = OsString>) -> Result<Action, ConfigError> {
    let argv = merge_bootstrap_parts(argv.into_iter().collect())?;
    let matches = match args::command().try_get_matches_from(&argv) {
        Ok(matches) => matches,
        Err(error) if !error.use_stderr() => return Ok(Action::Print(error.to_string())),
        Err(error) => return Err(one_line(&error, &argv)),
    };
    let args = Args::from_arg_matches(&matches).map_err(|error| one_line(&error, &argv))?;
    if let Some(Sub::Remote(order)) = args.command {
        let node = running(args.username.as_deref(), args.data_dir)?;
        return Ok(Action::Remote(Box::new(Remote { node, order })));
    }
    match &args.command {
        None => Ok(Action::Run(Box::new(resolve(&args, &args.node, &matches)?))),
        Some(Sub::Link(node)) => {
            let of_link = matches.subcommand_matches("link").expect("it is the command");
            refuse_before_command(&matches)?;
            let mut config = resolve(&args, node, of_link)?;
            // What is typed is answered before there is a user whose conversations could be shown.
            if config.interface == Interface::Screen {
                config.interface = Interface::Line;
            }
            Ok(Action::Link(Box::new(config)))
        }
        Some(Sub::Network(NetworkSub::New)) => Ok(Action::NetworkNew),
        Some(Sub::Identity(IdentitySub::Words)) => Ok(Action::IdentityWords(data_dir(&args)?)),
        Some(Sub::Identity(IdentitySub::Restore)) => Ok(Action::IdentityRestore(data_dir(&args)?)),
        Some(Sub::Completions { shell }) => Ok(Action::Print(manual::completions(*shell, args::command()))),
        Some(Sub::Man) => match manual::page(args::command()) {
            Ok(page) => Ok(Action::Print(page)),
            Err(error) => Err(refuse(format!("the manual page cannot be made: {error}"))),
        },
        Some(Sub::Remote(_)) => unreachable!("it was dealt with"),
        Some(Sub::Sim(sim)) => Ok(Action::Simulate(Box::new(simulation::resolve(sim)?))),
    }
}

/// Where the node is that a command speaks to.
fn running(username: Option<&str>, data_dir: Option<PathBuf>) -> Result<Where, ConfigError> {
    if let Some(dir) = data_dir {
        return Ok(Where::Dir(dir));
    }
    match username {
        Some(text) => default_dir(&own_name(text)?).map(Where::Dir),
        None => default_dirs().map(Where::Only),
    }
}

fn own_name(text: &str) -> Result<Name, ConfigError> {
    Name::parse(text).map_err(|error| refuse(format!("`{}` cannot be your name: {error}", escape(text))))
}

fn refuse(text: impl Into<String>) -> ConfigError {
    ConfigError(text.into())
}

/// What is typed before commands.
const PROGRAM: &str = "darknode";

/// The command that was typed, as far as it was understood.
fn typed_command(argv: &[OsString]) -> String {
    let matches = args::command().ignore_errors(true).try_get_matches_from(argv).ok();
    let (mut command, mut at) = (PROGRAM.to_owned(), matches.as_ref());
    while let Some((name, below)) = at.and_then(ArgMatches::subcommand) {
        command = format!("{command} {name}");
        at = Some(below);
    }
    command
}

/// The parser's error without the usage block, as one line.
fn one_line(error: &clap::Error, argv: &[OsString]) -> ConfigError {
    let command = typed_command(argv);
    if let (ErrorKind::InvalidSubcommand, Some(ContextValue::String(word))) =
        (error.kind(), error.get(ContextKind::InvalidSubcommand))
        && command == PROGRAM
    {
        let word = escape(word);
        return refuse(format!("unknown command `{word}`; give your name with -u, as in `darknode -u alice`"));
    }
    let text = error.to_string();
    let message = text.split("\n\nUsage:").next().unwrap_or_default().split("\n\nFor more").next().unwrap_or_default();
    let parts = message.trim_start_matches("error: ").split("\n\n");
    let line: Vec<String> = parts.map(|part| part.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    refuse(format!("{}; see `{} --help`", escape(&line.join("; ")), command))
}

/// Options of a node stand behind `link`. Before it they would not be read.
fn refuse_before_command(matches: &ArgMatches) -> Result<(), ConfigError> {
    let typed = |id: &str| matches.value_source(id) == Some(ValueSource::CommandLine);
    let command = args::command();
    match command.get_arguments().find(|arg| !arg.is_global_set() && typed(arg.get_id().as_str())) {
        Some(option) => {
            Err(refuse(format!("--{} stands behind link: darknode link [options]", option.get_id()).replace('_', "-")))
        }
        None => Ok(()),
    }
}

fn resolve(args: &Args, node: &NodeArgs, matches: &ArgMatches) -> Result<Config, ConfigError> {
    let mut warnings = Vec::new();
    let data = data_dir(args)?;
    let network = match &node.network_key {
        Some(file) => read_key(file, &mut warnings)?,
        None => NetworkKey::open(),
    };
    let interface = interface(node, matches)?;
    if node.bootstrap.len() > MAX_BOOTSTRAP {
        return Err(refuse(format!("--bootstrap accepts at most {MAX_BOOTSTRAP} nodes")));
    }
    let bootstrap = node.bootstrap.iter().map(|text| target(text)).collect::<Result<_, _>>()?;
    let log = values::log_filter(&node.log).ok_or_else(|| {
        refuse(format!("`{}` is not a log filter; try --log debug or --log darknode=debug", escape(&node.log)))
    })?;
    let server = if node.server { roles::SERVER } else { 0 };
    let relay = if node.server || node.relay { roles::RELAY } else { 0 };
    Ok(Config {
        data,
        port: node.port,
        threads: threads(node.threads),
        roles: server | relay,
        accept: match node.accept {
            AcceptArg::Auto => Accept::Auto,
            AcceptArg::Ask => Accept::Ask,
        },
        bootstrap,
        lan: !node.no_lan,
        network,
        interface,
        screen: node.screen.clone(),
        headless: node.headless || node.server,
        wait: node.wait,
        metrics: node.metrics,
        web: node.web,
        log,
        warnings,
    })
}

fn target(text: &str) -> Result<Target, ConfigError> {
    text.parse().map_err(|why| refuse(format!("`{}` cannot be used for --bootstrap: {why}", escape(text))))
}

fn threads(wanted: Option<u16>) -> NonZeroUsize {
    let wanted = wanted.and_then(|n| NonZeroUsize::new(n.into()));
    wanted.or_else(|| std::thread::available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN)
}

fn data_dir(args: &Args) -> Result<DataDir, ConfigError> {
    let links = matches!(args.command, Some(Sub::Link(_)));
    // The owner of a given directory says the name, and only their words can be printed.
    let has_owner = args.data_dir.is_some() && matches!(args.command, Some(Sub::Identity(IdentitySub::Words)));
    let name = match &args.username {
        Some(_) if links => return Err(refuse("a linked session has the name of its user; leave -u out")),
        Some(text) => own_name(text)?,
        None if args.node.server || has_owner || links => server_name(&gethostname::gethostname().to_string_lossy()),
        None => return Err(refuse(format!("a name is required: {} -u NAME", needs_name(args.command.as_ref())))),
    };
    let dir = match &args.data_dir {
        Some(dir) if dir.as_os_str().is_empty() => return Err(refuse("--data-dir needs a directory")),
        Some(dir) => dir.clone(),
        None => default_dir(&name)?,
    };
    Ok(DataDir { name, named: args.username.is_some(), dir, default_dir: args.data_dir.is_none() })
}

/// What is typed before `-u NAME` where a name is required.
fn needs_name(command: Option<&Sub>) -> &'static str {
    match command {
        Some(Sub::Identity(IdentitySub::Words)) => "darknode identity words",
        Some(Sub::Identity(IdentitySub::Restore)) => "darknode identity restore",
        _ => PROGRAM,
    }
}

/// The data directory of a user for whom none was given.
///
/// # Errors
/// There is no home directory.
pub fn default_dir(name: &Name) -> Result<PathBuf, ConfigError> {
    default_dirs().map(|dirs| dirs.join(file_safe(name.as_str())))
}

/// The directory of the default data directories.
fn default_dirs() -> Result<PathBuf, ConfigError> {
    directories::BaseDirs::new()
        .map(|dirs| dirs.data_dir().join("darknode"))
        .ok_or_else(|| refuse("no home directory found; choose a directory with --data-dir DIR"))
}

/// `server-HOSTNAME`, without characters that a name cannot have.
fn server_name(host: &str) -> Name {
    let host: String = host.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-' || *c == '.').take(25).collect();
    let text = if host.is_empty() { "server".to_owned() } else { format!("server-{host}") };
    Name::parse(&text).expect("1 to 32 ASCII letters, digits, hyphens and dots make a name")
}

/// A name as one path component, distinct for each name. Characters that are special to a file system are written as `%`
/// and their code in hexadecimal.
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

/// The interface. `--plain` or `--json` on the command line overrides the other one in the environment.
fn interface(args: &NodeArgs, matches: &ArgMatches) -> Result<Interface, ConfigError> {
    let typed = |id| matches.value_source(id) == Some(ValueSource::CommandLine);
    match (args.plain, args.json) {
        (true, true) if typed("plain") == typed("json") => {
            Err(refuse("--plain and --json exclude each other; give one of them"))
        }
        (true, true) if typed("json") => Ok(Interface::Json),
        (false, true) => Ok(Interface::Json),
        (true, _) => Ok(Interface::Plain),
        (false, false) => {
            let terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
            let headless = args.headless || args.server;
            Ok(match terminal && !headless {
                true if args.line || !takes_full_screen() => Interface::Line,
                true => Interface::Screen,
                false => Interface::Plain,
            })
        }
    }
}

/// Whether the terminal can show the full screen: it places the cursor, and is large enough.
fn takes_full_screen() -> bool {
    let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    let size = terminal_size::terminal_size();
    let is_small = size.is_some_and(|(columns, rows)| columns.0 < MIN_SCREEN.0 || rows.0 < MIN_SCREEN.1);
    cfg!(feature = "screen") && !is_dumb && !is_small
}

fn read_key(file: &Path, warnings: &mut Vec<String>) -> Result<NetworkKey, ConfigError> {
    let shown = escape(&file.to_string_lossy()).into_owned();
    let error = |why: String| {
        refuse(format!("the network key file {shown} cannot be used: {why}; `darknode network new` creates one"))
    };
    let handle = File::open(file).map_err(|cause| error(cause.to_string()))?;
    if others_may_read(&handle) {
        warnings.push(format!("other users of this machine can read the network key; run chmod 600 {shown}"));
    }
    let mut bytes = Vec::new();
    handle.take(MAX_KEY_FILE + 1).read_to_end(&mut bytes).map_err(|cause| error(cause.to_string()))?;
    if bytes.len() as u64 > MAX_KEY_FILE {
        return Err(error("it is too long for a key file".to_owned()));
    }
    let text = String::from_utf8(bytes).map_err(|_| error("it is not text".to_owned()))?;
    NetworkKey::parse(&text).map_err(|why| error(why.to_string()))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_without_an_option_is_answered_with_the_option() {
        let error = read(["darknode", "alice"].map(OsString::from)).err().expect("alice is not a command").to_string();
        assert_eq!(error, "unknown command `alice`; give your name with -u, as in `darknode -u alice`");
    }

    #[test]
    fn names_become_distinct_path_components() {
        assert_eq!(file_safe("alice b.c"), "alice b.c");
        assert_eq!(file_safe(".."), "%2e%2e");
        assert_eq!(file_safe("."), "%2e");
        assert_eq!(file_safe("a/b\\c%"), "a%2fb%5cc%25");
        assert_eq!(file_safe("ярослав"), "ярослав");
    }

    #[test]
    fn a_server_is_named_after_its_host() {
        assert_eq!(server_name("pi-4.local").as_str(), "server-pi-4.local");
        assert_eq!(server_name("\u{1b}[1m").as_str(), "server-1m");
        assert_eq!(server_name("").as_str(), "server");
        assert!(server_name(&"x".repeat(300)).as_str().len() <= 32);
    }
}
