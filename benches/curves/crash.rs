//! A share of the nodes crashes silently at once.

use darknode::sim::scenario::{Params, Scenario, run};
use darknode::sim::topology::Topology;

use super::Scale;
use super::samples::{Found, Job};

const PERCENT: [u8; 5] = [30, 50, 70, 80, 90];

pub fn jobs(scale: Scale) -> Vec<Job> {
    let mut jobs = Vec::new();
    for (nodes, seeds) in [scale.large, scale.small] {
        for (crash, seed) in pairs(seeds) {
            let params = Params { crash, ..Params::new(Scenario::Crash, nodes, seed) };
            jobs.push(Job::new(format!("crash of {crash} % of {nodes}, seed {seed}"), move || survive(&params)));
        }
    }
    let nodes = scale.middle.0;
    for (line, closed) in [("closed network", true), ("open network", false)] {
        for (crash, seed) in pairs(1) {
            let topology = Topology::Clustered;
            let params = Params { crash, topology, closed, ..Params::new(Scenario::Crash, nodes, seed) };
            let about = format!("crash of {crash} % of {nodes}, {line}, seed {seed}");
            jobs.push(Job::new(about, move || shatter(&params, line)));
        }
    }
    jobs
}

fn pairs(seeds: u64) -> impl Iterator<Item = (u8, u64)> {
    PERCENT.into_iter().flat_map(move |crash| (1..=seeds).map(move |seed| (crash, seed)))
}

/// Members of a closed network with random friends.
fn survive(params: &Params) -> Found {
    let line = format!("darknode, {} nodes", super::svg::number(params.nodes as f64));
    let line = line.as_str();
    take(
        params,
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

/// Users whose friends are linked with each other.
fn shatter(params: &Params, line: &str) -> Found {
    let later = format!("{line}, 2 min later");
    take(
        params,
        &[
            ("crash-clustered", line, "crash_largest_piece", 100.0),
            ("crash-clustered", &later, "crash_end_piece", 100.0),
        ],
    )
}

/// Runs a scenario and takes figures: chart, line, key and factor.
fn take(params: &Params, figures: &[(&'static str, &str, &str, f64)]) -> Found {
    let report = run(params, &mut |_| {});
    let mut found = Found::default();
    let which = format!("crash of {} % of {}, seed {}", params.crash, params.nodes, params.seed);
    for (figure, line, key, unit) in figures {
        match report.number(key).filter(|value| value.is_finite()) {
            Some(value) => found.note(figure, line, f64::from(params.crash), value * unit),
            None => found.broken.push(format!("{which}: {key} never came to pass")),
        }
    }
    found.add_violations(&which, report.broken);
    found
}
