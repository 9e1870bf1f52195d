//! Two users who can reach each other only through a relay, and write while all three nodes are killed.

use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

use crate::field::Field;
use crate::program::Node;
use crate::promise::{self, Person};

/// Lines between two kills, on average.
const LINES_PER_KILL: u64 = 10;

/// The result of a run.
pub struct Outcome {
    pub lines: usize,
    pub kills: u32,
}

struct Play<'a> {
    field: &'a Field,
    rng: ChaCha20Rng,
    people: [Person; 2],
    relay: Option<Node>,
    kills: u32,
}

/// Alice and bob on two islands, a relay on both, and nothing that forwards packets. Both write this many lines while
/// one or several of the three nodes are repeatedly killed and restarted.
pub fn over_a_relay(field: &Field, seed: u64, lines: u64) -> Outcome {
    ["west", "east"].iter().for_each(|switch| field.switch(switch));
    field.desk("alice", "west", "10.0.1.1/24");
    field.desk("bob", "east", "10.0.2.1/24");
    field.desk("pi", "west", "10.0.1.2/24");
    field.plug("pi", "eth1", "east");
    field.address("pi", "eth1", "10.0.2.2/24");
    let mut relay = relay(field);
    let (mut alice, mut bob) = (field.node("alice"), field.node("bob"));
    for node in [&mut alice, &mut bob] {
        node.event_with("nearby", "id", relay.id());
        relay.event_with("nearby", "id", node.id());
    }
    let id = alice.id().to_owned();
    assert_eq!(alice.asks(r"\chat bob")["event"], "chat");
    bob.event_with("linked", "id", &id);
    let mut people = [Person::new("alice", "bob", alice, lines), Person::new("bob", "alice", bob, lines)];
    people.iter_mut().for_each(Person::open_chat);
    let rng = ChaCha20Rng::seed_from_u64(seed);
    Play { field, rng, people, relay: Some(relay), kills: 0 }.run()
}

fn relay(field: &Field) -> Node {
    field.node_with("pi", "pi", &["--relay"])
}

impl Play<'_> {
    fn below(&mut self, n: u64) -> u64 {
        self.rng.next_u64() % n
    }

    fn run(mut self) -> Outcome {
        while self.people.iter().any(Person::has_more) {
            let burst = 1 + self.below(8);
            for person in 0..2 {
                let moment = Duration::from_millis(self.below(100));
                self.people[person].writes_some(burst);
                self.people[person].listens(moment);
            }
            if self.below(LINES_PER_KILL) < burst {
                self.kill();
            }
        }
        promise::settle(&mut self.people);
        let lines = self.people.iter().map(|person| person.shown.len()).sum();
        promise::check(self.people.into());
        Outcome { lines, kills: self.kills }
    }

    /// Kills one or several of the three.
    fn kill(&mut self) {
        let victims = 1 + self.below(7);
        self.kills += victims.count_ones();
        if victims & 4 != 0 {
            self.relay.take().expect("it runs").killed();
        }
        for person in (0..2).filter(|person| victims & 1 << person != 0) {
            self.people[person].dies();
        }
        for person in (0..2).filter(|person| victims & 1 << person != 0) {
            let name = self.people[person].name;
            let node = self.field.node_soon(name, name, &[]);
            self.people[person].starts(node);
        }
        if victims & 4 != 0 {
            self.relay = Some(relay(self.field));
        }
    }
}
