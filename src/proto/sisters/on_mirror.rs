//! Mirrors are taken in here: lines, people and deliveries that another session of the local user knows.

use std::collections::BTreeMap;

use crate::id::{Address, ConnId, MessageId, SessionId, StreamId, UserId};
use crate::identity::Checked;
use crate::identity::seal::Opened;
use crate::proto::Core;
use crate::proto::drops::DropReason;
use crate::proto::limits::{MAX_GAPS, MIRROR_NUMBERS, MIRROR_REPORT};
use crate::proto::notice::Notice;
use crate::proto::people::on_name::Claim;
use crate::proto::persist::{Entry, LinkState, MessageRow, Op};
use crate::proto::ranges::Ranges;
use crate::proto::sisters::sister::Phase;
use crate::time::Wall;
use crate::wire::content::{
    Content, MirrorBody, MirroredLine, MirroredPerson, MirroredRead, MirroredReceipt, MirroredStream, kind,
};
use crate::wire::decode;
use crate::wire::record::Roster;

/// The sister who wrote a mirror.
#[derive(Debug, Clone, Copy)]
struct Sender {
    session: SessionId,
    /// Whether she holds its lines now. Mail may be older than a backup from which her store was restored. What it contains is
    /// believed of her until she is connected and says herself what she holds.
    holds: bool,
}

impl Core {
    /// Handles an envelope to this session. Only its sisters send any. It is released when its contents are stored.
    pub(in crate::proto::sisters) fn on_envelope(&mut self, conn: ConnId, opened: &Opened) {
        let is_sisters = opened.user == self.cx.config.user && opened.session != self.cx.me;
        for content in &opened.contents {
            if is_sisters && content.kind == kind::MIRROR && content.n == 0 {
                let by = self.sender_of(conn, opened.session);
                self.on_mirror(by, content);
            } else {
                self.cx.dropped(DropReason::MirrorOfStranger);
            }
        }
        self.release(conn, opened);
    }

    fn sender_of(&self, conn: ConnId, session: SessionId) -> Sender {
        let is_direct = self.peers.connections.get(&conn).is_some_and(|peer| peer.session == session);
        let is_away = self.sisters.ledger.get(&session).is_none_or(|sister| sister.phase == Phase::Away);
        Sender { session, holds: is_direct || is_away }
    }

    fn on_mirror(&mut self, by: Sender, content: &Content) {
        let Ok(body) = decode::<MirrorBody>(&content.body) else {
            return self.cx.dropped(DropReason::MalformedMirror);
        };
        body.people.0.into_iter().for_each(|person| self.take_person(by.session, person));
        // The conversation in which something was said last is to be the one in which something arrives last.
        let mut streams = body.streams.0;
        streams.sort_by_key(|stream| stream.lines.iter().map(|line| line.lamport).max());
        streams.into_iter().for_each(|stream| self.take_mirrored(by, stream));
        body.delivered.0.into_iter().for_each(|receipt| self.take_delivered(by.session, &receipt));
        self.take_reads(by.session, body.read.0);
        self.report_history(&by.session);
    }

    /// Takes in what was read on another session.
    fn take_reads(&mut self, by: SessionId, read: Vec<MirroredRead>) {
        let to = Address::from(self.cx.config.user);
        let mut news: BTreeMap<UserId, MessageId> = BTreeMap::new();
        for MirroredRead { author, epoch, user, ranges } in read {
            let stream = StreamId { author, epoch, to };
            let ranges: Ranges = ranges.iter().map(|range| (range.0, range.1)).collect();
            if !self.chat.reads.has_room(&stream, &ranges) {
                self.cx.dropped(DropReason::ReadMarkBeyondBounds);
            } else if self.mark_read(stream, user, &ranges, Some(by)) {
                let last = ranges.iter().last().map_or(0, |(_, last)| last);
                news.insert(user, MessageId { stream, n: last });
            }
        }
        for (user, through) in news {
            let with = self.people.users.handle(&user);
            self.cx.notice_after_store(None, Notice::Read { with, through });
        }
    }

