//! Many strangers on one link, some of them hostile: who keeps a connection, and who is believed about whom.

use std::net::SocketAddr;
use std::time::Duration;

use darknode::id::{BootId, ConnId, DialId};
use darknode::proto::Accept;
use darknode::proto::event::{CloseReason, Command, Input, Output};
use darknode::proto::limits::{
    CARRIERS_KEPT, HEARSAY_BURST, IN_USE, JUDGED_AFTER, MAX_NEIGHBOURS, MAX_NEIGHBOURS_RELAY, NEARBY_CHOSEN,
    PROVEN_CARRIERS_KEPT, STRANGERS_KEPT,
};
use darknode::proto::notice::Notice;
use darknode::wire::List;
use darknode::wire::chat::{Ask, Chat, Custody, custody_state};
use darknode::wire::control::{Control, Hello, NearbyDigest, NearbyNode, NearbyRecords, NearbyWant, features};
use darknode::wire::link::WAITING_NAME;
use darknode::wire::record::roles;

use crate::adversary::{Person, id_of, text};
use crate::victim::Victim;

fn at(host: u8, port: u16) -> SocketAddr {
    ([10, 0, 0, host], port).into()
}

/// Connects this many strangers from one address.
fn strangers(alice: &mut Victim, count: u16, host: u8) -> Vec<ConnId> {
    let name = |n: u16| Person::new(1_000 + u32::from(host) * 10_000 + u32::from(n), &format!("stranger {host} {n}"));
    (0..count).map(|n| alice.meet_from(&name(n), at(host, 1 + n))).collect()
}

/// Lets time pass second by second, as its timers do.
fn wait(alice: &mut Victim, span: Duration) {
    (0..=span.as_secs()).for_each(|_| alice.pass(Duration::from_secs(1)));
}

fn open(alice: &Victim, conns: &[ConnId]) -> usize {
    conns.iter().filter(|conn| alice.closed(**conn).is_none()).count()
}

#[test]
fn a_newcomers_first_line_is_shown_however_many_idle_strangers_are_connected() {
    let mut alice = Victim::new(Accept::Auto);
    let idle = strangers(&mut alice, 200, 66);
    wait(&mut alice, Duration::from_secs(200));
    let bob = Person::new(1, "bob");
    let conn = alice.meet_from(&bob, at(2, 5));
    let prekey = alice.prekey();
    alice.hand(conn, bob.parcel(alice.user, &prekey, vec![text(1, "hello")]));
    assert_eq!(alice.shown(), [(bob.user_id(), "hello".to_owned())]);
    assert_eq!(open(&alice, &idle), STRANGERS_KEPT, "and the idle ones cost a bounded number of connections");
}

#[test]
fn a_stranger_who_came_last_is_kept_as_likely_as_one_who_came_first() {
    let (mut first, mut last) = (0, 0);
    for seed in 0..10u8 {
        let mut alice = Victim::new(Accept::Auto);
        let all: Vec<ConnId> = (0..20).flat_map(|host| strangers(&mut alice, 1, seed * 20 + host)).collect();
        wait(&mut alice, Duration::from_secs(60));
        first += open(&alice, &all[..10]);
        last += open(&alice, &all[10..]);
    }
    assert_eq!(first + last, 10 * STRANGERS_KEPT);
    assert!(first.abs_diff(last) < 30, "{first} of the first, {last} of the last");
}

#[test]
fn an_address_with_many_identities_does_not_displace_one_with_a_single_one() {
    let mut alice = Victim::new(Accept::Auto);
    let bob = alice.meet_from(&Person::new(1, "bob"), at(2, 5));
    let hostile = strangers(&mut alice, 60, 66);
    wait(&mut alice, Duration::from_secs(120));
    assert_eq!((open(&alice, &[bob]), open(&alice, &hostile)), (1, STRANGERS_KEPT - 1));
}

#[test]
fn a_connection_is_closed_neither_before_it_was_judged_nor_while_it_is_in_use() {
    let mut alice = Victim::new(Accept::Auto);
    let all = strangers(&mut alice, 20, 66);
    alice.pass(JUDGED_AFTER / 2);
    assert_eq!(open(&alice, &all), 20);
    let bob = Person::new(1, "bob");
    let conn = alice.meet_from(&bob, at(66, 999));
    let prekey = alice.prekey();
    // It was opened by its author before, so it changes nothing here but that the connection is used.
    alice.hand(conn, bob.parcel(alice.user, &prekey, Vec::new()));
    wait(&mut alice, IN_USE / 2);
    assert_eq!((open(&alice, &[conn]), open(&alice, &all)), (1, STRANGERS_KEPT));
}

