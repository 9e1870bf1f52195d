//! The interface of the core: its inputs and its outputs.
//!
//! The driver calls [`Core::handle`](super::Core::handle) with each input, takes every output from
//! [`Core::poll_output`](super::Core::poll_output), and calls `handle` with [`Input::Timeout`] at
//! [`Core::poll_timeout`](super::Core::poll_timeout). There is one output queue, so a change is handed to the store before
//! anything that depends on it is sent. Where sending requires durability, the core itself waits for [`Input::Stored`].

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use crate::id::{BootId, ConnId, DialId, MessageDigest, MessageId, SessionId, StreamId, UserId};
use crate::identity::Name;
use crate::identity::address::ContactAddress;
use crate::identity::invitation::Invitation;
use crate::proto::notice::{Filter, Labelled, Notice};
use crate::proto::persist::{MessageRow, Op, Ticket};
use crate::proto::ranges::{Numbers, Ranges};
use crate::wire::chat::Chat;
use crate::wire::control::Control;

/// An event for the core.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// The moment of `poll_timeout` has come. Harmless at any other moment.
    Timeout,
    /// An interface requests something.
    Request(Request),
    /// A connection has completed its TLS handshake and its proofs, in either direction.
    Connected(Connected),
    /// A control frame has arrived.
    Control {
        /// The connection it arrived on.
        conn: ConnId,
        /// Its messages, in order.
        batch: Vec<Control>,
    },
    /// A chat frame has arrived.
    Chat {
        /// The connection it arrived on.
        conn: ConnId,
        /// Its items, in order.
        items: Vec<Chat>,
    },
    /// The other end of a connection sends from another address than before.
    Moved {
        /// The connection.
        conn: ConnId,
        /// The new address, canonical (no IPv4-mapped IPv6). QUIC may not have validated it yet.
        addr: SocketAddr,
    },
    /// What the transport reports of a connection, at most once a second.
    Flow {
        /// The connection.
        conn: ConnId,
        /// Whether bytes arrive.
        flow: Flow,
    },
    /// A connection has ended, from either side. Follows every `Connected` exactly once.
    Closed {
        /// The connection.
        conn: ConnId,
        /// The reason that the other side gave; `None` if it gave none, or if this side closed.
        reason: Option<CloseReason>,
    },
    /// A dial has failed. Every `Output::Dial` is followed by this or by a `Connected` with its id.
    DialFailed {
        /// The dial.
        dial: DialId,
        /// Why it failed.
        failure: DialFailure,
    },
    /// A node of this network announces itself on the local link. A hint to dial, which is repeated. One boot id may be
    /// announced from several addresses, and not all of them need belong to its node.
    Sighted {
        /// The announced boot id.
        boot: BootId,
        /// The announced address.
        addr: SocketAddr,
    },
    /// An announcement has ended.
    Unsighted {
        /// The announced boot id.
        boot: BootId,
        /// The announced address.
        addr: SocketAddr,
    },
    /// The addresses of this node that others may dial have changed.
    Interfaces {
        /// All of them, with the port; no unspecified ones.
        addrs: Vec<SocketAddr>,
    },
    /// A place given by `--bootstrap` has been resolved.
    Bootstrap {
        /// The place, as it was named. At most a fixed number of them are ever given.
        place: String,
        /// The addresses.
        addrs: Vec<SocketAddr>,
        /// The only user accepted there, if one was given.
        whom: Option<UserId>,
    },
    /// The machine has woken up or a network has returned: everything is tried now.
    Woke,
    /// Changes are durable.
    Stored {
        /// Every `Output::Store` up to this ticket.
        through: Ticket,
    },
    /// The answer to [`Query::Lines`].
    Lines {
        /// The session they were read for.
        sister: SessionId,
        /// The messages found.
        rows: Vec<MessageRow>,
        /// The numbers that were looked at: all that were asked for, unless the bound on bytes was reached.
        examined: Vec<(StreamId, Ranges)>,
    },
    /// The answer to [`Query::Unread`].
    Read {
        /// The line to answer.
        line: Option<u64>,
        /// The other side of the conversation.
        with: UserId,
        /// The message up to which everything was read, and the unread numbers up to it; `None` if the conversation has no such
        /// message.
        through: Option<(MessageId, Numbers)>,
    },
    /// The disk refuses to write. Everything not refused stays queued in the store and is retried until a `Stored`
    /// confirms it.
    StoreFailed {
        /// Typed messages that were given up and will never be stored.
        refused: Vec<MessageId>,
        /// The error, for people.
        error: String,
    },
    /// This node's own announcements have stopped arriving on the local link.
    MulticastDeaf,
}

