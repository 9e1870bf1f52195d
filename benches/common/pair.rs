//! Two whole nodes in this process, driven like a user interface would.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use darknode::handle::{Handle, NodeMessage, Ready, UiMessage};
use darknode::hub;
use darknode::id::{MessageId, UserId};
use darknode::identity::Name;
use darknode::identity::network::NetworkKey;
use darknode::node::{NodeConfig, start};
use darknode::proto::Accept;
use darknode::proto::event::{Command, Request};
use darknode::proto::notice::{Delivery, Notice};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// The time limit for any single step.
const PATIENCE: Duration = Duration::from_secs(60);
/// A text of typical length.
const TEXT: &str = "A line of about the length that people write when they talk to each other, no more.";
/// Messages sent before anything is measured, to establish the link and fill caches.
const WARM_UP: usize = 20;
/// Messages shown before they are reported as printed, as by an interface that writes in batches.
const PRINTED_TOGETHER: usize = 256;

/// A notice of a node, with its time.
enum Seen {
    Message(Instant, MessageId),
    Delivered(Instant, MessageId),
    Nearby,
}

/// A node with a minimal user interface.
pub struct Node {
    to_node: mpsc::Sender<UiMessage>,
    seen: mpsc::UnboundedReceiver<Seen>,
    ready: Box<Ready>,
    ui: JoinHandle<()>,
    node: JoinHandle<()>,
}

impl Node {
    pub async fn start(dir: &Path, name: &str) -> Node {
        let (handle, node) = start(config(dir, name)).expect("a node starts in a new directory");
        let (mut handle, _) = hub::start(handle);
        let Some(NodeMessage::Ready(ready, _)) = handle.from_node.recv().await else { panic!("ready comes first") };
        let (tell, seen) = mpsc::unbounded_channel();
        let to_node = handle.to_node.clone();
        let ui = tokio::spawn(watch(handle, tell));
        Node { to_node, seen, ready, ui, node }
    }

    pub fn id(&self) -> UserId {
        self.ready.id
    }

    pub async fn ask(&self, command: Command) {
        let request = Request { line: Some(1), command };
        self.to_node.send(UiMessage::Request(request)).await.expect("the node runs");
    }

    pub async fn say(&self, to: UserId) {
        self.ask(Command::Say { to, text: TEXT.to_owned() }).await;
    }

    pub async fn ping(&self, other: &Node) {
        let own = |addr: &&SocketAddr| addr.ip().is_loopback() && addr.is_ipv4();
        let addr = *other.ready.listen.iter().find(own).expect("there is a loopback interface");
        self.ask(Command::Ping { addrs: vec![addr] }).await;
    }

    /// The time and id of the next message shown.
    pub async fn message(&mut self) -> (Instant, MessageId) {
        loop {
            if let Seen::Message(at, id) = self.next().await {
                return (at, id);
            }
        }
    }

    /// The time and id of the next message acknowledged.
    pub async fn delivered(&mut self) -> (Instant, MessageId) {
        loop {
            if let Seen::Delivered(at, id) = self.next().await {
                return (at, id);
            }
        }
    }

    /// Waits until somebody is known to be there.
    async fn nearby(&mut self) {
        while !matches!(self.next().await, Seen::Nearby) {}
    }

    pub async fn quit(self) {
        self.ask(Command::Quit).await;
        timeout(PATIENCE, self.node).await.expect("a node stops").expect("it is well");
        self.ui.await.expect("the interface task does not fail");
    }

    async fn next(&mut self) -> Seen {
        timeout(PATIENCE, self.seen.recv()).await.expect("it does not hang").expect("the node runs")
    }
}

/// Two nodes that are linked and connected and have exchanged some messages.
pub async fn linked(dir: &Path) -> (Node, Node) {
    let (mut alice, mut bob) = (Node::start(dir, "alice").await, Node::start(dir, "bob").await);
    alice.ping(&bob).await;
    // Names are pinned with the link if they are known by then.
    alice.nearby().await;
    bob.nearby().await;
    // Of a stranger bob would take a few lines only.
    bob.ask(Command::Add { user: alice.id().to_string() }).await;
    for _ in 0..WARM_UP {
        alice.say(bob.id()).await;
        bob.message().await;
    }
    for _ in 0..WARM_UP {
        alice.delivered().await;
    }
    (alice, bob)
}

/// Messages per second, from the first typed to the last shown, and the number of those lost or duplicated.
pub async fn per_second(alice: &mut Node, bob: &mut Node, lines: usize) -> (f64, usize) {
    let begin = Instant::now();
    let to = bob.id();
    let typing = async {
        for _ in 0..lines {
            alice.say(to).await
        }
    };
    let ((), (last, ids)) = tokio::join!(typing, shown(bob, lines));
    let lost = acknowledged(alice, ids).await;
    (lines as f64 / (last - begin).as_secs_f64(), lost)
}

/// The time at which the last of this many messages was shown, and how many were never acknowledged.
pub async fn shown_once(alice: &mut Node, bob: &mut Node, lines: usize) -> (Instant, usize) {
    let (last, ids) = shown(bob, lines).await;
    (last, acknowledged(alice, ids).await)
}

async fn shown(bob: &mut Node, lines: usize) -> (Instant, BTreeSet<MessageId>) {
    let (mut last, mut ids) = (Instant::now(), BTreeSet::new());
    while ids.len() < lines {
        let (at, id) = bob.message().await;
        assert!(ids.insert(id), "{id:?} was shown twice");
        last = at;
    }
    (last, ids)
}

/// Waits until all of these are acknowledged. Returns how many were not.
async fn acknowledged(alice: &mut Node, mut ids: BTreeSet<MessageId>) -> usize {
    for _ in 0..ids.len() {
        assert!(ids.remove(&alice.delivered().await.1), "acknowledged and never shown, or twice");
    }
    ids.len()
}

/// A user interface that prints everything immediately and reports it as printed.
async fn watch(mut handle: Handle, tell: mpsc::UnboundedSender<Seen>) {
    let mut messages = Vec::new();
    while handle.from_node.recv_many(&mut messages, PRINTED_TOGETHER).await > 0 {
        let now = Instant::now();
        let mut shown = None;
        for message in messages.drain(..) {
            let NodeMessage::Notice { notice, .. } = message else { return };
            let seen = match &*notice {
                Notice::Message(view) => {
                    shown = Some(view.arrival);
                    Seen::Message(now, view.message)
                }
                Notice::Nearby { .. } => Seen::Nearby,
                Notice::State { message, state: Delivery::Delivered, .. } => Seen::Delivered(now, *message),
                _ => continue,
            };
            tell.send(seen).ok();
        }
        if let Some(arrival) = shown {
            handle.printed.send_replace(arrival);
        }
    }
}

fn config(dir: &Path, name: &str) -> NodeConfig {
    NodeConfig {
        name: Name::parse(name).expect("a plain name"),
        data_dir: dir.join(name),
        port: Some(0),
        network: NetworkKey::open(),
        roles: 0,
        accept: Accept::Auto,
        bootstrap: Vec::new(),
        lan: None,
    }
}
