//! The life of a connection: established, introduced by its hello, closed.

use std::net::SocketAddr;
use std::time::Duration;

use crate::id::{Address, BootId, ConnId, SessionId, UserId};
use crate::identity::{Checked, Refused};
use crate::proto::Core;
use crate::proto::drops::DropReason;
use crate::proto::event::{CloseReason, Connected, Output};
use crate::proto::limits::{AWAY, HELLO_GRACE, LOST_GRACE, REFUSED_PAUSE, SETTLED};
use crate::proto::notice::WarningCode;
use crate::proto::notice::examination::Outcome;
use crate::proto::peer::Peer;
use crate::proto::peers::connections::{Chosen, Neighbour, Remaining, Verdict};
use crate::proto::peers::dials::{Dial, Purpose};
use crate::proto::peers::joining::Obstacle;
use crate::proto::persist::Provenance;
use crate::time::Moment;
use crate::wire::control::{Control, Hello, KnownUser, RequestUserList, features};
use crate::wire::record::{Declaration, KeyCard, Roster, Signed};

/// The verified records of a hello.
type Introduction = (Checked<Roster>, Checked<Declaration>, Option<Checked<KeyCard>>);

impl Core {
    /// Handles a new connection with a verified handshake.
    pub(in crate::proto) fn on_connected(&mut self, new: Connected) {
        let dial = new.dial.and_then(|id| self.peers.dials.finish(&id));
        if new.session == self.cx.me {
            self.cx.out.push(Output::Close { conn: new.conn, reason: CloseReason::Myself });
            dial.into_iter().for_each(|dial| self.on_dialled_myself(dial));
            return;
        }
        match &dial {
            Some(dial) => self.record_try(dial, answered_as(dial, &new.session)),
            None if self.is_own_ip(&new.addr.ip()) => {}
            None => self.tries.record_accepted(new.addr, self.cx.now.moment),
        }
        if self.cx.stopping || !self.ensure_capacity() {
            self.cx.out.push(Output::Close { conn: new.conn, reason: CloseReason::Surplus });
            return;
        }
        let rtt_ms = new.rtt.as_secs_f64() * 1000.0;
        let mut expected = None;
        if let Some(Dial { purpose: Purpose::Ping { line, expected: user }, .. }) = &dial {
            expected = *user;
            if user.is_none() {
                self.peers.dials.forget_pings(*line);
            }
            self.peers.pings.answered((*line, expected), new.addr, new.session, rtt_ms, self.cx.now.moment);
        }
        if let Some(Dial { purpose: Purpose::Bootstrap, addr, .. }) = &dial {
            expected = self.peers.expected.get(addr).copied();
            self.peers.bootstrapped.insert(*addr, new.session);
            self.peers.bootstrap.found(addr, self.cx.now.moment);
            self.peers.joining.hindered(addr, Obstacle::Closed);
        }
        let reached = dial.as_ref().map_or(new.addr, |dial| dial.addr);
        self.peers.nearby.record_met(&(new.boot, reached), new.session);
        let neighbour = Neighbour {
            session: new.session,
            boot: new.boot,
            addr: new.addr,
            exporter: new.exporter,
            waits: false,
            observed: None,
            ahead_ms: 0,
            dialled: new.dial.is_some(),
            since: self.cx.now.moment,
            user: None,
            expected,
            chosen: chosen_by(dial.as_ref()),
            used: None,
            strikes: 0,
            stalled: false,
            rtt: new.rtt,
            probe: None,
            replaces: Vec::new(),
            handed_back: 0,
            receipts: 0,
        };
        match self.peers.connections.admit(new.conn, neighbour) {
            Verdict::Duplicate => {
                self.cx.out.push(Output::Close { conn: new.conn, reason: CloseReason::Duplicate });
                self.on_answer(&new.session);
                self.show_nearby_session(&new.session);
            }
            Verdict::Keep(closed) => {
                self.send_hello(new.conn, &new.session, new.addr);
                closed.into_iter().for_each(|conn| self.close(conn, CloseReason::Duplicate));
                // The session has proved its key, whichever of the two connections stays.
                self.on_answer(&new.session);
            }
        }
    }

