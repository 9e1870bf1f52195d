//! What a node remembers across restarts, and how it changes. The shell keeps it in SQLite, the simulator in memory;
//! the core depends on neither.

use std::net::{IpAddr, SocketAddr};

use crate::id::{Address, EnvelopeId, MessageId, SessionId, StreamId, UserId};
use crate::identity::seal::PrekeySecret;
use crate::proto::ranges::Ranges;
use crate::time::{Moment, Wall};
use crate::wire::record::{Signed, link_state};

/// Counts the changes handed to the store, from 1. Outputs that require durability wait for a ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Ticket(pub u64);

/// What the core starts from.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Memory {
    /// The counters.
    pub counters: Counters,
    /// Remembered users.
    pub users: Vec<UserRow>,
    /// Remembered sessions.
    pub sessions: Vec<SessionRow>,
    /// Links with either side's statement.
    pub links: Vec<LinkRow>,
    /// Link lists of other users.
    pub lists: Vec<ListRow>,
    /// Prekeys whose private half is still held.
    pub prekeys: Vec<PrekeySecret>,
    /// The numbers received of every stream of other sessions. For own streams: numbers held although there may be no message
    /// any more.
    pub received: Vec<(StreamId, Ranges)>,
    /// The numbers of the stored messages of own streams.
    pub written: Vec<(StreamId, Ranges)>,
    /// The messages of others that the local user has read.
    pub read: Vec<ReadRow>,
    /// What other sessions of the local user have.
    pub mirrored: Vec<(StreamId, SessionId, Ranges)>,
    /// Changes of which some other session of the local user has not been told.
    pub changes: Vec<ChangeRow>,
    /// The changes of which each other session has been told.
    pub told: Vec<(SessionId, Ranges)>,
    /// Own messages that a session of the addressee still lacks, in the order they were typed.
    pub waiting: Vec<MessageRow>,
    /// For own streams with waiting messages: what each session of the addressee has.
    pub delivered: Vec<(StreamId, SessionId, Ranges)>,
    /// For own streams with waiting messages: what each carrier has or had on its disk.
    pub carried: Vec<(StreamId, SessionId, Ranges)>,
    /// Envelopes in custody, own ones included, in the order of arrival.
    pub custody: Vec<CustodyRow>,
    /// Releases of opened envelopes.
    pub tombstones: Vec<TombstoneRow>,
    /// Sessions that are owed a receipt which no direct connection has carried.
    pub owed: Vec<(UserId, SessionId)>,
    /// Strangers who have written.
    pub strangers: Vec<StrangerRow>,
    /// Sessions of the local user that were unlinked.
    pub unlinked: Vec<UnlinkedRow>,
    /// Messages of kinds that were unknown to the version of the program that stored them, in the order of arrival.
    pub replay: Vec<MessageRow>,
}

/// Numbers that must never decrease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Of own declarations and key cards.
    pub seq: u64,
    /// Of the own roster.
    pub roster_version: u64,
    /// Of the own link list.
    pub link_version: u64,
    /// The Lamport counter of links and messages.
    pub lamport: u64,
    /// The order in which messages arrived here.
    pub arrival: u64,
    /// The last arrival of the history that this session was given when it was new; 0 if it was given none.
    pub past: u64,
}

/// A remembered user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRow {
    /// The user.
    pub user: UserId,
    /// The newest known roster.
    pub roster: Option<Signed>,
    /// The name that belongs to this key, since it was first linked, written to or verified.
    pub pinned: Option<String>,
    /// The local user has verified the fingerprint.
    pub verified: bool,
}

/// A user who has written and whom the local user has not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StrangerRow {
    /// The user.
    pub user: UserId,
    /// The IP address of the connection that brought their first envelope; of an IPv6 address the first 64 bits.
    pub ip: IpAddr,
    /// When it came.
    pub since: Moment,
    /// Number of their contents that are stored.
    pub lines: u32,
    /// Bytes of these contents.
    pub bytes: u32,
    /// The interfaces were told that they ask for something.
    pub told: bool,
    /// Until when they are refused, because the local user dismissed them; 0 if not.
    pub dismissed_until: Moment,
}

/// A session of the local user that was unlinked. No roster says how it was called any more, and its lines stay in the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnlinkedRow {
    /// The session.
    pub session: SessionId,
    /// The label by which it was shown at last.
    pub label: String,
}

/// A remembered session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRow {
    /// The session.
    pub session: SessionId,
    /// Its user.
    pub user: UserId,
    /// Its newest known declaration.
    pub declaration: Option<Signed>,
    /// Its newest known key card.
    pub card: Option<Signed>,
    /// Until when the card may be used.
    pub card_until: Moment,
    /// When it was last heard of, directly or through a declaration.
    pub heard: Moment,
    /// Where it may be.
    pub addresses: Vec<AddressRow>,
}

/// An address at which a session may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressRow {
    /// The address.
    pub addr: SocketAddr,
    /// How it is known.
    pub provenance: Provenance,
    /// When it was last confirmed.
    pub at: Moment,
}

