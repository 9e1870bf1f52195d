//! What must hold in every world at every moment (`check_often`) and when everything has come to rest (`check`).

use std::collections::{BTreeMap, BTreeSet};

use super::net::NodeIndex;
use super::world::Sim;
use crate::id::{MessageId, SessionId};
use crate::identity::Checked;
use crate::proto::limits::{
    MAX_NEIGHBOURS, MAX_NEIGHBOURS_RELAY, MAX_SESSIONS, MAX_SESSIONS_RELAY, MAX_SESSIONS_SERVER,
};
use crate::proto::view::{Delivery, Notice};
use crate::wire::record::{Declaration, roles};

/// Looks at a world again and again, and remembers what must not go back.
#[derive(Debug, Default)]
pub struct Invariants {
    /// The highest declaration that a node has stored of a session.
    accepted: BTreeMap<(NodeIndex, SessionId), u64>,
    /// The counter of a node's own declarations.
    own: BTreeMap<NodeIndex, u64>,
    /// How many notices were read.
    read: BTreeMap<NodeIndex, usize>,
    displayed: BTreeSet<(NodeIndex, MessageId)>,
    /// A node whose disk was changed by hand may go back once.
    excused: BTreeSet<NodeIndex>,
}

impl Invariants {
    /// The disk of a node was lost, or is that of a backup.
    pub fn excuse(&mut self, node: NodeIndex) {
        self.excused.insert(node);
    }

    /// What costs little. Each offence as a sentence.
    pub fn check_often(&mut self, sim: &Sim) -> Vec<String> {
        let mut broken = Vec::new();
        for node in sim.on() {
            let is_super = sim.nodes[node].plan.roles != 0;
            let most = if is_super { MAX_NEIGHBOURS_RELAY } else { MAX_NEIGHBOURS };
            // Connections that are being refused count until their end has arrived.
            let has = sim.net().of_node(node).count();
            if has > most * 2 {
                broken.push(format!("node {node} has {has} connections, at most {most} are allowed"));
            }
        }
        broken
    }

    /// Everything.
    pub fn check(&mut self, sim: &Sim) -> Vec<String> {
        let mut broken = self.check_often(sim);
        for node in 0..sim.nodes.len() {
            if self.excused.remove(&node) {
                self.accepted.retain(|(whose, _), _| *whose != node);
                self.own.remove(&node);
            }
            self.check_seqs(sim, node, &mut broken);
            check_memory(sim, node, &mut broken);
            self.check_notices(sim, node, &mut broken);
        }
        broken
    }

    /// What was accepted never goes back, also over a restart.
    fn check_seqs(&mut self, sim: &Sim, node: NodeIndex, broken: &mut Vec<String>) {
        let disk = &sim.nodes[node].disk;
        let own = disk.counters().seq;
        if self.own.insert(node, own).is_some_and(|before| before > own) {
            broken.push(format!("the seq of node {node} went back to {own}"));
        }
        for row in disk.sessions() {
            let Some(declaration) = &row.declaration else { continue };
            let Ok(declaration) = Checked::<Declaration>::from_store(declaration) else {
                broken.push(format!("node {node} stored a declaration that cannot be read"));
                continue;
            };
            let before = self.accepted.insert((node, row.session), declaration.seq);
            if before.is_some_and(|before| before > declaration.seq) {
                broken.push(format!("node {node} accepted an older declaration of {}", row.session.short()));
            }
        }
    }

    /// Whatever is shown as delivered is on the addressee's disk, and nothing is displayed twice.
    fn check_notices(&mut self, sim: &Sim, node: NodeIndex, broken: &mut Vec<String>) {
        let notices = &sim.nodes[node].notices;
        let read = self.read.insert(node, notices.len()).unwrap_or(0);
        for (_, notice) in notices.iter().skip(read) {
            match notice {
                Notice::State { message, session, state: Delivery::Delivered, .. } => {
                    let has = |other: NodeIndex| sim.nodes[other].disk.history.iter().any(|row| row.id == *message);
                    if sim.settings.disks && !sim.who(session).is_some_and(has) {
                        broken.push(format!("node {node} shows as delivered what {} lacks", session.short()));
                    }
                }
                Notice::Message(view) if !view.again && !self.displayed.insert((node, view.message)) => {
                    broken.push(format!("node {node} displayed {} twice", view.message.token()));
                }
                _ => {}
            }
        }
    }
}

/// What is remembered stays within its bound.
fn check_memory(sim: &Sim, node: NodeIndex, broken: &mut Vec<String>) {
    let most = match sim.nodes[node].plan.roles {
        0 => MAX_SESSIONS,
        bits if bits & roles::SERVER != 0 => MAX_SESSIONS_SERVER,
        _ => MAX_SESSIONS_RELAY,
    };
    let has = sim.nodes[node].disk.sessions().count();
    // The last session of whoever is linked is never forgotten, and pruning waits for an eighth more.
    if has > most + most / 8 && has > sim.nodes[node].shows.len() + most {
        broken.push(format!("node {node} remembers {has} sessions, at most {most} are allowed"));
    }
}
