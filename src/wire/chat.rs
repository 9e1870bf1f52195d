//! The chat stream: envelopes, releases, custody answers. A frame is a list of them.

use super::codec::{Bytes, Fixed, List, kinds, record};
use super::envelope::MAX_ENVELOPE;
use super::record::Signed;
use crate::id::EnvelopeId;

/// Items that one chat frame may hold.
pub const MAX_ITEMS: usize = 64;

/// Envelopes that one offer names, and one question asks for.
pub const MAX_OFFERED: usize = 256;

/// A chat frame.
pub type Items = List<Chat, MAX_ITEMS>;

kinds! {
    /// An item of the chat stream. 7 is reserved (`docs/protocol.md`).
    pub enum Chat {
        1 => Parcel(Parcel),
        2 => Release(Release),
        3 => Unopenable(Unopenable),
        4 => Custody(Custody),
        5 => Offer(Offer),
        6 => Ask(Ask),
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

record! {
    /// What became of an envelope with somebody who is not its addressee.
    pub struct Custody {
        0 => envelope: EnvelopeId,
        /// See [`custody_state`].
        1 => state: u8,
    }
}

/// Values of [`Custody::state`]; others are ignored.
pub mod custody_state {
    /// It is on the sender's disk, and stays there until its release or the end of its life.
    pub const HELD: u8 = 1;
    /// It was not taken: the sender carries for others and has no room for it.
    pub const FULL: u8 = 2;
    /// It was not taken: the sender does not carry for others, and the addressee is not connected with it.
    pub const NO_CARRIER: u8 = 3;
    /// It was held and had to make room for others.
    pub const EVICTED: u8 = 4;
}

record! {
    /// "These I hold." Who lacks one and carries for others asks for it; who knows it released shows the release.
    pub struct Offer {
        0 => envelopes: List<EnvelopeId, MAX_OFFERED>,
    }
}

record! {
    /// "Give me these."
    pub struct Ask {
        0 => envelopes: List<EnvelopeId, MAX_OFFERED>,
    }
}
