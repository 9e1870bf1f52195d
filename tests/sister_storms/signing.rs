//! Two sessions that hold the user key and sign rosters at the same time come to one roster in at most four signatures, and nobody
//! signs without a change.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use darknode::id::SessionId;
use darknode::proto::event::{Command, Output};
use darknode::proto::persist::Op;
use darknode::wire::decode;
use darknode::wire::record::{Roster, Signed};

use crate::setup::{ALICE, BOB, Setup, seeds};

/// Seeds of an ordinary run.
const SEEDS: u64 = 8;
const STEPS: u64 = 12;
/// Sessions that hold the user key.
const HOLDERS: usize = 2;
/// A change is on the disk after this time.
const COMMITS: Duration = Duration::from_millis(20);
/// Signatures until two concurrent ones have become one roster.
const MOST: usize = 4;
const HOUR: Duration = Duration::from_secs(3600);

/// Who is listed, and who is revoked.
type Content = (BTreeSet<SessionId>, BTreeSet<SessionId>);

struct Storm {
    setup: Setup,
    /// All rosters of alice that were seen. Each was signed by the first node that stored it.
    signed: BTreeSet<Vec<u8>>,
    /// The last roster of alice at each of her sessions.
    last: BTreeMap<usize, Content>,
}

#[test]
fn two_holders_of_a_user_key_that_sign_concurrently_come_to_one_roster_in_four_signatures() {
    for seed in seeds(SEEDS) {
        let mut setup = Setup::new(seed, [3..6, 1..3], HOLDERS);
        setup.sim.outputs = Some(Vec::new());
        setup.start_all();
        setup.sim.run(Duration::from_secs(30));
        let (signed, last) = Default::default();
        let mut storm = Storm { setup, signed, last };
        storm.count_signatures();
        for session in storm.setup.people[ALICE].clone() {
            let roster = storm.roster_at(session).expect("it has one");
            storm.record(session, &roster);
        }
        while storm.setup.people[ALICE].len() > HOLDERS {
            storm.sign_concurrently();
        }
        storm.rest();
    }
}

impl Storm {
    /// Both holders revoke a session, perhaps the same, while anything fails.
    fn sign_concurrently(&mut self) {
        let (holders, others) = self.setup.people[ALICE].split_at(HOLDERS);
        let (holders, others) = (holders.to_vec(), others.to_vec());
        for _ in 0..self.setup.below(4) {
            self.setup.rewire();
        }
        let mut revoked = BTreeSet::new();
        for holder in holders {
            let node = self.setup.pick(&others);
            let label = self.setup.sim.nodes[node].session.to_string();
            self.setup.sim.command(holder, 1, Command::Unlink { label });
            revoked.insert(node);
            self.setup.pause(50);
        }
        // Until the disks have it: what a power failure loses was said to nobody.
        self.setup.sim.run(COMMITS);
        let mut signatures = self.count_signatures();
        for _ in 0..STEPS {
            let node = self.setup.node();
            match self.setup.below(4) {
                0 => self.setup.switch(node),
                1 => self.setup.set_clock(),
                _ => self.setup.rewire(),
            }
            self.setup.pause(4_000);
            signatures += self.count_signatures();
        }
        self.setup.gone.extend(&revoked);
        revoked.iter().for_each(|node| self.setup.sim.crash(*node));
        self.setup.people[ALICE].retain(|node| !revoked.contains(node));
        self.setup.repair();
        self.setup.wait(differing);
        signatures += self.count_signatures();
        assert!(signatures <= MOST, "seed {}: {signatures} signatures", self.setup.seed);
        let roster = self.roster_at(self.setup.people[ALICE][0]).and_then(|roster| read(&roster)).expect("a roster");
        let session = |node: &usize| self.setup.sim.nodes[*node].session;
        assert!(revoked.iter().all(|node| roster.revoked.contains(&session(node))), "seed {}", self.setup.seed);
    }

    /// Everybody meets again, and an hour passes: nobody signs.
    fn rest(mut self) {
        for node in 0..=self.setup.relay {
            if self.setup.is_on(node) {
                self.setup.sim.crash(node);
                self.setup.pause(20_000);
            }
        }
        self.setup.repair();
        self.setup.sim.run(HOUR);
        assert_eq!(self.count_signatures(), 0, "seed {}: nothing has changed", self.setup.seed);
        assert_eq!(differing(&self.setup), None, "seed {}", self.setup.seed);
    }

    /// Counts the rosters of alice that were not seen before. None of them says what its signer's last one did.
    fn count_signatures(&mut self) -> usize {
        let outputs = self.setup.sim.outputs.replace(Vec::new()).unwrap_or_default();
        let (before, alice) = (self.signed.len(), self.setup.user(ALICE));
        for (_, node, output) in outputs {
            if let Output::Store { op: Op::User(row), .. } = output
                && let Some(roster) = row.roster.filter(|_| row.user == alice)
            {
                self.record(node, &roster);
            }
        }
        self.signed.len() - before
    }

    fn record(&mut self, node: usize, signed: &Signed) {
        let content = content(&read(signed).expect("a roster"));
        let is_new = self.signed.insert(signed.0.0.clone());
        let same = self.last.insert(node, content.clone()).is_some_and(|last| last == content);
        assert!(!is_new || !same, "seed {}: node {node} signed without a change", self.setup.seed);
    }

    fn roster_at(&self, node: usize) -> Option<Signed> {
        roster_at(&self.setup, node)
    }
}

/// The roster of alice on the disk of a node.
fn roster_at(setup: &Setup, node: usize) -> Option<Signed> {
    let alice = setup.user(ALICE);
    let users = setup.sim.nodes[node].disk.load().users;
    users.into_iter().find(|row| row.user == alice)?.roster
}

/// A session of alice or bob that has another roster of alice than the first has.
fn differing(setup: &Setup) -> Option<String> {
    let first = roster_at(setup, setup.people[ALICE][0]);
    let all = [ALICE, BOB].into_iter().flat_map(|person| &setup.people[person]);
    let mut others = all.filter(|node| roster_at(setup, **node) != first);
    others.next().map(|node| format!("node {node} has another roster"))
}

fn read(roster: &Signed) -> Option<Roster> {
    decode(&roster.0).ok()
}

fn content(roster: &Roster) -> Content {
    (roster.sessions.iter().map(|entry| entry.id).collect(), roster.revoked.iter().copied().collect())
}
