//! The sender of a message, resolved once when the message arrives.

use crate::id::{ConnId, SessionId, UserId};

/// The other end of a connection whose hello has been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    pub conn: ConnId,
    pub session: SessionId,
    pub user: UserId,
}
