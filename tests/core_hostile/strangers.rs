//! Strangers who write: what is shown and stored of them before the local user answers, and what comes afterwards.

use std::collections::BTreeSet;
use std::time::Duration;

use darknode::id::{ConnId, EnvelopeId, UserId};
use darknode::proto::Accept;
use darknode::proto::event::Command;
use darknode::proto::limits::{
    ADDRESS_LINES_BURST, ADDRESS_NEWCOMERS_REFILL, DISMISSED_LIFE, LOOKUP, MAX_STRANGERS_OF_ADDRESS, REQUESTS_PAUSE,
    STRANGER_LIFE, STRANGER_LINES, STRANGER_TEXT,
};
use darknode::proto::notice::{By, Notice};
use darknode::proto::persist::Op;
use darknode::wire::chat::{Chat, custody_state};
use darknode::wire::content::Content;
use darknode::wire::control::Control;
use darknode::wire::record::link_state;

use crate::adversary::{EPOCH, Person, content, id_of, link, linked, text};
use crate::victim::{Victim, memory};

fn numbered(numbers: std::ops::RangeInclusive<u64>) -> Vec<Content> {
    numbers.map(|n| text(n, &n.to_string())).collect()
}

fn expected(user: UserId, numbers: std::ops::RangeInclusive<u64>) -> Vec<(UserId, String)> {
    numbers.map(|n| (user, n.to_string())).collect()
}

fn releases(alice: &Victim, conn: ConnId) -> usize {
    alice.items(conn).into_iter().filter(|item| matches!(item, Chat::Release(_))).count()
}

/// The numbers of mallory's stream that count as received.
fn received(alice: &Victim) -> u64 {
    let seen = |op: &Op| if let Op::Seen { ranges, .. } = op { Some(ranges.count()) } else { None };
    alice.ops.iter().filter_map(seen).next_back().unwrap_or(0)
}

fn asked(alice: &Victim) -> usize {
    alice.notices().filter(|notice| matches!(notice, Notice::Asked { .. })).count()
}

/// The last list of requests: names, lines and bytes.
fn requests(alice: &Victim) -> Option<Vec<(String, u64, u64)>> {
    let users = alice.notices().filter_map(|notice| match notice {
        Notice::Requests { users, .. } => Some(users.clone()),
        _ => None,
    });
    users.last().map(|users| users.into_iter().map(|user| (user.user, user.lines, user.bytes)).collect())
}

fn add(alice: &mut Victim, person: &Person) {
    alice.command(Command::Add { user: person.user_id().to_string() });
}

#[test]
fn of_a_stranger_a_few_lines_are_taken_and_the_rest_comes_in_order_after_an_answer() {
    let (mut alice, mallory) = (Victim::new(Accept::Auto), Person::new(1, "mallory"));
    let conn = alice.meet(&mallory);
    let envelope = mallory.parcel(alice.user, &alice.prekey(), numbered(1..=20));
    let few = u64::from(STRANGER_LINES);
    for _ in 0..3 {
        alice.hand(conn, envelope.clone());
        assert_eq!(alice.shown(), expected(mallory.user_id(), 1..=few));
        assert_eq!((received(&alice), releases(&alice, conn)), (few, 0), "the author keeps what is held back");
    }
    assert_eq!(requests(&alice), Some(vec![("mallory".to_owned(), 15, 26)]), "counted once");
    add(&mut alice, &mallory);
    alice.hand(conn, envelope);
    assert_eq!(alice.shown(), expected(mallory.user_id(), 1..=20));
    assert_eq!((received(&alice), releases(&alice, conn)), (20, 1));
    alice.command(Command::Requests);
    assert_eq!(requests(&alice), Some(Vec::new()));
}

#[test]
fn a_strangers_text_and_contents_of_other_kinds_are_bounded_in_bytes_too() {
    let (mut alice, mallory) = (Victim::new(Accept::Auto), Person::new(1, "mallory"));
    let conn = alice.meet(&mallory);
    let prekey = alice.prekey();
    let most = STRANGER_TEXT as usize;
    let contents = vec![text(1, &"x".repeat(most + 1)), content(99, EPOCH, 2, vec![7; most - 1]), text(3, "yy")];
    alice.hand(conn, mallory.parcel(alice.user, &prekey, contents));
    assert!(alice.shown().is_empty());
    alice.hand(conn, mallory.parcel(alice.user, &prekey, vec![text(4, "z")]));
    assert_eq!(alice.shown(), [(mallory.user_id(), "z".to_owned())]);
}

