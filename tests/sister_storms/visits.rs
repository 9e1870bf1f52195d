//! Two sessions that are never on at the same time, and a relay: after one visit of each and two more, both hold the same.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::setup::{ALICE, BOB, Setup, seeds};

/// Seeds of an ordinary run.
const SEEDS: u64 = 8;
/// Steps of a visit in which anything fails.
const STEPS: u64 = 10;
/// After this time of a visit without faults everything is entrusted to the relay, or fetched from it.
const QUIET: Duration = Duration::from_secs(120);

#[test]
fn two_sessions_that_are_never_on_together_are_equal_after_a_visit_of_each_and_two_more() {
    for seed in seeds(SEEDS) {
        let mut setup = Setup::new(seed, [2..3, 1..3], 4);
        let [relay, bobs] = [vec![setup.relay], setup.people[BOB].clone()];
        [&relay, &bobs].into_iter().flatten().for_each(|node| setup.start(*node));
        let [one, other] = [setup.people[ALICE][0], setup.people[ALICE][1]];
        let rounds = 1 + setup.below(3);
        for _ in 0..rounds {
            visit(&mut setup, one, STEPS);
            visit(&mut setup, other, STEPS);
        }
        if setup.below(2) == 0 {
            bobs.iter().for_each(|bob| setup.stop(*bob));
        }
        visit(&mut setup, one, 0);
        visit(&mut setup, other, 0);
        let difference = setup.difference(one, other, &BTreeSet::new());
        assert!(difference.is_none(), "seed {seed}: {}", difference.unwrap_or_default());
        assert_eq!(setup.known(one), setup.known(other), "seed {seed}");
        assert!(!setup.held(one).is_empty(), "seed {seed}: something was said");
        setup.check_shown_once();
    }
}

/// One of the two sessions is on, for so many steps with faults and a while without.
fn visit(setup: &mut Setup, who: usize, steps: u64) {
    setup.start(who);
    setup.pause(20_000);
    if steps > 0 {
        setup.say(who);
    }
    for _ in 0..steps {
        step(setup, who);
        setup.pause(6_000);
        setup.check();
    }
    setup.mend_all();
    [who, setup.relay].into_iter().for_each(|node| setup.start(node));
    setup.sim.run(QUIET);
    match setup.below(2) {
        0 => setup.stop(who),
        _ => setup.sim.crash(who),
    }
    setup.sim.run(Duration::from_secs(1));
}

/// Something fails, or somebody says something.
fn step(setup: &mut Setup, who: usize) {
    let nodes = [vec![setup.relay, who], setup.people[BOB].clone()].concat();
    let node = setup.pick(&nodes);
    match setup.below(11) {
        0..=1 => setup.switch(node),
        2..=3 => setup.rewire(),
        4 => setup.set_clock(),
        5..=7 => setup.say(who),
        8 => setup.verify(who),
        _ => setup.say(node),
    }
}
