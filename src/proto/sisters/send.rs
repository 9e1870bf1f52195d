//! Sends mirrors: reads from the store what a sister lacks, seals it to her, and sends it on the connection or as mail.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::id::{Address, ConnId, SessionId, StreamId};
use crate::identity::seal::Sealed;
use crate::proto::Core;
use crate::proto::drops::DropReason;
use crate::proto::event::{Output, Query};
use crate::proto::limits::{MAX_MIRROR_MAIL, MIRROR_BYTES, MIRROR_DIRECT_PAUSE, MIRROR_MAIL_PAUSE};
use crate::proto::persist::{MessageRow, Mine};
use crate::proto::ranges::{Numbers, Ranges};
use crate::proto::sisters::pack;
use crate::proto::sisters::shares;
use crate::proto::sisters::sister::Phase;
use crate::time::Moment;
use crate::wire::codec::{Bytes, List};
use crate::wire::content::{Content, MirrorBody, Range, kind};
use crate::wire::control::{Control, HeldStream, Holdings};
use crate::wire::encode;

/// The most streams in one message about what is held.
const MOST_HELD: usize = 256;
/// The most bytes of such a message, so that it leaves space in its frame.
const MOST_HELD_BYTES: usize = 16 * 1024;
/// The most ranges of one stream in such a message.
const MOST_HELD_RANGES: usize = 128;

/// How a mirror reaches a sister.
#[derive(Debug, Clone, Copy)]
pub(in crate::proto::sisters) enum Way {
    Direct(ConnId),
    Mail,
}

impl Core {
    /// Handles numbers of a stream that this session holds from now on, and which its sisters may lack. `by` is the sister who
    /// brought them.
    pub(in crate::proto::sisters) fn on_held(&mut self, stream: StreamId, numbers: &Ranges, by: Option<SessionId>) {
        let (now, order) = (self.cx.now.moment, self.sisters.ledger.ordinal(&stream));
        let is_own = stream.author == self.cx.me;
        if is_own {
            numbers.iter().for_each(|(first, last)| self.sisters.ledger.record_written(stream, first, last));
        }
        for session in self.sisters.ledger.sessions().into_iter().filter(|session| Some(*session) != by) {
            let pause = self.pause_for(&session, &stream);
            let Some(sister) = self.sisters.ledger.get_mut(&session) else { continue };
            if sister.add_lacking(stream, order, numbers) {
                sister.want(now + pause);
            }
            if !is_own {
                sister.note_news(stream, numbers, now);
            }
        }
    }

    /// How long to wait before a line is mirrored: a connected sister who reports a connection with the author will get it from
    /// the author, and says so.
    fn pause_for(&self, session: &SessionId, stream: &StreamId) -> Duration {
        if self.peers.connections.up(session).is_none() {
            return MIRROR_MAIL_PAUSE;
        }
        let author = self.people.sessions.get(&stream.author).map(|known| known.user);
        let is_witness = author.is_some_and(|author| self.presence.online.witnesses_of(&author).contains(session));
        if is_witness { MIRROR_DIRECT_PAUSE } else { Duration::ZERO }
    }

    /// The numbers held of a stream.
    pub(in crate::proto::sisters) fn held_of(&self, stream: &StreamId) -> Ranges {
        match stream.author == self.cx.me {
            true => self.sisters.ledger.written_of(stream),
            false => self.chat.inbox.seen(stream),
        }
    }

    /// Sends each sister what is due. False if nothing is. Sealing is expensive, so it is done only when all other outputs are
    /// taken.
    pub(in crate::proto) fn tend_sisters(&mut self) -> bool {
        let is_due = self.sisters.ledger.is_due(self.cx.now.moment);
        if is_due {
            self.sisters.ledger.sessions().into_iter().for_each(|session| self.tend(session));
        }
        is_due
    }

