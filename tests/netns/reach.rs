//! Hard networks: NATs that are renumbered, thin links, and paths that die silently.

use std::time::{Duration, Instant};

use crate::field::{Field, PORT, in_a_field};
use crate::program::Node;
use crate::talk::{befriend, hears, talk};

/// A line is on another path within this time after its own path has died: less than QUIC's idle time-out. Measured
/// values are half of it (`docs/benchmarks.md`).
const SWITCHED: Duration = Duration::from_secs(9);

/// A host behind a router of its own that masquerades with the public address 203.0.113.`last`.
fn behind_nat(field: &Field, host: &str, last: u8) {
    behind_router(field, host, last, "masquerade");
}

/// A host behind a router of its own that translates to the public address 203.0.113.`last` by this statement of nft.
pub fn behind_router(field: &Field, host: &str, last: u8, translation: &str) {
    let (router, lan) = (format!("{host}-nat"), format!("{host}-lan"));
    field.switch(&lan);
    field.host(&router);
    field.plug(&router, "wan", "public");
    field.address(&router, "wan", &format!("203.0.113.{last}/24"));
    field.plug(&router, "lan", &lan);
    field.address(&router, "lan", &format!("192.168.{last}.1/24"));
    field.desk(host, &lan, &format!("192.168.{last}.10/24"));
    field.without_ipv6(host);
    field.on(host, &format!("ip route add default via 192.168.{last}.1"));
    let guard = "table inet guard { \
                 chain forwarded { type filter hook forward priority 0; ct state established,related accept; iifname wan drop; }; \
                 chain incoming { type filter hook input priority 0; ct state established,related accept; iifname wan drop; }; };";
    let nat = format!(
        "table ip nat {{ chain post {{ type nat hook postrouting priority 100; oifname wan {translation}; }}; }}"
    );
    field.on(&router, &format!("echo 1 > /proc/sys/net/ipv4/ip_forward; nft '{guard} {nat}'"));
}

/// A server at the public address 203.0.113.1.
fn server(field: &Field) -> Node {
    field.switch("public");
    field.desk("server", "public", "203.0.113.1/24");
    field.node_with("server", "server", &["--server"])
}

/// Nodes that know the server, linked and connected directly.
fn clients(field: &Field, hosts: [&str; 2]) -> [Node; 2] {
    let place = format!("203.0.113.1:{PORT}");
    let mut people = hosts.map(|host| field.node_with(host, host, &["--bootstrap", &place]));
    let [one, other] = &mut people;
    finds(one, other);
    finds(other, one);
    talk(one, other, "at first");
    people
}

/// Asks for a conversation until the other is known.
pub fn finds(node: &mut Node, other: &Node) {
    let end = Instant::now() + Duration::from_secs(60);
    let wanted = format!(r"\chat {}", other.name);
    while node.asks(&wanted)["event"] != "chat" {
        assert!(Instant::now() < end, "{} does not find {}", node.name, other.name);
    }
}

#[test]
fn after_a_nat_was_renumbered_its_user_is_connected_directly_again() {
    in_a_field(|field| {
        let server = server(field);
        behind_nat(field, "alice", 11);
        behind_nat(field, "bob", 12);
        let [mut alice, mut bob] = clients(field, ["alice", "bob"]);
        field.on("alice-nat", "ip link set wan down; ip addr flush dev wan");
        field.pass(Duration::from_secs(5));
        field.on("alice-nat", "ip addr add 203.0.113.21/24 dev wan; ip link set wan up");
        field.pass(Duration::from_secs(15));
        server.killed();
        talk(&mut alice, &mut bob, "without the server");
    });
}

/// Alice, bob and the server on one link without IPv6, where bob then drops what matches the rule.
fn line_past_a_dead_path(field: &Field, rule: &str, line: &str) {
    let _server = server(field);
    for (host, last) in [("alice", 11), ("bob", 12)] {
        field.desk(host, "public", &format!("203.0.113.{last}/24"));
        field.without_ipv6(host);
    }
    let [mut alice, mut bob] = clients(field, ["alice", "bob"]);
    die(field, rule);
    arrives_soon(field, &mut alice, &mut bob, line);
}

