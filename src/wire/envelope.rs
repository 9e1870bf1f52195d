//! Envelopes: sealed content on its way to an address. Anybody may carry one; only the addressee's sessions open it.

use serde::{Deserialize, Serialize};

use super::codec::{Bytes, Field, Fixed, List, record};
use crate::id::Address;

/// The longest padded content: the largest body with the largest roster and key card (`identity::seal`).
pub const MAX_PADDED: usize = 21 * 1024;
/// Padded content and the tag of its seal.
pub const MAX_SEALED: usize = MAX_PADDED + 16;
/// Wraps that one envelope may hold: the sessions of eight full rosters.
pub const MAX_WRAPS: usize = 128;
/// The longest envelope: 21 KiB of padded content, 128 wraps of 94 bytes, what holds them together, and 162 bytes for keys
/// of later versions.
pub const MAX_ENVELOPE: usize = 33 * 1024;

record! {
    /// Its id is the SHA-256 of its bytes.
    pub struct Envelope {
        0 => address: Address,
        /// SHA-256 of `r`, which is inside the seal: who shows `r` has opened it.
        1 => lock: Fixed<32>,
        2 => wraps: List<Wrap, MAX_WRAPS>,
        /// ChaCha20-Poly1305 under the content key.
        3 => sealed: Bytes<MAX_SEALED>,
    }
}

/// The content key for one prekey: `[prekey id, HPKE encapsulated key, wrapped key]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wrap(pub Fixed<8>, pub Fixed<32>, pub Fixed<48>);

impl Field for Wrap {}
