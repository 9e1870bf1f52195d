//! A `\link` that is being carried out: the sessions that wait and were tried, and the exchange with one of them.

use std::collections::BTreeSet;

use crate::id::{ConnId, SessionId, UserId};
use crate::identity::invitation::Invitation;
use crate::identity::pake::{Exchange, Keys};
use crate::proto::limits::{
    LINK_DIRECT, LINK_GRACE, LINK_RETRY, LINK_SEARCH, LINK_STEP, MAX_LINK_CANDIDATES, MAX_LINK_RELAYS,
};
use crate::proto::peer::Party;
use crate::time::Moment;
use crate::wire::link::refusal;

/// A `\link`.
#[derive(Debug)]
pub struct Attempt {
    /// The line to answer.
    pub line: Option<u64>,
    /// What was typed.
    pub invitation: Invitation,
    /// Why the last session that was tried has refused, if one did.
    pub refused: Option<u8>,
    /// A node of another network answers at a place of the token.
    pub met_stranger: bool,
    tried: BTreeSet<SessionId>,
    /// Sessions that were asked for through the relay on a connection, without a proof on this side.
    asked: BTreeSet<(SessionId, ConnId)>,
    /// Exchanges that ended with their connection.
    interrupted: usize,
    current: Option<Current>,
    /// Users who wait to be linked, are not connected, and were dialled.
    reached: BTreeSet<UserId>,
    /// When all of them are dialled again.
    reach_at: Moment,
    since: Moment,
}

/// The exchange with one session.
#[derive(Debug)]
struct Current {
    party: Party,
    /// Where the last step was sent.
    conn: ConnId,
    stage: Stage,
    until: Moment,
}

impl Current {
    /// Whether the same session may be tried in another way: the other side has had no guess, and only a relay says that the
    /// exchange cannot go on.
    fn may_be_repeated(&self) -> bool {
        self.party.relay.is_some() && matches!(self.stage, Stage::Asked(_))
    }
}

#[derive(Debug)]
enum Stage {
    /// The own share was sent.
    Asked(Exchange),
    /// The own proof was sent.
    Proved(Keys),
}

impl Attempt {
    /// Begins a search for the session that shows the invitation.
    pub fn new(line: Option<u64>, invitation: Invitation, now: Moment) -> Attempt {
        let (tried, asked) = (BTreeSet::new(), BTreeSet::new());
        Attempt {
            line,
            invitation,
            refused: None,
            met_stranger: false,
            tried,
            asked,
            interrupted: 0,
            current: None,
            reached: BTreeSet::new(),
            reach_at: now + LINK_RETRY,
            since: now,
        }
    }

    /// Whether the next session may be tried, and whether it may be this one.
    pub fn may_try(&self, session: &SessionId) -> bool {
        let is_meant = match &self.invitation {
            Invitation::Code(_) => true,
            Invitation::Token(token) => token.session == *session,
        };
        is_meant && self.current.is_none() && self.tried.len() < MAX_LINK_CANDIDATES && !self.tried.contains(session)
    }

    /// Whether it may be tried through the relay on this connection, because a direct one has had its time. A relay that does
    /// not know such steps answers nothing, so there is an end to asking.
    pub fn may_try_through(&self, relay: ConnId, session: &SessionId, now: Moment) -> bool {
        let is_first = self.asked.len() < MAX_LINK_RELAYS && !self.asked.contains(&(*session, relay));
        let is_time = (self.since + LINK_DIRECT..self.since + LINK_SEARCH).contains(&now);
        is_time && is_first && self.may_try(session)
    }

    /// Whether a session that waits was found.
    pub fn has_found(&self) -> bool {
        !self.reached.is_empty() || !self.asked.is_empty()
    }

    /// Begins another round of dialling if it is due.
    pub fn begin_round(&mut self, now: Moment) {
        if self.reach_at <= now {
            self.reach_at = now + LINK_RETRY;
            self.reached.clear();
        }
    }

