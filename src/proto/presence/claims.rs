//! Claims to others than friends: which neighbours were told that a session is connected here, although they do not hear of
//! every change as friends do. They have asked, or are clients of this server, and count on the claim until it is withdrawn.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::SessionId;
use crate::proto::limits::{MAX_CLAIMS, MAX_CLAIMS_PER_NEIGHBOUR};

/// The sessions that each neighbour was told of; at most [`MAX_CLAIMS`] claims.
#[derive(Debug, Default)]
pub struct Claims {
    made_to: BTreeMap<SessionId, BTreeSet<SessionId>>,
    count: usize,
}

impl Claims {
    /// Records that a neighbour is told that a session is connected here. False at the bounds.
    pub fn record(&mut self, to: SessionId, about: SessionId) -> bool {
        let made = self.made_to.get(&to);
        if made.is_some_and(|made| made.contains(&about)) {
            return true;
        }
        if self.count >= MAX_CLAIMS || made.is_some_and(|made| made.len() >= MAX_CLAIMS_PER_NEIGHBOUR) {
            return false;
        }
        self.made_to.entry(to).or_default().insert(about);
        self.count += 1;
        true
    }

    /// Ends the claims about a session and returns the neighbours that they were made to.
    pub fn take(&mut self, about: &SessionId) -> Vec<SessionId> {
        let told = self.made_to.iter_mut().filter_map(|(to, made)| made.remove(about).then_some(*to));
        let told: Vec<SessionId> = told.collect();
        self.count -= told.len();
        told
    }

    /// Forgets the claims made to a neighbour that has disconnected: it counts on none of them any more.
    pub fn forget(&mut self, to: &SessionId) {
        self.count -= self.made_to.remove(to).map_or(0, |made| made.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(n: usize) -> SessionId {
        SessionId([n.to_be_bytes(); 4].concat().try_into().expect("32 bytes"))
    }

    #[test]
    fn whoever_was_told_of_a_session_is_returned_once_and_nobody_who_has_disconnected() {
        let mut claims = Claims::default();
        let [alice, bob, dora, carol] = [1, 2, 3, 4].map(session);
        for to in [alice, bob, dora, alice] {
            assert!(claims.record(to, carol));
        }
        claims.record(alice, bob);
        claims.forget(&dora);
        assert_eq!(claims.take(&carol), [alice, bob]);
        assert!(claims.take(&carol).is_empty());
        assert_eq!(claims.take(&bob), [alice]);
    }

    #[test]
    fn claims_are_bounded_for_each_neighbour_and_in_total_and_what_ended_makes_room() {
        let mut claims = Claims::default();
        let made =
            |claims: &mut Claims, to| (0..2 * MAX_CLAIMS).filter(|n| claims.record(session(to), session(*n))).count();
        assert_eq!(made(&mut claims, 0), MAX_CLAIMS_PER_NEIGHBOUR);
        assert_eq!(
            (1..=MAX_CLAIMS).map(|to| usize::from(claims.record(session(to), session(0)))).sum::<usize>(),
            MAX_CLAIMS - MAX_CLAIMS_PER_NEIGHBOUR
        );
        assert!(!claims.record(session(MAX_CLAIMS + 1), session(0)));
        claims.take(&session(0));
        assert_eq!(claims.count, MAX_CLAIMS_PER_NEIGHBOUR - 1);
        assert!(claims.record(session(MAX_CLAIMS + 1), session(0)));
    }
}
