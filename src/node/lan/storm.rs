//! Whether so many packets come that the responder must not read them.
//!
//! mdns-sd reads for as long as there is something to read and remembers without a bound, so it must be stopped early: a
//! storm is known by a tenth of a second of it, and is over after five seconds of calm.

use std::time::Duration;

use tokio::time::Instant;

const WINDOW: Duration = Duration::from_millis(100);
/// Packets in a window that make a storm. When two halls of twenty are joined, forty answers may come together.
const STORM: usize = 60;
/// Packets in a window that keep it going.
const UNREST: usize = 20;
const CALM: Duration = Duration::from_secs(5);
/// A longer packet counts as several, for it holds the records of several.
const FRAME: usize = 1500;

/// What came lately.
#[derive(Debug)]
pub struct Storm {
    window: Instant,
    came: usize,
    /// When there was unrest last, while it storms.
    unrest: Option<Instant>,
}

impl Storm {
    pub fn new(now: Instant) -> Storm {
        Storm { window: now, came: 0, unrest: None }
    }

    /// Counts a packet. True if with it a storm begins.
    pub fn begins_with(&mut self, len: usize, now: Instant) -> bool {
        if now.saturating_duration_since(self.window) >= WINDOW {
            (self.window, self.came) = (now, 0);
        }
        self.came += 1 + len / FRAME;
        let most = if self.rages() { UNREST } else { STORM };
        if self.came < most {
            return false;
        }
        !self.rage(now)
    }

    /// It storms from now on, whatever came. True if it did before.
    pub fn rage(&mut self, now: Instant) -> bool {
        self.unrest.replace(now).is_some()
    }

    pub fn rages(&self) -> bool {
        self.unrest.is_some()
    }

    /// When it is over if nothing more comes.
    pub fn next(&self) -> Option<Instant> {
        self.unrest.map(|unrest| unrest + CALM)
    }

    /// True once for every storm.
    pub fn is_newly_over(&mut self, now: Instant) -> bool {
        self.unrest.take_if(|unrest| *unrest + CALM <= now).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Packets at a steady rate, for so long: whether and after which packet a storm begins.
    fn begins(per_second: u32, len: usize, seconds: u32) -> Option<u32> {
        let start = Instant::now();
        let mut storm = Storm::new(start);
        (0..per_second * seconds).find(|n| storm.begins_with(len, start + Duration::from_secs(1) * *n / per_second))
    }

    #[test]
    fn a_storm_is_known_by_its_sixtieth_packet_and_a_busy_hall_is_none() {
        assert_eq!(begins(10_000, 300, 1), Some(59));
        assert_eq!(begins(1_000, 300, 1), Some(59));
        assert_eq!(begins(500, 300, 60), None);
        assert!(begins(500, 9000, 1).is_some(), "by weight");
    }

    #[test]
    fn it_is_over_after_five_seconds_of_calm_and_is_told_once() {
        let start = Instant::now();
        let after = |millis| start + Duration::from_millis(millis);
        let mut storm = Storm::new(start);
        let begun = (0..3 * 60).filter(|_| storm.begins_with(300, start)).count();
        assert_eq!((begun, storm.rages()), (1, true));
        for millis in (0..10_000).step_by(4) {
            assert!(!storm.begins_with(300, after(millis)), "it goes on");
        }
        for millis in (10_000..14_900).step_by(10) {
            assert!(!storm.begins_with(300, after(millis)), "some packets are no unrest");
            assert!(!storm.is_newly_over(after(millis)));
        }
        let over = storm.next().expect("it rages");
        assert!((after(14_900)..=after(15_000)).contains(&over));
        assert!(storm.is_newly_over(over) && !storm.is_newly_over(over) && !storm.rages());
    }
}
