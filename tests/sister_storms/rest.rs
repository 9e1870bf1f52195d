//! An hour of rest after a storm costs keep-alives and renewed declarations only, and a session that is off for ever costs at most
//! [`MAX_MIRROR_MAIL`] at each session that has something for it, and no endless retries.

use std::collections::BTreeSet;
use std::time::Duration;

use darknode::id::{Address, EnvelopeId};
use darknode::proto::event::Command;
use darknode::proto::limits::{MAX_MIRROR_MAIL, REFRESH};
use darknode::wire::envelope::MAX_ENVELOPE;

use crate::setup::{ALICE, BOB, CLEAR, Setup, seeds};

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
        let mut setup = after_a_storm(seed);
        let before = setup.sim.traffic();
        setup.sim.run(HOUR);
        let sent = setup.sim.traffic().since(&before);
        let kinds: BTreeSet<String> = sent.by_kind().into_keys().collect();
        assert_eq!(kinds, BTreeSet::from(["declare_online".to_owned()]), "seed {seed}: {:?}", sent.by_kind());
        // The interval is at least half of [`REFRESH`].
        let nodes = setup.relay as u64 + 1;
        let most = nodes * (nodes - 1) * (HOUR.as_secs() / (REFRESH / 2).as_secs());
        assert!(sent.messages() <= most, "seed {seed}: {} of {most}", sent.messages());
    }
}

#[test]
fn a_session_that_is_off_for_ever_costs_a_bounded_amount_of_mail_and_few_retries() {
    for seed in seeds(SEEDS / 2) {
        let mut setup = after_a_storm(seed);
        let others = setup.people[ALICE][1..].to_vec();
        let gone = setup.pick(&others);
        setup.sim.crash(gone);
        setup.gone.insert(gone);
        for n in 0..LINES {
            let from = setup.people[n % 2][0];
            let to = setup.user(1 - n % 2);
            setup.sim.command(from, 1, Command::Say { to, text: format!("{n:x<LENGTH$}") });
            setup.sim.run(Duration::from_secs(1));
        }
        check_mail(&setup, gone);
        setup.sim.run(CLEAR);
        // The relay may be full, and is tried ever less often.
        let before = setup.sim.traffic();
        setup.sim.run(REST);
        let sent = setup.sim.traffic().since(&before).by_kind();
        let parcels = sent.get("parcel").copied().unwrap_or_default();
        assert!(parcels <= MOST_PARCELS, "seed {seed}: {sent:?}");
        check_mail(&setup, gone);
        let others = setup.pairs(ALICE).into_iter().chain(setup.pairs(BOB));
        for (first, node) in others {
            assert_eq!(setup.difference(first, node, &BTreeSet::new()), None, "seed {seed}: the others have all");
        }
    }
}

fn after_a_storm(seed: u64) -> Setup {
    let mut setup = Setup::new(seed, [2..5, 1..3], 4);
    setup.start_all();
    for _ in 0..STEPS {
        let node = setup.node();
        match setup.below(10) {
            0..=2 => setup.switch(node),
            3..=5 => setup.rewire(),
            _ => setup.say(node),
        }
        setup.pause(5_000);
        setup.check();
    }
    setup.repair();
    setup.sim.run(CLEAR);
    setup
}

/// The number and bytes of envelopes to a session that nodes which fit hold.
fn mail_to(setup: &Setup, session: usize, fits: impl Fn(usize) -> bool) -> (usize, usize) {
    let address = Address::from(&setup.sim.nodes[session].session);
    let holders = (0..=setup.relay).filter(|node| fits(*node));
    let rows = holders.flat_map(|node| setup.sim.nodes[node].disk.custody()).filter(|row| row.address == address);
    let mut seen: BTreeSet<EnvelopeId> = BTreeSet::new();
    let sizes: Vec<usize> = rows.filter(|row| seen.insert(row.envelope)).map(|row| row.bytes.len()).collect();
    (sizes.len(), sizes.iter().sum())
}

/// Each session has sealed at most [`MAX_MIRROR_MAIL`] and the envelope that exceeds it, for the one that is gone.
fn check_mail(setup: &Setup, gone: usize) {
    let sealers = setup.people[ALICE].len() - 1;
    let (_, bytes) = mail_to(setup, gone, |_| true);
    let most = sealers * (MAX_MIRROR_MAIL + MAX_ENVELOPE);
    assert!(bytes <= most, "seed {}: {bytes} of {most} bytes", setup.seed);
}
