//! False or excessive claims about others: link lists, digests, ping requests, queries and floods.

use std::net::SocketAddr;
use std::time::Duration;

use darknode::id::{ConnId, NetworkId, UserId};
use darknode::proto::Accept;
use darknode::proto::event::{CloseReason, Command};
use darknode::proto::limits::{EXPLODE_PAUSE, FIND_BURST, LOST_GRACE, MAX_INTERESTS_PER_ASKER, OFFER_STEP, PING_BURST};
use darknode::proto::notice::Notice;
use darknode::wire::addr::Addr;
use darknode::wire::control::{
    Control, Digest, Explode, Exploded, Find, RequestPing, RequestUserList, Sample, SessionSummary, SessionWant,
    ShortId, UserSummary, UserWant, Want,
};
use darknode::wire::record::{LinkEntry, LinkList, Signed, link_state};
use darknode::wire::{Fixed, List, Text};

use crate::adversary::{Person, known_list};
use crate::victim::{Victim, memory};

const VICTIM: &str = "203.0.113.9:27272";

fn short(id: &[u8; 32]) -> ShortId {
    Fixed(id[..8].try_into().unwrap())
}

/// A page of a link list that names these users.
fn page(person: &Person, version: u64, page: u16, pages: u16, names: &[UserId]) -> Signed {
    let entry = |user: &UserId| LinkEntry { user: *user, state: link_state::LINKED, lamport: version };
    let (user, session) = (person.user_id(), person.session_id());
    let entries = List(names.iter().map(entry).collect());
    person.by_session(LinkList { user, session, version, page, pages, entries })
}

fn bring(alice: &mut Victim, conn: ConnId, of: &Person, lists: Vec<Signed>) {
    alice.say(conn, known_list(of.user_id(), Some(of.roster()), lists, Vec::new()));
}

/// Links alice and bob. Bob's list names alice and these users.
fn befriend(alice: &mut Victim, bob: &Person, names: &[UserId]) -> ConnId {
    let conn = alice.befriend(bob);
    let names = [&[alice.user], names].concat();
    bring(alice, conn, bob, vec![page(bob, 10, 0, 1, &names)]);
    conn
}

fn ping(asker: &Person, target: UserId, hops: u8, observed: Option<SocketAddr>, seq: u64) -> Control {
    let declaration = asker.declaration(seq, true, &[VICTIM.parse().unwrap()]);
    let (roster, observed) = (Some(asker.roster()), observed.map(Addr));
    Control::RequestPing(RequestPing { id: 1, target, declaration, roster, hops, observed, signature: None })
}

/// What a connection was told about whether a person's session is connected here, in order.
fn claims(alice: &Victim, conn: ConnId, of: &Person) -> Vec<bool> {
    let (user, session) = (of.user_id(), short(&of.session_id().0));
    let claims = |message: &&Control| match message {
        Control::Digest(digest) => {
            let marks =
                digest.users.iter().filter(|mark| mark.user == short(&user.0)).flat_map(|mark| mark.sessions.iter());
            marks.filter(|mark| mark.session == session).filter_map(|mark| mark.live).collect()
        }
        Control::DeliverKnownList(list) => {
            let known = list.users.iter().filter(|known| known.user == user);
            known.flat_map(|known| known.declarations.iter()).filter_map(|held| held.live).collect()
        }
        Control::DeclareOffline(_) => vec![false],
        _ => Vec::new(),
    };
    alice.said(conn).iter().flat_map(claims).collect()
}

/// Alice is linked with bob. Carol has asked her for him; dave, whom his list names as well, has not.
fn carol_was_told(alice: &mut Victim, bob: &Person) -> [ConnId; 3] {
    let [carol, dave] = [Person::new(2, "carol"), Person::new(3, "dave")];
    let bobs = befriend(alice, bob, &[carol.user_id(), dave.user_id()]);
    let [carols, daves] = [&carol, &dave].map(|person| alice.meet(person));
    alice.say(carols, ping(&carol, bob.user_id(), 1, None, 2));
    assert_eq!(claims(alice, carols, bob), [true]);
    [bobs, carols, daves]
}

