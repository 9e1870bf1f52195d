//! The table of macros, and the parser for input lines.

mod arguments;
pub mod doubt;
mod error;
mod parse;

use crate::identity::place::Place;
use crate::proto::event::Command;
pub use error::{InputError, truncated};
pub use parse::parse;

/// Messages shown by `\history` and `\search` by default: about one screen.
pub const HISTORY: u32 = 20;

/// A macro, as `\help` shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Macro {
    /// The name, without the backslash.
    pub name: &'static str,
    /// How it is typed.
    pub usage: &'static str,
    /// What it does.
    pub text: &'static str,
}

const fn entry(name: &'static str, usage: &'static str, text: &'static str) -> Macro {
    Macro { name, usage, text }
}

/// Every macro, in the order in which `\help` shows them.
pub const MACROS: &[Macro] = &[
    entry("help", r"\help", "lists the macros"),
    entry("chat", r"\chat USER", "starts a conversation with USER"),
    entry("reply", r"\reply", "starts a conversation with whoever wrote last"),
    entry("r", r"\r", r"same as \reply"),
    entry("users", r"\users", "lists the users I know"),
    entry("online", r"\online", "lists the users who are online"),
    entry("offline", r"\offline", "lists the users who are offline"),
    entry(
        "map",
        r"\map",
        "shows who is nearby or within two links of me, how they are reached, and where my lines wait",
    ),
    entry("add", r"\add USER", "accepts or requests a link with USER"),
    entry("remove", r"\remove USER", "removes the link with USER"),
    entry("block", r"\block USER", "blocks USER"),
    entry(
        "requests",
        r"\requests [accept USER | dismiss USER]",
        "lists who wrote and was not answered; accepts or forgets USER",
    ),
    entry("ping", r"\ping HOST [PORT]", r"dials a host, an IP address, or an address from \me, and shows who answers"),
    entry("explode", r"\explode", "announces me to everyone within two hops and counts them"),
    entry("me", r"\me", "shows my fingerprint and address"),
    entry("whois", r"\whois USER", "shows the fingerprint and address of USER"),
    entry("verify", r"\verify USER", "marks the fingerprint of USER as verified"),
    entry("sessions", r"\sessions", "lists my sessions"),
    entry("link", r"\link CODE", "links a new session of mine; `darknode link` on its machine shows CODE"),
    entry("unlink", r"\unlink LABEL", "revokes a session of mine, by its label or the start of its id"),
    entry("status", r"\status [USER]", "shows where my messages are"),
    entry("doctor", r"\doctor [USER]", "finds out what is wrong here, or why USER is not reached"),
    entry(
        "history",
        r"\history [USER] [N] [before MESSAGE | after MESSAGE]",
        "shows past messages; MESSAGE is an id, as the end of a page shows it",
    ),
    entry("search", r"\search [TEXT]", "shows past messages that contain TEXT; without TEXT: older ones than before"),
    entry("cancel", r"\cancel MESSAGE", "withdraws an undelivered message"),
    entry(
        "prune",
        r"\prune [N]",
        "forgets the sessions that were not heard of for longest, until N are left; no message",
    ),
    entry(
        "quit",
        r"\quit",
        "goes offline and ends the program; on an attached screen it ends only that, and the node goes on",
    ),
    entry("exit", r"\exit", r"same as \quit"),
];

/// A valid line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Typed {
    /// For the current conversation.
    Text(String),
    /// A command for the node.
    Command(Command),
    /// `\ping` of a place, which the node has to find first.
    Ping(Place),
    /// `\reply`: a conversation with whoever wrote last, whom the interface knows.
    Reply,
    /// `\history` of the current conversation.
    HistoryHere {
        /// The maximum number of messages to show.
        n: u32,
        /// The message before which they are.
        before: Option<String>,
        /// The message after which they are.
        after: Option<String>,
    },
    /// `\search` without a text, which continues the last one.
    SearchOlder,
    /// `\help`, which the interface answers itself.
    Help,
}

impl Typed {
    /// Whether it is `\quit`.
    pub fn is_quit(&self) -> bool {
        matches!(self, Typed::Command(Command::Quit))
    }

    /// The user that `\chat` names.
    pub fn chats_with(&self) -> Option<&str> {
        match self {
            Typed::Command(Command::Chat { user }) => Some(user),
            _ => None,
        }
    }
}
