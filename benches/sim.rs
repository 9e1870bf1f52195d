//! How fast the simulator is: inputs that cores handle in a second of processor time (from `/proc/self/schedstat`, so on
//! Linux only), in closed networks of random links. Ten links a node, everybody has met everybody they are linked to.
//!
//!     cargo bench --no-default-features --bench sim [-- NODES…]

use std::time::Duration;

use darknode::sim::scenario::{Harness, Params, Scenario};

fn main() {
    let asked: Vec<usize> = std::env::args().filter_map(|word| word.parse().ok()).collect();
    for nodes in if asked.is_empty() { vec![100, 1_000, 10_000] } else { asked } {
        let order = Params { signed: false, ..Params::new(Scenario::Crash, nodes, 1) };
        let mut quiet = |_| {};
        let mut stage = Harness::new(&order, &mut quiet);
        stage.preload_links();
        for (phase, span) in [("start", Duration::from_secs(60)), ("two hours", Duration::from_secs(7200))] {
            let (began, before) = (processor_time(), stage.sim.events);
            if phase == "start" {
                stage.start(0..nodes, Duration::from_secs(10));
            }
            stage.sim.run(span);
            let (events, took) = (stage.sim.events - before, processor_time() - began);
            println!("{nodes:>6} nodes, {phase:<9} {events:>9} inputs {:>9.0} /s", events as f64 / took.as_secs_f64());
        }
    }
}

fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/schedstat").expect("Linux tells a process its time");
    Duration::from_nanos(stat.split(' ').next().and_then(|nanos| nanos.parse().ok()).expect("the first number"))
}
