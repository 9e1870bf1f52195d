//! Discovery.

use std::time::{Duration, Instant};

use crate::field::Field;
use crate::figures::Figures;
use crate::program::Node;
use crate::setup::{Two, a_while, hall};
use crate::talk::{befriend, hears};

/// Time until the first user met is shown a message, and until all users are.
pub fn newcomer(field: &Field) -> Figures {
    let people = ["bob", "carol", "dave", "erin", "alice"];
    hall(field, &people);
    let mut there: Vec<Node> = people[..4].iter().map(|name| field.node(name)).collect();
    let ids: Vec<String> = there.iter().map(|node| node.id().to_owned()).collect();
    for id in &ids[1..] {
        there[0].event_with("nearby", "id", id);
    }
    a_while(field, Duration::from_secs(7));
    let start = Instant::now();
    let mut alice = field.node("alice");
    alice.event_with("nearby", "id", &ids[0]);
    alice.types(&format!(r"\chat {}", ids[0]));
    alice.types("hello");
    hears(&mut there[0], &["hello".to_owned()]);
    let first = start.elapsed();
    for id in &ids[1..] {
        alice.event_with("nearby", "id", id);
        alice.types(&format!(r"\chat {id}"));
        alice.types("hello");
    }
    there[1..].iter_mut().for_each(|node| hears(node, &["hello".to_owned()]));
    Figures::new().seconds("first", first).seconds("everybody", start.elapsed())
}

pub fn twelve(field: &Field) -> Figures {
    let names: Vec<String> = (1..=12).map(|n| format!("node{n}")).collect();
    hall(field, &names.iter().map(String::as_str).collect::<Vec<_>>());
    let start = Instant::now();
    let mut nodes: Vec<Node> = names.iter().map(|name| field.node_soon(name, name, &[])).collect();
    for node in &mut nodes {
        node.ready = node.event("ready");
    }
    let ready = start.elapsed();
    let ids: Vec<String> = nodes.iter().map(|node| node.id().to_owned()).collect();
    for (n, node) in nodes.iter_mut().enumerate() {
        for id in ids.iter().enumerate().filter(|(other, _)| *other != n).map(|(_, id)| id) {
            node.event_with("nearby", "id", id);
        }
    }
    Figures::new().seconds("all met", start.elapsed()).seconds("all ready", ready)
}

pub fn plugged(field: &Field) -> Figures {
    field.switch("hall");
    field.host("alice");
    field.host("bob");
    let (alice, bob) = (field.node("alice"), field.node("bob"));
    field.pass(Duration::from_secs(5));
    a_while(field, Duration::from_secs(5));
    let start = Instant::now();
    for (host, address) in [("alice", "10.0.0.1/24"), ("bob", "10.0.0.2/24")] {
        field.plug(host, "eth0", "hall");
        field.address(host, "eth0", address);
    }
    first_lines(field, alice, bob, start)
}

/// Two strangers on separate switches, until these are joined.
pub fn joined(field: &Field, after: u64) -> Figures {
    field.switch("hall");
    field.switch("yard");
    field.desk("alice", "hall", "10.0.0.1/24");
    field.desk("bob", "yard", "10.0.0.2/24");
    let alice = field.node("alice");
    a_while(field, Duration::from_secs(7));
    let bob = field.node("bob");
    field.pass(Duration::from_secs(after));
    field.join("hall", "yard");
    first_lines(field, alice, bob, Instant::now())
}

/// Waits until they are linked and each was shown a message of the other.
fn first_lines(field: &Field, mut alice: Node, mut bob: Node, since: Instant) -> Figures {
    befriend(&mut alice, &mut bob);
    let mut two = Two::new(alice, bob);
    two.type_lines("at last", 1);
    two.finish(field, "first lines", since)
}