fn everything_of(user: &Person) -> Control {
    let session = SessionWant { session: short(&user.session_id().0), declaration: true, card: true, links: true };
    let want = UserWant { user: short(&user.user_id().0), roster: true, sessions: List(vec![session]) };
    Control::Want(Want { users: List(vec![want]) })
}

#[test]
fn a_stranger_learns_keys_but_neither_addresses_nor_links() {
    let mut alice = Victim::new(Accept::Auto);
    let (bob, carol, mallory) = (Person::new(1, "bob"), Person::new(2, "carol"), Person::new(3, "mallory"));
    befriend(&mut alice, &bob, &[carol.user_id()]);
    let conn = alice.meet(&mallory);
    alice.say(conn, everything_of(&bob));
    alice.say(conn, Control::RequestUserList(RequestUserList { id: 5, user: bob.user_id() }));
    alice.say(conn, Control::RequestUserList(RequestUserList { id: 6, user: alice.user }));
    alice.say(conn, ping(&mallory, bob.user_id(), 1, None, 2));
    let mut told = 0;
    for message in alice.said(conn) {
        if let Control::DeliverKnownList(list) = message {
            for known in list.users.iter() {
                told += usize::from(known.user == bob.user_id() && known.roster.is_some());
                assert!(known.declarations.is_empty() && known.links.is_empty(), "{known:?}");
            }
        }
        assert!(!matches!(message, Control::Digest(_)), "digests are not sent to strangers");
    }
    assert_eq!(told, 1, "rosters are public within the network");
}

#[test]
fn a_claimed_server_role_gives_no_more_rights_than_a_stranger_has() {
    let mut alice = Victim::new(Accept::Auto);
    let (bob, mallory) = (Person::new(1, "bob"), Person::new(3, "mallory"));
    befriend(&mut alice, &bob, &[]);
    let conn = alice.meet(&mallory);
    alice.say(
        conn,
        mallory.declare(mallory.by_session(darknode::wire::record::Declaration {
            user: mallory.user_id(),
            session: mallory.session_id(),
            seq: 9,
            online: true,
            addrs: List(Vec::new()),
            roles: darknode::wire::record::roles::SERVER,
            boot_nonce: None,
        })),
    );
    alice.say(conn, everything_of(&bob));
    let leaks = |message: &&Control| match message {
        Control::DeliverKnownList(list) => list.users.iter().any(|known| !known.declarations.is_empty()),
        Control::Digest(_) => true,
        _ => false,
    };
    assert_eq!(alice.said(conn).into_iter().filter(leaks).count(), 0);
}

#[test]
fn a_stranger_who_asks_in_the_name_of_another_user_learns_no_addresses() {
    let mut alice = Victim::new(Accept::Auto);
    let (bob, carol, mallory) = (Person::new(1, "bob"), Person::new(2, "carol"), Person::new(3, "mallory"));
    befriend(&mut alice, &bob, &[carol.user_id()]);
    befriend(&mut alice, &carol, &[bob.user_id()]);
    let conn = alice.meet(&mallory);
    let as_bob = Person { user: bob.user.clone(), ..Person::new(3, "mallory") };
    let listed = [bob.session_id(), Person::new(9, "x").session_id()];
    alice.say(conn, known_list(bob.user_id(), Some(bob.roster_of(2, &listed, &[])), vec![], vec![]));
    for (seq, target) in [(2, bob.user_id()), (3, carol.user_id())] {
        alice.say(conn, ping(&as_bob, target, 1, None, seq));
    }
    let tells = |message: &&Control| match message {
        Control::DeliverKnownList(list) => list.users.iter().any(|known| !known.declarations.is_empty()),
        _ => false,
    };
    assert_eq!(alice.said(conn).into_iter().filter(tells).count(), 0);
}

