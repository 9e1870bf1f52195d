//! The outbox: messages that wait for receipts. Every message is durable before it is shown as queued. It leaves by receipts or
//! by the user's `\cancel`, never by age alone.
//!
//! Each addressee has a queue in the order of input, and each connected session of the addressee a *lane*: a cursor into the
//! queue, and the envelopes in flight. A lane takes the messages that its session lacks, as many as fit one envelope, until
//! [`WINDOW`] envelopes are unreleased. A release ends a flight. A receipt (cumulative ranges per stream) marks messages as
//! delivered to that session. A message that every session of the addressee has is settled and leaves. A lane ends with its
//! connection; a new one starts at the front, so that lost messages are sealed again.
//!
//! Messages to a user who is not connected are sent as mail (`mail`): [`Outbox::entrust`] takes those that are in no envelope
//! yet. They stay in the queue, and are entrusted again if their envelope does not arrive.

mod mail;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::id::{Address, EnvelopeId, MessageId, SessionId, StreamId};
use crate::identity::seal::{CAPACITY, Sealed, fits};
use crate::proto::limits::{
    MAX_EPOCHS_PER_ENVELOPE, MAX_UNOPENED, MAX_WAITING, MAX_WAITING_BYTES, RESEND_FIRST, RESUMED_GRACE, SEEK_LONGEST,
    SETTLED_AFTER, WINDOW,
};
use crate::proto::notice::counts::Amount;
use crate::proto::persist::MessageRow;
use crate::proto::ranges::Ranges;
use crate::time::Moment;
use crate::wire::chat::Release;
use crate::wire::codec::Bytes;
use crate::wire::content::{CONTENT_OVERHEAD, CONTENTS_OVERHEAD, Content, MAX_CONTENTS, kind};

/// A place in a queue: the ordinal of the epoch, in the order of opening, and the number in it.
type Place = (u32, u64);

/// A message that waits.
#[derive(Debug)]
struct Item {
    row: MessageRow,
    durable: bool,
    /// It is in an envelope that is under way as mail.
    entrusted: bool,
}

/// Messages that wait for one user.
#[derive(Debug, Default)]
struct Queue {
    items: BTreeMap<Place, Item>,
    /// By session of the addressee.
    delivered: BTreeMap<(StreamId, SessionId), Ranges>,
    /// By carrier: the messages it has or had.
    carried: BTreeMap<(StreamId, SessionId), Ranges>,
    /// All messages before this place are entrusted.
    mail: Place,
}

/// The flow of messages to one connected session.
#[derive(Debug)]
struct Lane {
    cursor: Place,
    flights: BTreeMap<EnvelopeId, Flight>,
    /// Envelopes it could not open since its last release.
    unopened: u32,
    /// When undelivered messages are sent again.
    resend: Moment,
    pause: Duration,
    /// When what the addressee has held back until now is sent again, whatever else is under way.
    resumed: Option<Moment>,
}

impl Lane {
    /// When messages are sent again.
    fn due(&self) -> Moment {
        self.resumed.map_or(self.resend, |at| at.min(self.resend))
    }
}

/// An envelope in flight.
#[derive(Debug)]
struct Flight {
    places: Vec<Place>,
    sent: Moment,
    lock: [u8; 32],
}

/// Messages of this session that wait, at most [`MAX_WAITING`] and [`MAX_WAITING_BYTES`].
#[derive(Debug)]
pub struct Outbox {
    me: SessionId,
    epoch: u64,
    epochs: BTreeMap<u64, u32>,
    next: BTreeMap<Address, u64>,
    queues: BTreeMap<Address, Queue>,
    /// One for every connected session, even if no message waits for its user.
    lanes: BTreeMap<(Address, SessionId), Lane>,
    count: usize,
    bytes: usize,
}

/// The effects of a receipt.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Receipted {
    /// Chat messages that are newly delivered to the session.
    pub delivered: Vec<MessageId>,
    /// Since when those of them waited that no other session has.
    pub waited_since: Vec<Moment>,
    /// All numbers of the stream that the session has; `None` if none is new.
    pub ranges: Option<Ranges>,
    /// Messages that are settled now.
    pub settled: Ranges,
}

