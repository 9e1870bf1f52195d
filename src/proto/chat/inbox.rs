//! The inbox: the messages received, and the receipts owed for them.
//!
//! Received numbers are kept as ranges per stream, so that a message is accepted once, however often and on whatever path it
//! arrives. A receipt is owed for every envelope with numbered contents, new or not, since the author may have lost the first
//! receipt. Receipts are cumulative, cover only durable messages, and are never receipted themselves. The first one is sent
//! at once, later ones at intervals of [`RECEIPT_PAUSE`], so that one seal and one signature cover many messages.

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

/// Messages received, and receipts owed.
#[derive(Debug)]
pub struct Inbox {
    seen: BTreeMap<StreamId, Ranges>,
    durable: BTreeMap<StreamId, Ranges>,
    /// What becomes durable with a ticket, and the user to whom a receipt is owed for it.
    pending: VecDeque<(Ticket, UserId, StreamId, Ranges)>,
    owed: BTreeMap<(UserId, SessionId), BTreeSet<StreamId>>,
    /// The earliest time of the next receipt to a session.
    paused: BTreeMap<SessionId, Moment>,
    /// Sessions whose mail was accepted and to which no receipt has been sent since; stored.
    unanswered: BTreeMap<SessionId, Unanswered>,
    /// The last receipt mailed to a session, and the epochs it covers.
    mailed: BTreeMap<SessionId, (EnvelopeId, BTreeSet<u64>)>,
}

/// A session that is owed a receipt.
#[derive(Debug)]
struct Unanswered {
    user: UserId,
    /// A receipt was not sent or may be lost, so the next one covers everything.
    behind: bool,
}

/// The result of [`Inbox::receive`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// The number was not received before.
    New,
    /// The number was received before.
    Known,
    /// The author has too many streams, or the stream too many gaps.
    Refused,
}

impl Inbox {
    /// The state at start, from the store.
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

    /// Records that mail of a session was accepted. True if the debt is new and is to be stored.
    pub fn add_unanswered(&mut self, user: UserId, session: SessionId) -> bool {
        if self.unanswered.len() >= MAX_OWED || self.unanswered.contains_key(&session) {
            return false;
        }
        self.unanswered.insert(session, Unanswered { user, behind: false });
        true
    }

    /// Records that a receipt is on its way to a session. Returns the session's user if a stored debt ends.
    pub fn clear_unanswered(&mut self, session: &SessionId) -> Option<UserId> {
        self.unanswered.remove(session).map(|unanswered| unanswered.user)
    }

    /// Records a receipt that is mailed to a session. Returns the envelope of the one before if this one covers it.
    pub fn record_mailed(
        &mut self,
        session: SessionId,
        envelope: EnvelopeId,
        body: &ReceiptBody,
    ) -> Option<EnvelopeId> {
        if self.mailed.len() >= MAX_OWED && !self.mailed.contains_key(&session) {
            return None;
        }
        let epochs: BTreeSet<u64> = body.streams.iter().map(|ranges| ranges.epoch).collect();
        let (before, covered) = self.mailed.insert(session, (envelope, epochs.clone()))?;
        covered.is_subset(&epochs).then_some(before)
    }

