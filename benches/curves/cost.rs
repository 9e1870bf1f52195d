//! What a change costs, and what nodes say when nothing changes.

use std::time::Duration;

use darknode::sim::scenario::{Harness, Params, Progress, Scenario};

use super::Scale;
use super::samples::{Found, Job};

/// Links of a node.
const DEGREES: [usize; 3] = [6, 10, 20];
/// Of a hundred packets so many are lost.
const LOSSES: [u8; 2] = [0, 30];
/// Nodes that tell something new, one after the other.
const CHANGES: usize = 20;
/// What has begun when everybody started has come to its end.
const SETTLE: Duration = Duration::from_secs(600);
const SPREAD: Duration = Duration::from_secs(10);
const MINUTES: usize = 70;

pub fn jobs(scale: Scale) -> Vec<Job> {
    let mut jobs = Vec::new();
    for degree in DEGREES {
        for loss in LOSSES {
            let order = Params { degree, loss, ..Params::new(Scenario::Crash, scale.large.0, 1) };
            jobs.push(Job::new(format!("changes, {degree} links, {loss} % loss"), move || change(&order)));
        }
        let order = Params { degree, ..Params::new(Scenario::Crash, scale.middle.0, 1) };
        jobs.push(Job::new(format!("rest, {degree} links"), move || rest(&order)));
    }
    jobs
}

fn change(order: &Params) -> Found {
    let mut quiet = |_: Progress| {};
    let mut stage = Harness::new(order, &mut quiet);
    stage.warm_up();
    stage.run(SETTLE);
    let line = format!("{} % of the packets lost", order.loss);
    let links = order.degree as f64;
    let mut found = Found::default();
    for _ in 0..CHANGES {
        let Some(origin) = stage.random_node() else { break };
        let before = stage.sim.traffic();
        let told = stage.broadcast(origin, SPREAD);
        let bytes = stage.sim.traffic().since(&before).bytes as f64;
        found.note("change-copies", &line, links, told.copies);
        found.note("change-bytes", &line, links, bytes / told.concerned.max(1) as f64);
        found.note("change: meant for", &line, links, told.concerned as f64);
        found.note("change: told in 10 s, %", &line, links, 100.0 * told.reliability);
        found.note("change: last hop", &line, links, f64::from(told.ldh));
    }
    found.blame(&format!("{} links, {} % loss", order.degree, order.loss), stage.finish().broken);
    found
}

fn rest(order: &Params) -> Found {
    let mut quiet = |_: Progress| {};
    let mut stage = Harness::new(order, &mut quiet);
    stage.warm_up();
    let (line, nodes) = (format!("{} links", order.degree), order.nodes as f64);
    let mut found = Found::default();
    let connections = stage.sim.net().live().count() as f64 * 2.0 / nodes;
    let remembered: usize = stage.sim.nodes.iter().map(|node| node.disk.sessions().count()).sum();
    found.note("rest: connections", "of a node", order.degree as f64, connections);
    found.note("rest: remembered", "sessions on a node's disk", order.degree as f64, remembered as f64 / nodes);
    for minute in 1..=MINUTES {
        let before = stage.sim.traffic();
        stage.run(Duration::from_secs(60));
        let spent = stage.sim.traffic().since(&before);
        found.note("idle", &line, minute as f64, spent.messages() as f64 / nodes);
        found.note("idle: bytes a minute", &line, minute as f64, spent.bytes as f64 / nodes);
    }
    found.blame(&format!("{} links, {} % loss", order.degree, order.loss), stage.finish().broken);
    found
}
