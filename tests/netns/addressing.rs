//! Discovery and chat with every kind of addressing on a link.

use std::time::Duration;

use crate::field::{Field, in_a_field};
use crate::program::Node;
use crate::talk::{befriend, ends_with_nothing_left, meet, talk};

/// Starts alice and bob on their hosts; they discover each other and chat.
fn they_find_each_other(field: &Field) {
    let (mut alice, mut bob) = (field.node("alice"), field.node("bob"));
    befriend(&mut alice, &mut bob);
    talk(&mut alice, &mut bob, "now");
    ends_with_nothing_left(alice);
    ends_with_nothing_left(bob);
}

#[test]
fn chat_works_on_a_link_with_ipv4_and_no_default_route() {
    in_a_field(|field| {
        field.switch("hall");
        field.desk("alice", "hall", "10.0.0.1/24");
        field.desk("bob", "hall", "10.0.0.2/24");
        they_find_each_other(field);
    });
}

#[test]
fn chat_works_with_link_local_ipv6_only() {
    in_a_field(|field| {
        field.switch("hall");
        for host in ["alice", "bob"] {
            field.host(host);
            field.plug(host, "eth0", "hall");
        }
        they_find_each_other(field);
    });
}

/// Containers and virtual machines come with a bridge each.
#[test]
fn the_address_of_the_network_is_among_those_of_many_bridges() {
    in_a_field(|field| {
        field.switch("hall");
        field.desk("alice", "hall", "192.168.1.10/24");
        field.desk("bob", "hall", "192.168.1.11/24");
        field.address("alice", "eth0", "fd00::10/64");
        for n in 0..12 {
            let bridge = format!("br-{n}");
            field.on("alice", &format!("ip link add {bridge} type bridge; ip link set {bridge} up"));
            field.address("alice", &bridge, &format!("10.{n}.0.1/16"));
        }
        let args = ["--no-lan"];
        let (mut alice, mut bob) = (field.node_with("alice", "alice", &args), field.node_with("bob", "bob", &args));
        let address = alice.asks(r"\me")["address"].as_str().expect("it is a text").to_owned();
        assert!(address.contains("@192.168.1.10:27272,[fd00::10]:27272,"), "{address}");
        bob.asks(&format!(r"\chat {address}"));
        alice.event("linked");
        alice.asks(r"\chat bob");
        talk(&mut alice, &mut bob, "now");
    });
}

/// The IPv6 link-local address of a host's interface.
fn link_local(field: &Field, host: &str, iface: &str) -> String {
    let shown = field.on(host, &format!("ip -6 -brief addr show dev {iface} scope link"));
    let address = shown.split_whitespace().find_map(|word| word.strip_suffix("/64")).expect("it has one");
    address.to_owned()
}

#[test]
fn a_link_local_address_can_be_dialled_with_its_interface() {
    in_a_field(|field| {
        field.switch("hall");
        field.host("alice");
        field.host("bob");
        for host in ["alice", "bob"] {
            field.plug(host, "eth0", "hall");
        }
        let mut alice = field.node_with("alice", "alice", &["--no-lan"]);
        let address = link_local(field, "bob", "eth0");
        let bootstrap = format!("{}%eth0", link_local(field, "alice", "eth0"));
        let mut bob = field.node_with("bob", "bob", &["--no-lan", "--bootstrap", &bootstrap]);
        let finds_bob = |alice: &mut Node, place: &str| {
            let pong = alice.asks(&format!(r"\ping {place}"));
            assert_eq!((&pong["event"], &pong["id"]), (&"pong".into(), &bob.id().into()), "{place}: {pong}");
        };
        for place in [format!("{address}%eth0"), format!("[{address}%eth0]:27272"), address.clone()] {
            finds_bob(&mut alice, &place);
        }
        field.plug("alice", "wlan0", "hall");
        let answer = alice.asks(&format!(r"\ping {address}"));
        assert!(answer["message"].as_str().is_some_and(|text| text.contains("%eth0 or %wlan0")), "{answer}");
        finds_bob(&mut alice, &format!("{address}%wlan0 27272"));
        alice.asks(r"\chat bob");
        bob.asks(r"\chat alice");
        talk(&mut alice, &mut bob, "by hand");
    });
}

#[test]
fn chat_works_with_link_local_ipv4_only() {
    in_a_field(|field| {
        field.switch("hall");
        for (host, address) in [("alice", "169.254.7.1/16"), ("bob", "169.254.9.200/16")] {
            field.host(host);
            field.without_ipv6(host);
            field.plug(host, "eth0", "hall");
            field.address(host, "eth0", address);
        }
        they_find_each_other(field);
    });
}

