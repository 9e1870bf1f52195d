//! A relay holds mail for an absent user, on a bad disk. What it acknowledged is there although its power failed at a
//! random operation and the author is gone. While its disk fails, it accepts nothing new and keeps handing over.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use serde_json::Value;

use crate::baddisk::{BadDisk, Fault, alone};
use crate::each_seed;
use crate::program::{Node, TestBed};
use crate::promise::{id_and_text, text_of};

/// Number of power failures of the relay.
const CUTS: u32 = 6;
/// Longer than it takes a few messages to reach the relay.
const BURST: Duration = Duration::from_millis(300);

#[test]
fn mail_acknowledged_by_a_relay_arrives_although_its_power_failed_and_the_author_is_gone() {
    alone(|| {
        each_seed(1, |seed| {
            let mut setup = Setup::begin(seed);
            for _ in 0..CUTS {
                setup.the_power_fails_while_alice_writes();
                setup.bob_gets_what_is_there();
            }
            assert!(!setup.carried.is_empty(), "the relay has carried something");
        });
    });
}

#[test]
fn a_relay_with_a_failing_disk_stays_connected_accepts_no_mail_and_hands_over_what_it_has() {
    alone(|| {
        for fault in [Fault::Syncs, Fault::Writes, Fault::Full(0), Fault::ReadOnly] {
            let mut setup = Setup::begin(0);
            let first = setup.alice().says("first");
            setup.alice().event_with("state", "message", &first);
            setup.carried.insert(first, "first".to_owned());
            setup.disk.fails(fault);
            let refused: Vec<String> =
                (0..4).map(|n| setup.alice().says(&format!("{n} {}", "long".repeat(3000)))).collect();
            setup.relay().event("warning");
            setup.notes_of_alice(BURST);
            let held = refused.iter().filter(|id| setup.carried.contains_key(*id)).count();
            assert!(held < refused.len(), "a failing disk cannot hold all of it");
            setup.alice_is_gone();
            setup.bob_gets_what_is_there();
        }
    });
}

/// Alice writes to Bob over a relay. They are never running at the same time.
struct Setup {
    bed: TestBed,
    rng: ChaCha20Rng,
    disk: BadDisk,
    relay: Option<Node>,
    port: u16,
    alice: Option<Node>,
    typed: u64,
    /// Ids and texts of stored messages.
    accepted: BTreeMap<String, String>,
    /// Those of them that the relay acknowledged.
    carried: BTreeMap<String, String>,
    /// Messages shown to Bob.
    shown: BTreeMap<String, String>,
}

impl Setup {
    fn begin(seed: u64) -> Setup {
        let (bed, disk) = (TestBed::new(), BadDisk::new());
        let home = disk.home("relay");
        let relay = bed.node("relay").dir(&home).with(&["--relay"]).start();
        let (mut alice, mut bob) = bed.two();
        alice.chats_with(&mut bob);
        let port = relay.port();
        let mut setup = Setup {
            bed,
            rng: ChaCha20Rng::seed_from_u64(seed),
            disk,
            relay: Some(relay),
            port,
            alice: Some(alice),
            typed: 0,
            accepted: BTreeMap::new(),
            carried: BTreeMap::new(),
            shown: BTreeMap::new(),
        };
        bob.quits();
        setup.alice_meets_the_relay();
        setup
    }

    fn below(&mut self, n: u64) -> u64 {
        self.rng.next_u64() % n
    }

    fn alice(&mut self) -> &mut Node {
        self.alice.as_mut().expect("she is there")
    }

    fn relay(&mut self) -> &mut Node {
        self.relay.as_mut().expect("it runs")
    }

    fn alice_meets_the_relay(&mut self) {
        let ping = format!(r"\ping 127.0.0.1 {}", self.port);
        assert_eq!(self.alice().asks(&ping)["event"], "pong");
    }

    fn the_power_fails_while_alice_writes(&mut self) {
        if self.alice.is_none() {
            self.alice = Some(self.bed.start("alice"));
            self.alice_meets_the_relay();
            assert_eq!(self.alice().asks(r"\chat bob")["event"], "chat");
        }
        let operations = self.below(120);
        self.disk.stop_after(operations, true);
        for _ in 0..1 + self.below(10) {
            self.typed += 1;
            let line = format!("line {}", self.typed);
            self.alice().types(&line);
        }
        self.disk.stops_within(BURST);
        self.relay.take().expect("it runs").killed();
        self.alice_is_gone();
        let seed = self.rng.next_u64();
        self.disk.cut(seed);
        let home = self.disk.home("relay");
        self.relay = Some(self.bed.node("relay").dir(&home).port(self.port).with(&["--relay"]).start());
    }

    fn alice_is_gone(&mut self) {
        let events = self.alice.take().expect("she is there").killed();
        self.notes(events);
    }

    fn notes_of_alice(&mut self, time: Duration) {
        let events = self.alice().listens(time);
        self.notes(events);
    }

    fn notes(&mut self, events: Vec<Value>) {
        for event in events {
            match (event["event"].as_str(), event["state"].as_str()) {
                (Some("queued"), _) => self.accepted.extend([id_and_text(&event)]),
                (Some("state"), Some("carried")) => {
                    let id = text_of(&event, "message");
                    let text = self.accepted.get(&id).cloned().unwrap_or_default();
                    self.carried.insert(id, text);
                }
                _ => {}
            }
        }
    }

    /// Bob starts, connects only with the relay, and stops again.
    fn bob_gets_what_is_there(&mut self) {
        let mut bob = self.bed.start("bob");
        assert_eq!(bob.asks(&format!(r"\ping 127.0.0.1 {}", self.port))["event"], "pong");
        let awaited: BTreeSet<String> = self.carried.keys().cloned().collect();
        while !awaited.iter().all(|id| self.shown.contains_key(id)) {
            let event = bob.event("message");
            let (id, text) = id_and_text(&event);
            let before = self.shown.insert(id, text);
            assert!(before.is_none() || event["again"] == true, "shown twice without `again`: {event}");
        }
        bob.quits();
    }
}
