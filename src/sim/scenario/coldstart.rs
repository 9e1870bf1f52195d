//! Everybody starts within one second. They know whom they are linked to, but not where anybody is, except for one server.

use std::time::Duration;

use super::stage::Stage;
use crate::sim::report::Report;

const PATIENCE: Duration = Duration::from_secs(600);

pub fn play(mut stage: Stage) -> Report {
    let server = stage.add_server();
    stage.acquaint_by_name();
    stage.sim.start(server);
    stage.phase("everybody at once");
    let before = stage.sim.traffic();
    stage.start(0..server, Duration::from_secs(1));
    stage.heal("coldstart", PATIENCE);
    stage.spent("coldstart", &before);
    stage.phase("without the server");
    stage.sim.crash(server);
    stage.run(Duration::from_secs(60));
    stage.sight_figures("serverless");
    stage.cost_of_rest();
    stage.finish()
}