#[test]
fn verifying_a_stranger_or_talking_to_them_lets_the_rest_come() {
    for answer in [0, 1, 2] {
        let (mut alice, mallory) = (Victim::new(Accept::Auto), Person::new(1, "mallory"));
        let conn = alice.meet(&mallory);
        let envelope = mallory.parcel(alice.user, &alice.prekey(), numbered(1..=7));
        alice.hand(conn, envelope.clone());
        alice.command(match answer {
            0 => Command::Verify { user: "mallory".to_owned() },
            1 => Command::Chat { user: "mallory".to_owned() },
            _ => Command::Say { to: mallory.user_id(), text: "who are you?".to_owned() },
        });
        assert!(!alice.parcels(conn).is_empty(), "mallory learns that it may come");
        alice.hand(conn, envelope);
        assert_eq!(alice.shown(), expected(mallory.user_id(), 1..=7));
    }
}

#[test]
fn a_carrier_keeps_what_is_held_back_and_is_asked_for_it_after_an_answer() {
    let (mut alice, mallory) = (Victim::new(Accept::Auto), Person::new(1, "mallory"));
    let carrier = alice.meet_relay(&Person::new(2, "pi"));
    let envelope = mallory.parcel(alice.user, &alice.prekey(), numbered(1..=9));
    alice.hand(carrier, envelope.clone());
    assert_eq!((alice.states(carrier), releases(&alice, carrier)), (vec![custody_state::NO_CARRIER], 0));
    add(&mut alice, &mallory);
    let asked: Vec<EnvelopeId> = alice
        .items(carrier)
        .into_iter()
        .flat_map(|item| if let Chat::Ask(ask) = item { ask.envelopes.0.clone() } else { Vec::new() })
        .collect();
    assert_eq!(asked, [id_of(&envelope)]);
    alice.hand(carrier, envelope);
    assert_eq!((alice.shown().len(), releases(&alice, carrier)), (9, 1));
}

#[test]
fn whoever_wants_to_be_asked_sees_nothing_before_accepting_and_is_asked_once() {
    let (mut alice, mallory) = (Victim::new(Accept::Ask), Person::new(1, "mallory"));
    let conn = alice.meet(&mallory);
    let prekey = alice.prekey();
    let first = mallory.parcel(alice.user, &prekey, [vec![linked(1)], numbered(2..=4)].concat());
    for _ in 0..3 {
        alice.hand(conn, first.clone());
    }
    alice.hand(conn, mallory.parcel(alice.user, &prekey, vec![link(5, link_state::LINKED, 50)]));
    assert_eq!((alice.shown(), asked(&alice), requests(&alice)), (Vec::new(), 1, None));
    assert!(!alice.ops.iter().any(|op| matches!(op, Op::Received(_))), "nothing is stored");
    add(&mut alice, &mallory);
    alice.hand(conn, first);
    assert_eq!(alice.shown(), expected(mallory.user_id(), 2..=4));
    alice.command(Command::Remove { user: "mallory".to_owned() });
    alice.hand(conn, mallory.parcel(alice.user, &prekey, vec![text(6, "but why")]));
    assert_eq!((alice.shown().len(), asked(&alice)), (3, 2), "somebody who was removed asks again");
}

#[test]
fn twenty_thousand_changes_of_mind_make_few_notices_and_few_writes() {
    let (mut alice, mallory) = (Victim::new(Accept::Auto), Person::new(1, "mallory"));
    let conn = alice.meet(&mallory);
    let prekey = alice.prekey();
    let mut before = None;
    for n in 0..100u64 {
        let flip = |k| {
            let n = 200 * n + k + 1;
            link(n, if n % 2 == 0 { link_state::REMOVED } else { link_state::LINKED }, n)
        };
        alice.hand(conn, mallory.parcel(alice.user, &prekey, (0..200).map(flip).collect()));
        alice.pass(Duration::from_millis(100));
        before.get_or_insert((alice.ops.len(), alice.notices().count(), memory()));
    }
    let (ops, notices, _) = before.expect("it ran");
    assert!(alice.ops.len() - ops < 10, "{} writes", alice.ops.len() - ops);
    assert!(notices <= 8 && alice.notices().count() <= notices + 1, "{notices} notices at first");
}

