//! Figures of the field exercise: how long real nodes take to find each other, and to heal.
//!
//! `cargo bench --bench field -- [--times N] [--at-once N] [SCENARIO…]` runs each scenario N times (10), one after
//! another, each in namespaces of its own, and prints median and worst. Lost or doubled lines end it with an error.
//! Scenarios: see [`SCENARIOS`]. All together take about 25 minutes; several at once are quicker and less exact.
#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

#[path = "../tests/netns/field.rs"]
mod field;
#[path = "../tests/program/mod.rs"]
mod program;
#[path = "../tests/netns/talk.rs"]
mod talk;

use std::io::Write;
use std::time::{Duration, Instant};

use field::Field;
use program::Node;
use talk::{befriend, ends_with_nothing_left, hears, lines, meet, pair, talk, types};

/// One run; how long what is measured took.
type Run = fn(&Field) -> Duration;

/// Each with what is measured.
const SCENARIOS: [(&str, &str, Run); 10] = [
    ("newcomer", "started on a link with four people → met one, linked, first line shown there", newcomer),
    ("twelve", "twelve nodes started at once → everybody has met everybody", twelve),
    ("plugged", "cable plugged in 5 s after the start of both, no device before → first lines shown", plugged),
    ("cut10", "silent cut of 10 s, 20 lines each way meanwhile: mended → all shown", |field| cut(field, 10)),
    ("cut60", "silent cut of 60 s, 20 lines each way meanwhile: mended → all shown", |field| cut(field, 60)),
    ("joined", "two switches joined after 60 s: joined → strangers met and first lines shown", joined),
    ("moved", "both hosts change addresses at once → five lines each way shown", moved),
    ("flapping", "carrier off and on every 2 s for 30 s, lines meanwhile: last on → all shown", flapping),
    ("killed", "a linked peer is killed → shown as lost", killed),
    ("lossy", "of packets each way 30 % lost, both started → met, linked, first lines shown", lossy),
];

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    if field::is_inside() {
        let (_, _, run) = SCENARIOS.iter().find(|(name, ..)| *name == args[0]).expect("the parent knows it");
        return println!("took {}", run(&Field::new()).as_millis());
    }
    let number = |flag: &str, default| {
        let at = args.iter().position(|arg| arg == flag);
        at.map_or(default, |at| args[at + 1].parse().expect("a number follows"))
    };
    let (times, at_once) = (number("--times", 10), number("--at-once", 1));
    let chosen = |name: &str| args.iter().any(|arg| arg == name);
    let all = !SCENARIOS.iter().any(|(name, ..)| chosen(name));
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("load {}; {times} runs each, {at_once} at once", load.trim());
    for (name, what, _) in SCENARIOS.iter().filter(|(name, ..)| all || chosen(name)) {
        let mut took = figures(name, times, at_once);
        took.sort_unstable();
        let (median, worst) = (took[took.len() / 2], took[took.len() - 1]);
        println!("{name:9} median {:6.2} s  worst {:6.2} s  {what}", seconds(median), seconds(worst));
        std::io::stdout().flush().expect("it can be written");
    }
}

fn seconds(millis: u64) -> f64 {
    millis as f64 / 1000.0
}

/// Runs a scenario so many times, so many of them at once.
fn figures(name: &str, times: usize, at_once: usize) -> Vec<u64> {
    let mut took = Vec::new();
    while took.len() < times {
        let now = at_once.min(times - took.len());
        let runs: Vec<_> = (0..now)
            .map(|_| {
                std::thread::spawn({
                    let name = name.to_owned();
                    move || one(&name)
                })
            })
            .collect();
        took.extend(runs.into_iter().map(|run| run.join().expect("a run that held")));
    }
    took
}

fn one(name: &str) -> u64 {
    let Some(mut command) = field::myself_inside() else { std::process::exit(0) };
    let output = command.arg(name).output().expect("it starts");
    let said = String::from_utf8_lossy(&output.stdout);
    let took = said.lines().find_map(|line| line.strip_prefix("took ")?.parse().ok());
    took.unwrap_or_else(|| panic!("{name}: {said}{}", String::from_utf8_lossy(&output.stderr)))
}

/// Desks in one hall, for these people.
fn hall(field: &Field, people: &[&str]) {
    field.switch("hall");
    for (n, name) in people.iter().enumerate() {
        field.desk(name, "hall", &format!("10.0.0.{}/24", n + 1));
    }
}

fn newcomer(field: &Field) -> Duration {
    let people = ["bob", "carol", "dave", "erin", "alice"];
    hall(field, &people);
    let mut there: Vec<Node> = people[..4].iter().map(|name| field.node(name)).collect();
    let ids: Vec<String> = there.iter().map(|node| node.id().to_owned()).collect();
    for id in &ids[1..] {
        there[0].event_with("nearby", "id", id);
    }
    let start = Instant::now();
    let mut alice = field.node("alice");
    alice.event_with("nearby", "id", &ids[0]);
    alice.asks(&format!(r"\chat {}", ids[0]));
    alice.types("hello");
    hears(&mut there[0], &["hello".to_owned()]);
    start.elapsed()
}

