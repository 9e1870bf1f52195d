//! The exchanges that a relay passes on between two of its neighbours: the steps of each, once and in their order.
//!
//! What a relay lends to a stranger is thereby bounded: five messages for each exchange that it lets begin.

use std::collections::BTreeMap;

use crate::id::SessionId;
use crate::proto::limits::{LINK_STEP, MAX_RELAYED_EXCHANGES, MAX_RELAYED_EXCHANGES_OF_ONE};
use crate::time::Moment;
use crate::wire::link::link_step;

/// The two ends of an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ends {
    /// The session that holds the user key and begins.
    pub holder: SessionId,
    /// The session that waits.
    pub newcomer: SessionId,
}

/// Exchanges by their ends.
#[derive(Debug, Default)]
pub struct RelayedExchanges {
    open: BTreeMap<Ends, Exchange>,
}

#[derive(Debug)]
struct Exchange {
    /// The step that was passed on last.
    last: u8,
    /// When the next one must have come.
    until: Moment,
}

/// Whether a step is one of the session that holds the user key.
pub fn is_by_holder(step: u8) -> bool {
    begins(step) || matches!(step, link_step::CONFIRM | link_step::WELCOME)
}

/// Whether a step begins an exchange.
pub fn begins(step: u8) -> bool {
    matches!(step, link_step::BY_CODE | link_step::BY_TOKEN)
}

impl RelayedExchanges {
    /// Whether there is room for an exchange of these two. One that they have begun before ends.
    pub fn has_room(&mut self, ends: Ends, now: Moment) -> bool {
        self.open.retain(|other, exchange| now < exchange.until && *other != ends);
        let of_one = self.open.keys().filter(|other| other.holder == ends.holder).count();
        self.open.len() < MAX_RELAYED_EXCHANGES && of_one < MAX_RELAYED_EXCHANGES_OF_ONE
    }

    /// Takes a step. Returns whether it is to be passed on: it begins an exchange, or is the next one of an exchange that was
    /// begun.
    pub fn take(&mut self, ends: Ends, step: u8, now: Moment) -> bool {
        let last = self.open.remove(&ends).filter(|exchange| now < exchange.until).map(|exchange| exchange.last);
        let follows = match (last, step) {
            (_, link_step::BY_CODE | link_step::BY_TOKEN) => true,
            (Some(link_step::BY_CODE | link_step::BY_TOKEN), link_step::ANSWER)
            | (Some(link_step::ANSWER), link_step::CONFIRM)
            | (Some(link_step::CONFIRM), link_step::ACCEPT) => true,
            (Some(link_step::ACCEPT), link_step::WELCOME) | (Some(_), link_step::REFUSE) => return true,
            _ => false,
        };
        if follows {
            self.open.insert(ends, Exchange { last: step, until: now + LINK_STEP });
        }
        follows
    }
}
