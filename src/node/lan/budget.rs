//! Rate limits for received packets, per source address and in total.
//!
//! A flood from one address does not use up the budget of any other address.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use tokio::time::Instant;

use crate::proto::limits::MAX_SIGHTINGS;

/// Packets per second accepted from one address. A host with a dozen nodes and other mDNS services sends about ten when all
/// of them start together.
const PER_SECOND: f64 = 50.0;
/// The largest burst of packets accepted from one address.
const BURST: f64 = 200.0;
/// Packets per second accepted from all addresses together. A busy link carries a few hundred per second. Reading 4000 per
/// second takes a few percent of a core.
const TOTAL_PER_SECOND: f64 = 4000.0;
/// The largest burst of packets accepted from all addresses together.
const TOTAL_BURST: f64 = 4000.0;
/// Number of addresses with a budget of their own. All further addresses share one budget.
const MAX_SENDERS: usize = MAX_SIGHTINGS;
/// Minimum time between two removals of idle senders.
const SWEEP: Duration = Duration::from_secs(1);

/// A token bucket: limits a rate and allows bursts up to its capacity.
#[derive(Debug, Clone, Copy)]
pub struct TokenBucket {
    tokens: f64,
    capacity: f64,
    rate: f64,
    refilled_at: Instant,
}

impl TokenBucket {
    /// A full bucket. `rate` is in tokens per second, `capacity` in tokens.
    pub fn new(rate: f64, capacity: f64, now: Instant) -> TokenBucket {
        TokenBucket { tokens: capacity, capacity, rate, refilled_at: now }
    }

    /// Takes one token. Returns `false` if there is none.
    pub fn take(&mut self, now: Instant) -> bool {
        self.refill(now);
        let available = self.tokens >= 1.0;
        if available {
            self.tokens -= 1.0;
        }
        available
    }

    /// Whether the bucket has refilled completely since the last token was taken.
    pub fn is_full(&mut self, now: Instant) -> bool {
        self.refill(now);
        self.tokens >= self.capacity
    }

    fn refill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.refilled_at).as_secs_f64();
        self.tokens = (self.tokens + passed * self.rate).min(self.capacity);
        self.refilled_at = now;
    }
}

/// The budgets of all source addresses.
pub struct Budget {
    /// At most [`MAX_SENDERS`].
    senders: BTreeMap<IpAddr, TokenBucket>,
    /// Shared by all further addresses.
    overflow: TokenBucket,
    /// Charged for every packet.
    total: TokenBucket,
    last_sweep: Instant,
}

impl Budget {
    /// Full budgets for every address.
    pub fn new(now: Instant) -> Budget {
        Budget {
            senders: BTreeMap::new(),
            overflow: TokenBucket::new(PER_SECOND, BURST, now),
            total: TokenBucket::new(TOTAL_PER_SECOND, TOTAL_BURST, now),
            last_sweep: now,
        }
    }

    /// Charges one packet to `sender`. Returns `false` if the packet must be dropped.
    pub fn admits(&mut self, sender: IpAddr, now: Instant) -> bool {
        self.bucket(sender, now).take(now) && self.total.take(now)
    }

    fn bucket(&mut self, sender: IpAddr, now: Instant) -> &mut TokenBucket {
        let full = self.senders.len() >= MAX_SENDERS;
        if full && now.saturating_duration_since(self.last_sweep) >= SWEEP {
            self.last_sweep = now;
            self.senders.retain(|_, bucket| !bucket.is_full(now));
        }
        if self.senders.len() >= MAX_SENDERS && !self.senders.contains_key(&sender) {
            return &mut self.overflow;
        }
        self.senders.entry(sender).or_insert_with(|| TokenBucket::new(PER_SECOND, BURST, now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(n: u32) -> IpAddr {
        std::net::Ipv4Addr::from(0x0a00_0000 + n).into()
    }

    #[test]
    fn a_flood_from_one_address_is_limited_and_does_not_affect_another_address() {
        let start = Instant::now();
        let mut budget = Budget::new(start);
        let mut admitted = 0;
        for n in 0..100_000u64 {
            let now = start + Duration::from_micros(100 * n);
            admitted += u32::from(budget.admits(ip(66), now));
            assert!(n % 1000 != 0 || budget.admits(ip(1), now));
        }
        let most = BURST + 10.0 * PER_SECOND;
        assert!((most - 1.0..=most + 1.0).contains(&f64::from(admitted)), "{admitted}");
    }

    #[test]
    fn the_number_of_tracked_senders_is_bounded_and_idle_senders_are_removed() {
        let start = Instant::now();
        let mut budget = Budget::new(start);
        for n in 0..10_000 {
            budget.admits(ip(n), start);
        }
        assert_eq!(budget.senders.len(), MAX_SENDERS);
        let later = start + Duration::from_secs(60);
        assert!(budget.admits(ip(20_000), later));
        assert_eq!(budget.senders.len(), 1);
    }
}
