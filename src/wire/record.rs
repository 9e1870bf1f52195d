//! Signed records: they travel through third parties unchanged, as the bytes that were signed.

use serde::{Deserialize, Serialize};

use super::addr::Addr;
use super::codec::{Bytes, Field, Fixed, List, Text, record};
use crate::id::{SessionId, UserId};

/// The longest payload of any record: a roster (design §3).
pub const MAX_RECORD: usize = 4096;
/// Declarations and key cards (design §3).
pub const MAX_SMALL_RECORD: usize = 1024;

/// Bytes of an id behind its key, and the most that a number takes.
const ID: usize = 34;
pub(super) const NUMBER: usize = 9;

/// Sessions on one roster.
pub const MAX_SESSIONS: usize = 16;
/// Revoked sessions on one roster.
pub const MAX_REVOKED: usize = 32;
/// The longest roster that this version writes: the longest name, 16 sessions with the longest labels, 32 revoked.
pub const LONGEST_ROSTER: usize = 1
    + (1 + ID)
    + (1 + 2 + 128)
    + (1 + NUMBER)
    + (1 + 1 + MAX_SESSIONS * (1 + 1 + ID + 1 + 2 + 64))
    + (1 + 2 + MAX_REVOKED * ID);
/// The longest key card that this version writes: three prekeys.
pub const LONGEST_CARD: usize = 1 + 2 * (1 + ID) + (1 + NUMBER) + (1 + 1 + 3 * (1 + 1 + 9 + 1 + ID));
/// Bytes of a signed record beside its payload, at most.
pub const SIGNED_OVERHEAD: usize = 1 + 3 + 66;

/// A record as it was signed: `[payload, Ed25519 signature]`. Never re-encoded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signed(pub Bytes<MAX_RECORD>, pub Fixed<64>);

impl Field for Signed {}

record! {
    /// A user's list of their sessions and their name, by the user key.
    pub struct Roster {
        0 => user: UserId,
        1 => name: Text<128>,
        /// `max(known + 1, unix ms)`; the highest wins.
        2 => version: u64,
        3 => sessions: List<RosterSession, MAX_SESSIONS>,
        /// Only grows.
        4 => revoked: List<SessionId, MAX_REVOKED>,
    }
}

record! {
    pub struct RosterSession {
        0 => id: SessionId,
        1 => label: Text<64>,
    }
}

record! {
    /// Where a session is and whether it is online, by the session key.
    pub struct Declaration {
        0 => user: UserId,
        1 => session: SessionId,
        /// `max(stored + 1, unix ms)`; orders declarations and key cards of a session, and is never read as a time.
        2 => seq: u64,
        3 => online: bool,
        4 => addrs: List<Addr, 8>,
        /// Bits of [`roles`].
        5 => roles: u32,
    }
}

/// Bits of [`Declaration::roles`]. Claiming one gives no rights.
pub mod roles {
    pub const RELAY: u32 = 1;
    pub const SERVER: u32 = 2;
}

record! {
    /// A session's prekeys, newest first, by the session key.
    pub struct KeyCard {
        0 => user: UserId,
        1 => session: SessionId,
        2 => seq: u64,
        3 => prekeys: List<Prekey, 3>,
    }
}

record! {
    pub struct Prekey {
        /// Random; tells the addressee which private half to take, and others nothing.
        0 => id: Fixed<8>,
        /// X25519 public key.
        1 => key: Fixed<32>,
    }
}

record! {
    /// One page of whom a session says its user is linked to, by the session key. A user's links are the entry-wise
    /// maximum (by lamport) over unrevoked sessions.
    pub struct LinkList {
        0 => user: UserId,
        1 => session: SessionId,
        2 => version: u64,
        3 => page: u16,
        4 => pages: u16,
        5 => entries: List<LinkEntry, 64>,
    }
}

record! {
    pub struct LinkEntry {
        0 => user: UserId,
        /// See [`link_state`].
        1 => state: u8,
        2 => lamport: u64,
    }
}

/// Values of [`LinkEntry::state`]; others are ignored.
pub mod link_state {
    pub const LINKED: u8 = 1;
    pub const REMOVED: u8 = 2;
    pub const BLOCKED: u8 = 3;
    /// Linked by acceptance of a stranger in the open network: counts between the two, extends nobody's horizon.
    pub const AUTO: u8 = 4;
}
