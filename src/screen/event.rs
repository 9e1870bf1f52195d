//! What the node says, as far as the screen needs it. `docs/json.md` describes the events.

use serde::Deserialize;

/// A line of the node.
#[derive(Debug)]
pub struct Told {
    /// The request that it answers.
    pub line: Option<u64>,
    /// The cursor behind it.
    pub at: Option<String>,
    /// The text that `--plain` shows for it.
    pub shown: Option<String>,
    /// What it says.
    pub event: Event,
}

#[derive(Deserialize)]
struct Envelope {
    line: Option<u64>,
    at: Option<String>,
    shown: Option<String>,
}

impl Told {
    /// Parses a line. Events that the screen does not know are [`Event::Other`].
    pub fn parse(line: &str) -> serde_json::Result<Told> {
        let Envelope { line: number, at, shown } = serde_json::from_str(line)?;
        Ok(Told { line: number, at, shown, event: serde_json::from_str(line)? })
    }
}

/// An event.
#[derive(Debug, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Event {
    Ready(Ready),
    Subscribed {
        complete: bool,
    },
    Gap,
    Live,
    Conversations {
        conversations: Vec<Conversation>,
    },
    Users {
        filter: String,
        users: Vec<User>,
    },
    Message(Message),
    Queued(Queued),
    State {
        message: String,
        to: String,
        session: String,
        state: String,
        holder: String,
    },
    History {
        messages: Vec<Message>,
        next: Option<String>,
    },
    Found {
        messages: Vec<Message>,
        next: Option<String>,
    },
    Status {
        messages: Vec<Status>,
    },
    Doctor {
        user: Option<String>,
        checks: Vec<Check>,
        verdict: String,
        action: String,
    },
    Map {
        nodes: Vec<Node>,
        edges: Vec<(String, String)>,
        more: u64,
    },
    Chat {
        with: String,
        id: String,
    },
    Read {
        with: String,
        through: String,
    },
    Online(Presence),
    Offline(Presence),
    Path(Presence),
    Nearby(Presence),
    Away(Presence),
    Linked(Presence),
    Unlinked(Presence),
    Cancelled {
        message: String,
    },
    Asked {},
    Requests {
        users: Vec<Stranger>,
    },
    Session {},
    Mirrored {},
    Exploded {},
    Bootstrap {},
    Warning {
        message: String,
    },
    Error {
        message: String,
    },
    Done,
    Stopped,
    #[serde(other)]
    Other,
}

/// Somebody who has written and was not answered.
#[derive(Debug, Clone, Deserialize)]
pub struct Stranger {
    pub id: String,
    /// How many of their lines are held back.
    pub lines: u64,
}

#[derive(Debug, Clone, Default, Deserialize)]
pub struct Ready {
    pub user: Option<String>,
    pub network: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Message {
    pub message: String,
    pub from: String,
    pub from_id: String,
    pub with: String,
    pub text: String,
    pub sent: String,
    pub order: u64,
    pub own: bool,
    pub label: Option<String>,
    #[serde(default)]
    pub past: bool,
    #[serde(default)]
    pub late: bool,
}

/// A line that was typed at one of the interfaces of this node.
#[derive(Debug, Clone, Deserialize)]
pub struct Queued {
    pub message: String,
    pub to: String,
    pub text: String,
    pub sent: String,
    pub order: u64,
    /// How far it has come, of a line from before.
    pub state: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Conversation {
    pub with: String,
    pub id: String,
    pub unread: u64,
    pub last: Option<Message>,
    pub order: u64,
    #[serde(default)]
    pub typed_last: bool,
}

#[derive(Debug, Clone, Deserialize)]
pub struct User {
    pub user: String,
    pub id: String,
    pub distance: Option<u8>,
    pub nearby: bool,
    pub verified: bool,
    pub sessions: Vec<Session>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Session {
    pub session: String,
    pub label: String,
    pub via: Option<String>,
    pub heard_s: u64,
}

/// Something about one session of a user, or about the user.
#[derive(Debug, Clone, Deserialize)]
pub struct Presence {
    pub user: String,
    pub id: Option<String>,
    pub session: Option<String>,
    pub via: Option<String>,
    #[serde(default)]
    pub own: bool,
}

/// Where a message of mine is.
#[derive(Debug, Clone, Deserialize)]
pub struct Status {
    pub message: String,
    pub to: String,
    pub text: String,
    pub sent: String,
    pub sessions: Vec<Delivery>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Delivery {
    pub session: String,
    pub label: String,
    pub state: String,
    pub carriers: Vec<String>,
}

/// What an examination says of one thing.
#[derive(Debug, Clone, Deserialize)]
pub struct Check {
    pub name: String,
    pub state: String,
    pub text: String,
}

/// Somebody in the network around me.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Node {
    pub id: String,
    pub name: String,
    pub me: bool,
    pub distance: Option<u8>,
    pub relay: bool,
    pub server: bool,
    /// An older node does not say.
    #[serde(default)]
    pub nearby: bool,
    pub way: String,
    pub through: Option<String>,
    pub rtt_ms: Option<f64>,
    pub since: Option<String>,
    pub held: Option<u64>,
    pub waiting: Option<u64>,
}
