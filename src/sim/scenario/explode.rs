//! One node floods its declaration over all short paths: to everybody it is connected with, and to everybody these are
//! connected with.

use std::collections::BTreeSet;
use std::time::Duration;

use super::stage::Stage;
use crate::proto::event::Command;
use crate::proto::notice::Notice;
use crate::sim::net::NodeIndex;
use crate::sim::report::Report;

const PATIENCE: Duration = Duration::from_secs(30);

pub fn play(mut stage: Stage) -> Report {
    stage.warm_up();
    let Some(origin) = stage.somebody() else { return stage.finish() };
    stage.phase("the flood");
    let reach = two_steps(&stage, origin);
    let before = stage.sim.traffic();
    stage.command(origin, Command::Explode);
    stage.until(PATIENCE, |stage| answer(stage, origin).is_some());
    let found = answer(&stage, origin);
    stage.expect(found.is_some(), "the flood was never answered");
    let (users, sessions, messages, elapsed) = found.unwrap_or_default();
    let spent = stage.sim.traffic().since(&before).messages();
    let reach = reach.len() as u64;
    stage.count("explode_reach", reach, "nodes within two connections");
    stage.count("explode_users", users, "users that the flood reached");
    stage.count("explode_sessions", sessions, "sessions that the flood reached");
    stage.count("explode_messages", messages, "messages it took, as the flood reports it");
    stage.count("explode_sent", spent, "messages that all nodes sent meanwhile");
    stage.millis("explode_ms", found.map(|_| Duration::from_millis(elapsed)), "until it was answered");
    stage.expect(sessions == reach, "the flood did not reach exactly those within two connections");
    stage.expect(messages <= (reach + 1) * (reach + 1), "the flood took more messages than the square of its nodes");
    stage.run(Duration::from_secs(60));
    let before = stage.sim.traffic();
    stage.command(origin, Command::Explode);
    stage.run(PATIENCE);
    let again = stage.sim.traffic().since(&before).messages();
    stage.count("explode_again", again, "messages that a second flood a minute later took");
    stage.expect(again == 0, "a second flood within ten minutes was let go");
    stage.finish()
}

/// Those within two live connections.
fn two_steps(stage: &Stage, origin: NodeIndex) -> BTreeSet<NodeIndex> {
    let pairs: Vec<[NodeIndex; 2]> = stage.sim.net().live().flat_map(|[a, b]| [[a, b], [b, a]]).collect();
    let beside = |from: &BTreeSet<NodeIndex>| -> BTreeSet<NodeIndex> {
        pairs.iter().filter(|[a, _]| from.contains(a)).map(|[_, b]| *b).collect()
    };
    let first = beside(&[origin].into_iter().collect());
    let second = beside(&first);
    first.union(&second).copied().filter(|node| *node != origin).collect()
}

/// Users, sessions, messages and milliseconds.
fn answer(stage: &Stage, origin: NodeIndex) -> Option<(u64, u64, u64, u64)> {
    stage.sim.nodes[origin].notices.iter().find_map(|(_, notice)| match notice {
        Notice::Exploded { users, sessions, messages, elapsed_ms } => {
            Some((*users as u64, *sessions as u64, *messages, *elapsed_ms))
        }
        _ => None,
    })
}
