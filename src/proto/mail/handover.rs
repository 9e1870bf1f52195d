//! Handing envelopes over to neighbours. Each neighbour has a queue of envelopes to send, and a window of those that it has not
//! answered. A slow or silent neighbour does not delay others, and at most a window is in flight to it.
//!
//! The addressee answers with a release, a carrier with a custody message. Unanswered envelopes are sent again after a pause
//! that doubles each time. They go behind the queue, so that envelopes that are never answered delay nothing. An envelope that
//! a neighbour declined is not sent to it again before a separate pause, even if it asks. Envelopes left unanswered by a closed
//! connection are routed again.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use crate::id::{EnvelopeId, SessionId};
use crate::proto::limits::{
    DECLINED_LONGEST, HANDOVER_FULL, HANDOVER_WINDOW, MAX_DECLINED, MAX_OFFERED_AT_ONCE, RESEND_FIRST, SEEK_LONGEST,
};
use crate::time::Moment;

/// The envelopes for one neighbour.
#[derive(Debug)]
struct Window {
    queue: VecDeque<EnvelopeId>,
    queued: BTreeSet<EnvelopeId>,
    /// Envelopes in flight, with the copies given.
    flights: BTreeMap<EnvelopeId, u8>,
    /// The neighbour's quota was full: no envelope is sent before this time.
    full_until: Option<Moment>,
    /// The pause after the next time.
    full_pause: Duration,
    /// It has taken nothing since its quota was full. One envelope at a time shows whether that has changed.
    tries_one: bool,
    /// When envelopes in flight are sent again, and the pause before.
    resend_at: Moment,
    resend_pause: Duration,
    /// Envelopes that it declined. They are sent again at `retry_at`, after `retry_pause`.
    declined: BTreeSet<EnvelopeId>,
    retry_at: Moment,
    retry_pause: Duration,
    /// The number of envelopes it has offered on this connection.
    offered: usize,
}

impl Window {
    fn record_taken(&mut self) {
        (self.retry_pause, self.full_pause, self.tries_one) = (HANDOVER_FULL, HANDOVER_FULL, false);
    }
}

/// The queues and windows of all connected neighbours.
#[derive(Debug, Default)]
pub struct Handover {
    windows: BTreeMap<SessionId, Window>,
}

impl Handover {
    /// Opens the window of a neighbour that has connected.
    pub fn open(&mut self, session: SessionId, now: Moment) {
        let window = Window {
            queue: VecDeque::new(),
            queued: BTreeSet::new(),
            flights: BTreeMap::new(),
            full_until: None,
            full_pause: HANDOVER_FULL,
            tries_one: false,
            resend_at: now + RESEND_FIRST,
            resend_pause: RESEND_FIRST,
            declined: BTreeSet::new(),
            retry_at: now,
            retry_pause: HANDOVER_FULL,
            offered: 0,
        };
        self.windows.insert(session, window);
    }

    /// Closes the window of a neighbour that has disconnected. Returns the envelopes in flight or queued.
    pub fn close(&mut self, session: &SessionId) -> Vec<EnvelopeId> {
        let Some(window) = self.windows.remove(session) else { return Vec::new() };
        window.queue.into_iter().chain(window.flights.into_keys()).collect()
    }

    /// Counts envelopes that a neighbour offers. False if it has offered more than [`MAX_OFFERED_AT_ONCE`] on this connection.
    pub fn may_offer(&mut self, session: &SessionId, count: usize) -> bool {
        self.windows.get_mut(session).is_some_and(|window| {
            window.offered += count;
            window.offered <= MAX_OFFERED_AT_ONCE
        })
    }

    /// Queues an envelope for a neighbour, unless it is queued, in flight or declined.
    pub fn enqueue(&mut self, session: &SessionId, envelope: EnvelopeId) {
        let Some(window) = self.windows.get_mut(session) else { return };
        let waits = window.flights.contains_key(&envelope) || window.declined.contains(&envelope);
        if !waits && window.queued.insert(envelope) {
            window.queue.push_back(envelope);
        }
    }

    /// Takes the next envelope for a neighbour, if its window is not full. [`Handover::record_sent`] must be called if it is
    /// sent.
    pub fn take_next(&mut self, session: &SessionId) -> Option<EnvelopeId> {
        let has_capacity = |window: &&mut Window| {
            let most = if window.tries_one { 1 } else { HANDOVER_WINDOW };
            window.flights.len() < most && window.declined.len() < MAX_DECLINED
        };
        let window = self.windows.get_mut(session).filter(has_capacity)?;
        let envelope = window.queue.pop_front()?;
        window.queued.remove(&envelope);
        Some(envelope)
    }

    /// Records that an envelope was sent, with the number of copies given.
    pub fn record_sent(&mut self, session: &SessionId, envelope: EnvelopeId, copies: u8, now: Moment) {
        if let Some(window) = self.windows.get_mut(session) {
            if window.flights.is_empty() {
                window.resend_at = window.resend_at.max(now + window.resend_pause);
            }
            window.flights.insert(envelope, copies);
        }
    }

    /// The copies of an envelope in flight to neighbours that have not answered.
    pub fn copies_in_flight(&self, envelope: &EnvelopeId) -> u8 {
        let given = self.windows.values().filter_map(|window| window.flights.get(envelope));
        given.fold(0, |sum, copies| sum.saturating_add(*copies))
    }

