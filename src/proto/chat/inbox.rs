//! The inbox: what was received, and the receipts that are owed for it.
//!
//! Numbers that were received are ranges per stream, so a message is taken once however often and by whatever way it comes.
//! A receipt is owed for every envelope that held numbered contents, whether they were new or not: the author may have lost
//! the first one. It is cumulative, speaks only of what is durable, and is never receipted itself. The first one goes at
//! once, the next ones a moment apart: while lines flow, one seal and one signature answer for many of them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::id::{Address, EnvelopeId, SessionId, StreamId, UserId};
use crate::proto::limits::{
    MAX_GAPS, MAX_OWED, MAX_RECEIPT_RANGES, MAX_RECEIPT_STREAMS, MAX_RECEIPT_TOTAL, MAX_STREAMS_PER_SESSION,
    RECEIPT_PAUSE,
};
use crate::proto::persist::Ticket;
use crate::proto::ranges::Ranges;
use crate::time::Moment;
use crate::wire::codec::List;
use crate::wire::content::{Range, ReceiptBody, StreamRanges};

/// What was received, and what is owed.
#[derive(Debug)]
pub struct Inbox {
    seen: BTreeMap<StreamId, Ranges>,
    durable: BTreeMap<StreamId, Ranges>,
    /// What becomes durable with a ticket, and to which user's session a receipt is owed for it.
    pending: VecDeque<(Ticket, UserId, StreamId, Ranges)>,
    owed: BTreeMap<(UserId, SessionId), BTreeSet<StreamId>>,
    /// Before when no further receipt goes to a session.
    paused: BTreeMap<SessionId, Moment>,
    /// Sessions whose mail was taken and that were not answered since, over restarts.
    unanswered: BTreeMap<SessionId, Unanswered>,
    /// The last receipt that went to a session by mail, and the epochs it speaks of.
    mailed: BTreeMap<SessionId, (EnvelopeId, BTreeSet<u64>)>,
}

/// A session that is owed a receipt.
#[derive(Debug)]
struct Unanswered {
    user: UserId,
    /// A receipt for some of it was not sent, or may be lost: the next one speaks of all.
    behind: bool,
}

/// What became of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    New,
    Known,
    /// Its author has opened too many streams, or would open one gap too many.
    Refused,
}

impl Inbox {
    pub fn new(received: Vec<(StreamId, Ranges)>, unanswered: Vec<(UserId, SessionId)>) -> Inbox {
        let seen: BTreeMap<StreamId, Ranges> = received.into_iter().collect();
        Inbox {
            durable: seen.clone(),
            seen,
            pending: VecDeque::new(),
            owed: BTreeMap::new(),
            paused: BTreeMap::new(),
            unanswered: unanswered
                .into_iter()
                .map(|(user, session)| (session, Unanswered { user, behind: true }))
                .collect(),
            mailed: BTreeMap::new(),
        }
    }

    /// Mail of a session was taken. True if it is to be remembered that a receipt is owed.
    pub fn leave_unanswered(&mut self, user: UserId, session: SessionId) -> bool {
        if self.unanswered.len() >= MAX_OWED || self.unanswered.contains_key(&session) {
            return false;
        }
        self.unanswered.insert(session, Unanswered { user, behind: false });
        true
    }

    /// A receipt is on its way to a session. Whose it is, if one was owed since a while.
    pub fn answer(&mut self, session: &SessionId) -> Option<UserId> {
        self.unanswered.remove(session).map(|unanswered| unanswered.user)
    }

    /// A receipt goes to a session by mail. Returns the last one that did, if this one says all that it said.
    pub fn is_mailed(&mut self, session: SessionId, envelope: EnvelopeId, body: &ReceiptBody) -> Option<EnvelopeId> {
        if self.mailed.len() >= MAX_OWED && !self.mailed.contains_key(&session) {
            return None;
        }
        let epochs: BTreeSet<u64> = body.streams.iter().map(|said| said.epoch).collect();
        let (before, spoke_of) = self.mailed.insert(session, (envelope, epochs.clone()))?;
        spoke_of.is_subset(&epochs).then_some(before)
    }

