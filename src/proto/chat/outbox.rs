//! The outbox: what waits for somebody. Everything typed goes in, is durable before the prompt returns, and leaves by
//! receipts or by the user's `\cancel`, not by age.
//!
//! Per addressee there is a queue in the order of typing, and per live session of the addressee a *lane*: a cursor into the
//! queue and the envelopes that are in flight. A lane takes what its session lacks, as much as fits one envelope, until
//! [`WINDOW`] envelopes are unreleased. A release makes room; a receipt (cumulative ranges per stream) marks messages
//! delivered to that session; a message that every session of the addressee has is settled and leaves. A lane dies with its
//! connection, and a new one starts at the front, so whatever was lost on the way is sealed anew.
//!
//! To somebody who is not connected messages go as mail: [`Outbox::entrust`] takes those that are in no envelope of mine yet.
//! They stay in the queue, and what became of their envelope decides whether they are entrusted again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::id::{Address, EnvelopeId, MessageId, SessionId, StreamId};
use crate::identity::seal::{CAPACITY, Sealed, fits};
use crate::proto::limits::{
    MAX_CARRIERS, MAX_EPOCHS_PER_ENVELOPE, MAX_UNOPENED, MAX_WAITING, MAX_WAITING_BYTES, RESEND_FIRST, SEEK_LONGEST,
    SETTLED_AFTER, WINDOW,
};
use crate::proto::persist::MessageRow;
use crate::proto::ranges::Ranges;
use crate::time::Moment;
use crate::wire::chat::Release;
use crate::wire::codec::Bytes;
use crate::wire::content::{CONTENT_OVERHEAD, CONTENTS_OVERHEAD, Content, MAX_CONTENTS, kind};

/// Place in a queue: which epoch (in the order they were opened), and the number in it.
type Place = (u32, u64);

/// A message that waits.
#[derive(Debug)]
struct Item {
    row: MessageRow,
    durable: bool,
    /// It is in an envelope of mine that is under way as mail.
    entrusted: bool,
}

/// What waits for one user.
#[derive(Debug, Default)]
struct Queue {
    items: BTreeMap<Place, Item>,
    delivered: BTreeMap<(StreamId, SessionId), Ranges>,
    /// What carriers have or had.
    carried: BTreeMap<(StreamId, SessionId), Ranges>,
    /// Everything before is entrusted.
    mail: Place,
}

/// The way to one live session.
#[derive(Debug)]
struct Lane {
    cursor: Place,
    flights: BTreeMap<EnvelopeId, Flight>,
    /// Envelopes it could not open since it released one.
    unopened: u32,
    /// When what is still undelivered is sent anew.
    resend: Moment,
    pause: Duration,
}

/// An envelope on its way.
#[derive(Debug)]
struct Flight {
    places: Vec<Place>,
    lock: [u8; 32],
}

/// Everything of mine that somebody lacks.
#[derive(Debug)]
pub struct Outbox {
    me: SessionId,
    epoch: u64,
    epochs: BTreeMap<u64, u32>,
    next: BTreeMap<Address, u64>,
    queues: BTreeMap<Address, Queue>,
    /// Of every session that is connected, whether anything waits for its user or not.
    lanes: BTreeMap<(Address, SessionId), Lane>,
    count: usize,
    bytes: usize,
}

/// What a receipt changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Receipted {
    /// Lines of chat that this session has now and had not before.
    pub delivered: Vec<MessageId>,
    /// All that this session has of the stream; `None` if nothing is new.
    pub ranges: Option<Ranges>,
    /// Messages that everybody has now.
    pub settled: Ranges,
}

impl Outbox {
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

    /// Whether one more body of this size may wait.
    pub fn has_room(&self, bytes: usize) -> bool {
        self.count < MAX_WAITING && self.bytes + bytes <= MAX_WAITING_BYTES
    }

    /// The id of the next message to a user.
    pub fn next_id(&mut self, to: Address) -> MessageId {
        let n = self.next.entry(to).or_insert(0);
        *n += 1;
        MessageId { stream: StreamId { author: self.me, epoch: self.epoch, to }, n: *n }
    }

    /// Takes a message in.
    pub fn push(&mut self, row: MessageRow, durable: bool) {
        let place = (self.ordinal(row.id.stream.epoch), row.id.n);
        self.count += 1;
        self.bytes += row.body.len();
        self.queues.entry(row.with).or_default().items.insert(place, Item { row, durable, entrusted: false });
    }