/// Whether what is sent on a connection arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Bytes arrive, as many as a thin link carries. Reported again each second, and once after `Stalled`.
    Moving,
    /// Nothing that was sent lately has arrived. The connection may recover.
    Stalled,
}

/// A connection whose other end has proved its session key and its membership in the network.
#[derive(Debug, Clone, PartialEq)]
pub struct Connected {
    /// The new connection.
    pub conn: ConnId,
    /// The session at the other end.
    pub session: SessionId,
    /// The boot id that the other end claims.
    pub boot: BootId,
    /// The address of the other end, canonical (no IPv4-mapped IPv6).
    pub addr: SocketAddr,
    /// Bytes that only the two ends of the connection know, exported from TLS for linking.
    pub exporter: [u8; 32],
    /// The dial that led to it; `None` if the other side dialled.
    pub dial: Option<DialId>,
    /// Round-trip time, as measured by the handshake.
    pub rtt: Duration,
}

/// Why a dial failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DialFailure {
    /// Nobody answered, or the address cannot be used.
    Unreachable,
    /// The path does not carry packets as large as QUIC needs.
    TooLarge,
    /// A firewall, of this machine or on the way, does not let UDP pass to it.
    Forbidden,
    /// This machine or a router has no route to it.
    NoRoute,
    /// The machine is there, and no program uses the port.
    Closed,
    /// Another session than the expected one answered. So that one is there.
    Met(SessionId),
    /// It answered, but is not a member of this network or has no protocol version in common.
    Stranger,
}

/// A request from an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The number of the line. Every answer repeats it.
    pub line: Option<u64>,
    /// What is requested.
    pub command: Command,
}

/// Messages shown by `\history` at most: a long conversation, as many as the store returns.
pub const MAX_HISTORY: u32 = 10_000;

