//! The simulated network: connections with delay, cables that are cut one way or both, parts that do not reach each other,
//! and the idle time-out that notices.
//!
//! It stands for QUIC, not for UDP: what is sent on a connection arrives once and in order, loss shows as delay, and an end
//! that hears nothing for [`IDLE`] is closed. A connection needs both directions to be made; where one of them fails
//! afterwards, the deaf end closes first and the other one a time-out later.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use crate::id::ConnId;
use crate::proto::event::Input;
use crate::time::Moment;

/// Index of a node in its simulation.
pub type NodeIndex = usize;

/// A connection, never used for another one: generation and slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PipeId(u64);

/// The idle time-out of connections, as in the shell.
pub const IDLE: Duration = Duration::from_millis(10_800);

impl PipeId {
    /// The connection as one of its ends knows it.
    pub fn conn(self, end: usize) -> ConnId {
        ConnId(self.0 << 1 | end as u64)
    }

    /// Which end of which connection a node means.
    pub fn of(conn: ConnId) -> (PipeId, usize) {
        (PipeId(conn.0 >> 1), (conn.0 & 1) as usize)
    }

    fn slot(self) -> usize {
        (self.0 & u64::from(u32::MAX)) as usize
    }
}

/// One connection: the end that dialled and the end that was dialled.
#[derive(Debug)]
pub struct Pipe {
    pub ends: [NodeIndex; 2],
    /// Whether that end still has it.
    pub open: [bool; 2],
    /// What cannot arrive now, by receiving end.
    pub held: [VecDeque<Input>; 2],
    /// What is sent now arrives after what was sent before, by receiving end.
    pub busy_until: [Moment; 2],
    /// The end that was dialled has moved: nothing passes any more.
    pub severed: bool,
    /// How often the way was mended: an idle time-out counts from the last time.
    pub mends: u32,
}

/// All connections and cables.
#[derive(Debug, Default)]
pub struct Net {
    slots: Vec<Option<(PipeId, Pipe)>>,
    free: Vec<u32>,
    generation: u64,
    of_node: Vec<BTreeSet<PipeId>>,
    at: BTreeMap<SocketAddr, NodeIndex>,
    /// One-way: from, to.
    cuts: BTreeSet<(NodeIndex, NodeIndex)>,
    part: Vec<u32>,
    /// The islands a node is on; none in the routed world.
    islands: Vec<Vec<u32>>,
}

impl Net {
    /// A node more, in the common part.
    pub fn join(&mut self, node: NodeIndex, addr: SocketAddr) {
        self.of_node.resize_with(node + 1, BTreeSet::new);
        self.part.resize(node + 1, 0);
        self.islands.resize(node + 1, Vec::new());
        self.at.insert(addr, node);
    }

    /// The node gives its address up for another; whoever has that one now stays there.
    pub fn readdress(&mut self, node: NodeIndex, old: SocketAddr, new: SocketAddr) {
        if self.at.get(&old) == Some(&node) {
            self.at.remove(&old);
        }
        self.at.entry(new).or_insert(node);
    }

    /// Who has an address.
    pub fn who(&self, addr: &SocketAddr) -> Option<NodeIndex> {
        self.at.get(addr).copied()
    }