    /// The sessions with a stored debt, and their users.
    pub fn unanswered(&self) -> impl Iterator<Item = (SessionId, UserId)> + '_ {
        self.unanswered.iter().map(|(session, unanswered)| (*session, unanswered.user))
    }

    /// Whether a receipt for a session is still to be sent.
    pub fn owes(&self, user: &UserId, session: &SessionId) -> bool {
        self.owed.contains_key(&(*user, *session))
            || self.pending.iter().any(|(_, _, stream, _)| stream.author == *session)
    }

    /// Records a number of a stream.
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

    /// Records the first number of a stream.
    fn open(&mut self, stream: StreamId, n: u64) -> Taken {
        let first = StreamId { epoch: 0, to: Address([0; 32]), ..stream };
        let of_author = self.seen.range(first..).take_while(|(known, _)| known.author == stream.author);
        if of_author.take(MAX_STREAMS_PER_SESSION).count() == MAX_STREAMS_PER_SESSION {
            return Taken::Refused;
        }
        self.seen.entry(stream).or_default().insert(n);
        Taken::New
    }

    /// Records numbers of a stream that another session of the local user has received.
    pub fn receive_all(&mut self, stream: StreamId, numbers: &Ranges) {
        self.seen.entry(stream).or_default().merge(numbers);
    }

    /// The numbers received of every stream.
    pub fn streams(&self) -> impl Iterator<Item = (&StreamId, &Ranges)> {
        self.seen.iter()
    }

    /// Whether any message of a session was received.
    pub fn knows(&self, author: &SessionId) -> bool {
        let first = StreamId { author: *author, epoch: 0, to: Address([0; 32]) };
        self.seen.range(first..).next().is_some_and(|(known, _)| known.author == *author)
    }

    /// Whether a number of a stream was received.
    pub fn has(&self, stream: &StreamId, n: u64) -> bool {
        self.seen.get(stream).is_some_and(|seen| seen.contains(n))
    }

    /// Forgets everything that a session has written.
    pub fn forget(&mut self, author: &SessionId) {
        self.seen.retain(|stream, _| stream.author != *author);
        self.durable.retain(|stream, _| stream.author != *author);
        self.pending.retain(|(_, _, stream, _)| stream.author != *author);
        self.owed.retain(|(_, session), _| session != author);
        self.mailed.remove(author);
    }

    /// The numbers received of a stream.
    pub fn seen(&self, stream: &StreamId) -> Ranges {
        self.seen.get(stream).cloned().unwrap_or_default()
    }

    /// Makes a receipt owed for a stream, once everything through `after` is durable.
    pub fn owe(&mut self, user: UserId, stream: StreamId, after: Ticket) {
        let seen = self.seen(&stream);
        self.pending.push_back((after, user, stream, seen));
    }

    /// Makes a receipt owed for all streams of a session to `me`. The session has reconnected, and would otherwise send again
    /// the messages whose receipts it has missed.
    pub fn owe_all(&mut self, user: UserId, session: SessionId, me: UserId) {
        let streams = self.all_of(&session, Address::from(me));
        if !streams.is_empty() {
            self.owed.entry((user, session)).or_default().extend(streams);
        }
    }

    /// The streams of a session to an address that have durable messages.
    fn all_of(&self, session: &SessionId, to: Address) -> BTreeSet<StreamId> {
        let first = StreamId { author: *session, epoch: 0, to: Address([0; 32]) };
        let of_it =
            self.durable.range(first..).map(|(stream, _)| *stream).take_while(|stream| stream.author == *session);
        of_it.filter(|stream| stream.to == to).collect()
    }

    /// Takes the receipts to send now, each for at most [`MAX_RECEIPT_STREAMS`] streams; everything through `stored` is
    /// durable. Until [`Inbox::clear_unanswered`] is called, later receipts cover the same streams again.
    pub fn take_due(&mut self, stored: Ticket, now: Moment) -> Vec<(UserId, SessionId, ReceiptBody)> {
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
            let pieces = in_pieces(streams.iter().flat_map(|stream| self.entries(stream)));
            due.extend(pieces.into_iter().map(|streams| (user, session, ReceiptBody { streams: List(streams) })));
        }
        due
    }

    /// When the next receipt that is owed may be sent.
    pub fn next(&self) -> Option<Moment> {
        self.owed.keys().filter_map(|(_, session)| self.paused.get(session).copied()).min()
    }

    /// All durable ranges of a stream, as receipts state them: [`MAX_RECEIPT_RANGES`] to an entry. A message that no entry
    /// covers would be sent again for ever.
    fn entries(&self, stream: &StreamId) -> Vec<StreamRanges> {
        let ranges: Vec<Range> = self
            .durable
            .get(stream)
            .into_iter()
            .flat_map(Ranges::iter)
            .map(|(first, last)| Range(first, last))
            .collect();
        let entry = |ranges: &[Range]| {
            let ranges = List(ranges.to_vec());
            StreamRanges { author: stream.author, epoch: stream.epoch, ranges, address: None }
        };
        ranges.chunks(MAX_RECEIPT_RANGES).map(entry).collect()
    }
}

/// As many entries to a receipt as fit one content.
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

    /// The epochs covered by the receipts that are due at a moment.
    fn epochs(inbox: &mut Inbox, at_ms: u64) -> Vec<u64> {
        let due = inbox.take_due(Ticket(9), Moment(at_ms));
        due.iter().flat_map(|(.., body)| body.streams.iter().map(|ranges| ranges.epoch)).collect()
    }

    fn take(inbox: &mut Inbox, epoch: u64) {
        inbox.receive(stream(epoch), 1);
        inbox.add_unanswered(BOB, BOBS);
        inbox.owe(BOB, stream(epoch), Ticket(1));
    }

    #[test]
    fn a_receipt_that_could_not_be_sent_is_in_the_next_one() {
        let mut inbox = Inbox::new(Vec::new(), Vec::new());
        take(&mut inbox, 1);
        assert_eq!(epochs(&mut inbox, 0), [1], "no carrier is connected");
        take(&mut inbox, 2);
        assert_eq!(epochs(&mut inbox, 1_000), [1, 2]);
        inbox.clear_unanswered(&BOBS);
        take(&mut inbox, 3);
        assert_eq!(epochs(&mut inbox, 2_000), [3], "streams already receipted are not repeated");
    }

    #[test]
    fn a_receipt_fits_a_content_whatever_the_numbers_and_gaps() {
        let gaps = || Ranges::from_iter((0..MAX_GAPS as u64).map(|n| (u64::MAX - 2 * n, u64::MAX - 2 * n)));
        let received = (0..40).map(|epoch| (stream(u64::MAX - epoch), gaps())).collect();
        let mut inbox = Inbox::new(received, Vec::new());
        inbox.owe_all(BOB, BOBS, UserId([1; 32]));
        let due = inbox.take_due(Ticket(9), Moment(0));
        let bodies: Vec<usize> = due.iter().map(|(.., body)| crate::wire::encode(body).len()).collect();
        assert!(bodies.iter().all(|length| *length <= crate::wire::content::MAX_BODY), "{bodies:?}");
        let entries = || due.iter().flat_map(|(.., body)| body.streams.iter());
        assert_eq!(entries().map(|said| said.ranges.len()).sum::<usize>(), 40 * MAX_GAPS, "no message is left out");
        assert!(entries().all(|said| said.ranges.len() <= MAX_RECEIPT_RANGES));
    }

    #[test]
    fn the_first_receipt_after_a_restart_covers_older_debts() {
        let received = vec![(stream(1), Ranges::from_iter([(1, 4)]))];
        let mut inbox = Inbox::new(received, vec![(BOB, BOBS)]);
        take(&mut inbox, 2);
        assert_eq!(epochs(&mut inbox, 0), [1, 2]);
    }
}
