//! Read marks: which messages of others the local user has read, on any session.
//!
//! A mark is a set of numbers for each stream, and the marks of several sessions are joined by union. A single position in the
//! conversation would cover a message that arrives later than others that follow it, and nobody would see that it is new.
//! Marks may cover messages that have not arrived here. Own messages need none.

use std::collections::BTreeMap;

use crate::id::{StreamId, UserId};
use crate::proto::limits::{MAX_READ_RANGES, MAX_READ_STREAMS};
use crate::proto::persist::ReadRow;
use crate::proto::ranges::{Numbers, Ranges};

/// The messages read, by stream.
#[derive(Debug, Default)]
pub struct Reads {
    known: BTreeMap<StreamId, (UserId, Ranges)>,
}

impl Reads {
    /// The state at start, from the store.
    pub fn new(rows: Vec<ReadRow>) -> Reads {
        Reads { known: rows.into_iter().map(|row| (row.stream, (row.user, row.ranges))).collect() }
    }

    /// Which of these numbers are not read.
    pub fn unread<'a>(&self, received: impl Iterator<Item = (&'a StreamId, &'a Ranges)>) -> Numbers {
        let unread = |(stream, ranges): (&StreamId, &Ranges)| match self.known.get(stream) {
            Some((_, read)) => (*stream, ranges.without(read)),
            None => (*stream, ranges.clone()),
        };
        received.map(unread).filter(|(_, unread)| !unread.is_empty()).collect()
    }

    /// What was read of each stream.
    pub fn iter(&self) -> impl Iterator<Item = (&StreamId, &Ranges)> {
        self.known.iter().map(|(stream, (_, ranges))| (stream, ranges))
    }

    /// What was read of a stream, and the user of its author.
    pub fn get(&self, stream: &StreamId) -> Option<&(UserId, Ranges)> {
        self.known.get(stream)
    }

    /// Whether numbers of a stream may be added.
    pub fn has_room(&self, stream: &StreamId, numbers: &Ranges) -> bool {
        match self.known.get(stream) {
            Some((_, read)) => read.pieces() + numbers.pieces() <= MAX_READ_RANGES,
            None => self.known.len() < MAX_READ_STREAMS && numbers.pieces() <= MAX_READ_RANGES,
        }
    }

    /// Records numbers of a stream as read. Returns all that are read of it, if some are new.
    pub fn merge(&mut self, stream: StreamId, user: UserId, numbers: &Ranges) -> Option<ReadRow> {
        let (user, ranges) = self.known.entry(stream).or_insert_with(|| (user, Ranges::new()));
        ranges.merge(numbers).then(|| ReadRow { stream, user: *user, ranges: ranges.clone() })
    }

    /// Forgets what was read of a user.
    pub fn forget(&mut self, user: &UserId) {
        self.known.retain(|_, (of, _)| of != user);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{Address, SessionId};

    const BOB: UserId = UserId([2; 32]);

    fn stream(epoch: u64) -> StreamId {
        StreamId { author: SessionId([3; 32]), epoch, to: Address([1; 32]) }
    }

    fn ranges<const N: usize>(pairs: [(u64, u64); N]) -> Ranges {
        pairs.into_iter().collect()
    }

    #[test]
    fn what_two_sessions_have_read_is_joined_and_a_late_message_stays_unread() {
        let mut reads = Reads::new(vec![ReadRow { stream: stream(1), user: BOB, ranges: ranges([(1, 3)]) }]);
        assert_eq!(reads.merge(stream(1), BOB, &ranges([(2, 3)])), None);
        let row = reads.merge(stream(1), BOB, &ranges([(6, 7)])).expect("news");
        assert_eq!(row.ranges, ranges([(1, 3), (6, 7)]));
        let received = [(stream(1), ranges([(1, 7)])), (stream(2), ranges([(1, 1)]))];
        let unread = reads.unread(received.iter().map(|(stream, ranges)| (stream, ranges)));
        assert_eq!(unread, [(stream(1), ranges([(4, 5)])), (stream(2), ranges([(1, 1)]))]);
    }

    #[test]
    fn marks_are_bounded() {
        let mut reads = Reads::default();
        let gaps = |count: usize| -> Ranges { (0..count as u64).map(|n| (3 * n, 3 * n)).collect() };
        assert!(!reads.has_room(&stream(1), &gaps(MAX_READ_RANGES + 1)));
        reads.merge(stream(1), BOB, &gaps(MAX_READ_RANGES));
        assert!(!reads.has_room(&stream(1), &ranges([(u64::MAX, u64::MAX)])));
        (2..=MAX_READ_STREAMS as u64).for_each(|n| drop(reads.merge(stream(n), BOB, &ranges([(1, 1)]))));
        assert!(reads.has_room(&stream(2), &ranges([(2, 2)])) && !reads.has_room(&stream(0), &ranges([(1, 1)])));
    }

    #[test]
    fn nothing_is_left_of_a_user_who_is_forgotten() {
        let mut reads = Reads::default();
        reads.merge(stream(1), BOB, &ranges([(1, 3)]));
        reads.forget(&BOB);
        assert_eq!(reads.merge(stream(1), BOB, &ranges([(1, 1)])).map(|row| row.ranges), Some(ranges([(1, 1)])));
    }
}
