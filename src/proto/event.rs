//! The whole contract of the core: what goes in, what comes out.
//!
//! Whoever drives it calls `handle(now, input)`, takes every `poll_output()`, and wakes it at `poll_timeout()` with
//! `handle(now, Input::Timeout)`. There is one output queue, so that what must be stored stands before what may be sent;
//! where durability gates sending, the core itself waits for [`Input::Stored`].

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use crate::id::{BootId, ConnId, DialId, MessageId, SessionId, UserId};
use crate::identity::address::ContactAddress;
use crate::proto::notice::{Filter, Notice};
use crate::proto::persist::{Op, Ticket};
use crate::wire::chat::Chat;
use crate::wire::control::Control;

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// The moment of `poll_timeout` has come (or any other).
    Timeout,
    /// Somebody at a face wants something.
    Request(Request),
    /// A connection whose TLS and proofs hold, in either direction.
    Connected(Connected),
    /// A control frame.
    Control { conn: ConnId, batch: Vec<Control> },
    /// A chat frame.
    Chat { conn: ConnId, items: Vec<Chat> },
    /// The connection is gone, whoever ended it. Follows every `Connected` exactly once.
    Closed { conn: ConnId },
    /// A dial came to nothing. Every `Output::Dial` is followed by this or by a `Connected` that names it.
    DialFailed { dial: DialId, failure: DialFailure },
    /// Somebody of our network announces itself on the local link from this address. A hint to dial; repeats. One boot id
    /// may come from several addresses, and not all of them need be its own.
    Sighted { boot: BootId, addr: SocketAddr },
    /// An announcement has ended.
    Unsighted { boot: BootId, addr: SocketAddr },
    /// My addresses that others may dial, as they are from now on: real ones, with the port.
    Interfaces { addrs: Vec<SocketAddr> },
    /// Addresses of nodes given by `--bootstrap`, resolved; and who must answer there, if that was said.
    Bootstrap { addrs: Vec<SocketAddr>, whom: Option<UserId> },
    /// The machine slept, or a network came back: try everything now.
    Woke,
    /// Every `Output::Store` up to this ticket is durable.
    Stored { through: Ticket },
    /// The disk refuses. These typed messages were given up and will never be stored; everything else stays queued in
    /// the store and is tried again until a `Stored` says that it went in.
    StoreFailed { refused: Vec<MessageId>, error: String },
    /// My own announcement is not heard on the local link, since just now.
    MulticastDeaf,
}

/// A proved connection.
#[derive(Debug, Clone, PartialEq)]
pub struct Connected {
    pub conn: ConnId,
    pub session: SessionId,
    pub boot: BootId,
    /// Where the other side is, canonical (no mapped IPv4).
    pub addr: SocketAddr,
    /// Which dial of mine led to it; `None` if the other side dialled.
    pub dial: Option<DialId>,
    pub rtt: Duration,
}

/// Why a dial came to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DialFailure {
    /// Nobody answered, or the address cannot be used.
    Unreachable,
    /// Another session than expected answered: a sighting of that one there.
    Met(SessionId),
    /// It answered, but is no member of this network, or speaks no version of mine.
    Stranger,
}

/// A wish from a face. `line` comes back in every answer to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub line: Option<u64>,
    pub command: Command,
}

/// What a person or script can ask for. `user` is what they typed: a name, `name#abc123`, a full id, or an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    Chat {
        user: String,
    },
    Say {
        to: UserId,
        text: String,
    },
    Users {
        filter: Filter,
    },
    Add {
        user: String,
    },
    Remove {
        user: String,
    },
    Block {
        user: String,
    },
    /// `port` defaults to my own incoming one.
    Ping {
        ip: std::net::IpAddr,
        port: Option<u16>,
    },
    Explode,
    /// Dials every place of an address, until that user answers at one.
    PingAddress {
        address: ContactAddress,
    },
    Me,
    Whois {
        user: String,
    },
    Verify {
        user: String,
    },
    /// Of everything that waits, or of one conversation.
    Status {
        user: Option<String>,
    },
    History {
        user: String,
        n: u32,
    },
    Cancel {
        message: String,
    },
    /// Forget sessions beyond this many.
    Prune {
        keep: u32,
    },
    /// Declare offline and stop.
    Quit,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Make this durable, in order; tickets count up by one from 1.
    Store {
        ticket: Ticket,
        op: Op,
    },
    /// Messages to one connection that come out together may share a frame.
    Control {
        conn: ConnId,
        message: Control,
    },
    Chat {
        conn: ConnId,
        item: Chat,
    },
    /// With `expect`, fail closed when another answers.
    Dial {
        dial: DialId,
        addr: SocketAddr,
        expect: Option<SessionId>,
    },
    /// Send what is queued, then close.
    Close {
        conn: ConnId,
        reason: CloseReason,
    },
    /// Tell the faces.
    Notice {
        line: Option<u64>,
        notice: Notice,
    },
    /// Ask the store; its answer goes straight to the faces, as a notice with this line.
    Query {
        line: Option<u64>,
        query: Query,
    },
    /// Everything is said; stop when it is stored and sent.
    Stop,
}

/// The application code of a QUIC close.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseReason {
    /// Going offline.
    Bye = 0,
    /// Another connection to the same session is kept.
    Duplicate = 1,
    /// It is myself.
    Myself = 2,
    /// What was sent makes no sense.
    Protocol = 3,
    /// Not needed any more: there are enough neighbours.
    Surplus = 4,
    /// Too much, too fast, or too slow.
    Limits = 5,
    /// No proof of this network, or no common version.
    Stranger = 6,
    /// Blocked by the user.
    Blocked = 7,
}

/// What only the store knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Query {
    /// The last `n` messages with a user, oldest first: `Notice::History`.
    History { with: UserId, handle: String, n: u32 },
    /// Who has which of my messages: `Notice::Status`. For each conversation the messages that wait and the last
    /// `recent` that do not.
    Status { conversations: Vec<StatusOf>, recent: u32 },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusOf {
    pub with: UserId,
    pub handle: String,
    /// The sessions that are to have every message.
    pub sessions: Vec<SessionId>,
    /// What to call whoever carries something for them.
    pub carriers: BTreeMap<SessionId, String>,
}
