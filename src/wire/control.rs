//! The control stream: a hello, then the other messages. A frame is a list of messages.

use super::addr::Addr;
use super::codec::{Field, Fixed, List, Text, kinds, record};
use super::content::Range;
use super::link::{LinkSession, RelayedStep};
use super::record::Signed;
use crate::id::{Address, SessionId, UserId};

/// The maximum number of messages in one control frame.
pub const MAX_BATCH: usize = 64;

/// A control frame.
pub type Batch = List<Control, MAX_BATCH>;

kinds! {
    /// A message of the control stream. Numbers 16 and 17 are reserved (`docs/protocol.md`).
    pub enum Control {
        /// The first message in each direction.
        1 => Hello(Hello),
        /// A session is online.
        2 => DeclareOnline(Declare),
        /// A session is going offline.
        3 => DeclareOffline(Declare),
        /// A request that a user declare itself to the sender.
        4 => RequestPing(RequestPing),
        /// A request for the links of a user.
        5 => RequestUserList(RequestUserList),
        /// Records of users, requested or not.
        6 => DeliverKnownList(DeliverKnownList),
        /// A search for users by name or id.
        7 => Find(Find),
        /// Version summaries of the records that the sender holds.
        8 => Digest(Digest),
        /// A request for records.
        9 => Want(Want),
        /// Random members of a closed network.
        10 => Sample(Sample),
        /// A step of linking a session.
        11 => LinkSession(LinkSession),
        /// The flood of `\explode`.
        12 => Explode(Explode),
        /// The answer to [`Explode`].
        13 => Exploded(Exploded),
        /// Summaries of what the sender holds, for another session of the same user.
        14 => Compare(Compare),
        /// The messages that the sender holds, for another session of the same user.
        15 => Holdings(Holdings),
        /// The nodes on the local link whose records the sender holds.
        18 => NearbyDigest(NearbyDigest),
        /// A request for records of nodes on the local link.
        19 => NearbyWant(NearbyWant),
        /// The answer to [`NearbyWant`].
        20 => NearbyRecords(NearbyRecords),
        /// A step of linking a session, through a relay.
        21 => RelayedStep(RelayedStep),
    }
}

record! {
    /// The first message after the proof. A connection is established when both sides have read the other's hello.
    pub struct Hello {
        /// The sender's [`Declaration`](super::record::Declaration).
        0 => declaration: Signed,
        /// The [`Roster`](super::record::Roster) of the sender's user.
        1 => roster: Signed,
        /// The sender's [`KeyCard`](super::record::KeyCard).
        2 => card: Option<Signed>,
        /// The receiver's address as the sender sees it.
        3 => observed: Addr,
        /// The highest `seq` of the receiver that the sender has seen.
        4 => known_seq: Option<u64>,
        /// The program and its version, for display.
        5 => agent: Text<64>,
        /// Bits of [`features`]; none if absent.
        6 => features: Option<u64>,
    }
}

/// Bits of [`Hello::features`]. Others are ignored.
pub mod features {
    /// The session belongs to nobody yet and waits to be linked ([`LinkSession`](crate::wire::link::LinkSession)).
    pub const WAITS: u64 = 16;
}

record! {
    /// The body of `DeclareOnline` and `DeclareOffline`.
    pub struct Declare {
        /// The signed [`Declaration`](super::record::Declaration).
        0 => declaration: Signed,
        /// The roster of the session's user, if the receiver may lack it.
        1 => roster: Option<Signed>,
        /// The key card of the session, if the receiver may lack it.
        2 => card: Option<Signed>,
        /// The age of the declaration in milliseconds, accumulated over hops.
        3 => age_ms: u64,
        /// The number of further hops allowed.
        4 => hops: u8,
        /// An id that is the same on all copies of one flood.
        5 => flood: u64,
        /// The users to whom it was sent.
        6 => told: List<ShortId, 64>,
    }
}

record! {
    /// A request that `target` declare itself to the asker, which is the session that signed `declaration`.
    pub struct RequestPing {
        /// An id chosen by the asker; answers carry it.
        0 => id: u64,
        /// The user who is sought.
        1 => target: UserId,
        /// The asker's declaration.
        2 => declaration: Signed,
        /// The roster of the asker's user.
        3 => roster: Option<Signed>,
        /// The number of further hops allowed.
        4 => hops: u8,
        /// On the last hop, the asker's address as the session that passes the request on sees it.
        5 => observed: Option<Addr>,
        /// The signature of the asker's session over id and target. Without it, relays do not pass the request on.
        6 => signature: Option<Fixed<64>>,
    }
}

record! {
    /// A request for the links of `user`.
    pub struct RequestUserList {
        /// An id chosen by the sender; answers carry it.
        0 => id: u64,
        /// The user whose links are requested.
        1 => user: UserId,
    }
}