impl Outbox {
    /// The state at start, from the store.
    pub fn new(
        me: SessionId,
        epoch: u64,
        waiting: Vec<MessageRow>,
        delivered: Vec<(StreamId, SessionId, Ranges)>,
        carried: Vec<(StreamId, SessionId, Ranges)>,
    ) -> Outbox {
        let mut outbox = Outbox {
            me,
            epoch,
            epochs: BTreeMap::new(),
            next: BTreeMap::new(),
            queues: BTreeMap::new(),
            lanes: BTreeMap::new(),
            count: 0,
            bytes: 0,
        };
        for row in waiting {
            outbox.push(row, true);
        }
        for (stream, session, ranges) in delivered {
            let queue = outbox.queues.entry(stream.to).or_default();
            queue.delivered.insert((stream, session), ranges);
        }
        for (stream, by, ranges) in carried {
            outbox.queues.entry(stream.to).or_default().carried.insert((stream, by), ranges);
        }
        outbox
    }

    /// The messages that wait, and the bytes of their bodies.
    pub fn amount(&self) -> Amount {
        Amount { items: self.count, bytes: self.bytes }
    }

    /// Whether one more message with a body of this many bytes fits.
    pub fn has_capacity(&self, bytes: usize) -> bool {
        self.count < MAX_WAITING && self.bytes + bytes <= MAX_WAITING_BYTES
    }

    /// The id of the next message to a user.
    pub fn next_id(&mut self, to: Address) -> MessageId {
        let n = self.next.entry(to).or_insert(0);
        *n += 1;
        MessageId { stream: StreamId { author: self.me, epoch: self.epoch, to }, n: *n }
    }

    /// Whether an epoch is the one of this start, whose numbers are given here.
    pub fn is_current(&self, epoch: u64) -> bool {
        self.epoch == epoch
    }

    /// Adds a message.
    pub fn push(&mut self, row: MessageRow, durable: bool) {
        let place = (self.ordinal(row.id.stream.epoch), row.id.n);
        self.count += 1;
        self.bytes += row.body.len();
        self.queues.entry(row.with).or_default().items.insert(place, Item { row, durable, entrusted: false });
    }

    /// Records that a message is durable and may be entrusted.
    pub fn set_durable(&mut self, id: &MessageId) {
        let place = (self.ordinal(id.stream.epoch), id.n);
        let queue = self.queues.get_mut(&id.stream.to);
        if let Some(item) = queue.and_then(|queue| queue.items.get_mut(&place)) {
            item.durable = true;
        }
    }

    /// Removes a message that the user cancelled or the store refused.
    pub fn remove(&mut self, id: &MessageId) -> Option<MessageRow> {
        let place = (self.ordinal(id.stream.epoch), id.n);
        let item = self.queues.get_mut(&id.stream.to)?.items.remove(&place)?;
        self.count -= 1;
        self.bytes -= item.row.body.len();
        Some(item.row)
    }

    /// Removes all messages to an address, which is forgotten.
    pub fn forget(&mut self, to: &Address) {
        let Some(queue) = self.queues.remove(to) else { return };
        self.count -= queue.items.len();
        self.bytes -= queue.items.values().map(|item| item.row.body.len()).sum::<usize>();
    }

    /// Brings forward when messages in flight to an address are sent again, since its user may have held them back until
    /// now. What was sent within [`RESUMED_GRACE`] may still be answered.
    pub fn resume(&mut self, to: &Address) {
        let of_user = (*to, SessionId([0; 32]))..=(*to, SessionId([255; 32]));
        for (_, lane) in self.lanes.range_mut(of_user) {
            if let Some(oldest) = lane.flights.values().map(|flight| flight.sent).min() {
                lane.pause = RESEND_FIRST / 2;
                lane.resumed = Some(oldest + RESUMED_GRACE);
            }
        }
    }