    pub fn open(&mut self, dialler: NodeIndex, acceptor: NodeIndex) -> PipeId {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            (self.slots.len() - 1) as u32
        });
        self.generation += 1;
        let id = PipeId(self.generation << 32 | u64::from(slot));
        let pipe = Pipe {
            ends: [dialler, acceptor],
            open: [true; 2],
            held: Default::default(),
            busy_until: [Moment(0); 2],
            severed: false,
            mends: 0,
        };
        self.slots[slot as usize] = Some((id, pipe));
        for node in [dialler, acceptor] {
            self.of_node[node].insert(id);
        }
        id
    }

    pub fn pipe(&self, id: PipeId) -> Option<&Pipe> {
        self.slots.get(id.slot())?.as_ref().filter(|(held, _)| *held == id).map(|(_, pipe)| pipe)
    }

    pub fn pipe_mut(&mut self, id: PipeId) -> Option<&mut Pipe> {
        self.slots.get_mut(id.slot())?.as_mut().filter(|(held, _)| *held == id).map(|(_, pipe)| pipe)
    }

    /// An end lets go; a connection that no end has is forgotten. False if it had let go before.
    pub fn let_go(&mut self, id: PipeId, end: usize) -> bool {
        let Some(pipe) = self.pipe_mut(id) else { return false };
        let had = std::mem::replace(&mut pipe.open[end], false);
        let (node, forgotten) = (pipe.ends[end], pipe.open == [false; 2]);
        // Who dials an old address of its own has both ends.
        let both = pipe.ends[0] == pipe.ends[1] && !forgotten;
        if had && !both {
            self.of_node[node].remove(&id);
        }
        if forgotten {
            self.slots[id.slot()] = None;
            self.free.push(id.slot() as u32);
        }
        had
    }

    /// The connections that a node has.
    pub fn of_node(&self, node: NodeIndex) -> impl Iterator<Item = PipeId> + '_ {
        self.of_node[node].iter().copied()
    }

    /// Connections that both ends have, with their ends.
    pub fn live(&self) -> impl Iterator<Item = [NodeIndex; 2]> + '_ {
        self.slots.iter().flatten().map(|(_, pipe)| pipe).filter(|pipe| pipe.open == [true; 2]).map(|pipe| pipe.ends)
    }

    /// Every connection.
    pub fn all(&self) -> Vec<PipeId> {
        self.slots.iter().flatten().map(|(id, _)| *id).collect()
    }

    /// Connections between two nodes.
    pub fn between(&self, a: NodeIndex, b: NodeIndex) -> Vec<PipeId> {
        let joins = |id: &PipeId| self.pipe(*id).is_some_and(|pipe| pipe.ends.contains(&a) && pipe.ends.contains(&b));
        self.of_node[a].union(&self.of_node[b]).copied().filter(joins).collect()
    }

    /// Packets from one node no longer come to another.
    pub fn cut(&mut self, from: NodeIndex, to: NodeIndex) {
        self.cuts.insert((from, to));
    }

    pub fn mend(&mut self, from: NodeIndex, to: NodeIndex) {
        self.cuts.remove(&(from, to));
    }

    /// Puts a node into a part; packets stay within one.
    pub fn set_part(&mut self, node: NodeIndex, part: u32) {
        self.part[node] = part;
    }

    pub fn part(&self, node: NodeIndex) -> u32 {
        self.part[node]
    }

    /// Puts a node on islands, and takes it off all others.
    pub fn put_on(&mut self, node: NodeIndex, islands: &[u32]) {
        self.islands[node] = islands.to_vec();
    }

    /// Whether two nodes have a link in common, or both a way through the routed world.
    fn share_a_link(&self, a: NodeIndex, b: NodeIndex) -> bool {
        let (a, b) = (&self.islands[a], &self.islands[b]);
        a.iter().any(|island| b.contains(island)) || (a.is_empty() && b.is_empty())
    }

    /// Whether packets pass from one node to another.
    pub fn passes(&self, from: NodeIndex, to: NodeIndex) -> bool {
        self.part[from] == self.part[to]
            && self.share_a_link(from, to)
            && (self.cuts.is_empty() || !self.cuts.contains(&(from, to)))
    }

    /// Whether they pass both ways.
    pub fn reaches(&self, a: NodeIndex, b: NodeIndex) -> bool {
        self.passes(a, b) && self.passes(b, a)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_forgotten_when_both_ends_have_let_go_and_its_name_is_not_used_again() {
        let mut net = Net::default();
        (0..2).for_each(|node| net.join(node, ([10, 0, 0, node as u8], 1).into()));
        let first = net.open(0, 1);
        assert!(net.let_go(first, 0) && !net.let_go(first, 0));
        assert!(net.pipe(first).is_some() && net.of_node(0).next().is_none());
        assert!(net.let_go(first, 1) && net.pipe(first).is_none());
        let second = net.open(1, 0);
        assert!(second != first && second.slot() == first.slot() && net.pipe(first).is_none());
        assert_eq!(PipeId::of(second.conn(1)), (second, 1));
    }

    #[test]
    fn packets_pass_between_islands_only_where_a_node_has_an_interface_on_both() {
        let mut net = Net::default();
        (0..4).for_each(|node| net.join(node, ([10, 0, 0, node as u8], 1).into()));
        net.put_on(0, &[1]);
        net.put_on(1, &[1, 2]);
        net.put_on(2, &[2]);
        assert!(net.reaches(0, 1) && net.reaches(1, 2) && !net.passes(0, 2));
        assert!(!net.passes(3, 0) && !net.passes(1, 3), "and not into the routed world");
    }

    #[test]
    fn a_one_way_cut_lets_packets_pass_the_other_way() {
        let mut net = Net::default();
        (0..3).for_each(|node| net.join(node, ([10, 0, 0, node as u8], 1).into()));
        net.cut(0, 1);
        assert!(!net.passes(0, 1) && net.passes(1, 0) && !net.reaches(0, 1));
        net.set_part(2, 1);
        assert!(!net.passes(2, 1) && !net.passes(1, 2));
    }
}