#[test]
fn changes_of_a_strangers_records_are_not_stored_without_bound() {
    let (mut alice, mallory) = (Victim::new(Accept::Auto), Person::new(1, "mallory"));
    let conn = alice.meet(&mallory);
    let prekey = alice.prekey();
    alice.hand(conn, mallory.parcel(alice.user, &prekey, vec![linked(1)]));
    let before = alice.ops.len();
    for seq in 2..1_000 {
        alice.say(conn, mallory.declare(mallory.declaration(seq, true, &[])));
    }
    assert!(alice.ops.len() - before < 20, "{} writes", alice.ops.len() - before);
}

#[test]
fn an_author_sends_again_at_once_what_was_held_back_when_the_addressee_links_deliberately() {
    let (mut alice, bob) = (Victim::new(Accept::Auto), Person::new(1, "bob"));
    let conn = alice.meet(&bob);
    for n in 0..8 {
        alice.command(Command::Say { to: bob.user_id(), text: n.to_string() });
    }
    alice.pass(Duration::from_secs(5));
    let sent = alice.parcels(conn).len();
    let accepted = bob.parcel(alice.user, &alice.prekey(), vec![link(1, link_state::AUTO, 1)]);
    alice.hand(conn, accepted);
    let receipts = alice.parcels(conn).len() - sent;
    assert!(receipts <= 1, "an automatic answer changes nothing");
    let answer = bob.parcel(alice.user, &alice.prekey(), vec![link(2, link_state::LINKED, 2)]);
    let sent = alice.parcels(conn).len();
    alice.hand(conn, answer);
    assert!(alice.parcels(conn).len() > sent + 1 - receipts, "the lines go out again");
    let again = alice.parcels(conn).len();
    for n in 3..100u64 {
        let state = if n % 2 == 0 { link_state::LINKED } else { link_state::AUTO };
        alice.hand(conn, bob.parcel(alice.user, &alice.prekey(), vec![link(n, state, n)]));
    }
    let more = alice.parcels(conn).len() - again;
    assert!(more < 110, "{more} envelopes for a hundred changes of mind, of which a hundred are receipts");
}

#[test]
fn one_address_with_many_identities_fills_neither_the_screen_nor_the_places_of_others() {
    let mut alice = Victim::new(Accept::Auto);
    let relay = alice.meet(&Person::new(1_000_000, "mallory"));
    let prekey = alice.prekey();
    for n in 0..2_000 {
        let sybil = Person::new(n, "sybil");
        alice.hand(relay, sybil.parcel(alice.user, &prekey, numbered(1..=3)));
    }
    let shown = alice.shown().len();
    assert!((1..=ADDRESS_LINES_BURST as usize).contains(&shown), "{shown} lines");
    let rows = |alice: &Victim| alice.ops.iter().filter(|op| matches!(op, Op::User(_))).count();
    assert!(rows(&alice) < 100, "{} people remembered", rows(&alice));
    let bob = Person::new(2_000_000, "bob");
    let conn = alice.meet_from(&bob, ([198, 51, 100, 7], 1000).into());
    alice.hand(conn, bob.parcel(alice.user, &prekey, [vec![linked(1)], vec![text(2, "it's me")]].concat()));
    assert!(alice.shown().contains(&(bob.user_id(), "it's me".to_owned())));
    assert!(alice.users().iter().any(|user| user.id == bob.user_id() && user.distance == Some(1)));
    alice.pass(REQUESTS_PAUSE);
    assert!(alice.notices().filter(|notice| matches!(notice, Notice::Requests { .. })).count() <= 2);
}

