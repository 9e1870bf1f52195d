//! Time as plain integers. The one clock lives in `node/clock.rs`; everything else is told.

use std::ops::{Add, Sub};
use std::time::Duration;

/// Milliseconds that this node has lived: monotonic while it runs, saved by the store and carried on over restarts
/// (time spent switched off is added where the wall clock is believable, and left out where it is not, so that what
/// ages by it expires late, never early). Two machines' moments have nothing to do with each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Moment(pub u64);

impl Moment {
    /// How long after `earlier` this is; zero if it is not.
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

/// Milliseconds since 1970 by somebody's wall clock: printed, and used to make sequence numbers grow; never compared
/// between machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Wall(pub i64);

/// What the one clock says: the moment to reckon with, and the wall time to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    pub moment: Moment,
    pub wall: Wall,
}
