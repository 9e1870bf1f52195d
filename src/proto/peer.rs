//! Whom a connection speaks for, resolved once where a message comes in.

use crate::id::{ConnId, SessionId, UserId};

/// The other end of a connection on which the hello has been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    pub conn: ConnId,
    pub session: SessionId,
    pub user: UserId,
}
