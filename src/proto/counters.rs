//! Numbers that must never go back. Those that every message moves are stored ahead in blocks: a crash leaves a gap, never
//! a number used twice.

use crate::proto::limits::COUNTER_BLOCK;
use crate::proto::persist::Counters;
use crate::time::Wall;

/// The counters in use and what the store has of them.
#[derive(Debug)]
pub struct Count {
    now: Counters,
    stored: Counters,
}

impl Count {
    pub fn new(stored: Counters) -> Count {
        Count { now: stored, stored }
    }

    /// `max(stored + 1, unix ms)`: grows over any clock.
    pub fn next_seq(&mut self, wall: Wall) -> u64 {
        self.now.seq = above(self.now.seq, wall);
        self.now.seq
    }

    pub fn next_roster_version(&mut self, wall: Wall) -> u64 {
        self.now.roster_version = above(self.now.roster_version, wall);
        self.now.roster_version
    }

    pub fn next_link_version(&mut self, wall: Wall) -> u64 {
        self.now.link_version = above(self.now.link_version, wall);
        self.now.link_version
    }

    pub fn seq(&self) -> u64 {
        self.now.seq
    }

    /// Somebody knows a higher seq of mine: go on from there.
    pub fn raise_seq(&mut self, known: u64) {
        self.now.seq = self.now.seq.max(known);
    }

    /// The roster that is known of me goes on from here.
    pub fn observe_roster_version(&mut self, version: u64) {
        self.now.roster_version = self.now.roster_version.max(version);
    }

    /// The link list that is known of me goes on from here.
    pub fn observe_link_version(&mut self, version: u64) {
        self.now.link_version = self.now.link_version.max(version);
    }

    pub fn next_lamport(&mut self) -> u64 {
        self.now.lamport += 1;
        self.now.lamport
    }

    /// Somebody else's counter: mine moves up to it, by a jump of at most `MAX_LAMPORT_JUMP`.
    pub fn observe_lamport(&mut self, heard: u64) {
        let counted = heard.min(self.now.lamport.saturating_add(crate::proto::limits::MAX_LAMPORT_JUMP));
        self.now.lamport = self.now.lamport.max(counted);
    }

    pub fn next_arrival(&mut self) -> u64 {
        self.now.arrival += 1;
        self.now.arrival
    }

    /// What must be stored before anything that uses these numbers, if the store is behind.
    pub fn unsaved(&mut self) -> Option<Counters> {
        let exact = |c: &Counters| (c.seq, c.roster_version, c.link_version);
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
    fn numbers_grow_over_a_clock_that_went_back_and_over_a_restart() {
        let mut count = Count::new(Counters::default());
        let first = count.next_seq(Wall(5_000));
        let arrival = count.next_arrival();
        let saved = count.unsaved().expect("new numbers are unsaved");
        let mut restarted = Count::new(saved);
        assert!(restarted.next_seq(Wall(-7)) > first);
        assert!(restarted.next_arrival() > arrival);
    }

    #[test]
    fn a_thousand_messages_are_one_write_of_the_counters() {
        let mut count = Count::new(Counters::default());
        let writes = (0..1000).filter(|_| {
            count.next_lamport();
            count.next_arrival();
            count.unsaved().is_some()
        });
        assert_eq!(writes.count(), 1);
    }

    #[test]
    fn a_lamport_counter_from_afar_moves_mine_by_a_bounded_jump() {
        let mut count = Count::new(Counters::default());
        count.observe_lamport(u64::MAX);
        assert_eq!(count.next_lamport(), crate::proto::limits::MAX_LAMPORT_JUMP + 1);
    }
}
