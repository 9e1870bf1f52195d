//! The contents of an envelope: one bundle by one author, signed once.

use serde::{Deserialize, Serialize};

use super::codec::{Bytes, Field, Fixed, List, record};
use super::record::{NUMBER, Signed};
use crate::id::{Address, SessionId, UserId};

/// The longest text in bytes of UTF-8.
pub const MAX_TEXT: usize = 16_000;
/// The largest body of a content in bytes. It leaves space for a text with additional fields, for kinds of later versions such
/// as a copy of a line for another session of its author.
pub const MAX_BODY: usize = 17 * 1024;
/// The maximum encoded size of a content without its body, in bytes: a map of six keys, a kind below 24, four numbers, and
/// the head of the body.
pub const CONTENT_OVERHEAD: usize = 1 + 2 + 4 * (1 + NUMBER) + 4;
/// The maximum size in bytes of the array head before the contents of a bundle.
pub const CONTENTS_OVERHEAD: usize = 3;
/// The maximum encoded size of the contents of one bundle, in bytes.
pub const MAX_BUNDLE: usize = 20 * 1024;
/// The maximum number of contents in one bundle.
pub const MAX_CONTENTS: usize = 512;

/// Values of [`Content::kind`]. Contents of unknown kinds are stored and acknowledged. 5 to 10 are reserved
/// (`docs/protocol.md`).
pub mod kind {
    /// Chat text. The body is UTF-8.
    pub const TEXT: u64 = 1;
    /// A change of a link. The body is a [`LinkBody`](super::LinkBody).
    pub const LINK: u64 = 2;
    /// A receipt. The body is a [`ReceiptBody`](super::ReceiptBody). Receipts have `n` 0 and are not acknowledged.
    pub const RECEIPT: u64 = 3;
    /// What another session of the same user lacks. The body is a [`MirrorBody`](super::MirrorBody). Mirrors have `n` 0, are
    /// addressed to a session, and are not acknowledged: the release of their envelope shows that it is stored.
    pub const MIRROR: u64 = 4;
    /// All kinds that this version processes.
    pub const KNOWN: [u64; 4] = [TEXT, LINK, RECEIPT, MIRROR];
}

record! {
    /// The plaintext of an envelope. It follows a `u32` length and precedes zero padding.
    pub struct Bundle {
        /// The secret whose SHA-256 is the lock of the envelope.
        0 => r: Fixed<32>,
        /// The author.
        1 => user: UserId,
        /// The author's session, which signed the contents.
        2 => session: SessionId,
        /// The encoded [`Contents`], as signed.
        3 => contents: Bytes<MAX_BUNDLE>,
        /// The signature by the session key over network, addressee, author and contents.
        4 => signature: Fixed<64>,
        /// The author's roster, for an addressee that may not have it.
        5 => roster: Option<Signed>,
        /// The key card of the author's session, for an addressee that may not have it.
        6 => card: Option<Signed>,
    }
}

/// The contents of a bundle.
pub type Contents = List<Content, MAX_CONTENTS>;

record! {
    /// One message of an author.
    pub struct Content {
        /// One of the values of [`kind`], or a kind of a later version.
        0 => kind: u64,
        /// 64 random bits, new at every start of the author's session.
        1 => epoch: u64,
        /// The number of the message in its stream (author session, epoch, addressee), counted from 1; 0 if it is not numbered.
        2 => n: u64,
        /// The Lamport timestamp, which orders the history.
        3 => lamport: u64,
        /// The author's clock in Unix milliseconds. It is only displayed.
        4 => wall: i64,
        /// The body, in the form that `kind` defines.
        5 => body: Bytes<MAX_BODY>,
    }
}

impl Content {
    /// Whether the body is within the limit of its kind.
    pub fn fits(&self) -> bool {
        self.body.len() <= if self.kind == kind::TEXT { MAX_TEXT } else { MAX_BODY }
    }
}

record! {
    /// The entry about the addressee in the author's link list.
    pub struct LinkBody {
        /// One of the values of [`link_state`](super::record::link_state). Others are ignored.
        0 => state: u8,
        /// The Lamport timestamp of the entry. The highest one counts.
        1 => lamport: u64,
    }
}