    /// Opens the lane of a session that has connected. It starts at the front of the queue.
    pub fn open_lane(&mut self, to: Address, session: SessionId, now: Moment) {
        let (flights, resend) = (BTreeMap::new(), now + RESEND_FIRST);
        let lane = Lane { cursor: (0, 0), flights, unopened: 0, resend, pause: RESEND_FIRST, resumed: None };
        self.lanes.insert((to, session), lane);
    }

    /// Closes the lane of a session that has disconnected. What was in flight is lost.
    pub fn close_lane(&mut self, to: &Address, session: &SessionId) {
        self.lanes.remove(&(*to, *session));
        let is_done = |queue: &Queue| queue.items.is_empty() && queue.delivered.is_empty() && queue.carried.is_empty();
        if !self.has_lane(to) && self.queues.get(to).is_some_and(is_done) {
            self.queues.remove(to);
        }
    }

    /// Takes the contents of the next envelope for a session, durable or not. Empty if no message waits or the window is full.
    /// [`Outbox::record_sealed`] must be called next.
    pub fn take(&mut self, to: &Address, session: &SessionId) -> (Vec<Content>, Load) {
        let mut contents = Vec::new();
        let mut places = Vec::new();
        let Some(queue) = self.queues.get_mut(to) else { return (contents, Load(places)) };
        let Some(lane) = self.lanes.get_mut(&(*to, *session)).filter(|lane| lane.flights.len() < WINDOW) else {
            return (contents, Load(places));
        };
        let mut left = CAPACITY - CONTENTS_OVERHEAD;
        let mut epochs = BTreeSet::new();
        for (place, item) in queue.items.range(lane.cursor..) {
            let size = item.row.body.len() + CONTENT_OVERHEAD;
            epochs.insert(place.0);
            let full = contents.len() == MAX_CONTENTS || size > left || epochs.len() > MAX_EPOCHS_PER_ENVELOPE;
            if full {
                break;
            }
            lane.cursor = (place.0, place.1 + 1);
            let had = queue.delivered.get(&(item.row.id.stream, *session));
            if had.is_none_or(|ranges| !ranges.contains(item.row.id.n)) {
                left -= size;
                contents.push(content(&item.row));
                places.push(*place);
            }
        }
        (contents, Load(places))
    }

    /// Records the envelope of contents from [`Outbox::take`].
    pub fn record_sealed(&mut self, to: &Address, session: &SessionId, sealed: &Sealed, load: Load, now: Moment) {
        if let Some(lane) = self.lanes.get_mut(&(*to, *session)) {
            lane.flights.insert(sealed.id, Flight { places: load.0, sent: now, lock: sealed.lock });
        }
    }

    /// Makes the messages of envelopes that never left wait again.
    pub fn rewind(&mut self, to: &Address, envelopes: &BTreeSet<EnvelopeId>) {
        let of_user = (*to, SessionId([0; 32]))..=(*to, SessionId([255; 32]));
        for (_, lane) in self.lanes.range_mut(of_user) {
            for flight in envelopes.iter().filter_map(|envelope| lane.flights.remove(envelope)) {
                lane.cursor = flight.places.first().map_or(lane.cursor, |first| lane.cursor.min(*first));
            }
        }
    }

    /// Whether a session of the addressee has a message.
    pub fn is_delivered(&self, id: &MessageId, session: &SessionId) -> bool {
        let queue = self.queues.get(&id.stream.to);
        let has = queue.and_then(|queue| queue.delivered.get(&(id.stream, *session)));
        has.is_some_and(|ranges| ranges.contains(id.n))
    }

    /// Records a session's release of an envelope. False if it fits no envelope in flight to the session.
    pub fn record_release(&mut self, to: &Address, session: &SessionId, release: &Release, now: Moment) -> bool {
        let lane = self.lanes.get_mut(&(*to, *session));
        let Some(lane) = lane else { return false };
        if !lane.flights.get(&release.envelope).is_some_and(|flight| fits(&flight.lock, &release.r.0)) {
            return false;
        }
        lane.flights.remove(&release.envelope);
        lane.unopened = 0;
        lane.pause = RESEND_FIRST;
        lane.resend = now + lane.pause;
        true
    }

