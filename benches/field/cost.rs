//! The cost of an idle node and of a message.

use std::time::{Duration, Instant};

use crate::field::Field;
use crate::figures::Figures;
use crate::program::Node;
use crate::setup::{Tally, counts, hall};
use crate::talk::{befriend, hears, lines, pair, types};

/// Time for handshakes and the first rounds of mDNS to complete.
const SETTLE: Duration = Duration::from_secs(15);
const WATCH: Duration = Duration::from_secs(60);

/// The cost of one node: CPU, memory, and the traffic of its interface in both directions, including mDNS and all
/// headers.
pub fn idle(field: &Field, neighbours: usize) -> Figures {
    let names: Vec<String> = (0..=neighbours).map(|n| format!("node{n}")).collect();
    hall(field, &names.iter().map(String::as_str).collect::<Vec<_>>());
    let mut nodes: Vec<Node> = names.iter().map(|name| field.node(name)).collect();
    let (one, others) = nodes.split_first_mut().expect("there is one");
    others.iter_mut().for_each(|other| befriend(one, other));
    field.pass(SETTLE);
    let (begin, bytes, cpu) = (Instant::now(), field.bytes("node0"), one.cpu_time());
    field.pass(WATCH);
    let seconds = begin.elapsed().as_secs_f64();
    let rate = (field.bytes("node0") - bytes) as f64 / seconds;
    let share = (one.cpu_time() - cpu).as_secs_f64() / seconds * 100.0;
    let memory = one.memory("VmRSS") as f64 / 1024.0;
    Figures::new().with("% of a core", share).with("MiB", memory).with("B/s", rate)
}

/// The median of a hundred messages in a run.
pub fn message(field: &Field) -> Figures {
    let (mut alice, mut bob) = pair(field);
    let mut each = Vec::new();
    for n in 0..100 {
        let typed = Instant::now();
        alice.types(&format!("line {n}"));
        hears(&mut bob, &[format!("line {n}")]);
        each.push(typed.elapsed());
        field.pass(Duration::from_millis(60));
    }
    each.sort_unstable();
    let millis = |at: usize| each[at].as_secs_f64() * 1000.0;
    Figures::new().with("p50 ms", millis(50)).with("p99 ms", millis(98))
}

pub fn thousand(field: &Field) -> Figures {
    let (mut alice, mut bob) = pair(field);
    let texts = lines("alice", "of many", 1000);
    let mut tally = Tally::of(&texts);
    let start = Instant::now();
    types(&mut alice, &texts);
    let took = tally.complete(&mut bob, start);
    tally.close(field, bob);
    counts(Figures::new().seconds("all shown", took), &[tally])
}
