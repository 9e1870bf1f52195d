//! The one output queue, and the gate in it: what depends on something being durable waits until the store says so.

use std::collections::VecDeque;

use super::event::Output;
use super::memory::{Op, Ticket};

/// Outputs in order, and those that wait for the disk.
#[derive(Debug, Default)]
pub struct Outputs {
    ready: VecDeque<Output>,
    gated: VecDeque<(Ticket, Output)>,
    issued: Ticket,
    stored: Ticket,
}

impl Outputs {
    /// Hands something to the store.
    pub fn store(&mut self, op: Op) -> Ticket {
        self.issued.0 += 1;
        self.ready.push_back(Output::Store { ticket: self.issued, op });
        self.issued
    }

    /// To be done at once.
    pub fn push(&mut self, output: Output) {
        self.ready.push_back(output);
    }

    /// To be done once everything handed to the store so far is durable.
    pub fn after_store(&mut self, output: Output) {
        if self.issued <= self.stored {
            self.ready.push_back(output);
        } else {
            self.gated.push_back((self.issued, output));
        }
    }

    /// Everything up to this ticket is durable.
    pub fn stored(&mut self, through: Ticket) {
        self.stored = self.stored.max(through);
        while self.gated.front().is_some_and(|(ticket, _)| *ticket <= self.stored) {
            self.ready.extend(self.gated.pop_front().map(|(_, output)| output));
        }
    }

    /// Takes back what waits for the disk and will never be true.
    pub fn revoke(&mut self, mut is_void: impl FnMut(&Output) -> bool) {
        self.gated.retain(|(_, output)| !is_void(output));
    }

    /// The last ticket given out.
    pub fn issued(&self) -> Ticket {
        self.issued
    }

    /// The last ticket that is durable.
    pub fn durable(&self) -> Ticket {
        self.stored
    }

    /// How many changes wait for the disk.
    pub fn unstored(&self) -> u64 {
        self.issued.0 - self.stored.0.min(self.issued.0)
    }

    pub fn poll(&mut self) -> Option<Output> {
        self.ready.pop_front()
    }
}
