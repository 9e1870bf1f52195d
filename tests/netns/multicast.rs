//! Multicast on the link: what announcements disclose, what works where multicast is blocked, and legacy resolvers.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, UdpSocket};
use std::sync::mpsc;
use std::time::Duration;

use darknode::node::lan::packet::{Data, Item, Packet, Record};

use crate::field::{Field, PORT, in_a_field};
use crate::program::PATIENCE;
use crate::talk::{befriend, meet, talk};

/// Captures all packets that a host receives on the multicast group of mDNS, until the end of the test.
fn capture(field: &Field, host: &str, address: Ipv4Addr) -> mpsc::Receiver<Vec<u8>> {
    let (sender, packets) = mpsc::channel();
    let (ready, is_ready) = mpsc::channel();
    field.stand_on(host, move || {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 5353)).expect("the port is free");
        socket.join_multicast_v4(&Ipv4Addr::new(224, 0, 0, 251), &address).expect("the link supports multicast");
        ready.send(()).ok();
        let mut packet = [0; 9000];
        while let Ok(len) = socket.recv(&mut packet) {
            if sender.send(packet[..len].to_vec()).is_err() {
                return;
            }
        }
    });
    is_ready.recv_timeout(PATIENCE).expect("the observer has joined the group");
    packets
}

/// Every hexadecimal value that follows a TXT key in a packet.
fn values(packet: &[u8], key: &str) -> Vec<String> {
    let text = String::from_utf8_lossy(packet);
    text.split(key).skip(1).map(|rest| rest.chars().take_while(char::is_ascii_hexdigit).collect()).collect()
}

#[test]
fn announcements_contain_no_name_or_key_and_differ_between_two_starts_of_a_node() {
    in_a_field(|field| {
        field.switch("lan");
        field.desk("alice", "lan", "10.0.0.1/24");
        field.desk("observer", "lan", "10.0.0.9/24");
        let packets = capture(field, "observer", Ipv4Addr::new(10, 0, 0, 9));
        let mut boots = BTreeSet::new();
        while boots.len() < 2 {
            let node = field.node("alice");
            let secrets = ["alice", &node.id()[..8], &node.session()[..8]].map(str::to_owned);
            let before = boots.len();
            while boots.len() == before {
                let packet = packets.recv_timeout(PATIENCE).expect("the node announces itself");
                let text = String::from_utf8_lossy(&packet).to_lowercase();
                assert!(secrets.iter().all(|secret| !text.contains(secret.as_str())), "{text:?}");
                boots.extend(values(&packet, "b=").into_iter().filter(|boot| boot.len() == 16));
            }
            node.quits();
        }
    });
}

#[test]
fn members_of_a_closed_network_connect_and_nobody_dials_across_its_boundary() {
    in_a_field(|field| {
        field.switch("lan");
        for (n, host) in ["alice", "bob", "outsider"].into_iter().enumerate() {
            field.desk(host, "lan", &format!("10.0.0.{}/24", n + 1));
        }
        field.count_packets("outsider");
        let key = field.bed.bare().args(["network", "new"]).output().expect("the program starts");
        std::fs::write(field.bed.path("field.key"), key.stdout).expect("the directory is writable");
        let _outsider = field.node("outsider");
        let member = |name| field.node_with(name, name, &["--network-key", "field.key"]);
        let (mut alice, mut bob) = (member("alice"), member("bob"));
        befriend(&mut alice, &mut bob);
        // Two rounds of queries, so that a node that would dial has the time to.
        field.pass(Duration::from_secs(8));
        assert_eq!(field.packets("outsider"), 0);
    });
}

