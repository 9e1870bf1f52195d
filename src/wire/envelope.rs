//! Envelopes: sealed content on its way to an address. Any session may carry one; only sessions of the addressee can open it.

use serde::{Deserialize, Serialize};

use super::codec::{Bytes, Field, Fixed, List, record};
use crate::id::Address;

/// The largest padded content in bytes: the largest body with the largest roster and key card
/// ([`seal`](crate::identity::seal)).
pub const MAX_PADDED: usize = 21 * 1024;
/// The largest sealed content in bytes: padded content and the 16-byte tag.
pub const MAX_SEALED: usize = MAX_PADDED + 16;
/// The maximum number of wraps in one envelope: the sessions of eight full rosters.
pub const MAX_WRAPS: usize = 128;
/// The largest envelope in bytes: 21 KiB of padded content, 128 wraps of 94 bytes, the encoding around them, and 162 bytes
/// for keys of later versions.
pub const MAX_ENVELOPE: usize = 33 * 1024;

record! {
    /// A sealed message. Its id is the SHA-256 of its encoding.
    pub struct Envelope {
        /// The addressee.
        0 => address: Address,
        /// SHA-256 of the secret `r` inside the seal. Knowing `r` proves that the envelope was opened.
        1 => lock: Fixed<32>,
        /// The content key, encrypted to one prekey of each session of the addressee.
        2 => wraps: List<Wrap, MAX_WRAPS>,
        /// The padded [`Bundle`](super::content::Bundle), encrypted with ChaCha20-Poly1305 under the content key.
        3 => sealed: Bytes<MAX_SEALED>,
    }
}

/// The content key for one prekey: `[prekey id, HPKE encapsulated key, encrypted content key]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wrap(pub Fixed<8>, pub Fixed<32>, pub Fixed<48>);

impl Field for Wrap {}
