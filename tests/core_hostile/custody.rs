//! Attacks on custody: false or excessive messages from carriers, authors and addressees.

use std::time::Duration;

use darknode::id::{Address, ConnId, EnvelopeId, UserId};
use darknode::identity::seal::envelope_id;
use darknode::proto::Accept;
use darknode::proto::event::{CloseReason, Command};
use darknode::proto::limits::{
    ENVELOPE_LIFE, HANDOVER_FULL, HANDOVER_WINDOW, MAX_HANDED_BACK, MAX_OFFERED_AT_ONCE, MAX_OWN_RECEIPTS, SPRAY,
};
use darknode::proto::notice::{Delivery, Notice, WarningCode};
use darknode::proto::persist::Op;
use darknode::wire::chat::{Ask, Chat, Custody, MAX_OFFERED, Offer, Parcel, Release, Unopenable, custody_state};
use darknode::wire::envelope::{Envelope, MAX_ENVELOPE, MAX_PADDED, MAX_WRAPS, Wrap};
use darknode::wire::record::{Prekey, roles};
use darknode::wire::{Bytes, Fixed, List, decode, encode};
use sha2::{Digest, Sha256};

use crate::adversary::{Person, id_of, known_list, linked, receipt, seal_raw, text};
use crate::victim::Victim;

pub const R: [u8; 32] = [7; 32];
const DAY: Duration = Duration::from_secs(24 * 3600);

pub fn relay() -> Victim {
    Victim::with_roles(Accept::Auto, roles::RELAY)
}

/// An envelope that cannot be opened and whose release is [`R`], different for each number.
pub fn dud(to: UserId, number: u32) -> Vec<u8> {
    let wrap =
        Wrap(Fixed([number.to_be_bytes(), [0xff; 4]].concat().try_into().unwrap()), Fixed([1; 32]), Fixed([2; 48]));
    let (address, lock) = (Address::from(to), Fixed(Sha256::digest(R).into()));
    encode(&Envelope { address, lock, wraps: List(vec![wrap]), sealed: Bytes(vec![0; 272]) })
}

fn labelled(envelope: Vec<u8>, life: Duration, copies: u8) -> Chat {
    Chat::Parcel(Parcel { envelope: Bytes(envelope), life_ms: life.as_millis() as u64, copies })
}

pub fn fresh(envelope: Vec<u8>) -> Chat {
    labelled(envelope, ENVELOPE_LIFE, 4)
}

pub fn said(envelope: EnvelopeId, state: u8) -> Chat {
    Chat::Custody(Custody { envelope, state })
}

pub fn release(envelope: EnvelopeId, r: [u8; 32]) -> Chat {
    Chat::Release(Release { envelope, r: Fixed(r) })
}

/// The answer of a session that cannot open an envelope.
fn unopenable(envelope: EnvelopeId, person: &Person, seq: u64) -> Chat {
    Chat::Unopenable(Unopenable { envelope, roster: person.roster(), card: person.card(seq) })
}

/// The same person with another prekey.
fn rotated(person: &Person, number: u32) -> Person {
    let other = Person::new(number, &person.name);
    Person { user: person.user.clone(), session: person.session.clone(), ..other }
}

pub fn parcels(victim: &Victim, to: ConnId) -> Vec<EnvelopeId> {
    victim.parcels(to).into_iter().map(id_of).collect()
}

fn warnings(victim: &Victim, code: WarningCode) -> usize {
    victim.notices().filter(|notice| matches!(notice, Notice::Warning { code: said, .. } if *said == code)).count()
}

struct Setup {
    relay: Victim,
    /// A stranger.
    mallory: Person,
    bob: Person,
}

fn setup() -> Setup {
    Setup { relay: relay(), mallory: Person::new(1, "mallory"), bob: Person::new(2, "bob") }
}

