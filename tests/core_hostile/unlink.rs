//! Revoking a session: what the one that signs, the sisters that learn of it, friends and the revoked one do.

use std::collections::BTreeSet;

use darknode::id::{ConnId, SessionId};
use darknode::proto::Accept;
use darknode::proto::event::{CloseReason, Command, Output};
use darknode::proto::notice::{ErrorCode, Notice, SessionChange, WarningCode};
use darknode::proto::persist::{Op, UnlinkedRow};
use darknode::wire::control::{Control, Hello};
use darknode::wire::decode;
use darknode::wire::record::{KeyCard, MAX_REVOKED, Prekey, Roster, Signed};

use crate::adversary::{Person, text};
use crate::sessions::{bring, listed, newest, rosters, rosters_sent, sister};
use crate::victim::Victim;

/// Below what a node signs next, and above what it signs first.
pub const VERSION: u64 = u64::MAX / 2;

/// Alice, whose other sessions are `phone` and `tablet`. The labels of their roster are equal.
fn alice_with(phone: &Person, tablet: &Person) -> Victim {
    let mut alice = Victim::new(Accept::Auto);
    let all = [alice.session, phone.session_id(), tablet.session_id()];
    bring(&mut alice, phone.roster_of(VERSION, &all, &[]));
    alice
}

/// Connects a sister, whose hello has this roster.
pub fn meet_sister(alice: &mut Victim, sister: &Person, roster: Signed) -> ConnId {
    let conn = alice.connect(sister.session_id());
    alice.say(conn, Control::Hello(Hello { roster, ..sister.hello() }));
    conn
}

fn unlink(alice: &mut Victim, label: &str) {
    alice.command(Command::Unlink { label: label.to_owned() });
}

/// What happened to sessions, as the interfaces were told.
fn changes(node: &Victim) -> Vec<(SessionId, SessionChange)> {
    let change = |notice: &Notice| match notice {
        Notice::Session { session, state, .. } => Some((*session, *state)),
        _ => None,
    };
    node.notices().filter_map(change).collect()
}

/// The rosters and the newest prekeys that were pushed on a connection.
fn pushed(node: &Victim, conn: ConnId) -> Vec<(Signed, Prekey)> {
    let records = |message: &Control| match message {
        Control::DeclareOnline(declare) => {
            let card = decode::<KeyCard>(&declare.card.clone()?.0).expect("a card");
            Some((declare.roster.clone()?, card.prekeys[0].clone()))
        }
        _ => None,
    };
    node.said(conn).into_iter().filter_map(records).collect()
}

fn error(node: &Victim) -> (ErrorCode, String) {
    let error = |output: &Output| match output {
        Output::Notice { line: Some(1), notice: Notice::Error { code, message } } => Some((*code, message.clone())),
        _ => None,
    };
    node.out.iter().rev().find_map(error).expect("an error was reported")
}

fn prekeys(node: &Victim) -> usize {
    node.ops.iter().filter(|op| matches!(op, Op::Prekey(_))).count()
}

#[test]
fn a_revoked_session_is_cut_off_at_once_and_everybody_connected_learns_it_with_a_new_prekey() {
    let (phone, tablet, bob) = (sister(7), sister(8), Person::new(2, "bob"));
    let mut alice = alice_with(&phone, &tablet);
    let roster = rosters(&alice).last().cloned().expect("it is stored");
    let friend = alice.befriend(&bob);
    let [lost, kept] = [&phone, &tablet].map(|sister| meet_sister(&mut alice, sister, roster.clone()));
    let before = alice.prekey();

    unlink(&mut alice, &phone.session_id().to_string()[..10]);
    let signed = rosters(&alice).last().cloned().expect("it is stored");
    let roster: Roster = decode(&signed.0).expect("a roster");
    assert_eq!(listed(&roster), BTreeSet::from([alice.session, tablet.session_id()]));
    assert_eq!(roster.revoked.0, [phone.session_id()]);
    assert_eq!((alice.closed(lost), rosters_sent(&alice, lost)), (Some(CloseReason::Protocol), vec![signed.clone()]));
    for conn in [friend, kept] {
        assert_eq!(alice.closed(conn), None);
        let (pushed, prekey) = pushed(&alice, conn).pop().expect("the roster is pushed");
        assert_eq!(pushed, signed);
        assert_ne!(prekey, before);
    }
    assert_eq!(changes(&alice).last(), Some(&(phone.session_id(), SessionChange::Unlinked)));
    let again = meet_sister(&mut alice, &phone, phone.roster_of(VERSION, &[phone.session_id()], &[]));
    assert_eq!(alice.closed(again), Some(CloseReason::Protocol), "its old roster does not let it in");
}

