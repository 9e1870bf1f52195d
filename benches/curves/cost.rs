//! The cost of a change, and the traffic of an idle network.

use std::time::Duration;

use darknode::sim::scenario::{Harness, Params, Progress, Scenario};

use super::Scale;
use super::samples::{Found, Job};

/// Links per node.
const DEGREES: [usize; 3] = [6, 10, 20];
/// Packet loss in percent.
const LOSSES: [u8; 2] = [0, 30];
/// Number of nodes that announce a change, one after the other.
const CHANGES: usize = 20;
/// Time for the network to settle after the start.
const SETTLE: Duration = Duration::from_secs(600);
const SPREAD: Duration = Duration::from_secs(10);
const MINUTES: usize = 70;

pub fn jobs(scale: Scale) -> Vec<Job> {
    let mut jobs = Vec::new();
    for degree in DEGREES {
        for loss in LOSSES {
            let params = Params { degree, loss, ..Params::new(Scenario::Crash, scale.large.0, 1) };
            jobs.push(Job::new(format!("changes, {degree} links, {loss} % loss"), move || change(&params)));
        }
        let params = Params { degree, ..Params::new(Scenario::Crash, scale.middle.0, 1) };
        jobs.push(Job::new(format!("rest, {degree} links"), move || rest(&params)));
    }
    jobs
}

fn change(params: &Params) -> Found {
    let mut quiet = |_: Progress| {};
    let mut harness = Harness::new(params, &mut quiet);
    harness.warm_up();
    harness.run(SETTLE);
    let line = format!("{} % of the packets lost", params.loss);
    let links = params.degree as f64;
    let mut found = Found::default();
    for _ in 0..CHANGES {
        let Some(origin) = harness.random_node() else { break };
        let before = harness.sim.traffic();
        let broadcast = harness.broadcast(origin, SPREAD);
        let bytes = harness.sim.traffic().since(&before).bytes as f64;
        found.note("change-copies", &line, links, broadcast.copies);
        found.note("change-bytes", &line, links, bytes / broadcast.concerned.max(1) as f64);
        found.note("change: meant for", &line, links, broadcast.concerned as f64);
        found.note("change: told in 10 s, %", &line, links, 100.0 * broadcast.reliability);
        found.note("change: last hop", &line, links, f64::from(broadcast.ldh));
    }
    found.add_violations(&format!("{} links, {} % loss", params.degree, params.loss), harness.finish().broken);
    found
}

fn rest(params: &Params) -> Found {
    let mut quiet = |_: Progress| {};
    let mut harness = Harness::new(params, &mut quiet);
    harness.warm_up();
    let (line, nodes) = (format!("{} links", params.degree), params.nodes as f64);
    let mut found = Found::default();
    let connections = harness.sim.net().live().count() as f64 * 2.0 / nodes;
    let remembered: usize = harness.sim.nodes.iter().map(|node| node.disk.sessions().count()).sum();
    found.note("rest: connections", "of a node", params.degree as f64, connections);
    found.note("rest: remembered", "sessions on a node's disk", params.degree as f64, remembered as f64 / nodes);
    for minute in 1..=MINUTES {
        let before = harness.sim.traffic();
        harness.run(Duration::from_secs(60));
        let spent = harness.sim.traffic().since(&before);
        found.note("idle", &line, minute as f64, spent.messages() as f64 / nodes);
        found.note("idle: bytes a minute", &line, minute as f64, spent.bytes as f64 / nodes);
    }
    found.add_violations(&format!("{} links, {} % loss", params.degree, params.loss), harness.finish().broken);
    found
}
