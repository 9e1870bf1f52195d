//! How much the core holds, for monitoring. Nothing here tells one user, session or address from another.

use crate::proto::histogram::Histogram;

/// How much the core holds at the moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counts {
    /// Known users but the local one of whom a session is online.
    pub online: usize,
    /// The other known users.
    pub offline: usize,
    /// Known sessions.
    pub sessions: usize,
    /// The connections.
    pub connections: Connections,
    /// Own lines that some session of their addressee does not have yet, and the bytes of their texts.
    pub outbox: Amount,
    /// Envelopes that are held for others.
    pub custody: Amount,
    /// The most bytes that envelopes of others may take.
    pub custody_limit: usize,
    /// How long own lines took until the first session of their addressee had them, since the start.
    pub delivery: Histogram,
}

/// The number of something, and its bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Amount {
    /// How many.
    pub items: usize,
    /// How many bytes.
    pub bytes: usize,
}

/// The number of connections, by who is at the other end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Connections {
    /// Linked users.
    pub linked: usize,
    /// Other sessions of the local user.
    pub own: usize,
    /// Anybody else.
    pub other: usize,
    /// It has not said yet who it is.
    pub pending: usize,
}
