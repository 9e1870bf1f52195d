//! Sets of numbers as sorted, disjoint ranges: numbers that were seen, received or delivered.

use crate::id::{SessionId, StreamId};

/// Numbers of several streams.
pub type Numbers = Vec<(StreamId, Ranges)>;

/// Numbers of streams that sessions have.
pub type SessionNumbers = Vec<(StreamId, SessionId, Ranges)>;

/// A set of `u64` as ranges `first..=last`, ascending, with a gap between any two.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ranges(Vec<(u64, u64)>);

impl Ranges {
    /// An empty set.
    pub fn new() -> Ranges {
        Ranges::default()
    }

    /// The ranges `(first, last)`, ascending.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (u64, u64)> + '_ {
        self.0.iter().copied()
    }

    /// Whether the set contains nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Number of ranges.
    pub fn pieces(&self) -> usize {
        self.0.len()
    }

    /// Whether the set contains a number.
    pub fn contains(&self, n: u64) -> bool {
        let behind = self.0.partition_point(|(first, _)| *first <= n);
        behind > 0 && self.0[behind - 1].1 >= n
    }

    /// Whether adding a number would not add a range: it is in a range or next to one.
    pub fn touches(&self, n: u64) -> bool {
        self.contains(n) || self.contains(n.saturating_sub(1)) || self.contains(n.saturating_add(1))
    }

    /// Adds one number. Returns false if the set contained it.
    pub fn insert(&mut self, n: u64) -> bool {
        if self.contains(n) {
            return false;
        }
        self.insert_range(n, n);
        true
    }

    /// Adds `first..=last`. A range with `first > last` adds nothing.
    pub fn insert_range(&mut self, first: u64, last: u64) {
        if first > last {
            return;
        }
        let begin = self.0.partition_point(|(_, end)| end.saturating_add(1) < first);
        let end = self.0.partition_point(|(start, _)| *start <= last.saturating_add(1));
        let (mut low, mut high) = (first, last);
        if begin < end {
            low = low.min(self.0[begin].0);
            high = high.max(self.0[end - 1].1);
        }
        self.0.splice(begin..end, [(low, high)]);
    }

    /// Adds all numbers of `other`. Returns false if the set contained them.
    pub fn merge(&mut self, other: &Ranges) -> bool {
        let before = self.clone();
        other.iter().for_each(|(first, last)| self.insert_range(first, last));
        *self != before
    }

    /// Removes `first..=last`.
    pub fn remove_range(&mut self, first: u64, last: u64) {
        let begin = self.0.partition_point(|(_, end)| *end < first);
        let end = self.0.partition_point(|(start, _)| *start <= last);
        if first > last || begin >= end {
            return;
        }
        let before = (self.0[begin].0, first.saturating_sub(1));
        let behind = (last.saturating_add(1), self.0[end - 1].1);
        let left = [(before, self.0[begin].0 < first), (behind, self.0[end - 1].1 > last)];
        self.0.splice(begin..end, left.into_iter().filter_map(|(range, remains)| remains.then_some(range)));
    }

    /// Removes all numbers of `other`.
    pub fn remove(&mut self, other: &Ranges) {
        other.iter().for_each(|(first, last)| self.remove_range(first, last));
    }

    /// The numbers that are not in `other`.
    pub fn without(&self, other: &Ranges) -> Ranges {
        let mut left = self.clone();
        left.remove(other);
        left
    }

    /// Removes and returns the highest numbers, at most `count`.
    pub fn take_highest(&mut self, count: u64) -> Ranges {
        let (mut taken, mut missing) = (Ranges::new(), count);
        while let Some((first, last)) = self.0.last().copied().filter(|_| missing > 0) {
            let from = if missing > last - first { first } else { last - (missing - 1) };
            taken.insert_range(from, last);
            missing -= (last - from).saturating_add(1).min(missing);
            self.remove_range(from, last);
        }
        taken
    }

    /// The blocks of `size` numbers, counted from 0, of which some are in the set: the highest first, each with those numbers.
    pub fn blocks(&self, size: u64) -> impl Iterator<Item = (u64, Ranges)> {
        let mut left = self.clone();
        std::iter::from_fn(move || {
            let (_, last) = left.iter().next_back()?;
            let block = last / size;
            let mut below = left.clone();
            below.remove_range(block * size, last);
            let of_block = left.without(&below);
            left = below;
            Some((block, of_block))
        })
    }

    /// Number of numbers in the set, at most `u64::MAX`.
    pub fn count(&self) -> u64 {
        self.iter().map(|(first, last)| (last - first).saturating_add(1)).fold(0, u64::saturating_add)
    }
}

