//! Envelopes forwarded between two connected neighbours by a node that carries nothing for others. The answer returns to the
//! sender.

use std::collections::{BTreeMap, VecDeque};

use crate::id::{Address, EnvelopeId, SessionId};
use crate::identity::seal::fits;
use crate::proto::limits::MAX_FORWARDED;

/// Forwarded envelopes, at most [`MAX_FORWARDED`].
#[derive(Debug, Default)]
pub struct Forwards {
    by_id: BTreeMap<EnvelopeId, Forwarded>,
    order: VecDeque<EnvelopeId>,
}

/// A forwarded envelope.
#[derive(Debug, Clone, Copy)]
pub struct Forwarded {
    /// The neighbour that sent it.
    pub sender: SessionId,
    /// Its addressee.
    pub address: Address,
    /// The lock that its release fits.
    pub lock: [u8; 32],
}

impl Forwards {
    /// Records an envelope. At the bound the oldest is removed; its sender sends it again.
    pub fn insert(&mut self, envelope: EnvelopeId, forwarded: Forwarded) {
        if self.by_id.insert(envelope, forwarded).is_none() {
            self.order.push_back(envelope);
        }
        if self.order.len() > MAX_FORWARDED {
            self.order.pop_front().map(|oldest| self.by_id.remove(&oldest));
        }
    }

    /// A forwarded envelope.
    pub fn get(&self, envelope: &EnvelopeId) -> Option<Forwarded> {
        self.by_id.get(envelope).copied()
    }

    /// The sender of an envelope, if a release fits its lock.
    pub fn sender(&self, envelope: &EnvelopeId, r: &[u8; 32]) -> Option<SessionId> {
        self.get(envelope).filter(|forwarded| fits(&forwarded.lock, r)).map(|forwarded| forwarded.sender)
    }
}
