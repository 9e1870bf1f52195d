//! Mail to and through one session of a user with several.

use std::time::Duration;

use darknode::id::{Address, BootId, ConnId, EnvelopeId, UserId};
use darknode::identity::Scheme;
use darknode::proto::event::{Command, Connected, Input};
use darknode::proto::notice::examination::{Carrier, Subject};
use darknode::proto::notice::{Delivery, Notice};
use darknode::sim::node::Plan;
use darknode::sim::{Settings, Sim};
use darknode::wire::chat::{Chat, Parcel};
use darknode::wire::content::{Content, kind};
use darknode::wire::control::Control;
use darknode::wire::record::{KeyCard, Prekey, roles};
use darknode::wire::{Bytes, decode};

use crate::adversary::Person;
use crate::setup::*;

/// The nodes of a chain of relays with one session of bob at each end, and a third island in between without any.
struct Chain {
    sim: Sim,
    relays: Vec<usize>,
    near: usize,
    far: usize,
    prekey: Prekey,
}

/// A chain of this many relays between two sessions of bob, which know of each other only that the roster lists them. All but
/// the far one are running.
fn chain(seed: u64, relays: u32) -> Chain {
    println!("seed {seed}, {relays} relays");
    let mut sim = Sim::new(Settings { seed, scheme: Scheme::Ed25519, ..Settings::default() });
    let relays: Vec<usize> =
        (0..relays).map(|island| sim.add_node(Plan::relay(format!("pi{island}"), &[island, island + 1]))).collect();
    let near = sim.add_node(Plan::islander("bob", 0));
    let far = sim.add_sister(near, Plan::islander("bob", relays.len() as u32));
    let card = sim.first_hello(far).card.expect("a hello brings a key card");
    let prekey = decode::<KeyCard>(&card.0).expect("a key card").prekeys[0].clone();
    relays.iter().for_each(|relay| sim.start(*relay));
    sim.start(near);
    sim.run(Duration::from_secs(10));
    Chain { sim, relays, near, far, prekey }
}

impl Chain {
    /// Hands an envelope to the far session to the first relay, as a stranger who is connected with it.
    fn post_to_far(&mut self, n: u64) -> EnvelopeId {
        let (author, relay, conn) = (Person::new(7, "carol"), self.relays[0], ConnId(u64::MAX));
        if n == 0 {
            let (session, addr, rtt) = (author.session_id(), ([192, 0, 2, 9], 9).into(), Duration::from_millis(1));
            let connected = Connected { conn, session, boot: BootId(99), addr, exporter: [0; 32], dial: None, rtt };
            self.sim.feed(relay, Input::Connected(connected));
            self.sim.feed(relay, Input::Control { conn, batch: vec![Control::Hello(author.hello())] });
        }
        let content = Content { kind: kind::TEXT, epoch: 1, n, lamport: 1, wall: 1, body: Bytes(vec![]) };
        let to = UserId(self.sim.nodes[self.far].session.0);
        let sealed = author.seal(to, &self.prekey, vec![content]);
        let parcel = Parcel { envelope: Bytes(sealed.bytes), life_ms: 86_400_000, copies: 4 };
        self.sim.feed(relay, Input::Chat { conn, items: vec![Chat::Parcel(parcel)] });
        sealed.id
    }

    /// Whether the first relay has been shown that an envelope was opened.
    fn was_opened(&self, id: EnvelopeId) -> bool {
        self.sim.nodes[self.relays[0]].disk.tombstones().any(|stone| stone.envelope == id)
    }

    fn runs_until_opened(&mut self, id: EnvelopeId) -> bool {
        let relay = self.relays[0];
        self.sim.run_until(SOON, |sim| sim.nodes[relay].disk.tombstones().any(|stone| stone.envelope == id))
    }

