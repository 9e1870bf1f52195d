//! A share of the nodes crashes at once. The figures are those of the published tables: the largest component of live
//! connections right after, the reach of the first broadcast, and the time until broadcasts reach everybody again.

use std::time::Duration;

use super::harness::Harness;
use crate::sim::net::IDLE;
use crate::sim::report::Report;

/// A broadcast is evaluated after this time, and the next one starts.
const ROUND: Duration = Duration::from_secs(5);
const ROUNDS: u32 = 24;

pub fn run(mut harness: Harness) -> Report {
    harness.warm_up();
    harness.visibility_figures("before");
    harness.share_of_random_connections();
    harness.cost_of_a_change();
    harness.cost_of_rest();
    harness.phase("after the crash");
    let (share, silent) = (harness.params.crash, harness.params.silent);
    let before = harness.sim.traffic();
    for node in harness.choose(share, harness.graph.nodes()) {
        if silent { harness.sim.crash(node) } else { harness.sim.crash_loudly(node) }
    }
    let begin = harness.sim.now();
    harness.ratio(
        "crash_largest_piece",
        harness.largest_component(),
        "of the survivors in the largest component, right after",
    );
    let mut whole = None;
    let mut missed = 0;
    for round in 1..=ROUNDS {
        let Some(origin) = harness.random_node() else { break };
        harness.announce_change(origin);
        harness.until(ROUND, |harness| {
            if whole.is_none() && harness.is_whole() {
                whole = Some(harness.sim.now().since(begin));
            }
            false
        });
        let outcome = harness.outcome(origin);
        if round == 1 {
            harness.broadcast_figures("first_broadcast", outcome);
        }
        if outcome.reliability < 1.0 {
            missed = round;
        }
    }
    harness.millis("crash_whole_ms", whole, "until live connections connect all who can be connected");
    let detected = whole.map(|whole| if silent { whole.saturating_sub(IDLE) } else { whole });
    harness.millis("crash_healed_ms", detected, "the same, from when the crash can be detected");
    let reliable = (missed < ROUNDS).then_some(ROUND * missed);
    harness.millis("crash_reliable_ms", reliable, "until every broadcast reaches all nodes concerned");
    harness.ratio(
        "crash_end_piece",
        harness.largest_component(),
        "of the survivors in the largest component, at the end",
    );
    harness.spent("crash", &before);
    harness.visibility_figures("crash");
    harness.finish()
}
