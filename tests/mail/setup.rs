//! Worlds of users and relays that know each other already, with links that can be cut.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use darknode::id::{EnvelopeId, MessageId, NetworkId};
use darknode::identity::Scheme;
use darknode::proto::event::Command;
use darknode::proto::notice::{Delivery, Notice};
use darknode::sim::node::Plan;
use darknode::sim::{Settings, Sim};
use darknode::wire::record::roles;

pub const SOON: Duration = Duration::from_secs(20);

pub const ALICE: usize = 0;
pub const BOB: usize = 1;

/// Alice and bob, linked, and relays whose addresses both know and with which they are not linked. None is running.
pub fn with_relays(seed: u64, relays: usize) -> Sim {
    in_network(NetworkId::OPEN, seed, relays)
}

/// The same, as members of a closed network.
pub fn with_fellow_relays(seed: u64, relays: usize) -> Sim {
    in_network(NetworkId([7; 32]), seed, relays)
}

fn in_network(network: NetworkId, seed: u64, relays: usize) -> Sim {
    let settings = Settings { seed, network, scheme: Scheme::Cheap, ..Settings::default() };
    let mut sim = strangers(settings, &["alice", "bob"], relays);
    link(&mut sim, &[(ALICE, BOB)]);
    sim
}

/// Users followed by relays, none of which know each other. None is running.
pub fn strangers(settings: Settings, people: &[&str], relays: usize) -> Sim {
    let mut sim = Sim::new(settings);
    for name in people {
        sim.add_node(Plan::client(*name));
    }
    for n in 0..relays {
        sim.add_node(Plan { roles: roles::RELAY, ..Plan::client(format!("pi{n}")) });
    }
    sim
}

/// Links pairs of nodes, which then know each other's keys. Call once per world.
pub fn link(sim: &mut Sim, pairs: &[(usize, usize)]) {
    let hellos: Vec<_> = (0..sim.nodes.len()).map(|node| sim.first_hello(node)).collect();
    for (one, other) in pairs.iter().flat_map(|(one, other)| [(*one, *other), (*other, *one)]) {
        sim.preload_session(one, other, &hellos[other]);
        sim.preload_link(one, other, false);
    }
}

/// Configures the addresses of relays at nodes.
pub fn bootstrap(sim: &mut Sim, nodes: &[usize], relays: &[usize]) {
    for node in nodes {
        let addrs = relays.iter().map(|relay| sim.nodes[*relay].addr).collect();
        sim.nodes[*node].plan.bootstrap = addrs;
    }
}

/// Runs only these nodes, for a minute, so that they find each other.
pub fn meet(sim: &mut Sim, nodes: &[usize]) {
    nodes.iter().for_each(|node| sim.start(*node));
    sim.run(Duration::from_secs(60));
    part(sim, nodes);
}

pub fn part(sim: &mut Sim, nodes: &[usize]) {
    nodes.iter().for_each(|node| sim.command(*node, 0, Command::Quit));
    sim.run(Duration::from_secs(1));
}

pub fn say(sim: &mut Sim, from: usize, to: usize, text: &str) {
    let to = sim.nodes[to].user;
    sim.command(from, 1, Command::Say { to, text: text.to_owned() });
}

/// Texts that a node has shown, and how often.
pub fn shown(sim: &Sim, node: usize) -> BTreeMap<String, usize> {
    let mut shown = BTreeMap::new();
    for (_, notice) in &sim.nodes[node].notices {
        if let Notice::Message(message) = notice {
            *shown.entry(message.text.clone()).or_insert(0) += 1;
        }
    }
    shown
}

pub fn texts(count: usize) -> BTreeMap<String, usize> {
    (0..count).map(|n| (n.to_string(), 1)).collect()
}

/// Messages of a node that have reached a state.
pub fn in_state(sim: &Sim, node: usize, wanted: Delivery) -> BTreeSet<MessageId> {
    let notices = sim.nodes[node].notices.iter();
    notices
        .filter_map(|(_, notice)| match notice {
            Notice::State { message, state, .. } if *state == wanted => Some(*message),
            _ => None,
        })
        .collect()
}

/// The envelopes on a node's disk whose bytes are still there.
pub fn envelopes(sim: &Sim, node: usize) -> BTreeSet<EnvelopeId> {
    sim.nodes[node].disk.custody().filter(|row| !row.bytes.is_empty()).map(|row| row.envelope).collect()
}

/// Number of envelopes on a node's disk.
pub fn held(sim: &Sim, node: usize) -> usize {
    sim.nodes[node].disk.custody().count()
}
