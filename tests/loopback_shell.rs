//! Whole nodes on loopback: core, store, certificates and connections together, driven through the handle of the user
//! interface.
#![cfg(feature = "node")]

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use darknode::handle::{Handle, NodeMessage, Ready, UiMessage};
use darknode::hub;
use darknode::identity::Name;
use darknode::identity::network::NetworkKey;
use darknode::node::{NodeConfig, StartError, start};
use darknode::proto::Accept;
use darknode::proto::event::{Command, Request};
use darknode::proto::notice::{Delivery, MessageView, Notice};
use tokio::task::JoinHandle;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(30);

struct Node {
    handle: Handle,
    ready: Box<Ready>,
    task: JoinHandle<()>,
}

fn config(dir: &Path, name: &str) -> NodeConfig {
    NodeConfig {
        name: Name::parse(name).unwrap(),
        data_dir: dir.join(name),
        port: Some(0),
        network: NetworkKey::open(),
        roles: 0,
        accept: Accept::Auto,
        bootstrap: Vec::new(),
        lan: None,
    }
}

impl Node {
    /// Retries while a node that has just stopped still holds its port.
    async fn start(config: NodeConfig) -> Node {
        let restart = async {
            loop {
                match start(config.clone()) {
                    Err(StartError::Bind(_)) => tokio::task::yield_now().await,
                    outcome => return outcome.unwrap(),
                }
            }
        };
        let (node, task) = timeout(PATIENCE, restart).await.expect("the port becomes free");
        let (mut handle, _) = hub::start(node);
        let NodeMessage::Ready(ready, _) = handle.from_node.recv().await.unwrap() else { panic!("ready comes first") };
        Node { handle, ready, task }
    }

    fn loopback(&self) -> SocketAddr {
        let own = |addr: &&SocketAddr| addr.ip().is_loopback() && addr.is_ipv4();
        *self.ready.listen.iter().find(own).expect("there is a loopback interface")
    }

    async fn say(&self, command: Command) {
        self.handle.to_node.send(UiMessage::Request(Request { line: Some(1), command })).await.unwrap();
    }

    async fn next<T>(&mut self, what: &str, mut find: impl FnMut(&Notice) -> Option<T>) -> T {
        let search = async {
            let mut seen = Vec::new();
            loop {
                match self.handle.from_node.recv().await {
                    Some(NodeMessage::Notice { notice, .. }) => match find(&notice) {
                        Some(found) => return found,
                        None => seen.push(notice),
                    },
                    other => panic!("{what} did not arrive, but {other:?} after {seen:?}"),
                }
            }
        };
        timeout(PATIENCE, search).await.unwrap_or_else(|_| panic!("{what} never came"))
    }

    async fn message(&mut self) -> Box<MessageView> {
        self.next("a message", |notice| match notice {
            Notice::Message(view) => Some(view.clone()),
            _ => None,
        })
        .await
    }

    fn printed(&self, arrival: u64) {
        self.handle.printed.send_replace(arrival);
    }

    async fn quit(mut self) {
        self.say(Command::Quit).await;
        let end = async { while !matches!(self.handle.from_node.recv().await, Some(NodeMessage::Stopped)) {} };
        timeout(PATIENCE, end).await.expect("it stops");
        self.task.await.unwrap();
    }
}

