//! An hour of rest after a storm costs keep-alives and renewed declarations only, and a session that is off for ever costs at most
//! [`MAX_MIRROR_MAIL`] at each session that has something for it, and no endless retries.

use std::collections::BTreeSet;
use std::time::Duration;

use darknode::id::{Address, EnvelopeId};
use darknode::proto::event::Command;
use darknode::proto::limits::{MAX_MIRROR_MAIL, REFRESH};
use darknode::wire::envelope::MAX_ENVELOPE;

use crate::scene::{ALICE, BOB, CLEAR, Scene, seeds};

/// Seeds of an ordinary run.
const SEEDS: u64 = 4;
const STEPS: u64 = 15;
const HOUR: Duration = Duration::from_secs(3600);
/// How long the mail for a session that is off is watched, and the envelopes that may be sent meanwhile: each session tries one at a
/// carrier that is full, at most [`HANDOVER_FULL`](darknode::proto::limits::HANDOVER_FULL) later and then half as often each time.
const REST: Duration = Duration::from_secs(2 * 3600);
const MOST_PARCELS: u64 = 60;
/// Lines of [`LENGTH`] bytes that a session misses: more than may wait for it.
const LINES: usize = 100;
const LENGTH: usize = 16_000;

#[test]
fn in_an_hour_of_rest_after_a_storm_only_declarations_are_renewed() {
    for seed in seeds(SEEDS) {
        let mut scene = after_a_storm(seed);
        let before = scene.sim.traffic();
        scene.sim.run(HOUR);
        let sent = scene.sim.traffic().since(&before);
        let kinds: BTreeSet<String> = sent.by_kind().into_keys().collect();
        assert_eq!(kinds, BTreeSet::from(["declare_online".to_owned()]), "seed {seed}: {:?}", sent.by_kind());
        // The interval is at least half of [`REFRESH`].
        let nodes = scene.relay as u64 + 1;
        let most = nodes * (nodes - 1) * (HOUR.as_secs() / (REFRESH / 2).as_secs());
        assert!(sent.messages() <= most, "seed {seed}: {} of {most}", sent.messages());
    }
}

#[test]
fn a_session_that_is_off_for_ever_costs_a_bounded_amount_of_mail_and_few_retries() {
    for seed in seeds(SEEDS / 2) {
        let mut scene = after_a_storm(seed);
        let others = scene.people[ALICE][1..].to_vec();
        let gone = scene.pick(&others);
        scene.sim.crash(gone);
        scene.gone.insert(gone);
        for n in 0..LINES {
            let from = scene.people[n % 2][0];
            let to = scene.user(1 - n % 2);
            scene.sim.command(from, 1, Command::Say { to, text: format!("{n:x<LENGTH$}") });
            scene.sim.run(Duration::from_secs(1));
        }
        check_mail(&scene, gone);
        scene.sim.run(CLEAR);
        // The relay may be full, and is tried ever less often.
        let before = scene.sim.traffic();
        scene.sim.run(REST);
        let sent = scene.sim.traffic().since(&before).by_kind();
        let parcels = sent.get("parcel").copied().unwrap_or_default();
        assert!(parcels <= MOST_PARCELS, "seed {seed}: {sent:?}");
        check_mail(&scene, gone);
        let others = scene.pairs(ALICE).into_iter().chain(scene.pairs(BOB));
        for (first, node) in others {
            assert_eq!(scene.difference(first, node, &BTreeSet::new()), None, "seed {seed}: the others have all");
        }
    }
}

fn after_a_storm(seed: u64) -> Scene {
    let mut scene = Scene::new(seed, [2..5, 1..3], 4);
    scene.start_all();
    for _ in 0..STEPS {
        let node = scene.node();
        match scene.below(10) {
            0..=2 => scene.switch(node),
            3..=5 => scene.rewire(),
            _ => scene.say(node),
        }
        scene.pause(5_000);
        scene.check();
    }
    scene.repair();
    scene.sim.run(CLEAR);
    scene
}

/// The number and bytes of envelopes to a session that nodes which fit hold.
fn mail_to(scene: &Scene, session: usize, fits: impl Fn(usize) -> bool) -> (usize, usize) {
    let address = Address::from(&scene.sim.nodes[session].session);
    let holders = (0..=scene.relay).filter(|node| fits(*node));
    let rows = holders.flat_map(|node| scene.sim.nodes[node].disk.custody()).filter(|row| row.address == address);
    let mut seen: BTreeSet<EnvelopeId> = BTreeSet::new();
    let sizes: Vec<usize> = rows.filter(|row| seen.insert(row.envelope)).map(|row| row.bytes.len()).collect();
    (sizes.len(), sizes.iter().sum())
}

/// Each session has sealed at most [`MAX_MIRROR_MAIL`] and the envelope that exceeds it, for the one that is gone.
fn check_mail(scene: &Scene, gone: usize) {
    let sealers = scene.people[ALICE].len() - 1;
    let (_, bytes) = mail_to(scene, gone, |_| true);
    let most = sealers * (MAX_MIRROR_MAIL + MAX_ENVELOPE);
    assert!(bytes <= most, "seed {}: {bytes} of {most} bytes", scene.seed);
}
