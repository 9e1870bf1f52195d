//! What another session of the user may cause here with its mail.

use std::collections::BTreeMap;
use std::time::Duration;

use darknode::id::{Address, ConnId, UserId};
use darknode::proto::Accept;
use darknode::proto::event::{Command, DialFailure, Input, Output, Query};
use darknode::proto::limits::{MIRROR_DIRECT_PAUSE, RESEND_FIRST, SISTER_BYTES};
use darknode::proto::persist::{Op, Subject};
use darknode::wire::chat::custody_state::{FULL, HELD, NO_CARRIER};
use darknode::wire::control::{BUCKETS, Compare, Control, Holdings};
use darknode::wire::envelope::Envelope;
use darknode::wire::{Bytes, List, decode, encode};

use crate::adversary::{Person, id_of};
use crate::custody::{R, dud, fresh, release};
use crate::sessions::{bring, sister};
use crate::unlink::{VERSION, meet_sister};
use crate::victim::Victim;

/// Alice on a node that is no relay, with two other sessions, and the connection of the first of them.
fn alice_and_sisters() -> (Victim, [Person; 2], ConnId) {
    let (mut alice, [phone, tablet]) = (Victim::new(Accept::Auto), [sister(7), sister(8)]);
    let roster = phone.roster_of(VERSION, &[alice.session, phone.session_id(), tablet.session_id()], &[]);
    let conn = meet_sister(&mut alice, &phone, roster);
    (alice, [phone, tablet], conn)
}

/// A dud of the greatest size.
fn large(to: UserId, number: u32) -> Vec<u8> {
    let envelope = decode::<Envelope>(&dud(to, number)).expect("an envelope");
    encode(&Envelope { sealed: Bytes(vec![0; 21_520]), ..envelope })
}

#[test]
fn mail_of_a_sister_is_held_up_to_a_bound() {
    let (mut alice, [phone, _], conn) = alice_and_sisters();
    let bob = Person::new(2, "bob").user_id();
    for number in 0..1_000 {
        alice.hand(conn, fresh(large(bob, number)));
    }
    let held: usize = alice.held().values().map(|row| row.bytes.len()).sum();
    assert!(held <= SISTER_BYTES && held > SISTER_BYTES * 9 / 10, "{held} bytes");
    assert!(alice.held().values().all(|row| row.member && row.from == phone.session_id()));
    let states = alice.states(conn);
    assert_eq!((states.len(), states[0], states[999]), (1_000, HELD, FULL));
}

#[test]
fn mail_of_others_is_not_held() {
    let (mut alice, _, _) = alice_and_sisters();
    let conn = alice.befriend(&Person::new(3, "carol"));
    alice.hand(conn, fresh(dud(Person::new(2, "bob").user_id(), 1)));
    assert_eq!((alice.states(conn), alice.held().len()), (vec![NO_CARRIER], 0));
}

#[test]
fn mail_of_one_sister_to_another_waits_for_that_session() {
    let (mut alice, [phone, tablet], conn) = alice_and_sisters();
    let envelope = fresh(dud(UserId(tablet.session_id().0), 1));
    let id = id_of(&envelope);
    alice.hand(conn, envelope);
    assert_eq!(alice.held()[&id].address, Address::from(&tablet.session_id()));
    let roster = phone.roster_of(VERSION, &[alice.session, phone.session_id(), tablet.session_id()], &[]);
    let to_tablet = meet_sister(&mut alice, &tablet, roster);
    let parcels = alice.parcels(to_tablet);
    assert_eq!(parcels.iter().map(|parcel| id_of(parcel)).collect::<Vec<_>>(), [id]);
    alice.hand(to_tablet, release(id, R));
    assert!(alice.held().is_empty());
    assert!(alice.items(conn).contains(&&release(id, R)), "the author is shown that it was opened");
}

/// The dials in this time, which passes second by second. Nobody answers them.
fn dials_in(alice: &mut Victim, span: Duration) -> usize {
    let mut dials = 0;
    for _ in 0..span.as_secs() {
        alice.pass(Duration::from_secs(1));
        for output in std::mem::take(&mut alice.out) {
            if let Output::Dial { dial, .. } = output {
                alice.feed(Input::DialFailed { dial, failure: DialFailure::Unreachable });
                dials += 1;
            }
        }
    }
    dials
}

