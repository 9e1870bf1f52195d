//! Misbehaving relays: false or excessive announcements, queries and answers, and false claims to be a relay.

use std::time::Duration;

use darknode::id::{ConnId, NetworkId, UserId};
use darknode::identity::Domain;
use darknode::proto::Accept;
use darknode::proto::limits::{
    ANNOUNCE_PAUSE, ANNOUNCED_AT_ONCE, ANNOUNCEMENT_BURST, MAX_ANNOUNCED_PER_NEIGHBOUR, MAX_RELAYED_QUERIES_PER_RELAY,
    RELAYED_BURST,
};
use darknode::proto::notice::{Notice, Via};
use darknode::wire::control::{
    Control, DeliverKnownList, Digest, Find, KnownDeclaration, KnownUser, RequestPing, SessionSummary, ShortId,
    UserSummary,
};
use darknode::wire::record::roles;
use darknode::wire::{Fixed, List, Text};

use crate::adversary::Person;
use crate::victim::{Victim, memory};

pub fn short(id: &[u8; 32]) -> ShortId {
    Fixed(id[..8].try_into().unwrap())
}

fn relay() -> Victim {
    Victim::with_roles(Accept::Auto, roles::RELAY)
}

pub fn announce(users: impl IntoIterator<Item = ShortId>, distance: u8) -> Control {
    let mark = |user| UserSummary { user, version: None, sessions: List(Vec::new()), distance: Some(distance) };
    Control::Digest(Digest { users: List(users.into_iter().map(mark).collect()) })
}

fn nobody(n: u64) -> ShortId {
    Fixed(n.to_be_bytes())
}

/// A ping request of `asker`, as forwarded by a relay.
fn asks(asker: &Person, target: UserId, id: u64) -> RequestPing {
    let parts: [&[u8]; 2] = [&id.to_be_bytes(), &target.0];
    let signature = Some(Fixed(asker.session.sign(Domain::RequestPing, &NetworkId::OPEN, &parts)));
    let (declaration, roster) = (asker.declaration(2, true, &[]), Some(asker.roster()));
    RequestPing { id, target, declaration, roster, hops: 9, observed: None, signature }
}

/// A person's own declaration, as an answer.
fn answer(person: &Person, id: u64, seq: u64) -> Control {
    let declaration = person.declaration(seq, true, &["192.0.2.9:27272".parse().unwrap()]);
    let said = KnownDeclaration { declaration, age_ms: 0, observed: None, live: Some(true) };
    let known = KnownUser {
        user: person.user_id(),
        roster: Some(person.roster()),
        links: List(Vec::new()),
        cards: List(Vec::new()),
        declarations: List(vec![said]),
        card_ages: List(Vec::new()),
    };
    Control::DeliverKnownList(DeliverKnownList { id, users: List(vec![known]), complete: false, more: false })
}

fn queries(victim: &Victim, conn: ConnId) -> Vec<&RequestPing> {
    let said = victim.said(conn).into_iter();
    said.filter_map(|message| if let Control::RequestPing(request) = message { Some(request) } else { None }).collect()
}

/// Whether a connection was sent a declaration or presence claim about a person.
fn was_informed_about(victim: &Victim, conn: ConnId, person: &Person) -> bool {
    let tells = |message: &&Control| match message {
        Control::DeliverKnownList(list) => {
            list.users.iter().any(|known| known.user == person.user_id() && !known.declarations.is_empty())
        }
        Control::Digest(digest) => digest.users.iter().any(|mark| {
            mark.user == short(&person.user_id().0) && mark.sessions.iter().any(|session| session.seq.is_some())
        }),
        Control::DeclareOnline(_) => true,
        _ => false,
    };
    victim.said(conn).iter().any(tells)
}

#[test]
fn announcements_of_a_million_users_are_stored_up_to_the_limit_per_relay() {
    let mut relay = relay();
    let conn = relay.meet_relay(&Person::new(1, "mallory"));
    relay.keeps = false;
    let flood = |relay: &mut Victim, from: u64, to: u64| {
        (from..to).for_each(|n| relay.say(conn, announce((0..100).map(|m| nobody(n * 100 + m)), 1)));
    };
    flood(&mut relay, 0, 100);
    let before = memory();
    flood(&mut relay, 100, 10_000);
    assert!(memory() - before < 64 * 1024, "{} bytes", memory() - before);
    let most = MAX_ANNOUNCED_PER_NEIGHBOUR as u64;
    assert_eq!(relay.drops("announcement of one user too many"), u64::from(ANNOUNCEMENT_BURST) - most);
    assert_eq!(
        relay.drops("announcement over the budget of its relay"),
        1_000_000 - u64::from(ANNOUNCEMENT_BURST),
        "the rest is not processed"
    );
}

