//! Several sessions of one user: how they find each other, and what each learns and tells through the others.

use std::time::Duration;

use darknode::identity::Scheme;
use darknode::proto::event::Command;
use darknode::proto::notice::{Notice, Via};
use darknode::proto::persist::LinkState;
use darknode::sim::node::Plan;
use darknode::sim::{Settings, Sim};
use darknode::wire::record::roles;

const SOON: Duration = Duration::from_secs(20);

/// The number of `Hello` on the wire.
const HELLO: usize = 1;

const ALICE: usize = 0;
const BOB: usize = 1;
const SISTER: usize = 2;

fn world(seed: u64) -> Sim {
    println!("seed {seed}");
    Sim::new(Settings { seed, scheme: Scheme::Cheap, ..Settings::default() })
}

/// Alice, bob and another session of alice's. None knows an address, and none is running.
fn three(seed: u64) -> Sim {
    let mut sim = world(seed);
    sim.add_node(Plan::client("alice"));
    sim.add_node(Plan::client("bob"));
    sim.add_sister(ALICE, Plan::client("alice"));
    sim
}

/// Makes nodes know the addresses of each other.
fn acquaint(sim: &mut Sim, pairs: &[(usize, usize)]) {
    let hellos: Vec<_> = (0..sim.nodes.len()).map(|node| sim.first_hello(node)).collect();
    for (one, other) in pairs.iter().flat_map(|(one, other)| [(*one, *other), (*other, *one)]) {
        sim.preload_session(one, other, &hellos[other]);
    }
}

/// Links alice's sessions with bob.
fn link(sim: &mut Sim) {
    for (one, other) in [(ALICE, BOB), (SISTER, BOB), (BOB, ALICE)] {
        sim.preload_link(one, other, false);
    }
}

fn are_connected(sim: &Sim, a: usize, b: usize) -> bool {
    sim.net().live().any(|ends| ends == [a, b] || ends == [b, a])
}

fn start(sim: &mut Sim, nodes: impl IntoIterator<Item = usize>) {
    nodes.into_iter().for_each(|node| sim.start(node));
}

/// How a node shows another session at last.
fn path(sim: &Sim, node: usize, to: usize) -> Option<Via> {
    let of_it = sim.nodes[to].session;
    let seen = sim.nodes[node].notices.iter().rev().find_map(|(_, notice)| match notice {
        Notice::Online { session, via, .. } | Notice::Path { session, via, .. } if *session == of_it => {
            Some(Some(*via))
        }
        Notice::Offline { session, .. } if *session == of_it => Some(None),
        _ => None,
    });
    seen.flatten()
}

#[test]
fn sessions_of_one_user_connect_by_remembered_addresses_and_again_after_a_loss() {
    for seed in 0..10 {
        let mut sim = three(seed);
        acquaint(&mut sim, &[(ALICE, SISTER)]);
        start(&mut sim, [ALICE, SISTER]);
        assert!(sim.run_until(SOON, |sim| are_connected(sim, ALICE, SISTER)), "seed {seed}");
        sim.crash(SISTER);
        sim.run(Duration::from_secs(3600));
        assert!(!are_connected(&sim, ALICE, SISTER));
        sim.start(SISTER);
        assert!(sim.run_until(SOON, |sim| are_connected(sim, ALICE, SISTER)), "seed {seed}: again");
        sim.run(Duration::from_secs(600));
        assert!(are_connected(&sim, ALICE, SISTER), "seed {seed}: it stays");
    }
}

#[test]
fn sessions_of_one_user_find_each_other_through_a_friend() {
    for seed in 0..10 {
        let mut sim = three(seed);
        acquaint(&mut sim, &[(ALICE, BOB), (SISTER, BOB)]);
        link(&mut sim);
        start(&mut sim, 0..3);
        assert!(sim.run_until(SOON, |sim| are_connected(sim, ALICE, SISTER)), "seed {seed}");
    }
}

#[test]
fn a_session_introduces_a_friend_to_another_that_knows_no_address() {
    for seed in 0..10 {
        let mut sim = three(seed);
        acquaint(&mut sim, &[(ALICE, SISTER), (SISTER, BOB)]);
        let bob = sim.first_hello(BOB);
        sim.preload_user(ALICE, BOB, &bob);
        link(&mut sim);
        start(&mut sim, 0..3);
        assert!(sim.run_until(SOON, |sim| are_connected(sim, ALICE, BOB)), "seed {seed}");
    }
}

