//! Tracks the dissemination of one declaration: how often it was sent, which nodes have it, and over how many hops.
//! The definitions are those of Plumtree: payload messages `m`, reached nodes, last delivery hop.

use std::collections::BTreeMap;

use super::net::NodeIndex;
use crate::id::SessionId;
use crate::identity::Checked;
use crate::time::Moment;
use crate::wire::control::Control;
use crate::wire::record::{Declaration, Signed};

/// The tracked declaration and its deliveries.
#[derive(Debug)]
pub struct Dissemination {
    origin: NodeIndex,
    session: SessionId,
    declaration: Option<Signed>,
    /// Number of copies sent.
    pub sent: u64,
    /// The first delivery to each node that has it.
    pub delivered: BTreeMap<NodeIndex, Delivery>,
}

/// A delivery of the declaration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery {
    /// When it was received.
    pub at: Moment,
    /// Over how many hops; 0 at the origin.
    pub hops: u32,
}

impl Dissemination {
    /// Tracks the next declaration that `origin` pushes about its `session`.
    pub fn of(origin: NodeIndex, session: SessionId, now: Moment) -> Dissemination {
        let delivered = [(origin, Delivery { at: now, hops: 0 })].into_iter().collect();
        Dissemination { origin, session, declaration: None, sent: 0, delivered }
    }

    /// Records that a node sends a message.
    pub fn sent(&mut self, from: NodeIndex, message: &Control) {
        if self.declaration.is_none() && from == self.origin {
            self.declaration = pushed(message).filter(|signed| self.is_own(signed)).cloned();
        }
        self.sent += self.copies(message);
    }

    /// Records that a node receives a frame.
    pub fn read(&mut self, from: NodeIndex, to: NodeIndex, batch: &[Control], at: Moment) {
        let hops = self.delivered.get(&from).map_or(0, |delivered| delivered.hops) + 1;
        if batch.iter().any(|message| self.copies(message) > 0) {
            self.delivered.entry(to).or_insert(Delivery { at, hops });
        }
    }

    fn is_own(&self, signed: &Signed) -> bool {
        Checked::<Declaration>::from_store(signed).is_ok_and(|declaration| declaration.session == self.session)
    }

    fn copies(&self, message: &Control) -> u64 {
        let Some(declaration) = &self.declaration else { return 0 };
        let same = |signed: &&Signed| *signed == declaration;
        let count = match message {
            Control::Hello(hello) => [&hello.declaration].into_iter().filter(same).count(),
            Control::RequestPing(request) => [&request.declaration].into_iter().filter(same).count(),
            Control::DeliverKnownList(list) => {
                let held = list.users.iter().flat_map(|known| known.declarations.iter());
                held.map(|held| &held.declaration).filter(same).count()
            }
            other => pushed(other).into_iter().filter(same).count(),
        };
        count as u64
    }
}

fn pushed(message: &Control) -> Option<&Signed> {
    match message {
        Control::DeclareOnline(declare) | Control::DeclareOffline(declare) => Some(&declare.declaration),
        _ => None,
    }
}
