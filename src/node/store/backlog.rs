//! Ops that were taken and are not on the disk yet. In good times a batch; in bad times everything since the disk
//! refused, kept to the last word about each thing.
//!
//! The whole backlog is one transaction, so dropping all but the last of the ops that replace each other changes
//! nothing. What then still grows are received messages; how many of those it takes without an answer is the core's to
//! bound.

use std::collections::BTreeSet;

use crate::id::{EnvelopeId, MessageId, SessionId, StreamId, UserId};
use crate::proto::persist::{Op, Ticket};

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
    Carried(StreamId, SessionId),
    Custody(EnvelopeId),
    Copies(EnvelopeId),
    Tombstone(EnvelopeId),
    Owed(SessionId),
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
        kept.extend(self.ops.drain(..).rev().filter(|op| is_last(op, &mut said)));
        kept.reverse();
        self.ops = kept;
        self.thin_at = THIN_AT.max(self.ops.len() * 2);
    }
}

/// Whether nothing behind it, of which `said` tells, replaces it.
fn is_last(op: &Op, said: &mut BTreeSet<Subject>) -> bool {
    match op {
        // A whole row says how many copies, too.
        Op::Copies { envelope, .. } if said.contains(&Subject::Custody(*envelope)) => false,
        op => subject(op).is_none_or(|subject| said.insert(subject)),
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
        Op::Carried { stream, by, .. } => Some(Subject::Carried(*stream, *by)),
        Op::Custody(row) => Some(Subject::Custody(row.envelope)),
        Op::ForgetCustody(envelope) => Some(Subject::Custody(*envelope)),
        Op::Copies { envelope, .. } => Some(Subject::Copies(*envelope)),
        Op::Tombstone(row) => Some(Subject::Tombstone(row.envelope)),
        Op::ForgetTombstone(envelope) => Some(Subject::Tombstone(*envelope)),
        Op::Owed { session, .. } => Some(Subject::Owed(*session)),
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
    use crate::proto::persist::{Counters, CustodyRow, UserRow};
    use crate::time::Moment;

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
    fn a_number_of_copies_replaces_another_and_never_the_envelope_itself() {
        let envelope = EnvelopeId([1; 32]);
        let copies = |copies| Op::Copies { envelope, copies };
        let held = |ops: Vec<Op>| {
            let mut backlog = Backlog::new();
            ops.into_iter().for_each(|op| backlog.push(Ticket(1), op));
            backlog.thin();
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
    fn a_week_of_a_full_disk_holds_no_more_than_there_are_things() {
        let mut backlog = Backlog::new();
        for n in 0..200_000u64 {
            backlog.push(Ticket(n), user(n as u8, false));
        }
        assert!(backlog.ops().len() < 2 * THIN_AT);
    }
}
