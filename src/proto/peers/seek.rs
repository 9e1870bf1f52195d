//! Seeking: every wanted user without a live session is looked for until found. The pause between two rounds is a
//! quarter of the time since the search began, from 1 s to 5 min, with jitter. It starts over at any event that makes
//! success more likely: a new connection, a sighting, a change of interfaces, waking up. Timers only repair what events
//! have missed.

use std::collections::BTreeMap;
use std::hash::Hash;
use std::time::Duration;

use rand_core::Rng;

use crate::proto::limits::{SEEK_FIRST, SEEK_LONGEST, SEEK_PART, SETTLED};
use crate::time::Moment;

/// What is sought, each with a pause that grows with the time since the search began.
#[derive(Debug)]
pub struct Seek<K> {
    sought: BTreeMap<K, Pause>,
}

#[derive(Debug)]
struct Pause {
    /// `None` while it is found.
    next: Option<Moment>,
    /// When the search began or was restarted; while it is found, when it was found.
    since: Moment,
    /// How often in a row it refused this node or was lost again within [`SETTLED`] after it had been found.
    short_lived: u32,
    /// It answered last time, and did not want the connection.
    refused: bool,
}

impl Pause {
    fn new(next: Option<Moment>, since: Moment) -> Pause {
        Pause { next, since, short_lived: 0, refused: false }
    }

    fn span(&self, now: Moment) -> Duration {
        (now.since(self.since) / SEEK_PART).clamp(SEEK_FIRST, SEEK_LONGEST)
    }

    fn begin_later(&mut self, now: Moment) {
        let after = SEEK_FIRST.saturating_mul(1 << self.short_lived.min(16)).min(SEEK_LONGEST);
        self.short_lived += 1;
        self.begin(now, after);
    }

    fn begin(&mut self, now: Moment, after: Duration) {
        self.next = Some(now + after);
        self.since = now;
    }
}

impl<K: Ord + Copy + Hash> Seek<K> {
    /// Nothing is sought.
    pub fn new() -> Seek<K> {
        Seek { sought: BTreeMap::new() }
    }

    /// Starts to seek, at once. Nothing changes if it is sought already. If it was lost within [`SETTLED`] after it was
    /// found, the search starts after a pause that doubles each time, so that a peer that closes every connection is
    /// not dialled endlessly.
    pub fn start(&mut self, key: K, now: Moment) {
        let pause = self.sought.entry(key).or_insert(Pause::new(Some(now), now));
        if pause.next.is_some() {
            return;
        }
        pause.refused = false;
        if now.since(pause.since) > SETTLED {
            pause.short_lived = 0;
            pause.begin(now, Duration::ZERO);
        } else {
            pause.begin_later(now);
        }
    }

    /// Starts to seek what has refused this node: after a pause that doubles each time, however long it was found before.
    pub fn start_refused(&mut self, key: K, now: Moment) {
        let pause = self.sought.entry(key).or_insert(Pause::new(None, now));
        pause.refused = true;
        if pause.next.is_none() {
            pause.begin_later(now);
        }
    }

    /// Ends the search: it is found.
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

