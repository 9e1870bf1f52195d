//! Relays and servers that have delivered. The role is only a claim; the release of an own envelope, which nobody but its
//! addressee can make, shows that a carrier has handed it over.

use std::collections::BTreeMap;

use crate::id::SessionId;
use crate::proto::limits::MAX_PROVEN;
use crate::time::Moment;

/// Carriers with the time of the last release they have shown, at most [`MAX_PROVEN`].
#[derive(Debug, Default)]
pub struct Proven(BTreeMap<SessionId, Moment>);

impl Proven {
    /// Records that a carrier has shown a release. At the bound the one with the oldest release is forgotten.
    pub fn record(&mut self, carrier: SessionId, now: Moment) {
        self.0.insert(carrier, now);
        if self.0.len() > MAX_PROVEN
            && let Some(oldest) = self.0.iter().min_by_key(|(_, at)| **at).map(|(session, _)| *session)
        {
            self.0.remove(&oldest);
        }
    }

    /// Whether a carrier has shown a release.
    pub fn contains(&self, carrier: &SessionId) -> bool {
        self.0.contains_key(carrier)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_the_bound_the_carrier_with_the_oldest_release_is_forgotten() {
        let by = |n: u64| SessionId([n as u8; 32]);
        let mut proven = Proven::default();
        (0..=MAX_PROVEN as u64).for_each(|n| proven.record(by(n), Moment(n)));
        assert!(!proven.contains(&by(0)) && proven.contains(&by(1)) && proven.contains(&by(MAX_PROVEN as u64)));
    }
}
