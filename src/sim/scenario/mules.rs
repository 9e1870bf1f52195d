//! Mobile relays: random pairs have short contacts, each pair once a day on average, and are otherwise unreachable.
//! Half of the nodes write one message each to the other half. For comparison, ideal routing schemes are evaluated on
//! the same contact trace.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use super::harness::Harness;
use crate::id::Address;
use crate::proto::event::Command;
use crate::proto::limits::SPRAY;
use crate::sim::contacts::{Contact, Routing, contacts, ideal};
use crate::sim::net::NodeIndex;
use crate::sim::report::Report;
use crate::sim::topology::Graph;
use crate::wire::record::roles;

const DAY: Duration = Duration::from_secs(24 * 3600);
/// Duration of a contact.
const CONTACT: Duration = Duration::from_secs(10);
/// Length of the trace for the ideal schemes, in days: direct delivery takes a day on average, and some messages
/// many.
const TRACE_DAYS: u32 = 30;

/// A message under way.
struct Message {
    from: NodeIndex,
    to: NodeIndex,
    /// Number of nodes that had it at the last check.
    copies: usize,
    arrived: Option<Duration>,
}

pub fn run(mut harness: Harness) -> Report {
    let mut messages = send_messages(&mut harness);
    let mut rng = ChaCha20Rng::seed_from_u64(harness.params.seed ^ 0x6d_65_65_74);
    let trace = contacts(harness.graph.nodes(), DAY * TRACE_DAYS, &mut rng);
    let spray_share = ideal_scheme_figures(&mut harness, &trace, &messages);
    harness.phase("contacts");
    let (begin, span) = (harness.sim.now(), harness.params.span);
    let mut active: VecDeque<Contact> = VecDeque::new();
    for contact in trace.iter().take_while(|contact| contact.at < span) {
        while let Some(over) = active.front().filter(|other| other.at + CONTACT <= contact.at).copied() {
            harness.run((begin + over.at + CONTACT).since(harness.sim.now()));
            harness.sim.cut(over.pair.0, over.pair.1);
            active.pop_front();
        }
        harness.run((begin + contact.at).since(harness.sim.now()));
        check_arrivals(&harness, &mut messages, harness.sim.now().since(begin));
        connect(&mut harness, contact.pair);
        active.push_back(*contact);
    }
    let delivered_share = our_figures(&mut harness, &messages);
    let holds = span < DAY || delivered_share + 0.1 >= spray_share;
    harness.expect(holds, "fewer messages arrived within a day than by spraying as many copies");
    harness.finish()
}

/// Starts all nodes as isolated relays; every second one writes to the next.
fn send_messages(harness: &mut Harness) -> Vec<Message> {
    let nodes = harness.graph.nodes();
    let pairs: Vec<(NodeIndex, NodeIndex)> = (1..nodes).step_by(2).map(|node| (node - 1, node)).collect();
    harness.graph = Graph::empty(nodes);
    pairs.iter().for_each(|(from, to)| harness.graph.link(*from, *to));
    harness.sim.nodes.iter_mut().for_each(|node| node.plan.roles = roles::RELAY);
    harness.preload_links();
    for other in 0..nodes {
        (0..other).for_each(|one| harness.sim.cut(one, other));
    }
    harness.start(0..nodes, Duration::from_secs(10));
    harness.run(Duration::from_secs(60));
    for (from, to) in &pairs {
        let to = harness.sim.nodes[*to].user;
        harness.command(*from, Command::Say { to, text: "by hand".to_owned() });
    }
    pairs.into_iter().map(|(from, to)| Message { from, to, copies: 1, arrived: None }).collect()
}

fn connect(harness: &mut Harness, (one, other): (NodeIndex, NodeIndex)) {
    harness.sim.mend(one, other);
    let addr = harness.sim.nodes[other].addr;
    harness.command(one, Command::Ping { addrs: vec![addr] });
}

/// Updates which messages have arrived, and how many nodes have each of the others.
fn check_arrivals(harness: &Harness, messages: &mut [Message], now: Duration) {
    let mut copies: BTreeMap<Address, usize> = BTreeMap::new();
    for row in harness.sim.nodes.iter().flat_map(|node| node.disk.custody()).filter(|row| !row.bytes.is_empty()) {
        *copies.entry(row.address).or_default() += 1;
    }
    for message in messages.iter_mut().filter(|message| message.arrived.is_none()) {
        let (author, reader) = (harness.sim.nodes[message.from].user, &harness.sim.nodes[message.to]);
        if reader.disk.history.iter().any(|row| row.from == author) {
            message.arrived = Some(now);
        } else {
            message.copies = copies.get(&Address::from(reader.user)).copied().unwrap_or(1).max(1);
        }
    }
}

/// Adds the figures of the ideal schemes. Returns the share that spray and wait with our number of copies delivers
/// within a day.
fn ideal_scheme_figures(harness: &mut Harness, trace: &[Contact], messages: &[Message]) -> f64 {
    let mut of = |name, routing| {
        let outcomes = messages.iter().map(|message| ideal(trace, routing, message.from, message.to)).collect();
        figures(harness, name, outcomes)
    };
    of("direct", Routing::Direct);
    of("epidemic", Routing::Epidemic);
    of("spray", Routing::Spray(SPRAY))
}

fn our_figures(harness: &mut Harness, messages: &[Message]) -> f64 {
    let outcomes = messages.iter().map(|message| Some((message.arrived?, message.copies))).collect();
    let receipted = messages.iter().filter(|message| harness.sim.nodes[message.from].disk.waiting() == 0).count();
    harness.ratio(
        "carried_receipted",
        receipted as f64 / messages.len().max(1) as f64,
        "of the messages are receipted",
    );
    figures(harness, "carried", outcomes)
}

/// Adds the figures of a scheme. Returns the share that arrived within a day.
fn figures(harness: &mut Harness, name: &str, outcomes: Vec<Option<(Duration, usize)>>) -> f64 {
    let count = outcomes.len().max(1) as f64;
    let arrived: Vec<(Duration, usize)> = outcomes.into_iter().flatten().collect();
    let in_a_day = arrived.iter().filter(|(at, _)| *at <= DAY).count() as f64;
    let many = arrived.len().max(1) as u32;
    let delay = arrived.iter().map(|(at, _)| *at).sum::<Duration>() / many;
    let copies = arrived.iter().map(|(_, copies)| *copies).sum::<usize>() as f64 / f64::from(many);
    harness.ratio(&format!("{name}_in_a_day"), in_a_day / count, "of the messages arrived within a day");
    harness.ratio(&format!("{name}_arrived"), arrived.len() as f64 / count, "of the messages arrived at all");
    harness.millis(&format!("{name}_delay_ms"), Some(delay), "until a line arrived, on average");
    harness.ratio(&format!("{name}_copies"), copies, "nodes that had a line when it arrived, its author included");
    in_a_day / count
}
