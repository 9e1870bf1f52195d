//! What the core reports to the interfaces, as self-contained copies. `docs/json.md` describes each event as printed by
//! `--json`. Text that came from other users is unescaped: callers must escape it before they print it.

mod codes;
pub mod counts;
pub mod examination;
pub mod map;
mod values;
mod views;

use std::net::SocketAddr;

use crate::id::{MessageId, SessionId, UserId};
use crate::time::Wall;
pub use codes::{ErrorCode, WarningCode};
use examination::Examination;
use map::Map;
pub use values::{Absence, By, Delivery, Filter, SessionChange, Via};
pub use views::{
    ConversationView, Drops, HeldBy, Holder, Labelled, MessageView, OwnSession, Profile, Progress, RequestView,
    SessionView, StatusView, UserView, Which,
};

/// An event or an answer for the interfaces. Names to show (`user`, `to`, `with`, `holder`) can be typed back.
#[derive(Debug, Clone, PartialEq)]
pub enum Notice {
    /// An unlinked user was found on the local link and has proved their key.
    Nearby {
        /// The name to show.
        user: String,
        /// The user.
        id: UserId,
        /// The session that was found.
        session: SessionId,
    },
    /// A session reported as nearby has left the local link.
    Away {
        /// The name to show.
        user: String,
        /// The user.
        id: UserId,
        /// The session that left.
        session: SessionId,
    },
    /// Both users list each other.
    Linked {
        /// The name to show.
        user: String,
        /// The other user.
        id: UserId,
        /// Who requested the link.
        by: By,
        /// This node accepted automatically; such a link extends nobody's horizon.
        auto: bool,
    },
    /// A link was removed.
    Unlinked {
        /// The name to show.
        user: String,
        /// The other user.
        id: UserId,
        /// Who removed it.
        by: By,
    },
    /// A user requests a link, and it is not accepted automatically. `\add` accepts.
    Asked {
        /// The name to show.
        user: String,
        /// The user.
        id: UserId,
    },
    /// A session of a linked user, of a user two links away or of the local user came online.
    Online {
        /// The name to show.
        user: String,
        /// The user.
        id: UserId,
        /// The session.
        session: SessionId,
        /// Which of the user's sessions it is.
        which: Which,
        /// How it is reached.
        via: Via,
    },
    /// A session that stays online is reached in another way.
    Path {
        /// The name to show.
        user: String,
        /// The user.
        id: UserId,
        /// The session.
        session: SessionId,
        /// Which of the user's sessions it is.
        which: Which,
        /// How it is reached now.
        via: Via,
    },
    /// A session reported as online is not online any more.
    Offline {
        /// The name to show.
        user: String,
        /// The user.
        id: UserId,
        /// The session.
        session: SessionId,
        /// Which of the user's sessions it is.
        which: Which,
        /// How this is known.
        reason: Absence,
    },
    /// Answers `\chat`: lines go to this user from now on.
    Chat {
        /// The name to show.
        with: String,
        /// The user.
        id: UserId,
        /// One of their sessions is connected or reported as connected.
        online: bool,
    },
    /// Answers a typed line: the store has it.
    Queued {
        /// The message.
        message: MessageId,
        /// The name to show for the addressee.
        to: String,
        /// The text as typed.
        text: String,
        /// When it was typed, by this machine's clock.
        sent: Wall,
        /// Its place in the conversation: the Lamport number.
        order: u64,
    },
    /// An own message made progress towards one session of its addressee.
    State {
        /// The message.
        message: MessageId,
        /// The name to show for the addressee.
        to: String,
        /// The session of the addressee.
        session: SessionId,
        /// How far it has come.
        state: Delivery,
        /// The session whose disk has it: a carrier, or the session of the addressee.
        by: SessionId,
        /// What to show of both sessions.
        progress: Box<Progress>,
    },
    /// A message that waited was withdrawn with `\cancel`. Interfaces that show it leave it out from now on.
    Cancelled {
        /// The message.
        message: MessageId,
        /// The name to show for the addressee.
        to: String,
    },
    /// A message arrived and is stored.
    Message(Box<MessageView>),
    /// A new session of the local user gets the history from another one.
    Mirrored {
        /// The session it comes from.
        session: SessionId,
        /// The label of that session.
        label: String,
        /// Lines that have come so far.
        lines: u64,
        /// Whether this session has everything that the other one holds.
        complete: bool,
    },
    /// Answers `\users`, `\online` and `\offline`.
    Users {
        /// Which users were requested.
        filter: Filter,
        /// The users.
        users: Vec<UserView>,
    },
    /// Answers `\ping`: a session has answered and proved its key.
    Pong {
        /// The address that was dialled.
        addr: SocketAddr,
        /// The name to show.
        user: String,
        /// The user.
        id: UserId,
        /// The session that answered.
        session: SessionId,
        /// Round-trip time in milliseconds.
        rtt_ms: f64,
    },
    /// A node given by `--bootstrap` has answered and proved its key, for the first time or after a warning that it does not.
    Bootstrap {
        /// The place, as it was given.
        place: String,
        /// The address at which it answered.
        addr: SocketAddr,
        /// The name to show.
        user: String,
        /// The user.
        id: UserId,
        /// The session that answered.
        session: SessionId,
    },
    /// Answers `\explode`.
    Exploded {
        /// Number of users reached.
        users: usize,
        /// Number of sessions reached.
        sessions: usize,
        /// Messages sent for it, by all nodes together.
        messages: u64,
        /// Milliseconds until the last answer.
        elapsed_ms: u64,
    },
    /// Answers `\me`.
    Me(Box<Profile>),
    /// Answers `\whois`.
    Whois(Box<Profile>),
    /// Answers `\status`.
    Status {
        /// The messages, by conversation.
        messages: Vec<StatusView>,
    },
    /// Answers `\sessions`.
    Sessions {
        /// The sessions of the local user.
        sessions: Vec<OwnSession>,
    },
    /// This session waits to be linked and shows what has to be typed where the user key is.
    Code {
        /// Three words.
        code: String,
        /// A longer text that means the same, to be copied or scanned.
        token: String,
        /// Seconds until another one is drawn.
        expires_s: u64,
    },
    /// This session was linked: it belongs to this user now.
    Joined {
        /// The name of the user.
        user: String,
        /// The user.
        id: UserId,
        /// The fingerprint of the user key, in words.
        words: String,
    },
    /// A session of the local user was added or revoked, here or at another one. Answers `\link` and `\unlink`.
    Session {
        /// Its label.
        label: String,
        /// The session.
        session: SessionId,
        /// What happened to it.
        state: SessionChange,
    },
    /// Answers `\history`.
    History {
        /// The name to show for the conversation.
        with: String,
        /// The messages, oldest first.
        messages: Vec<MessageView>,
        /// The message from which the next page goes on, if there is more in that direction: the first of `messages`, or the
        /// last if newer ones than a given message were requested.
        next: Option<MessageId>,
    },
    /// Answers `\\search`.
    Found {
        /// The text that was searched for.
        text: String,
        /// The name to show for the only conversation that was searched; `None` if all were.
        with: Option<String>,
        /// The messages that contain it, newest first.
        messages: Vec<MessageView>,
        /// The message before which the search can be continued; `None` if everything was searched.
        next: Option<MessageId>,
    },
    /// Answers a request for the whole history.
    Exported {
        /// The messages, oldest first.
        messages: Vec<MessageView>,
        /// The message after which the next page begins; `None` if there is none.
        next: Option<MessageId>,
    },
    /// Answers a request for the conversations.
    Conversations {
        /// The conversations, beginning with the one in which a message arrived or was written last.
        conversations: Vec<ConversationView>,
    },
    /// The local user has read messages, here or on another session.
    Read {
        /// The name to show for the conversation.
        with: String,
        /// The message up to which everything was read. Of what was read on another session, the last message.
        through: MessageId,
    },
    /// Answers `\requests`: the people who have written and were not answered. Unasked: those of whom lines are held back.
    Requests {
        /// The people.
        users: Vec<RequestView>,
        /// It answers a line.
        is_answer: bool,
    },
    /// Answers `\map`.
    Map(Box<Map>),
    /// Answers `\doctor`.
    Examination(Box<Examination>),
    /// Answers a command that only changes something.
    Done {
        /// What was done, for people.
        what: String,
    },
    /// Something needs attention. Never answers a line.
    Warning {
        /// The kind of warning.
        code: WarningCode,
        /// The text, for people.
        message: String,
        /// The name of the user it is about.
        user: Option<String>,
    },
    /// A line could not be carried out.
    Error {
        /// The kind of error.
        code: ErrorCode,
        /// The text, for people.
        message: String,
    },
}
