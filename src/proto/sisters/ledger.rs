//! The ledger: what each sister has and lacks, what this session has written, and what other modules have noted.

use std::collections::{BTreeMap, VecDeque};

use crate::id::{ConnId, EnvelopeId, MessageId, SessionId, StreamId};
use crate::identity::seal::Opened;
use crate::proto::cx::Context;
use crate::proto::drops::DropReason;
use crate::proto::limits::{MAX_CLAIMED_RANGES, MAX_CLAIMED_STREAMS, MAX_GAPS, MAX_SISTER_RECEIPTS};
use crate::proto::peer::Peer;
use crate::proto::persist::{ChangeRow, Op};
use crate::proto::ranges::{Numbers, Ranges, SessionNumbers};
use crate::proto::sisters::changes::Changes;
use crate::proto::sisters::sister::Sister;
use crate::time::Moment;
use crate::wire::chat::Release;

/// What concerns sisters and happened elsewhere.
#[derive(Debug)]
pub enum Note {
    /// This session holds these numbers from now on. `by` is the sister who brought them, if she certainly holds them, too.
    Held { stream: StreamId, numbers: Ranges, by: Option<SessionId> },
    /// An envelope to this session was opened, and its author was verified.
    Mirror { conn: ConnId, opened: Box<Opened> },
    /// A session has connected.
    Up(Peer),
    /// The connection of a session is lost.
    Down(SessionId),
}

/// The sisters on the own roster, and this session's part in the history.
#[derive(Debug)]
pub struct Ledger {
    /// By session.
    pub(in crate::proto::sisters) known: BTreeMap<SessionId, Sister>,
    /// The numbers of this session's own streams that are in its store, or were and are withdrawn.
    written: BTreeMap<StreamId, Ranges>,
    /// Those of them without a line: withdrawn ones, and those that were void when a sister brought them.
    withdrawn: BTreeMap<StreamId, Ranges>,
    /// The order in which streams became known; the newest are sent first.
    order: BTreeMap<StreamId, u32>,
    /// The streams that became known because a sister claims to hold them, at most [`MAX_CLAIMED_STREAMS`].
    claimed: usize,
    /// Lines of sisters that have appeared here since the start, of which deliveries are shown.
    shown: BTreeMap<StreamId, Ranges>,
    /// The version of the roster that [`Ledger::known`] follows.
    pub version: u64,
    /// What sisters are known to have, from the store, until the roster lists them.
    stored: BTreeMap<SessionId, Numbers>,
    /// The changes of which sisters have been told, from the store, until the roster lists them.
    stored_told: BTreeMap<SessionId, Ranges>,
    /// What some sister is to be told besides lines.
    pub changes: Changes,
    /// Which sessions of addressees have which lines of sisters.
    pub delivered: BTreeMap<(StreamId, SessionId), Ranges>,
    /// This session was empty at its start and has not caught up with a sister yet. What mirrors bring is history.
    pub is_new: bool,
    /// What other modules have left to be handled, in order. Empty before every input.
    pub notes: VecDeque<Note>,
    /// Lines that mirrors have brought since the last report, and when the next report may be made.
    pub brought: u64,
    /// When [`Ledger::brought`] was reported last.
    pub reported_at: Option<Moment>,
}

impl Ledger {
    /// The state at start, from the store. `received` are the numbers of others' streams, in the order of their first message.
    pub fn new(me: SessionId, received: &[(StreamId, Ranges)], written: Numbers, mirrored: SessionNumbers) -> Ledger {
        let mut own: BTreeMap<StreamId, Ranges> = written.into_iter().collect();
        let mut withdrawn = BTreeMap::new();
        for (stream, ranges) in received.iter().filter(|(stream, _)| stream.author == me) {
            let lines = own.entry(*stream).or_default();
            withdrawn.insert(*stream, ranges.without(lines));
            lines.merge(ranges);
        }
        let mut stored: BTreeMap<SessionId, Numbers> = BTreeMap::new();
        for (stream, session, ranges) in mirrored {
            stored.entry(session).or_default().push((stream, ranges));
        }
        let is_new = received.is_empty() && own.is_empty();
        let mut ledger = Ledger {
            known: BTreeMap::new(),
            written: BTreeMap::new(),
            withdrawn,
            order: BTreeMap::new(),
            claimed: 0,
            shown: BTreeMap::new(),
            version: 0,
            stored,
            stored_told: BTreeMap::new(),
            changes: Changes::default(),
            delivered: BTreeMap::new(),
            is_new,
            notes: VecDeque::new(),
            brought: 0,
            reported_at: None,
        };
        received.iter().map(|(stream, _)| stream).chain(own.keys()).for_each(|stream| {
            ledger.ordinal(stream);
        });
        ledger.written = own;
        ledger
    }

    /// Takes from the store which changes sisters are to be told, and of which each has been told.
    pub fn with_changes(mut self, changes: Vec<ChangeRow>, told: Vec<(SessionId, Ranges)>) -> Ledger {
        let last = told.iter().filter_map(|(_, told)| told.iter().last()).map(|(_, last)| last).max();
        self.changes = Changes::new(changes, last.unwrap_or_default());
        self.stored_told = told.into_iter().collect();
        self
    }

