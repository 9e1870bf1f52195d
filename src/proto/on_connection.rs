//! Connections come, say hello, and go.

use std::net::SocketAddr;

use super::Core;
use super::dials::{Dial, Purpose};
use super::event::{CloseReason, Connected, Output};
use super::limits::{
    HELLO_DEADLINE, LOST_GRACE, MAX_NEIGHBOURS, MAX_NEIGHBOURS_RELAY, MAX_SEQ_JUMP, MAX_SEQ_JUMPS, SETTLED,
};
use super::memory::Provenance;
use super::neighbours::{Left, Neighbour, Verdict};
use super::view::{Notice, Via, WarningCode};
use crate::id::{ConnId, SessionId, UserId};
use crate::identity::{Checked, Refused};
use crate::time::Moment;
use crate::wire::control::{Control, Hello, RequestUserList};
use crate::wire::record::{Declaration, KeyCard, Roster, roles};

/// What a hello says of who says it.
type Introduction = (Checked<Roster>, Checked<Declaration>, Option<Checked<KeyCard>>);

impl Core {
    pub(super) fn on_connected(&mut self, new: Connected) {
        let dial = new.dial.and_then(|id| self.dials.finish(&id));
        if new.session == self.session {
            self.out.push(Output::Close { conn: new.conn, reason: CloseReason::Myself });
            self.fail_ping(dial.as_ref(), "that address is my own");
            return;
        }
        if self.stopping || !self.has_room_for(&new.session) {
            self.out.push(Output::Close { conn: new.conn, reason: CloseReason::Surplus });
            return;
        }
        let rtt_ms = new.rtt.as_secs_f64() * 1000.0;
        let mut whom = None;
        if let Some(Dial { purpose: Purpose::Ping { line, whom: user }, .. }) = &dial {
            whom = *user;
            self.pings.answered((*line, whom), new.addr, new.session, rtt_ms, self.now.moment);
        }
        if let Some(Dial { purpose: Purpose::Bootstrap, addr, .. }) = &dial {
            whom = self.expected.get(addr).copied();
            self.bootstrapped.insert(*addr, new.session);
            self.bootstrap.found(addr, self.now.moment);
        }
        let reached = dial.as_ref().map_or(new.addr, |dial| dial.addr);
        self.nearby.meet(&(new.boot, reached), new.session);
        let neighbour = Neighbour {
            session: new.session,
            boot: new.boot,
            addr: new.addr,
            mine: new.dial.is_some(),
            since: self.now.moment,
            user: None,
            whom,
            strikes: 0,
            probe: None,
            replaces: Vec::new(),
            handed_back: 0,
        };
        match self.neighbours.admit(new.conn, neighbour) {
            Verdict::Duplicate => {
                self.out.push(Output::Close { conn: new.conn, reason: CloseReason::Duplicate });
                self.answer_pings(&new.session);
                self.show_nearby_session(&new.session);
            }
            Verdict::Keep(closed) => {
                self.send_hello(new.conn, &new.session, new.addr);
                closed.into_iter().for_each(|conn| self.close(conn, CloseReason::Duplicate));
            }
        }
    }

    /// At the bound, who has not said hello makes room for somebody known to be wanted, the oldest first; then a stranger does.
    fn has_room_for(&mut self, session: &SessionId) -> bool {
        if self.neighbours.count() < self.max_neighbours() {
            return true;
        }
        let wanted = self.sessions.get(session).is_some_and(|known| self.links.wants(&known.user));
        let dispensable = self.neighbours.dispensable(|user| self.links.wants(user) || *user == self.config.user);
        let Some(conn) = dispensable.filter(|_| wanted) else {
            self.drop_counted("connection beyond the bound");
            return false;
        };
        self.close(conn, CloseReason::Surplus);
        true
    }

