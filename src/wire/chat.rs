//! The chat stream: envelopes, releases and custody answers. A frame is a list of them.

use super::codec::{Bytes, Fixed, List, kinds, record};
use super::envelope::MAX_ENVELOPE;
use super::record::Signed;
use crate::id::EnvelopeId;

/// The maximum number of items in one chat frame.
pub const MAX_ITEMS: usize = 64;

/// The maximum number of envelopes in one [`Offer`] or [`Ask`].
pub const MAX_OFFERED: usize = 256;

/// A chat frame.
pub type Items = List<Chat, MAX_ITEMS>;

kinds! {
    /// An item of the chat stream. Number 7 is reserved (`docs/protocol.md`).
    pub enum Chat {
        /// An envelope in transit.
        1 => Parcel(Parcel),
        /// The proof that an envelope was opened.
        2 => Release(Release),
        /// The addressee cannot open an envelope.
        3 => Unopenable(Unopenable),
        /// A change of custody of an envelope.
        4 => Custody(Custody),
        /// The envelopes that the sender holds.
        5 => Offer(Offer),
        /// A request for offered envelopes.
        6 => Ask(Ask),
    }
}

record! {
    /// An envelope with the fields that its carriers may change. The envelope itself never changes.
    pub struct Parcel {
        /// The encoded [`Envelope`](super::envelope::Envelope), as its author wrote it.
        0 => envelope: Bytes<MAX_ENVELOPE>,
        /// The remaining lifetime in milliseconds. Each holder counts it down on its own clock.
        1 => life_ms: u64,
        /// The number of copies that the receiver may keep or pass on, including its own.
        2 => copies: u8,
    }
}

record! {
    /// The envelope was opened and its contents are stored.
    pub struct Release {
        /// The envelope that was opened.
        0 => envelope: EnvelopeId,
        /// The secret from inside the seal. Its SHA-256 is the lock of the envelope.
        1 => r: Fixed<32>,
    }
}

record! {
    /// The sender is the addressee and cannot open the envelope. The author must seal its contents again, to the newest
    /// key card.
    pub struct Unopenable {
        /// The envelope that cannot be opened.
        0 => envelope: EnvelopeId,
        /// The signed [`Roster`](super::record::Roster) of the addressee.
        1 => roster: Signed,
        /// The newest signed [`KeyCard`](super::record::KeyCard) of the sender.
        2 => card: Signed,
    }
}

record! {
    /// What happened to an envelope at a session that is not its addressee.
    pub struct Custody {
        /// The envelope.
        0 => envelope: EnvelopeId,
        /// One of the values of [`custody_state`]. Others are ignored.
        1 => state: u8,
    }
}

/// Values of [`Custody::state`]; others are ignored.
pub mod custody_state {
    /// The sender has stored the envelope. It keeps it until the release arrives or the lifetime ends.
    pub const HELD: u8 = 1;
    /// Refused: the sender carries envelopes for others, but its storage for them is full.
    pub const FULL: u8 = 2;
    /// Refused: the sender does not carry envelopes for others, and the addressee is not connected with it.
    pub const NO_CARRIER: u8 = 3;
    /// The envelope was held, and was discarded in favour of others.
    pub const EVICTED: u8 = 4;
}

record! {
    /// The envelopes that the sender holds. A carrier asks for those that it lacks, and answers those that it knows to be
    /// released with the release.
    pub struct Offer {
        /// The envelopes, in no particular order.
        0 => envelopes: List<EnvelopeId, MAX_OFFERED>,
    }
}

record! {
    /// A request for envelopes that were offered.
    pub struct Ask {
        /// The envelopes, in no particular order.
        0 => envelopes: List<EnvelopeId, MAX_OFFERED>,
    }
}