    /// Records a neighbour's answer about an envelope. Returns the copies given; `None` if it was not in flight.
    pub fn record_answer(&mut self, session: &SessionId, envelope: &EnvelopeId, now: Moment) -> Option<u8> {
        let window = self.windows.get_mut(session)?;
        let copies = window.flights.remove(envelope)?;
        window.resend_pause = RESEND_FIRST;
        window.resend_at = now + window.resend_pause;
        Some(copies)
    }

    /// Records that a neighbour declined an envelope.
    pub fn record_declined(&mut self, session: &SessionId, envelope: &EnvelopeId, now: Moment) {
        let Some(window) = self.windows.get_mut(session) else { return };
        if window.declined.is_empty() {
            window.retry_at = now + window.retry_pause;
            window.retry_pause = (window.retry_pause * 2).min(DECLINED_LONGEST);
        }
        window.declined.insert(*envelope);
    }

    /// Forgets that a neighbour declined an envelope.
    pub fn forget_declined(&mut self, session: &SessionId, envelope: &EnvelopeId) {
        if let Some(window) = self.windows.get_mut(session) {
            window.declined.remove(envelope);
        }
    }

    /// Records that a neighbour took an envelope: resets the pauses after declined ones.
    pub fn record_taken(&mut self, session: &SessionId) {
        self.windows.get_mut(session).into_iter().for_each(Window::record_taken);
    }

    /// Removes an envelope everywhere. Returns the neighbours to which it was in flight.
    pub fn remove(&mut self, envelope: &EnvelopeId) -> Vec<SessionId> {
        let mut freed = Vec::new();
        for (session, window) in &mut self.windows {
            if window.flights.remove(envelope).is_some() {
                window.record_taken();
                freed.push(*session);
            }
            window.declined.remove(envelope);
            if window.queued.remove(envelope) {
                window.queue.retain(|queued| queued != envelope);
            }
        }
        freed
    }

    /// Records that a neighbour's quota is full. It gets no envelope for [`HANDOVER_FULL`], and for twice as long each time that it
    /// takes none of those sent afterwards.
    pub fn record_full(&mut self, session: &SessionId, now: Moment) {
        if let Some(window) = self.windows.get_mut(session) {
            // Others in flight are declined, too.
            if window.full_until.is_none_or(|until| until <= now) {
                window.full_until = Some(now + window.full_pause);
                window.full_pause = (window.full_pause * 2).min(DECLINED_LONGEST);
                window.tries_one = true;
            }
            window.queue.clear();
            window.queued.clear();
        }
    }

    /// Records that an envelope of the quota at a neighbour has ended: there may be space again.
    pub fn record_freed(&mut self, session: &SessionId, now: Moment) {
        if let Some(window) = self.windows.get_mut(session) {
            window.full_pause = HANDOVER_FULL;
            window.full_until = window.full_until.map(|until| until.min(now + HANDOVER_FULL));
        }
    }

    /// Whether a neighbour is connected and its quota is not known to be full.
    pub fn has_capacity(&self, session: &SessionId, now: Moment) -> bool {
        self.windows.get(session).is_some_and(|window| window.full_until.is_none_or(|until| until <= now))
    }

    /// Whether an envelope is in flight to a neighbour or queued for it.
    pub fn is_pending(&self, session: &SessionId, envelope: &EnvelopeId) -> bool {
        self.windows
            .get(session)
            .is_some_and(|window| window.flights.contains_key(envelope) || window.queued.contains(envelope))
    }

    /// Queues declined envelopes again whose pause is over, and returns the neighbours.
    pub fn take_retries(&mut self, now: Moment) -> Vec<SessionId> {
        let mut due = Vec::new();
        for (session, window) in &mut self.windows {
            if window.declined.is_empty() || window.retry_at > now {
                continue;
            }
            for envelope in std::mem::take(&mut window.declined) {
                if window.queued.insert(envelope) {
                    window.queue.push_back(envelope);
                }
            }
            due.push(*session);
        }
        due
    }

    /// Ends the pauses of neighbours whose quota was full. False if no pause was over.
    pub fn clear_full(&mut self, now: Moment) -> bool {
        let over = |window: &&mut Window| window.full_until.is_some_and(|until| until <= now);
        self.windows.values_mut().filter(over).map(|window| window.full_until = None).count() > 0
    }

    /// Puts off the resend to a neighbour: what is under way to it moves.
    pub fn postpone_resend(&mut self, session: &SessionId, now: Moment) {
        if let Some(window) = self.windows.get_mut(session) {
            window.resend_at = window.resend_at.max(now + RESEND_FIRST);
        }
    }

    /// Queues envelopes in flight again that were not answered in time, and returns the neighbours.
    pub fn take_resends(&mut self, now: Moment) -> Vec<SessionId> {
        let mut due = Vec::new();
        for (session, window) in self.windows.iter_mut().filter(|(_, window)| window.resend_at <= now) {
            window.resend_pause = (window.resend_pause * 2).min(SEEK_LONGEST);
            window.resend_at = now + window.resend_pause;
            for envelope in std::mem::take(&mut window.flights).into_keys() {
                if window.queued.insert(envelope) {
                    window.queue.push_back(envelope);
                }
            }
            if !window.queue.is_empty() {
                due.push(*session);
            }
        }
        due
    }

    /// When the next envelope is to be sent again or a pause ends.
    pub fn next(&self) -> Option<Moment> {
        let next = |window: &Window| {
            let resend = (!window.flights.is_empty()).then_some(window.resend_at);
            let retry = (!window.declined.is_empty()).then_some(window.retry_at);
            resend.into_iter().chain(retry).chain(window.full_until).min()
        };
        self.windows.values().filter_map(next).min()
    }
}