    /// The other side has said who it is.
    pub(super) fn on_hello(&mut self, conn: ConnId, hello: Hello) {
        let Some(neighbour) = self.neighbours.get(&conn) else { return };
        if neighbour.user.is_some() {
            self.drop_counted("second hello");
            return self.close(conn, CloseReason::Protocol);
        }
        let (session, addr, mine, whom) = (neighbour.session, neighbour.addr, neighbour.mine, neighbour.whom);
        let Ok((roster, declaration, card)) = self.check_hello(&hello, &session) else {
            self.drop_counted("bad hello");
            return self.close(conn, CloseReason::Protocol);
        };
        let user = roster.user;
        if self.links.is_blocked(&user) {
            return self.close(conn, CloseReason::Blocked);
        }
        if let Some(whom) = whom.filter(|whom| *whom != user) {
            return self.refuse_another(conn, &session, addr, whom);
        }
        self.learn_roster(roster);
        // A newer one may be known than the hello brings.
        if !self.users.admits(&user, &session) {
            self.drop_counted("bad hello");
            return self.close(conn, CloseReason::Protocol);
        }
        // A session that has spoken for somebody else does so no more.
        for other in self.neighbours.speaking_for_another(&session, &user) {
            self.close(other, CloseReason::Duplicate);
        }
        self.sessions.hear(session, user, self.now.moment);
        self.sessions.declare(declaration, self.now.moment);
        card.map(|card| self.sessions.take_card(card, self.now.moment));
        let provenance = if mine { Provenance::Answered } else { Provenance::Observed };
        self.sessions.note_address(&session, addr, provenance, self.now.moment);
        for addr in self.nearby.addresses(&session) {
            self.sessions.note_address(&session, addr, Provenance::Lan, self.now.moment);
        }
        self.save_session(&session);
        let replaced = self.neighbours.set_up(conn, user);
        self.heed_seq(hello.known_seq, &user);
        self.come_up(conn, session, user);
        replaced.into_iter().for_each(|conn| self.close(conn, CloseReason::Duplicate));
    }

    /// Only one user will do at that address, and another one answers.
    fn refuse_another(&mut self, conn: ConnId, session: &SessionId, addr: SocketAddr, whom: UserId) {
        self.pings.take(session).iter().for_each(|ping| self.pings.meet_another(ping.line));
        if self.expected.contains_key(&addr) {
            let message = format!("somebody else answers at {addr}, where {} was to be", self.users.handle(&whom));
            self.warn_once(whom, WarningCode::NameClash, message);
        }
        self.close(conn, CloseReason::Surplus);
    }

    fn check_hello(&mut self, hello: &Hello, session: &SessionId) -> Result<Introduction, Refused> {
        let roster: Checked<Roster> = Checked::open(&hello.roster, &self.verifier)?;
        let declaration: Checked<Declaration> = Checked::open(&hello.declaration, &self.verifier)?;
        let card: Option<Checked<KeyCard>> =
            hello.card.as_ref().map(|card| Checked::open(card, &self.verifier)).transpose()?;
        let whole = declaration.session == *session
            && declaration.user == roster.user
            && card.as_ref().is_none_or(|card| card.session == *session && card.user == roster.user)
            && roster.admits(session);
        if whole { Ok((roster, declaration, card)) } else { Err(Refused::Unsound) }
    }

    /// A session can be talked to: everybody it concerns learns of it.
    fn come_up(&mut self, conn: ConnId, session: SessionId, user: UserId) {
        self.wanted.found(&user, self.now.moment);
        self.answer_pings(&session);
        self.outbox.open_lane(user, session, self.now.moment);
        self.inbox.owe_all(user, session, self.config.user);
        self.show_online(session, user);
        if self.links.wants(&user) {
            self.send_links(conn, 0, false);
        }
        if self.links.wanted().next().is_none() && user != self.config.user {
            let message = RequestUserList { id: self.myself.declaration.seq, user: self.config.user };
            self.send_control(conn, Control::RequestUserList(message));
        }
        self.show_nearby(conn);
        self.retry_lookups();
        self.send_receipts();
        self.pump(&user);
    }

