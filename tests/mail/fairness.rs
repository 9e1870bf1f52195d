//! Fairness: peers that are stalled, slow or too active do not affect others.

use std::collections::BTreeSet;
use std::time::Duration;

use darknode::id::Address;
use darknode::identity::Scheme;
use darknode::proto::event::Command;
use darknode::proto::limits::{HANDOVER_FULL, HANDOVER_WINDOW, MAX_RECEIPTS_TO_STRANGERS, STRANGER_ITEMS};
use darknode::proto::notice::{Delivery, Notice, WarningCode};
use darknode::sim::{Settings, Sim};

use crate::setup::*;

const CAROL: usize = 2;
const DAVE: usize = 3;
const PI: usize = 4;
const LINES: usize = 200;
const STEP: Duration = Duration::from_millis(10);

/// Alice writes to bob and carol to dave, through one relay. Carol is linked with the relay if `member`.
fn two_pairs(seed: u64, member: bool) -> Sim {
    let settings = Settings { seed, scheme: Scheme::Cheap, ..Settings::default() };
    let mut sim = strangers(settings, &["alice", "bob", "carol", "dave"], 1);
    let mut pairs = vec![(ALICE, BOB), (CAROL, DAVE), (CAROL, BOB)];
    pairs.extend(member.then_some((CAROL, PI)));
    link(&mut sim, &pairs);
    bootstrap(&mut sim, &[ALICE, BOB, CAROL, DAVE], &[PI]);
    for one in 0..PI {
        (0..one).for_each(|other| sim.cut(one, other));
    }
    sim
}

/// All are running, and more mail waits for bob, who is stalled, than can be sent to him at once.
fn with_bob_behind(seed: u64) -> Sim {
    let mut sim = two_pairs(seed, false);
    (0..=PI).for_each(|node| sim.start(node));
    sim.run(Duration::from_secs(5));
    sim.stall(BOB, Duration::from_secs(15));
    for n in 0..LINES {
        say(&mut sim, ALICE, BOB, &n.to_string());
        sim.run(STEP);
    }
    assert!(held(&sim, PI) > 2 * HANDOVER_WINDOW, "seed {seed}: {}", held(&sim, PI));
    sim
}

/// Carol writes to dave. True if all of that is acknowledged before bob has all of his.
fn carol_is_first(sim: &mut Sim, meanwhile: impl Fn(&mut Sim, u32)) -> bool {
    (0..LINES).for_each(|n| say(sim, CAROL, DAVE, &n.to_string()));
    for step in 0..2_000 {
        meanwhile(sim, step);
        sim.run(STEP);
        if in_state(sim, CAROL, Delivery::Delivered).len() == LINES {
            assert_eq!(shown(sim, DAVE), texts(LINES));
            return shown(sim, BOB).len() < LINES;
        }
    }
    false
}

#[test]
fn a_stalled_addressee_does_not_delay_mail_for_others() {
    for seed in 0..5 {
        let mut sim = with_bob_behind(seed);
        assert!(carol_is_first(&mut sim, |_, _| ()), "seed {seed}");
        assert!(shown(&sim, BOB).is_empty(), "seed {seed}");
        let all = sim.run_until(SOON * 3, |sim| shown(sim, BOB) == texts(LINES));
        assert!(all, "seed {seed}: he gets all of it when he resumes");
    }
}

#[test]
fn a_slow_addressee_does_not_delay_mail_for_others() {
    for seed in 0..5 {
        let mut sim = with_bob_behind(seed);
        // He runs in one step out of fifty.
        let slow = |sim: &mut Sim, step| {
            if step % 50 == 0 {
                sim.stall(BOB, STEP * 49);
            }
        };
        assert!(carol_is_first(&mut sim, slow), "seed {seed}");
        assert!(sim.run_until(SOON * 3, |sim| shown(sim, BOB) == texts(LINES)), "seed {seed}");
    }
}