#[test]
fn announced_sessions_count_towards_the_limits_of_their_relay() {
    let mut relay = relay();
    let conn = relay.meet_relay(&Person::new(1, "mallory"));
    for user in 0..1_000 {
        let session = |n: u64| SessionSummary { distance: Some(1), ..SessionSummary::bare(nobody(user << 8 | n)) };
        let sessions = List((0..16).map(session).collect());
        let mark = UserSummary { user: nobody(user), version: None, sessions, distance: None };
        relay.say(conn, Control::Digest(Digest { users: List(vec![mark]) }));
    }
    let most = MAX_ANNOUNCED_PER_NEIGHBOUR as u64;
    assert_eq!(relay.drops("announcement of one user too many"), u64::from(ANNOUNCEMENT_BURST) - most);
    assert_eq!(relay.drops("announcement over the budget of its relay"), 16_000 - u64::from(ANNOUNCEMENT_BURST));
}

#[test]
fn a_fluctuating_distance_is_announced_a_few_times_a_second_at_most() {
    let mut relay = relay();
    let liar = relay.meet_relay(&Person::new(1, "mallory"));
    let honest = relay.meet_relay(&Person::new(2, "carol"));
    relay.pass(Duration::from_secs(1));
    relay.out.clear();
    for turn in 0..1_000u64 {
        relay.say(liar, announce((0..100).map(nobody), (turn % 17) as u8));
        relay.pass(Duration::from_millis(1));
    }
    let digests = relay.said(honest).len();
    assert!(digests <= 1_000 / ANNOUNCE_PAUSE.as_millis() as usize, "{digests} digests in a second");
    let longest = |message: &&Control| matches!(message, Control::Digest(d) if d.users.len() <= ANNOUNCED_AT_ONCE);
    assert!(relay.said(honest).iter().all(longest));
}

#[test]
fn distances_are_exchanged_with_relays_only() {
    let mut relay = relay();
    let (bob, alice) = (Person::new(1, "bob"), Person::new(2, "alice"));
    let client = relay.meet(&bob);
    relay.say(client, announce([nobody(1)], 0));
    assert_eq!(relay.drops("announcement of somebody who is no relay"), 1);
    relay.meet(&alice);
    relay.pass(Duration::from_secs(1));
    assert!(!relay.said(client).iter().any(|message| matches!(message, Control::Digest(_))));

    let mut client = Victim::new(Accept::Auto);
    let liar = client.meet_relay(&Person::new(3, "mallory"));
    client.say(liar, announce([nobody(1)], 0));
    assert_eq!(client.drops("announcement of somebody who is no relay"), 1);
}

#[test]
fn a_claimed_relay_role_reveals_who_is_present_but_no_addresses() {
    let mut relay = relay();
    let bob = Person::new(1, "bob");
    relay.meet(&bob);
    let liar = relay.meet_relay(&Person::new(3, "mallory"));
    relay.pass(Duration::from_secs(1));
    assert!(!was_informed_about(&relay, liar, &bob));
    relay.say(liar, Control::RequestPing(asks(&Person::new(3, "mallory"), bob.user_id(), 7)));
    assert!(!was_informed_about(&relay, liar, &bob), "a query does not help: bob is asked and does not answer");
}

#[test]
fn an_answer_goes_only_to_the_connection_that_brought_the_query() {
    let mut relay = relay();
    let (alice, bob) = (Person::new(1, "alice"), Person::new(2, "bob"));
    let (asker, target) = (relay.meet(&alice), relay.meet(&bob));
    let [liar, other] = [3, 4].map(|n| relay.meet_relay(&Person::new(n, "mallory")));
    relay.say(asker, Control::RequestPing(asks(&alice, bob.user_id(), 7)));
    assert_eq!(queries(&relay, target).len(), 1, "bob is asked once");
    relay.out.clear();
    relay.say(liar, answer(&bob, 7, 9));
    assert!(!was_informed_about(&relay, asker, &bob), "an answer from a peer that was not asked is ignored");
    relay.say(target, answer(&bob, 7, 5));
    assert!(was_informed_about(&relay, asker, &bob));
    assert!(!was_informed_about(&relay, other, &bob) && !was_informed_about(&relay, liar, &bob));
    relay.say(target, answer(&Person::new(5, "dave"), 7, 5));
    assert!(!was_informed_about(&relay, asker, &Person::new(5, "dave")), "bob can answer only for himself");
}

