//! One node floods its declaration to all nodes within two connections.

use std::collections::BTreeSet;
use std::time::Duration;

use super::harness::Harness;
use crate::proto::event::Command;
use crate::proto::notice::Notice;
use crate::sim::net::NodeIndex;
use crate::sim::report::Report;

const TIME_LIMIT: Duration = Duration::from_secs(30);

pub fn run(mut harness: Harness) -> Report {
    harness.warm_up();
    let Some(origin) = harness.random_node() else { return harness.finish() };
    harness.phase("the flood");
    let reach = within_two_connections(&harness, origin);
    let before = harness.sim.traffic();
    harness.command(origin, Command::Explode);
    harness.until(TIME_LIMIT, |harness| answer(harness, origin).is_some());
    let found = answer(&harness, origin);
    harness.expect(found.is_some(), "the flood was never answered");
    let (users, sessions, messages, elapsed) = found.unwrap_or_default();
    let spent = harness.sim.traffic().since(&before).messages();
    let reach = reach.len() as u64;
    harness.count("explode_reach", reach, "nodes within two connections");
    harness.count("explode_users", users, "users that the flood reached");
    harness.count("explode_sessions", sessions, "sessions that the flood reached");
    harness.count("explode_messages", messages, "messages it took, as the flood reports it");
    harness.count("explode_sent", spent, "messages that all nodes sent meanwhile");
    harness.millis("explode_ms", found.map(|_| Duration::from_millis(elapsed)), "until it was answered");
    harness.expect(sessions == reach, "the flood did not reach exactly those within two connections");
    harness.expect(messages <= (reach + 1) * (reach + 1), "the flood took more messages than the square of its nodes");
    harness.run(Duration::from_secs(60));
    let before = harness.sim.traffic();
    harness.command(origin, Command::Explode);
    harness.run(TIME_LIMIT);
    let again = harness.sim.traffic().since(&before).messages();
    harness.count("explode_again", again, "messages that a second flood a minute later took");
    harness.expect(again == 0, "a second flood within ten minutes was not suppressed");
    harness.finish()
}

/// The nodes within two live connections.
fn within_two_connections(harness: &Harness, origin: NodeIndex) -> BTreeSet<NodeIndex> {
    let pairs: Vec<[NodeIndex; 2]> = harness.sim.net().live().flat_map(|[a, b]| [[a, b], [b, a]]).collect();
    let adjacent = |from: &BTreeSet<NodeIndex>| -> BTreeSet<NodeIndex> {
        pairs.iter().filter(|[a, _]| from.contains(a)).map(|[_, b]| *b).collect()
    };
    let first = adjacent(&[origin].into_iter().collect());
    let second = adjacent(&first);
    first.union(&second).copied().filter(|node| *node != origin).collect()
}

/// The answer: users, sessions, messages and milliseconds.
fn answer(harness: &Harness, origin: NodeIndex) -> Option<(u64, u64, u64, u64)> {
    harness.sim.nodes[origin].notices.iter().find_map(|(_, notice)| match notice {
        Notice::Exploded { users, sessions, messages, elapsed_ms } => {
            Some((*users as u64, *sessions as u64, *messages, *elapsed_ms))
        }
        _ => None,
    })
}