#[test]
fn a_full_node_admits_a_newcomer_and_closes_one_of_the_address_that_holds_most() {
    for (roles, places) in [(0, MAX_NEIGHBOURS), (roles::SERVER | roles::RELAY, MAX_NEIGHBOURS_RELAY)] {
        let mut alice = Victim::with_roles(Accept::Auto, roles);
        alice.keeps = false;
        let honest = alice.meet_from(&Person::new(1, "carol"), at(3, 5));
        for host in 0..4 {
            strangers(&mut alice, places as u16 / 4 + 8, 60 + host);
        }
        alice.keeps = true;
        let bob = Person::new(2, "bob");
        let conn = alice.meet_from(&bob, at(2, 5));
        assert_eq!(open(&alice, &[conn, honest]), 2);
        assert!(alice.drops("connection beyond the bound") > 0);
    }
}

/// Announces a person at an address.
fn announce(alice: &mut Victim, person: &Person, host: u8) {
    alice.feed(Input::Sighted { boot: person.boot(), addr: at(host, 5) });
}

/// The boot ids that a neighbour was asked for.
fn wants(alice: &Victim, of: ConnId) -> Vec<u64> {
    let boots = |message: &Control| match message {
        Control::NearbyWant(want) => want.boots.0.clone(),
        _ => Vec::new(),
    };
    alice.said(of).into_iter().flat_map(boots).collect()
}

fn records(nodes: Vec<NearbyNode>) -> Control {
    Control::NearbyRecords(NearbyRecords { nodes: List(nodes) })
}

fn node(person: &Person) -> NearbyNode {
    NearbyNode { roster: person.roster(), declaration: person.declaration_at_boot(1) }
}

fn told(alice: &mut Victim, by: ConnId, persons: &[&Person]) {
    let marks = persons.iter().map(|person| person.boot().mark()).collect();
    alice.say(by, Control::NearbyDigest(NearbyDigest { marks: List(marks) }));
    alice.pass(Duration::from_secs(1));
}

fn nearby(alice: &Victim) -> Vec<String> {
    let name = |notice: &Notice| if let Notice::Nearby { user, .. } = notice { Some(user.clone()) } else { None };
    alice.notices().filter_map(name).collect()
}

#[test]
fn a_node_on_the_link_is_named_by_a_neighbour_without_a_handshake() {
    let (mut alice, bob, carol) = (Victim::new(Accept::Auto), Person::new(1, "bob"), Person::new(2, "carol"));
    announce(&mut alice, &bob, 1);
    let conn = alice.meet_on_link(&bob, at(1, 5));
    announce(&mut alice, &carol, 2);
    told(&mut alice, conn, &[&carol]);
    assert_eq!(wants(&alice, conn), [carol.boot().0]);
    alice.say(conn, records(vec![node(&carol)]));
    assert_eq!(nearby(&alice), ["bob", "carol"]);
    assert!(alice.users().iter().all(|user| user.nearby));
    alice.feed(Input::Unsighted { boot: carol.boot(), addr: at(2, 5) });
    assert!(alice.notices().any(|notice| matches!(notice, Notice::Away { user, .. } if user == "carol")));
    assert_eq!(alice.users().len(), 1, "whom the link does not show any more is forgotten");
}

#[test]
fn a_machine_that_waits_to_be_linked_is_nobody_nearby() {
    let (mut alice, machine) = (Victim::new(Accept::Auto), Person::new(1, WAITING_NAME));
    announce(&mut alice, &machine, 1);
    let conn = alice.connect_from(machine.session_id(), at(1, 5), machine.boot());
    let (declaration, features) = (machine.declaration_at_boot(1), Some(features::WAITS));
    alice.say(conn, Control::Hello(Hello { declaration, features, ..machine.hello() }));
    assert!(nearby(&alice).is_empty());
    let users = alice.users();
    assert!(users.len() == 1 && !users[0].nearby, "{users:?}");
}