    /// The envelopes that the near session was handed.
    fn handed_to_near(&self) -> u64 {
        let drops = self.sim.core(self.near).expect("it runs").drops();
        drops.iter().filter(|(reason, _)| reason.starts_with("envelope")).map(|(_, count)| count).sum()
    }
}

#[test]
fn an_envelope_to_one_session_passes_the_relay_that_has_another_session_of_the_user() {
    for (seed, relays) in (0..10).zip([1, 2, 3, 5].into_iter().cycle()) {
        let mut chain = chain(seed, relays);
        chain.sim.start(chain.far);
        chain.sim.run(Duration::from_secs(10));
        let id = chain.post_to_far(0);
        assert!(chain.runs_until_opened(id), "seed {seed}");
        assert_eq!(chain.handed_to_near(), 0, "seed {seed}");
    }
}

#[test]
fn an_envelope_to_a_session_waits_for_it_and_not_for_another_of_the_user() {
    for seed in 0..10 {
        let mut chain = chain(seed, 3);
        let id = chain.post_to_far(0);
        chain.sim.run(Duration::from_secs(60));
        assert!(!chain.was_opened(id), "seed {seed}");
        assert_eq!(chain.handed_to_near(), 0, "seed {seed}");
        chain.sim.start(chain.far);
        assert!(chain.runs_until_opened(id), "seed {seed}: it comes up");
        chain.sim.crash(chain.far);
        chain.sim.run(Duration::from_secs(60));
        let id = chain.post_to_far(1);
        chain.sim.run(Duration::from_secs(60));
        assert!(!chain.was_opened(id) && chain.handed_to_near() == 0, "seed {seed}");
        chain.sim.start(chain.far);
        assert!(chain.runs_until_opened(id), "seed {seed}: it returns");
    }
}

const SISTER: usize = 2;

/// Alice and bob, linked, and another session of alice's, all on one local link and knowing each other. None is running.
fn alice_with_a_sister(seed: u64) -> Sim {
    println!("seed {seed}");
    let mut sim = Sim::new(Settings { seed, scheme: Scheme::Cheap, ..Settings::default() });
    let on_link = |name: &str| Plan { segment: Some(0), ..Plan::client(name) };
    sim.add_node(on_link("alice"));
    sim.add_node(on_link("bob"));
    sim.add_sister(ALICE, on_link("alice"));
    link(&mut sim, &[(ALICE, BOB), (SISTER, BOB)]);
    sim
}

/// Alice types lines to bob, who is off, and stops for ever once her other session has them.
fn leaves_lines_to_her_sister(sim: &mut Sim, count: usize) {
    [ALICE, SISTER].into_iter().for_each(|node| sim.start(node));
    sim.run(Duration::from_secs(10));
    (0..count).for_each(|n| say(sim, ALICE, BOB, &n.to_string()));
    assert!(sim.run_until(SOON, |sim| in_state(sim, ALICE, Delivery::Carried).len() == count));
    sim.crash(ALICE);
}

#[test]
fn lines_arrive_through_another_session_of_their_author_who_does_not_return() {
    for seed in 0..20 {
        let mut sim = alice_with_a_sister(seed);
        leaves_lines_to_her_sister(&mut sim, 20);
        if seed % 2 == 0 {
            sim.crash(SISTER);
            sim.run(Duration::from_secs(3600));
            sim.start(SISTER);
        }
        sim.start(BOB);
        assert!(sim.run_until(SOON, |sim| shown(sim, BOB) == texts(20)), "seed {seed}: {:?}", shown(&sim, BOB));
        assert!(sim.run_until(SOON, |sim| held(sim, SISTER) == 0), "seed {seed}: released");
        // The author learns that they were opened when it meets its other session, though bob is off again.
        sim.crash(BOB);
        sim.start(ALICE);
        assert!(sim.run_until(SOON, |sim| envelopes(sim, ALICE).is_empty()), "seed {seed}");
    }
}

