//! Randomized fault injection: small worlds in which anything fails at any moment, by seed. Then everything is
//! repaired, and all guarantees must hold.

use std::collections::BTreeSet;
use std::time::Duration;

use darknode::identity::Scheme;
use darknode::proto::event::Command;
use darknode::proto::notice::Notice;
use darknode::sim::invariants::Invariants;
use darknode::sim::node::Plan;
use darknode::sim::topology::{Graph, Topology};
use darknode::sim::{Settings, Sim};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

const SEEDS: u64 = 200;
const STEPS: u64 = 40;
/// The longest interval between two rounds of seeking, and a little more.
const CLEAR: Duration = Duration::from_secs(400);

/// A small world and the history of its faults.
struct Storm {
    seed: u64,
    sim: Sim,
    graph: Graph,
    rng: ChaCha20Rng,
    invariants: Invariants,
    lines: u64,
    moves: u8,
    moved: BTreeSet<usize>,
}

#[test]
fn after_random_faults_friends_see_each_other_and_every_message_was_shown_once() {
    for seed in 0..SEEDS {
        let mut storm = Storm::new(seed);
        for _ in 0..STEPS {
            storm.inject_fault();
            let pause = storm.below(8_000);
            storm.sim.run(Duration::from_millis(pause));
            storm.check();
        }
        storm.recover();
    }
}

impl Storm {
    fn new(seed: u64) -> Storm {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let nodes = 3 + (rng.next_u64() % 4) as usize;
        let graph = Topology::ALL[(rng.next_u64() % 6) as usize].1.build(nodes, 3, &mut rng);
        let loss = (rng.next_u64() % 2 * 10) as u8;
        let twice = (rng.next_u64() % 2 * 10) as u8;
        let mut sim = Sim::new(Settings { seed, loss, twice, scheme: Scheme::Cheap, ..Settings::default() });
        for node in 0..nodes {
            sim.add_node(Plan::client(format!("n{node}")));
        }
        let hellos: Vec<_> = (0..nodes).map(|node| sim.first_hello(node)).collect();
        for (a, b) in graph.links() {
            for (one, other) in [(a, b), (b, a)] {
                sim.preload_session(one, other, &hellos[other]);
                sim.preload_link(one, other, false);
            }
        }
        (0..nodes).for_each(|node| sim.start(node));
        let invariants = Invariants::default();
        Storm { seed, sim, graph, rng, invariants, lines: 0, moves: 0, moved: BTreeSet::new() }
    }

    fn below(&mut self, below: u64) -> u64 {
        self.rng.next_u64() % below
    }

    fn node(&mut self) -> usize {
        self.below(self.graph.nodes() as u64) as usize
    }

    fn inject_fault(&mut self) {
        let (one, other) = (self.node(), self.node());
        match self.below(11) {
            0 if self.sim.nodes[one].is_on() => self.sim.crash(one),
            1 if self.sim.nodes[one].is_on() => self.sim.command(one, 0, Command::Quit),
            0..=2 if !self.sim.nodes[one].is_on() => self.sim.start(one),
            3 if one != other => self.sim.cut(one, other),
            4 if one != other => self.sim.cut_one_way(one, other),
            5 if one != other => self.sim.mend(one, other),
            6 => {
                let span = Duration::from_millis(self.below(40_000));
                self.sim.stall(one, span);
            }
            7 => self.wander(one),
            8 => {
                let edge = self.below(2) as u32;
                self.sim.split(|node| u32::from(node <= one) * edge);
            }
            9 => self.sim.nodes[one].wall_offset = self.rng.next_u64() as i64 % (2 * 24 * 3600 * 1000),
            _ => self.say(one, other),
        }
    }

    /// Moves a node to a new address, unless a friend of it has moved: one of two friends must be where it was known
    /// to be.
    fn wander(&mut self, node: usize) {
        if self.graph.friends(node).all(|friend| !self.moved.contains(&friend)) {
            self.moved.insert(node);
            self.moves += 1;
            let addr = ([11, 0, node as u8, self.moves], 27272).into();
            self.sim.move_to(node, addr);
        }
    }

    fn say(&mut self, from: usize, to: usize) {
        if self.graph.is_link(from, to) {
            self.lines += 1;
            let to = self.sim.nodes[to].user;
            self.sim.command(from, self.lines, Command::Say { to, text: format!("line {}", self.lines) });
        }
    }

    fn check(&mut self) {
        let broken = self.invariants.check(&self.sim);
        assert!(broken.is_empty(), "seed {}: {broken:?}", self.seed);
    }

    /// Restarts all nodes at known addresses with full connectivity, and checks the outcome.
    fn recover(mut self) {
        self.sim.join();
        // A node that was asked to quit while stalled does so when it resumes.
        self.sim.run(Duration::from_secs(60));
        for one in 0..self.graph.nodes() {
            (0..one).for_each(|other| self.sim.mend(one, other));
            if !self.sim.nodes[one].is_on() {
                self.sim.start(one);
            }
        }
        let (seed, graph) = (self.seed, &self.graph);
        let blind = |sim: &Sim| graph.links().find(|(a, b)| !sees(sim, *a, *b) || !sees(sim, *b, *a));
        let clear = self.sim.run_until(CLEAR, |sim| blind(sim).is_none());
        assert!(clear, "seed {seed}: friends do not see each other: {:?}", blind(&self.sim));
        let queued = queued(&self.sim);
        let done = self.sim.run_until(CLEAR, |sim| queued.is_subset(&stored(sim)));
        assert!(done, "seed {seed}: lines lost: {:?}", queued.difference(&stored(&self.sim)).collect::<Vec<_>>());
        let settled = self.sim.run_until(CLEAR, |sim| sim.nodes.iter().all(|node| node.disk.waiting() == 0));
        assert!(settled, "seed {seed}: delivered messages are still queued");
        self.check();
    }
}

fn sees(sim: &Sim, one: usize, other: usize) -> bool {
    sim.nodes[one].shown_online.contains(&sim.nodes[other].session)
}

/// Messages that were reported as queued.
fn queued(sim: &Sim) -> BTreeSet<String> {
    let all = sim.nodes.iter().flat_map(|node| &node.notices);
    let queued = all.filter_map(|(_, notice)| match notice {
        Notice::Queued { text, .. } => Some(text.clone()),
        _ => None,
    });
    queued.collect()
}

/// Messages that another node than their author has on disk.
fn stored(sim: &Sim) -> BTreeSet<String> {
    let rows = sim.nodes.iter().flat_map(|node| node.disk.history.iter().filter(|row| row.from != node.user));
    rows.map(|row| String::from_utf8_lossy(&row.body).into_owned()).collect()
}
