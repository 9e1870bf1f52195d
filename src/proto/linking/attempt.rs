//! A `\link` that is being carried out: the sessions that wait and were tried, and the exchange with one of them.

use std::collections::BTreeSet;

use crate::id::{ConnId, SessionId, UserId};
use crate::identity::invitation::Invitation;
use crate::identity::pake::{Exchange, Keys};
use crate::proto::limits::{LINK_GRACE, LINK_RETRY, LINK_SEARCH, LINK_STEP, MAX_LINK_CANDIDATES};
use crate::time::Moment;

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
    conn: ConnId,
    session: SessionId,
    stage: Stage,
    until: Moment,
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
        let tried = BTreeSet::new();
        Attempt {
            line,
            invitation,
            refused: None,
            met_stranger: false,
            tried,
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

    /// The connection of the exchange.
    pub fn conn(&self) -> Option<ConnId> {
        self.current.as_ref().map(|current| current.conn)
    }

    /// Records that the own share was sent to a session.
    pub fn asked(&mut self, conn: ConnId, session: SessionId, exchange: Exchange, now: Moment) {
        self.tried.insert(session);
        self.current = Some(Current { conn, session, stage: Stage::Asked(exchange), until: now + LINK_STEP });
    }

    /// Takes the share of the session that was asked on this connection. Returns the own proof, or `None` if nobody awaits the
    /// share or it is none.
    pub fn answered(&mut self, conn: ConnId, share: &[u8; 32], now: Moment) -> Option<[u8; 32]> {
        let Current { conn, session, stage, .. } = self.current.take_if(|current| current.conn == conn)?;
        let Stage::Asked(exchange) = stage else { return None };
        let keys = exchange.finish(share)?;
        let confirmation = keys.confirmation();
        self.current = Some(Current { conn, session, stage: Stage::Proved(keys), until: now + LINK_STEP });
        Some(confirmation)
    }

    /// Takes the proof of the session on this connection. Returns the keys if it holds.
    pub fn accepted(&mut self, conn: ConnId, confirmation: &[u8; 32]) -> Option<Keys> {
        let current = self.current.take_if(|current| current.conn == conn)?;
        let Stage::Proved(keys) = current.stage else { return None };
        keys.confirms(confirmation).then_some(keys)
    }

    /// Ends the exchange because its connection is gone. Its session may be tried again: of two connections to one session, one
    /// is closed.
    pub fn interrupt(&mut self) {
        let Some(current) = self.current.take() else { return };
        self.interrupted += 1;
        if self.interrupted < MAX_LINK_CANDIDATES {
            self.tried.remove(&current.session);
        } else {
            self.refused = Some(0);
        }
    }

    /// Ends the exchange on this connection. Returns false if there is none.
    pub fn ended(&mut self, conn: ConnId) -> bool {
        self.current.take_if(|current| current.conn == conn).is_some()
    }

    /// Ends an exchange whose next step is overdue.
    pub fn expire(&mut self, now: Moment) {
        if self.current.take_if(|current| current.until <= now).is_some() {
            self.refused = Some(0);
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
