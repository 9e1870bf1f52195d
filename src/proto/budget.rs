//! Token buckets, one per key: how often somebody may make this node do something. Full buckets are forgotten, so
//! memory is bounded by the keys that drew within the time it takes to fill one.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::time::Moment;

/// Buckets that are kept. Beyond it, new keys are refused.
const MAX_BUCKETS: usize = 4_096;

/// A token bucket per key.
#[derive(Debug)]
pub struct Budget<K> {
    /// Tokens in a full bucket.
    burst: u32,
    /// Time until one token is added.
    refill: Duration,
    /// When the bucket of each key will be full again.
    full: BTreeMap<K, Moment>,
}

impl<K: Ord + Copy> Budget<K> {
    /// Full buckets of `burst` tokens, with one more every `refill`.
    pub fn new(burst: u32, refill: Duration) -> Budget<K> {
        Budget { burst, refill, full: BTreeMap::new() }
    }

    /// Takes one token. Returns false if the bucket is empty.
    pub fn draw(&mut self, key: K, now: Moment) -> bool {
        self.draw_leaving(key, 0, now)
    }

    /// Takes one token unless fewer than `reserve` would be left.
    pub fn draw_leaving(&mut self, key: K, reserve: u32, now: Moment) -> bool {
        let full = self.full.get(&key).copied().unwrap_or(now).max(now) + self.refill;
        if full.since(now) > self.refill * self.burst.saturating_sub(reserve) {
            return false;
        }
        if self.full.len() >= MAX_BUCKETS {
            self.full.retain(|_, full| *full > now);
        }
        if self.full.len() >= MAX_BUCKETS && !self.full.contains_key(&key) {
            return false;
        }
        self.full.insert(key, full);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_gives_its_burst_and_then_one_at_a_time_to_each_key() {
        let mut budget = Budget::new(2, Duration::from_secs(30));
        let drawn = |budget: &mut Budget<u8>, key, second: u64| budget.draw(key, Moment(second * 1000));
        assert!(drawn(&mut budget, 1, 0) && drawn(&mut budget, 1, 0) && !drawn(&mut budget, 1, 0));
        assert!(drawn(&mut budget, 2, 0));
        assert!(!drawn(&mut budget, 1, 29));
        assert!(drawn(&mut budget, 1, 30) && !drawn(&mut budget, 1, 31));
    }

    #[test]
    fn a_reserve_is_left_to_those_who_may_take_it() {
        let mut budget = Budget::new(4, Duration::from_secs(30));
        let drawn = (0..9).filter(|_| budget.draw_leaving(1, 3, Moment(0)));
        assert_eq!(drawn.count(), 1);
        assert_eq!((0..9).filter(|_| budget.draw(1, Moment(0))).count(), 3);
    }

    #[test]
    fn keys_beyond_the_limit_are_refused_until_other_buckets_are_full() {
        let mut budget = Budget::new(1, Duration::from_secs(30));
        let drawn = (0..2 * MAX_BUCKETS).filter(|key| budget.draw(*key, Moment(0)));
        assert_eq!(drawn.count(), MAX_BUCKETS);
        assert!(budget.draw(usize::MAX, Moment(30_000)));
    }
}
