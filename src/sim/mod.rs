//! The simulator: the product's own cores in one process, one heap of `(moment, n)`, one seed. The same seed gives the same
//! trace, to the last output.
//!
//! Nodes have a disk that commits after a while and loses the rest in a crash ([`disk`]), and connections with delay and
//! cables that can be cut ([`net`]). Frames go through the wire's encoder and decoder, so that what the simulator counts is
//! what would travel.

pub mod disk;
pub mod net;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::SocketAddr;
use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use sha2::{Digest, Sha256};

use crate::id::{BootId, ConnId, DialId, NetworkId, SessionId, UserId};
use crate::identity::{Name, Scheme, SecretKey};
use crate::proto::event::{Command, Connected, DialFailure, Input, Output, Request};
use crate::proto::view::Notice;
use crate::proto::{Accept, Config, Core};
use crate::time::{Moment, Now, Wall};
use crate::wire::codec::List;
use crate::wire::{chat, control, decode, encode};
use disk::Disk;
use net::{IDLE, Net, NodeIndex};

/// How the simulated world behaves.
#[derive(Debug, Clone)]
pub struct Settings {
    pub seed: u64,
    pub scheme: Scheme,
    /// One way, at least and at most.
    pub delay: (Duration, Duration),
    /// From a write to its commit.
    pub commit: Duration,
    /// What a dial into nothing takes.
    pub dial_timeout: Duration,
    pub network: NetworkId,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            seed: 1,
            scheme: Scheme::Ed25519,
            delay: (Duration::from_millis(1), Duration::from_millis(5)),
            commit: Duration::from_millis(2),
            dial_timeout: Duration::from_secs(4),
            network: NetworkId::OPEN,
        }
    }
}

/// A simulated node. Its core is gone while it is switched off.
pub struct Node {
    pub user: UserId,
    pub session: SessionId,
    pub addr: SocketAddr,
    pub disk: Disk,
    /// Everything it told its faces, in order.
    pub notices: Vec<(Option<u64>, Notice)>,
    pub sent_frames: u64,
    pub sent_bytes: u64,
    core: Option<Core>,
    name: Name,
    user_key: SecretKey,
    session_key: SecretKey,
    accept: Accept,
    lan: bool,
    starts: u64,
    committing: bool,
    woken_for: Option<Moment>,
}

enum Event {
    Wake(NodeIndex),
    Commit(NodeIndex, u64),
    Deliver { pipe: u64, end: usize, input: Input },
    Arrive { dialler: NodeIndex, dial: DialId, addr: SocketAddr, expect: Option<SessionId> },
    Fail { node: NodeIndex, starts: u64, dial: DialId, failure: DialFailure },
    Idle { pipe: u64 },
    Gone { pipe: u64 },
    Closed { node: NodeIndex, starts: u64, conn: ConnId },
    Sight(NodeIndex),
}

/// A world of nodes.
pub struct Sim {
    pub settings: Settings,
    pub nodes: Vec<Node>,
    pub events: u64,
    now: Moment,
    rng: ChaCha20Rng,
    net: Net,
    heap: BinaryHeap<Reverse<(Moment, u64)>>,
    due: std::collections::BTreeMap<u64, Event>,
    next: u64,
    trace: Sha256,
}

impl Sim {
    pub fn new(settings: Settings) -> Sim {
        Sim {
            rng: ChaCha20Rng::seed_from_u64(settings.seed),
            settings,
            nodes: Vec::new(),
            events: 0,
            now: Moment(1),
            net: Net::default(),
            heap: BinaryHeap::new(),
            due: Default::default(),
            next: 0,
            trace: Sha256::new(),
        }
    }

    /// Adds a node, switched off, on the common local link if `lan`.
    pub fn add(&mut self, name: &str, accept: Accept, lan: bool) -> NodeIndex {
        let index = self.nodes.len();
        let user_key = SecretKey::from_seed(self.settings.scheme, &self.random());
        let session_key = SecretKey::from_seed(self.settings.scheme, &self.random());
        let host = (index as u32 + 1).to_be_bytes();
        self.nodes.push(Node {
            user: UserId(user_key.public()),
            session: SessionId(session_key.public()),
            addr: SocketAddr::from(([10, host[1], host[2], host[3]], 27272)),
            disk: Disk::default(),
            notices: Vec::new(),
            sent_frames: 0,
            sent_bytes: 0,
            core: None,
            name: Name::parse(name).expect("simulated nodes have good names"),
            user_key,
            session_key,
            accept,
            lan,
            starts: 0,
            committing: false,
            woken_for: None,
        });
        index
    }

