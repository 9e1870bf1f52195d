//! What faces may see: copies, in the words of `cli.md`. Every text in it that came from a stranger is still as the
//! stranger sent it; whoever prints makes it harmless.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::id::{MessageId, SessionId, UserId};
use crate::time::Wall;

/// Something to tell. One variant per event of `cli.md`.
#[derive(Debug, Clone, PartialEq)]
pub enum Notice {
    Nearby {
        user: String,
        id: UserId,
        session: SessionId,
    },
    Away {
        user: String,
        id: UserId,
        session: SessionId,
    },
    Linked {
        user: String,
        id: UserId,
        by: By,
        auto: bool,
    },
    Unlinked {
        user: String,
        id: UserId,
        by: By,
    },
    /// `--accept ask`: somebody wants a link; `\add` accepts.
    Asked {
        user: String,
        id: UserId,
    },
    Online {
        user: String,
        id: UserId,
        session: SessionId,
        via: Via,
    },
    Path {
        user: String,
        session: SessionId,
        via: Via,
    },
    Offline {
        user: String,
        id: UserId,
        session: SessionId,
        reason: Absence,
    },
    Chat {
        with: String,
        id: UserId,
        /// One of their sessions is connected, or said to be.
        online: bool,
    },
    Queued {
        message: MessageId,
        to: String,
        text: String,
    },
    State {
        message: MessageId,
        to: String,
        session: SessionId,
        state: Delivery,
        /// Whose disk has it: the relay or server that carries it, or the session it was for.
        by: SessionId,
        /// What to call the user of that session.
        holder: String,
    },
    Message(Box<MessageView>),
    Users {
        filter: Filter,
        users: Vec<UserView>,
    },
    Pong {
        addr: SocketAddr,
        user: String,
        id: UserId,
        session: SessionId,
        rtt_ms: f64,
    },
    /// What `\explode` reached, in how many messages.
    Exploded {
        users: usize,
        sessions: usize,
        messages: u64,
        elapsed_ms: u64,
    },
    Me(Box<Profile>),
    Whois(Box<Profile>),
    Status {
        messages: Vec<StatusView>,
    },
    History {
        with: String,
        messages: Vec<MessageView>,
    },
    Done {
        what: String,
    },
    Warning {
        code: WarningCode,
        message: String,
        user: Option<String>,
    },
    Error {
        code: ErrorCode,
        message: String,
    },
}

/// What was dropped at a bound or refused, by reason, since the start.
pub type Drops = BTreeMap<&'static str, u64>;

/// Which users are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filter {
    All,
    Online,
    Offline,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    Me,
    Them,
}

/// How somebody is reached: connected with me, or with somebody between us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    Direct,
    Relayed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absence {
    Declared,
    Lost,
}

/// How far a message is on its way to one session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    Queued,
    /// On the disk of a relay or server.
    Carried,
    Delivered,
}

/// A line of history. `arrival` is what a face gives back once it has printed it.
#[derive(Debug, Clone, PartialEq)]
pub struct MessageView {
    pub arrival: u64,
    pub message: MessageId,
    pub from: String,
    pub from_id: UserId,
    pub with: String,
    pub text: String,
    pub sent: Wall,
    pub order: u64,
    pub own: bool,
    /// It may have been printed before a crash.
    pub again: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct UserView {
    pub user: String,
    pub id: UserId,
    pub online: bool,
    /// Steps from me; `None` if not within two.
    pub distance: Option<u8>,
    pub nearby: bool,
    pub verified: bool,
    pub sessions: Vec<SessionView>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct SessionView {
    pub session: SessionId,
    pub online: bool,
    pub via: Option<Via>,
    /// Seconds since we heard of it.
    pub heard_s: u64,
    pub addrs: Vec<SocketAddr>,
}

/// `\me` and `\whois`.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    pub user: String,
    pub id: UserId,
    /// The fingerprint in words.
    pub words: String,
    /// `darkchat:…`, to be dialled or scanned.
    pub address: String,
    /// My own session, in `\me`.
    pub session: Option<SessionId>,
    pub sessions: Vec<SessionId>,
    pub verified: bool,
    /// In `\me`: what this node refused, dropped or cut off since its start, by reason.
    pub drops: Drops,
}

#[derive(Debug, Clone, PartialEq)]
pub struct StatusView {
    pub message: MessageId,
    pub to: String,
    pub text: String,
    pub sessions: Vec<HeldBy>,
}

/// How far a message is on its way to a session, and who has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldBy {
    pub session: SessionId,
    pub state: Delivery,
    /// Carriers whose disk has it or had it; the session itself once it is delivered; nobody while it is queued.
    pub by: Vec<Holder>,
}

/// A session that has a message, and what to call its user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    pub session: SessionId,
    pub name: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum WarningCode {
    NameClash,
    ClonedKey,
    RosterFork,
    /// This session is not on its own user's roster.
    Unlisted,
    NoKey,
    CustodyRefused,
    Disk,
    Multicast,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorCode {
    UnknownMacro,
    UnknownUser,
    AmbiguousUser,
    BadName,
    BadAddress,
    BadArgument,
    NoConversation,
    TextTooLong,
    Unreachable,
    Blocked,
    Disk,
    /// More waits than the outbox holds.
    TooMany,
    Internal,
}
