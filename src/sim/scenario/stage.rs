//! What all scenarios share: a world of acquainted nodes, the questions asked of it, and the figures.

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
use crate::sim::rumour::Rumour;
use crate::sim::topology::{Graph, pieces};
use crate::sim::traffic::Traffic;
use crate::sim::truth::{Sight, Truth};
use crate::sim::{Settings, Sim};
use crate::time::Moment;
use crate::wire::record::roles;

/// Disks are kept of up to this many nodes where none is started again; what is remembered of a thousand others takes half
/// a megabyte of each.
const KEPT: usize = 2_000;

/// Messages that a node may send in a minute in which nothing happens, beside a refresh to everybody concerned every half
/// hour; in the busiest minute so many times that.
const AT_REST: f64 = 1.0;
const BUSIEST: f64 = 4.0;

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

/// What became of one declaration.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Broadcast {
    /// Of those whom somebody who is on could tell, so many were told.
    pub reliability: f64,
    /// Copies sent for each node that was told, less one.
    pub rmr: f64,
    /// Hops of the last delivery.
    pub ldh: u32,
    /// Copies sent for each node that was told.
    pub copies: f64,
    /// How many there were to be told.
    pub concerned: u64,
}

/// Who sees whom, and who should.
#[derive(Debug, Clone, Default)]
pub struct Sights {
    pub must: u64,
    pub missing: Vec<(NodeIndex, NodeIndex)>,
    pub wrong: Vec<(NodeIndex, NodeIndex)>,
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

    /// The largest piece of live connections, as a share of the nodes that are on.
    pub fn largest_piece(&self) -> f64 {
        let on = self.sim.on().count();
        let largest = pieces(self.sim.on(), self.sim.net().live()).first().map_or(0, Vec::len);
        largest as f64 / on.max(1) as f64
    }

    /// Whether live connections join all who are in one part of the network and could come together: who know each other's
    /// address, or somebody between them does. Where disks are not kept, all in one part could.
    pub fn is_whole(&self) -> bool {
        let joined = pieces(self.sim.on(), self.sim.net().live()).len();
        if joined < 2 {
            return true;
        }
        if self.sim.settings.disks {
            return joined == self.could_be_pieces();
        }
        let parts: BTreeSet<u32> = self.sim.on().map(|node| self.sim.net().part(node)).collect();
        joined == parts.len()
    }

    /// Into how many pieces the network falls at least, as far as addresses are known now.
    pub fn could_be_pieces(&self) -> usize {
        pieces(self.sim.on(), self.sim.net().live().chain(self.known_places())).len()
    }

    /// Pairs of nodes of which one remembers where the other is now.
    pub fn known_places(&self) -> Vec<[NodeIndex; 2]> {
        let mut known = Vec::new();
        for node in self.sim.on() {
            let remembered = self.sim.nodes[node].disk.sessions().flat_map(|row| &row.addresses).map(|row| row.addr);
            let told = self.sim.nodes[node].plan.bootstrap.iter().copied();
            for addr in remembered.chain(told) {
                let there = self.sim.net().who(&addr).filter(|other| self.sim.nodes[*other].is_on());
                known.extend(there.filter(|other| self.sim.net().reaches(node, *other)).map(|other| [node, other]));
            }
        }
        known
    }

    /// Who sees whom and who should, by the stupid model. Servers are judged by nobody.
    pub fn sights(&self) -> Sights {
        let on = |node: NodeIndex| self.sim.nodes[node].is_on();
        let reaches = |a, b| self.sim.net().reaches(a, b);
        let truth = Truth { graph: &self.graph, on: &on, reaches: &reaches };
        let mut sights = Sights::default();
        for me in self.sim.on().filter(|node| *node < self.graph.nodes()) {
            self.judge(&truth, me, &mut sights);
        }
        sights
    }

    /// Whether everybody sees whom they should, and nobody else.
    pub fn all_is_seen(&self) -> bool {
        let on = |node: NodeIndex| self.sim.nodes[node].is_on();
        let reaches = |a, b| self.sim.net().reaches(a, b);
        let truth = Truth { graph: &self.graph, on: &on, reaches: &reaches };
        self.sim.on().filter(|node| *node < self.graph.nodes()).all(|me| {
            let mut sights = Sights::default();
            self.judge(&truth, me, &mut sights);
            sights.missing.is_empty() && sights.wrong.is_empty()
        })
    }

    fn judge(&self, truth: &Truth, me: NodeIndex, sights: &mut Sights) {
        let shown = self.sim.nodes[me].shows.iter().filter_map(|session| self.sim.who(session));
        let shown: BTreeSet<NodeIndex> = shown.filter(|other| *other < self.graph.nodes()).collect();
        for other in &self.horizons[me] {
            let must = truth.sight(me, *other) == Sight::Must;
            sights.must += u64::from(must);
            if must && !shown.contains(other) {
                sights.missing.push((me, *other));
            }
        }
        let wrong = shown.into_iter().filter(|other| truth.sight(me, *other) == Sight::MustNot);
        sights.wrong.extend(wrong.map(|other| (me, other)));
    }

    /// One node tells something new; what has become of it after a while.
    pub fn broadcast(&mut self, origin: NodeIndex, within: Duration) -> Broadcast {
        self.tell_something_new(origin);
        self.run(within);
        self.outcome(origin)
    }

    /// One node has an address more to tell of, and its declaration is followed from here on.
    pub fn tell_something_new(&mut self, origin: NodeIndex) {
        let (session, now) = (self.sim.nodes[origin].session, self.sim.now());
        self.sim.rumour = Some(Rumour::of(origin, session, now));
        let also = self.fresh_address();
        self.sim.restate(origin, also);
    }

