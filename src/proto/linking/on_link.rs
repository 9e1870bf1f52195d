//! The side of linking that holds the user key: finds the session that shows the code, proves that it knows it, and signs the
//! session into the roster.

use crate::id::{ConnId, SessionId, UserId};
use crate::identity::Name;
use crate::identity::invitation::Invitation;
use crate::identity::pake::{Binding, Channel, Exchange, Keys, Side};
use crate::proto::Core;
use crate::proto::drops::DropReason;
use crate::proto::limits::{LINK_AWAIT, LINK_REDIAL};
use crate::proto::linking::Awaited;
use crate::proto::linking::attempt::Attempt;
use crate::proto::notice::{ErrorCode, Notice};
use crate::proto::peer::{Party, Peer};
use crate::proto::peers::dials::{Dial, Purpose};
use crate::wire::codec::{Bytes, Fixed, List};
use crate::wire::link::{LinkSession, MAX_WELCOME_PAGES, Newcomer, WAITING_NAME, Welcome, link_step, refusal};
use crate::wire::record::{MAX_LABEL, MAX_SESSIONS, RosterSession};
use crate::wire::{decode, encode};

/// Why a command cannot be carried out: the code and the message to display.
type Failed = (ErrorCode, String);

impl Core {
    /// Handles a step of linking on a connection with the other side.
    pub(in crate::proto) fn on_link_step(&mut self, peer: Peer, step: LinkSession) {
        self.on_step_of(Party::direct(peer.session), peer.conn, step);
    }

    /// Handles a step of the other side that has come on this connection.
    pub(super) fn on_step_of(&mut self, party: Party, conn: ConnId, step: LinkSession) {
        match step {
            LinkSession { step: link_step::BY_CODE, share: Some(share), .. } => {
                self.on_asked(party, conn, false, &share.0)
            }
            LinkSession { step: link_step::BY_TOKEN, share: Some(share), .. } => {
                self.on_asked(party, conn, true, &share.0)
            }
            LinkSession { step: link_step::CONFIRM, confirmation: Some(proof), .. } => self.on_proof(party, &proof.0),
            LinkSession { step: link_step::WELCOME, sealed: Some(sealed), .. } => self.on_welcome(party, &sealed),
            LinkSession { step: link_step::ANSWER, share: Some(share), .. } => self.on_answered(party, &share.0),
            LinkSession { step: link_step::ACCEPT, confirmation: Some(proof), sealed: Some(sealed), .. } => {
                self.on_accepted(party, &proof.0, &sealed);
            }
            LinkSession { step: link_step::REFUSE, reason, .. } => {
                self.on_exchange_ended(party, reason.unwrap_or_default());
            }
            _ => self.cx.dropped(DropReason::LinkStepUnasked),
        }
    }

    /// Carries linking on after an input.
    pub(in crate::proto) fn advance_linking(&mut self) {
        if let Some((line, invitation)) = self.linking.requested.take()
            && let Err((code, message)) = self.begin_link(line, invitation)
        {
            self.cx.notice(line, Notice::Error { code, message });
        }
        self.advance_attempt();
        self.repeat_welcome();
        self.dial_awaited();
        self.advance_waiting();
    }

    /// Begins to link the session that shows this invitation.
    ///
    /// # Errors
    ///
    /// The user key is not here, another `\link` runs, there is no room on the roster, or the token is of a session that has a
    /// user.
    fn begin_link(&mut self, line: Option<u64>, invitation: Invitation) -> Result<(), Failed> {
        self.refuse_to_link(&invitation)?;
        if let Invitation::Token(token) = &invitation {
            let (session, addrs) = (token.session, token.addrs.clone());
            let dialled = addrs.into_iter().filter(|_| !self.peers.connections.has(&session)).collect::<Vec<_>>();
            for addr in dialled {
                self.dial(Dial { addr, purpose: Purpose::Link }, Some(session));
            }
        }
        self.peers.dials.link_met_stranger = false;
        self.linking.attempt = Some(Attempt::new(line, invitation, self.cx.now.moment));
        self.start_find(WAITING_NAME);
        Ok(())
    }

