//! Conversations between two users who go offline and come back.

use serde_json::{Value, json};

use crate::program::{TestBed, assert_form};

#[test]
fn two_users_link_and_talk_and_the_author_learns_of_the_delivery() {
    let bed = TestBed::new();
    let (mut alice, mut bob) = (bed.start("alice"), bed.start("bob"));
    assert_form(&alice.ready, "ready", &["user", "id", "session", "listen", "network", "roles", "version"]);
    let pong = alice.asks(&format!(r"\ping 127.0.0.1 {}", bob.port()));
    assert_form(&pong, "pong", &["addr", "user", "id", "session", "rtt_ms"]);
    let (alice_is, bob_is) = (alice.ready.clone(), bob.ready.clone());
    for (one, other) in [(&mut alice, &bob_is), (&mut bob, &alice_is)] {
        let nearby = one.event("nearby");
        assert_form(&nearby, "nearby", &["user", "id", "session"]);
        ["user", "id", "session"].iter().for_each(|key| assert_eq!(nearby[key], other[key]));
    }
    let chat = alice.asks(r"\chat bob");
    assert_form(&chat, "chat", &["with", "id"]);
    assert_eq!((&chat["with"], &chat["id"]), (&"bob".into(), &bob.ready["id"]));
    let queued = alice.asks("hello");
    assert_form(&queued, "queued", &["message", "to", "text", "sent", "order"]);
    assert_eq!((&queued["to"], &queued["text"]), (&"bob".into(), &"hello".into()));
    let (mine, theirs) = (alice.event("linked"), bob.event("linked"));
    assert_form(&mine, "linked", &["user", "id", "by", "auto"]);
    assert_eq!([&mine["user"], &mine["by"], &mine["auto"]], [&json!("bob"), &json!("me"), &json!(false)]);
    assert_eq!([&theirs["user"], &theirs["by"], &theirs["auto"]], [&json!("alice"), &json!("them"), &json!(true)]);
    let online = bob.event("online");
    assert_form(&online, "online", &["user", "id", "session", "own", "via"]);
    assert_eq!(online["via"], "direct");
    let message = bob.event("message");
    assert_form(&message, "message", &["message", "from", "from_id", "with", "text", "sent", "order", "own", "again"]);
    assert_eq!(message["message"], queued["message"]);
    assert_eq!([&message["from"], &message["with"], &message["text"]], ["alice", "alice", "hello"]);
    assert_eq!([&message["own"], &message["again"]], [false, false]);
    let state = alice.event("state");
    assert_form(&state, "state", &["message", "to", "session", "label", "state", "by", "holder"]);
    assert_eq!([&state["message"], &state["session"]], [&queued["message"], &bob.ready["session"]]);
    assert_eq!(state["state"], "delivered");
    bob.quits();
    let offline = alice.event("offline");
    assert_form(&offline, "offline", &["user", "id", "session", "own", "reason"]);
    assert_eq!(offline["reason"], "declared");
    alice.quits();
}

#[test]
fn a_line_to_an_offline_user_waits_and_arrives_when_they_are_back() {
    let bed = TestBed::new();
    let (mut alice, mut bob) = bed.two();
    alice.chats_with(&mut bob);
    let port = bob.port();
    bob.quits();
    alice.event("offline");
    let queued = alice.says("for later");
    let waiting = alice.asks(r"\status bob")["messages"].clone();
    assert_eq!(waiting[0]["sessions"][0]["state"], "queued", "{waiting}");
    let mut bob = bed.node("bob").port(port).start();
    assert_eq!(bob.event("message")["message"], queued);
    alice.event("online");
    alice.knows_delivered(&queued);
    bob.quits();
    alice.quits();
}

#[test]
fn history_and_delivery_states_survive_a_restart_of_both() {
    let bed = TestBed::new();
    let (mut alice, mut bob) = bed.two();
    alice.chats_with(&mut bob);
    let first = alice.says("from alice");
    bob.event("message");
    bob.asks(r"\chat alice");
    let second = bob.says("from bob");
    alice.event("message");
    alice.knows_delivered(&first);
    bob.knows_delivered(&second);
    let (alice_was, bob_was, port) = (alice.ready.clone(), bob.ready.clone(), bob.port());
    alice.quits();
    bob.quits();

    let (mut alice, mut bob) = (bed.start("alice"), bed.node("bob").port(port).start());
    ["id", "session"].iter().for_each(|key| assert_eq!(alice.ready[key], alice_was[key]));
    ["id", "session"].iter().for_each(|key| assert_eq!(bob.ready[key], bob_was[key]));
    alice.event_with("online", "user", "bob");
    bob.event_with("online", "user", "alice");
    let histories = [alice.asks(r"\history bob"), bob.asks(r"\history alice")];
    for history in &histories {
        assert_form(history, "history", &["with", "messages", "next"]);
        let texts: Vec<&Value> = list(history, "messages").iter().map(|message| &message["text"]).collect();
        assert_eq!(texts, ["from alice", "from bob"]);
        assert_eq!(list(history, "messages")[0]["message"], first);
        assert_eq!(list(history, "messages")[1]["message"], second);
    }
    assert_eq!(list(&histories[0], "messages")[0]["own"], true);
    assert_eq!(list(&histories[1], "messages")[0]["own"], false);
    let status = alice.asks(r"\status bob");
    assert_eq!(status["messages"][0]["sessions"][0]["state"], "delivered", "{status}");
    bob.quits();
    let rest = {
        alice.types(r"\quit");
        alice.ends().1
    };
    assert!(rest.iter().all(|event| event["event"] != "message"), "nothing is printed twice: {rest:?}");
}

fn list<'a>(event: &'a Value, key: &str) -> &'a [Value] {
    event[key].as_array().map(Vec::as_slice).unwrap_or_else(|| panic!("{event} has no list of {key}"))
}

#[test]
fn messages_that_a_kill_kept_from_the_reader_are_printed_at_the_next_start() {
    let bed = TestBed::new();
    let (mut alice, mut bob) = bed.two();
    alice.chats_with(&mut bob);
    let port = bob.port();
    bob.killed();
    let ids: Vec<String> = (0..20).map(|n| alice.says(&format!("line {n}"))).collect();
    let mut bob = bed.node("bob").port(port).start();
    for id in &ids {
        assert_eq!(&bob.event("message")["message"], id);
    }
    ids.iter().for_each(|id| alice.knows_delivered(id));
    bob.quits();
    alice.quits();
}

#[test]
fn many_lines_at_once_are_answered_by_number_and_arrive_in_order() {
    let bed = TestBed::new();
    let (mut alice, mut bob) = bed.two();
    alice.chats_with(&mut bob);
    let numbers: Vec<u64> = (0..300).map(|n| alice.types(&format!("line {n}"))).collect();
    for (n, number) in numbers.into_iter().enumerate() {
        assert_eq!(alice.answer(number)["text"], format!("line {n}"));
    }
    for n in 0..300 {
        assert_eq!(bob.event("message")["text"], format!("line {n}"));
    }
    bob.quits();
    alice.quits();
}
