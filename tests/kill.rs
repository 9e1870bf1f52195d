//! No message is lost or shown twice, whichever side is killed at whatever time.
//!
//! Users type numbered lines while their programs are killed (SIGKILL) at random moments, also during their start,
//! and restarted on the same directories. Once everything has settled, [`promise`] checks what must hold.
//!
//! `DARKNODE_TEST_SEED` repeats a run as far as the kernel's scheduling allows; `DARKNODE_TEST_ROUNDS` multiplies its
//! length.
#![cfg(all(feature = "node", unix))]

mod program;
mod promise;

use std::time::Duration;

use darknode::node::clock::random;
use program::{Node, Stage};
use promise::Person;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

/// Lines that each author types: few enough for one answer of `\history`.
const LINES: u64 = 400;
/// Lines between two kills, on average.
const LINES_PER_KILL: u64 = 20;

#[test]
fn one_author_loses_no_message_while_both_sides_are_killed() {
    rounds(&["alice"]);
}

#[test]
fn two_authors_lose_no_message_while_both_sides_are_killed() {
    rounds(&["alice", "bob"]);
}

fn rounds(authors: &[&str]) {
    let first = setting("DARKNODE_TEST_SEED").unwrap_or_else(|| u64::from_be_bytes(random()));
    for round in 0..setting("DARKNODE_TEST_ROUNDS").unwrap_or(1) {
        Run::start(authors, first.wrapping_add(round)).run();
    }
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

struct Run {
    stage: Stage,
    rng: ChaCha20Rng,
    people: [Person; 2],
    ports: [u16; 2],
}

impl Run {
    fn start(authors: &[&str], seed: u64) -> Run {
        eprintln!("DARKNODE_TEST_SEED={seed}");
        let stage = Stage::new();
        let (mut alice, mut bob) = stage.two();
        alice.chats_with(&mut bob);
        let ports = [alice.port(), bob.port()];
        let person = |name, other, node: Node| {
            let lines = if authors.contains(&name) { LINES } else { 0 };
            Person::new(name, other, node, lines)
        };
        let mut people = [person("alice", "bob", alice), person("bob", "alice", bob)];
        people.iter_mut().for_each(|person| person.open_chat());
        Run { stage, rng: ChaCha20Rng::seed_from_u64(seed), people, ports }
    }

    fn below(&mut self, n: u64) -> u64 {
        self.rng.next_u64() % n
    }

    /// A random delay; the longest is enough for some messages to be delivered.
    fn delay(&mut self) -> Duration {
        Duration::from_micros(self.below(30_000))
    }

    fn run(mut self) {
        while self.people.iter().any(|person| person.has_more()) {
            let burst = 1 + self.below(8);
            for person in 0..2 {
                let delay = self.delay();
                self.people[person].writes_some(burst);
                self.people[person].listens(delay);
            }
            if self.below(LINES_PER_KILL) < burst {
                self.kill();
            }
        }
        promise::settle(&mut self.people);
        let kills: u32 = self.people.iter().map(|person| person.restarts).sum();
        let shown: usize = self.people.iter().map(|person| person.shown.len()).sum();
        eprintln!("{shown} lines shown, {kills} kills");
        promise::check(self.people);
    }

    /// Kills one of them, or both at once, sometimes during the start.
    fn kill(&mut self) {
        let who = self.below(3);
        let victims: Vec<usize> = (0..2).filter(|person| who == 2 || who == *person as u64).collect();
        for victim in &victims {
            self.people[*victim].dies();
        }
        for victim in victims {
            while self.below(4) == 0 {
                let delay = self.delay() * 4;
                let node = self.runs(victim);
                self.people[victim].begins_to_start(node);
                self.people[victim].listens(delay);
                self.people[victim].dies();
            }
            let node = self.runs(victim);
            self.people[victim].starts(node);
        }
    }

    fn runs(&self, person: usize) -> Node {
        let name = self.people[person].name;
        self.stage.run(self.stage.cast(name).port(self.ports[person]).command(), name)
    }
}
