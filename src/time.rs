//! Time as plain integers. The only clock is in `node/clock.rs`; all other code receives the time as an argument.

use std::ops::{Add, Sub};
use std::time::Duration;

/// Milliseconds that this node has existed: monotonic while it runs, saved by the store and continued after a
/// restart. Time spent switched off is added if the wall clock is believable and left out otherwise, so that whatever
/// ages by it expires late, never early. The moments of two machines are unrelated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Moment(pub u64);

impl Moment {
    /// The time since `earlier`; zero if that is later.
    pub fn since(self, earlier: Moment) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Moment {
    type Output = Moment;

    fn add(self, span: Duration) -> Moment {
        Moment(self.0.saturating_add(span.as_millis() as u64))
    }
}

impl Sub<Duration> for Moment {
    type Output = Moment;

    fn sub(self, span: Duration) -> Moment {
        Moment(self.0.saturating_sub(span.as_millis() as u64))
    }
}

/// Milliseconds since 1970 by the local wall clock: displayed, and used to make sequence numbers grow. Never compared
/// between machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Wall(pub i64);

/// A reading of the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// The moment, for all calculations.
    pub moment: Moment,
    /// The wall time, for display.
    pub wall: Wall,
}

impl Now {
    /// The wall time of an earlier moment, for display.
    pub fn wall_at(&self, moment: Moment) -> Wall {
        Wall(self.wall.0.saturating_sub_unsigned(self.moment.since(moment).as_millis() as u64))
    }
}
