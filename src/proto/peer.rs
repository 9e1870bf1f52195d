//! The sender of a message, resolved once when the message arrives.

use crate::id::{ConnId, SessionId, UserId};

/// The other end of a connection whose hello has been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    pub conn: ConnId,
    pub session: SessionId,
    pub user: UserId,
}

/// The other side of an exchange by which a session is linked. The exchange goes on when one of several connections with it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Party {
    /// The session.
    pub session: SessionId,
    /// The connection with the relay between the two, if there is one.
    pub relay: Option<ConnId>,
}

impl Party {
    /// A session with which this one is connected.
    pub fn direct(session: SessionId) -> Party {
        Party { session, relay: None }
    }

    /// A session behind the relay on this connection.
    pub fn behind(relay: ConnId, session: SessionId) -> Party {
        Party { session, relay: Some(relay) }
    }
}
