//! Which relays and servers I have asked for whom, over more than one hop. The word of a relay that somebody is there counts
//! only about those it was asked for. All are asked under one id, so that the question is one wherever its ways meet; it is
//! asked again, under another, before those on its way forget it.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::{SessionId, UserId};
use crate::proto::limits::{ASKED_RELAYS, INTEREST, MAX_INTERESTS_PER_ASKER};
use crate::time::Moment;

#[derive(Debug, Default)]
pub struct Questions {
    /// By whom they ask for.
    asked: BTreeMap<UserId, Question>,
}

#[derive(Debug)]
struct Question {
    id: u64,
    relays: BTreeSet<SessionId>,
    /// When to ask again.
    again: Moment,
}

impl Questions {
    /// Notes that a relay is asked now. The id to ask under: `fresh`, if nobody was asked before. `None` if it was asked, or
    /// enough are, or it has been asked for enough.
    pub fn ask(&mut self, relay: SessionId, target: UserId, fresh: u64, now: Moment) -> Option<u64> {
        if self.asked_of(&relay).len() >= MAX_INTERESTS_PER_ASKER {
            return None;
        }
        let again = now + INTEREST / 2;
        let new = || Question { id: fresh, relays: BTreeSet::new(), again };
        let question = self.asked.entry(target).or_insert_with(new);
        (question.relays.len() < ASKED_RELAYS && question.relays.insert(relay)).then_some(question.id)
    }

    pub fn has(&self, relay: &SessionId, target: &UserId) -> bool {
        self.asked.get(target).is_some_and(|question| question.relays.contains(relay))
    }

    /// Users who are to be asked for again, or no more.
    pub fn due(&self, now: Moment) -> Vec<UserId> {
        self.asked.iter().filter(|(_, question)| question.again <= now).map(|(target, _)| *target).collect()
    }

    /// Nobody is counted on any more for a user; who was.
    pub fn forget(&mut self, target: &UserId) -> BTreeSet<SessionId> {
        self.asked.remove(target).map(|question| question.relays).unwrap_or_default()
    }

    /// For whom a relay was asked.
    pub fn asked_of(&self, relay: &SessionId) -> Vec<UserId> {
        let of_it = self.asked.iter().filter(|(_, question)| question.relays.contains(relay));
        of_it.map(|(target, _)| *target).collect()
    }

    /// A relay is gone, and what it was asked with it.
    pub fn lose(&mut self, relay: &SessionId) {
        self.asked.retain(|_, question| !question.relays.remove(relay) || !question.relays.is_empty());
    }

    pub fn next(&self) -> Option<Moment> {
        self.asked.values().map(|question| question.again).min()
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
    fn a_few_relays_are_asked_for_somebody_each_once_and_all_under_one_id() {
        let mut questions = Questions::default();
        let asked = (0..9).filter_map(|n| questions.ask(relay(n), BOB, 70 + u64::from(n), Moment(0)));
        assert_eq!(asked.collect::<Vec<_>>(), [70; ASKED_RELAYS]);
        assert!(questions.ask(relay(0), BOB, 80, Moment(1)).is_none() && questions.has(&relay(0), &BOB));
        questions.lose(&relay(0));
        assert!(!questions.has(&relay(0), &BOB));
        assert_eq!(questions.ask(relay(9), BOB, 90, Moment(1)), Some(70), "who comes later joins in");
        assert_eq!(questions.due(Moment(0) + INTEREST / 2), [BOB]);
        assert_eq!(questions.forget(&BOB).len(), ASKED_RELAYS);
        assert_eq!(questions.ask(relay(1), BOB, 91, Moment(2)), Some(91));
    }
}
