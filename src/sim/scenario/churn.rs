//! One node in ten leaves every minute, half of them by crashing, and as many return, half of them at a new address.

use std::collections::VecDeque;
use std::time::Duration;

use super::harness::Harness;
use crate::proto::event::Command;
use crate::sim::net::NodeIndex;
use crate::sim::report::Report;

/// Percentage of nodes that leave per minute.
const CHURN: u64 = 10;
const TIME_LIMIT: Duration = Duration::from_secs(120);

pub fn run(mut harness: Harness) -> Report {
    harness.warm_up();
    let nodes = harness.graph.nodes();
    let mut off: VecDeque<NodeIndex> = harness.choose(CHURN as u8, nodes).into_iter().collect();
    off.iter().for_each(|node| harness.sim.crash(*node));
    harness.run(Duration::from_secs(60));
    harness.phase("churn");
    let minutes = harness.params.span.as_secs() / 60;
    let leavers = (nodes as u64 * CHURN / 100).max(1);
    let before = harness.sim.traffic();
    let (mut seen, mut reliability, mut ghosts) = (0.0, 0.0, 0);
    for _ in 0..minutes {
        for nth in 0..leavers {
            swap_one(&mut harness, &mut off, nth % 2 == 0);
            harness.run(Duration::from_secs(60) / leavers as u32);
        }
        let found = harness.visibility();
        seen += 1.0 - found.missing.len() as f64 / found.must.max(1) as f64;
        ghosts += found.wrong.len() as u64;
        if let Some(origin) = harness.random_node() {
            reliability += harness.broadcast(origin, Duration::from_secs(5)).reliability;
        }
    }
    let times = minutes.max(1) as f64;
    harness.ratio("churn_seen", seen / times, "of those who should be seen are seen, on average");
    harness.ratio("churn_ghosts", ghosts as f64 / times, "pairs of which one is shown online but is gone, on average");
    harness.ratio(
        "churn_reliability",
        reliability / times,
        "of the nodes concerned by a change were reached within 5 s",
    );
    harness.spent("churn", &before);
    harness.phase("idle");
    harness.heal("rest", TIME_LIMIT);
    harness.finish()
}

fn swap_one(harness: &mut Harness, off: &mut VecDeque<NodeIndex>, crash: bool) {
    let Some(leaver) = harness.random_node() else { return };
    if crash {
        harness.sim.crash(leaver);
    } else {
        harness.command(leaver, Command::Quit);
    }
    off.push_back(leaver);
    let Some(returning) = off.pop_front() else { return };
    if crash {
        harness.move_to_new_address(returning);
    }
    harness.sim.start(returning);
}
