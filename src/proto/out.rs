//! The output queue. Outputs that depend on durability wait in it until the store confirms it.
//!
//! Statements of this node about itself depend only on its counters, links and prekeys. So a node whose disk refuses
//! other writes still takes part in presence and hands on what it has.

use std::collections::VecDeque;

use crate::proto::event::Output;
use crate::proto::persist::{Op, Ticket};

/// Outputs for which a queue keeps its memory: about 90 KiB, enough for most turns of a busy loop. A burst needs
/// thousands.
const KEPT_CAPACITY: usize = 512;

/// Outputs in order, and those that wait for the disk.
#[derive(Debug, Default)]
pub struct Outputs {
    ready: VecDeque<Output>,
    gated: VecDeque<(Ticket, Output)>,
    /// Outputs that wait for the changes on which this node's own statements depend.
    own: VecDeque<(Ticket, Output)>,
    issued: Ticket,
    /// The last ticket of such a change.
    issued_own: Ticket,
    stored: Ticket,
}

impl Outputs {
    /// Hands a change to the store. Returns its ticket.
    pub fn store(&mut self, op: Op) -> Ticket {
        self.issued.0 += 1;
        if matches!(op, Op::Counters(_) | Op::Link(_) | Op::Prekey(_)) {
            self.issued_own = self.issued;
        }
        self.ready.push_back(Output::Store { ticket: self.issued, op });
        self.issued
    }

    /// Queues an output that depends on nothing.
    pub fn push(&mut self, output: Output) {
        self.ready.push_back(output);
    }

    /// Queues an output until everything handed to the store so far is durable.
    pub fn after_store(&mut self, output: Output) {
        if self.issued <= self.stored {
            self.ready.push_back(output);
        } else {
            self.gated.push_back((self.issued, output));
        }
    }

    /// Queues an output until the changes on which this node's own statements depend are durable.
    pub fn after_own(&mut self, output: Output) {
        if self.issued_own <= self.stored {
            self.ready.push_back(output);
        } else {
            self.own.push_back((self.issued_own, output));
        }
    }

    /// Releases the outputs that wait for this ticket or an earlier one. Own statements go first, because nothing
    /// orders them after the others.
    pub fn stored(&mut self, through: Ticket) {
        self.stored = self.stored.max(through);
        for gated in [&mut self.own, &mut self.gated] {
            while gated.front().is_some_and(|(ticket, _)| *ticket <= self.stored) {
                self.ready.extend(gated.pop_front().map(|(_, output)| output));
            }
        }
    }

    /// Removes waiting outputs that have become invalid.
    pub fn revoke(&mut self, mut is_void: impl FnMut(&Output) -> bool) {
        self.gated.retain(|(_, output)| !is_void(output));
    }

    /// The last ticket issued.
    pub fn issued(&self) -> Ticket {
        self.issued
    }

    /// The last ticket that is durable.
    pub fn durable(&self) -> Ticket {
        self.stored
    }

    /// Number of changes that are not durable yet.
    pub fn unstored(&self) -> u64 {
        self.issued.0 - self.stored.0.min(self.issued.0)
    }

    /// The next output that may be carried out.
    pub fn poll(&mut self) -> Option<Output> {
        let next = self.ready.pop_front();
        if next.is_none() {
            self.release_memory();
        }
        next
    }

    /// Releases the memory of a burst.
    fn release_memory(&mut self) {
        self.ready.shrink_to(KEPT_CAPACITY);
        for gated in [&mut self.own, &mut self.gated].into_iter().filter(|gated| gated.is_empty()) {
            gated.shrink_to(KEPT_CAPACITY);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{ConnId, UserId};
    use crate::proto::persist::Counters;
    use crate::wire::control::Control;

    #[test]
    fn own_statements_wait_for_the_counters_and_not_for_other_changes() {
        let sent = |out: &mut Outputs| {
            std::iter::from_fn(|| out.poll()).filter(|output| matches!(output, Output::Control { .. })).count()
        };
        let statement = || Output::Control { conn: ConnId(1), message: Control::Unknown(7) };
        let mut out = Outputs::default();
        out.store(Op::ForgetUser(UserId([1; 32])));
        out.after_own(statement());
        assert_eq!(sent(&mut out), 1);
        let counted = out.store(Op::Counters(Counters::default()));
        out.store(Op::ForgetUser(UserId([1; 32])));
        out.after_own(statement());
        assert_eq!(sent(&mut out), 0);
        out.stored(counted);
        assert_eq!(sent(&mut out), 1);
    }
}
