//! Presence: killed nodes are reported, stalled ones are not, and packet loss is tolerated.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::field::in_a_field;
use crate::talk::{befriend, ends_with_nothing_left, meet, pair, talk};

#[test]
fn a_stall_of_eight_seconds_is_not_reported_and_a_kill_is() {
    in_a_field(|field| {
        let (mut alice, mut bob) = pair(field);
        let session = bob.session().to_owned();
        bob.signal(Signal::SIGSTOP);
        field.pass(Duration::from_secs(8));
        bob.signal(Signal::SIGCONT);
        talk(&mut alice, &mut bob, "after a pause");
        bob.killed();
        let offline = alice.event_with("offline", "session", &session);
        assert_eq!(offline["reason"], "lost", "the first report: {offline}");
        let rest = ends_with_nothing_left(alice);
        assert!(rest.iter().all(|event| event["event"] != "offline"), "{rest:?}");
    });
}

#[test]
fn a_graceful_exit_is_declared_and_a_stranger_who_leaves_is_away() {
    in_a_field(|field| {
        let (mut alice, bob) = pair(field);
        field.desk("carol", "hall", "10.0.0.3/24");
        let mut carol = field.node("carol");
        meet(&mut alice, &mut carol);
        let (bobs, carols) = (bob.session().to_owned(), carol.session().to_owned());
        bob.quits();
        assert_eq!(alice.event_with("offline", "session", &bobs)["reason"], "declared");
        carol.quits();
        alice.event_with("away", "session", &carols);
    });
}

#[test]
fn discovery_and_chat_work_with_thirty_percent_loss() {
    in_a_field(|field| {
        field.switch("hall");
        for (host, address) in [("alice", "10.0.0.1/24"), ("bob", "10.0.0.2/24")] {
            field.desk(host, "hall", address);
            // At both ends of the cable: 0.84 squared is 0.7.
            field.lose(host, 16);
        }
        let (mut alice, mut bob) = (field.node("alice"), field.node("bob"));
        befriend(&mut alice, &mut bob);
        for round in ["first", "then", "after that", "at last"] {
            talk(&mut alice, &mut bob, round);
            field.pass(Duration::from_secs(1));
        }
        ends_with_nothing_left(alice);
        ends_with_nothing_left(bob);
    });
}
