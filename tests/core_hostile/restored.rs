//! A user restored from recovery words on another machine.

use std::collections::BTreeSet;

use darknode::proto::Accept;
use darknode::wire::List;
use darknode::wire::control::{Control, Digest, Hello, SessionSummary, UserSummary, short};
use darknode::wire::decode;
use darknode::wire::record::{LinkList, Roster, link_state};

use crate::adversary::{Person, known_list};
use crate::sessions::{bring, listed, newest, rosters, rosters_sent, sister};
use crate::victim::Victim;

#[test]
fn a_restored_session_signs_below_every_roster_and_above_once_it_knows_the_other_sessions() {
    let mut new = Victim::restored();
    let (old, lost) = (sister(7), sister(8));
    assert_eq!(newest(&new).version, 1);
    bring(&mut new, old.roster_of(5, &[old.session_id()], &[lost.session_id()]));
    let roster = newest(&new);
    assert_eq!(listed(&roster), BTreeSet::from([new.session, old.session_id()]));
    assert_eq!((roster.revoked.0.clone(), roster.version > 5), (vec![lost.session_id()], true));
}

#[test]
fn a_friend_keeps_the_roster_it_has_and_sends_it_to_the_restored_session() {
    let mut alice = Victim::new(Accept::Auto);
    let (old, new) = (Person::new(2, "bob"), Person { session: Person::new(3, "x").session, ..Person::new(2, "bob") });
    let held = old.roster_of(1_800_000_000_000, &[old.session_id()], &[]);
    let conn = alice.connect(old.session_id());
    alice.say(conn, Control::Hello(Hello { roster: held.clone(), ..old.hello() }));
    let conn = alice.connect(new.session_id());
    alice.say(conn, Control::Hello(Hello { roster: new.roster_of(1, &[new.session_id()], &[]), ..new.hello() }));
    assert_eq!(rosters_sent(&alice, conn), [held]);
    assert!(alice.closed(conn).is_some());
}

#[test]
fn a_session_that_says_hello_with_an_outdated_roster_is_sent_the_newer_one() {
    let mut alice = Victim::new(Accept::Auto);
    let bob = Person::new(2, "bob");
    let conn = alice.befriend(&bob);
    let newer = bob.roster_of(2, &[bob.session_id(), Person::new(3, "x").session_id()], &[]);
    alice.say(conn, known_list(bob.user_id(), Some(newer.clone()), vec![], vec![]));
    assert_eq!(rosters_sent(&alice, conn), [], "it came from there");
    alice.part(conn);
    let conn = alice.meet(&bob);
    assert_eq!((alice.closed(conn), rosters_sent(&alice, conn)), (None, vec![newer]));
}

#[test]
fn sisters_exchange_their_link_lists_when_one_has_a_newer_one() {
    let mut alice = Victim::new(Accept::Auto);
    let (phone, bob) = (sister(7), Person::new(2, "bob"));
    let both = phone.roster_of(u64::MAX / 2, &[alice.session, phone.session_id()], &[]);
    bring(&mut alice, both);
    let roster = rosters(&alice).last().cloned().expect("it is stored");
    assert_eq!(decode::<Roster>(&roster.0).expect("a roster").sessions.len(), 2);
    let conn = alice.connect(phone.session_id());
    alice.say(conn, Control::Hello(Hello { roster, ..phone.hello() }));
    let summary = |links| {
        let mark = SessionSummary { links: Some(links), ..SessionSummary::bare(short(&phone.session_id().0)) };
        let user =
            UserSummary { user: short(&alice.user.0), version: None, sessions: List(vec![mark]), distance: None };
        Control::Digest(Digest { users: List(vec![user]) })
    };
    let wants = |alice: &Victim| alice.said(conn).iter().filter(|said| matches!(said, Control::Want(_))).count();
    let (newer, same) = (summary(9), summary(9));
    alice.say(conn, newer);
    assert_eq!(wants(&alice), 1);
    let list = phone.link_list(bob.user_id(), link_state::LINKED, 9);
    alice.say(conn, known_list(alice.user, None, vec![list], vec![]));
    alice.say(conn, same);
    assert_eq!(wants(&alice), 1, "it has that list");
    let named = |said: &&Control| match said {
        Control::DeliverKnownList(list) => list.users.iter().flat_map(|known| known.links.iter()).any(|page| {
            let list: LinkList = decode(&page.0).expect("a link list");
            list.entries.iter().any(|entry| entry.user == bob.user_id())
        }),
        _ => false,
    };
    assert!(alice.said(conn).iter().any(named), "it adopts the links and signs them too");
}
