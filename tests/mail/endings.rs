//! Cancelling a message held by several carriers, and receipts, which are final.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use darknode::id::MessageId;
use darknode::proto::event::Command;
use darknode::proto::notice::{Delivery, Notice};
use darknode::sim::Sim;

use crate::setup::*;

const PIS: [usize; 2] = [2, 3];

/// Alice's three messages to bob are in one envelope, held by two relays that know each other.
fn with_two_carriers(seed: u64) -> Sim {
    let mut sim = with_relays(seed, PIS.len());
    bootstrap(&mut sim, &[ALICE, BOB], &PIS);
    bootstrap(&mut sim, &PIS, &PIS);
    sim.cut(ALICE, BOB);
    sim.start(ALICE);
    (0..3).for_each(|n| say(&mut sim, ALICE, BOB, &n.to_string()));
    sim.run(Duration::from_secs(1));
    part(&mut sim, &[ALICE]);
    meet(&mut sim, &[ALICE, PIS[0]]);
    meet(&mut sim, &PIS);
    sim
}

/// Cancels the first message.
fn cancel(sim: &mut Sim) {
    let first = in_state(sim, ALICE, Delivery::Carried).into_iter().next().expect("three are carried");
    sim.command(ALICE, 2, Command::Cancel { message: first.token() });
}

fn rest() -> BTreeMap<String, usize> {
    [("1".to_owned(), 1), ("2".to_owned(), 1)].into()
}

#[test]
fn a_message_cancelled_while_both_carriers_are_connected_is_removed_from_both_and_the_others_arrive() {
    for seed in 0..5 {
        let mut sim = with_two_carriers(seed);
        let old = envelopes(&sim, ALICE);
        assert!(old.len() == 1 && PIS.iter().all(|relay| envelopes(&sim, *relay) == old), "seed {seed}");
        [ALICE, PIS[0], PIS[1]].into_iter().for_each(|node| sim.start(node));
        sim.run(Duration::from_secs(60));
        cancel(&mut sim);
        let held_by = |sim: &Sim| PIS.iter().flat_map(|relay| envelopes(sim, *relay)).collect::<BTreeSet<_>>();
        let anew = |sim: &Sim| !held_by(sim).is_empty() && held_by(sim).is_disjoint(&old);
        assert!(sim.run_until(SOON, anew), "seed {seed}: {old:?} {:?}", held_by(&sim));
        sim.start(BOB);
        assert!(sim.run_until(SOON, |sim| shown(sim, BOB) == rest()), "seed {seed}: {:?}", shown(&sim, BOB));
        assert!(sim.run_until(SOON, |sim| (0..4).all(|node| held(sim, node) == 0)), "seed {seed}");
    }
}

#[test]
fn a_message_cancelled_while_one_carrier_is_absent_is_removed_there_once_it_meets_the_other() {
    for seed in 0..5 {
        let mut sim = with_two_carriers(seed);
        let old = envelopes(&sim, ALICE);
        [ALICE, PIS[0]].into_iter().for_each(|node| sim.start(node));
        sim.run(Duration::from_secs(60));
        cancel(&mut sim);
        sim.run(Duration::from_secs(60));
        part(&mut sim, &[ALICE, PIS[0]]);
        assert_eq!(envelopes(&sim, PIS[1]), old, "seed {seed}");
        meet(&mut sim, &PIS);
        assert!(PIS.iter().all(|relay| envelopes(&sim, *relay).is_disjoint(&old)), "seed {seed}");
        meet(&mut sim, &[PIS[1], BOB]);
        assert_eq!(shown(&sim, BOB), rest(), "seed {seed}: the other carrier delivered the rest");
    }
}

/// The states of its messages that a node reported, in order.
fn states(sim: &Sim, node: usize) -> Vec<(MessageId, Delivery)> {
    let state = |notice: &Notice| match notice {
        Notice::State { message, state, .. } => Some((*message, *state)),
        _ => None,
    };
    sim.nodes[node].notices.iter().filter_map(|(_, notice)| state(notice)).collect()
}

#[test]
fn a_delivered_message_stays_delivered_even_if_the_receiver_loses_its_disk() {
    for seed in 0..5 {
        let mut sim = with_relays(seed, 1);
        bootstrap(&mut sim, &[ALICE, BOB], &PIS[..1]);
        sim.cut(ALICE, BOB);
        [ALICE, BOB, PIS[0]].into_iter().for_each(|node| sim.start(node));
        sim.run(Duration::from_secs(5));
        let backup = sim.nodes[BOB].disk.load();
        (0..3).for_each(|n| say(&mut sim, ALICE, BOB, &n.to_string()));
        let delivered = |sim: &Sim| in_state(sim, ALICE, Delivery::Delivered).len();
        assert!(sim.run_until(SOON, |sim| delivered(sim) == 3), "seed {seed}");
        sim.crash(BOB);
        sim.nodes[BOB].disk.restore(backup);
        // Some messages are already carried when he returns, and his receipts cover only these.
        (3..6).for_each(|n| say(&mut sim, ALICE, BOB, &n.to_string()));
        sim.run(Duration::from_secs(60));
        sim.start(BOB);
        assert!(sim.run_until(SOON, |sim| delivered(sim) == 6), "seed {seed}: {}", delivered(&sim));
        sim.run(Duration::from_secs(600));
        let mut done = BTreeSet::new();
        for (message, state) in states(&sim, ALICE) {
            assert!(state == Delivery::Delivered || !done.contains(&message), "seed {seed}: {state:?} after delivered");
            done.extend((state == Delivery::Delivered).then_some(message));
        }
        assert_eq!(shown(&sim, BOB), texts(6), "seed {seed}: nothing is sent again");
        assert_eq!(sim.nodes[ALICE].disk.waiting(), 0, "seed {seed}");
    }
}
