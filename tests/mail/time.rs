//! Mail over long periods: users who are away for a month, and wrong clocks.

use std::time::Duration;

use darknode::proto::event::Command;
use darknode::proto::notice::Delivery;
use darknode::sim::Sim;

use crate::setup::*;

const PI: usize = 2;
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// Clock offsets: a day ahead, a day behind, 1970, 2100, and correct.
const WRONG: [i64; 5] = [86_400_000, -86_400_000, -1_780_000_000_000, 2_330_000_000_000, 0];

fn around_a_relay(seed: u64) -> Sim {
    let mut sim = with_relays(seed, 1);
    bootstrap(&mut sim, &[ALICE, BOB], &[PI]);
    sim.cut(ALICE, BOB);
    sim
}

/// Runs a node for a minute.
fn visit(sim: &mut Sim, node: usize) {
    sim.run(Duration::from_secs(60));
    sim.command(node, 2, Command::Quit);
    sim.run(Duration::from_secs(1));
}

#[test]
fn a_month_of_absence_loses_no_message() {
    for seed in 0..3 {
        let mut sim = around_a_relay(seed);
        sim.start(PI);
        for day in 0..31 {
            sim.start(ALICE);
            say(&mut sim, ALICE, BOB, &day.to_string());
            visit(&mut sim, ALICE);
            sim.run(DAY);
        }
        assert!(held(&sim, PI) < 31, "seed {seed}: mail older than a fortnight has expired");
        sim.start(BOB);
        sim.run(Duration::from_secs(60));
        sim.start(ALICE);
        assert!(sim.run_until(SOON * 3, |sim| shown(sim, BOB) == texts(31)), "seed {seed}: {:?}", shown(&sim, BOB));
        assert!(sim.run_until(SOON * 3, |sim| in_state(sim, ALICE, Delivery::Delivered).len() == 31), "seed {seed}");
    }
}

#[test]
fn wrong_and_jumping_clocks_expire_nothing_early() {
    for seed in 0..3 {
        let mut sim = around_a_relay(seed);
        [ALICE, PI].into_iter().for_each(|node| sim.start(node));
        sim.run(Duration::from_secs(2));
        (0..5).for_each(|n| say(&mut sim, ALICE, BOB, &n.to_string()));
        assert!(sim.run_until(SOON, |sim| in_state(sim, ALICE, Delivery::Carried).len() == 5), "seed {seed}");
        visit(&mut sim, ALICE);
        for turn in 0..13 * 4 {
            sim.nodes[PI].wall_offset = WRONG[(turn + seed as usize) % WRONG.len()];
            if turn % 7 == 0 {
                sim.crash(PI);
                sim.start(PI);
            }
            sim.run(6 * HOUR);
        }
        sim.nodes[BOB].wall_offset = WRONG[seed as usize + 1];
        sim.start(BOB);
        assert!(sim.run_until(SOON, |sim| shown(sim, BOB) == texts(5)), "seed {seed}: {:?}", shown(&sim, BOB));
        visit(&mut sim, BOB);
        sim.nodes[ALICE].wall_offset = WRONG[2];
        sim.start(ALICE);
        assert!(sim.run_until(SOON, |sim| in_state(sim, ALICE, Delivery::Delivered).len() == 5), "seed {seed}");
        sim.run(2 * DAY);
        assert_eq!(held(&sim, PI), 0, "seed {seed}");
    }
}

#[test]
fn with_wrong_clocks_everywhere_no_message_is_lost_and_no_envelope_is_left() {
    for seed in 0..3 {
        let mut sim = around_a_relay(seed);
        sim.start(BOB);
        visit(&mut sim, BOB);
        [ALICE, PI].into_iter().for_each(|node| sim.start(node));
        sim.nodes[ALICE].wall_offset = WRONG[0];
        (0..5).for_each(|n| say(&mut sim, ALICE, BOB, &n.to_string()));
        assert!(sim.run_until(SOON, |sim| in_state(sim, ALICE, Delivery::Carried).len() == 5), "seed {seed}");
        visit(&mut sim, ALICE);
        sim.nodes[PI].wall_offset = WRONG[2];
        sim.run(DAY);
        visit(&mut sim, PI);
        // The keys that the messages are sealed to are a day old, whatever his clock says.
        sim.start(BOB);
        sim.run(HOUR);
        sim.nodes[BOB].wall_offset = 31 * DAY.as_millis() as i64;
        sim.run(HOUR);
        sim.start(PI);
        assert!(sim.run_until(HOUR, |sim| shown(sim, BOB) == texts(5)), "seed {seed}: {:?}", shown(&sim, BOB));
        visit(&mut sim, BOB);
        sim.start(ALICE);
        assert!(sim.run_until(SOON, |sim| in_state(sim, ALICE, Delivery::Delivered).len() == 5), "seed {seed}");
        sim.run(SOON);
        assert_eq!([ALICE, PI].map(|node| held(&sim, node)), [0; 2], "seed {seed}");
    }
}

#[test]
fn messages_are_delivered_while_all_clocks_jump() {
    for seed in 0..3 {
        let mut sim = around_a_relay(seed);
        [ALICE, BOB, PI].into_iter().for_each(|node| sim.start(node));
        for n in 0..20 {
            for node in [ALICE, BOB, PI] {
                sim.nodes[node].wall_offset = WRONG[(n + 2 * node) % WRONG.len()];
            }
            say(&mut sim, ALICE, BOB, &n.to_string());
            sim.run(Duration::from_secs(2));
        }
        assert!(sim.run_until(SOON, |sim| shown(sim, BOB) == texts(20)), "seed {seed}: {:?}", shown(&sim, BOB));
        assert!(sim.run_until(SOON, |sim| in_state(sim, ALICE, Delivery::Delivered).len() == 20), "seed {seed}");
    }
}
