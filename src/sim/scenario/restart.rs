//! Everybody is switched off and on at once. The server is gone for good, and only one remembered address in five is still
//! true.

use std::time::Duration;

use super::stage::Stage;
use crate::sim::report::Report;

/// Of a hundred nodes so many are where they were.
const TRUE_ADDRESSES: u8 = 20;
/// Longer than the longest pause between two rounds of seeking.
const PATIENCE: Duration = Duration::from_secs(600);

pub fn play(mut stage: Stage) -> Report {
    let server = stage.add_server();
    stage.warm_up();
    let nodes = stage.graph.nodes();
    stage.phase("everybody off");
    (0..=server).for_each(|node| stage.sim.crash(node));
    stage.run(Duration::from_secs(60));
    let stay = stage.choose(TRUE_ADDRESSES, nodes);
    let forget = stage.choose(stage.order.forget, nodes);
    for node in 0..nodes {
        if !stay.contains(&node) {
            stage.move_somewhere(node);
        }
        if forget.contains(&node) {
            stage.lose_memory(node);
        }
    }
    stage.phase("everybody on");
    let before = stage.sim.traffic();
    stage.start(0..nodes, Duration::from_secs(1));
    let pieces = stage.could_be_pieces();
    stage.count("possible_pieces", pieces as u64, "pieces that remembered addresses leave");
    stage.heal("restart", PATIENCE);
    stage.spent("restart", &before);
    stage.finish()
}
