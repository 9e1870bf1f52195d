//! Servers: `--server` remembers users across restarts and answers for names.

use nix::sys::signal::Signal;
use serde_json::json;

use crate::program::{Node, Stage};

/// A server without a given name, in its own directory.
fn server(stage: &Stage, port: u16) -> Node {
    let mut command = stage.bare();
    let port = port.to_string();
    command.args(["--server", "--no-lan", "-p", &port, "--json", "--data-dir", "server"]);
    let mut server = stage.run(command, "server");
    server.ready = server.event("ready");
    server
}

#[test]
fn a_server_without_name_or_input_answers_and_remembers_users_across_a_restart() {
    let stage = Stage::new();
    let mut first = server(&stage, 0);
    assert_eq!(first.ready["roles"], json!(["relay", "server"]));
    assert!(first.ready["user"].as_str().is_some_and(|name| name.starts_with("server-")), "{}", first.ready);
    let (port, place, id) = (first.port(), first.place(), first.id().to_owned());
    first.hush();
    let mut bob = stage.cast("bob").with(&["--bootstrap", &place]).start();
    assert_eq!(bob.asks(&format!(r"\ping 127.0.0.1 {port}"))["id"], id);
    let bobs = bob.id().to_owned();
    first.event_with("nearby", "id", &bobs);
    bob.quits();
    first.signal(Signal::SIGTERM);
    first.ends_well();

    let second = server(&stage, port);
    assert_eq!((second.id(), second.port()), (&*id, port));
    let mut alice = stage.cast("alice").with(&["--bootstrap", &place]).start();
    assert_eq!(alice.asks(&format!(r"\ping 127.0.0.1 {port}"))["id"], id);
    let chat = alice.asks(r"\chat bob");
    assert_eq!((&chat["event"], &chat["id"]), (&"chat".into(), &bobs.into()), "bob was never met: {chat}");
    alice.says("when you are back");
    alice.quits();
    second.killed();
}
