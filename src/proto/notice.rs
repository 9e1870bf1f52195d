//! What the core reports to the interfaces, as self-contained copies. `docs/json.md` describes each event as printed by
//! `--json`. Text that came from other users is unescaped: callers must escape it before they print it.

pub mod counts;
pub mod examination;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::id::{MessageId, SessionId, UserId};
use crate::identity::place::Place;
use crate::time::Wall;
use examination::Examination;

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
        /// The conversations, those with the newest message first.
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

/// How often something was dropped at a limit or refused since the start, by reason.
pub type Drops = BTreeMap<&'static str, u64>;

/// Which users are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filter {
    /// All known users.
    All,
    /// Users with at least one session online.
    Online,
    /// Users without a session online.
    Offline,
}

/// How a session is told apart from the others of its user.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Which {
    /// Its label; `None` if it is the only session of its user, or is not on their roster any more.
    pub label: Option<String>,
    /// It belongs to the local user.
    pub own: bool,
}

/// One side of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// The local user.
    Me,
    /// The other user.
    Them,
}

/// What happened to a session of the local user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionChange {
    /// The list of the user's sessions contains it now.
    Linked,
    /// It was revoked.
    Unlinked,
}

/// How a session is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// It is connected with this node.
    Direct,
    /// It is connected with a neighbour of this node.
    Relayed,
}

/// Why a session counts as offline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absence {
    /// It declared itself offline.
    Declared,
    /// It is unreachable.
    Lost,
}

/// How far a message has come towards one session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// On the disk of this node only.
    Queued,
    /// On the disk of a carrier.
    Carried,
    /// On the disk of the session.
    Delivered,
    /// On the disk of another session of the addressee, which passes it on to this one. This node sends it no more.
    Settled,
}

/// What is shown when a message made progress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The label of the session of the addressee.
    pub label: String,
    /// How many of the addressee's sessions have the message.
    pub reached: usize,
    /// How many sessions the addressee has.
    pub of: usize,
    /// The name to show for the user of the session whose disk has it.
    pub holder: String,
}

/// A message as shown.
#[derive(Debug, Clone, PartialEq)]
pub struct MessageView {
    /// Its number in the order of arrival. The interface returns it once it has printed the message.
    pub arrival: u64,
    /// The message.
    pub message: MessageId,
    /// The name to show for the author.
    pub from: String,
    /// The author.
    pub from_id: UserId,
    /// The name to show for the conversation.
    pub with: String,
    /// The text, unescaped.
    pub text: String,
    /// When it was written, by the author's clock.
    pub sent: Wall,
    /// The author's Lamport counter, which orders a conversation.
    pub order: u64,
    /// The local user wrote it.
    pub own: bool,
    /// It may have been printed before a crash.
    pub again: bool,
    /// It is part of the history that a new session of the local user gets from another one.
    pub past: bool,
    /// The label of the session that wrote it, if it is another one of the local user.
    pub by: Option<String>,
}

/// A conversation as listed.
#[derive(Debug, Clone, PartialEq)]
pub struct ConversationView {
    /// The name to show for the other side.
    pub with: String,
    /// The other side.
    pub id: UserId,
    /// Messages of the other side that were not read on any session of the local user.
    pub unread: u64,
    /// The last message; `None` if nothing was said yet.
    pub last: Option<MessageView>,
    /// The place of the last message in history, as in [`MessageView::order`]; 0 if there is none.
    pub order: u64,
}

/// A user as listed.
#[derive(Debug, Clone, PartialEq)]
pub struct UserView {
    /// The name to show.
    pub user: String,
    /// The user.
    pub id: UserId,
    /// At least one session is online.
    pub online: bool,
    /// Links between the local user and this one; `None` if more than two.
    pub distance: Option<u8>,
    /// A session is on the local link.
    pub nearby: bool,
    /// The local user has verified the fingerprint.
    pub verified: bool,
    /// The local user has blocked them.
    pub blocked: bool,
    /// The known sessions.
    pub sessions: Vec<SessionView>,
}

/// Somebody who has written and was not answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestView {
    /// The name to show.
    pub user: String,
    /// The user.
    pub id: UserId,
    /// Lines that are held back until they are accepted, as far as they are known.
    pub lines: u64,
    /// Bytes of these lines.
    pub bytes: u64,
}