#[test]
fn a_friend_is_seen_through_another_session_and_sees_the_other_session() {
    for seed in 0..10 {
        let mut sim = three(seed);
        acquaint(&mut sim, &[(ALICE, BOB), (SISTER, BOB), (ALICE, SISTER)]);
        link(&mut sim);
        sim.cut(ALICE, BOB);
        start(&mut sim, [ALICE, SISTER]);
        assert!(sim.run_until(SOON, |sim| are_connected(sim, ALICE, SISTER)), "seed {seed}");
        sim.start(BOB);
        let sees =
            |sim: &Sim| path(sim, ALICE, BOB) == Some(Via::Relayed) && path(sim, BOB, ALICE) == Some(Via::Relayed);
        assert!(sim.run_until(SOON, sees), "seed {seed}: {:?} {:?}", path(&sim, ALICE, BOB), path(&sim, BOB, ALICE));
        sim.crash(BOB);
        assert!(sim.run_until(SOON, |sim| path(sim, ALICE, BOB).is_none()), "seed {seed}: bob is gone");
        sim.start(BOB);
        assert!(sim.run_until(SOON, sees), "seed {seed}");
        sim.crash(ALICE);
        assert!(sim.run_until(SOON, |sim| path(sim, BOB, ALICE).is_none()), "seed {seed}: alice is gone");
    }
}

#[test]
fn a_session_learns_the_links_of_another_and_friends_the_key_card() {
    for seed in 0..10 {
        let mut sim = three(seed);
        acquaint(&mut sim, &[(ALICE, BOB), (ALICE, SISTER)]);
        sim.cut(SISTER, BOB);
        start(&mut sim, 0..3);
        sim.run(Duration::from_secs(5));
        sim.command(ALICE, 1, Command::Add { user: "bob".to_owned() });
        let bob = sim.nodes[BOB].user;
        let rows = |sim: &Sim| sim.nodes[SISTER].disk.load().links;
        let has_link = |sim: &Sim| rows(sim).iter().any(|row| row.user == bob && row.theirs.state == LinkState::Auto);
        assert!(sim.run_until(SOON, has_link), "seed {seed}: pushed, with what bob says of it");
        let sister = sim.nodes[SISTER].session;
        let has_card = |sim: &Sim| {
            sim.nodes[BOB].disk.load().sessions.iter().any(|row| row.session == sister && row.card.is_some())
        };
        let learns = |sim: &mut Sim| sim.run_until(SOON, has_card);
        assert!(learns(&mut sim), "seed {seed}: the card");
        // What was changed while the two were apart is compared when they meet.
        sim.crash(SISTER);
        sim.command(ALICE, 2, Command::Block { user: "bob".to_owned() });
        sim.run(Duration::from_secs(60));
        sim.start(SISTER);
        let blocked = |sim: &Sim| rows(sim).iter().any(|row| row.user == bob && row.mine.state == LinkState::Blocked);
        assert!(sim.run_until(SOON, blocked), "seed {seed}: compared");
    }
}

#[test]
fn sessions_on_two_islands_see_each_other_over_a_chain_of_relays() {
    for (seed, relays) in (0..8).zip([1, 2, 3, 5].into_iter().cycle()) {
        let mut sim = world(seed);
        let near = sim.add_node(Plan::islander("alice", 0));
        (0..relays).for_each(|n| {
            sim.add_node(Plan::relay(format!("pi{n}"), &[n, n + 1]));
        });
        let far = sim.add_sister(near, Plan::islander("alice", relays));
        (0..sim.nodes.len()).for_each(|node| sim.start(node));
        let sees = |sim: &Sim| path(sim, near, far) == Some(Via::Relayed) && path(sim, far, near) == Some(Via::Relayed);
        assert!(sim.run_until(Duration::from_secs(60), sees), "seed {seed}, {relays} relays");
        sim.crash(far);
        assert!(sim.run_until(Duration::from_secs(60), |sim| path(sim, near, far).is_none()), "seed {seed}");
    }
}

