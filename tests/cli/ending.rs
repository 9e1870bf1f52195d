//! Ways to end a node: it always declares itself offline and returns the documented exit code.

use std::io::Read;
use std::process::Stdio;

use nix::sys::signal::Signal;

use crate::program::{TestBed, refused};

#[test]
fn the_end_of_input_declares_offline() {
    let bed = TestBed::new();
    let (mut alice, mut bob) = bed.two();
    alice.chats_with(&mut bob);
    let said = bob_says_goodbye(&mut bob);
    bob.hush();
    bob.ends_well();
    assert_eq!(alice.event("message")["message"], said);
    assert_eq!(alice.event("offline")["reason"], "declared");
    alice.quits();
}

#[test]
fn at_the_end_of_input_a_node_can_wait_until_what_was_typed_is_delivered() {
    let bed = TestBed::new();
    let (mut alice, mut bob) = bed.two();
    alice.chats_with(&mut bob);
    let port = bob.port();
    bob.quits();
    alice.quits();
    let mut alice = bed.node("alice").with(&["--wait"]).start();
    alice.asks(r"\chat bob");
    let said = alice.says("for later");
    alice.hush();
    let mut bob = bed.node("bob").port(port).start();
    assert_eq!(bob.event("message")["message"], said);
    alice.ends_well();
    bob.quits();
}

fn bob_says_goodbye(bob: &mut crate::program::Node) -> String {
    bob.asks(r"\chat alice");
    bob.says("goodbye")
}

#[test]
fn signals_end_a_node_gracefully_also_if_headless() {
    let bed = TestBed::new();
    for (signal, more) in [(Signal::SIGINT, vec![]), (Signal::SIGTERM, vec![]), (Signal::SIGTERM, vec!["--headless"])] {
        let mut alice = bed.start("alice");
        let mut bob = bed.node("bob").with(&more).start();
        alice.meet(&mut bob);
        alice.chats_with(&mut bob);
        alice.event("online");
        bob.signal(signal);
        bob.ends_well();
        assert_eq!(alice.event("offline")["reason"], "declared", "{signal}");
        alice.quits();
        std::fs::remove_dir_all(bed.path("alice")).expect("nobody uses it");
        std::fs::remove_dir_all(bed.path("bob")).expect("nobody uses it");
    }
}

#[test]
fn a_headless_node_ignores_the_end_of_input_and_executes_macros_before_it() {
    let bed = TestBed::new();
    let mut alice = bed.start("alice");
    let mut bob = bed.node("bob").with(&["--headless"]).start();
    assert_eq!(bob.asks(r"\me")["id"], bob.id());
    bob.hush();
    alice.meet(&mut bob);
    alice.links_with(&mut bob);
    let said = alice.says("are you there?");
    alice.knows_delivered(&said);
    bob.signal(Signal::SIGTERM);
    bob.ends_well();
    alice.quits();
}

#[test]
fn a_server_needs_no_name_and_ends_on_a_signal() {
    let bed = TestBed::new();
    let mut command = bed.bare();
    command.args(["--server", "--no-lan", "-p", "0", "--json", "--data-dir", "server"]);
    let mut server = bed.run(command, "server");
    let ready = server.event("ready");
    assert_eq!(ready["roles"], serde_json::json!(["relay", "server"]));
    assert!(ready["user"].as_str().is_some_and(|user| user.starts_with("server-")), "{ready}");
    server.hush();
    server.signal(Signal::SIGTERM);
    server.ends_well();
}

#[test]
fn a_closed_output_ends_the_node_without_an_error() {
    let bed = TestBed::new();
    let mut command = bed.node("alice").command();
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdout = child.stdout.take().expect("it is a pipe");
    stdout.read_exact(&mut [0]).expect("it says ready");
    drop(stdout);
    let stdin = child.stdin.as_mut().expect("it is a pipe");
    std::io::Write::write_all(stdin, b"\\me\n").expect("it takes lines");
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn all_lines_before_the_end_of_input_are_stored() {
    let bed = TestBed::new();
    let (mut alice, mut bob) = bed.two();
    alice.chats_with(&mut bob);
    bob.quits();
    (0..500).for_each(|n| {
        alice.types(&format!("line {n}"));
    });
    alice.hush();
    let (status, rest, _) = alice.ends();
    assert_eq!(status.code(), Some(0));
    assert_eq!(rest.iter().filter(|event| event["event"] == "queued").count(), 500);
    let mut alice = bed.start("alice");
    let status = alice.asks(r"\status");
    assert_eq!(status["messages"].as_array().map(Vec::len), Some(500));
    alice.quits();
}

#[test]
fn options_come_from_the_environment_and_sip_and_sp_are_a_bootstrap_address() {
    let bed = TestBed::new();
    let mut alice = bed.start("alice");
    let mut command = bed.bare();
    command.env("DARKNODE_USERNAME", "bob").env("DARKNODE_DATA_DIR", "bob").env("DARKNODE_PORT", "0");
    command.env("DARKNODE_NO_LAN", "1").env("DARKNODE_JSON", "true").env("DARKNODE_BOOTSTRAP", alice.place());
    let mut bob = bed.run(command, "bob");
    assert_eq!(bob.event("ready")["user"], "bob");
    bob.event_with("nearby", "user", "alice");
    alice.event_with("nearby", "user", "bob");
    let port = alice.port().to_string();
    let mut carol = bed.node("carol").with(&["-sip", "127.0.0.1", "-sp", &port]).start();
    carol.event_with("nearby", "user", "alice");
    carol.quits();
    bob.quits();
    alice.quits();
}

#[test]
fn a_port_in_use_is_refused_with_its_number() {
    let bed = TestBed::new();
    let alice = bed.start("alice");
    let error = refused(bed.node("bob").port(alice.port()).command());
    assert!(error.contains(&alice.port().to_string()) && error.contains("--port"), "{error}");
    assert!(!bed.path("bob").exists(), "nothing was left behind");
    alice.quits();
}
