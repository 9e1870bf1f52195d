//! Delivery of messages by one or several carriers.

use std::time::Duration;

use darknode::identity::Scheme;
use darknode::proto::event::Command;
use darknode::proto::limits::STRANGER_LINES;
use darknode::proto::notice::{Delivery, Notice};
use darknode::sim::node::Plan;
use darknode::sim::{Settings, Sim};
use darknode::wire::record::roles;

use crate::setup::*;

const PI: usize = 2;

/// Alice and bob cannot reach each other; both can reach the relay.
fn around_a_relay(seed: u64) -> darknode::sim::Sim {
    let mut sim = with_relays(seed, 1);
    bootstrap(&mut sim, &[ALICE, BOB], &[PI]);
    sim.cut(ALICE, BOB);
    sim
}

#[test]
fn a_message_travels_through_a_relay_and_its_receipt_returns() {
    for seed in 0..20 {
        let mut sim = around_a_relay(seed);
        [ALICE, BOB, PI].into_iter().for_each(|node| sim.start(node));
        sim.run(Duration::from_secs(2));
        (0..20).for_each(|n| say(&mut sim, ALICE, BOB, &n.to_string()));
        let done = sim.run_until(SOON, |sim| in_state(sim, ALICE, Delivery::Delivered).len() == 20);
        assert!(
            done,
            "seed {seed}: {:?} {:?}",
            in_state(&sim, ALICE, Delivery::Delivered).len(),
            sim.core(ALICE).map(|c| c.drops())
        );
        assert_eq!(shown(&sim, BOB), texts(20), "seed {seed}");
        sim.run(Duration::from_secs(5));
        assert_eq!(
            [held(&sim, ALICE), held(&sim, BOB), held(&sim, PI)],
            [0, 0, 0],
            "seed {seed}: the carrier's disk is emptied"
        );
    }
}

/// Each start of a program uses another epoch, a receipt covers only certain epochs, and the next receipt to the same
/// session is sent a moment later.
#[test]
fn receipts_for_stored_messages_arrive_whenever_the_reader_crashes() {
    for seed in 0..200 {
        let mut sim = with_relays(seed, 2);
        bootstrap(&mut sim, &[ALICE, BOB], &[PI, PI + 1]);
        sim.cut(ALICE, BOB);
        for (line, relay) in ["0", "1"].into_iter().zip([PI, PI + 1]) {
            [ALICE, relay].into_iter().for_each(|node| sim.start(node));
            sim.run(Duration::from_secs(2));
            say(&mut sim, ALICE, BOB, line);
            sim.run(Duration::from_secs(2));
            part(&mut sim, &[ALICE, relay]);
        }
        [PI, PI + 1, BOB].into_iter().for_each(|node| sim.start(node));
        assert!(sim.run_until(SOON, |sim| !shown(sim, BOB).is_empty()), "seed {seed}");
        sim.run(Duration::from_millis(seed % 60));
        sim.crash(BOB);
        [ALICE, BOB].into_iter().for_each(|node| sim.start(node));
        let done = sim.run_until(SOON, |sim| in_state(sim, ALICE, Delivery::Delivered).len() == 2);
        assert!(done, "seed {seed}: {:?}", in_state(&sim, ALICE, Delivery::Delivered));
    }
}

#[test]
fn strangers_on_two_islands_find_each_other_through_a_relay_and_both_can_answer() {
    for seed in 0..20 {
        let mut sim = Sim::new(Settings { seed, scheme: Scheme::Cheap, ..Settings::default() });
        for name in ["alice", "bob"] {
            sim.add_node(Plan::client(name));
        }
        sim.add_node(Plan { roles: roles::RELAY, ..Plan::client("pi") });
        bootstrap(&mut sim, &[ALICE, BOB], &[PI]);
        sim.cut(ALICE, BOB);
        [ALICE, BOB, PI].into_iter().for_each(|node| sim.start(node));
        sim.run(Duration::from_secs(2));
        sim.command(ALICE, 1, Command::Chat { user: "bob".to_owned() });
        sim.run(Duration::from_secs(2));
        say(&mut sim, ALICE, BOB, "0");
        assert!(sim.run_until(SOON, |sim| shown(sim, BOB) == texts(1)), "seed {seed}");
        say(&mut sim, BOB, ALICE, "0");
        assert!(sim.run_until(SOON, |sim| shown(sim, ALICE) == texts(1)), "seed {seed}");
        let warned = |node: usize| sim.nodes[node].notices.iter().any(|(_, n)| matches!(n, Notice::Warning { .. }));
        assert!(!warned(ALICE) && !warned(BOB), "seed {seed}: a key card comes with the first message");
    }
}

