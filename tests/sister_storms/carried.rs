//! A line whose envelope another session of its author holds reaches its addressee, though its author never returns.

use std::collections::BTreeSet;

use darknode::id::{MessageId, StreamId};
use darknode::identity::seal::open;

use crate::setup::{ALICE, BOB, Setup, seeds};

/// Seeds of an ordinary run.
const SEEDS: u64 = 8;
const STEPS: u64 = 25;
/// Storms after the author is gone, before everything is repaired.
const AFTER: u64 = 10;

#[test]
fn lines_that_another_session_holds_arrive_though_their_author_never_returns() {
    let mut saved = 0;
    for seed in seeds(SEEDS) {
        let mut setup = Setup::new(seed, [2..5, 1..3], 4);
        setup.start_all();
        // Lines that are delivered at once are carried by nobody.
        setup.people[BOB].clone().into_iter().for_each(|bob| setup.sim.crash(bob));
        let author = setup.people[ALICE][0];
        storm(&mut setup, STEPS);
        setup.sim.crash(author);
        setup.gone.insert(author);
        let held = held_by_sisters(&setup, author);
        storm(&mut setup, AFTER);
        setup.repair();
        setup.wait(|setup| missing(setup, &held));
        setup.check();
        setup.check_shown_once();
        saved += held.len();
    }
    assert!(saved > 0, "the other sessions held something");
}

fn storm(setup: &mut Setup, steps: u64) {
    for _ in 0..steps {
        let node = setup.node();
        match setup.below(10) {
            0..=1 => setup.switch(node),
            2..=4 => setup.rewire(),
            5 => setup.set_clock(),
            _ => {
                let sessions = setup.people[ALICE].clone();
                let node = setup.pick(&sessions);
                setup.say(node);
            }
        }
        setup.pause(6_000);
        setup.check();
    }
}

/// The lines of a session in envelopes that the other sessions of its user hold.
fn held_by_sisters(setup: &Setup, author: usize) -> BTreeSet<MessageId> {
    let bob = setup.user(BOB);
    let keys: Vec<_> = setup.people[BOB].iter().flat_map(|node| setup.sim.nodes[*node].disk.load().prekeys).collect();
    let sisters = setup.people[ALICE].iter().filter(|node| **node != author);
    let envelopes = sisters.flat_map(|node| setup.sim.nodes[*node].disk.custody());
    let find = |id: &[u8; 8]| keys.iter().find(|key| key.id == *id);
    let opened = envelopes.filter_map(|row| open(&setup.sim.settings.network, &row.bytes, find).ok());
    let of_author = opened.filter(|opened| opened.session == setup.sim.nodes[author].session);
    let lines = of_author.filter(|opened| opened.address == bob.into()).flat_map(|opened| {
        let author = opened.session;
        let id = move |epoch, n| MessageId { stream: StreamId { author, epoch, to: bob.into() }, n };
        opened.contents.into_iter().filter(|content| content.n > 0).map(move |content| id(content.epoch, content.n))
    });
    lines.collect()
}

/// The lines that a session of bob lacks.
fn missing(setup: &Setup, lines: &BTreeSet<MessageId>) -> Option<String> {
    let lacks = |node: &usize| lines.iter().any(|id| !setup.held(*node).contains_key(id));
    let node = setup.people[BOB].iter().find(|node| lacks(node))?;
    let held = setup.held(*node);
    let lost: Vec<String> = lines.iter().filter(|id| !held.contains_key(id)).map(|id| id.token()).collect();
    Some(format!("node {node} lacks {lost:?}"))
}