#[test]
fn a_sister_that_is_off_is_sought_with_growing_pauses_until_she_is_unlinked() {
    let (mut alice, [phone, tablet], conn) = alice_and_sisters();
    alice.part(conn);
    assert!(dials_in(&mut alice, Duration::from_secs(60)) >= 3);
    dials_in(&mut alice, Duration::from_secs(3600));
    let hourly = dials_in(&mut alice, Duration::from_secs(3600));
    assert!((1..=12).contains(&hourly), "{hourly} dials in an hour");
    let without = tablet.roster_of(VERSION + 1, &[alice.session, tablet.session_id()], &[phone.session_id()]);
    bring(&mut alice, without);
    assert_eq!(dials_in(&mut alice, Duration::from_secs(3600)), 0);
}

#[test]
fn what_only_an_unlinked_sister_was_not_told_is_forgotten() {
    let (mut alice, [phone, tablet], _) = alice_and_sisters();
    alice.befriend(&Person::new(2, "bob"));
    alice.command(Command::Verify { user: "bob".to_owned() });
    let kept = |alice: &Victim| {
        let mut kept: BTreeMap<Subject, u64> = BTreeMap::new();
        for op in &alice.ops {
            match op {
                Op::Change(row) => drop(kept.insert(row.subject, row.n)),
                Op::ForgetChange(n) => kept.retain(|_, known| known != n),
                _ => {}
            }
        }
        kept
    };
    assert!(!kept(&alice).is_empty(), "the sisters are to be told of bob");
    let gone = [phone.session_id(), tablet.session_id()];
    let without = phone.roster_of(VERSION + 1, &[alice.session], &gone);
    bring(&mut alice, without);
    assert!(kept(&alice).is_empty(), "{:?}", kept(&alice));
}

/// Answers what alice asks of her store, which has nothing.
fn answer_queries(alice: &mut Victim) {
    let lines = |output: &Output| match output {
        Output::Query { query: Query::Lines { sister, wanted, .. }, .. } => Some((*sister, wanted.clone())),
        _ => None,
    };
    let asked: Vec<_> = alice.out.iter().filter_map(lines).collect();
    for (sister, examined) in asked {
        alice.feed(Input::Lines { sister, rows: Vec::new(), examined });
    }
}

/// The comparisons that alice has begun on a connection.
fn comparisons(alice: &Victim, conn: ConnId) -> usize {
    alice.said(conn).iter().filter(|said| matches!(said, Control::Compare(_))).count()
}

#[test]
fn a_mirror_that_is_not_answered_is_sent_again_although_nothing_else_happens() {
    let (mut alice, _, conn) = alice_and_sisters();
    let bob = Person::new(2, "bob");
    alice.befriend(&bob);
    alice.say(conn, Control::Holdings(Holdings { streams: List(Vec::new()), complete: true }));
    alice.command(Command::Say { to: bob.user_id(), text: "hello".to_owned() });
    alice.pass(MIRROR_DIRECT_PAUSE);
    answer_queries(&mut alice);
    assert!(!alice.parcels(conn).is_empty());
    alice.out.clear();
    alice.pass(RESEND_FIRST);
    answer_queries(&mut alice);
    assert!(!alice.parcels(conn).is_empty());
}

#[test]
fn when_one_of_two_connections_of_a_sister_ends_the_comparison_is_repeated_on_the_other() {
    let (mut alice, [phone, tablet], first) = alice_and_sisters();
    let roster = phone.roster_of(VERSION, &[alice.session, phone.session_id(), tablet.session_id()], &[]);
    let second = meet_sister(&mut alice, &phone, roster);
    let before = [first, second].map(|conn| comparisons(&alice, conn));
    alice.part(first);
    let after = [first, second].map(|conn| comparisons(&alice, conn));
    assert_eq!((after[0], after[1]), (before[0], before[1] + 1));
}

#[test]
fn a_comparison_is_answered_on_the_connection_that_brought_it() {
    let (mut alice, [phone, tablet], first) = alice_and_sisters();
    let roster = phone.roster_of(VERSION, &[alice.session, phone.session_id(), tablet.session_id()], &[]);
    let second = meet_sister(&mut alice, &phone, roster);
    for conn in [first, second] {
        alice.out.clear();
        alice.say(conn, Control::Compare(Compare { buckets: List(vec![0; BUCKETS]), people: 0, read: List(vec![]) }));
        let answers = [first, second].map(|conn| {
            alice.said(conn).iter().filter(|said| matches!(said, Control::Holdings(held) if held.complete)).count()
        });
        // The phone may have closed the other one already.
        assert_eq!(answers, [first, second].map(|of| usize::from(of == conn)));
    }
}
