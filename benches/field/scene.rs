//! What the scenarios have in common: who stands where, and who has been shown what.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::field::Field;
use crate::figures::Figures;
use crate::program::Node;
use crate::talk::{lines, types};

/// What has not come by then counts as lost.
const GIVE_UP: Duration = Duration::from_secs(180);
/// For what was said twice to come a second time.
const AFTERMATH: Duration = Duration::from_secs(3);

/// Desks in one hall, for these people.
pub fn hall(field: &Field, people: &[&str]) {
    field.switch("hall");
    for (n, name) in people.iter().enumerate() {
        field.desk(name, "hall", &format!("10.0.0.{}/24", n + 1));
    }
}

/// Lets a time below `most` pass, never the same: nothing must fall together with a timer of the program.
pub fn a_while(field: &Field, most: Duration) {
    field.pass(below(most));
}

/// A time below `most`.
pub fn below(most: Duration) -> Duration {
    let [chance] = darknode::node::clock::random::<1>();
    most * u32::from(chance) / 256
}

/// The lines somebody is to be shown, and what they were shown.
#[derive(Default)]
pub struct Tally {
    expected: BTreeSet<String>,
    /// Texts, by the ids of their messages.
    shown: BTreeMap<String, String>,
    twice: usize,
    again: usize,
    offline: usize,
}

impl Tally {
    pub fn of(texts: &[String]) -> Tally {
        Tally { expected: texts.iter().cloned().collect(), ..Tally::default() }
    }

    /// These must have been shown in the end.
    pub fn expect(&mut self, texts: &[String]) {
        self.expected.extend(texts.iter().cloned());
    }

    /// Takes in what was printed: a message that was printed before is one too much, unless it says so itself.
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

    /// How many were not shown yet.
    fn missing(&self) -> usize {
        let shown: BTreeSet<&String> = self.shown.values().collect();
        self.expected.iter().filter(|text| !shown.contains(text)).count()
    }

    /// Listens until everything was shown; how long after `since`, or when it was given up.
    pub fn complete(&mut self, node: &mut Node, since: Instant) -> Duration {
        while self.missing() > 0 && since.elapsed() < GIVE_UP {
            self.take(&node.listens(Duration::from_secs(1)));
        }
        since.elapsed()
    }

    /// Ends a node; what it was shown too much is counted.
    pub fn close(&mut self, field: &Field, mut node: Node) {
        field.pass(AFTERMATH);
        node.types(r"\quit");
        self.take(&node.ends().1);
    }

    /// Two messages of one text are one message twice: every line is typed once.
    fn doubled(&self) -> usize {
        let texts: BTreeSet<&String> = self.shown.values().collect();
        self.twice + self.shown.len() - texts.len()
    }
}

/// Adds how many lines were lost, shown twice without a word, and shown again with one; and how often somebody was shown
/// as lost.
pub fn counts(figures: Figures, tallies: &[Tally]) -> Figures {
    let sum = |count: fn(&Tally) -> usize| tallies.iter().map(count).sum::<usize>() as f64;
    figures
        .with("lost", sum(Tally::missing))
        .with("twice", sum(Tally::doubled))
        .with("again", sum(|tally| tally.again))
        .with("offline", sum(|tally| tally.offline))
}

/// Two people who have typed and must hear each other.
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

    /// Each types so many lines to the other.
    pub fn type_lines(&mut self, when: &str, count: usize) {
        let (of_alice, of_bob) = (lines("alice", when, count), lines("bob", when, count));
        types(&mut self.alice, &of_alice);
        types(&mut self.bob, &of_bob);
        self.of_alice.extend(of_alice);
        self.of_bob.extend(of_bob);
    }

    /// Waits until each was shown all of the other's, and ends both: how long after `since`, and the counts.
    pub fn hear_all(mut self, field: &Field, name: &str, since: Instant) -> Figures {
        let (mut at_alice, mut at_bob) = (Tally::of(&self.of_bob), Tally::of(&self.of_alice));
        let times = [at_alice.complete(&mut self.alice, since), at_bob.complete(&mut self.bob, since)];
        at_alice.close(field, self.alice);
        at_bob.close(field, self.bob);
        let last = times.into_iter().max().expect("there are two");
        counts(Figures::new().seconds(name, last), &[at_alice, at_bob])
    }
}
