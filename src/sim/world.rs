//! A world of nodes, and what happens when. What comes to a node is in [`arrivals`], what it wants done in [`outputs`].

mod arrivals;
mod outputs;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

use super::Settings;
use super::disk::Disk;
use super::net::{Net, NodeIndex, PipeId};
use super::node::{Node, Plan};
use super::queue::Queue;
use super::rumour::Rumour;
use super::trace::Trace;
use super::traffic::Traffic;
use crate::id::{BootId, DialId, SessionId, UserId};
use crate::proto::event::{Command, Input, Request};
use crate::proto::persist::Ticket;
use crate::proto::{Accept, Core};
use crate::time::Moment;

pub(super) enum Event {
    Wake(NodeIndex),
    /// What was on its way to a node's disk when this began is there.
    Commit {
        node: NodeIndex,
        starts: u64,
        through: Ticket,
    },
    Deliver {
        pipe: PipeId,
        end: usize,
        input: Input,
    },
    /// What was held back arrives.
    Release {
        pipe: PipeId,
        end: usize,
    },
    Arrive {
        dialler: NodeIndex,
        starts: u64,
        dial: DialId,
        addr: SocketAddr,
        expect: Option<SessionId>,
    },
    /// For one start of a node: one that has been restarted since does not get it.
    Feed {
        node: NodeIndex,
        starts: u64,
        input: Input,
    },
    /// An end may have heard nothing for an idle time-out.
    Idle {
        pipe: PipeId,
        mends: u32,
    },
    Announce {
        node: NodeIndex,
        round: u64,
    },
    Vanish {
        node: NodeIndex,
        boot: BootId,
        addr: SocketAddr,
        segment: u32,
    },
    Resume {
        node: NodeIndex,
        slept: bool,
    },
}

/// A world of nodes.
pub struct Sim {
    pub settings: Settings,
    pub nodes: Vec<Node>,
    /// Inputs that cores have handled.
    pub events: u64,
    /// A declaration that is followed.
    pub rumour: Option<Rumour>,
    pub(super) now: Moment,
    pub(super) rng: ChaCha20Rng,
    pub(super) net: Net,
    pub(super) segments: BTreeMap<u32, BTreeSet<NodeIndex>>,
    queue: Queue<Event>,
    trace: Trace,
    by_session: BTreeMap<SessionId, NodeIndex>,
    by_user: BTreeMap<UserId, NodeIndex>,
}

impl Sim {
    pub fn new(settings: Settings) -> Sim {
        Sim {
            rng: ChaCha20Rng::seed_from_u64(settings.seed),
            settings,
            nodes: Vec::new(),
            events: 0,
            rumour: None,
            now: Moment(1),
            net: Net::default(),
            segments: BTreeMap::new(),
            queue: Queue::default(),
            trace: Trace::default(),
            by_session: BTreeMap::new(),
            by_user: BTreeMap::new(),
        }
    }

    /// Adds a client, switched off, on the common local link if `lan`.
    pub fn add(&mut self, name: &str, accept: Accept, lan: bool) -> NodeIndex {
        self.place(Plan { accept, segment: lan.then_some(0), ..Plan::client(name) })
    }

    /// Adds a node, switched off.
    pub fn place(&mut self, plan: Plan) -> NodeIndex {
        let index = self.nodes.len();
        let links = plan.links();
        let node = Node::new(index, plan, self.settings.scheme, [self.random(), self.random()]);
        self.net.join(index, node.addr);
        self.net.put_on(index, &node.plan.islands);
        self.by_session.insert(node.session, index);
        self.by_user.insert(node.user, index);
        self.nodes.push(node);
        for link in links {
            self.segments.entry(link).or_default().insert(index);
        }
        index
    }

    /// Adds a node that has the keys and the disk of another one, switched off: somebody copied a directory.
    pub fn place_copy(&mut self, of: NodeIndex) -> NodeIndex {
        let index = self.nodes.len();
        let node = self.nodes[of].copy(index);
        self.net.join(index, node.addr);
        self.net.put_on(index, &node.plan.islands);
        self.nodes.push(node);
        index
    }

    /// Switches a node on with what its disk holds.
    pub fn start(&mut self, index: NodeIndex) {
        let (seed, network, now) = (self.random(), self.settings.network, self.now);
        let node = &mut self.nodes[index];
        node.starts += 1;
        node.prove_what_is_known();
        node.core = Some(Core::new(node.config(index, network, seed), node.disk.load(), node.clock(now)));
        if !self.settings.disks {
            node.disk = Disk::hollow();
        }
        (node.woken_for, node.stalled, node.committing) = (None, None, false);
        node.shows.clear();
        let (addr, bootstrap) = (node.addr, node.plan.bootstrap.clone());
        self.feed(index, Input::Interfaces { addrs: vec![addr] });
        if !bootstrap.is_empty() {
            self.feed(index, Input::Bootstrap { addrs: bootstrap, whom: None });
        }
        self.announce_anew(index);
    }

    /// Somebody types at a node.
    pub fn command(&mut self, index: NodeIndex, line: u64, command: Command) {
        self.feed(index, Input::Request(Request { line: Some(line), command }));
    }