#[test]
fn invalid_ping_requests_are_counted_and_have_no_effect() {
    let mut alice = Victim::new(Accept::Auto);
    let (bob, mallory) = (Person::new(1, "bob"), Person::new(3, "mallory"));
    let to_bob = befriend(&mut alice, &bob, &[]);
    let conn = alice.meet(&mallory);
    let before = alice.said(to_bob).len();
    alice.say(conn, ping(&mallory, mallory.user_id(), 1, None, 2));
    alice.say(conn, ping(&mallory, bob.user_id(), 0, None, 3));
    alice.say(conn, ping(&Person::new(4, "carol"), bob.user_id(), 1, None, 4));
    assert_eq!(alice.drops("ping request that may not be passed on"), 2);
    assert_eq!(alice.drops("ping request in the name of another"), 1);
    assert_eq!(alice.said(to_bob).len(), before, "none of them reaches bob");
    let said = alice.said(conn).len();
    alice.say(conn, ping(&mallory, UserId([77; 32]), 1, None, 5));
    assert_eq!(alice.said(conn).len(), said, "no user is known by that id");
}

#[test]
fn ten_thousand_strangers_who_declare_a_victims_address_cause_no_dial() {
    let mut alice = Victim::new(Accept::Auto);
    let bob = Person::new(1, "bob");
    let conn = befriend(&mut alice, &bob, &[]);
    for n in 0..10_000 {
        let stranger = Person::new(100 + n, "sybil");
        alice.say(conn, ping(&stranger, alice.user, 0, Some(VICTIM.parse().unwrap()), 2));
    }
    assert!(alice.dialled().is_empty(), "{:?}", alice.dialled());
    assert_eq!(alice.drops("ping request of somebody not linked"), 10_000);
}

#[test]
fn a_friend_who_keeps_declaring_a_victims_address_causes_two_dials_a_minute_at_most() {
    let mut alice = Victim::new(Accept::Auto);
    let (bob, carol) = (Person::new(1, "bob"), Person::new(2, "carol"));
    let introducer = befriend(&mut alice, &bob, &[carol.user_id()]);
    let gone = befriend(&mut alice, &carol, &[]);
    alice.feed(darknode::proto::event::Input::Closed { conn: gone, reason: None });
    let before = alice.dialled().len();
    for n in 0..600 {
        let port = 1000 + n as u16;
        alice.say(introducer, ping(&carol, alice.user, 0, Some(([203, 0, 113, 9], port).into()), 100 + n));
        alice.pass(Duration::from_millis(100));
        let dials: Vec<_> = alice
            .out
            .iter()
            .filter_map(|output| match output {
                darknode::proto::event::Output::Dial { dial, .. } => Some(*dial),
                _ => None,
            })
            .collect();
        for dial in dials {
            let failure = darknode::proto::event::DialFailure::Unreachable;
            alice.feed(darknode::proto::event::Input::DialFailed { dial, failure });
        }
    }
    let at_victim = alice.dialled()[before..].iter().filter(|addr| addr.ip().to_string() == "203.0.113.9").count();
    assert!(at_victim <= 4, "{at_victim} dials in a minute");
    assert!(alice.drops("introduction over the budget of its introducer") > 0);
}

#[test]
fn a_flood_of_ping_requests_is_answered_within_a_budget_and_stored_within_a_bound() {
    let mut alice = Victim::new(Accept::Auto);
    let bob = Person::new(1, "bob");
    let targets: Vec<UserId> = (0..60).map(|n| Person::new(1000 + n, "far").user_id()).collect();
    let conn = befriend(&mut alice, &bob, &targets);
    for n in 0..10_000u64 {
        alice.say(conn, ping(&bob, targets[n as usize % 60], 1, None, 2 + n));
    }
    let refused = alice.drops("ping request over the budget of its asker");
    assert!(refused >= 10_000 - u64::from(PING_BURST) - 1, "{refused}");
    const { assert!(MAX_INTERESTS_PER_ASKER <= 64) };
}

