//! A world of nodes: what happens when, and what becomes of what the cores put out.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hash;
use std::net::SocketAddr;
use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

use super::Settings;
use super::disk::Disk;
use super::net::{Net, NodeIndex, PipeId};
use super::node::{Node, Plan};
use super::post::{Frame, Post};
use super::queue::Queue;
use super::rumour::Rumour;
use super::trace::Trace;
use super::traffic::Traffic;
use crate::id::{BootId, ConnId, DialId, SessionId, UserId};
use crate::proto::event::{Command, Connected, DialFailure, Input, Output, Request};
use crate::proto::view::Notice;
use crate::proto::{Accept, Core};
use crate::time::Moment;
use crate::wire::control::Control;

/// Between two announcements on a local link (design §7).
const ANNOUNCE: Duration = Duration::from_secs(7);

pub(super) enum Event {
    Wake(NodeIndex),
    Commit {
        node: NodeIndex,
        starts: u64,
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
            Event::Commit { node, starts } => self.commit(node, starts),
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

    fn commit(&mut self, index: NodeIndex, starts: u64) {
        if self.nodes[index].starts != starts || !self.nodes[index].is_on() {
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

    fn deliver(&mut self, id: PipeId, end: usize, input: Input) {
        let Some(pipe) = self.net.pipe(id) else { return };
        let (from, to) = (pipe.ends[1 - end], pipe.ends[end]);
        if !pipe.open[end] || pipe.severed {
            return self.come_to_nothing(to, input);
        }
        let waits = !pipe.held[end].is_empty() || self.nodes[to].stalled.is_some() || !self.net.passes(from, to);
        match self.net.pipe_mut(id).filter(|_| waits) {
            Some(pipe) => pipe.held[end].push_back(input),
            None => self.hand_over(id, end, from, to, input),
        }
    }

    /// A connection that ended before it was told of is a dial that failed.
    pub(super) fn come_to_nothing(&mut self, node: NodeIndex, input: Input) {
        if let Input::Connected(Connected { dial: Some(dial), .. }) = input {
            self.feed(node, Input::DialFailed { dial, failure: DialFailure::Unreachable });
        }
    }

    fn hand_over(&mut self, id: PipeId, end: usize, from: NodeIndex, to: NodeIndex, input: Input) {
        if let (Some(rumour), Input::Control { batch, .. }) = (&mut self.rumour, &input) {
            rumour.read(from, to, batch, self.now);
        }
        if matches!(input, Input::Closed { .. }) {
            self.net.let_go(id, end);
        }
        self.feed(to, input);
    }

    fn release(&mut self, id: PipeId, end: usize) {
        let Some(pipe) = self.net.pipe(id) else { return };
        let (from, to) = (pipe.ends[1 - end], pipe.ends[end]);
        if self.nodes[to].stalled.is_some() || !self.net.passes(from, to) {
            return;
        }
        while let Some(pipe) = self.net.pipe_mut(id).filter(|pipe| pipe.open[end]) {
            let Some(input) = pipe.held[end].pop_front() else { return };
            self.hand_over(id, end, from, to, input);
        }
    }

    fn arrive(&mut self, dialler: NodeIndex, starts: u64, dial: DialId, addr: SocketAddr, expect: Option<SessionId>) {
        if self.nodes[dialler].starts != starts || !self.nodes[dialler].is_on() {
            return;
        }
        let answers = |node: &NodeIndex| self.nodes[*node].is_on() && self.nodes[*node].stalled.is_none();
        let acceptor = self.net.who(&addr).filter(answers).filter(|node| self.net.reaches(dialler, *node));
        let Some(acceptor) = acceptor else {
            let input = Input::DialFailed { dial, failure: DialFailure::Unreachable };
            return self.plan(self.settings.dial_timeout, Event::Feed { node: dialler, starts, input });
        };
        let met = self.nodes[acceptor].session;
        if expect.is_some_and(|expected| expected != met) {
            self.nodes[dialler].knocks.prove(addr);
            let input = Input::DialFailed { dial, failure: DialFailure::Met(met) };
            return self.plan(self.settings.delay.1, Event::Feed { node: dialler, starts, input });
        }
        let pipe = self.net.open(dialler, acceptor);
        for (end, from) in [(0, acceptor), (1, dialler)] {
            let connected = Connected {
                conn: pipe.conn(end),
                session: self.nodes[from].session,
                boot: self.nodes[from].boot(from),
                addr: self.nodes[from].addr,
                dial: (end == 0).then_some(dial),
                rtt: self.settings.delay.0 * 2,
            };
            self.send(pipe, end, Input::Connected(connected));
        }
    }

    /// A node that is to be seen on its link begins to announce itself; what it said before is history.
    pub(super) fn announce_anew(&mut self, index: NodeIndex) {
        let node = &mut self.nodes[index];
        node.announcing += 1;
        if !node.plan.links().is_empty() && node.is_on() {
            let round = node.announcing;
            self.plan(Duration::from_millis(300), Event::Announce { node: index, round });
        }
    }

    /// The local link shows a node to all others on it, and again every 7 s (design §7).
    fn announce(&mut self, index: NodeIndex, round: u64) {
        let node = &self.nodes[index];
        if !node.is_on() || node.announcing != round {
            return;
        }
        let (boot, addr, links) = (node.boot(index), node.addr, node.plan.links());
        for other in links.into_iter().flat_map(|link| self.neighbourhood(index, link)).collect::<Vec<_>>() {
            self.feed(other, Input::Sighted { boot, addr });
        }
        self.plan(ANNOUNCE, Event::Announce { node: index, round });
    }

    /// An announcement has run out, unless it was renewed.
    fn vanish(&mut self, index: NodeIndex, boot: BootId, addr: SocketAddr, segment: u32) {
        let node = &self.nodes[index];
        let announced = (node.boot(index), node.addr) == (boot, addr) && node.plan.links().contains(&segment);
        let renewed = node.is_on() && announced;
        if !renewed {
            for other in self.neighbourhood(index, segment) {
                self.feed(other, Input::Unsighted { boot, addr });
            }
        }
    }

    /// Who hears a node's announcements on a local link.
    fn neighbourhood(&self, index: NodeIndex, segment: u32) -> Vec<NodeIndex> {
        let hears = |other: &NodeIndex| *other != index && self.net.passes(index, *other);
        let awake = |other: &NodeIndex| self.nodes[*other].stalled.is_none();
        self.segments.get(&segment).into_iter().flatten().copied().filter(hears).filter(awake).collect()
    }

    /// Carries out everything a node wants done.
    fn drain(&mut self, index: NodeIndex) {
        let mut post = Post::default();
        while let Some(output) = self.nodes[index].core.as_mut().and_then(Core::poll_output) {
            self.carry_out(index, output, &mut post);
        }
        self.transmit(index, post.take_all());
        let node = &mut self.nodes[index];
        let wants = node.core.as_ref().and_then(Core::poll_timeout);
        let sooner = wants.filter(|at| node.woken_for.is_none_or(|planned| *at < planned));
        if let Some(at) = sooner {
            let at = at.max(self.now);
            node.woken_for = Some(at);
            self.plan(at.since(self.now), Event::Wake(index));
        }
    }

    fn carry_out(&mut self, index: NodeIndex, output: Output, post: &mut Post) {
        let starts = self.nodes[index].starts;
        match output {
            Output::Store { ticket, op } => {
                self.trace.mark(self.now, index, 1);
                self.nodes[index].disk.write(ticket, op);
                if !std::mem::replace(&mut self.nodes[index].committing, true) {
                    self.plan(self.settings.commit, Event::Commit { node: index, starts });
                }
            }
            Output::Control { conn, message } => {
                self.rumour.iter_mut().for_each(|rumour| rumour.sent(index, &message));
                post.control(conn, &message, &mut self.nodes[index].traffic);
            }
            Output::Chat { conn, item } => post.chat(conn, &item, &mut self.nodes[index].traffic),
            Output::Dial { dial, addr, expect } => {
                self.nodes[index].knocks.dial(addr, self.now);
                self.trace.mark(self.now, index, 2);
                addr.hash(&mut self.trace);
                let after = self.delay() * 2;
                self.plan(after, Event::Arrive { dialler: index, starts, dial, addr, expect });
            }
            Output::Close { conn, reason } => {
                self.trace.mark(self.now, index, 3 + reason as u8);
                self.transmit(index, post.take(conn));
                self.hang_up(index, conn);
            }
            Output::Notice { line, notice } => self.show(index, line, notice),
            Output::Query { .. } => {}
            Output::Stop => {
                self.transmit(index, post.take_all());
                self.switch_off(index);
            }
        }
    }

    fn show(&mut self, index: NodeIndex, line: Option<u64>, notice: Notice) {
        self.trace.mark(self.now, index, 0);
        std::mem::discriminant(&notice).hash(&mut self.trace);
        let node = &mut self.nodes[index];
        match &notice {
            Notice::Online { session, .. } => drop(node.shows.insert(*session)),
            Notice::Offline { session, .. } => drop(node.shows.remove(session)),
            _ => {}
        }
        // Answers are few, and somebody waits for them.
        if self.settings.record || line.is_some() {
            node.notices.push((line, notice));
        }
    }

    /// A node has said goodbye: its connections and its announcement end at once.
    fn switch_off(&mut self, index: NodeIndex) {
        let node = &mut self.nodes[index];
        node.core = None;
        node.announcing += 1;
        let (boot, addr, links) = (node.boot(index), node.addr, node.plan.links());
        for pipe in self.net.of_node(index).collect::<Vec<_>>() {
            let ends = self.net.pipe(pipe).map(|pipe| pipe.ends);
            let own = ends.into_iter().flatten().position(|node| node == index);
            own.into_iter().for_each(|end| self.hang_up(index, pipe.conn(end)));
        }
        for other in links.into_iter().flat_map(|link| self.neighbourhood(index, link)).collect::<Vec<_>>() {
            let (starts, input) = (self.nodes[other].starts, Input::Unsighted { boot, addr });
            self.plan(self.settings.delay.1, Event::Feed { node: other, starts, input });
        }
    }

    /// What was sent before arrives before the end does.
    fn hang_up(&mut self, index: NodeIndex, conn: ConnId) {
        let (pipe, end) = PipeId::of(conn);
        let starts = self.nodes[index].starts;
        let Some(mends) = self.net.pipe(pipe).filter(|pipe| pipe.open[end]).map(|pipe| pipe.mends) else { return };
        self.send(pipe, 1 - end, Input::Closed { conn: pipe.conn(1 - end) });
        self.net.let_go(pipe, end);
        self.plan(Duration::ZERO, Event::Feed { node: index, starts, input: Input::Closed { conn } });
        self.plan(super::net::IDLE, Event::Idle { pipe, mends });
    }

    fn transmit(&mut self, index: NodeIndex, frames: Vec<(ConnId, Frame)>) {
        for (conn, frame) in frames {
            let (pipe, end) = PipeId::of(conn);
            if self.net.pipe(pipe).is_none_or(|pipe| !pipe.open[end]) {
                continue;
            }
            self.trace.mark(self.now, index, u8::MAX);
            std::hash::Hasher::write(&mut self.trace, frame.bytes());
            let node = &mut self.nodes[index];
            node.sent_frames += 1;
            node.sent_bytes += frame.len() as u64;
            node.traffic.frame(frame.len());
            self.send(pipe, 1 - end, frame.read(pipe.conn(1 - end)));
        }
    }

    /// Sends down a pipe, in order.
    pub(super) fn send(&mut self, pipe: PipeId, end: usize, input: Input) {
        let delay = self.delay();
        let now = self.now;
        let Some(open) = self.net.pipe_mut(pipe) else { return };
        let arrival = (now + delay).max(open.busy_until[end]);
        open.busy_until[end] = arrival;
        if self.comes_twice(&input) {
            self.plan(arrival.since(now), Event::Deliver { pipe, end, input: input.clone() });
        }
        self.plan(arrival.since(now), Event::Deliver { pipe, end, input });
    }

    fn comes_twice(&mut self, input: &Input) -> bool {
        let may = match input {
            Input::Chat { .. } => true,
            Input::Control { batch, .. } => !batch.iter().any(|message| matches!(message, Control::Hello(_))),
            _ => false,
        };
        may && self.settings.twice > 0 && self.rng.next_u64() % 100 < u64::from(self.settings.twice)
    }

    /// One way. What is lost is sent again after 100 ms, then 200 ms, and so on up to 2 s.
    fn delay(&mut self) -> Duration {
        let (least, most) = self.settings.delay;
        let spread = (most - least).as_millis().max(1) as u64;
        let mut delay = least + Duration::from_millis(self.rng.next_u64() % spread);
        let mut again = Duration::from_millis(100);
        while self.settings.loss > 0 && self.rng.next_u64() % 100 < u64::from(self.settings.loss.min(95)) {
            delay += again;
            again = (again * 2).min(Duration::from_secs(2));
        }
        delay
    }

    pub(super) fn random(&mut self) -> [u8; 32] {
        let mut bytes = [0; 32];
        self.rng.fill_bytes(&mut bytes);
        bytes
    }
}