    /// What is missing and did not answer last time. To dial the others before their round is pointless.
    pub fn silent(&self) -> impl Iterator<Item = K> + '_ {
        let silent = self.sought.iter().filter(|(_, pause)| pause.next.is_some() && !pause.refused);
        silent.map(|(key, _)| *key)
    }

    /// Whether it is sought and not found.
    pub fn is_missing(&self, key: &K) -> bool {
        self.sought.get(key).is_some_and(|pause| pause.next.is_some())
    }

    /// When the search for it began or was restarted.
    pub fn sought_since(&self, key: &K) -> Option<Moment> {
        self.sought.get(key).filter(|pause| pause.next.is_some()).map(|pause| pause.since)
    }

    /// Ends the search: it is no longer wanted.
    pub fn forget(&mut self, key: &K) {
        self.sought.remove(key);
    }

    /// Restarts the search for one key, with a round now.
    pub fn retry(&mut self, key: &K, now: Moment) {
        if let Some(pause) = self.sought.get_mut(key).filter(|pause| pause.next.is_some()) {
            pause.begin(now, Duration::ZERO);
        }
    }

    /// Restarts all searches. Rounds are spread over half a second, so that the nodes of a network that wakes do not
    /// all dial at once.
    pub fn retry_all(&mut self, rng: &mut impl Rng, now: Moment) {
        for pause in self.sought.values_mut().filter(|pause| pause.next.is_some()) {
            pause.begin(now, jitter(rng, SEEK_FIRST / 2));
        }
    }

    /// The keys whose round is due. Their next round is scheduled.
    pub fn due(&mut self, rng: &mut impl Rng, now: Moment) -> Vec<K> {
        let mut due = Vec::new();
        for (key, pause) in self.sought.iter_mut().filter(|(_, pause)| pause.next.is_some_and(|next| next <= now)) {
            let span = pause.span(now);
            pause.next = Some(now + span + jitter(rng, span / 4));
            due.push(*key);
        }
        due
    }

    /// When the next round is due.
    pub fn next(&self) -> Option<Moment> {
        self.sought.values().filter_map(|pause| pause.next).min()
    }
}

/// A random duration below `most`.
fn jitter(rng: &mut impl Rng, most: Duration) -> Duration {
    let most = most.as_millis().max(1) as u64;
    Duration::from_millis(rng.next_u64() % most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    /// Moments of the rounds within this many seconds.
    fn rounds(seek: &mut Seek<u8>, from: Moment, seconds: u64) -> Vec<Moment> {
        let mut rng = ChaCha20Rng::from_seed([7; 32]);
        let ticks = (0..seconds * 10).map(|tenth| from + Duration::from_millis(tenth * 100));
        ticks.filter(|now| !seek.due(&mut rng, *now).is_empty()).collect()
    }

    #[test]
    fn the_pause_is_at_most_a_third_of_the_time_away_and_an_hour_takes_few_rounds() {
        let mut seek = Seek::new();
        let begin = Moment(1000);
        seek.start(1, begin);
        let rounds = rounds(&mut seek, begin, 3600);
        assert!((30..60).contains(&rounds.len()), "{}", rounds.len());
        for pair in rounds.windows(2) {
            let (away, pause) = (pair[0].since(begin), pair[1].since(pair[0]));
            assert!(pause <= (away / 3).max(SEEK_FIRST * 3 / 2), "{pause:?} after {away:?}");
        }
    }

    #[test]
    fn a_peer_that_closes_every_connection_is_dialled_ever_less_often() {
        let mut seek = Seek::new();
        let mut rng = ChaCha20Rng::from_seed([7; 32]);
        let mut dials = 0;
        seek.start(1, Moment(0));
        for second in 0..3600 {
            let now = Moment(second * 1000);
            if !seek.due(&mut rng, now).is_empty() {
                dials += 1;
                seek.found(&1, now);
                seek.start(1, now);
            }
        }
        assert!(dials < 25, "{dials}");
    }

    #[test]
    fn a_peer_that_refuses_every_connection_is_dialled_ever_less_often_however_long_each_lasted() {
        let mut seek = Seek::new();
        let mut pauses = Vec::new();
        seek.start(1, Moment(0));
        for minute in 1..20 {
            let refused = Moment(minute * 60_000);
            seek.found(&1, refused);
            seek.start_refused(1, refused);
            pauses.push(seek.next().expect("it is sought").since(refused));
        }
        assert_eq!((pauses[0], pauses[18]), (SEEK_FIRST, SEEK_LONGEST));
        assert!(pauses.is_sorted(), "{pauses:?}");
    }

    #[test]
    fn a_peer_that_is_lost_again_soon_after_a_long_absence_is_retried_quickly() {
        let mut seek = Seek::new();
        seek.start(1, Moment(0));
        rounds(&mut seek, Moment(0), 3600);
        let found = Moment(3_600_000);
        seek.found(&1, found);
        seek.start(1, found + SEEK_FIRST);
        let rounds = rounds(&mut seek, found + SEEK_FIRST, 10);
        assert!(rounds.len() >= 3, "{rounds:?}");
    }
}
