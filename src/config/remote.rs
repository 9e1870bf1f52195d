//! The commands that speak to the running node: as typed, and what they mean.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::FalseyValueParser;
use clap::{ArgAction, Args, Subcommand, ValueEnum};

use super::values::{not_blank, number, seconds};

/// Commands that speak to the running node.
#[derive(Debug, Subcommand)]
pub enum RemoteSub {
    /// Send a line to USER
    #[command(after_help = "Examples:\n  darknode send bob 'the pump is off' --wait delivered\n  \
        dmesg | tail -1 | darknode send bob -")]
    Send(SendArgs),
    /// Print what happens, one line an event
    #[command(after_help = "Examples:\n  darknode watch --from bob --events message\n  \
        darknode watch --cursor seen --reconnect --json")]
    Watch(WatchArgs),
    /// Print the last messages with USER
    History(HistoryArgs),
    /// Print the messages that contain TEXT, newest first
    #[command(after_help = "Examples:\n  darknode search generator\n  darknode search \"six o'clock\" --with bob -n 5")]
    Search(SearchArgs),
    /// Print or save everything that was said, oldest first
    #[command(
        after_help = "Examples:\n  darknode export -o everything.jsonl\n  darknode export --with bob --format text"
    )]
    Export(ExportArgs),
    /// List the users that the node knows
    Users(UsersArgs),
    /// Show who is here, what waits, and where my messages are
    Status(StatusArgs),
    /// Find out what is wrong here, or why USER is not reached
    #[command(after_help = "Examples:\n  darknode doctor bob\n  darknode doctor bob --redact > for-the-forum.txt\n\n\
        Exit codes: 0 nothing is wrong, 1 something is, 3 no answer in time,\n4 no node is running, and only the machine was looked at.")]
    Doctor(DoctorArgs),
    /// Withdraw a message that waits
    Cancel(CancelArgs),
    /// Print a link to the page of the running node, for a browser on this machine
    #[command(
        after_help = "The link works once, within two minutes. A page on another machine is reached by\n`ssh -L 27280:127.0.0.1:27280 MACHINE darknode web`."
    )]
    Web(WebArgs),
    /// Show the full screen of the running node; leaving it does not stop the node
    Attach(ScreenArgs),
    /// Stop the running node
    Stop(StopArgs),
}

/// Options of the full screen.
#[derive(Debug, Clone, Args)]
pub struct ScreenArgs {
    /// How to notify of messages while the terminal has no focus: off, bell, osc or desktop
    #[arg(
        long,
        env = "DARKNODE_NOTIFY",
        value_name = "HOW",
        value_enum,
        default_value = "bell",
        hide_possible_values = true
    )]
    pub notify: Notify,
    /// Notify with the text of the message, not only its sender
    #[arg(long, env = "DARKNODE_NOTIFY_TEXT", action = ArgAction::SetTrue, value_parser = FalseyValueParser::new())]
    pub notify_text: bool,
}

/// How the full screen notifies of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Notify {
    /// It does not.
    Off,
    /// By the bell of the terminal.
    Bell,
    /// By a sequence that the terminal shows as a notification.
    Osc,
    /// By `notify-send`.
    Desktop,
}

/// Options of `darknode send`.
#[derive(Debug, Args)]
pub struct SendArgs {
    /// A name, name#abc123, or an id
    #[arg(value_parser = not_blank())]
    pub user: String,
    /// The text, never a macro; - reads it from standard input
    #[arg(allow_hyphen_values = true, value_parser = not_blank())]
    pub text: String,
    /// Wait until the node has stored the line, a relay carries it, or a session of USER has it
    #[arg(long, value_name = "STATE", value_enum, default_value = "queued")]
    pub wait: Wait,
    /// Seconds to wait; 0 waits for ever
    #[arg(long, value_name = "S", default_value = "30", value_parser = seconds())]
    pub timeout: Duration,
    /// The form of the output.
    #[command(flatten)]
    pub form: Form,
}

/// What `darknode send` waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Wait {
    /// The node has stored the line.
    Queued,
    /// A relay has it.
    Carried,
    /// A session of the addressee has it.
    Delivered,
}

