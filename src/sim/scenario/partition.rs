//! The network falls into parts, stays so for a while, and is joined again. Each part keeps its map, and after the join
//! everybody who should see each other does.

use std::time::Duration;

use super::Parts;
use super::stage::Stage;
use crate::sim::report::Report;

/// Between two changes of a cable that flaps.
const FLAP: Duration = Duration::from_secs(10);
/// What is promised after a join, with a margin to see how far it is missed.
const PROMISE: Duration = Duration::from_secs(15);
const PATIENCE: Duration = Duration::from_secs(120);
/// Messages that a node may send in a minute at the end of half an hour apart or more: rounds of seeking have long pauses.
const PARTED: f64 = 5.0;
/// When that may be asked.
const SETTLED: Duration = Duration::from_secs(1800);

pub fn play(mut stage: Stage) -> Report {
    stage.warm_up();
    stage.sight_figures("before");
    stage.phase("in parts");
    let span = stage.order.span;
    let before = stage.sim.traffic();
    match stage.order.parts {
        Parts::Halves => long_apart(&mut stage, 2, span),
        Parts::Thirds => long_apart(&mut stage, 3, span),
        Parts::Flapping => {
            for _ in 0..span.as_secs() / (2 * FLAP.as_secs()) {
                apart(&mut stage, 2, FLAP);
                stage.sim.join();
                stage.run(FLAP);
            }
            apart(&mut stage, 2, FLAP);
        }
    }
    stage.spent("apart", &before);
    if stage.order.parts != Parts::Flapping {
        stage.sight_figures("apart");
    }
    stage.phase("joined again");
    let before = stage.sim.traffic();
    stage.sim.join();
    stage.heal("join", PATIENCE);
    stage.spent("join", &before);
    let seen = stage.taken("join_seen_ms");
    stage.expect(seen.is_some_and(|seen| seen <= PROMISE), "not everybody was seen 15 s after the join");
    stage.finish()
}

/// Parts, and what they go on saying at the end of it.
fn long_apart(stage: &mut Stage, parts: usize, span: Duration) {
    let late = span / 4;
    apart(stage, parts, span - late);
    let before = stage.sim.traffic();
    stage.run(late);
    let spent = stage.sim.traffic().since(&before).messages() as f64;
    let rate = spent / stage.sim.nodes.len() as f64 / (late.as_secs_f64() / 60.0);
    stage.ratio("apart_rate", rate, "messages a node sends in a minute at the end of it");
    stage.expect(span < SETTLED || rate <= PARTED, "parts do not come to rest");
}

fn apart(stage: &mut Stage, parts: usize, span: Duration) {
    let nodes = stage.sim.nodes.len();
    stage.sim.split(|node| (node * parts / nodes) as u32);
    stage.run(span);
}
