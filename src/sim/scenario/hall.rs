//! Strangers on one local link: how long until each lists all others, what it costs, and whether a first line arrives. In
//! `siege`, twice as many hostile identities as honest nodes share four addresses of the same link. They connect to everybody and
//! stay, a third of them claims to be relays, and a third writes to everybody.

use std::net::SocketAddr;
use std::time::Duration;

use super::harness::Harness;
use crate::id::UserId;
use crate::proto::event::Command;
use crate::sim::net::NodeIndex;
use crate::sim::node::{PORT, Plan};
use crate::sim::report::Report;
use crate::time::Moment;
use crate::wire::record::roles;

/// All nodes start within this time.
const STARTS: Duration = Duration::from_secs(5);
const TIME_LIMIT: Duration = Duration::from_secs(60);
/// Rest before the first lines, and the time over which the cost of rest is measured.
const REST: Duration = Duration::from_secs(60);
/// Addresses of the hostile identities.
const HOSTILE_HOSTS: usize = 4;
/// Interval between two actions of a hostile identity.
const HOSTILE_PAUSE: Duration = Duration::from_secs(10);
/// The share of announcements that are lost, in percent: multicast is not repeated on a wireless link.
pub const SIGHTINGS_LOST: u8 = 10;

/// Honest strangers on one link.
pub fn run(harness: Harness) -> Report {
    play(harness, 0)
}

/// The same with hostile identities.
pub fn run_siege(harness: Harness) -> Report {
    let hostile = 2 * harness.params.nodes;
    play(harness, hostile)
}

fn play(mut harness: Harness, hostile: usize) -> Report {
    let honest = harness.params.nodes;
    harness.sim.settings.sightings_lost = SIGHTINGS_LOST;
    (0..honest).for_each(|node| harness.sim.set_segment(node, Some(0)));
    for nth in 0..hostile {
        harness.sim.add_node(hostile_plan(nth));
    }
    let mut siege = Siege { honest, hostile, at: harness.sim.now() };
    harness.phase("starting");
    harness.start(honest..honest + hostile, Duration::from_secs(1));
    let (before, begin) = (harness.sim.traffic(), harness.sim.now());
    harness.start(0..honest, STARTS);
    let started = harness.sim.now();
    siege.until(&mut harness, TIME_LIMIT, |harness| lists_all(harness, honest));
    let listed = lists_all(&harness, honest).then(|| harness.sim.now().since(started));
    harness.millis("listed_ms", listed, "after the last start until each lists all others");
    let bytes = (harness.sim.traffic().bytes - before.bytes) as f64 / honest as f64;
    harness.ratio("listed_bytes", bytes, "bytes a node sent until then");
    siege.run(&mut harness, REST);
    rest(&mut harness, &mut siege);
    lines(&mut harness, &mut siege);
    harness.millis("hall_ms", Some(harness.sim.now().since(begin)), "of simulated time in all");
    harness.finish()
}

/// A hostile identity: at one of a few addresses, announced on the link like everybody.
fn hostile_plan(nth: usize) -> Plan {
    let (host, port) = ((nth % HOSTILE_HOSTS) as u8 + 1, PORT + (nth / HOSTILE_HOSTS) as u16);
    let role = if Siege::claims(nth) { roles::RELAY } else { 0 };
    let addr = Some(SocketAddr::from(([10, 66, 66, host], port)));
    Plan { roles: role, segment: Some(0), addr, ..Plan::client(format!("h{nth}")) }
}

/// Whether every honest node lists every other one.
fn lists_all(harness: &Harness, honest: usize) -> bool {
    let sessions: Vec<_> = harness.sim.nodes[..honest].iter().map(|node| node.session).collect();
    harness.sim.nodes[..honest]
        .iter()
        .all(|node| sessions.iter().all(|session| *session == node.session || node.shown_nearby.contains(session)))
}

