//! Whole nodes in this process that link with the program.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use darknode::handle::{Handle, NodeMessage, UiMessage};
use darknode::identity::Name;
use darknode::identity::network::NetworkKey;
use darknode::node::{NodeConfig, lan::MDNS_PORT, start};
use darknode::proto::Accept;
use darknode::proto::event::{Command, Request};
use darknode::proto::notice::Notice;

use super::program::Program;

pub fn node(dir: &Path, name: &str, key: &NetworkKey, lan: bool) -> Handle {
    let config = NodeConfig {
        name: Name::parse(name).expect("a plain name"),
        data_dir: dir.join(name),
        port: Some(0),
        network: key.clone(),
        roles: 0,
        accept: Accept::Auto,
        bootstrap: Vec::new(),
        lan: lan.then_some(MDNS_PORT),
    };
    start(config).expect("a node starts in a new directory").0
}

/// Links a node with the program, and waits until both sides have confirmed.
pub async fn link(handle: &mut Handle, program: &Program, port: u16) {
    let addrs = vec![(Ipv4Addr::LOCALHOST, port).into()];
    for command in [Command::Ping { addrs }, Command::Chat { user: program.id.clone() }] {
        let request = Request { line: None, command };
        handle.to_node.send(UiMessage::Request(request)).await.expect("the node runs");
    }
    let linked = async {
        loop {
            match handle.from_node.recv().await {
                Some(NodeMessage::Notice { notice, .. }) if matches!(*notice, Notice::Linked { .. }) => return,
                Some(_) => {}
                None => panic!("the node stopped"),
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), linked).await.expect("a link is made");
}
