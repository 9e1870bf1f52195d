//! The rate limit for a neighbour's control messages.

use std::time::Duration;

use super::CloseCause;
use crate::time::Moment;

/// Cost of a message: 20 messages per second.
const COST: Duration = Duration::from_millis(50);
/// Burst of 200 messages: a hello with a long known list, or catching up after a partition.
const BURST: Duration = Duration::from_secs(10);
/// A peer that must be throttled for this long without a pause is closed.
const MAX_THROTTLED: Duration = Duration::from_secs(60);

/// A leaky bucket, represented by the moment at which it will be empty.
#[derive(Debug)]
pub struct RateLimit {
    empty: Moment,
    over_since: Option<Moment>,
}

impl RateLimit {
    /// An empty bucket.
    pub fn new() -> RateLimit {
        RateLimit { empty: Moment::default(), over_since: None }
    }

    /// Adds `messages` and returns how long to pause reading.
    ///
    /// # Errors
    /// [`CloseCause::Limits`] once the peer was throttled for [`MAX_THROTTLED`].
    pub fn charge(&mut self, messages: usize, now: Moment) -> Result<Duration, CloseCause> {
        self.empty = self.empty.max(now) + COST * messages as u32;
        let wait = self.empty.since(now).saturating_sub(BURST);
        if wait.is_zero() {
            self.over_since = None;
            return Ok(wait);
        }
        match self.over_since {
            Some(since) if now.since(since) > MAX_THROTTLED => return Err(CloseCause::Limits),
            Some(_) => {}
            None => self.over_since = Some(now),
        }
        Ok(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_the_rest_is_throttled_to_twenty_per_second() {
        let mut rate = RateLimit::new();
        let now = Moment(1_000_000);
        assert_eq!(rate.charge(200, now), Ok(Duration::ZERO));
        assert_eq!(rate.charge(20, now), Ok(Duration::from_secs(1)));
        assert_eq!(
            rate.charge(1, now + Duration::from_secs(60)),
            Ok(Duration::ZERO),
            "a quiet minute empties the bucket"
        );
    }

    #[test]
    fn a_peer_that_is_throttled_for_a_minute_is_closed() {
        let mut rate = RateLimit::new();
        let mut now = Moment(1_000_000);
        let mut outcome = rate.charge(264, now);
        while let Ok(wait) = outcome {
            assert!(now < Moment(1_100_000), "never closed");
            now = now + wait;
            outcome = rate.charge(64, now);
        }
        assert_eq!(outcome, Err(CloseCause::Limits));
        assert!(now > Moment(1_060_000));
    }
}
