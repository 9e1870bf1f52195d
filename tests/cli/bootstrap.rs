//! `--bootstrap`: people are told whether the node that they named answers.

use crate::program::{Node, TestBed, assert_form};

fn joining(bed: &TestBed, name: &str, place: &str, more: &[&str]) -> Node {
    bed.node(name).with(&["--bootstrap", place]).with(more).start()
}

/// A port that a node has just left.
fn free_port(bed: &TestBed) -> u16 {
    let node = bed.start("nobody");
    let port = node.port();
    node.quits();
    port
}

/// The text of the next warning about a bootstrap node.
fn warned(node: &mut Node) -> String {
    let warning = node.event_with("warning", "code", "bootstrap");
    warning["message"].as_str().expect("it is a text").to_owned()
}

#[test]
fn a_bootstrap_node_that_answers_is_named() {
    let bed = TestBed::new();
    let alice = bed.start("alice");
    let mut bob = joining(&bed, "bob", &alice.place(), &[]);
    let event = bob.event("bootstrap");
    assert_form(&event, "bootstrap", &["place", "addr", "user", "id", "session"]);
    assert_eq!((&event["place"], &event["id"]), (&alice.place().into(), &alice.id().into()));
    alice.quits();
    bob.quits();
}

#[test]
fn a_bootstrap_node_that_does_not_answer_is_a_warning_until_it_does() {
    let bed = TestBed::new();
    let port = free_port(&bed);
    let place = format!("127.0.0.1:{port}");
    let mut bob = joining(&bed, "bob", &place, &[]);
    let said = warned(&mut bob);
    assert!(said.contains(&place) && said.contains(&format!("UDP port {port}")), "{said}");
    let alice = bed.node("alice").port(port).start();
    assert_eq!(bob.event("bootstrap")["id"], alice.id());
    alice.quits();
    bob.quits();
}

#[test]
fn a_bootstrap_node_of_another_network_is_a_warning_that_says_so() {
    let bed = TestBed::new();
    bed.network_key("field.key");
    let alice = bed.start("alice");
    let mut bob = joining(&bed, "bob", &alice.place(), &["--network-key", "field.key"]);
    let said = warned(&mut bob);
    assert!(said.contains(&alice.place()) && said.contains("network key"), "{said}");
    alice.quits();
    bob.quits();
}

#[test]
fn a_bootstrap_name_that_cannot_be_resolved_and_an_own_address_are_warnings() {
    let bed = TestBed::new();
    let port = free_port(&bed);
    let (own, wrong) = (format!("127.0.0.1:{port}"), "no-such-host.invalid:9");
    let mut bob = bed.node("bob").port(port).with(&["--bootstrap", wrong, "--bootstrap", &own]).start();
    let mut said = [warned(&mut bob), warned(&mut bob)];
    said.sort();
    assert!(said[0].contains(&own) && said[0].contains("this node itself"), "{said:?}");
    assert!(said[1].contains(wrong) && said[1].contains("cannot be found"), "{said:?}");
    bob.quits();
}