/// What a person or script can request. A `user` is given as typed: a name, `name#abc123`, a full id or an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Open a conversation, which links the user.
    Chat {
        /// The user, as typed.
        user: String,
    },
    /// Send a line.
    Say {
        /// The addressee.
        to: UserId,
        /// The text, at most as long as a content may be.
        text: String,
    },
    /// List users.
    Users {
        /// Which ones.
        filter: Filter,
    },
    /// Link a user deliberately.
    Add {
        /// The user, as typed.
        user: String,
    },
    /// Remove the link with a user.
    Remove {
        /// The user, as typed.
        user: String,
    },
    /// Refuse everything from a user.
    Block {
        /// The user, as typed.
        user: String,
    },
    /// Show the people who have written and were not answered.
    Requests,
    /// Forget one of them, and refuse what they write for a while.
    Dismiss {
        /// The user, as typed.
        user: String,
    },
    /// Dial the addresses of one place until somebody answers at one.
    Ping {
        /// The addresses. Link-local ones have their scope.
        addrs: Vec<SocketAddr>,
    },
    /// Count the users within two links.
    Explode,
    /// Dial every place of a contact address until its user answers at one.
    PingAddress {
        /// The contact address.
        address: ContactAddress,
    },
    /// Show the users within two links, and how they are reached.
    Map,
    /// Show the local user's profile.
    Me,
    /// Show a user's profile.
    Whois {
        /// The user, as typed.
        user: String,
    },
    /// Mark a user's fingerprint as verified.
    Verify {
        /// The user, as typed.
        user: String,
    },
    /// Show the local user's sessions.
    Sessions,
    /// Revoke a session of the local user.
    Unlink {
        /// Its label or the start of its id, as typed.
        label: String,
    },
    /// Show which messages wait.
    Status {
        /// The conversation, as typed; `None` for all.
        user: Option<String>,
    },
    /// Show past messages.
    History {
        /// The conversation, as typed.
        user: String,
        /// How many, at most.
        n: u32,
        /// The user and the number that were meant if nobody is called `user`, which ends in a number.
        numbered: Option<(String, u32)>,
        /// The id of a message, as typed: only older ones are shown.
        before: Option<String>,
        /// The id of a message, as typed: only newer ones are shown.
        after: Option<String>,
    },
    /// Show past messages that contain a text.
    Search {
        /// The text. The case of letters does not matter.
        text: String,
        /// The only conversation to search, as typed; `None` for all.
        with: Option<String>,
        /// How many, at most.
        n: u32,
        /// The id of a message, as typed: only older ones are searched.
        before: Option<String>,
    },
    /// Show the history from its beginning, in pages.
    Export {
        /// The conversation, as typed; `None` for all.
        user: Option<String>,
        /// The id of a message, as typed: only newer ones are shown.
        after: Option<String>,
    },
    /// List the conversations, with what is unread.
    Conversations,
    /// Record that everything in a conversation up to a message was read.
    Read {
        /// The conversation, as typed.
        user: String,
        /// The id of the message, as typed.
        through: String,
    },
    /// Withdraw a message that waits.
    Cancel {
        /// Its id, as typed.
        message: String,
    },
    /// Link a session that waits for it.
    Link {
        /// What that session shows.
        invitation: Invitation,
    },
    /// Forget sessions.
    Prune {
        /// How many to keep.
        keep: u32,
    },
    /// Find out what is wrong with this node, or why a user is not reached.
    Examine {
        /// The user, as typed; `None` for this node only.
        user: Option<String>,
        /// Dial the addresses that are not connected anew.
        probe: bool,
        /// Show the result without names, addresses and ids.
        redact: bool,
    },
    /// Declare this session offline and stop.
    Quit,
}

/// What the driver is to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Make a change durable. Changes must take effect in order.
    Store {
        /// Its ticket. Tickets count up by one from 1.
        ticket: Ticket,
        /// The change.
        op: Op,
    },
    /// Send a control message. Consecutive messages to one connection may share a frame.
    Control {
        /// The connection to send it on.
        conn: ConnId,
        /// The message.
        message: Control,
    },
    /// Send a chat item. Consecutive items to one connection may share a frame.
    Chat {
        /// The connection to send it on.
        conn: ConnId,
        /// The item.
        item: Chat,
    },
    /// Dial an address. The answer is a `Connected` or a `DialFailed` with this id.
    Dial {
        /// The id of the dial.
        dial: DialId,
        /// The address to dial.
        addr: SocketAddr,
        /// The only session that may answer, if given. The dial fails if another one does.
        expect: Option<SessionId>,
    },
    /// Send what is queued on a connection, then close it.
    Close {
        /// The connection to close.
        conn: ConnId,
        /// The reason, which the other side is given.
        reason: CloseReason,
    },
    /// Notify the interfaces.
    Notice {
        /// The line it answers, if any.
        line: Option<u64>,
        /// The notice.
        notice: Notice,
    },
    /// Query the store. The answer to [`Query::Lines`] is an [`Input::Lines`], that to [`Query::Unread`] an [`Input::Read`];
    /// others go directly to the interfaces, as a notice for this line.
    Query {
        /// The line to answer.
        line: Option<u64>,
        /// The query.
        query: Query,
    },
    /// This session, which waited to be linked, belongs to a user now. It stops being the throw-away user, and starts again as
    /// a session of the user from what these changes make of an empty store.
    Adopted(Box<Adopted>),
    /// Stop once everything is stored and sent.
    Stop,
}

