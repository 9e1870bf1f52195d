//! Handing envelopes over: per neighbour a queue of those that are to go to it, and a window of those that it has not
//! answered yet. A neighbour that is slow or says nothing holds up nobody else, and makes us hold no more than a window.
//!
//! The addressee answers with a release, a carrier with a word about custody. What is not answered is sent anew after a
//! pause that doubles, behind what waits: junk that nobody answers holds up nothing. What a neighbour declines it is not
//! sent again before a pause of its own, however often it asks. What a closed connection left unanswered is decided about
//! again.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use crate::id::{EnvelopeId, SessionId};
use crate::proto::limits::{
    DECLINED_LONGEST, HANDOVER_FULL, HANDOVER_WINDOW, MAX_DECLINED, MAX_OFFERED_AT_ONCE, RESEND_FIRST, SEEK_LONGEST,
};
use crate::time::Moment;

#[derive(Debug)]
struct Window {
    queue: VecDeque<EnvelopeId>,
    queued: BTreeSet<EnvelopeId>,
    /// With the copies that were given.
    flights: BTreeMap<EnvelopeId, u8>,
    /// It had no room: nothing goes there before.
    full: Option<Moment>,
    resend: Moment,
    pause: Duration,
    /// What it did not take. It is sent once more at `again`.
    declined: BTreeSet<EnvelopeId>,
    again: Moment,
    patience: Duration,
    /// Envelopes it has offered since its connection came up.
    offered: usize,
}

/// The ways to all neighbours that are up.
#[derive(Debug, Default)]
pub struct Handover {
    lanes: BTreeMap<SessionId, Window>,
}

impl Handover {
    pub fn open(&mut self, session: SessionId, now: Moment) {
        let lane = Window {
            queue: VecDeque::new(),
            queued: BTreeSet::new(),
            flights: BTreeMap::new(),
            full: None,
            resend: now + RESEND_FIRST,
            pause: RESEND_FIRST,
            declined: BTreeSet::new(),
            again: now,
            patience: HANDOVER_FULL,
            offered: 0,
        };
        self.lanes.insert(session, lane);
    }

    /// Its connection is gone. Returns what was on its way or was to go there.
    pub fn close(&mut self, session: &SessionId) -> Vec<EnvelopeId> {
        let Some(lane) = self.lanes.remove(session) else { return Vec::new() };
        lane.queue.into_iter().chain(lane.flights.into_keys()).collect()
    }

    /// A neighbour offers so many envelopes. False if it has offered too many since its connection came up.
    pub fn may_offer(&mut self, session: &SessionId, count: usize) -> bool {
        self.lanes.get_mut(session).is_some_and(|lane| {
            lane.offered += count;
            lane.offered <= MAX_OFFERED_AT_ONCE
        })
    }

    /// Lets an envelope go to a neighbour. Once, however often it is said.
    pub fn put(&mut self, session: &SessionId, envelope: EnvelopeId) {
        let Some(lane) = self.lanes.get_mut(session) else { return };
        let waits = lane.flights.contains_key(&envelope) || lane.declined.contains(&envelope);
        if !waits && lane.queued.insert(envelope) {
            lane.queue.push_back(envelope);
        }
    }

    /// The next envelope for a neighbour, if its window has room. `sent` must follow unless it is not to go after all.
    pub fn take(&mut self, session: &SessionId) -> Option<EnvelopeId> {
        let has_room = |lane: &&mut Window| lane.flights.len() < HANDOVER_WINDOW && lane.declined.len() < MAX_DECLINED;
        let lane = self.lanes.get_mut(session).filter(has_room)?;
        let envelope = lane.queue.pop_front()?;
        lane.queued.remove(&envelope);
        Some(envelope)
    }

    /// An envelope is on its way, and so many copies with it.
    pub fn sent(&mut self, session: &SessionId, envelope: EnvelopeId, copies: u8, now: Moment) {
        if let Some(lane) = self.lanes.get_mut(session) {
            if lane.flights.is_empty() {
                lane.resend = lane.resend.max(now + lane.pause);
            }
            lane.flights.insert(envelope, copies);
        }
    }

    /// Copies of an envelope that are on their way to neighbours who have not taken them yet.
    pub fn given(&self, envelope: &EnvelopeId) -> u8 {
        let given = self.lanes.values().filter_map(|lane| lane.flights.get(envelope));
        given.fold(0, |sum, copies| sum.saturating_add(*copies))
    }

