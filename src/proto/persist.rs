//! What a node remembers over a restart, and how it changes: the store keeps it, the simulator keeps it in a vector, the
//! core knows neither.

use std::net::SocketAddr;

use crate::id::{Address, EnvelopeId, MessageId, SessionId, StreamId, UserId};
use crate::identity::seal::PrekeySecret;
use crate::proto::ranges::Ranges;
use crate::time::{Moment, Wall};
use crate::wire::record::{Signed, link_state};

/// Counts what was handed to the store; what waits for durability waits for a ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Ticket(pub u64);

/// Everything the core starts from.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Memory {
    pub counters: Counters,
    pub users: Vec<UserRow>,
    pub sessions: Vec<SessionRow>,
    pub links: Vec<LinkRow>,
    /// Link lists of others.
    pub lists: Vec<ListRow>,
    pub prekeys: Vec<PrekeySecret>,
    /// Of every stream that is not mine: what was received.
    pub received: Vec<(StreamId, Ranges)>,
    /// My messages that somebody still lacks, in the order they were typed.
    pub waiting: Vec<MessageRow>,
    /// Of my streams that have waiting messages: what each session of the addressee has.
    pub delivered: Vec<(StreamId, SessionId, Ranges)>,
    /// Of my streams that have waiting messages: what a relay or server has on its disk, or had.
    pub carried: Vec<(StreamId, SessionId, Ranges)>,
    /// Envelopes in custody, mine too, in the order they came.
    pub custody: Vec<CustodyRow>,
    pub tombstones: Vec<TombstoneRow>,
    /// Sessions that are owed a receipt which no direct connection has brought them.
    pub owed: Vec<(UserId, SessionId)>,
    /// Messages of kinds that this program knows and the one that stored them did not, in the order they came.
    pub replay: Vec<MessageRow>,
}

/// Numbers that must never go back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Of my declarations and key cards.
    pub seq: u64,
    /// Of my roster.
    pub roster_version: u64,
    /// Of my link list.
    pub link_version: u64,
    /// Lamport counter of links and messages.
    pub lamport: u64,
    /// Of rows in `messages`: the order in which they came here.
    pub arrival: u64,
}

/// A user that is remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRow {
    pub user: UserId,
    pub roster: Option<Signed>,
    /// The name this key is known by from the time it was first linked, written to or verified.
    pub pinned: Option<String>,
    pub verified: bool,
}

/// A session that is remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRow {
    pub session: SessionId,
    pub user: UserId,
    pub declaration: Option<Signed>,
    pub card: Option<Signed>,
    /// Until when the card may be used.
    pub card_until: Moment,
    /// When we last heard of it at first hand or through a declaration.
    pub heard: Moment,
    pub addresses: Vec<AddressRow>,
}

/// Somewhere a session may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressRow {
    pub addr: SocketAddr,
    pub provenance: Provenance,
    pub at: Moment,
}

/// How we know an address, most trusted first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Provenance {
    /// Its key answered there.
    Answered = 0,
    /// It came from there.
    Observed = 1,
    /// Seen on the local link.
    Lan = 2,
    /// It says so itself.
    Declared = 3,
    /// Somebody else says so.
    Hinted = 4,
}

/// The link list of a session, as it was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListRow {
    pub session: SessionId,
    pub pages: Vec<Signed>,
}

/// A user's entry in my link list, and mine in theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkRow {
    pub user: UserId,
    pub mine: Entry,
    pub theirs: Entry,
}

/// One side's statement about a link. The higher Lamport number wins; of equal ones the stricter state, so that two sessions of
/// one user come to the same and a block never yields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Entry {
    pub state: LinkState,
    pub lamport: u64,
}