#[test]
fn a_forged_or_foreign_record_counts_against_its_sender_and_changes_nothing() {
    let mut alice = Victim::new(Accept::Auto);
    let (bob, carol) = (Person::new(1, "bob"), Person::new(2, "carol"));
    let conn = befriend(&mut alice, &bob, &[carol.user_id()]);
    let foreign = Person { network: NetworkId([9; 32]), ..Person::new(2, "carol") };
    bring(&mut alice, conn, &carol, Vec::new());
    let me = alice.user;
    let mut forged = page(&carol, 5, 0, 1, &[me]);
    forged.1.0[0] ^= 1;
    bring(&mut alice, conn, &carol, vec![forged]);
    bring(&mut alice, conn, &carol, vec![page(&foreign, 6, 0, 1, &[me])]);
    assert_eq!(alice.drops("record with a bad signature"), 2);
    assert!(!alice.notices().any(|notice| matches!(notice, Notice::Linked { id, .. } if *id == carol.user_id())));
}

#[test]
fn users_named_by_a_list_are_requested_once_the_lists_owner_becomes_a_friend() {
    let mut alice = Victim::new(Accept::Auto);
    let (bob, carol) = (Person::new(1, "bob"), Person::new(2, "carol"));
    let conn = alice.meet(&bob);
    alice.command(Command::Add { user: bob.user_id().to_string() });
    let entry = |user, state| LinkEntry { user, state, lamport: 1 };
    let entries = List(vec![entry(alice.user, link_state::AUTO), entry(carol.user_id(), link_state::LINKED)]);
    let (user, session) = (bob.user_id(), bob.session_id());
    let list = bob.by_session(LinkList { user, session, version: 1, page: 0, pages: 1, entries });
    bring(&mut alice, conn, &bob, vec![list]);
    let asked = |alice: &Victim| {
        let about = |want: &UserWant| want.user == short(&carol.user_id().0);
        alice.said(conn).iter().any(|message| matches!(message, Control::Want(want) if want.users.iter().any(about)))
    };
    assert!(!asked(&alice));
    let prekey = alice.prekey();
    alice.hand(conn, bob.parcel(alice.user, &prekey, vec![crate::adversary::linked(2)]));
    assert!(asked(&alice));
}

#[test]
fn a_replayed_older_list_restores_no_removed_user() {
    let mut alice = Victim::new(Accept::Auto);
    let (bob, carol) = (Person::new(1, "bob"), Person::new(2, "carol"));
    let conn = befriend(&mut alice, &bob, &[carol.user_id()]);
    bring(&mut alice, conn, &carol, Vec::new());
    assert!(alice.users().iter().any(|user| user.id == carol.user_id() && user.distance == Some(2)));
    let me = alice.user;
    bring(&mut alice, conn, &bob, vec![page(&bob, 20, 0, 1, &[me])]);
    assert!(!alice.users().iter().any(|user| user.id == carol.user_id()));
    bring(&mut alice, conn, &bob, vec![page(&bob, 10, 0, 1, &[me, carol.user_id()])]);
    assert!(!alice.users().iter().any(|user| user.id == carol.user_id()));
}

#[test]
fn a_link_list_with_too_many_pages_is_refused() {
    let mut alice = Victim::new(Accept::Auto);
    let bob = Person::new(1, "bob");
    let conn = alice.befriend(&bob);
    let me = alice.user;
    for n in 0..200 {
        bring(&mut alice, conn, &bob, vec![page(&bob, 10, n, 60_000, &[me])]);
    }
    assert_eq!(alice.drops("link list beyond the bound"), 200);
}

#[test]
fn pages_of_incomplete_lists_are_kept_for_one_list_only() {
    let mut alice = Victim::new(Accept::Auto);
    let bob = Person::new(1, "bob");
    let conn = alice.befriend(&bob);
    alice.keeps = false;
    let names: Vec<UserId> = (0..60).map(|n| UserId([n; 32])).collect();
    let mut round = |n: u64| bring(&mut alice, conn, &bob, vec![page(&bob, 10 + n, 3, 16, &names)]);
    (0..50).for_each(&mut round);
    let before = memory();
    (50..500).for_each(&mut round);
    assert!(memory() - before < 16 * 1024, "{} bytes", memory() - before);
}

