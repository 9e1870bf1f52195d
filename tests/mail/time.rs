//! Mail over a long time: people who are away for a month, and clocks that are wrong.

use std::time::Duration;

use darknode::proto::event::Command;
use darknode::proto::notice::Delivery;
use darknode::sim::Sim;

use crate::scene::*;

const PI: usize = 2;
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// A day ahead, a day behind, 1970, 2100, and right.
const WRONG: [i64; 5] = [86_400_000, -86_400_000, -1_780_000_000_000, 2_330_000_000_000, 0];

fn around_a_relay(seed: u64) -> Sim {
    let mut sim = with_relays(seed, 1);
    bootstrap(&mut sim, &[ALICE, BOB], &[PI]);
    sim.cut(ALICE, BOB);
    sim
}

/// Somebody is on for a minute.
fn visit(sim: &mut Sim, node: usize) {
    sim.run(Duration::from_secs(60));
    sim.command(node, 2, Command::Quit);
    sim.run(Duration::from_secs(1));
}

#[test]
fn a_month_away_loses_nothing() {
    for seed in 0..3 {
        let mut sim = around_a_relay(seed);
        sim.start(PI);
        for day in 0..31 {
            sim.start(ALICE);
            say(&mut sim, ALICE, BOB, &day.to_string());
            visit(&mut sim, ALICE);
            sim.run(DAY);
        }
        assert!(held(&sim, PI) < 31, "seed {seed}: what is older than a fortnight is gone");
        sim.start(BOB);
        sim.run(Duration::from_secs(60));
        sim.start(ALICE);
        assert!(sim.run_until(SOON * 3, |sim| shown(sim, BOB) == texts(31)), "seed {seed}: {:?}", shown(&sim, BOB));
        assert!(sim.run_until(SOON * 3, |sim| in_state(sim, ALICE, Delivery::Delivered).len() == 31), "seed {seed}");
    }
}

#[test]
fn clocks_that_are_wrong_and_jump_let_nothing_expire_before_its_time() {
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
fn a_sender_a_day_ahead_a_relay_at_1970_and_a_receiver_who_jumps_a_month_lose_and_keep_nothing() {
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
        // The keys that the lines are sealed to are a day old, whatever his clock says.
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
fn lines_flow_while_all_clocks_jump() {
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