#[test]
fn a_sister_that_learns_of_a_revocation_parts_with_the_revoked_session_and_replaces_its_prekey_once() {
    let (phone, tablet) = (sister(7), sister(8));
    let mut alice = Victim::without_user_key(phone.roster_of(5, &[Victim::new(Accept::Auto).session], &[]));
    let three = phone.roster_of(6, &[alice.session, phone.session_id(), tablet.session_id()], &[]);
    bring(&mut alice, three.clone());
    let mut linked = [phone.session_id(), tablet.session_id()];
    linked.sort();
    assert_eq!(changes(&alice), linked.map(|session| (session, SessionChange::Linked)));
    let lost = meet_sister(&mut alice, &phone, three);
    let before = prekeys(&alice);
    let two = tablet.roster_of(7, &[alice.session, tablet.session_id()], &[phone.session_id()]);
    bring(&mut alice, two.clone());
    bring(&mut alice, two.clone());
    assert_eq!(alice.closed(lost), Some(CloseReason::Protocol));
    assert_eq!(prekeys(&alice), before + 1);
    assert_eq!(changes(&alice)[2..], [(phone.session_id(), SessionChange::Unlinked)]);
    assert_eq!(rosters(&alice).last(), Some(&two));
}

#[test]
fn a_sister_without_the_user_key_says_where_unlink_works() {
    let phone = sister(7);
    let mut alice = Victim::without_user_key(phone.roster_of(5, &[Victim::new(Accept::Auto).session], &[]));
    unlink(&mut alice, "x");
    let (code, message) = error(&alice);
    assert_eq!(code, ErrorCode::NoUserKey);
    assert!(message.contains("not on this session") && message.contains(r"type \unlink where it is"), "{message}");
}

#[test]
fn what_cannot_be_unlinked_is_refused_with_what_to_do() {
    let (phone, tablet) = (sister(7), sister(8));
    let mut alice = Victim::new(Accept::Auto);
    unlink(&mut alice, "laptop");
    assert!(error(&alice).1.contains("your only session"), "{}", error(&alice).1);
    let all = [alice.session, phone.session_id(), tablet.session_id()];
    bring(&mut alice, phone.roster_of(VERSION, &all, &[Person::new(9, "x").session_id()]));
    let signed = rosters(&alice).len();
    let own = alice.session.to_string();
    for (typed, part) in [
        (own.as_str(), "you are typing at"),
        ("x", " or x#"),
        ("tablet", "you have x#"),
        (&Person::new(9, "x").session_id().to_string(), "already"),
        (&Person::new(10, "x").session_id().to_string(), "no session of yours"),
    ] {
        unlink(&mut alice, typed);
        let (code, message) = error(&alice);
        assert_eq!(code, ErrorCode::BadArgument, "{typed}");
        assert!(message.contains(part) && !message.contains('\n'), "{typed}: {message}");
    }
    assert_eq!(rosters(&alice).len(), signed, "nothing was signed");
}

#[test]
fn a_revoked_session_says_so_once_and_accepts_no_lines_that_nobody_would_take() {
    let (phone, tablet, bob) = (sister(7), sister(8), Person::new(2, "bob"));
    let mut alice = alice_with(&phone, &tablet);
    let conn = alice.befriend(&bob);
    alice.part(conn);
    let revoking = phone.roster_of(u64::MAX - 1, &[phone.session_id(), tablet.session_id()], &[alice.session]);
    bring(&mut alice, revoking.clone());
    bring(&mut alice, revoking.clone());
    let warned = alice.notices().filter(|notice| matches!(notice, Notice::Warning { code: WarningCode::Unlisted, .. }));
    assert_eq!(warned.count(), 1);
    alice.command(Command::Say { to: bob.user_id(), text: "hello".to_owned() });
    let (code, message) = error(&alice);
    assert_eq!(code, ErrorCode::Unreachable);
    assert!(message.contains("unlinked") && message.contains("darknode link"), "{message}");
    assert!(!alice.ops.iter().any(|op| matches!(op, Op::Typed(row) if row.kind == text(1, "").kind)));
    unlink(&mut alice, "x");
    assert_eq!(error(&alice).0, ErrorCode::Unreachable, "with the user key, too, it signs nothing");
    assert_eq!(rosters(&alice).last(), Some(&revoking));
    alice.command(Command::History {
        user: bob.user_id().to_string(),
        n: 5,
        numbered: None,
        before: None,
        after: None,
    });
    assert!(alice.out.iter().any(|output| matches!(output, Output::Query { .. })), "its history stays readable");
}

