//! A block never yields to an older word about the link, and of two words of one age the block counts.

use std::collections::BTreeMap;
use std::time::Duration;

use darknode::proto::event::{Command, Output};
use darknode::proto::notice::Notice;
use darknode::proto::persist::{Entry, LinkState, Op};
use darknode::sim::disk::Disk;

use crate::setup::{ALICE, BOB, Setup, seeds};

/// Seeds of an ordinary run.
const SEEDS: u64 = 8;
const STEPS: u64 = 30;
/// Within this time a line arrives that nobody refuses.
const SOON: Duration = Duration::from_secs(60);

struct Storm {
    setup: Setup,
    /// What each session says about the link.
    said: BTreeMap<usize, Entry>,
    /// The word of each person that counts: of all that reached a disk.
    newest: [Entry; 2],
    backups: BTreeMap<usize, Disk>,
}

#[test]
fn a_block_never_yields_to_an_older_word_of_any_session() {
    for seed in seeds(SEEDS) {
        let mut setup = Setup::new(seed, [2..5, 1..3], 4);
        setup.sim.outputs = Some(Vec::new());
        setup.start_all();
        let (said, backups) = Default::default();
        let mut storm = Storm { setup, said, newest: [Entry::default(); 2], backups };
        storm.speak_at_once();
        for _ in 0..STEPS {
            storm.step();
            storm.setup.pause(6_000);
            storm.check();
        }
        storm.recover();
    }
}

impl Storm {
    /// All sessions of alice decide on their own, so that their words are of one age.
    fn speak_at_once(&mut self) {
        self.setup.sim.split(|node| node as u32);
        for node in self.setup.people[ALICE].clone() {
            self.decide(node);
        }
        self.setup.pause(6_000);
        self.check();
        self.setup.sim.join();
    }

    fn step(&mut self) {
        let node = self.setup.node();
        match self.setup.below(16) {
            0..=2 => self.setup.switch(node),
            3..=6 => self.setup.rewire(),
            7 => self.setup.set_clock(),
            8 => self.back_up_or_restore(node),
            9..=11 => self.setup.say(node),
            _ => self.decide(node),
        }
    }

    /// A session links, removes or blocks the other person.
    fn decide(&mut self, node: usize) {
        let Some((_, other)) = self.setup.pair(node) else { return };
        let user = self.setup.user(other).to_string();
        let command = match self.setup.below(4) {
            0 => Command::Add { user },
            1 => Command::Remove { user },
            _ => Command::Block { user },
        };
        self.setup.sim.command(node, 1, command);
    }

    /// Takes a backup of a session, or replaces its disk by one that was taken before.
    fn back_up_or_restore(&mut self, node: usize) {
        if self.setup.pair(node).is_none() {
            return;
        }
        match self.backups.remove(&node) {
            Some(backup) => {
                self.setup.sim.crash(node);
                self.setup.sim.nodes[node].disk = backup;
                // What only this session knew is lost.
                self.newest = [Entry::default(); 2];
                self.check();
            }
            None => drop(self.backups.insert(node, self.setup.sim.nodes[node].disk.backup())),
        }
    }

    /// Every word of a session replaces its last one.
    fn check(&mut self) {
        let outputs = self.setup.sim.outputs.replace(Vec::new()).unwrap_or_default();
        let seed = self.setup.seed;
        for (_, node, output) in outputs {
            let Output::Store { op: Op::Link(row), .. } = output else { continue };
            let about = self.setup.pair(node).map(|(_, other)| self.setup.user(other));
            if about != Some(row.user) {
                continue;
            }
            let before = self.said.insert(node, row.mine).unwrap_or_default();
            let holds = row.mine == before || row.mine.replaces(&before);
            assert!(holds, "seed {seed}: node {node} said {before:?} and then {:?}", row.mine);
            let yields = before.state == LinkState::Blocked && row.mine.lamport <= before.lamport;
            assert!(!yields || row.mine == before, "seed {seed}: node {node} gave up a block");
        }
        for node in 0..self.setup.relay {
            let (person, _) = self.setup.pair(node).expect("a session of somebody");
            let durable = self.setup.link(node).mine;
            if durable.replaces(&self.newest[person]) {
                self.newest[person] = durable;
            }
            // What did not reach the disk is not said.
            if !self.setup.is_on(node) {
                self.said.insert(node, durable);
            }
        }
    }

    fn recover(mut self) {
        self.setup.repair();
        self.check();
        // Who accepts requests says something of their own, perhaps only now.
        self.setup.wait(|setup| {
            let mut pairs = [setup.pairs(ALICE), setup.pairs(BOB)].concat().into_iter();
            let (one, other) = pairs.find(|(one, other)| setup.link(*one).mine != setup.link(*other).mine)?;
            Some(format!("{:?} at {one}, {:?} at {other}", setup.link(one).mine, setup.link(other).mine))
        });
        self.check();
        for person in [ALICE, BOB] {
            let said = self.setup.link(self.setup.people[person][0]).mine;
            assert_eq!(said, self.newest[person], "seed {}: the newest word counts", self.setup.seed);
        }
        self.check_refused();
    }

    /// Whom alice has blocked is shown on none of her sessions.
    fn check_refused(mut self) {
        let shown = |setup: &Setup| {
            let all = setup.people[ALICE].iter().flat_map(|node| &setup.sim.nodes[*node].notices);
            all.filter(|(_, notice)| matches!(notice, Notice::Message(view) if !view.own)).count()
        };
        let before = shown(&self.setup);
        let bob = self.setup.people[BOB][0];
        self.setup.say(bob);
        self.setup.sim.run(SOON);
        if self.newest[ALICE].state == LinkState::Blocked {
            assert_eq!(shown(&self.setup), before, "seed {}: it is blocked", self.setup.seed);
        }
    }
}