    /// Sessions that are owed a receipt, over restarts.
    pub fn unanswered(&self) -> impl Iterator<Item = (SessionId, UserId)> + '_ {
        self.unanswered.iter().map(|(session, unanswered)| (*session, unanswered.user))
    }

    /// Whether a receipt for a session is still to be sent.
    pub fn owes(&self, user: &UserId, session: &SessionId) -> bool {
        self.owed.contains_key(&(*user, *session))
            || self.pending.iter().any(|(_, _, stream, _)| stream.author == *session)
    }

    /// Takes a number.
    pub fn receive(&mut self, stream: StreamId, n: u64) -> Taken {
        let Some(seen) = self.seen.get_mut(&stream) else { return self.open(stream, n) };
        if seen.contains(n) {
            return Taken::Known;
        }
        if seen.pieces() >= MAX_GAPS && !seen.touches(n) {
            return Taken::Refused;
        }
        seen.insert(n);
        Taken::New
    }

    fn open(&mut self, stream: StreamId, n: u64) -> Taken {
        let first = StreamId { epoch: 0, to: Address([0; 32]), ..stream };
        let of_author = self.seen.range(first..).take_while(|(known, _)| known.author == stream.author);
        if of_author.take(MAX_STREAMS_PER_SESSION).count() == MAX_STREAMS_PER_SESSION {
            return Taken::Refused;
        }
        self.seen.entry(stream).or_default().insert(n);
        Taken::New
    }

    /// Whether anything was ever received of a session.
    pub fn knows(&self, author: &SessionId) -> bool {
        let first = StreamId { author: *author, epoch: 0, to: Address([0; 32]) };
        self.seen.range(first..).next().is_some_and(|(known, _)| known.author == *author)
    }

    /// Everything received of a stream.
    pub fn seen(&self, stream: &StreamId) -> Ranges {
        self.seen.get(stream).cloned().unwrap_or_default()
    }

    /// What was received of a stream so far is durable with `after`; then a receipt is owed to its author.
    pub fn owe(&mut self, user: UserId, stream: StreamId, after: Ticket) {
        let seen = self.seen(&stream);
        self.pending.push_back((after, user, stream, seen));
    }

    /// Owes a receipt for the newest streams of an author's session to `me`: it has just come back, and what it missed of
    /// earlier receipts would otherwise be sent again.
    pub fn owe_all(&mut self, user: UserId, session: SessionId, me: UserId) {
        let streams = self.all_of(&session, Address::from(me));
        if !streams.is_empty() {
            self.owed.entry((user, session)).or_default().extend(streams);
        }
    }

    /// Everything durable that came from a session to an address.
    fn all_of(&self, session: &SessionId, to: Address) -> BTreeSet<StreamId> {
        let first = StreamId { author: *session, epoch: 0, to: Address([0; 32]) };
        let of_it =
            self.durable.range(first..).map(|(stream, _)| *stream).take_while(|stream| stream.author == *session);
        of_it.filter(|stream| stream.to == to).collect()
    }

    /// Everything up to `stored` is durable: the receipts that may go now, in pieces of a bounded number of streams. Whether
    /// they get through is not known here: until [`Inbox::answer`] says so, the next one speaks of these too.
    pub fn due(&mut self, stored: Ticket, now: Moment) -> Vec<(UserId, SessionId, ReceiptBody)> {
        while self.pending.front().is_some_and(|(after, ..)| *after <= stored) {
            let Some((_, user, stream, seen)) = self.pending.pop_front() else { break };
            self.durable.insert(stream, seen);
            self.owed.entry((user, stream.author)).or_default().insert(stream);
        }
        let mut due = Vec::new();
        self.paused.retain(|_, until| *until > now);
        let ready: Vec<(UserId, SessionId)> =
            self.owed.keys().filter(|(_, session)| !self.paused.contains_key(session)).copied().collect();
        for (user, session) in ready {
            let mut streams = self.owed.remove(&(user, session)).unwrap_or_default();
            let unanswered = self.unanswered.get_mut(&session);
            if unanswered.is_some_and(|unanswered| std::mem::replace(&mut unanswered.behind, true)) {
                let to: BTreeSet<Address> = streams.iter().map(|stream| stream.to).collect();
                to.into_iter().for_each(|to| streams.extend(self.all_of(&session, to)));
            }
            self.paused.insert(session, now + RECEIPT_PAUSE);
            let pieces = in_pieces(streams.iter().map(|stream| self.ranges(stream)));
            due.extend(pieces.into_iter().map(|streams| (user, session, ReceiptBody { streams: List(streams) })));
        }
        due
    }

    /// When a receipt may go that is owed and waits.
    pub fn next(&self) -> Option<Moment> {
        self.owed.keys().filter_map(|(_, session)| self.paused.get(session).copied()).min()
    }

    fn ranges(&self, stream: &StreamId) -> StreamRanges {
        let durable = self.durable.get(stream);
        let newest: Vec<(u64, u64)> =
            durable.map(|ranges| ranges.iter().rev().take(MAX_RECEIPT_RANGES).collect()).unwrap_or_default();
        let ranges = newest.into_iter().rev().map(|(first, last)| Range(first, last)).collect();
        StreamRanges { author: stream.author, epoch: stream.epoch, ranges: List(ranges), address: None }
    }
}

