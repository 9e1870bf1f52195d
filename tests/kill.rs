//! Nothing typed is lost and nothing is shown twice, whoever is killed, whenever.
//!
//! People type numbered lines while their programs are killed (SIGKILL) at random moments, also while they start, and
//! started again on the same directories. Then it is quiet. What must hold is read off as `cli.md` promises it:
//!
//! - a line whose `queued` was read, or that its author's history holds, is shown to the addressee;
//! - each by one id, and the same id a second time only with `again:true`;
//! - nothing else is shown;
//! - what was delivered never waits again;
//! - both histories are the same, in the order of typing.
//!
//! `DARKNODE_TEST_SEED` repeats a run as far as the kernel's scheduling allows; `DARKNODE_TEST_ROUNDS` makes it as many
//! times as long.
#![cfg(all(feature = "node", unix))]

mod program;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use darknode::node::clock::random;
use program::{Node, Stage};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use serde_json::Value;

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

/// Somebody, through all their restarts.
struct Person {
    name: &'static str,
    other: &'static str,
    port: u16,
    node: Option<Node>,
    writes: bool,
    typed: u64,
    /// What the store has said that it has: id and text.
    accepted: BTreeMap<String, String>,
    /// What was read as delivered.
    delivered: BTreeSet<String>,
    /// What was shown: id and text.
    shown: BTreeMap<String, String>,
    restarts: u32,
}

struct Play {
    stage: Stage,
    rng: ChaCha20Rng,
    people: [Person; 2],
}

impl Play {
    fn begin(authors: &[&str], seed: u64) -> Play {
        eprintln!("DARKNODE_TEST_SEED={seed}");
        let stage = Stage::new();
        let (mut alice, mut bob) = stage.two();
        alice.chats_with(&mut bob);
        let person = |name, other, node: Node| Person {
            name,
            other,
            port: node.port(),
            node: Some(node),
            writes: authors.contains(&name),
            typed: 0,
            accepted: BTreeMap::new(),
            delivered: BTreeSet::new(),
            shown: BTreeMap::new(),
            restarts: 0,
        };
        let mut people = [person("alice", "bob", alice), person("bob", "alice", bob)];
        people.iter_mut().for_each(|person| person.turn_to_the_other());
        Play { stage, rng: ChaCha20Rng::seed_from_u64(seed), people }
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
        self.falls_quiet();
        let kills: u32 = self.people.iter().map(|person| person.restarts).sum();
        let shown: usize = self.people.iter().map(|person| person.shown.len()).sum();
        eprintln!("{shown} lines shown, {kills} kills");
        self.keeps_the_promise();
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
                self.people[victim].begins_to_start(&self.stage);
                self.people[victim].listens(moment);
                self.people[victim].dies();
            }
            self.people[victim].starts(&self.stage);
        }
    }

    fn falls_quiet(&mut self) {
        self.people.iter_mut().for_each(Person::waits_until_nothing_waits);
        for (reader, author) in [(1, 0), (0, 1)] {
            let awaited: BTreeSet<String> = self.people[author].accepted.keys().cloned().collect();
            self.people[reader].reads_until_shown(&awaited);
        }
    }

    fn keeps_the_promise(mut self) {
        let histories = self.people.each_mut().map(Person::history);
        assert_eq!(histories[0], histories[1], "both have said the same");
        for (reader, author) in [(1, 0), (0, 1)] {
            let (reader, author) = (&self.people[reader], &self.people[author]);
            assert_eq!(reader.shown, author.accepted, "{} reads what {} wrote, and no more", reader.name, author.name);
            let texts: BTreeSet<&String> = reader.shown.values().collect();
            assert_eq!(texts.len(), reader.shown.len(), "each line has one id");
            let prefix = format!("{} ", author.name);
            let written: Vec<u64> =
                histories[0].iter().filter_map(|(_, text)| text.strip_prefix(&prefix)?.parse().ok()).collect();
            assert!(written.is_sorted(), "{} wrote in this order: {written:?}", author.name);
            assert_eq!(written.len(), author.accepted.len());
        }
        for person in &mut self.people {
            let mut node = person.node.take().expect("it runs");
            node.types(r"\quit");
            person.notes(node.ends().1);
        }
    }
}

