//! The paper's figure 3: R and E change their addresses at the same moment and lose each other. A remaining node (C,
//! Q or the server) reconnects them. Without one they keep trying until a node returns.

use std::time::Duration;

use super::harness::Harness;
use crate::proto::event::Command;
use crate::sim::net::NodeIndex;
use crate::sim::report::Report;
use crate::sim::topology::figure3::{C, E, Q, R};

/// Longer than any interval between two rounds of seeking.
const PATIENCE: Duration = Duration::from_secs(600);

pub fn run(mut harness: Harness) -> Report {
    let server = harness.add_server();
    harness.warm_up();
    for (key, helper, about) in [
        ("by_c_ms", C, "until R and E reconnect, with only C left"),
        ("by_q_ms", Q, "until R and E reconnect, with only Q left"),
        ("by_server_ms", server, "until R and E reconnect, with only the server left"),
    ] {
        harness.phase("one helper");
        stop_all_but(&mut harness, Some(helper));
        separate(&mut harness);
        let elapsed = harness.until(PATIENCE, reconnected);
        harness.millis(key, elapsed, about);
        harness.expect(elapsed.is_some(), &format!("{key}: R and E did not reconnect"));
        restart_all(&mut harness);
    }
    harness.phase("no helper");
    stop_all_but(&mut harness, None);
    separate(&mut harness);
    let without_helper = harness.until(PATIENCE, reconnected);
    harness.expect(without_helper.is_none(), "R and E reconnected although no node could give them the addresses");
    harness.sim.start(C);
    let elapsed = harness.until(PATIENCE, reconnected);
    harness.millis("by_return_ms", elapsed, "until R and E reconnect, from the return of C after ten minutes alone");
    harness.expect(elapsed.is_some(), "R and E did not reconnect when C returned");
    restart_all(&mut harness);
    harness.visibility_figures("end");
    harness.finish()
}

/// Stops all nodes but R, E and a helper.
fn stop_all_but(harness: &mut Harness, helper: Option<NodeIndex>) {
    for node in 0..harness.sim.nodes.len() {
        if ![Some(R), Some(E), helper].contains(&Some(node)) {
            harness.command(node, Command::Quit);
        }
    }
    harness.run(Duration::from_secs(30));
}

/// Moves R and E to new addresses while each still has the other's old one.
fn separate(harness: &mut Harness) {
    harness.sim.cut(R, E);
    harness.run(Duration::from_secs(30));
    harness.move_to_new_address(R);
    harness.move_to_new_address(E);
    harness.sim.mend(R, E);
}

fn restart_all(harness: &mut Harness) {
    harness.phase("all nodes restarted");
    let off: Vec<NodeIndex> = (0..harness.sim.nodes.len()).filter(|node| !harness.sim.nodes[*node].is_on()).collect();
    harness.start(off, Duration::from_secs(1));
    harness.run(Duration::from_secs(60));
}

/// Whether R and E are connected and see each other online.
fn reconnected(harness: &Harness) -> bool {
    let sees = |one: NodeIndex, other: NodeIndex| {
        let session = harness.sim.nodes[other].session;
        harness.sim.nodes[one].shown_online.contains(&session)
    };
    let joined = harness.sim.net().live().any(|ends| ends.contains(&R) && ends.contains(&E));
    joined && sees(R, E) && sees(E, R)
}
