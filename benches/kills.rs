//! Checks that no message is lost or shown twice over a relay, however often each of the three nodes is killed.
//!
//! `cargo bench --bench kills [-- --minutes N]` repeats one scenario for this long (60 minutes): alice and bob, on
//! separate links with a relay between them, write a hundred messages each while one or several of the three programs
//! are killed (SIGKILL) about every ten messages. It stops at the first run that violates a guarantee, and prints the
//! seed of that run.
#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

#[path = "../tests/netns/field.rs"]
mod field;
#[path = "../tests/netns/kills.rs"]
mod kills;
#[path = "../tests/program/mod.rs"]
mod program;
#[path = "../tests/promise/mod.rs"]
mod promise;

use std::time::{Duration, Instant};

use darknode::node::clock::random;
use field::Field;

/// Messages that each of the two writes in a run.
const LINES: u64 = 100;
/// The time limit of a run.
const LONGEST: Duration = Duration::from_secs(900);

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    if field::is_inside() {
        let seed = args[0].parse().expect("the parent gives a number");
        let outcome = kills::over_a_relay(&Field::new(), seed, LINES);
        return println!("{} {}", outcome.lines, outcome.kills);
    }
    let minutes: u64 = match args.as_slice() {
        [flag, number] if flag == "--minutes" => number.parse().expect("a number of minutes"),
        _ => 60,
    };
    let (start, mut sums) = (Instant::now(), [0u64; 3]);
    while start.elapsed() < Duration::from_secs(minutes * 60) {
        let [lines, kills] = one(u64::from_be_bytes(random()));
        sums = [sums[0] + 1, sums[1] + lines, sums[2] + kills];
        eprintln!("{} runs, {} lines, {} kills", sums[0], sums[1], sums[2]);
    }
    let [runs, lines, kills] = sums;
    println!(
        "{runs} runs in {minutes} minutes: {lines} lines typed and shown once, {kills} kills, none lost, none twice"
    );
}

/// One run in namespaces of its own. Returns the numbers of messages and kills.
fn one(seed: u64) -> [u64; 2] {
    let Some(mut command) = field::myself_inside(LONGEST) else { std::process::exit(0) };
    let output = command.arg(seed.to_string()).output().expect("it starts");
    let said = String::from_utf8_lossy(&output.stdout);
    let numbers: Option<Vec<u64>> =
        said.lines().last().map(|line| line.split(' ').filter_map(|number| number.parse().ok()).collect());
    match numbers.as_deref() {
        Some([lines, kills]) if output.status.success() => [*lines, *kills],
        _ => panic!("seed {seed}: {said}{}", String::from_utf8_lossy(&output.stderr)),
    }
}
