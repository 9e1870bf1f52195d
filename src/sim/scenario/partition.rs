//! The network is partitioned for a while and rejoined. Each part keeps working, and after the join everybody sees
//! whom they should.

use std::time::Duration;

use super::Parts;
use super::harness::Harness;
use crate::sim::report::Report;

/// Interval between changes of a flapping link.
const FLAP: Duration = Duration::from_secs(10);
/// Time within which everybody must see whom they should after a join.
const MAX_RECOVERY: Duration = Duration::from_secs(15);
const TIME_LIMIT: Duration = Duration::from_secs(120);
/// Messages per minute that a node may send towards the end of a long partition, when rounds of seeking have become
/// rare.
const MAX_SEEKING_RATE: f64 = 5.0;
/// The shortest partition for which that is checked.
const SETTLED: Duration = Duration::from_secs(1800);

pub fn run(mut harness: Harness) -> Report {
    harness.warm_up();
    harness.visibility_figures("before");
    harness.phase("partitioned");
    let span = harness.params.span;
    let before = harness.sim.traffic();
    match harness.params.parts {
        Parts::Halves => long_partition(&mut harness, 2, span),
        Parts::Thirds => long_partition(&mut harness, 3, span),
        Parts::Flapping => {
            for _ in 0..span.as_secs() / (2 * FLAP.as_secs()) {
                partition(&mut harness, 2, FLAP);
                harness.sim.join();
                harness.run(FLAP);
            }
            partition(&mut harness, 2, FLAP);
        }
    }
    harness.spent("apart", &before);
    if harness.params.parts != Parts::Flapping {
        harness.visibility_figures("apart");
    }
    harness.phase("rejoined");
    let before = harness.sim.traffic();
    harness.sim.join();
    harness.heal("join", TIME_LIMIT);
    harness.spent("join", &before);
    let seen = harness.duration_of("join_seen_ms");
    harness.expect(
        seen.is_some_and(|seen| seen <= MAX_RECOVERY),
        "not everybody saw whom they should 15 s after the join",
    );
    harness.finish()
}

/// Partitions the network, and measures the rate of messages in the last quarter of the time.
fn long_partition(harness: &mut Harness, parts: usize, span: Duration) {
    let late = span / 4;
    partition(harness, parts, span - late);
    let before = harness.sim.traffic();
    harness.run(late);
    let spent = harness.sim.traffic().since(&before).messages() as f64;
    let rate = spent / harness.sim.nodes.len() as f64 / (late.as_secs_f64() / 60.0);
    harness.ratio("apart_rate", rate, "messages a node sends per minute at the end of it");
    harness.expect(span < SETTLED || rate <= MAX_SEEKING_RATE, "the parts do not settle");
}

fn partition(harness: &mut Harness, parts: usize, span: Duration) {
    let nodes = harness.sim.nodes.len();
    harness.sim.split(|node| (node * parts / nodes) as u32);
    harness.run(span);
}
