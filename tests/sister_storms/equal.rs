//! After random faults all sessions of a person hold the same, as do the two people about each other.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use darknode::id::MessageId;
use darknode::proto::event::Command;
use darknode::proto::notice::Notice;
use darknode::sim::disk::Disk;

use crate::setup::{ALICE, BOB, Setup, seeds};

/// Seeds of an ordinary run.
const SEEDS: u64 = 8;
const STEPS: u64 = 40;

struct Storm {
    setup: Setup,
    backups: BTreeMap<usize, Disk>,
    /// Disks are replaced by backups. Then the last lines may be lost to a person, or come a second time.
    restores: bool,
    /// Messages that were to be withdrawn. The addressee may have them nevertheless.
    cancelled: BTreeSet<MessageId>,
}

#[test]
fn after_random_faults_all_sessions_of_a_person_hold_the_same() {
    for seed in seeds(SEEDS) {
        let mut setup = Setup::new(seed, [1..5, 1..5], 4);
        setup.start_all();
        let (backups, cancelled) = Default::default();
        let mut storm = Storm { setup, backups, restores: seed.is_multiple_of(3), cancelled };
        for _ in 0..STEPS {
            storm.inject_fault();
            storm.setup.pause(8_000);
            storm.check();
        }
        storm.recover();
    }
}

impl Storm {
    fn inject_fault(&mut self) {
        let node = self.setup.node();
        match self.setup.below(16) {
            0..=2 => self.setup.switch(node),
            3..=7 => self.setup.rewire(),
            8 => {
                let span = Duration::from_millis(self.setup.below(40_000));
                self.setup.sim.stall(node, span);
            }
            9 => self.setup.set_clock(),
            10 => self.back_up_or_restore(node),
            11 => self.cancel(node),
            12 => self.setup.verify(node),
            _ => self.setup.say(node),
        }
    }

    /// Takes a backup of a session, or replaces its disk by one that was taken before.
    fn back_up_or_restore(&mut self, node: usize) {
        if !self.restores || node == self.setup.relay {
            return;
        }
        match self.backups.remove(&node) {
            Some(backup) => {
                self.setup.sim.crash(node);
                self.setup.sim.nodes[node].disk = backup;
                self.setup.invariants.allow_reset(node);
            }
            None => drop(self.backups.insert(node, self.setup.sim.nodes[node].disk.backup())),
        }
    }

    /// Withdraws a line that is perhaps not delivered yet.
    fn cancel(&mut self, node: usize) {
        let queued = self.setup.sim.nodes[node].notices.iter().rev().find_map(|(_, notice)| match notice {
            Notice::Queued { message, .. } => Some(*message),
            _ => None,
        });
        if let Some(message) = queued {
            self.cancelled.insert(message);
            let message = message.token();
            self.setup.sim.command(node, 0, Command::Cancel { message });
        }
    }

    fn check(&mut self) {
        let broken = self.setup.invariants.check(&self.setup.sim);
        assert!(self.restores || broken.is_empty(), "seed {}: {broken:?}", self.setup.seed);
    }

    fn recover(mut self) {
        self.setup.repair();
        let (restores, cancelled) = (self.restores, std::mem::take(&mut self.cancelled));
        self.setup.wait(|setup| unequal(setup, restores, &cancelled));
        self.check();
        if !restores {
            self.setup.check_shown_once();
        }
    }
}

fn unequal(setup: &Setup, restores: bool, cancelled: &BTreeSet<MessageId>) -> Option<String> {
    let nothing = BTreeSet::new();
    let all = [setup.pairs(ALICE), setup.pairs(BOB)].concat();
    // A backup that is older than a withdrawal brings the line back to its author only.
    let except = if restores { cancelled } else { &nothing };
    let lines = all.iter().find_map(|(first, node)| setup.difference(*first, *node, except));
    // What only one session had when its disk was replaced is lost to its person, and the other one keeps it.
    let between = || setup.difference(setup.people[ALICE][0], setup.people[BOB][0], cancelled);
    lines.or_else(|| between().filter(|_| !restores)).or_else(|| {
        let other = all.iter().find(|(first, node)| setup.known(*first) != setup.known(*node));
        other.map(|(first, node)| format!("{:?} at {first}, {:?} at {node}", setup.known(*first), setup.known(*node)))
    })
}
