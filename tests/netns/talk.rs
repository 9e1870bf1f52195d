//! User actions in the test network: discovering each other, chatting, and checking what arrived.
#![allow(dead_code, reason = "the benchmark uses a part of it")]

use std::collections::BTreeMap;

use serde_json::Value;

use crate::field::Field;
use crate::program::Node;

/// Waits until both are shown to each other as nearby.
pub fn meet(one: &mut Node, other: &mut Node) {
    let (a, b) = (one.id().to_owned(), other.id().to_owned());
    one.event_with("nearby", "id", &b);
    other.event_with("nearby", "id", &a);
}

/// Waits until both see each other, then links them. Each then writes to the other.
pub fn befriend(one: &mut Node, other: &mut Node) {
    meet(one, other);
    one.chats_with(other);
    other.asks(&format!(r"\chat {}", one.id()));
}

/// Alice and bob, linked, on one switch.
pub fn pair(field: &Field) -> (Node, Node) {
    field.switch("hall");
    field.desk("alice", "hall", "10.0.0.1/24");
    field.desk("bob", "hall", "10.0.0.2/24");
    let (mut alice, mut bob) = (field.node("alice"), field.node("bob"));
    befriend(&mut alice, &mut bob);
    (alice, bob)
}

/// Types lines to the current conversation without waiting.
pub fn types(node: &mut Node, texts: &[String]) {
    for text in texts {
        node.types(text);
    }
}

/// Numbered lines that name their author.
pub fn lines(name: &str, when: &str, count: usize) -> Vec<String> {
    (1..=count).map(|n| format!("{name} {when} {n}")).collect()
}

/// Waits until all of these texts were shown, in any order, each once.
pub fn hears(node: &mut Node, texts: &[String]) {
    let mut open: BTreeMap<&str, ()> = texts.iter().map(|text| (text.as_str(), ())).collect();
    while !open.is_empty() {
        let message = node.wait(&format!("{} more lines", open.len()), |event| event["event"] == "message");
        let text = message["text"].as_str().expect("a message has a text");
        assert!(open.remove(text).is_some(), "{} was shown {text:?} twice or unexpectedly", node.name);
    }
}

/// Both type lines at once, and both are shown all lines of the other.
pub fn talk(one: &mut Node, other: &mut Node, when: &str) {
    let (of_one, of_other) = (lines(&one.name, when, 5), lines(&other.name, when, 5));
    types(one, &of_one);
    types(other, &of_other);
    hears(other, &of_one);
    hears(one, &of_other);
}

/// Stops a node gracefully and asserts that no unexpected message was shown. Returns its other events.
pub fn ends_with_nothing_left(mut node: Node) -> Vec<Value> {
    node.types(r"\quit");
    let name = node.name.clone();
    let (status, rest, _) = node.ends();
    assert_eq!(status.code(), Some(0), "{name}: {status}");
    let shown = rest.iter().find(|event| event["event"] == "message");
    assert_eq!(shown, None, "{name} was shown an unexpected message");
    rest
}
