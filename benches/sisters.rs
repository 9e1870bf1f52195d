//! Several sessions of one user, as real nodes in network namespaces: how long until a new machine shows its first line,
//! what a long history costs to get and to keep, and how soon a line is shown on the other session of its author.
//!
//! `cargo bench --bench sisters [-- linking | history [LINES] | beside]`; default: all, with 100,000 lines.
#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

#[path = "common/conditions.rs"]
mod conditions;
#[path = "../tests/netns/field.rs"]
mod field;
#[path = "common/median.rs"]
mod median;
#[path = "../tests/program/mod.rs"]
mod program;
#[path = "../tests/netns/talk.rs"]
mod talk;

use std::path::Path;
use std::time::{Duration, Instant};

use field::{Field, PORT};
use median::median;
use program::Node;
use serde_json::Value;
use talk::pair;

const PARTS: [&str; 3] = ["linking", "history", "beside"];
const ROUNDS: usize = 10;
/// Lines of the history in `linking`: what a screen shows.
const SCREEN: usize = 20;
const HISTORY: usize = 100_000;
/// Bytes of each line of a long history.
const LENGTH: usize = 100;
/// Machines that are linked to the first one and get the long history.
const MACHINES: usize = 3;
/// Lines per round of `beside`, typed one by one.
const ALONE: usize = 50;
/// How long output is waited for before a part fails.
const STALLED: Duration = Duration::from_secs(60);
/// The time limit of a part.
const LONGEST: Duration = Duration::from_secs(900);

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    if field::is_inside() {
        let lines = args.get(1).map_or(HISTORY, |lines| lines.parse().expect("a number of lines"));
        return match args[0].as_str() {
            "linking" => linking(&Field::new()),
            "history" => history(&Field::new(), lines),
            "beside" => beside(&Field::new()),
            part => panic!("{part} is none of {PARTS:?}"),
        };
    }
    conditions::conditions();
    let parts = if args.is_empty() { PARTS.map(|part| vec![part.to_owned()]).to_vec() } else { vec![args] };
    for part in parts {
        let Some(mut command) = field::myself_inside(LONGEST) else { return };
        let status = command.args(&part).status().expect("timeout is there, as unshare is");
        assert!(status.success(), "{part:?}: {status}");
    }
    conditions::conditions();
}

/// Alice and bob, who have written this many lines to each other. Bob is not running any more.
fn with_history(field: &Field, lines: usize) -> Node {
    let (mut alice, mut bob) = pair(field);
    for node in [&mut alice, &mut bob] {
        for n in 0..lines / 2 {
            let text = format!("{} {n} ", node.name);
            node.types(&format!("{text:x<LENGTH$}"));
        }
    }
    count(&mut bob, lines / 2, |event| event["event"] == "message");
    count(&mut alice, lines, |event| event["event"] == "message" || event["state"] == "delivered");
    bob.quits();
    alice.event("offline");
    alice
}

/// Waits for this many events. Others that come before are discarded.
fn count(node: &mut Node, mut left: usize, fits: impl Fn(&Value) -> bool) {
    let mut last = Instant::now();
    while left > 0 {
        let events = node.listens(Duration::from_millis(100));
        let fitting = events.iter().filter(|event| fits(event)).count();
        last = if fitting > 0 { Instant::now() } else { last };
        assert!(last.elapsed() < STALLED, "{} misses {left} events", node.name);
        left = left.saturating_sub(fitting);
    }
}

/// A machine on a host of its own that waits to be linked, and its code.
fn waiting(field: &Field, host: &str, dir: &str) -> (Node, String) {
    let mut node = field.run_on(host, dir, field.bed.node(dir).waiting().port(PORT));
    node.ready = node.event("ready");
    let code = node.shown("code");
    (node, code)
}

fn linking(field: &Field) {
    let mut alice = with_history(field, SCREEN);
    field.desk("laptop", "hall", "10.0.0.11/24");
    let (mut firsts, mut alls) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let (mut laptop, code) = waiting(field, "laptop", &format!("laptop{round}"));
        let begin = Instant::now();
        let line = alice.types(&format!(r"\link {code}"));
        laptop.event("message");
        firsts.push(begin.elapsed().as_secs_f64());
        laptop.wait("all", |event| event["event"] == "mirrored" && event["complete"] == true);
        alls.push(begin.elapsed().as_secs_f64());
        assert_eq!(alice.answer(line)["state"], "linked");
        alice.asks(&format!(r"\unlink {}", laptop.session()));
        laptop.killed();
    }
    print("code typed until the first line is shown on the new machine", "s", &firsts);
    print(&format!("code typed until all {SCREEN} lines are shown there"), "s", &alls);
}