#[test]
fn malformed_or_expired_envelopes_are_refused_and_labels_are_clamped() {
    let Setup { mut relay, mallory, bob } = setup();
    let conn = relay.meet(&mallory);
    relay.hand(conn, labelled(dud(bob.user_id(), 1), Duration::ZERO, 4));
    assert_eq!((relay.states(conn), relay.held().len()), (vec![custody_state::NO_CARRIER], 0));
    assert_eq!(relay.drops("envelope at the end of its life"), 1);
    let forever = Parcel { envelope: Bytes(dud(bob.user_id(), 2)), life_ms: u64::MAX, copies: 255 };
    relay.hand(conn, Chat::Parcel(forever));
    relay.hand(conn, labelled(dud(bob.user_id(), 3), DAY, 0));
    let rows: Vec<_> = relay.held().into_values().collect();
    assert_eq!(rows.len(), 2);
    assert!(rows.iter().all(|row| (1..=SPRAY).contains(&row.copies)));
    relay.pass(ENVELOPE_LIFE);
    assert_eq!(relay.held().len(), 0, "no label extends a lifetime");
    let odd = Envelope {
        address: Address::from(bob.user_id()),
        lock: Fixed([0; 32]),
        wraps: List(vec![]),
        sealed: Bytes(vec![0; 300]),
    };
    for envelope in [vec![], dud(bob.user_id(), 4)[1..].to_vec(), encode(&odd)] {
        assert_eq!(relay.closed(conn), None);
        relay.hand(conn, fresh(envelope));
    }
    assert_eq!((relay.drops("malformed envelope"), relay.closed(conn)), (3, Some(CloseReason::Protocol)));
    assert_eq!(relay.held().len(), 0);
}

#[test]
fn an_envelope_to_128_sessions_is_carried_and_one_to_129_is_none() {
    let Setup { mut relay, mallory, bob } = setup();
    let conn = relay.meet(&mallory);
    let wide = |wraps: usize| {
        let mut envelope: Envelope = decode(&dud(bob.user_id(), 1)).unwrap();
        envelope.sealed = Bytes(vec![0; MAX_PADDED + 16]);
        envelope.wraps = List(vec![envelope.wraps[0].clone(); wraps]);
        encode(&envelope)
    };
    assert!((33_000..=MAX_ENVELOPE).contains(&wide(MAX_WRAPS).len()));
    relay.hand(conn, fresh(wide(MAX_WRAPS)));
    assert_eq!((relay.states(conn), relay.held().len()), (vec![custody_state::HELD], 1));
    relay.hand(conn, fresh(wide(MAX_WRAPS + 1)));
    assert_eq!((relay.drops("malformed envelope"), relay.held().len()), (1, 1));
}

#[test]
fn only_a_valid_release_ends_custody() {
    let Setup { mut relay, mallory, bob } = setup();
    let conn = relay.meet(&mallory);
    let envelope = dud(bob.user_id(), 1);
    let id = envelope_id(&envelope);
    relay.hand(conn, fresh(envelope));
    relay.hand(conn, release(id, [8; 32]));
    relay.hand(conn, release(EnvelopeId([1; 32]), R));
    assert_eq!((relay.held().len(), relay.drops("release that fits no lock")), (1, 2));
    assert!(!relay.ops.iter().any(|op| matches!(op, Op::Tombstone(_))), "nothing is stored for it");
    relay.hand(conn, release(id, R));
    assert_eq!(relay.held().len(), 0);
    relay.hand(conn, fresh(dud(bob.user_id(), 1)));
    assert_eq!(relay.held().len(), 0, "a released envelope is not accepted again");
    assert_eq!(relay.items(conn).into_iter().filter(|item| **item == release(id, R)).count(), 1);
}

#[test]
fn an_earlier_copy_with_a_short_lifetime_does_not_shorten_a_later_one() {
    let Setup { mut relay, mallory, bob } = setup();
    let carol = Person::new(3, "carol");
    let (liar, honest) = (relay.meet(&mallory), relay.befriend(&carol));
    relay.hand(liar, labelled(dud(bob.user_id(), 1), Duration::from_millis(5), 1));
    relay.hand(honest, fresh(dud(bob.user_id(), 1)));
    assert_eq!(relay.states(honest), [custody_state::HELD]);
    relay.pass(13 * DAY);
    let rows: Vec<_> = relay.held().into_values().collect();
    assert_eq!(rows.len(), 1);
    assert_eq!((rows[0].depositor, rows[0].member), (carol.user_id(), true), "it is the member's mail");
}