impl Person {
    fn has_more(&self) -> bool {
        self.writes && self.typed < LINES
    }

    fn node(&mut self) -> &mut Node {
        self.node.as_mut().expect("it runs")
    }

    fn writes_some(&mut self, burst: u64) {
        for _ in 0..burst {
            if self.has_more() {
                let line = format!("{} {}", self.name, self.typed);
                self.typed += 1;
                self.node().types(&line);
            }
        }
    }

    fn listens(&mut self, time: Duration) {
        let events = self.node().listens(time);
        self.notes(events);
    }

    fn dies(&mut self) {
        let events = self.node.take().expect("it runs").killed();
        self.notes(events);
        self.restarts += 1;
    }

    fn begins_to_start(&mut self, stage: &Stage) {
        self.node = Some(stage.run(stage.cast(self.name).port(self.port).command(), self.name));
    }

    fn starts(&mut self, stage: &Stage) {
        self.begins_to_start(stage);
        self.node().event("ready");
        self.turn_to_the_other();
        self.history();
        let waiting = self.waiting();
        let back: Vec<&String> = waiting.iter().filter(|id| self.delivered.contains(*id)).collect();
        assert!(back.is_empty(), "{} had read that these were delivered: {back:?}", self.name);
    }

    fn turn_to_the_other(&mut self) {
        let chat = format!(r"\chat {}", self.other);
        assert_eq!(self.node().asks(&chat)["event"], "chat");
    }

    /// Ids and texts; what is my own counts as accepted, for a kill may have come between storing and saying so.
    fn history(&mut self) -> Vec<(String, String)> {
        let ask = format!(r"\history {} 1000", self.other);
        let history = self.node().asks(&ask);
        let messages = history["messages"].as_array().expect("a list");
        let own = messages.iter().filter(|message| message["own"] == true).map(id_and_text);
        self.accepted.extend(own);
        messages.iter().map(id_and_text).collect()
    }

    /// Ids of what waits.
    fn waiting(&mut self) -> Vec<String> {
        let status = self.node().asks(r"\status");
        status["messages"].as_array().expect("a list").iter().map(|view| text_of(view, "message")).collect()
    }

    fn waits_until_nothing_waits(&mut self) {
        while !self.waiting().is_empty() {
            let state = self.node().event("state");
            self.notes(vec![state]);
        }
    }

    fn reads_until_shown(&mut self, awaited: &BTreeSet<String>) {
        self.listens(Duration::ZERO);
        while !awaited.iter().all(|id| self.shown.contains_key(id)) {
            let message = self.node().event("message");
            self.notes(vec![message]);
        }
    }

    fn notes(&mut self, events: Vec<Value>) {
        for event in events {
            match event["event"].as_str() {
                Some("queued") => self.accepted.extend([id_and_text(&event)]),
                Some("message") => self.sees(&event),
                Some("state") => {
                    let id = text_of(&event, "message");
                    let forward = event["state"] == "delivered" || !self.delivered.contains(&id);
                    assert!(forward, "{} reads a step back: {event}", self.name);
                    if event["state"] == "delivered" {
                        self.delivered.insert(id);
                    }
                }
                Some("error" | "warning") => panic!("{} is told {event}", self.name),
                _ => {}
            }
        }
    }

    fn sees(&mut self, event: &Value) {
        let (id, text) = id_and_text(event);
        let before = self.shown.insert(id, text.clone());
        assert!(before.is_none() || event["again"] == true, "{} is shown twice without a word: {event}", self.name);
        assert!(before.is_none_or(|before| before == text), "{} is shown another text: {event}", self.name);
    }
}

fn text_of(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_else(|| panic!("{value} has no {key}")).to_owned()
}

fn id_and_text(value: &Value) -> (String, String) {
    (text_of(value, "message"), text_of(value, "text"))
}
