//! Connections come, say hello, and go; the local link shows people; addresses change.

use std::net::SocketAddr;

use super::Core;
use super::dials::{Dial, Purpose};
use super::event::{CloseReason, Connected, DialFailure, Output};
use super::limits::{
    MAX_NEARBY_KEPT, MAX_NEIGHBOURS, MAX_NEIGHBOURS_RELAY, MAX_SEQ_JUMP, MAX_SEQ_JUMPS, PROBE_DEADLINE,
};
use super::memory::Provenance;
use super::neighbours::{Left, Neighbour, Verdict};
use super::view::{ErrorCode, Notice, Via, WarningCode};
use crate::id::{BootId, ConnId, DialId, SessionId, UserId};
use crate::identity::{Checked, Refused};
use crate::wire::control::{Control, Hello, RequestPing, RequestUserList};
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
        if let Some(Dial { purpose: Purpose::Ping { line }, .. }) = &dial {
            self.pings.answered(*line, new.addr, new.session, rtt_ms, self.now.moment);
        }
        if let Some(Dial { purpose: Purpose::Bootstrap, addr, .. }) = &dial {
            self.bootstrapped.insert(*addr, new.session);
            self.bootstrap.found(addr, self.now.moment);
        }
        self.nearby.meet(new.boot, new.session);
        let neighbour = Neighbour {
            session: new.session,
            boot: new.boot,
            addr: new.addr,
            mine: new.dial.is_some(),
            since: self.now.moment,
            user: None,
            strikes: 0,
            probe: None,
            handed_back: 0,
        };
        match self.neighbours.admit(new.conn, neighbour) {
            Verdict::Duplicate => {
                self.out.push(Output::Close { conn: new.conn, reason: CloseReason::Duplicate });
                self.answer_pings(&new.session);
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
        let (session, addr, mine) = (neighbour.session, neighbour.addr, neighbour.mine);
        let Ok((roster, declaration, card)) = self.check_hello(&hello, &session) else {
            self.drop_counted("bad hello");
            return self.close(conn, CloseReason::Protocol);
        };
        let user = roster.user;
        if self.links.is_blocked(&user) {
            return self.close(conn, CloseReason::Blocked);
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
        self.neighbours.set_up(conn, user);
        self.heed_seq(hello.known_seq, &user);
        self.come_up(conn, session, user);
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

    /// Shows somebody of the local link, and lets go of connections that nobody needs.
    pub(super) fn show_nearby(&mut self, conn: ConnId) {
        let Some(neighbour) = self.neighbours.get(&conn) else { return };
        let (session, addr) = (neighbour.session, neighbour.addr);
        let announced = self.nearby.meet(neighbour.boot, session);
        let Some(user) = neighbour.user.filter(|user| !self.links.wants(user) && *user != self.config.user) else {
            return;
        };
        let local = announced || is_on_link(&addr);
        if local && self.nearby.show(session, user) {
            let notice = Notice::Nearby { user: self.users.handle(&user), id: user, session };
            self.notice(None, notice);
        }
        let strangers = self.neighbours.iter_up().filter(|(_, _, user)| !self.links.wants(user)).count();
        let needed = self.bootstrapped.values().any(|kept| *kept == session) || self.is_super();
        if strangers > MAX_NEARBY_KEPT && !needed && !self.outbox.waits_for(&user) {
            self.close(conn, CloseReason::Surplus);
        }
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
        let Some(user) = gone.user else { return };
        match left {
            Left::Spare => {}
            Left::Other => {
                self.outbox.open_lane(user, gone.session, self.now.moment);
                self.pump(&user);
            }
            Left::None => self.go_missing(gone.session, user),
        }
    }

    /// A session cannot be reached any more.
    fn go_missing(&mut self, session: SessionId, user: UserId) {
        self.outbox.close_lane(&user, &session);
        self.presence.missing(&session, self.now.moment);
        self.sessions.hear(session, user, self.now.moment);
        self.save_session(&session);
        if self.nearby.announces(&session) {
            for (boot, addr) in self.nearby.lose(&session, self.now.moment) {
                self.dial(Dial { addr, purpose: Purpose::Sighting(boot) }, None);
            }
        } else {
            self.hide_nearby(&session);
        }
        self.seek_if_wanted(user);
        self.forget_if_strange(&user);
    }

    fn hide_nearby(&mut self, session: &SessionId) {
        if let Some(user) = self.nearby.hide(session) {
            let notice = Notice::Away { user: self.users.handle(&user), id: user, session: *session };
            self.notice(None, notice);
            self.forget_if_strange(&user);
        }
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

    pub(super) fn on_dial_failed(&mut self, dial: DialId, failure: DialFailure) {
        let Some(dial) = self.dials.finish(&dial) else { return };
        if let DialFailure::Met(met) = failure
            && let Some(user) = self.sessions.get(&met).map(|session| session.user)
        {
            self.sessions.note_address(&met, dial.addr, Provenance::Answered, self.now.moment);
            self.wanted.news(&user, self.now.moment);
        }
        match dial.purpose {
            Purpose::Ping { line } => {
                let message = match failure {
                    DialFailure::Stranger => format!("{} answers, but is not of this network", dial.addr),
                    _ => format!("nobody answers at {}", dial.addr),
                };
                self.notice(line, Notice::Error { code: ErrorCode::Unreachable, message });
            }
            Purpose::Sighting(boot) => {
                let silent = self.nearby.silent(&boot).filter(|session| self.neighbours.up(session).is_none());
                silent.iter().for_each(|session| self.hide_nearby(session));
            }
            Purpose::Seek(_) | Purpose::Bootstrap => {}
        }
    }

    fn fail_ping(&mut self, dial: Option<&Dial>, why: &str) {
        if let Some(Dial { purpose: Purpose::Ping { line }, .. }) = dial {
            self.notice(*line, Notice::Error { code: ErrorCode::BadAddress, message: why.to_owned() });
        }
    }

    /// `\ping` is answered once the hello has told whose session it is.
    fn answer_pings(&mut self, session: &SessionId) {
        let known = self.neighbours.up(session).and_then(|conn| self.neighbours.get(&conn)).and_then(|n| n.user);
        let Some(user) = known else { return };
        for ping in self.pings.take(session) {
            let handle = self.users.handle(&user);
            let pong = Notice::Pong { addr: ping.addr, user: handle, id: user, session: *session, rtt_ms: ping.rtt_ms };
            self.notice(ping.line, pong);
        }
    }

    pub(super) fn on_sighted(&mut self, boot: BootId, addrs: Vec<SocketAddr>) {
        if boot == self.config.boot {
            return;
        }
        let known = self.neighbours.session_of(&boot);
        let dial = self.nearby.sight(boot, addrs, self.now.moment);
        if let Some(session) = known {
            // Whoever dialled me may have seen me on the link before I saw them.
            self.nearby.meet(boot, session);
            return self.neighbours.up(&session).into_iter().for_each(|conn| self.show_nearby(conn));
        }
        for addr in dial {
            self.dial(Dial { addr, purpose: Purpose::Sighting(boot) }, None);
        }
    }

    pub(super) fn on_unsighted(&mut self, boot: BootId) {
        if let Some(session) = self.nearby.unsight(boot)
            && self.neighbours.up(&session).is_none()
        {
            self.hide_nearby(&session);
        }
    }

    /// My addresses changed: tell everybody, and try everybody from here.
    pub(super) fn on_interfaces(&mut self, addrs: Vec<SocketAddr>) {
        if addrs == self.myself.addrs {
            return;
        }
        self.myself.addrs = addrs;
        self.declare(true);
        self.redial_accepted();
        self.try_everything();
    }

    /// A QUIC connection follows the side that dialled to a new address, not the side that accepted: where I accepted, I
    /// dial.
    fn redial_accepted(&mut self) {
        let up: Vec<(ConnId, UserId)> = self.neighbours.iter_up().map(|(_, conn, user)| (conn, user)).collect();
        for (conn, user) in up {
            let accepted = self.neighbours.get(&conn).is_some_and(|neighbour| !neighbour.mine);
            if accepted && self.links.wants(&user) {
                self.dial_user(&user);
            }
        }
    }

    /// The machine slept, or stands somewhere else: whoever does not answer now is gone, and everybody else is tried.
    pub(super) fn try_everything(&mut self) {
        self.probe_neighbours();
        self.wanted.news_for_all(&mut self.rng, self.now.moment);
        self.bootstrap.news_for_all(&mut self.rng, self.now.moment);
    }

    pub(super) fn on_bootstrap(&mut self, addrs: Vec<SocketAddr>) {
        for addr in addrs {
            let connected = self.bootstrapped.get(&addr).is_some_and(|session| self.neighbours.has(session));
            if !connected {
                self.bootstrap.want(addr, self.now.moment);
            }
        }
    }

    fn bootstrap_again(&mut self, session: &SessionId) {
        let lost: Vec<SocketAddr> =
            self.bootstrapped.iter().filter(|(_, kept)| *kept == session).map(|(addr, _)| *addr).collect();
        if !self.neighbours.has(session) {
            lost.into_iter().for_each(|addr| self.bootstrap.want(addr, self.now.moment));
        }
    }

    fn probe_neighbours(&mut self) {
        let up: Vec<(ConnId, UserId)> = self.neighbours.iter_up().map(|(_, conn, user)| (conn, user)).collect();
        for (conn, target) in up {
            let message = RequestPing {
                id: self.count.seq(),
                target,
                declaration: self.myself.declaration.signed().clone(),
                roster: None,
                hops: 0,
            };
            self.send_control(conn, Control::RequestPing(message));
            if let Some(neighbour) = self.neighbours.get_mut(&conn) {
                neighbour.probe.get_or_insert(self.now.moment + PROBE_DEADLINE);
            }
        }
    }

    pub(super) fn on_multicast_deaf(&mut self) {
        let message = "I do not hear my own announcement: multicast is blocked here; use \\ping IP or --bootstrap";
        self.warn_once(self.config.user, WarningCode::Multicast, message.to_owned());
    }

    /// Dials, unless it is my own address or there are enough dials.
    pub(super) fn dial(&mut self, dial: Dial, expect: Option<SessionId>) {
        let addr = dial.addr;
        if self.myself.addrs.contains(&addr) {
            return;
        }
        if let Some(id) = self.dials.start(dial) {
            self.out.after_store(Output::Dial { dial: id, addr, expect });
        }
    }

    fn max_neighbours(&self) -> usize {
        if self.is_super() { MAX_NEIGHBOURS_RELAY } else { MAX_NEIGHBOURS }
    }

    /// A relay or a server.
    pub(super) fn is_super(&self) -> bool {
        self.config.roles & (roles::RELAY | roles::SERVER) != 0
    }
}

/// Whether an address can only be of this link or this machine.
fn is_on_link(addr: &SocketAddr) -> bool {
    match addr.ip() {
        std::net::IpAddr::V4(ip) => ip.is_loopback() || ip.is_link_local(),
        std::net::IpAddr::V6(ip) => ip.is_loopback() || ip.is_unicast_link_local(),
    }
}