    /// Takes in the lines of one stream that this session lacks.
    fn take_mirrored(&mut self, by: Sender, mirrored: MirroredStream) {
        let stream = StreamId { author: mirrored.author, epoch: mirrored.epoch, to: mirrored.address };
        let void: Ranges = mirrored.void.iter().map(|range| (range.0, range.1)).collect();
        let held = self.held_of(&stream);
        if void.count() > MIRROR_NUMBERS || !self.may_be_history(&stream, &mirrored) {
            return self.cx.dropped(DropReason::MalformedMirror);
        }
        let mut all = held.clone();
        all.merge(&void);
        mirrored.lines.iter().filter(|line| line.n > 0).for_each(|line| all.insert_range(line.n, line.n));
        if all.pieces() > MAX_GAPS.max(held.pieces()) {
            return self.cx.dropped(DropReason::ContentBeyondBounds);
        }
        if by.session == stream.author {
            self.withdraw_lines(stream, &void, &held);
        }
        let new = all.without(&held);
        // The lines are stored first: a number that is held without its line never comes again.
        let owed = self.take_lines(stream, mirrored, new.without(&void));
        self.hold_mirrored(by.holds.then_some(by.session), stream, &new, &void);
        // The author is to know that this session has the lines, too.
        if let Some(author) = owed.filter(|_| !self.sisters.ledger.is_new) {
            self.owe_by_mail(author, stream.author);
            self.chat.inbox.owe(author, stream, self.cx.out.issued());
            self.chat.sealing.want_receipts();
        }
    }

    /// Stores and shows those lines of a stream whose numbers are in `lacking`. Returns the author if a receipt is owed.
    fn take_lines(&mut self, stream: StreamId, mirrored: MirroredStream, mut lacking: Ranges) -> Option<UserId> {
        let is_own = mirrored.user == self.cx.config.user;
        let with = if is_own { UserId(stream.to.0) } else { mirrored.user };
        // The numbers of somebody dismissed are held without their lines, so that they do not come again.
        let is_dismissed = self.people.strangers.is_dismissed(&with, self.cx.now.moment);
        if lacking.is_empty() || is_dismissed {
            return None;
        }
        for line in mirrored.lines.0.into_iter().rev().filter(|line| line.n > 0) {
            if lacking.contains(line.n) {
                lacking.remove_range(line.n, line.n);
                self.take_line(MessageId { stream, n: line.n }, mirrored.user, with, line);
            }
        }
        (!is_own && !self.people.links.is_blocked(&with)).then_some(with)
    }

    /// Whether a stream may be in the history of the local user: one of the user's own goes to somebody else, one of somebody
    /// else comes to the user. Nobody else knows new numbers of the current epoch of this session.
    fn may_be_history(&self, stream: &StreamId, mirrored: &MirroredStream) -> bool {
        let me = self.cx.config.user;
        let is_own = mirrored.user == me;
        let is_mine = stream.author == self.cx.me;
        let is_of_own_session = is_mine || self.sisters.ledger.contains(&stream.author);
        let fits = is_own != (stream.to == Address::from(me)) && (is_own || !is_of_own_session);
        (mirrored.lines.is_empty() || fits) && !(is_mine && self.chat.outbox.is_current(stream.epoch))
    }

    /// Records that numbers of a stream are held from now on, in memory and in the store. `by` is a sister who holds them, too.
    fn hold_mirrored(&mut self, by: Option<SessionId>, stream: StreamId, new: &Ranges, void: &Ranges) {
        let ledger = &mut self.sisters.ledger;
        if let Some(by) = by {
            ledger.record_mirrored(&mut self.cx, &by, vec![(stream, new.clone())]);
        }
        if new.is_empty() {
            return;
        }
        let ranges = if stream.author == self.cx.me {
            ledger.record_void(stream, &void.without(&ledger.written_of(&stream)));
            let mut written = ledger.written_of(&stream);
            written.merge(new);
            written
        } else {
            self.chat.inbox.receive_all(stream, new);
            self.chat.inbox.seen(&stream)
        };
        self.cx.out.store(Op::Seen { stream, ranges });
        self.sisters.ledger.note_held(stream, new.clone(), by);
    }

