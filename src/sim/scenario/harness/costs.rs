//! Measurements: the cost of a change, of an idle network, and of recovery.

use std::time::Duration;

use super::Harness;
use crate::sim::dissemination::Dissemination;
use crate::sim::net::NodeIndex;
use crate::sim::oracle::{Expected, Oracle};
use crate::sim::traffic::Traffic;

/// Messages that a node may send per minute in an idle network, in addition to a refresh to all concerned every half
/// hour.
const AT_REST: f64 = 1.0;
/// The factor by which the busiest minute may exceed the average.
const BUSIEST: f64 = 4.0;

/// The dissemination of one declaration.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Broadcast {
    /// The share of concerned nodes that were reached.
    pub reliability: f64,
    /// Relative message redundancy: copies sent per node reached, minus one.
    pub rmr: f64,
    /// Last delivery hop.
    pub ldh: u32,
    /// Copies sent per node reached.
    pub copies: f64,
    /// Number of concerned nodes.
    pub concerned: u64,
}

impl Broadcast {
    const NONE: Broadcast = Broadcast { reliability: 0.0, rmr: 0.0, ldh: 0, copies: 0.0, concerned: 0 };
}

impl Harness<'_> {
    /// Makes a node announce a change, and measures its dissemination after `within`.
    pub fn broadcast(&mut self, origin: NodeIndex, within: Duration) -> Broadcast {
        self.announce_change(origin);
        self.run(within);
        self.outcome(origin)
    }

    /// Gives a node an additional address to declare, and tracks that declaration.
    pub fn announce_change(&mut self, origin: NodeIndex) {
        let (session, now) = (self.sim.nodes[origin].session, self.sim.now());
        self.sim.dissemination = Some(Dissemination::of(origin, session, now));
        let also = self.fresh_address();
        self.sim.add_address(origin, also);
    }

    /// The dissemination of the tracked declaration so far.
    pub fn outcome(&mut self, origin: NodeIndex) -> Broadcast {
        let Some(dissemination) = self.sim.dissemination.take() else { return Broadcast::NONE };
        let on = |node: NodeIndex| self.sim.nodes[node].is_on();
        let reaches = |a, b| self.sim.net().reaches(a, b);
        let oracle = Oracle { graph: &self.graph, on: &on, reaches: &reaches };
        let horizon = self.horizons[origin].iter().copied();
        let concerned: Vec<NodeIndex> =
            horizon.filter(|other| oracle.expected(*other, origin) == Expected::Must).collect();
        let reached_count = concerned.iter().filter(|node| dissemination.delivered.contains_key(node)).count();
        let reached = (dissemination.delivered.len() - 1).max(1) as f64;
        let copies = dissemination.sent as f64 / reached;
        let reliability = if concerned.is_empty() { 1.0 } else { reached_count as f64 / concerned.len() as f64 };
        let ldh = dissemination.delivered.values().map(|delivery| delivery.hops).max().unwrap_or(0);
        Broadcast { reliability, rmr: copies - 1.0, ldh, copies, concerned: concerned.len() as u64 }
    }

    /// Adds the figures of a broadcast.
    pub fn broadcast_figures(&mut self, name: &str, of: Broadcast) {
        self.ratio(&format!("{name}_reliability"), of.reliability, "of the nodes concerned were reached");
        self.ratio(&format!("{name}_rmr"), of.rmr, "copies per node reached, minus one");
        self.count(&format!("{name}_ldh"), u64::from(of.ldh), "hops of the last delivery");
        self.count(&format!("{name}_concerned"), of.concerned, "nodes concerned");
    }

    /// Measures the cost of a change of one session in an idle network.
    pub fn cost_of_a_change(&mut self) {
        self.phase("one change");
        let Some(origin) = self.random_node() else { return };
        let before = self.sim.traffic();
        let change = self.broadcast(origin, Duration::from_secs(10));
        let spent = self.sim.traffic().since(&before);
        self.broadcast_figures("change", change);
        self.ratio("change_copies", change.copies, "copies of the declaration per node reached");
        self.count("change_messages", spent.messages(), "messages of all nodes in the 10 s after a change");
        self.count("change_bytes", spent.bytes, "bytes of all nodes in the 10 s after a change");
    }

    /// Measures the share of connections between users who are not linked.
    pub fn share_of_random_connections(&mut self) {
        let (mut all, mut random) = (0u64, 0u64);
        for [a, b] in self.sim.net().live().filter(|ends| ends.iter().all(|node| *node < self.graph.nodes())) {
            all += 1;
            random += u64::from(!self.graph.is_link(a, b));
        }
        self.ratio("random_links", random as f64 / all.max(1) as f64, "of the connections are not with friends");
        self.ratio("connections", 2.0 * all as f64 / self.graph.nodes() as f64, "connections of a node");
    }

    /// Measures the traffic of an idle network, long enough that most nodes have refreshed their declaration.
    pub fn cost_of_rest(&mut self) {
        self.phase("idle");
        let nodes = self.sim.on().count().max(1) as f64;
        let (minutes, begin) = (30, self.sim.traffic());
        let mut busiest = 0.0f64;
        for _ in 0..minutes {
            let before = self.sim.traffic();
            self.run(Duration::from_secs(60));
            busiest = busiest.max(self.sim.traffic().since(&before).messages() as f64 / nodes);
        }
        let spent = self.sim.traffic().since(&begin);
        let rate = spent.messages() as f64 / nodes / minutes as f64;
        self.ratio("idle_messages", rate, "messages a node sends per idle minute");
        self.ratio("idle_busiest", busiest, "messages a node sends in the busiest idle minute");
        let concerned = self.horizons.iter().map(Vec::len).sum::<usize>() as f64 / self.horizons.len().max(1) as f64;
        let most = AT_REST + concerned / 30.0 * 1.3;
        self.expect(rate <= most && busiest <= most * BUSIEST, "an idle network sends too many messages");
        self.ratio("idle_bytes", spent.bytes as f64 / nodes / minutes as f64, "bytes a node sends per idle minute");
    }

    /// Adds the messages and bytes sent per running node since an earlier reading.
    pub fn spent(&mut self, name: &str, before: &Traffic) {
        let spent = self.sim.traffic().since(before);
        let nodes = self.sim.on().count().max(1) as f64;
        self.ratio(&format!("{name}_messages"), spent.messages() as f64 / nodes, "messages each node sent for it");
        self.ratio(&format!("{name}_bytes"), spent.bytes as f64 / nodes, "bytes each node sent for it");
    }

    /// Measures the time until the network is connected again, and until everybody sees exactly whom they should.
    pub fn heal(&mut self, name: &str, limit: Duration) {
        let begin = self.sim.now();
        let whole = self.until(limit, |harness| harness.is_whole());
        self.millis(&format!("{name}_whole_ms"), whole, "until live connections connect all who can be connected");
        let left = limit.saturating_sub(self.sim.now().since(begin));
        let seen = self.until(left, |harness| harness.visibility_is_correct());
        let seen = seen.map(|_| self.sim.now().since(begin));
        self.millis(&format!("{name}_seen_ms"), seen, "until everybody sees whom they should, and nobody else");
        self.visibility_figures(name);
    }

    /// Adds figures about who sees whom.
    pub fn visibility_figures(&mut self, name: &str) {
        let found = self.visibility();
        let seen = 1.0 - found.missing.len() as f64 / found.must.max(1) as f64;
        self.ratio(&format!("{name}_seen"), seen, "of those who should be seen are seen");
        self.count(&format!("{name}_ghosts"), found.wrong.len() as u64, "pairs of which one is seen and should not be");
    }
}
