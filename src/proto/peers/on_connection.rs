//! Connections come, say hello, and go.

use std::net::SocketAddr;
use std::time::Duration;

use crate::id::{Address, ConnId, SessionId, UserId};
use crate::identity::{Checked, Refused};
use crate::proto::Core;
use crate::proto::drops::DropReason;
use crate::proto::event::{CloseReason, Connected, Output};
use crate::proto::limits::{
    AWAY, HELLO_DEADLINE, LOST_GRACE, MAX_NEIGHBOURS, MAX_NEIGHBOURS_RELAY, MAX_SEQ_JUMP, MAX_SEQ_JUMPS, SETTLED,
};
use crate::proto::notice::WarningCode;
use crate::proto::peer::Peer;
use crate::proto::peers::connections::{Left, Neighbour, Verdict};
use crate::proto::peers::dials::{Dial, Purpose};
use crate::proto::persist::Provenance;
use crate::time::Moment;
use crate::wire::control::{Control, Hello, RequestUserList};
use crate::wire::record::{Declaration, KeyCard, Roster};

/// What a hello says of who says it.
type Introduction = (Checked<Roster>, Checked<Declaration>, Option<Checked<KeyCard>>);

impl Core {
    pub(in crate::proto) fn on_connected(&mut self, new: Connected) {
        let dial = new.dial.and_then(|id| self.peers.dials.finish(&id));
        if new.session == self.cx.me {
            self.cx.out.push(Output::Close { conn: new.conn, reason: CloseReason::Myself });
            self.fail_ping(dial.as_ref(), "that address is my own");
            return;
        }
        if self.cx.stopping || !self.has_room_for(&new.session) {
            self.cx.out.push(Output::Close { conn: new.conn, reason: CloseReason::Surplus });
            return;
        }
        let rtt_ms = new.rtt.as_secs_f64() * 1000.0;
        let mut whom = None;
        if let Some(Dial { purpose: Purpose::Ping { line, whom: user }, .. }) = &dial {
            whom = *user;
            self.peers.pings.answered((*line, whom), new.addr, new.session, rtt_ms, self.cx.now.moment);
        }
        if let Some(Dial { purpose: Purpose::Bootstrap, addr, .. }) = &dial {
            whom = self.peers.expected.get(addr).copied();
            self.peers.bootstrapped.insert(*addr, new.session);
            self.peers.bootstrap.found(addr, self.cx.now.moment);
        }
        let reached = dial.as_ref().map_or(new.addr, |dial| dial.addr);
        self.peers.nearby.meet(&(new.boot, reached), new.session);
        let neighbour = Neighbour {
            session: new.session,
            boot: new.boot,
            addr: new.addr,
            mine: new.dial.is_some(),
            since: self.cx.now.moment,
            user: None,
            whom,
            chosen: matches!(dial, Some(Dial { purpose: Purpose::Random(_), .. })),
            strikes: 0,
            probe: None,
            replaces: Vec::new(),
            handed_back: 0,
            receipts: 0,
        };
        match self.peers.connections.admit(new.conn, neighbour) {
            Verdict::Duplicate => {
                self.cx.out.push(Output::Close { conn: new.conn, reason: CloseReason::Duplicate });
                self.answer_pings(&new.session);
                self.show_nearby_session(&new.session);
            }
            Verdict::Keep(closed) => {
                self.send_hello(new.conn, &new.session, new.addr);
                closed.into_iter().for_each(|conn| self.close(conn, CloseReason::Duplicate));
                // Who is connected has said who it is, whichever of the two connections stays.
                self.answer_pings(&new.session);
            }
        }
    }

