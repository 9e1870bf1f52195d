//! Forged, foreign and outdated hellos and records.

use darknode::id::NetworkId;
use darknode::proto::Accept;
use darknode::proto::event::{CloseReason, Command, Input};
use darknode::proto::limits::MAX_STRIKES;
use darknode::proto::notice::{Notice, WarningCode};
use darknode::proto::persist::Op;
use darknode::wire::chat::Chat;
use darknode::wire::control::{Control, Hello, RequestUserList};
use darknode::wire::record::{LinkEntry, LinkList, Signed, link_state};
use darknode::wire::{Bytes, Fixed, List};

use crate::adversary::{Person, known_list};
use crate::victim::Victim;

fn two() -> (Person, Person) {
    (Person::new(1, "mallory"), Person::new(2, "bob"))
}

/// Asserts that a hello is refused: the connection is closed, and nothing is stored about the peer.
fn is_refused(hello: Hello, by: &Person) {
    let mut alice = Victim::new(Accept::Auto);
    let conn = alice.connect(by.session_id());
    alice.say(conn, Control::Hello(hello));
    assert_eq!(alice.closed(conn), Some(CloseReason::Protocol));
    assert_eq!(alice.drops("hello with invalid records, or of a session that its user does not list"), 1);
    assert!(alice.users().is_empty());
}

#[test]
fn a_hello_with_the_records_of_another_user_is_refused() {
    let (mallory, bob) = two();
    is_refused(bob.hello(), &mallory);
    is_refused(Hello { roster: bob.roster(), ..mallory.hello() }, &mallory);
    is_refused(Hello { declaration: bob.declaration(1, true, &[]), ..mallory.hello() }, &mallory);
    is_refused(Hello { card: Some(bob.card(1)), ..mallory.hello() }, &mallory);
}

#[test]
fn a_session_that_is_not_on_its_users_roster_is_refused() {
    let (mallory, bob) = two();
    let unlisted = mallory.roster_of(1, &[bob.session_id()], &[]);
    is_refused(Hello { roster: unlisted, ..mallory.hello() }, &mallory);
    let revoked = mallory.roster_of(1, &[mallory.session_id()], &[mallory.session_id()]);
    is_refused(Hello { roster: revoked, ..mallory.hello() }, &mallory);
}

#[test]
fn numbers_of_later_versions_are_passed_over_and_what_stands_beside_them_is_heard() {
    let (mallory, _) = two();
    let mut alice = Victim::new(Accept::Auto);
    let conn = alice.meet(&mallory);
    let before = alice.said(conn).len();
    for number in [11, 14, 15, 16, 17, u64::MAX] {
        alice.say(conn, Control::Unknown(number));
    }
    alice.hand(conn, Chat::Unknown(7));
    assert_eq!(alice.said(conn).len(), before);
    assert_eq!((alice.drops("message of an unknown kind"), alice.drops("chat item of an unknown kind")), (6, 1));
    alice.say(conn, Control::RequestUserList(RequestUserList { id: 3, user: mallory.user_id() }));
    assert_eq!((alice.said(conn).len(), alice.closed(conn)), (before + 1, None));
}

#[test]
fn records_of_another_network_are_refused() {
    let mut mallory = Person::new(1, "mallory");
    mallory.network = NetworkId([5; 32]);
    is_refused(mallory.hello(), &mallory);
}

#[test]
fn an_old_roster_does_not_restore_a_revoked_session() {
    let (mallory, _) = two();
    let mut alice = Victim::new(Accept::Auto);
    let conn = alice.befriend(&mallory);
    let revoking = mallory.roster_of(2, &[Person::new(9, "x").session_id()], &[mallory.session_id()]);
    alice.say(conn, known_list(mallory.user_id(), Some(revoking), vec![], vec![]));
    assert_eq!(alice.closed(conn), Some(CloseReason::Protocol), "the connection of a revoked session is closed");
    let again = alice.connect(mallory.session_id());
    alice.say(again, Control::Hello(mallory.hello()));
    assert_eq!(alice.closed(again), Some(CloseReason::Protocol));
}

