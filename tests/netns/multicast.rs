//! What is said on the link, what strangers can learn from it, and what remains where nobody hears it.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, UdpSocket};
use std::sync::mpsc;
use std::time::Duration;

use darknode::node::lan::packet::{Data, Item, Packet, Record};

use crate::field::{Field, PORT, in_a_field};
use crate::program::PATIENCE;
use crate::talk::{befriend, meet, talk};

/// Everything that is said to the multicast address of mDNS, as a bystander on a host hears it, until the end of the
/// test.
fn overhear(field: &Field, host: &str, address: Ipv4Addr) -> mpsc::Receiver<Vec<u8>> {
    let (tell, heard) = mpsc::channel();
    let (stand, stands) = mpsc::channel();
    field.stand_on(host, move || {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 5353)).expect("nobody else listens there");
        socket.join_multicast_v4(&Ipv4Addr::new(224, 0, 0, 251), &address).expect("the link takes multicast");
        stand.send(()).ok();
        let mut packet = [0; 9000];
        while let Ok(len) = socket.recv(&mut packet) {
            if tell.send(packet[..len].to_vec()).is_err() {
                return;
            }
        }
    });
    stands.recv_timeout(PATIENCE).expect("the bystander listens");
    heard
}

/// Every value of a TXT key that one packet shows.
fn values(packet: &[u8], key: &str) -> Vec<String> {
    let text = String::from_utf8_lossy(packet);
    text.split(key).skip(1).map(|rest| rest.chars().take_while(char::is_ascii_hexdigit).collect()).collect()
}

#[test]
fn a_bystander_learns_no_name_and_no_key_and_cannot_tell_two_starts_of_one_node() {
    in_a_field(|field| {
        field.switch("hall");
        field.desk("alice", "hall", "10.0.0.1/24");
        field.desk("bystander", "hall", "10.0.0.9/24");
        let heard = overhear(field, "bystander", Ipv4Addr::new(10, 0, 0, 9));
        let mut boots = BTreeSet::new();
        while boots.len() < 2 {
            let node = field.node("alice");
            let secrets = ["alice", &node.id()[..8], &node.session()[..8]].map(str::to_owned);
            let before = boots.len();
            while boots.len() == before {
                let packet = heard.recv_timeout(PATIENCE).expect("the node announces itself");
                let text = String::from_utf8_lossy(&packet).to_lowercase();
                assert!(secrets.iter().all(|secret| !text.contains(secret.as_str())), "{text:?}");
                boots.extend(values(&packet, "b=").into_iter().filter(|boot| boot.len() == 16));
            }
            node.quits();
        }
    });
}

#[test]
fn members_of_a_closed_network_meet_and_nobody_dials_or_is_dialled_across_its_border() {
    in_a_field(|field| {
        field.switch("hall");
        for (n, host) in ["alice", "bob", "stranger"].into_iter().enumerate() {
            field.desk(host, "hall", &format!("10.0.0.{}/24", n + 1));
        }
        field.count_packets("stranger");
        let key = field.stage.bare().args(["network", "new"]).output().expect("it starts");
        std::fs::write(field.stage.path("field.key"), key.stdout).expect("the stage can be written");
        let _stranger = field.node("stranger");
        let member = |name| field.node_with(name, name, &["--network-key", "field.key"]);
        let (mut alice, mut bob) = (member("alice"), member("bob"));
        befriend(&mut alice, &mut bob);
        // Two rounds of browsing: long enough for whoever wants to dial.
        field.pass(Duration::from_secs(8));
        assert_eq!(field.packets("stranger"), 0);
    });
}