#[test]
fn endless_digests_are_answered_one_by_one_and_use_no_lasting_memory() {
    let mut alice = Victim::new(Accept::Auto);
    let bob = Person::new(1, "bob");
    let conn = befriend(&mut alice, &bob, &[]);
    alice.keeps = false;
    let digest = |n: u64| {
        let mark = |m: u64| UserSummary {
            user: Fixed((n * 100 + m).to_be_bytes()),
            version: Some(n),
            sessions: List(vec![SessionSummary {
                seq: Some(n),
                live: Some(true),
                ..SessionSummary::bare(Fixed([1; 8]))
            }]),
            distance: None,
        };
        Control::Digest(Digest { users: List((0..100).map(mark).collect()) })
    };
    (0..20).for_each(|n| alice.say(conn, digest(n)));
    let before = memory();
    (20..500).for_each(|n| alice.say(conn, digest(n)));
    assert!(memory() - before < 16 * 1024, "{} bytes", memory() - before);
    assert_eq!(alice.drops("version summary of an unknown user"), 50_000);
}

#[test]
fn a_presence_claim_about_a_user_the_sender_is_not_linked_with_is_ignored() {
    let mut alice = Victim::new(Accept::Auto);
    let (bob, carol, mallory) = (Person::new(1, "bob"), Person::new(2, "carol"), Person::new(3, "mallory"));
    let conn = befriend(&mut alice, &bob, &[carol.user_id()]);
    bring(&mut alice, conn, &carol, Vec::new());
    let liar = befriend(&mut alice, &mallory, &[]);
    alice.say(liar, carol.declare(carol.declaration(7, true, &[])));
    let online = |alice: &mut Victim| alice.users().iter().any(|user| user.id == carol.user_id() && user.online);
    assert!(!online(&mut alice));
    assert_eq!(alice.drops("claim about somebody it is not linked with"), 1);
    alice.say(conn, carol.declare(carol.declaration(8, true, &[])));
    assert!(online(&mut alice), "bob is between them");
}

#[test]
fn only_a_user_can_declare_themselves_offline() {
    let mut alice = Victim::new(Accept::Auto);
    let (bob, carol) = (Person::new(1, "bob"), Person::new(2, "carol"));
    let conn = befriend(&mut alice, &bob, &[carol.user_id()]);
    bring(&mut alice, conn, &carol, Vec::new());
    alice.say(conn, carol.declare(carol.declaration(7, true, &[])));
    let mut forged = carol.declaration(8, false, &[]);
    forged.1 = bob.declaration(8, false, &[]).1;
    alice.say(conn, carol.declare(forged));
    assert!(alice.users().iter().any(|user| user.id == carol.user_id() && user.online));
    assert_eq!(alice.drops("record with a bad signature"), 1);
}

#[test]
fn a_flood_of_name_queries_is_limited_by_a_budget() {
    let mut alice = Victim::new(Accept::Auto);
    let bob = Person::new(1, "bob");
    befriend(&mut alice, &bob, &[]);
    let mallory = alice.meet(&Person::new(3, "mallory"));
    for id in 0..10_000 {
        let (name, user) = (Some(Text("bob".to_owned())), None);
        alice.say(mallory, Control::Find(Find { id, name, user, hops: 255 }));
    }
    let answers = alice.said(mallory).into_iter().filter(|message| matches!(message, Control::DeliverKnownList(_)));
    assert!(answers.count() <= FIND_BURST as usize);
    assert!(alice.drops("find over the budget of its asker") >= 9_900);
}

