//! Options as typed, each with its twin in the environment.

use std::path::PathBuf;

use clap::builder::FalseyValueParser;
use clap::{ArgAction, Parser, Subcommand, ValueEnum};

/// Options as typed.
#[derive(Debug, Parser)]
#[command(name = "darknode", version, about = "A chat node that needs no server", disable_help_subcommand = true)]
pub struct Args {
    /// Your name: 1 to 32 characters; required unless --server
    #[arg(short = 'u', long, env = "DARKNODE_USERNAME", value_name = "NAME", global = true)]
    pub username: Option<String>,
    /// UDP port for incoming; 27272, or any free one if that is taken; 0 is any free one
    #[arg(short, long, env = "DARKNODE_PORT", value_name = "PORT")]
    pub port: Option<u16>,
    /// Worker threads; as many as the machine has cores
    #[arg(short, long, env = "DARKNODE_THREADS", value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
    /// Declare myself a server; implies --relay and --headless
    #[arg(short, long, env = "DARKNODE_SERVER", action = ArgAction::SetTrue, value_parser = FalseyValueParser::new())]
    pub server: bool,
    /// Declare myself a relay
    #[arg(long, env = "DARKNODE_RELAY", action = ArgAction::SetTrue, value_parser = FalseyValueParser::new())]
    pub relay: bool,
    /// Nobody sits here: the end of standard input is ignored
    #[arg(long, env = "DARKNODE_HEADLESS", action = ArgAction::SetTrue, value_parser = FalseyValueParser::new())]
    pub headless: bool,
    /// HOST or HOST:PORT of any node to start from; repeatable; also spelt -sip IP -sp PORT
    #[arg(long, env = "DARKNODE_BOOTSTRAP", value_name = "ADDR", value_delimiter = ',')]
    pub bootstrap: Vec<String>,
    /// Where keys, history and memory are kept
    #[arg(long, env = "DARKNODE_DATA_DIR", value_name = "DIR", global = true)]
    pub data_dir: Option<PathBuf>,
    /// The key of a closed network, as printed by `darknode network new`
    #[arg(long, env = "DARKNODE_NETWORK_KEY", value_name = "FILE")]
    pub network_key: Option<PathBuf>,
    /// What happens to requests for a link
    #[arg(
        long,
        env = "DARKNODE_ACCEPT",
        value_name = "auto|ask",
        value_enum,
        default_value = "auto",
        hide_possible_values = true
    )]
    pub accept: AcceptArg,
    /// No mDNS
    #[arg(long, env = "DARKNODE_NO_LAN", action = ArgAction::SetTrue, value_parser = FalseyValueParser::new())]
    pub no_lan: bool,
    /// Lines for people on standard output
    #[arg(long, env = "DARKNODE_PLAIN", action = ArgAction::SetTrue, value_parser = FalseyValueParser::new())]
    pub plain: bool,
    /// One JSON object a line on standard output
    #[arg(long, env = "DARKNODE_JSON", action = ArgAction::SetTrue, value_parser = FalseyValueParser::new())]
    pub json: bool,
    /// What to log on standard error: error, warn, info, debug, or a filter such as darknode=debug
    #[arg(long, env = "DARKNODE_LOG", value_name = "FILTER", default_value = "warn")]
    pub log: String,
    #[command(subcommand)]
    pub command: Option<Sub>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum AcceptArg {
    Auto,
    Ask,
}

#[derive(Debug, Subcommand)]
pub enum Sub {
    /// Closed networks
    #[command(subcommand)]
    Network(NetworkSub),
    /// The identity of -u NAME
    #[command(subcommand)]
    Identity(IdentitySub),
    /// Many nodes in one process: a table of figures; docs/simulator.md explains them
    Sim(SimArgs),
}

/// What to simulate, as typed.
#[derive(Debug, clap::Args)]
pub struct SimArgs {
    /// figure3, restart, partition, crash, coldstart, explode, churn or mules
    pub scenario: String,
    /// How many nodes, servers not counted; 10 for figure3, else 100
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(3..=100_000))]
    pub nodes: Option<u32>,
    /// The same seed gives the same run
    #[arg(long, value_name = "S", default_value = "1")]
    pub seed: u64,
    /// Who is linked to whom: random, clustered, islands, star, line, ring or figure3
    #[arg(long, value_name = "SHAPE")]
    pub topology: Option<String>,
    /// Links of a node, where the shape leaves it open
    #[arg(long, value_name = "D", default_value = "10", value_parser = clap::value_parser!(u8).range(2..=64))]
    pub degree: u8,
    /// The open network instead of a closed one
    #[arg(long)]
    pub open: bool,
    /// Of a hundred packets so many are lost
    #[arg(long, value_name = "PERCENT", default_value = "0", value_parser = clap::value_parser!(u8).range(0..=90))]
    pub loss: u8,
    /// Of a hundred frames so many come twice
    #[arg(long, value_name = "PERCENT", default_value = "0", value_parser = clap::value_parser!(u8).range(0..=90))]
    pub twice: u8,
    /// crash: of a hundred nodes so many are gone at once
    #[arg(long, value_name = "PERCENT", default_value = "50", value_parser = clap::value_parser!(u8).range(1..=99))]
    pub crash: u8,
    /// crash: connections end at once, instead of by the idle time-out
    #[arg(long)]
    pub loud: bool,
    /// partition: halves, thirds or flapping
    #[arg(long, value_name = "PARTS", default_value = "halves")]
    pub parts: String,
    /// partition, churn: for how long, as in 90s, 1h or 7days
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub span: Option<std::time::Duration>,
    /// restart: of a hundred nodes so many lose their memory
    #[arg(long, value_name = "PERCENT", default_value = "0", value_parser = clap::value_parser!(u8).range(0..=100))]
    pub forget: u8,
    /// One JSON object on standard output
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
    /// Type the 24 recovery words, to be that user in an empty directory
    Restore,
}
