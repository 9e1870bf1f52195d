//! `darknode link` and `\link`: a second machine of the same person.

use std::process::Command;

use nix::sys::signal::Signal;

use crate::program::{Node, TestBed, assert_form, refused};

/// `darknode link` with a data directory of this name, and its first `ready`.
fn waiting(bed: &TestBed, dir: &str, args: &[&str]) -> Node {
    bed.node(dir).waiting().with(args).start()
}

fn command(bed: &TestBed, dir: &[&str], args: &[&str]) -> Command {
    let mut command = bed.bare();
    command.args(["link", "--json", "--no-lan", "-p", "0"]).args(dir).args(args);
    command
}

/// Stops a machine that waits, which reads no input.
fn interrupted(node: Node) {
    node.signal(Signal::SIGINT);
    let (status, last, complaints) = node.ends();
    assert!(status.success() && complaints.is_empty(), "{complaints:?}");
    assert!(last.iter().any(|event| event["event"] == "stopped"), "{last:?}");
}

/// Waits until the node is a session of alice.
fn is_linked(node: &mut Node, alice: &Node) {
    let joined = node.has_joined(alice);
    assert_form(&joined, "joined", &["user", "id", "words"]);
    assert_eq!((&joined["user"], &node.ready["user"]), (&"alice".into(), &"alice".into()));
}

#[test]
fn a_machine_is_linked_by_the_code_it_shows_and_is_a_session_of_the_user_from_then_on() {
    let bed = TestBed::new();
    let mut alice = bed.start("alice");
    let mut bob = bed.start("bob");
    bob.meet(&mut alice);
    alice.chats_with(&mut bob);
    let mut pi = waiting(&bed, "pi", &["--bootstrap", &alice.place()]);
    assert_form(&pi.ready, "ready", &["user", "id", "session", "listen", "network", "roles", "version"]);
    assert!(pi.ready["user"].is_null() && pi.ready["id"].is_null());
    let code = pi.event("code");
    assert_form(&code, "code", &["code", "token", "expires_s"]);
    pi.event("bootstrap");
    let linked = alice.asks(&format!(r"\link {}", code["code"].as_str().expect("words")));
    assert_form(&linked, "session", &["label", "session", "state", "own"]);
    assert_eq!((&linked["session"], &linked["state"]), (&pi.session().into(), &"linked".into()));
    is_linked(&mut pi, &alice);
    let of_alice = alice.session().to_owned();
    pi.event_with("online", "session", &of_alice);
    alice.event_with("online", "session", pi.session());
    let users = pi.asks(r"\users");
    let me = users["users"].as_array().and_then(|users| users.iter().find(|user| user["distance"] == 0));
    assert_eq!(me.map(|me| &me["user"]), Some(&"alice".into()), "{users}");
    assert_eq!(pi.fails(r"\link zoo zoo zoo"), "no-user-key");
    assert_eq!(pi.fails(r"\unlink nobody"), "no-user-key");
    pi.event_with("online", "user", "bob");
    pi.quits();

    // From then on it is started like any other.
    let mut pi = bed.node("alice").dir("pi").start();
    assert_eq!(pi.ready["id"], alice.id());
    pi.event_with("online", "session", &of_alice);
    assert!(!bed.path("pi").join("user.pem").exists() && !bed.path("pi").join("linking").exists());
    [alice, bob, pi].into_iter().for_each(Node::quits);
}

#[test]
fn a_code_that_has_linked_a_machine_is_refused_at_once() {
    let bed = TestBed::new();
    let mut alice = bed.start("alice");
    let mut pi = waiting(&bed, "pi", &["--bootstrap", &alice.place()]);
    pi.event("bootstrap");
    let code = pi.shown("code");
    assert_eq!(alice.asks(&format!(r"\link {code}"))["event"], "session");
    is_linked(&mut pi, &alice);
    assert_eq!(alice.fails(&format!(r"\link {code}")), "code-expired");
}

#[test]
fn the_help_shows_no_option_that_is_refused() {
    let output = TestBed::new().bare().args(["link", "-h"]).output().expect("the program starts");
    let help = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(help.contains("--bootstrap") && !help.contains("--username"), "{help}");
}