    /// Any other input.
    pub fn feed(&mut self, index: NodeIndex, input: Input) {
        let node = &mut self.nodes[index];
        let clock = node.clock(self.now);
        let Some(core) = node.core.as_mut() else { return };
        self.events += 1;
        match &input {
            Input::Connected(connected) => node.knocks.prove(connected.addr),
            Input::Sighted { addr, .. } => node.knocks.prove(*addr),
            _ => {}
        }
        core.handle(clock, input);
        self.drain(index);
    }

    /// The core of a node that is on.
    pub fn core(&self, index: NodeIndex) -> Option<&Core> {
        self.nodes[index].core.as_ref()
    }

    pub fn now(&self) -> Moment {
        self.now
    }

    /// What all nodes have sent.
    pub fn traffic(&self) -> Traffic {
        self.nodes.iter().fold(Traffic::default(), |sum, node| sum.and(&node.traffic))
    }

    /// The network, to look at.
    pub fn net(&self) -> &Net {
        &self.net
    }

    /// Whose session this is.
    pub fn who(&self, session: &SessionId) -> Option<NodeIndex> {
        self.by_session.get(session).copied()
    }

    /// Which node a user has.
    pub fn of_user(&self, user: &UserId) -> Option<NodeIndex> {
        self.by_user.get(user).copied()
    }

    /// Nodes that are on.
    pub fn on(&self) -> impl Iterator<Item = NodeIndex> + '_ {
        self.nodes.iter().enumerate().filter(|(_, node)| node.is_on()).map(|(index, _)| index)
    }

    /// Runs until `done` or until this much time has passed; true if `done`.
    pub fn run_until(&mut self, limit: Duration, mut done: impl FnMut(&Sim) -> bool) -> bool {
        let end = self.now + limit;
        loop {
            if done(self) {
                return true;
            }
            if !self.step(end) {
                self.now = end;
                return done(self);
            }
        }
    }

    /// Runs for a while.
    pub fn run(&mut self, span: Duration) {
        let end = self.now + span;
        while self.step(end) {}
        self.now = end;
    }

    /// Everything that was put out so far, in order: equal for equal seeds.
    pub fn trace_hash(&self) -> [u8; 32] {
        self.trace.hash()
    }

    /// A number below `below`, from the seed.
    pub fn pick(&mut self, below: usize) -> usize {
        (self.rng.next_u64() % below.max(1) as u64) as usize
    }

    /// The next event, if it is due by `end`.
    fn step(&mut self, end: Moment) -> bool {
        if self.queue.next().is_none_or(|at| at > end) {
            return false;
        }
        let Some((moment, event)) = self.queue.pop() else { return false };
        self.now = moment;
        match self.stalled_until(&event) {
            Some(later) => self.queue.plan(later, event),
            None => self.happen(event),
        }
        true
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Wake(node) => self.wake(node),
            Event::Commit { node, starts, through } => self.commit(node, starts, through),
            Event::Deliver { pipe, end, input } => self.deliver(pipe, end, input),
            Event::Release { pipe, end } => self.release(pipe, end),
            Event::Arrive { dialler, starts, dial, addr, expect } => self.arrive(dialler, starts, dial, addr, expect),
            Event::Feed { node, starts, input } => self.feed_start(node, starts, input),
            Event::Idle { pipe, mends } => self.idle(pipe, mends),
            Event::Announce { node, round } => self.announce(node, round),
            Event::Vanish { node, boot, addr, segment } => self.vanish(node, boot, addr, segment),
            Event::Resume { node, slept } => self.resume(node, slept),
        }
    }

    /// Until when a node whose process stands still leaves its own affairs alone.
    fn stalled_until(&self, event: &Event) -> Option<Moment> {
        let node = match event {
            Event::Wake(node) | Event::Commit { node, .. } | Event::Feed { node, .. } => *node,
            Event::Announce { node, .. } | Event::Arrive { dialler: node, .. } => *node,
            _ => return None,
        };
        self.nodes[node].stalled.filter(|until| *until > self.now)
    }

    pub(super) fn plan(&mut self, after: Duration, event: Event) {
        self.queue.plan(self.now + after, event);
    }

    fn feed_start(&mut self, node: NodeIndex, starts: u64, input: Input) {
        if self.nodes[node].starts == starts {
            self.feed(node, input);
        }
    }

    fn wake(&mut self, index: NodeIndex) {
        // A wake that was planned before a sooner one was has nothing to say.
        if self.nodes[index].woken_for.is_some_and(|at| at <= self.now) {
            self.nodes[index].woken_for = None;
            self.feed(index, Input::Timeout);
        }
    }

    fn commit(&mut self, index: NodeIndex, starts: u64, through: Ticket) {
        if self.nodes[index].starts != starts || !self.nodes[index].is_on() {
            return;
        }
        self.nodes[index].committing = false;
        let (through, refused) = self.nodes[index].disk.commit(through);
        if !refused.is_empty() {
            let refused = refused.iter().map(|row| row.id).collect();
            self.feed(index, Input::StoreFailed { refused, error: "no space left".to_owned() });
        }
        self.feed(index, Input::Stored { through });
    }

    pub(super) fn random(&mut self) -> [u8; 32] {
        let mut bytes = [0; 32];
        self.rng.fill_bytes(&mut bytes);
        bytes
    }
}
