//! A Sybil attack, and two nodes with one key.

use std::time::Duration;

use darknode::identity::Scheme;
use darknode::proto::Accept;
use darknode::proto::notice::{Notice, WarningCode};
use darknode::sim::node::Plan;
use darknode::sim::scenario::{Harness, Params, Progress, Scenario};
use darknode::sim::topology::components;
use darknode::sim::{Settings, Sim};

const HONEST: usize = 16;
/// Four sybils per honest node.
const SYBILS: usize = 4 * HONEST;

/// A closed network whose key has leaked: all sybils are linked with others of them, name all honest nodes in their
/// lists, know their addresses, and never stop dialling them.
fn under_sybil_attack<'a>(params: &'a Params, quiet: &'a mut dyn FnMut(Progress)) -> Harness<'a> {
    let mut harness = Harness::new(params, quiet);
    let sim = &mut harness.sim;
    sim.nodes.iter_mut().for_each(|node| node.plan.accept = Accept::Ask);
    for nth in 0..SYBILS {
        sim.add_node(Plan::client(format!("s{nth}")));
    }
    harness.preload_links();
    let sim = &mut harness.sim;
    let all = HONEST + SYBILS;
    let hellos: Vec<_> = (0..all).map(|node| sim.first_hello(node)).collect();
    for sybil in HONEST..all {
        let others = (1..6).map(|step| HONEST + (sybil - HONEST + step) % SYBILS);
        for other in (0..HONEST).chain(others) {
            sim.preload_session(sybil, other, &hellos[other]);
            sim.preload_link(sybil, other, false);
        }
    }
    harness.start(0..all, Duration::from_secs(10));
    harness
}

#[test]
fn a_sybil_attack_separates_no_friends_and_leaves_honest_nodes_random_honest_neighbours() {
    for seed in 0..2 {
        let plain = Params::new(Scenario::Crash, HONEST, seed);
        let params = Params { degree: 6, signed: false, ..plain };
        let mut quiet = |_| {};
        let mut harness = under_sybil_attack(&params, &mut quiet);
        harness.run(Duration::from_secs(300));
        let found = harness.visibility();
        assert!(found.missing.is_empty() && found.wrong.is_empty(), "seed {seed}: {:?}", found.missing);
        let honest = |ends: &[usize; 2]| ends.iter().all(|node| *node < HONEST);
        let live: Vec<[usize; 2]> = harness.sim.net().live().filter(honest).collect();
        let random = live.iter().filter(|[a, b]| !harness.graph.is_link(*a, *b)).count();
        // Each chooses two at random among all, of whom nine in seventy-three are honest and no friends: about four choices in
        // all. Connections that honest nodes chose to others are not kept longer than those of sybils.
        assert!(random > 0, "seed {seed}: no connection between honest nodes is random");
        assert_eq!(components(0..HONEST, live.into_iter()).len(), 1, "seed {seed}");
        (HONEST..HONEST + SYBILS).for_each(|sybil| harness.sim.crash(sybil));
        harness.run(Duration::from_secs(60));
        assert!(harness.visibility_is_correct(), "seed {seed}: visibility is wrong after the sybils are gone");
        let report = harness.finish();
        assert!(report.broken.is_empty(), "seed {seed}: {:?}", report.broken);
    }
}

#[test]
fn two_nodes_with_one_key_both_warn_and_their_friends_keep_working() {
    for seed in 0..4 {
        let mut sim = Sim::new(Settings { seed, scheme: Scheme::Cheap, ..Settings::default() });
        for node in 0..4 {
            sim.add_node(Plan::client(format!("n{node}")));
        }
        let hellos: Vec<_> = (0..4).map(|node| sim.first_hello(node)).collect();
        for (one, other) in (0..4).flat_map(|one| (0..4).map(move |other| (one, other))).filter(|(a, b)| a != b) {
            sim.preload_session(one, other, &hellos[other]);
            sim.preload_link(one, other, false);
        }
        let copy = sim.add_copy(0);
        (0..4).for_each(|node| sim.start(node));
        sim.run(Duration::from_secs(10));
        sim.start(copy);
        let says_so = |sim: &Sim, node: usize| {
            let cloned = |notice: &Notice| matches!(notice, Notice::Warning { code: WarningCode::ClonedKey, .. });
            sim.nodes[node].notices.iter().any(|(_, notice)| cloned(notice))
        };
        let both = sim.run_until(Duration::from_secs(600), |sim| says_so(sim, 0) && says_so(sim, copy));
        assert!(both, "seed {seed}: {} and {}", says_so(&sim, 0), says_so(&sim, copy));
        sim.run(Duration::from_secs(600));
        let sees = |one: usize, other: usize| sim.nodes[one].shown_online.contains(&sim.nodes[other].session);
        assert!((1..4).all(|one| (1..4).all(|other| one == other || sees(one, other))), "seed {seed}");
        sim.crash(copy);
        let friends = sim.run_until(Duration::from_secs(400), |sim| {
            (1..4).all(|friend| {
                let [one, other] = [0, friend].map(|node| sim.nodes[node].session);
                sim.nodes[friend].shown_online.contains(&one) && sim.nodes[0].shown_online.contains(&other)
            })
        });
        assert!(friends, "seed {seed}: the original is not found after the copy is gone");
    }
}
