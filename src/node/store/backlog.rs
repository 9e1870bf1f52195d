//! Ops that were accepted and are not on the disk yet: usually one batch, and while the disk fails everything since
//! then, compacted to the last op about each subject.
//!
//! The whole backlog is one transaction, so dropping all but the last of several ops that replace each other does not
//! change the result. Only received messages then still accumulate; the core bounds how many of those it accepts
//! without an answer from the store.

use std::collections::BTreeSet;

use crate::id::{EnvelopeId, MessageId, SessionId, StreamId, UserId};
use crate::proto::persist::{self, Op, Ticket};

/// Number of ops at which the backlog is compacted for the first time.
const COMPACT_AT: usize = 8192;

#[derive(Debug)]
pub struct Backlog {
    ops: Vec<Op>,
    through: Ticket,
    compact_at: usize,
}

/// The subject of an op: a later op about the same subject replaces it.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    Counters,
    User(UserId),
    Session(SessionId),
    Link(UserId),
    List(SessionId),
    Seen(StreamId),
    Read(StreamId),
    Delivered(StreamId, SessionId),
    Carried(StreamId, SessionId),
    Mirrored(StreamId, SessionId),
    Change(persist::Subject),
    Told(SessionId),
    Custody(EnvelopeId),
    Copies(EnvelopeId),
    Tombstone(EnvelopeId),
    Owed(SessionId),
    Stranger(UserId),
    Unlinked(SessionId),
}

impl Backlog {
    pub fn new() -> Backlog {
        Backlog { ops: Vec::new(), through: Ticket::default(), compact_at: COMPACT_AT }
    }

    /// Appends an op.
    pub fn push(&mut self, ticket: Ticket, op: Op) {
        self.skip(ticket);
        self.ops.push(op);
        if self.ops.len() >= self.compact_at {
            self.compact();
        }
    }

    /// Records the ticket of an op that was refused.
    pub fn skip(&mut self, ticket: Ticket) {
        self.through = self.through.max(ticket);
    }

    pub fn ops(&self) -> &[Op] {
        &self.ops
    }

    /// The last ticket accepted.
    pub fn through(&self) -> Ticket {
        self.through
    }

    /// Empties the backlog after a commit.
    pub fn clear(&mut self) {
        self.ops.clear();
        self.compact_at = COMPACT_AT;
    }

    /// Withdraws typed messages and returns their ids. A commit that failed late may still turn up in the log when
    /// the file is reopened; therefore each is replaced by its cancellation.
    pub fn withdraw_typed(&mut self) -> Vec<MessageId> {
        let mut refused = Vec::new();
        for op in &mut self.ops {
            if let Op::Typed(row) = op {
                refused.push(row.id);
                *op = Op::Cancelled(row.id);
            }
        }
        refused
    }

    fn compact(&mut self) {
        let mut seen = BTreeSet::new();
        let mut kept: Vec<Op> = Vec::with_capacity(self.ops.len());
        kept.extend(self.ops.drain(..).rev().filter(|op| is_last(op, &mut seen)));
        kept.reverse();
        self.ops = kept;
        self.compact_at = COMPACT_AT.max(self.ops.len() * 2);
    }
}

/// Whether no later op, of the subjects in `seen`, replaces this one.
fn is_last(op: &Op, seen: &mut BTreeSet<Subject>) -> bool {
    match op {
        // A custody row includes the number of copies.
        Op::Copies { envelope, .. } if seen.contains(&Subject::Custody(*envelope)) => false,
        op => subject(op).is_none_or(|subject| seen.insert(subject)),
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
        Op::Read(row) => Some(Subject::Read(row.stream)),
        Op::Mirrored { stream, session, .. } => Some(Subject::Mirrored(*stream, *session)),
        Op::Change(row) => Some(Subject::Change(row.subject)),
        Op::Told { session, .. } => Some(Subject::Told(*session)),
        Op::Delivered { stream, session, .. } => Some(Subject::Delivered(*stream, *session)),
        Op::Carried { stream, by, .. } => Some(Subject::Carried(*stream, *by)),
        Op::Custody(row) => Some(Subject::Custody(row.envelope)),
        Op::ForgetCustody(envelope) => Some(Subject::Custody(*envelope)),
        Op::Copies { envelope, .. } => Some(Subject::Copies(*envelope)),
        Op::Tombstone(row) => Some(Subject::Tombstone(row.envelope)),
        Op::ForgetTombstone(envelope) => Some(Subject::Tombstone(*envelope)),
        Op::Owed { session, .. } => Some(Subject::Owed(*session)),
        Op::Stranger(row) => Some(Subject::Stranger(row.user)),
        Op::Answered(user) => Some(Subject::Stranger(*user)),
        Op::Unlinked(row) => Some(Subject::Unlinked(row.session)),
        Op::ForgetUnlinked(session) => Some(Subject::Unlinked(*session)),
        Op::ForgetStranger { .. }
        | Op::Prekey(_)
        | Op::ForgetPrekey(_)
        | Op::Typed(_)
        | Op::ForgetChange(_)
        | Op::Received(_)
        | Op::Settled { .. }
        | Op::Cancelled(_)
        | Op::Learned { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::persist::{Counters, CustodyRow, UserRow};
    use crate::time::Moment;

    fn user(n: u8, verified: bool) -> Op {
        Op::User(UserRow { user: UserId([n; 32]), roster: None, pinned: None, verified })
    }

    #[test]
    fn only_the_last_op_about_a_subject_is_kept_in_its_place() {
        let mut backlog = Backlog::new();
        let forget = Op::ForgetPrekey([1; 8]);
        let ops = [user(1, false), Op::Counters(Counters::default()), forget.clone(), user(2, true), user(1, true)];
        ops.into_iter().enumerate().for_each(|(n, op)| backlog.push(Ticket(n as u64), op));
        backlog.compact();
        assert_eq!(backlog.ops(), [Op::Counters(Counters::default()), forget, user(2, true), user(1, true)]);
        assert_eq!(backlog.through(), Ticket(4));
    }

    #[test]
    fn a_number_of_copies_replaces_another_but_never_the_envelope() {
        let envelope = EnvelopeId([1; 32]);
        let copies = |copies| Op::Copies { envelope, copies };
        let held = |ops: Vec<Op>| {
            let mut backlog = Backlog::new();
            ops.into_iter().for_each(|op| backlog.push(Ticket(1), op));
            backlog.compact();
            backlog.ops().to_vec()
        };
        let row = Op::Custody(Box::new(CustodyRow {
            envelope,
            address: UserId([2; 32]).into(),
            lock: [3; 32],
            depositor: UserId([4; 32]),
            from: SessionId([5; 32]),
            member: false,
            until: Moment(6),
            copies: 64,
            bytes: vec![7],
            mine: None,
            unopenable: None,
        }));
        assert_eq!(held(vec![copies(9), row.clone(), copies(5), copies(4)]), [row.clone(), copies(4)]);
        let forget = Op::ForgetCustody(envelope);
        assert_eq!(held(vec![row, copies(5), forget.clone()]), [forget]);
    }

    #[test]
    fn a_long_outage_holds_no_more_ops_than_there_are_subjects() {
        let mut backlog = Backlog::new();
        for n in 0..200_000u64 {
            backlog.push(Ticket(n), user(n as u8, false));
        }
        assert!(backlog.ops().len() < 2 * COMPACT_AT);
    }
}