#[test]
fn hearsay_alone_lists_nobody() {
    let (mut alice, bob, carol) = (Victim::new(Accept::Auto), Person::new(1, "bob"), Person::new(2, "carol"));
    announce(&mut alice, &bob, 1);
    let conn = alice.meet_on_link(&bob, at(1, 5));
    told(&mut alice, conn, &[&carol]);
    assert!(wants(&alice, conn).is_empty(), "the link does not show her");
    alice.say(conn, records(vec![node(&carol)]));
    assert_eq!(
        (nearby(&alice).len(), alice.drops("record of a node that the local link does not show, or that is known")),
        (1, 1)
    );
}

#[test]
fn a_false_answer_names_nobody_and_another_neighbour_is_asked() {
    let (mut alice, carol) = (Victim::new(Accept::Auto), Person::new(9, "carol"));
    let (mallory, bob) = (Person::new(1, "mallory"), Person::new(2, "bob"));
    let conns = [(&mallory, 66), (&bob, 2)].map(|(person, host)| {
        announce(&mut alice, person, host);
        alice.meet_on_link(person, at(host, 5))
    });
    announce(&mut alice, &carol, 3);
    told(&mut alice, conns[0], &[&carol]);
    told(&mut alice, conns[1], &[&carol]);
    assert_eq!(wants(&alice, conns[0]), [carol.boot().0]);
    // Records of somebody else, records of hers with a roster of another user, and nothing.
    alice.say(conns[0], records(vec![node(&mallory)]));
    alice.say(conns[0], records(vec![NearbyNode { roster: mallory.roster(), ..node(&carol) }]));
    wait(&mut alice, Duration::from_secs(4));
    assert!(!nearby(&alice).contains(&"carol".to_owned()));
    assert_eq!(wants(&alice, conns[1]), [carol.boot().0]);
    alice.say(conns[1], records(vec![node(&carol)]));
    assert!(nearby(&alice).contains(&"carol".to_owned()));
}

#[test]
fn nothing_is_told_to_neighbours_that_are_not_on_the_link() {
    let (mut alice, bob, eve) = (Victim::new(Accept::Auto), Person::new(1, "bob"), Person::new(2, "eve"));
    announce(&mut alice, &bob, 1);
    alice.meet_on_link(&bob, at(1, 5));
    let far = alice.meet_on_link(&eve, ([198, 51, 100, 9], 5).into());
    alice.say(far, Control::NearbyWant(NearbyWant { boots: List(vec![bob.boot().0]) }));
    alice.pass(Duration::from_secs(1));
    let hears = |message: &Control| matches!(message, Control::NearbyDigest(_) | Control::NearbyRecords(_));
    assert!(!alice.said(far).into_iter().any(hears));
    assert_eq!(alice.drops("word of the local link from somebody who is not on it"), 1);
}

/// The nodes that a neighbour was told of so far.
fn nodes_told(alice: &Victim, to: ConnId) -> usize {
    let count =
        |message: &Control| if let Control::NearbyRecords(records) = message { records.nodes.0.len() } else { 0 };
    alice.said(to).into_iter().map(count).sum()
}

#[test]
fn a_node_is_told_of_once_for_a_request_and_within_a_budget_for_many() {
    let (mut alice, bob, eve) = (Victim::new(Accept::Auto), Person::new(1, "bob"), Person::new(2, "eve"));
    for (person, host) in [(&bob, 1), (&eve, 66)] {
        announce(&mut alice, person, host);
    }
    alice.meet_on_link(&bob, at(1, 5));
    let conn = alice.meet_on_link(&eve, at(66, 5));
    let want = |boots: Vec<u64>| Control::NearbyWant(NearbyWant { boots: List(boots) });
    alice.say(conn, want(vec![bob.boot().0; 200]));
    assert_eq!(nodes_told(&alice, conn), 1);
    for _ in 0..2_000 {
        alice.say(conn, want(vec![bob.boot().0]));
    }
    assert_eq!(nodes_told(&alice, conn), HEARSAY_BURST as usize);
    assert!(alice.drops("record of the local link over the budget of its asker") > 1_000);
}

#[test]
fn nobody_is_named_by_a_declaration_of_being_offline() {
    let (mut alice, bob, carol) = (Victim::new(Accept::Auto), Person::new(1, "bob"), Person::new(2, "carol"));
    announce(&mut alice, &bob, 1);
    let conn = alice.meet_on_link(&bob, at(1, 5));
    announce(&mut alice, &carol, 2);
    told(&mut alice, conn, &[&carol]);
    let gone = carol.sign_boot(2, false);
    alice.say(conn, records(vec![NearbyNode { declaration: gone, ..node(&carol) }]));
    assert_eq!(nearby(&alice), ["bob"]);
}

