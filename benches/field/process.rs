//! Processes that are killed, stopped and restarted.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::field::Field;
use crate::figures::Figures;
use crate::program::Node;
use crate::setup::{Tally, Two, a_while, below, counts};
use crate::talk::{lines, pair, types};

pub fn killed(field: &Field) -> Figures {
    let (mut alice, bob) = pair(field);
    let session = bob.session().to_owned();
    field.pass(Duration::from_secs(3));
    a_while(field, Duration::from_secs(7));
    let start = Instant::now();
    bob.killed();
    alice.event_with("offline", "session", &session);
    Figures::new().seconds("shown lost", start.elapsed())
}

pub fn stalled(field: &Field) -> Figures {
    let (alice, bob) = pair(field);
    field.pass(Duration::from_secs(3));
    a_while(field, Duration::from_secs(7));
    bob.signal(Signal::SIGSTOP);
    field.pass(Duration::from_secs(8));
    bob.signal(Signal::SIGCONT);
    let mut two = Two::new(alice, bob);
    let start = Instant::now();
    two.type_lines("after a pause", 5);
    two.finish(field, "all shown", start)
}

/// Alice writes 200 messages while one or the other is killed and restarted at random moments.
pub fn restarts(field: &Field) -> Figures {
    let (mut alice, mut bob) = pair(field);
    let mut tally = Tally::default();
    let (mut accepted, mut start) = (Vec::new(), Instant::now());
    for (round, part) in lines("alice", "under way", 198).chunks(33).enumerate() {
        types(&mut alice, part);
        field.pass(below(Duration::from_millis(300)));
        start = Instant::now();
        if round % 2 == 0 {
            tally.take(&bob.killed());
            bob = field.node("bob");
        } else {
            accepted.extend(taken(&alice.killed()));
            alice = field.node("alice");
            alice.asks(r"\chat bob");
        }
    }
    accepted.extend(taken(&alice.listens(Duration::from_secs(1))));
    finish(field, alice, bob, tally, &accepted, start)
}

pub fn receiver(field: &Field) -> Figures {
    let (mut alice, mut bob) = pair(field);
    let texts = lines("alice", "in a burst", 200);
    let mut tally = Tally::of(&texts);
    types(&mut alice, &texts);
    tally.take(&[bob.event("message")]);
    field.pass(below(Duration::from_millis(100)));
    tally.take(&bob.killed());
    let start = Instant::now();
    bob = field.node("bob");
    finish(field, alice, bob, tally, &texts, start)
}

/// Lines that were not answered with `queued` were not accepted, and count as neither lost nor delivered.
pub fn sender(field: &Field) -> Figures {
    let (mut alice, mut bob) = pair(field);
    let texts = lines("alice", "in a burst", 200);
    types(&mut alice, &texts[..80]);
    let last = texts[79].clone();
    let mut printed = Vec::new();
    while !taken(&printed).contains(&last) {
        printed.extend(alice.listens(Duration::from_secs(1)));
    }
    types(&mut alice, &texts[80..]);
    printed.extend(alice.killed());
    let mut tally = Tally::default();
    tally.take(&bob.listens(Duration::ZERO));
    let start = Instant::now();
    alice = field.node("alice");
    finish(field, alice, bob, tally, &taken(&printed), start)
}

pub fn absent(field: &Field) -> Figures {
    to_an_absent_user(field, |alice| {
        alice.killed();
    })
}

pub fn left(field: &Field) -> Figures {
    to_an_absent_user(field, Node::quits)
}

/// Alice writes twenty messages to bob, who is not running, and stops. Then she is started, and then he.
fn to_an_absent_user(field: &Field, end: fn(Node)) -> Figures {
    let (mut alice, bob) = pair(field);
    bob.quits();
    alice.event("offline");
    let texts = lines("alice", "for later", 20);
    for text in &texts {
        alice.says(text);
    }
    end(alice);
    let alice = field.node("alice");
    a_while(field, Duration::from_secs(7));
    let start = Instant::now();
    let bob = field.node("bob");
    finish(field, alice, bob, Tally::default(), &texts, start)
}

/// The messages that were reported as stored.
fn taken(events: &[serde_json::Value]) -> Vec<String> {
    let queued = events.iter().filter(|event| event["event"] == "queued");
    queued.filter_map(|event| event["text"].as_str().map(str::to_owned)).collect()
}

/// Waits until bob was shown everything, and stops both.
fn finish(field: &Field, alice: Node, mut bob: Node, mut tally: Tally, texts: &[String], since: Instant) -> Figures {
    tally.expect(texts);
    let took = tally.complete(&mut bob, since);
    tally.close(field, bob);
    alice.quits();
    counts(Figures::new().seconds("all shown", took), &[tally])
}