    /// Switches a node on with what its disk holds.
    pub fn start(&mut self, index: NodeIndex) {
        let seed = self.random();
        let node = &mut self.nodes[index];
        node.starts += 1;
        let config = Config {
            name: node.name.clone(),
            user_key: Some(node.user_key.clone()),
            user: node.user,
            session_key: node.session_key.clone(),
            label: "sim".to_owned(),
            network: self.settings.network,
            roles: 0,
            accept: node.accept,
            port: 27272,
            agent: "darknode sim".to_owned(),
            boot: BootId(((index as u64) << 32) | node.starts),
            seed,
        };
        let now = at(self.now);
        node.core = Some(Core::new(config, node.disk.load(), now));
        node.woken_for = None;
        node.committing = false;
        let addr = node.addr;
        self.feed(index, Input::Interfaces { addrs: vec![addr] });
        if self.nodes[index].lan {
            self.plan(Duration::from_millis(300), Event::Sight(index));
        }
    }

    /// The power fails: nothing is said, and what the disk was writing is cut off somewhere. The others notice by their
    /// idle time-out.
    pub fn crash(&mut self, index: NodeIndex) {
        let chance = self.rng.next_u64();
        self.nodes[index].core = None;
        self.nodes[index].disk.crash(chance);
        for pipe in self.net.of_node(index) {
            self.plan(IDLE, Event::Idle { pipe });
        }
    }

    /// Puts a node on the common local link, or takes it off; counts from its next start.
    pub fn set_lan(&mut self, index: NodeIndex, lan: bool) {
        self.nodes[index].lan = lan;
    }

    /// Somebody types at a node.
    pub fn command(&mut self, index: NodeIndex, line: u64, command: Command) {
        self.feed(index, Input::Request(Request { line: Some(line), command }));
    }

    /// Any other input.
    pub fn feed(&mut self, index: NodeIndex, input: Input) {
        let now = at(self.now);
        let Some(core) = self.nodes[index].core.as_mut() else { return };
        core.handle(now, input);
        self.drain(index);
    }

    /// Cuts the cable between two nodes, silently.
    pub fn cut(&mut self, a: NodeIndex, b: NodeIndex) {
        self.net.cut(a, b);
        for pipe in self.net.between(a, b) {
            self.plan(IDLE, Event::Idle { pipe });
        }
    }

    /// Mends it; what QUIC held back arrives.
    pub fn mend(&mut self, a: NodeIndex, b: NodeIndex) {
        self.net.mend(a, b);
        for id in self.net.between(a, b) {
            for end in 0..2 {
                let held =
                    self.net.pipes.get_mut(&id).map(|pipe| std::mem::take(&mut pipe.held[end])).unwrap_or_default();
                held.into_iter().for_each(|input| self.send(id, end, input));
            }
        }
    }

    /// The core of a node that is on.
    pub fn core(&self, index: NodeIndex) -> Option<&Core> {
        self.nodes[index].core.as_ref()
    }

    pub fn now(&self) -> Moment {
        self.now
    }

    /// Runs until `done` or until this much time has passed; true if `done`.
    pub fn run_until(&mut self, limit: Duration, mut done: impl FnMut(&Sim) -> bool) -> bool {
        let end = self.now + limit;
        loop {
            if done(self) {
                return true;
            }
            match self.heap.peek() {
                Some(Reverse((moment, _))) if *moment <= end => self.step(),
                _ => {
                    self.now = end;
                    return done(self);
                }
            }
        }
    }

    /// Runs for a while.
    pub fn run(&mut self, span: Duration) {
        self.run_until(span, |_| false);
    }

    /// Of everything that was put out so far, in order: equal for equal seeds.
    pub fn trace_hash(&self) -> [u8; 32] {
        self.trace.clone().finalize().into()
    }

    fn step(&mut self) {
        let Some(Reverse((moment, n))) = self.heap.pop() else { return };
        self.now = moment;
        self.events += 1;
        let Some(event) = self.due.remove(&n) else { return };
        match event {
            Event::Wake(node) => self.wake(node),
            Event::Commit(node, starts) => self.commit(node, starts),
            Event::Deliver { pipe, end, input } => self.deliver(pipe, end, input),
            Event::Arrive { dialler, dial, addr, expect } => self.arrive(dialler, dial, addr, expect),
            Event::Fail { node, starts, dial, failure } => {
                self.feed_start(node, starts, Input::DialFailed { dial, failure });
            }
            Event::Idle { pipe } => self.idle(pipe),
            Event::Gone { pipe } => {
                self.net.close(pipe);
            }
            Event::Closed { node, starts, conn } => self.feed_start(node, starts, Input::Closed { conn }),
            Event::Sight(node) => self.sight(node),
        }
    }

