//! The sender of a message, resolved once when the message arrives.

use crate::id::{ConnId, SessionId, UserId};

/// The other end of a connection whose hello has been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    pub conn: ConnId,
    pub session: SessionId,
    pub user: UserId,
}

/// The other side of an exchange by which a session is linked, and how its steps get there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Party {
    /// The session.
    pub session: SessionId,
    /// A connection with it, or with the relay between the two.
    pub conn: ConnId,
    /// Whether it is the latter.
    pub is_relayed: bool,
}

impl Party {
    /// A session with which this one is connected.
    pub fn direct(peer: Peer) -> Party {
        Party { session: peer.session, conn: peer.conn, is_relayed: false }
    }

    /// A session behind the relay on this connection.
    pub fn behind(relay: ConnId, session: SessionId) -> Party {
        Party { session, conn: relay, is_relayed: true }
    }
}