    /// A message is durable and may be entrusted to others.
    pub fn stored(&mut self, id: &MessageId) {
        let place = (self.ordinal(id.stream.epoch), id.n);
        let queue = self.queues.get_mut(&id.stream.to);
        if let Some(item) = queue.and_then(|queue| queue.items.get_mut(&place)) {
            item.durable = true;
        }
    }

    /// Takes a message out: the user withdrew it, or the disk refused it.
    pub fn remove(&mut self, id: &MessageId) -> Option<MessageRow> {
        let place = (self.ordinal(id.stream.epoch), id.n);
        let item = self.queues.get_mut(&id.stream.to)?.items.remove(&place)?;
        self.count -= 1;
        self.bytes -= item.row.body.len();
        Some(item.row)
    }

    /// A session of a user can be reached: what it lacks goes from the front.
    pub fn open_lane(&mut self, to: Address, session: SessionId, now: Moment) {
        let (flights, resend) = (BTreeMap::new(), now + RESEND_FIRST);
        let lane = Lane { cursor: (0, 0), flights, unopened: 0, resend, pause: RESEND_FIRST };
        self.lanes.insert((to, session), lane);
    }

    /// Its connection is gone, and with it whatever was in flight.
    pub fn close_lane(&mut self, to: &Address, session: &SessionId) {
        self.lanes.remove(&(*to, *session));
        let is_done = |queue: &Queue| queue.items.is_empty() && queue.delivered.is_empty() && queue.carried.is_empty();
        if !self.has_lane(to) && self.queues.get(to).is_some_and(is_done) {
            self.queues.remove(to);
        }
    }

    /// What goes into the next envelope for a session, be it on the disk or on its way there; empty if nothing waits or too
    /// much is in flight. `sealed` must follow with the envelope's id.
    pub fn take(&mut self, to: &Address, session: &SessionId) -> (Vec<Content>, Load) {
        let mut contents = Vec::new();
        let mut places = Vec::new();
        let Some(queue) = self.queues.get_mut(to) else { return (contents, Load(places)) };
        let Some(lane) = self.lanes.get_mut(&(*to, *session)).filter(|lane| lane.flights.len() < WINDOW) else {
            return (contents, Load(places));
        };
        let mut room = CAPACITY - CONTENTS_OVERHEAD;
        let mut epochs = BTreeSet::new();
        for (place, item) in queue.items.range(lane.cursor..) {
            let size = item.row.body.len() + CONTENT_OVERHEAD;
            epochs.insert(place.0);
            let full = contents.len() == MAX_CONTENTS || size > room || epochs.len() > MAX_EPOCHS_PER_ENVELOPE;
            if full {
                break;
            }
            lane.cursor = (place.0, place.1 + 1);
            let had = queue.delivered.get(&(item.row.id.stream, *session));
            if had.is_none_or(|ranges| !ranges.contains(item.row.id.n)) {
                room -= size;
                contents.push(content(&item.row));
                places.push(*place);
            }
        }
        (contents, Load(places))
    }

    /// What `take` gave is on its way.
    pub fn sealed(&mut self, to: &Address, session: &SessionId, sealed: &Sealed, load: Load) {
        if let Some(lane) = self.lanes.get_mut(&(*to, *session)) {
            lane.flights.insert(sealed.id, Flight { places: load.0, lock: sealed.lock });
        }
    }

    /// These envelopes never left: what was in them goes again.
    pub fn rewind(&mut self, to: &Address, envelopes: &BTreeSet<EnvelopeId>) {
        let of_user = (*to, SessionId([0; 32]))..=(*to, SessionId([255; 32]));
        for (_, lane) in self.lanes.range_mut(of_user) {
            for flight in envelopes.iter().filter_map(|envelope| lane.flights.remove(envelope)) {
                lane.cursor = flight.places.first().map_or(lane.cursor, |first| lane.cursor.min(*first));
            }
        }
    }