/// A session with the label to show for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labelled {
    /// The session.
    pub session: SessionId,
    /// Its label, which no other session of the user shares; the start of its id if it has none.
    pub label: String,
}

/// A session of the local user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnSession {
    /// The session.
    pub session: SessionId,
    /// The label to show.
    pub label: String,
    /// It is the session of this node.
    pub is_this: bool,
    /// How it is reached; `None` if it is offline.
    pub via: Option<Via>,
    /// Since when it is online, or when it was last heard of; `None` if it never was.
    pub since: Option<Wall>,
}

/// A session as listed.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionView {
    /// The session.
    pub session: SessionId,
    /// The label to show.
    pub label: String,
    /// Whether it is online.
    pub online: bool,
    /// How it is reached; `None` if it is offline.
    pub via: Option<Via>,
    /// Seconds since it was last heard of; 0 while it is connected.
    pub heard_s: u64,
    /// Addresses at which it may be dialled.
    pub addrs: Vec<SocketAddr>,
}

/// A user in detail, for `\me` and `\whois`.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// The name to show.
    pub user: String,
    /// The user.
    pub id: UserId,
    /// The fingerprint of the user key, in words.
    pub words: String,
    /// The contact address, `darkchat:…`, to be dialled or scanned.
    pub address: String,
    /// In `\me`: the link-local addresses of this node, which a contact address cannot have, with the name of their interface
    /// here.
    pub link_local: Vec<Place>,
    /// The session of this node, in `\me`.
    pub session: Option<SessionId>,
    /// The user's known sessions.
    pub sessions: Vec<Labelled>,
    /// The local user has verified the fingerprint.
    pub verified: bool,
    /// In `\me`: what this node dropped or refused since its start, by reason.
    pub drops: Drops,
}

/// A message in `\status`.
#[derive(Debug, Clone, PartialEq)]
pub struct StatusView {
    /// The message.
    pub message: MessageId,
    /// The name to show for the addressee.
    pub to: String,
    /// The text.
    pub text: String,
    /// Its progress towards each session of the addressee.
    pub sessions: Vec<HeldBy>,
}

/// The progress of a message towards one session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldBy {
    /// The session of the addressee.
    pub session: SessionId,
    /// Its label.
    pub label: String,
    /// How far it has come.
    pub state: Delivery,
    /// The carriers whose disk has or had it; the session itself once it is delivered; otherwise empty.
    pub by: Vec<Holder>,
}

/// A session that has a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The session.
    pub session: SessionId,
    /// The name to show for its user.
    pub name: String,
}

/// The kind of a warning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum WarningCode {
    /// Another key uses a name that is in use, or another user answers at an address.
    NameClash,
    /// Another node uses the key of this session.
    ClonedKey,
    /// There are two rosters of one user that were signed apart.
    RosterFork,
    /// The local user's roster does not list this session.
    Unlisted,
    /// Messages wait because no usable key card of the addressee is known.
    NoKey,
    /// A carrier has no space for more messages of the local user.
    CustodyRefused,
    /// The store cannot be written, or it was damaged.
    Disk,
    /// This node does not receive its own multicast.
    Multicast,
    /// Notices were left out because nothing read them.
    LeftOut,
    /// A node given by `--bootstrap` does not answer, or cannot be used.
    Bootstrap,
}

/// The kind of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorCode {
    /// There is no such macro.
    UnknownMacro,
    /// No known user has this name.
    UnknownUser,
    /// Several users have this name.
    AmbiguousUser,
    /// The text cannot be a name.
    BadName,
    /// The text is not an address, or the address cannot be dialled.
    BadAddress,
    /// An argument is missing, unexpected or out of range.
    BadArgument,
    /// No conversation is open.
    NoConversation,
    /// The line is too long.
    TextTooLong,
    /// Nobody answered, or another user did.
    Unreachable,
    /// The local user has blocked the user.
    Blocked,
    /// The store could not be read or written.
    Disk,
    /// More messages wait than the outbox holds, or there are too many of something else.
    TooMany,
    /// The code of a session that waits to be linked is another one.
    CodeWrong,
    /// The code has expired or was used.
    CodeExpired,
    /// This session does not hold the user key.
    NoUserKey,
    /// It is not a request of the local API.
    BadRequest,
    /// The node has failed.
    Internal,
}