    fn refuse_to_link(&self, invitation: &Invitation) -> Result<(), Failed> {
        let roster = &self.people.myself.roster;
        self.people.require_user_key(&self.cx, "\\link")?;
        if self.linking.attempt.is_some() {
            return Err((ErrorCode::TooMany, "another \\link is running; wait until it is answered".to_owned()));
        }
        if roster.sessions.len() >= MAX_SESSIONS {
            let message = format!("you have {MAX_SESSIONS} sessions already; unlink one first");
            return Err((ErrorCode::TooMany, message));
        }
        match invitation {
            Invitation::Token(token) if token.session == self.cx.me => {
                Err((ErrorCode::BadArgument, "this is a token of this session itself".to_owned()))
            }
            Invitation::Token(token) if roster.sessions.iter().any(|entry| entry.id == token.session) => {
                Err((ErrorCode::BadArgument, "this session is linked with yours already".to_owned()))
            }
            invitation if self.linking.used.as_ref() == Some(invitation) => Err((
                ErrorCode::CodeExpired,
                "a session was linked by it already; run `darknode link` on the next machine and type what that shows"
                    .to_owned(),
            )),
            _ => Ok(()),
        }
    }

    /// Looks for sessions that wait, tries the next one, and gives up in the end.
    fn advance_attempt(&mut self) {
        let now = self.cx.now.moment;
        self.follow_connection();
        let Some(attempt) = &mut self.linking.attempt else { return };
        attempt.met_stranger |= self.peers.dials.link_met_stranger;
        attempt.expire(now);
        attempt.begin_round(now);
        self.reach_waiting();
        self.try_next();
    }

    /// Goes on on another connection with the same session if that of the exchange is gone, because of two connections one is
    /// closed. Otherwise the exchange is over.
    fn follow_connection(&mut self) {
        let Some(attempt) = &mut self.linking.attempt else { return };
        let connections = &self.peers.connections;
        let Some((party, _)) = attempt.current().filter(|(_, conn)| connections.get(conn).is_none()) else { return };
        let other = connections.up(&party.session).filter(|_| party.relay.is_none());
        match other.and_then(|conn| attempt.move_to(conn)) {
            Some(confirmation) => self.send_proof(party, confirmation),
            None => attempt.interrupt(),
        }
    }

    /// Dials the users who are known to wait and not connected, and asks servers to introduce them.
    fn reach_waiting(&mut self) {
        for user in self.waiting_users() {
            let is_absent = self.peers.connections.of_user(&user).is_empty();
            let Some(attempt) = self.linking.attempt.as_mut().filter(|_| is_absent) else { continue };
            if attempt.is_to_be_reached(user) {
                self.dial_user(&user);
                self.ask_servers_for(&user);
            }
        }
    }

    /// The users who are known and may be those of sessions that wait.
    pub(super) fn waiting_users(&self) -> Vec<UserId> {
        let folded = Name::parse(WAITING_NAME).expect("it is a name").folded();
        self.people.users.matching(Some(&folded), None).collect()
    }

    /// Begins an exchange with the nearest session that waits to be linked, or with one behind a relay, unless one is being
    /// tried.
    fn try_next(&mut self) {
        let Some(attempt) = &self.linking.attempt else { return };
        let up = self.peers.connections.iter_up().filter(|peer| attempt.may_try(&peer.session));
        let waiting = up.filter_map(|peer| Some((self.peers.connections.get(&peer.conn)?, peer)));
        let nearest = waiting.filter(|(neighbour, _)| neighbour.waits).min_by_key(|(neighbour, _)| neighbour.rtt);
        let direct = nearest.map(|(_, peer)| Party::direct(peer.session));
        if let Some(party) = direct.or_else(|| self.behind_a_relay(attempt)) {
            self.ask_to_link(party);
        } else if attempt.is_over(self.cx.now.moment) {
            self.give_up_link();
        }
    }

    fn ask_to_link(&mut self, party: Party) {
        let Some(conn) = party.relay.or_else(|| self.peers.connections.up(&party.session)) else { return };
        let Some(binding) = self.binding(party, conn, Side::Holder) else { return };
        let Some(attempt) = &mut self.linking.attempt else { return };
        let password = attempt.invitation.password();
        let (exchange, share) = Exchange::start(&password, Side::Holder, &binding, &mut self.cx.rng);
        attempt.begin(party, conn, exchange, self.cx.now.moment);
        let step = match attempt.invitation {
            Invitation::Code(_) => link_step::BY_CODE,
            Invitation::Token(_) => link_step::BY_TOKEN,
        };
        let ask = LinkSession { share: Some(Fixed(share)), ..LinkSession::empty(step) };
        self.send_link_step(party, ask);
    }