    /// What goes into the next envelope to a user as mail, and is entrusted from now on; empty if nothing waits that is not.
    pub fn entrust(&mut self, to: &Address) -> (Vec<Content>, Vec<(StreamId, Ranges)>) {
        let mut contents = Vec::new();
        let mut load: BTreeMap<StreamId, Ranges> = BTreeMap::new();
        let Some(queue) = self.queues.get_mut(to) else { return (contents, Vec::new()) };
        let mut room = CAPACITY - CONTENTS_OVERHEAD;
        let mut next = queue.mail;
        for (place, item) in queue.items.range_mut(queue.mail..) {
            let size = item.row.body.len() + CONTENT_OVERHEAD;
            let epochs = load.len() + usize::from(!load.contains_key(&item.row.id.stream));
            let full = contents.len() == MAX_CONTENTS || size > room || epochs > MAX_EPOCHS_PER_ENVELOPE;
            if !item.durable || (full && !item.entrusted) {
                break;
            }
            next = (place.0, place.1 + 1);
            if !std::mem::replace(&mut item.entrusted, true) {
                room -= size;
                contents.push(content(&item.row));
                load.entry(item.row.id.stream).or_default().insert(item.row.id.n);
            }
        }
        queue.mail = next;
        (contents, load.into_iter().collect())
    }

    /// Whether something waits for a user that is not entrusted.
    pub fn may_entrust(&self, to: &Address) -> bool {
        let Some(queue) = self.queues.get(to) else { return false };
        queue.items.range(queue.mail..).any(|(_, item)| item.durable && !item.entrusted)
    }

    /// Messages are in an envelope that is under way, or not any more.
    pub fn set_entrusted(&mut self, load: &[(StreamId, Ranges)], entrusted: bool) {
        for (stream, ranges) in load {
            let Some(ordinal) = self.epochs.get(&stream.epoch).copied() else { continue };
            let Some(queue) = self.queues.get_mut(&stream.to) else { continue };
            for (first, last) in ranges.iter() {
                for (place, item) in queue.items.range_mut((ordinal, first)..=(ordinal, last)) {
                    item.entrusted = entrusted;
                    if !entrusted {
                        queue.mail = queue.mail.min(*place);
                    }
                }
            }
        }
    }

    /// Whether any of these messages still waits.
    pub fn waits_any(&self, load: &[(StreamId, Ranges)]) -> bool {
        load.iter().any(|(stream, ranges)| {
            let ordinal = self.epochs.get(&stream.epoch).copied();
            let queue = self.queues.get(&stream.to);
            ordinal.zip(queue).is_some_and(|(ordinal, queue)| {
                ranges
                    .iter()
                    .any(|(first, last)| queue.items.range((ordinal, first)..=(ordinal, last)).next().is_some())
            })
        })
    }

    /// A carrier has these messages of mine: all it has of each stream, and lines of chat it had not before.
    pub fn carried(&mut self, by: SessionId, load: &[(StreamId, Ranges)]) -> Vec<(StreamId, Ranges, Vec<MessageId>)> {
        load.iter().filter_map(|(stream, ranges)| self.carried_of(by, *stream, ranges)).collect()
    }

    fn carried_of(
        &mut self,
        by: SessionId,
        stream: StreamId,
        has: &Ranges,
    ) -> Option<(StreamId, Ranges, Vec<MessageId>)> {
        let ordinal = self.epochs.get(&stream.epoch).copied()?;
        let queue = self.queues.get_mut(&stream.to)?;
        let others = queue.carried.keys().filter(|(known, other)| *known == stream && *other != by).count();
        if others >= MAX_CARRIERS {
            return None;
        }
        let before = queue.carried.get(&(stream, by)).cloned().unwrap_or_default();
        let mut lines = Vec::new();
        let known = queue.carried.entry((stream, by)).or_default();
        for (first, last) in has.iter() {
            for ((_, n), item) in queue.items.range((ordinal, first)..=(ordinal, last)) {
                if known.insert(*n) && item.row.kind == kind::TEXT {
                    lines.push(item.row.id);
                }
            }
        }
        (*known != before).then(|| (stream, known.clone(), lines))
    }

    /// Who carries or carried something for a user.
    pub fn carriers(&self, to: &Address) -> BTreeSet<SessionId> {
        let queue = self.queues.get(to);
        queue.into_iter().flat_map(|queue| queue.carried.keys()).map(|(_, by)| *by).collect()
    }

    /// Whether a session of the addressee has a message.
    pub fn is_delivered(&self, id: &MessageId, session: &SessionId) -> bool {
        let queue = self.queues.get(&id.stream.to);
        let has = queue.and_then(|queue| queue.delivered.get(&(id.stream, *session)));
        has.is_some_and(|ranges| ranges.contains(id.n))
    }