    /// What has become of the declaration that is followed.
    pub fn outcome(&mut self, origin: NodeIndex) -> Broadcast {
        let Some(rumour) = self.sim.rumour.take() else { return Broadcast::NONE };
        let on = |node: NodeIndex| self.sim.nodes[node].is_on();
        let reaches = |a, b| self.sim.net().reaches(a, b);
        let truth = Truth { graph: &self.graph, on: &on, reaches: &reaches };
        let horizon = self.horizons[origin].iter().copied();
        let concerned: Vec<NodeIndex> = horizon.filter(|other| truth.sight(*other, origin) == Sight::Must).collect();
        let told = concerned.iter().filter(|node| rumour.heard.contains_key(node)).count();
        let reached = (rumour.heard.len() - 1).max(1) as f64;
        let copies = rumour.sent as f64 / reached;
        let reliability = if concerned.is_empty() { 1.0 } else { told as f64 / concerned.len() as f64 };
        let ldh = rumour.heard.values().map(|heard| heard.hops).max().unwrap_or(0);
        Broadcast { reliability, rmr: copies - 1.0, ldh, copies, concerned: concerned.len() as u64 }
    }

    pub fn broadcast_figures(&mut self, name: &str, of: Broadcast) {
        self.ratio(&format!("{name}_reliability"), of.reliability, "of those to be told were told");
        self.ratio(&format!("{name}_rmr"), of.rmr, "copies for each node told, less one");
        self.count(&format!("{name}_ldh"), u64::from(of.ldh), "hops of the last delivery");
        self.count(&format!("{name}_concerned"), of.concerned, "nodes that were to be told");
    }

    /// What a change of one session costs, in a network at rest.
    pub fn cost_of_a_change(&mut self) {
        self.phase("one change");
        let Some(origin) = self.somebody() else { return };
        let before = self.sim.traffic();
        let change = self.broadcast(origin, Duration::from_secs(10));
        let spent = self.sim.traffic().since(&before);
        self.broadcast_figures("change", change);
        self.ratio("change_copies", change.copies, "copies of the declaration for each node told");
        self.count("change_messages", spent.messages(), "messages of all nodes in the 10 s after a change");
        self.count("change_bytes", spent.bytes, "bytes of all nodes in the 10 s after a change");
    }

    /// How many of the connections are with people who are not linked.
    pub fn share_of_chance(&mut self) {
        let (mut all, mut chance) = (0u64, 0u64);
        for [a, b] in self.sim.net().live().filter(|ends| ends.iter().all(|node| *node < self.graph.nodes())) {
            all += 1;
            chance += u64::from(!self.graph.is_link(a, b));
        }
        self.ratio("random_links", chance as f64 / all.max(1) as f64, "of the connections are not with friends");
        self.ratio("connections", 2.0 * all as f64 / self.graph.nodes() as f64, "connections of a node");
    }

    /// What a network at rest says, for as long as it takes that most have refreshed what they said.
    pub fn cost_of_rest(&mut self) {
        self.phase("at rest");
        let nodes = self.sim.on().count().max(1) as f64;
        let (minutes, begin) = (30, self.sim.traffic());
        let mut busiest = 0.0f64;
        for _ in 0..minutes {
            let before = self.sim.traffic();
            self.run(Duration::from_secs(60));
            busiest = busiest.max(self.sim.traffic().since(&before).messages() as f64 / nodes);
        }
        let spent = self.sim.traffic().since(&begin);
        let rate = spent.messages() as f64 / nodes / minutes as f64;
        self.ratio("idle_messages", rate, "messages a node sends in a minute at rest");
        self.ratio("idle_busiest", busiest, "messages a node sends in the busiest minute at rest");
        let concerned = self.horizons.iter().map(Vec::len).sum::<usize>() as f64 / self.horizons.len().max(1) as f64;
        let most = AT_REST + concerned / 30.0 * 1.3;
        self.expect(rate <= most && busiest <= most * BUSIEST, "a network at rest is not quiet");
        self.ratio("idle_bytes", spent.bytes as f64 / nodes / minutes as f64, "bytes a node sends in a minute at rest");
    }

    /// Messages and bytes of each node that is on, since another count.
    pub fn spent(&mut self, name: &str, before: &Traffic) {
        let spent = self.sim.traffic().since(before);
        let nodes = self.sim.on().count().max(1) as f64;
        self.ratio(&format!("{name}_messages"), spent.messages() as f64 / nodes, "messages each node sent for it");
        self.ratio(&format!("{name}_bytes"), spent.bytes as f64 / nodes, "bytes each node sent for it");
    }

    /// Takes the time until live connections join everybody they can, and until everybody sees whom they should.
    pub fn heal(&mut self, name: &str, limit: Duration) {
        let begin = self.sim.now();
        let whole = self.until(limit, |stage| stage.is_whole());
        self.millis(&format!("{name}_whole_ms"), whole, "until live connections join all who can be joined");
        let left = limit.saturating_sub(self.sim.now().since(begin));
        let seen = self.until(left, |stage| stage.all_is_seen());
        let seen = seen.map(|_| self.sim.now().since(begin));
        self.millis(&format!("{name}_seen_ms"), seen, "until everybody sees whom they should, and nobody else");
        self.sight_figures(name);
    }

    pub fn sight_figures(&mut self, name: &str) {
        let sights = self.sights();
        let seen = 1.0 - sights.missing.len() as f64 / sights.must.max(1) as f64;
        self.ratio(&format!("{name}_seen"), seen, "of those who should be seen are seen");
        self.count(
            &format!("{name}_ghosts"),
            sights.wrong.len() as u64,
            "pairs of which one is seen and should not be",
        );
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

impl Broadcast {
    const NONE: Broadcast = Broadcast { reliability: 0.0, rmr: 0.0, ldh: 0, copies: 0.0, concerned: 0 };
}