record! {
    /// The messages of the addressee that the signing session has stored. A receipt is cumulative.
    pub struct ReceiptBody {
        /// One entry per stream.
        0 => streams: List<StreamRanges, 64>,
    }
}

record! {
    /// The messages of one stream that were stored.
    pub struct StreamRanges {
        /// The session that numbered the messages.
        0 => author: SessionId,
        /// The epoch of the stream.
        1 => epoch: u64,
        /// The ranges of the numbers that are stored.
        2 => ranges: List<Range, 128>,
        /// The addressee of the stream, if it is not the user who signs. Such streams belong to no conversation between two
        /// users.
        3 => address: Option<Address>,
    }
}

record! {
    /// What one session of a user holds and another one lacks. It is not signed by the authors of the lines: a session trusts
    /// the others on its roster.
    pub struct MirrorBody {
        /// Messages, by stream.
        0 => streams: List<MirroredStream, 64>,
        /// What the sender knows of other users.
        1 => people: List<MirroredPerson, 64>,
        /// Which sessions of addressees have which messages of this user.
        2 => delivered: List<MirroredReceipt, 64>,
        /// Which messages of others this user has read.
        3 => read: List<MirroredRead, 64>,
    }
}

impl Default for MirrorBody {
    fn default() -> MirrorBody {
        let (streams, people, delivered, read) = Default::default();
        MirrorBody { streams: List(streams), people: List(people), delivered: List(delivered), read: List(read) }
    }
}

record! {
    /// Messages of one stream.
    pub struct MirroredStream {
        /// The session that numbered the messages.
        0 => author: SessionId,
        /// The epoch of the stream.
        1 => epoch: u64,
        /// The addressee of the stream.
        2 => address: Address,
        /// The user of the author.
        3 => user: UserId,
        /// The messages.
        4 => lines: List<MirroredLine, 512>,
        /// Numbers without a message: withdrawn ones, and statements about links, which the link list contains.
        5 => void: List<Range, 128>,
    }
}

record! {
    /// One message, as its author signed it.
    pub struct MirroredLine {
        /// The number of the message in its stream.
        0 => n: u64,
        /// One of the values of [`kind`].
        1 => kind: u64,
        /// The Lamport timestamp.
        2 => lamport: u64,
        /// The author's clock in Unix milliseconds.
        3 => wall: i64,
        /// The body.
        4 => body: Bytes<MAX_BODY>,
    }
}

record! {
    /// What a session knows of another user.
    pub struct MirroredPerson {
        /// The user.
        0 => user: UserId,
        /// The user's roster, if the receiver may not have it.
        1 => roster: Option<Signed>,
        /// Whether the user's name is pinned to their key.
        2 => pinned: bool,
        /// Whether the fingerprint was verified.
        3 => verified: bool,
        /// The user's statement about the link: one of the values of [`link_state`](super::record::link_state), or 0.
        4 => state: u8,
        /// The Lamport timestamp of the statement.
        5 => lamport: u64,
    }
}

record! {
    /// The messages of one stream of this user that a session of the addressee has.
    pub struct MirroredReceipt {
        /// The session that numbered the messages.
        0 => author: SessionId,
        /// The epoch of the stream.
        1 => epoch: u64,
        /// The addressee of the stream.
        2 => address: Address,
        /// The session of the addressee.
        3 => session: SessionId,
        /// The ranges of the numbers that it has.
        4 => ranges: List<Range, 128>,
    }
}

record! {
    /// The messages of one stream to this user that were read, on any session.
    pub struct MirroredRead {
        /// The session that numbered the messages.
        0 => author: SessionId,
        /// The epoch of the stream.
        1 => epoch: u64,
        /// The user of the author.
        2 => user: UserId,
        /// The ranges of the numbers that were read.
        3 => ranges: List<Range, 128>,
    }
}

/// The numbers from the first to the second, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range(pub u64, pub u64);

impl Field for Range {}