fn twelve(field: &Field) -> Duration {
    let names: Vec<String> = (1..=12).map(|n| format!("node{n}")).collect();
    hall(field, &names.iter().map(String::as_str).collect::<Vec<_>>());
    let start = Instant::now();
    let mut nodes: Vec<Node> = names.iter().map(|name| field.node_soon(name, name, &[])).collect();
    for node in &mut nodes {
        node.ready = node.event("ready");
    }
    let ids: Vec<String> = nodes.iter().map(|node| node.id().to_owned()).collect();
    for (n, node) in nodes.iter_mut().enumerate() {
        for id in ids.iter().enumerate().filter(|(other, _)| *other != n).map(|(_, id)| id) {
            node.event_with("nearby", "id", id);
        }
    }
    start.elapsed()
}

fn plugged(field: &Field) -> Duration {
    field.switch("hall");
    field.host("alice");
    field.host("bob");
    let (mut alice, mut bob) = (field.node("alice"), field.node("bob"));
    field.pass(Duration::from_secs(5));
    let start = Instant::now();
    for (host, address) in [("alice", "10.0.0.1/24"), ("bob", "10.0.0.2/24")] {
        field.plug(host, "eth0", "hall");
        field.address(host, "eth0", address);
    }
    befriend(&mut alice, &mut bob);
    talk(&mut alice, &mut bob, "at last");
    start.elapsed()
}

fn cut(field: &Field, length: u64) -> Duration {
    let (mut alice, mut bob) = pair(field);
    field.cut("bob");
    let (of_alice, of_bob) = (lines("alice", "in the dark", 20), lines("bob", "in the dark", 20));
    types(&mut alice, &of_alice);
    types(&mut bob, &of_bob);
    field.pass(Duration::from_secs(length));
    field.mend("bob", "hall");
    let start = Instant::now();
    hears(&mut alice, &of_bob);
    hears(&mut bob, &of_alice);
    let took = start.elapsed();
    ends_with_nothing_left(alice);
    ends_with_nothing_left(bob);
    took
}

fn joined(field: &Field) -> Duration {
    field.switch("hall");
    field.switch("yard");
    field.desk("alice", "hall", "10.0.0.1/24");
    field.desk("bob", "yard", "10.0.0.2/24");
    let (mut alice, mut bob) = (field.node("alice"), field.node("bob"));
    field.pass(Duration::from_secs(60));
    field.join("hall", "yard");
    let start = Instant::now();
    befriend(&mut alice, &mut bob);
    talk(&mut alice, &mut bob, "after all");
    start.elapsed()
}

fn moved(field: &Field) -> Duration {
    let (mut alice, mut bob) = pair(field);
    field.pass(Duration::from_secs(3));
    for host in ["alice", "bob"] {
        field.without_ipv6(host);
    }
    field.readdress("alice", "eth0", "10.0.7.1/24");
    field.readdress("bob", "eth0", "10.0.7.2/24");
    let start = Instant::now();
    talk(&mut alice, &mut bob, "elsewhere");
    let took = start.elapsed();
    ends_with_nothing_left(alice);
    ends_with_nothing_left(bob);
    took
}

fn flapping(field: &Field) -> Duration {
    let (mut alice, mut bob) = pair(field);
    let (of_alice, of_bob) = (lines("alice", "in between", 15), lines("bob", "in between", 15));
    let mut start = Instant::now();
    for n in 0..15 {
        field.pull("bob");
        types(&mut alice, &of_alice[n..=n]);
        types(&mut bob, &of_bob[n..=n]);
        field.pass(Duration::from_secs(1));
        field.put_back("bob");
        start = Instant::now();
        field.pass(Duration::from_secs(if n < 14 { 1 } else { 0 }));
    }
    hears(&mut alice, &of_bob);
    hears(&mut bob, &of_alice);
    let took = start.elapsed();
    ends_with_nothing_left(alice);
    ends_with_nothing_left(bob);
    took
}

fn killed(field: &Field) -> Duration {
    let (mut alice, bob) = pair(field);
    let session = bob.session().to_owned();
    field.pass(Duration::from_secs(5));
    let start = Instant::now();
    bob.killed();
    alice.event_with("offline", "session", &session);
    start.elapsed()
}

fn lossy(field: &Field) -> Duration {
    hall(field, &["alice", "bob"]);
    for host in ["alice", "bob"] {
        // At both ends of the cable: 0.84 squared is 0.7.
        field.lose(host, 16);
    }
    let start = Instant::now();
    let (mut alice, mut bob) = (field.node("alice"), field.node("bob"));
    meet(&mut alice, &mut bob);
    alice.chats_with(&mut bob);
    bob.asks(r"\chat alice");
    talk(&mut alice, &mut bob, "through the noise");
    start.elapsed()
}
