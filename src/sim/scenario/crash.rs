//! A share of the nodes is gone from one moment to the next. The figures are those of the published tables: the largest
//! piece of live connections right after, what became of the first broadcast, and when broadcasts reach everybody again.

use std::time::Duration;

use super::stage::Stage;
use crate::sim::net::IDLE;
use crate::sim::report::Report;

/// A broadcast is judged after this long, and the next one begins.
const ROUND: Duration = Duration::from_secs(5);
const ROUNDS: u32 = 24;

pub fn play(mut stage: Stage) -> Report {
    stage.warm_up();
    stage.sight_figures("before");
    stage.share_of_chance();
    stage.cost_of_a_change();
    stage.cost_of_rest();
    stage.phase("after the crash");
    let (share, silent) = (stage.order.crash, stage.order.silent);
    let before = stage.sim.traffic();
    for node in stage.choose(share, stage.graph.nodes()) {
        if silent { stage.sim.crash(node) } else { stage.sim.crash_loudly(node) }
    }
    let begin = stage.sim.now();
    stage.ratio("crash_largest_piece", stage.largest_piece(), "of the survivors in the largest piece, right after");
    let mut whole = None;
    let mut missed = 0;
    for round in 1..=ROUNDS {
        let Some(origin) = stage.somebody() else { break };
        stage.tell_something_new(origin);
        stage.until(ROUND, |stage| {
            if whole.is_none() && stage.is_whole() {
                whole = Some(stage.sim.now().since(begin));
            }
            false
        });
        let outcome = stage.outcome(origin);
        if round == 1 {
            stage.broadcast_figures("first_broadcast", outcome);
        }
        if outcome.reliability < 1.0 {
            missed = round;
        }
    }
    stage.millis("crash_whole_ms", whole, "until live connections join all who can be joined");
    let detected = whole.map(|whole| if silent { whole.saturating_sub(IDLE) } else { whole });
    stage.millis("crash_healed_ms", detected, "the same, from when the crash could be noticed");
    let reliable = (missed < ROUNDS).then_some(ROUND * missed);
    stage.millis("crash_reliable_ms", reliable, "from when on every broadcast reached all it should");
    stage.ratio("crash_end_piece", stage.largest_piece(), "of the survivors in the largest piece, at the end");
    stage.spent("crash", &before);
    stage.sight_figures("crash");
    stage.finish()
}
