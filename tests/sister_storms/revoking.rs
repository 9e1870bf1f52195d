//! Nothing that is sealed by somebody who knows of a revocation can be opened by the revoked session, and an old or forked roster
//! does not let that session in again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use darknode::id::EnvelopeId;
use darknode::identity::seal::{PrekeySecret, open};
use darknode::proto::event::{Command, Output};
use darknode::proto::persist::Op;
use darknode::time::Moment;
use darknode::wire::chat::{Chat, Parcel};
use darknode::wire::decode;
use darknode::wire::record::{Roster, Signed};
use sha2::{Digest, Sha256};

use crate::setup::{ALICE, Setup, seeds};

/// Seeds of an ordinary run.
const SEEDS: u64 = 8;
const BEFORE: u64 = 10;
const AFTER: u64 = 25;
/// An envelope that waits for the disk leaves this long after it was sealed at the most.
const COMMITS: Duration = Duration::from_millis(20);
/// The number of `Hello` on the wire.
const HELLO: usize = 1;
/// The most hellos while the revoked session tries to come back, from all nodes together.
const MOST_HELLOS: u64 = 400;
/// How long the revoked session tries to come back.
const RETURN: Duration = Duration::from_secs(300);

/// The revoked session, and who knows of that.
struct Storm {
    setup: Setup,
    revoked: usize,
    /// Since when each node knows.
    knows: BTreeMap<usize, Moment>,
    seen: BTreeSet<EnvelopeId>,
    /// Envelopes that were sealed by a node that knows.
    sealed: Vec<(usize, Vec<u8>)>,
}

#[test]
fn a_revoked_session_opens_nothing_from_those_who_know_and_does_not_come_back() {
    for seed in seeds(SEEDS) {
        let mut setup = Setup::new(seed, [3..5, 1..3], 2);
        setup.start_all();
        setup.sim.outputs = Some(Vec::new());
        let others = setup.people[ALICE][1..].to_vec();
        let revoked = setup.pick(&others);
        let (knows, seen, sealed) = Default::default();
        let mut storm = Storm { setup, revoked, knows, seen, sealed };
        storm.rage(BEFORE);
        let backup = storm.setup.sim.nodes[revoked].disk.backup();
        storm.revoke();
        storm.rage(AFTER);
        if storm.setup.below(2) == 0 {
            storm.setup.sim.crash(revoked);
            storm.setup.sim.nodes[revoked].disk = backup;
            storm.setup.invariants.allow_reset(revoked);
            storm.forge();
        }
        storm.recover();
    }
}

impl Storm {
    fn rage(&mut self, steps: u64) {
        for _ in 0..steps {
            let node = self.setup.node();
            match self.setup.below(12) {
                0..=2 => self.setup.switch(node),
                3..=5 => self.setup.rewire(),
                6 => self.setup.set_clock(),
                _ => self.setup.say(node),
            }
            self.setup.pause(5_000);
            self.observe();
            self.setup.check();
        }
    }

    /// A session that holds the user key revokes another.
    fn revoke(&mut self) {
        let holders: Vec<usize> =
            self.setup.people[ALICE][..2].iter().copied().filter(|node| *node != self.revoked).collect();
        let holder = self.setup.pick(&holders);
        self.setup.start(holder);
        let label = self.setup.sim.nodes[self.revoked].session.to_string();
        self.setup.sim.command(holder, 1, Command::Unlink { label });
        // Until the disk has it.
        self.setup.sim.run(COMMITS);
    }

    /// The revoked session comes back with a roster that its user could have signed, which revokes nobody.
    fn forge(&mut self) {
        let newest = self.newest().version;
        let version = match self.setup.below(4) {
            0 => return,
            1 => newest - 1,
            2 => newest,
            _ => newest + 1,
        };
        self.setup.sim.preload_roster(self.revoked, version);
    }

    /// The newest roster of alice, which does not list the revoked session.
    fn newest(&self) -> Roster {
        let others = (0..self.setup.relay).filter(|node| *node != self.revoked);
        others.filter_map(|node| self.roster_at(node)).max_by_key(|roster| roster.version).expect("each has one")
    }

