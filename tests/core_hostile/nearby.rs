//! False announcements on the local link.

use std::net::SocketAddr;
use std::time::Duration;

use darknode::id::{BootId, ConnId};
use darknode::proto::Accept;
use darknode::proto::event::{Connected, Input, Output};
use darknode::proto::limits::MAX_SIGHTINGS;
use darknode::proto::notice::Notice;

use crate::adversary::Person;
use crate::victim::{Victim, memory};

/// The boot id used by [`Victim::connect`].
const CLAIMED: BootId = BootId(99);

fn address(last: u8) -> SocketAddr {
    ([10, 0, 0, last], 27272).into()
}

/// Announces a boot id at an address, twice.
fn announce(alice: &mut Victim, boot: BootId, addr: SocketAddr) {
    alice.feed(Input::Sighted { boot, addr });
    alice.pass(Duration::from_secs(7));
    alice.feed(Input::Sighted { boot, addr });
}

fn dials(alice: &Victim, to: SocketAddr) -> usize {
    alice.out.iter().filter(|output| matches!(output, Output::Dial { addr, .. } if *addr == to)).count()
}

#[test]
fn a_peer_that_claims_an_announced_boot_id_does_not_block_the_real_one() {
    let mut alice = Victim::new(Accept::Auto);
    alice.meet(&Person::new(1, "mallory"));
    announce(&mut alice, CLAIMED, address(2));
    assert!(dials(&alice, address(2)) > 0);
}

#[test]
fn announcing_the_boot_id_of_another_node_neither_hides_nor_ends_it() {
    let mut alice = Victim::new(Accept::Auto);
    let liars = address(66);
    alice.feed(Input::Sighted { boot: CLAIMED, addr: liars });
    announce(&mut alice, CLAIMED, address(2));
    assert!(dials(&alice, address(2)) > 0, "each address is a separate candidate");
    let bob = Person::new(2, "bob");
    alice.meet(&bob);
    alice.feed(Input::Sighted { boot: CLAIMED, addr: ([192, 0, 2, 1], 1000).into() });
    alice.feed(Input::Unsighted { boot: CLAIMED, addr: liars });
    assert!(alice.users()[0].nearby);
    assert!(!alice.notices().any(|notice| matches!(notice, Notice::Away { .. })));
}

#[test]
fn a_peer_connected_by_another_address_than_the_announced_one_is_shown_as_nearby() {
    let mut alice = Victim::new(Accept::Auto);
    let bob = Person::new(2, "bob");
    alice.meet(&bob);
    announce(&mut alice, CLAIMED, address(2));
    let dial = alice.out.iter().find_map(|output| match output {
        Output::Dial { dial, addr, .. } if *addr == address(2) => Some(*dial),
        _ => None,
    });
    let (conn, session, rtt) = (ConnId(77), bob.session_id(), Duration::from_millis(1));
    alice.feed(Input::Connected(Connected {
        conn,
        session,
        boot: CLAIMED,
        addr: address(2),
        exporter: [0; 32],
        dial,
        rtt,
    }));
    alice.feed(Input::Closed { conn, reason: None });
    alice.feed(Input::Sighted { boot: CLAIMED, addr: address(2) });
    assert!(alice.notices().any(|notice| matches!(notice, Notice::Nearby { .. })));
}

#[test]
fn endless_announcements_use_bounded_memory_and_are_counted() {
    let mut alice = Victim::new(Accept::Auto);
    alice.keeps = false;
    let flood = |alice: &mut Victim, from: u64| {
        for n in from..from + 10_000 {
            let addr = ([10, 0, 0, 66], 1 + n as u16 % 60_000).into();
            alice.feed(Input::Sighted { boot: BootId(1_000 + n), addr });
        }
    };
    flood(&mut alice, 0);
    let before = memory();
    flood(&mut alice, 10_000);
    let left = memory() - before;
    assert!(left < 32 * 1024, "{left} bytes");
    assert_eq!(alice.drops("announcement beyond the bound"), 20_000 - MAX_SIGHTINGS as u64);
}
