//! Relays: what relays and servers know together about everybody, and questions that travel over chains of them.
//!
//! [`directory`] is a distance vector of users, [`trails`] remembers on which way a relayed query came, [`questions`] which of
//! this node's own are open. `on_directory` exchanges distances, `on_trail` passes queries and answers on.

pub mod directory;
mod on_directory;
mod on_trail;
pub mod questions;
pub mod trails;

use crate::id::SessionId;
use crate::proto::budget::Budget;
use crate::proto::limits::{ANNOUNCEMENT_BURST, ANNOUNCEMENT_REFILL};
use directory::Directory;
use questions::Questions;
use trails::Trails;

/// The directory, and queries under way over chains of relays.
pub struct Relays {
    pub directory: Directory,
    pub questions: Questions,
    pub trails: Trails,
    /// Announcements of distances, by relay.
    pub announcements: Budget<SessionId>,
}

impl Default for Relays {
    fn default() -> Relays {
        Relays {
            directory: Directory::default(),
            questions: Questions::default(),
            trails: Trails::default(),
            announcements: Budget::new(ANNOUNCEMENT_BURST, ANNOUNCEMENT_REFILL),
        }
    }
}