#[test]
fn answers_about_envelopes_that_were_not_offered_are_ignored() {
    let mut alice = Victim::new(Accept::Auto);
    let [pi, mallory, bob] = [(1, "pi"), (2, "mallory"), (3, "bob")].map(|(n, name)| Person::new(n, name));
    was_here(&mut alice, &bob);
    let to_pi = alice.meet_relay(&pi);
    let to_mallory = alice.meet(&mallory);
    alice.command(Command::Say { to: bob.user_id(), text: "for bob".to_owned() });
    let [id] = parcels(&alice, to_pi)[..] else { panic!("the relay is given the line") };
    let states = [custody_state::HELD, custody_state::FULL, custody_state::EVICTED, custody_state::NO_CARRIER];
    for envelope in [id, EnvelopeId([5; 32])] {
        states.into_iter().for_each(|state| alice.hand(to_mallory, said(envelope, state)));
    }
    assert_eq!(alice.drops("claim about an envelope that it was not given"), 8);
    let carried = |notice: &Notice| matches!(notice, Notice::State { state: Delivery::Carried, .. });
    assert!(!alice.notices().any(carried));
    assert_eq!(warnings(&alice, WarningCode::CustodyRefused), 0);
    alice.hand(to_pi, said(id, custody_state::HELD));
    assert!(alice.notices().any(carried));
}

#[test]
fn a_relay_that_drops_mail_is_not_given_it_forever() {
    let mut alice = Victim::new(Accept::Auto);
    let (pi, bob) = (Person::new(1, "pi"), Person::new(3, "bob"));
    was_here(&mut alice, &bob);
    let to_pi = alice.meet_relay(&pi);
    alice.command(Command::Say { to: bob.user_id(), text: "for bob".to_owned() });
    for state in [custody_state::EVICTED, custody_state::FULL, custody_state::NO_CARRIER] {
        for _ in 0..500 {
            let Some(id) = parcels(&alice, to_pi).into_iter().next_back() else {
                panic!("the relay is given the line")
            };
            alice.hand(to_pi, said(id, custody_state::HELD));
            alice.hand(to_pi, said(id, state));
            alice.hand(to_pi, Chat::Ask(Ask { envelopes: List(vec![id]) }));
        }
        alice.pass(HANDOVER_FULL);
    }
    let sent = parcels(&alice, to_pi).len();
    assert!(sent < 12, "{sent} times");
    assert_eq!(warnings(&alice, WarningCode::CustodyRefused), 1, "the author is warned once");
}

#[test]
fn repeated_requests_for_everything_are_bounded_by_the_window() {
    let Setup { mut relay, mallory, bob } = setup();
    let giver = relay.meet(&mallory);
    let ids: Vec<EnvelopeId> = (0..200)
        .map(|n| {
            let envelope = dud(bob.user_id(), n);
            let id = envelope_id(&envelope);
            relay.hand(giver, fresh(envelope));
            id
        })
        .collect();
    let greedy = relay.meet_relay(&Person::new(3, "greedy"));
    let ask = Chat::Ask(Ask { envelopes: List(ids) });
    (0..100).for_each(|_| relay.hand(greedy, ask.clone()));
    assert_eq!(parcels(&relay, greedy).len(), HANDOVER_WINDOW);
    for _ in 0..10 {
        for id in parcels(&relay, greedy) {
            relay.hand(greedy, said(id, custody_state::NO_CARRIER));
        }
        relay.hand(greedy, ask.clone());
    }
    assert_eq!(parcels(&relay, greedy).len(), 200, "each was sent once");
}