    /// A session says that it has opened an envelope and stored what was in it: true if it shows what was inside.
    pub fn released(&mut self, to: &Address, session: &SessionId, release: &Release, now: Moment) -> bool {
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

    /// Whether an envelope is on its way to a session, as lines.
    pub fn is_on_its_way(&self, to: &Address, session: &SessionId, envelope: &EnvelopeId) -> bool {
        let lane = self.lanes.get(&(*to, *session));
        lane.is_some_and(|lane| lane.flights.contains_key(envelope))
    }

    /// A session could not open an envelope: what was in it goes again. False if that envelope is not on its way there, and
    /// when this happens so often that only the next resend may help.
    pub fn unopenable(&mut self, to: &Address, session: &SessionId, envelope: &EnvelopeId) -> bool {
        let lane = self.lanes.get_mut(&(*to, *session));
        // Beyond the bound it keeps its place in the window, so that nothing takes that place.
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

    /// A session of a user has these of a stream of mine. `audience`: the sessions that are to have every message.
    pub fn receipt(
        &mut self,
        session: SessionId,
        stream: StreamId,
        has: &Ranges,
        audience: &[SessionId],
        now: Moment,
    ) -> Receipted {
        let mut result = Receipted::default();
        // Others name any epoch: one that nothing waits in is not worth a note.
        let Some(ordinal) = self.epochs.get(&stream.epoch).copied() else { return result };
        let Some(queue) = self.queues.get_mut(&stream.to) else { return result };
        let before = queue.delivered.get(&(stream, session)).cloned().unwrap_or_default();
        // Only numbers that wait count: a receipt for what was never written changes nothing.
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
        let is_text = |n: &u64| queue.items.get(&(ordinal, *n)).is_some_and(|item| item.row.kind == kind::TEXT);
        result.delivered = waiting.iter().copied().filter(is_text).map(|n| MessageId { stream, n }).collect();
        for n in waiting {
            if queue.items.get(&(ordinal, n)).is_some_and(|item| is_settled(&queue.delivered, item, audience, now)) {
                if let Some(item) = queue.items.remove(&(ordinal, n)) {
                    self.count -= 1;
                    self.bytes -= item.row.body.len();
                }
                result.settled.insert(n);
            }
        }
        // A map that was emptied keeps room for eleven.
        if queue.items.is_empty() {
            queue.items = BTreeMap::new();
        }
        result
    }

    /// Lanes whose messages have waited for a release or receipt for too long: they start again from the front.
    pub fn resend(&mut self, now: Moment) -> Vec<Address> {
        let mut due = Vec::new();
        for ((to, _), lane) in self.lanes.iter_mut().filter(|(_, lane)| lane.resend <= now) {
            lane.pause = (lane.pause * 2).min(SEEK_LONGEST);
            lane.resend = now + lane.pause;
            lane.cursor = (0, 0);
            lane.flights.clear();
            lane.unopened = 0;
            if self.queues.get(to).is_some_and(|queue| !queue.items.is_empty()) {
                due.push(*to);
            }
        }
        due
    }

    /// When something must be sent anew; only while something waits.
    pub fn next(&self) -> Option<Moment> {
        let busy = self.queues.iter().filter(|(_, queue)| !queue.items.is_empty());
        busy.flat_map(|(to, _)| self.lanes_of(to)).map(|lane| lane.resend).min()
    }

    /// Addresses for which something waits.
    pub fn addressees(&self) -> impl Iterator<Item = Address> + '_ {
        self.queues.iter().filter(|(_, queue)| !queue.items.is_empty()).map(|(to, _)| *to)
    }

    pub fn waits_for(&self, to: &Address) -> bool {
        self.queues.get(to).is_some_and(|queue| !queue.items.is_empty())
    }

    /// The waiting message of a token.
    pub fn find(&self, token: &str) -> Option<MessageId> {
        self.queues
            .values()
            .flat_map(|queue| queue.items.values())
            .map(|item| item.row.id)
            .find(|id| id.token() == token)
    }

    /// Takes out what nobody has to wait for any more: what all sessions of an address have, those that it had and has no more
    /// aside, and what one has for [`SETTLED_AFTER`].
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

/// Whether nobody has to wait for a message any more: every session that is to have it has it, or one has and a fortnight has
/// passed. A friend's session that is never seen again must not keep every line for ever; should it return, it asks its sisters
/// or the history.
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

/// What is in an envelope that is being sealed.
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