#[test]
fn a_stranger_over_quota_is_notified_evicts_no_one_and_can_send_again_once_space_is_free() {
    const TYPED: usize = STRANGER_ITEMS + 40;
    let mut sim = two_pairs(1, true);
    [ALICE, CAROL, PI].into_iter().for_each(|node| sim.start(node));
    sim.run(Duration::from_secs(5));
    say(&mut sim, CAROL, BOB, "of a member");
    sim.run(Duration::from_secs(1));
    let of_member = envelopes(&sim, CAROL);
    for n in 0..TYPED {
        say(&mut sim, ALICE, BOB, &n.to_string());
        sim.run(Duration::from_millis(15));
    }
    let carried = |sim: &Sim| in_state(sim, ALICE, Delivery::Carried).len();
    sim.run(HANDOVER_FULL * 2);
    assert!((STRANGER_ITEMS..TYPED).contains(&carried(&sim)), "{} of {TYPED}", carried(&sim));
    let told = |notice: &Notice| matches!(notice, Notice::Warning { code: WarningCode::CustodyRefused, .. });
    assert_eq!(sim.nodes[ALICE].notices.iter().filter(|(_, notice)| told(notice)).count(), 1);
    assert!(of_member.len() == 1 && envelopes(&sim, PI).is_superset(&of_member));
    // Bob fetches his mail, which frees space.
    sim.start(BOB);
    let all = texts(TYPED).into_iter().chain([("of a member".to_owned(), 1)]).collect();
    assert!(sim.run_until(HANDOVER_FULL * 2, |sim| shown(sim, BOB) == all), "{} are there", shown(&sim, BOB).len());
}

#[test]
fn a_relay_that_stays_full_is_tried_ever_less_often_with_one_envelope() {
    let mut sim = two_pairs(1, false);
    [ALICE, PI].into_iter().for_each(|node| sim.start(node));
    sim.run(Duration::from_secs(5));
    for n in 0..STRANGER_ITEMS + 2 * HANDOVER_WINDOW {
        say(&mut sim, ALICE, BOB, &n.to_string());
        sim.run(Duration::from_millis(15));
    }
    sim.run(HANDOVER_FULL);
    let before = sim.traffic();
    sim.run(Duration::from_secs(24 * 3600));
    let parcels = sim.traffic().since(&before).by_kind().get("parcel").copied().unwrap_or_default();
    assert!(parcels < 40, "{parcels} parcels in a day");
}

#[test]
fn receipts_owed_to_strangers_do_not_use_up_a_nodes_quota_at_a_relay() {
    let strangers_there = MAX_RECEIPTS_TO_STRANGERS + 20;
    let names: Vec<String> = (0..strangers_there).map(|n| format!("s{n}")).collect();
    let people: Vec<&str> = ["alice", "bob"].into_iter().chain(names.iter().map(String::as_str)).collect();
    let settings = Settings { seed: 5, scheme: Scheme::Cheap, ..Settings::default() };
    let mut sim = strangers(settings, &people, 1);
    let relay = people.len();
    let pairs: Vec<(usize, usize)> = (2..relay).map(|stranger| (stranger, ALICE)).collect();
    link(&mut sim, &[&pairs[..], &[(ALICE, BOB)]].concat());
    let everybody: Vec<usize> = (0..relay).collect();
    bootstrap(&mut sim, &everybody, &[relay]);
    for (one, other) in pairs.iter().chain(&[(ALICE, BOB)]) {
        sim.cut(*one, *other);
        sim.preload_link(ALICE, *one, true);
    }
    sim.preload_link(ALICE, BOB, false);
    sim.start(relay);
    for stranger in 2..relay {
        sim.start(stranger);
        say(&mut sim, stranger, ALICE, "hello");
    }
    sim.run(Duration::from_secs(10));
    (2..relay).for_each(|stranger| sim.command(stranger, 0, Command::Quit));
    sim.run(Duration::from_secs(1));
    sim.start(ALICE);
    // Otherwise most of what they write would be held back.
    for stranger in 2..relay {
        let user = sim.nodes[stranger].user.to_string();
        sim.command(ALICE, 0, Command::Verify { user });
    }
    assert!(sim.run_until(SOON, |sim| shown(sim, ALICE).get("hello") == Some(&strangers_there)));
    sim.run(SOON);
    let served = |sim: &Sim| {
        let addressees: BTreeSet<Address> = sim.nodes[ALICE].disk.custody().map(|row| row.address).collect();
        (2..relay).filter(|node| addressees.contains(&Address::from(sim.nodes[*node].user))).collect::<Vec<_>>()
    };
    let first = served(&sim);
    assert_eq!(first.len(), MAX_RECEIPTS_TO_STRANGERS, "the others are owed");
    first.iter().for_each(|stranger| sim.start(*stranger));
    let others = |sim: &Sim| served(sim).len() == 20 && served(sim).iter().all(|node| !first.contains(node));
    assert!(sim.run_until(SOON, others), "each receipt opened makes space for one that is owed: {:?}", served(&sim));
}
