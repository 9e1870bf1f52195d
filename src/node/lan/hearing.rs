//! Whether multicast works here: what we say to a real link comes back to ourselves, or it does not.

use std::time::Duration;

use tokio::time::Instant;

/// One may be lost in a storm.
const UNHEARD: u32 = 2;
/// As long as it takes a slow link to come up.
const DEAF: Duration = Duration::from_secs(10);

/// What was said and not heard.
#[derive(Debug, Default)]
pub struct Hearing {
    /// Since when, and how often.
    unheard: Option<(Instant, u32)>,
    deaf: bool,
}

impl Hearing {
    /// Something was said to a real link, whether or not the system took it.
    pub fn said(&mut self, now: Instant) {
        self.unheard.get_or_insert((now, 0)).1 += 1;
    }

    /// It came back.
    pub fn heard(&mut self) {
        self.unheard = None;
        if std::mem::take(&mut self.deaf) {
            tracing::info!("multicast works again");
        }
    }

    /// There is no real link to hear anything on: that needs no warning, and the next link is judged anew.
    pub fn no_link(&mut self) {
        *self = Hearing::default();
    }

    /// When to ask [`Hearing::is_newly_deaf`].
    pub fn next(&self) -> Option<Instant> {
        let (since, times) = self.unheard.filter(|_| !self.deaf)?;
        (times >= UNHEARD).then_some(since + DEAF)
    }

    /// True once for every time that it ceases to work.
    pub fn is_newly_deaf(&mut self, now: Instant) -> bool {
        let newly = self.next().is_some_and(|at| at <= now);
        self.deaf |= newly;
        newly
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_hears_nothing_is_told_once_and_again_when_it_ceases_again() {
        let (start, mut hearing) = (Instant::now(), Hearing::default());
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut told = Vec::new();
        for second in 0..100 {
            hearing.said(after(second));
            if second == 50 {
                hearing.heard();
            }
            if hearing.is_newly_deaf(after(second)) {
                told.push(second);
            }
        }
        assert_eq!(told, [10, 61]);
    }

    #[test]
    fn who_hears_themselves_or_has_no_link_is_not_told() {
        let (start, mut hearing) = (Instant::now(), Hearing::default());
        for second in 0..100 {
            hearing.said(start + Duration::from_secs(second));
            if second % 9 == 8 {
                if second < 50 { hearing.heard() } else { hearing.no_link() }
            }
            assert!(!hearing.is_newly_deaf(start + Duration::from_secs(second)));
        }
    }
}
