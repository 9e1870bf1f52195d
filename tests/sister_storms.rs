//! Randomized faults among people with several sessions each, by seed. Then everything is repaired, and all sessions of a
//! person must hold the same, as must the two people about each other.
//!
//! `SISTER_STORMS=1000 cargo test --release --test sister_storms` runs a thousand seeds in place of a few, from
//! `SISTER_STORMS_FROM` on.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use darknode::id::MessageId;
use darknode::identity::Scheme;
use darknode::proto::event::Command;
use darknode::proto::notice::Notice;
use darknode::proto::persist::LinkState;
use darknode::sim::disk::Disk;
use darknode::sim::invariants::Invariants;
use darknode::sim::node::Plan;
use darknode::sim::{Settings, Sim};
use darknode::wire::content::kind;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

/// Seeds of an ordinary run.
const SEEDS: u64 = 12;
const STEPS: u64 = 40;
/// The longest pause of seeking, a resend after it, and a little more.
const CLEAR: Duration = Duration::from_secs(900);
/// Clocks are wrong by at most this many milliseconds: 30 years.
const WRONG: u64 = 30 * 365 * 24 * 3600 * 1000;

/// What a session holds: author, kind, body and order of each message.
type Held = BTreeMap<MessageId, (u64, u64, String)>;

/// Alice and bob with one to four sessions each, a relay, and the history of their faults.
struct Storm {
    seed: u64,
    sim: Sim,
    rng: ChaCha20Rng,
    people: [Vec<usize>; 2],
    relay: usize,
    invariants: Invariants,
    backups: BTreeMap<usize, Disk>,
    /// Disks are replaced by backups. Then the last lines may be lost to a person, or come a second time.
    restores: bool,
    /// Messages that were to be withdrawn. The addressee may have them nevertheless.
    cancelled: BTreeSet<MessageId>,
    lines: u64,
}

fn number(variable: &str, ordinary: u64) -> u64 {
    std::env::var(variable).ok().and_then(|count| count.parse().ok()).unwrap_or(ordinary)
}

