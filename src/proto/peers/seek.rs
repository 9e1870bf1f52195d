//! Seeking: everybody who is wanted and has no live session is looked for, for ever. The pause between two rounds is a
//! quarter of the time that was sought, from 1 s to 5 min, with jitter; it starts over at any news: a new connection, a
//! sighting, an interface, waking up. Timers only repair; news drives.

use std::collections::BTreeMap;
use std::hash::Hash;
use std::time::Duration;

use rand_core::Rng;

use crate::proto::limits::{SEEK_FIRST, SEEK_LONGEST, SEEK_PART, SETTLED};
use crate::time::Moment;

/// Pauses that grow with the time that is sought, per thing that is tried.
#[derive(Debug)]
pub struct Seek<K> {
    sought: BTreeMap<K, Pause>,
}

#[derive(Debug)]
struct Pause {
    /// `None` while it is found.
    next: Option<Moment>,
    /// When the seeking began, or began anew; while it is found, when it was found.
    since: Moment,
    /// How often in a row it was gone again a moment after it had been found.
    slammed: u32,
}

impl Pause {
    fn span(&self, now: Moment) -> Duration {
        (now.since(self.since) / SEEK_PART).clamp(SEEK_FIRST, SEEK_LONGEST)
    }

    fn begin(&mut self, now: Moment, after: Duration) {
        self.next = Some(now + after);
        self.since = now;
    }
}

impl<K: Ord + Copy + Hash> Seek<K> {
    pub fn new() -> Seek<K> {
        Seek { sought: BTreeMap::new() }
    }

    /// Starts to seek, at once. Nothing changes if it is sought already; a door that was closed a moment after it opened is
    /// not knocked at for ever: pauses before that double.
    pub fn want(&mut self, key: K, now: Moment) {
        let pause = self.sought.entry(key).or_insert(Pause { next: Some(now), since: now, slammed: 0 });
        if pause.next.is_some() {
            return;
        }
        if now.since(pause.since) > SETTLED {
            pause.slammed = 0;
            pause.begin(now, Duration::ZERO);
        } else {
            let after = SEEK_FIRST.saturating_mul(1 << pause.slammed.min(16)).min(SEEK_LONGEST);
            pause.slammed += 1;
            pause.begin(now, after);
        }
    }

    /// It is there.
    pub fn found(&mut self, key: &K, now: Moment) {
        if let Some(pause) = self.sought.get_mut(key) {
            pause.next = None;
            pause.since = now;
        }
    }

    /// What is sought and not found.
    pub fn missing(&self) -> impl Iterator<Item = K> + '_ {
        self.sought.iter().filter(|(_, pause)| pause.next.is_some()).map(|(key, _)| *key)
    }

    /// Whether it is sought and not found.
    pub fn is_missing(&self, key: &K) -> bool {
        self.sought.get(key).is_some_and(|pause| pause.next.is_some())
    }

    /// Since when it is sought, or sought anew.
    pub fn sought_since(&self, key: &K) -> Option<Moment> {
        self.sought.get(key).filter(|pause| pause.next.is_some()).map(|pause| pause.since)
    }

    /// It is not wanted any more.
    pub fn forget(&mut self, key: &K) {
        self.sought.remove(key);
    }

    /// News about one: its next round is now.
    pub fn news(&mut self, key: &K, now: Moment) {
        if let Some(pause) = self.sought.get_mut(key).filter(|pause| pause.next.is_some()) {
            pause.begin(now, Duration::ZERO);
        }
    }

    /// News about everything. Rounds are spread over half a second, so that a whole network that wakes does not knock at
    /// once.
    pub fn news_for_all(&mut self, rng: &mut impl Rng, now: Moment) {
        for pause in self.sought.values_mut().filter(|pause| pause.next.is_some()) {
            pause.begin(now, jitter(rng, SEEK_FIRST / 2));
        }
    }

    /// Those whose round is due, with their next one set.
    pub fn due(&mut self, rng: &mut impl Rng, now: Moment) -> Vec<K> {
        let mut due = Vec::new();
        for (key, pause) in self.sought.iter_mut().filter(|(_, pause)| pause.next.is_some_and(|next| next <= now)) {
            let span = pause.span(now);
            pause.next = Some(now + span + jitter(rng, span / 4));
            due.push(*key);
        }
        due
    }

    pub fn next(&self) -> Option<Moment> {
        self.sought.values().filter_map(|pause| pause.next).min()
    }
}

fn jitter(rng: &mut impl Rng, most: Duration) -> Duration {
    let most = most.as_millis().max(1) as u64;
    Duration::from_millis(rng.next_u64() % most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    /// Moments of the rounds within so many seconds.
    fn rounds(seek: &mut Seek<u8>, from: Moment, seconds: u64) -> Vec<Moment> {
        let mut rng = ChaCha20Rng::from_seed([7; 32]);
        let ticks = (0..seconds * 10).map(|tenth| from + Duration::from_millis(tenth * 100));
        ticks.filter(|now| !seek.due(&mut rng, *now).is_empty()).collect()
    }

    #[test]
    fn whoever_was_away_for_a_time_is_tried_within_a_third_of_it_and_an_hour_takes_few_rounds() {
        let mut seek = Seek::new();
        let begin = Moment(1000);
        seek.want(1, begin);
        let rounds = rounds(&mut seek, begin, 3600);
        assert!((30..60).contains(&rounds.len()), "{}", rounds.len());
        for pair in rounds.windows(2) {
            let (away, pause) = (pair[0].since(begin), pair[1].since(pair[0]));
            assert!(pause <= (away / 3).max(SEEK_FIRST * 3 / 2), "{pause:?} after {away:?}");
        }
    }

    #[test]
    fn a_door_that_is_closed_whenever_it_opens_is_knocked_at_less_and_less() {
        let mut seek = Seek::new();
        let mut rng = ChaCha20Rng::from_seed([7; 32]);
        let mut knocks = 0;
        seek.want(1, Moment(0));
        for second in 0..3600 {
            let now = Moment(second * 1000);
            if !seek.due(&mut rng, now).is_empty() {
                knocks += 1;
                seek.found(&1, now);
                seek.want(1, now);
            }
        }
        assert!(knocks < 25, "{knocks}");
    }

    #[test]
    fn whoever_is_lost_again_soon_after_a_long_absence_is_not_waited_for_as_long() {
        let mut seek = Seek::new();
        seek.want(1, Moment(0));
        rounds(&mut seek, Moment(0), 3600);
        let found = Moment(3_600_000);
        seek.found(&1, found);
        seek.want(1, found + SEEK_FIRST);
        let rounds = rounds(&mut seek, found + SEEK_FIRST, 10);
        assert!(rounds.len() >= 3, "{rounds:?}");
    }
}
