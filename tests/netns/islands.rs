//! Islands: links that no router joins, and relays with a cable in two of them.

use std::time::Duration;

use crate::chain::{finds, island, lay, settle};
use crate::field::{Field, in_a_field};
use crate::program::Node;
use crate::talk::{hears, meet, talk};

/// Waits until a node is told that somebody is there, by way of others.
fn sees(node: &mut Node, other: &Node) {
    let online = node.event_with("online", "id", other.id());
    assert_eq!(online["via"], "relayed", "{online}");
}

/// A relay on a host between two islands.
fn bridge(field: &Field, host: &str, islands: [u8; 2], nth: u8) -> Node {
    lay(field, host, islands, nth);
    let relay = field.node_with(host, host, &["--relay"]);
    assert_eq!(relay.ready["roles"], serde_json::json!(["relay"]));
    relay
}

/// Alice on the first of these islands, bob on the last; they find each other by name, link, and see each other.
fn two_who_never_met(field: &Field, last: u8) -> (Node, Node) {
    settle(field, "alice", 0);
    settle(field, "bob", last);
    let (mut alice, mut bob) = (field.node("alice"), field.node("bob"));
    finds(&mut alice, "bob", bob.id());
    alice.event_with("linked", "id", bob.id());
    bob.event_with("linked", "id", alice.id());
    finds(&mut bob, "alice", alice.id());
    sees(&mut alice, &bob);
    sees(&mut bob, &alice);
    (alice, bob)
}

#[test]
fn over_two_relays_strangers_find_each_other_talk_and_see_who_comes_and_goes() {
    in_a_field(|field| {
        (0..3).for_each(|n| field.switch(&island(n)));
        let _relays = [bridge(field, "pi1", [0, 1], 11), bridge(field, "pi2", [1, 2], 12)];
        let (mut alice, mut bob) = two_who_never_met(field, 2);
        talk(&mut alice, &mut bob, "over the relays");
        let message = alice.says("and back");
        alice.knows_delivered(&message);
        bob.quits();
        let gone = alice.event("offline");
        assert_eq!((&gone["user"], &gone["reason"]), (&"bob".into(), &"declared".into()), "{gone}");
        let later = alice.says("for later");
        bob = field.node("bob");
        sees(&mut alice, &bob);
        alice.knows_delivered(&later);
    });
}

#[test]
fn a_relay_that_dies_is_missed_by_both_ends_and_another_in_its_place_joins_them_again() {
    in_a_field(|field| {
        (0..3).for_each(|n| field.switch(&island(n)));
        let (first, _second) = (bridge(field, "pi1", [0, 1], 11), bridge(field, "pi2", [1, 2], 12));
        let (mut alice, mut bob) = two_who_never_met(field, 2);
        first.killed();
        for node in [&mut alice, &mut bob] {
            assert_eq!(
                node.wait("offline", |event| event["event"] == "offline" && event["user"] != "pi1")["reason"],
                "lost"
            );
        }
        let waits = alice.says("across the gap");
        let _third = bridge(field, "pi3", [0, 1], 13);
        sees(&mut alice, &bob);
        sees(&mut bob, &alice);
        alice.knows_delivered(&waits);
        hears(&mut bob, &["across the gap".to_owned()]);
        talk(&mut alice, &mut bob, "by another way");
    });
}

#[test]
fn one_relay_of_two_side_by_side_dies_and_people_go_on_talking() {
    in_a_field(|field| {
        (0..2).for_each(|n| field.switch(&island(n)));
        let (first, _second) = (bridge(field, "pi1", [0, 1], 11), bridge(field, "pi2", [0, 1], 12));
        let (mut alice, mut bob) = two_who_never_met(field, 1);
        talk(&mut alice, &mut bob, "by either");
        first.killed();
        talk(&mut alice, &mut bob, "by the other");
    });
}

#[test]
fn a_relay_carried_from_one_island_to_another_takes_lines_and_receipts_along() {
    in_a_field(|field| {
        (0..2).for_each(|n| field.switch(&island(n)));
        settle(field, "alice", 0);
        settle(field, "bob", 1);
        let (mut alice, mut bob) = (field.node("alice"), field.node("bob"));
        let carry = |to: u8| {
            field.plug("mule", "eth0", &island(to));
            field.address("mule", "eth0", &format!("10.0.{to}.9/24"));
            field.node_with("mule", "mule", &["--relay"])
        };
        let put_away = |mule: Node| {
            mule.killed();
            field.unplug("mule", "eth0");
        };
        field.host("mule");
        let mut mule = carry(0);
        meet(&mut alice, &mut mule);
        field.pass(Duration::from_secs(1));
        put_away(mule);
        let mule = carry(1);
        finds(&mut bob, "alice", alice.id());
        let message = bob.says("by pocket");
        bob.wait("carried", |event| {
            event["event"] == "state" && event["message"] == *message && event["state"] == "carried"
        });
        put_away(mule);
        let mule = carry(0);
        assert_eq!(alice.event("message")["text"], "by pocket");
        alice.event_with("linked", "id", bob.id());
        // The receipt is written down on both sides.
        field.pass(Duration::from_secs(1));
        put_away(mule);
        let _mule = carry(1);
        bob.knows_delivered(&message);
    });
}
