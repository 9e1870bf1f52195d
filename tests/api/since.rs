//! Cursors: nothing is missed when either side is killed.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::program::TestBed;
use crate::program::client::{Client, each};

/// Lines in a round, after which the node is killed.
const LINES: usize = 60;

/// Reads up to the given number of messages, and returns their texts and the last cursor.
fn some_messages(client: &mut Client, cursor: &str, count: usize) -> (Vec<String>, String) {
    let (mut texts, mut at) = (Vec::new(), cursor.to_owned());
    while texts.len() < count {
        let event = client.wait(|event| event.get("at").is_some());
        at = event["at"].as_str().expect("a cursor is a text").to_owned();
        if event["event"] == "message" {
            texts.push(event["text"].as_str().expect("it is a text").to_owned());
        }
    }
    (texts, at)
}

#[test]
fn no_message_is_missed_when_the_node_and_the_client_are_killed() {
    let bed = TestBed::new();
    let (mut alice, mut bob) = bed.two();
    alice.chats_with(&mut bob);
    bob.asks(r"\chat alice");
    let mut client = Client::connect(&bed, "alice");
    client.subscribes("now");
    let mut cursor = client.ready["at"].as_str().expect("it is a text").to_owned();
    let (mut said, mut seen) = (BTreeSet::new(), BTreeSet::new());
    for round in 0..3 {
        let mut last = String::new();
        for n in 0..LINES {
            last = bob.says(&format!("{round} {n}"));
            said.insert(format!("{round} {n}"));
        }
        // The client ends in the middle of what it is given, and soon after it the node.
        let (texts, at) = some_messages(&mut client, &cursor, LINES / 3);
        (cursor, _) = (at, seen.extend(texts));
        drop(client);
        client = Client::connect(&bed, "alice");
        client.subscribes(&cursor);
        let (texts, at) = some_messages(&mut client, &cursor, LINES / 3);
        (cursor, _) = (at, seen.extend(texts));
        bob.knows_delivered(&last);
        alice.killed();
        alice = bed.start("alice");
        alice.asks(&format!(r"\ping 127.0.0.1 {}", bob.port()));
        client = Client::connect(&bed, "alice");
        let answer = client.subscribes(&cursor);
        assert_eq!(answer["complete"], false, "the events of a run end with it");
    }
    let rest = client.all_until(|event| event["event"] == "live");
    seen.extend(each(&rest, "message", "text").into_iter().map(str::to_owned));
    assert_eq!(seen, said);
    bob.quits();
    alice.quits();
}

#[test]
fn a_cursor_of_another_node_or_ahead_of_the_store_misses_nothing() {
    let bed = TestBed::new();
    let (mut alice, mut bob) = bed.two();
    alice.chats_with(&mut bob);
    bob.asks(r"\chat alice");
    for n in 0..3 {
        let said = bob.says(&format!("line {n}"));
        alice.event_with("message", "message", &said);
    }
    let mine = alice.says("mine");
    alice.knows_delivered(&mine);
    for cursor in ["start", "0000000000000001.5.0", "0000000000000001.5.999999"] {
        let mut client = Client::connect(&bed, "alice");
        assert_eq!(client.subscribes(cursor)["complete"], false);
        let all = client.all_until(|event| event["event"] == "live");
        assert_eq!(each(&all, "message", "text"), ["line 0", "line 1", "line 2"], "{cursor}");
        assert_eq!(each(&all, "queued", "state"), ["delivered"], "{cursor}");
        let states: Vec<&Value> = all[all.len() - 3..].iter().map(|event| &event["event"]).collect();
        assert_eq!(states, ["conversations", "users", "live"], "{cursor}");
    }
    bob.quits();
    alice.quits();
}

#[test]
fn a_cursor_of_messages_that_an_older_copy_of_the_store_lacks_begins_with_the_first_message() {
    let bed = TestBed::new();
    let (mut alice, mut bob) = bed.two();
    alice.chats_with(&mut bob);
    bob.asks(r"\chat alice");
    let mut hear = |alice: &mut crate::program::Node, text: &str| {
        let said = bob.says(text);
        alice.event_with("message", "message", &said);
        bob.port()
    };
    let port = hear(&mut alice, "kept");
    alice.quits();
    let (store, copy) = (bed.path("alice").join("darknode.db"), bed.path("copy"));
    std::fs::copy(&store, &copy).expect("the store is one file");
    let meet = || {
        let mut alice = bed.start("alice");
        alice.asks(&format!(r"\ping 127.0.0.1 {port}"));
        alice
    };
    let mut alice = meet();
    hear(&mut alice, "lost");
    let cursor = Client::connect(&bed, "alice").ready["at"].as_str().expect("it is text").to_owned();
    alice.quits();
    std::fs::copy(&copy, &store).expect("it can be replaced");
    let mut alice = meet();
    let new = ["new 1", "new 2", "new 3"];
    for text in new {
        hear(&mut alice, text);
    }
    let mut client = Client::connect(&bed, "alice");
    assert_eq!(client.subscribes(&cursor)["complete"], false);
    let all = client.all_until(|event| event["event"] == "live");
    let texts = each(&all, "message", "text");
    assert!(texts.starts_with(&["kept"]) && texts.ends_with(&new), "{texts:?}");
    alice.quits();
    bob.quits();
}
