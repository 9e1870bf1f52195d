//! What `\doctor` is answered with: what this node knows of itself, of its machine and of one user. It holds data only; the
//! interfaces judge it (`ui::doctor`).

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::Via;
use crate::id::{SessionId, UserId};
use crate::time::Wall;

/// The answer to `\doctor`.
#[derive(Debug, Clone, PartialEq)]
pub struct Examination {
    /// It is to be shown without names, addresses and ids.
    pub redact: bool,
    /// What the core knows of this node.
    pub own: OwnNode,
    /// What the shell knows of the machine; `None` where there is none, as in the simulator.
    pub host: Option<Host>,
    /// Who was asked about.
    pub subject: Subject,
}

/// Who an examination is about.
#[derive(Debug, Clone, PartialEq)]
pub enum Subject {
    /// This node only.
    Node,
    /// Nobody with this name is known.
    Unknown(String),
    /// A user.
    User(Box<ExaminedUser>),
}

/// What the core knows of its own node.
#[derive(Debug, Clone, PartialEq)]
pub struct OwnNode {
    /// The local user's name.
    pub user: String,
    /// Time since the start.
    pub up: Duration,
    /// The newest known roster of the local user does not list this session, so nobody accepts it.
    pub unlisted: bool,
    /// The network has a key.
    pub closed: bool,
    /// It carries mail for others.
    pub carries: bool,
    /// The addresses that it declares.
    pub addrs: Vec<SocketAddr>,
    /// The connected sessions.
    pub neighbours: Vec<SeenBy>,
    /// Nodes that are announced on the local link, of whatever user.
    pub announced: usize,
    /// Machines that are announced there, and from which nothing came back when they were last dialled.
    pub silent: usize,
    /// Time since a connection came from an address that this node had not dialled, from another machine.
    pub reached: Option<Duration>,
    /// The places given by `--bootstrap`.
    pub bootstrap: Vec<BootstrapPlace>,
    /// Own lines that wait.
    pub waiting: usize,
    /// Envelopes that are kept for others, or, by a node that carries nothing for others, for other sessions of its user.
    pub held: usize,
}

/// A connected session, and how it sees this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenBy {
    /// The name of its user; its label if that is the local user.
    pub name: String,
    /// The session.
    pub session: SessionId,
    /// Its address, as this node sees it.
    pub addr: SocketAddr,
    /// The address of this node, as the session sees it.
    pub observed: Option<SocketAddr>,
    /// It is on a network of this machine, or on the machine itself.
    pub is_near: bool,
    /// It declares that it carries mail.
    pub carries: bool,
    /// The local link announces it.
    pub announced: bool,
    /// Milliseconds by which its clock was ahead of the local one when it introduced itself, as far as its newest record
    /// tells; a record may be older than the introduction, so a negative number says less.
    pub ahead_ms: i64,
}

/// A place given by `--bootstrap`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootstrapPlace {
    /// The place, as it was named.
    pub place: String,
    /// What happened last. [`Outcome::Answered`]: it is connected.
    pub outcome: Outcome,
    /// How often it was dialled, as far as is remembered.
    pub tries: u32,
}

/// What happened when an address was dialled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The session answered, and proved its key.
    Answered,
    /// Nothing came back.
    Silent,
    /// The path does not carry packets as large as QUIC needs.
    TooLarge,
    /// A firewall does not let UDP pass to it.
    Forbidden,
    /// There is no route to it.
    NoRoute,
    /// The machine is there, and no program uses the port.
    Closed,
    /// Another session answered.
    Other,
    /// It answered, but is not a member of this network.
    Stranger,
    /// It is this node itself.
    Myself,
    /// It answered, and closed the connection.
    Refused,
}

/// A user, examined.
#[derive(Debug, Clone, PartialEq)]
pub struct ExaminedUser {
    /// The name to show.
    pub user: String,
    /// The user.
    pub id: UserId,
    /// Another user who has the same name or a similar one.
    pub clash: Option<String>,
    /// What the local user says about the link.
    pub mine: Statement,
    /// What the other user says about it.
    pub theirs: Statement,
    /// The last connection was closed because the other user blocks this one.
    pub refuses: bool,
    /// They are sought: time since the search began.
    pub sought: Option<Duration>,
    /// The known sessions.
    pub sessions: Vec<ExaminedSession>,
    /// Neighbours that were asked where the user is, or say it.
    pub asked: Vec<Asked>,
    /// Own lines that wait for the user.
    pub lines: usize,
    /// Time that the oldest of them has waited.
    pub oldest: Option<Duration>,
    /// Who carries how many of them.
    pub carriers: Vec<Carrier>,
}

