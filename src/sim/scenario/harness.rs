//! The harness shared by all scenarios: a world of nodes that know each other, queries about it (`visibility`), and
//! measurements (`costs`).

mod costs;
mod visibility;

pub use costs::Broadcast;
pub use visibility::Visibility;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use super::{Params, Progress};
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

/// The largest number of nodes whose disks are kept in scenarios without restarts: remembering a thousand others
/// takes half a megabyte per node.
const KEPT: usize = 2_000;

/// A world in which a scenario runs, with its invariants, figures and violations.
pub struct Harness<'a> {
    /// The world.
    pub sim: Sim,
    /// The links between the nodes.
    pub graph: Graph,
    /// The parameters of the run.
    pub params: &'a Params,
    /// The nodes within two links of each node.
    horizons: Vec<Vec<NodeIndex>>,
    phase: &'static str,
    progress: &'a mut dyn FnMut(Progress),
    invariants: Invariants,
    figures: Vec<Figure>,
    broken: Vec<String>,
    broken_more: u64,
    moves: u32,
}

impl<'a> Harness<'a> {
    /// A world of stopped nodes that know nobody, and the graph of links to preload.
    pub fn new(params: &'a Params, progress: &'a mut dyn FnMut(Progress)) -> Harness<'a> {
        let network = if params.closed { NetworkId([7; 32]) } else { NetworkId::OPEN };
        let scheme = if params.signed { Scheme::Ed25519 } else { Scheme::Cheap };
        let record = params.nodes <= super::SMALL;
        let disks = params.nodes <= KEPT || params.scenario.restarts();
        let settings = Settings {
            seed: params.seed,
            scheme,
            loss: params.loss,
            twice: params.twice,
            network,
            record,
            disks,
            ..Settings::default()
        };
        let mut rng = ChaCha20Rng::seed_from_u64(params.seed ^ 0x67_72_61_70_68);
        let graph = params.topology.build(params.nodes, params.degree, &mut rng);
        let mut harness = Harness {
            sim: Sim::new(settings),
            horizons: (0..graph.nodes()).map(|node| graph.horizon(node)).collect(),
            graph,
            params,
            phase: "setup",
            progress,
            invariants: Invariants::default(),
            figures: Vec::new(),
            broken: Vec::new(),
            broken_more: 0,
            moves: 0,
        };
        for node in 0..params.nodes {
            harness.sim.add_node(Plan::client(format!("n{node}")));
        }
        harness
    }

    /// Adds a server and configures its address at all nodes.
    pub fn add_server(&mut self) -> NodeIndex {
        let roles = roles::SERVER | roles::RELAY;
        let server = self.sim.add_node(Plan { roles, ..Plan::client("server") });
        let addr = self.sim.nodes[server].addr;
        self.sim.nodes.iter_mut().take(server).for_each(|node| node.plan.bootstrap = vec![addr]);
        server
    }

    /// Makes all linked nodes know each other, as if they had met.
    pub fn preload_links(&mut self) {
        self.phase("preloading");
        let hellos: Vec<_> = (0..self.graph.nodes()).map(|node| self.sim.first_hello(node)).collect();
        let links: Vec<_> = self.graph.links().collect();
        for (a, b) in links {
            for (one, other) in [(a, b), (b, a)] {
                self.sim.preload_session(one, other, &hellos[other]);
                self.sim.preload_link(one, other, false);
            }
        }
    }

    /// Makes all linked nodes know each other by name, but not each other's addresses.
    pub fn preload_links_by_name(&mut self) {
        self.phase("preloading");
        let hellos: Vec<_> = (0..self.graph.nodes()).map(|node| self.sim.first_hello(node)).collect();
        let links: Vec<_> = self.graph.links().collect();
        for (a, b) in links {
            for (one, other) in [(a, b), (b, a)] {
                self.sim.preload_user(one, other, &hellos[other]);
                self.sim.preload_link(one, other, false);
            }
        }
    }

    /// Starts nodes, evenly spread over a time span.
    pub fn start(&mut self, nodes: impl IntoIterator<Item = NodeIndex>, within: Duration) {
        let nodes: Vec<NodeIndex> = nodes.into_iter().collect();
        let (begin, count) = (self.sim.now(), nodes.len().max(1) as u32);
        for (nth, node) in nodes.into_iter().enumerate() {
            let due = begin + within * nth as u32 / count;
            self.sim.run(due.since(self.sim.now()));
            self.sim.start(node);
        }
    }

    /// Preloads and starts all nodes, and waits until the network has settled.
    pub fn warm_up(&mut self) {
        self.preload_links();
        self.phase("warming up");
        self.start(0..self.sim.nodes.len(), Duration::from_secs(10));
        self.run(Duration::from_secs(60));
    }

    /// Begins a phase, named for people.
    pub fn phase(&mut self, phase: &'static str) {
        self.phase = phase;
        self.report_progress();
    }

    /// Runs for `span`, checking invariants.
    pub fn run(&mut self, span: Duration) {
        self.until(span, |_| false);
    }

    /// Runs until `done`, which is polled, for at most `limit`. Returns how long it took.
    pub fn until(&mut self, limit: Duration, mut done: impl FnMut(&Harness) -> bool) -> Option<Duration> {
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
                self.record_violations(broken);
                self.report_progress();
            }
        }
    }

    /// The polling interval at first; it grows to two percent of the elapsed time.
    fn stride(&self) -> Duration {
        Duration::from_millis(if self.sim.nodes.len() > 2000 { 1000 } else { 100 })
    }

    /// Moves a node to an address that was never used before.
    pub fn move_to_new_address(&mut self, node: NodeIndex) {
        let addr = self.fresh_address();
        self.sim.move_to(node, addr);
    }

    fn fresh_address(&mut self) -> SocketAddr {
        self.moves += 1;
        address(11, self.moves)
    }

    /// Erases a node's disk, except for its keys.
    pub fn erase_disk(&mut self, node: NodeIndex) {
        self.sim.nodes[node].disk = Default::default();
        self.invariants.allow_reset(node);
    }

    /// A random choice of `percent` of the first `of` nodes.
    pub fn choose(&mut self, percent: u8, of: usize) -> BTreeSet<NodeIndex> {
        let mut all: Vec<NodeIndex> = (0..of).collect();
        let count = (of * usize::from(percent)).div_ceil(100);
        for at in 0..count.min(of) {
            let other = at + self.sim.pick(of - at);
            all.swap(at, other);
        }
        all.into_iter().take(count).collect()
    }

    /// A random running node with a running friend.
    pub fn random_node(&mut self) -> Option<NodeIndex> {
        let is_on = |node: NodeIndex| self.sim.nodes[node].is_on();
        let has_friend = |node: &NodeIndex| self.graph.friends(*node).any(is_on);
        let on: Vec<NodeIndex> = (0..self.graph.nodes()).filter(|node| is_on(*node) && has_friend(node)).collect();
        let at = self.sim.pick(on.len());
        on.get(at).copied()
    }

    /// Issues a command at a node.
    pub fn command(&mut self, node: NodeIndex, command: Command) {
        self.sim.command(node, 1, command);
    }

    /// Adds a figure: a count.
    pub fn count(&mut self, key: &str, value: u64, about: &str) {
        self.figure(key, Value::Count(value), about);
    }

    /// Adds a figure: a share, a mean or a rate.
    pub fn ratio(&mut self, key: &str, value: f64, about: &str) {
        self.figure(key, Value::Ratio(value), about);
    }

    /// Adds a figure: a time, `None` if it never came.
    pub fn millis(&mut self, key: &str, value: Option<Duration>, about: &str) {
        self.figure(key, Value::Millis(value.map(|span| span.as_millis() as u64)), about);
    }

    /// The value of a time that was added before.
    pub fn duration_of(&self, key: &str) -> Option<Duration> {
        self.figures.iter().find(|figure| figure.key == key).and_then(|figure| match figure.value {
            Value::Millis(millis) => millis.map(Duration::from_millis),
            _ => None,
        })
    }

    fn figure(&mut self, key: &str, value: Value, about: &str) {
        self.figures.push(Figure { key: key.to_owned(), value, about: about.to_owned() });
    }

    /// Records a violation unless `holds`.
    pub fn expect(&mut self, holds: bool, broken: &str) {
        if !holds {
            self.record_violations(vec![broken.to_owned()]);
        }
    }

    fn record_violations(&mut self, broken: Vec<String>) {
        for violation in broken {
            if self.broken.len() < MAX_BROKEN {
                self.broken.push(violation);
            } else {
                self.broken_more += 1;
            }
        }
    }

    /// Checks the invariants of a settled network.
    pub fn check(&mut self) {
        let broken = self.invariants.check(&self.sim);
        self.record_violations(broken);
    }

    /// Checks the invariants and returns the report.
    pub fn finish(mut self) -> Report {
        self.check();
        let (events, simulated) = (self.sim.events, self.sim.now().since(Moment(1)));
        self.count("events", events, "inputs that cores have handled");
        self.millis("simulated_ms", Some(simulated), "of simulated time");
        for (kind, count) in self.sim.traffic().by_kind() {
            self.count(&format!("sent_{kind}"), count, "messages of this kind that all nodes sent");
        }
        self.count("broken", self.broken.len() as u64 + self.broken_more, "invariants and promises that did not hold");
        self.report_progress();
        Report { figures: self.figures, broken: self.broken, trace: self.sim.trace_hash() }
    }

    fn report_progress(&mut self) {
        let simulated = self.sim.now().since(Moment(1));
        (self.progress)(Progress { phase: self.phase, simulated, events: self.sim.events });
    }
}