    /// Whether a user is to be dialled in this round. Records that they are.
    pub fn is_to_be_reached(&mut self, user: UserId) -> bool {
        self.reached.len() < MAX_LINK_CANDIDATES && self.reached.insert(user)
    }

    /// The session of the exchange, and the connection on which the last step was sent.
    pub fn current(&self) -> Option<(Party, ConnId)> {
        self.current.as_ref().map(|current| (current.party, current.conn))
    }

    /// Records that the own share was sent to a session on this connection.
    pub fn begin(&mut self, party: Party, conn: ConnId, exchange: Exchange, now: Moment) {
        self.tried.insert(party.session);
        self.asked.extend(party.relay.map(|relay| (party.session, relay)));
        self.current = Some(Current { party, conn, stage: Stage::Asked(exchange), until: now + LINK_STEP });
    }

    /// Goes on on another connection with the same session. Returns the own proof, which is to be sent there again; `None` if the
    /// exchange has not come so far.
    pub fn move_to(&mut self, conn: ConnId) -> Option<[u8; 32]> {
        let current = self.current.as_mut()?;
        let Stage::Proved(keys) = &current.stage else { return None };
        current.conn = conn;
        Some(keys.confirmation())
    }

    /// Takes the share of the session that was asked. Returns the own proof, or `None` if nobody awaits the share or it is none.
    pub fn answered(&mut self, by: Party, share: &[u8; 32], now: Moment) -> Option<[u8; 32]> {
        let current = self.current.take_if(|current| current.party == by)?;
        let Stage::Asked(exchange) = current.stage else { return None };
        let keys = exchange.finish(share)?;
        let confirmation = keys.confirmation();
        self.current = Some(Current { stage: Stage::Proved(keys), until: now + LINK_STEP, ..current });
        Some(confirmation)
    }

    /// Takes the proof of the session. Returns the keys if it holds.
    pub fn accepted(&mut self, by: Party, confirmation: &[u8; 32]) -> Option<Keys> {
        let current = self.current.take_if(|current| current.party == by)?;
        let Stage::Proved(keys) = current.stage else { return None };
        keys.confirms(confirmation).then_some(keys)
    }

    /// Ends the exchange because its connection is gone. Its session may be tried again.
    pub fn interrupt(&mut self) {
        let Some(current) = self.current.take() else { return };
        self.interrupted += 1;
        if self.interrupted < MAX_LINK_CANDIDATES {
            self.tried.remove(&current.party.session);
        } else {
            self.refused = Some(0);
        }
    }

    /// Ends the exchange with this session for a reason of [`refusal`]. Returns false if there is none.
    pub fn end(&mut self, by: Party, reason: u8) -> bool {
        let Some(current) = self.current.take_if(|current| current.party == by) else { return false };
        self.record_end(&current, reason);
        true
    }

    /// Ends an exchange whose next step is overdue.
    pub fn expire(&mut self, now: Moment) {
        if let Some(current) = self.current.take_if(|current| current.until <= now) {
            self.record_end(&current, if current.may_be_repeated() { refusal::ABSENT } else { 0 });
        }
    }

    fn record_end(&mut self, current: &Current, reason: u8) {
        if current.may_be_repeated() {
            self.tried.remove(&current.party.session);
        }
        if reason != refusal::ABSENT {
            self.refused = Some(reason);
        }
    }

    /// Whether to give up: nobody is being tried, and nobody else will appear. After a refusal, or where another network is,
    /// that is sooner.
    pub fn is_over(&self, now: Moment) -> bool {
        self.current.is_none() && self.gives_up_at() <= now
    }

    /// When something is due.
    pub fn next(&self) -> Moment {
        self.current.as_ref().map_or(self.gives_up_at().min(self.reach_at), |current| current.until)
    }

    fn gives_up_at(&self) -> Moment {
        match (&self.refused, &self.invitation) {
            (Some(_), Invitation::Token(_)) => self.since,
            (Some(_), Invitation::Code(_)) => self.since + LINK_GRACE,
            (None, _) if self.met_stranger => self.since + LINK_GRACE,
            (None, _) => self.since + LINK_SEARCH,
        }
    }
}
