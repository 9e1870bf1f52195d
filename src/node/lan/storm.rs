//! Whether so many packets come that the responder must not read them.
//!
//! mdns-sd reads for as long as there is something to read and remembers without a bound, so it must be stopped early: a
//! storm is known by a tenth of a second of it, and is over after five seconds of calm.
//!
//! A crowd is no storm: when somebody joins a hall of two hundred, four hundred answers come together. So of each sender a
//! few packets are free, and only what comes on top of them counts, or all together when it is far too much.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use tokio::time::Instant;

use crate::node::clock::random;

const WINDOW: Duration = Duration::from_millis(100);
/// Packets of one address in a window that do not count: what a host with a few nodes says at once.
const FREE: usize = 8;
/// Packets in a window, beyond those that are free, that make a storm, and that keep it going.
const STORM: usize = 60;
const UNREST: usize = 20;
/// All packets in a window that make a storm, whoever says them, and that keep it going. So many take the responder a tenth
/// of a core.
const FLOOD: usize = 1000;
const SWELL: usize = 300;
/// Up to a fifth longer, so that those whom a storm has silenced do not speak in chorus.
const CALM: Duration = Duration::from_secs(5);
/// A longer packet counts as several, for it holds the records of several.
const FRAME: usize = 1500;

/// What came lately.
#[derive(Debug)]
pub struct Storm {
    window: Instant,
    senders: BTreeMap<IpAddr, usize>,
    all: usize,
    beyond: usize,
    /// When there was unrest last and how much calm must follow, while it storms.
    unrest: Option<(Instant, Duration)>,
}

/// For how many packets one counts.
pub fn weight(len: usize) -> usize {
    1 + len / FRAME
}

impl Storm {
    pub fn new(now: Instant) -> Storm {
        Storm { window: now, senders: BTreeMap::new(), all: 0, beyond: 0, unrest: None }
    }

    /// Counts a packet. True if with it a storm begins.
    pub fn begins_with(&mut self, sender: IpAddr, len: usize, now: Instant) -> bool {
        if now.saturating_duration_since(self.window) >= WINDOW {
            self.window = now;
            self.senders.clear();
            (self.all, self.beyond) = (0, 0);
        }
        let weight = weight(len);
        self.all += weight;
        // Beyond a flood it does not matter who says more.
        if self.all <= FLOOD {
            let said = self.senders.entry(sender).or_default();
            self.beyond += (*said + weight).saturating_sub(FREE).min(weight);
            *said += weight;
        }
        let (beyond, all) = if self.rages() { (UNREST, SWELL) } else { (STORM, FLOOD) };
        (self.beyond >= beyond || self.all >= all) && self.rage(now)
    }

    /// It storms from now on, whatever came. True if it did not before.
    pub fn rage(&mut self, now: Instant) -> bool {
        let [chance] = random::<1>();
        let calm = CALM + CALM / 5 * u32::from(chance) / 255;
        self.unrest.replace((now, calm)).is_none()
    }

    pub fn rages(&self) -> bool {
        self.unrest.is_some()
    }

    /// When it is over if nothing more comes.
    pub fn next(&self) -> Option<Instant> {
        self.unrest.map(|(unrest, calm)| unrest + calm)
    }

    /// True once for every storm.
    pub fn is_newly_over(&mut self, now: Instant) -> bool {
        self.unrest.take_if(|(unrest, calm)| *unrest + *calm <= now).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(n: u32) -> IpAddr {
        std::net::Ipv4Addr::from(0x0a00_0000 + n).into()
    }

    /// Packets of so many senders at a steady rate, for so long: after which one a storm begins.
    fn begins(per_second: u32, senders: u32, len: usize, seconds: u32) -> Option<u32> {
        let start = Instant::now();
        let mut storm = Storm::new(start);
        let at = |n| start + Duration::from_secs(1) * n / per_second;
        (0..per_second * seconds).find(|n| storm.begins_with(ip(n % senders), len, at(*n)))
    }

    #[test]
    fn a_storm_is_known_by_its_first_packets_whether_one_makes_it_or_many_do() {
        assert_eq!(begins(10_000, 1, 300, 1), Some(67));
        assert_eq!(begins(1_000, 1, 300, 1), Some(67));
        assert_eq!(begins(10_000, 30, 300, 1), Some(30 * 8 + 59));
        assert_eq!(begins(20_000, 2_000, 300, 1), Some(999));
        assert!(begins(200, 1, 9000, 1).is_some(), "by weight");
    }

    #[test]
    fn a_busy_host_is_no_storm_and_four_hundred_answers_in_a_crowd_are_none() {
        assert_eq!(begins(600, 1, 300, 60), None);
        assert_eq!(begins(4_000, 400, 300, 1), None);
    }

    #[test]
    fn it_is_over_after_some_seconds_of_calm_and_is_told_once() {
        let start = Instant::now();
        let after = |millis| start + Duration::from_millis(millis);
        let mut storm = Storm::new(start);
        let begun = (0..3 * 60).filter(|_| storm.begins_with(ip(1), 300, start)).count();
        assert_eq!((begun, storm.rages()), (1, true));
        for millis in (0..10_000).step_by(3) {
            assert!(!storm.begins_with(ip(1), 300, after(millis)), "it goes on");
            assert!(!storm.is_newly_over(after(millis)));
        }
        for millis in (10_000..14_900).step_by(20) {
            assert!(!storm.begins_with(ip(1), 300, after(millis)), "some packets are no unrest");
            assert!(!storm.is_newly_over(after(millis)));
        }
        let over = storm.next().expect("it rages");
        assert!((after(14_900)..=after(16_000)).contains(&over));
        assert!(storm.is_newly_over(over) && !storm.is_newly_over(over) && !storm.rages());
    }

    #[test]
    fn senders_without_end_take_bounded_memory() {
        let start = Instant::now();
        let mut storm = Storm::new(start);
        (0..100_000).for_each(|n| {
            storm.begins_with(ip(n), 300, start);
        });
        assert!(storm.senders.len() <= FLOOD);
    }
}
