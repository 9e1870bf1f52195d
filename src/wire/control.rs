//! The control stream: hello, then the protocol messages. A frame is a list of them (the paper's combined requests).

use super::addr::Addr;
use super::codec::{Field, Fixed, List, Text, kinds, record};
use super::record::Signed;
use crate::id::UserId;

/// Messages that one control frame may hold.
pub const MAX_BATCH: usize = 64;

/// A control frame.
pub type Batch = List<Control, MAX_BATCH>;

kinds! {
    /// A protocol message. 11 and 14 to 17 are reserved (`docs/protocol.md`).
    pub enum Control {
        1 => Hello(Hello),
        2 => DeclareOnline(Declare),
        3 => DeclareOffline(Declare),
        4 => RequestPing(RequestPing),
        5 => RequestUserList(RequestUserList),
        6 => DeliverKnownList(DeliverKnownList),
        7 => Find(Find),
        8 => Digest(Digest),
        9 => Want(Want),
        10 => Sample(Sample),
        12 => Explode(Explode),
        13 => Exploded(Exploded),
    }
}

record! {
    /// The first message after the proofs. A connection is up only when both have been read.
    pub struct Hello {
        0 => declaration: Signed,
        1 => roster: Signed,
        2 => card: Option<Signed>,
        /// Where the sender sees the receiver.
        3 => observed: Addr,
        /// The highest seq of the receiver that the sender has seen.
        4 => known_seq: Option<u64>,
        /// Program and version, for people.
        5 => agent: Text<64>,
        /// Bits for what the sender understands beyond this version; absent is none. This version says none and uses none.
        6 => features: Option<u64>,
    }
}

record! {
    /// declareOnline and declareOffline.
    pub struct Declare {
        0 => declaration: Signed,
        /// Where the receiver may lack it.
        1 => roster: Option<Signed>,
        2 => card: Option<Signed>,
        /// Accumulated over hops.
        3 => age_ms: u64,
        /// How many more hops it may make.
        4 => hops: u8,
        /// The same on every copy of one flood.
        5 => flood: u64,
        /// First eight bytes of each user id it was sent to.
        6 => told: List<Fixed<8>, 64>,
    }
}

record! {
    /// "Have `target` declare itself to me."
    pub struct RequestPing {
        0 => id: u64,
        1 => target: UserId,
        /// The asker's.
        2 => declaration: Signed,
        3 => roster: Option<Signed>,
        /// How many more hops it may make.
        4 => hops: u8,
        /// On the last hop: where who passes it on sees the asker.
        5 => observed: Option<Addr>,
        /// The asker's, over id and target: nobody else may ask for it.
        6 => signature: Option<Fixed<64>>,
    }
}

record! {
    /// "Whom is `user` linked to?"
    pub struct RequestUserList {
        0 => id: u64,
        1 => user: UserId,
    }
}

record! {
    /// A page of what the answerer knows and the asker may know.
    pub struct DeliverKnownList {
        /// Of the request; 0 when pushed unasked.
        0 => id: u64,
        1 => users: List<KnownUser, 64>,
        /// The answerer knows of no more links of the user asked about than it has sent.
        2 => complete: bool,
        /// More pages follow.
        3 => more: bool,
    }
}

record! {
    pub struct KnownUser {
        0 => user: UserId,
        1 => roster: Option<Signed>,
        2 => links: List<Signed, 16>,
        3 => cards: List<Signed, 16>,
        4 => declarations: List<KnownDeclaration, 16>,
        /// Of the cards, in their order: milliseconds since the session itself gave it to anybody, accumulated over hops.
        5 => card_ages: List<u64, 16>,
    }
}

record! {
    pub struct KnownDeclaration {
        0 => declaration: Signed,
        1 => age_ms: u64,
        /// Where the sender, who is connected with it, sees it, if that means anything elsewhere.
        2 => observed: Option<Addr>,
        /// The sender is connected with it.
        3 => live: Option<bool>,
    }
}

impl KnownUser {
    /// A user of whom nothing is said but the id.
    pub fn empty(user: UserId) -> KnownUser {
        let (links, cards, declarations) = (List(Vec::new()), List(Vec::new()), List(Vec::new()));
        KnownUser { user, roster: None, links, cards, declarations, card_ages: List(Vec::new()) }
    }
}

/// Session and user ids in digests: their first eight bytes.
pub type ShortId = Fixed<8>;

/// The first eight bytes of an id.
pub fn short(id: &[u8; 32]) -> ShortId {
    let [a, b, c, d, e, f, g, h, ..] = *id;
    Fixed([a, b, c, d, e, f, g, h])
}

record! {
    /// "Who is called `name`, or has this id?" Answered by a known list with the same id, once by everybody who knows.
    pub struct Find {
        0 => id: u64,
        1 => name: Option<Text<128>>,
        2 => user: Option<UserId>,
        /// How many more hops it may make; beyond the first only relays and servers pass it on.
        3 => hops: u8,
    }
}

/// Users that a digest speaks of: with 70 bytes each it stays below 8 KiB.
pub const MAX_MARKS: usize = 100;

record! {
    /// What the sender holds of those the receiver may know about. The receiver asks for what it lacks.
    pub struct Digest {
        0 => users: List<UserMark, MAX_MARKS>,
    }
}

record! {
    pub struct UserMark {
        0 => user: ShortId,
        /// Of the roster.
        1 => version: Option<u64>,
        2 => sessions: List<SessionMark, 16>,
        /// Between relays and servers: how many relays away from the sender the user is; 0 is connected with it, 16 out of
        /// reach.
        3 => distance: Option<u8>,
    }
}

record! {
    /// Numbers of what is held of a session. What is missing is not held, or not for the receiver to know.
    pub struct SessionMark {
        0 => session: ShortId,
        /// Of the declaration.
        1 => seq: Option<u64>,
        /// Of the key card.
        2 => card: Option<u64>,
        /// Version of the link list.
        3 => links: Option<u64>,
        /// The sender is connected with it; false takes this back.
        4 => live: Option<bool>,
    }
}

record! {
    /// "Send me these." Answered by a known list.
    pub struct Want {
        0 => users: List<UserWant, MAX_MARKS>,
    }
}

record! {
    pub struct UserWant {
        0 => user: ShortId,
        1 => roster: bool,
        /// None: with the roster, whatever there is of all of them but link lists; without, a mark.
        2 => sessions: List<SessionWant, 16>,
    }
}

record! {
    pub struct SessionWant {
        0 => session: ShortId,
        1 => declaration: bool,
        2 => card: bool,
        3 => links: bool,
    }
}

record! {
    /// In a closed network: a few members chosen at random, so that memory does not only hold friends.
    pub struct Sample {
        0 => members: List<KnownUser, 8>,
        /// The receiver is to answer with a sample of its own.
        1 => answer: bool,
    }
}

record! {
    /// The flood of `\\explode`: the origin's declaration over all short paths.
    pub struct Explode {
        /// The same on every copy.
        0 => flood: u64,
        1 => declaration: Signed,
        2 => roster: Option<Signed>,
        /// How many more hops it may make.
        3 => hops: u8,
    }
}

record! {
    /// Whom a flood reached, merged on the way back.
    pub struct Exploded {
        0 => flood: u64,
        1 => reached: List<Reached, 256>,
        /// Messages sent behind the sender, both ways.
        2 => messages: u64,
    }
}

/// A session that a flood reached: hashes of flood and user, flood and session, which can be counted and tell no names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Reached(pub ShortId, pub ShortId);

impl Field for Reached {}