/// How an address is known, most trusted first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Provenance {
    /// The session's key answered there.
    Answered = 0,
    /// A connection of the session came from there.
    Observed = 1,
    /// The local link shows the session there.
    Lan = 2,
    /// The session declares it.
    Declared = 3,
    /// Another session claims it.
    Hinted = 4,
}

/// The link list of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListRow {
    /// The session.
    pub session: SessionId,
    /// All pages, as signed.
    pub pages: Vec<Signed>,
}

/// Both sides' statements about a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkRow {
    /// The other user.
    pub user: UserId,
    /// The local user's statement.
    pub mine: Entry,
    /// The other user's statement.
    pub theirs: Entry,
}

/// One side's statement about a link. The higher Lamport counter wins; of equal ones the stricter state. So sessions of
/// one user come to the same result, and a block never yields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Entry {
    /// What it says.
    pub state: LinkState,
    /// Its Lamport counter.
    pub lamport: u64,
}

impl Entry {
    /// Whether this statement replaces another one by the same user.
    pub fn replaces(&self, other: &Entry) -> bool {
        (self.lamport, self.state.strictness()) > (other.lamport, other.state.strictness())
    }
}

/// A statement about a link. The numbers are those of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LinkState {
    /// No statement.
    #[default]
    None = 0,
    /// Linked deliberately.
    Linked = 1,
    /// The link was refused or removed.
    Removed = 2,
    /// The other user is blocked.
    Blocked = 3,
    /// Linked by automatic acceptance of a stranger.
    Auto = 4,
}

impl LinkState {
    /// The state on the wire.
    pub fn to_wire(self) -> u8 {
        match self {
            LinkState::None => 0,
            LinkState::Linked => link_state::LINKED,
            LinkState::Removed => link_state::REMOVED,
            LinkState::Blocked => link_state::BLOCKED,
            LinkState::Auto => link_state::AUTO,
        }
    }

    /// Reads a state from the wire; `None` for one of a later version.
    pub fn from_wire(state: u8) -> Option<LinkState> {
        match state {
            link_state::LINKED => Some(LinkState::Linked),
            link_state::REMOVED => Some(LinkState::Removed),
            link_state::BLOCKED => Some(LinkState::Blocked),
            link_state::AUTO => Some(LinkState::Auto),
            _ => None,
        }
    }

    /// Ranks the states: blocked above removed above linked above automatic.
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

/// A message in the history or on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageRow {
    /// Its number in the order of arrival.
    pub arrival: u64,
    /// The message.
    pub id: MessageId,
    /// The kind of its content (`wire::content::kind`).
    pub kind: u64,
    /// The other side of the conversation.
    pub with: Address,
    /// The author.
    pub from: UserId,
    /// The author's Lamport counter, as signed, so that all sessions order a conversation alike.
    pub lamport: u64,
    /// When it was written, by the author's clock.
    pub wall: Wall,
    /// The content, encoded as its kind requires.
    pub body: Vec<u8>,
    /// When it was typed, by this node's own clock. Kept only while it waits in the outbox.
    pub since: Moment,
}

/// The messages of a stream that the local user has read, on any session. It may cover messages that have not arrived here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadRow {
    /// A stream to the local user.
    pub stream: StreamId,
    /// The user of its author.
    pub user: UserId,
    /// The numbers that were read.
    pub ranges: Ranges,
}

/// Something of which other sessions of the local user are to be told, besides messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// What is known of a user.
    Person(UserId),
    /// Which messages of this stream of the local user a session of the addressee has.
    Delivered(StreamId, SessionId),
    /// Which messages of this stream the local user has read.
    Read(StreamId),
}

/// A change of which some other session of the local user has not been told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeRow {
    /// Its number, from 1. The next change of the same subject has a new one.
    pub n: u64,
    /// What has changed.
    pub subject: Subject,
    /// The messages of a delivery; empty for others.
    pub ranges: Ranges,
}

/// An envelope that is held until its addressee has opened it or it expires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustodyRow {
    /// The envelope.
    pub envelope: EnvelopeId,
    /// The addressee.
    pub address: Address,
    /// SHA-256 of the value that its release reveals.
    pub lock: [u8; 32],
    /// The user whose quota it uses: the one who handed it over, or the local user for own envelopes.
    pub depositor: UserId,
    /// The session that handed it over.
    pub from: SessionId,
    /// The depositor was a member of the closed network, or linked, when it arrived.
    pub member: bool,
    /// When it expires.
    pub until: Moment,
    /// Copies that may be given away where the addressee's location is unknown, this one included.
    pub copies: u8,
    /// The bytes whose hash is the id. Empty for an own envelope after its release.
    pub bytes: Vec<u8>,
    /// Set for envelopes that this session sealed.
    pub mine: Option<Mine>,
    /// The claim of a session of the addressee that could not open it, as encoded `wire::chat::Unopenable`.
    pub unopenable: Option<Vec<u8>>,
}

