//! The simulated network: connections with latency, links that can be cut in one or both directions, partitions, and
//! the idle timeout that detects them.
//!
//! It models QUIC, not UDP: what is sent on a connection arrives once and in order, loss shows as delay, and an end
//! that receives nothing for [`IDLE`] is closed. Establishing a connection needs both directions. If one direction
//! fails later, the end that receives nothing closes first, and the other one an idle timeout later.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use crate::id::ConnId;
use crate::proto::event::Input;
use crate::time::Moment;

/// The index of a node in its simulation.
pub type NodeIndex = usize;

/// The unique id of a connection: generation and slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PipeId(u64);

/// The idle timeout of connections, as in the shell.
pub const IDLE: Duration = Duration::from_millis(10_800);

impl PipeId {
    /// The connection id used by one of the ends.
    pub fn conn(self, end: usize) -> ConnId {
        ConnId(self.0 << 1 | end as u64)
    }

    /// The connection and end that a connection id denotes.
    pub fn of(conn: ConnId) -> (PipeId, usize) {
        (PipeId(conn.0 >> 1), (conn.0 & 1) as usize)
    }

    /// The bytes that both ends export from TLS.
    pub fn exporter(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&self.0.to_be_bytes());
        bytes
    }

    fn slot(self) -> usize {
        (self.0 & u64::from(u32::MAX)) as usize
    }
}

/// A connection. End 0 dialled, end 1 accepted.
#[derive(Debug)]
pub struct Pipe {
    /// The nodes at the two ends.
    pub ends: [NodeIndex; 2],
    /// Whether each end still has the connection open.
    pub open: [bool; 2],
    /// Inputs that cannot be delivered now, by receiving end.
    pub held: [VecDeque<Input>; 2],
    /// The earliest arrival of the next input, by receiving end: inputs arrive in order.
    pub busy_until: [Moment; 2],
    /// The accepting end has changed its address: nothing passes any more.
    pub severed: bool,
    /// How often the path was repaired. Idle timeouts count from the last repair.
    pub mends: u32,
}

/// All connections, addresses and cuts.
#[derive(Debug, Default)]
pub struct Net {
    slots: Vec<Option<(PipeId, Pipe)>>,
    free: Vec<u32>,
    generation: u64,
    of_node: Vec<BTreeSet<PipeId>>,
    at: BTreeMap<SocketAddr, NodeIndex>,
    /// Cut directions: from, to.
    cuts: BTreeSet<(NodeIndex, NodeIndex)>,
    part: Vec<u32>,
    /// The islands of each node; none for a node in the routed network.
    islands: Vec<Vec<u32>>,
}

impl Net {
    /// Adds a node, in part 0.
    pub fn join(&mut self, node: NodeIndex, addr: SocketAddr) {
        self.of_node.resize_with(node + 1, BTreeSet::new);
        self.part.resize(node + 1, 0);
        self.islands.resize(node + 1, Vec::new());
        self.at.insert(addr, node);
    }

    /// Changes a node's address. If another node already has the new one, that node keeps it.
    pub fn readdress(&mut self, node: NodeIndex, old: SocketAddr, new: SocketAddr) {
        if self.at.get(&old) == Some(&node) {
            self.at.remove(&old);
        }
        self.at.entry(new).or_insert(node);
    }

    /// The node with this address.
    pub fn node_of_session(&self, addr: &SocketAddr) -> Option<NodeIndex> {
        self.at.get(addr).copied()
    }

    /// Opens a connection.
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

    /// A connection that at least one end has open.
    pub fn pipe(&self, id: PipeId) -> Option<&Pipe> {
        self.slots.get(id.slot())?.as_ref().filter(|(held, _)| *held == id).map(|(_, pipe)| pipe)
    }

    /// The same, mutable.
    pub fn pipe_mut(&mut self, id: PipeId) -> Option<&mut Pipe> {
        self.slots.get_mut(id.slot())?.as_mut().filter(|(held, _)| *held == id).map(|(_, pipe)| pipe)
    }