/// What a linked session starts with.
#[derive(Debug, Clone, PartialEq)]
pub struct Adopted {
    /// The user whose session it is.
    pub user: UserId,
    /// The name of the user.
    pub name: Name,
    /// The first changes of its store.
    pub ops: Vec<Op>,
}

/// The application code of a QUIC close (`docs/protocol.md`, section 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseReason {
    /// The node goes offline.
    Bye = 0,
    /// Another connection to the same session is kept.
    Duplicate = 1,
    /// The node has dialled itself.
    Myself = 2,
    /// The other side has violated the protocol.
    Protocol = 3,
    /// The connection is not needed: there are enough neighbours.
    Surplus = 4,
    /// The other side has sent too much, too fast or too slowly.
    Limits = 5,
    /// There is no proof of membership in this network, or no common version.
    Stranger = 6,
    /// The user has blocked the other one.
    Blocked = 7,
}

impl CloseReason {
    /// The reason with this code; `None` if this version knows none.
    pub fn from_code(code: u64) -> Option<CloseReason> {
        use CloseReason::*;
        let all = [Bye, Duplicate, Myself, Protocol, Surplus, Limits, Stranger, Blocked];
        all.into_iter().find(|reason| *reason as u64 == code)
    }
}

/// A query that only the store can answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Query {
    /// Messages for another session of the local user. Answered by [`Input::Lines`].
    Lines {
        /// The session.
        sister: SessionId,
        /// The numbers wanted, in the order in which they are to be looked at, of each stream the highest first.
        wanted: Vec<(StreamId, Ranges)>,
        /// Bytes of bodies after which no further message is read.
        bytes: usize,
    },
    /// Messages with a user, oldest first. Answered by `Notice::History`.
    History {
        /// The other side of the conversation.
        with: UserId,
        /// The name to show for them.
        handle: String,
        /// The local user's sessions, of which those that wrote a message are named.
        sessions: Vec<Labelled>,
        /// How many messages, at most.
        n: u32,
        /// Which ones.
        page: Page,
    },
    /// Messages that contain a text. Answered by `Notice::Found`.
    Search(Searched),
    /// All messages, oldest first. Answered by `Notice::Exported`.
    Export {
        /// The other side of the conversation; `None` for all conversations.
        with: Option<UserId>,
        /// Only messages after this one.
        after: Option<MessageDigest>,
    },
    /// The conversations, beginning with the one in which a message arrived or was written last. Answered by `Notice::Conversations`.
    Conversations {
        /// Users to list even if nothing was said yet.
        linked: Vec<UserId>,
        /// The numbers that are not read.
        unread: Numbers,
    },
    /// Which unread messages of a conversation are at or before a message in the order of history. Answered by
    /// [`Input::Read`].
    Unread {
        /// The other side of the conversation.
        with: UserId,
        /// The message.
        through: MessageDigest,
        /// The numbers that are not read, of all conversations.
        among: Numbers,
    },
    /// Which sessions and carriers have which own messages. Answered by `Notice::Status`.
    Status {
        /// The conversations to report.
        conversations: Vec<StatusOf>,
        /// How many messages that no longer wait to report per conversation, besides all that wait.
        recent: u32,
    },
}

/// A part of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Page {
    /// The last messages.
    #[default]
    Last,
    /// The last messages before this one.
    Before(MessageDigest),
    /// The first messages after this one.
    After(MessageDigest),
}

/// What is searched for in the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Searched {
    /// The text.
    pub text: String,
    /// The other side of the only conversation to search; `None` for all.
    pub with: Option<UserId>,
    /// How many messages to find, at most.
    pub n: u32,
    /// Only messages before this one.
    pub before: Option<MessageDigest>,
}

/// A conversation in a [`Query::Status`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusOf {
    /// The other side of the conversation.
    pub with: UserId,
    /// The name to show for them.
    pub handle: String,
    /// The sessions that receive every message.
    pub sessions: Vec<Labelled>,
    /// The names to show for the users of carriers, and the labels of those that are other sessions of the local user.
    pub carriers: BTreeMap<SessionId, String>,
}
