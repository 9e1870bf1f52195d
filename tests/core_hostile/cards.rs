//! Key cards received from third parties: their declared age is respected.

use std::time::Duration;

use darknode::proto::Accept;
use darknode::proto::event::Command;
use darknode::proto::limits::{CARD_LIFE, ENVELOPE_LIFE};
use darknode::wire::chat::{Chat, Parcel};
use darknode::wire::control::{Control, DeliverKnownList, KnownUser, UserWant, Want};
use darknode::wire::record::Signed;
use darknode::wire::{Bytes, Fixed, List};

use crate::adversary::{Person, known_list, linked, text};
use crate::victim::Victim;

const DAY: Duration = Duration::from_secs(24 * 3600);

fn aged(person: &Person, card: Signed, age: u64) -> Control {
    let Control::DeliverKnownList(list) = known_list(person.user_id(), Some(person.roster()), vec![], vec![card])
    else {
        unreachable!("a known list is one")
    };
    let users = list.users.iter().map(|known| KnownUser { card_ages: List(vec![age]), ..known.clone() }).collect();
    Control::DeliverKnownList(DeliverKnownList { users: List(users), ..list })
}

/// The ages of a person's key cards, as reported to `asker`.
fn ages(victim: &mut Victim, asker: &Person, of: &Person) -> Vec<Duration> {
    let conn = victim.meet(asker);
    let user = Fixed(of.user_id().0[..8].try_into().unwrap());
    let want = UserWant { user, roster: true, sessions: List(vec![]) };
    victim.say(conn, Control::Want(Want { users: List(vec![want]) }));
    let ages = |message: &Control| match message {
        Control::DeliverKnownList(list) => list.users.first().map(|known| known.card_ages.0.clone()),
        _ => None,
    };
    let said = victim.said(conn).into_iter().rev().find_map(ages).unwrap_or_default();
    victim.part(conn);
    said.into_iter().map(Duration::from_millis).collect()
}

/// Alice, linked with a user she has never met, and a connected relay.
struct Setup {
    alice: Victim,
    relay: darknode::id::ConnId,
    bob: Person,
    asker: Person,
}

fn setup() -> Setup {
    let (bob, asker) = (Person::new(2, "bob"), Person::new(3, "asker"));
    let mut alice = Victim::new(Accept::Auto);
    alice.command(Command::Add { user: bob.user_id().to_string() });
    let relay = alice.meet_relay(&Person::new(1, "pi"));
    Setup { alice, relay, bob, asker }
}

#[test]
fn a_relayed_card_is_used_only_for_the_rest_of_its_lifetime() {
    let Setup { mut alice, relay, bob, asker } = setup();
    alice.say(relay, aged(&bob, bob.card(1), (13 * DAY).as_millis() as u64));
    assert!(!alice.parcels(relay).is_empty(), "the link request is sent to bob by mail");
    alice.pass(DAY / 2);
    assert_eq!(ages(&mut alice, &asker, &bob), [13 * DAY + DAY / 2], "it is passed on with its age");
    alice.pass(DAY);
    let sent = alice.parcels(relay).len();
    alice.command(Command::Say { to: bob.user_id(), text: "hello".to_owned() });
    assert_eq!(alice.parcels(relay).len(), sent, "no more envelopes are sealed to it");
    assert!(ages(&mut alice, &asker, &bob).is_empty(), "it is no longer passed on");
}

#[test]
fn a_false_age_does_not_invalidate_a_known_card() {
    let Setup { mut alice, relay, bob, asker } = setup();
    alice.say(relay, aged(&bob, bob.card(1), 0));
    for age in [CARD_LIFE.as_millis() as u64 + 1, u64::MAX] {
        alice.say(relay, aged(&bob, bob.card(9), age));
    }
    assert_eq!(ages(&mut alice, &asker, &bob), [Duration::ZERO]);
    alice.say(relay, aged(&bob, bob.card(9), (10 * DAY).as_millis() as u64));
    assert_eq!(ages(&mut alice, &asker, &bob), [10 * DAY]);
    alice.say(relay, aged(&bob, bob.card(9), (2 * DAY).as_millis() as u64));
    alice.say(relay, aged(&bob, bob.card(9), (5 * DAY).as_millis() as u64));
    assert_eq!(ages(&mut alice, &asker, &bob), [2 * DAY], "the lowest age reported counts");
    let conn = alice.meet(&bob);
    alice.part(conn);
    assert_eq!(ages(&mut alice, &asker, &bob), [2 * DAY], "his older card changes nothing");
}

#[test]
fn a_card_inside_an_envelope_is_as_old_as_the_envelope() {
    let Setup { mut alice, relay, asker, .. } = setup();
    let carol = Person::new(4, "carol");
    let prekey = alice.prekey();
    let left = ENVELOPE_LIFE - 9 * DAY;
    let envelope = Bytes(carol.seal(alice.user, &prekey, vec![linked(1), text(2, "hello")]).bytes);
    alice.hand(relay, Chat::Parcel(Parcel { envelope, life_ms: left.as_millis() as u64, copies: 1 }));
    assert_eq!(alice.shown().len(), 1);
    assert_eq!(ages(&mut alice, &asker, &carol), [9 * DAY]);
}