async fn chat_with(node: &mut Node, other: &Node) {
    let addr = other.loopback();
    node.say(Command::Ping { addrs: vec![addr] }).await;
    node.next("the pong", |notice| matches!(notice, Notice::Pong { .. }).then_some(())).await;
    node.say(Command::Chat { user: other.ready.id.to_string() }).await;
    node.next("the conversation", |notice| matches!(notice, Notice::Chat { .. }).then_some(())).await;
    // Of a stranger the other one would take a few lines only.
    other.say(Command::Add { user: node.ready.id.to_string() }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_messages_arrive_once_in_order_and_are_receipted() {
    let dir = tempfile::tempdir().unwrap();
    let mut alice = Node::start(config(dir.path(), "alice")).await;
    let mut bob = Node::start(config(dir.path(), "bob")).await;
    chat_with(&mut alice, &bob).await;
    for n in 0..1000 {
        alice.say(Command::Say { to: bob.ready.id, text: format!("line {n}") }).await;
    }
    for n in 0..1000 {
        let view = bob.message().await;
        assert_eq!((view.text.as_str(), view.again), (format!("line {n}").as_str(), false));
        bob.printed(view.arrival);
    }
    let mut delivered = 0;
    while delivered < 1000 {
        delivered += alice
            .next("a receipt", |notice| match notice {
                Notice::State { state: Delivery::Delivered, .. } => Some(1),
                _ => None,
            })
            .await;
    }
    bob.quit().await;
    alice.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_to_an_absent_node_waits_and_is_delivered_on_its_return() {
    let dir = tempfile::tempdir().unwrap();
    let mut alice = Node::start(config(dir.path(), "alice")).await;
    let mut bob = Node::start(config(dir.path(), "bob")).await;
    chat_with(&mut alice, &bob).await;
    alice.say(Command::Say { to: bob.ready.id, text: "first".into() }).await;
    let first = bob.message().await;
    bob.printed(first.arrival);
    let (id, addr) = (bob.ready.id, bob.loopback());
    bob.quit().await;
    alice.say(Command::Say { to: id, text: "second".into() }).await;
    alice.next("the line", |notice| matches!(notice, Notice::Queued { .. }).then_some(())).await;
    let mut bob = Node::start(NodeConfig { port: Some(addr.port()), ..config(dir.path(), "bob") }).await;
    assert_eq!(bob.ready.id, id);
    assert_eq!(bob.message().await.text, "second");
    bob.quit().await;
    alice.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unprinted_messages_are_shown_again_after_a_restart_before_new_ones() {
    let dir = tempfile::tempdir().unwrap();
    let mut alice = Node::start(config(dir.path(), "alice")).await;
    let mut bob = Node::start(config(dir.path(), "bob")).await;
    chat_with(&mut alice, &bob).await;
    for text in ["one", "two", "three"] {
        alice.say(Command::Say { to: bob.ready.id, text: text.into() }).await;
    }
    let one = bob.message().await;
    bob.message().await;
    let three = bob.message().await;
    bob.printed(one.arrival);
    let (id, addr) = (bob.ready.id, bob.loopback());
    bob.quit().await;
    alice.say(Command::Say { to: id, text: "four".into() }).await;
    let mut bob = Node::start(NodeConfig { port: Some(addr.port()), ..config(dir.path(), "bob") }).await;
    let (two, again) = (bob.message().await, bob.message().await);
    assert_eq!((two.text.as_str(), two.again), ("two", true));
    assert_eq!((again.message, again.again), (three.message, true));
    let four = bob.message().await;
    assert_eq!((four.text.as_str(), four.again), ("four", false));
    bob.quit().await;
    alice.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_on_one_link_discover_each_other() {
    let mdns_port = 40_000 + u16::try_from(std::process::id() % 20_000).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let on_lan = |name| NodeConfig { lan: Some(mdns_port), ..config(dir.path(), name) };
    let (mut alice, mut bob) = (Node::start(on_lan("alice")).await, Node::start(on_lan("bob")).await);
    let (alice_id, bob_id) = (alice.ready.id, bob.ready.id);
    for (node, other) in [(&mut alice, bob_id), (&mut bob, alice_id)] {
        let met = node.next("a neighbour on the link", |notice| match notice {
            Notice::Nearby { id, .. } => Some(*id),
            _ => None,
        });
        assert_eq!(met.await, other);
    }
    bob.quit().await;
    alice.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_or_port_in_use_is_reported_in_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let alice = Node::start(config(dir.path(), "alice")).await;
    let taken = NodeConfig { port: Some(alice.loopback().port()), ..config(dir.path(), "bob") };
    let error = start(taken).err().expect("the port is taken");
    assert!(matches!(error, StartError::Bind(_)) && error.to_string().contains("--port"));
    assert!(!dir.path().join("bob").exists(), "nothing was changed");
    let error = start(config(dir.path(), "alice")).err().expect("the directory is in use");
    assert!(matches!(error, StartError::Home(_)) && !error.to_string().contains('\n'));
    alice.quit().await;
}