    /// Handles the hello of the other side.
    pub(in crate::proto) fn on_hello(&mut self, conn: ConnId, hello: Hello) {
        let Some(neighbour) = self.peers.connections.get(&conn) else { return };
        if neighbour.user.is_some() {
            self.cx.dropped(DropReason::SecondHello);
            return self.close(conn, CloseReason::Protocol);
        }
        let (session, addr, dialled, expected) =
            (neighbour.session, neighbour.addr, neighbour.dialled, neighbour.expected);
        let boot = neighbour.boot;
        let checked = self.check_hello(&hello, &session);
        let Ok((roster, declaration, card)) = checked.and_then(|all| names_boot(&all.1, boot).map(|()| all)) else {
            self.cx.dropped(DropReason::BadHello);
            return self.close(conn, CloseReason::Protocol);
        };
        let user = roster.user;
        if self.people.links.is_blocked(&user) {
            return self.close(conn, CloseReason::Blocked);
        }
        if let Some(expected) = expected.filter(|expected| *expected != user) {
            return self.refuse_unexpected_user(conn, &session, addr, expected);
        }
        let signed = roster.signed().clone();
        self.learn_roster(roster);
        // A newer roster than the one in the hello may be known.
        if !self.people.users.admits(&user, &session) {
            self.cx.dropped(DropReason::BadHello);
            return self.close_unlisted(conn, &user);
        }
        // A session that has spoken for another user no longer does.
        for other in self.peers.connections.up_as_another_user(&session, &user) {
            self.close(other, CloseReason::Duplicate);
        }
        let was_away = self.was_away(&session, &user);
        self.people.sessions.record_heard(session, user, self.cx.now.moment);
        self.people.sessions.update_declaration(&declaration, self.cx.now.moment);
        card.map(|card| self.people.sessions.update_card(&card, Duration::ZERO, self.cx.now.moment));
        let provenance = if dialled { Provenance::Answered } else { Provenance::Observed };
        self.people.sessions.add_address(&session, addr, provenance, self.cx.now.moment);
        for addr in self.peers.nearby.addresses(&session) {
            self.people.sessions.add_address(&session, addr, Provenance::Lan, self.cx.now.moment);
        }
        self.people.save_session(&mut self.cx, &session);
        let waits = self.people.users.is_nobody(&user) && hello.features.unwrap_or_default() & features::WAITS != 0;
        let ahead_ms = declaration.seq.cast_signed().saturating_sub(self.cx.now.wall.0);
        if let Some(neighbour) = self.peers.connections.get_mut(&conn) {
            (neighbour.observed, neighbour.ahead_ms) = (Some(hello.observed.0), ahead_ms);
        }
        let replaced = self.peers.connections.set_up(conn, user, waits);
        self.check_known_seq(conn, hello.known_seq);
        self.name_declared(&session, None);
        self.on_session_up(Peer { conn, session, user });
        self.send_newer_roster(Peer { conn, session, user }, &signed);
        replaced.into_iter().for_each(|conn| self.close(conn, CloseReason::Duplicate));
        if was_away {
            self.retry_missing();
        }
    }

    /// Sends a session what is held of its user if its roster is another than the one held: another session of the user
    /// may have signed that one.
    fn send_newer_roster(&mut self, peer: Peer, theirs: &Signed) {
        let held = self.people.users.signed_roster(&peer.user);
        if peer.user != self.cx.config.user && held.is_some_and(|held| held != *theirs) {
            let known = self.known_user(&peer.user, &peer.user, false);
            self.send_known(peer.conn, 0, vec![known], false);
        }
    }