#[test]
fn a_revoked_session_is_told_of_no_other_that_comes_or_goes() {
    let (phone, tablet, tent) = (sister(7), sister(8), sister(9));
    let mut alice = Victim::without_user_key(phone.roster_of(5, &[Victim::new(Accept::Auto).session], &[]));
    let all = [alice.session, phone.session_id(), tablet.session_id()];
    bring(&mut alice, phone.roster_of(6, &all, &[]));
    let before = changes(&alice).len();
    let revoked = [alice.session, tablet.session_id()];
    bring(&mut alice, phone.roster_of(7, &[phone.session_id()], &revoked));
    bring(&mut alice, phone.roster_of(8, &[phone.session_id(), tent.session_id()], &revoked));
    assert_eq!(changes(&alice)[before..], []);
    assert_eq!(newest(&alice).version, 8, "it knows the list");
}

#[test]
fn the_label_of_a_revoked_session_is_remembered_as_long_as_its_revocation() {
    let (phone, tablet) = (sister(7), sister(8));
    let mut alice = Victim::without_user_key(phone.roster_of(5, &[Victim::new(Accept::Auto).session], &[]));
    let all = [alice.session, phone.session_id(), tablet.session_id()];
    bring(&mut alice, phone.roster_of(6, &all, &[]));
    let two = [alice.session, tablet.session_id()];
    bring(&mut alice, phone.roster_of(7, &two, &[phone.session_id()]));
    let others: Vec<SessionId> = (0..MAX_REVOKED as u8).map(|n| SessionId([n; 32])).collect();
    bring(&mut alice, phone.roster_of(8, &two, &others));
    let label = format!("x#{}", phone.session_id().short());
    let remembered = Op::Unlinked(UnlinkedRow { session: phone.session_id(), label });
    let about = |op: &&Op| matches!(op, Op::Unlinked(_) | Op::ForgetUnlinked(_));
    let expected = [remembered, Op::ForgetUnlinked(phone.session_id())];
    assert_eq!(alice.ops.iter().filter(about).cloned().collect::<Vec<_>>(), expected);
}

#[test]
fn sessions_are_listed_with_the_time_since_when_they_are_on_or_off() {
    let (phone, tablet) = (sister(7), sister(8));
    let mut alice = alice_with(&phone, &tablet);
    let roster = rosters(&alice).last().cloned().expect("it is stored");
    let conn = meet_sister(&mut alice, &phone, roster.clone());
    alice.part(conn);
    alice.pass(std::time::Duration::from_secs(3600));
    meet_sister(&mut alice, &phone, roster);
    alice.command(Command::Sessions);
    let sessions = alice.notices().find_map(|notice| match notice {
        Notice::Sessions { sessions } => Some(sessions.clone()),
        _ => None,
    });
    let sessions = sessions.expect("they are listed");
    let of = |id: SessionId| sessions.iter().find(|own| own.session == id).expect("each is listed");
    let (this, first, second) = (of(alice.session), of(phone.session_id()), of(tablet.session_id()));
    assert!(this.is_this && this.via.is_some() && !first.is_this);
    assert_eq!((first.via.is_some(), first.since > this.since), (true, true));
    assert_eq!((second.via, second.since), (None, None));
    assert_eq!(BTreeSet::from([&this.label, &first.label, &second.label]).len(), 3, "equal labels are told apart");
    assert_eq!(newest(&alice).sessions.len(), 3);
}

#[test]
fn another_user_of_my_name_may_be_me_so_the_warning_names_the_commands_that_join_the_two() {
    let mut alice = Victim::new(Accept::Auto);
    alice.meet(&Person::new(9, "Alice"));
    let warning = alice.notices().find_map(|notice| match notice {
        Notice::Warning { code: WarningCode::NameClash, message, .. } => Some(message.clone()),
        _ => None,
    });
    let warning = warning.expect("it is told");
    assert!(warning.contains("`darknode link`") && warning.contains(r"\link CODE"), "{warning}");
}
