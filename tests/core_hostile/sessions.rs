//! Several sessions of one user: merging of rosters, delivery to several sessions, and forward compatibility.

use std::collections::BTreeSet;
use std::time::Duration;

use darknode::id::{Address, MessageId, SessionId, StreamId};
use darknode::identity::{Scheme, SecretKey};
use darknode::proto::Accept;
use darknode::proto::event::{CloseReason, Command, Output, Query};
use darknode::proto::notice::{By, Notice, WarningCode};
use darknode::proto::persist::{Entry, LinkRow, LinkState, Memory, MessageRow, Op};
use darknode::time::{Moment, Wall};
use darknode::wire::content::{Content, LinkBody, kind};
use darknode::wire::control::{Control, Hello};
use darknode::wire::record::{Roster, Signed, link_state};
use darknode::wire::{decode, encode};

use crate::adversary::{Person, known_list, linked, receipt, text};
use crate::victim::Victim;

const FORTNIGHT: Duration = Duration::from_secs(14 * 24 * 3600);

/// A person with alice's user key and another session key.
pub fn sister(number: u32) -> Person {
    Person { user: SecretKey::from_seed(Scheme::Ed25519, &[0xa1; 32]), ..Person::new(number, "alice") }
}

/// The rosters of its own user that a node has stored, in order.
pub fn rosters(node: &Victim) -> Vec<Signed> {
    let roster = |op: &Op| match op {
        Op::User(row) if row.user == node.user => row.roster.clone(),
        _ => None,
    };
    let mut all: Vec<Signed> = node.ops.iter().filter_map(roster).collect();
    all.dedup();
    all
}

pub fn newest(node: &Victim) -> Roster {
    decode(&rosters(node).last().expect("a roster is stored").0).expect("a roster")
}

pub fn listed(roster: &Roster) -> BTreeSet<SessionId> {
    roster.sessions.iter().map(|entry| entry.id).collect()
}

/// Delivers a roster of alice's through bob, a stranger.
pub fn bring(alice: &mut Victim, roster: Signed) {
    let bob = Person::new(2, "bob");
    let conn = alice.meet(&bob);
    alice.say(conn, known_list(alice.user, Some(roster), vec![], vec![]));
    alice.part(conn);
}

fn ids(numbers: std::ops::Range<u32>) -> Vec<SessionId> {
    numbers.map(|number| Person::new(number, "x").session_id()).collect()
}

#[test]
fn a_newer_roster_that_lists_this_session_is_stored_unchanged() {
    let mut alice = Victim::new(Accept::Auto);
    let sister = sister(7);
    let roster = sister.roster_of(u64::MAX / 2, &[sister.session_id(), alice.session], &[]);
    bring(&mut alice, roster.clone());
    assert_eq!(rosters(&alice).last(), Some(&roster), "no new roster is signed without a change");
}

#[test]
fn a_newer_roster_without_this_session_is_superseded_once() {
    let mut alice = Victim::new(Accept::Auto);
    let sister = sister(7);
    let without = sister.roster_of(u64::MAX / 2, &[sister.session_id()], &[]);
    bring(&mut alice, without.clone());
    let roster = newest(&alice);
    assert_eq!(listed(&roster), BTreeSet::from([alice.session, sister.session_id()]));
    assert!(roster.version > u64::MAX / 2);
    let signed = rosters(&alice).len();
    bring(&mut alice, without);
    assert_eq!(rosters(&alice).len(), signed, "no new roster is signed for an older one");
}

#[test]
fn two_rosters_of_one_version_are_merged_including_revocations() {
    let mut alice = Victim::new(Accept::Auto);
    let (sister, [lost, phone]) = (sister(7), [8, 9].map(|n| Person::new(n, "x").session_id()));
    let version = newest(&alice).version;
    bring(&mut alice, sister.roster_of(version, &[sister.session_id(), phone], &[lost]));
    let roster = newest(&alice);
    assert_eq!(listed(&roster), BTreeSet::from([alice.session, sister.session_id(), phone]));
    assert_eq!((roster.revoked.0.clone(), roster.version > version), (vec![lost], true));
    bring(&mut alice, sister.roster_of(version - 1, &[lost], &[phone]));
    let roster = newest(&alice);
    assert_eq!(
        listed(&roster),
        BTreeSet::from([alice.session, sister.session_id()]),
        "a session revoked in an older roster stays revoked"
    );
}

