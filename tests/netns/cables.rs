//! Connections recover by themselves, and nothing typed meanwhile is lost or duplicated.

use std::time::Duration;

use crate::field::{Field, in_a_field};
use crate::program::Node;
use crate::talk::{befriend, ends_with_nothing_left, hears, lines, meet, pair, talk, types};

/// Cuts bob's cable where neither side can notice; each types twenty lines meanwhile.
fn a_silent_cut(field: &Field, length: Duration) {
    let (mut alice, mut bob) = pair(field);
    field.cut("bob");
    let (of_alice, of_bob) = (lines("alice", "in the dark", 20), lines("bob", "in the dark", 20));
    types(&mut alice, &of_alice[..10]);
    types(&mut bob, &of_bob[..10]);
    field.pass(length / 2);
    types(&mut alice, &of_alice[10..]);
    types(&mut bob, &of_bob[10..]);
    field.pass(length / 2);
    field.mend("bob", "hall");
    hears(&mut alice, &of_bob);
    hears(&mut bob, &of_alice);
    ends_with_nothing_left(alice);
    ends_with_nothing_left(bob);
}

#[test]
fn messages_typed_during_a_cut_of_ten_seconds_arrive_once() {
    in_a_field(|field| a_silent_cut(field, Duration::from_secs(10)));
}

/// Both sides have closed their connection by then and are seeking; longer cuts are in the benchmark.
#[test]
fn messages_typed_during_a_cut_of_twenty_seconds_arrive_once() {
    in_a_field(|field| a_silent_cut(field, Duration::from_secs(20)));
}

#[test]
fn users_on_two_switches_discover_each_other_when_these_are_joined() {
    in_a_field(|field| {
        for (switch, people) in [("hall", ["alice", "bob"]), ("yard", ["carol", "dave"])] {
            field.switch(switch);
            for (n, name) in people.into_iter().enumerate() {
                let subnet = if switch == "hall" { 10 } else { 20 };
                field.desk(name, switch, &format!("10.0.0.{}/24", subnet + n));
            }
        }
        let mut nodes: Vec<Node> = ["alice", "bob", "carol", "dave"].iter().map(|name| field.node(name)).collect();
        let [alice, bob, carol, dave] = &mut nodes[..] else { unreachable!("there are four") };
        meet(alice, bob);
        meet(carol, dave);
        field.pass(Duration::from_secs(5));
        field.join("hall", "yard");
        for one in [alice, bob] {
            meet(one, carol);
            meet(one, dave);
        }
    });
}

#[test]
fn chat_continues_when_both_addresses_change_at_once() {
    in_a_field(|field| {
        let (mut alice, mut bob) = pair(field);
        field.readdress("alice", "eth0", "10.0.7.1/24");
        field.readdress("bob", "eth0", "10.0.7.2/24");
        talk(&mut alice, &mut bob, "elsewhere");
        ends_with_nothing_left(alice);
        ends_with_nothing_left(bob);
    });
}

#[test]
fn chat_continues_without_ipv6_when_both_addresses_change_at_once() {
    in_a_field(|field| {
        field.switch("hall");
        for (host, address) in [("alice", "10.0.0.1/24"), ("bob", "10.0.0.2/24")] {
            field.host(host);
            field.without_ipv6(host);
            field.plug(host, "eth0", "hall");
            field.address(host, "eth0", address);
        }
        let (mut alice, mut bob) = (field.node("alice"), field.node("bob"));
        befriend(&mut alice, &mut bob);
        field.readdress("alice", "eth0", "10.0.7.1/24");
        field.readdress("bob", "eth0", "10.0.7.2/24");
        talk(&mut alice, &mut bob, "elsewhere");
        ends_with_nothing_left(alice);
        ends_with_nothing_left(bob);
    });
}

#[test]
fn repeatedly_unplugging_a_cable_loses_no_message() {
    in_a_field(|field| {
        let (mut alice, mut bob) = pair(field);
        let (of_alice, of_bob) = (lines("alice", "in between", 8), lines("bob", "in between", 8));
        for (one, other) in of_alice.chunks(2).zip(of_bob.chunks(2)) {
            field.pull("bob");
            types(&mut alice, one);
            types(&mut bob, other);
            field.pass(Duration::from_secs(1));
            field.put_back("bob");
            field.pass(Duration::from_secs(1));
        }
        hears(&mut alice, &of_bob);
        hears(&mut bob, &of_alice);
        ends_with_nothing_left(alice);
        ends_with_nothing_left(bob);
    });
}

#[test]
fn nodes_killed_and_restarted_during_chat_show_each_message_once() {
    in_a_field(|field| {
        let (mut alice, mut bob) = pair(field);
        let typed = lines("alice", "under way", 60);
        let mut shown = std::collections::BTreeMap::new();
        let mut count = |events: Vec<serde_json::Value>| {
            for event in events.iter().filter(|event| event["event"] == "message") {
                shown.insert(event["message"].to_string(), event["text"].as_str().unwrap_or_default().to_owned());
            }
        };
        for part in typed.chunks(20) {
            types(&mut alice, part);
            let last = alice.wait("the store has it", |event| event["text"] == part[19].as_str());
            assert_eq!(last["event"], "queued");
            count(bob.killed());
            alice.killed();
            alice = field.node("alice");
            bob = field.node("bob");
            alice.asks(r"\chat bob");
        }
        let last = alice.says("the end");
        alice.knows_delivered(&last);
        bob.types(r"\quit");
        count(bob.ends().1);
        let mut texts: Vec<String> = shown.into_values().filter(|text| text != "the end").collect();
        texts.sort_by_key(|text| text.rsplit(' ').next().and_then(|n| n.parse::<u32>().ok()));
        assert_eq!(texts, typed);
    });
}