    /// Follows a roster: `sessions` are those of it except this one. Returns the sisters that were added, each with whether this
    /// session has ever told her anything.
    pub fn follow(&mut self, version: u64, sessions: &[SessionId]) -> Vec<(SessionId, bool)> {
        self.version = version;
        self.known.retain(|session, _| sessions.contains(session));
        let mut added = Vec::new();
        for session in sessions.iter().filter(|session| !self.known.contains_key(session)).copied().collect::<Vec<_>>()
        {
            let has = self.stored.remove(&session).unwrap_or_default();
            let told = self.stored_told.remove(&session);
            added.push((session, told.is_some()));
            self.known.insert(session, Sister::new(has, told.unwrap_or_default()));
        }
        added
    }

    /// Whether a session is a sister.
    pub fn contains(&self, session: &SessionId) -> bool {
        self.known.contains_key(session)
    }

    /// The sisters.
    pub fn sessions(&self) -> Vec<SessionId> {
        self.known.keys().copied().collect()
    }

    /// A sister.
    pub fn get(&self, session: &SessionId) -> Option<&Sister> {
        self.known.get(session)
    }

    /// A sister, to change what is known of her.
    pub fn get_mut(&mut self, session: &SessionId) -> Option<&mut Sister> {
        self.known.get_mut(session)
    }

    /// The numbers of this session's own streams.
    pub fn written(&self) -> impl Iterator<Item = (&StreamId, &Ranges)> {
        self.written.iter()
    }

    /// Records a number of an own stream.
    pub fn record_written(&mut self, stream: StreamId, first: u64, last: u64) {
        self.written.entry(stream).or_default().insert_range(first, last);
    }

    /// The numbers held of an own stream.
    pub fn written_of(&self, stream: &StreamId) -> Ranges {
        self.written.get(stream).cloned().unwrap_or_default()
    }

    /// Place of a stream in the order in which streams became known.
    pub fn ordinal(&mut self, stream: &StreamId) -> u32 {
        let next = self.order.len() as u32;
        *self.order.entry(*stream).or_insert(next)
    }

    /// What an addressee's session has of a stream of a sister.
    pub fn delivered_of(&self, stream: &StreamId, session: &SessionId) -> Ranges {
        self.delivered.get(&(*stream, *session)).cloned().unwrap_or_default()
    }

    /// Notes numbers that this session holds from now on. `by` is the sister who brought them, if she certainly holds them, too.
    pub fn note_held(&mut self, stream: StreamId, numbers: Ranges, by: Option<SessionId>) {
        self.notes.push_back(Note::Held { stream, numbers, by });
    }

    /// Notes an opened envelope that is addressed to this session.
    pub fn note_mirror(&mut self, conn: ConnId, opened: Opened) {
        self.notes.push_back(Note::Mirror { conn, opened: Box::new(opened) });
    }

    /// Notes that a session has connected.
    pub fn note_up(&mut self, peer: Peer) {
        self.notes.push_back(Note::Up(peer));
    }

    /// Whether it is noted that a session has connected, and not yet handled.
    pub fn is_noted_up(&self, peer: &Peer) -> bool {
        self.notes.iter().any(|note| matches!(note, Note::Up(up) if up.conn == peer.conn))
    }

    /// Notes that the connection of a session is lost.
    pub fn note_down(&mut self, session: SessionId) {
        self.notes.push_back(Note::Down(session));
    }

    /// Records that a sister has these numbers, and stores it.
    pub fn record_mirrored(&mut self, cx: &mut Context, session: &SessionId, load: Numbers) {
        for (stream, ranges) in load {
            let order = self.ordinal(&stream);
            let Some(sister) = self.known.get_mut(session) else { return };
            if let Some(has) = sister.record_has(stream, order, &ranges) {
                cx.out.store(Op::Mirrored { stream, session: *session, ranges: has });
            }
        }
    }

    /// Records what a sister says that she holds. That she has a number does not tell that she knows it to be withdrawn.
    /// `is_held` is whether this session holds anything of the stream.
    pub fn record_claimed(
        &mut self,
        cx: &mut Context,
        session: &SessionId,
        (stream, mut ranges): (StreamId, Ranges),
        is_held: bool,
    ) {
        let is_known = self.order.contains_key(&stream);
        let mut has = self.known.get(session).map(|sister| sister.has(&stream)).unwrap_or_default();
        let most = has.pieces().max(if is_held { MAX_GAPS } else { MAX_CLAIMED_RANGES });
        has.merge(&ranges);
        if has.pieces() > most || (!is_known && self.claimed >= MAX_CLAIMED_STREAMS) {
            return cx.dropped(DropReason::ClaimBeyondBounds);
        }
        self.claimed += usize::from(!is_known);
        self.withdrawn.get(&stream).into_iter().for_each(|withdrawn| ranges.remove(withdrawn));
        self.record_mirrored(cx, session, vec![(stream, ranges)]);
    }

