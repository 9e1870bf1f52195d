//! The `darkchat:` address: others can type what `\me` shows, and only that key is accepted.

use crate::program::{Node, TestBed};

/// What `\me` says, asked before anything else.
fn address(node: &mut Node) -> String {
    let me = node.asks(r"\me");
    me["address"].as_str().expect("an address is a text").to_owned()
}

#[test]
fn the_address_shown_by_me_can_be_pinged_and_talked_to() {
    let bed = TestBed::new();
    let (mut alice, mut bob) = (bed.start("alice"), bed.start("bob"));
    let there = address(&mut bob);
    assert!(there.starts_with(&format!("darkchat:{}@", bob.id())) && !there.ends_with('@'), "{there}");
    let pong = alice.asks(&format!(r"\ping {there}"));
    assert_eq!((&pong["event"], &pong["id"]), (&"pong".into(), &bob.ready["id"]), "{pong}");
    let chat = alice.asks(&format!(r"\chat {there}"));
    assert_eq!((&chat["event"], &chat["id"]), (&"chat".into(), &bob.ready["id"]), "{chat}");
    let said = alice.says("by address");
    assert_eq!(bob.event_with("message", "text", "by address")["message"], said);
    alice.knows_delivered(&said);
    let whois = alice.asks(r"\whois bob");
    assert!(!whois["address"].to_string().contains("127.0.0.1"), "{whois}");
    alice.quits();
    bob.quits();
}

#[test]
fn an_unknown_user_can_be_linked_and_written_to_by_address() {
    let bed = TestBed::new();
    let (mut alice, mut bob) = (bed.start("alice"), bed.start("bob"));
    assert_eq!(alice.asks(&format!(r"\add {}", address(&mut bob)))["event"], "done");
    assert_eq!(alice.event("linked")["id"], bob.ready["id"]);
    alice.quits();
    bob.quits();
}

#[test]
fn an_address_can_be_used_as_bootstrap() {
    let bed = TestBed::new();
    let mut bob = bed.start("bob");
    let there = address(&mut bob);
    let mut alice = bed.node("alice").with(&["--bootstrap", &there]).start();
    assert_eq!(alice.asks(r"\chat bob")["id"], bob.ready["id"]);
    alice.quits();
    bob.quits();
}

#[test]
fn another_key_that_answers_at_an_address_is_refused() {
    let bed = TestBed::new();
    let (mut alice, mut bob, carol) = (bed.start("alice"), bed.start("bob"), bed.start("carol"));
    let forged = address(&mut bob).replace(bob.id(), carol.id());
    assert_eq!(alice.fails(&format!(r"\ping {forged}")), "unreachable");
    alice.asks(&format!(r"\chat {forged}"));
    alice.says("for carol only");
    alice.event_with("warning", "code", "name-clash");
    assert!(!alice.asks(r"\users").to_string().contains(bob.id()));
    alice.quits();
    bob.types(r"\quit");
    let (_, rest, _) = bob.ends();
    assert!(rest.iter().all(|event| event["event"] != "message"), "{rest:?}");
    carol.quits();
}

#[test]
fn an_invalid_address_is_refused_before_anything_is_dialled() {
    let bed = TestBed::new();
    let mut alice = bed.start("alice");
    let own = address(&mut alice);
    assert_eq!(alice.fails(&format!(r"\ping {own}")), "bad-argument");
    for wrong in ["darkchat:", "darkchat:bob@10.0.0.1:5", "darkchat:x"] {
        assert_eq!(alice.fails(&format!(r"\ping {wrong}")), "bad-address");
        assert_eq!(alice.fails(&format!(r"\add {wrong}")), "bad-address");
    }
    alice.quits();
}
