//! Carriers that claim to be near a user, accept mail for them, and drop it.

use std::time::Duration;

use darknode::id::{ConnId, EnvelopeId, UserId};
use darknode::identity::seal::envelope_id;
use darknode::proto::limits::{DOUBT, MAX_WATCHED_MAIL, MAX_WATCHED_WAYS, STRANGER_ITEMS, WATCH};
use darknode::wire::chat::custody_state::HELD;

use crate::adversary::Person;
use crate::custody::{R, dud, fresh, parcels, relay, release, said};
use crate::relays::{announce, short};
use crate::victim::Victim;

/// A relay with a client and two neighbouring relays. Eve claims that bob is connected with her; carol does not know
/// him.
struct Scene {
    relay: Victim,
    alice: ConnId,
    eve: ConnId,
    carol: ConnId,
    bob: Person,
    letters: u32,
}

impl Scene {
    fn new() -> Scene {
        let (mut relay, bob) = (relay(), Person::new(1, "bob"));
        let alice = relay.meet(&Person::new(2, "alice"));
        let [eve, carol] = [(3, "eve"), (4, "carol")].map(|(n, name)| relay.meet_relay(&Person::new(n, name)));
        relay.say(eve, announce([short(&bob.user_id().0)], 0));
        Scene { relay, alice, eve, carol, bob, letters: 0 }
    }

    /// Hands over a new envelope for bob.
    fn letter(&mut self, from: ConnId) -> EnvelopeId {
        self.letters += 1;
        let envelope = dud(self.bob.user_id(), self.letters);
        let id = envelope_id(&envelope);
        self.relay.hand(from, fresh(envelope));
        id
    }

    /// Eve accepts an envelope.
    fn eve_takes(&mut self) -> EnvelopeId {
        let id = self.letter(self.alice);
        assert!(self.has(self.eve, id), "it goes to the nearest relay");
        self.relay.hand(self.eve, said(id, HELD));
        id
    }

    /// Carol accepts everything, as a correct carrier does.
    fn carol_takes_all(&mut self) {
        let mut taken = 0;
        loop {
            let given = parcels(&self.relay, self.carol).split_off(taken);
            if given.is_empty() {
                return;
            }
            taken += given.len();
            given.into_iter().for_each(|id| self.relay.hand(self.carol, said(id, HELD)));
        }
    }

    fn has(&self, carrier: ConnId, id: EnvelopeId) -> bool {
        parcels(&self.relay, carrier).contains(&id)
    }
}

#[test]
fn mail_that_a_near_relay_does_not_deliver_is_also_sent_another_way() {
    let mut scene = Scene::new();
    let first = scene.eve_takes();
    assert!(!scene.has(scene.carol, first));
    scene.relay.pass(WATCH);
    assert!(scene.has(scene.carol, first), "she showed no release");
    assert_eq!(scene.relay.drops("carrier by whom mail did not arrive in time"), 1);
    let second = scene.eve_takes();
    assert!(scene.has(scene.carol, second), "mail does not wait for her again");
}

#[test]
fn while_one_path_delivers_mail_is_sent_only_there() {
    let mut scene = Scene::new();
    for _ in 0..20 {
        let id = scene.eve_takes();
        scene.relay.pass(WATCH * 9 / 10);
        scene.relay.hand(scene.eve, release(id, R));
    }
    scene.relay.pass(WATCH);
    assert_eq!(parcels(&scene.relay, scene.carol), []);
}

#[test]
fn a_slow_path_is_not_suspected_while_it_makes_progress() {
    let mut scene = Scene::new();
    let letters: Vec<EnvelopeId> = (0..MAX_WATCHED_MAIL).map(|_| scene.eve_takes()).collect();
    for id in letters {
        scene.relay.pass(WATCH * 9 / 10);
        scene.relay.hand(scene.eve, release(id, R));
    }
    assert_eq!(parcels(&scene.relay, scene.carol), []);
}

#[test]
fn a_relay_that_drops_part_of_the_mail_is_detected() {
    let mut scene = Scene::new();
    let dropped = scene.eve_takes();
    for _ in 0..10 {
        let passed = scene.eve_takes();
        scene.relay.pass(WATCH / 10);
        scene.relay.hand(scene.eve, release(passed, R));
    }
    assert!(scene.has(scene.carol, dropped));
}

