//! Strangers who write: what is held back, and `\requests`.

use serde_json::json;

use crate::program::{TestBed, assert_form, keys};

#[test]
fn what_is_held_back_of_a_stranger_is_announced_and_comes_in_order_once_accepted() {
    let bed = TestBed::new();
    let (mut alice, mut bob) = bed.two();
    alice.links_with(&mut bob);
    let ids: Vec<String> = (0..20).map(|n| alice.says(&format!("line {n}"))).collect();
    for id in &ids[..5] {
        assert_eq!(&bob.event("message")["message"], id);
    }
    let told = bob.event("requests");
    assert_form(&told, "requests", &["users"]);
    assert_eq!(told.get("line"), None);
    assert_eq!((&told["users"][0]["user"], &told["users"][0]["id"]), (&"alice".into(), &alice.id().into()));
    assert_eq!(keys(&told["users"][0]), ["bytes", "id", "lines", "user"]);
    alice.knows_delivered(&ids[4]);
    let waiting = alice.asks(r"\status bob")["messages"].as_array().map(Vec::len);
    assert_eq!(waiting, Some(20), "the rest stays with its author");
    assert_eq!(bob.asks(r"\requests accept alice")["event"], "done");
    for id in &ids[5..] {
        assert_eq!(&bob.event("message")["message"], id);
    }
    alice.knows_delivered(&ids[19]);
    assert_eq!(bob.asks(r"\requests")["users"], json!([]));
    bob.quits();
    alice.quits();
}

#[test]
fn a_dismissed_stranger_is_forgotten_with_what_they_wrote_also_after_a_restart() {
    let bed = TestBed::new();
    let (mut alice, mut bob) = bed.two();
    alice.links_with(&mut bob);
    let said = alice.says("buy my coins");
    bob.event("message");
    alice.knows_delivered(&said);
    let done = bob.asks(r"\requests dismiss alice");
    assert_form(&done, "done", &["what"]);
    assert_eq!(done["what"], "dismissed alice; what they wrote is forgotten, and their lines are refused for a day");
    assert_eq!(bob.event("unlinked")["by"], "me");
    let id = alice.id().to_owned();
    assert_eq!(bob.fails(&format!(r"\requests dismiss {id}")), "bad-argument");
    let port = bob.port();
    bob.quits();
    alice.says("and more coins");
    let mut bob = bed.node("bob").port(port).start();
    alice.event("online");
    assert_eq!(bob.asks(r"\requests")["users"], json!([]));
    assert_eq!(bob.asks(&format!(r"\history {id}"))["messages"], json!([]));
    bob.asks(&format!(r"\add {id}"));
    assert_eq!(bob.event("message")["text"], "and more coins", "whoever is added after all is heard");
    bob.quits();
    alice.quits();
}
