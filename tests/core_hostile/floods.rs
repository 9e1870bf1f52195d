//! Excessive amounts of valid messages.

use std::time::Duration;

use darknode::proto::Accept;
use darknode::proto::event::CloseReason;
use darknode::proto::limits::{
    ADDRESS_NEWCOMERS_REFILL, HANDOVER_WINDOW, HELLO_DEADLINE, MAX_AUTO_LINKS, MAX_EARLY, MAX_NEIGHBOURS,
};
use darknode::proto::persist::Op;
use darknode::wire::chat::{Chat, custody_state};
use darknode::wire::control::Control;
use darknode::wire::envelope::MAX_ENVELOPE;
use darknode::wire::record::{link_state, roles};

use crate::adversary::{Person, content, known_list, linked, receipt, text};
use crate::victim::{Victim, memory};

/// The memory, in bytes, that four hundred more rounds of an attack leave allocated, after a warm-up.
fn left_behind(alice: &mut Victim, mut round: impl FnMut(&mut Victim, u32)) -> isize {
    alice.keeps = false;
    (0..200).for_each(|n| round(alice, n));
    let before = memory();
    (200..600).for_each(|n| round(alice, n));
    memory() - before
}

fn leave(alice: &mut Victim, conn: darknode::id::ConnId) {
    alice.feed(darknode::proto::event::Input::Closed { conn, reason: None });
}

#[test]
fn strangers_who_connect_and_leave_use_no_lasting_memory() {
    let mut alice = Victim::new(Accept::Auto);
    let left = left_behind(&mut alice, |alice, n| {
        let conn = alice.meet(&Person::new(n, "mallory"));
        leave(alice, conn);
    });
    assert!(left < 32 * 1024, "{left} bytes");
}

#[test]
fn one_session_that_presents_ever_new_users_uses_no_lasting_memory() {
    let mut alice = Victim::new(Accept::Auto);
    let session = Person::new(1_000_000, "mallory").session;
    let left = left_behind(&mut alice, |alice, n| {
        let conn = alice.meet(&Person { session: session.clone(), ..Person::new(n, "mallory") });
        let second = alice.meet(&Person { session: session.clone(), ..Person::new(n + 10_000, "mallory") });
        leave(alice, conn);
        leave(alice, second);
    });
    assert!(left < 32 * 1024, "{left} bytes");
}

#[test]
fn strangers_with_a_pinned_name_cause_a_bounded_number_of_warnings() {
    let mut alice = Victim::new(Accept::Auto);
    let bob = Person::new(1_000_000, "bob");
    alice.befriend(&bob);
    let left = left_behind(&mut alice, |alice, n| {
        let conn = alice.meet(&Person::new(n, "bob"));
        leave(alice, conn);
    });
    assert!(left < 32 * 1024, "{left} bytes");
}

#[test]
fn authors_of_empty_envelopes_use_no_lasting_memory() {
    let mut alice = Victim::new(Accept::Auto);
    let mallory = Person::new(1_000_000, "mallory");
    let conn = alice.meet(&mallory);
    let prekey = alice.prekey();
    let left = left_behind(&mut alice, |alice, n| {
        let author = Person::new(n, "nobody");
        alice.hand(conn, author.parcel(alice.user, &prekey, vec![content(3, 0, 0, vec![])]));
    });
    assert!(left < 32 * 1024, "{left} bytes");
}

#[test]
fn receipts_for_unknown_streams_use_no_lasting_memory() {
    let mut alice = Victim::new(Accept::Auto);
    let mallory = Person::new(1_000_000, "mallory");
    let conn = alice.befriend(&mallory);
    let prekey = alice.prekey();
    let left = left_behind(&mut alice, |alice, n| {
        let mut numbered = receipt(alice.session, u64::from(n) + 7);
        numbered.n = u64::from(n);
        alice.hand(conn, mallory.parcel(alice.user, &prekey, vec![numbered]));
    });
    assert!(left < 32 * 1024, "{left} bytes");
}