    /// What an exchange is bound to that begins on this connection, with this session on this side.
    pub(super) fn binding(&self, party: Party, conn: ConnId, side: Side) -> Option<Binding> {
        let exporter = self.peers.connections.get(&conn)?.exporter;
        let channel = if party.relay.is_some() { Channel::Relayed } else { Channel::Direct(exporter) };
        let (holder, newcomer) = match side {
            Side::Holder => (self.cx.me, party.session),
            Side::Newcomer => (party.session, self.cx.me),
        };
        Some(Binding { network: self.cx.config.network, channel, holder, newcomer })
    }

    fn on_answered(&mut self, party: Party, share: &[u8; 32]) {
        let now = self.cx.now.moment;
        let confirmation = self.linking.attempt.as_mut().and_then(|attempt| attempt.answered(party, share, now));
        match confirmation {
            Some(confirmation) => self.send_proof(party, confirmation),
            None => self.cx.dropped(DropReason::LinkStepUnasked),
        }
    }

    fn send_proof(&mut self, party: Party, confirmation: [u8; 32]) {
        let proof = LinkSession { confirmation: Some(Fixed(confirmation)), ..LinkSession::empty(link_step::CONFIRM) };
        self.send_link_step(party, proof);
    }

    fn on_accepted(&mut self, party: Party, confirmation: &[u8; 32], sealed: &[u8]) {
        let Some(attempt) = &mut self.linking.attempt else { return self.cx.dropped(DropReason::LinkStepUnasked) };
        if attempt.current().is_none_or(|(current, _)| current != party) {
            return self.cx.dropped(DropReason::LinkStepUnasked);
        }
        let Some(keys) = attempt.accepted(party, confirmation) else {
            self.cx.dropped(DropReason::LinkStepUnasked);
            attempt.refused = Some(refusal::WRONG);
            return self.try_next();
        };
        let newcomer = keys.open(sealed).and_then(|payload| decode::<Newcomer>(&payload).ok());
        let Some(newcomer) = newcomer else { return self.give_up_link() };
        let Some(Attempt { line, invitation, .. }) = self.end_attempt() else { return };
        self.linking.used = Some(invitation);
        if let Err((code, message)) = self.admit_newcomer(line, party, &newcomer.label, &keys) {
            self.cx.notice(line, Notice::Error { code, message });
        }
    }

    /// Signs a session whose proof holds into the roster, and sends it what it starts with.
    fn admit_newcomer(&mut self, line: Option<u64>, party: Party, label: &str, keys: &Keys) -> Result<(), Failed> {
        let roster = &self.people.myself.roster;
        if roster.sessions.len() >= MAX_SESSIONS || roster.revoked.contains(&party.session) {
            return Err((ErrorCode::TooMany, "there is no place for another session; unlink one first".to_owned()));
        }
        let label = unused_label(label, &roster.sessions);
        self.admit_session(party.session, label, line);
        let myself = &self.people.myself;
        let links = myself.links.iter().take(MAX_WELCOME_PAGES).map(|page| page.signed().clone()).collect();
        let welcome = Welcome {
            roster: myself.roster.signed().clone(),
            declaration: myself.declaration.signed().clone(),
            card: myself.card.signed().clone(),
            links: List(links),
        };
        let sealed = Some(Bytes(keys.seal(&encode(&welcome))));
        let welcome = LinkSession { sealed, ..LinkSession::empty(link_step::WELCOME) };
        self.send_link_step(party, welcome.clone());
        let direct = self.peers.connections.up(&party.session).filter(|_| party.relay.is_none());
        if let Some((conn, neighbour)) = direct.and_then(|conn| Some((conn, self.peers.connections.get(&conn)?))) {
            let (now, session) = (self.cx.now.moment, party.session);
            let (dial_at, until) = (now + LINK_REDIAL, now + LINK_AWAIT);
            let welcome = (welcome, conn);
            self.linking.awaited = Some(Awaited { session, welcome, addr: neighbour.addr, dial_at, until });
        }
        Ok(())
    }