#[test]
fn a_seventeenth_session_is_refused_and_replaces_no_other() {
    let mut alice = Victim::new(Accept::Auto);
    let sixteen = sister(7).roster_of(u64::MAX / 2, &ids(20..36), &[]);
    bring(&mut alice, sixteen.clone());
    assert_eq!(rosters(&alice).last(), Some(&sixteen));
    let unlisted = |notice: &Notice| matches!(notice, Notice::Warning { code: WarningCode::Unlisted, .. });
    assert!(alice.notices().any(unlisted));
}

#[test]
fn beyond_thirty_two_revoked_sessions_the_oldest_is_dropped() {
    let mut alice = Victim::new(Accept::Auto);
    for revoked in [ids(100..132), ids(200..201)] {
        let roster = sister(7).roster_of(newest(&alice).version, &[alice.session], &revoked);
        bring(&mut alice, roster);
    }
    let roster = newest(&alice);
    assert_eq!(roster.revoked.len(), 32);
    assert!(roster.revoked.contains(&ids(200..201)[0]));
}

#[test]
fn a_revoked_session_with_the_user_key_does_not_readmit_itself() {
    let mut alice = Victim::new(Accept::Auto);
    let sister = sister(7);
    let revoking = sister.roster_of(u64::MAX / 2, &[sister.session_id()], &[alice.session]);
    bring(&mut alice, revoking.clone());
    assert_eq!(rosters(&alice).last(), Some(&revoking));
}

#[test]
fn two_holders_of_a_user_key_agree_on_one_roster_within_four_signatures() {
    for steps in ["ab", "ba", "abab", "bbaa"] {
        let mut nodes = [Victim::new(Accept::Auto), Victim::twin(0xa3)];
        let begun: usize = nodes.iter().map(|node| rosters(node).len()).sum();
        for step in steps.chars().chain("abababab".chars()) {
            let (from, to) = if step == 'a' { (0, 1) } else { (1, 0) };
            let roster = rosters(&nodes[from]).last().cloned().expect("each has a roster");
            bring(&mut nodes[to], roster);
        }
        let [one, other] = nodes.each_ref().map(|node| rosters(node).last().cloned());
        assert_eq!(one, other, "{steps}");
        assert_eq!(listed(&newest(&nodes[0])).len(), 2);
        let mut signed: Vec<Signed> = nodes.iter().flat_map(rosters).collect();
        signed.sort_by_key(encode);
        signed.dedup();
        assert!(signed.len() - begun <= 4, "{steps}: {} signatures", signed.len() - begun);
    }
}

#[test]
fn a_message_keeps_the_number_that_its_author_signed() {
    let mut alice = Victim::new(Accept::Auto);
    let bob = Person::new(2, "bob");
    let conn = alice.befriend(&bob);
    let prekey = alice.prekey();
    alice.hand(conn, bob.parcel(alice.user, &prekey, vec![Content { lamport: u64::MAX, ..text(5, "at the end") }]));
    let order = alice.notices().find_map(|notice| match notice {
        Notice::Message(view) => Some(view.order),
        _ => None,
    });
    let stored = alice.ops.iter().find_map(|op| if let Op::Received(row) = op { Some(row.lamport) } else { None });
    assert_eq!((order, stored), (Some(u64::MAX), Some(u64::MAX)));
    alice.command(Command::Say { to: bob.user_id(), text: "an answer".to_owned() });
    let mine = alice.ops.iter().rev().find_map(|op| if let Op::Typed(row) = op { Some(row.lamport) } else { None });
    assert!(mine.expect("a line was stored") < 1 << 32, "the local counter advances by a bounded amount");
}

/// Alice writes one message to bob, who has two sessions, one of which receives it.
fn half_delivered() -> Victim {
    let mut alice = Victim::new(Accept::Auto);
    let bob = Person::new(2, "bob");
    let conn = alice.connect(bob.session_id());
    let roster = bob.roster_of(1, &[bob.session_id(), Person::new(3, "x").session_id()], &[]);
    alice.say(conn, Control::Hello(Hello { roster, ..bob.hello() }));
    let prekey = alice.prekey();
    alice.hand(conn, bob.parcel(alice.user, &prekey, vec![linked(1)]));
    alice.command(Command::Say { to: bob.user_id(), text: "hello".to_owned() });
    let epoch = alice.ops.iter().find_map(|op| if let Op::Typed(row) = op { Some(row.id.stream.epoch) } else { None });
    alice.hand(conn, bob.parcel(alice.user, &prekey, vec![receipt(alice.session, epoch.expect("it is stored"))]));
    assert_eq!(alice.delivered(), 1);
    alice.part(conn);
    alice
}