impl Entry {
    /// Whether this statement replaces another one by the same user.
    pub fn replaces(&self, other: &Entry) -> bool {
        (self.lamport, self.state.strictness()) > (other.lamport, other.state.strictness())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LinkState {
    /// Never said anything.
    #[default]
    None = 0,
    Linked = 1,
    Removed = 2,
    Blocked = 3,
    /// Linked by accepting a stranger.
    Auto = 4,
}

impl LinkState {
    /// The number of this state on the wire.
    pub fn to_wire(self) -> u8 {
        match self {
            LinkState::None => 0,
            LinkState::Linked => link_state::LINKED,
            LinkState::Removed => link_state::REMOVED,
            LinkState::Blocked => link_state::BLOCKED,
            LinkState::Auto => link_state::AUTO,
        }
    }

    /// The state of a number on the wire; `None` for one of a later version.
    pub fn from_wire(state: u8) -> Option<LinkState> {
        match state {
            link_state::LINKED => Some(LinkState::Linked),
            link_state::REMOVED => Some(LinkState::Removed),
            link_state::BLOCKED => Some(LinkState::Blocked),
            link_state::AUTO => Some(LinkState::Auto),
            _ => None,
        }
    }

    /// Blocked before removed before linked before accepted.
    pub fn strictness(self) -> u8 {
        match self {
            LinkState::None => 0,
            LinkState::Auto => 1,
            LinkState::Linked => 2,
            LinkState::Removed => 3,
            LinkState::Blocked => 4,
        }
    }
}

/// A content in history or on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageRow {
    pub arrival: u64,
    pub id: MessageId,
    pub kind: u64,
    /// The other side of the conversation.
    pub with: Address,
    pub from: UserId,
    /// As its author signed it, so that every session orders a conversation alike.
    pub lamport: u64,
    pub wall: Wall,
    pub body: Vec<u8>,
    /// When it was typed, on this node's own clock. Kept only while it waits in the outbox.
    pub since: Moment,
}

/// An envelope that is held until its addressee has opened it or its life is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustodyRow {
    pub envelope: EnvelopeId,
    pub address: Address,
    /// SHA-256 of what its release shows.
    pub lock: [u8; 32],
    /// Whose quota it takes: the user who handed it over; I for what I sealed.
    pub depositor: UserId,
    /// The session that handed it over.
    pub from: SessionId,
    /// The depositor was a member when it came: of the closed network, or linked.
    pub member: bool,
    /// When its life is over.
    pub until: Moment,
    /// Copies that may be given away where nothing is known of the addressee, this one included.
    pub copies: u8,
    /// The bytes whose hash is the id; empty once released, of an envelope of mine.
    pub bytes: Vec<u8>,
    /// If I sealed it.
    pub mine: Option<Mine>,
    /// What a session of the addressee said who could not open it, as `wire::chat::Unopenable`.
    pub unopenable: Option<Vec<u8>>,
}

/// What an author knows of an envelope.
#[derive(Clone, PartialEq, Eq)]
pub struct Mine {
    /// Fits the lock: the author may withdraw it from every carrier.
    pub r: [u8; 32],
    /// Messages of mine in it, by stream; none in a receipt.
    pub load: Vec<(StreamId, Ranges)>,
}

impl std::fmt::Debug for Mine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mine").field("load", &self.load).finish_non_exhaustive()
    }
}

/// An envelope that was opened: who comes with a copy of it is shown `r`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TombstoneRow {
    pub envelope: EnvelopeId,
    pub r: [u8; 32],
    /// When the last copy's life is over.
    pub until: Moment,
}

/// A change, to be made durable. Ops are applied in order; a batch of them is applied as a whole or not at all.
#[derive(Debug, Clone, PartialEq)]
pub enum Op {
    Counters(Counters),
    /// Insert or replace.
    User(UserRow),
    ForgetUser(UserId),
    /// Insert or replace.
    Session(Box<SessionRow>),
    ForgetSession(SessionId),
    /// Insert or replace.
    Link(LinkRow),
    /// Insert or replace.
    List(ListRow),
    ForgetList(SessionId),
    Prekey(PrekeySecret),
    /// The private half is gone for good.
    ForgetPrekey([u8; 8]),
    /// A message of mine, in history and in the outbox. The only op that a full disk may refuse for good.
    Typed(MessageRow),
    /// A message of somebody else.
    Received(MessageRow),
    /// What was received of a stream, replacing what was said before.
    Seen {
        stream: StreamId,
        ranges: Ranges,
    },
    /// What a session of the addressee has of a stream of mine, replacing what was said before.
    Delivered {
        stream: StreamId,
        session: SessionId,
        ranges: Ranges,
    },
    /// What a carrier has of a stream of mine, or had, replacing what was said before.
    Carried {
        stream: StreamId,
        by: SessionId,
        ranges: Ranges,
    },
    /// Insert or replace.
    Custody(Box<CustodyRow>),
    /// Of an envelope in custody.
    Copies {
        envelope: EnvelopeId,
        copies: u8,
    },
    ForgetCustody(EnvelopeId),
    /// Insert or replace.
    Tombstone(TombstoneRow),
    ForgetTombstone(EnvelopeId),
    /// Whether a session is owed a receipt that has to travel as mail.
    Owed {
        user: UserId,
        session: SessionId,
        owed: bool,
    },
    /// These of my messages left the outbox: everybody who is to have them has them.
    Settled {
        stream: StreamId,
        ranges: Ranges,
    },
    /// Withdrawn by the user: out of outbox and history.
    Cancelled(MessageId),
    /// What was in [`Memory::replay`] has taken effect: stored messages of these kinds are not replayed again.
    Learned {
        kinds: Vec<u64>,
    },
}