#[test]
fn strangers_of_one_address_displace_each_other_and_nobody_elsewhere() {
    let mut alice = Victim::new(Accept::Ask);
    let bob = Person::new(2_000_000, "bob");
    let elsewhere = alice.meet_from(&bob, ([198, 51, 100, 7], 1000).into());
    let prekey = alice.prekey();
    alice.hand(elsewhere, bob.parcel(alice.user, &prekey, vec![linked(1)]));
    let conn = alice.meet(&Person::new(1_000_000, "mallory"));
    for n in 0..2 * MAX_STRANGERS_OF_ADDRESS as u32 {
        alice.hand(conn, Person::new(n, "sybil").parcel(alice.user, &prekey, vec![linked(1)]));
        alice.pass(ADDRESS_NEWCOMERS_REFILL);
    }
    alice.command(Command::Requests);
    let waiting = requests(&alice).expect("they are listed");
    assert_eq!(waiting.len(), MAX_STRANGERS_OF_ADDRESS + 1);
    assert!(waiting.iter().any(|(name, ..)| name == "bob"));
    let users: BTreeSet<UserId> = alice
        .ops
        .iter()
        .filter_map(|op| if let Op::ForgetStranger { user, .. } = op { Some(*user) } else { None })
        .collect();
    assert_eq!(users.len(), MAX_STRANGERS_OF_ADDRESS, "the store forgets those who made room");
}

#[test]
fn a_dismissed_stranger_is_forgotten_and_refused_for_a_day() {
    let (mut alice, mallory) = (Victim::new(Accept::Auto), Person::new(1, "mallory"));
    let conn = alice.meet(&mallory);
    let prekey = alice.prekey();
    alice.hand(conn, mallory.parcel(alice.user, &prekey, [vec![linked(1)], numbered(2..=9)].concat()));
    alice.command(Command::Dismiss { user: "mallory".to_owned() });
    assert!(alice.notices().any(|notice| matches!(notice, Notice::Unlinked { by: By::Me, .. })));
    assert!(alice.ops.iter().any(|op| matches!(op, Op::ForgetStranger { .. })));
    let shown = alice.shown().len();
    alice.hand(conn, mallory.parcel(alice.user, &prekey, vec![text(10, "hey"), linked(11)]));
    alice.command(Command::Requests);
    assert_eq!((alice.shown().len(), requests(&alice)), (shown, Some(Vec::new())));
    alice.pass(DISMISSED_LIFE);
    alice.hand(conn, mallory.parcel(alice.user, &prekey, vec![text(12, "sorry")]));
    assert_eq!(alice.shown().len(), shown + 1);
    alice.command(Command::Dismiss { user: Person::new(2, "nobody").user_id().to_string() });
    assert!(alice.notices().any(|notice| matches!(notice, Notice::Error { .. })));
}

#[test]
fn a_dismissal_tells_all_interfaces_that_nothing_of_the_stranger_is_unread() {
    let (mut alice, mallory) = (Victim::new(Accept::Auto), Person::new(1, "mallory"));
    let conn = alice.meet(&mallory);
    alice.hand(conn, mallory.parcel(alice.user, &alice.prekey(), [vec![linked(1)], numbered(2..=3)].concat()));
    alice.command(Command::Dismiss { user: "mallory".to_owned() });
    let read = |notice: &Notice| match notice {
        Notice::Read { with, through } => Some((with.clone(), through.stream.author, through.n)),
        _ => None,
    };
    let told: Vec<_> = alice.notices().filter_map(read).collect();
    assert_eq!(told, [("mallory".to_owned(), mallory.session_id(), 3)]);
}

#[test]
fn of_somebody_who_was_removed_a_dismissal_forgets_no_messages_and_says_so() {
    let (mut alice, mallory) = (Victim::new(Accept::Auto), Person::new(1, "mallory"));
    let conn = alice.meet(&mallory);
    let prekey = alice.prekey();
    add(&mut alice, &mallory);
    alice.hand(conn, mallory.parcel(alice.user, &prekey, vec![linked(1), text(2, "hello")]));
    alice.command(Command::Remove { user: "mallory".to_owned() });
    alice.hand(conn, mallory.parcel(alice.user, &prekey, vec![text(3, "but why")]));
    alice.command(Command::Dismiss { user: "mallory".to_owned() });
    let done = alice.notices().filter_map(|notice| if let Notice::Done { what } = notice { Some(what) } else { None });
    assert_eq!(done.last().map(String::as_str), Some("dismissed mallory; their lines are refused for a day"));
    assert!(!alice.ops.iter().any(|op| matches!(op, Op::ForgetStranger { .. })));
}