#[test]
fn after_random_faults_all_sessions_of_a_person_hold_the_same() {
    let from = number("SISTER_STORMS_FROM", 0);
    for seed in from..from + number("SISTER_STORMS", SEEDS) {
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
        let loss = (rng.next_u64() % 2 * 10) as u8;
        let twice = (rng.next_u64() % 2 * 10) as u8;
        let mut sim = Sim::new(Settings { seed, loss, twice, scheme: Scheme::Cheap, ..Settings::default() });
        let people = ["alice", "bob"].map(|name| {
            let plan = || Plan { segment: Some(0), ..Plan::client(name) };
            let first = sim.add_node(plan());
            let more = (1..=rng.next_u64() % 4).map(|_| sim.add_sister(first, plan())).collect::<Vec<_>>();
            [vec![first], more].concat()
        });
        let relay = sim.add_node(Plan { segment: Some(0), ..Plan::relay("relay", &[]) });
        let all: Vec<usize> = (0..=relay).collect();
        let hellos: Vec<_> = all.iter().map(|node| sim.first_hello(*node)).collect();
        for (one, other) in all.iter().flat_map(|one| all.iter().map(|other| (*one, *other))) {
            if one != other {
                sim.preload_session(one, other, &hellos[other]);
            }
        }
        for (one, other) in [(0, 1), (1, 0)] {
            people[one].iter().for_each(|node| sim.preload_link(*node, people[other][0], false));
        }
        all.iter().for_each(|node| sim.start(*node));
        let restores = seed.is_multiple_of(3);
        let (invariants, backups, cancelled) = Default::default();
        Storm { seed, sim, rng, people, relay, invariants, backups, restores, cancelled, lines: 0 }
    }

    fn below(&mut self, below: u64) -> u64 {
        self.rng.next_u64() % below
    }

    fn inject_fault(&mut self) {
        let nodes = self.relay as u64 + 1;
        let (one, other) = (self.below(nodes) as usize, self.below(nodes) as usize);
        match self.below(16) {
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
            // The relay is on one side and later on the other, so it carries the mail between them.
            7 => {
                let part = self.rng.next_u64();
                self.sim.split(|node| (part >> node) as u32 & 1);
            }
            8 => self.sim.join(),
            9 => self.sim.nodes[one].wall_offset = self.below(2 * WRONG) as i64 - WRONG as i64,
            10 => self.back_up_or_restore(one),
            11 => self.cancel(one),
            12 => self.verify(one),
            _ => self.say(one),
        }
    }

    /// Takes a backup of a session, or replaces its disk by one that was taken before.
    fn back_up_or_restore(&mut self, node: usize) {
        if !self.restores || node == self.relay {
            return;
        }
        match self.backups.remove(&node) {
            Some(backup) => {
                self.sim.crash(node);
                self.sim.nodes[node].disk = backup;
                self.invariants.allow_reset(node);
            }
            None => drop(self.backups.insert(node, self.sim.nodes[node].disk.backup())),
        }
    }

    /// The person of a node and the other one; `None` for the relay.
    fn pair(&self, node: usize) -> Option<(usize, usize)> {
        self.people.iter().position(|sessions| sessions.contains(&node)).map(|of| (of, 1 - of))
    }

    fn say(&mut self, from: usize) {
        if let Some((_, other)) = self.pair(from) {
            let to = self.sim.nodes[self.people[other][0]].user;
            for _ in 0..=self.below(3) {
                self.lines += 1;
                self.sim.command(from, self.lines, Command::Say { to, text: format!("line {}", self.lines) });
            }
        }
    }

    /// Withdraws a line that is perhaps not delivered yet.
    fn cancel(&mut self, node: usize) {
        let queued = self.sim.nodes[node].notices.iter().rev().find_map(|(_, notice)| match notice {
            Notice::Queued { message, .. } => Some(*message),
            _ => None,
        });
        if let Some(message) = queued {
            self.cancelled.insert(message);
            let message = message.token();
            self.sim.command(node, 0, Command::Cancel { message });
        }
    }

    fn verify(&mut self, node: usize) {
        if let Some((_, other)) = self.pair(node) {
            let user = self.sim.nodes[self.people[other][0]].user.to_string();
            self.sim.command(node, 0, Command::Verify { user });
        }
    }

    fn check(&mut self) {
        let broken = self.invariants.check(&self.sim);
        assert!(self.restores || broken.is_empty(), "seed {}: {broken:?}", self.seed);
    }

    fn held(&self, node: usize) -> Held {
        let rows = self.sim.nodes[node].disk.history.iter().filter(|row| row.kind == kind::TEXT);
        let text = |body: &[u8]| String::from_utf8_lossy(body).into_owned();
        rows.map(|row| (row.id, (row.kind, row.lamport, text(&row.body)))).collect()
    }

    /// What differs between two sessions, if anything does.
    fn difference(&self, one: usize, other: usize) -> Option<String> {
        let [mut mine, mut theirs] = [one, other].map(|node| self.held(node));
        // A backup that is older than a withdrawal brings the line back to its author only.
        if self.restores || self.pair(one) != self.pair(other) {
            [&mut mine, &mut theirs].into_iter().for_each(|held| held.retain(|id, _| !self.cancelled.contains(id)));
        }
        let only = |here: &Held, there: &Held| {
            let only = here.iter().filter(|(id, row)| there.get(*id) != Some(*row));
            only.map(|(_, (.., text))| text.clone()).collect::<Vec<_>>()
        };
        let only = [only(&mine, &theirs), only(&theirs, &mine)];
        (only.iter().any(|lines| !lines.is_empty()))
            .then(|| format!("only node {one}: {:?}; only node {other}: {:?}", only[0], only[1]))
    }

    /// What a session knows of the other person: verified, and the states of the link.
    fn known(&self, node: usize) -> (bool, LinkState, LinkState) {
        let (_, other) = self.pair(node).expect("a session of somebody");
        let user = self.sim.nodes[self.people[other][0]].user;
        let memory = self.sim.nodes[node].disk.load();
        let link = memory.links.iter().find(|row| row.user == user).expect("they are linked");
        let verified = memory.users.iter().any(|row| row.user == user && row.verified);
        (verified, link.mine.state, link.theirs.state)
    }

    fn unequal(&self) -> Option<String> {
        let [alices, bobs] = &self.people;
        let all = alices.iter().map(|node| (alices[0], *node)).chain(bobs.iter().map(|node| (bobs[0], *node)));
        // What only one session had when its disk was replaced is lost to its person, and the other one keeps it.
        let between = (!self.restores).then_some((alices[0], bobs[0]));
        let lines = all.chain(between).find_map(|(first, node)| self.difference(first, node));
        lines.or_else(|| {
            let mut of = self.people.iter().flat_map(|sessions| sessions.iter().map(|node| (sessions[0], *node)));
            let other = of.find(|(first, node)| self.known(*first) != self.known(*node));
            other.map(|(first, node)| format!("{:?} at {first}, {:?} at {node}", self.known(first), self.known(node)))
        })
    }

    /// Repairs and starts everything, and checks the outcome.
    fn recover(mut self) {
        self.sim.join();
        self.sim.run(Duration::from_secs(60));
        for one in 0..=self.relay {
            (0..one).for_each(|other| self.sim.mend(one, other));
            if !self.sim.nodes[one].is_on() {
                self.sim.start(one);
            }
        }
        let end = self.sim.now() + CLEAR;
        while self.unequal().is_some() && self.sim.now() < end {
            self.sim.run(Duration::from_secs(1));
        }
        let unequal = self.unequal();
        assert!(unequal.is_none(), "seed {} {:?}: {}", self.seed, self.people, unequal.unwrap_or_default());
        self.check();
        self.check_shown_once();
    }

    /// No line was shown twice, unless the disk was replaced.
    fn check_shown_once(&self) {
        for node in self.people.iter().flatten().filter(|_| !self.restores) {
            let mut shown = BTreeSet::new();
            for (_, notice) in &self.sim.nodes[*node].notices {
                if let Notice::Message(view) = notice {
                    assert!(shown.insert(view.message) || view.again, "seed {}: {} twice", self.seed, view.text);
                    assert_eq!(view.own, view.from_id == self.sim.nodes[*node].user, "seed {}", self.seed);
                }
            }
        }
    }
}