/// Options of `darknode watch`.
#[derive(Debug, Args)]
pub struct WatchArgs {
    /// Only what concerns USER, a known name or any id; repeatable
    #[arg(long, value_name = "USER", value_parser = not_blank())]
    pub from: Vec<String>,
    /// Only these events, as docs/json.md names them
    #[arg(long, value_name = "EVENTS", value_delimiter = ',')]
    pub events: Vec<String>,
    /// Begin after this cursor, at the start, or now
    #[arg(long, value_name = "CURSOR|start|now", default_value = "now", conflicts_with = "cursor")]
    pub since: String,
    /// Keep in FILE how far was read, and begin there
    #[arg(long, value_name = "FILE")]
    pub cursor: Option<PathBuf>,
    /// End after N events
    #[arg(long, value_name = "N", value_parser = number::<u64>(1..=u64::MAX))]
    pub count: Option<u64>,
    /// End after S seconds, with exit code 3 if N events were awaited; 0 never does
    #[arg(long, value_name = "S", default_value = "0", value_parser = seconds())]
    pub timeout: Duration,
    /// Wait for the node when it is not running
    #[arg(long)]
    pub reconnect: bool,
    /// The form of the output.
    #[command(flatten)]
    pub form: Form,
}

/// Options of `darknode history`.
#[derive(Debug, Args)]
pub struct HistoryArgs {
    /// A name, name#abc123, or an id
    #[arg(value_parser = not_blank())]
    pub user: String,
    /// How many messages
    #[arg(short, value_name = "N", default_value = "20", value_parser = number::<u32>(1..=10_000))]
    pub n: u32,
    /// Only those before this message
    #[arg(long, value_name = "ID", value_parser = not_blank())]
    pub before: Option<String>,
    /// The form of the output.
    #[command(flatten)]
    pub form: Form,
}

/// Options of `darknode search`.
#[derive(Debug, Args)]
pub struct SearchArgs {
    /// The text; capital and small letters are the same
    pub text: String,
    /// Only in the conversation with USER
    #[arg(long, value_name = "USER", value_parser = not_blank())]
    pub with: Option<String>,
    /// How many messages
    #[arg(short, value_name = "N", default_value = "20", value_parser = number::<u32>(1..=10_000))]
    pub n: u32,
    /// The form of the output.
    #[command(flatten)]
    pub form: Form,
}

/// Options of `darknode export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// Only the conversation with USER
    #[arg(long, value_name = "USER", value_parser = not_blank())]
    pub with: Option<String>,
    /// One JSON object a message, or lines to be read
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "jsonl")]
    pub format: Format,
    /// Write to FILE, which only you can read and which must not exist
    #[arg(short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// The form of exported messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A message object of docs/json.md a line.
    Jsonl,
    /// Date, user and text.
    Text,
}

/// Options of `darknode users`.
#[derive(Debug, Args)]
pub struct UsersArgs {
    /// Only those who are online
    #[arg(long, conflicts_with = "offline")]
    pub online: bool,
    /// Only those who are offline
    #[arg(long)]
    pub offline: bool,
    /// The form of the output.
    #[command(flatten)]
    pub form: Form,
}

/// Options of `darknode status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Only messages to USER
    #[arg(value_parser = not_blank())]
    pub user: Option<String>,
    /// The form of the output.
    #[command(flatten)]
    pub form: Form,
}

/// Options of `darknode doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// A name, name#abc123, or an id
    #[arg(value_parser = not_blank())]
    pub user: Option<String>,
    /// Dial nobody, and tell only what is known
    #[arg(long)]
    pub no_probe: bool,
    /// Numbers instead of names, addresses and ids
    #[arg(long)]
    pub redact: bool,
    /// Seconds to wait; 0 waits for ever
    #[arg(long, value_name = "S", default_value = "10", value_parser = seconds())]
    pub timeout: Duration,
    /// The form of the output.
    #[command(flatten)]
    pub form: Form,
}

/// Options of `darknode cancel`.
#[derive(Debug, Args)]
pub struct CancelArgs {
    /// The id of the message, as `darknode send` and `darknode status` print it
    #[arg(value_parser = not_blank())]
    pub message: String,
    /// The form of the output.
    #[command(flatten)]
    pub form: Form,
}

/// Options of `darknode web`.
#[derive(Debug, Args)]
pub struct WebArgs {
    /// Open the link in a browser
    #[arg(long, conflicts_with = "off")]
    pub open: bool,
    /// Serve the page no more, and log out every browser
    #[arg(long)]
    pub off: bool,
    /// The form of the output.
    #[command(flatten)]
    pub form: Form,
}

/// Options of `darknode stop`.
#[derive(Debug, Args)]
pub struct StopArgs {
    /// The form of the output.
    #[command(flatten)]
    pub form: Form,
}

/// The form of the output.
#[derive(Debug, Clone, Copy, Args)]
pub struct Form {
    /// Print JSON, one object per line
    #[arg(long)]
    pub json: bool,
}

/// Where the running node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Where {
    /// In this data directory.
    Dir(PathBuf),
    /// In the only directory below this one that has a running node.
    Only(PathBuf),
}

/// A command for the running node.
#[derive(Debug)]
pub struct Remote {
    /// Where the node is.
    pub node: Where,
    /// What is requested of it.
    pub order: RemoteSub,
}
