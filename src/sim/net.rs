//! The simulated network: connections with delay, cables that are cut and mended, and the idle time-out that notices.
//!
//! It stands for QUIC, not for UDP: what is sent on a connection arrives once and in order, loss shows as delay, and a path
//! that stays cut for [`IDLE`] ends the connection on both sides.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use crate::id::ConnId;
use crate::proto::event::Input;
use crate::time::Moment;

/// Index of a node in its simulation.
pub type NodeIndex = usize;

/// The idle time-out of connections, as in the shell.
pub const IDLE: Duration = Duration::from_secs(12);

/// One connection: two ends.
#[derive(Debug)]
pub struct Pipe {
    pub ends: [(NodeIndex, ConnId); 2],
    /// What a cut holds back, by receiving end.
    pub held: [VecDeque<Input>; 2],
    /// What is sent now arrives after what was sent before.
    pub busy_until: [Moment; 2],
}

/// All connections and cables.
#[derive(Debug, Default)]
pub struct Net {
    next: u64,
    pub pipes: BTreeMap<u64, Pipe>,
    by_conn: BTreeMap<ConnId, u64>,
    cuts: BTreeSet<(NodeIndex, NodeIndex)>,
}

impl Net {
    pub fn open(&mut self, dialler: NodeIndex, acceptor: NodeIndex) -> (u64, [ConnId; 2]) {
        self.next += 1;
        let pipe = self.next;
        let conns = [ConnId(pipe * 2), ConnId(pipe * 2 + 1)];
        let ends = [(dialler, conns[0]), (acceptor, conns[1])];
        self.pipes.insert(pipe, Pipe { ends, held: Default::default(), busy_until: [Moment(0); 2] });
        conns.iter().for_each(|conn| {
            self.by_conn.insert(*conn, pipe);
        });
        (pipe, conns)
    }

    /// The pipe of a connection, and which end of it the other side is.
    pub fn other_end(&self, conn: &ConnId) -> Option<(u64, usize)> {
        let pipe = *self.by_conn.get(conn)?;
        let far = if self.pipes.get(&pipe)?.ends[0].1 == *conn { 1 } else { 0 };
        Some((pipe, far))
    }

    pub fn close(&mut self, pipe: u64) -> Option<Pipe> {
        let pipe = self.pipes.remove(&pipe)?;
        pipe.ends.iter().for_each(|(_, conn)| {
            self.by_conn.remove(conn);
        });
        Some(pipe)
    }

    pub fn of_node(&self, node: NodeIndex) -> Vec<u64> {
        let is_of = |pipe: &Pipe| pipe.ends.iter().any(|(end, _)| *end == node);
        self.pipes.iter().filter(|(_, pipe)| is_of(pipe)).map(|(id, _)| *id).collect()
    }

    pub fn cut(&mut self, a: NodeIndex, b: NodeIndex) {
        self.cuts.insert((a.min(b), a.max(b)));
    }

    pub fn mend(&mut self, a: NodeIndex, b: NodeIndex) {
        self.cuts.remove(&(a.min(b), a.max(b)));
    }

    pub fn is_cut(&self, a: NodeIndex, b: NodeIndex) -> bool {
        self.cuts.contains(&(a.min(b), a.max(b)))
    }

    /// Connections between two nodes.
    pub fn between(&self, a: NodeIndex, b: NodeIndex) -> Vec<u64> {
        let joins = |pipe: &Pipe| {
            let [(x, _), (y, _)] = pipe.ends;
            (x, y) == (a, b) || (x, y) == (b, a)
        };
        self.pipes.iter().filter(|(_, pipe)| joins(pipe)).map(|(id, _)| *id).collect()
    }
}