#[test]
fn offers_of_unknown_envelopes_cause_a_bounded_number_of_requests_per_connection() {
    let Setup { mut relay, mallory, .. } = setup();
    let conn = relay.meet(&mallory);
    for page in 0..1_000u32 {
        let id = |n: usize| EnvelopeId(Sha256::digest([&page.to_be_bytes()[..], &n.to_be_bytes()].concat()).into());
        relay.hand(conn, Chat::Offer(Offer { envelopes: List((0..MAX_OFFERED).map(id).collect()) }));
    }
    let asked = |item: &Chat| if let Chat::Ask(ask) = item { ask.envelopes.len() } else { 0 };
    assert_eq!(relay.items(conn).into_iter().map(asked).sum::<usize>(), MAX_OFFERED_AT_ONCE);
    assert_eq!(relay.drops("offer beyond the bound of a meeting"), 1_000 - (MAX_OFFERED_AT_ONCE / MAX_OFFERED) as u64);
    let client = Victim::new(Accept::Auto);
    assert!(client.items(conn).is_empty());
}

#[test]
fn a_third_party_cannot_stop_delivery_by_claiming_an_envelope_is_unopenable() {
    let Setup { mut relay, mallory, bob } = setup();
    let [eve, carol] = [(3, "eve"), (4, "carol")].map(|(n, name)| Person::new(n, name));
    let (giver, liar) = (relay.meet(&carol), relay.meet(&mallory));
    let letter = carol.seal(bob.user_id(), &bob.prekey.public(), vec![text(5, "hello")]);
    relay.hand(giver, fresh(letter.bytes.clone()));
    // Rosters and key cards are public: these are bob's own.
    relay.hand(liar, unopenable(letter.id, &bob, 1));
    assert_eq!(relay.drops("claim about an envelope that it was not given"), 1);
    let taker = relay.meet_relay(&eve);
    relay.hand(taker, Chat::Ask(Ask { envelopes: List(vec![letter.id]) }));
    assert_eq!(parcels(&relay, taker), [letter.id]);
    relay.hand(taker, unopenable(letter.id, &mallory, 1));
    assert_eq!(relay.drops("claim about somebody else's envelope"), 1);
    relay.hand(taker, unopenable(letter.id, &bob, 1));
    let to_bob = relay.meet(&bob);
    assert_eq!(parcels(&relay, to_bob), [letter.id], "it is still offered to bob");
    relay.hand(to_bob, unopenable(letter.id, &bob, 2));
    relay.hand(to_bob, Chat::Ask(Ask { envelopes: List(vec![letter.id]) }));
    assert_eq!(parcels(&relay, to_bob).len(), 1, "not again once he himself says so");
}

#[test]
fn unopenable_answers_are_accepted_and_passed_back_within_a_budget() {
    let Setup { mut relay, mallory, bob } = setup();
    let giver = relay.meet(&mallory);
    let envelope = dud(bob.user_id(), 1);
    let id = envelope_id(&envelope);
    relay.hand(giver, fresh(envelope));
    let to_bob = relay.meet(&bob);
    (0..1_000).for_each(|seq| relay.hand(to_bob, unopenable(id, &bob, seq)));
    let back = |item: &&Chat| matches!(item, Chat::Unopenable(_));
    let passed = relay.items(giver).into_iter().filter(back).count();
    let written = relay.ops.iter().filter(|op| matches!(op, Op::Custody(_))).count();
    assert!((1..=64).contains(&passed) && written <= 65, "{passed} passed, {written} written");
    relay.hand(giver, Chat::Offer(Offer { envelopes: List(vec![id; 200]) }));
    assert!(relay.drops("unopenable over the budget of its neighbour") > 900);
}

/// A friend who was connected before, and to whom nothing is owed.
fn was_here(alice: &mut Victim, friend: &Person) {
    let conn = alice.befriend(friend);
    let epoch = |op: &Op| if let Op::Typed(row) = op { Some(row.id.stream.epoch) } else { None };
    let epoch = alice.ops.iter().find_map(epoch).expect("a link is told");
    let prekey = alice.prekey();
    alice.hand(conn, friend.parcel(alice.user, &prekey, vec![receipt(alice.session, epoch)]));
    alice.part(conn);
}