#[test]
fn a_declaration_that_names_another_boot_id_than_its_connection_is_refused() {
    let (mut alice, bob) = (Victim::new(Accept::Auto), Person::new(1, "bob"));
    let conn = alice.connect_from(bob.session_id(), at(1, 5), BootId(7));
    let declaration = bob.declaration_at_boot(1);
    alice.say(conn, Control::Hello(darknode::wire::control::Hello { declaration, ..bob.hello() }));
    assert_eq!(alice.closed(conn), Some(CloseReason::Protocol));
}

#[test]
fn in_a_hall_a_few_nodes_are_dialled_and_sightings_alone_lead_to_no_more() {
    let mut alice = Victim::new(Accept::Auto);
    let everybody: Vec<Person> = (0..200).map(|n| Person::new(n, &format!("n{n}"))).collect();
    let place = |n: usize| -> SocketAddr { ([10, 0, 1, n as u8], 5).into() };
    let mut answered = 0;
    for _ in 0..20 {
        for (n, person) in everybody.iter().enumerate() {
            alice.feed(Input::Sighted { boot: person.boot(), addr: place(n) });
        }
        let dials: Vec<(DialId, SocketAddr)> = alice.out.iter().filter_map(dial).collect();
        for (dial, addr) in &dials[answered..] {
            let n = (0..200).find(|n| place(*n) == *addr).expect("it was announced");
            alice.answer(&everybody[n], *dial, *addr);
        }
        answered = dials.len();
        alice.pass(Duration::from_secs(1));
    }
    // After a few seconds those that nobody has told of are dialled as well, one in a second.
    assert!((NEARBY_CHOSEN..NEARBY_CHOSEN + 20).contains(&answered), "{answered}");
}

fn dial(output: &Output) -> Option<(DialId, SocketAddr)> {
    if let Output::Dial { dial, addr, .. } = output { Some((*dial, *addr)) } else { None }
}

#[test]
fn relays_that_only_claim_the_role_have_few_places_and_do_not_displace_one_that_delivers() {
    let mut alice = Victim::new(Accept::Auto);
    let liars: Vec<ConnId> =
        (0..20).map(|n| alice.meet_relay_from(&Person::new(100 + n, &format!("r{n}")), at(66, n as u16 + 1))).collect();
    let honest = alice.meet_relay_from(&Person::new(1, "pi"), at(2, 5));
    wait(&mut alice, Duration::from_secs(60));
    assert_eq!(open(&alice, &[honest]), 1);
    assert!(open(&alice, &liars) < CARRIERS_KEPT + PROVEN_CARRIERS_KEPT);
}

#[test]
fn mail_to_somebody_absent_reaches_the_honest_relay_among_liars_that_took_it_before() {
    let mut alice = Victim::new(Accept::Auto);
    let bob = Person::new(1, "bob");
    let conn = alice.befriend(&bob);
    alice.part(conn);
    alice.pass(Duration::from_secs(2));
    let liars: Vec<ConnId> =
        (0..10).map(|n| alice.meet_relay_from(&Person::new(100 + n, &format!("r{n}")), at(66, n as u16 + 1))).collect();
    alice.command(Command::Say { to: bob.user_id(), text: "are you well?".to_owned() });
    for liar in &liars {
        let given: Vec<Chat> = alice.parcels(*liar).into_iter().cloned().collect();
        for parcel in given {
            let claim = Custody { envelope: id_of(&parcel), state: custody_state::HELD };
            alice.hand(*liar, Chat::Custody(claim));
        }
    }
    let honest = alice.meet_relay_from(&Person::new(2, "pi"), at(2, 5));
    let offers = alice.items(honest).into_iter().filter_map(|item| match item {
        Chat::Offer(offer) => Some(offer.envelopes.0.clone()),
        _ => None,
    });
    let offered: Vec<_> = offers.flatten().collect();
    assert!(!offered.is_empty(), "it is offered although eight have it");
    alice.hand(honest, Chat::Ask(Ask { envelopes: List(offered) }));
    assert!(!alice.parcels(honest).is_empty());
}
