//! Randomized fault injection for mail: a few users and relays on islands, with power failures, failing disks, cut
//! links, restored backups and moving relays, all chosen by seed. Then connectivity is restored as far as mail needs
//! it. Every message must have been shown exactly once, no envelope may be left in custody, and the network must
//! become idle.
//!
//! `MAIL_STORMS=2000` runs that many seeds, `MAIL_STORMS=17..18` that range.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use darknode::id::MessageId;
use darknode::identity::Scheme;
use darknode::proto::event::Command;
use darknode::proto::limits::ENVELOPE_LIFE;
use darknode::proto::notice::Notice;
use darknode::proto::persist::Memory;
use darknode::sim::invariants::Invariants;
use darknode::sim::node::{Node, Plan};
use darknode::sim::{Settings, Sim};
use darknode::wire::record::roles;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

use crate::setup::held;

const SEEDS: u64 = 60;
const STEPS: u64 = 50;
/// Three times the longest retry interval.
const RECOVERY: Duration = Duration::from_secs(900);
/// How long a settled network must stay silent.
const REST: Duration = Duration::from_secs(3600);

/// A small world and the history of its faults.
struct Storm {
    sim: Sim,
    rng: ChaCha20Rng,
    people: usize,
    links: BTreeSet<(usize, usize)>,
    islands: Vec<u32>,
    invariants: Invariants,
    backups: BTreeMap<usize, (Memory, BTreeSet<MessageId>)>,
    restored: bool,
    lines: u64,
    /// Messages that were cancelled or lost with a disk: they may or may not arrive.
    optional: BTreeSet<MessageId>,
}

/// The connectivity in the end.
#[derive(Debug, Clone, Copy)]
enum Connectivity {
    /// All nodes reach each other.
    Full,
    /// Users reach relays, but not each other.
    Relays,
    /// Relays form a chain, and each user reaches one of them.
    Chain,
}

#[test]
fn after_random_faults_every_message_was_shown_once_and_no_mail_is_left() {
    let failed: Vec<String> =
        seeds().filter_map(|seed| Storm::new(seed).run().err().map(|why| format!("seed {seed}: {why}"))).collect();
    assert!(failed.is_empty(), "{} runs failed: {failed:#?}", failed.len());
}

fn seeds() -> Range<u64> {
    let asked = std::env::var("MAIL_STORMS").unwrap_or_else(|_| SEEDS.to_string());
    let number = |text: &str| text.parse::<u64>().expect("MAIL_STORMS is a number or a range of numbers");
    match asked.split_once("..") {
        Some((first, end)) => number(first)..number(end),
        None => 0..number(&asked),
    }
}

impl Storm {
    fn new(seed: u64) -> Storm {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let mut below = |below: u64| rng.next_u64() % below;
        let (people, relays) = (2 + below(3) as usize, 1 + below(4) as usize);
        let loss = (below(3) * 15) as u8;
        let twice = (below(2) * 10) as u8;
        let mut sim = Sim::new(Settings { seed, loss, twice, scheme: Scheme::Cheap, ..Settings::default() });
        for node in 0..people {
            sim.add_node(Plan::client(format!("n{node}")));
        }
        for nth in 0..relays {
            let server = if nth == 3 { roles::SERVER } else { 0 };
            sim.add_node(Plan { roles: roles::RELAY | server, ..Plan::client(format!("pi{nth}")) });
        }
        let nodes = people + relays;
        let hellos: Vec<_> = (0..nodes).map(|node| sim.first_hello(node)).collect();
        let mut links = BTreeSet::new();
        for other in 0..nodes {
            for one in 0..other {
                // Each user is linked with the next one and with some others, and relays with a few users.
                let next = other == one + 1 && other < people;
                if next || below(3) == 0 {
                    links.extend([(one, other), (other, one)]);
                }
            }
        }
        for (one, other) in &links {
            sim.preload_session(*one, *other, &hellos[*other]);
            sim.preload_link(*one, *other, false);
        }
        let addrs: Vec<_> = (people..nodes).map(|relay| sim.nodes[relay].addr).collect();
        for (node, plan) in sim.nodes.iter_mut().map(|node| &mut node.plan).enumerate() {
            plan.bootstrap =
                addrs.iter().enumerate().filter(|(nth, _)| people + nth != node).map(|(_, a)| *a).collect();
        }
        let islands = (0..nodes).map(|_| below(3) as u32).collect();
        let mut storm = Storm {
            sim,
            rng,
            people,
            links,
            islands,
            invariants: Invariants::default(),
            backups: BTreeMap::new(),
            restored: false,
            lines: 0,
            optional: BTreeSet::new(),
        };
        storm.settle_islands();
        (0..nodes).for_each(|node| storm.sim.start(node));
        storm
    }