#[test]
fn messages_before_the_hello_and_a_second_hello_are_ignored() {
    let (mallory, _) = two();
    let mut alice = Victim::new(Accept::Auto);
    let conn = alice.connect(mallory.session_id());
    alice.say(conn, Control::RequestUserList(RequestUserList { id: 1, user: alice.user }));
    assert_eq!(alice.closed(conn), Some(CloseReason::Protocol));
    assert_eq!(alice.drops("message before hello"), 1);
    let conn = alice.meet(&mallory);
    let renamed = Person { name: "bob".to_owned(), ..Person::new(1, "") };
    alice.say(
        conn,
        Control::Hello(Hello { roster: renamed.roster_of(2, &[mallory.session_id()], &[]), ..mallory.hello() }),
    );
    assert_eq!(alice.drops("second hello"), 1);
    assert!(alice.users().iter().all(|user| user.user == "mallory"));
}

#[test]
fn three_bad_records_close_a_connection() {
    let (mallory, bob) = two();
    let forged = |signed: Signed| Signed(signed.0, Fixed([7; 64]));
    let foreign = Person { network: NetworkId([5; 32]), ..Person::new(1, "mallory") };
    let bad = [forged(mallory.card(5)), foreign.card(5), Signed(Bytes(vec![0xa0; 2000]), Fixed([7; 64]))];
    let mut alice = Victim::new(Accept::Auto);
    let conn = alice.meet(&mallory);
    for (n, card) in bad.into_iter().enumerate() {
        assert_eq!(alice.closed(conn), None, "after {n}");
        alice.say(conn, known_list(mallory.user_id(), None, vec![], vec![card]));
    }
    assert_eq!(alice.closed(conn), Some(CloseReason::Protocol));
    assert_eq!(alice.drops("record with a bad signature"), u64::from(MAX_STRIKES) - 1);
    assert_eq!(alice.drops("oversized record"), 1);
    alice.say(conn, known_list(bob.user_id(), None, vec![bob.link_list(alice.user, link_state::LINKED, 9)], vec![]));
    assert!(
        !alice.notices().any(|notice| matches!(notice, Notice::Linked { .. })),
        "messages of a closed connection are ignored"
    );
}

#[test]
fn a_replayed_declaration_changes_nothing() {
    let (mallory, bob) = two();
    let mut alice = Victim::new(Accept::Auto);
    let to_bob = alice.befriend(&bob);
    alice.say(to_bob, bob.declare(bob.declaration(7, true, &[])));
    let to_mallory = alice.meet(&mallory);
    let before = alice.out.len();
    alice.say(to_mallory, bob.declare(bob.declaration(6, false, &[])));
    assert!(!alice.out[before..].iter().any(|out| format!("{out:?}").contains("Offline")));
    assert!(alice.users().iter().any(|user| user.user == "bob" && user.online));
}

#[test]
fn a_claimed_sequence_number_moves_nothing_and_is_asked_to_be_shown() {
    for known in [1 << 41, 1_900_000_000_000, u64::MAX] {
        let (mallory, _) = two();
        let mut alice = Victim::new(Accept::Auto);
        let conn = alice.connect(mallory.session_id());
        let before = alice.seq();
        alice.say(conn, Control::Hello(Hello { known_seq: Some(known), ..mallory.hello() }));
        assert_eq!(alice.seq(), before);
        let asks = |message: &&Control| matches!(message, Control::RequestUserList(list) if list.user == alice.user);
        assert_eq!(alice.said(conn).into_iter().any(|message| asks(&message)), known > before);
        alice.feed(Input::Interfaces { addrs: vec![([192, 0, 2, 9], 9).into()] });
        assert!(alice.seq() > before && alice.seq() < before + 1_000, "{known}");
    }
}

#[test]
fn a_sequence_number_is_continued_far_above_one_that_was_signed_before() {
    for signed in [1_900_000_000_000, 1_800_000_000_000 + (1 << 42), 1 << 62] {
        let (mallory, _) = two();
        let mut alice = Victim::new(Accept::Auto);
        let conn = alice.meet(&mallory);
        alice.say(conn, mallory.declare(alice.declared_before(signed)));
        assert!(alice.seq() > signed, "who shows it need not be known");
        let after = alice.seq();
        alice.say(conn, mallory.declare(alice.declared_before(signed + 1_000_000_000)));
        assert_eq!(alice.seq(), after, "what else was signed before is below it");
    }
}