#[test]
fn where_multicast_is_blocked_people_are_warned_and_meet_by_ping_by_bootstrap_and_by_memory() {
    in_a_field(|field| {
        field.switch("hall");
        for (n, host) in ["alice", "bob", "carol"].into_iter().enumerate() {
            field.desk(host, "hall", &format!("10.0.0.{}/24", n + 1));
            field.block_mdns(host);
        }
        let (mut alice, mut bob) = (field.node("alice"), field.node("bob"));
        assert_eq!(alice.event("warning")["code"], "multicast");
        let pong = alice.asks(r"\ping 10.0.0.2");
        assert_eq!((&pong["event"], &pong["id"]), (&"pong".into(), &bob.ready["id"]), "{pong}");
        alice.chats_with(&mut bob);
        bob.asks(r"\chat alice");
        talk(&mut alice, &mut bob, "by ping");

        let mut carol = field.node_with("carol", "carol", &["--bootstrap", "10.0.0.1"]);
        let chat = carol.asks(r"\chat alice");
        assert_eq!(chat["event"], "chat", "the bootstrap node is known by its name: {chat}");
        carol.event_with("linked", "user", "alice");

        alice.quits();
        bob.quits();
        let (mut alice, mut bob) = (field.node("alice"), field.node("bob"));
        alice.asks(r"\chat bob");
        bob.asks(r"\chat alice");
        talk(&mut alice, &mut bob, "by memory");
    });
}

#[test]
fn whoever_hears_themselves_is_not_warned_and_whoever_ceases_to_is() {
    in_a_field(|field| {
        field.switch("hall");
        for (n, host) in ["alice", "bob"].into_iter().enumerate() {
            field.desk(host, "hall", &format!("10.0.0.{}/24", n + 1));
        }
        let (mut alice, mut bob) = (field.node("alice"), field.node("bob"));
        meet(&mut alice, &mut bob);
        field.pass(Duration::from_secs(12));
        for node in [&mut alice, &mut bob] {
            let said = node.listens(Duration::ZERO);
            assert!(said.iter().all(|event| event["event"] != "warning"), "{said:?}");
        }
        field.block_mdns("alice");
        assert_eq!(alice.event("warning")["code"], "multicast");
        for node in [alice, bob] {
            let rest = crate::talk::ends_with_nothing_left(node);
            assert!(rest.iter().all(|event| event["event"] != "warning"), "once: {rest:?}");
        }
    });
}

#[test]
fn whoever_gets_a_network_that_is_blocked_is_warned() {
    in_a_field(|field| {
        field.switch("hall");
        field.host("alice");
        field.block_mdns("alice");
        let mut alice = field.node("alice");
        field.plug("alice", "eth0", "hall");
        field.address("alice", "eth0", "10.0.0.1/24");
        assert_eq!(alice.event("warning")["code"], "multicast");
    });
}

#[test]
fn an_old_resolver_that_asks_from_a_port_of_its_own_is_answered_alone() {
    in_a_field(|field| {
        field.switch("hall");
        field.desk("alice", "hall", "10.0.0.1/24");
        field.desk("resolver", "hall", "10.0.0.9/24");
        field.on("resolver", "ip route add 224.0.0.0/4 dev eth0");
        let _alice = field.node("alice");
        let (id, question) = (*b"\x12\x34", b"\x09_dArkchat\x04_udp\x05local\0\0\x0c\0\x01");
        let answer = field.stand_on("resolver", move || {
            let socket = UdpSocket::bind("10.0.0.9:0").expect("any port is free");
            socket.set_read_timeout(Some(Duration::from_secs(1))).expect("a second is a time");
            let mut packet = [0; 9000];
            for _ in 0..PATIENCE.as_secs() {
                let asked = [&id[..], &[1, 0, 0, 1, 0, 0, 0, 0, 0, 0], question].concat();
                socket.send_to(&asked, "224.0.0.251:5353").expect("the link takes multicast");
                if let Ok(len) = socket.recv(&mut packet) {
                    return packet[..len].to_vec();
                }
            }
            panic!("nobody answers");
        });
        let answer = answer.join().expect("the resolver is answered");
        assert_eq!(answer[..2], id);
        assert_eq!(answer[12..12 + question.len()], question[..], "as it was asked");
        let packet = Packet::read(&answer).expect("it is a packet");
        let items: Vec<Item> = packet.items().map(|item| item.expect("every record is sound")).collect();
        assert!(items.iter().any(|item| matches!(item, Item::Record(Record { data: Data::Srv { port: PORT }, .. }))));
    });
}