    /// The roster of alice on the disk of a node.
    fn roster_at(&self, node: usize) -> Option<Roster> {
        let alice = self.setup.user(ALICE);
        let users = self.setup.sim.nodes[node].disk.load().users;
        read(&users.into_iter().find(|row| row.user == alice)?.roster?)
    }

    fn admits_revoked(&self, roster: &Roster) -> bool {
        roster.admits(&self.setup.sim.nodes[self.revoked].session)
    }

    /// Takes note of who has learnt of the revocation, and of what they have sealed since.
    fn observe(&mut self) {
        let outputs = self.setup.sim.outputs.replace(Vec::new()).unwrap_or_default();
        let alice = self.setup.user(ALICE);
        for (at, node, output) in outputs {
            match output {
                Output::Store { op: Op::User(row), .. } if row.user == alice => {
                    let excludes =
                        row.roster.as_ref().and_then(read).is_some_and(|roster| !self.admits_revoked(&roster));
                    if excludes {
                        self.knows.entry(node).or_insert(at);
                    } else {
                        self.knows.remove(&node);
                    }
                }
                Output::Store { op: Op::Custody(row), .. } => self.observe_envelope(at, node, row.bytes),
                Output::Chat { item: Chat::Parcel(Parcel { envelope, .. }), .. } => {
                    self.observe_envelope(at, node, envelope.0);
                }
                _ => {}
            }
        }
        // Who fails before the disk has it knows nothing any more.
        let off: Vec<usize> = self.knows.keys().copied().filter(|node| !self.setup.is_on(*node)).collect();
        let forgets = |node: &usize| self.roster_at(*node).is_none_or(|roster| self.admits_revoked(&roster));
        off.into_iter().filter(forgets).collect::<Vec<_>>().into_iter().for_each(|node| {
            self.knows.remove(&node);
        });
    }

    /// An envelope comes from the first node that is seen with it.
    fn observe_envelope(&mut self, at: Moment, node: usize, bytes: Vec<u8>) {
        let is_new = self.seen.insert(EnvelopeId(Sha256::digest(&bytes).into()));
        if is_new && self.knows.get(&node).is_some_and(|since| *since + COMMITS < at) {
            self.sealed.push((node, bytes));
        }
    }

    /// Repairs everything. The revoked session tries to come back meanwhile, and everybody goes on writing.
    fn recover(mut self) {
        self.setup.repair();
        let seed = self.setup.seed;
        for node in (0..self.setup.relay).filter(|node| *node != self.revoked).collect::<Vec<_>>() {
            self.setup.say(node);
        }
        let before = self.setup.sim.traffic();
        self.setup.sim.run(RETURN);
        let hellos = self.setup.sim.traffic().since(&before).of_kind(HELLO);
        assert!(hellos < MOST_HELLOS, "seed {seed}: {hellos} hellos");
        self.observe();
        for node in (0..self.setup.relay).filter(|node| *node != self.revoked) {
            let roster = self.roster_at(node).expect("each has one");
            assert!(!self.admits_revoked(&roster), "seed {seed}: node {node} has {roster:?}");
        }
        let mut live = self.setup.sim.net().live().filter(|ends| ends.contains(&self.revoked));
        assert_eq!(live.next(), None, "seed {seed}: node {} was revoked", self.revoked);
        let keys = self.setup.sim.nodes[self.revoked].disk.load().prekeys;
        let mut opened = self.sealed.iter().filter(|(node, bytes)| *node != self.revoked && self.opens(&keys, bytes));
        assert_eq!(opened.next().map(|(node, _)| node), None, "seed {seed}: the revoked session opens what it sealed");
        assert!(self.sealed.len() > 1, "seed {seed}: who knew has written something");
    }

    fn opens(&self, keys: &[PrekeySecret], bytes: &[u8]) -> bool {
        open(&self.setup.sim.settings.network, bytes, |id| keys.iter().find(|key| key.id == *id)).is_ok()
    }
}

fn read(roster: &Signed) -> Option<Roster> {
    decode(&roster.0).ok()
}
