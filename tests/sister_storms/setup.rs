//! Alice and bob with some sessions each, a relay, and the faults that all kinds of storms have in common.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use darknode::id::{MessageId, UserId};
use darknode::identity::Scheme;
use darknode::proto::event::Command;
use darknode::proto::notice::Notice;
use darknode::proto::persist::{LinkRow, LinkState};
use darknode::sim::invariants::Invariants;
use darknode::sim::node::Plan;
use darknode::sim::{Settings, Sim};
use darknode::wire::content::kind;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

/// The longest pause of seeking, a resend after it, and a little more.
pub const CLEAR: Duration = Duration::from_secs(900);
/// Clocks are wrong by at most this many milliseconds: 30 years.
const WRONG: u64 = 30 * 365 * 24 * 3600 * 1000;

/// The index of alice in [`Setup::people`].
pub const ALICE: usize = 0;
/// The index of bob.
pub const BOB: usize = 1;

/// What a session holds: order and text of each message.
type Held = BTreeMap<MessageId, (u64, String)>;

/// The seeds of a kind of storm: `ordinary` of them, unless the environment says otherwise.
pub fn seeds(ordinary: u64) -> Range<u64> {
    let number = |variable: &str| std::env::var(variable).ok().and_then(|count| count.parse().ok());
    let from = number("SISTER_STORMS_FROM").unwrap_or(0);
    from..from + number("SISTER_STORMS").unwrap_or(ordinary)
}

/// A world and the history of its faults. All know each other, and alice and bob are linked.
pub struct Setup {
    pub seed: u64,
    pub sim: Sim,
    rng: ChaCha20Rng,
    /// The sessions of alice and of bob.
    pub people: [Vec<usize>; 2],
    pub relay: usize,
    pub invariants: Invariants,
    /// Nodes that never start again.
    pub gone: BTreeSet<usize>,
    lines: u64,
}

impl Setup {
    /// Alice and bob with random numbers of sessions, within these bounds, of which the first `holders` hold the user key. None is
    /// running.
    pub fn new(seed: u64, sessions: [Range<u64>; 2], holders: usize) -> Setup {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let loss = (rng.next_u64() % 2 * 10) as u8;
        let twice = (rng.next_u64() % 2 * 10) as u8;
        let mut sim = Sim::new(Settings { seed, loss, twice, scheme: Scheme::Cheap, ..Settings::default() });
        let mut person = |name: &str, Range { start, end }: Range<u64>| {
            let plan = |n| Plan { segment: Some(0), user_key: n < holders, ..Plan::client(name) };
            let first = sim.add_node(plan(0));
            let count = start + rng.next_u64() % (end - start);
            let more = (1..count as usize).map(|n| sim.add_sister(first, plan(n))).collect::<Vec<_>>();
            [vec![first], more].concat()
        };
        let [alices, bobs] = sessions;
        let people = [person("alice", alices), person("bob", bobs)];
        let relay = sim.add_node(Plan { segment: Some(0), ..Plan::relay("relay", &[]) });
        let hellos: Vec<_> = (0..=relay).map(|node| sim.first_hello(node)).collect();
        for (one, other) in (0..=relay).flat_map(|one| (0..=relay).map(move |other| (one, other))) {
            if one != other {
                sim.preload_session(one, other, &hellos[other]);
            }
        }
        for (one, other) in [(ALICE, BOB), (BOB, ALICE)] {
            people[one].iter().for_each(|node| sim.preload_link(*node, people[other][0], false));
        }
        let (invariants, gone) = Default::default();
        Setup { seed, sim, rng, people, relay, invariants, gone, lines: 0 }
    }

    pub fn start_all(&mut self) {
        (0..=self.relay).for_each(|node| self.start(node));
    }

    pub fn below(&mut self, below: u64) -> u64 {
        self.rng.next_u64() % below
    }

    /// One of these nodes.
    pub fn pick(&mut self, of: &[usize]) -> usize {
        of[self.below(of.len() as u64) as usize]
    }

    /// Any node.
    pub fn node(&mut self) -> usize {
        self.below(self.relay as u64 + 1) as usize
    }

    /// Lets less than `most` milliseconds pass.
    pub fn pause(&mut self, most: u64) {
        let span = Duration::from_millis(self.below(most));
        self.sim.run(span);
    }

    pub fn is_on(&self, node: usize) -> bool {
        self.sim.nodes[node].is_on()
    }

    /// Starts a node that is off, unless it is gone.
    pub fn start(&mut self, node: usize) {
        if !self.is_on(node) && !self.gone.contains(&node) {
            self.sim.start(node);
        }
    }

    pub fn stop(&mut self, node: usize) {
        self.sim.command(node, 0, Command::Quit);
    }

    /// Starts or ends a node, by a power failure or in an orderly way.
    pub fn switch(&mut self, node: usize) {
        match self.below(3) {
            0 => self.sim.crash(node),
            1 => self.stop(node),
            _ => self.start(node),
        }
    }

