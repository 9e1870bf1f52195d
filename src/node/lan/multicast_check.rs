//! Detects whether multicast works: queries sent to a link other than loopback must come back to this node.

use std::time::Duration;

use tokio::time::Instant;

/// Number of lost queries before the check can fail. A single query may be lost in a storm.
const MIN_UNRECEIVED: u32 = 2;
/// Time from the first lost query to failure. Covers the time that a slow link takes to come up.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Tracks queries that were sent and not received back.
#[derive(Debug, Default)]
pub struct MulticastCheck {
    /// When the first of them was sent, and how many there are.
    unreceived: Option<(Instant, u32)>,
    failed: bool,
}

impl MulticastCheck {
    /// Records a query sent to a link other than loopback, even if the system did not accept it.
    pub fn sent(&mut self, now: Instant) {
        self.unreceived.get_or_insert((now, 0)).1 += 1;
    }

    /// Records that a query came back.
    pub fn received(&mut self) {
        self.unreceived = None;
        if std::mem::take(&mut self.failed) {
            tracing::info!("multicast works again");
        }
    }

    /// Records that there is no link but loopback. This needs no warning; the check starts anew with the next link.
    pub fn no_link(&mut self) {
        *self = MulticastCheck::default();
    }

    /// When to call [`MulticastCheck::fail_if_overdue`].
    pub fn deadline(&self) -> Option<Instant> {
        let (since, times) = self.unreceived.filter(|_| !self.failed)?;
        (times >= MIN_UNRECEIVED).then_some(since + TIMEOUT)
    }

    /// Fails the check if the deadline has passed. Returns `true` once per failure.
    pub fn fail_if_overdue(&mut self, now: Instant) -> bool {
        let overdue = self.deadline().is_some_and(|at| at <= now);
        self.failed |= overdue;
        overdue
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_reported_once_and_again_after_a_recovery() {
        let (start, mut check) = (Instant::now(), MulticastCheck::default());
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut failures = Vec::new();
        for second in 0..100 {
            check.sent(after(second));
            if second == 50 {
                check.received();
            }
            if check.fail_if_overdue(after(second)) {
                failures.push(second);
            }
        }
        assert_eq!(failures, [10, 61]);
    }

    #[test]
    fn no_failure_is_reported_while_queries_come_back_or_without_a_link() {
        let (start, mut check) = (Instant::now(), MulticastCheck::default());
        for second in 0..100 {
            check.sent(start + Duration::from_secs(second));
            if second % 9 == 8 {
                if second < 50 { check.received() } else { check.no_link() }
            }
            assert!(!check.fail_if_overdue(start + Duration::from_secs(second)));
        }
    }
}
