//! Handing envelopes over: per neighbour a queue of those that are to go to it, and a window of those that it has not
//! answered yet. A neighbour that is slow or says nothing holds up nobody else, and makes us hold no more than a window.
//!
//! The addressee answers with a release, a carrier with a word about custody. What is not answered is sent anew after a
//! pause that doubles; what a closed connection left unanswered is decided about again.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use super::limits::{HANDOVER_FULL, HANDOVER_WINDOW, MAX_FORWARDED, RESEND_FIRST, SEEK_LONGEST};
use crate::id::{EnvelopeId, SessionId};
use crate::time::Moment;

#[derive(Debug)]
struct Lane {
    queue: VecDeque<EnvelopeId>,
    queued: BTreeSet<EnvelopeId>,
    /// With the copies that were given.
    flights: BTreeMap<EnvelopeId, u8>,
    /// It had no room: nothing goes there before.
    full: Option<Moment>,
    resend: Moment,
    pause: Duration,
}

/// The ways to all neighbours that are up.
#[derive(Debug, Default)]
pub struct Handover {
    lanes: BTreeMap<SessionId, Lane>,
}

impl Handover {
    pub fn open(&mut self, session: SessionId, now: Moment) {
        let lane = Lane {
            queue: VecDeque::new(),
            queued: BTreeSet::new(),
            flights: BTreeMap::new(),
            full: None,
            resend: now + RESEND_FIRST,
            pause: RESEND_FIRST,
        };
        self.lanes.insert(session, lane);
    }

    /// Its connection is gone. Returns what was on its way or was to go there.
    pub fn close(&mut self, session: &SessionId) -> Vec<EnvelopeId> {
        let Some(lane) = self.lanes.remove(session) else { return Vec::new() };
        lane.queue.into_iter().chain(lane.flights.into_keys()).collect()
    }

    /// Lets an envelope go to a neighbour. Once, however often it is said.
    pub fn put(&mut self, session: &SessionId, envelope: EnvelopeId) {
        let Some(lane) = self.lanes.get_mut(session) else { return };
        if !lane.flights.contains_key(&envelope) && lane.queued.insert(envelope) {
            lane.queue.push_back(envelope);
        }
    }

    /// The next envelope for a neighbour, if its window has room. `sent` must follow unless it is not to go after all.
    pub fn take(&mut self, session: &SessionId) -> Option<EnvelopeId> {
        let lane = self.lanes.get_mut(session).filter(|lane| lane.flights.len() < HANDOVER_WINDOW)?;
        let envelope = lane.queue.pop_front()?;
        lane.queued.remove(&envelope);
        Some(envelope)
    }

    /// An envelope is on its way, and so many copies with it.
    pub fn sent(&mut self, session: &SessionId, envelope: EnvelopeId, copies: u8) {
        if let Some(lane) = self.lanes.get_mut(session) {
            lane.flights.insert(envelope, copies);
        }
    }

    /// A neighbour has answered about an envelope. The copies it was given, if it was on its way there.
    pub fn answered(&mut self, session: &SessionId, envelope: &EnvelopeId, now: Moment) -> Option<u8> {
        let lane = self.lanes.get_mut(session)?;
        let copies = lane.flights.remove(envelope)?;
        lane.pause = RESEND_FIRST;
        lane.resend = now + lane.pause;
        Some(copies)
    }

    /// An envelope is to go nowhere any more. Returns the neighbours whose window has room again.
    pub fn stop(&mut self, envelope: &EnvelopeId) -> Vec<SessionId> {
        let mut freed = Vec::new();
        for (session, lane) in &mut self.lanes {
            if lane.flights.remove(envelope).is_some() {
                freed.push(*session);
            }
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

    /// Neighbours that have not answered for too long: what is on its way to them goes again, in its old place.
    pub fn resend(&mut self, now: Moment) -> Vec<SessionId> {
        let mut due = Vec::new();
        for (session, lane) in self.lanes.iter_mut().filter(|(_, lane)| lane.resend <= now) {
            lane.pause = (lane.pause * 2).min(SEEK_LONGEST);
            lane.resend = now + lane.pause;
            for envelope in std::mem::take(&mut lane.flights).into_keys().rev() {
                if lane.queued.insert(envelope) {
                    lane.queue.push_front(envelope);
                }
            }
            if !lane.queue.is_empty() {
                due.push(*session);
            }
        }
        due
    }

    /// When something must be sent anew; only while something is on its way.
    pub fn next(&self) -> Option<Moment> {
        self.lanes.values().filter(|lane| !lane.flights.is_empty()).map(|lane| lane.resend).min()
    }
}

/// Envelopes passed on between two others, who are both connected, by a node that keeps nothing for others: the answer goes
/// back the way the envelope came.
#[derive(Debug, Default)]
pub struct Forwards {
    from: BTreeMap<EnvelopeId, SessionId>,
    order: VecDeque<EnvelopeId>,
}

impl Forwards {
    /// Remembers who gave an envelope. At the bound the oldest is forgotten: its giver will send it anew.
    pub fn put(&mut self, envelope: EnvelopeId, from: SessionId) {
        if self.from.insert(envelope, from).is_none() {
            self.order.push_back(envelope);
        }
        if self.order.len() > MAX_FORWARDED {
            self.order.pop_front().map(|oldest| self.from.remove(&oldest));
        }
    }

    /// Who gave an envelope.
    pub fn giver(&self, envelope: &EnvelopeId) -> Option<SessionId> {
        self.from.get(envelope).copied()
    }
}
