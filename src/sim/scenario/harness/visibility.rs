//! Queries about the world: its connected components, and who sees whom.

use std::collections::BTreeSet;

use super::Harness;
use crate::sim::net::NodeIndex;
use crate::sim::oracle::{Expected, Oracle};
use crate::sim::topology::components;

/// Who sees whom, compared with the reference model.
#[derive(Debug, Clone, Default)]
pub struct Visibility {
    /// Number of pairs of which the first must see the second.
    pub must: u64,
    /// Those pairs whose first does not see the second.
    pub missing: Vec<(NodeIndex, NodeIndex)>,
    /// Pairs whose first sees the second and must not.
    pub wrong: Vec<(NodeIndex, NodeIndex)>,
}

impl Harness<'_> {
    /// The largest component of live connections, as a share of the running nodes.
    pub fn largest_component(&self) -> f64 {
        let on = self.sim.on().count();
        let largest = components(self.sim.on(), self.sim.net().live()).first().map_or(0, Vec::len);
        largest as f64 / on.max(1) as f64
    }

    /// Whether live connections connect all nodes that could be connected: those in one part of the network that know
    /// each other's address, directly or through others. If disks are not kept, all nodes of a part are assumed to.
    pub fn is_whole(&self) -> bool {
        let joined = components(self.sim.on(), self.sim.net().live()).len();
        if joined < 2 {
            return true;
        }
        if self.sim.settings.disks {
            return joined == self.possible_components();
        }
        let parts: BTreeSet<u32> = self.sim.on().map(|node| self.sim.net().part(node)).collect();
        joined == parts.len()
    }

    /// The smallest number of components possible with the addresses known now.
    pub fn possible_components(&self) -> usize {
        components(self.sim.on(), self.sim.net().live().chain(self.known_addresses())).len()
    }

    /// Pairs of nodes of which one knows the current address of the other and can reach it.
    pub fn known_addresses(&self) -> Vec<[NodeIndex; 2]> {
        let mut known = Vec::new();
        for node in self.sim.on() {
            let remembered = self.sim.nodes[node].disk.sessions().flat_map(|row| &row.addresses).map(|row| row.addr);
            let configured = self.sim.nodes[node].plan.bootstrap.iter().copied();
            for addr in remembered.chain(configured) {
                let there = self.sim.net().node_of_session(&addr).filter(|other| self.sim.nodes[*other].is_on());
                known.extend(there.filter(|other| self.sim.net().reaches(node, *other)).map(|other| [node, other]));
            }
        }
        known
    }

    /// Compares who sees whom with the reference model. Servers are left out.
    pub fn visibility(&self) -> Visibility {
        let on = |node: NodeIndex| self.sim.nodes[node].is_on();
        let reaches = |a, b| self.sim.net().reaches(a, b);
        let oracle = Oracle { graph: &self.graph, on: &on, reaches: &reaches };
        let mut found = Visibility::default();
        for me in self.sim.on().filter(|node| *node < self.graph.nodes()) {
            self.compare(&oracle, me, &mut found);
        }
        found
    }

    /// Whether everybody sees exactly whom they should. Stops at the first difference.
    pub fn visibility_is_correct(&self) -> bool {
        let on = |node: NodeIndex| self.sim.nodes[node].is_on();
        let reaches = |a, b| self.sim.net().reaches(a, b);
        let oracle = Oracle { graph: &self.graph, on: &on, reaches: &reaches };
        self.sim.on().filter(|node| *node < self.graph.nodes()).all(|me| {
            let mut found = Visibility::default();
            self.compare(&oracle, me, &mut found);
            found.missing.is_empty() && found.wrong.is_empty()
        })
    }

    fn compare(&self, oracle: &Oracle, me: NodeIndex, found: &mut Visibility) {
        let shown = self.sim.nodes[me].shown_online.iter().filter_map(|session| self.sim.node_of_session(session));
        let shown: BTreeSet<NodeIndex> = shown.filter(|other| *other < self.graph.nodes()).collect();
        for other in &self.horizons[me] {
            let must = oracle.expected(me, *other) == Expected::Must;
            found.must += u64::from(must);
            if must && !shown.contains(other) {
                found.missing.push((me, *other));
            }
        }
        let wrong = shown.into_iter().filter(|other| oracle.expected(me, *other) == Expected::MustNot);
        found.wrong.extend(wrong.map(|other| (me, other)));
    }
}