record! {
    /// One page of the records that the sender holds and the receiver may know.
    pub struct DeliverKnownList {
        /// The id of the request; 0 if there was none.
        0 => id: u64,
        /// The users, with what is known of each.
        1 => users: List<KnownUser, 64>,
        /// Whether the answer contains all links of the requested user that the sender knows.
        2 => complete: bool,
        /// Whether more pages follow.
        3 => more: bool,
    }
}

record! {
    /// The records of one user that the sender holds.
    pub struct KnownUser {
        /// The user.
        0 => user: UserId,
        /// The user's [`Roster`](super::record::Roster).
        1 => roster: Option<Signed>,
        /// Pages of the [`LinkList`](super::record::LinkList)s of the user's sessions.
        2 => links: List<Signed, 16>,
        /// The [`KeyCard`](super::record::KeyCard)s of the user's sessions.
        3 => cards: List<Signed, 16>,
        /// The declarations of the user's sessions.
        4 => declarations: List<KnownDeclaration, 16>,
        /// The ages of `cards`, in the same order: milliseconds since the session itself sent the card, accumulated over hops.
        5 => card_ages: List<u64, 16>,
    }
}

record! {
    /// A declaration with what the sender knows about the session.
    pub struct KnownDeclaration {
        /// The signed [`Declaration`](super::record::Declaration).
        0 => declaration: Signed,
        /// The age of the declaration in milliseconds, accumulated over hops.
        1 => age_ms: u64,
        /// The address of the session as the sender sees it, if they are connected and the address is not link-local.
        2 => observed: Option<Addr>,
        /// Whether the sender is connected with the session.
        3 => live: Option<bool>,
    }
}

impl KnownUser {
    /// An entry with no records.
    pub fn empty(user: UserId) -> KnownUser {
        let (links, cards, declarations) = (List(Vec::new()), List(Vec::new()), List(Vec::new()));
        KnownUser { user, roster: None, links, cards, declarations, card_ages: List(Vec::new()) }
    }
}

/// The first eight bytes of a user or session id.
pub type ShortId = Fixed<8>;

/// The first eight bytes of an id.
pub fn short(id: &[u8; 32]) -> ShortId {
    let [a, b, c, d, e, f, g, h, ..] = *id;
    Fixed([a, b, c, d, e, f, g, h])
}

record! {
    /// A search for users by name or id. Each session that knows one answers with a [`DeliverKnownList`] of the same id.
    pub struct Find {
        /// A random id chosen by the asker; answers carry it.
        0 => id: u64,
        /// The name to find. Names are compared in their [folded](crate::identity::Name::folded) form.
        1 => name: Option<Text<128>>,
        /// The user to find.
        2 => user: Option<UserId>,
        /// The number of further hops allowed. Only relays and servers pass a search on.
        3 => hops: u8,
    }
}

/// The maximum number of users in one digest or request for records. With 70 bytes per user, a digest is below 8 KiB.
pub const MAX_SUMMARIES: usize = 100;

record! {
    /// Version summaries of the records that the sender holds and the receiver may know. The receiver requests what it lacks.
    pub struct Digest {
        /// One summary per user.
        0 => users: List<UserSummary, MAX_SUMMARIES>,
    }
}

record! {
    /// The versions of the records of one user.
    pub struct UserSummary {
        /// The user.
        0 => user: ShortId,
        /// The version of the roster.
        1 => version: Option<u64>,
        /// The versions of the records of each session.
        2 => sessions: List<SessionSummary, 16>,
        /// Only between relays and servers: the number of relays between the sender and the user. 0 if they are connected, 16
        /// if the user is unreachable.
        3 => distance: Option<u8>,
    }
}

record! {
    /// The versions of the records of one session. A number is absent if the sender does not hold the record or the receiver
    /// may not know it.
    pub struct SessionSummary {
        /// The session.
        0 => session: ShortId,
        /// The `seq` of the declaration.
        1 => seq: Option<u64>,
        /// The `seq` of the key card.
        2 => card: Option<u64>,
        /// The version of the link list.
        3 => links: Option<u64>,
        /// Whether the sender is connected with the session. `false` withdraws an earlier `true`.
        4 => live: Option<bool>,
        /// Only between relays and servers, of a user with several sessions: the number of relays between the sender and the
        /// session, as for the user.
        5 => distance: Option<u8>,
    }
}

impl SessionSummary {
    /// A summary without any versions.
    pub fn bare(session: ShortId) -> SessionSummary {
        SessionSummary { session, seq: None, card: None, links: None, live: None, distance: None }
    }
}

record! {
    /// A request for records, answered by a [`DeliverKnownList`] with id 0.
    pub struct Want {
        /// The users whose records are requested.
        0 => users: List<UserWant, MAX_SUMMARIES>,
    }
}

