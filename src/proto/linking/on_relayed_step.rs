//! Linking through a relay or server, for two sessions that are connected with it and not with each other.
//!
//! The relay is trusted with nothing: the exchange is bound to both sessions, its shares and proofs are worth nothing without
//! the code, and what follows is encrypted. A relay can make it fail, as it can withhold everything, and learns which two
//! sessions are linked.

use crate::id::{ConnId, SessionId};
use crate::identity::invitation::Invitation;
use crate::proto::Core;
use crate::proto::drops::DropReason;
use crate::proto::linking::attempt::Attempt;
use crate::proto::linking::relayed::{Ends, begins, is_by_holder};
use crate::proto::origins;
use crate::proto::peer::{Party, Peer};
use crate::wire::control::Control;
use crate::wire::link::{LinkSession, RelayedStep, link_step, refusal};

impl Core {
    /// Handles a step that a relay passes on to this session, or that this relay is to pass on.
    pub(in crate::proto) fn on_relayed_step(&mut self, peer: Peer, relayed: RelayedStep) {
        if relayed.passed_on {
            self.on_step_of(Party::behind(peer.conn, relayed.session), peer.conn, relayed.step);
        } else {
            self.pass_link_step(peer, relayed.session, relayed.step);
        }
    }

    /// Passes a step of a neighbour on to another one.
    fn pass_link_step(&mut self, by: Peer, to: SessionId, step: LinkSession) {
        let (holder, newcomer) = if is_by_holder(step.step) { (by.session, to) } else { (to, by.session) };
        let ends = Ends { holder, newcomer };
        if begins(step.step)
            && let Some(reason) = self.why_not_relayed(by, ends)
        {
            return self.refuse_to_relay(by, to, reason);
        }
        if !self.linking.relayed.take(ends, step.step, self.cx.now.moment) {
            return self.cx.dropped(DropReason::LinkStepUnasked);
        }
        match self.peers.connections.up(&to) {
            Some(conn) => {
                let passed = RelayedStep { session: by.session, passed_on: true, step };
                self.cx.send(conn, Control::RelayedStep(passed));
            }
            None => self.refuse_to_relay(by, to, refusal::ABSENT),
        }
    }

    /// Answers a step in the place of the session that it was for.
    fn refuse_to_relay(&mut self, by: Peer, to: SessionId, reason: u8) {
        let step = LinkSession { reason: Some(reason), ..LinkSession::empty(link_step::REFUSE) };
        self.cx.send(by.conn, Control::RelayedStep(RelayedStep { session: to, passed_on: true, step }));
    }

    /// Sends a step to the other side.
    pub(super) fn send_link_step(&mut self, party: Party, step: LinkSession) {
        let session = party.session;
        match (party.relay, self.peers.connections.up(&session)) {
            (Some(relay), _) => {
                self.cx.send(relay, Control::RelayedStep(RelayedStep { session, passed_on: false, step }));
            }
            (None, Some(conn)) => self.cx.send(conn, Control::LinkSession(step)),
            (None, None) => {}
        }
    }

    /// A session that waits to be linked, is not connected, and may be asked through a relay, which has not been asked for it.
    pub(super) fn behind_a_relay(&self, attempt: &Attempt) -> Option<Party> {
        let now = self.cx.now.moment;
        let up = self.peers.connections.iter_up().filter(|peer| self.people.is_carrier(&peer.session));
        let carriers: Vec<ConnId> = up.map(|peer| peer.conn).collect();
        self.absent_waiting(&attempt.invitation).into_iter().find_map(|session| {
            let relay = carriers.iter().find(|relay| attempt.may_try_through(**relay, &session, now))?;
            Some(Party::behind(*relay, session))
        })
    }

    /// The sessions that may show an invitation and are not connected.
    fn absent_waiting(&self, invitation: &Invitation) -> Vec<SessionId> {
        let mut sessions = match invitation {
            Invitation::Token(token) => vec![token.session],
            Invitation::Code(_) => {
                let rosters = self.waiting_users().into_iter().filter_map(|user| self.people.users.roster(&user));
                rosters.flat_map(|roster| roster.sessions.iter().map(|entry| entry.id).collect::<Vec<_>>()).collect()
            }
        };
        sessions.retain(|session| self.peers.connections.up(session).is_none());
        sessions
    }

    /// Why a neighbour may not begin an exchange through this node.
    fn why_not_relayed(&mut self, by: Peer, ends: Ends) -> Option<u8> {
        let now = self.cx.now.moment;
        let addr = self.peers.connections.get(&by.conn)?.addr;
        if !self.linking.asks.draw(origins::address(addr.ip()), now) || !self.linking.relayed.has_room(ends, now) {
            self.cx.dropped(DropReason::LinkOverBudget);
            return Some(refusal::BUSY);
        }
        let is_there = self.cx.is_carrier() && self.peers.connections.waits(&ends.newcomer);
        (!is_there).then_some(refusal::ABSENT)
    }
}
