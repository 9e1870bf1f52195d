//! What is inside the seal: one bundle of contents by one author, signed once.

use serde::{Deserialize, Serialize};

use super::codec::{Bytes, Field, Fixed, List, record};
use super::record::{NUMBER, Signed};
use crate::id::{Address, SessionId, UserId};

/// A line of chat, in bytes of UTF-8 (design §6).
pub const MAX_TEXT: usize = 16_000;
/// The body of any content. Longer than a text by what a later kind needs around one: a copy of a line for another session
/// of its user, or a piece of a file.
pub const MAX_BODY: usize = 17 * 1024;
/// Bytes that a content takes beside its body, at most: a map of six keys, a kind below 24, four numbers, and the head of
/// the body.
pub const CONTENT_OVERHEAD: usize = 1 + 2 + 4 * (1 + NUMBER) + 4;
/// Bytes in front of the contents of a bundle, at most.
pub const CONTENTS_OVERHEAD: usize = 3;
/// The bytes of the contents of one bundle.
pub const MAX_BUNDLE: usize = 20 * 1024;
/// Contents that one bundle may hold.
pub const MAX_CONTENTS: usize = 512;

/// What a content is. Unknown kinds are stored and acknowledged; 4 to 10 are reserved (`docs/protocol.md`).
pub mod kind {
    /// UTF-8 text, the body as it is.
    pub const TEXT: u64 = 1;
    /// [`LinkBody`](super::LinkBody).
    pub const LINK: u64 = 2;
    /// [`ReceiptBody`](super::ReceiptBody); has `n` 0 and is never receipted.
    pub const RECEIPT: u64 = 3;
    /// Every kind that this version acts on.
    pub const KNOWN: [u64; 3] = [TEXT, LINK, RECEIPT];
}

record! {
    /// The plaintext of an envelope, behind a `u32` length and before zero padding.
    pub struct Bundle {
        /// Whoever shows it has opened the envelope.
        0 => r: Fixed<32>,
        1 => user: UserId,
        2 => session: SessionId,
        /// The bytes of [`Contents`], as signed.
        3 => contents: Bytes<MAX_BUNDLE>,
        /// By the session key over network, addressee and contents.
        4 => signature: Fixed<64>,
        /// For somebody who may not have them.
        5 => roster: Option<Signed>,
        6 => card: Option<Signed>,
    }
}

/// The contents of a bundle.
pub type Contents = List<Content, MAX_CONTENTS>;

record! {
    pub struct Content {
        0 => kind: u64,
        1 => epoch: u64,
        /// Counts from 1 in the stream (author session, epoch, addressee); 0: not numbered.
        2 => n: u64,
        /// Place in history.
        3 => lamport: u64,
        /// The author's clock, unix milliseconds; only printed.
        4 => wall: i64,
        5 => body: Bytes<MAX_BODY>,
    }
}

impl Content {
    /// Whether the body is no longer than its kind allows.
    pub fn fits(&self) -> bool {
        self.body.len() <= if self.kind == kind::TEXT { MAX_TEXT } else { MAX_BODY }
    }
}

record! {
    /// My link list's entry about the addressee.
    pub struct LinkBody {
        /// See [`link_state`](super::record::link_state).
        0 => state: u8,
        1 => lamport: u64,
    }
}

record! {
    /// What the signing session holds of the addressee's streams to it. Cumulative.
    pub struct ReceiptBody {
        0 => streams: List<StreamRanges, 64>,
    }
}

record! {
    pub struct StreamRanges {
        /// The session of the addressee that wrote the stream.
        0 => author: SessionId,
        1 => epoch: u64,
        2 => ranges: List<Range, 128>,
        /// Where the stream goes, if that is not the user who signs. Such streams count for no conversation of two users.
        3 => address: Option<Address>,
    }
}

/// From the first to the second number, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range(pub u64, pub u64);

impl Field for Range {}
