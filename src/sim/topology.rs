//! Link graphs: who is linked to whom.

use std::collections::{BTreeMap, VecDeque};

use rand_core::Rng;

use super::net::NodeIndex;

/// Number of nodes in a cluster of [`Topology::Islands`].
const ISLAND: usize = 20;

/// An undirected graph of links between nodes. A link that one side accepted from a stranger in an open network is
/// `auto`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Graph {
    edges: Vec<BTreeMap<NodeIndex, Auto>>,
}

type Auto = bool;

/// The shape of a graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topology {
    /// All nodes have the same number of links, to random others.
    Random,
    /// A ring in which each node is linked to the nearest ones; one link in ten leads to a random node.
    Clustered,
    /// Random clusters of twenty in a ring, one link between neighbouring clusters.
    Islands,
    /// All nodes are linked to the first.
    Star,
    /// Each node is linked to the next.
    Line,
    /// A line whose ends are linked.
    Ring,
    /// The ten nodes of the paper's figure 3; additional nodes are linked to C only.
    Figure3,
}

impl Topology {
    /// All topologies with their names on the command line.
    pub const ALL: [(&str, Topology); 7] = [
        ("random", Topology::Random),
        ("clustered", Topology::Clustered),
        ("islands", Topology::Islands),
        ("star", Topology::Star),
        ("line", Topology::Line),
        ("ring", Topology::Ring),
        ("figure3", Topology::Figure3),
    ];

    /// Builds a graph of this shape. `degree` applies where the shape leaves it open.
    pub fn build(self, nodes: usize, degree: usize, rng: &mut impl Rng) -> Graph {
        let mut graph = Graph::empty(nodes);
        match self {
            Topology::Random => graph.mix(0..nodes, degree, rng),
            Topology::Clustered => graph.cluster(degree, rng),
            Topology::Islands => graph.islands(degree, rng),
            Topology::Star => (1..nodes).for_each(|node| graph.link(0, node)),
            Topology::Line => (1..nodes).for_each(|node| graph.link(node - 1, node)),
            Topology::Ring => (0..nodes).for_each(|node| graph.link(node, (node + 1) % nodes)),
            Topology::Figure3 => graph.figure3(),
        }
        graph
    }
}

/// The nodes of the paper's figure 3: R and E are linked, both with Q; C is linked with all but E.
pub mod figure3 {
    /// Node R.
    pub const R: usize = 0;
    /// Node E.
    pub const E: usize = 1;
    /// Node Q.
    pub const Q: usize = 2;
    /// Node C.
    pub const C: usize = 3;
    /// The nodes without a name.
    pub const OTHERS: std::ops::Range<usize> = 4..10;
}

impl Graph {
    /// A graph without links.
    pub fn empty(nodes: usize) -> Graph {
        Graph { edges: vec![BTreeMap::new(); nodes] }
    }

    /// Number of nodes.
    pub fn nodes(&self) -> usize {
        self.edges.len()
    }

    /// Links two nodes. A link of a node to itself is ignored.
    pub fn link(&mut self, a: NodeIndex, b: NodeIndex) {
        self.set(a, b, false);
    }

    /// Links two nodes, one of which was accepted as a stranger.
    pub fn link_auto(&mut self, a: NodeIndex, b: NodeIndex) {
        self.set(a, b, true);
    }

    /// Removes a link.
    pub fn unlink(&mut self, a: NodeIndex, b: NodeIndex) {
        self.edges[a].remove(&b);
        self.edges[b].remove(&a);
    }

    /// Whether two nodes are linked.
    pub fn is_link(&self, a: NodeIndex, b: NodeIndex) -> bool {
        self.edges[a].contains_key(&b)
    }

    /// Whether two nodes are linked and neither was accepted as a stranger.
    pub fn is_close(&self, a: NodeIndex, b: NodeIndex) -> bool {
        self.edges[a].get(&b) == Some(&false)
    }

