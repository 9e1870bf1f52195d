//! Servers: `--server` remembers users across restarts and answers for names.

use nix::sys::signal::Signal;
use serde_json::json;

use crate::program::{Node, TestBed, refused};

/// A server without a given name, in its own directory.
fn server(bed: &TestBed, port: u16) -> Node {
    let mut command = bed.bare();
    let port = port.to_string();
    command.args(["--server", "--no-lan", "-p", &port, "--json", "--data-dir", "server"]);
    let mut server = bed.run(command, "server");
    server.ready = server.event("ready");
    server
}

#[test]
fn a_server_without_name_or_input_answers_and_remembers_users_across_a_restart() {
    let bed = TestBed::new();
    let mut first = server(&bed, 0);
    assert_eq!(first.ready["roles"], json!(["relay", "server"]));
    assert!(first.ready["user"].as_str().is_some_and(|name| name.starts_with("server-")), "{}", first.ready);
    let (port, place, id) = (first.port(), first.place(), first.id().to_owned());
    first.hush();
    let mut bob = bed.node("bob").with(&["--bootstrap", &place]).start();
    assert_eq!(bob.asks(&format!(r"\ping 127.0.0.1 {port}"))["id"], id);
    let bobs = bob.id().to_owned();
    first.event_with("nearby", "id", &bobs);
    bob.quits();
    first.signal(Signal::SIGTERM);
    first.ends_well();

    let second = server(&bed, port);
    assert_eq!((second.id(), second.port()), (&*id, port));
    let mut alice = bed.node("alice").with(&["--bootstrap", &place]).start();
    assert_eq!(alice.asks(&format!(r"\ping 127.0.0.1 {port}"))["id"], id);
    let chat = alice.asks(r"\chat bob");
    assert_eq!((&chat["event"], &chat["id"]), (&"chat".into(), &bobs.into()), "bob was never met: {chat}");
    alice.says("when you are back");
    alice.quits();
    second.killed();
}

#[test]
fn a_server_whose_usual_port_is_taken_is_refused_unless_another_is_chosen() {
    let bed = TestBed::new();
    // Whether this or another program has the port does not matter.
    let _holder = std::net::UdpSocket::bind((std::net::Ipv6Addr::UNSPECIFIED, 27272));
    let mut command = bed.bare();
    command.args(["--server", "--no-lan", "--json", "--data-dir", "refused"]);
    let said = refused(command);
    assert!(said.contains("27272") && said.contains("--port"), "{said}");
    assert!(!bed.path("refused").exists(), "nothing was created");
    server(&bed, 0).killed();
}

#[test]
fn a_server_tells_its_operator_what_to_open_and_what_to_hand_to_people() {
    let bed = TestBed::new();
    let mut command = bed.bare();
    command.args(["--server", "--no-lan", "-p", "0", "--plain", "--data-dir", "server"]);
    let mut server = bed.run(command, "server");
    let first = server.line_with("is a server of the open network");
    assert!(first.starts_with("* server-"), "{first}");
    server.line_with("open UDP port ");
    server.killed();
}
