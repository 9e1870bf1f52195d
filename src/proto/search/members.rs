//! The random share of neighbours. Friends of friends are often friends, so a network of friends alone is clustered, and a
//! clustered graph falls apart when many nodes fail at once. At least three in ten neighbours are therefore chosen at random
//! (`docs/decisions.md`). In a closed network they come from a sample of all members, which is mixed by exchanging parts of
//! it whenever two members connect; in the open network, from the users within two links.

use std::collections::BTreeSet;
use std::time::Duration;

use rand_core::Rng;

use crate::id::SessionId;
use crate::proto::limits::{MAX_RANDOM, MIN_RANDOM, SEEK_FIRST, SEEK_LONGEST};
use crate::time::Moment;

/// The sample from which random neighbours are chosen, and the time of the next check.
#[derive(Debug, Default)]
pub struct Members {
    pool: BTreeSet<SessionId>,
    /// The next check whether there are enough random neighbours.
    next_check: Moment,
    pause: Duration,
}

impl Members {
    /// Adds a session to the sample. Above the bound another one, chosen at random, is removed and returned.
    pub fn insert(&mut self, session: SessionId, bound: usize, rng: &mut impl Rng) -> Option<SessionId> {
        if !self.pool.insert(session) || self.pool.len() <= bound {
            return None;
        }
        let out = pick(self.pool.iter().copied(), 1, rng, |other| *other != session).pop()?;
        self.pool.remove(&out);
        Some(out)
    }

    /// Whether a session is in the sample.
    pub fn contains(&self, session: &SessionId) -> bool {
        self.pool.contains(session)
    }

    /// Removes a session from the sample.
    pub fn remove(&mut self, session: &SessionId) {
        self.pool.remove(session);
    }

    /// Chooses up to `count` sessions of the sample at random.
    pub fn choose(&self, count: usize, rng: &mut impl Rng, fits: impl Fn(&SessionId) -> bool) -> Vec<SessionId> {
        pick(self.pool.iter().copied(), count, rng, fits)
    }

    /// Whether the next check is the first since [`Members::check_soon`].
    pub fn is_first_check(&self) -> bool {
        self.pause.is_zero()
    }

    /// Whether a check is due. If so, schedules the next one; the pauses double until [`Members::check_soon`].
    pub fn take_due(&mut self, rng: &mut impl Rng, now: Moment) -> bool {
        if self.next_check > now {
            return false;
        }
        self.pause = (self.pause * 2).clamp(SEEK_FIRST, SEEK_LONGEST);
        let jitter = rng.next_u64() % (self.pause.as_millis() as u64 / 4 + 1);
        self.next_check = now + self.pause + Duration::from_millis(jitter);
        true
    }

    /// Schedules a check soon, since a session has come or gone.
    pub fn check_soon(&mut self, rng: &mut impl Rng, now: Moment) {
        let soon = now + Duration::from_millis(rng.next_u64() % SEEK_FIRST.as_millis() as u64);
        self.pause = Duration::ZERO;
        self.next_check = self.next_check.min(soon);
    }

    /// When the next check is due.
    pub fn next(&self) -> Moment {
        self.next_check
    }
}

/// The number of random neighbours to keep beside `others` that are not random: three in ten of all, within
/// [`MIN_RANDOM`] and [`MAX_RANDOM`].
pub fn random_share(others: usize) -> usize {
    (others * 3).div_ceil(7).clamp(MIN_RANDOM, MAX_RANDOM)
}

/// Chooses up to `count` items that fit, at random and in one pass (reservoir sampling).
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
        assert_eq!([0, 7, 14, 1000].map(random_share), [MIN_RANDOM, 3, 6, MAX_RANDOM]);
    }

    #[test]
    fn a_full_sample_stays_full_and_keeps_the_newest_session() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let mut members = Members::default();
        for n in 0..200u8 {
            members.insert(SessionId([n; 32]), 64, &mut rng);
        }
        assert_eq!(members.choose(1000, &mut rng, |_| true).len(), 64);
        assert_eq!(members.choose(1, &mut rng, |session| *session == SessionId([199; 32])).len(), 1);
    }
}