    /// The nodes linked to a node.
    pub fn friends(&self, node: NodeIndex) -> impl Iterator<Item = NodeIndex> + '_ {
        self.edges[node].keys().copied()
    }

    /// The linked nodes whose own links extend the node's horizon: those not accepted as strangers.
    pub fn close_friends(&self, node: NodeIndex) -> impl Iterator<Item = NodeIndex> + '_ {
        self.edges[node].iter().filter(|(_, auto)| !**auto).map(|(friend, _)| *friend)
    }

    /// The nodes within two links.
    pub fn horizon(&self, node: NodeIndex) -> Vec<NodeIndex> {
        let further = self.close_friends(node).flat_map(|friend| self.close_friends(friend));
        let mut all: Vec<NodeIndex> = self.friends(node).chain(further).filter(|other| *other != node).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// All links, each once.
    pub fn links(&self) -> impl Iterator<Item = (NodeIndex, NodeIndex)> + '_ {
        self.edges.iter().enumerate().flat_map(|(a, all)| all.keys().filter(move |b| a < **b).map(move |b| (a, *b)))
    }

    fn set(&mut self, a: NodeIndex, b: NodeIndex, auto: Auto) {
        if a != b {
            self.edges[a].insert(b, auto);
            self.edges[b].insert(a, auto);
        }
    }

    /// Links a range of nodes in rings of random order, so that it is connected and all have `degree` links (fewer
    /// where two rings coincide).
    fn mix(&mut self, range: std::ops::Range<NodeIndex>, degree: usize, rng: &mut impl Rng) {
        let mut order: Vec<NodeIndex> = range.collect();
        let count = order.len();
        for _ in 0..degree.div_ceil(2) {
            shuffle(&mut order, rng);
            (0..count).for_each(|at| self.link(order[at], order[(at + 1) % count]));
        }
    }

    fn cluster(&mut self, degree: usize, rng: &mut impl Rng) {
        let count = self.nodes();
        for node in 0..count {
            for step in 1..=degree.div_ceil(2) {
                let anywhere = rng.next_u64().is_multiple_of(10);
                let other = if anywhere { (rng.next_u64() % count as u64) as usize } else { (node + step) % count };
                self.link(node, other);
            }
        }
    }

    fn islands(&mut self, degree: usize, rng: &mut impl Rng) {
        let count = self.nodes();
        let clusters: Vec<usize> = (0..count).step_by(ISLAND).collect();
        for cluster in &clusters {
            self.mix(*cluster..(cluster + ISLAND).min(count), degree, rng);
        }
        for at in 0..clusters.len() {
            self.link(clusters[at], clusters[(at + 1) % clusters.len()]);
        }
    }

    fn figure3(&mut self) {
        use figure3::{C, E, OTHERS, Q, R};
        self.link(E, R);
        self.link(E, Q);
        self.link(R, Q);
        let count = self.nodes();
        (0..count).filter(|node| *node != E && *node != C).for_each(|node| self.link(C, node));
        // The others form a chain that starts at Q.
        self.link(Q, OTHERS.start);
        OTHERS.skip(1).filter(|node| *node < count).for_each(|node| self.link(node - 1, node));
    }
}

/// Shuffles a list.
pub fn shuffle<T>(list: &mut [T], rng: &mut impl Rng) {
    for at in (1..list.len()).rev() {
        list.swap(at, (rng.next_u64() % (at as u64 + 1)) as usize);
    }
}

/// The connected components of a graph restricted to `nodes`, largest first.
pub fn components(
    nodes: impl IntoIterator<Item = NodeIndex>,
    edges: impl IntoIterator<Item = [NodeIndex; 2]>,
) -> Vec<Vec<NodeIndex>> {
    let mut adjacent: BTreeMap<NodeIndex, Vec<NodeIndex>> = nodes.into_iter().map(|node| (node, Vec::new())).collect();
    for [a, b] in edges {
        if adjacent.contains_key(&a) && adjacent.contains_key(&b) {
            adjacent.get_mut(&a).into_iter().for_each(|all| all.push(b));
            adjacent.get_mut(&b).into_iter().for_each(|all| all.push(a));
        }
    }
    let mut components = Vec::new();
    while let Some(first) = adjacent.keys().next().copied() {
        let mut component = vec![first];
        let mut pending: VecDeque<NodeIndex> = adjacent.remove(&first).unwrap_or_default().into();
        while let Some(node) = pending.pop_front() {
            if let Some(further) = adjacent.remove(&node) {
                component.push(node);
                pending.extend(further);
            }
        }
        components.push(component);
    }
    components.sort_by_key(|component| std::cmp::Reverse(component.len()));
    components
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    #[test]
    fn every_topology_is_connected_and_its_links_are_symmetric() {
        let mut rng = ChaCha20Rng::seed_from_u64(7);
        for (name, topology) in Topology::ALL {
            let graph = topology.build(60, 6, &mut rng);
            let links: Vec<[usize; 2]> = graph.links().map(|(a, b)| [a, b]).collect();
            assert!(links.iter().all(|[a, b]| a != b && graph.is_link(*b, *a)), "{name}");
            assert_eq!(components(0..60, links).len(), 1, "{name}");
        }
    }

    #[test]
    fn figure_3_has_the_links_of_the_paper() {
        use figure3::{C, E, Q, R};
        let graph = Topology::Figure3.build(10, 0, &mut ChaCha20Rng::seed_from_u64(1));
        assert!(graph.is_link(E, R) && graph.is_link(E, Q) && graph.is_link(R, Q));
        assert!((0..10).all(|node| node == C || graph.is_link(C, node) == (node != E)));
    }

    #[test]
    fn components_leave_out_nodes_that_are_off() {
        let line = [[0, 1], [1, 2], [2, 3], [3, 4]];
        assert_eq!(components([0, 1, 3, 4, 9], line), [vec![0, 1], vec![3, 4], vec![9]]);
    }
}