    /// At the bound, who has not said hello makes room for somebody known to be wanted, the oldest first; then a stranger does.
    fn has_room_for(&mut self, session: &SessionId) -> bool {
        if self.peers.connections.count() < self.max_neighbours() {
            return true;
        }
        let wanted = self.people.sessions.get(session).is_some_and(|known| self.people.links.wants(&known.user));
        let dispensable =
            self.peers.connections.dispensable(|user| self.people.links.wants(user) || *user == self.cx.config.user);
        let Some(conn) = dispensable.filter(|_| wanted) else {
            self.cx.dropped(DropReason::TooManyConnections);
            return false;
        };
        self.close(conn, CloseReason::Surplus);
        true
    }

    /// The other side has said who it is.
    pub(in crate::proto) fn on_hello(&mut self, conn: ConnId, hello: Hello) {
        let Some(neighbour) = self.peers.connections.get(&conn) else { return };
        if neighbour.user.is_some() {
            self.cx.dropped(DropReason::SecondHello);
            return self.close(conn, CloseReason::Protocol);
        }
        let (session, addr, mine, whom) = (neighbour.session, neighbour.addr, neighbour.mine, neighbour.whom);
        let Ok((roster, declaration, card)) = self.check_hello(&hello, &session) else {
            self.cx.dropped(DropReason::BadHello);
            return self.close(conn, CloseReason::Protocol);
        };
        let user = roster.user;
        if self.people.links.is_blocked(&user) {
            return self.close(conn, CloseReason::Blocked);
        }
        if let Some(whom) = whom.filter(|whom| *whom != user) {
            return self.refuse_another(conn, &session, addr, whom);
        }
        self.learn_roster(roster);
        // A newer one may be known than the hello brings.
        if !self.people.users.admits(&user, &session) {
            self.cx.dropped(DropReason::BadHello);
            return self.close(conn, CloseReason::Protocol);
        }
        // A session that has spoken for somebody else does so no more.
        for other in self.peers.connections.speaking_for_another(&session, &user) {
            self.close(other, CloseReason::Duplicate);
        }
        let was_away = self.was_away(&session, &user);
        self.people.sessions.hear(session, user, self.cx.now.moment);
        self.people.sessions.declare(&declaration, self.cx.now.moment);
        card.map(|card| self.people.sessions.take_card(&card, Duration::ZERO, self.cx.now.moment));
        let provenance = if mine { Provenance::Answered } else { Provenance::Observed };
        self.people.sessions.note_address(&session, addr, provenance, self.cx.now.moment);
        for addr in self.peers.nearby.addresses(&session) {
            self.people.sessions.note_address(&session, addr, Provenance::Lan, self.cx.now.moment);
        }
        self.people.save_session(&mut self.cx, &session);
        let replaced = self.peers.connections.set_up(conn, user);
        self.heed_seq(hello.known_seq, &user);
        self.come_up(Peer { conn, session, user });
        replaced.into_iter().for_each(|conn| self.close(conn, CloseReason::Duplicate));
        if was_away {
            self.seek_others_too();
        }
    }

    /// Whether somebody is sought, or was lost, and has not been heard of for a while. Who merely had no connection with me
    /// is no news.
    fn was_away(&self, session: &SessionId, user: &UserId) -> bool {
        let missed = self.peers.sought.is_missing(user) || self.presence.online.has_lost(session);
        let known = self.people.sessions.get(session).filter(|_| missed);
        known.is_some_and(|known| self.cx.now.moment.since(known.heard) > AWAY)
    }

    /// Only one user will do at that address, and another one answers.
    fn refuse_another(&mut self, conn: ConnId, session: &SessionId, addr: SocketAddr, whom: UserId) {
        self.peers.pings.take(session).iter().for_each(|ping| self.peers.pings.meet_another(ping.line));
        if self.peers.expected.contains_key(&addr) {
            let message =
                format!("somebody else answers at {addr}, where {} was to be", self.people.users.handle(&whom));
            self.people.warn_once(&mut self.cx, whom, WarningCode::NameClash, message);
        }
        self.close(conn, CloseReason::Surplus);
    }

