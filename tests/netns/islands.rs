//! Islands: links without a router between them, and relays with interfaces on two of them.

use std::time::Duration;

use crate::chain::{finds, island, lay, settle};
use crate::field::{Field, in_a_field};
use crate::program::Node;
use crate::talk::{hears, meet, talk};

/// Waits until a node reports another user online, through others.
fn sees(node: &mut Node, other: &Node) {
    let online = node.event_with("online", "id", other.id());
    assert_eq!(online["via"], "relayed", "{online}");
}

/// Adds a relay between two islands.
fn bridge(field: &Field, host: &str, islands: [u8; 2], nth: u8) -> Node {
    lay(field, host, islands, nth);
    let relay = field.node_with(host, host, &["--relay"]);
    assert_eq!(relay.ready["roles"], serde_json::json!(["relay"]));
    relay
}

/// Alice on the first island, bob on the last; they find each other by name, link, and see each other.
fn strangers_who_linked(field: &Field, last: u8) -> (Node, Node) {
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
fn over_two_relays_strangers_find_each_other_chat_and_see_presence() {
    in_a_field(|field| {
        (0..3).for_each(|n| field.switch(&island(n)));
        let _relays = [bridge(field, "pi1", [0, 1], 11), bridge(field, "pi2", [1, 2], 12)];
        let (mut alice, mut bob) = strangers_who_linked(field, 2);
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
fn both_ends_notice_a_dead_relay_and_reconnect_through_its_replacement() {
    in_a_field(|field| {
        (0..3).for_each(|n| field.switch(&island(n)));
        let (first, _second) = (bridge(field, "pi1", [0, 1], 11), bridge(field, "pi2", [1, 2], 12));
        let (mut alice, mut bob) = strangers_who_linked(field, 2);
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
fn with_two_parallel_relays_chat_survives_the_loss_of_one() {
    in_a_field(|field| {
        (0..2).for_each(|n| field.switch(&island(n)));
        let (first, _second) = (bridge(field, "pi1", [0, 1], 11), bridge(field, "pi2", [0, 1], 12));
        let (mut alice, mut bob) = strangers_who_linked(field, 1);
        talk(&mut alice, &mut bob, "by either");
        first.killed();
        talk(&mut alice, &mut bob, "by the other");
    });
}

#[test]
fn a_relay_moved_between_islands_carries_messages_and_receipts() {
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
        let message = bob.says("by relay");
        bob.wait("carried", |event| {
            event["event"] == "state" && event["message"] == *message && event["state"] == "carried"
        });
        put_away(mule);
        let mule = carry(0);
        assert_eq!(alice.event("message")["text"], "by relay");
        alice.event_with("linked", "id", bob.id());
        // The receipt is stored on both sides.
        field.pass(Duration::from_secs(1));
        put_away(mule);
        let _mule = carry(1);
        bob.knows_delivered(&message);
    });
}