#[test]
fn a_query_in_the_name_of_another_user_is_not_forwarded() {
    let mut relay = relay();
    let (alice, bob) = (Person::new(1, "alice"), Person::new(2, "bob"));
    let target = relay.meet(&bob);
    let liar = relay.meet_relay(&Person::new(3, "mallory"));
    let unsigned = RequestPing { signature: None, ..asks(&alice, bob.user_id(), 7) };
    relay.say(liar, Control::RequestPing(unsigned));
    let elsewhere = RequestPing { target: bob.user_id(), ..asks(&alice, UserId([9; 32]), 8) };
    relay.say(liar, Control::RequestPing(elsewhere));
    assert_eq!(relay.drops("ping request in the name of another"), 2);
    relay.say(liar, Control::RequestPing(asks(&alice, bob.user_id(), 9)));
    assert_eq!(queries(&relay, target).len(), 1, "alice's own query is forwarded");
}

#[test]
fn queries_in_a_loop_end_and_are_counted() {
    let mut relay = relay();
    let (alice, bob) = (Person::new(1, "alice"), Person::new(2, "bob"));
    let [before, behind] = [3, 4].map(|n| relay.meet_relay(&Person::new(n, "relay")));
    relay.say(behind, announce([short(&bob.user_id().0)], 1));
    let question = asks(&alice, bob.user_id(), 7);
    relay.say(before, Control::RequestPing(question.clone()));
    assert_eq!(queries(&relay, behind).iter().map(|request| request.hops).collect::<Vec<_>>(), [8]);
    relay.say(behind, Control::RequestPing(question.clone()));
    relay.say(before, Control::RequestPing(question));
    assert_eq!(relay.drops("ping request seen before"), 1);
    assert_eq!((queries(&relay, behind).len(), queries(&relay, before).len()), (1, 0));

    let find = Find { id: 9, name: Some(Text("zoe".to_owned())), user: None, hops: 255 };
    (0..10).for_each(|_| [before, behind].iter().for_each(|conn| relay.say(*conn, Control::Find(find.clone()))));
    assert_eq!(relay.drops("find seen before, or beyond the bound"), 10, "of the one who did not ask first");
    let passed = |conn| relay.said(conn).iter().filter(|m| matches!(m, Control::Find(_))).count();
    assert_eq!((passed(before), passed(behind)), (0, 1));
}

#[test]
fn a_flood_of_queries_is_charged_to_the_relay_that_sends_it_and_uses_bounded_memory() {
    let mut relay = relay();
    let (bob, liar) = (Person::new(1, "bob"), Person::new(3, "mallory"));
    relay.meet(&bob);
    let flood = relay.meet_relay(&liar);
    relay.keeps = false;
    let asker = Person::new(50, "sybil");
    let say = |relay: &mut Victim, n: u64| {
        let mut target = [7; 32];
        target[..8].copy_from_slice(&n.to_be_bytes());
        relay.say(flood, Control::RequestPing(asks(&asker, UserId(target), n)));
    };
    (0..100).for_each(|n| say(&mut relay, n));
    let before = memory();
    (100..5_000).for_each(|n| say(&mut relay, n));
    assert!(memory() - before < 64 * 1024, "{} bytes", memory() - before);
    assert!(relay.drops("ping request over the budget of its asker") > 0);
    assert!(relay.drops("ping request over the budget of its relay") >= 5_000 - u64::from(RELAYED_BURST));
    relay.keeps = true;
    let alice = Person::new(2, "alice");
    let conn = relay.meet(&alice);
    relay.say(conn, Control::RequestPing(asks(&alice, bob.user_id(), 1)));
    assert_eq!(
        relay.drops("ping request beyond the bound"),
        0,
        "there is room for others: {MAX_RELAYED_QUERIES_PER_RELAY}"
    );
}

#[test]
fn badly_signed_answers_count_against_their_sender_and_are_not_forwarded() {
    let mut relay = relay();
    let (alice, bob) = (Person::new(1, "alice"), Person::new(2, "bob"));
    let asker = relay.meet(&alice);
    let liar = relay.meet_relay(&Person::new(3, "mallory"));
    relay.say(liar, announce([short(&bob.user_id().0)], 0));
    relay.say(asker, Control::RequestPing(asks(&alice, bob.user_id(), 7)));
    relay.say(asker, Control::Find(Find { id: 8, name: Some(Text("bob".to_owned())), user: None, hops: 3 }));
    for id in [7, 8] {
        let Control::DeliverKnownList(mut list) = answer(&bob, id, 5) else { panic!("an answer is a known list") };
        let mut card = bob.card(9);
        card.1 = Fixed([1; 64]);
        list.users.0[0].cards = List(vec![card]);
        relay.say(liar, Control::DeliverKnownList(list));
    }
    assert_eq!(relay.drops("record with a bad signature"), 2);
    assert!(!relay.said(asker).iter().any(|message| matches!(message, Control::DeliverKnownList(_))));
    relay.say(liar, answer(&bob, 7, 5));
    assert!(was_informed_about(&relay, asker, &bob), "valid records are forwarded");
}

