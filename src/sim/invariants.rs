//! Invariants that must hold in every world: at every moment (`check_often`), and once everything has settled
//! (`check`).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::net::NodeIndex;
use super::world::Sim;
use crate::id::{EnvelopeId, MessageId, SessionId, UserId};
use crate::identity::Checked;
use crate::proto::limits::{
    CUSTODY_BYTES, CUSTODY_ITEMS, MAX_NEIGHBOURS, MAX_NEIGHBOURS_RELAY, MAX_OWN_CUSTODY, MAX_SESSIONS,
    MAX_SESSIONS_RELAY, MAX_SESSIONS_SERVER, MAX_TOMBSTONES, SISTER_BYTES, STRANGER_BYTES, STRANGER_ITEMS,
};
use crate::proto::notice::{Delivery, Notice};
use crate::proto::persist::CustodyRow;
use crate::time::Moment;
use crate::wire::envelope::MAX_ENVELOPE;
use crate::wire::record::{Declaration, roles};

/// Within this time an expired item is removed, durably.
const TIDY: Duration = Duration::from_secs(5);

/// Checks a world repeatedly and remembers values that must never decrease.
#[derive(Debug, Default)]
pub struct Invariants {
    /// The highest declaration that a node has stored of a session.
    accepted: BTreeMap<(NodeIndex, SessionId), u64>,
    /// The sequence number of a node's own declarations.
    own: BTreeMap<NodeIndex, u64>,
    /// Number of notices already checked.
    read: BTreeMap<NodeIndex, usize>,
    displayed: BTreeSet<(NodeIndex, MessageId)>,
    delivered: BTreeSet<(NodeIndex, MessageId, SessionId)>,
    /// Envelopes that a node accepted from members, and when they expire.
    entrusted: BTreeMap<(NodeIndex, EnvelopeId), Moment>,
    /// Nodes whose disk was erased or restored; their values may decrease once.
    may_reset: BTreeSet<NodeIndex>,
}

impl Invariants {
    /// Allows a node to go back once, as its disk was erased or restored from a backup.
    pub fn allow_reset(&mut self, node: NodeIndex) {
        self.may_reset.insert(node);
    }

    /// Checks what is cheap to check. Returns each violation as a sentence.
    pub fn check_often(&mut self, sim: &Sim) -> Vec<String> {
        let mut broken = Vec::new();
        for node in sim.on() {
            let is_relay = sim.nodes[node].plan.roles != 0;
            let most = if is_relay { MAX_NEIGHBOURS_RELAY } else { MAX_NEIGHBOURS };
            // Connections that are being refused count until their close has arrived.
            let has = sim.net().of_node(node).count();
            if has > most * 2 {
                broken.push(format!("node {node} has {has} connections, at most {most} are allowed"));
            }
            let exceeded = sim.nodes[node].unproven_dials.exceeded();
            broken
                .extend(exceeded.first().map(|ip| format!("node {node} dialled the unproven address {ip} too often")));
        }
        broken
    }

    /// Checks all invariants. Returns each violation as a sentence.
    pub fn check(&mut self, sim: &Sim) -> Vec<String> {
        let mut broken = self.check_often(sim);
        for node in 0..sim.nodes.len() {
            if self.may_reset.remove(&node) {
                self.accepted.retain(|(whose, _), _| *whose != node);
                self.own.remove(&node);
                self.displayed.retain(|(whose, _)| *whose != node);
                self.delivered.retain(|(whose, ..)| *whose != node);
                self.entrusted.retain(|(whose, _), _| *whose != node);
            }
            self.check_seqs(sim, node, &mut broken);
            check_memory(sim, node, &mut broken);
            check_custody(sim, node, &mut broken);
            self.check_members(sim, node, &mut broken);
            self.check_notices(sim, node, &mut broken);
        }
        broken
    }

    /// Sequence numbers never decrease, even across a restart.
    fn check_seqs(&mut self, sim: &Sim, node: NodeIndex, broken: &mut Vec<String>) {
        let disk = &sim.nodes[node].disk;
        let own = disk.counters().seq;
        if self.own.insert(node, own).is_some_and(|before| before > own) {
            broken.push(format!("the sequence number of node {node} decreased to {own}"));
        }
        for row in disk.sessions() {
            let Some(declaration) = &row.declaration else { continue };
            let Ok(declaration) = Checked::<Declaration>::from_store(declaration) else {
                broken.push(format!("node {node} stored a declaration that cannot be decoded"));
                continue;
            };
            let before = self.accepted.insert((node, row.session), declaration.seq);
            if before.is_some_and(|before| before > declaration.seq) {
                broken.push(format!("node {node} accepted an older declaration of {}", row.session.short()));
            }
        }
    }

    /// Envelopes accepted from members stay until they are released or expire.
    fn check_members(&mut self, sim: &Sim, node: NodeIndex, broken: &mut Vec<String>) {
        let disk = &sim.nodes[node].disk;
        let held: BTreeSet<EnvelopeId> = disk.custody().map(|row| row.envelope).collect();
        let of_node = self.entrusted.range((node, EnvelopeId([0; 32]))..).take_while(|((whose, _), _)| *whose == node);
        let gone: Vec<(EnvelopeId, Moment)> =
            of_node.map(|((_, id), until)| (*id, *until)).filter(|(id, _)| !held.contains(id)).collect();
        for (id, until) in gone {
            self.entrusted.remove(&(node, id));
            if until > sim.now() && !disk.tombstones().any(|stone| stone.envelope == id) {
                broken.push(format!("node {node} dropped a member's envelope that was never released"));
            }
        }
        for row in disk.custody().filter(|row| row.member && row.mine.is_none()) {
            self.entrusted.insert((node, row.envelope), row.until);
        }
    }

