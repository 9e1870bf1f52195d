//! Who is linked to whom: the graphs that worlds are made of.

use std::collections::{BTreeMap, VecDeque};

use rand_core::Rng;

use super::net::NodeIndex;

/// Nodes of an island, and of a cluster of friends.
const ISLAND: usize = 20;

/// Links between nodes. One that came about by accepting a stranger in an open network is `auto`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Graph {
    edges: Vec<BTreeMap<NodeIndex, Auto>>,
}

type Auto = bool;

/// The shapes that a world can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topology {
    /// Everybody has the same number of links, to anybody.
    Random,
    /// A ring on which everybody is linked to the nearest; one link in ten leads anywhere else.
    Clustered,
    /// Random islands of twenty in a ring, one bridge between neighbours.
    Islands,
    /// Everybody is linked to the first.
    Star,
    Line,
    Ring,
    /// The network of the paper's figure 3, its first ten nodes; more are linked to C alone.
    Figure3,
}

impl Topology {
    pub const ALL: [(&str, Topology); 7] = [
        ("random", Topology::Random),
        ("clustered", Topology::Clustered),
        ("islands", Topology::Islands),
        ("star", Topology::Star),
        ("line", Topology::Line),
        ("ring", Topology::Ring),
        ("figure3", Topology::Figure3),
    ];

    /// A graph of this shape; `degree` counts where the shape leaves it open.
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

/// Of the paper's figure 3: R and E are linked, both with Q; C is linked with all but E.
pub mod figure3 {
    pub const R: usize = 0;
    pub const E: usize = 1;
    pub const Q: usize = 2;
    pub const C: usize = 3;
    pub const OTHERS: std::ops::Range<usize> = 4..10;
}

impl Graph {
    pub fn empty(nodes: usize) -> Graph {
        Graph { edges: vec![BTreeMap::new(); nodes] }
    }

    pub fn nodes(&self) -> usize {
        self.edges.len()
    }

    /// Links two nodes. Nobody is linked to themselves.
    pub fn link(&mut self, a: NodeIndex, b: NodeIndex) {
        self.set(a, b, false);
    }

    /// Links them by acceptance of a stranger.
    pub fn link_auto(&mut self, a: NodeIndex, b: NodeIndex) {
        self.set(a, b, true);
    }

    pub fn unlink(&mut self, a: NodeIndex, b: NodeIndex) {
        self.edges[a].remove(&b);
        self.edges[b].remove(&a);
    }

    pub fn is_link(&self, a: NodeIndex, b: NodeIndex) -> bool {
        self.edges[a].contains_key(&b)
    }

    /// Whether they are linked and neither was accepted as a stranger.
    pub fn is_close(&self, a: NodeIndex, b: NodeIndex) -> bool {
        self.edges[a].get(&b) == Some(&false)
    }

    /// Everybody linked to a node.
    pub fn friends(&self, node: NodeIndex) -> impl Iterator<Item = NodeIndex> + '_ {
        self.edges[node].keys().copied()
    }