impl FromIterator<(u64, u64)> for Ranges {
    fn from_iter<I: IntoIterator<Item = (u64, u64)>>(pairs: I) -> Ranges {
        let mut ranges = Ranges::new();
        pairs.into_iter().for_each(|(first, last)| ranges.insert_range(first, last));
        ranges
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn ranges(pairs: &[(u64, u64)]) -> Ranges {
        pairs.iter().copied().collect()
    }

    fn listed(ranges: &Ranges) -> Vec<(u64, u64)> {
        ranges.iter().collect()
    }

    #[test]
    fn adjacent_numbers_merge_into_one_range_in_any_order() {
        let mut seen = Ranges::new();
        assert!([3, 1, 5, 4].into_iter().all(|n| seen.insert(n)));
        assert_eq!(listed(&seen), [(1, 1), (3, 5)]);
        assert!(!seen.insert(4));
        assert!(seen.insert(2));
        assert_eq!(listed(&seen), [(1, 5)]);
        assert_eq!((seen.pieces(), seen.count()), (1, 5));
    }

    #[test]
    fn an_inverted_range_adds_nothing() {
        let mut seen = Ranges::new();
        seen.insert_range(7, 3);
        assert!(seen.is_empty());
    }

    #[test]
    fn zero_and_the_largest_number_are_handled_like_others() {
        let mut seen = ranges(&[(0, 0), (u64::MAX, u64::MAX)]);
        assert!(seen.contains(0) && seen.contains(u64::MAX) && !seen.contains(1));
        seen.insert_range(1, u64::MAX - 1);
        assert_eq!(listed(&seen), [(0, u64::MAX)]);
        assert_eq!(seen.count(), u64::MAX);
    }

    #[test]
    fn merging_returns_whether_anything_was_new() {
        let mut seen = ranges(&[(1, 4)]);
        assert!(!seen.merge(&ranges(&[(2, 3)])));
        assert!(seen.merge(&ranges(&[(4, 6), (9, 9)])));
        assert_eq!(listed(&seen), [(1, 6), (9, 9)]);
    }

    #[test]
    fn the_highest_numbers_are_taken_across_gaps() {
        let mut held = ranges(&[(0, 2), (5, 9)]);
        assert_eq!(listed(&held.take_highest(2)), [(8, 9)]);
        assert_eq!(listed(&held.take_highest(4)), [(2, 2), (5, 7)]);
        assert_eq!(listed(&held.take_highest(9)), [(0, 1)]);
        assert!(held.is_empty() && held.take_highest(1).is_empty());
        let mut all = ranges(&[(0, u64::MAX)]);
        assert_eq!(listed(&all.take_highest(1)), [(u64::MAX, u64::MAX)]);
    }

    #[test]
    fn blocks_contain_every_number_once_and_the_highest_come_first() {
        const SIZE: u64 = 512;
        let set = ranges(&[(3, 3), (SIZE - 1, 2 * SIZE), (u64::MAX - 1, u64::MAX)]);
        let blocks: Vec<(u64, Ranges)> = set.blocks(SIZE).collect();
        assert!(blocks.is_sorted_by(|(one, _), (other, _)| one > other));
        let counts: Vec<u64> = blocks.iter().map(|(_, ranges)| ranges.count()).collect();
        assert_eq!(counts, [2, 1, SIZE, 2]);
        let mut all = Ranges::new();
        assert!(blocks.iter().all(|(_, of_block)| all.merge(of_block)));
        assert_eq!(all, set);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn ranges_contain_the_same_numbers_as_a_plain_set(pairs in prop::collection::vec((0u64..60, 0u64..6), 0..30)) {
            let mut plain = BTreeSet::new();
            let mut seen = Ranges::new();
            for (first, more) in pairs {
                seen.insert_range(first, first + more);
                plain.extend(first..=first + more);
            }
            prop_assert!((0..70).all(|n| seen.contains(n) == plain.contains(&n)));
            prop_assert_eq!(seen.count(), plain.len() as u64);
            let listed = listed(&seen);
            prop_assert!(listed.windows(2).all(|pair| pair[0].1 + 1 < pair[1].0));
        }

        #[test]
        fn removed_numbers_are_gone_and_all_others_stay(
            kept in prop::collection::vec((0u64..60, 0u64..9), 0..20),
            removed in prop::collection::vec((0u64..60, 0u64..9), 0..20),
        ) {
            let ranges = |pairs: &[(u64, u64)]| pairs.iter().map(|(first, more)| (*first, first + more)).collect::<Ranges>();
            let (kept, removed) = (ranges(&kept), ranges(&removed));
            let left = kept.without(&removed);
            prop_assert!((0..80).all(|n| left.contains(n) == (kept.contains(n) && !removed.contains(n))));
        }
    }
}
