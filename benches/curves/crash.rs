//! A share of the nodes is gone from one moment to the next, silently.

use darknode::sim::scenario::{Params, Scenario, run};
use darknode::sim::topology::Topology;

use super::Scale;
use super::samples::{Found, Job};

const PERCENT: [u8; 5] = [30, 50, 70, 80, 90];

pub fn jobs(scale: Scale) -> Vec<Job> {
    let mut jobs = Vec::new();
    for (nodes, seeds) in [scale.large, scale.small] {
        for (crash, seed) in pairs(seeds) {
            let order = Params { crash, ..Params::new(Scenario::Crash, nodes, seed) };
            jobs.push(Job::new(format!("crash of {crash} % of {nodes}, seed {seed}"), move || survive(&order)));
        }
    }
    let nodes = scale.middle.0;
    for (line, closed) in [("closed network", true), ("open network", false)] {
        for (crash, seed) in pairs(1) {
            let topology = Topology::Clustered;
            let order = Params { crash, topology, closed, ..Params::new(Scenario::Crash, nodes, seed) };
            let about = format!("crash of {crash} % of {nodes}, {line}, seed {seed}");
            jobs.push(Job::new(about, move || shatter(&order, line)));
        }
    }
    jobs
}

fn pairs(seeds: u64) -> impl Iterator<Item = (u8, u64)> {
    PERCENT.into_iter().flat_map(move |crash| (1..=seeds).map(move |seed| (crash, seed)))
}

/// Members of a closed network whose friends are anybody.
fn survive(order: &Params) -> Found {
    let line = format!("darknode, {} nodes", super::svg::number(order.nodes as f64));
    let line = line.as_str();
    take(
        order,
        &[
            ("crash-piece", line, "crash_largest_piece", 100.0),
            ("crash-broadcast", line, "first_broadcast_reliability", 100.0),
            ("crash: whole, s", line, "crash_healed_ms", 0.001),
            ("crash-messages", line, "crash_messages", 1.0),
            ("crash: bytes each", line, "crash_bytes", 1.0),
            ("crash: meant for", line, "first_broadcast_concerned", 1.0),
            ("crash: all reliable, s", line, "crash_reliable_ms", 0.001),
            ("crash: seen at end, %", line, "crash_seen", 100.0),
            ("crash: connections", line, "connections", 1.0),
            ("crash: not friends, %", line, "random_links", 100.0),
        ],
    )
}

/// People whose friends are friends of each other.
fn shatter(order: &Params, line: &str) -> Found {
    let later = format!("{line}, 2 min later");
    take(
        order,
        &[
            ("crash-clustered", line, "crash_largest_piece", 100.0),
            ("crash-clustered", &later, "crash_end_piece", 100.0),
        ],
    )
}

/// Plays, and takes figures: for which chart and line, by which key, times how much.
fn take(order: &Params, figures: &[(&'static str, &str, &str, f64)]) -> Found {
    let report = run(order, &mut |_| {});
    let mut found = Found::default();
    let which = format!("crash of {} % of {}, seed {}", order.crash, order.nodes, order.seed);
    for (figure, line, key, unit) in figures {
        match report.number(key).filter(|value| value.is_finite()) {
            Some(value) => found.note(figure, line, f64::from(order.crash), value * unit),
            None => found.broken.push(format!("{which}: {key} never came to pass")),
        }
    }
    found.blame(&which, report.broken);
    found
}
