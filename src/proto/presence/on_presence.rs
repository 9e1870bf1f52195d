//! Presence over one and two links. A session pushes its declarations to its neighbours. Its friends among them forward
//! a declaration to those of their own friends whom the session has not notified: one of them in full, the others as an
//! offer ([`offers`](crate::proto::presence::offers)). A neighbour that reports a session as connected is a witness
//! until it withdraws that.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use crate::id::{Address, ConnId, SessionId, UserId};
use crate::proto::Core;
use crate::proto::drops::DropReason;
use crate::proto::limits::LOST_STEPS;
use crate::proto::notice::{Absence, Notice, Via};
use crate::proto::peer::Peer;
use crate::proto::persist::Provenance;
use crate::proto::presence::offers::rank;
use crate::proto::presence::online::Change;
use crate::wire::codec::List;
use crate::wire::control::{Control, Declare, SessionSummary, ShortId, UserSummary, short};
use crate::wire::record::{Declaration, Roster};

impl Core {
    /// Handles declareOnline and declareOffline: a signed declaration of a session, possibly forwarded by another one.
    pub(in crate::proto) fn on_declare(&mut self, peer: Peer, declare: Declare) {
        if let Some(roster) = &declare.roster {
            let Some(roster) = self.checked::<Roster>(peer.conn, roster) else { return };
            if self.concerns(&roster.user) {
                self.learn_roster(roster);
            }
        }
        let Some(declaration) = self.checked::<Declaration>(peer.conn, &declare.declaration) else { return };
        let (session, user, online) = (declaration.session, declaration.user, declaration.online);
        let age = Duration::from_millis(if session == peer.session { 0 } else { declare.age_ms });
        if let Some(card) = &declare.card {
            self.receive_card(peer.conn, card, age);
        }
        if session != peer.session && !self.people.users.has_roster(&user) && self.presence.horizon.reaches(&user) {
            return self.request_users(peer.conn, [user].iter());
        }
        let news = self.receive_declaration(declaration, self.cx.now.moment - age);
        if session == peer.session {
            self.peers.connections.probe_answered(&peer.conn);
            if news {
                self.forward_declaration(session, user, &declare.told);
                self.update_answers(&session, &user);
            }
            return;
        }
        if news && online {
            self.peers.retry(&session, &user, self.cx.now.moment);
        }
        if online && self.people.sessions.declares_online(&session) {
            self.add_witness(session, user, peer.session, peer.user);
        }
    }

    /// Forwards the declaration of a connected friend to the other friends, who are within two links of it.
    pub(in crate::proto) fn forward_declaration(&mut self, session: SessionId, user: UserId, notified: &[ShortId]) {
        let Some(number) = self.people.sessions.seq(&session).filter(|_| self.is_between(&user)) else { return };
        let between = self.presence.horizon.listed_by(&user);
        let senders: Vec<UserId> = between.iter().copied().filter(|other| self.was_notified(other, notified)).collect();
        for Peer { conn, session: to_session, user: to } in self.peers.connections.iter_up().collect::<Vec<_>>() {
            // Somebody else's sessions tell each other. The local user's are told here which of them are connected.
            let is_theirs = to_session == session || (to == user && user != self.cx.config.user);
            if is_theirs || !self.is_between(&to) || notified.contains(&short(&to.0)) {
                continue;
            }
            // Between the local user's sessions there is no friend who could do it instead.
            if to == self.cx.config.user {
                self.forward_last_hop(conn, &session);
                continue;
            }
            // A user linked with the session gets the declaration directly and needs this node only as a witness.
            let linked = between.binary_search(&to).is_ok();
            let others =
                senders.iter().copied().filter(|other| *other != to && self.presence.horizon.has_listed(&to, other));
            let rank = rank(number, &to, &self.cx.config.user, others) + usize::from(linked);
            if rank == 0 {
                self.forward_last_hop(conn, &session);
            } else if !self.presence.offers.schedule(rank, to_session, session, self.cx.now.moment) {
                self.cx.dropped(DropReason::TooManyOffers);
            }
        }
    }

    /// Whether this node passes on what it knows of the presence of a user's sessions, and tells them of others: friends, and the
    /// local user's other sessions.
    fn is_between(&self, user: &UserId) -> bool {
        self.presence.horizon.is_friend(user) || *user == self.cx.config.user
    }

    /// Whether another friend of the session could forward to a shared friend: the session notified it, or it is
    /// connected as far as this node knows.
    fn was_notified(&self, other: &UserId, notified: &[ShortId]) -> bool {
        if notified.is_empty() {
            self.people.sessions.of_user(other).any(|session| self.presence.online.via(&session) == Some(Via::Direct))
        } else {
            notified.contains(&short(&other.0))
        }
    }

    /// Sends the held declaration of a session, which is not to be forwarded further.
    fn forward_last_hop(&mut self, conn: ConnId, session: &SessionId) {
        let Some(known) = self.people.sessions.get(session) else { return };
        let Some(declaration) = known.declaration() else { return };
        let message = Declare {
            declaration: declaration.signed(),
            roster: None,
            card: None,
            age_ms: self.age_of(session),
            hops: 0,
            flood: declaration.seq,
            told: List(Vec::new()),
        };
        let online = declaration.online;
        self.cx.send(conn, if online { Control::DeclareOnline(message) } else { Control::DeclareOffline(message) });
    }

