//! All nodes start within one second. They know whom they are linked to, but no addresses except that of one server.

use std::time::Duration;

use super::harness::Harness;
use crate::sim::report::Report;

const TIME_LIMIT: Duration = Duration::from_secs(600);

pub fn run(mut harness: Harness) -> Report {
    let server = harness.add_server();
    harness.preload_links_by_name();
    harness.sim.start(server);
    harness.phase("all nodes starting");
    let before = harness.sim.traffic();
    harness.start(0..server, Duration::from_secs(1));
    harness.heal("coldstart", TIME_LIMIT);
    harness.spent("coldstart", &before);
    harness.phase("without the server");
    harness.sim.crash(server);
    harness.run(Duration::from_secs(60));
    harness.visibility_figures("serverless");
    harness.cost_of_rest();
    harness.finish()
}
