//! The command line as typed. Each option of a node can also be given by an environment variable.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::builder::FalseyValueParser;
use clap::{Arg, ArgAction, Command, CommandFactory, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use super::remote::{RemoteSub, ScreenArgs};
use super::values::number;

/// Where the options of the whole program begin in a help: those of a command, which are counted from 0, stand before them.
const BEHIND_COMMANDS: usize = 100;

/// Options and commands.
#[derive(Debug, Parser)]
#[command(name = "darknode", version, about = "A chat node that needs no server", disable_help_subcommand = true)]
#[command(max_term_width = 80, next_display_order = BEHIND_COMMANDS)]
pub struct Args {
    /// Your name: 1 to 32 letters, digits, spaces and . _ - '. A node needs it unless --server, and `identity` does; other commands without it use the only node that runs
    #[arg(short = 'u', long, env = "DARKNODE_USERNAME", value_name = "NAME", global = true)]
    pub username: Option<String>,
    /// Directory for keys, history and known users
    #[arg(long, env = "DARKNODE_DATA_DIR", value_name = "DIR", global = true)]
    pub data_dir: Option<PathBuf>,
    #[command(flatten)]
    pub node: NodeArgs,
    #[command(subcommand)]
    pub command: Option<Sub>,
}

/// The command line. A session that is linked has the name of its user, so the help of that command does not show `-u`. It is
/// read all the same, and refused with the reason.
pub fn command() -> Command {
    let name = Arg::new("username").short('u').long("username").value_name("NAME").hide(true);
    Args::command().mut_subcommand("link", |link| link.arg(name))
}

/// Options of a node.
#[derive(Debug, clap::Args)]
pub struct NodeArgs {
    /// UDP port to listen on [default: 27272, or any free port if that is in use, but not for a server]; 0 is any free port
    #[arg(short, long, env = "DARKNODE_PORT", value_name = "PORT", value_parser = number::<u16>(0..=65_535))]
    pub port: Option<u16>,
    /// Worker threads [default: the number of cores]
    #[arg(short, long, env = "DARKNODE_THREADS", value_name = "N", value_parser = number::<u16>(1..=1024))]
    pub threads: Option<u16>,
    /// Act as a server: remember everyone, introduce users, carry mail; implies --relay and --headless
    #[arg(short, long, env = "DARKNODE_SERVER", action = ArgAction::SetTrue, value_parser = FalseyValueParser::new())]
    pub server: bool,
    /// Act as a relay: carry mail for others
    #[arg(long, env = "DARKNODE_RELAY", action = ArgAction::SetTrue, value_parser = FalseyValueParser::new())]
    pub relay: bool,
    /// Keep running at the end of standard input
    #[arg(long, env = "DARKNODE_HEADLESS", action = ArgAction::SetTrue, value_parser = FalseyValueParser::new())]
    pub headless: bool,
    /// At the end of standard input, wait until what was typed is delivered
    #[arg(long, env = "DARKNODE_WAIT", action = ArgAction::SetTrue, value_parser = FalseyValueParser::new())]
    pub wait: bool,
    /// HOST or HOST:PORT of any node to join by; repeatable; also spelt -sip IP -sp PORT
    #[arg(long, env = "DARKNODE_BOOTSTRAP", value_name = "ADDR", value_delimiter = ',')]
    pub bootstrap: Vec<String>,
    /// The key of a closed network, as printed by `darknode network new`
    #[arg(long, env = "DARKNODE_NETWORK_KEY", value_name = "FILE")]
    pub network_key: Option<PathBuf>,
    /// Accept requests for a link automatically, or ask
    #[arg(
        long,
        env = "DARKNODE_ACCEPT",
        value_name = "auto|ask",
        value_enum,
        default_value = "auto",
        hide_possible_values = true
    )]
    pub accept: AcceptArg,
    /// Do not use mDNS to find others on the local link
    #[arg(long, env = "DARKNODE_NO_LAN", action = ArgAction::SetTrue, value_parser = FalseyValueParser::new())]
    pub no_lan: bool,
    /// Use the line editor on a terminal, instead of the full screen
    #[arg(long, env = "DARKNODE_LINE", action = ArgAction::SetTrue, value_parser = FalseyValueParser::new())]
    pub line: bool,
    /// How the full screen notifies.
    #[command(flatten)]
    pub screen: ScreenArgs,
    /// Print sentences, one per line, on standard output
    #[arg(long, env = "DARKNODE_PLAIN", action = ArgAction::SetTrue, value_parser = FalseyValueParser::new())]
    pub plain: bool,
    /// Print JSON, one object per line, on standard output; docs/json.md describes it
    #[arg(long, env = "DARKNODE_JSON", action = ArgAction::SetTrue, value_parser = FalseyValueParser::new())]
    pub json: bool,
    /// Serve /metrics, /healthz and /readyz over HTTP at this address, such as 127.0.0.1:9464
    #[arg(long, env = "DARKNODE_METRICS", value_name = "ADDR")]
    pub metrics: Option<SocketAddr>,
    /// Serve a page for a browser on this machine, at 127.0.0.1:27280 or any free port if that is in use; `darknode web` prints a link
    #[arg(long, env = "DARKNODE_WEB", value_name = "ADDR", num_args = 0..=1)]
    pub web: Option<Option<SocketAddr>>,
    /// Log filter for standard error: error, warn, info, debug, or a filter such as darknode=debug
    #[arg(long, env = "DARKNODE_LOG", value_name = "FILTER", default_value = "warn")]
    pub log: String,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum AcceptArg {
    Auto,
    Ask,
}