    /// Records a sister's release of a mirror. False if it fits none on its way to her.
    pub fn record_release(&mut self, cx: &mut Context, session: &SessionId, release: &Release) -> bool {
        let Some(sister) = self.known.get_mut(session) else { return false };
        let Some(flight) = sister.record_release(release, cx.now.moment) else { return false };
        let mut changes = flight.changes;
        // Another mirror has a part of the same change.
        sister.changes_in_flight().for_each(|others| changes.remove(others));
        self.record_mirrored(cx, session, flight.load);
        self.record_told(cx, session, &changes);
        true
    }

    /// Whether an envelope is a mirror on its way to a sister over her connection.
    pub fn is_in_flight(&self, session: &SessionId, envelope: &EnvelopeId) -> bool {
        self.known.get(session).is_some_and(|sister| sister.is_in_flight(envelope))
    }

    /// Records that a sister cannot open a mirror, and that a newer key of hers is known.
    pub fn record_unopenable(&mut self, session: &SessionId, envelope: &EnvelopeId, now: Moment) {
        let Some(sister) = self.known.get_mut(session) else { return };
        if let Some(load) = sister.record_unopenable(envelope) {
            sister.want(now);
            self.lose(session, load);
        }
    }

    /// Numbers that were under way to a sister are lacking again.
    pub fn lose(&mut self, session: &SessionId, load: Numbers) {
        for (stream, ranges) in load {
            let order = self.ordinal(&stream);
            if let Some(sister) = self.known.get_mut(session) {
                sister.add_lacking(stream, order, &ranges);
            }
        }
    }

    /// Records that a sister has opened own mail to her.
    pub fn mail_arrived(&mut self, cx: &mut Context, session: &SessionId, load: Numbers, changes: &Ranges) {
        self.record_mirrored(cx, session, load);
        self.record_told(cx, session, changes);
        if let Some(sister) = self.known.get_mut(session) {
            sister.want(cx.now.moment);
        }
    }

    /// Records that own mail to a sister was withdrawn or has expired.
    pub fn mail_lost(&mut self, session: &SessionId, load: Numbers, now: Moment) {
        self.lose(session, load);
        if let Some(sister) = self.known.get_mut(session) {
            sister.introduced.clear();
            sister.want(now);
        }
    }

    /// Records that a line of this session was withdrawn: its sisters are told that the number is void. The store is to forget
    /// the line afterwards, so that the number is held at every moment.
    pub fn withdraw(&mut self, cx: &mut Context, stream: StreamId, n: u64) {
        let (now, order) = (cx.now.moment, self.ordinal(&stream));
        let numbers: Ranges = [(n, n)].into_iter().collect();
        self.withdrawn.entry(stream).or_default().insert(n);
        self.record_written(stream, n, n);
        cx.out.store(Op::Seen { stream, ranges: self.written_of(&stream) });
        for (session, sister) in &mut self.known {
            if let Some(ranges) = sister.withdraw(stream, order, &numbers) {
                cx.out.store(Op::Mirrored { stream, session: *session, ranges });
            }
            sister.want(now);
        }
    }

    /// Records numbers of an own stream that sisters hold and that have no line.
    pub fn record_void(&mut self, stream: StreamId, void: &Ranges) {
        self.withdrawn.entry(stream).or_default().merge(void);
    }

    /// Records that a line of a sister has appeared here.
    pub fn record_shown(&mut self, id: MessageId) {
        self.shown.entry(id.stream).or_default().insert(id.n);
    }

    /// Records what a session of an addressee has of a sister's stream. `by` is the sister who said it. Returns the lines
    /// that have appeared here and are now known to be delivered.
    pub fn record_delivered(
        &mut self,
        cx: &mut Context,
        stream: StreamId,
        holder: SessionId,
        ranges: &Ranges,
        by: Option<SessionId>,
    ) -> Ranges {
        let is_known = self.delivered.contains_key(&(stream, holder));
        if !self.contains(&stream.author) || (!is_known && self.delivered.len() >= MAX_SISTER_RECEIPTS) {
            cx.dropped(DropReason::ReceiptForForeignStream);
            return Ranges::new();
        }
        let has = self.delivered.entry((stream, holder)).or_default();
        if has.pieces() + ranges.pieces() > 2 * MAX_GAPS {
            cx.dropped(DropReason::ReceiptForForeignStream);
            return Ranges::new();
        }
        let mut shown = self.shown.get(&stream).cloned().unwrap_or_default();
        shown.remove(has);
        if !has.merge(ranges) {
            return Ranges::new();
        }
        let has = has.clone();
        shown.remove(&shown.without(&has));
        self.note_delivered(cx, (stream, holder), ranges, by);
        cx.out.store(Op::Delivered { stream, session: holder, ranges: has });
        shown
    }

    /// Everything that lacks is to be looked at again: there may be a way to a sister now.
    pub fn want_all(&mut self, now: Moment) {
        self.known.values_mut().for_each(|sister| sister.want(now));
    }

    /// Whether something is due.
    pub fn is_due(&self, now: Moment) -> bool {
        self.next().is_some_and(|at| at <= now)
    }

    /// When something is due here.
    pub fn next(&self) -> Option<Moment> {
        self.known.values().filter_map(Sister::next).min()
    }
}