    fn tend(&mut self, session: SessionId) {
        let now = self.cx.now.moment;
        let Some(sister) = self.sisters.ledger.get_mut(&session) else { return };
        if let Some((peer, compare)) = sister.take_deferred(now)
            && self.peers.connections.get(&peer.conn).is_some()
        {
            self.on_compare(peer, compare);
        }
        let Some(sister) = self.sisters.ledger.get_mut(&session) else { return };
        let news = sister.take_news(now);
        let lost = if sister.take_overdue(now) { sister.end_flights() } else { Vec::new() };
        if !lost.is_empty() {
            self.cx.dropped(DropReason::MirrorUnanswered);
            sister.want(now);
        }
        lost.into_iter().for_each(|load| self.sisters.ledger.lose(&session, load));
        if let Some(conn) = self.peers.connections.up(&session) {
            self.send_holdings(conn, news, false);
        }
        if self.sisters.ledger.get_mut(&session).is_some_and(|sister| sister.take_due(now)) {
            self.send_changes(session);
            self.fetch_lines(session);
        }
    }

    /// How a mirror reaches a sister now.
    pub(in crate::proto::sisters) fn way_to(&mut self, session: &SessionId) -> Option<Way> {
        let phase = self.sisters.ledger.get_mut(session)?.phase;
        let address = Address::from(session);
        if let Some(conn) = self.peers.connections.up(session) {
            return (phase == Phase::Ready).then_some(Way::Direct(conn));
        }
        let under_way: usize = self.mail.custody.own_to(&address).map(|held| held.row.bytes.len()).sum();
        let may_mail = under_way < MAX_MIRROR_MAIL && self.has_prekey(&address) && self.has_mail_carrier(&address);
        may_mail.then_some(Way::Mail)
    }

    /// Reads from the store what a sister lacks.
    fn fetch_lines(&mut self, session: SessionId) {
        if self.way_to(&session).is_none() {
            return;
        }
        let wanted = self.share_for(&session);
        if let Some(sister) = self.sisters.ledger.get_mut(&session).filter(|_| !wanted.is_empty()) {
            sister.record_fetch(wanted.clone());
            let query = Query::Lines { sister: session, wanted, bytes: MIRROR_BYTES };
            self.cx.out.push(Output::Query { line: None, query });
        }
    }

    /// What to read for a sister now. If she is far behind and others who are connected with her have the same, it is a share.
    fn share_for(&mut self, session: &SessionId) -> Numbers {
        let Some(sister) = self.sisters.ledger.get(session).filter(|sister| sister.may_fetch()) else {
            return Numbers::new();
        };
        let others = self.other_givers(session);
        if !others.is_empty() && sister.is_far_behind() {
            let is_mine = |stream: &StreamId, block: u64, ranges: &Ranges| {
                let has = |other: &&SessionId| {
                    let known = self.sisters.ledger.get(other);
                    known.is_some_and(|known| ranges.without(&known.has(stream)).is_empty())
                };
                shares::is_first(&self.cx.me, others.iter().filter(has).copied(), stream, block)
            };
            let share = sister.newest_lacking(is_mine);
            let now = self.cx.now.moment;
            if !share.is_empty() || !self.sisters.ledger.get_mut(session).is_some_and(|sister| sister.takes_over(now)) {
                return share;
            }
        }
        let rest = self.sisters.ledger.get(session).map(|sister| sister.newest_lacking(|_, _, _| true));
        rest.unwrap_or_default()
    }

    /// Other sisters who are connected with one, as she reports.
    fn other_givers(&self, to: &SessionId) -> Vec<SessionId> {
        let mut others = self.sisters.ledger.sessions();
        others.retain(|other| other != to && self.presence.online.witnesses(other).any(|by| by == *to));
        others
    }

