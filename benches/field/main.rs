//! Figures from virtual networks: how long real nodes take to discover each other and to recover, and what that
//! costs.
//!
//! `cargo bench --bench field [-- [--times N] [--at-once N] [SCENARIO…]]` runs each scenario N times (10), every run
//! in namespaces of its own, and prints a table (median, worst, number of runs) and one line of JSON per scenario.
//! Scenarios that need an idle machine run first, one run at a time. Then the others run, several at once (5),
//! together with all runs of the scenarios that last ten minutes, which mostly wait. Everything takes about half an
//! hour. A lost or duplicated message is a figure here, not an error.
#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

mod cost;
mod figures;
mod islands;
mod meeting;
mod nat;
mod outage;
mod process;
mod setup;

#[path = "../../tests/netns/chain.rs"]
mod chain;
#[path = "../../tests/netns/field.rs"]
mod field;
#[path = "../../tests/netns/internet.rs"]
mod internet;
#[path = "../../tests/program/mod.rs"]
mod program;
#[path = "../../tests/netns/talk.rs"]
mod talk;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use field::Field;
use figures::{Figures, Table};

/// How a scenario is scheduled.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Alone, as its figures depend on the CPU.
    Quiet,
    Usual,
    /// Lasts ten minutes, mostly waiting.
    Long,
}

struct Scenario {
    name: &'static str,
    what: &'static str,
    kind: Kind,
    run: fn(&Field) -> Figures,
}

const fn scenario(name: &'static str, kind: Kind, run: fn(&Field) -> Figures, what: &'static str) -> Scenario {
    Scenario { name, what, kind, run }
}

const SCENARIOS: [Scenario; 32] = [
    scenario("newcomer", Kind::Quiet, meeting::newcomer, "started on a link with four people: start → line shown"),
    scenario("message", Kind::Quiet, cost::message, "one line at a time, typed → shown and stored"),
    scenario("thousand", Kind::Quiet, cost::thousand, "a thousand lines typed at once → all shown"),
    scenario("idle1", Kind::Usual, |field| cost::idle(field, 1), "a minute with one neighbour"),
    scenario("idle9", Kind::Usual, |field| cost::idle(field, 9), "a minute with nine neighbours"),
    scenario("twelve", Kind::Quiet, meeting::twelve, "twelve started at once → everybody has met everybody"),
    scenario(
        "plugged",
        Kind::Usual,
        meeting::plugged,
        "cable plugged in after the start, no device before → first lines",
    ),
    scenario(
        "joined60",
        Kind::Usual,
        |field| meeting::joined(field, 60),
        "two switches joined after 60 s → strangers' first lines",
    ),
    scenario(
        "cut10",
        Kind::Usual,
        |field| outage::cut(field, 10),
        "silent cut of 10 s, 20 lines each way: mended → all shown",
    ),
    scenario(
        "cut60",
        Kind::Usual,
        |field| outage::cut(field, 60),
        "silent cut of 60 s, 20 lines each way: mended → all shown",
    ),
    scenario("moved", Kind::Usual, outage::moved, "both change their IPv4 address, no IPv6 → five lines each way"),
    scenario(
        "slept",
        Kind::Usual,
        outage::slept,
        "one host stopped for a minute, as asleep: awake → five lines each way",
    ),
    scenario(
        "lossy",
        Kind::Usual,
        outage::lossy,
        "30 % of packets lost: both started → first lines; then one at a time",
    ),
    scenario("killed", Kind::Usual, process::killed, "a peer is killed → shown as lost"),
    scenario(
        "stalled",
        Kind::Usual,
        process::stalled,
        "a peer stops for 8 s: goes on → five lines each way; shown as lost",
    ),
    scenario(
        "restarts",
        Kind::Usual,
        process::restarts,
        "both killed and started six times while 200 lines flow: last start → all",
    ),
    scenario(
        "receiver",
        Kind::Usual,
        process::receiver,
        "receiver killed in a burst of 200 lines: started again → all shown",
    ),
    scenario(
        "sender",
        Kind::Usual,
        process::sender,
        "sender killed at line 80 of 200: started again → all it took are shown",
    ),
    scenario(
        "absent",
        Kind::Usual,
        process::absent,
        "20 lines to an absent user, sender killed, both started → all shown",
    ),
    scenario("left", Kind::Usual, process::left, "20 lines to an absent user, sender quit, both started → all shown"),
    scenario(
        "line3",
        Kind::Quiet,
        |field| islands::line(field, 3),
        "hosts on three islands, a relay between each two, all started → the ends' first lines; 50 each way",
    ),
    scenario("line5", Kind::Quiet, |field| islands::line(field, 5), "the same with five"),
    scenario("line10", Kind::Quiet, |field| islands::line(field, 10), "the same with ten"),
    scenario("mule", Kind::Usual, islands::mule, "ten lines carried by a mobile relay: plugged in there → all shown"),
    scenario("natkept", Kind::Usual, nat::kept, "both behind NAT that keeps ports, a server: start → first lines"),
    scenario("natrandom", Kind::Usual, nat::random, "the same behind NAT with random ports (symmetric)"),
    scenario("natcgn", Kind::Usual, nat::provider, "the same, one of them behind two NATs in a row that keep ports"),
    scenario("natrest", Kind::Usual, nat::forgetful, "NAT time-outs of 20 s, a minute of rest → five lines each way"),
    scenario(
        "natserver",
        Kind::Usual,
        nat::server_killed,
        "server killed for 20 s: started again → both connected with it; five lines each way",
    ),
    scenario(
        "natmoved",
        Kind::Usual,
        nat::renumbered,
        "NAT without uplink for 5 s, then another address → direct again; five lines each way",
    ),
    scenario(
        "joined600",
        Kind::Long,
        |field| meeting::joined(field, 600),
        "two switches joined after 10 min → strangers' first lines",
    ),
    scenario(
        "flapping",
        Kind::Long,
        outage::flapping,
        "carrier off and on every 1 to 6 s for 10 min, lines meanwhile: last on → all",
    ),
];

