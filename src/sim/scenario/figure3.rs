//! The paper's figure 3: R and E change address at the same moment and lose each other. Whoever is left, C, Q or the server,
//! brings them together; with nobody left they go on trying until somebody comes back.

use std::time::Duration;

use super::stage::Stage;
use crate::proto::event::Command;
use crate::sim::net::NodeIndex;
use crate::sim::report::Report;
use crate::sim::topology::figure3::{C, E, Q, R};

/// Longer than any pause between two rounds of seeking.
const PATIENCE: Duration = Duration::from_secs(600);

pub fn play(mut stage: Stage) -> Report {
    let server = stage.add_server();
    stage.warm_up();
    for (key, helper, about) in [
        ("by_c_ms", C, "until R and E meet again, only C being left"),
        ("by_q_ms", Q, "until R and E meet again, only Q being left"),
        ("by_server_ms", server, "until R and E meet again, only the server being left"),
    ] {
        stage.phase("one helper");
        leave(&mut stage, Some(helper));
        part(&mut stage);
        let met = stage.until(PATIENCE, together);
        stage.millis(key, met, about);
        stage.expect(met.is_some(), &format!("{key}: R and E did not meet"));
        come_back(&mut stage);
    }
    stage.phase("no helper");
    leave(&mut stage, None);
    part(&mut stage);
    let alone = stage.until(PATIENCE, together);
    stage.expect(alone.is_none(), "R and E met with nobody to tell them where");
    stage.sim.start(C);
    let met = stage.until(PATIENCE, together);
    stage.millis("by_return_ms", met, "until R and E meet, from the return of C after ten minutes with nobody");
    stage.expect(met.is_some(), "R and E did not meet when C came back");
    come_back(&mut stage);
    stage.sight_figures("end");
    stage.finish()
}

/// Everybody but R, E and a helper goes.
fn leave(stage: &mut Stage, helper: Option<NodeIndex>) {
    for node in 0..stage.sim.nodes.len() {
        if ![Some(R), Some(E), helper].contains(&Some(node)) {
            stage.command(node, Command::Quit);
        }
    }
    stage.run(Duration::from_secs(30));
}

/// R and E are somewhere else, and each thinks the other is where it was.
fn part(stage: &mut Stage) {
    stage.sim.cut(R, E);
    stage.run(Duration::from_secs(30));
    stage.move_somewhere(R);
    stage.move_somewhere(E);
    stage.sim.mend(R, E);
}

fn come_back(stage: &mut Stage) {
    stage.phase("everybody back");
    let off: Vec<NodeIndex> = (0..stage.sim.nodes.len()).filter(|node| !stage.sim.nodes[*node].is_on()).collect();
    stage.start(off, Duration::from_secs(1));
    stage.run(Duration::from_secs(60));
}

/// Whether R and E are connected and see each other.
fn together(stage: &Stage) -> bool {
    let sees = |one: NodeIndex, other: NodeIndex| {
        let session = stage.sim.nodes[other].session;
        stage.sim.nodes[one].shows.contains(&session)
    };
    let joined = stage.sim.net().live().any(|ends| ends.contains(&R) && ends.contains(&E));
    joined && sees(R, E) && sees(E, R)
}
