//! The paths that mail takes, and what removes it from them.

use std::time::Duration;

use darknode::identity::Scheme;
use darknode::proto::event::Command;
use darknode::proto::notice::Delivery;
use darknode::sim::{Settings, Sim};

use crate::setup::*;

const CAROL: usize = 2;
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Alice and bob, who cannot reach each other, and carol, a friend of both. No node is a relay.
fn with_a_common_friend(seed: u64) -> Sim {
    let settings = Settings { seed, scheme: Scheme::Cheap, ..Settings::default() };
    let mut sim = strangers(settings, &["alice", "bob", "carol"], 0);
    link(&mut sim, &[(ALICE, BOB), (ALICE, CAROL), (BOB, CAROL)]);
    sim.cut(ALICE, BOB);
    sim
}

#[test]
fn a_common_friend_forwards_a_long_conversation_and_its_receipts_and_keeps_nothing() {
    for seed in 0..10 {
        let mut sim = with_a_common_friend(seed);
        (0..3).for_each(|node| sim.start(node));
        sim.run(Duration::from_secs(5));
        (0..500).for_each(|n| say(&mut sim, ALICE, BOB, &n.to_string()));
        let done = sim.run_until(SOON, |sim| in_state(sim, ALICE, Delivery::Delivered).len() == 500);
        assert!(done, "seed {seed}: {} of 500", in_state(&sim, ALICE, Delivery::Delivered).len());
        assert_eq!(shown(&sim, BOB), texts(500), "seed {seed}");
        sim.run(Duration::from_secs(5));
        assert_eq!([held(&sim, ALICE), held(&sim, BOB), held(&sim, CAROL)], [0; 3], "seed {seed}");
    }
}

#[test]
fn a_cancelled_message_is_removed_from_the_relay_and_the_others_of_its_envelope_arrive() {
    for seed in 0..10 {
        let mut sim = with_relays(seed, 1);
        bootstrap(&mut sim, &[ALICE, BOB], &[2]);
        sim.cut(ALICE, BOB);
        [ALICE, 2].into_iter().for_each(|node| sim.start(node));
        sim.run(Duration::from_secs(2));
        (0..3).for_each(|n| say(&mut sim, ALICE, BOB, &n.to_string()));
        assert!(sim.run_until(SOON, |sim| in_state(sim, ALICE, Delivery::Carried).len() == 3), "seed {seed}");
        let first = *in_state(&sim, ALICE, Delivery::Carried).iter().next().expect("three are carried");
        sim.command(ALICE, 2, Command::Cancel { message: first.token() });
        sim.run(Duration::from_secs(5));
        sim.start(BOB);
        let rest = [("1".to_owned(), 1), ("2".to_owned(), 1)].into();
        assert!(sim.run_until(SOON, |sim| shown(sim, BOB) == rest), "seed {seed}: {:?}", shown(&sim, BOB));
        assert!(sim.run_until(SOON, |sim| (0..3).all(|node| held(sim, node) == 0)), "seed {seed}");
    }
}

#[test]
fn ten_thousand_envelopes_are_handed_over_in_one_contact() {
    let mut sim = with_fellow_relays(1, 1);
    bootstrap(&mut sim, &[ALICE, BOB], &[2]);
    sim.split(|node| u32::from(node == BOB));
    (0..3).for_each(|node| sim.start(node));
    sim.run(Duration::from_secs(5));
    for n in 0..10_000 {
        say(&mut sim, ALICE, BOB, &n.to_string());
        sim.run(Duration::from_millis(15));
    }
    sim.run(SOON);
    assert!(held(&sim, 2) > 9_900, "{}", held(&sim, 2));
    sim.split(|node| u32::from(node != ALICE));
    let arrived = |sim: &Sim| sim.nodes[BOB].disk.history.len() == 10_000;
    assert!(sim.run_until(Duration::from_secs(600), arrived), "{}", sim.nodes[BOB].disk.history.len());
    assert!(sim.run_until(SOON, |sim| held(sim, 2) < 100), "{}", held(&sim, 2));
    assert_eq!(shown(&sim, BOB), texts(10_000));
}

#[test]
fn after_a_month_away_messages_sealed_to_expired_keys_still_arrive() {
    let mut sim = with_relays(1, 1);
    bootstrap(&mut sim, &[ALICE, BOB], &[2]);
    sim.cut(ALICE, BOB);
    [ALICE, 2].into_iter().for_each(|node| sim.start(node));
    sim.run(Duration::from_secs(2));
    (0..20).for_each(|n| say(&mut sim, ALICE, BOB, &n.to_string()));
    sim.run(Duration::from_secs(60));
    sim.crash(ALICE);
    sim.run(DAY * 31);
    sim.start(BOB);
    sim.run(Duration::from_secs(60));
    sim.start(ALICE);
    assert!(sim.run_until(Duration::from_secs(400), |sim| shown(sim, BOB) == texts(20)), "{:?}", shown(&sim, BOB));
    assert!(sim.run_until(SOON, |sim| sim.nodes[ALICE].disk.waiting() == 0));
}
