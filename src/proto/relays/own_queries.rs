//! This node's own queries: which relays and servers were asked for which missing user, over more than one hop. A relay's
//! claim that a user is online counts only for users that the relay was asked for. All relays are asked under one id, so
//! that copies of a query are recognized where their paths meet. A query is repeated under a new id before the relays on
//! its paths forget it.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::{SessionId, UserId};
use crate::proto::limits::{ASKED_RELAYS, INTEREST, MAX_INTERESTS_PER_ASKER};
use crate::time::Moment;

/// Open queries, at most one for each missing user.
#[derive(Debug, Default)]
pub struct OwnQueries {
    by_target: BTreeMap<UserId, OwnQuery>,
}

#[derive(Debug)]
struct OwnQuery {
    id: u64,
    relays: BTreeSet<SessionId>,
    repeat_at: Moment,
}

impl OwnQueries {
    /// Records that a relay is asked now and returns the id of the query: `fresh`, or that of the open query for the target.
    /// `None` if the relay was asked before, [`ASKED_RELAYS`] were, or the relay has been asked for
    /// [`MAX_INTERESTS_PER_ASKER`] users.
    pub fn ask(&mut self, relay: SessionId, target: UserId, fresh: u64, now: Moment) -> Option<u64> {
        if self.targets_asked_of(&relay).len() >= MAX_INTERESTS_PER_ASKER {
            return None;
        }
        let repeat_at = now + INTEREST / 2;
        let new = || OwnQuery { id: fresh, relays: BTreeSet::new(), repeat_at };
        let query = self.by_target.entry(target).or_insert_with(new);
        (query.relays.len() < ASKED_RELAYS && query.relays.insert(relay)).then_some(query.id)
    }

    /// Whether a relay was asked for a user.
    pub fn was_asked(&self, relay: &SessionId, target: &UserId) -> bool {
        self.by_target.get(target).is_some_and(|query| query.relays.contains(relay))
    }

    /// The users whose query is to be repeated or ended.
    pub fn due(&self, now: Moment) -> Vec<UserId> {
        self.by_target.iter().filter(|(_, query)| query.repeat_at <= now).map(|(target, _)| *target).collect()
    }

    /// Ends the query for a user and returns the relays that were asked.
    pub fn remove(&mut self, target: &UserId) -> BTreeSet<SessionId> {
        self.by_target.remove(target).map(|query| query.relays).unwrap_or_default()
    }

    /// The users that a relay was asked for.
    pub fn targets_asked_of(&self, relay: &SessionId) -> Vec<UserId> {
        let of_relay = self.by_target.iter().filter(|(_, query)| query.relays.contains(relay));
        of_relay.map(|(target, _)| *target).collect()
    }

    /// Removes a relay that has disconnected, and the queries for which no relay is left.
    pub fn forget_relay(&mut self, relay: &SessionId) {
        self.by_target.retain(|_, query| !query.relays.remove(relay) || !query.relays.is_empty());
    }

    /// When the next query is to be repeated.
    pub fn next(&self) -> Option<Moment> {
        self.by_target.values().map(|query| query.repeat_at).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOB: UserId = UserId([2; 32]);

    fn relay(n: u8) -> SessionId {
        SessionId([n; 32])
    }

    #[test]
    fn a_few_relays_are_asked_for_a_user_each_once_and_all_under_one_id() {
        let mut queries = OwnQueries::default();
        let asked = (0..9).filter_map(|n| queries.ask(relay(n), BOB, 70 + u64::from(n), Moment(0)));
        assert_eq!(asked.collect::<Vec<_>>(), [70; ASKED_RELAYS]);
        assert!(queries.ask(relay(0), BOB, 80, Moment(1)).is_none() && queries.was_asked(&relay(0), &BOB));
        queries.forget_relay(&relay(0));
        assert!(!queries.was_asked(&relay(0), &BOB));
        assert_eq!(queries.ask(relay(9), BOB, 90, Moment(1)), Some(70), "a later relay gets the same query");
        assert_eq!(queries.due(Moment(0) + INTEREST / 2), [BOB]);
        assert_eq!(queries.remove(&BOB).len(), ASKED_RELAYS);
        assert_eq!(queries.ask(relay(1), BOB, 91, Moment(2)), Some(91));
    }
}
