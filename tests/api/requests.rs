//! Requests and their answers.

use serde_json::{Value, json};

use crate::client::{Client, each, socket};
use crate::program::Stage;

/// The names of the requests that `docs/api.md` lists, each with what it says of the answer.
fn listed() -> Vec<(&'static str, &'static str)> {
    let page = include_str!("../../docs/api.md");
    let (_, part) = page.split_once("\n## Requests\n").expect("the page has this part");
    let part = part.split("\n## ").next().unwrap_or(part);
    let cells = |row: &'static str| row.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>();
    let rows = part.lines().filter(|line| line.starts_with("| `")).map(cells);
    rows.map(|cells| (cells[0].trim_matches('`'), cells[2])).collect()
}

#[test]
fn every_request_is_answered_as_the_page_says() {
    let stage = Stage::new();
    let (mut alice, mut bob) = stage.two();
    alice.chats_with(&mut bob);
    bob.asks(r"\chat alice");
    let (heard, mine) = (bob.says("hello"), alice.says("a line"));
    alice.event_with("message", "message", &heard);
    let mut client = Client::connect(&stage, "alice");
    assert_eq!((&client.ready["event"], &client.ready["api"]), (&"ready".into(), &1.into()));
    assert_eq!(client.ready["id"], alice.ready["id"]);
    let last = ["remove", "block", "stop", "quit", "exit"];
    let all = [
        json!({"do": "say", "to": "bob", "text": r"\quit is text here"}),
        json!({"do": "chat", "user": "bob"}),
        json!({"do": "typed", "text": r"\users"}),
        json!({"do": "subscribe", "since": "now", "events": ["message"], "with": ["bob"]}),
        json!({"do": "conversations"}),
        json!({"do": "history", "user": "bob", "n": 5, "before": mine}),
        json!({"do": "search", "text": "HELLO", "with": "bob", "n": 5}),
        json!({"do": "export", "with": "bob"}),
        json!({"do": "read", "with": "bob", "through": heard}),
        json!({"do": "doctor", "user": "bob", "probe": false, "redact": true}),
        json!({"do": "counts"}),
        json!({"do": "web", "on": false}),
        json!({"do": "help"}),
        json!({"do": "reply"}),
        json!({"do": "r"}),
        json!({"do": "users"}),
        json!({"do": "online"}),
        json!({"do": "offline"}),
        json!({"do": "add", "user": "bob"}),
        json!({"do": "requests"}),
        json!({"do": "ping", "host": "127.0.0.1", "port": bob.port()}),
        json!({"do": "explode"}),
        json!({"do": "map"}),
        json!({"do": "me"}),
        json!({"do": "whois", "user": "bob"}),
        json!({"do": "verify", "user": "bob"}),
        json!({"do": "sessions"}),
        json!({"do": "link", "code": "wrong"}),
        json!({"do": "unlink", "label": "nowhere"}),
        json!({"do": "status", "user": "bob"}),
        json!({"do": "cancel", "message": "nothing"}),
        json!({"do": "prune", "n": 100}),
        json!({"do": "printed", "at": client.ready["at"]}),
    ];
    let refused = ["link", "unlink", "cancel", "printed"];
    for request in &all {
        let name = request["do"].as_str().expect("it has a name");
        let (_, says) = listed().into_iter().find(|(listed, _)| *listed == name).expect("it is listed");
        let answer = client.asks(request.clone());
        let event = answer["event"].as_str().expect("it has a name");
        match name {
            "typed" => assert_eq!(event, "users"),
            name if refused.contains(&name) => assert_eq!(event, "error", "{answer}"),
            _ => assert!(says.starts_with(&format!("`{event}`")), "{request} is answered by {answer}"),
        }
    }
    let tried = all.iter().filter_map(|request| request["do"].as_str()).chain(last);
    let forgotten: Vec<&str> =
        listed().into_iter().map(|(name, _)| name).filter(|name| !tried.clone().any(|tried| tried == *name)).collect();
    assert!(forgotten.is_empty(), "{forgotten:?}");
    for name in ["remove", "block"] {
        assert_eq!(client.asks(json!({"do": name, "user": "bob"}))["event"], "done");
    }
    bob.quits();
    alice.quits();
}

