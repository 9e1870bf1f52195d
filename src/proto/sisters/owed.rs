//! Which changes are owed to which sister, and what is stored of that.

use crate::id::{SessionId, StreamId, UserId};
use crate::proto::cx::Context;
use crate::proto::drops::DropReason;
use crate::proto::persist::{Op, Subject};
use crate::proto::ranges::Ranges;
use crate::proto::sisters::ledger::Ledger;

impl Ledger {
    /// Notes that something is known of a user of which every sister is to be told, except `by`, who said it. To be called before it is
    /// stored.
    pub fn note_person(&mut self, cx: &mut Context, user: UserId, by: Option<SessionId>) {
        self.note(cx, Subject::Person(user), &Ranges::new(), by);
    }

    /// Notes that a session of an addressee has these lines of this user. To be called before it is stored.
    pub fn note_delivered(
        &mut self,
        cx: &mut Context,
        (stream, holder): (StreamId, SessionId),
        lines: &Ranges,
        by: Option<SessionId>,
    ) {
        self.note(cx, Subject::Delivered(stream, holder), lines, by);
    }

    /// Notes that messages of a stream were read. To be called before it is stored.
    pub fn note_read(&mut self, cx: &mut Context, stream: StreamId, by: Option<SessionId>) {
        self.note(cx, Subject::Read(stream), &Ranges::new(), by);
    }

    fn note(&mut self, cx: &mut Context, subject: Subject, ranges: &Ranges, by: Option<SessionId>) {
        if self.known.keys().all(|session| Some(*session) == by) {
            return;
        }
        let n = self.record_change(cx, subject, ranges);
        if let Some(by) = by {
            self.record_told(cx, &by, &[(n, n)].into_iter().collect());
        }
        let others = self.known.iter_mut().filter(|(session, _)| Some(**session) != by);
        others.for_each(|(_, sister)| sister.want(cx.now.moment));
    }

    /// Notes that one sister is to be told what is known of these subjects, and no other one.
    pub fn owe(&mut self, cx: &mut Context, session: &SessionId, subjects: impl Iterator<Item = Subject>) {
        let (mut owed, mut new) = (Ranges::new(), Ranges::new());
        for subject in subjects {
            let known = self.changes.number_of(&subject);
            let n = known.unwrap_or_else(|| self.record_change(cx, subject, &Ranges::new()));
            owed.insert(n);
            if known.is_none() {
                new.insert(n);
            }
        }
        for other in self.sessions().into_iter().filter(|other| other != session && !new.is_empty()) {
            self.record_told(cx, &other, &new);
        }
        if let Some(sister) = self.known.get_mut(session) {
            sister.told.remove(&owed);
            cx.out.store(Op::Told { session: *session, changes: sister.told.clone() });
            sister.want(cx.now.moment);
        }
    }

    /// Records that a sister has been told of changes, and forgets those of which all have been told.
    pub fn record_told(&mut self, cx: &mut Context, session: &SessionId, changes: &Ranges) {
        let Some(sister) = self.known.get_mut(session) else { return };
        if !sister.told.merge(changes) {
            return;
        }
        cx.out.store(Op::Told { session: *session, changes: sister.told.clone() });
        self.forget_told(cx, changes);
    }

    /// Forgets those of these changes of which all sisters have been told.
    pub fn forget_told(&mut self, cx: &mut Context, changes: &Ranges) {
        let told = |n: &u64| self.known.values().all(|sister| sister.told.contains(*n));
        let over: Vec<u64> = self.changes.within(changes).map(|row| row.n).filter(told).collect();
        for n in over.into_iter().filter(|n| self.changes.forget(*n)) {
            cx.out.store(Op::ForgetChange(n));
        }
    }

    fn record_change(&mut self, cx: &mut Context, subject: Subject, ranges: &Ranges) -> u64 {
        let (row, forgotten) = self.changes.record(subject, ranges);
        let n = row.n;
        cx.out.store(Op::Change(row));
        if let Some(forgotten) = forgotten {
            cx.out.store(Op::ForgetChange(forgotten));
            cx.dropped(DropReason::ChangeBeyondBounds);
        }
        n
    }

    /// Skips numbers of which a sister need not be told, since later changes took their place.
    pub fn skip_void(&mut self, session: &SessionId, void: &Ranges) {
        if let Some(sister) = self.known.get_mut(session) {
            sister.told.merge(void);
        }
    }
}