/// Alice's message to bob, who is absent, held by a relay.
fn line_at_a_relay(bob: &Person) -> (Victim, ConnId) {
    let mut alice = Victim::new(Accept::Auto);
    was_here(&mut alice, bob);
    let to_pi = alice.meet_relay(&Person::new(1, "pi"));
    alice.command(Command::Say { to: bob.user_id(), text: "for bob".to_owned() });
    let id = parcels(&alice, to_pi)[0];
    alice.hand(to_pi, said(id, custody_state::HELD));
    (alice, to_pi)
}

#[test]
fn an_author_seals_again_to_a_newer_key_even_if_it_knew_the_key_already() {
    let bob = Person::new(2, "bob");
    let (mut alice, to_pi) = line_at_a_relay(&bob);
    let id = parcels(&alice, to_pi)[0];
    alice.hand(to_pi, unopenable(id, &bob, 5));
    assert_eq!(parcels(&alice, to_pi).len(), 1, "it is sealed to that very key");
    assert_eq!(alice.drops("envelope that a known key should open"), 1);
    let newer = rotated(&bob, 77);
    alice.say(to_pi, known_list(bob.user_id(), None, vec![], vec![newer.card(9)]));
    alice.hand(to_pi, unopenable(id, &newer, 9));
    let sealed = parcels(&alice, to_pi);
    assert_eq!(sealed.len(), 2);
    for old in [id, id, EnvelopeId([9; 32])] {
        alice.hand(to_pi, unopenable(old, &newer, 9));
        alice.hand(to_pi, unopenable(sealed[1], &bob, 5));
    }
    assert_eq!(parcels(&alice, to_pi).len(), 2, "a stale card and a replay change nothing");
}

#[test]
fn an_author_seals_again_a_bounded_number_of_times() {
    let bob = Person::new(2, "bob");
    let (mut alice, to_pi) = line_at_a_relay(&bob);
    for n in 0..300 {
        let Some(id) = parcels(&alice, to_pi).into_iter().next_back() else { break };
        alice.hand(to_pi, said(id, custody_state::HELD));
        alice.hand(to_pi, unopenable(id, &rotated(&bob, 1_000 + n), 100 + u64::from(n)));
    }
    let sealed = parcels(&alice, to_pi).len();
    assert!((2..=66).contains(&sealed), "{sealed} envelopes were sealed");
    let waits = alice.held().into_values().filter(|row| !row.bytes.is_empty()).count();
    assert_eq!(waits, 1, "the message is in one envelope, whatever was answered");
}

#[test]
fn sealed_garbage_is_answered_without_blocking_and_is_not_blamed_on_its_carrier() {
    let mut alice = Victim::new(Accept::Auto);
    let [pi, mallory, bob] = [(1, "pi"), (2, "mallory"), (3, "bob")].map(|(n, name)| Person::new(n, name));
    was_here(&mut alice, &bob);
    let prekey: Prekey = alice.prekey();
    let carrier = alice.meet_relay(&pi);
    let bundle = mallory.bundle(alice.user, vec![text(5, "hello")]);
    let mut unsigned = bundle.clone();
    (unsigned.user, unsigned.session, unsigned.roster) = (bob.user_id(), bob.session_id(), None);
    let mut of_nobody = bundle.clone();
    (of_nobody.roster, of_nobody.card) = (None, None);
    let mut broken = seal_raw(&mallory.network, alice.user, &prekey, &bundle, true);
    *broken.last_mut().unwrap() ^= 1;
    let junk = [
        broken,
        seal_raw(&mallory.network, alice.user, &prekey, &bundle, false),
        seal_raw(&mallory.network, alice.user, &prekey, &unsigned, true),
        seal_raw(&mallory.network, alice.user, &prekey, &of_nobody, true),
    ];
    for envelope in junk {
        alice.hand(carrier, fresh(envelope));
    }
    let answered = alice.items(carrier).len();
    assert_eq!(answered, 4, "{:?}", alice.items(carrier));
    let duds = 2 * MAX_HANDED_BACK;
    (0..duds).for_each(|n| alice.hand(carrier, fresh(dud(alice.user, n))));
    assert_eq!(alice.items(carrier).len() - answered, duds as usize, "each is answered, briefly");
    let long = alice.items(carrier).into_iter().filter(|item| matches!(item, Chat::Unopenable(_))).count();
    assert_eq!(long, MAX_HANDED_BACK as usize);
    alice.hand(carrier, bob.parcel(alice.user, &prekey, vec![text(6, "in spite of it all")]));
    assert_eq!(alice.shown(), [(bob.user_id(), "in spite of it all".to_owned())]);
    assert_eq!(alice.closed(carrier), None);
}

