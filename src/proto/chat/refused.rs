//! Envelopes of blocked users that carriers have offered. They are neither released nor receipted, so a carrier keeps them, and it
//! is asked for them when the block ends.

use std::collections::BTreeMap;

use crate::id::{EnvelopeId, SessionId, UserId};
use crate::proto::limits::MAX_HELD_ENVELOPES;

/// Refused envelopes and their carriers by author, in the order in which they were offered; at most
/// [`MAX_HELD_ENVELOPES`] of each author. Carriers offer the others again by themselves.
#[derive(Debug, Default)]
pub struct Refused {
    by_author: BTreeMap<UserId, Vec<(EnvelopeId, SessionId)>>,
}

impl Refused {
    /// Records an envelope of a blocked user.
    pub fn add(&mut self, author: UserId, envelope: EnvelopeId, carrier: SessionId) {
        let refused = self.by_author.entry(author).or_default();
        if refused.len() < MAX_HELD_ENVELOPES && !refused.contains(&(envelope, carrier)) {
            refused.push((envelope, carrier));
        }
    }

    /// Takes the envelopes of a user who is not blocked any more.
    pub fn take(&mut self, author: &UserId) -> Vec<(EnvelopeId, SessionId)> {
        self.by_author.remove(author).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn envelopes_are_asked_for_in_the_order_in_which_they_were_offered_and_once() {
        let (mut refused, bob, pi) = (Refused::default(), UserId([2; 32]), SessionId([9; 32]));
        for n in [7, 3, 5, 3, 7] {
            refused.add(bob, EnvelopeId([n; 32]), pi);
        }
        assert_eq!(refused.take(&bob), [7, 3, 5].map(|n| (EnvelopeId([n; 32]), pi)));
        assert_eq!(refused.take(&bob), []);
        (0..200).for_each(|n| refused.add(bob, EnvelopeId([n; 32]), pi));
        assert_eq!(refused.take(&bob).len(), MAX_HELD_ENVELOPES);
    }
}