    fn run(mut self) -> Result<(), String> {
        for _ in 0..STEPS {
            self.inject_fault()?;
            let pause = self.pause();
            self.sim.run(pause);
            self.check()?;
        }
        self.recover()
    }

    fn below(&mut self, below: u64) -> u64 {
        self.rng.next_u64() % below
    }

    fn nodes(&self) -> usize {
        self.sim.nodes.len()
    }

    fn node(&mut self) -> usize {
        self.below(self.nodes() as u64) as usize
    }

    fn settle_islands(&mut self) {
        let islands = self.islands.clone();
        self.sim.split(|node| islands[node]);
    }

    /// A random pause: mostly milliseconds, sometimes hours.
    fn pause(&mut self) -> Duration {
        let most = [10, 200, 8_000, 40_000][self.below(4) as usize];
        let hours = if self.below(30) == 0 { self.below(4) * 3_600_000 } else { 0 };
        Duration::from_millis(self.below(most) + hours)
    }

    fn inject_fault(&mut self) -> Result<(), String> {
        let (one, other) = (self.node(), self.node());
        let is_on = self.sim.nodes[one].is_on();
        match self.below(20) {
            0 | 1 if is_on => self.sim.crash(one),
            2 if is_on => self.sim.command(one, 0, Command::Quit),
            0..=4 if !is_on => self.sim.start(one),
            5 if one != other => self.sim.cut(one, other),
            6 if one != other => self.sim.cut_one_way(one, other),
            7 | 8 if one != other => self.sim.mend(one, other),
            9 => {
                let span = Duration::from_millis(self.below(40_000));
                self.sim.stall(one, span);
            }
            10 | 11 => self.move_node(one),
            12 => self.sim.nodes[one].wall_offset = self.rng.next_u64() as i64 % (2 * 24 * 3600 * 1000),
            13 => self.back_up(one)?,
            14 => self.restore(one)?,
            15 => self.cancel(),
            _ => self.say(),
        }
        Ok(())
    }

    /// Moves a node to other islands.
    fn move_node(&mut self, node: usize) {
        let unplugged = self.below(2) == 0 && self.sim.nodes[node].is_on();
        if unplugged {
            self.sim.crash(node);
        }
        self.islands[node] = self.below(3) as u32;
        self.settle_islands();
        if unplugged {
            self.sim.start(node);
        }
    }

    fn back_up(&mut self, node: usize) -> Result<(), String> {
        self.check()?;
        let typed = queued_by(&self.sim, node).into_keys().collect();
        self.backups.insert(node, (self.sim.nodes[node].disk.load(), typed));
        Ok(())
    }

    fn restore(&mut self, node: usize) -> Result<(), String> {
        let Some((memory, known)) = self.backups.remove(&node) else { return Ok(()) };
        self.restored = true;
        self.check()?;
        self.sim.crash(node);
        self.sim.nodes[node].disk.restore(memory);
        self.optional.extend(queued_by(&self.sim, node).into_keys().filter(|id| !known.contains(id)));
        self.invariants.allow_reset(node);
        self.sim.start(node);
        Ok(())
    }

    fn cancel(&mut self) {
        let from = self.below(self.people as u64) as usize;
        let queued: Vec<MessageId> = queued_by(&self.sim, from).into_keys().collect();
        if self.sim.nodes[from].is_on() && !queued.is_empty() {
            let message = queued[self.below(queued.len() as u64) as usize];
            self.optional.insert(message);
            self.sim.command(from, 0, Command::Cancel { message: message.token() });
        }
    }

    fn say(&mut self) {
        let from = self.below(self.people as u64) as usize;
        if !self.sim.nodes[from].is_on() {
            self.sim.start(from);
        }
        let friends: Vec<usize> = (0..self.people).filter(|to| self.links.contains(&(from, *to))).collect();
        let to = friends[self.below(friends.len() as u64) as usize];
        let to = self.sim.nodes[to].user;
        for _ in 0..1 + self.below(3) {
            self.lines += 1;
            self.sim.command(from, self.lines, Command::Say { to, text: format!("line {}", self.lines) });
        }
    }

    fn check(&mut self) -> Result<(), String> {
        let broken = self.invariants.check(&self.sim);
        if broken.is_empty() { Ok(()) } else { Err(format!("{broken:?}")) }
    }