#[test]
fn a_thousand_declined_or_ignored_envelopes_do_not_block_the_next() {
    let Setup { mut relay, mallory, bob } = setup();
    let carol = Person::new(3, "carol");
    let giver = relay.meet(&mallory);
    (0..400).for_each(|n| relay.hand(giver, fresh(dud(bob.user_id(), n))));
    let letter = carol.seal(bob.user_id(), &bob.prekey.public(), vec![text(5, "hello")]);
    let honest = relay.meet(&carol);
    relay.hand(honest, fresh(letter.bytes.clone()));
    let to_bob = relay.meet(&bob);
    let mut answered = 0;
    while !parcels(&relay, to_bob).contains(&letter.id) {
        let sent = parcels(&relay, to_bob);
        assert!(sent.len() > answered, "nothing more was sent");
        // Some of it he does not answer at all.
        for id in sent[answered..].iter().filter(|id| id.0[0] > 16) {
            relay.hand(to_bob, said(*id, custody_state::NO_CARRIER));
        }
        answered = sent.len();
    }
    let sent = parcels(&relay, to_bob).len();
    relay.pass(HANDOVER_FULL + Duration::from_secs(1));
    assert!(parcels(&relay, to_bob).len() > sent, "declined envelopes are offered once more later");
    relay.hand(to_bob, release(letter.id, letter.r));
    assert!(!relay.held().contains_key(&letter.id));
}

#[test]
fn a_replayed_old_envelope_is_neither_carried_nor_shown_again() {
    let mut alice = Victim::new(Accept::Auto);
    let (bob, pi) = (Person::new(2, "bob"), Person::new(1, "pi"));
    let to_bob = alice.befriend(&bob);
    let letter = fresh(bob.seal(alice.user, &alice.prekey(), vec![text(5, "once")]).bytes);
    alice.part(to_bob);
    let carrier = alice.meet_relay(&pi);
    alice.hand(carrier, letter.clone());
    for _ in 0..3 {
        alice.pass(9 * DAY);
        alice.hand(carrier, letter.clone());
    }
    assert_eq!(alice.shown().len(), 1);
    let opened = alice.items(carrier).into_iter().filter(|item| matches!(item, Chat::Release(_))).count();
    assert_eq!(opened, 4);
    alice.pass(9 * DAY);
    alice.hand(carrier, letter);
    assert_eq!(alice.drops("envelope to an old key"), 1, "the key is gone after 29 days");
}

#[test]
fn receipts_owed_to_strangers_leave_space_for_own_messages() {
    let mut alice = Victim::new(Accept::Auto);
    let carrier = alice.meet_relay(&Person::new(1, "pi"));
    let prekey = alice.prekey();
    let authors: Vec<Person> = (0..40).map(|n| Person::new(100 + n, "sybil")).collect();
    // Otherwise most of what they write would be held back.
    authors.iter().for_each(|author| alice.command(Command::Verify { user: author.user_id().to_string() }));
    for round in 1..=5 {
        for author in &authors {
            alice.hand(carrier, fresh(author.seal(alice.user, &prekey, vec![text(round, "hello")]).bytes));
        }
        alice.pass(Duration::from_secs(1));
    }
    let receipts = alice.held().into_values().filter(|row| !row.bytes.is_empty());
    let (count, bytes) = receipts.fold((0, 0), |(count, bytes), row| (count + 1, bytes + row.bytes.len()));
    assert_eq!(count, authors.len(), "one to each, the last");
    assert!(bytes < MAX_OWN_RECEIPTS);
}