record! {
    /// The records of one user that are requested.
    pub struct UserWant {
        /// The user.
        0 => user: ShortId,
        /// Whether the roster is requested.
        1 => roster: bool,
        /// The sessions whose records are requested. If empty, the request is for everything except link lists if `roster` is
        /// true, and otherwise for a version summary, which is answered by a [`Digest`].
        2 => sessions: List<SessionWant, 16>,
    }
}

record! {
    /// The records of one session that are requested.
    pub struct SessionWant {
        /// The session.
        0 => session: ShortId,
        /// Whether the declaration is requested.
        1 => declaration: bool,
        /// Whether the key card is requested.
        2 => card: bool,
        /// Whether the link list is requested.
        3 => links: bool,
    }
}

record! {
    /// Members of a closed network, chosen at random. Remembering them keeps the network connected when friends are offline.
    pub struct Sample {
        /// The members, without their link lists.
        0 => members: List<KnownUser, 8>,
        /// Whether the receiver should answer with a sample of its own.
        1 => answer: bool,
    }
}

record! {
    /// The flood of `\explode`, which counts the users and sessions within a number of hops.
    pub struct Explode {
        /// A random id, the same on all copies.
        0 => flood: u64,
        /// The declaration of the origin.
        1 => declaration: Signed,
        /// The roster of the origin's user.
        2 => roster: Option<Signed>,
        /// The number of further hops allowed.
        3 => hops: u8,
    }
}

record! {
    /// The answer to an [`Explode`]: the result of the sender and of all sessions to which it passed the flood on.
    pub struct Exploded {
        /// The id of the flood.
        0 => flood: u64,
        /// The sessions that were reached.
        1 => reached: List<Reached, 256>,
        /// The number of messages sent, copies of the flood and answers to them.
        2 => messages: u64,
    }
}

/// A session that a flood reached: the first eight bytes of hashes over flood and user, and over flood and session. They can be
/// counted, but do not reveal ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Reached(pub ShortId, pub ShortId);

impl Field for Reached {}

/// The maximum number of marks in one [`NearbyDigest`]. With nine bytes each, it is below 5 KiB.
pub const MAX_NEARBY_MARKS: usize = 512;
/// The maximum number of records in one request or answer.
pub const MAX_NEARBY_WANTS: usize = 64;

record! {
    /// The nodes that the sender sees on a local link and whose records it holds: all of them when the two meet there, and later
    /// those that are new.
    pub struct NearbyDigest {
        /// The marks of the boot ids of the nodes ([`BootId::mark`](crate::id::BootId::mark)).
        0 => marks: List<u64, MAX_NEARBY_MARKS>,
    }
}

record! {
    /// A request for the records of nodes whose marks were in a [`NearbyDigest`] of the receiver.
    pub struct NearbyWant {
        /// The boot ids of the nodes, which the sender knows from their announcements.
        0 => boots: List<u64, MAX_NEARBY_WANTS>,
    }
}

record! {
    /// The answer to a [`NearbyWant`], in one or several messages. Nodes that have left the link are left out.
    pub struct NearbyRecords {
        /// The records of each node.
        0 => nodes: List<NearbyNode, MAX_NEARBY_WANTS>,
    }
}

record! {
    /// The records that name a node on the local link.
    pub struct NearbyNode {
        /// The [`Roster`](super::record::Roster) of the node's user.
        0 => roster: Signed,
        /// The [`Declaration`](super::record::Declaration) of the node's session, with the nonce of its boot id.
        1 => declaration: Signed,
    }
}

/// The number of buckets into which the streams are divided for a [`Compare`].
pub const BUCKETS: usize = 256;

record! {
    /// Summaries of the messages that the sender holds. It is sent to another session of the same user when the two have
    /// connected.
    pub struct Compare {
        /// For each of the [`BUCKETS`] buckets, a hash of the streams in it and of the numbers held of each.
        0 => buckets: List<u64, BUCKETS>,
        /// A hash of what is known of other users.
        1 => people: u64,
        /// For each of the buckets, a hash of the messages in it that were read; empty if none was.
        2 => read: List<u64, BUCKETS>,
    }
}

record! {
    /// Messages that the sender holds. After a [`Compare`] these are all streams of the buckets that differ.
    pub struct Holdings {
        /// The streams, each with numbers held.
        0 => streams: List<HeldStream, 256>,
        /// Whether this is the last answer to a [`Compare`].
        1 => complete: bool,
    }
}

record! {
    /// The numbers of one stream that the sender holds.
    pub struct HeldStream {
        /// The session that numbered the messages.
        0 => author: SessionId,
        /// The epoch of the stream.
        1 => epoch: u64,
        /// The addressee of the stream.
        2 => address: Address,
        /// The ranges of the numbers.
        3 => ranges: List<Range, 128>,
    }
}