    /// Removes lines that their author has withdrawn.
    fn withdraw_lines(&mut self, stream: StreamId, void: &Ranges, held: &Ranges) {
        let withdrawn = void.without(&void.without(held));
        for n in withdrawn.iter().flat_map(|(first, last)| first..=last) {
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
        let past = self.sisters.ledger.is_new;
        if past {
            self.cx.count.note_past(row.arrival);
            self.sisters.ledger.brought += 1;
        }
        self.cx.save_counters();
        self.people.users.add(with);
        self.people.keep(&mut self.cx, with);
        let is_shown = row.kind == kind::TEXT && !self.people.links.is_blocked(&with);
        let view = is_shown.then(|| self.view_message(&row, past));
        // The store was restored from a backup that is older than the line, which may not have reached anybody else.
        if id.stream.author == self.cx.me && !past && self.chat.outbox.has_capacity(row.body.len()) {
            self.wait_for_receipt(row, None);
        } else {
            self.cx.out.store(Op::Received(row));
        }
        if let Some(view) = view {
            self.cx.notice_after_store(None, Notice::Message(Box::new(view)));
        }
        if is_shown && !past && self.sisters.ledger.contains(&id.stream.author) {
            self.sisters.ledger.record_shown(id);
            self.show_known_deliveries(id);
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
        self.adopt_person(by, user, person.pinned, person.verified);
        let theirs = LinkState::from_wire(person.state).map(|state| Entry { state, lamport: person.lamport });
        if let Some(theirs) = theirs.filter(|theirs| self.people.links.is_news(&user, theirs)) {
            self.adopt_statement(by, user, theirs);
        }
    }

    /// Takes over what the local user has decided about another user on another session.
    fn adopt_person(&mut self, by: SessionId, user: UserId, pinned: bool, verified: bool) {
        self.people.users.add(user);
        if verified && !self.people.users.is_verified(&user) {
            self.people.users.verify(&user);
            self.settle_stranger(&user);
            self.sisters.ledger.note_person(&mut self.cx, user, Some(by));
            self.people.keep(&mut self.cx, user);
            self.people.save_user(&mut self.cx, &user);
            self.review_claims();
        }
        if pinned {
            self.claim_name(user, Claim::Sister(by));
        } else {
            self.people.users.drop_claim(&user);
        }
    }

    /// Takes over another user's statement about the link that a sister has received and that is new here.
    fn adopt_statement(&mut self, by: SessionId, user: UserId, theirs: Entry) {
        self.cx.count.observe_lamport(theirs.lamport);
        self.sisters.ledger.note_person(&mut self.cx, user, Some(by));
        let change = self.people.links.set_theirs(user, theirs);
        self.people.keep(&mut self.cx, user);
        self.people.save_link(&mut self.cx, &user);
        self.update_friendship(&user);
        self.notify_link_change(user, change);
        self.seek_if_wanted(user);
    }

    /// Takes in which session of an addressee has which lines of the local user.
    fn take_delivered(&mut self, by: SessionId, receipt: &MirroredReceipt) {
        let stream = StreamId { author: receipt.author, epoch: receipt.epoch, to: receipt.address };
        let ranges: Ranges = receipt.ranges.iter().map(|range| (range.0, range.1)).collect();
        if stream.author == self.cx.me {
            self.record_delivered(stream, receipt.session, &ranges);
        } else {
            self.record_sisters_delivered(stream, receipt.session, &ranges, Some(by));
        }
    }

    /// Reports how much of the history a new session has got, at most every [`MIRROR_REPORT`], and when it has all.
    pub(in crate::proto::sisters) fn report_history(&mut self, by: &SessionId) {
        if !self.sisters.ledger.is_new {
            return;
        }
        let now = self.cx.now.moment;
        let Some(sister) = self.sisters.ledger.get(by) else { return };
        let complete = sister.phase == Phase::Ready && sister.has_only(|stream| self.held_of(stream));
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