    /// Sends the lines that the store has read for a sister. `examined` are the numbers that it has looked at.
    pub(in crate::proto) fn on_lines(&mut self, session: SessionId, rows: Vec<MessageRow>, examined: Numbers) {
        let asked = self.sisters.ledger.get_mut(&session).map(|sister| sister.take_fetch()).unwrap_or_default();
        // The store looks at nothing while the disk fails.
        let is_refused = examined.is_empty();
        let examined: BTreeMap<StreamId, Ranges> = examined.into_iter().collect();
        let mut numbers = Numbers::new();
        for (stream, ranges) in asked {
            let unread = ranges.without(&examined.get(&stream).cloned().unwrap_or_default());
            // Numbers that were withdrawn meanwhile are not asked for any more.
            let read = ranges.without(&unread);
            self.sisters.ledger.lose(&session, vec![(stream, unread)]);
            numbers.extend((!read.is_empty()).then_some((stream, read)));
        }
        if self.way_to(&session).is_none() {
            return self.sisters.ledger.lose(&session, numbers);
        }
        self.introduce_people(&session, &rows);
        self.send_changes(session);
        let (packed, too_long) = pack::lines(numbers, rows, self.cx.config.user);
        (0..too_long).for_each(|_| self.cx.dropped(DropReason::ContentTooLong));
        for pack::Packed { body, load, .. } in packed {
            // Each body may be the last for which there is space in the mail.
            let unsent = match self.way_to(&session) {
                Some(way) => self.send_mirror(session, way, &body, load, Ranges::new()).err(),
                None => Some(load),
            };
            unsent.into_iter().for_each(|load| self.sisters.ledger.lose(&session, load));
        }
        let pause = if is_refused { MIRROR_MAIL_PAUSE } else { Duration::ZERO };
        if let Some(sister) = self.sisters.ledger.get_mut(&session).filter(|sister| sister.lacks_lines()) {
            sister.want(self.cx.now.moment + pause);
        }
    }

    /// Seals a mirror and sends it. Returns the numbers if it cannot be sealed.
    pub(in crate::proto::sisters) fn send_mirror(
        &mut self,
        session: SessionId,
        way: Way,
        body: &MirrorBody,
        load: Numbers,
        changes: Ranges,
    ) -> Result<(), Numbers> {
        let address = Address::from(&session);
        let (wall, now) = (self.cx.now.wall.0, self.cx.now.moment);
        let content = Content { kind: kind::MIRROR, epoch: 0, n: 0, lamport: 0, wall, body: Bytes(encode(body)) };
        let Some(sealed) = self.seal_to(&address, vec![content]) else { return Err(load) };
        match way {
            Way::Direct(conn) => self.send_direct(session, conn, sealed, load, changes, now),
            Way::Mail => {
                let mine = Mine { r: sealed.r, load, changes };
                self.hold_own(&address, sealed, mine);
            }
        }
        Ok(())
    }

    fn send_direct(
        &mut self,
        session: SessionId,
        conn: ConnId,
        sealed: Sealed,
        load: Numbers,
        changes: Ranges,
        now: Moment,
    ) {
        if let Some(sister) = self.sisters.ledger.get_mut(&session) {
            sister.record_sent(&sealed, load, changes, now);
        }
        self.send_envelope(conn, sealed);
    }

    /// Tells a connected sister which numbers are held here, once they are durable.
    pub(in crate::proto::sisters) fn send_holdings(&mut self, conn: ConnId, held: Numbers, complete: bool) {
        let mut pages: Vec<(Vec<HeldStream>, usize)> = vec![(Vec::new(), 0)];
        for (StreamId { author, epoch, to: address }, ranges) in held {
            let ranges: Vec<Range> = ranges.iter().map(|(first, last)| Range(first, last)).collect();
            for ranges in ranges.chunks(MOST_HELD_RANGES) {
                let size = 90 + 19 * ranges.len();
                if pages.last().is_some_and(|(page, bytes)| page.len() == MOST_HELD || bytes + size > MOST_HELD_BYTES) {
                    pages.push((Vec::new(), 0));
                }
                if let Some((page, bytes)) = pages.last_mut() {
                    page.push(HeldStream { author, epoch, address, ranges: List(ranges.to_vec()) });
                    *bytes += size;
                }
            }
        }
        let count = pages.len();
        for (n, (page, _)) in pages.into_iter().enumerate() {
            let complete = complete && n + 1 == count;
            if complete || !page.is_empty() {
                let message = Control::Holdings(Holdings { streams: List(page), complete });
                self.cx.out.after_store(Output::Control { conn, message });
            }
        }
    }
}
