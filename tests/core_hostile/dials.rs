//! Addresses that lead to a third party or cannot be valid.

use std::net::SocketAddr;
use std::time::Duration;

use darknode::proto::Accept;
use darknode::proto::event::{Input, Output};
use darknode::wire::control::{Control, Hello, RequestPing};

use crate::adversary::Person;
use crate::victim::Victim;

/// The addresses alice was made to dial.
fn dialled(alice: &Victim) -> Vec<SocketAddr> {
    let dial = |output: &Output| match output {
        Output::Dial { addr, .. } => Some(*addr),
        _ => None,
    };
    alice.out.iter().filter_map(dial).collect()
}

#[test]
fn a_peer_that_is_not_linked_cannot_cause_dials_to_a_third_party() {
    let mut alice = Victim::new(Accept::Auto);
    let victim: Vec<SocketAddr> = (1..=8).map(|port| ([203, 0, 113, 9], port).into()).collect();
    for number in 0..1_000 {
        let mallory = Person::new(number, "mallory");
        let conn = alice.connect(mallory.session_id());
        alice
            .say(conn, Control::Hello(Hello { declaration: mallory.declaration(1, true, &victim), ..mallory.hello() }));
        let declaration = mallory.declaration(2, true, &victim);
        for target in [alice.user, mallory.user_id(), Person::new(99_999, "nobody").user_id()] {
            let ping = RequestPing {
                id: 1,
                target,
                declaration: declaration.clone(),
                roster: None,
                hops: 3,
                observed: None,
                signature: None,
            };
            alice.say(conn, Control::RequestPing(ping));
        }
        alice.feed(Input::Closed { conn, reason: None });
    }
    alice.pass(Duration::from_secs(3600));
    assert_eq!(dialled(&alice), []);
}

#[test]
fn invalid_addresses_are_not_dialled_even_if_a_friend_signed_them() {
    let mut alice = Victim::new(Accept::Auto);
    let mallory = Person::new(1, "mallory");
    let conn = alice.befriend(&mallory);
    let nowhere = ["0.0.0.0:1", "224.0.0.251:5353", "255.255.255.255:9", "192.0.2.7:0", "[::]:7", "[ff02::fb]:5353"];
    let nowhere: Vec<SocketAddr> = nowhere.iter().map(|text| text.parse().unwrap()).collect();
    alice.say(conn, mallory.declare(mallory.declaration(7, true, &nowhere)));
    alice.out.clear();
    alice.feed(Input::Closed { conn, reason: None });
    alice.pass(Duration::from_secs(3600));
    let dialled = dialled(&alice);
    assert!(!dialled.is_empty(), "the address where she answered is dialled");
    assert!(dialled.iter().all(|addr| !nowhere.contains(addr)), "{dialled:?}");
}