/// As many streams to a receipt as fit one content.
fn in_pieces(streams: impl Iterator<Item = StreamRanges>) -> Vec<Vec<StreamRanges>> {
    let mut pieces: Vec<Vec<StreamRanges>> = Vec::new();
    let mut total = 0;
    for stream in streams {
        total += stream.ranges.len();
        match pieces.last_mut() {
            Some(piece) if piece.len() < MAX_RECEIPT_STREAMS && total <= MAX_RECEIPT_TOTAL => piece.push(stream),
            _ => {
                total = stream.ranges.len();
                pieces.push(vec![stream]);
            }
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOB: UserId = UserId([2; 32]);
    const BOBS: SessionId = SessionId([3; 32]);

    fn stream(epoch: u64) -> StreamId {
        StreamId { author: BOBS, epoch, to: Address([1; 32]) }
    }

    /// Epochs that the receipts speak of which are due at a moment.
    fn epochs(inbox: &mut Inbox, at_ms: u64) -> Vec<u64> {
        let due = inbox.due(Ticket(9), Moment(at_ms));
        due.iter().flat_map(|(.., body)| body.streams.iter().map(|said| said.epoch)).collect()
    }

    fn take(inbox: &mut Inbox, epoch: u64) {
        inbox.receive(stream(epoch), 1);
        inbox.leave_unanswered(BOB, BOBS);
        inbox.owe(BOB, stream(epoch), Ticket(1));
    }

    #[test]
    fn a_receipt_that_could_not_be_sent_is_in_the_next_one() {
        let mut inbox = Inbox::new(Vec::new(), Vec::new());
        take(&mut inbox, 1);
        assert_eq!(epochs(&mut inbox, 0), [1], "nobody is there who could bring it");
        take(&mut inbox, 2);
        assert_eq!(epochs(&mut inbox, 1_000), [1, 2]);
        inbox.answer(&BOBS);
        take(&mut inbox, 3);
        assert_eq!(epochs(&mut inbox, 2_000), [3], "what was sent is not said again");
    }

    #[test]
    fn a_receipt_fits_a_content_whatever_the_numbers_and_gaps() {
        let gaps = || Ranges::from_iter((0..MAX_GAPS as u64).map(|n| (u64::MAX - 2 * n, u64::MAX - 2 * n)));
        let received = (0..40).map(|epoch| (stream(u64::MAX - epoch), gaps())).collect();
        let mut inbox = Inbox::new(received, Vec::new());
        inbox.owe_all(BOB, BOBS, UserId([1; 32]));
        let due = inbox.due(Ticket(9), Moment(0));
        let bodies: Vec<usize> = due.iter().map(|(.., body)| crate::wire::encode(body).len()).collect();
        assert!(bodies.iter().all(|length| *length <= crate::wire::content::MAX_BODY), "{bodies:?}");
        assert_eq!(due.iter().map(|(.., body)| body.streams.len()).sum::<usize>(), 40);
    }

    #[test]
    fn what_was_owed_before_a_restart_is_in_the_first_receipt() {
        let received = vec![(stream(1), Ranges::from_iter([(1, 4)]))];
        let mut inbox = Inbox::new(received, vec![(BOB, BOBS)]);
        take(&mut inbox, 2);
        assert_eq!(epochs(&mut inbox, 0), [1, 2]);
    }
}
