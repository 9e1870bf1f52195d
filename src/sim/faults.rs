//! What can go wrong: power, cables, parts, addresses, links, processes that stand still.

use std::net::SocketAddr;
use std::time::Duration;

use rand_core::Rng;

use super::net::{IDLE, NodeIndex, PipeId};
use super::world::{Event, Sim};
use crate::proto::event::Input;

/// How long an announcement holds that is not renewed (mDNS: the life of its records).
const ANNOUNCED: Duration = Duration::from_secs(120);
/// A machine that stood still this long finds that it has slept.
const SLEPT: Duration = Duration::from_secs(30);

impl Sim {
    /// The power fails: nothing is said, and what the disk was writing is cut off somewhere. The others notice by their
    /// idle time-out.
    pub fn crash(&mut self, index: NodeIndex) {
        let chance = self.rng.next_u64();
        self.nodes[index].core = None;
        self.nodes[index].disk.crash(chance);
        self.fall_silent(index);
        for (pipe, end) in self.pipes_of(index) {
            self.watch_idle(pipe);
            self.net.let_go(pipe, end);
        }
    }

    /// As [`Sim::crash`], but everybody who is connected learns of it at once: the crash of published comparisons.
    pub fn crash_loudly(&mut self, index: NodeIndex) {
        for (pipe, end) in self.pipes_of(index) {
            self.send(pipe, 1 - end, Input::Closed { conn: pipe.conn(1 - end) });
        }
        self.crash(index);
    }

    /// Cuts the cable between two nodes, silently.
    pub fn cut(&mut self, a: NodeIndex, b: NodeIndex) {
        self.cut_one_way(a, b);
        self.cut_one_way(b, a);
    }

    /// Packets from one node no longer come to another; those the other way do.
    pub fn cut_one_way(&mut self, from: NodeIndex, to: NodeIndex) {
        self.net.cut(from, to);
        self.net.between(from, to).into_iter().for_each(|pipe| self.watch_idle(pipe));
    }

    /// Mends it both ways; what QUIC held back arrives.
    pub fn mend(&mut self, a: NodeIndex, b: NodeIndex) {
        self.net.mend(a, b);
        self.net.mend(b, a);
        self.net.between(a, b).into_iter().for_each(|pipe| self.mended(pipe));
    }

    /// Splits the network: packets pass only between nodes of one part. All in part 0 is a whole network.
    pub fn split(&mut self, part: impl Fn(NodeIndex) -> u32) {
        self.rewire(|sim| (0..sim.nodes.len()).for_each(|node| sim.net.set_part(node, part(node))));
    }

    /// Changes who reaches whom; connections notice.
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

    /// The network is whole again.
    pub fn join(&mut self) {
        self.split(|_| 0);
    }

    /// A node gets another address. Its connections follow it where it dialled; where it was dialled they are dead.
    pub fn move_to(&mut self, index: NodeIndex, addr: SocketAddr) {
        let links = if self.nodes[index].is_on() { self.nodes[index].plan.links() } else { Vec::new() };
        links.into_iter().for_each(|link| self.forget_later(index, link));
        let old = std::mem::replace(&mut self.nodes[index].addr, addr);
        self.net.readdress(index, old, addr);
        for (pipe, end) in self.pipes_of(index) {
            if end == 1 {
                self.net.pipe_mut(pipe).into_iter().for_each(|pipe| pipe.severed = true);
                self.watch_idle(pipe);
            }
        }
        self.feed(index, Input::Interfaces { addrs: vec![addr] });
    }

    /// A node gets one address more: a change to tell of, and nothing else.
    pub fn restate(&mut self, index: NodeIndex, also: SocketAddr) {
        let addrs = vec![self.nodes[index].addr, also];
        self.feed(index, Input::Interfaces { addrs });
    }

    /// Puts a node on a local link, or takes it off all. Those it leaves forget its announcement after a while.
    pub fn set_segment(&mut self, index: NodeIndex, segment: Option<u32>) {
        let left = std::mem::replace(&mut self.nodes[index].plan.segment, segment);
        if left == segment {
            return;
        }
        if let Some(left) = left {
            self.segments.entry(left).or_default().remove(&index);
            self.forget_later(index, left);
        }
        if let Some(segment) = segment {
            self.segments.entry(segment).or_default().insert(index);
        }
        self.announce_anew(index);
    }

