//! Nothing typed is lost and nothing is shown twice, whoever is killed, whenever.
//!
//! People type numbered lines while their programs are killed (SIGKILL) at random moments, also while they start, and
//! started again on the same directories. Then it is quiet. [`promise`] is what must hold then.
//!
//! `DARKNODE_TEST_SEED` repeats a run as far as the kernel's scheduling allows; `DARKNODE_TEST_ROUNDS` makes it as many
//! times as long.
#![cfg(all(feature = "node", unix))]

mod program;
mod promise;

use std::time::Duration;

use darknode::node::clock::random;
use program::{Node, Stage};
use promise::Person;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

/// Lines that each author types: together they are still one answer of `\history`.
const LINES: u64 = 400;
/// Lines between two kills, on average.
const LINES_PER_KILL: u64 = 20;

#[test]
fn one_author_loses_nothing_while_both_sides_are_killed() {
    rounds(&["alice"]);
}

#[test]
fn two_authors_at_once_lose_nothing_while_both_sides_are_killed() {
    rounds(&["alice", "bob"]);
}

fn rounds(authors: &[&str]) {
    let first = setting("DARKNODE_TEST_SEED").unwrap_or_else(|| u64::from_be_bytes(random()));
    for round in 0..setting("DARKNODE_TEST_ROUNDS").unwrap_or(1) {
        Play::begin(authors, first.wrapping_add(round)).act();
    }
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

struct Play {
    stage: Stage,
    rng: ChaCha20Rng,
    people: [Person; 2],
    ports: [u16; 2],
}

impl Play {
    fn begin(authors: &[&str], seed: u64) -> Play {
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
        people.iter_mut().for_each(|person| person.turn_to_the_other());
        Play { stage, rng: ChaCha20Rng::seed_from_u64(seed), people, ports }
    }

    fn below(&mut self, n: u64) -> u64 {
        self.rng.next_u64() % n
    }

    /// A moment of random length; the longest is enough for some lines to go all the way.
    fn moment(&mut self) -> Duration {
        Duration::from_micros(self.below(30_000))
    }

    fn act(mut self) {
        while self.people.iter().any(|person| person.has_more()) {
            let burst = 1 + self.below(8);
            for person in 0..2 {
                let moment = self.moment();
                self.people[person].writes_some(burst);
                self.people[person].listens(moment);
            }
            if self.below(LINES_PER_KILL) < burst {
                self.kill();
            }
        }
        promise::fall_quiet(&mut self.people);
        let kills: u32 = self.people.iter().map(|person| person.restarts).sum();
        let shown: usize = self.people.iter().map(|person| person.shown.len()).sum();
        eprintln!("{shown} lines shown, {kills} kills");
        promise::is_kept(self.people);
    }

    /// One of them, or both at once; now and then also while starting.
    fn kill(&mut self) {
        let who = self.below(3);
        let victims: Vec<usize> = (0..2).filter(|person| who == 2 || who == *person as u64).collect();
        for victim in &victims {
            self.people[*victim].dies();
        }
        for victim in victims {
            while self.below(4) == 0 {
                let moment = self.moment() * 4;
                let node = self.runs(victim);
                self.people[victim].begins_to_start(node);
                self.people[victim].listens(moment);
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
