//! Carriers that say to be near somebody, take their mail, and drop it.

use std::time::Duration;

use darknode::id::{ConnId, EnvelopeId, UserId};
use darknode::identity::seal::envelope_id;
use darknode::proto::limits::{DOUBT, MAX_WATCHED_MAIL, MAX_WATCHED_WAYS, STRANGER_ITEMS, WATCH};
use darknode::wire::chat::custody_state::HELD;

use crate::adversary::Person;
use crate::custody::{R, dud, fresh, parcels, relay, release, said};
use crate::relays::{announce, short};
use crate::victim::Victim;

/// A relay with a client, and two relays beside it. Eve says that bob is with her; carol knows nothing of him.
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

    /// Somebody hands a new letter to bob over.
    fn letter(&mut self, from: ConnId) -> EnvelopeId {
        self.letters += 1;
        let envelope = dud(self.bob.user_id(), self.letters);
        let id = envelope_id(&envelope);
        self.relay.hand(from, fresh(envelope));
        id
    }

    /// Eve takes a letter.
    fn eve_takes(&mut self) -> EnvelopeId {
        let id = self.letter(self.alice);
        assert!(self.has(self.eve, id), "it goes to who is nearest");
        self.relay.hand(self.eve, said(id, HELD));
        id
    }

    /// Carol takes what she is given, as an honest carrier does.
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
fn mail_that_does_not_arrive_by_who_says_to_be_near_goes_another_way_too() {
    let mut scene = Scene::new();
    let first = scene.eve_takes();
    assert!(!scene.has(scene.carol, first));
    scene.relay.pass(WATCH);
    assert!(scene.has(scene.carol, first), "she did not show that he has it");
    assert_eq!(scene.relay.drops("carrier by whom mail did not arrive in time"), 1);
    let second = scene.eve_takes();
    assert!(scene.has(scene.carol, second), "nothing waits for her a second time");
}

#[test]
fn a_way_by_which_mail_arrives_is_the_only_one_it_goes() {
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
fn a_long_queue_by_a_slow_way_is_not_taken_for_a_lie_while_its_head_moves_on() {
    let mut scene = Scene::new();
    let letters: Vec<EnvelopeId> = (0..MAX_WATCHED_MAIL).map(|_| scene.eve_takes()).collect();
    for id in letters {
        scene.relay.pass(WATCH * 9 / 10);
        scene.relay.hand(scene.eve, release(id, R));
    }
    assert_eq!(parcels(&scene.relay, scene.carol), []);
}

#[test]
fn who_lets_some_pass_and_drops_the_rest_is_found_out() {
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
fn who_is_nearer_and_hands_mail_to_somebody_farther_has_given_up_its_own_way() {
    let mut scene = Scene::new();
    let mail = scene.letter(scene.eve);
    assert!(scene.has(scene.carol, mail), "what misled her misleads nobody behind her");
}

#[test]
fn a_carrier_that_shows_what_was_opened_is_believed_again() {
    let mut scene = Scene::new();
    let late = scene.eve_takes();
    scene.relay.pass(WATCH);
    assert!(scene.has(scene.carol, late));
    scene.relay.hand(scene.eve, release(late, R));
    let next = scene.eve_takes();
    assert!(!scene.has(scene.carol, next));
}

#[test]
fn nobody_is_doubted_for_ever_nor_for_mail_to_somebody_who_is_gone() {
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
fn a_chain_of_liars_costs_a_pause_each_and_not_the_mail() {
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

/// Somebody has the relay watch mail to as many as it can, who do not exist, by two carriers.
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
fn mail_to_a_crowd_that_does_not_exist_hides_no_lie_about_somebody_who_does() {
    for until_late in [false, true] {
        let mut scene = Scene::new();
        distract(&mut scene, until_late);
        let mail = scene.eve_takes();
        scene.relay.pass(WATCH);
        scene.carol_takes_all();
        assert!(scene.has(scene.carol, mail), "the crowd was late before: {until_late}");
        let second = scene.eve_takes();
        scene.carol_takes_all();
        assert!(scene.has(scene.carol, second), "who is doubted is doubted at once");
    }
}