#[test]
fn a_stranger_who_is_not_answered_is_forgotten_in_the_end() {
    let (mut alice, mallory) = (Victim::new(Accept::Auto), Person::new(1, "mallory"));
    let conn = alice.meet(&mallory);
    alice.hand(conn, mallory.parcel(alice.user, &alice.prekey(), [vec![linked(1)], numbered(2..=3)].concat()));
    alice.part(conn);
    alice.pass(STRANGER_LIFE - Duration::from_secs(1));
    assert!(!alice.users().is_empty());
    alice.pass(Duration::from_secs(1));
    assert!(alice.users().is_empty());
    assert!(alice.ops.iter().any(|op| matches!(op, Op::ForgetStranger { user, .. } if *user == mallory.user_id())));
    assert!(alice.ops.iter().any(|op| matches!(op, Op::ForgetUser(user) if *user == mallory.user_id())));
}

#[test]
fn a_stranger_at_full_speed_uses_no_lasting_memory() {
    let (mut alice, mallory) = (Victim::new(Accept::Auto), Person::new(1, "mallory"));
    let conn = alice.meet(&mallory);
    let prekey = alice.prekey();
    alice.keeps = false;
    let round = |alice: &mut Victim, n: u64| {
        let lines = (0..100).map(|m| text(2 * (100 * n + m) + 1, "buy my coins")).collect();
        alice.hand(conn, mallory.parcel(alice.user, &prekey, lines));
        alice.pass(Duration::from_millis(50));
    };
    (0..50).for_each(|n| round(&mut alice, n));
    let before = memory();
    (50..250).for_each(|n| round(&mut alice, n));
    let left = memory() - before;
    assert!(left < 64 * 1024, "{left} bytes");
}

#[test]
fn a_name_that_becomes_known_by_a_message_through_a_relay_is_found_though_its_user_never_connects() {
    let (mut alice, bob) = (Victim::new(Accept::Auto), Person::new(1, "bob"));
    let relay = alice.meet_relay(&Person::new(2, "pi"));
    let prekey = alice.prekey();
    alice.command(Command::Chat { user: "bob".to_owned() });
    alice.hand(relay, bob.parcel(alice.user, &prekey, vec![linked(1)]));
    alice.pass(LOOKUP);
    assert!(alice.notices().any(|notice| matches!(notice, Notice::Chat { with, .. } if with == "bob")));
    assert!(!alice.notices().any(|notice| matches!(notice, Notice::Error { .. })));
}

#[test]
fn a_user_of_whom_only_the_id_is_known_is_searched_for_when_a_conversation_begins() {
    let (mut alice, bob) = (Victim::new(Accept::Auto), Person::new(1, "bob"));
    let relay = alice.meet_relay(&Person::new(2, "pi"));
    alice.command(Command::Chat { user: bob.user_id().to_string() });
    let sought = |message: &Control| matches!(message, Control::Find(find) if find.user == Some(bob.user_id()));
    assert!(alice.said(relay).into_iter().any(sought));
}

#[test]
fn a_newcomers_first_line_is_shown_though_others_of_the_same_address_keep_writing() {
    let mut alice = Victim::new(Accept::Auto);
    let shared = alice.meet(&Person::new(1_000_000, "mallory"));
    let prekey = alice.prekey();
    let sybils: Vec<Person> = (0..8).map(|n| Person::new(n, &format!("sybil{n}"))).collect();
    for round in 0..60 {
        for sybil in &sybils {
            alice.hand(shared, sybil.parcel(alice.user, &prekey, numbered(5 * round + 1..=5 * round + 5)));
        }
        alice.pass(Duration::from_secs(1));
    }
    let bob = Person::new(2_000_000, "bob");
    alice.hand(shared, bob.parcel(alice.user, &prekey, vec![text(1, "is anybody there?")]));
    assert!(alice.shown().contains(&(bob.user_id(), "is anybody there?".to_owned())));
}

#[test]
fn a_stranger_with_my_name_does_not_get_it() {
    let (mut alice, other) = (Victim::new(Accept::Auto), Person::new(1, "alice"));
    let conn = alice.meet(&other);
    alice.hand(conn, other.parcel(alice.user, &alice.prekey(), vec![linked(1), text(2, "it is me")]));
    let handles: Vec<String> = alice.users().into_iter().map(|user| user.user).collect();
    assert_eq!(handles.len(), 1);
    assert!(handles[0].starts_with("alice#"), "{handles:?}");
}
