//! The simulated world and its event loop. [`arrivals`] handles what reaches a node, [`outputs`] what a core puts
//! out.

mod arrivals;
mod outputs;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

use super::Settings;
use super::disk::Disk;
use super::dissemination::Dissemination;
use super::net::{Net, NodeIndex, PipeId};
use super::node::{Node, Plan};
use super::queue::Queue;
use super::trace::Trace;
use super::traffic::Traffic;
use crate::id::{BootId, DialId, SessionId, UserId};
use crate::identity::SecretKey;
use crate::proto::event::{Command, Input, Output, Request};
use crate::proto::persist::Ticket;
use crate::proto::{Accept, Core};
use crate::time::Moment;

pub(super) enum Event {
    Wake(NodeIndex),
    /// The ops that were pending when this commit began become durable.
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
    /// Delivers inputs that were held back.
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
        /// Until when the dialler repeats its packets.
        until: Moment,
    },
    /// An input for one particular run of a node. Dropped if the node was restarted meanwhile.
    Feed {
        node: NodeIndex,
        starts: u64,
        input: Input,
    },
    /// Checks whether an end has received nothing for the idle timeout.
    Idle {
        pipe: PipeId,
        mends: u32,
    },
    Announce {
        node: NodeIndex,
        round: u64,
    },
    ExpireAnnouncement {
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

/// A simulated world of nodes.
pub struct Sim {
    /// The parameters of the world.
    pub settings: Settings,
    /// All nodes, by index.
    pub nodes: Vec<Node>,
    /// Number of inputs handled by all cores.
    pub events: u64,
    /// Tracks the dissemination of one declaration, if set.
    pub(crate) dissemination: Option<Dissemination>,
    /// Every output of every core, in order and with its moment, if set.
    pub outputs: Option<Vec<(Moment, NodeIndex, Output)>>,
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
    /// An empty world.
    pub fn new(settings: Settings) -> Sim {
        Sim {
            rng: ChaCha20Rng::seed_from_u64(settings.seed),
            settings,
            nodes: Vec::new(),
            events: 0,
            dissemination: None,
            outputs: None,
            now: Moment(1),
            net: Net::default(),
            segments: BTreeMap::new(),
            queue: Queue::default(),
            trace: Trace::default(),
            by_session: BTreeMap::new(),
            by_user: BTreeMap::new(),
        }
    }

    /// Adds a client, not started, on the common local link if `lan`.
    pub fn add(&mut self, name: &str, accept: Accept, lan: bool) -> NodeIndex {
        self.add_node(Plan { accept, segment: lan.then_some(0), ..Plan::client(name) })
    }

    /// Adds a node, not started.
    pub fn add_node(&mut self, plan: Plan) -> NodeIndex {
        let index = self.nodes.len();
        let links = plan.links();
        let node = Node::new(index, plan, self.settings.scheme, [self.random(), self.random()]);
        self.net.join(index, node.addr);
        self.net.set_islands(index, &node.plan.islands);
        self.by_session.insert(node.session, index);
        self.by_user.insert(node.user, index);
        self.nodes.push(node);
        for link in links {
            self.segments.entry(link).or_default().insert(index);
        }
        index
    }

    /// Makes a new node a session of the user with this key.
    pub(super) fn set_user(&mut self, index: NodeIndex, key: SecretKey) {
        let node = &mut self.nodes[index];
        self.by_user.remove(&node.user);
        (node.user, node.user_key) = (UserId(key.public()), key);
    }

    /// Adds a node, not started, with the keys and disk of another one, as if its data directory had been copied.
    pub fn add_copy(&mut self, of: NodeIndex) -> NodeIndex {
        let index = self.nodes.len();
        let node = self.nodes[of].copy(index);
        self.net.join(index, node.addr);
        self.net.set_islands(index, &node.plan.islands);
        self.nodes.push(node);
        index
    }

    /// Starts a node from the content of its disk.
    pub fn start(&mut self, index: NodeIndex) {
        let (seed, network, now) = (self.random(), self.settings.network, self.now);
        let node = &mut self.nodes[index];
        node.starts += 1;
        node.allow_known_addresses();
        node.core = Some(Core::new(node.config(index, network, seed), node.disk.load(), node.clock(now)));
        if !self.settings.disks {
            node.disk = Disk::discarding();
        }
        (node.woken_for, node.stalled, node.committing) = (None, None, false);
        node.queries.clear();
        node.shown_online.clear();
        node.shown_nearby.clear();
        let (addr, bootstrap) = (node.addr, node.plan.bootstrap.clone());
        self.feed(index, Input::Interfaces { addrs: vec![addr] });
        for addr in bootstrap {
            self.feed(index, Input::Bootstrap { place: addr.to_string(), addrs: vec![addr], whom: None });
        }
        self.restart_announcements(index);
    }

    /// Issues a command at a node, as line `line`.
    pub fn command(&mut self, index: NodeIndex, line: u64, command: Command) {
        self.feed(index, Input::Request(Request { line: Some(line), command }));
    }

    /// Passes an input to a node's core. Ignored if the node is not running.
    pub fn feed(&mut self, index: NodeIndex, input: Input) {
        let node = &mut self.nodes[index];
        let clock = node.clock(self.now);
        let Some(core) = node.core.as_mut() else { return };
        self.events += 1;
        match &input {
            Input::Connected(connected) => node.unproven_dials.allow(connected.addr),
            Input::Sighted { addr, .. } => node.unproven_dials.allow(*addr),
            _ => {}
        }
        core.handle(clock, input);
        self.drain(index);
    }

    /// The core of a node; `None` if it is not running.
    pub fn core(&self, index: NodeIndex) -> Option<&Core> {
        self.nodes[index].core.as_ref()
    }

    /// The current moment.
    pub fn now(&self) -> Moment {
        self.now
    }

    /// The traffic sent by all nodes.
    pub fn traffic(&self) -> Traffic {
        self.nodes.iter().fold(Traffic::default(), |sum, node| sum.and(&node.traffic))
    }

    /// The simulated network.
    pub fn net(&self) -> &Net {
        &self.net
    }

    /// The node with this session.
    pub fn node_of_session(&self, session: &SessionId) -> Option<NodeIndex> {
        self.by_session.get(session).copied()
    }

    /// The node of this user.
    pub fn node_of_user(&self, user: &UserId) -> Option<NodeIndex> {
        self.by_user.get(user).copied()
    }

    /// The nodes that are running.
    pub fn on(&self) -> impl Iterator<Item = NodeIndex> + '_ {
        self.nodes.iter().enumerate().filter(|(_, node)| node.is_on()).map(|(index, _)| index)
    }

    /// Runs until `done` returns true or `limit` has passed. Returns the last value of `done`.
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

    /// Runs for `span` of simulated time.
    pub fn run(&mut self, span: Duration) {
        let end = self.now + span;
        while self.step(end) {}
        self.now = end;
    }

    /// A hash of all outputs so far, in order: equal for equal seeds.
    pub fn trace_hash(&self) -> [u8; 32] {
        self.trace.hash()
    }

    /// A random number below `below`.
    pub fn pick(&mut self, below: usize) -> usize {
        (self.rng.next_u64() % below.max(1) as u64) as usize
    }

    /// Processes the next event if it is due by `end`; false if there is none.
    fn step(&mut self, end: Moment) -> bool {
        if self.queue.next().is_none_or(|at| at > end) {
            return false;
        }
        let Some((moment, event)) = self.queue.pop() else { return false };
        self.now = moment;
        match self.stalled_until(&event) {
            Some(later) => self.queue.plan(later, event),
            None => self.process(event),
        }
        true
    }

    fn process(&mut self, event: Event) {
        match event {
            Event::Wake(node) => self.wake(node),
            Event::Commit { node, starts, through } => self.commit(node, starts, through),
            Event::Deliver { pipe, end, input } => self.deliver(pipe, end, input),
            Event::Release { pipe, end } => self.release(pipe, end),
            Event::Arrive { dialler, starts, dial, addr, expect, until } => {
                self.arrive(dialler, starts, dial, addr, expect, until)
            }
            Event::Feed { node, starts, input } => self.feed_start(node, starts, input),
            Event::Idle { pipe, mends } => self.idle(pipe, mends),
            Event::Announce { node, round } => self.announce(node, round),
            Event::ExpireAnnouncement { node, boot, addr, segment } => {
                self.expire_announcement(node, boot, addr, segment)
            }
            Event::Resume { node, slept } => self.resume(node, slept),
        }
    }

    /// The moment until which an event is deferred because its node's process is stalled.
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
        // A wake-up that was superseded by an earlier one is ignored.
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
        self.answer_queries(index, through);
    }

    /// Answers the queries whose predecessors are durable.
    pub(super) fn answer_queries(&mut self, index: NodeIndex, through: Ticket) {
        let node = &mut self.nodes[index];
        let answered = node.queries.extract_if(.., |(after, ..)| *after <= through).collect::<Vec<_>>();
        for (_, sister, wanted) in answered {
            let (rows, examined) = self.nodes[index].disk.lines(wanted);
            self.feed(index, Input::Lines { sister, rows, examined });
        }
    }

    pub(super) fn random(&mut self) -> [u8; 32] {
        let mut bytes = [0; 32];
        self.rng.fill_bytes(&mut bytes);
        bytes
    }
}
