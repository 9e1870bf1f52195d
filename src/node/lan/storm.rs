//! Detects packet rates at which the responder must be stopped.
//!
//! mdns-sd reads as long as there is input, and its cache has no limit, so it must be stopped early. A storm is detected
//! within a tenth of a second and ends after about five seconds of calm.
//!
//! A crowd is not a storm: a node that joins two hundred others gets four hundred answers at once. A few packets per source
//! address are therefore free. Only packets beyond these count towards a storm, unless the total is very high.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use tokio::time::Instant;

use crate::node::clock::random;

/// Length of the window in which packets are counted.
const WINDOW: Duration = Duration::from_millis(100);
/// Packets per address and window that do not count. A host with a few nodes sends as many at once.
const FREE_PER_SENDER: usize = 8;
/// Packets per window, beyond the free ones, that start a storm.
const START_EXCESS: usize = 60;
/// Packets per window, beyond the free ones, that extend a storm.
const EXTEND_EXCESS: usize = 20;
/// Packets per window from all addresses, free ones included, that start a storm. The responder needs a tenth of a core for
/// them.
const START_TOTAL: usize = 1000;
/// Packets per window from all addresses, free ones included, that extend a storm.
const EXTEND_TOTAL: usize = 300;
/// Calm after which a storm ends. Up to a fifth is added at random, so that the responders of all nodes do not restart at
/// the same time.
const CALM: Duration = Duration::from_secs(5);
/// Bytes per unit of weight. A longer packet counts as several, because it holds the records of several.
const FRAME: usize = 1500;

/// Counts the packets of the current window.
#[derive(Debug)]
pub struct StormDetector {
    window_start: Instant,
    /// The weight of the packets in the window, by source address.
    senders: BTreeMap<IpAddr, usize>,
    /// The weight of all packets in the window.
    total: usize,
    /// The weight beyond what is free for each sender.
    excess: usize,
    /// During a storm: the last time a limit was exceeded, and how much calm must follow.
    active: Option<(Instant, Duration)>,
}

/// The number of packets that a packet of `len` bytes counts as.
pub fn weight(len: usize) -> usize {
    1 + len / FRAME
}

impl StormDetector {
    /// No storm, and an empty window.
    pub fn new(now: Instant) -> StormDetector {
        StormDetector { window_start: now, senders: BTreeMap::new(), total: 0, excess: 0, active: None }
    }

    /// Counts a packet. Returns `true` if it starts a storm.
    pub fn count(&mut self, sender: IpAddr, len: usize, now: Instant) -> bool {
        if now.saturating_duration_since(self.window_start) >= WINDOW {
            self.window_start = now;
            self.senders.clear();
            (self.total, self.excess) = (0, 0);
        }
        let weight = weight(len);
        self.total += weight;
        // Once the total limit is reached, the source addresses no longer matter.
        if self.total <= START_TOTAL {
            let packets = self.senders.entry(sender).or_default();
            self.excess += (*packets + weight).saturating_sub(FREE_PER_SENDER).min(weight);
            *packets += weight;
        }
        let (excess_limit, total_limit) =
            if self.is_active() { (EXTEND_EXCESS, EXTEND_TOTAL) } else { (START_EXCESS, START_TOTAL) };
        (self.excess >= excess_limit || self.total >= total_limit) && self.start(now)
    }

    /// Starts or extends a storm, independent of the counts. Returns `true` if none was active.
    pub fn start(&mut self, now: Instant) -> bool {
        let [chance] = random::<1>();
        let calm = CALM + CALM / 5 * u32::from(chance) / 255;
        self.active.replace((now, calm)).is_none()
    }

    /// Whether a storm is active.
    pub fn is_active(&self) -> bool {
        self.active.is_some()
    }

    /// When the storm ends if no further packets arrive.
    pub fn deadline(&self) -> Option<Instant> {
        self.active.map(|(last, calm)| last + calm)
    }

    /// Ends the storm if it has been calm for long enough. Returns `true` once per storm.
    pub fn end_if_calm(&mut self, now: Instant) -> bool {
        self.active.take_if(|(last, calm)| *last + *calm <= now).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(n: u32) -> IpAddr {
        std::net::Ipv4Addr::from(0x0a00_0000 + n).into()
    }

    /// Sends packets from `senders` addresses at a steady rate. Returns the number of the packet that starts a storm.
    fn storm_start(per_second: u32, senders: u32, len: usize, seconds: u32) -> Option<u32> {
        let start = Instant::now();
        let mut storm = StormDetector::new(start);
        let at = |n| start + Duration::from_secs(1) * n / per_second;
        (0..per_second * seconds).find(|n| storm.count(ip(n % senders), len, at(*n)))
    }

    #[test]
    fn a_storm_from_one_or_many_addresses_is_detected_by_its_first_packets() {
        assert_eq!(storm_start(10_000, 1, 300, 1), Some(67));
        assert_eq!(storm_start(1_000, 1, 300, 1), Some(67));
        assert_eq!(storm_start(10_000, 30, 300, 1), Some(30 * 8 + 59));
        assert_eq!(storm_start(20_000, 2_000, 300, 1), Some(999));
        assert!(storm_start(200, 1, 9000, 1).is_some(), "by weight");
    }

    #[test]
    fn a_busy_host_and_four_hundred_answers_of_a_crowd_are_not_a_storm() {
        assert_eq!(storm_start(600, 1, 300, 60), None);
        assert_eq!(storm_start(4_000, 400, 300, 1), None);
    }

    #[test]
    fn a_storm_ends_once_after_a_few_seconds_of_calm() {
        let start = Instant::now();
        let after = |millis| start + Duration::from_millis(millis);
        let mut storm = StormDetector::new(start);
        let started = (0..3 * 60).filter(|_| storm.count(ip(1), 300, start)).count();
        assert_eq!((started, storm.is_active()), (1, true));
        for millis in (0..10_000).step_by(3) {
            assert!(!storm.count(ip(1), 300, after(millis)), "it has started already");
            assert!(!storm.end_if_calm(after(millis)));
        }
        for millis in (10_000..14_900).step_by(20) {
            assert!(!storm.count(ip(1), 300, after(millis)), "a few packets do not extend it");
            assert!(!storm.end_if_calm(after(millis)));
        }
        let end = storm.deadline().expect("a storm is active");
        assert!((after(14_900)..=after(16_000)).contains(&end));
        assert!(storm.end_if_calm(end) && !storm.end_if_calm(end) && !storm.is_active());
    }

    #[test]
    fn the_number_of_tracked_senders_is_bounded() {
        let start = Instant::now();
        let mut storm = StormDetector::new(start);
        (0..100_000).for_each(|n| {
            storm.count(ip(n), 300, start);
        });
        assert!(storm.senders.len() <= START_TOTAL);
    }
}
