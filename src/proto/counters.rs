//! Numbers that must never decrease. Those that change with every message are stored ahead in blocks, so a crash leaves
//! a gap but never reuses a number.

use crate::proto::limits::COUNTER_BLOCK;
use crate::proto::persist::Counters;
use crate::time::Wall;

/// The current counters, and what the store holds of them.
#[derive(Debug)]
pub struct Count {
    now: Counters,
    stored: Counters,
}

impl Count {
    /// Continues from the stored counters.
    pub fn new(stored: Counters) -> Count {
        Count { now: stored, stored }
    }

    /// The next seq: `max(last + 1, unix time in ms)`, so it grows even if the clock goes back.
    pub fn next_seq(&mut self, wall: Wall) -> u64 {
        self.now.seq = above(self.now.seq, wall);
        self.now.seq
    }

    /// The next roster version, by the same rule.
    pub fn next_roster_version(&mut self, wall: Wall) -> u64 {
        self.now.roster_version = above(self.now.roster_version, wall);
        self.now.roster_version
    }

    /// The version of a roster that is signed while others may hold one: below all of them.
    pub fn first_roster_version(&mut self) -> u64 {
        self.now.roster_version += 1;
        self.now.roster_version
    }

    /// The next link list version, by the same rule.
    pub fn next_link_version(&mut self, wall: Wall) -> u64 {
        self.now.link_version = above(self.now.link_version, wall);
        self.now.link_version
    }

    /// The current counters.
    pub fn current(&self) -> Counters {
        self.now
    }

    /// The current seq.
    pub fn seq(&self) -> u64 {
        self.now.seq
    }

    /// Raises the seq to a higher one.
    pub fn raise_seq(&mut self, known: u64) {
        self.now.seq = self.now.seq.max(known);
    }

    /// Raises the roster version to that of a received own roster.
    pub fn observe_roster_version(&mut self, version: u64) {
        self.now.roster_version = self.now.roster_version.max(version);
    }

    /// Raises the link list version to that of a received own list. Returns whether that is higher.
    pub fn observe_link_version(&mut self, version: u64) -> bool {
        let higher = version > self.now.link_version;
        self.now.link_version = self.now.link_version.max(version);
        higher
    }

    /// The next Lamport counter.
    pub fn next_lamport(&mut self) -> u64 {
        self.now.lamport += 1;
        self.now.lamport
    }

    /// Takes over a higher Lamport counter, by a jump of at most
    /// [`MAX_LAMPORT_JUMP`](crate::proto::limits::MAX_LAMPORT_JUMP).
    pub fn observe_lamport(&mut self, heard: u64) {
        let counted = heard.min(self.now.lamport.saturating_add(crate::proto::limits::MAX_LAMPORT_JUMP));
        self.now.lamport = self.now.lamport.max(counted);
    }

    /// The next number of a message in the order of arrival.
    pub fn next_arrival(&mut self) -> u64 {
        self.now.arrival += 1;
        self.now.arrival
    }

    /// Notes that the message with this arrival is part of the history that this session is given.
    pub fn note_past(&mut self, arrival: u64) {
        self.now.past = arrival;
    }

    /// Whether the message with this arrival is part of the history that this session was given when it was new.
    pub fn is_past(&self, arrival: u64) -> bool {
        arrival <= self.now.past
    }

    /// The counters to store before any of these numbers is used, if the store is behind.
    pub fn unsaved(&mut self) -> Option<Counters> {
        let exact = |c: &Counters| (c.seq, c.roster_version, c.link_version, c.past);
        let ahead = self.now.lamport <= self.stored.lamport && self.now.arrival <= self.stored.arrival;
        if ahead && exact(&self.now) == exact(&self.stored) {
            return None;
        }
        self.stored = self.now;
        if !ahead {
            self.stored.lamport += COUNTER_BLOCK;
            self.stored.arrival += COUNTER_BLOCK;
        }
        Some(self.stored)
    }
}

fn above(known: u64, wall: Wall) -> u64 {
    known.saturating_add(1).max(wall.0.max(0) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_grow_after_a_step_back_of_the_clock_and_after_a_restart() {
        let mut count = Count::new(Counters::default());
        let first = count.next_seq(Wall(5_000));
        let arrival = count.next_arrival();
        let saved = count.unsaved().expect("new numbers are unsaved");
        let mut restarted = Count::new(saved);
        assert!(restarted.next_seq(Wall(-7)) > first);
        assert!(restarted.next_arrival() > arrival);
    }

    #[test]
    fn a_thousand_messages_take_one_write_of_the_counters() {
        let mut count = Count::new(Counters::default());
        let writes = (0..1000).filter(|_| {
            count.next_lamport();
            count.next_arrival();
            count.unsaved().is_some()
        });
        assert_eq!(writes.count(), 1);
    }

    #[test]
    fn a_received_lamport_counter_moves_the_own_one_by_a_bounded_jump() {
        let mut count = Count::new(Counters::default());
        count.observe_lamport(u64::MAX);
        assert_eq!(count.next_lamport(), crate::proto::limits::MAX_LAMPORT_JUMP + 1);
    }
}