    /// Restores all nodes and enough connectivity for mail, and checks the outcome.
    fn recover(mut self) -> Result<(), String> {
        let connectivity = [Connectivity::Full, Connectivity::Relays, Connectivity::Chain][self.below(3) as usize];
        self.islands.iter_mut().for_each(|island| *island = 0);
        self.settle_islands();
        // A node that was asked to quit while stalled does so when it resumes.
        self.sim.run(Duration::from_secs(60));
        for one in 0..self.nodes() {
            for other in 0..one {
                if self.reach(connectivity, other, one) { self.sim.mend(one, other) } else { self.sim.cut(one, other) }
            }
            if !self.sim.nodes[one].is_on() {
                self.sim.start(one);
            }
        }
        let damage = self.all_arrives().and_then(|()| self.all_is_gone()).and_then(|()| self.all_is_quiet());
        damage.map_err(|why| format!("{connectivity:?} connectivity, restored {}: {why}", self.restored))
    }

    fn reach(&self, connectivity: Connectivity, one: usize, other: usize) -> bool {
        let relays = self.nodes() - self.people;
        match connectivity {
            Connectivity::Full => true,
            Connectivity::Relays => other >= self.people,
            Connectivity::Chain if other < self.people => false,
            Connectivity::Chain if one < self.people => other - self.people == one % relays,
            Connectivity::Chain => other == one + 1,
        }
    }

    /// Envelopes forgotten by a restored disk are sealed again by their author when they expire.
    fn limit(&self) -> Duration {
        if self.restored { ENVELOPE_LIFE + RECOVERY } else { RECOVERY }
    }

    fn all_arrives(&mut self) -> Result<(), String> {
        let limit = self.limit();
        let optional = &self.optional;
        let lacking = |sim: &Sim| {
            let mut lacking: BTreeMap<MessageId, String> = BTreeMap::new();
            (0..sim.nodes.len()).for_each(|node| lacking.extend(queued_by(sim, node)));
            lacking.retain(|id, _| !optional.contains(id));
            arrived(sim).iter().for_each(|id| drop(lacking.remove(id)));
            lacking
        };
        if !until(&mut self.sim, limit, |sim| lacking(sim).is_empty()) {
            return Err(format!("lines lost: {:?}", lacking(&self.sim)));
        }
        self.check()
    }

    fn all_is_gone(&mut self) -> Result<(), String> {
        let limit = self.limit();
        if !until(&mut self.sim, limit, |sim| left(sim).is_empty()) {
            return Err(left(&self.sim).join("; "));
        }
        self.check()
    }

    fn all_is_quiet(&mut self) -> Result<(), String> {
        self.sim.run(Duration::from_secs(60));
        let before = self.sim.traffic();
        self.sim.run(REST);
        let mut spent = self.sim.traffic().since(&before).by_kind();
        spent.retain(|kind, _| ["parcel", "release", "unopenable", "custody", "offer", "ask"].contains(&&**kind));
        if !spent.is_empty() || !left(&self.sim).is_empty() {
            return Err(format!("at rest: {spent:?} {:?}", left(&self.sim)));
        }
        self.check()
    }
}

/// Runs until `done`, which is polled every second at first.
fn until(sim: &mut Sim, limit: Duration, done: impl Fn(&Sim) -> bool) -> bool {
    let begin = sim.now();
    while !done(sim) {
        let passed = sim.now().since(begin);
        if passed >= limit {
            return false;
        }
        sim.run(Duration::from_secs(if passed < RECOVERY { 1 } else { 600 }));
    }
    true
}

/// Messages that a node reported as queued.
fn queued_by(sim: &Sim, node: usize) -> BTreeMap<MessageId, String> {
    let queued = sim.nodes[node].notices.iter().filter_map(|(_, notice)| match notice {
        Notice::Queued { message, text, .. } => Some((*message, text.clone())),
        _ => None,
    });
    queued.collect()
}

/// Messages that another node than their author has or had on disk. A message stored but not shown before a crash
/// counts, as it is in the history.
fn arrived(sim: &Sim) -> BTreeSet<MessageId> {
    let of = |node: &Node| {
        node.disk.history.iter().filter(|row| row.from != node.user).map(|row| row.id).collect::<Vec<_>>()
    };
    sim.nodes.iter().flat_map(of).collect()
}

/// Mail that was not delivered yet.
fn left(sim: &Sim) -> Vec<String> {
    let mut left = Vec::new();
    for (index, node) in sim.nodes.iter().enumerate() {
        let (waiting, owed) = (node.disk.waiting(), node.disk.load().owed.len());
        if (held(sim, index), waiting, owed) != (0, 0, 0) {
            let what = format!("{} in custody, {waiting} waiting, {owed} receipts owed", held(sim, index));
            left.push(format!("node {index} ({}): {what}", node.plan.name));
        }
    }
    left
}