    /// Ends the `\link` that is being carried out, and forgets the sessions that were remembered for it.
    fn end_attempt(&mut self) -> Option<Attempt> {
        let attempt = self.linking.attempt.take();
        for user in self.waiting_users() {
            self.forget_if_unneeded(&user);
        }
        attempt
    }

    /// Ends the exchange with a session, and tries the next one.
    fn on_exchange_ended(&mut self, party: Party, reason: u8) {
        let Some(attempt) = &mut self.linking.attempt else { return };
        if attempt.end(party, reason) {
            self.try_next();
        }
    }

    /// Sends the session that was linked last what it starts with once more, if the connection on which that was sent is gone
    /// and it still waits on another one.
    fn repeat_welcome(&mut self) {
        let connections = &self.peers.connections;
        let Some(awaited) = &mut self.linking.awaited else { return };
        let session = awaited.session;
        let is_lost = connections.get(&awaited.welcome.1).is_none() && connections.waits(&session);
        let Some(conn) = connections.up(&session).filter(|_| is_lost) else { return };
        awaited.welcome.1 = conn;
        let welcome = awaited.welcome.0.clone();
        self.send_link_step(Party::direct(session), welcome);
    }

    /// Dials the session that was linked last until it has come back.
    fn dial_awaited(&mut self) {
        let (now, me) = (self.cx.now.moment, self.cx.config.user);
        let Some(awaited) = self.linking.awaited.take_if(|awaited| awaited.dial_at <= now) else { return };
        let (session, addr) = (awaited.session, awaited.addr);
        let is_back = self.peers.connections.up_peer(&session).is_some_and(|peer| peer.user == me);
        if is_back || awaited.until <= now {
            return;
        }
        self.linking.awaited = Some(Awaited { dial_at: now + LINK_REDIAL, ..awaited });
        if self.peers.connections.up(&session).is_none() {
            self.dial(Dial { addr, purpose: Purpose::Link }, Some(session));
        }
    }

    fn give_up_link(&mut self) {
        let Some(attempt) = self.end_attempt() else { return };
        let (code, message) = match attempt.refused {
            Some(refusal::WRONG) => (
                ErrorCode::CodeWrong,
                "this is not the code that the other machine shows; it shows a new one now, type that",
            ),
            Some(refusal::EXPIRED) => (
                ErrorCode::CodeExpired,
                "this code is not valid any more; type the one that the other machine shows now",
            ),
            Some(_) => (ErrorCode::Unreachable, "the other machine has broken off; try again"),
            None if attempt.met_stranger => {
                (ErrorCode::Unreachable, "the other machine is in another network; give it this one's --network-key")
            }
            None if attempt.has_found() => (
                ErrorCode::Unreachable,
                "the other machine was found, but there is no way to it: neither a direct one, nor a server with which both \
                 are connected; start both with --bootstrap of one server",
            ),
            None => (
                ErrorCode::Unreachable,
                "no session that waits to be linked was found; run `darknode link` on the other machine, with \
                 --bootstrap if it is on another network, and type the token if the code does not find it",
            ),
        };
        self.cx.notice(attempt.line, Notice::Error { code, message: message.to_owned() });
    }

    /// Dials the other sessions of the local user at the addresses where they were last.
    pub(in crate::proto) fn dial_own_sessions(&mut self) {
        let me = self.cx.config.user;
        let others: Vec<SessionId> =
            self.people.sessions.of_user(&me).filter(|session| *session != self.cx.me).collect();
        others.into_iter().for_each(|session| self.dial_session(session));
    }
}

/// The label, or the label with a number behind it, that no session on the roster has. It can be typed as one word.
fn unused_label(wanted: &str, sessions: &[RosterSession]) -> String {
    let typed: String = wanted.chars().map(|c| if c.is_whitespace() || c.is_control() { '-' } else { c }).collect();
    let base = if typed.is_empty() { "session".to_owned() } else { typed };
    let is_used = |label: &str| sessions.iter().any(|entry| *entry.label == *label);
    let numbered = (2..).map(|n| format!("-{n}")).map(|end| {
        let mut label = base.clone();
        while label.len() + end.len() > MAX_LABEL {
            label.pop();
        }
        label + &end
    });
    std::iter::once(base.clone()).chain(numbered).find(|label| !is_used(label)).expect("a roster has few sessions")
}
