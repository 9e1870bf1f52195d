//! Users who refuse this node: theirs has closed a connection because they block the local user. Each attempt to reach them
//! brings a connection that ends at once, which must not show them as online again and again.

use std::collections::BTreeMap;

use crate::id::UserId;
use crate::proto::limits::REFUSAL_OVER;
use crate::time::Moment;

/// Wanted users who refuse this node, so no more than there are links.
#[derive(Debug, Default)]
pub struct Refusals {
    /// When the present connection with them has lasted long enough; `None` if there is none.
    by: BTreeMap<UserId, Option<Moment>>,
}

impl Refusals {
    /// Records that a user refuses this node.
    pub fn record(&mut self, user: UserId) {
        self.by.insert(user, None);
    }

    /// Whether a user refuses this node, as far as is known.
    pub fn contains(&self, user: &UserId) -> bool {
        self.by.contains_key(user)
    }

    /// Records that a connection with a user has come up. If it lasts for [`REFUSAL_OVER`], they no longer refuse.
    pub fn connected(&mut self, user: &UserId, now: Moment) {
        if let Some(over) = self.by.get_mut(user) {
            over.get_or_insert(now + REFUSAL_OVER);
        }
    }

    /// Records that the last connection with a user has ended.
    pub fn disconnected(&mut self, user: &UserId) {
        if let Some(over) = self.by.get_mut(user) {
            *over = None;
        }
    }

    /// Ends a refusal. False if there was none.
    pub fn remove(&mut self, user: &UserId) -> bool {
        self.by.remove(user).is_some()
    }

    /// The users whose connection has lasted long enough.
    pub fn over(&self, now: Moment) -> Vec<UserId> {
        self.by.iter().filter(|(_, over)| over.is_some_and(|at| at <= now)).map(|(user, _)| *user).collect()
    }

    /// When the next refusal may be over.
    pub fn next(&self) -> Option<Moment> {
        self.by.values().copied().flatten().min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_ends_with_a_connection_that_lasts() {
        let mut refusals = Refusals::default();
        let bob = UserId([2; 32]);
        refusals.record(bob);
        for second in [0, 10, 20] {
            let now = Moment(second * 1_000);
            refusals.connected(&bob, now);
            assert!(refusals.over(now).is_empty());
            refusals.disconnected(&bob);
            assert_eq!(refusals.next(), None);
        }
        refusals.connected(&bob, Moment(30_000));
        let over = refusals.next().expect("it may be over");
        assert_eq!(refusals.over(over), [bob]);
        assert!(refusals.remove(&bob) && !refusals.contains(&bob));
    }
}
