//! Requests and their answers.

use std::os::unix::net::UnixStream;

use darknode::api::local;
use darknode::hub;
use darknode::identity::Name;
use darknode::identity::network::NetworkKey;
use darknode::node::clock::random;
use darknode::node::{NodeConfig, start};
use darknode::proto::Accept;
use darknode::web;
use serde_json::{Value, json};
use tokio::io::copy_bidirectional;
use tokio::runtime::Runtime;

use crate::program::TestBed;
use crate::program::client::{Client, each, socket};
use crate::table;

#[test]
fn every_request_over_the_socket_is_answered_as_the_page_says() {
    let bed = TestBed::new();
    let (alice, mut bob) = (bed.start("alice"), bed.start("bob"));
    let mut client = Client::connect(&bed, "alice");
    assert_eq!((&client.ready["event"], &client.ready["api"]), (&"ready".into(), &1.into()));
    assert_eq!(client.ready["id"], alice.ready["id"]);
    table::is_answered("socket", &alice.ready, &mut bob, |request| client.asks(request));
    alice.ends_well();
    bob.quits();
}

#[test]
fn every_request_within_the_process_is_answered_as_the_page_says() {
    let bed = TestBed::new();
    let mut bob = bed.start("bob");
    let (runtime, mut client) = in_this_process(&bed);
    let ready = client.ready.clone();
    table::is_answered("duplex", &ready, &mut bob, |request| client.asks(request));
    assert_eq!(client.next(), None, "the connection ends with the node");
    runtime.shutdown_background();
    bob.quits();
}

/// Runs alice's node in this process, with a client over the stream that the interface of a process uses.
fn in_this_process(bed: &TestBed) -> (Runtime, Client) {
    let runtime = Runtime::new().expect("the system has threads");
    let config = NodeConfig {
        name: Name::parse("alice").expect("it is one"),
        data_dir: bed.path("alice"),
        port: Some(0),
        network: NetworkKey::open(),
        roles: 0,
        accept: Accept::Auto,
        bootstrap: Vec::new(),
        lan: None,
    };
    let (near, far) = UnixStream::pair().expect("the system has sockets");
    far.set_nonblocking(true).expect("it is open");
    let _in_runtime = runtime.enter();
    let clients = hub::start_with_clients(start(config).expect("it can start").0);
    let page = web::start(clients.clone(), None, random);
    let mut stream = local::connect_own(&clients).expect("it is the first");
    let mut far = tokio::net::UnixStream::from_std(far).expect("it does not block");
    runtime.spawn(async move {
        // It ends with an error if the test has failed.
        let _ = copy_bidirectional(&mut stream, &mut far).await;
        page.close().await;
    });
    (runtime, Client::over(near))
}

#[test]
fn a_line_typed_at_one_client_is_seen_at_the_other_and_on_standard_output() {
    let bed = TestBed::new();
    let (mut alice, mut bob) = bed.two();
    alice.chats_with(&mut bob);
    let (mut one, mut other) = (Client::connect(&bed, "alice"), Client::connect(&bed, "alice"));
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
fn a_line_withdrawn_at_one_client_is_withdrawn_at_all() {
    let bed = TestBed::new();
    let (mut alice, mut bob) = bed.two();
    alice.chats_with(&mut bob);
    bob.quits();
    alice.event("offline");
    let (mut one, mut other) = (Client::connect(&bed, "alice"), Client::connect(&bed, "alice"));
    other.subscribes("now");
    let id = one.asks(json!({"do": "say", "to": "bob", "text": "not so"}))["message"].clone();
    assert_eq!(one.asks(json!({"do": "cancel", "message": id}))["event"], "done");
    assert_eq!(other.event("cancelled")["message"], id);
    assert_eq!(alice.event("cancelled")["to"], "bob");
    alice.quits();
}

#[test]
fn a_text_that_is_in_doubt_is_asked_about_and_not_sent_if_somebody_can_be_asked() {
    let bed = TestBed::new();
    let (mut alice, mut bob) = bed.two();
    alice.chats_with(&mut bob);
    let mut client = Client::connect(&bed, "alice");
    let mut says = |text: &str, ask: bool| {
        client.asks(json!({"do": "say", "to": bob.id(), "text": text, "ask": ask, "pasted": true}))
    };
    let asked = says("/quit", true);
    assert_eq!(
        (&asked["event"], &asked["question"]),
        (&"question".into(), &"send this as text to bob? /quit is no command here.".into())
    );
    assert_eq!(says("1\n2\n3\n4", true)["question"], "send 4 lines to bob?");
    assert_eq!(says("1\n2\n3", true)["event"], "queued");
    assert_eq!(says("/quit", false)["event"], "queued");
    let texts = [bob.event("message"), bob.event("message")].map(|message| message["text"].clone());
    assert_eq!(texts, ["1\n2\n3", "/quit"]);
    bob.quits();
    alice.quits();
}

#[test]
fn a_line_typed_at_this_node_has_no_label_of_another_session() {
    let bed = TestBed::new();
    let (mut alice, mut bob) = bed.two();
    alice.chats_with(&mut bob);
    alice.says("mine");
    let mut client = Client::connect(&bed, "alice");
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
    let bed = TestBed::new();
    let (mut alice, mut bob) = bed.two();
    alice.chats_with(&mut bob);
    let (mut one, mut other) = (Client::connect(&bed, "alice"), Client::connect(&bed, "alice"));
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
    let bed = TestBed::new();
    let (mut alice, mut bob) = bed.two();
    alice.chats_with(&mut bob);
    let mut client = Client::connect(&bed, "alice");
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
    let bed = TestBed::new();
    let alice = bed.start("alice");
    let (mut one, mut other) = (Client::connect(&bed, "alice"), Client::connect(&bed, "alice"));
    let path = socket(&bed, "alice");
    other.subscribes("now");
    let answer = one.asks(json!({"do": "stop", "shown": true}));
    assert_eq!((&answer["event"], answer["shown"].is_string()), (&"stopped".into(), true), "{answer}");
    assert_eq!(one.next(), None);
    assert_eq!(other.event("stopped").get("line"), None);
    alice.ends_well();
    assert!(!path.exists() && !bed.path("alice").join("api").exists());
}

#[test]
fn a_linked_user_with_whom_nothing_was_said_has_a_conversation() {
    let bed = TestBed::new();
    let (mut alice, mut bob) = bed.two();
    alice.links_with(&mut bob);
    let mut client = Client::connect(&bed, "alice");
    let all = client.asks(json!({"do": "conversations"}));
    let found = &all["conversations"][0];
    assert_eq!((&found["with"], &found["last"], &found["unread"]), (&"bob".into(), &Value::Null, &0.into()), "{all}");
    bob.quits();
    alice.quits();
}