#[test]
fn the_author_is_told_which_of_several_sessions_has_a_message() {
    let mut alice = half_delivered();
    let progress = alice.notices().find_map(|notice| match notice {
        Notice::State { progress, .. } => Some((progress.label.clone(), progress.reached, progress.of)),
        _ => None,
    });
    let label = format!("x#{}", Person::new(2, "bob").session_id().short());
    assert_eq!(progress, Some((label.clone(), 1, 2)));
    alice.command(Command::Status { user: None });
    let sessions = alice.out.iter().find_map(|output| match output {
        Output::Query { query: Query::Status { conversations, .. }, .. } => Some(conversations[0].sessions.clone()),
        _ => None,
    });
    assert!(sessions.is_some_and(|all| all.len() == 2 && all.iter().any(|known| known.label == label)));
}

fn settled(node: &Victim) -> bool {
    node.ops.iter().any(|op| matches!(op, Op::Settled { .. }))
}

#[test]
fn a_message_delivered_to_one_session_waits_a_fortnight_for_the_others() {
    let mut alice = half_delivered();
    alice.pass(FORTNIGHT - Duration::from_secs(7200));
    assert!(!settled(&alice));
    alice.pass(Duration::from_secs(3 * 3600));
    assert!(settled(&alice), "a session that never returns does not keep a message queued forever");
}

#[test]
fn an_undelivered_message_waits_forever() {
    let mut alice = Victim::new(Accept::Auto);
    let bob = Person::new(2, "bob");
    let conn = alice.befriend(&bob);
    alice.command(Command::Say { to: bob.user_id(), text: "hello".to_owned() });
    alice.part(conn);
    (0..40).for_each(|_| alice.pass(FORTNIGHT));
    assert!(!settled(&alice));
}

#[test]
fn a_message_stored_before_its_kind_was_known_takes_effect_once() {
    let bob = Person::new(2, "bob");
    let stream = StreamId { author: bob.session_id(), epoch: 5, to: Address([0; 32]) };
    let body = encode(&LinkBody { state: link_state::LINKED, lamport: 9 });
    let row = MessageRow {
        arrival: 1,
        id: MessageId { stream, n: 1 },
        kind: kind::LINK,
        with: Address::from(bob.user_id()),
        from: bob.user_id(),
        lamport: 9,
        wall: Wall(0),
        body,
        since: Moment(0),
    };
    let mine = Entry { state: LinkState::Linked, lamport: 1 };
    let links = vec![LinkRow { user: bob.user_id(), mine, theirs: Entry::default() }];
    let alice = Victim::remembering(Memory { links, replay: vec![row], ..Memory::default() });
    assert!(alice.notices().any(|notice| matches!(notice, Notice::Linked { by: By::Me, .. })));
    let link = alice.ops.iter().position(|op| matches!(op, Op::Link(_)));
    let learned = alice.ops.iter().position(|op| matches!(op, Op::Learned { kinds } if kinds.contains(&kind::LINK)));
    assert!(link.is_some() && link < learned, "its effect is stored before the kind is marked as learned");
}

/// The rosters in the known lists that a connection was sent.
pub fn rosters_sent(node: &Victim, conn: darknode::id::ConnId) -> Vec<Signed> {
    let rosters = |message: &Control| match message {
        Control::DeliverKnownList(list) => list.users.iter().filter_map(|user| user.roster.clone()).collect(),
        _ => Vec::new(),
    };
    node.said(conn).into_iter().flat_map(rosters).collect()
}

#[test]
fn a_session_that_a_newer_roster_does_not_list_is_sent_that_roster_before_it_is_closed() {
    let mut alice = Victim::new(Accept::Auto);
    let bob = Person::new(2, "bob");
    let newer = bob.roster_of(2, &[Person::new(3, "x").session_id()], &[]);
    let conn = alice.befriend(&bob);
    alice.say(conn, known_list(bob.user_id(), Some(newer.clone()), vec![], vec![]));
    assert_eq!((alice.closed(conn), rosters_sent(&alice, conn)), (Some(CloseReason::Protocol), vec![newer.clone()]));
    let again = alice.meet(&bob);
    assert_eq!((alice.closed(again), rosters_sent(&alice, again)), (Some(CloseReason::Protocol), vec![newer]));
}
