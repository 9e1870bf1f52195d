//! Fault injection: power failures, cut links, partitions, changed addresses, stalled processes.

use std::net::SocketAddr;
use std::time::Duration;

use rand_core::Rng;

use super::nat::Nat;
use super::net::{IDLE, NodeIndex, PipeId};
use super::world::{Event, Sim};
use crate::proto::event::Input;

/// How long an announcement is valid if it is not renewed (mDNS: the TTL of its records).
const ANNOUNCED: Duration = Duration::from_secs(120);
/// A stall of this length or longer counts as a suspend of the machine.
const SLEPT: Duration = Duration::from_secs(30);

impl Sim {
    /// A power failure: the node sends nothing, and a pending commit is cut off at a random op. Peers notice by their
    /// idle timeout.
    pub fn crash(&mut self, index: NodeIndex) {
        let chance = self.rng.next_u64();
        self.nodes[index].core = None;
        self.nodes[index].disk.crash(chance);
        self.stop_announcing(index);
        for (pipe, end) in self.pipes_of(index) {
            self.watch_idle(pipe);
            self.net.release_end(pipe, end);
        }
    }

    /// Like [`Sim::crash`], but all connected peers notice at once, as in published comparisons.
    pub fn crash_loudly(&mut self, index: NodeIndex) {
        for (pipe, end) in self.pipes_of(index) {
            self.send(pipe, 1 - end, Input::Closed { conn: pipe.conn(1 - end), reason: None });
        }
        self.crash(index);
    }

    /// Cuts the path between two nodes, silently.
    pub fn cut(&mut self, a: NodeIndex, b: NodeIndex) {
        self.cut_one_way(a, b);
        self.cut_one_way(b, a);
    }

    /// Drops packets from one node to another, but not in the other direction.
    pub fn cut_one_way(&mut self, from: NodeIndex, to: NodeIndex) {
        self.net.cut(from, to);
        self.net.between(from, to).into_iter().for_each(|pipe| self.watch_idle(pipe));
    }

    /// Repairs the path in both directions. What QUIC held back arrives.
    pub fn mend(&mut self, a: NodeIndex, b: NodeIndex) {
        self.net.mend(a, b);
        self.net.mend(b, a);
        self.net.between(a, b).into_iter().for_each(|pipe| self.mended(pipe));
    }

    /// Partitions the network: packets pass only between nodes of the same part. If all are in part 0, the network is
    /// whole.
    pub fn split(&mut self, part: impl Fn(NodeIndex) -> u32) {
        self.rewire(|sim| (0..sim.nodes.len()).for_each(|node| sim.net.set_part(node, part(node))));
    }

    /// Changes reachability, and starts idle timeouts or resumes delivery on affected connections.
    fn rewire(&mut self, change: impl FnOnce(&mut Sim)) {
        let parted = |sim: &Sim, pipe| {
            let ends = sim.net.pipe(pipe).map(|pipe| pipe.ends);
            ends.is_some_and(|[a, b]| !sim.net.reaches(a, b))
        };
        let pipes = self.net.all();
        let before: Vec<bool> = pipes.iter().map(|pipe| parted(self, *pipe)).collect();
        change(self);
        for (pipe, before) in pipes.into_iter().zip(before) {
            match (before, parted(self, pipe)) {
                (false, true) => self.watch_idle(pipe),
                (true, false) => self.mended(pipe),
                _ => {}
            }
        }
    }

    /// Ends a partition.
    pub fn join(&mut self) {
        self.split(|_| 0);
    }

    /// Changes a node's address. Connections it dialled migrate; those it accepted are dead.
    pub fn move_to(&mut self, index: NodeIndex, addr: SocketAddr) {
        let links = if self.nodes[index].is_on() { self.nodes[index].plan.links() } else { Vec::new() };
        links.into_iter().for_each(|link| self.expire_later(index, link));
        self.readdress(index, addr);
        self.feed(index, Input::Interfaces { addrs: vec![addr] });
    }

    /// Changes the public address of a node's NAT. The node does not notice.
    pub fn renumber_nat(&mut self, index: NodeIndex, addr: SocketAddr) {
        self.readdress(index, addr);
        self.put_behind_nat(index);
    }

    /// Puts a node behind a NAT that keeps ports. What the node sends on its connections opens it for their other ends.
    pub fn put_behind_nat(&mut self, index: NodeIndex) {
        let mut nat = Nat::default();
        for (pipe, end) in self.pipes_of(index) {
            let other = self.net.pipe(pipe).map(|pipe| pipe.ends[1 - end]);
            other.into_iter().for_each(|other| nat.send(self.nodes[other].addr, self.now + IDLE));
        }
        self.nodes[index].nat = Some(nat);
    }

    /// Changes the address from which a node's packets come.
    fn readdress(&mut self, index: NodeIndex, addr: SocketAddr) {
        let old = std::mem::replace(&mut self.nodes[index].addr, addr);
        self.net.readdress(index, old, addr);
        for (pipe, end) in self.pipes_of(index) {
            if end == 1 {
                self.net.pipe_mut(pipe).into_iter().for_each(|pipe| pipe.severed = true);
                self.watch_idle(pipe);
            } else {
                self.send(pipe, 1, Input::Moved { conn: pipe.conn(1), addr });
            }
        }
    }

    /// Gives a node an additional address: a change to declare, without other effects.
    pub fn add_address(&mut self, index: NodeIndex, also: SocketAddr) {
        let addrs = vec![self.nodes[index].addr, also];
        self.feed(index, Input::Interfaces { addrs });
    }

