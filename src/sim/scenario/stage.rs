//! What all scenarios share: a world of acquainted nodes, the questions asked of it ([`sights`]), and the figures
//! ([`costs`]).

mod costs;
mod sights;

pub use costs::Broadcast;
pub use sights::Sights;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use super::{Order, Progress};
use crate::id::NetworkId;
use crate::identity::Scheme;
use crate::proto::event::Command;
use crate::sim::invariants::Invariants;
use crate::sim::net::NodeIndex;
use crate::sim::node::{Plan, address};
use crate::sim::report::{Figure, MAX_BROKEN, Report, Value};
use crate::sim::topology::Graph;
use crate::sim::{Settings, Sim};
use crate::time::Moment;
use crate::wire::record::roles;

/// Disks are kept of up to this many nodes where none is started again; what is remembered of a thousand others takes half
/// a megabyte of each.
const KEPT: usize = 2_000;

/// A world on which a scenario is played.
pub struct Stage<'a> {
    pub sim: Sim,
    pub graph: Graph,
    pub order: &'a Order,
    /// Of every node, who is within two links.
    horizons: Vec<Vec<NodeIndex>>,
    phase: &'static str,
    progress: &'a mut dyn FnMut(Progress),
    invariants: Invariants,
    figures: Vec<Figure>,
    broken: Vec<String>,
    broken_more: u64,
    moves: u32,
}

