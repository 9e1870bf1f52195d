//! Two sessions that are never on at the same time, and a relay: after one visit of each and two more, both hold the same.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::scene::{ALICE, BOB, Scene, seeds};

/// Seeds of an ordinary run.
const SEEDS: u64 = 8;
/// Steps of a visit in which anything fails.
const STEPS: u64 = 10;
/// After this time of a visit without faults everything is entrusted to the relay, or fetched from it.
const QUIET: Duration = Duration::from_secs(120);

#[test]
fn two_sessions_that_are_never_on_together_are_equal_after_a_visit_of_each_and_two_more() {
    for seed in seeds(SEEDS) {
        let mut scene = Scene::new(seed, [2..3, 1..3], 4);
        let [relay, bobs] = [vec![scene.relay], scene.people[BOB].clone()];
        [&relay, &bobs].into_iter().flatten().for_each(|node| scene.start(*node));
        let [one, other] = [scene.people[ALICE][0], scene.people[ALICE][1]];
        let rounds = 1 + scene.below(3);
        for _ in 0..rounds {
            visit(&mut scene, one, STEPS);
            visit(&mut scene, other, STEPS);
        }
        if scene.below(2) == 0 {
            bobs.iter().for_each(|bob| scene.stop(*bob));
        }
        visit(&mut scene, one, 0);
        visit(&mut scene, other, 0);
        let difference = scene.difference(one, other, &BTreeSet::new());
        assert!(difference.is_none(), "seed {seed}: {}", difference.unwrap_or_default());
        assert_eq!(scene.known(one), scene.known(other), "seed {seed}");
        assert!(!scene.held(one).is_empty(), "seed {seed}: something was said");
        scene.check_shown_once();
    }
}

/// One of the two sessions is on, for so many steps with faults and a while without.
fn visit(scene: &mut Scene, who: usize, steps: u64) {
    scene.start(who);
    scene.pause(20_000);
    if steps > 0 {
        scene.say(who);
    }
    for _ in 0..steps {
        step(scene, who);
        scene.pause(6_000);
        scene.check();
    }
    scene.mend_all();
    [who, scene.relay].into_iter().for_each(|node| scene.start(node));
    scene.sim.run(QUIET);
    match scene.below(2) {
        0 => scene.stop(who),
        _ => scene.sim.crash(who),
    }
    scene.sim.run(Duration::from_secs(1));
}

/// Something fails, or somebody says something.
fn step(scene: &mut Scene, who: usize) {
    let nodes = [vec![scene.relay, who], scene.people[BOB].clone()].concat();
    let node = scene.pick(&nodes);
    match scene.below(11) {
        0..=1 => scene.switch(node),
        2..=3 => scene.rewire(),
        4 => scene.set_clock(),
        5..=7 => scene.say(who),
        8 => scene.verify(who),
        _ => scene.say(node),
    }
}
