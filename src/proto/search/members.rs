//! The random share of neighbours. Friends of friends are friends: a network of friends alone is clustered, and a clustered
//! graph shatters when many nodes die at once. So at least three in ten neighbours are chosen at random (`docs/decisions.md`):
//! in a closed network among a sample of all its members, which is mixed by exchanging a few of them at every meeting; in
//! the open network among those within two links.

use std::collections::BTreeSet;
use std::time::Duration;

use rand_core::Rng;

use crate::id::SessionId;
use crate::proto::limits::{MAX_RANDOM, MIN_RANDOM, SEEK_FIRST, SEEK_LONGEST};
use crate::time::Moment;

/// Sessions that random neighbours are chosen from, and when to choose again.
#[derive(Debug, Default)]
pub struct Members {
    pool: BTreeSet<SessionId>,
    /// From the first moment on.
    again: Moment,
    pause: Duration,
}

impl Members {
    /// Takes a session into the sample; at the bound another, chosen at random, makes room. Which one, if so.
    pub fn learn(&mut self, session: SessionId, bound: usize, rng: &mut impl Rng) -> Option<SessionId> {
        if !self.pool.insert(session) || self.pool.len() <= bound {
            return None;
        }
        let out = pick(self.pool.iter().copied(), 1, rng, |other| *other != session).pop()?;
        self.pool.remove(&out);
        Some(out)
    }

    pub fn has(&self, session: &SessionId) -> bool {
        self.pool.contains(session)
    }

    pub fn forget(&mut self, session: &SessionId) {
        self.pool.remove(session);
    }

    /// So many of the sample, at random.
    pub fn choose(&self, count: usize, rng: &mut impl Rng, fits: impl Fn(&SessionId) -> bool) -> Vec<SessionId> {
        pick(self.pool.iter().copied(), count, rng, fits)
    }

    /// Whether the next look is the first since somebody came or went.
    pub fn is_calm(&self) -> bool {
        self.pause.is_zero()
    }

    /// It is time to look whether there are enough random neighbours. Pauses double until [`Members::news`].
    pub fn due(&mut self, rng: &mut impl Rng, now: Moment) -> bool {
        if self.again > now {
            return false;
        }
        self.pause = (self.pause * 2).clamp(SEEK_FIRST, SEEK_LONGEST);
        let jitter = rng.next_u64() % (self.pause.as_millis() as u64 / 4 + 1);
        self.again = now + self.pause + Duration::from_millis(jitter);
        true
    }

    /// Somebody came or went: look again soon.
    pub fn news(&mut self, rng: &mut impl Rng, now: Moment) {
        let soon = now + Duration::from_millis(rng.next_u64() % SEEK_FIRST.as_millis() as u64);
        self.pause = Duration::ZERO;
        self.again = self.again.min(soon);
    }

    pub fn next(&self) -> Moment {
        self.again
    }
}

/// How many neighbours are to be random beside so many that are not.
pub fn share(others: usize) -> usize {
    (others * 3).div_ceil(7).clamp(MIN_RANDOM, MAX_RANDOM)
}

/// So many of a set, at random, in one pass (reservoir sampling).
pub fn pick<T>(
    from: impl IntoIterator<Item = T>,
    count: usize,
    rng: &mut impl Rng,
    fits: impl Fn(&T) -> bool,
) -> Vec<T> {
    let mut chosen = Vec::with_capacity(count);
    let fitting = from.into_iter().filter(|item| fits(item));
    for (seen, item) in fitting.enumerate() {
        if chosen.len() < count {
            chosen.push(item);
        } else if let Some(place) = chosen.get_mut((rng.next_u64() % (seen as u64 + 1)) as usize) {
            *place = item;
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    #[test]
    fn three_in_ten_are_random() {
        assert_eq!([0, 7, 14, 1000].map(share), [MIN_RANDOM, 3, 6, MAX_RANDOM]);
    }

    #[test]
    fn a_full_sample_stays_full_and_keeps_who_came_last() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let mut members = Members::default();
        for n in 0..200u8 {
            members.learn(SessionId([n; 32]), 64, &mut rng);
        }
        assert_eq!(members.choose(1000, &mut rng, |_| true).len(), 64);
        assert_eq!(members.choose(1, &mut rng, |session| *session == SessionId([199; 32])).len(), 1);
    }
}