#[test]
fn a_name_that_only_another_sessions_relay_knows_is_found_and_written_to() {
    for seed in 0..8 {
        let mut sim = three(seed);
        let relay = sim.add_node(Plan { roles: roles::RELAY, ..Plan::client("pi") });
        acquaint(&mut sim, &[(ALICE, SISTER), (SISTER, relay), (BOB, relay)]);
        [SISTER, BOB].into_iter().for_each(|node| sim.nodes[node].plan.bootstrap = vec![sim.nodes[relay].addr]);
        for (one, other) in [(ALICE, BOB), (ALICE, relay), (SISTER, BOB)] {
            sim.cut(one, other);
        }
        start(&mut sim, 0..4);
        assert!(sim.run_until(SOON, |sim| are_connected(sim, SISTER, relay) && are_connected(sim, BOB, relay)));
        assert!(sim.run_until(SOON, |sim| are_connected(sim, ALICE, SISTER)));
        sim.command(ALICE, 1, Command::Chat { user: "bob".to_owned() });
        let found =
            |sim: &Sim| sim.nodes[ALICE].notices.iter().any(|(_, notice)| matches!(notice, Notice::Chat { .. }));
        assert!(sim.run_until(SOON, found), "seed {seed}: found");
        let (alice, bob) = (sim.nodes[ALICE].user, sim.nodes[BOB].user);
        sim.command(ALICE, 2, Command::Say { to: bob, text: "hello".to_owned() });
        assert!(sim.run_until(SOON, |sim| sim.nodes[BOB].heard_from.contains(&alice)), "seed {seed}: written to");
    }
}

#[test]
fn a_session_that_was_unlinked_and_those_on_its_link_dial_each_other_ever_less_often() {
    for seed in 0..4 {
        let mut sim = world(seed);
        let on_link = |name: &str| Plan { segment: Some(0), ..Plan::client(name) };
        sim.add_node(on_link("alice"));
        sim.add_node(on_link("bob"));
        sim.add_sister(ALICE, on_link("alice"));
        acquaint(&mut sim, &[(ALICE, BOB), (ALICE, SISTER), (SISTER, BOB)]);
        link(&mut sim);
        start(&mut sim, 0..3);
        assert!(sim.run_until(SOON, |sim| are_connected(sim, ALICE, SISTER)), "seed {seed}");
        sim.command(ALICE, 1, Command::Unlink { label: sim.nodes[SISTER].session.to_string() });
        sim.run(SOON);
        let before = sim.traffic();
        sim.run(Duration::from_secs(3600));
        let hellos = sim.traffic().since(&before).of_kind(HELLO);
        assert!(hellos < 150, "seed {seed}: {hellos} hellos in an hour");
    }
}

#[test]
fn a_session_that_was_unlinked_says_of_nobody_that_they_come_and_go() {
    for seed in 0..4 {
        let mut sim = three(seed);
        acquaint(&mut sim, &[(ALICE, BOB), (ALICE, SISTER), (SISTER, BOB)]);
        link(&mut sim);
        start(&mut sim, 0..3);
        let all_met = |sim: &Sim| are_connected(sim, ALICE, SISTER) && are_connected(sim, SISTER, BOB);
        assert!(sim.run_until(SOON, all_met), "seed {seed}");
        sim.command(ALICE, 1, Command::Unlink { label: sim.nodes[SISTER].session.to_string() });
        sim.run(SOON * 3);
        assert_eq!([ALICE, BOB].map(|other| path(&sim, SISTER, other)), [None, None], "seed {seed}");
        let before = sim.nodes[SISTER].notices.len();
        sim.run(Duration::from_secs(3600));
        assert_eq!(sim.nodes[SISTER].notices[before..], [], "seed {seed}");
    }
}

#[test]
fn a_session_that_is_lost_is_shown_as_lost_by_the_others_of_its_user() {
    for seed in 0..6 {
        let mut sim = three(seed);
        let third = sim.add_sister(ALICE, Plan::client("alice"));
        let all = [ALICE, BOB, SISTER, third];
        let pairs: Vec<_> = all.iter().flat_map(|one| all.map(|other| (*one, other))).filter(|(a, b)| a < b).collect();
        acquaint(&mut sim, &pairs);
        link(&mut sim);
        sim.preload_link(third, BOB, false);
        // In any order, so that each learns in another way of the others.
        for n in 0..4 {
            sim.start(all[(n + seed as usize) % 4]);
            sim.run(SOON);
        }
        let is_complete = |sim: &Sim| pairs.iter().all(|(one, other)| are_connected(sim, *one, *other));
        assert!(sim.run_until(SOON, is_complete), "seed {seed}");
        sim.crash(third);
        let are_told = |sim: &Sim| [ALICE, BOB, SISTER].iter().all(|node| path(sim, *node, third).is_none());
        let paths = |sim: &Sim| [ALICE, BOB, SISTER].map(|node| path(sim, node, third));
        assert!(sim.run_until(SOON * 2, are_told), "seed {seed}: {:?}", paths(&sim));
    }
}
