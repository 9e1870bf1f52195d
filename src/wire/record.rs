//! Signed records. Third parties pass them on unchanged, as the bytes that were signed. [`identity::record`] signs and verifies
//! them.
//!
//! [`identity::record`]: crate::identity::record

use serde::{Deserialize, Serialize};

use super::addr::Addr;
use super::codec::{Bytes, Field, Fixed, List, Text, record};
use crate::id::{SessionId, UserId};

/// The longest payload of a roster or a page of a link list in bytes. [`LONGEST_ROSTER`] fits, with space for keys of later
/// versions.
pub const MAX_RECORD: usize = 4096;
/// The longest payload of a declaration or key card in bytes.
pub const MAX_SMALL_RECORD: usize = 1024;

/// Bytes of an encoded id.
const ID: usize = 34;
/// The maximum bytes of an encoded number.
pub(super) const NUMBER: usize = 9;

/// The maximum number of sessions on one roster.
pub const MAX_SESSIONS: usize = 16;
/// The longest label of a session, in bytes.
pub const MAX_LABEL: usize = 64;
/// The maximum number of revoked sessions on one roster.
pub const MAX_REVOKED: usize = 32;
/// The longest roster that this version writes, in bytes: the longest name, 16 sessions with the longest labels, 32 revoked
/// sessions.
pub const LONGEST_ROSTER: usize = 1
    + (1 + ID)
    + (1 + 2 + 128)
    + (1 + NUMBER)
    + (1 + 1 + MAX_SESSIONS * (1 + 1 + ID + 1 + 2 + MAX_LABEL))
    + (1 + 2 + MAX_REVOKED * ID);
/// The longest key card that this version writes, in bytes: three prekeys.
pub const LONGEST_CARD: usize = 1 + 2 * (1 + ID) + (1 + NUMBER) + (1 + 1 + 3 * (1 + 1 + 9 + 1 + ID));
/// The maximum encoded size of a [`Signed`] record without its payload, in bytes.
pub const SIGNED_OVERHEAD: usize = 1 + 3 + 66;

/// A record as it was signed: `[payload, Ed25519 signature]`. The payload is the encoded record, and is never encoded again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signed(pub Bytes<MAX_RECORD>, pub Fixed<64>);

impl Field for Signed {}

record! {
    /// The name and sessions of a user, signed by the user key.
    pub struct Roster {
        /// The user.
        0 => user: UserId,
        /// The user's [`Name`](crate::identity::Name).
        1 => name: Text<128>,
        /// `max(known + 1, Unix milliseconds)`; 1 if the session that signs knows no roster of the user but others may. The roster
        /// with the highest version counts.
        2 => version: u64,
        /// The sessions of the user; at least one.
        3 => sessions: List<RosterSession, MAX_SESSIONS>,
        /// Sessions that no longer act for the user. When the list is full, the oldest entries are removed.
        4 => revoked: List<SessionId, MAX_REVOKED>,
    }
}

record! {
    /// A session of a user.
    pub struct RosterSession {
        /// The session.
        0 => id: SessionId,
        /// A label for people, such as the host name. It may be empty.
        1 => label: Text<MAX_LABEL>,
    }
}

record! {
    /// The addresses of a session and whether it is online, signed by the session key.
    pub struct Declaration {
        /// The user of the session.
        0 => user: UserId,
        /// The session.
        1 => session: SessionId,
        /// `max(stored + 1, Unix milliseconds)`. It orders the declarations and key cards of a session and is never interpreted
        /// as a time.
        2 => seq: u64,
        /// Whether the session is online.
        3 => online: bool,
        /// Addresses to dial; none is link-local.
        4 => addrs: List<Addr, 8>,
        /// Bits of [`roles`].
        5 => roles: u32,
        /// The nonce of the current boot id of the session ([`BootId::of`](crate::id::BootId::of)). Older versions leave it
        /// out.
        6 => boot_nonce: Option<Fixed<16>>,
    }
}

/// Bits of [`Declaration::roles`]. A role grants no rights.
pub mod roles {
    /// The session carries envelopes for others and passes on queries.
    pub const RELAY: u32 = 1;
    /// The session also keeps the link lists of all users that send them.
    pub const SERVER: u32 = 2;
}

record! {
    /// The prekeys of a session, signed by the session key.
    pub struct KeyCard {
        /// The user of the session.
        0 => user: UserId,
        /// The session.
        1 => session: SessionId,
        /// From the same counter as [`Declaration::seq`]. The card with the highest number counts.
        2 => seq: u64,
        /// At least one, newest first.
        3 => prekeys: List<Prekey, 3>,
    }
}

record! {
    /// A public key to which envelopes are sealed.
    pub struct Prekey {
        /// Random. It identifies the private key to the addressee and reveals nothing to others.
        0 => id: Fixed<8>,
        /// The X25519 public key.
        1 => key: Fixed<32>,
    }
}

record! {
    /// One page of the links of a user according to one session, signed by the session key. For each other user, the entry with
    /// the highest `lamport` over all unrevoked sessions counts.
    pub struct LinkList {
        /// The user of the session.
        0 => user: UserId,
        /// The session.
        1 => session: SessionId,
        /// `max(stored + 1, Unix milliseconds)`, the same on all pages. The list with the highest version counts.
        2 => version: u64,
        /// The index of this page, counted from 0.
        3 => page: u16,
        /// The number of pages; at least one.
        4 => pages: u16,
        /// The entries of this page.
        5 => entries: List<LinkEntry, 64>,
    }
}

record! {
    /// What a user claims about the link to another user.
    pub struct LinkEntry {
        /// The other user.
        0 => user: UserId,
        /// One of the values of [`link_state`]. Others are ignored.
        1 => state: u8,
        /// The Lamport timestamp of the change.
        2 => lamport: u64,
    }
}

/// Values of [`LinkEntry::state`]; others are ignored.
pub mod link_state {
    /// The user wants the link.
    pub const LINKED: u8 = 1;
    /// The user has ended the link.
    pub const REMOVED: u8 = 2;
    /// The user has blocked the other user.
    pub const BLOCKED: u8 = 3;
    /// The link to a stranger was accepted automatically in the open network. It links the two users, but makes neither of them
    /// known to the other's friends.
    pub const AUTO: u8 = 4;
}
