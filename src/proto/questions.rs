//! Which relay or server I have asked for whom, over more than one hop. The word of a relay that somebody is there counts
//! only about those it was asked for. A question is asked again before those on its way forget it.

use std::collections::BTreeMap;

use super::limits::{ASKED_RELAYS, INTEREST, MAX_INTERESTS_PER_ASKER};
use crate::id::{SessionId, UserId};
use crate::time::Moment;

#[derive(Debug, Default)]
pub struct Questions {
    /// When to ask again, by whom I asked and for whom.
    asked: BTreeMap<(SessionId, UserId), Moment>,
}

impl Questions {
    /// Notes that a relay is asked now. False if it was, or enough are, or it has been asked for enough.
    pub fn ask(&mut self, relay: SessionId, target: UserId, now: Moment) -> bool {
        let for_target = self.asked.keys().filter(|(_, other)| *other == target).count();
        let of_relay = self.asked.keys().filter(|(other, _)| *other == relay).count();
        let full = for_target >= ASKED_RELAYS || of_relay >= MAX_INTERESTS_PER_ASKER;
        if self.asked.contains_key(&(relay, target)) || full {
            return false;
        }
        self.asked.insert((relay, target), now + INTEREST / 2);
        true
    }

    pub fn has(&self, relay: &SessionId, target: &UserId) -> bool {
        self.asked.contains_key(&(*relay, *target))
    }

    /// Those that are to be asked again, or forgotten.
    pub fn due(&self, now: Moment) -> Vec<(SessionId, UserId)> {
        self.asked.iter().filter(|(_, again)| **again <= now).map(|(key, _)| *key).collect()
    }

    /// Who was asked for a user is not counted on any more.
    pub fn forget(&mut self, relay: &SessionId, target: &UserId) {
        self.asked.remove(&(*relay, *target));
    }

    /// The relays that were asked for a user.
    pub fn asked_for(&self, target: &UserId) -> Vec<SessionId> {
        self.asked.keys().filter(|(_, other)| other == target).map(|(relay, _)| *relay).collect()
    }

    /// For whom a relay was asked.
    pub fn asked_of(&self, relay: &SessionId) -> Vec<UserId> {
        self.asked.keys().filter(|(other, _)| other == relay).map(|(_, target)| *target).collect()
    }

    /// A relay is gone, and what it was asked with it.
    pub fn lose(&mut self, relay: &SessionId) {
        self.asked.retain(|(other, _), _| other != relay);
    }

    pub fn next(&self) -> Option<Moment> {
        self.asked.values().min().copied()
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
    fn a_relay_is_asked_for_somebody_once_until_it_is_time_and_few_are() {
        let mut questions = Questions::default();
        let asked = (0..2 * ASKED_RELAYS as u8).filter(|n| questions.ask(relay(*n), BOB, Moment(0)));
        assert_eq!(asked.count(), ASKED_RELAYS);
        assert!(!questions.ask(relay(0), BOB, Moment(1)) && questions.has(&relay(0), &BOB));
        assert_eq!(questions.due(Moment(0) + INTEREST / 2).len(), ASKED_RELAYS);
        questions.lose(&relay(0));
        assert!(!questions.has(&relay(0), &BOB) && questions.ask(relay(9), BOB, Moment(1)));
    }
}
