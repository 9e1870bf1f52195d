//! Seeking: everybody who is wanted and has no live session is looked for, for ever. Rounds come 1 s, 2 s, 4 s … 5 min
//! apart with jitter, and start over at any news: a new connection, a sighting, an interface, waking up. Timers only repair;
//! news drives.

use std::collections::BTreeMap;
use std::hash::Hash;
use std::time::Duration;

use rand_core::Rng;

use super::limits::{SEEK_FIRST, SEEK_LONGEST, SETTLED};
use crate::time::Moment;

/// Pauses that double, per thing that is tried.
#[derive(Debug)]
pub struct Seek<K> {
    sought: BTreeMap<K, Pause>,
}

#[derive(Debug)]
struct Pause {
    /// `None` while it is found.
    next: Option<Moment>,
    span: Duration,
    since: Moment,
}

impl<K: Ord + Copy + Hash> Seek<K> {
    pub fn new() -> Seek<K> {
        Seek { sought: BTreeMap::new() }
    }

    /// Starts to seek, at once. Nothing changes if it is sought already; what was found only a moment ago and is gone again
    /// goes on with its pauses, so that a door that is closed at once is not knocked at for ever.
    pub fn want(&mut self, key: K, now: Moment) {
        let pause = self.sought.entry(key).or_insert(Pause { next: Some(now), span: SEEK_FIRST, since: now });
        if pause.next.is_some() {
            return;
        }
        if now.since(pause.since) > SETTLED {
            pause.span = SEEK_FIRST;
            pause.next = Some(now);
        } else {
            pause.next = Some(now + pause.span);
            pause.span = (pause.span * 2).min(SEEK_LONGEST);
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

    /// It is not wanted any more.
    pub fn forget(&mut self, key: &K) {
        self.sought.remove(key);
    }

    /// News about one: its next round is now.
    pub fn news(&mut self, key: &K, now: Moment) {
        if let Some(pause) = self.sought.get_mut(key).filter(|pause| pause.next.is_some()) {
            pause.next = Some(now);
            pause.span = SEEK_FIRST;
        }
    }

    /// News about everything. Rounds are spread over half a second, so that a whole network that wakes does not knock at
    /// once.
    pub fn news_for_all(&mut self, rng: &mut impl Rng, now: Moment) {
        for pause in self.sought.values_mut().filter(|pause| pause.next.is_some()) {
            pause.next = Some(now + jitter(rng, SEEK_FIRST / 2));
            pause.span = SEEK_FIRST;
        }
    }

    /// Those whose round is due, with their next one set.
    pub fn due(&mut self, rng: &mut impl Rng, now: Moment) -> Vec<K> {
        let mut due = Vec::new();
        for (key, pause) in self.sought.iter_mut().filter(|(_, pause)| pause.next.is_some_and(|next| next <= now)) {
            pause.next = Some(now + pause.span + jitter(rng, pause.span / 4));
            pause.span = (pause.span * 2).min(SEEK_LONGEST);
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