/// Whether a node holds mail for bob, and not only for other sessions of alice.
fn holds_for_bob(sim: &Sim, node: usize) -> bool {
    let bob = Address::from(sim.nodes[BOB].user);
    sim.nodes[node].disk.custody().any(|row| row.address == bob)
}

#[test]
fn the_author_is_told_which_other_session_of_theirs_carries_a_line() {
    let mut sim = alice_with_a_sister(1);
    let label = format!("sim{SISTER}");
    [ALICE, SISTER, BOB].into_iter().for_each(|node| sim.start(node));
    sim.run(Duration::from_secs(10));
    sim.cut(ALICE, BOB);
    sim.run(Duration::from_secs(60));
    sim.command(ALICE, 1, Command::Map);
    sim.crash(BOB);
    sim.run(Duration::from_secs(60));
    say(&mut sim, ALICE, BOB, "hello");
    assert!(sim.run_until(SOON, |sim| in_state(sim, ALICE, Delivery::Carried).len() == 1));
    sim.command(ALICE, 2, Command::Examine { user: Some("bob".to_owned()), probe: false, redact: false });
    sim.run(Duration::from_secs(10));
    let through = notice(&sim, |notice| match notice {
        Notice::Map(map) => map.nodes.iter().find(|node| node.name == "bob")?.through.clone(),
        _ => None,
    });
    assert_eq!(through, label);
    let holder = notice(&sim, |notice| match notice {
        Notice::State { state: Delivery::Carried, progress, .. } => Some(progress.holder.clone()),
        _ => None,
    });
    assert_eq!(holder, label);
    let examination =
        notice(&sim, |notice| if let Notice::Examination(found) = notice { Some(found.clone()) } else { None });
    let Subject::User(bob) = &examination.subject else { panic!("{examination:?}") };
    assert_eq!(bob.carriers, [Carrier { name: label.clone(), lines: 1 }]);
    assert_eq!(bob.asked.iter().map(|asked| &asked.name).collect::<Vec<_>>(), [&label]);
    assert_eq!(examination.own.neighbours.iter().map(|by| &by.name).collect::<Vec<_>>(), [&label]);
}

/// What the first fitting notice at alice's node says.
fn notice<T>(sim: &Sim, found: impl Fn(&Notice) -> Option<T>) -> T {
    sim.nodes[ALICE].notices.iter().find_map(|(_, notice)| found(notice)).expect("it was told")
}

#[test]
fn lines_pass_from_session_to_session_of_their_author() {
    for seed in 0..10 {
        let mut sim = alice_with_a_sister(seed);
        let third = sim.add_sister(ALICE, Plan { segment: Some(0), ..Plan::client("alice") });
        leaves_lines_to_her_sister(&mut sim, 20);
        sim.start(third);
        assert!(sim.run_until(SOON, |sim| holds_for_bob(sim, third)), "seed {seed}");
        sim.crash(SISTER);
        sim.start(BOB);
        assert!(sim.run_until(SOON, |sim| shown(sim, BOB) == texts(20)), "seed {seed}: {:?}", shown(&sim, BOB));
    }
}

#[test]
fn a_session_entrusts_the_lines_of_another_to_a_relay() {
    for seed in 0..10 {
        let mut sim = alice_with_a_sister(seed);
        let relay = sim.add_node(Plan { roles: roles::RELAY, ..Plan::client("pi") });
        bootstrap(&mut sim, &[SISTER, BOB], &[relay]);
        sim.cut(ALICE, relay);
        leaves_lines_to_her_sister(&mut sim, 20);
        sim.start(relay);
        assert!(sim.run_until(Duration::from_secs(400), |sim| holds_for_bob(sim, relay)), "seed {seed}");
        sim.crash(SISTER);
        sim.start(BOB);
        assert!(sim.run_until(SOON, |sim| shown(sim, BOB) == texts(20)), "seed {seed}: {:?}", shown(&sim, BOB));
    }
}