    fn check_hello(&mut self, hello: &Hello, session: &SessionId) -> Result<Introduction, Refused> {
        let roster: Checked<Roster> = Checked::open(&hello.roster, &self.cx.verifier)?;
        let declaration: Checked<Declaration> = Checked::open(&hello.declaration, &self.cx.verifier)?;
        let card: Option<Checked<KeyCard>> =
            hello.card.as_ref().map(|card| Checked::open(card, &self.cx.verifier)).transpose()?;
        let whole = declaration.session == *session
            && declaration.user == roster.user
            && card.as_ref().is_none_or(|card| card.session == *session && card.user == roster.user)
            && roster.admits(session);
        if whole { Ok((roster, declaration, card)) } else { Err(Refused::Unsound) }
    }

    /// A session can be talked to: everybody it concerns learns of it.
    fn come_up(&mut self, peer: Peer) {
        self.open_ways(peer);
        self.retry_lookups();
        self.notify_interested(peer.session, &peer.user);
        self.pass_queries(&peer.user);
        self.show_nearby(peer.conn);
        if self.let_go_of_surplus(peer.conn) {
            return;
        }
        self.compare_with(peer);
        self.ask_newcomer(peer);
        self.with_mail(|mail, cx, near| mail.on_up(cx, near, peer));
        self.take_early(peer.conn);
        if self.is_carrier(peer.conn) {
            self.entrust_all();
        }
    }

    /// Whatever waits for a session may go there from now on.
    fn open_ways(&mut self, peer: Peer) {
        let Peer { session, user, .. } = peer;
        self.peers.sought.found(&user, self.cx.now.moment);
        self.answer_pings(&session);
        self.mail.open(&self.cx, session);
        self.open_lane(session, user);
    }

    /// Lines and receipts for a session go on its connection, from the first that it lacks.
    fn open_lane(&mut self, session: SessionId, user: UserId) {
        let to = Address::from(user);
        self.chat.outbox.open_lane(to, session, self.cx.now.moment);
        self.chat.inbox.owe_all(user, session, self.cx.config.user);
        self.chat.sealing.want_receipts();
        self.chat.sealing.want_lines(to);
    }

    /// Exchanges what both may know, and shows the session as online.
    fn compare_with(&mut self, peer: Peer) {
        if self.recovering() && peer.user != self.cx.config.user {
            let message = RequestUserList { id: self.people.myself.declaration.seq, user: self.cx.config.user };
            self.cx.send(peer.conn, Control::RequestUserList(message));
        }
        if self.compares_with(peer) {
            self.send_digest(peer);
        }
        self.note_here(&peer.user);
        self.show_online(peer.session, peer.user);
    }

    /// With whom what is known is compared at every meeting: linked users, my own sessions, my servers, and among relays and
    /// servers.
    fn compares_with(&self, peer: Peer) -> bool {
        self.people.links.wants(&peer.user)
            || peer.user == self.cx.config.user
            || self.is_my_server(&peer.session)
            || self.cx.is_server()
            || self.shares_directory(peer.conn)
    }

    /// Whether this node woke without links and still asks what it has forgotten.
    pub(in crate::proto) fn recovering(&self) -> bool {
        self.people.recovery.is_some()
    }

    /// Whatever I have forgotten has come back: from now on my link list counts.
    pub(in crate::proto) fn recovered(&mut self) {
        if self.people.recovery.take().is_some() {
            for peer in self.peers.connections.iter_up().collect::<Vec<_>>() {
                if self.people.links.wants(&peer.user) || self.speaks_for_my_server(&peer.user) {
                    self.send_digest(peer);
                }
            }
        }
    }