    /// Whether an envelope is in flight in a session's lane.
    pub fn is_in_flight(&self, to: &Address, session: &SessionId, envelope: &EnvelopeId) -> bool {
        let lane = self.lanes.get(&(*to, *session));
        lane.is_some_and(|lane| lane.flights.contains_key(envelope))
    }

    /// Makes the messages of an envelope that a session could not open wait again. False if it is not in flight to the session,
    /// or after [`MAX_UNOPENED`] in a row: then they wait for the next resend.
    pub fn record_unopenable(&mut self, to: &Address, session: &SessionId, envelope: &EnvelopeId) -> bool {
        let lane = self.lanes.get_mut(&(*to, *session));
        // Beyond the bound it stays in flight, so that no other envelope is sent in its place.
        let lane = lane.filter(|lane| lane.unopened < MAX_UNOPENED);
        let Some((lane, flight)) = lane.and_then(|lane| lane.flights.remove(envelope).map(|flight| (lane, flight)))
        else {
            return false;
        };
        if let Some(first) = flight.places.first() {
            lane.cursor = lane.cursor.min(*first);
        }
        lane.unopened += 1;
        true
    }

    /// Records a receipt: the numbers of a stream that a session has. `audience` lists the sessions that are to have every
    /// message.
    pub fn record_receipt(
        &mut self,
        session: SessionId,
        stream: StreamId,
        has: &Ranges,
        audience: &[SessionId],
        now: Moment,
    ) -> Receipted {
        let mut result = Receipted::default();
        // A receipt may name any epoch. Those without waiting messages are ignored.
        let Some(ordinal) = self.epochs.get(&stream.epoch).copied() else { return result };
        let Some(queue) = self.queues.get_mut(&stream.to) else { return result };
        let before = queue.delivered.get(&(stream, session)).cloned().unwrap_or_default();
        // Only waiting numbers count: a receipt for a message that never existed changes nothing.
        let waiting: Vec<u64> = has
            .iter()
            .flat_map(|(first, last)| queue.items.range((ordinal, first)..=(ordinal, last)))
            .map(|((_, n), _)| *n)
            .filter(|n| !before.contains(*n))
            .collect();
        if waiting.is_empty() {
            return result;
        }
        let known = queue.delivered.entry((stream, session)).or_default();
        for n in &waiting {
            known.insert(*n);
        }
        result.ranges = Some(known.clone());
        for n in &waiting {
            let text = queue.items.get(&(ordinal, *n)).filter(|item| item.row.kind == kind::TEXT);
            let Some(item) = text else { continue };
            result.delivered.push(item.row.id);
            if holders(&queue.delivered, &item.row.id).count() == 1 {
                result.waited_since.push(item.row.since);
            }
        }
        for n in waiting {
            if queue.items.get(&(ordinal, n)).is_some_and(|item| is_settled(&queue.delivered, item, audience, now)) {
                if let Some(item) = queue.items.remove(&(ordinal, n)) {
                    self.count -= 1;
                    self.bytes -= item.row.body.len();
                }
                result.settled.insert(n);
            }
        }
        // An emptied map keeps an allocated node for eleven entries.
        if queue.items.is_empty() {
            queue.items = BTreeMap::new();
        }
        result
    }

    /// Restarts lanes whose messages have waited too long for a release or receipt, and returns their addresses.
    pub fn take_resends(&mut self, now: Moment) -> Vec<Address> {
        let mut due = Vec::new();
        for ((to, _), lane) in self.lanes.iter_mut().filter(|(_, lane)| lane.due() <= now) {
            lane.pause = (lane.pause * 2).min(SEEK_LONGEST);
            lane.resend = now + lane.pause;
            lane.resumed = None;
            lane.cursor = (0, 0);
            lane.flights.clear();
            lane.unopened = 0;
            if self.queues.get(to).is_some_and(|queue| !queue.items.is_empty()) {
                due.push(*to);
            }
        }
        due
    }

