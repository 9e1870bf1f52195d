//! Spray and wait: copies of an envelope on mobile relays, and the releases that remove them. Only nodes that are in
//! contact are running, two or three at a time.

use std::collections::BTreeSet;
use std::time::Duration;

use darknode::id::EnvelopeId;
use darknode::proto::limits::ENVELOPE_LIFE;
use darknode::proto::notice::Delivery;
use darknode::sim::Sim;

use crate::setup::*;

const PIS: [usize; 4] = [2, 3, 4, 5];

/// Alice and bob are never connected. Both have contacts with relays, and relays with each other.
fn spray_world(mut sim: Sim) -> Sim {
    bootstrap(&mut sim, &[ALICE, BOB], &PIS);
    bootstrap(&mut sim, &PIS, &PIS);
    sim.cut(ALICE, BOB);
    sim
}

/// Copies that a node may pass on of the mail it holds, for others or of its own.
fn copies(sim: &Sim, node: usize) -> Option<u8> {
    sim.nodes[node].disk.custody().find(|row| !row.bytes.is_empty()).map(|row| row.copies)
}

/// Alice has written one message, and three relays have had contact with her or each other: each of the four holds
/// one copy.
fn sprayed(seed: u64) -> Sim {
    spray(spray_world(with_relays(seed, PIS.len())), seed)
}

fn spray(mut sim: Sim, seed: u64) -> Sim {
    sim.start(ALICE);
    say(&mut sim, ALICE, BOB, "0");
    sim.run(Duration::from_secs(1));
    meet_on(&mut sim, ALICE, PIS[0]);
    assert_eq!([ALICE, PIS[0]].map(|node| copies(&sim, node)), [Some(2); 2], "seed {seed}: half of four");
    meet(&mut sim, &[PIS[0], PIS[1]]);
    assert_eq!([PIS[0], PIS[1]].map(|node| copies(&sim, node)), [Some(1); 2], "seed {seed}: half of two");
    meet(&mut sim, &[ALICE, PIS[2]]);
    assert_eq!([ALICE, PIS[2]].map(|node| copies(&sim, node)), [Some(1); 2], "seed {seed}: half of her two");
    sim
}

/// A contact between a running node and a relay; then both stop.
fn meet_on(sim: &mut Sim, there: usize, relay: usize) {
    sim.start(relay);
    sim.run(Duration::from_secs(60));
    part(sim, &[there, relay]);
}

#[test]
fn copies_are_halved_at_each_contact_and_the_last_goes_only_to_the_addressee_or_a_nearer_relay() {
    for seed in 0..5 {
        let mut sim = sprayed(seed);
        for relay in [PIS[0], PIS[1], PIS[2]] {
            meet(&mut sim, &[relay, PIS[3]]);
            assert_eq!(
                held(&sim, PIS[3]),
                0,
                "seed {seed}: the last copy is not passed to a relay at the same distance"
            );
        }
        // A relay that is connected with bob is nearer.
        sim.cut(BOB, PIS[1]);
        [BOB, PIS[3]].into_iter().for_each(|node| sim.start(node));
        sim.run(Duration::from_secs(5));
        assert_eq!(shown(&sim, BOB), texts(0));
        sim.start(PIS[1]);
        assert!(sim.run_until(SOON, |sim| shown(sim, BOB) == texts(1)), "seed {seed}");
    }
}

#[test]
fn the_first_release_counts_and_spreads_from_carrier_to_carrier() {
    for seed in 0..5 {
        let mut sim = sprayed(seed);
        let sealed: BTreeSet<EnvelopeId> = envelopes(&sim, ALICE);
        assert_eq!(sealed.len(), 1, "seed {seed}");
        let has_it = |sim: &Sim, node: usize| !envelopes(sim, node).is_disjoint(&sealed);
        assert!(PIS[..3].iter().all(|relay| has_it(&sim, *relay)), "seed {seed}");
        meet(&mut sim, &[BOB, PIS[0]]);
        assert_eq!((shown(&sim, BOB), has_it(&sim, PIS[0])), (texts(1), false), "seed {seed}");
        meet(&mut sim, &[PIS[0], PIS[1]]);
        assert!(!has_it(&sim, PIS[1]), "seed {seed}: the relay it gave a copy to is notified");
        meet(&mut sim, &[PIS[0], ALICE]);
        assert!(!has_it(&sim, ALICE), "seed {seed}: and the node it had its copy from");
        assert_eq!(in_state(&sim, ALICE, Delivery::Delivered).len(), 1, "seed {seed}");
        assert!(has_it(&sim, PIS[2]), "seed {seed}: a relay without contacts still holds it");
        meet(&mut sim, &[PIS[2], BOB]);
        assert!(!has_it(&sim, PIS[2]), "seed {seed}: bob tells it that he has it");
        assert_eq!(shown(&sim, BOB), texts(1), "seed {seed}");
    }
}

#[test]
fn an_expired_envelope_is_sealed_again_and_no_carrier_keeps_the_old_one() {
    for seed in 0..5 {
        let mut sim = spray(spray_world(with_fellow_relays(seed, PIS.len())), seed);
        let old = envelopes(&sim, ALICE);
        sim.run(ENVELOPE_LIFE);
        PIS.iter().for_each(|relay| meet(&mut sim, &[*relay]));
        assert_eq!(PIS.map(|relay| held(&sim, relay)), [0; 4], "seed {seed}");
        // Bob's key card is as old as the envelope. He leaves a new one with a relay of their network.
        meet(&mut sim, &[BOB, PIS[3]]);
        meet(&mut sim, &[ALICE, PIS[3]]);
        let new = envelopes(&sim, PIS[3]);
        assert!(new.len() == 1 && new.is_disjoint(&old), "seed {seed}: {old:?} {new:?}");
        meet(&mut sim, &[BOB, PIS[3]]);
        assert_eq!(shown(&sim, BOB), texts(1), "seed {seed}");
        meet(&mut sim, &[ALICE, PIS[3]]);
        assert_eq!(in_state(&sim, ALICE, Delivery::Delivered).len(), 1, "seed {seed}");
        assert_eq!(PIS.map(|relay| held(&sim, relay)), [0; 4], "seed {seed}");
    }
}