    fn plan(&mut self, after: Duration, event: Event) {
        self.next += 1;
        self.due.insert(self.next, event);
        self.heap.push(Reverse((self.now + after, self.next)));
    }

    /// An input for a certain start of a node: one that has been restarted since does not get it.
    fn feed_start(&mut self, node: NodeIndex, starts: u64, input: Input) {
        if self.nodes[node].starts == starts {
            self.feed(node, input);
        }
    }

    fn wake(&mut self, index: NodeIndex) {
        self.nodes[index].woken_for = None;
        self.feed(index, Input::Timeout);
    }

    fn commit(&mut self, index: NodeIndex, starts: u64) {
        if self.nodes[index].starts != starts || self.nodes[index].core.is_none() {
            return;
        }
        self.nodes[index].committing = false;
        let (through, refused) = self.nodes[index].disk.commit();
        if !refused.is_empty() {
            let refused = refused.iter().map(|row| row.id).collect();
            self.feed(index, Input::StoreFailed { refused, error: "no space left".to_owned() });
        }
        self.feed(index, Input::Stored { through });
    }

    fn deliver(&mut self, pipe: u64, end: usize, input: Input) {
        let Some([(a, _), (b, _)]) = self.net.pipes.get(&pipe).map(|open| open.ends) else { return };
        if !self.net.is_cut(a, b) {
            return self.feed(if end == 0 { a } else { b }, input);
        }
        if let Some(open) = self.net.pipes.get_mut(&pipe) {
            open.held[end].push_back(input);
        }
    }

    fn arrive(&mut self, dialler: NodeIndex, dial: DialId, addr: SocketAddr, expect: Option<SessionId>) {
        let starts = self.nodes[dialler].starts;
        let acceptor = self.nodes.iter().position(|node| node.addr == addr && node.core.is_some());
        let reachable = acceptor.filter(|acceptor| !self.net.is_cut(dialler, *acceptor));
        let Some(acceptor) = reachable else {
            let failure = DialFailure::Unreachable;
            return self.plan(self.settings.dial_timeout, Event::Fail { node: dialler, starts, dial, failure });
        };
        let met = self.nodes[acceptor].session;
        if expect.is_some_and(|expected| expected != met) {
            let failure = DialFailure::Met(met);
            return self.plan(self.settings.delay.1, Event::Fail { node: dialler, starts, dial, failure });
        }
        let (pipe, conns) = self.net.open(dialler, acceptor);
        for (end, (from, to)) in [(0, (acceptor, dialler)), (1, (dialler, acceptor))] {
            let connected = Connected {
                conn: conns[end],
                session: self.nodes[from].session,
                boot: BootId(((from as u64) << 32) | self.nodes[from].starts),
                addr: self.nodes[from].addr,
                dial: (end == 0).then_some(dial),
                rtt: self.settings.delay.0 * 2,
            };
            debug_assert_eq!(self.net.pipes[&pipe].ends[end].0, to);
            self.send(pipe, end, Input::Connected(connected));
        }
    }

    fn idle(&mut self, pipe: u64) {
        let Some(open) = self.net.pipes.get(&pipe) else { return };
        let ends = open.ends;
        let dead = ends.iter().any(|(node, _)| self.nodes[*node].core.is_none());
        let [(a, _), (b, _)] = ends;
        if dead || self.net.is_cut(a, b) {
            self.net.close(pipe);
            ends.iter().for_each(|(node, conn)| self.feed(*node, Input::Closed { conn: *conn }));
        }
    }

    /// The local link shows a node to all others on it, and again every 7 s (design §7).
    fn sight(&mut self, index: NodeIndex) {
        if self.nodes[index].core.is_none() {
            return;
        }
        let boot = BootId(((index as u64) << 32) | self.nodes[index].starts);
        let addr = self.nodes[index].addr;
        for other in 0..self.nodes.len() {
            if other != index && self.nodes[other].lan && !self.net.is_cut(index, other) {
                self.feed(other, Input::Sighted { boot, addrs: vec![addr] });
            }
        }
        self.plan(Duration::from_secs(7), Event::Sight(index));
    }