#[test]
fn a_line_typed_at_one_client_is_seen_at_the_other_and_on_standard_output() {
    let stage = Stage::new();
    let (mut alice, mut bob) = stage.two();
    alice.chats_with(&mut bob);
    let (mut one, mut other) = (Client::connect(&stage, "alice"), Client::connect(&stage, "alice"));
    one.subscribes("now");
    other.subscribes("now");
    let answer = one.asks(json!({"do": "say", "to": "bob", "text": "from one"}));
    let id = answer["message"].as_str().expect("it has an id");
    let seen = other.event("queued");
    assert_eq!((&seen["message"], &seen["line"]), (&answer["message"], &Value::Null));
    assert_eq!(alice.event("queued")["message"], id);
    let typed = alice.says("from standard input");
    assert_eq!(other.event("queued")["message"].as_str(), Some(&*typed));
    let all = one.all_until(|event| event["message"] == *typed && event["event"] == "queued");
    assert_eq!(each(&all, "queued", "message"), [&*typed], "an answer is no event for the one that asked");
    assert_eq!(bob.event("message")["text"], "from one");
    bob.quits();
    alice.quits();
}

#[test]
fn a_line_typed_at_this_node_has_no_label_of_another_session() {
    let stage = Stage::new();
    let (mut alice, mut bob) = stage.two();
    alice.chats_with(&mut bob);
    alice.says("mine");
    let mut client = Client::connect(&stage, "alice");
    let found = client.asks(json!({"do": "search", "text": "mine"}));
    let exported = client.asks(json!({"do": "export"}));
    let conversations = client.asks(json!({"do": "conversations"}));
    let last = &conversations["conversations"][0]["last"];
    for message in [&found["messages"][0], &exported["messages"][0], last] {
        assert_eq!((&message["text"], message.get("label")), (&"mine".into(), None), "{message}");
    }
    bob.quits();
    alice.quits();
}

#[test]
fn each_client_has_a_conversation_of_its_own() {
    let stage = Stage::new();
    let (mut alice, mut bob) = stage.two();
    alice.chats_with(&mut bob);
    let (mut one, mut other) = (Client::connect(&stage, "alice"), Client::connect(&stage, "alice"));
    let chat = one.requests(json!({"do": "typed", "text": r"\chat bob"}));
    let said = one.asks(json!({"do": "typed", "text": "right behind it"}));
    assert_eq!(said["event"], "queued", "{said}");
    assert_eq!(one.wait(|event| event["line"] == chat)["event"], "chat");
    assert_eq!(other.asks(json!({"do": "typed", "text": "to whom?"}))["code"], "no-conversation");
    bob.quits();
    alice.quits();
}

#[test]
fn answers_and_events_are_also_given_as_text_for_people() {
    let stage = Stage::new();
    let (mut alice, mut bob) = stage.two();
    alice.chats_with(&mut bob);
    let mut client = Client::connect(&stage, "alice");
    let users = client.asks(json!({"do": "users", "shown": true}));
    assert!(users["shown"].as_str().is_some_and(|shown| shown.contains("bob")), "{users}");
    client.asks(json!({"do": "subscribe", "shown": true}));
    bob.asks(r"\chat alice");
    bob.says("hello");
    let message = client.event("message");
    assert!(message["shown"].as_str().is_some_and(|shown| shown.contains("hello")), "{message}");
    bob.quits();
    alice.quits();
}

#[test]
fn stop_is_answered_by_stopped_and_every_client_is_told() {
    let stage = Stage::new();
    let alice = stage.start("alice");
    let (mut one, mut other) = (Client::connect(&stage, "alice"), Client::connect(&stage, "alice"));
    let path = socket(&stage, "alice");
    other.subscribes("now");
    assert_eq!(one.asks(json!({"do": "stop"}))["event"], "stopped");
    assert_eq!(one.next(), None);
    assert_eq!(other.event("stopped").get("line"), None);
    alice.ends_well();
    assert!(!path.exists() && !stage.path("alice").join("api").exists());
}

#[test]
fn a_linked_user_with_whom_nothing_was_said_has_a_conversation() {
    let stage = Stage::new();
    let (mut alice, mut bob) = stage.two();
    alice.links_with(&mut bob);
    let mut client = Client::connect(&stage, "alice");
    let all = client.asks(json!({"do": "conversations"}));
    let found = &all["conversations"][0];
    assert_eq!((&found["with"], &found["last"], &found["unread"]), (&"bob".into(), &Value::Null, &0.into()), "{all}");
    bob.quits();
    alice.quits();
}
