//! The horizon on real networks: who is seen through others, and how users who lost each other reconnect through a
//! friend or a server.

use serde_json::Value;

use crate::field::{Field, PORT, in_a_field};
use crate::program::Node;
use crate::talk::{befriend, talk};

/// Adds a router between these switches. It has number 254 on each.
fn router(field: &Field, switches: &[(&str, u8)]) {
    field.host("router");
    field.on("router", "echo 1 > /proc/sys/net/ipv4/ip_forward");
    for (n, (switch, subnet)) in switches.iter().enumerate() {
        field.switch(switch);
        let iface = format!("eth{n}");
        field.plug("router", &iface, switch);
        field.address("router", &iface, &format!("10.0.{subnet}.254/24"));
    }
}

/// Adds a host on a switch, with a default route through the router.
fn routed(field: &Field, host: &str, switch: &str, subnet: u8) {
    field.desk(host, switch, &format!("10.0.{subnet}.1/24"));
    field.on(host, &format!("ip route add default via 10.0.{subnet}.254"));
}

/// Moves two hosts to other switches at once, where they get new addresses.
fn both_move(field: &Field, one: &str, other: &str) {
    let places = [(one, "cellar", 4), (other, "loft", 5)];
    places.iter().for_each(|(host, ..)| field.cut(host));
    for (host, _, subnet) in places {
        field.readdress(host, "eth0", &format!("10.0.{subnet}.1/24"));
        field.on(host, &format!("ip route add default via 10.0.{subnet}.254"));
    }
    places.iter().for_each(|(host, switch, _)| field.mend(host, switch));
}

/// One dials the other, and they add each other.
fn introduce(one: &mut Node, other: &mut Node, subnet: u8) {
    assert_eq!(one.asks(&format!(r"\ping 10.0.{subnet}.1 {PORT}"))["id"], other.ready["id"]);
    let (a, b) = (one.id().to_owned(), other.id().to_owned());
    assert_eq!(one.asks(&format!(r"\chat {b}"))["event"], "chat");
    other.event_with("linked", "id", &a);
    assert_eq!(other.asks(&format!(r"\chat {a}"))["event"], "chat");
    one.event_with("linked", "id", &b);
}

/// What a node shows about a user.
fn shown(node: &mut Node, id: &str) -> Value {
    let users = node.asks(r"\users");
    let user = users["users"].as_array().and_then(|users| users.iter().find(|user| user["id"] == id));
    user.unwrap_or_else(|| panic!("{id} is not in {users}")).clone()
}

#[test]
fn a_friend_of_a_friend_on_another_link_is_seen_through_the_friend_and_lost_with_them() {
    in_a_field(|field| {
        field.switch("hall");
        field.switch("yard");
        field.desk("alice", "hall", "10.0.1.1/24");
        field.desk("carol", "yard", "10.0.2.1/24");
        field.desk("bob", "hall", "10.0.1.9/24");
        field.plug("bob", "eth1", "yard");
        field.address("bob", "eth1", "10.0.2.9/24");
        let mut bob = field.node("bob");
        let [mut alice, mut carol] = ["alice", "carol"].map(|host| field.node(host));
        befriend(&mut alice, &mut bob);
        befriend(&mut carol, &mut bob);
        let (carols, alices) = (carol.id().to_owned(), alice.id().to_owned());
        assert_eq!(alice.event_with("online", "id", &carols)["via"], "relayed");
        assert_eq!(carol.event_with("online", "id", &alices)["via"], "relayed");
        let seen = shown(&mut alice, &carols);
        assert_eq!((&seen["distance"], &seen["status"]), (&2.into(), &"online".into()), "{seen}");
        bob.killed();
        assert_eq!(alice.event_with("offline", "id", &carols)["reason"], "lost");
    });
}

/// Rita and emil are friends of each other, of carl and of quin. Both move at once while only one of these two is
/// running.
fn moving_friends_reconnect_through(field: &Field, common: &str, away: &str) {
    router(field, &[("hall", 1), ("yard", 2), ("attic", 3), ("cellar", 4), ("loft", 5), ("shed", 6)]);
    for (host, switch, subnet) in [("rita", "hall", 1), ("emil", "yard", 2), ("carl", "attic", 3), ("quin", "shed", 6)]
    {
        routed(field, host, switch, subnet);
    }
    let [mut rita, mut emil, mut friend, mut gone] = ["rita", "emil", common, away].map(|host| field.node(host));
    let place = |host| if host == "carl" { 3 } else { 6 };
    for (host, between) in [(away, &mut gone), (common, &mut friend)] {
        introduce(&mut rita, between, place(host));
        introduce(&mut emil, between, place(host));
    }
    introduce(&mut rita, &mut emil, 2);
    talk(&mut rita, &mut emil, "at home");
    gone.killed();
    both_move(field, "rita", "emil");
    talk(&mut rita, &mut emil, "elsewhere");
}

#[test]
fn friends_who_both_change_address_reconnect_through_one_common_friend() {
    in_a_field(|field| moving_friends_reconnect_through(field, "carl", "quin"));
}

#[test]
fn friends_who_both_change_address_reconnect_through_the_other_common_friend() {
    in_a_field(|field| moving_friends_reconnect_through(field, "quin", "carl"));
}

#[test]
fn friends_who_both_move_reconnect_through_a_server_and_do_not_need_it_afterwards() {
    in_a_field(|field| {
        router(field, &[("hall", 1), ("yard", 2), ("attic", 3), ("cellar", 4), ("loft", 5)]);
        for (host, switch, subnet) in [("alice", "hall", 1), ("bob", "yard", 2), ("server", "attic", 3)] {
            routed(field, host, switch, subnet);
        }
        let server = field.node_with("server", "server", &["--server"]);
        assert_eq!(server.ready["roles"], serde_json::json!(["relay", "server"]));
        let [mut alice, mut bob] = ["alice", "bob"].map(|host| field.node(host));
        introduce(&mut alice, &mut bob, 2);
        alice.quits();
        bob.quits();
        let place = format!("10.0.3.1:{PORT}");
        let mut people = ["alice", "bob"].map(|host| field.node_with(host, host, &["--bootstrap", &place]));
        for node in &mut people {
            assert_eq!(node.asks(&format!(r"\ping 10.0.3.1 {PORT}"))["id"], server.ready["id"]);
        }
        let [alice, bob] = &mut people;
        alice.asks(&format!(r"\chat {}", bob.id()));
        bob.asks(&format!(r"\chat {}", alice.id()));
        talk(alice, bob, "at home");
        both_move(field, "alice", "bob");
        talk(alice, bob, "elsewhere");
        server.killed();
        talk(alice, bob, "without the server");
    });
}
