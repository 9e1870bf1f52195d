//! The speed of the simulator: inputs handled per second of CPU time (from `/proc/self/schedstat`, so Linux only), in
//! closed networks with ten random links per node, where linked nodes know each other.
//!
//!     cargo bench --no-default-features --bench sim [-- NODES…]

use std::time::Duration;

use darknode::sim::scenario::{Harness, Params, Scenario};

fn main() {
    let asked: Vec<usize> = std::env::args().filter_map(|word| word.parse().ok()).collect();
    for nodes in if asked.is_empty() { vec![100, 1_000, 10_000] } else { asked } {
        let params = Params { signed: false, ..Params::new(Scenario::Crash, nodes, 1) };
        let mut quiet = |_| {};
        let mut harness = Harness::new(&params, &mut quiet);
        harness.preload_links();
        for (phase, span) in [("start", Duration::from_secs(60)), ("two hours", Duration::from_secs(7200))] {
            let (began, before) = (processor_time(), harness.sim.events);
            if phase == "start" {
                harness.start(0..nodes, Duration::from_secs(10));
            }
            harness.sim.run(span);
            let (events, took) = (harness.sim.events - before, processor_time() - began);
            println!("{nodes:>6} nodes, {phase:<9} {events:>9} inputs {:>9.0} /s", events as f64 / took.as_secs_f64());
        }
    }
}

fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/schedstat").expect("Linux tells a process its time");
    Duration::from_nanos(stat.split(' ').next().and_then(|nanos| nanos.parse().ok()).expect("the first number"))
}
