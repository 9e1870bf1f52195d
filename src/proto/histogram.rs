//! How long something took, counted by size.

use std::time::Duration;

/// Counts durations in buckets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Histogram {
    bounds: &'static [Duration],
    /// One for each bound, and one for what took longer than all of them.
    counts: Vec<u64>,
    sum: Duration,
}

impl Histogram {
    /// An empty one. Each bound is the longest duration in its bucket; they ascend.
    pub fn new(bounds: &'static [Duration]) -> Histogram {
        Histogram { bounds, counts: vec![0; bounds.len() + 1], sum: Duration::ZERO }
    }

    /// Counts one more.
    pub fn observe(&mut self, took: Duration) {
        self.counts[self.bounds.partition_point(|bound| *bound < took)] += 1;
        self.sum = self.sum.saturating_add(took);
    }

    /// The buckets, ascending: the longest duration in each, `None` in the last, and how many are in it alone.
    pub fn buckets(&self) -> impl Iterator<Item = (Option<Duration>, u64)> + '_ {
        self.bounds.iter().copied().map(Some).chain([None]).zip(self.counts.iter().copied())
    }

    /// The sum of all durations.
    pub fn sum(&self) -> Duration {
        self.sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_in_the_first_bucket_that_is_long_enough_for_it() {
        let ms = Duration::from_millis;
        const BOUNDS: &[Duration] = &[Duration::from_millis(10), Duration::from_millis(100)];
        let mut histogram = Histogram::new(BOUNDS);
        [0, 10, 11, 100, 101, 5000].into_iter().for_each(|took| histogram.observe(ms(took)));
        let buckets: Vec<_> = histogram.buckets().collect();
        assert_eq!(buckets, [(Some(ms(10)), 2), (Some(ms(100)), 2), (None, 2)]);
        assert_eq!(histogram.sum(), ms(5222));
    }
}