/// The time limit of a run.
const LONGEST: Duration = Duration::from_secs(900);
/// Interval between the starts of long runs: only starting is expensive.
const APART: Duration = Duration::from_secs(2);

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    if field::is_inside() {
        let scenario = SCENARIOS.iter().find(|scenario| scenario.name == args[0]).expect("the parent knows it");
        return println!("{}", (scenario.run)(&Field::new()).to_line());
    }
    let number = |flag: &str, default| {
        let at = args.iter().position(|arg| arg == flag);
        at.map_or(default, |at| args[at + 1].parse().expect("a number follows"))
    };
    let (times, at_once) = (number("--times", 10), number("--at-once", 5));
    let named = |scenario: &&Scenario| args.iter().any(|arg| arg == scenario.name);
    let all = !SCENARIOS.iter().any(|scenario| named(&scenario));
    let chosen: Vec<&Scenario> = SCENARIOS.iter().filter(|scenario| all || named(scenario)).collect();
    println!("{} runs each, {at_once} at once, {} program", times, figures::profile());
    println!("load before: {}", load());
    let tables = run_all(&chosen, times, at_once);
    println!("load after: {}", load());
    Table::head();
    for scenario in &chosen {
        tables[scenario.name].print(scenario.what);
    }
    for scenario in &chosen {
        println!("{}", tables[scenario.name].to_json());
    }
}

fn load() -> String {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

/// Runs the scenarios that need an idle machine first, then the rest.
fn run_all(chosen: &[&Scenario], times: usize, at_once: usize) -> BTreeMap<&'static str, Table> {
    let tables: BTreeMap<_, _> = chosen.iter().map(|one| (one.name, Table::new(one.name))).collect();
    let tables = Mutex::new(tables);
    let of = |kind| chosen.iter().filter(move |scenario| scenario.kind == kind);
    let queue = |kind| (0..times).flat_map(|_| of(kind).map(|scenario| scenario.name)).collect::<Vec<_>>();
    let note = |name: &'static str| {
        let outcome = one(name);
        eprintln!("{name}: {}", outcome.as_ref().map_or("failed".to_owned(), Figures::to_line));
        tables
            .lock()
            .expect("no thread panics while it holds the lock")
            .get_mut(name)
            .expect("it was chosen")
            .add(outcome);
    };
    queue(Kind::Quiet).into_iter().for_each(note);
    let usual = Mutex::new(queue(Kind::Usual).into_iter());
    std::thread::scope(|scope| {
        for (n, name) in queue(Kind::Long).into_iter().enumerate() {
            scope.spawn(move || {
                std::thread::sleep(APART * n as u32);
                note(name);
            });
        }
        for _ in 0..at_once {
            scope.spawn(|| {
                while let Some(name) = { usual.lock().expect("no thread panics while it holds the lock").next() } {
                    note(name);
                }
            });
        }
    });
    tables.into_inner().expect("no thread panics while it holds the lock")
}

/// One run in a process and namespaces of its own; `None` if it failed, after printing why.
fn one(name: &str) -> Option<Figures> {
    let Some(mut command) = field::myself_inside(LONGEST) else { std::process::exit(0) };
    let output = command.arg(name).output().expect("it starts");
    let said = String::from_utf8_lossy(&output.stdout);
    let figures = output.status.success().then(|| said.lines().find_map(Figures::from_line)).flatten();
    if figures.is_none() {
        eprintln!("{name} failed: {said}{}", String::from_utf8_lossy(&output.stderr));
    }
    figures
}
