//! Sets of numbers as sorted, disjoint ranges: what was seen, received, delivered.

/// A set of `u64` as ranges `first..=last`, ascending, with a gap between any two.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ranges(Vec<(u64, u64)>);

impl Ranges {
    pub fn new() -> Ranges {
        Ranges::default()
    }

    /// The ranges, ascending.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (u64, u64)> + '_ {
        self.0.iter().copied()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many ranges it takes.
    pub fn pieces(&self) -> usize {
        self.0.len()
    }

    pub fn contains(&self, n: u64) -> bool {
        let behind = self.0.partition_point(|(first, _)| *first <= n);
        behind > 0 && self.0[behind - 1].1 >= n
    }

    /// Adds one number; false if it was there.
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

    /// Adds everything of `other`; false if nothing was new.
    pub fn merge(&mut self, other: &Ranges) -> bool {
        let before = self.clone();
        other.iter().for_each(|(first, last)| self.insert_range(first, last));
        *self != before
    }

    /// How many numbers.
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