#[test]
fn an_explode_is_forwarded_once_in_ten_minutes_per_user_and_unsolicited_answers_are_ignored() {
    let mut alice = Victim::new(Accept::Auto);
    let (bob, mallory) = (Person::new(1, "bob"), Person::new(3, "mallory"));
    let to_bob = befriend(&mut alice, &bob, &[]);
    let conn = alice.meet(&mallory);
    for flood in 0..1_000 {
        let (declaration, roster) = (mallory.declaration(2 + flood, true, &[]), Some(mallory.roster()));
        alice.say(conn, Control::Explode(Explode { flood, declaration, roster, hops: 255 }));
    }
    let passed = |alice: &Victim| {
        alice.said(to_bob).into_iter().filter(|message| matches!(message, Control::Explode(_))).count()
    };
    assert_eq!(passed(&alice), 1);
    assert_eq!(alice.drops("explode too soon"), 999);
    alice.pass(EXPLODE_PAUSE + Duration::from_secs(1));
    alice.say(conn, Control::Exploded(Exploded { flood: 5, reached: List(Vec::new()), messages: u64::MAX }));
    assert_eq!(alice.drops("answer to an unknown flood"), 1);
}

#[test]
fn an_explode_in_the_name_of_another_user_is_refused() {
    let mut alice = Victim::new(Accept::Auto);
    let (bob, mallory) = (Person::new(1, "bob"), Person::new(3, "mallory"));
    let to_bob = befriend(&mut alice, &bob, &[]);
    let conn = alice.meet(&mallory);
    let (declaration, roster) = (bob.declaration(5, true, &[]), Some(bob.roster()));
    alice.say(conn, Control::Explode(Explode { flood: 1, declaration, roster, hops: 1 }));
    assert!(!alice.said(to_bob).into_iter().any(|message| matches!(message, Control::Explode(_))));
    assert_eq!(alice.drops("explode in the name of another"), 1);
}

#[test]
fn samples_are_ignored_in_the_open_network() {
    let mut alice = Victim::new(Accept::Auto);
    let conn = alice.meet(&Person::new(3, "mallory"));
    alice.say(conn, Control::Sample(Sample { members: List(Vec::new()), answer: true }));
    assert_eq!(alice.drops("sample in the open network"), 1);
    assert_eq!(alice.closed(conn), None::<CloseReason>);
}

/// Bob's connection ends, and nobody but carol, who was told that he is connected, hears of it.
fn only_carol_is_told_that_he_is_gone(alice: &mut Victim, bob: &Person, [bobs, carols, daves]: [ConnId; 3]) {
    alice.part(bobs);
    alice.pass(LOST_GRACE);
    alice.pass(OFFER_STEP);
    assert_eq!(claims(alice, carols, bob), [true, false]);
    assert!(claims(alice, daves, bob).is_empty());
}

#[test]
fn that_a_session_is_lost_is_told_to_whoever_was_told_that_it_is_here_and_to_nobody_else() {
    let (mut alice, bob) = (Victim::new(Accept::Auto), Person::new(1, "bob"));
    let conns = carol_was_told(&mut alice, &bob);
    only_carol_is_told_that_he_is_gone(&mut alice, &bob, conns);
}

#[test]
fn the_farewell_of_a_session_is_passed_to_whoever_was_told_that_it_is_here_and_to_nobody_else() {
    let (mut alice, bob) = (Victim::new(Accept::Auto), Person::new(1, "bob"));
    let conns = carol_was_told(&mut alice, &bob);
    alice.say(conns[0], bob.declare(bob.declaration(9, false, &[])));
    only_carol_is_told_that_he_is_gone(&mut alice, &bob, conns);
}

#[test]
fn nothing_is_withdrawn_from_a_neighbour_that_has_disconnected_and_comes_back() {
    let (mut alice, bob) = (Victim::new(Accept::Auto), Person::new(1, "bob"));
    let [bobs, carols, _] = carol_was_told(&mut alice, &bob);
    alice.part(carols);
    let again = alice.meet(&Person::new(2, "carol"));
    alice.part(bobs);
    alice.pass(LOST_GRACE);
    alice.pass(OFFER_STEP);
    assert!(claims(&alice, again, &bob).is_empty());
}
