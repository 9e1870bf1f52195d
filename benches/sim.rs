//! How fast the simulator is: inputs that cores handle in a second, in closed networks of random links. Ten links a node,
//! everybody has met everybody they are linked to.
//!
//!     cargo bench --no-default-features --bench sim

#![expect(clippy::disallowed_methods, reason = "a benchmark has a clock of its own")]

use std::time::{Duration, Instant};

use darknode::sim::scenario::{Order, Scenario, Stage};

fn main() {
    for nodes in [100, 1_000, 10_000] {
        let order = Order { signed: false, ..Order::new(Scenario::Crash, nodes, 1) };
        let mut quiet = |_| {};
        let mut stage = Stage::new(&order, &mut quiet);
        stage.acquaint();
        for (phase, span) in [("start", Duration::from_secs(60)), ("two hours", Duration::from_secs(7200))] {
            let (began, before) = (Instant::now(), stage.sim.events);
            if phase == "start" {
                stage.start(0..nodes, Duration::from_secs(10));
            }
            stage.sim.run(span);
            let (events, took) = (stage.sim.events - before, began.elapsed());
            println!("{nodes:>6} nodes, {phase:<9} {events:>9} inputs {:>9.0} /s", events as f64 / took.as_secs_f64());
        }
    }
}