fn history(field: &Field, lines: usize) {
    let mut alice = with_history(field, lines);
    let mut machines = Vec::new();
    let (mut times, mut bytes, mut firsts) = (Vec::new(), Vec::new(), Vec::new());
    for nth in 0..MACHINES {
        let host = format!("machine{nth}");
        field.desk(&host, "hall", &format!("10.0.0.{}/24", 11 + nth));
        let (mut new, code) = waiting(field, &host, &host);
        let (begin, before) = (Instant::now(), field.bytes(&host));
        alice.types(&format!(r"\link {code}"));
        new.event("message");
        firsts.push(begin.elapsed().as_secs_f64());
        count(&mut new, lines - 1, |event| event["event"] == "message");
        times.push(begin.elapsed().as_secs_f64());
        bytes.push((field.bytes(&host) - before) as f64 / 1e6);
        machines.push(new);
    }
    print(&format!("code typed until {lines} lines of {LENGTH} bytes are shown"), "s", &times);
    print("of these, until the first is shown", "s", &firsts);
    for (n, bytes) in bytes.iter().enumerate() {
        print(&format!("bytes at the new machine with all headers; sessions that give: {}", n + 1), "MB", &[*bytes]);
    }
    machines.insert(0, alice);
    let mebibytes =
        |name: &str| -> Vec<f64> { machines.iter().map(|node| node.memory(name) as f64 / 1024.0).collect() };
    print("memory of each session afterwards", "MiB", &mebibytes("VmRSS"));
    print("the most of it", "MiB", &mebibytes("VmHWM"));
    let disk: Vec<f64> =
        machines.iter().map(|node| size(&field.bed.path(&node.name)) as f64 / 1024.0 / 1024.0).collect();
    print("disk of each session", "MiB", &disk);
}

/// Bytes of the files in a directory.
fn size(dir: &Path) -> u64 {
    let files = std::fs::read_dir(dir).expect("it is a directory").flatten();
    files.map(|file| file.metadata().map_or(0, |file| file.len())).sum()
}

fn beside(field: &Field) {
    let (mut alice, mut bob) = pair(field);
    field.desk("laptop", "hall", "10.0.0.11/24");
    let (mut laptop, code) = waiting(field, "laptop", "laptop");
    alice.asks(&format!(r"\link {code}"));
    laptop.has_joined(&alice);
    laptop.event_with("online", "user", "bob");
    let (mut direct, mut beside, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let (mut of_bob, mut of_laptop) = (Vec::new(), Vec::new());
        for n in 0..ALONE {
            let text = format!("round {round} line {n}");
            let begin = Instant::now();
            alice.types(&text);
            let [at_bob, at_laptop] = std::thread::scope(|scope| {
                let waits = [&mut bob, &mut laptop].map(|node| scope.spawn(|| shown(node, &text, begin)));
                waits.map(|wait| wait.join().expect("the line is shown"))
            });
            of_bob.push(at_bob);
            of_laptop.push(at_laptop);
        }
        ratios.push(median(&of_laptop) / median(&of_bob));
        direct.extend(of_bob);
        beside.extend(of_laptop);
    }
    print("a line until it is shown to the addressee", "ms", &direct);
    print("until it is shown on the other session of its author", "ms", &beside);
    print(&format!("ratio of the medians of {ALONE} lines"), "x", &ratios);
}

/// Milliseconds until a node shows a text.
fn shown(node: &mut Node, text: &str, begin: Instant) -> f64 {
    node.event_with("message", "text", text);
    begin.elapsed().as_secs_f64() * 1000.0
}

fn print(what: &str, unit: &str, values: &[f64]) {
    let worst = values.iter().copied().fold(0.0, f64::max);
    println!("{what:70} median {:9.3} {unit:3} worst {worst:9.3}   n {}", median(values), values.len());
}