#[test]
fn only_records_under_the_own_signature_trigger_the_cloned_key_warning() {
    let mut alice = Victim::new(Accept::Auto);
    let is_cloned = |notice: &Notice| matches!(notice, Notice::Warning { code: WarningCode::ClonedKey, .. });
    for number in 0..10 {
        let mallory = Person::new(number, "mallory");
        let conn = alice.connect(mallory.session_id());
        let known_seq = Some(1_900_000_000_000 + u64::from(number) * 1_000_000_000);
        alice.say(conn, Control::Hello(Hello { known_seq, ..mallory.hello() }));
        // All that was signed before a loss, however often it is shown.
        alice.say(conn, mallory.declare(alice.declared_before(1_810_000_000_000 + u64::from(number))));
    }
    assert!(!alice.notices().any(is_cloned));
    let mallory = Person::new(1, "mallory");
    let conn = alice.meet(&mallory);
    for _ in 0..3 {
        alice.say(conn, mallory.declare(alice.declared_before(alice.seq() + 1)));
    }
    assert!(alice.notices().any(is_cloned), "another node goes on signing above this one");
}

#[test]
fn a_key_that_claims_a_pinned_name_receives_nothing_and_causes_a_warning() {
    let (mallory, bob) = two();
    let mut alice = Victim::new(Accept::Auto);
    alice.befriend(&bob);
    let impostor = Person { name: "bob".to_owned(), ..mallory };
    alice.meet(&impostor);
    let clash = |notice: &Notice| matches!(notice, Notice::Warning { code: WarningCode::NameClash, .. });
    assert!(alice.notices().any(clash));
    alice.command(Command::Whois { user: "bob".to_owned() });
    assert!(alice.notices().any(|notice| matches!(notice, Notice::Whois(profile) if profile.id == bob.user_id())));
}

#[test]
fn the_name_of_a_user_who_was_linked_by_id_is_pinned_when_it_becomes_known() {
    let (mallory, bob) = two();
    let mut alice = Victim::new(Accept::Auto);
    alice.command(Command::Add { user: bob.user_id().to_string() });
    alice.meet(&bob);
    let stored = alice.ops.iter().rev().find_map(|op| match op {
        Op::User(row) if row.user == bob.user_id() => Some(row.pinned.clone()),
        _ => None,
    });
    assert_eq!(stored, Some(Some("bob".to_owned())));
    let impostor = Person { name: "bob".to_owned(), ..mallory };
    alice.meet(&impostor);
    alice.command(Command::Whois { user: "bob".to_owned() });
    assert!(alice.notices().any(|notice| matches!(notice, Notice::Whois(profile) if profile.id == bob.user_id())));
}

#[test]
fn of_several_entries_about_one_user_on_a_page_the_newest_known_one_counts() {
    let linked = |entries: &[(u8, u64)]| {
        let (mallory, _) = two();
        let mut alice = Victim::new(Accept::Auto);
        let conn = alice.meet(&mallory);
        let entry = |(state, lamport): &(u8, u64)| LinkEntry { user: alice.user, state: *state, lamport: *lamport };
        let entries = List(entries.iter().map(entry).collect());
        let (user, session) = (mallory.user_id(), mallory.session_id());
        let list = LinkList { user, session, version: 1, page: 0, pages: 1, entries };
        alice.say(conn, known_list(user, None, vec![mallory.by_session(list)], vec![]));
        alice.notices().any(|notice| matches!(notice, Notice::Linked { .. }))
    };
    let (yes, no) = (link_state::LINKED, link_state::REMOVED);
    assert!(linked(&[(yes, 7)]));
    assert!(!linked(&[(yes, 7), (no, 9)]) && !linked(&[(no, 9), (yes, 7)]));
    assert!(!linked(&[(yes, 7), (no, 7)]), "a tie goes to the stricter one");
    assert!(linked(&[(no, 7), (yes, 9)]) && linked(&[(99, 9), (yes, 7)]));
}