/// Alice is linked with bob, who has disconnected, and has asked a relay for him.
fn misses_bob(alice: &mut Victim, bob: &Person) -> ConnId {
    let direct = alice.befriend(bob);
    alice.feed(darknode::proto::event::Input::Closed { conn: direct, reason: None });
    alice.pass(Duration::from_secs(20));
    alice.meet_relay(&Person::new(3, "mallory"))
}

fn shown_online(alice: &Victim, person: &Person) -> bool {
    let of = |notice: &&Notice| match notice {
        Notice::Online { id, .. } | Notice::Offline { id, .. } => *id == person.user_id(),
        _ => false,
    };
    matches!(alice.notices().filter(of).last(), Some(Notice::Online { via: Via::Relayed, .. }))
}

#[test]
fn a_lying_relay_can_only_claim_that_the_requested_user_is_online() {
    let mut alice = Victim::new(Accept::Auto);
    let (bob, dave) = (Person::new(1, "bob"), Person::new(2, "dave"));
    let relay = misses_bob(&mut alice, &bob);
    let asked: Vec<UserId> = queries(&alice, relay).iter().map(|request| request.target).collect();
    assert_eq!(asked, [bob.user_id()], "she asks for the missing friend");
    alice.say(relay, answer(&dave, 1, 9));
    assert!(!shown_online(&alice, &dave), "dave was not asked for");
    alice.say(relay, answer(&bob, 1, 9));
    assert!(shown_online(&alice, &bob), "bob's own declaration, however it was received");
    let mark = SessionSummary { live: Some(false), ..SessionSummary::bare(short(&bob.session_id().0)) };
    let mark = UserSummary { user: short(&bob.user_id().0), version: None, sessions: List(vec![mark]), distance: None };
    alice.say(relay, Control::Digest(Digest { users: List(vec![mark]) }));
    alice.pass(Duration::from_secs(5));
    assert!(!shown_online(&alice, &bob));
}

#[test]
fn the_claim_of_a_relay_about_a_user_it_was_not_asked_for_is_ignored() {
    let mut alice = Victim::new(Accept::Auto);
    let bob = Person::new(1, "bob");
    misses_bob(&mut alice, &bob);
    alice.befriend(&bob);
    alice.pass(Duration::from_secs(1_000));
    alice.out.clear();
    let late = alice.meet_relay(&Person::new(4, "eve"));
    assert!(queries(&alice, late).is_empty(), "bob is here");
    alice.say(late, answer(&bob, 1, 99));
    assert!(!shown_online(&alice, &bob));
    assert!(alice.drops("claim about somebody it is not linked with") > 0);
}

/// Whether a connection was notified that a person's sessions are gone.
fn was_notified_gone(victim: &Victim, conn: ConnId, person: &Person) -> bool {
    let is_gone = |mark: &UserSummary| {
        mark.user == short(&person.user_id().0) && mark.sessions.iter().any(|session| session.live == Some(false))
    };
    victim
        .said(conn)
        .iter()
        .any(|message| matches!(message, Control::Digest(digest) if digest.users.iter().any(is_gone)))
}

#[test]
fn relays_that_only_repeat_each_other_do_not_keep_an_unreachable_user_online() {
    let mut relay = relay();
    let (alice, bob) = (Person::new(1, "alice"), Person::new(2, "bob"));
    let bobs = relay.meet(&bob);
    relay.part(bobs);
    let (asker, other) = (relay.meet(&alice), relay.meet_relay(&Person::new(3, "pi")));
    let near = |distance| announce([short(&bob.user_id().0)], distance);
    relay.say(other, near(0));
    relay.say(asker, Control::RequestPing(asks(&alice, bob.user_id(), 7)));
    relay.say(other, answer(&bob, 7, 5));
    assert!(was_informed_about(&relay, asker, &bob) && !was_notified_gone(&relay, asker, &bob));
    relay.say(other, near(16));
    relay.pass(ANNOUNCE_PAUSE);
    assert!(was_notified_gone(&relay, asker, &bob), "it never withdraws its claim, which it has from us");
    relay.out.clear();
    relay.say(other, near(0));
    assert_eq!(queries(&relay, other).len(), 1, "it is asked again");
    relay.say(other, answer(&bob, 7, 5));
    assert!(was_informed_about(&relay, asker, &bob));
}
