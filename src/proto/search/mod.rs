//! Search: queries to neighbours about users who are missing or unknown.
//!
//! `on_ping` asks common friends for a missing user; [`interest`] holds the requests of others. `on_find` searches for names
//! ([`finds`]). `on_explode` floods a declaration over all short paths ([`floods`]). `on_sample` keeps a share of the
//! connections random ([`members`]).

pub mod finds;
pub mod floods;
pub mod interest;
pub mod members;
mod on_explode;
mod on_find;
mod on_ping;
mod on_sample;

use crate::id::{SessionId, UserId};
use crate::proto::budget::Budget;
use crate::proto::limits::*;
use crate::time::Moment;
use finds::Finds;
use floods::Floods;
use interest::Interest;
use members::Members;

/// Open queries, of this node and of others, and the random sample of members.
pub struct Search {
    /// Ping requests of others that wait for their target.
    pub interest: Interest,
    /// The sample from which random neighbours are chosen.
    pub members: Members,
    /// Open searches for names.
    pub finds: Finds,
    /// Floods of `\explode`.
    pub floods: Floods,
    /// Limits on the rate of queries.
    pub budgets: Budgets,
}

/// Limits on the rate of queries, each per key.
pub struct Budgets {
    /// Ping requests sent by this node, by receiver and target.
    pub asked: Budget<(SessionId, UserId)>,
    /// Ping requests received, by sender and asker.
    pub pings: Budget<(SessionId, SessionId)>,
    /// Ping requests passed on, by sender, asker and target.
    pub pairs: Budget<(SessionId, SessionId, UserId)>,
    /// Ping requests that a relay passes on for others, by relay.
    pub relayed_pings: Budget<SessionId>,
    /// Searches for names, by asker.
    pub finds: Budget<SessionId>,
    /// Searches for names that a relay passes on, by relay.
    pub relayed_finds: Budget<SessionId>,
    /// Samples, by sender.
    pub samples: Budget<SessionId>,
}

impl Search {
    /// When something here is due: answers to floods, requests that expire, or a check of the random connections.
    pub fn next(&self) -> Option<Moment> {
        [self.floods.next(), self.interest.next(), Some(self.members.next())].into_iter().flatten().min()
    }
}

impl Default for Search {
    fn default() -> Search {
        Search {
            interest: Interest::default(),
            members: Members::default(),
            finds: Finds::default(),
            floods: Floods::default(),
            budgets: Budgets {
                asked: Budget::new(2, INTEREST / 2),
                pings: Budget::new(PING_BURST, PING_REFILL),
                pairs: Budget::new(PING_PAIR_BURST, PING_PAIR),
                relayed_pings: Budget::new(RELAYED_BURST, RELAYED_REFILL),
                finds: Budget::new(FIND_BURST, FIND_REFILL),
                relayed_finds: Budget::new(RELAYED_BURST, RELAYED_REFILL),
                samples: Budget::new(SAMPLE_BURST, SAMPLE_REFILL),
            },
        }
    }
}
