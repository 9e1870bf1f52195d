//! Ops that were taken and are not on the disk yet. In good times a batch; in bad times everything since the disk
//! refused, kept to the last word about each thing.
//!
//! The whole backlog is one transaction, so dropping all but the last of the ops that replace each other changes
//! nothing. What then still grows are received messages; how many of those it takes without an answer is the core's to
//! bound.

use std::collections::BTreeSet;

use crate::id::{MessageId, SessionId, StreamId, UserId};
use crate::proto::memory::{Op, Ticket};

/// Ops held before the backlog is gone through for the first time.
const THIN_AT: usize = 8192;

#[derive(Debug)]
pub struct Backlog {
    ops: Vec<Op>,
    through: Ticket,
    thin_at: usize,
}

/// What an op is the last word about.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    Counters,
    User(UserId),
    Session(SessionId),
    Link(UserId),
    List(SessionId),
    Seen(StreamId),
    Delivered(StreamId, SessionId),
}

impl Backlog {
    pub fn new() -> Backlog {
        Backlog { ops: Vec::new(), through: Ticket::default(), thin_at: THIN_AT }
    }

    pub fn push(&mut self, ticket: Ticket, op: Op) {
        self.skip(ticket);
        self.ops.push(op);
        if self.ops.len() >= self.thin_at {
            self.thin();
        }
    }

    /// Counts a ticket whose op was refused.
    pub fn skip(&mut self, ticket: Ticket) {
        self.through = self.through.max(ticket);
    }

    pub fn ops(&self) -> &[Op] {
        &self.ops
    }

    /// The last ticket taken.
    pub fn through(&self) -> Ticket {
        self.through
    }

    /// Everything is on the disk.
    pub fn clear(&mut self) {
        self.ops.clear();
        self.thin_at = THIN_AT;
    }

    /// Gives up what was typed, and says what. A commit that failed late may yet be found in the log when the file is
    /// opened again; therefore each becomes its own withdrawal.
    pub fn give_up(&mut self) -> Vec<MessageId> {
        let mut refused = Vec::new();
        for op in &mut self.ops {
            if let Op::Typed(row) = op {
                refused.push(row.id);
                *op = Op::Cancelled(row.id);
            }
        }
        refused
    }

    fn thin(&mut self) {
        let mut said = BTreeSet::new();
        let mut kept: Vec<Op> = Vec::with_capacity(self.ops.len());
        kept.extend(self.ops.drain(..).rev().filter(|op| subject(op).is_none_or(|subject| said.insert(subject))));
        kept.reverse();
        self.ops = kept;
        self.thin_at = THIN_AT.max(self.ops.len() * 2);
    }
}

fn subject(op: &Op) -> Option<Subject> {
    match op {
        Op::Counters(_) => Some(Subject::Counters),
        Op::User(row) => Some(Subject::User(row.user)),
        Op::ForgetUser(user) => Some(Subject::User(*user)),
        Op::Session(row) => Some(Subject::Session(row.session)),
        Op::ForgetSession(session) => Some(Subject::Session(*session)),
        Op::Link(row) => Some(Subject::Link(row.user)),
        Op::List(row) => Some(Subject::List(row.session)),
        Op::ForgetList(session) => Some(Subject::List(*session)),
        Op::Seen { stream, .. } => Some(Subject::Seen(*stream)),
        Op::Delivered { stream, session, .. } => Some(Subject::Delivered(*stream, *session)),
        Op::Prekey(_)
        | Op::ForgetPrekey(_)
        | Op::Typed(_)
        | Op::Received(_)
        | Op::Settled { .. }
        | Op::Cancelled(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::memory::{Counters, UserRow};

    fn user(n: u8, verified: bool) -> Op {
        Op::User(UserRow { user: UserId([n; 32]), roster: None, pinned: None, verified })
    }

    #[test]
    fn of_ops_about_one_thing_the_last_is_kept_in_its_place() {
        let mut backlog = Backlog::new();
        let forget = Op::ForgetPrekey([1; 8]);
        let ops = [user(1, false), Op::Counters(Counters::default()), forget.clone(), user(2, true), user(1, true)];
        ops.into_iter().enumerate().for_each(|(n, op)| backlog.push(Ticket(n as u64), op));
        backlog.thin();
        assert_eq!(backlog.ops(), [Op::Counters(Counters::default()), forget, user(2, true), user(1, true)]);
        assert_eq!(backlog.through(), Ticket(4));
    }

    #[test]
    fn a_week_of_a_full_disk_holds_no_more_than_there_are_things() {
        let mut backlog = Backlog::new();
        for n in 0..200_000u64 {
            backlog.push(Ticket(n), user(n as u8, false));
        }
        assert!(backlog.ops().len() < 2 * THIN_AT);
    }
}