    /// Closes one end. A connection with both ends closed is removed. False if that end was closed already.
    pub fn release_end(&mut self, id: PipeId, end: usize) -> bool {
        let Some(pipe) = self.pipe_mut(id) else { return false };
        let had = std::mem::replace(&mut pipe.open[end], false);
        let (node, forgotten) = (pipe.ends[end], pipe.open == [false; 2]);
        // A node that dials its own former address holds both ends.
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

    /// The connections of a node.
    pub fn of_node(&self, node: NodeIndex) -> impl Iterator<Item = PipeId> + '_ {
        self.of_node[node].iter().copied()
    }

    /// The ends of all connections that are open at both.
    pub fn live(&self) -> impl Iterator<Item = [NodeIndex; 2]> + '_ {
        self.slots.iter().flatten().map(|(_, pipe)| pipe).filter(|pipe| pipe.open == [true; 2]).map(|pipe| pipe.ends)
    }

    /// All connections.
    pub fn all(&self) -> Vec<PipeId> {
        self.slots.iter().flatten().map(|(id, _)| *id).collect()
    }

    /// Connections between two nodes.
    pub fn between(&self, a: NodeIndex, b: NodeIndex) -> Vec<PipeId> {
        let joins = |id: &PipeId| self.pipe(*id).is_some_and(|pipe| pipe.ends.contains(&a) && pipe.ends.contains(&b));
        self.of_node[a].union(&self.of_node[b]).copied().filter(joins).collect()
    }

    /// Drops packets from one node to another.
    pub fn cut(&mut self, from: NodeIndex, to: NodeIndex) {
        self.cuts.insert((from, to));
    }

    /// Undoes [`cut`](Self::cut).
    pub fn mend(&mut self, from: NodeIndex, to: NodeIndex) {
        self.cuts.remove(&(from, to));
    }

    /// Puts a node into a part of a partitioned network. Packets pass only within a part.
    pub fn set_part(&mut self, node: NodeIndex, part: u32) {
        self.part[node] = part;
    }

    /// The part of a node.
    pub fn part(&self, node: NodeIndex) -> u32 {
        self.part[node]
    }

    /// Sets the islands of a node.
    pub fn set_islands(&mut self, node: NodeIndex, islands: &[u32]) {
        self.islands[node] = islands.to_vec();
    }

    /// Whether two nodes share an island, or are both in the routed network.
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

    /// Whether packets pass in both directions.
    pub fn reaches(&self, a: NodeIndex, b: NodeIndex) -> bool {
        self.passes(a, b) && self.passes(b, a)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_removed_once_both_ends_are_closed_and_its_id_is_not_reused() {
        let mut net = Net::default();
        (0..2).for_each(|node| net.join(node, ([10, 0, 0, node as u8], 1).into()));
        let first = net.open(0, 1);
        assert!(net.release_end(first, 0) && !net.release_end(first, 0));
        assert!(net.pipe(first).is_some() && net.of_node(0).next().is_none());
        assert!(net.release_end(first, 1) && net.pipe(first).is_none());
        let second = net.open(1, 0);
        assert!(second != first && second.slot() == first.slot() && net.pipe(first).is_none());
        assert_eq!(PipeId::of(second.conn(1)), (second, 1));
    }

    #[test]
    fn packets_pass_between_islands_only_where_a_node_has_an_interface_on_both() {
        let mut net = Net::default();
        (0..4).for_each(|node| net.join(node, ([10, 0, 0, node as u8], 1).into()));
        net.set_islands(0, &[1]);
        net.set_islands(1, &[1, 2]);
        net.set_islands(2, &[2]);
        assert!(net.reaches(0, 1) && net.reaches(1, 2) && !net.passes(0, 2));
        assert!(!net.passes(3, 0) && !net.passes(1, 3), "and not into the routed network");
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