    /// Plugs a node into other islands: its cables to those it leaves are out, silently.
    pub fn carry(&mut self, index: NodeIndex, islands: &[u32]) {
        let left = std::mem::replace(&mut self.nodes[index].plan.islands, islands.to_vec());
        for link in left.iter().filter(|link| !islands.contains(link)) {
            self.segments.entry(*link).or_default().remove(&index);
            self.forget_later(index, *link);
        }
        for link in islands {
            self.segments.entry(*link).or_default().insert(index);
        }
        self.rewire(|sim| sim.net.put_on(index, islands));
        self.announce_anew(index);
    }

    /// Puts a node on the common local link, or takes it off.
    pub fn set_lan(&mut self, index: NodeIndex, lan: bool) {
        self.set_segment(index, lan.then_some(0));
    }

    /// A process stands still: it hears and does nothing for so long. A longer one finds that its machine has slept.
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

    /// Who hears nothing for the idle time-out closes; the other end hears nothing any more from then on.
    pub(super) fn idle(&mut self, id: PipeId, mends: u32) {
        let Some(pipe) = self.net.pipe(id).filter(|pipe| pipe.mends == mends) else { return };
        let (ends, open, severed) = (pipe.ends, pipe.open, pipe.severed);
        let speaks = |end: usize| open[end] && self.nodes[ends[end]].stalled.is_none();
        let hears = |end: usize| !severed && speaks(1 - end) && self.net.passes(ends[1 - end], ends[end]);
        let deaf: Vec<usize> = (0..2).filter(|end| open[*end] && !hears(*end)).collect();
        deaf.iter().for_each(|end| self.close_silently(id, *end));
        if !deaf.is_empty() {
            self.plan(IDLE, Event::Idle { pipe: id, mends });
        }
    }

    fn close_silently(&mut self, id: PipeId, end: usize) {
        let Some(pipe) = self.net.pipe_mut(id) else { return };
        let node = pipe.ends[end];
        let unread = pipe.held[end].pop_front().filter(|input| matches!(input, Input::Connected(_)));
        self.net.let_go(id, end);
        let (starts, closed) = (self.nodes[node].starts, Input::Closed { conn: id.conn(end) });
        match unread {
            Some(connected) => self.come_to_nothing(node, connected),
            None => self.plan(Duration::ZERO, Event::Feed { node, starts, input: closed }),
        }
    }

    fn fall_silent(&mut self, index: NodeIndex) {
        let links = self.nodes[index].plan.links();
        links.into_iter().for_each(|link| self.forget_later(index, link));
        self.nodes[index].announcing += 1;
    }

    fn forget_later(&mut self, index: NodeIndex, segment: u32) {
        let (boot, addr) = (self.nodes[index].boot(index), self.nodes[index].addr);
        self.plan(ANNOUNCED, Event::Vanish { node: index, boot, addr, segment });
    }

    /// The connections of a node, and which end it is.
    fn pipes_of(&self, index: NodeIndex) -> Vec<(PipeId, usize)> {
        let end = |pipe: PipeId| self.net.pipe(pipe).and_then(|pipe| pipe.ends.iter().position(|end| *end == index));
        self.net.of_node(index).filter_map(|pipe| Some((pipe, end(pipe)?))).collect()
    }

    fn watch_idle(&mut self, pipe: PipeId) {
        let Some(mends) = self.net.pipe(pipe).map(|pipe| pipe.mends) else { return };
        self.plan(IDLE, Event::Idle { pipe, mends });
    }

    /// What was held back comes after a delay, whatever was sent meanwhile behind it.
    fn mended(&mut self, pipe: PipeId) {
        let Some(open) = self.net.pipe_mut(pipe) else { return };
        open.mends += 1;
        for end in 0..2 {
            self.plan(self.settings.delay.1, Event::Release { pipe, end });
        }
        self.watch_idle(pipe);
    }
}