#[derive(Debug, Subcommand)]
pub enum Sub {
    /// Manage keys of closed networks
    #[command(subcommand)]
    Network(NetworkSub),
    /// Back up or restore the identity of -u NAME
    #[command(subcommand)]
    Identity(IdentitySub),
    /// Make this machine a session of a user: shows a code to type on another machine of theirs
    ///
    /// The line editor answers what is typed before the code was used. With --plain, --json or --headless it is read when the
    /// session has its user, as if it were typed then.
    Link(Box<NodeArgs>),
    /// Simulate many nodes in one process; docs/simulator.md explains the results
    Sim(SimArgs),
    #[command(flatten)]
    Remote(RemoteSub),
    /// Print the completions of a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page
    Man,
}

/// Options of `darknode sim`.
#[derive(Debug, clap::Args)]
pub struct SimArgs {
    /// figure3, restart, partition, crash, coldstart, explode, churn or mules
    pub scenario: String,
    /// Number of nodes without servers [default: 10 for figure3, otherwise 100]
    #[arg(long, value_name = "N", value_parser = number::<u32>(3..=100_000))]
    pub nodes: Option<u32>,
    /// Seed of the random numbers; the same seed gives the same run
    #[arg(long, value_name = "S", default_value = "1", value_parser = number::<u64>(0..=u64::MAX))]
    pub seed: u64,
    /// Shape of the links: random, clustered, islands, star, line, ring or figure3
    #[arg(long, value_name = "SHAPE")]
    pub topology: Option<String>,
    /// Links per node, for shapes that do not determine it
    #[arg(long, value_name = "D", default_value = "10", value_parser = number::<u8>(2..=64))]
    pub degree: u8,
    /// Simulate the open network instead of a closed one
    #[arg(long)]
    pub open: bool,
    /// Share of packets that are lost
    #[arg(long, value_name = "PERCENT", default_value = "0", value_parser = number::<u8>(0..=90))]
    pub loss: u8,
    /// Share of frames that are delivered twice
    #[arg(long, value_name = "PERCENT", default_value = "0", value_parser = number::<u8>(0..=90))]
    pub twice: u8,
    /// crash: share of nodes that crash at once
    #[arg(long, value_name = "PERCENT", default_value = "50", value_parser = number::<u8>(1..=99))]
    pub crash: u8,
    /// crash: close connections immediately instead of by the idle time-out
    #[arg(long)]
    pub loud: bool,
    /// partition: halves, thirds or flapping
    #[arg(long, value_name = "PARTS", default_value = "halves")]
    pub parts: String,
    /// partition, churn, mules: duration, such as 90s, 1h or 7days
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub span: Option<std::time::Duration>,
    /// restart: share of nodes that lose their data
    #[arg(long, value_name = "PERCENT", default_value = "0", value_parser = number::<u8>(0..=100))]
    pub forget: u8,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub enum NetworkSub {
    /// Print a network key file
    New,
}

#[derive(Debug, Subcommand)]
pub enum IdentitySub {
    /// Print the 24 recovery words
    Words,
    /// Restore the identity from 24 typed recovery words into an empty directory
    Restore,
}