    /// Whether a session is sought or was lost, and has not been heard of for [`AWAY`]. A session that merely had no
    /// connection to this node was not away.
    fn was_away(&self, session: &SessionId, user: &UserId) -> bool {
        let was_sought = self.peers.sought.is_missing(user)
            || self.peers.sisters.is_missing(session)
            || self.presence.online.was_lost(session);
        let known = self.people.sessions.get(session).filter(|_| was_sought);
        known.is_some_and(|known| self.cx.now.moment.since(known.heard) > AWAY)
    }

    /// Closes a connection at an address where only another user is accepted.
    fn refuse_unexpected_user(&mut self, conn: ConnId, session: &SessionId, addr: SocketAddr, expected: UserId) {
        self.peers.pings.take(session).iter().for_each(|ping| self.peers.pings.record_other_user(ping.line));
        if self.peers.expected.contains_key(&addr) {
            self.peers.joining.hindered(&addr, Obstacle::OtherUser);
            let message = format!(
                "another user answers at {addr}, not {}; check the address",
                self.people.users.handle(&expected)
            );
            self.people.warn_once(&mut self.cx, expected, WarningCode::NameClash, message);
        }
        self.close(conn, CloseReason::Surplus);
    }

    /// Verifies the records of a hello and that they belong together.
    fn check_hello(&mut self, hello: &Hello, session: &SessionId) -> Result<Introduction, Refused> {
        let roster: Checked<Roster> = Checked::open(&hello.roster, &self.cx.verifier)?;
        let declaration: Checked<Declaration> = Checked::open(&hello.declaration, &self.cx.verifier)?;
        let card: Option<Checked<KeyCard>> =
            hello.card.as_ref().map(|card| Checked::open(card, &self.cx.verifier)).transpose()?;
        let consistent = declaration.session == *session
            && declaration.user == roster.user
            && card.as_ref().is_none_or(|card| card.session == *session && card.user == roster.user)
            && roster.admits(session);
        if consistent { Ok((roster, declaration, card)) } else { Err(Refused::Unsound) }
    }

    /// A session has come up: updates everything that concerns it.
    fn on_session_up(&mut self, peer: Peer) {
        self.open_session(peer);
        self.retry_lookups();
        self.notify_interested(peer.session, &peer.user);
        self.pass_queries(&peer.user);
        self.show_nearby(peer.conn);
        self.open_hearsay(peer);
        self.review_soon();
        self.sync_with(peer);
        self.sisters.ledger.note_up(peer);
        self.ask_newcomer(peer);
        self.with_mail(|mail, cx, near| mail.on_up(cx, near, peer));
        self.take_early(peer.conn);
        if self.near().may_hold(&peer.session) {
            self.entrust_all();
        }
    }

    /// Opens the queues for a session that has come up.
    fn open_session(&mut self, peer: Peer) {
        let Peer { session, user, .. } = peer;
        self.presence.refusals.connected(&user, self.cx.now.moment);
        self.peers.sought.found(&user, self.cx.now.moment);
        self.peers.sisters.found(&session, self.cx.now.moment);
        self.on_answer(&session);
        self.mail.open(&self.cx, session);
        self.open_lane(session, user);
    }

    /// A session has proved its key at an address that may have been given by hand.
    fn on_answer(&mut self, session: &SessionId) {
        self.answer_pings(session);
        self.confirm_bootstrap(session);
    }

    /// Lines and receipts for a session go to its connection, from the first that it lacks.
    fn open_lane(&mut self, session: SessionId, user: UserId) {
        let to = Address::from(user);
        self.chat.outbox.open_lane(to, session, self.cx.now.moment);
        self.chat.inbox.owe_all(user, session, self.cx.config.user);
        self.chat.sealing.want_receipts();
        self.chat.sealing.want_lines(to);
    }

    /// Exchanges what both sides may know, and shows the session as online.
    fn sync_with(&mut self, peer: Peer) {
        if self.is_recovering() {
            self.request_own_records(peer.conn);
        }
        if self.syncs_with(peer) {
            self.send_digest(peer);
        }
        self.note_here(&peer.user);
        self.show_online(peer.session, peer.user);
    }

