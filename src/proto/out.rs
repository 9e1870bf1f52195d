//! The one output queue, and the gates in it: what depends on something being durable waits until the store says so.
//!
//! What I say of myself rests on my counters, links and prekeys alone; so a disk that refuses does not silence a node, and
//! it goes on telling who is where and handing on what it has.

use std::collections::VecDeque;

use crate::proto::event::Output;
use crate::proto::persist::{Op, Ticket};

/// Outputs that a queue keeps room for: some 90 KiB, and enough for most turns of a busy loop. A burst takes room for
/// thousands.
const ROOM: usize = 512;

/// Outputs in order, and those that wait for the disk.
#[derive(Debug, Default)]
pub struct Outputs {
    ready: VecDeque<Output>,
    gated: VecDeque<(Ticket, Output)>,
    /// Those that wait for what my own word rests on.
    own: VecDeque<(Ticket, Output)>,
    issued: Ticket,
    /// The last of what my own word rests on.
    issued_own: Ticket,
    stored: Ticket,
}

impl Outputs {
    /// Hands something to the store.
    pub fn store(&mut self, op: Op) -> Ticket {
        self.issued.0 += 1;
        if matches!(op, Op::Counters(_) | Op::Link(_) | Op::Prekey(_)) {
            self.issued_own = self.issued;
        }
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

    /// To be done once what my own word rests on is durable.
    pub fn after_own(&mut self, output: Output) {
        if self.issued_own <= self.stored {
            self.ready.push_back(output);
        } else {
            self.own.push_back((self.issued_own, output));
        }
    }

    /// Everything up to this ticket is durable. What I said goes first: it waits for nothing that others do not.
    pub fn stored(&mut self, through: Ticket) {
        self.stored = self.stored.max(through);
        for gated in [&mut self.own, &mut self.gated] {
            while gated.front().is_some_and(|(ticket, _)| *ticket <= self.stored) {
                self.ready.extend(gated.pop_front().map(|(_, output)| output));
            }
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
        let next = self.ready.pop_front();
        if next.is_none() {
            self.give_back();
        }
        next
    }

    /// The room that a burst took, once it is over.
    fn give_back(&mut self) {
        self.ready.shrink_to(ROOM);
        for gated in [&mut self.own, &mut self.gated].into_iter().filter(|gated| gated.is_empty()) {
            gated.shrink_to(ROOM);
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
    fn what_i_say_waits_for_my_counters_and_not_for_what_others_said() {
        let said = |out: &mut Outputs| {
            std::iter::from_fn(|| out.poll()).filter(|output| matches!(output, Output::Control { .. })).count()
        };
        let word = || Output::Control { conn: ConnId(1), message: Control::Unknown(7) };
        let mut out = Outputs::default();
        out.store(Op::ForgetUser(UserId([1; 32])));
        out.after_own(word());
        assert_eq!(said(&mut out), 1);
        let counted = out.store(Op::Counters(Counters::default()));
        out.store(Op::ForgetUser(UserId([1; 32])));
        out.after_own(word());
        assert_eq!(said(&mut out), 0);
        out.stored(counted);
        assert_eq!(said(&mut out), 1);
    }
}