    /// Puts off the resend for a session: what is under way to it moves.
    pub fn postpone_resend(&mut self, to: &Address, session: &SessionId, now: Moment) {
        if let Some(lane) = self.lanes.get_mut(&(*to, *session)) {
            lane.resend = lane.resend.max(now + RESEND_FIRST);
        }
    }

    /// When messages are sent again next; `None` while no message waits.
    pub fn next(&self) -> Option<Moment> {
        let busy = self.queues.iter().filter(|(_, queue)| !queue.items.is_empty());
        busy.flat_map(|(to, _)| self.lanes_of(to)).map(Lane::due).min()
    }

    /// The addresses for which messages wait.
    pub fn addressees(&self) -> impl Iterator<Item = Address> + '_ {
        self.queues.iter().filter(|(_, queue)| !queue.items.is_empty()).map(|(to, _)| *to)
    }

    /// Whether messages wait for an address.
    pub fn waits_for(&self, to: &Address) -> bool {
        self.queues.get(to).is_some_and(|queue| !queue.items.is_empty())
    }

    /// Finds a waiting message by its token.
    pub fn find(&self, token: &str) -> Option<MessageId> {
        self.queues
            .values()
            .flat_map(|queue| queue.items.values())
            .map(|item| item.row.id)
            .find(|id| id.token() == token)
    }

    /// Removes and returns the settled messages to an address: those that all sessions in `audience` have, and those that one
    /// has and that are older than [`SETTLED_AFTER`].
    pub fn settle(&mut self, to: &Address, audience: &[SessionId], now: Moment) -> Vec<MessageId> {
        let Some(queue) = self.queues.get_mut(to) else { return Vec::new() };
        let done = |item: &&Item| is_settled(&queue.delivered, item, audience, now);
        let settled: Vec<MessageId> = queue.items.values().filter(done).map(|item| item.row.id).collect();
        settled.iter().for_each(|id| {
            self.remove(id);
        });
        settled
    }

    fn lanes_of(&self, to: &Address) -> impl Iterator<Item = &Lane> {
        let of_user = (*to, SessionId([0; 32]))..=(*to, SessionId([255; 32]));
        self.lanes.range(of_user).map(|(_, lane)| lane)
    }

    fn has_lane(&self, to: &Address) -> bool {
        self.lanes_of(to).next().is_some()
    }

    fn ordinal(&mut self, epoch: u64) -> u32 {
        let next = self.epochs.len() as u32;
        *self.epochs.entry(epoch).or_insert(next)
    }
}

/// The sessions that have a message.
fn holders<'a>(
    delivered: &'a BTreeMap<(StreamId, SessionId), Ranges>,
    id: &'a MessageId,
) -> impl Iterator<Item = SessionId> + 'a {
    let of_stream = (id.stream, SessionId([0; 32]))..=(id.stream, SessionId([255; 32]));
    delivered.range(of_stream).filter(|(_, ranges)| ranges.contains(id.n)).map(|((_, session), _)| *session)
}

/// Whether a message is settled: every session of the audience has it, or one has it and [`SETTLED_AFTER`] has passed. A
/// session that never returns must not keep every message for ever.
fn is_settled(
    delivered: &BTreeMap<(StreamId, SessionId), Ranges>,
    item: &Item,
    audience: &[SessionId],
    now: Moment,
) -> bool {
    let id = &item.row.id;
    let has = |session: &SessionId| delivered.get(&(id.stream, *session)).is_some_and(|ranges| ranges.contains(id.n));
    let all = !audience.is_empty() && audience.iter().all(has);
    all || now.since(item.row.since) >= SETTLED_AFTER && audience.iter().any(has)
}

/// The places of the messages in an envelope that is being sealed.
#[derive(Debug, PartialEq, Eq)]
pub struct Load(Vec<Place>);

fn content(row: &MessageRow) -> Content {
    Content {
        kind: row.kind,
        epoch: row.id.stream.epoch,
        n: row.id.n,
        lamport: row.lamport,
        wall: row.wall.0,
        body: Bytes(row.body.clone()),
    }
}

#[cfg(test)]
mod tests;