    /// Moves a node to a local link, or takes it off. The nodes it leaves forget its announcement after a while.
    pub fn set_segment(&mut self, index: NodeIndex, segment: Option<u32>) {
        let left = std::mem::replace(&mut self.nodes[index].plan.segment, segment);
        if left == segment {
            return;
        }
        if let Some(left) = left {
            self.segments.entry(left).or_default().remove(&index);
            self.expire_later(index, left);
        }
        if let Some(segment) = segment {
            self.segments.entry(segment).or_default().insert(index);
        }
        self.restart_announcements(index);
    }

    /// Moves a node to other islands. Connections to nodes on the islands it leaves are cut silently.
    pub fn move_to_islands(&mut self, index: NodeIndex, islands: &[u32]) {
        let left = std::mem::replace(&mut self.nodes[index].plan.islands, islands.to_vec());
        for link in left.iter().filter(|link| !islands.contains(link)) {
            self.segments.entry(*link).or_default().remove(&index);
            self.expire_later(index, *link);
        }
        for link in islands {
            self.segments.entry(*link).or_default().insert(index);
        }
        self.rewire(|sim| sim.net.set_islands(index, islands));
        self.restart_announcements(index);
    }

    /// Puts a node on the common local link, or takes it off.
    pub fn set_lan(&mut self, index: NodeIndex, lan: bool) {
        self.set_segment(index, lan.then_some(0));
    }

    /// Stalls a process: it receives and does nothing for `span`. A long stall counts as a suspend of the machine.
    pub fn stall(&mut self, index: NodeIndex, span: Duration) {
        self.nodes[index].stalled = Some(self.now + span);
        for (pipe, _) in self.pipes_of(index) {
            self.watch_idle(pipe);
        }
        self.plan(span, Event::Resume { node: index, slept: span >= SLEPT });
    }

    pub(super) fn resume(&mut self, index: NodeIndex, slept: bool) {
        let node = &mut self.nodes[index];
        if node.stalled.is_none_or(|until| until > self.now) {
            return;
        }
        node.stalled = None;
        for (pipe, end) in self.pipes_of(index) {
            let left = self.net.pipe(pipe).is_some_and(|pipe| !pipe.open[1 - end] && pipe.held[end].is_empty());
            if left {
                self.close_silently(pipe, end);
            }
            self.mended(pipe);
        }
        if slept {
            self.feed(index, Input::Woke);
        }
    }

    /// Closes the ends that received nothing for the idle timeout. The other end then receives nothing either.
    pub(super) fn idle(&mut self, id: PipeId, mends: u32) {
        let Some(pipe) = self.net.pipe(id).filter(|pipe| pipe.mends == mends) else { return };
        let (ends, open, severed) = (pipe.ends, pipe.open, pipe.severed);
        let sends = |end: usize| open[end] && self.nodes[ends[end]].stalled.is_none();
        let receives = |end: usize| !severed && sends(1 - end) && self.net.passes(ends[1 - end], ends[end]);
        let silent: Vec<usize> = (0..2).filter(|end| open[*end] && !receives(*end)).collect();
        silent.iter().for_each(|end| self.close_silently(id, *end));
        if !silent.is_empty() {
            self.plan(IDLE, Event::Idle { pipe: id, mends });
        }
    }

    fn close_silently(&mut self, id: PipeId, end: usize) {
        let Some(pipe) = self.net.pipe_mut(id) else { return };
        let node = pipe.ends[end];
        let unread = pipe.held[end].pop_front().filter(|input| matches!(input, Input::Connected(_)));
        self.net.release_end(id, end);
        let (starts, closed) = (self.nodes[node].starts, Input::Closed { conn: id.conn(end), reason: None });
        match unread {
            Some(connected) => self.fail_undelivered(node, connected),
            None => self.plan(Duration::ZERO, Event::Feed { node, starts, input: closed }),
        }
    }

    pub(super) fn stop_announcing(&mut self, index: NodeIndex) {
        let links = self.nodes[index].plan.links();
        links.into_iter().for_each(|link| self.expire_later(index, link));
        self.nodes[index].announcing += 1;
    }

    fn expire_later(&mut self, index: NodeIndex, segment: u32) {
        let (boot, addr) = (self.nodes[index].boot(index), self.nodes[index].addr);
        self.plan(ANNOUNCED, Event::ExpireAnnouncement { node: index, boot, addr, segment });
    }

    /// The connections of a node, with the end it holds.
    fn pipes_of(&self, index: NodeIndex) -> Vec<(PipeId, usize)> {
        let end = |pipe: PipeId| self.net.pipe(pipe).and_then(|pipe| pipe.ends.iter().position(|end| *end == index));
        self.net.of_node(index).filter_map(|pipe| Some((pipe, end(pipe)?))).collect()
    }

    fn watch_idle(&mut self, pipe: PipeId) {
        let Some(mends) = self.net.pipe(pipe).map(|pipe| pipe.mends) else { return };
        self.plan(IDLE, Event::Idle { pipe, mends });
    }

    /// Resumes delivery: inputs held back arrive after a delay, in order.
    fn mended(&mut self, pipe: PipeId) {
        let Some(open) = self.net.pipe_mut(pipe) else { return };
        open.mends += 1;
        for end in 0..2 {
            self.plan(self.settings.delay.1, Event::Release { pipe, end });
        }
        self.watch_idle(pipe);
    }
}
