//! A client of a node that the test plays.

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::*;
use crate::api::local;
use crate::handle::{self, Handle, NodeEnds, NodeMessage, Runs};
use crate::hub;
use crate::id::BootId;

/// A node with this many messages, the interface of its process, and a client.
fn started(arrival: u64) -> (NodeEnds, Handle, DuplexStream) {
    let (handle, node) = handle::channels();
    let (primary, clients) = hub::start(handle);
    let start = Start { boot: BootId(1), printed: 0, arrival, earlier: Runs::default() };
    node.to_ui.send(NodeMessage::Ready(Box::new(Ready::example()), start)).expect("the hub runs");
    let program = local::connect(&clients).expect("it is the first");
    (node, primary, program)
}

#[tokio::test]
async fn messages_that_cannot_be_read_are_not_passed_over() {
    let (mut node, _primary, mut program) = started(5);
    program.write_all(b"{\"do\":\"subscribe\",\"since\":\"start\"}\n").await.expect("it is read");
    let reader = loop {
        match node.from_ui.recv().await.expect("the hub runs") {
            UiMessage::Fetch(Fetch { reader, typed: true, .. }) => break reader,
            UiMessage::Fetch(Fetch { reader, .. }) => {
                node.to_ui.send(NodeMessage::Rows { reader, rows: Some(Vec::new()) }).expect("the hub runs");
            }
            _ => {}
        }
    };
    node.to_ui.send(NodeMessage::Rows { reader, rows: None }).expect("the hub runs");
    let mut said = String::new();
    program.read_to_string(&mut said).await.expect("it is text");
    assert!(said.lines().last().is_some_and(|last| last.contains(r#""code":"disk""#)), "{said}");
    assert!(!said.contains(r#""event":"live""#), "{said}");
}

#[tokio::test]
async fn answers_and_events_are_given_in_the_order_in_which_the_node_said_them() {
    let (mut node, _primary, mut program) = started(0);
    program.write_all(b"{\"do\":\"subscribe\"}\n{\"do\":\"users\"}\n").await.expect("it is read");
    let line = loop {
        if let UiMessage::Request(request) = node.from_ui.recv().await.expect("the hub runs") {
            break request.line;
        }
    };
    let done = |what: &str| Notice::Done { what: what.to_owned() };
    let told =
        [(None, "one"), (line, "two"), (None, "three")].map(|(line, what)| NodeMessage::notice(line, done(what)));
    // All at once, so that the client finds all of it.
    node.to_ui.send_all(told.into_iter().chain([NodeMessage::Stopped])).expect("the hub runs");
    let mut said = String::new();
    program.read_to_string(&mut said).await.expect("it is text");
    let place = |what: &str| said.find(&format!(r#""what":"{what}""#)).unwrap_or_else(|| panic!("{what} in {said}"));
    assert!(place("one") < place("two") && place("two") < place("three"), "{said}");
}
