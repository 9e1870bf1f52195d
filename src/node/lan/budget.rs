//! How much is listened to: of each sender so much, so that one who shouts is not heard at the cost of another.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use tokio::time::Instant;

/// Packets taken of one address in a second, and at once. A host with a dozen nodes and other services of mDNS says some
/// ten in a second when all start together.
const PER_SECOND: f64 = 50.0;
const BURST: f64 = 200.0;
/// Packets taken of everybody: a busy hall says some hundred in a second. Reading so many takes a few percent of a core.
const ALL_PER_SECOND: f64 = 4000.0;
const ALL_BURST: f64 = 4000.0;
/// Addresses that have a budget of their own. Whoever comes on top of them shares one.
const MAX_SENDERS: usize = 1024;
/// Between two searches for senders who have been quiet.
const SWEEP: Duration = Duration::from_secs(1);

/// A right to so much in a second, of which some can be saved up.
#[derive(Debug, Clone, Copy)]
pub struct Bucket {
    left: f64,
    burst: f64,
    per_second: f64,
    at: Instant,
}

impl Bucket {
    pub fn new(per_second: f64, burst: f64, now: Instant) -> Bucket {
        Bucket { left: burst, burst, per_second, at: now }
    }

    /// Takes one out; false if there is none.
    pub fn take(&mut self, now: Instant) -> bool {
        self.fill(now);
        let there = self.left >= 1.0;
        if there {
            self.left -= 1.0;
        }
        there
    }

    /// Whether nothing was taken lately.
    pub fn is_full(&mut self, now: Instant) -> bool {
        self.fill(now);
        self.left >= self.burst
    }

    fn fill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.left = (self.left + passed * self.per_second).min(self.burst);
        self.at = now;
    }
}

/// The budgets of all senders.
pub struct Budget {
    senders: BTreeMap<IpAddr, Bucket>,
    others: Bucket,
    all: Bucket,
    swept: Instant,
}

impl Budget {
    pub fn new(now: Instant) -> Budget {
        Budget {
            senders: BTreeMap::new(),
            others: Bucket::new(PER_SECOND, BURST, now),
            all: Bucket::new(ALL_PER_SECOND, ALL_BURST, now),
            swept: now,
        }
    }

    /// Whether a packet of this sender is to be read.
    pub fn admits(&mut self, sender: IpAddr, now: Instant) -> bool {
        self.bucket(sender, now).take(now) && self.all.take(now)
    }

    fn bucket(&mut self, sender: IpAddr, now: Instant) -> &mut Bucket {
        let full = self.senders.len() >= MAX_SENDERS;
        if full && now.saturating_duration_since(self.swept) >= SWEEP {
            self.swept = now;
            self.senders.retain(|_, bucket| !bucket.is_full(now));
        }
        if self.senders.len() >= MAX_SENDERS && !self.senders.contains_key(&sender) {
            return &mut self.others;
        }
        self.senders.entry(sender).or_insert_with(|| Bucket::new(PER_SECOND, BURST, now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(n: u32) -> IpAddr {
        std::net::Ipv4Addr::from(0x0a00_0000 + n).into()
    }

    #[test]
    fn whoever_shouts_is_heard_as_much_as_may_be_and_others_are_heard_all_the_same() {
        let start = Instant::now();
        let mut budget = Budget::new(start);
        let mut heard = 0;
        for n in 0..100_000u64 {
            let now = start + Duration::from_micros(100 * n);
            heard += u32::from(budget.admits(ip(66), now));
            assert!(n % 1000 != 0 || budget.admits(ip(1), now));
        }
        let most = BURST + 10.0 * PER_SECOND;
        assert!((most - 1.0..=most + 1.0).contains(&f64::from(heard)), "{heard}");
    }

    #[test]
    fn senders_without_end_take_bounded_memory_and_give_way_once_they_are_quiet() {
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
