//! Envelopes passed on between two others, who are both connected, by a node that keeps nothing for others: the answer goes
//! back the way the envelope came.

use std::collections::{BTreeMap, VecDeque};

use crate::id::{Address, EnvelopeId, SessionId};
use crate::identity::seal::fits;
use crate::proto::limits::MAX_FORWARDED;

/// Envelopes that were passed on, at most [`MAX_FORWARDED`].
#[derive(Debug, Default)]
pub struct Forwards {
    passed: BTreeMap<EnvelopeId, Passed>,
    order: VecDeque<EnvelopeId>,
}

/// An envelope that was passed on.
#[derive(Debug, Clone, Copy)]
pub struct Passed {
    pub giver: SessionId,
    pub address: Address,
    /// What its release fits.
    pub lock: [u8; 32],
}

impl Forwards {
    /// Remembers who gave an envelope. At the bound the oldest is forgotten: its giver will send it anew.
    pub fn put(&mut self, envelope: EnvelopeId, passed: Passed) {
        if self.passed.insert(envelope, passed).is_none() {
            self.order.push_back(envelope);
        }
        if self.order.len() > MAX_FORWARDED {
            self.order.pop_front().map(|oldest| self.passed.remove(&oldest));
        }
    }

    pub fn get(&self, envelope: &EnvelopeId) -> Option<Passed> {
        self.passed.get(envelope).copied()
    }

    /// Who is to see a release, if it fits.
    pub fn giver(&self, envelope: &EnvelopeId, r: &[u8; 32]) -> Option<SessionId> {
        self.get(envelope).filter(|passed| fits(&passed.lock, r)).map(|passed| passed.giver)
    }
}