    /// Those whose friends are in the node's horizon.
    pub fn close_friends(&self, node: NodeIndex) -> impl Iterator<Item = NodeIndex> + '_ {
        self.edges[node].iter().filter(|(_, auto)| !**auto).map(|(friend, _)| *friend)
    }

    /// Everybody within two steps.
    pub fn horizon(&self, node: NodeIndex) -> Vec<NodeIndex> {
        let further = self.close_friends(node).flat_map(|friend| self.close_friends(friend));
        let mut all: Vec<NodeIndex> = self.friends(node).chain(further).filter(|other| *other != node).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Every link once.
    pub fn links(&self) -> impl Iterator<Item = (NodeIndex, NodeIndex)> + '_ {
        self.edges.iter().enumerate().flat_map(|(a, all)| all.keys().filter(move |b| a < **b).map(move |b| (a, *b)))
    }

    fn set(&mut self, a: NodeIndex, b: NodeIndex, auto: Auto) {
        if a != b {
            self.edges[a].insert(b, auto);
            self.edges[b].insert(a, auto);
        }
    }

    /// Links a range of nodes in rings of random order, so that it is in one piece and all have `degree` links (one less
    /// where two rings agree).
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
        let shores: Vec<usize> = (0..count).step_by(ISLAND).collect();
        for shore in &shores {
            self.mix(*shore..(shore + ISLAND).min(count), degree, rng);
        }
        for at in 0..shores.len() {
            self.link(shores[at], shores[(at + 1) % shores.len()]);
        }
    }

    fn figure3(&mut self) {
        use figure3::{C, E, OTHERS, Q, R};
        self.link(E, R);
        self.link(E, Q);
        self.link(R, Q);
        let count = self.nodes();
        (0..count).filter(|node| *node != E && *node != C).for_each(|node| self.link(C, node));
        // The others are a chain beside Q.
        self.link(Q, OTHERS.start);
        OTHERS.skip(1).filter(|node| *node < count).for_each(|node| self.link(node - 1, node));
    }
}

/// Puts a list into random order.
pub fn shuffle<T>(list: &mut [T], rng: &mut impl Rng) {
    for at in (1..list.len()).rev() {
        list.swap(at, (rng.next_u64() % (at as u64 + 1)) as usize);
    }
}

/// The pieces of a graph on some of its nodes, largest first.
pub fn pieces(
    nodes: impl IntoIterator<Item = NodeIndex>,
    edges: impl IntoIterator<Item = [NodeIndex; 2]>,
) -> Vec<Vec<NodeIndex>> {
    let mut beside: BTreeMap<NodeIndex, Vec<NodeIndex>> = nodes.into_iter().map(|node| (node, Vec::new())).collect();
    for [a, b] in edges {
        if beside.contains_key(&a) && beside.contains_key(&b) {
            beside.get_mut(&a).into_iter().for_each(|all| all.push(b));
            beside.get_mut(&b).into_iter().for_each(|all| all.push(a));
        }
    }
    let mut pieces = Vec::new();
    while let Some(first) = beside.keys().next().copied() {
        let mut piece = vec![first];
        let mut waiting: VecDeque<NodeIndex> = beside.remove(&first).unwrap_or_default().into();
        while let Some(node) = waiting.pop_front() {
            if let Some(further) = beside.remove(&node) {
                piece.push(node);
                waiting.extend(further);
            }
        }
        pieces.push(piece);
    }
    pieces.sort_by_key(|piece| std::cmp::Reverse(piece.len()));
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    #[test]
    fn every_shape_is_in_one_piece_and_its_links_go_both_ways() {
        let mut rng = ChaCha20Rng::seed_from_u64(7);
        for (name, topology) in Topology::ALL {
            let graph = topology.build(60, 6, &mut rng);
            let links: Vec<[usize; 2]> = graph.links().map(|(a, b)| [a, b]).collect();
            assert!(links.iter().all(|[a, b]| a != b && graph.is_link(*b, *a)), "{name}");
            assert_eq!(pieces(0..60, links).len(), 1, "{name}");
        }
    }

    #[test]
    fn figure_3_is_the_papers() {
        use figure3::{C, E, Q, R};
        let graph = Topology::Figure3.build(10, 0, &mut ChaCha20Rng::seed_from_u64(1));
        assert!(graph.is_link(E, R) && graph.is_link(E, Q) && graph.is_link(R, Q));
        assert!((0..10).all(|node| node == C || graph.is_link(C, node) == (node != E)));
    }

    #[test]
    fn pieces_are_counted_without_those_who_are_gone() {
        let line = [[0, 1], [1, 2], [2, 3], [3, 4]];
        assert_eq!(pieces([0, 1, 3, 4, 9], line), [vec![0, 1], vec![3, 4], vec![9]]);
    }
}
