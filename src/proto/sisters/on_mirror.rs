//! Mirrors are taken in here: lines, people and deliveries that another session of the local user knows.

use std::collections::BTreeMap;

use crate::id::{Address, ConnId, MessageId, SessionId, StreamId, UserId};
use crate::identity::Checked;
use crate::identity::seal::Opened;
use crate::proto::Core;
use crate::proto::drops::DropReason;
use crate::proto::limits::MIRROR_REPORT;
use crate::proto::notice::Notice;
use crate::proto::persist::{Entry, LinkState, MessageRow, Op};
use crate::proto::ranges::Ranges;
use crate::proto::sisters::sister::Phase;
use crate::time::Wall;
use crate::wire::content::{Content, MirrorBody, MirroredLine, MirroredPerson, MirroredReceipt, MirroredStream, kind};
use crate::wire::decode;
use crate::wire::record::Roster;

impl Core {
    /// Handles an envelope to this session. Only its sisters send any. It is released when its contents are stored.
    pub(in crate::proto::sisters) fn on_envelope(&mut self, conn: ConnId, opened: &Opened) {
        let is_sisters = opened.user == self.cx.config.user && opened.session != self.cx.me;
        for content in &opened.contents {
            if is_sisters && content.kind == kind::MIRROR && content.n == 0 {
                self.on_mirror(opened, content);
            } else {
                self.cx.dropped(DropReason::MirrorOfStranger);
            }
        }
        self.release(conn, opened);
    }

    fn on_mirror(&mut self, opened: &Opened, content: &Content) {
        let Ok(body) = decode::<MirrorBody>(&content.body) else {
            return self.cx.dropped(DropReason::MalformedMirror);
        };
        body.people.0.into_iter().for_each(|person| self.take_person(opened.session, person));
        body.streams.0.into_iter().for_each(|stream| self.take_mirrored(opened.session, stream));
        body.delivered.0.into_iter().for_each(|receipt| self.take_delivered(opened.session, &receipt));
        self.report_history(&opened.session);
    }

    /// Takes in the lines of one stream that this session lacks.
    fn take_mirrored(&mut self, by: SessionId, mirrored: MirroredStream) {
        let stream = StreamId { author: mirrored.author, epoch: mirrored.epoch, to: mirrored.address };
        let me = self.cx.config.user;
        // A stream of the local user goes to somebody else, one of somebody else to the local user.
        let is_own = mirrored.user == me;
        if !mirrored.lines.is_empty() && is_own == (stream.to == Address::from(me)) {
            return self.cx.dropped(DropReason::MalformedMirror);
        }
        let held = self.held_of(&stream);
        let mut new = Ranges::new();
        for range in mirrored.void.iter() {
            new.insert_range(range.0, range.1);
        }
        if by == stream.author {
            self.withdraw_lines(stream, &new, &held);
        }
        let with = if is_own { UserId(stream.to.0) } else { mirrored.user };
        for line in mirrored.lines.0.into_iter().rev() {
            if line.n > 0 && !held.contains(line.n) && new.insert(line.n) {
                self.take_line(MessageId { stream, n: line.n }, mirrored.user, with, line);
            }
        }
        let new = new.without(&held);
        let sent = new.clone();
        self.sisters.ledger.record_mirrored(&mut self.cx, &by, vec![(stream, sent)]);
        if new.is_empty() {
            return;
        }
        self.hold_numbers(stream, &new);
        self.sisters.ledger.note_held(stream, new, Some(by));
        // The author is to know that this session has the lines, too.
        if !is_own && !self.sisters.ledger.is_new {
            self.owe_by_mail(with, stream.author);
            self.chat.inbox.owe(with, stream, self.cx.out.issued());
            self.chat.sealing.want_receipts();
        }
    }

    /// Records numbers of a stream as held, in memory and in the store.
    fn hold_numbers(&mut self, stream: StreamId, new: &Ranges) {
        let ranges = if stream.author == self.cx.me {
            let mut written = self.sisters.ledger.written_of(&stream);
            written.merge(new);
            written
        } else {
            self.chat.inbox.receive_all(stream, new);
            self.chat.inbox.seen(&stream)
        };
        self.cx.out.store(Op::Seen { stream, ranges });
    }

    /// Removes lines that their author has withdrawn.
    fn withdraw_lines(&mut self, stream: StreamId, void: &Ranges, held: &Ranges) {
        let withdrawn = void.iter().flat_map(|(first, last)| first..=last.min(first.saturating_add(512)));
        for n in withdrawn.filter(|n| held.contains(*n)) {
            self.cx.out.store(Op::Cancelled(MessageId { stream, n }));
        }
    }

