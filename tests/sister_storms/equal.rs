//! After random faults all sessions of a person hold the same, as do the two people about each other.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use darknode::id::MessageId;
use darknode::proto::event::Command;
use darknode::proto::notice::Notice;
use darknode::sim::disk::Disk;

use crate::scene::{ALICE, BOB, Scene, seeds};

/// Seeds of an ordinary run.
const SEEDS: u64 = 8;
const STEPS: u64 = 40;

struct Storm {
    scene: Scene,
    backups: BTreeMap<usize, Disk>,
    /// Disks are replaced by backups. Then the last lines may be lost to a person, or come a second time.
    restores: bool,
    /// Messages that were to be withdrawn. The addressee may have them nevertheless.
    cancelled: BTreeSet<MessageId>,
}

#[test]
fn after_random_faults_all_sessions_of_a_person_hold_the_same() {
    for seed in seeds(SEEDS) {
        let mut scene = Scene::new(seed, [1..5, 1..5], 4);
        scene.start_all();
        let (backups, cancelled) = Default::default();
        let mut storm = Storm { scene, backups, restores: seed.is_multiple_of(3), cancelled };
        for _ in 0..STEPS {
            storm.inject_fault();
            storm.scene.pause(8_000);
            storm.check();
        }
        storm.recover();
    }
}

impl Storm {
    fn inject_fault(&mut self) {
        let node = self.scene.node();
        match self.scene.below(16) {
            0..=2 => self.scene.switch(node),
            3..=7 => self.scene.rewire(),
            8 => {
                let span = Duration::from_millis(self.scene.below(40_000));
                self.scene.sim.stall(node, span);
            }
            9 => self.scene.set_clock(),
            10 => self.back_up_or_restore(node),
            11 => self.cancel(node),
            12 => self.scene.verify(node),
            _ => self.scene.say(node),
        }
    }

    /// Takes a backup of a session, or replaces its disk by one that was taken before.
    fn back_up_or_restore(&mut self, node: usize) {
        if !self.restores || node == self.scene.relay {
            return;
        }
        match self.backups.remove(&node) {
            Some(backup) => {
                self.scene.sim.crash(node);
                self.scene.sim.nodes[node].disk = backup;
                self.scene.invariants.allow_reset(node);
            }
            None => drop(self.backups.insert(node, self.scene.sim.nodes[node].disk.backup())),
        }
    }

    /// Withdraws a line that is perhaps not delivered yet.
    fn cancel(&mut self, node: usize) {
        let queued = self.scene.sim.nodes[node].notices.iter().rev().find_map(|(_, notice)| match notice {
            Notice::Queued { message, .. } => Some(*message),
            _ => None,
        });
        if let Some(message) = queued {
            self.cancelled.insert(message);
            let message = message.token();
            self.scene.sim.command(node, 0, Command::Cancel { message });
        }
    }

    fn check(&mut self) {
        let broken = self.scene.invariants.check(&self.scene.sim);
        assert!(self.restores || broken.is_empty(), "seed {}: {broken:?}", self.scene.seed);
    }

    fn recover(mut self) {
        self.scene.repair();
        let (restores, cancelled) = (self.restores, std::mem::take(&mut self.cancelled));
        self.scene.wait(|scene| unequal(scene, restores, &cancelled));
        self.check();
        if !restores {
            self.scene.check_shown_once();
        }
    }
}

fn unequal(scene: &Scene, restores: bool, cancelled: &BTreeSet<MessageId>) -> Option<String> {
    let nothing = BTreeSet::new();
    let all = [scene.pairs(ALICE), scene.pairs(BOB)].concat();
    // A backup that is older than a withdrawal brings the line back to its author only.
    let except = if restores { cancelled } else { &nothing };
    let lines = all.iter().find_map(|(first, node)| scene.difference(*first, *node, except));
    // What only one session had when its disk was replaced is lost to its person, and the other one keeps it.
    let between = || scene.difference(scene.people[ALICE][0], scene.people[BOB][0], cancelled);
    lines.or_else(|| between().filter(|_| !restores)).or_else(|| {
        let other = all.iter().find(|(first, node)| scene.known(*first) != scene.known(*node));
        other.map(|(first, node)| format!("{:?} at {first}, {:?} at {node}", scene.known(*first), scene.known(*node)))
    })
}