#[test]
fn a_stream_full_of_gaps_is_stored_in_bounded_space() {
    let mut alice = Victim::new(Accept::Auto);
    let mallory = Person::new(1, "mallory");
    let conn = alice.befriend(&mallory);
    let prekey = alice.prekey();
    for n in 0..40 {
        let gaps = (0..100).map(|m| text(2 * (100 * n + m) + 1, "")).collect();
        alice.hand(conn, mallory.parcel(alice.user, &prekey, gaps));
    }
    let pieces = |op: &Op| match op {
        Op::Seen { ranges, .. } => ranges.pieces(),
        _ => 0,
    };
    let most = alice.ops.iter().map(pieces).max();
    assert!(most.is_some_and(|most| (100..=512).contains(&most)), "{most:?}");
    assert!(alice.drops("content beyond the bounds of its stream") > 0);
    let filler = (1..1000).map(|n| text(n, "")).take(200).collect();
    let before = alice.shown().len();
    alice.hand(conn, mallory.parcel(alice.user, &prekey, filler));
    assert!(alice.shown().len() > before, "a message that fills a gap is still accepted");
}

#[test]
fn an_envelope_of_many_epochs_is_answered_by_few_receipts() {
    let mut alice = Victim::new(Accept::Auto);
    let mallory = Person::new(1, "mallory");
    let conn = alice.meet(&mallory);
    let prekey = alice.prekey();
    let epochs = (0..300).map(|epoch| content(1, epoch, 1, vec![b'x'])).collect();
    let before = alice.parcels(conn).len();
    alice.hand(conn, mallory.parcel(alice.user, &prekey, epochs));
    let receipts = alice.parcels(conn).len() - before;
    assert!(receipts <= 2, "{receipts} envelopes");
}

#[test]
fn silent_connections_do_not_keep_friends_out() {
    let mut alice = Victim::new(Accept::Auto);
    let bob = Person::new(1_000_000, "bob");
    let first = alice.befriend(&bob);
    leave(&mut alice, first);
    for n in 0..2 * MAX_NEIGHBOURS as u32 {
        alice.connect(Person::new(n, "mallory").session_id());
    }
    let again = alice.meet(&bob);
    assert_eq!(alice.closed(again), None);
    assert!(alice.users().iter().any(|user| user.id == bob.user_id() && user.online));
    alice.pass(HELLO_DEADLINE + Duration::from_secs(1));
    let limits = |out: &&darknode::proto::event::Output| {
        matches!(out, darknode::proto::event::Output::Close { reason: CloseReason::Limits, .. })
    };
    assert!(
        alice.out.iter().filter(limits).count() >= MAX_NEIGHBOURS - 2,
        "silent connections are closed at the deadline"
    );
}

#[test]
fn one_session_has_a_bounded_number_of_connections() {
    let mut alice = Victim::new(Accept::Auto);
    let mallory = Person::new(1, "mallory");
    let conns: Vec<_> = (0..100).map(|_| alice.meet(&mallory)).collect();
    let open = conns.iter().filter(|conn| alice.closed(**conn).is_none()).count();
    assert!((1..=8).contains(&open), "{open} are open");
}

#[test]
fn automatically_accepted_links_are_bounded_and_a_newcomer_is_accepted_all_the_same() {
    let mut alice = Victim::new(Accept::Auto);
    let mallory = Person::new(1_000_000, "mallory");
    let conn = alice.meet(&mallory);
    let prekey = alice.prekey();
    let is_linked = |alice: &mut Victim, id| {
        let users = alice.users();
        (users.iter().filter(|user| user.distance == Some(1)).count(), users.iter().any(|user| user.id == id))
    };
    for n in 0..300 {
        let stranger = Person::new(n, "stranger");
        alice.hand(conn, stranger.parcel(alice.user, &prekey, vec![linked(1)]));
        alice.pass(ADDRESS_NEWCOMERS_REFILL);
        let (links, is_among) = is_linked(&mut alice, stranger.user_id());
        assert!(links <= MAX_AUTO_LINKS && is_among, "{links} links, number {n} accepted: {is_among}");
    }
    assert!(!is_linked(&mut alice, Person::new(0, "stranger").user_id()).1, "whoever waited longest made room");
}