    /// Stores and shows a line.
    fn take_line(&mut self, id: MessageId, from: UserId, with: UserId, line: MirroredLine) {
        self.cx.count.observe_lamport(line.lamport);
        let row = MessageRow {
            arrival: self.cx.count.next_arrival(),
            id,
            kind: line.kind,
            with: Address::from(with),
            from,
            lamport: line.lamport,
            wall: Wall(line.wall),
            body: line.body.0,
            since: self.cx.now.moment,
        };
        self.cx.save_counters();
        self.people.users.add(with);
        self.people.keep(&mut self.cx, with);
        let past = self.sisters.ledger.is_new;
        if past {
            self.sisters.ledger.past_through = row.arrival;
            self.sisters.ledger.brought += 1;
        }
        let view = (row.kind == kind::TEXT).then(|| self.view_message(&row, past));
        self.cx.out.store(Op::Received(row));
        if let Some(view) = view {
            self.cx.notice_after_store(None, Notice::Message(Box::new(view)));
        }
    }

    /// Takes in what a sister knows of another user. The statement about the link is theirs; it is answered by whoever got it.
    fn take_person(&mut self, by: SessionId, person: MirroredPerson) {
        let user = person.user;
        if user == self.cx.config.user {
            return;
        }
        let roster = person.roster.and_then(|roster| Checked::<Roster>::open(&roster, &self.cx.verifier).ok());
        if let Some(roster) = roster.filter(|roster| roster.user == user) {
            self.learn_roster(roster);
        }
        let news = self.adopt_person(user, person.pinned, person.verified);
        let theirs = LinkState::from_wire(person.state).map(|state| Entry { state, lamport: person.lamport });
        let said = theirs.is_some_and(|theirs| self.adopt_statement(user, theirs));
        if news || said {
            let (now, others) = (self.cx.now.moment, self.sisters.ledger.sessions());
            for session in others.into_iter().filter(|session| *session != by) {
                if let Some(sister) = self.sisters.ledger.get_mut(&session) {
                    sister.note_person(user, now);
                }
            }
        }
    }

    /// Takes over what the local user has decided about another user on another session. True if it was new here.
    fn adopt_person(&mut self, user: UserId, pinned: bool, verified: bool) -> bool {
        self.people.users.add(user);
        let pins = pinned && self.people.users.pin(&user);
        let verifies = verified && !self.people.users.is_verified(&user);
        if verifies {
            self.people.users.verify(&user);
            self.settle_stranger(&user);
        }
        if pins || verifies {
            self.people.keep(&mut self.cx, user);
            self.people.save_user(&mut self.cx, &user);
        }
        pins || verifies
    }

    /// Takes over another user's statement about the link that a sister has received. True if it was new here.
    fn adopt_statement(&mut self, user: UserId, theirs: Entry) -> bool {
        if !self.people.links.is_news(&user, &theirs) {
            return false;
        }
        self.cx.count.observe_lamport(theirs.lamport);
        let change = self.people.links.set_theirs(user, theirs);
        self.people.keep(&mut self.cx, user);
        self.people.save_link(&mut self.cx, &user);
        self.update_friendship(&user);
        self.notify_link_change(user, change);
        self.seek_if_wanted(user);
        true
    }

    /// Takes in which session of an addressee has which lines of the local user.
    fn take_delivered(&mut self, by: SessionId, receipt: &MirroredReceipt) {
        let stream = StreamId { author: receipt.author, epoch: receipt.epoch, to: receipt.address };
        let ranges: Ranges = receipt.ranges.iter().map(|range| (range.0, range.1)).collect();
        if stream.author == self.cx.me {
            self.record_delivered(stream, receipt.session, &ranges);
        } else {
            self.sisters.ledger.record_delivered(&mut self.cx, stream, receipt.session, &ranges, Some(by));
        }
    }

    /// Reports how much of the history a new session has got, at most every [`MIRROR_REPORT`], and when it has all.
    pub(in crate::proto::sisters) fn report_history(&mut self, by: &SessionId) {
        if !self.sisters.ledger.is_new {
            return;
        }
        let now = self.cx.now.moment;
        let held: BTreeMap<StreamId, Ranges> = self.held_streams().into_iter().collect();
        let Some(sister) = self.sisters.ledger.get_mut(by) else { return };
        let is_compared = sister.phase == Phase::Ready;
        let complete = is_compared && sister.has_only(|stream| held.get(stream).cloned().unwrap_or_default());
        let due = self.sisters.ledger.reported_at.is_none_or(|at| now.since(at) >= MIRROR_REPORT);
        if complete {
            self.sisters.ledger.is_new = false;
        }
        if (complete || due) && self.sisters.ledger.brought > 0 {
            self.sisters.ledger.reported_at = Some(now);
            let (lines, label) = (self.sisters.ledger.brought, self.people.label_of(&self.cx.config.user, by));
            self.cx.notice_after_store(None, Notice::Mirrored { session: *by, label, lines, complete });
        }
    }
}
