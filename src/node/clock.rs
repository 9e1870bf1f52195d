//! The only clock of the program, and the operating system's randomness. Nothing else asks for either.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::time::{Moment, Now, Wall};

/// 2026-01-01 in Unix milliseconds. An earlier wall clock was never set (a Raspberry Pi has no battery-backed clock).
const BELIEVABLE: Wall = Wall(1_767_225_600_000);
/// The longest time switched off that is believed. Beyond it, a wrong clock is more likely.
const LONGEST_OFF: Duration = Duration::from_secs(400 * 24 * 3600);
/// How far the wall clock may run ahead of monotonic time before it counts as a suspend: more than a scheduling
/// delay, less than a suspend that costs connections.
const MIN_SUSPEND: Duration = Duration::from_secs(5);

/// A clock whose moments continue from where the last process stopped. Copies agree.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    started: Instant,
    base: Moment,
}

impl Clock {
    /// Continues from `saved`. The time switched off is added if both wall clocks are believable; otherwise it is
    /// left out, so that ages never run ahead of the truth.
    pub fn new(saved: Now) -> Clock {
        Clock { started: instant(), base: saved.moment + switched_off(saved.wall, wall()) }
    }

    /// The current moment and wall time.
    pub fn now(&self) -> Now {
        let elapsed = instant().saturating_duration_since(self.started);
        Now { moment: self.base + elapsed, wall: wall() }
    }
}

/// Measures how long something takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts measuring.
    pub fn start() -> Stopwatch {
        Stopwatch(instant())
    }

    /// The time since the start.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Detects that the machine was suspended: monotonic time stands still meanwhile, and wall time does not. A clock
/// that is set forward looks the same, and costs one round of dialling.
#[derive(Debug)]
pub(crate) struct SuspendWatch {
    last: Now,
}

impl SuspendWatch {
    /// Starts watching at `now`.
    pub fn new(now: Now) -> SuspendWatch {
        SuspendWatch { last: now }
    }

    /// Whether the machine was suspended since the last call.
    pub fn woke(&mut self, now: Now) -> bool {
        let elapsed = now.moment.since(self.last.moment).as_millis() as i64;
        let passed = now.wall.0.saturating_sub(self.last.wall.0);
        self.last = now;
        passed.saturating_sub(elapsed) > MIN_SUSPEND.as_millis() as i64
    }
}

/// Whether a wall clock shows a time at which this program existed.
pub fn is_believable(wall: Wall) -> bool {
    wall >= BELIEVABLE
}

/// Random bytes from the operating system.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("every supported system has a source of random bytes");
    bytes
}

fn switched_off(saved: Wall, now: Wall) -> Duration {
    if !is_believable(saved) || now < saved {
        return Duration::ZERO;
    }
    let off = Duration::from_millis((now.0 - saved.0) as u64);
    if off > LONGEST_OFF { Duration::ZERO } else { off }
}

#[expect(clippy::disallowed_methods, reason = "this is the one clock")]
fn instant() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "this is the one clock")]
fn wall() -> Wall {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => Wall(i64::try_from(since.as_millis()).unwrap_or(i64::MAX)),
        Err(before) => Wall(-i64::try_from(before.duration().as_millis()).unwrap_or(i64::MAX)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(moment: u64, wall: i64) -> Now {
        Now { moment: Moment(moment), wall: Wall(wall) }
    }

    #[test]
    fn time_switched_off_counts_only_between_believable_clocks() {
        let day = 24 * 3600 * 1000;
        let saved = Wall(BELIEVABLE.0 + day);
        assert_eq!(switched_off(saved, Wall(saved.0 + 5000)), Duration::from_secs(5));
        assert_eq!(switched_off(Wall(0), saved), Duration::ZERO, "saved by a machine without a clock");
        assert_eq!(switched_off(saved, Wall(0)), Duration::ZERO, "started on a machine without a clock");
        assert_eq!(switched_off(saved, Wall(saved.0 - 1)), Duration::ZERO, "set back meanwhile");
        assert_eq!(switched_off(saved, Wall(saved.0 + 399 * day)), Duration::from_secs(399 * 24 * 3600));
        assert_eq!(
            switched_off(saved, Wall(saved.0 + 74 * 365 * day)),
            Duration::ZERO,
            "started in 2100: nothing expires"
        );
    }

    #[test]
    fn moments_continue_from_the_saved_one_and_never_go_back() {
        let clock = Clock::new(at(77_000, 0));
        let first = clock.now();
        assert!(first.moment >= Moment(77_000));
        assert!(clock.now().moment >= first.moment);
    }

    #[test]
    fn a_wall_clock_far_ahead_of_monotonic_time_means_a_suspend() {
        let mut watch = SuspendWatch::new(at(0, 0));
        assert!(!watch.woke(at(1000, 1000)));
        assert!(watch.woke(at(2000, 9000)));
        assert!(!watch.woke(at(3000, 10_000)));
        assert!(!watch.woke(at(4000, 2000)), "the clock was set back, which is no suspend");
    }
}