    /// A message shown as delivered is on the addressee's disk and stays delivered, and no message is displayed
    /// twice.
    fn check_notices(&mut self, sim: &Sim, node: NodeIndex, broken: &mut Vec<String>) {
        let notices = &sim.nodes[node].notices;
        let read = self.read.insert(node, notices.len()).unwrap_or(0);
        for (_, notice) in notices.iter().skip(read) {
            match notice {
                Notice::State { message, session, state: Delivery::Delivered, .. } => {
                    let has = |other: NodeIndex| sim.nodes[other].disk.history.iter().any(|row| row.id == *message);
                    if sim.settings.disks && !sim.node_of_session(session).is_some_and(has) {
                        broken.push(format!("node {node} shows as delivered a message that {} lacks", session.short()));
                    }
                    self.delivered.insert((node, *message, *session));
                }
                Notice::State { message, session, .. } if self.delivered.contains(&(node, *message, *session)) => {
                    broken.push(format!("node {node} showed {} as delivered and later not", message.token()));
                }
                Notice::Message(view) if !view.again && !self.displayed.insert((node, view.message)) => {
                    broken.push(format!("node {node} displayed {} twice", view.message.token()));
                }
                _ => {}
            }
        }
    }
}

/// The number of stored sessions is bounded.
fn check_memory(sim: &Sim, node: NodeIndex, broken: &mut Vec<String>) {
    let most = match sim.nodes[node].plan.roles {
        0 => MAX_SESSIONS,
        bits if bits & roles::SERVER != 0 => MAX_SESSIONS_SERVER,
        _ => MAX_SESSIONS_RELAY,
    };
    let has = sim.nodes[node].disk.sessions().count();
    // The last session of a linked user is never forgotten, and pruning waits for an excess of one eighth.
    if has > most + most / 8 && has > sim.nodes[node].shown_online.len() + most {
        broken.push(format!("node {node} remembers {has} sessions, at most {most} are allowed"));
    }
}

/// Custody for others stays within its quotas, and nothing is held beyond its lifetime.
fn check_custody(sim: &Sim, node: NodeIndex, broken: &mut Vec<String>) {
    let disk = &sim.nodes[node].disk;
    let (mine, held): (Vec<&CustodyRow>, Vec<&CustodyRow>) = disk.custody().partition(|row| row.mine.is_some());
    // A client holds nothing but mail of its user's other sessions.
    let user = sim.nodes[node].user;
    let (sisters, others): (Vec<&CustodyRow>, Vec<&CustodyRow>) =
        held.into_iter().partition(|row| sim.nodes[node].plan.roles == 0 && row.depositor == user);
    let bytes = |rows: &[&CustodyRow]| rows.iter().map(|row| row.bytes.len()).sum::<usize>();
    let mut require = |holds: bool, violation: &str| {
        if !holds {
            broken.push(format!("node {node} {violation}"));
        }
    };
    require(bytes(&mine) <= MAX_OWN_CUSTODY + MAX_ENVELOPE, "keeps too much of its own mail");
    require(bytes(&sisters) <= SISTER_BYTES, "keeps too much mail of its user's other sessions");
    require(others.is_empty() || sim.nodes[node].plan.roles != 0, "is not a relay and keeps mail for others");
    require(bytes(&others) <= CUSTODY_BYTES && others.len() <= CUSTODY_ITEMS, "keeps more than its quota for others");
    let mut strange = 0;
    for of_one in by_depositor(&others).values() {
        // A depositor counts as what it was when the oldest of its envelopes was accepted.
        let (taken, is_member) = (bytes(of_one), of_one[0].member);
        strange += if is_member { 0 } else { taken };
        let fair = if is_member {
            taken <= CUSTODY_BYTES / 2
        } else {
            taken <= STRANGER_BYTES && of_one.len() <= STRANGER_ITEMS
        };
        require(fair, "keeps more than a depositor's quota");
    }
    require(strange <= CUSTODY_BYTES / 4, "keeps more than a quarter for strangers");
    require(disk.tombstones().count() <= MAX_TOMBSTONES, "keeps too many tombstones");
    if sim.nodes[node].is_on() && sim.nodes[node].stalled.is_none() {
        let ends = disk.custody().map(|row| row.until).chain(disk.tombstones().map(|stone| stone.until));
        require(ends.min().is_none_or(|end| end + TIDY > sim.now()), "keeps mail beyond its lifetime");
    }
}

fn by_depositor<'a>(rows: &[&'a CustodyRow]) -> BTreeMap<UserId, Vec<&'a CustodyRow>> {
    let mut by_depositor: BTreeMap<UserId, Vec<&CustodyRow>> = BTreeMap::new();
    rows.iter().for_each(|row| by_depositor.entry(row.depositor).or_default().push(row));
    by_depositor
}