    /// Whether version summaries are exchanged with a peer: with linked users, own sessions and own servers, and among
    /// relays and servers.
    fn syncs_with(&self, peer: Peer) -> bool {
        self.people.links.wants(&peer.user)
            || peer.user == self.cx.config.user
            || self.is_my_server(&peer.session)
            || self.cx.is_server()
            || self.shares_directory(peer.conn)
    }

    /// Whether this node started without links and still asks others for its lost link list.
    pub(in crate::proto) fn is_recovering(&self) -> bool {
        self.people.recovery.is_some()
    }

    /// Ends the recovery: from now on the local link list is authoritative.
    pub(in crate::proto) fn finish_recovery(&mut self) {
        if self.people.recovery.take().is_some() {
            for peer in self.peers.connections.iter_up().collect::<Vec<_>>() {
                if self.people.links.wants(&peer.user) || self.speaks_for_my_server(&peer.user) {
                    self.send_digest(peer);
                }
            }
        }
    }

    /// Handles a claim that a higher seq of this session exists, as after the restore of a backup. Only a record that this
    /// session has signed proves it, so the other side is asked for what it holds.
    fn check_known_seq(&mut self, conn: ConnId, known: Option<u64>) {
        if known.is_some_and(|known| known > self.cx.count.seq()) {
            self.request_own_records(conn);
        }
    }

    /// Asks a neighbour for the records it holds of the local user.
    fn request_own_records(&mut self, conn: ConnId) {
        let message = RequestUserList { id: self.people.myself.declaration.seq, user: self.cx.config.user };
        self.cx.send(conn, Control::RequestUserList(message));
    }

    /// Closes a connection from this side.
    pub(in crate::proto) fn close(&mut self, conn: ConnId, reason: CloseReason) {
        self.cx.out.push(Output::Close { conn, reason });
        self.on_closed(conn, Some(reason));
    }

    /// What the loss of a connection means for the places at which the link announces the session. If it lasted, they are dialled,
    /// to see whether the session is still there, unless it did not want the connection.
    fn review_places(&mut self, session: &SessionId, lasted: bool, refused: bool) {
        let now = self.cx.now.moment;
        let places = if lasted { self.peers.nearby.retry(session, now) } else { Vec::new() };
        if refused {
            return self.peers.nearby.record_refused(session, REFUSED_PAUSE, now);
        }
        for (boot, addr) in places {
            self.dial(Dial { addr, purpose: Purpose::Sighting(boot) }, None);
        }
    }

    /// Closes the connection of a session that its user's newest roster does not list, and sends it that roster first: it may
    /// not know that it was unlinked, or that another session signed a roster without it. If it holds the user key, it can sign
    /// one that lists both.
    pub(in crate::proto) fn close_unlisted(&mut self, conn: ConnId, user: &UserId) {
        if let Some(roster) = self.people.users.signed_roster(user) {
            let known = KnownUser { roster: Some(roster), ..KnownUser::empty(*user) };
            self.send_known(conn, 0, vec![known], false);
        }
        self.close(conn, CloseReason::Protocol);
    }

    /// Handles the end of a connection, with the reason that one of the sides gave.
    pub(in crate::proto) fn on_closed(&mut self, conn: ConnId, reason: Option<CloseReason>) {
        let Some((removed, remaining)) = self.peers.connections.remove(&conn) else { return };
        // Who finds that the hello is wrong, or the session not listed, will do so again.
        let refused = matches!(reason, Some(CloseReason::Surplus | CloseReason::Blocked | CloseReason::Protocol));
        self.retry_bootstrap(&removed.session, refused);
        self.chat.early.take(&conn);
        self.search.floods.forget_conn(&conn);
        self.answer_floods();
        // The closed connection may have shown that a session connected by another path is on the link.
        let Some(user) = removed.user else {
            self.review_places(&removed.session, false, refused);
            return self.show_nearby_session(&removed.session);
        };
        if reason == Some(CloseReason::Blocked) {
            self.on_refused_by(user);
        } else if self.peers.connections.of_user(&user).is_empty() {
            self.presence.refusals.disconnected(&user);
        }
        match remaining {
            Remaining::Spare => self.sync_again(removed.session),
            Remaining::Other => {
                self.open_lane(removed.session, user);
                self.with_mail(|mail, cx, near| mail.resume(cx, near, removed.session));
                self.sync_again(removed.session);
            }
            Remaining::None => self.on_session_lost(removed.session, user, removed.since, refused),
        }
    }

