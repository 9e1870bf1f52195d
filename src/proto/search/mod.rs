//! Search: questions to others about somebody who is missing or unknown.
//!
//! `on_ping` asks common friends for a missing user ([`interest`] remembers who asked), `on_find` looks for names ([`finds`]),
//! `on_explode` floods a declaration over all short paths ([`floods`]), `on_sample` keeps a share of connections random
//! ([`members`]).

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
use finds::Finds;
use floods::Floods;
use interest::Interest;
use members::Members;

/// Open questions, mine and others', and the random sample of members.
pub struct Search {
    pub interest: Interest,
    pub members: Members,
    pub finds: Finds,
    pub floods: Floods,
    pub budgets: Budgets,
}

/// How often others may ask.
pub struct Budgets {
    /// Ping requests of mine, by who is asked and target.
    pub asked: Budget<(SessionId, UserId)>,
    /// Ping requests, by who brings them and asker.
    pub pings: Budget<(SessionId, SessionId)>,
    /// Ping requests passed on, by who brings them, asker and target.
    pub pairs: Budget<(SessionId, SessionId, UserId)>,
    /// Ping requests of others, by the relay that passes them on.
    pub relayed_pings: Budget<SessionId>,
    /// Questions for names, by asker.
    pub finds: Budget<SessionId>,
    /// Questions for names, by the relay that passes them on.
    pub relayed_finds: Budget<SessionId>,
    /// Samples, by sender.
    pub samples: Budget<SessionId>,
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