    /// Milliseconds since a session was last heard of, by any node on the way to here.
    pub(in crate::proto) fn age_of(&self, session: &SessionId) -> u64 {
        if self.peers.connections.up(session).is_some() {
            return 0;
        }
        self.people.sessions.get(session).map_or(0, |known| self.cx.now.moment.since(known.heard).as_millis() as u64)
    }

    /// Sends the offers that are due, one digest per neighbour.
    pub(in crate::proto) fn make_offers(&mut self) {
        for (to, about) in self.presence.offers.due(self.cx.now.moment) {
            let Some(peer) = self.peers.connections.up_peer(&to) else { continue };
            self.send_summaries(peer, about.iter().filter_map(|session| self.offer(session)).collect());
        }
    }

    /// The summary of a session that an offer consists of.
    fn offer(&self, session: &SessionId) -> Option<UserSummary> {
        let known = self.people.sessions.get(session)?;
        let summary = SessionSummary {
            seq: known.declaration().map(|declaration| declaration.seq),
            live: Some(self.claims_connected(session)),
            ..SessionSummary::bare(short(&session.0))
        };
        Some(UserSummary { user: short(&known.user.0), version: None, sessions: List(vec![summary]), distance: None })
    }

    /// Whether this node reports a session as connected.
    pub(in crate::proto) fn claims_connected(&self, session: &SessionId) -> bool {
        self.peers.connections.up(session).is_some() || self.presence.online.is_in_grace(session)
    }

    /// Handles a neighbour's report that a session is connected with it.
    pub(in crate::proto) fn add_witness(&mut self, session: SessionId, user: UserId, by: SessionId, by_user: UserId) {
        if session == self.cx.me || !self.shows(&user) {
            return;
        }
        if !self.is_valid_witness(&by_user, &user) && !self.was_asked(&by, &user) {
            return self.cx.dropped(DropReason::UnlinkedWitness);
        }
        let change = self.presence.online.add_witness(session, user, by, self.cx.now.moment);
        self.notify_presence(session, user, change);
        self.ask_for_introduction(&by, user);
        self.entrust(&Address::from(user));
        self.route_all_to_user(&user);
        if matches!(change, Change::Online(_)) && self.presence.online.count_arrival(self.cx.now.moment) {
            self.retry_missing();
        }
    }

    /// Whether a user's reports about another one count: a friend of both, an own session or an own server; and a user's reports
    /// about the user's other sessions.
    fn is_valid_witness(&self, by: &UserId, user: &UserId) -> bool {
        *by == self.cx.config.user
            || by == user
            || self.presence.horizon.is_through(user, by)
            || self.peers.connections.of_user(by).iter().any(|peer| self.is_my_server(&peer.session))
    }

    /// Whether a relay or server was asked about a linked user or the local user's other sessions, so that its report counts.
    fn was_asked(&self, by: &SessionId, user: &UserId) -> bool {
        (self.people.links.is_link(user) || *user == self.cx.config.user) && self.relays.own_queries.was_asked(by, user)
    }

    /// Records that a neighbour is told which sessions of a user are connected here, to tell it when they are not any more. False
    /// at the bound: what could not be withdrawn must not be claimed. Friends are told of every change of friends anyway.
    pub(in crate::proto) fn record_claims(&mut self, to: Peer, user: &UserId) -> bool {
        if self.is_between(&to.user) && self.is_between(user) {
            return true;
        }
        let sessions = self.people.sessions.of_user(user).filter(|session| self.claims_connected(session));
        let claimed: Vec<SessionId> = sessions.collect();
        let all = claimed.into_iter().all(|session| self.presence.claims.record(to.session, session));
        if !all {
            self.cx.dropped(DropReason::TooManyClaims);
        }
        all
    }

    /// After the grace period of a lost session, informs everybody whom this node may have told that it is connected here: friends,
    /// the other sessions of its user among them, the local user's other sessions, and the neighbours to which it was claimed.
    fn withdraw_claim(&mut self, session: SessionId, user: UserId) {
        let mut told: BTreeSet<SessionId> = self.presence.claims.take(&session).into_iter().collect();
        if self.is_between(&user) {
            let friends = self.peers.connections.iter_up().filter(|to| self.is_between(&to.user));
            told.extend(friends.map(|to| to.session));
        }
        self.offer_to(told, session, 0);
    }

    /// Informs the neighbours to which a lost session was claimed whose user is not shown here. It has no grace period, so they are
    /// informed after as long a time, of what is true then.
    pub(in crate::proto) fn withdraw_unshown(&mut self, session: SessionId) {
        if !self.presence.online.is_in_grace(&session) {
            let told = self.presence.claims.take(&session);
            self.offer_to(told, session, LOST_STEPS);
        }
    }

