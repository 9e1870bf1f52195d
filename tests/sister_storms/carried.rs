//! A line whose envelope another session of its author holds reaches its addressee, though its author never returns.

use std::collections::BTreeSet;

use darknode::id::{MessageId, StreamId};
use darknode::identity::seal::open;

use crate::scene::{ALICE, BOB, Scene, seeds};

/// Seeds of an ordinary run.
const SEEDS: u64 = 8;
const STEPS: u64 = 25;
/// Storms after the author is gone, before everything is repaired.
const AFTER: u64 = 10;

#[test]
fn lines_that_another_session_holds_arrive_though_their_author_never_returns() {
    let mut saved = 0;
    for seed in seeds(SEEDS) {
        let mut scene = Scene::new(seed, [2..5, 1..3], 4);
        scene.start_all();
        // Lines that are delivered at once are carried by nobody.
        scene.people[BOB].clone().into_iter().for_each(|bob| scene.sim.crash(bob));
        let author = scene.people[ALICE][0];
        storm(&mut scene, STEPS);
        scene.sim.crash(author);
        scene.gone.insert(author);
        let held = held_by_sisters(&scene, author);
        storm(&mut scene, AFTER);
        scene.repair();
        scene.wait(|scene| missing(scene, &held));
        scene.check();
        scene.check_shown_once();
        saved += held.len();
    }
    assert!(saved > 0, "the other sessions held something");
}

fn storm(scene: &mut Scene, steps: u64) {
    for _ in 0..steps {
        let node = scene.node();
        match scene.below(10) {
            0..=1 => scene.switch(node),
            2..=4 => scene.rewire(),
            5 => scene.set_clock(),
            _ => {
                let sessions = scene.people[ALICE].clone();
                let node = scene.pick(&sessions);
                scene.say(node);
            }
        }
        scene.pause(6_000);
        scene.check();
    }
}

/// The lines of a session in envelopes that the other sessions of its user hold.
fn held_by_sisters(scene: &Scene, author: usize) -> BTreeSet<MessageId> {
    let bob = scene.user(BOB);
    let keys: Vec<_> = scene.people[BOB].iter().flat_map(|node| scene.sim.nodes[*node].disk.load().prekeys).collect();
    let sisters = scene.people[ALICE].iter().filter(|node| **node != author);
    let envelopes = sisters.flat_map(|node| scene.sim.nodes[*node].disk.custody());
    let find = |id: &[u8; 8]| keys.iter().find(|key| key.id == *id);
    let opened = envelopes.filter_map(|row| open(&scene.sim.settings.network, &row.bytes, find).ok());
    let of_author = opened.filter(|opened| opened.session == scene.sim.nodes[author].session);
    let lines = of_author.filter(|opened| opened.address == bob.into()).flat_map(|opened| {
        let author = opened.session;
        let id = move |epoch, n| MessageId { stream: StreamId { author, epoch, to: bob.into() }, n };
        opened.contents.into_iter().filter(|content| content.n > 0).map(move |content| id(content.epoch, content.n))
    });
    lines.collect()
}

/// The lines that a session of bob lacks.
fn missing(scene: &Scene, lines: &BTreeSet<MessageId>) -> Option<String> {
    let lacks = |node: &usize| lines.iter().any(|id| !scene.held(*node).contains_key(id));
    let node = scene.people[BOB].iter().find(|node| lacks(node))?;
    let held = scene.held(*node);
    let lost: Vec<String> = lines.iter().filter(|id| !held.contains_key(id)).map(|id| id.token()).collect();
    Some(format!("node {node} lacks {lost:?}"))
}