#[test]
fn repeated_link_lists_change_nothing() {
    let mut alice = Victim::new(Accept::Auto);
    let mallory = Person::new(1, "mallory");
    let conn = alice.befriend(&mallory);
    let list = mallory.link_list(alice.user, link_state::LINKED, 1);
    alice.say(conn, known_list(mallory.user_id(), None, vec![list.clone()], vec![]));
    let (ops, out) = (alice.ops.len(), alice.out.len());
    for _ in 0..100 {
        let list = list.clone();
        alice.say(conn, known_list(mallory.user_id(), None, vec![list; 3], vec![]));
    }
    assert_eq!((alice.ops.len(), alice.out.len()), (ops, out));
}

#[test]
fn a_user_who_signs_many_rosters_keeps_only_the_sessions_of_the_last_one() {
    let mut alice = Victim::new(Accept::Auto);
    let mallory = Person::new(1, "mallory");
    let conn = alice.meet(&mallory);
    for version in 2..12 {
        let sessions: Vec<Person> = (0..15)
            .map(|n| Person { user: mallory.user.clone(), ..Person::new(1000 * version + n, "mallory") })
            .collect();
        let ids: Vec<_> = sessions.iter().map(Person::session_id).chain([mallory.session_id()]).collect();
        let roster = mallory.roster_of(version.into(), &ids, &[]);
        let cards = sessions.iter().map(|session| session.card(1)).collect();
        alice.say(conn, known_list(mallory.user_id(), Some(roster), vec![], cards));
    }
    let users = alice.users();
    assert_eq!(users.iter().find(|user| user.id == mallory.user_id()).map(|user| user.sessions.len()), Some(16));
    assert!(alice.items(conn).iter().all(|item| !matches!(item, Chat::Unopenable(_))));
}

#[test]
fn envelopes_before_the_hello_share_one_bound_and_a_modest_peer_is_still_served() {
    let mut relay = Victim::with_roles(Accept::Auto, roles::RELAY);
    let (mallory, bob) = (Person::new(1, "mallory"), Person::new(2, "bob"));
    let letter = |n: u64, size| mallory.parcel(bob.user_id(), &bob.prekey.public(), vec![text(n, &"x".repeat(size))]);
    let (long, short) = (letter(1, 15_000), letter(2, 5));
    let before = memory();
    let silent: Vec<_> = (0..200).map(|n| relay.connect(Person::new(1_000 + n, "silent").session_id())).collect();
    for conn in &silent {
        (0..2 * HANDOVER_WINDOW).for_each(|_| relay.hand(*conn, long.clone()));
    }
    let grown = memory() - before;
    assert!(grown < 2 * (MAX_EARLY * MAX_ENVELOPE) as isize, "{grown} bytes");
    let dropped = (silent.len() * 2 * HANDOVER_WINDOW - MAX_EARLY) as u64;
    assert_eq!(relay.drops("chat item before the hello"), dropped);
    // The streams of a correct author may arrive in either order.
    let conn = relay.connect(mallory.session_id());
    relay.hand(conn, short);
    relay.say(conn, Control::Hello(mallory.hello()));
    assert_eq!((relay.states(conn), relay.held().len()), (vec![custody_state::HELD], 1));
    silent.into_iter().for_each(|conn| leave(&mut relay, conn));
    let left = memory() - before;
    assert!(left < 512 * 1024, "{left} bytes");
    let again = relay.connect(Person::new(3, "silent").session_id());
    (0..HANDOVER_WINDOW).for_each(|_| relay.hand(again, long.clone()));
    assert_eq!(relay.drops("chat item before the hello"), dropped + 1, "there is space again");
}
