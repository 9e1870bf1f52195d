//! Links: requested, accepted, removed, blocked.

use crate::program::{TestBed, assert_form};

#[test]
fn with_accept_ask_a_request_is_shown_and_accepted_by_add() {
    let bed = TestBed::new();
    let mut alice = bed.start("alice");
    let mut bob = bed.node("bob").with(&["--accept", "ask"]).start();
    alice.meet(&mut bob);
    assert_form(&alice.asks(r"\add bob"), "done", &["what"]);
    let asked = bob.event("asked");
    assert_form(&asked, "asked", &["user", "id"]);
    assert_eq!(asked["id"], alice.id());
    assert_form(&bob.asks(r"\add alice"), "done", &["what"]);
    for (node, by) in [(&mut alice, "me"), (&mut bob, "them")] {
        let linked = node.event("linked");
        assert_eq!((&linked["by"], &linked["auto"]), (&by.into(), &false.into()));
    }
    bob.quits();
    alice.quits();
}

#[test]
fn a_removed_link_is_gone_on_both_sides_and_can_be_added_again() {
    let bed = TestBed::new();
    let (mut alice, mut bob) = bed.two();
    alice.chats_with(&mut bob);
    assert_form(&bob.asks(r"\remove alice"), "done", &["what"]);
    let unlinked = alice.event("unlinked");
    assert_form(&unlinked, "unlinked", &["user", "id", "by"]);
    assert_eq!((&unlinked["user"], &unlinked["by"]), (&"bob".into(), &"them".into()));
    assert_eq!(bob.event("unlinked")["by"], "me");
    bob.asks(r"\add alice");
    bob.event("linked");
    alice.event("linked");
    bob.quits();
    alice.quits();
}

#[test]
fn a_blocked_user_can_neither_send_nor_receive_until_added_again() {
    let bed = TestBed::new();
    let (mut alice, mut bob) = bed.two();
    alice.chats_with(&mut bob);
    assert_form(&bob.asks(r"\block alice"), "done", &["what"]);
    alice.event("offline");
    let queued = alice.says("can you hear me?");
    alice.asks(&format!(r"\ping 127.0.0.1 {}", bob.port()));
    let history = bob.asks(r"\history alice");
    assert_eq!(history["messages"].as_array().map(Vec::len), Some(0), "{history}");
    assert_eq!(bob.fails(r"\chat alice"), "blocked");
    bob.asks(r"\add alice");
    assert_eq!(bob.event("message")["message"], queued);
    bob.quits();
    alice.quits();
}
