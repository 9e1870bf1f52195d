//! The chat stream: envelopes, releases, custody answers. A frame is a list of them.

use super::codec::{Bytes, Fixed, List, kinds, record};
use super::envelope::MAX_ENVELOPE;
use super::record::Signed;
use crate::id::EnvelopeId;

/// Items that one chat frame may hold.
pub const MAX_ITEMS: usize = 64;

/// A chat frame.
pub type Items = List<Chat, MAX_ITEMS>;

kinds! {
    /// An item of the chat stream. Number 4 is kept for custody answers.
    pub enum Chat {
        1 => Parcel(Parcel),
        2 => Release(Release),
        3 => Unopenable(Unopenable),
    }
}

record! {
    /// An envelope with its carrier's label, which may change on the way where the envelope may not.
    pub struct Parcel {
        /// The bytes of an [`Envelope`](super::envelope::Envelope).
        0 => envelope: Bytes<MAX_ENVELOPE>,
        /// Remaining life.
        1 => life_ms: u64,
        /// How many copies the receiver may still make, itself included.
        2 => copies: u8,
    }
}

record! {
    /// "The envelope was opened and what was in it is stored": `r` fits its lock.
    pub struct Release {
        0 => envelope: EnvelopeId,
        1 => r: Fixed<32>,
    }
}

record! {
    /// "I am the addressee and cannot open this: seal anew to my newest key card."
    pub struct Unopenable {
        0 => envelope: EnvelopeId,
        1 => roster: Signed,
        2 => card: Signed,
    }
}
