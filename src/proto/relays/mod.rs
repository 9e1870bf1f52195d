//! Relays: the directory that relays and servers share, and queries over chains of them.
//!
//! [`directory`] is a distance vector of users. [`own_queries`] holds the open queries of this node, [`relayed_queries`] those
//! of others and their paths. [`proven`] holds which relays have delivered. `on_directory` exchanges distances; `on_query` sends queries and passes queries and answers on.

pub mod directory;
mod on_directory;
mod on_query;
pub mod own_queries;
pub mod proven;
pub mod relayed_queries;

use crate::id::SessionId;
use crate::proto::budget::Budget;
use crate::proto::limits::{ANNOUNCEMENT_BURST, ANNOUNCEMENT_REFILL};
use crate::time::Moment;
use directory::Directory;
use own_queries::OwnQueries;
use proven::Proven;
use relayed_queries::RelayedQueries;

/// The directory, and open queries over chains of relays.
pub struct Relays {
    /// The distance to every known user.
    pub directory: Directory,
    /// Open queries of this node.
    pub own_queries: OwnQueries,
    /// Queries of others that are passed on.
    pub relayed_queries: RelayedQueries,
    /// Relays and servers that have shown the release of an own envelope.
    pub proven: Proven,
    /// Limits the rate of announcements of distances, by relay.
    pub announcements: Budget<SessionId>,
}

impl Relays {
    /// When something here is due: announcements, relayed queries that expire, or own queries to repeat.
    pub fn next(&self) -> Option<Moment> {
        [self.directory.next(), self.relayed_queries.next(), self.own_queries.next()].into_iter().flatten().min()
    }
}

impl Default for Relays {
    fn default() -> Relays {
        Relays {
            directory: Directory::default(),
            own_queries: OwnQueries::default(),
            relayed_queries: RelayedQueries::default(),
            proven: Proven::default(),
            announcements: Budget::new(ANNOUNCEMENT_BURST, ANNOUNCEMENT_REFILL),
        }
    }
}
