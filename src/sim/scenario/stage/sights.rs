//! What is asked of the world: in how many pieces it is, and who sees whom.

use std::collections::BTreeSet;

use super::Stage;
use crate::sim::net::NodeIndex;
use crate::sim::topology::pieces;
use crate::sim::truth::{Sight, Truth};

/// Who sees whom, and who should.
#[derive(Debug, Clone, Default)]
pub struct Sights {
    pub must: u64,
    pub missing: Vec<(NodeIndex, NodeIndex)>,
    pub wrong: Vec<(NodeIndex, NodeIndex)>,
}

impl Stage<'_> {
    /// The largest piece of live connections, as a share of the nodes that are on.
    pub fn largest_piece(&self) -> f64 {
        let on = self.sim.on().count();
        let largest = pieces(self.sim.on(), self.sim.net().live()).first().map_or(0, Vec::len);
        largest as f64 / on.max(1) as f64
    }

    /// Whether live connections join all who are in one part of the network and could come together: who know each other's
    /// address, or somebody between them does. Where disks are not kept, all in one part could.
    pub fn is_whole(&self) -> bool {
        let joined = pieces(self.sim.on(), self.sim.net().live()).len();
        if joined < 2 {
            return true;
        }
        if self.sim.settings.disks {
            return joined == self.could_be_pieces();
        }
        let parts: BTreeSet<u32> = self.sim.on().map(|node| self.sim.net().part(node)).collect();
        joined == parts.len()
    }

    /// Into how many pieces the network falls at least, as far as addresses are known now.
    pub fn could_be_pieces(&self) -> usize {
        pieces(self.sim.on(), self.sim.net().live().chain(self.known_places())).len()
    }

    /// Pairs of nodes of which one remembers where the other is now.
    pub fn known_places(&self) -> Vec<[NodeIndex; 2]> {
        let mut known = Vec::new();
        for node in self.sim.on() {
            let remembered = self.sim.nodes[node].disk.sessions().flat_map(|row| &row.addresses).map(|row| row.addr);
            let told = self.sim.nodes[node].plan.bootstrap.iter().copied();
            for addr in remembered.chain(told) {
                let there = self.sim.net().who(&addr).filter(|other| self.sim.nodes[*other].is_on());
                known.extend(there.filter(|other| self.sim.net().reaches(node, *other)).map(|other| [node, other]));
            }
        }
        known
    }

    /// Who sees whom and who should, by the stupid model. Servers are judged by nobody.
    pub fn sights(&self) -> Sights {
        let on = |node: NodeIndex| self.sim.nodes[node].is_on();
        let reaches = |a, b| self.sim.net().reaches(a, b);
        let truth = Truth { graph: &self.graph, on: &on, reaches: &reaches };
        let mut sights = Sights::default();
        for me in self.sim.on().filter(|node| *node < self.graph.nodes()) {
            self.judge(&truth, me, &mut sights);
        }
        sights
    }

    /// Whether everybody sees whom they should, and nobody else.
    pub fn all_is_seen(&self) -> bool {
        let on = |node: NodeIndex| self.sim.nodes[node].is_on();
        let reaches = |a, b| self.sim.net().reaches(a, b);
        let truth = Truth { graph: &self.graph, on: &on, reaches: &reaches };
        self.sim.on().filter(|node| *node < self.graph.nodes()).all(|me| {
            let mut sights = Sights::default();
            self.judge(&truth, me, &mut sights);
            sights.missing.is_empty() && sights.wrong.is_empty()
        })
    }

    fn judge(&self, truth: &Truth, me: NodeIndex, sights: &mut Sights) {
        let shown = self.sim.nodes[me].shows.iter().filter_map(|session| self.sim.who(session));
        let shown: BTreeSet<NodeIndex> = shown.filter(|other| *other < self.graph.nodes()).collect();
        for other in &self.horizons[me] {
            let must = truth.sight(me, *other) == Sight::Must;
            sights.must += u64::from(must);
            if must && !shown.contains(other) {
                sights.missing.push((me, *other));
            }
        }
        let wrong = shown.into_iter().filter(|other| truth.sight(me, *other) == Sight::MustNot);
        sights.wrong.extend(wrong.map(|other| (me, other)));
    }
}
