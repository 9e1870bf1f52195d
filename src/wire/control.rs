//! The control stream: hello, then the protocol messages. A frame is a list of them (the paper's combined requests).

use super::addr::Addr;
use super::codec::{Fixed, List, Text, kinds, record};
use super::record::Signed;
use crate::id::UserId;

/// Messages that one control frame may hold.
pub const MAX_BATCH: usize = 64;

/// A control frame.
pub type Batch = List<Control, MAX_BATCH>;

kinds! {
    /// A protocol message. Numbers 7 to 11 are kept for Find, Digest, Want, Sample and linking a session.
    pub enum Control {
        1 => Hello(Hello),
        2 => DeclareOnline(Declare),
        3 => DeclareOffline(Declare),
        4 => RequestPing(RequestPing),
        5 => RequestUserList(RequestUserList),
        6 => DeliverKnownList(DeliverKnownList),
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
    }
}

record! {
    pub struct KnownDeclaration {
        0 => declaration: Signed,
        1 => age_ms: u64,
    }
}