    /// Tells the faces that a session of a linked user is there.
    pub(super) fn show_online(&mut self, session: SessionId, user: UserId) {
        let concerns = self.links.is_link(&user) || user == self.config.user;
        if !concerns || self.neighbours.up(&session).is_none() {
            return;
        }
        self.nearby.hide(&session);
        if self.presence.came(session, user) {
            let user_handle = self.users.handle(&user);
            let notice = Notice::Online { user: user_handle, id: user, session, via: Via::Direct };
            self.notice_after_store(None, notice);
        }
    }

    /// Somebody knows a higher seq of mine: a restored backup jumps over it; if it repeats, somebody else has my key. It is
    /// a mere claim, so a jump is bounded, and strangers raise no alarm.
    fn heed_seq(&mut self, known: Option<u64>, user: &UserId) {
        let Some(known) = known.filter(|known| *known > self.count.seq()) else { return };
        if known - self.count.seq() > MAX_SEQ_JUMP {
            return self.drop_counted("seq too far ahead");
        }
        if !self.links.wants(user) && *user != self.config.user {
            self.myself.strange_seq_jumps += 1;
            if self.myself.strange_seq_jumps >= MAX_SEQ_JUMPS {
                return self.drop_counted("seq claimed by a stranger");
            }
        } else {
            self.myself.seq_jumps += 1;
        }
        if self.myself.seq_jumps >= MAX_SEQ_JUMPS {
            let name = self.users.handle(user);
            let message = format!("{name} has heard somebody else speak with this session's key; make a new session");
            return self.warn_once(self.config.user, WarningCode::ClonedKey, message);
        }
        self.count.jump_seq(known);
        self.renew_card();
    }

    pub(super) fn on_closed(&mut self, conn: ConnId) {
        let Some((gone, left)) = self.neighbours.remove(&conn) else { return };
        self.bootstrap_again(&gone.session);
        // It may have shown that whoever is connected by another way is on the link.
        let Some(user) = gone.user else { return self.show_nearby_session(&gone.session) };
        match left {
            Left::Spare => {}
            Left::Other => {
                self.outbox.open_lane(user, gone.session, self.now.moment);
                self.pump(&user);
            }
            Left::None => self.go_missing(gone.session, user, gone.since),
        }
    }

    /// A session cannot be reached any more.
    fn go_missing(&mut self, session: SessionId, user: UserId, since: Moment) {
        self.outbox.close_lane(&user, &session);
        // One that has answered a handshake meanwhile is there, and has the time to say hello.
        let grace = if self.neighbours.has(&session) { HELLO_DEADLINE } else { LOST_GRACE };
        self.presence.missing(&session, self.now.moment + grace);
        self.sessions.hear(session, user, self.now.moment);
        self.save_session(&session);
        if self.nearby.announces(&session) {
            let places = self.nearby.lose(&session, self.now.moment);
            // A door that was closed at once is not knocked at again before the link shows it again.
            if self.now.moment.since(since) > SETTLED {
                for (boot, addr) in places {
                    self.dial(Dial { addr, purpose: Purpose::Sighting(boot) }, None);
                }
            }
        } else {
            self.hide_nearby(&session);
        }
        self.seek_if_wanted(user);
        self.forget_if_strange(&user);
    }

    /// People of the local link are not kept when they are gone.
    pub(super) fn forget_if_strange(&mut self, user: &UserId) {
        let connected = !self.neighbours.of_user(user).is_empty();
        if self.kept.contains(user) || connected || self.nearby.shows(user) || self.outbox.waits_for(user) {
            return;
        }
        for session in self.sessions.of_user(user).collect::<Vec<_>>() {
            self.sessions.forget(&session);
        }
        self.users.forget(user);
    }

    fn max_neighbours(&self) -> usize {
        if self.is_super() { MAX_NEIGHBOURS_RELAY } else { MAX_NEIGHBOURS }
    }

    /// A relay or a server.
    pub(super) fn is_super(&self) -> bool {
        self.config.roles & (roles::RELAY | roles::SERVER) != 0
    }
}