    fn offer_to(&mut self, told: impl IntoIterator<Item = SessionId>, session: SessionId, steps: usize) {
        for to in told {
            if !self.presence.offers.schedule(steps, to, session, self.cx.now.moment) {
                self.cx.dropped(DropReason::TooManyOffers);
            }
        }
    }

    /// Passes the declaration of a session that has gone offline to the neighbours to which it was claimed.
    pub(in crate::proto) fn end_claims(&mut self, session: &SessionId) {
        for to in self.presence.claims.take(session) {
            if let Some(conn) = self.peers.connections.up(&to) {
                self.forward_last_hop(conn, session);
            }
        }
    }

    /// Handles a connected neighbour: shows it to the interfaces and forwards its declaration to friends.
    pub(in crate::proto) fn show_online(&mut self, session: SessionId, user: UserId) {
        if !self.shows(&user) || self.peers.connections.up(&session).is_none() {
            return;
        }
        self.peers.nearby.hide(&session);
        let change = self.presence.online.set_connected(session, user, self.cx.now.moment);
        self.notify_presence(session, user, change);
        if change != Change::Unchanged {
            self.forward_declaration(session, user, &[]);
        }
    }

    /// At the start, counts all remembered sessions as lost that would be shown when online.
    pub(in crate::proto) fn load_lost_sessions(&mut self) {
        let shown =
            |session: &SessionId| self.people.sessions.get(session).is_some_and(|known| self.shows(&known.user));
        let shown: Vec<SessionId> = self.people.sessions.ids().filter(shown).collect();
        self.presence.online.load_lost(shown.into_iter());
    }

    /// Whether the presence of a user is shown: linked users, users within two links, and own sessions, but nobody who refuses
    /// this node. Everybody refuses a session that the own roster does not list.
    pub(in crate::proto) fn shows(&self, user: &UserId) -> bool {
        let concerned =
            self.people.links.is_link(user) || self.presence.horizon.reaches(user) || *user == self.cx.config.user;
        concerned && self.is_listed() && !self.presence.refusals.contains(user)
    }

    /// Shows everybody as offline once the own roster does not list this session any more, and the reverse.
    pub(in crate::proto) fn on_listed(&mut self, was_listed: bool) {
        match (was_listed, self.is_listed()) {
            (true, false) => {
                for session in self.presence.online.sessions() {
                    self.show_offline(&session, Absence::Lost);
                }
            }
            (false, true) => {
                let up: Vec<Peer> = self.peers.connections.iter_up().collect();
                up.into_iter().for_each(|peer| self.show_online(peer.session, peer.user));
            }
            _ => {}
        }
    }

    /// Handles that a user blocks the local user: they are offline from now on, whoever else reaches them.
    pub(in crate::proto) fn on_refused_by(&mut self, user: UserId) {
        if self.people.links.wants(&user) {
            self.presence.refusals.record(user);
            for session in self.presence.online.of_user(&user) {
                self.show_offline(&session, Absence::Lost);
            }
        }
    }

    /// Shows the users again whose refusal is over.
    pub(in crate::proto) fn end_refusals(&mut self) {
        for user in self.presence.refusals.over(self.cx.now.moment) {
            self.end_refusal(user);
        }
    }

    /// Shows a user again who does not refuse this node any more.
    pub(in crate::proto) fn end_refusal(&mut self, user: UserId) {
        if self.presence.refusals.remove(&user) {
            for Peer { session, .. } in self.peers.connections.of_user(&user) {
                self.show_online(session, user);
            }
        }
    }

    /// Notifies the interfaces of a change.
    pub(in crate::proto) fn notify_presence(&mut self, session: SessionId, id: UserId, change: Change) {
        let user = self.people.users.handle(&id);
        let which = self.people.which(&id, &session);
        let notice = match change {
            Change::Online(via) => Notice::Online { user, id, session, which, via },
            Change::Path(via) => Notice::Path { user, id, session, which, via },
            Change::Lost => Notice::Offline { user, id, session, which, reason: Absence::Lost },
            Change::Unchanged => return,
        };
        self.report(notice, &id);
    }

    /// Handles sessions whose grace period is over.
    pub(in crate::proto) fn expire_grace_periods(&mut self) {
        for (session, user, change) in self.presence.online.overdue(self.cx.now.moment) {
            self.notify_presence(session, user, change);
            if self.presence.online.take_withdrawal(&session) {
                self.withdraw_claim(session, user);
            }
        }
    }

    /// Remembers at which address a neighbour sees a session.
    pub(in crate::proto) fn record_seen(&mut self, session: SessionId, by: SessionId, addr: SocketAddr) {
        if self.tries.record_seen(session, by, addr, self.cx.now.moment) {
            self.cx.dropped(DropReason::TryForgotten);
        }
    }

    /// Adds the address at which a neighbour sees a session. Returns true if it is new.
    pub(in crate::proto) fn add_observed_address(
        &mut self,
        by: SessionId,
        session: &SessionId,
        addr: SocketAddr,
    ) -> bool {
        let is_new = self.people.sessions.add_address(session, addr, Provenance::Hinted, self.cx.now.moment);
        self.record_seen(*session, by, addr);
        if is_new {
            self.doubt_path(by, session, addr);
        }
        is_new
    }
}