/// What the author knows of an envelope.
#[derive(Clone, PartialEq, Eq)]
pub struct Mine {
    /// The value that fits the lock, with which the author can withdraw it from every carrier.
    pub r: [u8; 32],
    /// Own messages in it, by stream; empty for a receipt.
    pub load: Vec<(StreamId, Ranges)>,
    /// The changes in it, if it is to another session of the local user.
    pub changes: Ranges,
}

impl std::fmt::Debug for Mine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mine").field("load", &self.load).field("changes", &self.changes).finish_non_exhaustive()
    }
}

/// The release of an opened envelope. It is shown to every node that brings a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TombstoneRow {
    /// The envelope.
    pub envelope: EnvelopeId,
    /// The value that fits its lock.
    pub r: [u8; 32],
    /// When the last copy expires.
    pub until: Moment,
}

/// A change to be made durable. Changes are applied in order, and a batch is applied as a whole or not at all.
#[derive(Debug, Clone, PartialEq)]
pub enum Op {
    /// Replaces the counters.
    Counters(Counters),
    /// Inserts or replaces a user.
    User(UserRow),
    /// Removes a user.
    ForgetUser(UserId),
    /// Inserts or replaces a session.
    Session(Box<SessionRow>),
    /// Removes a session.
    ForgetSession(SessionId),
    /// Inserts or replaces a link.
    Link(LinkRow),
    /// Inserts or replaces a link list.
    List(ListRow),
    /// Removes the link list of a session.
    ForgetList(SessionId),
    /// Adds a prekey.
    Prekey(PrekeySecret),
    /// Deletes the private half of a prekey for good.
    ForgetPrekey([u8; 8]),
    /// Adds an own message to the history and to the outbox. The only change that a full disk may refuse for good.
    Typed(MessageRow),
    /// Adds a message of another session to the history.
    Received(MessageRow),
    /// Replaces the numbers received of a stream.
    Seen {
        /// The stream.
        stream: StreamId,
        /// All numbers received of it.
        ranges: Ranges,
    },
    /// Replaces the numbers of a stream that were read.
    Read(ReadRow),
    /// Adds to what a session of the addressee has of a stream of the local user.
    Delivered {
        /// The stream.
        stream: StreamId,
        /// The session of the addressee.
        session: SessionId,
        /// Numbers that it has.
        ranges: Ranges,
    },
    /// Replaces what another session of the local user has of a stream.
    Mirrored {
        /// The stream.
        stream: StreamId,
        /// The session.
        session: SessionId,
        /// All numbers it has.
        ranges: Ranges,
    },
    /// Inserts a change, in place of an earlier one of the same subject.
    Change(ChangeRow),
    /// Removes the change with this number.
    ForgetChange(u64),
    /// Replaces the changes of which another session of the local user has been told.
    Told {
        /// The session.
        session: SessionId,
        /// The numbers of all these changes.
        changes: Ranges,
    },
    /// Replaces what a carrier has or had of an own stream.
    Carried {
        /// The stream.
        stream: StreamId,
        /// The carrier.
        by: SessionId,
        /// All numbers it has or had.
        ranges: Ranges,
    },
    /// Inserts or replaces an envelope in custody.
    Custody(Box<CustodyRow>),
    /// Changes the copies of an envelope in custody.
    Copies {
        /// The envelope.
        envelope: EnvelopeId,
        /// The copies that may be given away from now on.
        copies: u8,
    },
    /// Removes an envelope from custody.
    ForgetCustody(EnvelopeId),
    /// Inserts or replaces a tombstone.
    Tombstone(TombstoneRow),
    /// Removes a tombstone.
    ForgetTombstone(EnvelopeId),
    /// Records whether a session is owed a receipt that has to travel as mail.
    Owed {
        /// The user of the session.
        user: UserId,
        /// The session.
        session: SessionId,
        /// Whether it is owed one.
        owed: bool,
    },
    /// Inserts or replaces a stranger.
    Stranger(StrangerRow),
    /// Removes a user from the strangers, and keeps everything else about them: the local user has answered.
    Answered(UserId),
    /// Removes a stranger, the link with them, all messages from and to them, and what is known of their streams.
    ForgetStranger {
        /// The user.
        user: UserId,
        /// Their sessions.
        sessions: Vec<SessionId>,
    },
    /// Inserts or replaces an unlinked session.
    Unlinked(UnlinkedRow),
    /// Removes an unlinked session.
    ForgetUnlinked(SessionId),
    /// Removes own messages from the outbox: every session that is to have them has them.
    Settled {
        /// The stream.
        stream: StreamId,
        /// The numbers to remove.
        ranges: Ranges,
    },
    /// Removes a message that the user withdrew, here or on another session, from outbox and history.
    Cancelled(MessageId),
    /// Records that messages in [`Memory::replay`] have taken effect: stored messages of these kinds are not replayed
    /// again.
    Learned {
        /// The kinds.
        kinds: Vec<u64>,
    },
}