#[test]
fn relays_that_drop_mail_do_not_keep_it_from_a_configured_relay() {
    let (mut alice, bob, pi) = (Victim::new(Accept::Auto), Person::new(2, "bob"), Person::new(1, "pi"));
    was_here(&mut alice, &bob);
    let to_pi = alice.meet_relay(&pi);
    alice.command(Command::Add { user: pi.user_id().to_string() });
    let prekey = alice.prekey();
    alice.hand(to_pi, pi.parcel(alice.user, &prekey, vec![linked(1)]));
    alice.part(to_pi);
    let liars: Vec<ConnId> = (0..4).map(|n| alice.meet_relay(&Person::new(100 + n, "liar"))).collect();
    alice.command(Command::Say { to: bob.user_id(), text: "for bob".to_owned() });
    let id = alice.held().into_values().find(|row| row.address == Address::from(bob.user_id())).unwrap().envelope;
    for liar in liars {
        alice.hand(liar, Chat::Ask(Ask { envelopes: List(vec![id]) }));
        alice.hand(liar, said(id, custody_state::HELD));
    }
    let to_pi = alice.meet_relay(&pi);
    let offered = |item: &&Chat| matches!(item, Chat::Offer(offer) if offer.envelopes.contains(&id));
    assert!(alice.items(to_pi).iter().any(offered));
    alice.hand(to_pi, Chat::Ask(Ask { envelopes: List(vec![id]) }));
    assert!(parcels(&alice, to_pi).contains(&id));
}

/// Like [`dud`], with the maximum length.
fn long_dud(to: UserId, number: u32) -> Vec<u8> {
    let sealed = Bytes([vec![0; 21_516], number.to_be_bytes().to_vec()].concat());
    encode(&Envelope { address: Address::from(to), lock: Fixed([0; 32]), wraps: List(vec![]), sealed })
}

#[test]
fn a_thousand_sybils_evict_each_other_but_no_mail_of_members_or_modest_strangers() {
    let Setup { mut relay, bob, .. } = setup();
    let (carol, dave) = (Person::new(3, "carol"), Person::new(4, "dave"));
    let [member, modest] = [relay.befriend(&carol), relay.meet(&dave)];
    (0..50).for_each(|n| relay.hand(member, fresh(long_dud(bob.user_id(), n))));
    relay.hand(modest, fresh(dud(bob.user_id(), 1)));
    relay.keeps = false;
    let mut number = 1_000;
    for sybil in 0..1_000 {
        let conn = relay.meet(&Person::new(1_000 + sybil, "sybil"));
        for _ in 0..3 {
            number += 1;
            relay.hand(conn, fresh(long_dud(bob.user_id(), number)));
        }
    }
    relay.keeps = true;
    let evicted = relay.drops("envelope of a stranger that made room for others");
    assert!(evicted > 2_000, "{evicted}");
    // Whether an envelope is still held shows in the answer to a copy of it.
    let told = relay.states(member).len();
    (0..50).for_each(|n| {
        relay.hand(member, Chat::Offer(Offer { envelopes: List(vec![id_of(&fresh(long_dud(bob.user_id(), n)))]) }))
    });
    assert_eq!(relay.states(member)[told..], [custody_state::HELD; 50]);
    relay.hand(modest, Chat::Offer(Offer { envelopes: List(vec![envelope_id(&dud(bob.user_id(), 1))]) }));
    assert_eq!(relay.states(modest), [custody_state::HELD; 2]);
    relay.hand(modest, fresh(long_dud(bob.user_id(), 900)));
    assert_eq!(relay.states(modest).last(), Some(&custody_state::HELD), "there is space for a modest depositor");
}
