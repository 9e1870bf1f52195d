//! Two users write to each other while the power of their disks fails at random operations, also during starts.

use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

use crate::baddisk::{BadDisk, alone};
use crate::each_seed;
use crate::program::{Node, TestBed};
use crate::promise::{self, Person};

/// Lines that each author types: few enough for one answer of `\history`.
const LINES: u64 = 300;
/// Lines between two power cuts, on average.
const LINES_PER_CUT: u64 = 15;
/// How long to wait for a disk to reach the operation at which it is to stop.
const IDLE: Duration = Duration::from_millis(50);

#[test]
fn two_authors_lose_no_message_while_the_power_fails_on_both_sides() {
    alone(|| each_seed(1, |seed| Run::start(seed).run()));
}

struct Run {
    bed: TestBed,
    rng: ChaCha20Rng,
    people: [Person; 2],
    disks: [BadDisk; 2],
    ports: [u16; 2],
}

impl Run {
    fn start(seed: u64) -> Run {
        let (bed, disks) = (TestBed::new(), [BadDisk::new(), BadDisk::new()]);
        let start = |name: &str, disk: &BadDisk| bed.node(name).dir(&disk.home(name)).start();
        let (mut alice, mut bob) = (start("alice", &disks[0]), start("bob", &disks[1]));
        alice.meet(&mut bob);
        alice.chats_with(&mut bob);
        let ports = [alice.port(), bob.port()];
        let mut people = [Person::new("alice", "bob", alice, LINES), Person::new("bob", "alice", bob, LINES)];
        people.iter_mut().for_each(Person::open_chat);
        Run { bed, rng: ChaCha20Rng::seed_from_u64(seed), people, disks, ports }
    }

    fn below(&mut self, n: u64) -> u64 {
        self.rng.next_u64() % n
    }

    fn run(mut self) {
        while self.people.iter().any(Person::has_more) {
            let burst = 1 + self.below(8);
            for person in 0..2 {
                let delay = Duration::from_micros(self.below(30_000));
                self.people[person].writes_some(burst);
                self.people[person].listens(delay);
            }
            if self.below(LINES_PER_CUT) < burst {
                self.cut();
            }
        }
        promise::settle(&mut self.people);
        let cuts: u32 = self.people.iter().map(|person| person.restarts).sum();
        let shown: usize = self.people.iter().map(|person| person.shown.len()).sum();
        eprintln!("{shown} lines shown, {cuts} power cuts");
        promise::check(self.people.into());
    }

    /// Cuts the power of one of them, or both at once, sometimes during the start.
    fn cut(&mut self) {
        let who = self.below(3);
        let victims: Vec<usize> = (0..2).filter(|person| who == 2 || who == *person as u64).collect();
        for victim in &victims {
            self.arm_power_cut(*victim);
            let burst = self.below(8);
            self.people[*victim].writes_some(burst);
        }
        victims.iter().for_each(|victim| self.cut_power(*victim));
        for victim in victims {
            while self.below(4) == 0 {
                self.arm_power_cut(victim);
                let node = self.runs(victim);
                self.people[victim].begins_to_start(node);
                self.cut_power(victim);
            }
            let node = self.runs(victim);
            self.people[victim].starts(node);
        }
    }

    fn arm_power_cut(&mut self, victim: usize) {
        let scale = [3, 30, 120][self.below(3) as usize];
        let operations = self.below(scale);
        self.disks[victim].stop_after(operations, true);
    }

    fn cut_power(&mut self, victim: usize) {
        self.disks[victim].stops_within(IDLE);
        self.people[victim].dies();
        let seed = self.rng.next_u64();
        self.disks[victim].cut(seed);
    }

    fn runs(&self, person: usize) -> Node {
        let name = self.people[person].name;
        let node = self.bed.node(name).dir(&self.disks[person].home(name)).port(self.ports[person]);
        self.bed.run(node.command(), name)
    }
}
