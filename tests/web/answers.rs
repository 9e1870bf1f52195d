//! What is answered: the local API, over HTTP.

use serde_json::{Value, json};

use crate::program::TestBed;
use crate::program::http::{Page, alice, darknode_web};
use crate::table;

#[test]
fn a_request_is_answered_as_over_the_socket() {
    let bed = TestBed::new();
    let (mut alice, mut bob) = bed.two();
    alice.chats_with(&mut bob);
    let page = Page::of(&bed, "alice");
    let token = page.enters();
    let answer = page.requests(&token, &json!({"line": 7, "do": "say", "to": "bob", "text": "from the page"}));
    assert_eq!(answer.header("content-type"), Some("application/x-ndjson"));
    let [queued] = &answer.events()[..] else { panic!("{answer:?}") };
    assert_eq!((&queued["event"], &queued["line"], &queued["to"]), (&"queued".into(), &7.into(), &"bob".into()));
    assert_eq!(bob.event("message")["text"], "from the page");
    assert_eq!(alice.event("queued")["message"], queued["message"], "the interface of the process is told");
    for wrong in [json!({"line": 8, "do": "dance"}), json!([1])] {
        let [error] = &page.requests(&token, &wrong).events()[..] else { panic!("{wrong} has one answer") };
        assert_eq!(error["code"], "bad-request");
    }
    assert_eq!(page.asks("POST /api", &[crate::program::http::JSON, ("Authorization", &token)], "{}\n{}").status, 400);
    bob.quits();
    alice.quits();
}

#[test]
fn every_request_over_the_page_is_answered_as_over_the_socket() {
    let bed = TestBed::new();
    let (alice, mut bob) = (bed.start("alice"), bed.start("bob"));
    let page = Page::of(&bed, "alice");
    let token = page.enters();
    table::is_answered("page", &alice.ready, &mut bob, |mut request| {
        request["line"] = 7.into();
        let given = page.requests(&token, &request).events();
        let answers: Vec<&Value> = given.iter().filter(|event| event["line"] == 7).collect();
        let [answer] = answers[..] else { panic!("{request} has one answer, but {given:?}") };
        answer.clone()
    });
    alice.ends_well();
    bob.quits();
}

#[test]
fn events_are_streamed_and_go_on_after_a_cursor() {
    let bed = TestBed::new();
    let (mut alice, mut bob) = bed.two();
    alice.chats_with(&mut bob);
    bob.asks(r"\chat alice");
    let page = Page::of(&bed, "alice");
    let token = page.enters();
    let mut stream = page.streams(&token, "now");
    assert_eq!(stream.event("ready")["api"], 1);
    stream.event("live");
    let first = bob.says("first");
    let seen = stream.event("message");
    assert_eq!((&seen["message"], &seen["text"]), (&first.clone().into(), &"first".into()));
    drop(stream);
    let second = bob.says("second");
    alice.event_with("message", "message", &second);
    let mut again = page.streams(&token, seen["at"].as_str().expect("it has a cursor"));
    assert_eq!(again.event("subscribed")["complete"], true);
    assert_eq!(again.event("message")["text"], "second");
    bob.quits();
    alice.quits();
    again.event("stopped");
    assert_eq!(again.line(), None, "the stream ends with the node");
}

#[test]
fn a_silent_stream_gives_a_sign_of_life() {
    let bed = TestBed::new();
    let (alice, page) = alice(&bed);
    let token = page.enters();
    let mut stream = page.streams(&token, "now");
    stream.event("live");
    assert_eq!(stream.line().as_deref(), Some(""));
    alice.quits();
}

#[test]
fn the_request_for_a_page_is_answered_by_a_link_and_the_command_prints_it() {
    let bed = TestBed::new();
    let (alice, page) = alice(&bed);
    let token = page.enters();
    let [link] = &page.requests(&token, &json!({"line": 3, "do": "web"})).events()[..] else { panic!("one answer") };
    let start = format!("http://{}/#", page.addr);
    assert!(link["link"].as_str().is_some_and(|link| link.starts_with(&start)), "{link}");
    assert_eq!((&link["event"], &link["line"], &link["expires_s"]), (&"web".into(), &3.into(), &120.into()));
    let printed = darknode_web(&bed, "alice", &["--json"]);
    assert!(printed.contains(r#""event":"web""#) && printed.contains(&start), "{printed}");
    alice.quits();
}

#[test]
fn a_node_that_is_started_with_a_page_serves_it_and_prints_no_code_into_a_log() {
    let bed = TestBed::new();
    let alice = bed.node("alice").with(&["--web", "127.0.0.1:0", "--log", "error"]).start();
    let page = Page::of(&bed, "alice");
    assert_eq!(page.gets("/").status, 200);
    // It fails if anything was written to standard error.
    alice.quits();
}
