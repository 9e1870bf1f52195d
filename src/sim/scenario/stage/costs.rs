//! What things cost, and how long they take: a change, rest, healing.

use std::time::Duration;

use super::Stage;
use crate::sim::net::NodeIndex;
use crate::sim::rumour::Rumour;
use crate::sim::traffic::Traffic;
use crate::sim::truth::{Sight, Truth};

/// Messages that a node may send in a minute in which nothing happens, beside a refresh to everybody concerned every half
/// hour; in the busiest minute so many times that.
const AT_REST: f64 = 1.0;
const BUSIEST: f64 = 4.0;

/// What became of one declaration.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Broadcast {
    /// Of those whom somebody who is on could tell, so many were told.
    pub reliability: f64,
    /// Copies sent for each node that was told, less one.
    pub rmr: f64,
    /// Hops of the last delivery.
    pub ldh: u32,
    /// Copies sent for each node that was told.
    pub copies: f64,
    /// How many there were to be told.
    pub concerned: u64,
}

impl Broadcast {
    const NONE: Broadcast = Broadcast { reliability: 0.0, rmr: 0.0, ldh: 0, copies: 0.0, concerned: 0 };
}

impl Stage<'_> {
    /// One node tells something new; what has become of it after a while.
    pub fn broadcast(&mut self, origin: NodeIndex, within: Duration) -> Broadcast {
        self.tell_something_new(origin);
        self.run(within);
        self.outcome(origin)
    }

    /// One node has an address more to tell of, and its declaration is followed from here on.
    pub fn tell_something_new(&mut self, origin: NodeIndex) {
        let (session, now) = (self.sim.nodes[origin].session, self.sim.now());
        self.sim.rumour = Some(Rumour::of(origin, session, now));
        let also = self.fresh_address();
        self.sim.restate(origin, also);
    }

    /// What has become of the declaration that is followed.
    pub fn outcome(&mut self, origin: NodeIndex) -> Broadcast {
        let Some(rumour) = self.sim.rumour.take() else { return Broadcast::NONE };
        let on = |node: NodeIndex| self.sim.nodes[node].is_on();
        let reaches = |a, b| self.sim.net().reaches(a, b);
        let truth = Truth { graph: &self.graph, on: &on, reaches: &reaches };
        let horizon = self.horizons[origin].iter().copied();
        let concerned: Vec<NodeIndex> = horizon.filter(|other| truth.sight(*other, origin) == Sight::Must).collect();
        let told = concerned.iter().filter(|node| rumour.heard.contains_key(node)).count();
        let reached = (rumour.heard.len() - 1).max(1) as f64;
        let copies = rumour.sent as f64 / reached;
        let reliability = if concerned.is_empty() { 1.0 } else { told as f64 / concerned.len() as f64 };
        let ldh = rumour.heard.values().map(|heard| heard.hops).max().unwrap_or(0);
        Broadcast { reliability, rmr: copies - 1.0, ldh, copies, concerned: concerned.len() as u64 }
    }

    pub fn broadcast_figures(&mut self, name: &str, of: Broadcast) {
        self.ratio(&format!("{name}_reliability"), of.reliability, "of those to be told were told");
        self.ratio(&format!("{name}_rmr"), of.rmr, "copies for each node told, less one");
        self.count(&format!("{name}_ldh"), u64::from(of.ldh), "hops of the last delivery");
        self.count(&format!("{name}_concerned"), of.concerned, "nodes that were to be told");
    }

    /// What a change of one session costs, in a network at rest.
    pub fn cost_of_a_change(&mut self) {
        self.phase("one change");
        let Some(origin) = self.somebody() else { return };
        let before = self.sim.traffic();
        let change = self.broadcast(origin, Duration::from_secs(10));
        let spent = self.sim.traffic().since(&before);
        self.broadcast_figures("change", change);
        self.ratio("change_copies", change.copies, "copies of the declaration for each node told");
        self.count("change_messages", spent.messages(), "messages of all nodes in the 10 s after a change");
        self.count("change_bytes", spent.bytes, "bytes of all nodes in the 10 s after a change");
    }

    /// How many of the connections are with people who are not linked.
    pub fn share_of_chance(&mut self) {
        let (mut all, mut chance) = (0u64, 0u64);
        for [a, b] in self.sim.net().live().filter(|ends| ends.iter().all(|node| *node < self.graph.nodes())) {
            all += 1;
            chance += u64::from(!self.graph.is_link(a, b));
        }
        self.ratio("random_links", chance as f64 / all.max(1) as f64, "of the connections are not with friends");
        self.ratio("connections", 2.0 * all as f64 / self.graph.nodes() as f64, "connections of a node");
    }

    /// What a network at rest says, for as long as it takes that most have refreshed what they said.
    pub fn cost_of_rest(&mut self) {
        self.phase("at rest");
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
        self.ratio("idle_messages", rate, "messages a node sends in a minute at rest");
        self.ratio("idle_busiest", busiest, "messages a node sends in the busiest minute at rest");
        let concerned = self.horizons.iter().map(Vec::len).sum::<usize>() as f64 / self.horizons.len().max(1) as f64;
        let most = AT_REST + concerned / 30.0 * 1.3;
        self.expect(rate <= most && busiest <= most * BUSIEST, "a network at rest is not quiet");
        self.ratio("idle_bytes", spent.bytes as f64 / nodes / minutes as f64, "bytes a node sends in a minute at rest");
    }

    /// Messages and bytes of each node that is on, since another count.
    pub fn spent(&mut self, name: &str, before: &Traffic) {
        let spent = self.sim.traffic().since(before);
        let nodes = self.sim.on().count().max(1) as f64;
        self.ratio(&format!("{name}_messages"), spent.messages() as f64 / nodes, "messages each node sent for it");
        self.ratio(&format!("{name}_bytes"), spent.bytes as f64 / nodes, "bytes each node sent for it");
    }

    /// Takes the time until live connections join everybody they can, and until everybody sees whom they should.
    pub fn heal(&mut self, name: &str, limit: Duration) {
        let begin = self.sim.now();
        let whole = self.until(limit, |stage| stage.is_whole());
        self.millis(&format!("{name}_whole_ms"), whole, "until live connections join all who can be joined");
        let left = limit.saturating_sub(self.sim.now().since(begin));
        let seen = self.until(left, |stage| stage.all_is_seen());
        let seen = seen.map(|_| self.sim.now().since(begin));
        self.millis(&format!("{name}_seen_ms"), seen, "until everybody sees whom they should, and nobody else");
        self.sight_figures(name);
    }

    pub fn sight_figures(&mut self, name: &str) {
        let sights = self.sights();
        let seen = 1.0 - sights.missing.len() as f64 / sights.must.max(1) as f64;
        self.ratio(&format!("{name}_seen"), seen, "of those who should be seen are seen");
        self.count(
            &format!("{name}_ghosts"),
            sights.wrong.len() as u64,
            "pairs of which one is seen and should not be",
        );
    }
}
