//! Which neighbours are still to receive the own link list. Every change of the list is sent to all friends in full. If
//! many users link within a minute, sending it to all at once would fill every queue on the way. So each step serves as
//! many neighbours as its bytes allow, in turn, and a neighbour that is served late gets only the newest list.

use std::collections::BTreeSet;
use std::ops::Bound::{Excluded, Unbounded};

use crate::id::SessionId;
use crate::proto::limits::{PUSH_BYTES, PUSH_STEP};
use crate::time::Moment;

/// Neighbours that wait for the own link list.
#[derive(Debug, Default)]
pub struct Pushes {
    owed: BTreeSet<SessionId>,
    /// The neighbour that was served last. The next in order follows, so that all are reached while the list keeps
    /// changing.
    last: Option<SessionId>,
    /// When the next step may be taken.
    at: Moment,
}

impl Pushes {
    /// Adds neighbours that are to receive the list.
    pub fn owe(&mut self, sessions: impl Iterator<Item = SessionId>) {
        self.owed.extend(sessions);
    }

    /// Removes a neighbour that received the list in another way.
    pub fn served(&mut self, session: &SessionId) {
        self.owed.remove(session);
    }

    /// The neighbours that receive a list of this size now.
    pub fn due(&mut self, bytes: usize, now: Moment) -> Vec<SessionId> {
        if self.owed.is_empty() || now < self.at {
            return Vec::new();
        }
        let behind = self.last.map_or(Unbounded, Excluded);
        let around = self.owed.range((behind, Unbounded)).chain(&self.owed);
        let count = (PUSH_BYTES / bytes.max(1)).clamp(1, self.owed.len());
        let due: Vec<SessionId> = around.take(count).copied().collect();
        due.iter().for_each(|session| self.served(session));
        self.last = due.last().copied();
        self.at = now + PUSH_STEP;
        due
    }

    /// When the next step is due.
    pub fn next(&self) -> Option<Moment> {
        (!self.owed.is_empty()).then_some(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(n: u8) -> SessionId {
        SessionId([n; 32])
    }

    #[test]
    fn a_short_list_is_sent_to_all_at_once() {
        let mut pushes = Pushes::default();
        pushes.owe((1..=20).map(session));
        assert_eq!(pushes.due(100, Moment(5)).len(), 20);
        assert_eq!(pushes.next(), None);
    }

    #[test]
    fn a_long_list_that_keeps_changing_reaches_all_in_turn() {
        let mut pushes = Pushes::default();
        let (mut now, mut served) = (Moment(5), Vec::new());
        for _ in 0..3 {
            pushes.owe((1..=6).map(session));
            served.extend(pushes.due(PUSH_BYTES / 2, now));
            assert!(pushes.due(PUSH_BYTES / 2, now).is_empty(), "one share a step");
            now = pushes.next().expect("somebody waits");
        }
        assert_eq!(served, (1..=6).map(session).collect::<Vec<_>>());
        pushes.owe([session(1)].into_iter());
        assert_eq!(pushes.due(2 * PUSH_BYTES, now), [session(1)], "behind the last comes the first");
    }

    #[test]
    fn a_neighbour_that_received_the_list_otherwise_is_not_served_again() {
        let mut pushes = Pushes::default();
        pushes.owe([session(1)].into_iter());
        pushes.served(&session(1));
        assert_eq!((pushes.next(), pushes.due(1, Moment(5))), (None, Vec::new()));
    }
}