impl<'a> Stage<'a> {
    /// Nodes that know nobody, switched off, and the graph of who is to know whom.
    pub fn new(order: &'a Order, progress: &'a mut dyn FnMut(Progress)) -> Stage<'a> {
        let network = if order.closed { NetworkId([7; 32]) } else { NetworkId::OPEN };
        let scheme = if order.signed { Scheme::Ed25519 } else { Scheme::Cheap };
        let record = order.nodes <= super::SMALL;
        let disks = order.nodes <= KEPT || order.scenario.restarts();
        let settings = Settings {
            seed: order.seed,
            scheme,
            loss: order.loss,
            twice: order.twice,
            network,
            record,
            disks,
            ..Settings::default()
        };
        let mut rng = ChaCha20Rng::seed_from_u64(order.seed ^ 0x67_72_61_70_68);
        let graph = order.topology.build(order.nodes, order.degree, &mut rng);
        let mut stage = Stage {
            sim: Sim::new(settings),
            horizons: (0..graph.nodes()).map(|node| graph.horizon(node)).collect(),
            graph,
            order,
            phase: "setting the stage",
            progress,
            invariants: Invariants::default(),
            figures: Vec::new(),
            broken: Vec::new(),
            broken_more: 0,
            moves: 0,
        };
        for node in 0..order.nodes {
            stage.sim.place(Plan::client(format!("n{node}")));
        }
        stage
    }

    /// Adds a server and tells everybody its address.
    pub fn add_server(&mut self) -> NodeIndex {
        let roles = roles::SERVER | roles::RELAY;
        let server = self.sim.place(Plan { roles, ..Plan::client("server") });
        let addr = self.sim.nodes[server].addr;
        self.sim.nodes.iter_mut().take(server).for_each(|node| node.plan.bootstrap = vec![addr]);
        server
    }

    /// Everybody has met whom they are linked to.
    pub fn acquaint(&mut self) {
        self.phase("making acquaintances");
        let hellos: Vec<_> = (0..self.graph.nodes()).map(|node| self.sim.hello_of(node)).collect();
        let links: Vec<_> = self.graph.links().collect();
        for (a, b) in links {
            for (one, other) in [(a, b), (b, a)] {
                self.sim.remember(one, other, &hellos[other]);
                self.sim.befriend(one, other, false);
            }
        }
    }

    /// Everybody knows by name whom they are linked to, and of nobody where they are.
    pub fn acquaint_by_name(&mut self) {
        self.phase("making acquaintances");
        let hellos: Vec<_> = (0..self.graph.nodes()).map(|node| self.sim.hello_of(node)).collect();
        let links: Vec<_> = self.graph.links().collect();
        for (a, b) in links {
            for (one, other) in [(a, b), (b, a)] {
                self.sim.know(one, other, &hellos[other]);
                self.sim.befriend(one, other, false);
            }
        }
    }

    /// Starts nodes, spread evenly over a while.
    pub fn start(&mut self, nodes: impl IntoIterator<Item = NodeIndex>, within: Duration) {
        let nodes: Vec<NodeIndex> = nodes.into_iter().collect();
        let (begin, count) = (self.sim.now(), nodes.len().max(1) as u32);
        for (nth, node) in nodes.into_iter().enumerate() {
            let due = begin + within * nth as u32 / count;
            self.sim.run(due.since(self.sim.now()));
            self.sim.start(node);
        }
    }

    /// Acquaints and starts everybody, and waits until all is quiet.
    pub fn warm_up(&mut self) {
        self.acquaint();
        self.phase("warming up");
        self.start(0..self.sim.nodes.len(), Duration::from_secs(10));
        self.run(Duration::from_secs(60));
    }

    pub fn phase(&mut self, phase: &'static str) {
        self.phase = phase;
        self.tell();
    }

    /// Runs for a while, under watch.
    pub fn run(&mut self, span: Duration) {
        self.until(span, |_| false);
    }

    /// Runs until `done`, asked often; how long it took.
    pub fn until(&mut self, limit: Duration, mut done: impl FnMut(&Stage) -> bool) -> Option<Duration> {
        let begin = self.sim.now();
        let mut watched = begin;
        loop {
            if done(self) {
                return Some(self.sim.now().since(begin));
            }
            let passed = self.sim.now().since(begin);
            if passed >= limit {
                return None;
            }
            let stride = self.stride().max(passed / 50);
            self.sim.run(stride.min(limit - passed));
            if self.sim.now().since(watched) >= Duration::from_secs(1) {
                watched = self.sim.now();
                let broken = self.invariants.check_often(&self.sim);
                self.blame(broken);
                self.tell();
            }
        }
    }

    /// How finely times are told apart at first; later to two parts in a hundred.
    fn stride(&self) -> Duration {
        Duration::from_millis(if self.sim.nodes.len() > 2000 { 1000 } else { 100 })
    }

    /// A node turns up at an address nobody has had.
    pub fn move_somewhere(&mut self, node: NodeIndex) {
        let addr = self.fresh_address();
        self.sim.move_to(node, addr);
    }

    fn fresh_address(&mut self) -> SocketAddr {
        self.moves += 1;
        address(11, self.moves)
    }

    /// A node loses all it knows but its keys.
    pub fn lose_memory(&mut self, node: NodeIndex) {
        self.sim.nodes[node].disk = Default::default();
        self.invariants.excuse(node);
    }

    /// A random choice of so many nodes in a hundred, the first `of` nodes being asked.
    pub fn choose(&mut self, percent: u8, of: usize) -> BTreeSet<NodeIndex> {
        let mut all: Vec<NodeIndex> = (0..of).collect();
        let count = (of * usize::from(percent)).div_ceil(100);
        for at in 0..count.min(of) {
            let other = at + self.sim.pick(of - at);
            all.swap(at, other);
        }
        all.into_iter().take(count).collect()
    }

    /// A random node that is on and has a friend who is.
    pub fn somebody(&mut self) -> Option<NodeIndex> {
        let is_on = |node: NodeIndex| self.sim.nodes[node].is_on();
        let beside = |node: &NodeIndex| self.graph.friends(*node).any(is_on);
        let on: Vec<NodeIndex> = (0..self.graph.nodes()).filter(|node| is_on(*node) && beside(node)).collect();
        let at = self.sim.pick(on.len());
        on.get(at).copied()
    }

    /// Somebody at a node types something.
    pub fn command(&mut self, node: NodeIndex, command: Command) {
        self.sim.command(node, 1, command);
    }

    pub fn count(&mut self, key: &str, value: u64, about: &str) {
        self.figure(key, Value::Count(value), about);
    }

    pub fn ratio(&mut self, key: &str, value: f64, about: &str) {
        self.figure(key, Value::Ratio(value), about);
    }

    pub fn millis(&mut self, key: &str, value: Option<Duration>, about: &str) {
        self.figure(key, Value::Millis(value.map(|span| span.as_millis() as u64)), about);
    }

    /// A time that was taken before.
    pub fn taken(&self, key: &str) -> Option<Duration> {
        self.figures.iter().find(|figure| figure.key == key).and_then(|figure| match figure.value {
            Value::Millis(millis) => millis.map(Duration::from_millis),
            _ => None,
        })
    }

    fn figure(&mut self, key: &str, value: Value, about: &str) {
        self.figures.push(Figure { key: key.to_owned(), value, about: about.to_owned() });
    }

    /// A promise of the scenario that must hold.
    pub fn expect(&mut self, holds: bool, broken: &str) {
        if !holds {
            self.blame(vec![broken.to_owned()]);
        }
    }

    fn blame(&mut self, broken: Vec<String>) {
        for offence in broken {
            if self.broken.len() < MAX_BROKEN {
                self.broken.push(offence);
            } else {
                self.broken_more += 1;
            }
        }
    }

    /// Everything must hold that holds at rest.
    pub fn check(&mut self) {
        let broken = self.invariants.check(&self.sim);
        self.blame(broken);
    }

    /// The end.
    pub fn finish(mut self) -> Report {
        self.check();
        let (events, simulated) = (self.sim.events, self.sim.now().since(Moment(1)));
        self.count("events", events, "inputs that cores have handled");
        self.millis("simulated_ms", Some(simulated), "of simulated time");
        for (kind, count) in self.sim.traffic().by_kind() {
            self.count(&format!("sent_{kind}"), count, "messages of this kind that all nodes sent");
        }
        self.count("broken", self.broken.len() as u64 + self.broken_more, "invariants and promises that did not hold");
        self.tell();
        Report { figures: self.figures, broken: self.broken, trace: self.sim.trace_hash() }
    }

    fn tell(&mut self) {
        let simulated = self.sim.now().since(Moment(1));
        (self.progress)(Progress { phase: self.phase, simulated, events: self.sim.events });
    }
}