    /// Somebody knows a higher seq of mine: a restored backup jumps over it; if it repeats, somebody else has my key. It is
    /// a mere claim, so a jump is bounded, and strangers raise no alarm.
    fn heed_seq(&mut self, known: Option<u64>, user: &UserId) {
        let Some(known) = known.filter(|known| *known > self.cx.count.seq()) else { return };
        if known - self.cx.count.seq() > MAX_SEQ_JUMP {
            return self.cx.dropped(DropReason::SeqTooFarAhead);
        }
        if !self.people.links.wants(user) && *user != self.cx.config.user {
            self.people.myself.strange_seq_jumps += 1;
            if self.people.myself.strange_seq_jumps >= MAX_SEQ_JUMPS {
                return self.cx.dropped(DropReason::SeqClaimedByStranger);
            }
        } else {
            self.people.myself.seq_jumps += 1;
        }
        if self.people.myself.seq_jumps >= MAX_SEQ_JUMPS {
            let name = self.people.users.handle(user);
            let message = format!("{name} has heard somebody else speak with this session's key; make a new session");
            let me = self.cx.config.user;
            self.people.warn_once(&mut self.cx, me, WarningCode::ClonedKey, message);
        }
        // The last jump is for the other one, who may have seen one less.
        if self.people.myself.seq_jumps > MAX_SEQ_JUMPS {
            return;
        }
        self.cx.count.jump_seq(known);
        self.renew_card();
    }

    /// Ends a connection from this side.
    pub(in crate::proto) fn close(&mut self, conn: ConnId, reason: CloseReason) {
        self.cx.out.push(Output::Close { conn, reason });
        self.on_closed(conn);
    }

    pub(in crate::proto) fn on_closed(&mut self, conn: ConnId) {
        let Some((gone, left)) = self.peers.connections.remove(&conn) else { return };
        self.bootstrap_again(&gone.session);
        self.chat.early.take(&conn);
        self.search.floods.forget_conn(&conn);
        self.answer_floods();
        // It may have shown that whoever is connected by another way is on the link.
        let Some(user) = gone.user else { return self.show_nearby_session(&gone.session) };
        match left {
            Left::Spare => self.compare_again(gone.session),
            Left::Other => {
                self.open_lane(gone.session, user);
                self.with_mail(|mail, cx, near| mail.resume(cx, near, gone.session));
                self.compare_again(gone.session);
            }
            Left::None => self.go_missing(gone.session, user, gone.since),
        }
    }

    /// Of two connections one is gone, with what was under way on it.
    fn compare_again(&mut self, session: SessionId) {
        let Some(peer) = self.peers.connections.up_peer(&session) else { return };
        if self.compares_with(peer) {
            self.send_digest(peer);
        }
        self.resend_queries(&session);
        self.send_open_finds(peer);
    }

    /// A session cannot be reached any more.
    fn go_missing(&mut self, session: SessionId, user: UserId, since: Moment) {
        let to = Address::from(user);
        self.chat.outbox.close_lane(&to, &session);
        self.relays.directory.forget_neighbour(session, self.cx.now.moment);
        self.note_here(&user);
        self.with_mail(|mail, cx, near| mail.on_gone(cx, near, &session));
        self.entrust(&to);
        self.route_all_to(&to);
        self.forget_relay(&session);
        // One that has answered a handshake meanwhile is there, and has the time to say hello.
        let grace = if self.peers.connections.has(&session) { HELLO_DEADLINE } else { LOST_GRACE };
        self.presence.online.missing(&session, self.cx.now.moment + grace);
        self.presence.online.witness_gone(&session, self.cx.now.moment);
        if self.cx.now.moment.since(since) > SETTLED {
            self.search.members.check_soon(&mut self.cx.rng, self.cx.now.moment);
        }
        self.people.sessions.hear(session, user, self.cx.now.moment);
        self.people.save_session(&mut self.cx, &session);
        if self.peers.nearby.announces(&session) {
            let places = self.peers.nearby.lose(&session, self.cx.now.moment);
            // A door that was closed at once is not knocked at again before the link shows it again.
            if self.cx.now.moment.since(since) > SETTLED {
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

    fn max_neighbours(&self) -> usize {
        if self.cx.is_carrier() { MAX_NEIGHBOURS_RELAY } else { MAX_NEIGHBOURS }
    }
}
