//! One declaration on its way: how often it was sent, who has it, and over how many hands it came there. The definitions
//! are Plumtree's: payload messages `m`, reached nodes, hops of the last delivery.

use std::collections::BTreeMap;

use super::net::NodeIndex;
use crate::id::SessionId;
use crate::identity::Checked;
use crate::time::Moment;
use crate::wire::control::Control;
use crate::wire::record::{Declaration, Signed};

/// A declaration that is followed.
#[derive(Debug)]
pub struct Rumour {
    origin: NodeIndex,
    session: SessionId,
    told_of: Option<Signed>,
    /// Copies of it that were sent.
    pub sent: u64,
    /// Who has it, from when, over how many hands.
    pub heard: BTreeMap<NodeIndex, Heard>,
}

/// A delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heard {
    pub at: Moment,
    pub hops: u32,
}

impl Rumour {
    /// Follows the next declaration that a node pushes.
    pub fn of(origin: NodeIndex, session: SessionId, now: Moment) -> Rumour {
        let heard = [(origin, Heard { at: now, hops: 0 })].into_iter().collect();
        Rumour { origin, session, told_of: None, sent: 0, heard }
    }

    /// A node sends a message.
    pub fn sent(&mut self, from: NodeIndex, message: &Control) {
        if self.told_of.is_none() && from == self.origin {
            self.told_of = pushed(message).filter(|signed| self.is_own(signed)).cloned();
        }
        self.sent += self.copies(message);
    }

    /// A node reads a frame.
    pub fn read(&mut self, from: NodeIndex, to: NodeIndex, batch: &[Control], at: Moment) {
        let hops = self.heard.get(&from).map_or(0, |heard| heard.hops) + 1;
        if batch.iter().any(|message| self.copies(message) > 0) {
            self.heard.entry(to).or_insert(Heard { at, hops });
        }
    }

    fn is_own(&self, signed: &Signed) -> bool {
        Checked::<Declaration>::from_store(signed).is_ok_and(|declaration| declaration.session == self.session)
    }

    fn copies(&self, message: &Control) -> u64 {
        let Some(told_of) = &self.told_of else { return 0 };
        let same = |signed: &&Signed| *signed == told_of;
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
