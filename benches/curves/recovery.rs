//! The time until everybody sees whom they should: after a partition, a restart, and a cold start.

use std::ops::Range;
use std::time::Duration;

use darknode::sim::net::NodeIndex;
use darknode::sim::scenario::{Harness, Params, Progress, Scenario};
use darknode::time::Moment;

use super::Scale;
use super::samples::{Found, Job};
use super::svg::number;

/// Seconds at which visibility is sampled.
const LOOKS: [f64; 18] =
    [0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 7.0, 10.0, 15.0, 20.0, 30.0, 60.0, 120.0, 300.0];
/// Duration of the partition.
const APART: Duration = Duration::from_secs(3600);
/// Percentage of nodes that keep their address.
const TRUE_ADDRESSES: u8 = 20;

/// A scenario up to the moment at which measuring starts.
#[derive(Clone, Copy)]
struct Case {
    about: &'static str,
    /// Charts: visibility, messages and bytes per node, time until all are seen, and messages before.
    charts: [&'static str; 5],
    large: bool,
    /// Prepares the world. Returns the nodes to be started within the following second.
    prepare: fn(&mut Harness) -> Range<NodeIndex>,
}

const CASES: [Case; 3] = [
    Case {
        about: "partition",
        charts: [
            "partition",
            "partition: messages",
            "partition: bytes",
            "partition: all seen, s",
            "partition: before it",
        ],
        large: false,
        prepare: part,
    },
    Case {
        about: "restart",
        charts: ["restart", "restart: messages", "restart: bytes", "restart: all seen, s", "restart: before it"],
        large: false,
        prepare: restart,
    },
    Case {
        about: "cold start",
        charts: [
            "coldstart",
            "coldstart-messages",
            "coldstart: bytes",
            "coldstart: all seen, s",
            "coldstart: before it",
        ],
        large: true,
        prepare: start_cold,
    },
];

pub fn jobs(scale: Scale) -> Vec<Job> {
    let mut jobs = Vec::new();
    for case in CASES {
        for (nodes, seeds) in [if case.large { scale.large } else { scale.middle }, scale.small] {
            for seed in 1..=seeds {
                let about = format!("{} of {nodes}, seed {seed}", case.about);
                jobs.push(Job::new(about, move || measure(case, nodes, seed)));
            }
        }
    }
    jobs
}

fn part(harness: &mut Harness) -> Range<NodeIndex> {
    harness.warm_up();
    let half = harness.sim.nodes.len() / 2;
    harness.sim.split(|node| u32::from(node >= half));
    harness.run(APART);
    harness.sim.join();
    0..0
}

fn restart(harness: &mut Harness) -> Range<NodeIndex> {
    let server = harness.add_server();
    harness.warm_up();
    (0..=server).for_each(|node| harness.sim.crash(node));
    harness.run(Duration::from_secs(60));
    let stay = harness.choose(TRUE_ADDRESSES, server);
    (0..server).filter(|node| !stay.contains(node)).for_each(|node| harness.move_to_new_address(node));
    0..server
}

fn start_cold(harness: &mut Harness) -> Range<NodeIndex> {
    let server = harness.add_server();
    harness.preload_links_by_name();
    harness.sim.start(server);
    0..server
}

/// Runs a scenario and samples visibility.
fn measure(case: Case, nodes: usize, seed: u64) -> Found {
    let [chart, messages, bytes, all_seen, earlier] = case.charts;
    let params = Params::new(Scenario::Partition, nodes, seed);
    let mut quiet = |_: Progress| {};
    let mut harness = Harness::new(&params, &mut quiet);
    let mut waiting = (case.prepare)(&mut harness);
    let line = format!("{} nodes", number(nodes as f64));
    let (begin, before) = (harness.sim.now(), harness.sim.traffic());
    let mut found = Found::default();
    found.note(earlier, &line, seed as f64, before.messages() as f64 / nodes as f64);
    let (mut seen, mut all) = (Vec::new(), None);
    for look in LOOKS {
        let moment = begin + Duration::from_secs_f64(look);
        start_until(&mut harness, &mut waiting, begin, moment);
        if all.is_none() && waiting.is_empty() {
            let left = moment.since(harness.sim.now());
            all =
                harness.until(left, |harness| harness.visibility_is_correct()).map(|_| harness.sim.now().since(begin));
        }
        harness.run(moment.since(harness.sim.now()));
        let (sights, spent) = (harness.visibility(), harness.sim.traffic().since(&before));
        seen.push((look, sights.must - sights.missing.len() as u64, sights.must));
        found.note(messages, &line, look, spent.messages() as f64 / nodes as f64);
        found.note(bytes, &line, look, spent.bytes as f64 / nodes as f64);
    }
    // Relative to the final number: while nodes are being started there are fewer.
    let must = seen.last().map_or(1, |(_, _, must)| *must).max(1) as f64;
    seen.into_iter().for_each(|(look, seen, _)| found.note(chart, &line, look, 100.0 * seen as f64 / must));
    match all {
        Some(all) => found.note(all_seen, &line, seed as f64, all.as_secs_f64()),
        None => found.broken.push(format!("{} of {nodes}, seed {seed}: not all seen in 300 s", case.about)),
    }
    found.add_violations(&format!("{} of {nodes}, seed {seed}", case.about), harness.finish().broken);
    found
}

/// Starts the nodes that are due by a moment, spread over a second.
fn start_until(harness: &mut Harness, waiting: &mut Range<NodeIndex>, begin: Moment, moment: Moment) {
    let second = Duration::from_secs(1);
    while let Some(due) = waiting.clone().next().map(|node| begin + second * node as u32 / waiting.end as u32) {
        if due > moment {
            return;
        }
        harness.run(due.since(harness.sim.now()));
        waiting.next().into_iter().for_each(|node| harness.sim.start(node));
    }
}