#[test]
fn a_nearer_relay_that_hands_mail_to_a_farther_one_no_longer_counts_as_nearer() {
    let mut scene = Scene::new();
    let mail = scene.letter(scene.eve);
    assert!(scene.has(scene.carol, mail), "her mistake does not affect relays behind her");
}

#[test]
fn a_carrier_that_shows_a_release_is_trusted_again() {
    let mut scene = Scene::new();
    let late = scene.eve_takes();
    scene.relay.pass(WATCH);
    assert!(scene.has(scene.carol, late));
    scene.relay.hand(scene.eve, release(late, R));
    let next = scene.eve_takes();
    assert!(!scene.has(scene.carol, next));
}

#[test]
fn suspicion_expires_and_does_not_arise_from_mail_to_absent_users() {
    let mut scene = Scene::new();
    scene.eve_takes();
    scene.relay.pass(WATCH);
    scene.relay.pass(DOUBT);
    let next = scene.eve_takes();
    assert!(!scene.has(scene.carol, next));
    let gone = scene.relay.drops("carrier by whom mail did not arrive in time");
    scene.relay.say(scene.eve, announce([short(&scene.bob.user_id().0)], 16));
    scene.relay.pass(WATCH + Duration::from_secs(1));
    assert_eq!(scene.relay.drops("carrier by whom mail did not arrive in time"), gone);
}

#[test]
fn a_chain_of_lying_relays_delays_mail_but_does_not_lose_it() {
    let mut scene = Scene::new();
    let mail = scene.eve_takes();
    let liars: Vec<ConnId> = (10..15).map(|n| scene.relay.meet_relay(&Person::new(n, "liar"))).collect();
    for conn in &liars {
        scene.relay.say(*conn, announce([short(&scene.bob.user_id().0)], 0));
    }
    for _ in 0..=liars.len() {
        scene.relay.pass(WATCH);
        for conn in liars.iter().copied().filter(|conn| scene.has(*conn, mail)).collect::<Vec<_>>() {
            scene.relay.hand(conn, said(mail, HELD));
        }
    }
    assert!(scene.has(scene.carol, mail));
}

fn nobody(n: usize) -> UserId {
    let mut id = [0xee; 32];
    id[..8].copy_from_slice(&n.to_be_bytes());
    UserId(id)
}

/// Makes the relay watch mail to as many non-existent users as it can, by two carriers.
fn distract(scene: &mut Scene, until_late: bool) {
    let liars = [scene.eve, scene.relay.meet_relay(&Person::new(5, "liar"))];
    let crowd: Vec<UserId> = (0..MAX_WATCHED_WAYS + 8).map(nobody).collect();
    for (part, liar) in crowd.chunks(crowd.len().div_ceil(2)).zip(liars) {
        part.chunks(500).for_each(|some| scene.relay.say(liar, announce(some.iter().map(|user| short(&user.0)), 0)));
        for (n, some) in part.chunks(STRANGER_ITEMS).enumerate() {
            let depositor = scene.relay.meet(&Person::new(100 + n as u32, "depositor"));
            for user in some {
                let envelope = dud(*user, 1);
                let id = envelope_id(&envelope);
                scene.relay.hand(depositor, fresh(envelope));
                scene.relay.hand(liar, said(id, HELD));
            }
            scene.relay.part(depositor);
        }
    }
    if until_late {
        scene.relay.pass(WATCH + Duration::from_secs(1));
    }
}

#[test]
fn mail_to_many_non_existent_users_hides_no_false_claim_about_a_real_one() {
    for until_late in [false, true] {
        let mut scene = Scene::new();
        distract(&mut scene, until_late);
        let mail = scene.eve_takes();
        scene.relay.pass(WATCH);
        scene.carol_takes_all();
        assert!(scene.has(scene.carol, mail), "after a late crowd: {until_late}");
        let second = scene.eve_takes();
        scene.carol_takes_all();
        assert!(scene.has(scene.carol, second), "suspicion applies at once");
    }
}
