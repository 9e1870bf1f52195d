//! What is to be sealed once nothing else is to be handed out, and what was sealed before the disk had it.

use std::collections::{BTreeSet, VecDeque};

use crate::id::{Address, EnvelopeId};
use crate::proto::persist::Ticket;

/// Sealing that waits, and envelopes that wait for the disk.
#[derive(Debug, Default)]
pub struct Sealing {
    receipts: bool,
    lines: BTreeSet<Address>,
    /// At most a window for each lane, and only as long as the disk takes.
    early: VecDeque<SealedEarly>,
}

/// An envelope that waits for the disk.
#[derive(Debug)]
struct SealedEarly {
    after: Ticket,
    to: Address,
    envelope: EnvelopeId,
}

impl Sealing {
    /// Receipts may be owed.
    pub fn want_receipts(&mut self) {
        self.receipts = true;
    }

    /// Something may wait for a user.
    pub fn want_lines(&mut self, to: Address) {
        self.lines.insert(to);
    }

    /// Whether receipts may be owed, asked once.
    pub fn take_receipts(&mut self) -> bool {
        std::mem::take(&mut self.receipts)
    }

    /// The next user for whom something may wait.
    pub fn take_address(&mut self) -> Option<Address> {
        self.lines.pop_first()
    }

    /// Whether anything is to be sealed.
    pub fn waits(&self) -> bool {
        self.receipts || !self.lines.is_empty()
    }

    /// Lines were sealed that leave once the disk has everything through this ticket.
    pub fn sealed_early(&mut self, after: Ticket, to: Address, envelope: EnvelopeId) {
        self.early.push_back(SealedEarly { after, to, envelope });
    }

    /// The disk has everything through this ticket.
    pub fn stored(&mut self, through: Ticket) {
        while self.early.front().is_some_and(|early| early.after <= through) {
            self.early.pop_front();
        }
    }

    /// The disk has refused lines to these users: the envelopes in which they may be.
    pub fn take_back(&mut self, addresses: &BTreeSet<Address>) -> BTreeSet<EnvelopeId> {
        let back =
            self.early.iter().filter(|early| addresses.contains(&early.to)).map(|early| early.envelope).collect();
        self.early.retain(|early| !addresses.contains(&early.to));
        back
    }
}
