//! Rosters of one user that were signed apart: they end as one, and nobody who was revoked comes back.

use std::collections::BTreeSet;

use darknode::id::{ConnId, SessionId};
use darknode::identity::{Scheme, SecretKey};
use darknode::proto::Accept;
use darknode::proto::event::{CloseReason, Command};
use darknode::proto::notice::{Notice, WarningCode};
use darknode::wire::chat::Chat;
use darknode::wire::control::{Control, Hello};
use darknode::wire::decode;
use darknode::wire::envelope::Envelope;
use darknode::wire::record::Signed;

use crate::adversary::{Person, known_list};
use crate::sessions::{bring, listed, newest, rosters, rosters_sent, sister};
use crate::victim::Victim;

/// Another session of bob, with keys and prekeys of its own.
fn bobs(number: u32) -> Person {
    let bob = Person::new(2, "bob");
    let key = |seed: u8| SecretKey::from_seed(Scheme::Ed25519, &[seed; 32]);
    Person { user: bob.user, session: key(number as u8), ..Person::new(number, "bob") }
}

/// Connects a session that says hello with this roster.
fn meet_with(alice: &mut Victim, person: &Person, roster: &Signed) -> ConnId {
    let conn = alice.connect(person.session_id());
    alice.say(conn, Control::Hello(Hello { roster: roster.clone(), ..person.hello() }));
    conn
}

#[test]
fn an_unlink_at_one_holder_of_the_key_and_a_new_session_at_another_end_on_one_roster_within_four_signatures() {
    let [phone, pi, tablet] = [7, 8, 9].map(|n| sister(n).session_id());
    // The number of sessions that the first revokes and how far the version of the second is ahead: so the first, neither, or
    // the second has the newer roster.
    for (revoked, ahead) in [(2, 1), (1, 1), (1, 9)] {
        for order in ["abababab", "babababa"] {
            let mut nodes = [Victim::new(Accept::Auto), Victim::twin(0xa3)];
            let both = [nodes[0].session, nodes[1].session];
            let common = sister(7).roster_of(u64::MAX / 2, &[both[0], both[1], phone, pi], &[]);
            nodes.iter_mut().for_each(|node| bring(node, common.clone()));
            let begun: usize = nodes.iter().map(|node| rosters(node).len()).sum();
            for session in [phone, pi].into_iter().take(revoked) {
                nodes[0].command(Command::Unlink { label: session.to_string() });
            }
            let added = sister(7).roster_of(u64::MAX / 2 + ahead, &[both[0], both[1], phone, pi, tablet], &[]);
            bring(&mut nodes[1], added);
            for step in order.chars() {
                let (from, to) = if step == 'a' { (0, 1) } else { (1, 0) };
                let roster = rosters(&nodes[from]).last().cloned().expect("each has a roster");
                bring(&mut nodes[to], roster);
            }
            let [one, other] = nodes.each_ref().map(|node| rosters(node).last().cloned());
            assert_eq!(one, other, "{revoked} {ahead} {order}");
            let kept: BTreeSet<SessionId> = [both[0], both[1], pi, tablet].into_iter().take(4).collect();
            let kept = if revoked == 2 { kept.into_iter().filter(|session| *session != pi).collect() } else { kept };
            assert_eq!(listed(&newest(&nodes[0])), kept, "{revoked} {ahead} {order}");
            let stored: usize = nodes.iter().map(|node| rosters(node).len()).sum();
            // Each signature is stored by both.
            assert!(stored - begun <= 2 * 4, "{revoked} {ahead} {order}: {}", stored - begun);
        }
    }
}

#[test]
fn a_revoked_session_that_returns_with_an_old_or_a_forked_roster_stays_out() {
    let (kept, lost) = (bobs(2), bobs(3));
    let both = [kept.session_id(), lost.session_id()];
    let old = kept.roster_of(1, &both, &[]);
    let revoking = kept.roster_of(5, &both[..1], &both[1..]);
    let forked = kept.roster_of(9, &both, &[]);
    let mut alice = Victim::new(Accept::Auto);
    meet_with(&mut alice, &kept, &revoking);
    for roster in [&old, &forked] {
        let conn = meet_with(&mut alice, &lost, roster);
        let answer = (alice.closed(conn), rosters_sent(&alice, conn));
        assert_eq!(answer, (Some(CloseReason::Protocol), vec![revoking.clone()]));
    }
    let warning = |notice: &Notice| matches!(notice, Notice::Warning { code: WarningCode::RosterFork, .. });
    assert_eq!(alice.notices().filter(|notice| warning(notice)).count(), 1);
    let conn = meet_with(&mut alice, &kept, &forked);
    assert_eq!(rosters_sent(&alice, conn), [revoking], "a session that did not know of it learns it");
    let joined = kept.roster_of(10, &both[..1], &both[1..]);
    alice.say(conn, known_list(kept.user_id(), Some(joined.clone()), vec![], vec![]));
    let again = meet_with(&mut alice, &lost, &forked);
    assert_eq!(rosters_sent(&alice, again), [joined]);
}

#[test]
fn a_sister_without_the_user_key_keeps_the_roster_that_revokes_until_one_joins_both() {
    let (phone, lost) = (sister(7).session_id(), sister(8).session_id());
    let me = Victim::new(Accept::Auto).session;
    let revoking = sister(7).roster_of(5, &[me, phone], &[lost]);
    let mut alice = Victim::without_user_key(revoking);
    bring(&mut alice, sister(7).roster_of(9, &[me, phone, lost], &[]));
    assert_eq!(rosters(&alice).len(), 1, "the forked one is not taken");
    let joined = sister(7).roster_of(10, &[me, phone], &[lost]);
    bring(&mut alice, joined.clone());
    assert_eq!(rosters(&alice).last(), Some(&joined));
}

#[test]
fn nothing_is_sealed_to_a_session_after_its_revocation_is_known() {
    let (kept, lost) = (bobs(2), bobs(3));
    let both = [kept.session_id(), lost.session_id()];
    let mut alice = Victim::new(Accept::Auto);
    let old = kept.roster_of(1, &both, &[]);
    let conns = [&kept, &lost].map(|person| meet_with(&mut alice, person, &old));
    alice.command(Command::Add { user: kept.user_id().to_string() });
    let sealed_to = |alice: &Victim| -> BTreeSet<[u8; 8]> {
        let Some(Chat::Parcel(parcel)) = alice.parcels(conns[0]).pop() else { panic!("something was sealed") };
        let envelope: Envelope = decode(&parcel.envelope).expect("an envelope");
        envelope.wraps.iter().map(|wrap| wrap.0.0).collect()
    };
    let prekeys = [&kept, &lost].map(|person| person.prekey.id);
    assert_eq!(sealed_to(&alice), BTreeSet::from(prekeys), "before, it is sealed to both");
    let revoking = kept.roster_of(5, &both[..1], &both[1..]);
    for roster in [revoking, kept.roster_of(9, &both, &[])] {
        let cards = vec![kept.card(2), lost.card(2)];
        alice.say(conns[0], known_list(kept.user_id(), Some(roster), vec![], cards));
        alice.command(Command::Say { to: kept.user_id(), text: "for one only".to_owned() });
        assert_eq!(sealed_to(&alice), BTreeSet::from([prekeys[0]]));
    }
}