#[test]
fn a_token_leads_to_the_machine_without_any_other_way() {
    let bed = TestBed::new();
    let mut alice = bed.start("alice");
    let mut pi = waiting(&bed, "pi", &[]);
    let token = pi.shown("token");
    assert_eq!(alice.asks(&format!(r"\link {token}"))["state"], "linked");
    is_linked(&mut pi, &alice);
    assert_eq!(alice.fails(&format!(r"\link {token}")), "bad-argument", "it is linked already");
    alice.quits();
    pi.quits();
}

#[test]
fn a_server_that_both_reach_introduces_the_two() {
    let bed = TestBed::new();
    let server = bed.node("server").with(&["--server"]).start();
    let mut alice = bed.node("alice").with(&["--bootstrap", &server.place()]).start();
    let mut pi = waiting(&bed, "pi", &["--bootstrap", &server.place()]);
    alice.event("bootstrap");
    pi.event("bootstrap");
    let code = pi.shown("code");
    assert_eq!(alice.asks(&format!(r"\link {code}"))["state"], "linked");
    is_linked(&mut pi, &alice);
    [alice, pi, server].into_iter().for_each(Node::quits);
}

#[test]
fn a_wrong_code_is_an_error_and_the_machine_shows_another_one() {
    let bed = TestBed::new();
    let mut alice = bed.start("alice");
    let mut pi = waiting(&bed, "pi", &["--bootstrap", &alice.place()]);
    let first = pi.shown("code");
    pi.event("bootstrap");
    let wrong = if first == "zoo zoo zoo" { "zoo zoo able" } else { "zoo zoo zoo" };
    assert_eq!(alice.fails(&format!(r"\link {wrong}")), "code-wrong");
    assert_ne!(pi.shown("code"), first);
    for line in [r"\link zoo zou zoo", r"\link zoo zoo", r"\link", r"\link darklink:zoo"] {
        assert_eq!(alice.fails(line), "bad-argument");
    }
    alice.quits();
    interrupted(pi);
}

#[test]
fn a_machine_in_another_network_is_named_as_such() {
    let bed = TestBed::new();
    bed.network_key("field.key");
    let mut alice = bed.node("alice").with(&["--network-key", "field.key"]).start();
    let mut pi = waiting(&bed, "pi", &[]);
    let token = pi.shown("token");
    let answer = alice.asks(&format!(r"\link {token}"));
    assert_eq!(answer["code"], "unreachable");
    assert!(answer["message"].as_str().is_some_and(|text| text.contains("--network-key")), "{answer}");
    interrupted(pi);
    let mut pi = waiting(&bed, "tablet", &["--network-key", "field.key", "--bootstrap", &alice.place()]);
    let code = pi.shown("code");
    pi.event("bootstrap");
    assert_eq!(alice.asks(&format!(r"\link {code}"))["state"], "linked");
    is_linked(&mut pi, &alice);
    pi.quits();
    let error = bed.node("alice").dir("tablet").refused();
    assert!(error.contains("--network-key"), "{error}");
    alice.quits();
}

#[test]
fn a_directory_that_belongs_to_somebody_is_refused_and_without_one_the_default_is_used() {
    let bed = TestBed::new();
    let mut alice = bed.start("alice");
    bed.start("bob").quits();
    let error = refused(command(&bed, &["--data-dir", "bob"], &[]));
    assert!(error.contains("-u bob") && error.contains("--data-dir"), "{error}");
    let error = refused(command(&bed, &["-u", "alice"], &[]));
    assert!(error.contains("-u"), "{error}");

    let mut pi = bed.run(command(&bed, &[], &["--bootstrap", &alice.place()]), "pi");
    pi.ready = pi.event("ready");
    let code = pi.shown("code");
    pi.event("bootstrap");
    alice.asks(&format!(r"\link {code}"));
    is_linked(&mut pi, &alice);
    pi.quits();
    assert!(bed.path(".local/share/darknode/alice/owner").exists());
    alice.quits();
}

#[test]
fn a_machine_that_is_stopped_before_it_is_linked_leaves_an_empty_directory() {
    let bed = TestBed::new();
    let mut pi = waiting(&bed, "pi", &[]);
    pi.shown("code");
    interrupted(pi);
    let left: Vec<_> = std::fs::read_dir(bed.path("pi")).expect("it is there").flatten().collect();
    assert!(left.iter().all(|file| file.file_name() == "lock"), "{left:?}");
}
