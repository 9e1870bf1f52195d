//! Pending ping requests: a session that looks for a user it is linked with is notified as soon as that user declares itself
//! to this node. Requests are kept for [`INTEREST`], with a bound for each asker and one for all.

use std::collections::BTreeMap;

use crate::id::{SessionId, UserId};
use crate::proto::limits::{INTEREST, MAX_INTERESTS, MAX_INTERESTS_PER_ASKER};
use crate::time::Moment;

/// The end of each request, by target and asker; at most [`MAX_INTERESTS`].
#[derive(Debug, Default)]
pub struct Interest {
    until: BTreeMap<(UserId, SessionId), Moment>,
    /// No request expires earlier.
    sweep: Option<Moment>,
}

impl Interest {
    /// Records that a session asked for a user. False at the bounds.
    pub fn remember(&mut self, target: UserId, asker: SessionId, now: Moment) -> bool {
        let known = self.until.contains_key(&(target, asker));
        let of_asker = || self.until.keys().filter(|(_, other)| *other == asker).count();
        if !known && (self.until.len() >= MAX_INTERESTS || of_asker() >= MAX_INTERESTS_PER_ASKER) {
            return false;
        }
        self.until.insert((target, asker), now + INTEREST);
        self.sweep.get_or_insert(now + INTEREST);
        true
    }

    /// Removes the requests for a user and returns the sessions that made them.
    pub fn take_askers(&mut self, target: &UserId, now: Moment) -> Vec<SessionId> {
        let of_target = (*target, SessionId([0; 32]))..=(*target, SessionId([255; 32]));
        let askers: Vec<SessionId> = self.until.range(of_target).map(|((_, asker), _)| *asker).collect();
        askers
            .into_iter()
            .filter(|asker| self.until.remove(&(*target, *asker)).is_some_and(|until| until > now))
            .collect()
    }

    /// Removes expired requests.
    pub fn expire(&mut self, now: Moment) {
        if self.sweep.is_some_and(|at| at <= now) {
            self.until.retain(|_, until| *until > now);
            self.sweep = self.until.values().min().copied();
        }
    }

    /// When [`Interest::expire`] has something to do.
    pub fn next(&self) -> Option<Moment> {
        self.sweep
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_asker_is_notified_once_and_not_after_its_request_expired() {
        let mut interest = Interest::default();
        let (bob, asker) = (UserId([2; 32]), SessionId([1; 32]));
        interest.remember(bob, asker, Moment(0));
        assert_eq!(interest.take_askers(&bob, Moment(1)), [asker]);
        assert!(interest.take_askers(&bob, Moment(2)).is_empty());
        interest.remember(bob, asker, Moment(0));
        assert!(interest.take_askers(&bob, Moment(0) + INTEREST).is_empty());
    }

    #[test]
    fn one_asker_cannot_fill_the_memory_of_others() {
        let mut interest = Interest::default();
        let remembered = (0..=255u8).filter(|n| interest.remember(UserId([*n; 32]), SessionId([1; 32]), Moment(0)));
        assert_eq!(remembered.count(), MAX_INTERESTS_PER_ASKER);
        assert!(interest.remember(UserId([0; 32]), SessionId([2; 32]), Moment(0)));
    }
}
