//! A client of a node that the test plays.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::api::local;
use crate::handle::{Handle, NodeMessage, Runs};
use crate::handle::{counts, notices};
use crate::hub;
use crate::id::{BootId, SessionId};

fn ready() -> Ready {
    Ready {
        user: "alice".into(),
        id: UserId([1; 32]),
        session: SessionId([2; 32]),
        listen: Vec::new(),
        link_local: Vec::new(),
        network: None,
        roles: Vec::new(),
        fresh: false,
    }
}

#[tokio::test]
async fn messages_that_cannot_be_read_are_not_passed_over() {
    let (to_node, mut requests) = mpsc::channel(8);
    let (node, from_node) = notices::channel();
    let (counts, _asked) = counts::channel();
    let (_primary, clients) = hub::start(Handle { to_node, from_node, counts });
    let start = Start { boot: BootId(1), printed: 0, arrival: 5, earlier: Runs::default() };
    node.send(NodeMessage::Ready(Box::new(ready()), start)).expect("the hub runs");
    let mut program = local::connect(&clients).expect("it is the first");
    program.write_all(b"{\"do\":\"subscribe\",\"since\":\"start\"}\n").await.expect("it is read");
    let reader = loop {
        match requests.recv().await.expect("the hub runs") {
            UiMessage::Fetch(Fetch { reader, typed: true, .. }) => break reader,
            UiMessage::Fetch(Fetch { reader, .. }) => {
                node.send(NodeMessage::Rows { reader, rows: Some(Vec::new()) }).expect("the hub runs");
            }
            _ => {}
        }
    };
    node.send(NodeMessage::Rows { reader, rows: None }).expect("the hub runs");
    let mut said = String::new();
    program.read_to_string(&mut said).await.expect("it is text");
    assert!(said.lines().last().is_some_and(|last| last.contains(r#""code":"disk""#)), "{said}");
    assert!(!said.contains(r#""event":"live""#), "{said}");
}
