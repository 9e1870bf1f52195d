//! Sealing that is deferred until all other output has been taken, and envelopes sealed before their contents are durable.

use std::collections::{BTreeSet, VecDeque};

use crate::id::{Address, EnvelopeId};
use crate::proto::persist::Ticket;

/// Deferred sealing, and envelopes that wait for the store.
#[derive(Debug, Default)]
pub struct Sealing {
    receipts: bool,
    lines: BTreeSet<Address>,
    /// At most a window for each lane, until the store has committed.
    early: VecDeque<SealedEarly>,
}

/// An envelope whose contents are not durable yet.
#[derive(Debug)]
struct SealedEarly {
    after: Ticket,
    to: Address,
    envelope: EnvelopeId,
}

impl Sealing {
    /// Requests a pass over the receipts that are owed.
    pub fn want_receipts(&mut self) {
        self.receipts = true;
    }

    /// Requests a pass over the messages to an address.
    pub fn want_lines(&mut self, to: Address) {
        self.lines.insert(to);
    }

    /// Takes the request for receipts.
    pub fn take_receipts(&mut self) -> bool {
        std::mem::take(&mut self.receipts)
    }

    /// Takes the next address with a request for messages.
    pub fn take_address(&mut self) -> Option<Address> {
        self.lines.pop_first()
    }

    /// Whether a request is pending.
    pub fn is_pending(&self) -> bool {
        self.receipts || !self.lines.is_empty()
    }

    /// Records an envelope that leaves once everything through this ticket is durable.
    pub fn record_early(&mut self, after: Ticket, to: Address, envelope: EnvelopeId) {
        self.early.push_back(SealedEarly { after, to, envelope });
    }

    /// Everything through this ticket is durable.
    pub fn stored(&mut self, through: Ticket) {
        while self.early.front().is_some_and(|early| early.after <= through) {
            self.early.pop_front();
        }
    }

    /// Takes the envelopes that may hold messages to these addresses, since the store has refused messages.
    pub fn take_back(&mut self, addresses: &BTreeSet<Address>) -> BTreeSet<EnvelopeId> {
        let back =
            self.early.iter().filter(|early| addresses.contains(&early.to)).map(|early| early.envelope).collect();
        self.early.retain(|early| !addresses.contains(&early.to));
        back
    }
}