    /// One of two connections is gone, along with the messages under way on it, so the exchange is repeated on the
    /// other.
    fn sync_again(&mut self, session: SessionId) {
        let Some(peer) = self.peers.connections.up_peer(&session) else { return };
        self.sisters.ledger.note_down(session);
        self.sisters.ledger.note_up(peer);
        if self.syncs_with(peer) {
            self.send_digest(peer);
        }
        self.resend_queries(&session);
        self.send_open_finds(peer);
    }

    /// A session is no longer reachable. `refused`: one of the sides did not want the connection.
    fn on_session_lost(&mut self, session: SessionId, user: UserId, since: Moment, refused: bool) {
        let to = Address::from(user);
        self.sisters.ledger.note_down(session);
        self.chat.outbox.close_lane(&to, &session);
        self.relays.directory.forget_neighbour(session, self.cx.now.moment);
        self.note_here(&user);
        self.with_mail(|mail, cx, near| mail.on_gone(cx, near, &session));
        self.entrust(&to);
        self.route_all_to_user(&user);
        self.forget_relay(&session);
        // A session that has answered a handshake meanwhile gets time to send its hello.
        let grace_period = if self.peers.connections.has(&session) { HELLO_GRACE } else { LOST_GRACE };
        self.presence.online.connection_lost(&session, self.cx.now.moment + grace_period);
        self.withdraw_unshown(session);
        self.presence.online.witness_lost(&session, self.cx.now.moment);
        self.presence.claims.forget(&session);
        if self.cx.now.moment.since(since) > SETTLED {
            self.search.members.check_soon(&mut self.cx.rng, self.cx.now.moment);
        }
        self.people.sessions.record_heard(session, user, self.cx.now.moment);
        self.people.save_session(&mut self.cx, &session);
        self.peers.hearsay.close(&session, self.cx.now.moment);
        self.review_soon();
        if !self.peers.nearby.is_announced(&session) {
            self.hide_nearby(&session);
        } else {
            self.review_places(&session, self.cx.now.moment.since(since) > SETTLED, refused);
        }
        if refused {
            self.seek_refused(user);
        }
        self.seek_if_wanted(user);
        self.seek_sister(session, refused);
        if self.cx.now.moment.since(since) > SETTLED {
            // The neighbouring relays introduce the two again, with the addresses that they observe now.
            self.repeat_query(&user);
        }
        self.forget_if_unneeded(&user);
    }
}

/// What the answer of a session to a dial means.
fn answered_as(dial: &Dial, session: &SessionId) -> Outcome {
    match dial.purpose {
        Purpose::Probe(expected) if expected != *session => Outcome::Other,
        _ => Outcome::Answered,
    }
}

/// Whether a dial was of a node chosen at random.
fn chosen_by(dial: Option<&Dial>) -> Chosen {
    match dial.map(|dial| &dial.purpose) {
        Some(Purpose::Random(_)) => Chosen::Member,
        Some(Purpose::Sighting(_)) => Chosen::Nearby,
        _ => Chosen::No,
    }
}

/// Refuses a declaration that names another boot id than the connection has claimed. Older versions name none.
fn names_boot(declaration: &Checked<Declaration>, claimed: BootId) -> Result<(), Refused> {
    let other = declaration.boot_nonce.is_some_and(|nonce| BootId::of(&declaration.session, &nonce.0) != claimed);
    if other { Err(Refused::Unsound) } else { Ok(()) }
}
