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
use program::{Node, TestBed};
use promise::Person;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

/// Lines that each of two authors types: few enough for one answer of `\history`.
const LINES: u64 = 400;
/// Lines that each of two sessions and their addressee types.
const LINES_OF_THREE: u64 = 150;
/// Lines between two kills, on average.
const LINES_PER_KILL: u64 = 20;

#[test]
fn one_author_loses_no_message_while_both_sides_are_killed() {
    rounds(|seed| Run::of_two(&["alice"], seed));
}

#[test]
fn two_authors_lose_no_message_while_both_sides_are_killed() {
    rounds(|seed| Run::of_two(&["alice", "bob"], seed));
}

#[test]
fn two_sessions_of_one_user_lose_no_message_while_they_and_the_addressee_are_killed() {
    rounds(Run::of_two_sessions);
}

fn rounds(start: impl Fn(u64) -> Run) {
    let first = setting("DARKNODE_TEST_SEED").unwrap_or_else(|| u64::from_be_bytes(random()));
    for round in 0..setting("DARKNODE_TEST_ROUNDS").unwrap_or(1) {
        let seed = first.wrapping_add(round);
        eprintln!("DARKNODE_TEST_SEED={seed}");
        start(seed).run();
    }
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

struct Run {
    bed: TestBed,
    rng: ChaCha20Rng,
    people: Vec<Person>,
    /// Of each person, the user and the port with which it is started again. Its directory has its name.
    seats: Vec<(&'static str, u16)>,
}

impl Run {
    fn of_two(authors: &[&str], seed: u64) -> Run {
        let bed = TestBed::new();
        let (mut alice, mut bob) = bed.two();
        alice.chats_with(&mut bob);
        let lines = |name| if authors.contains(&name) { LINES } else { 0 };
        let seats = vec![("alice", alice.port()), ("bob", bob.port())];
        let people =
            vec![Person::new("alice", "bob", alice, lines("alice")), Person::new("bob", "alice", bob, lines("bob"))];
        Run::start(bed, seed, people, seats)
    }

    fn of_two_sessions(seed: u64) -> Run {
        let bed = TestBed::new();
        let (mut alice, mut bob) = bed.two();
        alice.chats_with(&mut bob);
        let mut laptop = bed.node("laptop").waiting().with(&["--bootstrap", &alice.place()]).start();
        laptop.event("bootstrap");
        let code = laptop.shown("code");
        assert_eq!(alice.asks(&format!(r"\link {code}"))["state"], "linked");
        laptop.has_joined(&alice);
        laptop.event_with("online", "user", "bob");
        let seats = vec![("alice", alice.port()), ("alice", laptop.port()), ("bob", bob.port())];
        let person = |name, other, node| Person::new(name, other, node, LINES_OF_THREE);
        let people = vec![person("alice", "bob", alice), person("laptop", "bob", laptop), person("bob", "alice", bob)];
        Run::start(bed, seed, people, seats)
    }

    fn start(bed: TestBed, seed: u64, mut people: Vec<Person>, seats: Vec<(&'static str, u16)>) -> Run {
        people.iter_mut().for_each(Person::open_chat);
        Run { bed, rng: ChaCha20Rng::seed_from_u64(seed), people, seats }
    }

    fn below(&mut self, n: u64) -> u64 {
        self.rng.next_u64() % n
    }

    /// A random delay; the longest is enough for some messages to be delivered.
    fn delay(&mut self) -> Duration {
        Duration::from_micros(self.below(30_000))
    }

    fn run(mut self) {
        while self.people.iter().any(Person::has_more) {
            let burst = 1 + self.below(8);
            for person in 0..self.people.len() {
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

    /// Kills one of them, or all at once, sometimes during the start.
    fn kill(&mut self) {
        let count = self.people.len();
        let who = self.below(count as u64 + 1) as usize;
        let victims: Vec<usize> = (0..count).filter(|person| who == count || who == *person).collect();
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
        let (name, (user, port)) = (self.people[person].name, self.seats[person]);
        self.bed.run(self.bed.node(user).dir(name).port(port).command(), name)
    }
}