#[test]
fn hosts_in_different_subnets_of_one_link_chat_by_link_local_ipv6() {
    in_a_field(|field| {
        field.switch("hall");
        field.desk("alice", "hall", "10.0.0.1/24");
        field.desk("bob", "hall", "192.168.5.2/24");
        they_find_each_other(field);
    });
}

#[test]
fn chat_works_with_two_interfaces_on_one_link() {
    in_a_field(|field| {
        field.switch("hall");
        for (n, host) in ["alice", "bob"].into_iter().enumerate() {
            field.desk(host, "hall", &format!("10.0.0.{}/24", n + 1));
            field.plug(host, "wlan0", "hall");
            field.address(host, "wlan0", &format!("10.0.0.{}/24", n + 11));
        }
        they_find_each_other(field);
    });
}

#[test]
fn a_host_on_two_links_discovers_users_on_both() {
    in_a_field(|field| {
        field.switch("hall");
        field.switch("yard");
        field.desk("alice", "hall", "10.0.0.1/24");
        field.desk("bob", "yard", "10.0.1.1/24");
        field.desk("relay", "hall", "10.0.0.9/24");
        field.plug("relay", "eth1", "yard");
        field.address("relay", "eth1", "10.0.1.9/24");
        let mut relay = field.node("relay");
        for host in ["alice", "bob"] {
            let mut node = field.node(host);
            befriend(&mut node, &mut relay);
            talk(&mut node, &mut relay, "now");
        }
    });
}

#[test]
fn two_nodes_on_a_host_without_a_network_chat() {
    in_a_field(|field| {
        field.host("island");
        let mut alice = field.node_with("island", "alice", &[]);
        let mut bob = field.node_with("island", "bob", &[]);
        befriend(&mut alice, &mut bob);
        talk(&mut alice, &mut bob, "alone");
    });
}

#[test]
fn two_nodes_on_one_host_and_one_on_another_all_discover_each_other() {
    in_a_field(|field| {
        field.switch("hall");
        field.desk("home", "hall", "10.0.0.1/24");
        field.desk("carol", "hall", "10.0.0.2/24");
        let mut alice = field.node_with("home", "alice", &[]);
        let mut bob = field.node_with("home", "bob", &[]);
        let mut carol = field.node("carol");
        meet(&mut alice, &mut bob);
        meet(&mut alice, &mut carol);
        meet(&mut bob, &mut carol);
    });
}

#[test]
fn nodes_started_without_a_network_discover_each_other_once_there_is_one() {
    in_a_field(|field| {
        field.switch("hall");
        field.host("alice");
        field.host("bob");
        let (mut alice, mut bob) = (field.node("alice"), field.node("bob"));
        field.pass(Duration::from_secs(3));
        for (host, address) in [("alice", "10.0.0.1/24"), ("bob", "10.0.0.2/24")] {
            field.plug(host, "eth0", "hall");
            field.address(host, "eth0", address);
        }
        befriend(&mut alice, &mut bob);
        talk(&mut alice, &mut bob, "at last");
    });
}

#[test]
fn an_interface_that_is_replaced_is_used_again() {
    in_a_field(|field| {
        field.switch("hall");
        field.desk("alice", "hall", "10.0.0.1/24");
        field.desk("bob", "hall", "10.0.0.2/24");
        let (mut alice, mut bob) = (field.node("alice"), field.node("bob"));
        befriend(&mut alice, &mut bob);
        field.unplug("bob", "eth0");
        field.pass(Duration::from_secs(3));
        field.plug("bob", "eth0", "hall");
        field.address("bob", "eth0", "10.0.0.77/24");
        talk(&mut alice, &mut bob, "again");
        ends_with_nothing_left(alice);
        ends_with_nothing_left(bob);
    });
}

#[test]
fn twelve_nodes_that_start_within_a_second_all_discover_each_other() {
    in_a_field(|field| {
        field.switch("hall");
        let names: Vec<String> = (1..=12).map(|n| format!("node{n}")).collect();
        for (n, name) in names.iter().enumerate() {
            field.desk(name, "hall", &format!("10.0.0.{}/24", n + 1));
        }
        let mut nodes: Vec<_> = names.iter().map(|name| field.node_soon(name, name, &[])).collect();
        for node in &mut nodes {
            node.ready = node.event("ready");
        }
        let ids: Vec<String> = nodes.iter().map(|node| node.id().to_owned()).collect();
        for node in &mut nodes {
            for id in ids.iter().filter(|id| *id != node.id()).cloned().collect::<Vec<_>>() {
                node.event_with("nearby", "id", &id);
            }
        }
        for node in &mut nodes {
            let drops = node.asks(r"\me")["drops"].clone();
            assert!(drops["mdns_storms"].is_null(), "a crowd is no storm: {drops}");
        }
    });
}
