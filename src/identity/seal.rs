//! Sealing: what an author writes becomes an envelope that only the addressee's sessions can open.
//!
//! One content key per envelope, wrapped by HPKE (RFC 9180, base mode, X25519, HKDF-SHA256, ChaCha20-Poly1305, one context
//! each) to one prekey of every session of the addressee, bound to network, address and lock. The plaintext is a
//! [`Bundle`](crate::wire::content::Bundle) behind a `u32` length, padded with zeros to 256 B, 1, 4 or 20 KiB.

use rand_core::CryptoRng;

use super::record::Verifier;
use super::sign::SecretKey;
use crate::id::{Address, EnvelopeId, NetworkId, SessionId, UserId};
use crate::time::Moment;
use crate::wire::Malformed;
use crate::wire::content::Content;
use crate::wire::record::{Prekey, Signed};

/// The encoded size of contents that always fits one envelope together with a roster of one session and a key card.
pub const ROOM: usize = 18 * 1024;

/// The private half of a prekey.
#[derive(Clone, PartialEq, Eq)]
pub struct PrekeySecret {
    pub id: [u8; 8],
    pub secret: [u8; 32],
    /// When it was made, by its owner's own time.
    pub made: Moment,
}

impl std::fmt::Debug for PrekeySecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PrekeySecret made at {:?}", self.made)
    }
}

impl PrekeySecret {
    pub fn generate(_rng: &mut impl CryptoRng, _made: Moment) -> PrekeySecret {
        todo!()
    }

    /// The half that goes on a key card.
    pub fn public(&self) -> Prekey {
        todo!()
    }
}

/// Who writes, and what a stranger needs to believe it.
pub struct Author<'a> {
    pub user: UserId,
    pub key: &'a SecretKey,
    pub network: &'a NetworkId,
    pub roster: Option<&'a Signed>,
    pub card: Option<&'a Signed>,
}

/// An envelope ready to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    pub id: EnvelopeId,
    /// Of a [`Envelope`](crate::wire::envelope::Envelope).
    pub bytes: Vec<u8>,
}

/// What an opened envelope held. The author is claimed until [`Opened::is_by_author`] says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    pub id: EnvelopeId,
    pub address: Address,
    pub r: [u8; 32],
    pub user: UserId,
    pub session: SessionId,
    pub contents: Vec<Content>,
    pub roster: Option<Signed>,
    pub card: Option<Signed>,
    signed_bytes: Vec<u8>,
    signature: [u8; 64],
}

/// Why an envelope could not be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unopened {
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error("sealed to none of these prekeys")]
    NoKey,
    #[error("the seal is broken")]
    Broken,
    #[error("the lock does not fit what is inside")]
    WrongLock,
}

/// The id of an envelope's bytes.
pub fn envelope_id(_bytes: &[u8]) -> EnvelopeId {
    todo!()
}

/// Seals contents to prekeys. `None` when they do not fit the largest padding (more than [`ROOM`]).
pub fn seal(
    _rng: &mut impl CryptoRng,
    _author: &Author<'_>,
    _address: Address,
    _prekeys: &[Prekey],
    _contents: Vec<Content>,
) -> Option<Sealed> {
    todo!()
}

/// Opens an envelope with whichever prekey `find` yields.
pub fn open<'k>(
    _network: &NetworkId,
    _bytes: &[u8],
    _find: impl Fn(&[u8; 8]) -> Option<&'k PrekeySecret>,
) -> Result<Opened, Unopened> {
    todo!()
}

/// Whether `r` fits the lock of an envelope.
pub fn fits(_lock: &[u8; 32], _r: &[u8; 32]) -> bool {
    todo!()
}

impl Opened {
    /// Whether the session it names signed these contents for this address in this network.
    pub fn is_by_author(&self, _verifier: &Verifier) -> bool {
        let _ = (&self.signed_bytes, &self.signature);
        todo!()
    }
}