/// Bob's host drops incoming packets that match a rule.
fn die(field: &Field, rule: &str) {
    let table = format!("table inet dead {{ chain in {{ type filter hook input priority 0; {rule} drop; }}; }}");
    field.on("bob", &format!("nft '{table}'"));
}

fn arrives_soon(field: &Field, alice: &mut Node, bob: &mut Node, line: &str) {
    let typed = Instant::now();
    alice.types(line);
    hears(bob, &[line.to_owned()]);
    let took = typed.elapsed();
    field.bed.say(format!("by another path after {took:?}"));
    assert!(took < SWITCHED, "{took:?}");
}

#[test]
fn a_path_that_dies_silently_in_one_direction_is_replaced_by_a_relay() {
    in_a_field(|field| line_past_a_dead_path(field, "ip saddr 203.0.113.11", "past the dead path"));
}

#[test]
fn a_path_on_which_large_packets_vanish_is_replaced_by_a_relay() {
    in_a_field(|field| line_past_a_dead_path(field, "ip saddr 203.0.113.11 meta length > 600", &"long ".repeat(1000)));
}

#[test]
fn a_path_that_dies_silently_is_replaced_by_another_address() {
    in_a_field(|field| {
        field.switch("hall");
        field.desk("alice", "hall", "10.0.0.1/24");
        field.desk("bob", "hall", "10.0.0.2/24");
        let (mut alice, mut bob) = (field.node("alice"), field.node("bob"));
        befriend(&mut alice, &mut bob);
        talk(&mut alice, &mut bob, "at first");
        // One of the two kinds of addresses is in use when it dies.
        for dead in ["ip saddr 10.0.0.1", "ip6 saddr fe80::/10"] {
            die(field, &format!("{dead} udp sport {PORT}"));
            arrives_soon(field, &mut alice, &mut bob, dead);
            field.on("bob", "nft delete table inet dead");
        }
    });
}

#[test]
fn where_the_network_carries_no_quic_people_are_told_so() {
    in_a_field(|field| {
        let _server = server(field);
        field.desk("alice", "public", "203.0.113.11/24");
        field.without_ipv6("alice");
        let mut alice = field.node_with("alice", "alice", &["--bootstrap", &format!("203.0.113.1:{PORT}")]);
        alice.event("bootstrap");
        let ping = format!(r"\ping 203.0.113.1 {PORT}");
        for (obstacle, told) in [
            ("ip link set eth0 mtu 1000", "packets of 1,228 bytes"),
            (
                "ip link set eth0 mtu 1500; nft 'table inet wall { chain out { type filter hook output priority 0; udp dport 27272 reject; }; }'",
                "firewall",
            ),
        ] {
            field.on("alice", obstacle);
            let answer = alice.asks(&ping);
            assert_eq!(answer["code"], "unreachable", "{answer}");
            assert!(answer["message"].as_str().is_some_and(|message| message.contains(told)), "{answer}");
        }
        alice.event_with("warning", "code", "bootstrap");
        assert_eq!(alice.fails(r"\chat nobody"), "unreachable");
    });
}

#[test]
fn over_9600_bits_a_second_two_meet_and_the_longest_line_arrives() {
    in_a_field(|field| {
        field.switch("cable");
        for (host, address) in [("alice", "10.9.0.1"), ("bob", "10.9.0.2")] {
            field.desk(host, "cable", &format!("{address}/24"));
            field.without_ipv6(host);
            field.on(host, "tc qdisc add dev eth0 root tbf rate 9600bit burst 1600 limit 6000");
        }
        let mut alice = field.node_with("alice", "alice", &["--no-lan"]);
        let mut bob = field.node_with("bob", "bob", &["--no-lan", "--bootstrap", &format!("10.9.0.1:{PORT}")]);
        finds(&mut bob, &alice);
        // Of a stranger she would not take so long a line.
        assert_eq!(alice.asks(&format!(r"\add {}", bob.id()))["event"], "done");
        // Its bytes alone take 14 s, and as much again is lost in the full queue or sent twice.
        alice.patience = Duration::from_secs(120);
        let long = "x".repeat(16_000);
        bob.types(&long);
        bob.types("behind it");
        hears(&mut alice, &[long, "behind it".to_owned()]);
    });
}