/// The cost of a node while nothing happens.
fn rest(harness: &mut Harness, siege: &mut Siege) {
    harness.phase("at rest");
    let before: Vec<u64> = harness.sim.nodes.iter().map(|node| node.sent_bytes).collect();
    siege.run(harness, REST);
    let spent: Vec<f64> = (0..siege.honest)
        .map(|node| (harness.sim.nodes[node].sent_bytes - before[node]) as f64 / REST.as_secs_f64())
        .collect();
    let mean = spent.iter().sum::<f64>() / spent.len().max(1) as f64;
    harness.ratio("rest_bytes", mean, "bytes a node sends per second at rest, without keep-alives");
    harness.ratio("rest_bytes_most", spent.iter().copied().fold(0.0, f64::max), "the same of the busiest node");
    let mut connections = vec![0u64; harness.sim.nodes.len()];
    harness.sim.net().live().flatten().for_each(|node| connections[node] += 1);
    let honest = &connections[..siege.honest];
    let mean = honest.iter().sum::<u64>() as f64 / honest.len().max(1) as f64;
    harness.ratio("hall_connections", mean, "connections of a node");
    harness.count("hall_connections_most", honest.iter().copied().max().unwrap_or(0), "the same of the node with most");
}

/// Each honest node writes one line to one other, its first.
fn lines(harness: &mut Harness, siege: &mut Siege) {
    harness.phase("first lines");
    let (honest, begin) = (siege.honest, harness.sim.now());
    let step = honest / 2 + 1;
    for node in 0..honest {
        let to = harness.sim.nodes[(node + step) % honest].user;
        harness.command(node, Command::Chat { user: to.to_string() });
        harness.command(node, Command::Say { to, text: format!("from {node}") });
    }
    let mut delays = vec![None; honest];
    siege.until(harness, TIME_LIMIT, |harness| {
        let now = harness.sim.now();
        for (node, delay) in delays.iter_mut().enumerate().filter(|(_, delay)| delay.is_none()) {
            let from = harness.sim.nodes[(node + honest - step) % honest].user;
            *delay = harness.sim.nodes[node].heard_from.contains(&from).then(|| now.since(begin));
        }
        delays.iter().all(Option::is_some)
    });
    let mut arrived: Vec<Duration> = delays.into_iter().flatten().collect();
    arrived.sort();
    harness.ratio("lines_arrived", arrived.len() as f64 / honest as f64, "of the first lines arrived");
    harness.millis("lines_median_ms", arrived.get(arrived.len() / 2).copied(), "until half of them had arrived");
    harness.millis("lines_worst_ms", arrived.last().copied(), "until the last of them had arrived");
    harness.expect(arrived.len() == honest, "not every first line arrived");
}

/// The hostile identities and when they act next.
struct Siege {
    honest: usize,
    hostile: usize,
    at: Moment,
}

impl Siege {
    /// Whether a hostile identity claims to be a relay.
    fn claims(nth: usize) -> bool {
        nth % 3 == 1
    }

    /// Whether a hostile identity writes.
    fn writes(nth: usize) -> bool {
        nth % 3 == 2
    }

    fn run(&mut self, harness: &mut Harness, span: Duration) {
        self.until(harness, span, |_| false);
    }

    /// Runs until `done`, for at most `limit`, while the hostile identities act.
    fn until(&mut self, harness: &mut Harness, limit: Duration, mut done: impl FnMut(&Harness) -> bool) {
        let end = harness.sim.now() + limit;
        while harness.sim.now() < end && !done(harness) {
            self.act(harness);
            let left = end.since(harness.sim.now());
            let span = if self.hostile > 0 { left.min(HOSTILE_PAUSE) } else { left };
            if harness.until(span, |harness| done(harness)).is_some() {
                return;
            }
        }
    }

    /// Lets every hostile identity connect to one honest node, and write to it if it is one of those that write.
    fn act(&mut self, harness: &mut Harness) {
        if harness.sim.now() < self.at {
            return;
        }
        self.at = harness.sim.now() + HOSTILE_PAUSE;
        for nth in 0..self.hostile {
            let (node, victim) = (self.honest + nth, harness.sim.pick(self.honest));
            let (addr, user) = (harness.sim.nodes[victim].addr, harness.sim.nodes[victim].user);
            harness.command(node, Command::Ping { addrs: vec![addr] });
            if Siege::writes(nth) {
                self.write(harness, node, user);
            }
        }
    }

    fn write(&self, harness: &mut Harness, node: NodeIndex, to: UserId) {
        harness.command(node, Command::Chat { user: to.to_string() });
        harness.command(node, Command::Say { to, text: "buy my coins".to_owned() });
    }
}