    /// Carries out everything a node wants done.
    fn drain(&mut self, index: NodeIndex) {
        while let Some(output) = self.nodes[index].core.as_mut().and_then(Core::poll_output) {
            self.trace.update(format!("{index} {} {output:?}", self.now.0));
            self.carry_out(index, output);
        }
        let wants = self.nodes[index].core.as_ref().and_then(Core::poll_timeout);
        let sooner = wants.filter(|at| self.nodes[index].woken_for.is_none_or(|planned| *at < planned));
        if let Some(at) = sooner {
            self.nodes[index].woken_for = Some(at);
            self.plan(at.since(self.now), Event::Wake(index));
        }
    }

    fn carry_out(&mut self, index: NodeIndex, output: Output) {
        let starts = self.nodes[index].starts;
        match output {
            Output::Store { ticket, op } => {
                self.nodes[index].disk.write(ticket, op);
                if !std::mem::replace(&mut self.nodes[index].committing, true) {
                    self.plan(self.settings.commit, Event::Commit(index, starts));
                }
            }
            Output::Control { conn, message } => {
                let bytes = encode(&List::<_, { control::MAX_BATCH }>(vec![message]));
                self.transmit(index, conn, bytes.len(), |conn| {
                    let batch: control::Batch = decode(&bytes).expect("what a node writes can be read");
                    Input::Control { conn, batch: batch.0 }
                });
            }
            Output::Chat { conn, item } => {
                let bytes = encode(&List::<_, { chat::MAX_ITEMS }>(vec![item]));
                self.transmit(index, conn, bytes.len(), |conn| {
                    let items: chat::Items = decode(&bytes).expect("what a node writes can be read");
                    Input::Chat { conn, items: items.0 }
                });
            }
            Output::Dial { dial, addr, expect } => {
                let after = self.delay() * 2;
                self.plan(after, Event::Arrive { dialler: index, dial, addr, expect });
            }
            Output::Close { conn, .. } => self.hang_up(index, conn),
            Output::Notice { line, notice } => self.nodes[index].notices.push((line, notice)),
            Output::Query { .. } => {}
            Output::Stop => self.switch_off(index),
        }
    }

    /// A node has said goodbye: its connections end at once.
    fn switch_off(&mut self, index: NodeIndex) {
        self.nodes[index].core = None;
        for pipe in self.net.of_node(index) {
            let Some(closed) = self.net.pipes.get(&pipe) else { continue };
            let conn = closed.ends.iter().find(|(node, _)| *node == index).map(|(_, conn)| *conn);
            conn.into_iter().for_each(|conn| self.hang_up(index, conn));
        }
    }

    /// What was sent before arrives before the end does.
    fn hang_up(&mut self, index: NodeIndex, conn: ConnId) {
        let Some((pipe, far)) = self.net.other_end(&conn) else { return };
        let (other, far_conn) = self.net.pipes[&pipe].ends[far];
        let cut = self.net.is_cut(index, other);
        let after = if cut { IDLE } else { self.settings.delay.1 + Duration::from_millis(1) };
        self.plan(after, Event::Closed { node: other, starts: self.nodes[other].starts, conn: far_conn });
        let starts = self.nodes[index].starts;
        self.plan(Duration::ZERO, Event::Closed { node: index, starts, conn });
        self.plan(after, Event::Gone { pipe });
    }

    fn transmit(&mut self, index: NodeIndex, conn: ConnId, bytes: usize, input: impl FnOnce(ConnId) -> Input) {
        let Some((pipe, far)) = self.net.other_end(&conn) else { return };
        self.nodes[index].sent_frames += 1;
        self.nodes[index].sent_bytes += bytes as u64;
        let far_conn = self.net.pipes[&pipe].ends[far].1;
        self.send(pipe, far, input(far_conn));
    }

    /// Sends down a pipe, in order.
    fn send(&mut self, pipe: u64, end: usize, input: Input) {
        let delay = self.delay();
        let Some(open) = self.net.pipes.get_mut(&pipe) else { return };
        let arrival = (self.now + delay).max(open.busy_until[end]);
        open.busy_until[end] = arrival;
        let after = arrival.since(self.now);
        self.plan(after, Event::Deliver { pipe, end, input });
    }

    fn delay(&mut self) -> Duration {
        let (least, most) = self.settings.delay;
        let spread = (most - least).as_millis().max(1) as u64;
        least + Duration::from_millis(self.rng.next_u64() % spread)
    }

    fn random(&mut self) -> [u8; 32] {
        let mut bytes = [0; 32];
        self.rng.fill_bytes(&mut bytes);
        bytes
    }
}

/// Simulated wall clocks show 2026 and go right.
fn at(moment: Moment) -> Now {
    Now { moment, wall: Wall(1_790_000_000_000 + moment.0 as i64) }
}
