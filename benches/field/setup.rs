//! Helpers shared by the scenarios: hosts, and tallies of shown messages.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::field::Field;
use crate::figures::Figures;
use crate::program::Node;
use crate::talk::{lines, types};

/// Messages that were not shown by then count as lost.
const GIVE_UP: Duration = Duration::from_secs(180);
/// Time for duplicates to arrive.
const AFTERMATH: Duration = Duration::from_secs(3);

/// Adds hosts on one switch for these users.
pub fn hall(field: &Field, people: &[&str]) {
    field.switch("hall");
    for (n, name) in people.iter().enumerate() {
        field.desk(name, "hall", &format!("10.0.0.{}/24", n + 1));
    }
}

/// Waits for a random time below `most`, so that events do not coincide with timers of the program.
pub fn a_while(field: &Field, most: Duration) {
    field.pass(below(most));
}

/// A random time below `most`.
pub fn below(most: Duration) -> Duration {
    let [chance] = darknode::node::clock::random::<1>();
    most * u32::from(chance) / 256
}

/// The messages a user is to be shown, and those they were shown.
#[derive(Default)]
pub struct Tally {
    expected: BTreeSet<String>,
    /// Texts by message id.
    shown: BTreeMap<String, String>,
    twice: usize,
    again: usize,
    offline: usize,
}

impl Tally {
    pub fn of(texts: &[String]) -> Tally {
        Tally { expected: texts.iter().cloned().collect(), ..Tally::default() }
    }

    /// Adds messages that must be shown eventually.
    pub fn expect(&mut self, texts: &[String]) {
        self.expected.extend(texts.iter().cloned());
    }

    /// Evaluates printed events. A repeated message counts as a duplicate unless it is marked `again`.
    pub fn take(&mut self, events: &[Value]) {
        let lost = |event: &&Value| event["event"] == "offline" && event["reason"] == "lost";
        self.offline += events.iter().filter(lost).count();
        for event in events.iter().filter(|event| event["event"] == "message") {
            let text = event["text"].as_str().unwrap_or_default().to_owned();
            let known = self.shown.insert(event["message"].to_string(), text).is_some();
            match event["again"] == true {
                true => self.again += 1,
                false => self.twice += usize::from(known),
            }
        }
    }

    /// The number of messages not shown yet.
    fn missing(&self) -> usize {
        let shown: BTreeSet<&String> = self.shown.values().collect();
        self.expected.iter().filter(|text| !shown.contains(text)).count()
    }

    /// Reads events until everything was shown. Returns the time since `since`, also if the limit was reached.
    pub fn complete(&mut self, node: &mut Node, since: Instant) -> Duration {
        while self.missing() > 0 && since.elapsed() < GIVE_UP {
            self.take(&node.listens(Duration::from_secs(1)));
        }
        since.elapsed()
    }

    /// Stops a node and counts duplicates that it was shown.
    pub fn close(&mut self, field: &Field, mut node: Node) {
        field.pass(AFTERMATH);
        node.types(r"\quit");
        self.take(&node.ends().1);
    }

    /// Counts messages with equal text as duplicates, as every text is typed once.
    fn duplicates(&self) -> usize {
        let texts: BTreeSet<&String> = self.shown.values().collect();
        self.twice + self.shown.len() - texts.len()
    }
}

/// Adds the numbers of messages that were lost, duplicated, and repeated with `again`, and how often a user was
/// reported as lost.
pub fn counts(figures: Figures, tallies: &[Tally]) -> Figures {
    let sum = |count: fn(&Tally) -> usize| tallies.iter().map(count).sum::<usize>() as f64;
    figures
        .with("lost", sum(Tally::missing))
        .with("twice", sum(Tally::duplicates))
        .with("again", sum(|tally| tally.again))
        .with("offline", sum(|tally| tally.offline))
}

/// Two users who have typed messages to each other.
pub struct Two {
    pub alice: Node,
    pub bob: Node,
    of_alice: Vec<String>,
    of_bob: Vec<String>,
}

impl Two {
    pub fn new(alice: Node, bob: Node) -> Two {
        Two { alice, bob, of_alice: Vec::new(), of_bob: Vec::new() }
    }

    /// Each types this many messages to the other.
    pub fn type_lines(&mut self, when: &str, count: usize) {
        let (of_alice, of_bob) = (lines("alice", when, count), lines("bob", when, count));
        types(&mut self.alice, &of_alice);
        types(&mut self.bob, &of_bob);
        self.of_alice.extend(of_alice);
        self.of_bob.extend(of_bob);
    }

    /// Waits until each was shown all messages of the other, and stops both. Returns the time since `since`, and the
    /// counts.
    pub fn finish(mut self, field: &Field, name: &str, since: Instant) -> Figures {
        let (mut at_alice, mut at_bob) = (Tally::of(&self.of_bob), Tally::of(&self.of_alice));
        let times = [at_alice.complete(&mut self.alice, since), at_bob.complete(&mut self.bob, since)];
        at_alice.close(field, self.alice);
        at_bob.close(field, self.bob);
        let last = times.into_iter().max().expect("there are two");
        counts(Figures::new().seconds(name, last), &[at_alice, at_bob])
    }
}
