//! Islands without a router between them, connected by relays.

use std::time::{Duration, Instant};

use crate::chain::{finds, island, lay, settle};
use crate::field::Field;
use crate::figures::Figures;
use crate::program::Node;
use crate::setup::{Tally, Two, counts};
use crate::talk::{hears, lines, meet, types};

/// A host on each of several islands and a relay between each pair of neighbours, all started at once. The users at
/// the ends, who have never met, find each other by name, and each writes to the other.
pub fn line(field: &Field, hosts: u8) -> Figures {
    (0..hosts).for_each(|n| field.switch(&island(n)));
    let people: Vec<String> = (0..hosts).map(|n| format!("host{n}")).collect();
    let relays: Vec<String> = (1..hosts).map(|n| format!("pi{n}")).collect();
    people.iter().zip(0..).for_each(|(host, on)| settle(field, host, on));
    relays.iter().zip(0..).for_each(|(host, on)| lay(field, host, [on, on + 1], 11 + on));
    let start = Instant::now();
    let relays = relays.iter().map(|relay| field.node_soon(relay, relay, &["--relay"]));
    let _relays: Vec<Node> = relays.collect();
    let mut nodes: Vec<Node> = people.iter().map(|host| field.node_soon(host, host, &[])).collect();
    for node in &mut nodes {
        node.ready = node.event("ready");
    }
    let ready = start.elapsed();
    let (mut bob, mut alice) = (nodes.pop().expect("there is a last"), nodes.swap_remove(0));
    finds(&mut alice, &bob.name, bob.id());
    let found = start.elapsed();
    let first = [alice.name.clone() + " says hello"];
    types(&mut alice, &first);
    hears(&mut bob, &first);
    bob.types(&format!(r"\chat {}", alice.id()));
    let answer = [bob.name.clone() + " says hello"];
    types(&mut bob, &answer);
    hears(&mut alice, &answer);
    let spoken = start.elapsed();
    alice.event_with("online", "id", bob.id());
    bob.event_with("online", "id", alice.id());
    let seen = start.elapsed();
    let mut two = Two::new(alice, bob);
    let since = Instant::now();
    two.type_lines("down the line", 50);
    let talked = two.finish(field, "50 each way", since);
    let began = Figures::new().seconds("first lines", spoken).seconds("found", found).seconds("ready", ready);
    began.seconds("seen", seen).and(talked)
}

/// A relay that was connected with alice is moved to bob and back: ten messages and their receipts.
pub fn mule(field: &Field) -> Figures {
    (0..2).for_each(|n| field.switch(&island(n)));
    settle(field, "alice", 0);
    settle(field, "bob", 1);
    field.host("mule");
    let (mut alice, mut bob) = (field.node("alice"), field.node("bob"));
    let carry = |to: u8| {
        field.plug("mule", "eth0", &island(to));
        field.address("mule", "eth0", &format!("10.0.{to}.9/24"));
        field.node_with("mule", "mule", &["--relay"])
    };
    let put_away = |mule: Node| {
        field.pass(Duration::from_secs(1));
        mule.killed();
        field.unplug("mule", "eth0");
    };
    let mut mule = carry(0);
    meet(&mut alice, &mut mule);
    put_away(mule);
    let mule = carry(1);
    finds(&mut bob, "alice", alice.id());
    let texts = lines("bob", "by relay", 10);
    let ids: Vec<String> = texts.iter().map(|text| bob.says(text)).collect();
    for id in &ids {
        bob.wait("carried", |event| event["state"] == "carried" && event["message"] == **id);
    }
    put_away(mule);
    let there = Instant::now();
    let mule = carry(0);
    let mut tally = Tally::of(&texts);
    let took = tally.complete(&mut alice, there);
    put_away(mule);
    let back = Instant::now();
    let _mule = carry(1);
    ids.iter().for_each(|id| bob.knows_delivered(id));
    let receipted = back.elapsed();
    tally.close(field, alice);
    counts(Figures::new().seconds("all shown", took).seconds("all receipted", receipted), &[tally])
}