    /// A neighbour has answered about an envelope. The copies it was given, if it was on its way there.
    pub fn answered(&mut self, session: &SessionId, envelope: &EnvelopeId, now: Moment) -> Option<u8> {
        let lane = self.lanes.get_mut(session)?;
        let copies = lane.flights.remove(envelope)?;
        lane.pause = RESEND_FIRST;
        lane.resend = now + lane.pause;
        Some(copies)
    }

    /// A neighbour has not taken an envelope that it was sent.
    pub fn is_declined(&mut self, session: &SessionId, envelope: &EnvelopeId, now: Moment) {
        let Some(lane) = self.lanes.get_mut(session) else { return };
        if lane.declined.is_empty() {
            lane.again = now + lane.patience;
            lane.patience = (lane.patience * 2).min(DECLINED_LONGEST);
        }
        lane.declined.insert(*envelope);
    }

    /// A neighbour takes what it is sent.
    pub fn is_taken(&mut self, session: &SessionId) {
        if let Some(lane) = self.lanes.get_mut(session) {
            lane.patience = HANDOVER_FULL;
        }
    }

    /// An envelope is to go nowhere any more. Returns the neighbours whose window has room again.
    pub fn stop(&mut self, envelope: &EnvelopeId) -> Vec<SessionId> {
        let mut freed = Vec::new();
        for (session, lane) in &mut self.lanes {
            if lane.flights.remove(envelope).is_some() {
                lane.patience = HANDOVER_FULL;
                freed.push(*session);
            }
            lane.declined.remove(envelope);
            if lane.queued.remove(envelope) {
                lane.queue.retain(|queued| queued != envelope);
            }
        }
        freed
    }

    /// A neighbour has no room, and gets nothing for a while.
    pub fn is_full(&mut self, session: &SessionId, now: Moment) {
        if let Some(lane) = self.lanes.get_mut(session) {
            lane.full = Some(now + HANDOVER_FULL);
            lane.queue.clear();
            lane.queued.clear();
        }
    }

    /// Whether a neighbour may be given more.
    pub fn has_room(&self, session: &SessionId, now: Moment) -> bool {
        self.lanes.get(session).is_some_and(|lane| lane.full.is_none_or(|until| until <= now))
    }

    /// Whether an envelope is on its way to a neighbour, or about to be.
    pub fn is_going(&self, session: &SessionId, envelope: &EnvelopeId) -> bool {
        self.lanes
            .get(session)
            .is_some_and(|lane| lane.flights.contains_key(envelope) || lane.queued.contains(envelope))
    }

    /// Neighbours that declined something a while ago: it is offered to them once more.
    pub fn try_again(&mut self, now: Moment) -> Vec<SessionId> {
        let mut due = Vec::new();
        for (session, lane) in &mut self.lanes {
            if lane.declined.is_empty() || lane.again > now {
                continue;
            }
            for envelope in std::mem::take(&mut lane.declined) {
                if lane.queued.insert(envelope) {
                    lane.queue.push_back(envelope);
                }
            }
            due.push(*session);
        }
        due
    }

    /// Neighbours that had no room a while ago.
    pub fn has_room_again(&mut self, now: Moment) -> bool {
        let over = |lane: &&mut Window| lane.full.is_some_and(|until| until <= now);
        self.lanes.values_mut().filter(over).map(|lane| lane.full = None).count() > 0
    }

    /// Neighbours that have not answered for too long: what is on its way to them goes again, behind what waits.
    pub fn resend(&mut self, now: Moment) -> Vec<SessionId> {
        let mut due = Vec::new();
        for (session, lane) in self.lanes.iter_mut().filter(|(_, lane)| lane.resend <= now) {
            lane.pause = (lane.pause * 2).min(SEEK_LONGEST);
            lane.resend = now + lane.pause;
            for envelope in std::mem::take(&mut lane.flights).into_keys() {
                if lane.queued.insert(envelope) {
                    lane.queue.push_back(envelope);
                }
            }
            if !lane.queue.is_empty() {
                due.push(*session);
            }
        }
        due
    }

    /// When something must be sent anew; only while something is on its way, or was declined.
    pub fn next(&self) -> Option<Moment> {
        let next = |lane: &Window| {
            let resend = (!lane.flights.is_empty()).then_some(lane.resend);
            let again = (!lane.declined.is_empty()).then_some(lane.again);
            resend.into_iter().chain(again).chain(lane.full).min()
        };
        self.lanes.values().filter_map(next).min()
    }
}