    /// Cuts or repairs a path, or divides the network. The relay is on one side and later on the other, so it carries the mail
    /// between them.
    pub fn rewire(&mut self) {
        let (one, other) = (self.node(), self.node());
        match self.below(5) {
            0 if one != other => self.sim.cut(one, other),
            1 if one != other => self.sim.cut_one_way(one, other),
            2 if one != other => self.sim.mend(one, other),
            3 => {
                let part = self.below(u64::MAX);
                self.sim.split(|node| (part >> node) as u32 & 1);
            }
            _ => self.sim.join(),
        }
    }

    /// Sets a clock wrong.
    pub fn set_clock(&mut self) {
        let node = self.node();
        self.sim.nodes[node].wall_offset = self.below(2 * WRONG) as i64 - WRONG as i64;
    }

    /// The person of a node, and the other one; `None` for the relay.
    pub fn pair(&self, node: usize) -> Option<(usize, usize)> {
        self.people.iter().position(|sessions| sessions.contains(&node)).map(|of| (of, 1 - of))
    }

    pub fn user(&self, person: usize) -> UserId {
        self.sim.nodes[self.people[person][0]].user
    }

    /// Types some lines at a session, to the other person.
    pub fn say(&mut self, from: usize) {
        if let Some((_, other)) = self.pair(from) {
            let to = self.user(other);
            for _ in 0..=self.below(3) {
                self.lines += 1;
                self.sim.command(from, self.lines, Command::Say { to, text: format!("line {}", self.lines) });
            }
        }
    }

    /// A session of a person verifies the other person.
    pub fn verify(&mut self, node: usize) {
        if let Some((_, other)) = self.pair(node) {
            let user = self.user(other).to_string();
            self.sim.command(node, 0, Command::Verify { user });
        }
    }

    pub fn check(&mut self) {
        let broken = self.invariants.check(&self.sim);
        assert!(broken.is_empty(), "seed {}: {broken:?}", self.seed);
    }

    pub fn held(&self, node: usize) -> Held {
        let rows = self.sim.nodes[node].disk.history.iter().filter(|row| row.kind == kind::TEXT);
        rows.map(|row| (row.id, (row.lamport, String::from_utf8_lossy(&row.body).into_owned()))).collect()
    }

    /// What differs between the lines of two sessions, `except` for some, if anything does.
    pub fn difference(&self, one: usize, other: usize, except: &BTreeSet<MessageId>) -> Option<String> {
        let [mine, theirs] = [one, other].map(|node| {
            let mut held = self.held(node);
            held.retain(|id, _| !except.contains(id));
            held
        });
        let only = |here: &Held, there: &Held| {
            let only = here.iter().filter(|(id, row)| there.get(*id) != Some(*row));
            only.map(|(_, (_, text))| text.clone()).collect::<Vec<_>>()
        };
        let only = [only(&mine, &theirs), only(&theirs, &mine)];
        (only.iter().any(|lines| !lines.is_empty()))
            .then(|| format!("only node {one}: {:?}; only node {other}: {:?}", only[0], only[1]))
    }

    /// What the disk of a session has about the link with the other person.
    pub fn link(&self, node: usize) -> LinkRow {
        let (_, other) = self.pair(node).expect("a session of somebody");
        let user = self.user(other);
        let links = self.sim.nodes[node].disk.load().links;
        *links.iter().find(|row| row.user == user).expect("they are linked")
    }

    /// What a session knows of the other person: verified, and the states of the link.
    pub fn known(&self, node: usize) -> (bool, LinkState, LinkState) {
        let (_, other) = self.pair(node).expect("a session of somebody");
        let user = self.user(other);
        let users = self.sim.nodes[node].disk.load().users;
        let verified = users.iter().any(|row| row.user == user && row.verified);
        let link = self.link(node);
        (verified, link.mine.state, link.theirs.state)
    }

    /// Each session of a person that is not gone, beside the first such.
    pub fn pairs(&self, person: usize) -> Vec<(usize, usize)> {
        let there = self.people[person].iter().filter(|node| !self.gone.contains(node));
        let first = there.clone().next().copied();
        there.filter_map(|node| Some((first?, *node))).collect()
    }

    /// Repairs and starts everything that is not gone.
    pub fn repair(&mut self) {
        self.sim.join();
        // A node that was told to stop while it was stalled stops when it goes on.
        self.sim.run(Duration::from_secs(60));
        self.mend_all();
        self.start_all();
    }

    pub fn mend_all(&mut self) {
        self.sim.join();
        for one in 0..=self.relay {
            (0..one).for_each(|other| self.sim.mend(one, other));
        }
    }

    /// Waits until `wrong` says nothing more.
    pub fn wait(&mut self, wrong: impl Fn(&Setup) -> Option<String>) {
        let end = self.sim.now() + CLEAR;
        while wrong(self).is_some() && self.sim.now() < end {
            self.sim.run(Duration::from_secs(1));
        }
        let wrong = wrong(self);
        assert!(wrong.is_none(), "seed {} {:?}: {}", self.seed, self.people, wrong.unwrap_or_default());
    }

    /// No line was shown twice.
    pub fn check_shown_once(&self) {
        for node in self.people.iter().flatten() {
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
