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
struct Setup {
    relay: Victim,
    alice: ConnId,
    eve: ConnId,
    carol: ConnId,
    bob: Person,
    letters: u32,
}

impl Setup {
    fn new() -> Setup {
        let (mut relay, bob) = (relay(), Person::new(1, "bob"));
        let alice = relay.meet(&Person::new(2, "alice"));
        let [eve, carol] = [(3, "eve"), (4, "carol")].map(|(n, name)| relay.meet_relay(&Person::new(n, name)));
        relay.say(eve, announce([short(&bob.user_id().0)], 0));
        Setup { relay, alice, eve, carol, bob, letters: 0 }
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
    let mut setup = Setup::new();
    let first = setup.eve_takes();
    assert!(!setup.has(setup.carol, first));
    setup.relay.pass(WATCH);
    assert!(setup.has(setup.carol, first), "she showed no release");
    assert_eq!(setup.relay.drops("carrier by whom mail did not arrive in time"), 1);
    let second = setup.eve_takes();
    assert!(setup.has(setup.carol, second), "mail does not wait for her again");
}

#[test]
fn while_one_path_delivers_mail_is_sent_only_there() {
    let mut setup = Setup::new();
    for _ in 0..20 {
        let id = setup.eve_takes();
        setup.relay.pass(WATCH * 9 / 10);
        setup.relay.hand(setup.eve, release(id, R));
    }
    setup.relay.pass(WATCH);
    assert_eq!(parcels(&setup.relay, setup.carol), []);
}

#[test]
fn a_slow_path_is_not_suspected_while_it_makes_progress() {
    let mut setup = Setup::new();
    let letters: Vec<EnvelopeId> = (0..MAX_WATCHED_MAIL).map(|_| setup.eve_takes()).collect();
    for id in letters {
        setup.relay.pass(WATCH * 9 / 10);
        setup.relay.hand(setup.eve, release(id, R));
    }
    assert_eq!(parcels(&setup.relay, setup.carol), []);
}

#[test]
fn a_relay_that_drops_part_of_the_mail_is_detected() {
    let mut setup = Setup::new();
    let dropped = setup.eve_takes();
    for _ in 0..10 {
        let passed = setup.eve_takes();
        setup.relay.pass(WATCH / 10);
        setup.relay.hand(setup.eve, release(passed, R));
    }
    assert!(setup.has(setup.carol, dropped));
}

#[test]
fn a_nearer_relay_that_hands_mail_to_a_farther_one_no_longer_counts_as_nearer() {
    let mut setup = Setup::new();
    let mail = setup.letter(setup.eve);
    assert!(setup.has(setup.carol, mail), "her mistake does not affect relays behind her");
}

#[test]
fn a_carrier_that_shows_a_release_is_trusted_again() {
    let mut setup = Setup::new();
    let late = setup.eve_takes();
    setup.relay.pass(WATCH);
    assert!(setup.has(setup.carol, late));
    setup.relay.hand(setup.eve, release(late, R));
    let next = setup.eve_takes();
    assert!(!setup.has(setup.carol, next));
}

#[test]
fn suspicion_expires_and_does_not_arise_from_mail_to_absent_users() {
    let mut setup = Setup::new();
    setup.eve_takes();
    setup.relay.pass(WATCH);
    setup.relay.pass(DOUBT);
    let next = setup.eve_takes();
    assert!(!setup.has(setup.carol, next));
    let gone = setup.relay.drops("carrier by whom mail did not arrive in time");
    setup.relay.say(setup.eve, announce([short(&setup.bob.user_id().0)], 16));
    setup.relay.pass(WATCH + Duration::from_secs(1));
    assert_eq!(setup.relay.drops("carrier by whom mail did not arrive in time"), gone);
}

#[test]
fn a_chain_of_lying_relays_delays_mail_but_does_not_lose_it() {
    let mut setup = Setup::new();
    let mail = setup.eve_takes();
    let liars: Vec<ConnId> = (10..15).map(|n| setup.relay.meet_relay(&Person::new(n, "liar"))).collect();
    for conn in &liars {
        setup.relay.say(*conn, announce([short(&setup.bob.user_id().0)], 0));
    }
    for _ in 0..=liars.len() {
        setup.relay.pass(WATCH);
        for conn in liars.iter().copied().filter(|conn| setup.has(*conn, mail)).collect::<Vec<_>>() {
            setup.relay.hand(conn, said(mail, HELD));
        }
    }
    assert!(setup.has(setup.carol, mail));
}

fn nobody(n: usize) -> UserId {
    let mut id = [0xee; 32];
    id[..8].copy_from_slice(&n.to_be_bytes());
    UserId(id)
}

/// Makes the relay watch mail to as many non-existent users as it can, by two carriers.
fn distract(setup: &mut Setup, until_late: bool) {
    let liars = [setup.eve, setup.relay.meet_relay(&Person::new(5, "liar"))];
    let crowd: Vec<UserId> = (0..MAX_WATCHED_WAYS + 8).map(nobody).collect();
    for (part, liar) in crowd.chunks(crowd.len().div_ceil(2)).zip(liars) {
        part.chunks(500).for_each(|some| setup.relay.say(liar, announce(some.iter().map(|user| short(&user.0)), 0)));
        for (n, some) in part.chunks(STRANGER_ITEMS).enumerate() {
            let depositor = setup.relay.meet(&Person::new(100 + n as u32, "depositor"));
            for user in some {
                let envelope = dud(*user, 1);
                let id = envelope_id(&envelope);
                setup.relay.hand(depositor, fresh(envelope));
                setup.relay.hand(liar, said(id, HELD));
            }
            setup.relay.part(depositor);
        }
    }
    if until_late {
        setup.relay.pass(WATCH + Duration::from_secs(1));
    }
}

#[test]
fn mail_to_many_non_existent_users_hides_no_false_claim_about_a_real_one() {
    for until_late in [false, true] {
        let mut setup = Setup::new();
        distract(&mut setup, until_late);
        let mail = setup.eve_takes();
        setup.relay.pass(WATCH);
        setup.carol_takes_all();
        assert!(setup.has(setup.carol, mail), "after a late crowd: {until_late}");
        let second = setup.eve_takes();
        setup.carol_takes_all();
        assert!(setup.has(setup.carol, second), "suspicion applies at once");
    }
}