#[test]
fn mail_waits_at_a_relay_for_an_addressee_who_returns_after_the_author_left() {
    for seed in 0..20 {
        let mut sim = around_a_relay(seed);
        [ALICE, PI].into_iter().for_each(|node| sim.start(node));
        sim.run(Duration::from_secs(2));
        (0..20).for_each(|n| say(&mut sim, ALICE, BOB, &n.to_string()));
        let carried = sim.run_until(SOON, |sim| in_state(sim, ALICE, Delivery::Carried).len() == 20);
        assert!(carried, "seed {seed}: {}", held(&sim, PI));
        sim.command(ALICE, 2, Command::Quit);
        sim.run(Duration::from_secs(3600));
        sim.crash(PI);
        sim.run(Duration::from_secs(10));
        sim.start(PI);
        sim.start(BOB);
        assert!(sim.run_until(SOON, |sim| shown(sim, BOB) == texts(20)), "seed {seed}: {}", held(&sim, PI));
        sim.run(Duration::from_secs(60));
        sim.crash(BOB);
        sim.start(ALICE);
        let done = sim.run_until(SOON, |sim| in_state(sim, ALICE, Delivery::Delivered).len() == 20);
        assert!(done, "seed {seed}: {}", in_state(&sim, ALICE, Delivery::Delivered).len());
        assert!(sim.nodes[ALICE].disk.load().waiting.is_empty());
    }
}

#[test]
fn a_mobile_relay_carries_messages_and_receipts_between_disconnected_islands() {
    for seed in 0..20 {
        let mut sim = around_a_relay(seed);
        sim.split(|node| u32::from(node == BOB));
        [ALICE, BOB, PI].into_iter().for_each(|node| sim.start(node));
        (0..20).for_each(|n| say(&mut sim, ALICE, BOB, &n.to_string()));
        assert!(sim.run_until(SOON, |sim| in_state(sim, ALICE, Delivery::Carried).len() == 20), "seed {seed}");
        sim.crash(PI);
        sim.run(Duration::from_secs(600));
        sim.split(|node| u32::from(node != ALICE));
        sim.start(PI);
        assert!(sim.run_until(Duration::from_secs(400), |sim| shown(sim, BOB) == texts(20)), "seed {seed}");
        (0..20).for_each(|n| say(&mut sim, BOB, ALICE, &n.to_string()));
        assert!(sim.run_until(SOON, |sim| in_state(sim, BOB, Delivery::Carried).len() == 20), "seed {seed}");
        sim.run(Duration::from_secs(5));
        sim.crash(PI);
        sim.run(Duration::from_secs(600));
        sim.split(|node| u32::from(node == BOB));
        sim.start(PI);
        let done = |sim: &darknode::sim::Sim| {
            shown(sim, ALICE) == texts(20) && in_state(sim, ALICE, Delivery::Delivered).len() == 20
        };
        assert!(sim.run_until(Duration::from_secs(400), done), "seed {seed}");
    }
}

#[test]
fn what_is_held_back_of_an_absent_stranger_comes_from_the_relay_once_they_are_accepted() {
    let mut sim = around_a_relay(8);
    sim.preload_link(BOB, ALICE, true);
    sim.start(PI);
    sim.start(ALICE);
    sim.run(SOON);
    (0..12).for_each(|n| say(&mut sim, ALICE, BOB, &n.to_string()));
    assert!(sim.run_until(SOON, |sim| in_state(sim, ALICE, Delivery::Carried).len() == 12));
    part(&mut sim, &[ALICE]);
    sim.start(BOB);
    sim.run(SOON);
    assert_eq!(shown(&sim, BOB), texts(STRANGER_LINES as usize));
    let alice = sim.nodes[ALICE].user.to_string();
    sim.command(BOB, 1, Command::Add { user: alice });
    assert!(sim.run_until(Duration::from_secs(2), |sim| shown(sim, BOB) == texts(12)), "{}", shown(&sim, BOB).len());
    assert!(sim.run_until(SOON, |sim| envelopes(sim, PI).len() <= 2), "only bob's own mail is left");
}