/// What a user says about a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statement {
    /// Nothing, as far as is known.
    None,
    /// The link is wanted.
    Linked,
    /// The link is refused or was removed.
    Removed,
    /// The other user is blocked.
    Blocked,
}

/// A session of an examined user.
#[derive(Debug, Clone, PartialEq)]
pub struct ExaminedSession {
    /// The session.
    pub session: SessionId,
    /// Its label.
    pub label: String,
    /// How it is reached; `None` if it is not.
    pub via: Option<Via>,
    /// What was sent to it lately does not arrive.
    pub stalled: bool,
    /// Time since it was last heard of; `None` if it never was.
    pub heard: Option<Duration>,
    /// Its last declaration says that it went offline.
    pub said_goodbye: bool,
    /// The local link announces it.
    pub announced: bool,
    /// A key is known to seal to.
    pub has_key: bool,
    /// Where it is or may be.
    pub places: Vec<ExaminedPlace>,
    /// Where connected neighbours see it.
    pub seen: Vec<SocketAddr>,
}

/// An address of an examined session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExaminedPlace {
    /// The address.
    pub addr: SocketAddr,
    /// How it is known.
    pub whence: Whence,
    /// It is on a network of this machine.
    pub is_near: bool,
    /// The dials to it, as far as they are remembered.
    pub tried: Option<Tried>,
    /// What happened when it was dialled for this examination.
    pub probed: Option<Outcome>,
}

/// How an address is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whence {
    /// The session answered there.
    Answered,
    /// The session came from there.
    Observed,
    /// The local link announces it.
    Announced,
    /// The session declares it.
    Declared,
    /// Others say so.
    Hinted,
}

/// The dials to an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tried {
    /// How many.
    pub times: u32,
    /// Time since the last one ended.
    pub ago: Duration,
    /// How it ended.
    pub outcome: Outcome,
}

/// A neighbour that was asked for a user, or says where they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The name of the neighbour's user; its label if that is the local user.
    pub name: String,
    /// The neighbour.
    pub session: SessionId,
    /// Time since it was last asked; `None` if it was not.
    pub ago: Option<Duration>,
    /// It is connected with the user, or near a node that is.
    pub reaches: bool,
}

/// A carrier of lines that wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Carrier {
    /// The name of the carrier's user; its label if that is the local user.
    pub name: String,
    /// How many lines it has.
    pub lines: usize,
}

/// What the shell knows of the machine and the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// The version of the program.
    pub version: &'static str,
    /// The UDP port.
    pub port: u16,
    /// The interfaces, without loopback.
    pub interfaces: Vec<Link>,
    /// Whether the local link is used (`--no-lan`).
    pub lan: bool,
    /// The local wall clock.
    pub wall: Wall,
    /// The clock shows a time before this program existed.
    pub unset_clock: bool,
    /// The disk with the data directory.
    pub disk: Disk,
}

/// A network interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its name.
    pub name: String,
    /// Its addresses.
    pub addrs: Vec<IpAddr>,
    /// It is switched on and has a carrier: a cable with a running device at the other end, or a Wi-Fi network.
    pub is_up: bool,
    /// What is heard there; `None` where the local link is not used, as on tunnels.
    pub multicast: Option<Multicast>,
}

/// What is heard on an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Multicast {
    /// Time since this node sent a query there that has not come back, nor has a later one.
    pub deaf: Option<Duration>,
    /// Time since multicast of another machine was received there.
    pub others_heard: Option<Duration>,
}

/// The disk with the data directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// This session keeps anything.
    pub keeps: bool,
    /// Bytes that the program may still write; `None` if the system does not say.
    pub free: Option<u64>,
    /// Bytes of the store.
    pub store: u64,
    /// Damaged stores that were set aside.
    pub set_aside: usize,
    /// Time since the last commit; `None` before the first.
    pub committed: Option<Duration>,
    /// Why the disk refuses writes, while it does.
    pub refuses: Option<String>,
}
