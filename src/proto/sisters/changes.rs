//! Changes: what sisters are to be told besides lines.
//!
//! Whenever something becomes known of a user, of a delivery or of what was read, it gets the next number of this session's own
//! count. Of each sister the numbers are remembered of which she has been told. What she is still to be told is derived from the two, as
//! lines are, and both are stored, so it is not forgotten when this session stops while she is away. The numbers are never sent.
//!
//! A change has no content except for deliveries: what is known of its subject when it is sent is what counts. A later change of the
//! same subject therefore takes its place, and the earlier number is void. A change of which every sister has been told is forgotten.
//! A change is stored before what has changed: a crash between the two may lose the knowledge, which then comes again, but must not
//! leave knowledge of which no sister is told.

use std::collections::BTreeMap;

use crate::proto::limits::MAX_CHANGES;
use crate::proto::persist::{ChangeRow, Subject};
use crate::proto::ranges::Ranges;

/// The changes of which some sister has not been told.
#[derive(Debug, Default)]
pub struct Changes {
    rows: BTreeMap<u64, ChangeRow>,
    numbers: BTreeMap<Subject, u64>,
    last: u64,
}

impl Changes {
    /// The state at start, from the store. `told` is the highest number of which any sister has been told.
    pub fn new(rows: Vec<ChangeRow>, told: u64) -> Changes {
        let numbers = rows.iter().map(|row| (row.subject, row.n)).collect();
        let rows: BTreeMap<u64, ChangeRow> = rows.into_iter().map(|row| (row.n, row)).collect();
        let last = rows.keys().last().copied().unwrap_or_default().max(told);
        Changes { rows, numbers, last }
    }

    /// Records a change, in place of an earlier one of the same subject. Returns it, and the number of the oldest one if that had to be
    /// forgotten for it.
    pub fn record(&mut self, subject: Subject, ranges: &Ranges) -> (ChangeRow, Option<u64>) {
        self.last += 1;
        let n = self.last;
        let mut ranges = ranges.clone();
        if let Some(earlier) = self.numbers.insert(subject, n).and_then(|earlier| self.rows.remove(&earlier)) {
            ranges.merge(&earlier.ranges);
        }
        let row = ChangeRow { n, subject, ranges };
        self.rows.insert(n, row.clone());
        let oldest = self.rows.keys().next().copied().filter(|_| self.rows.len() > MAX_CHANGES);
        if let Some(n) = oldest {
            self.forget(n);
        }
        (row, oldest)
    }

    /// Forgets a change. False if it is not known.
    pub fn forget(&mut self, n: u64) -> bool {
        let row = self.rows.remove(&n);
        row.is_some_and(|row| self.numbers.remove(&row.subject).is_some())
    }

    /// The number of the last change of a subject.
    pub fn number_of(&self, subject: &Subject) -> Option<u64> {
        self.numbers.get(subject).copied()
    }

    /// The numbers of the changes whose subject is one of these.
    pub fn numbers_of(&self, fits: impl Fn(&Subject) -> bool) -> Ranges {
        let fitting = self.numbers.iter().filter(|(subject, _)| fits(subject));
        fitting.map(|(_, n)| (*n, *n)).collect()
    }

    /// All numbers given so far.
    pub fn all(&self) -> Ranges {
        if self.last == 0 { Ranges::new() } else { [(1, self.last)].into_iter().collect() }
    }

    /// The changes with these numbers, oldest first. Void numbers have none.
    pub fn within<'a>(&'a self, numbers: &'a Ranges) -> impl Iterator<Item = &'a ChangeRow> {
        numbers.iter().flat_map(|(first, last)| self.rows.range(first..=last)).map(|(_, row)| row)
    }
}
