//! Sisters: the other sessions of the local user, and what each of them has of the messages that this session holds.
//!
//! Whatever a user says or is told is to appear on all their sessions. Authors send to every session they can reach; the
//! sessions give each other the rest. No line is queued for a sister. What she lacks is derived: the numbers held here
//! without those that she has and without those under way to her ([`sister`]). The lines are read from the store when they are
//! sent, newest first (`send`).
//!
//! When two sisters connect, each sends a hash of every bucket of streams it holds ([`summary`]), and for those that differ the
//! exact numbers (`on_sister`). So equal sisters exchange a few kilobytes, whatever the size of their history. A *mirror* is
//! a content of its own kind, sealed to the prekey of one sister and addressed to her session (`on_mirror` takes it in). The
//! release of its envelope shows that its lines are in her store. To a sister who is away mirrors go as mail, at most
//! [`MAX_MIRROR_MAIL`](crate::proto::limits::MAX_MIRROR_MAIL) at a time, so that two sisters who are never on together become
//! equal too. A mirror that is lost, expires or cannot be opened is derived again.
//!
//! A session that takes a line owes it to its sisters and a receipt to the author. Mirrors also carry what is known of other
//! users (rosters, pinned names, verified fingerprints, their statements about the link), which sessions of addressees have
//! which lines of this user, and what this user has read. What a sister has not been told of these is derived, too ([`changes`],
//! `owed`, `tell`).

pub mod changes;
pub mod ledger;
mod on_mirror;
mod on_sister;
mod owed;
mod pack;
mod send;
pub mod shares;
pub mod sister;
pub mod summary;
mod tell;

use ledger::Ledger;

use crate::id::SessionId;
use crate::proto::budget::Budget;
use crate::proto::limits::{COMPARISON_BURST, COMPARISON_REFILL};

/// What is known of the other sessions of the local user.
#[derive(Debug)]
pub struct Sisters {
    /// What each of them has and lacks.
    pub ledger: Ledger,
    /// How often the comparisons of each are answered.
    comparisons: Budget<SessionId>,
}

impl Sisters {
    /// The state at start.
    pub fn new(ledger: Ledger) -> Sisters {
        Sisters { ledger, comparisons: Budget::new(COMPARISON_BURST, COMPARISON_REFILL) }
    }
}