#[test]
fn where_multicast_is_blocked_nodes_warn_and_connect_by_ping_by_bootstrap_address_and_by_stored_address() {
    in_a_field(|field| {
        field.switch("lan");
        for (n, host) in ["alice", "bob", "carol"].into_iter().enumerate() {
            field.desk(host, "lan", &format!("10.0.0.{}/24", n + 1));
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
        talk(&mut alice, &mut bob, "by stored address");
    });
}

#[test]
fn a_node_warns_only_once_its_own_queries_no_longer_come_back() {
    in_a_field(|field| {
        field.switch("lan");
        for (n, host) in ["alice", "bob"].into_iter().enumerate() {
            field.desk(host, "lan", &format!("10.0.0.{}/24", n + 1));
        }
        let (mut alice, mut bob) = (field.node("alice"), field.node("bob"));
        meet(&mut alice, &mut bob);
        field.pass(Duration::from_secs(12));
        for node in [&mut alice, &mut bob] {
            let events = node.listens(Duration::ZERO);
            assert!(events.iter().all(|event| event["event"] != "warning"), "{events:?}");
        }
        field.block_mdns("alice");
        assert_eq!(alice.event("warning")["code"], "multicast");
        for node in [alice, bob] {
            let rest = crate::talk::ends_with_nothing_left(node);
            assert!(rest.iter().all(|event| event["event"] != "warning"), "once: {rest:?}");
        }
    });
}

/// A query on an interface that is switched off is lost as well, but multicast is not the reason.
#[test]
fn a_node_whose_interface_is_switched_off_does_not_warn_of_blocked_multicast() {
    in_a_field(|field| {
        field.switch("lan");
        field.desk("alice", "lan", "10.0.0.1/24");
        let mut alice = field.node("alice");
        field.on("alice", "ip link set eth0 down");
        field.pass(Duration::from_secs(15));
        let events = alice.listens(Duration::ZERO);
        assert!(events.iter().all(|event| event["event"] != "warning"), "{events:?}");
        crate::talk::ends_with_nothing_left(alice);
    });
}

#[test]
fn a_node_that_is_plugged_into_a_blocked_network_warns() {
    in_a_field(|field| {
        field.switch("lan");
        field.host("alice");
        field.block_mdns("alice");
        let mut alice = field.node("alice");
        field.plug("alice", "eth0", "lan");
        field.address("alice", "eth0", "10.0.0.1/24");
        assert_eq!(alice.event("warning")["code"], "multicast");
    });
}

#[test]
fn a_legacy_resolver_that_queries_from_another_port_is_answered_by_unicast() {
    in_a_field(|field| {
        field.switch("lan");
        field.desk("alice", "lan", "10.0.0.1/24");
        field.desk("resolver", "lan", "10.0.0.9/24");
        field.on("resolver", "ip route add 224.0.0.0/4 dev eth0");
        let _alice = field.node("alice");
        let (id, question) = (*b"\x12\x34", b"\x09_dArkchat\x04_udp\x05local\0\0\x0c\0\x01");
        let answer = field.stand_on("resolver", move || {
            let socket = UdpSocket::bind("10.0.0.9:0").expect("a port is free");
            socket.set_read_timeout(Some(Duration::from_secs(1))).expect("the time-out is not zero");
            let mut packet = [0; 9000];
            for _ in 0..PATIENCE.as_secs() {
                let query = [&id[..], &[1, 0, 0, 1, 0, 0, 0, 0, 0, 0], question].concat();
                socket.send_to(&query, "224.0.0.251:5353").expect("the link supports multicast");
                if let Ok(len) = socket.recv(&mut packet) {
                    return packet[..len].to_vec();
                }
            }
            panic!("no answer");
        });
        let answer = answer.join().expect("the resolver receives an answer");
        assert_eq!(answer[..2], id);
        assert_eq!(answer[12..12 + question.len()], question[..], "the question is repeated unchanged");
        let packet = Packet::read(&answer).expect("the header is valid");
        let items: Vec<Item> = packet.items().map(|item| item.expect("every record is well-formed")).collect();
        assert!(items.iter().any(|item| matches!(item, Item::Record(Record { data: Data::Srv { port: PORT }, .. }))));
    });
}

/// Adds many interfaces with a carrier to a host, and then its connection with a switch.
fn with_many_interfaces(field: &Field, host: &str) {
    field.host(host);
    field.without_ipv6(host);
    for n in 0..15 {
        let (one, other) = (format!("a{n}"), format!("b{n}"));
        field.on(
            host,
            &format!("ip link add {one} type veth peer {other}; ip link set {one} up; ip link set {other} up"),
        );
        field.address(host, &one, &format!("10.100.{n}.1/24"));
        field.address(host, &other, &format!("10.101.{n}.1/24"));
    }
    field.plug(host, "eth0", "lan");
    field.address(host, "eth0", "10.0.0.1/24");
}

#[test]
fn a_host_with_more_interfaces_than_a_socket_has_memberships_finds_others_on_the_last_one() {
    in_a_field(|field| {
        field.switch("lan");
        with_many_interfaces(field, "alice");
        let mut alice = field.node("alice");
        field.desk("bob", "lan", "10.0.0.2/24");
        let mut bob = field.node("bob");
        befriend(&mut alice, &mut bob);
        talk(&mut alice, &mut bob, "now");
        // 224.0.0.251 in the order of the kernel.
        let joined = field.on("alice", "grep -c FB0000E0 /proc/self/net/igmp");
        assert_eq!(joined.trim(), "32", "thirty-one and loopback");
        let events = crate::talk::ends_with_nothing_left(alice);
        assert!(events.iter().all(|event| event["code"] != "multicast"), "{events:?}");
    });
}

#[test]
fn a_node_that_cannot_join_on_all_interfaces_warns_and_names_one() {
    in_a_field(|field| {
        field.switch("lan");
        with_many_interfaces(field, "alice");
        field.on("alice", "echo 1 > /proc/sys/net/ipv4/igmp_max_memberships");
        let warning = field.node("alice").event_with("warning", "code", "multicast");
        assert!(warning["message"].as_str().is_some_and(|text| text.contains("too many interfaces")), "{warning}");
    });
}
