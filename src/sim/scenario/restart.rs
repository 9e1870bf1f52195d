//! All nodes crash and restart at once. The server is gone for good, and only one remembered address in five is still
//! valid.

use std::time::Duration;

use super::harness::Harness;
use crate::sim::report::Report;

/// Percentage of nodes that keep their address.
const VALID_ADDRESSES: u8 = 20;
/// Longer than the longest interval between two rounds of seeking.
const TIME_LIMIT: Duration = Duration::from_secs(600);

pub fn run(mut harness: Harness) -> Report {
    let server = harness.add_server();
    harness.warm_up();
    let nodes = harness.graph.nodes();
    harness.phase("all nodes off");
    (0..=server).for_each(|node| harness.sim.crash(node));
    harness.run(Duration::from_secs(60));
    let stay = harness.choose(VALID_ADDRESSES, nodes);
    let forget = harness.choose(harness.params.forget, nodes);
    for node in 0..nodes {
        if !stay.contains(&node) {
            harness.move_to_new_address(node);
        }
        if forget.contains(&node) {
            harness.erase_disk(node);
        }
    }
    harness.phase("all nodes on");
    let before = harness.sim.traffic();
    harness.start(0..nodes, Duration::from_secs(1));
    let components = harness.possible_components();
    harness.count("possible_pieces", components as u64, "components that remembered addresses allow");
    harness.heal("restart", TIME_LIMIT);
    harness.spent("restart", &before);
    harness.finish()
}
