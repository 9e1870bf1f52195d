//! How fast a neighbour may talk.

use std::time::Duration;

use super::Ending;
use crate::time::Moment;

/// 20 messages a second (design §7).
const COST: Duration = Duration::from_millis(50);
/// A burst of 200: a hello with a long known list, a mended network's catching up.
const BURST: Duration = Duration::from_secs(10);
/// Who has to be slowed down for this long without a break is no neighbour.
const PATIENCE: Duration = Duration::from_secs(60);

/// A leaky bucket, kept as the moment at which it will be empty.
#[derive(Debug)]
pub struct Pace {
    empty: Moment,
    over_since: Option<Moment>,
}

impl Pace {
    pub fn new() -> Pace {
        Pace { empty: Moment::default(), over_since: None }
    }

    /// Pays for `messages`; how long to read no more.
    pub fn charge(&mut self, messages: usize, now: Moment) -> Result<Duration, Ending> {
        self.empty = self.empty.max(now) + COST * messages as u32;
        let wait = self.empty.since(now).saturating_sub(BURST);
        if wait.is_zero() {
            self.over_since = None;
            return Ok(wait);
        }
        match self.over_since {
            Some(since) if now.since(since) > PATIENCE => return Err(Ending::Limits),
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
    fn a_burst_passes_and_the_rest_is_slowed_to_twenty_a_second() {
        let mut pace = Pace::new();
        let now = Moment(1_000_000);
        assert_eq!(pace.charge(200, now), Ok(Duration::ZERO));
        assert_eq!(pace.charge(20, now), Ok(Duration::from_secs(1)));
        assert_eq!(pace.charge(1, now + Duration::from_secs(60)), Ok(Duration::ZERO), "a quiet minute forgives");
    }

    #[test]
    fn who_never_lets_up_is_dropped_after_a_minute() {
        let mut pace = Pace::new();
        let mut now = Moment(1_000_000);
        let mut outcome = pace.charge(264, now);
        while let Ok(wait) = outcome {
            assert!(now < Moment(1_100_000), "never dropped");
            now = now + wait;
            outcome = pace.charge(64, now);
        }
        assert_eq!(outcome, Err(Ending::Limits));
        assert!(now > Moment(1_060_000));
    }
}
