//! `darknode doctor`: its exit codes, and that it says the same as the macro.

use std::process::Output;

use serde_json::Value;

use crate::program::{TestBed, assert_form};

/// Runs `darknode doctor` on a data directory.
fn doctor(bed: &TestBed, dir: &str, args: &[&str]) -> Output {
    let mut command = bed.bare();
    command.args(["--data-dir", dir, "doctor"]).args(args);
    command.output().expect("the program starts")
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("it is text")
}

/// The state of a check.
fn state<'a>(event: &'a Value, name: &str) -> &'a str {
    let checks = event["checks"].as_array().expect("a list of checks");
    let check = checks.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("no {name}: {event}"));
    check["state"].as_str().expect("a check has a state")
}

#[test]
fn without_a_node_the_machine_is_examined_and_the_exit_code_says_so() {
    let bed = TestBed::new();
    let output = doctor(&bed, "nowhere", &[]);
    assert_eq!(output.status.code(), Some(4));
    assert!(text(&output).contains("no node is running"), "{}", text(&output));
    let output = doctor(&bed, "nowhere", &["--json"]);
    assert_eq!(output.status.code(), Some(4));
    let event: Value = serde_json::from_slice(&output.stdout).expect("one event");
    assert_form(&event, "doctor", &["user", "checks", "verdict", "action"]);
    assert_eq!(state(&event, "program"), "wrong");
}

#[test]
fn the_exit_code_tells_whether_something_is_wrong() {
    let bed = TestBed::new();
    let (mut alice, _bob) = bed.two();
    let output = doctor(&bed, "alice", &["--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let output = doctor(&bed, "alice", &["bob", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let event: Value = serde_json::from_slice(&output.stdout).expect("one event");
    assert_eq!((&event["user"], &event["verdict"]), (&"bob".into(), &"bob is connected".into()), "{event}");
    assert_eq!(alice.asks(r"\doctor bob")["verdict"], event["verdict"]);
    let output = doctor(&bed, "alice", &["nobody"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(text(&output).contains("nobody called nobody is known"), "{}", text(&output));
    assert_eq!(alice.fails(r"\doctor alice"), "bad-argument");
}

#[test]
fn redacted_it_names_nobody() {
    let bed = TestBed::new();
    let (alice, bob) = bed.two();
    let output = doctor(&bed, "alice", &["bob", "--redact", "--no-probe"]);
    let said = text(&output);
    assert!(said.contains("user 1 is connected"), "{said}");
    for secret in ["bob", "alice", "127.0.0.1", "eth0", &bob.id()[..6], &alice.id()[..6]] {
        assert!(!said.contains(secret), "{secret}: {said}");
    }
}
