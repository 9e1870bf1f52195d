//! Presence, over one hop and two. A session pushes its declarations to its neighbours; those who are friends of it on
//! purpose pass them to the friends of theirs that the session has not told, one of them in full, the others as an offer
//! ([`offers`](crate::proto::presence::offers)). Whoever was told by somebody between counts that one as a witness as long as it says so.

use std::time::Duration;

use crate::id::{Address, ConnId, SessionId, UserId};
use crate::proto::Core;
use crate::proto::drops::DropReason;
use crate::proto::notice::{Absence, Notice, Via};
use crate::proto::peer::Peer;
use crate::proto::persist::Provenance;
use crate::proto::presence::offers::rank;
use crate::proto::presence::online::Change;
use crate::wire::codec::List;
use crate::wire::control::{Control, Declare, Digest, SessionMark, ShortId, UserMark, short};
use crate::wire::record::{Declaration, Roster};

impl Core {
    /// declareOnline, declareOffline: a signed statement of the session itself, whoever brings it.
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
            self.take_card(peer.conn, card, age);
        }
        if session != peer.session && !self.people.users.has_roster(&user) && self.presence.horizon.reaches(&user) {
            return self.ask_about(peer.conn, [user].iter());
        }
        let news = self.take_declaration(declaration, self.cx.now.moment - age);
        if session == peer.session {
            self.peers.connections.answered(&peer.conn);
            if news {
                self.spread(session, user, &declare.told);
                self.update_answers(&session, &user);
            }
            return;
        }
        if news && online {
            self.peers.sought.news(&user, self.cx.now.moment);
        }
        if online && self.people.sessions.says_online(&session) {
            self.vouch(session, user, peer.session, peer.user);
        }
    }

    /// Passes what a connected friend has said to my other friends: they are within two links of it.
    pub(in crate::proto) fn spread(&mut self, session: SessionId, user: UserId, told: &[ShortId]) {
        let Some(number) = self.people.sessions.seq(&session).filter(|_| self.presence.horizon.is_friend(&user)) else {
            return;
        };
        let between = self.presence.horizon.names(&user);
        let tellers: Vec<UserId> = between.iter().copied().filter(|other| self.was_told(other, told)).collect();
        for Peer { conn, session: to_session, user: to } in self.peers.connections.iter_up().collect::<Vec<_>>() {
            if to == user || !self.presence.horizon.is_friend(&to) || told.contains(&short(&to.0)) {
                continue;
            }
            // Who is linked with it itself hears of it directly, and needs me only as a witness.
            let linked = between.binary_search(&to).is_ok();
            let others = tellers.iter().copied().filter(|other| *other != to && self.presence.horizon.says(&to, other));
            let rank = rank(number, &to, &self.cx.config.user, others) + usize::from(linked);
            if rank == 0 {
                self.pass_on(conn, &session);
            } else if !self.presence.offers.put(rank, to_session, session, self.cx.now.moment) {
                self.cx.dropped(DropReason::TooManyOffers);
            }
        }
    }

    /// Whether another friend of the declarer could tell a third who calls it linked: it was told, or is there as far as I
    /// know.
    fn was_told(&self, other: &UserId, told: &[ShortId]) -> bool {
        if told.is_empty() {
            self.people.sessions.of_user(other).any(|session| self.presence.online.via(&session) == Some(Via::Direct))
        } else {
            told.contains(&short(&other.0))
        }
    }

    /// The declaration of a session as I have it, on its last hop.
    fn pass_on(&mut self, conn: ConnId, session: &SessionId) {
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

    /// Milliseconds since a session was heard of, by anybody on the way to here.
    pub(in crate::proto) fn age_of(&self, session: &SessionId) -> u64 {
        if self.peers.connections.up(session).is_some() {
            return 0;
        }
        self.people.sessions.get(session).map_or(0, |known| self.cx.now.moment.since(known.heard).as_millis() as u64)
    }

    /// The offers that are due, one digest for each neighbour.
    pub(in crate::proto) fn make_offers(&mut self) {
        for (to, about) in self.presence.offers.due(self.cx.now.moment) {
            let Some(conn) = self.peers.connections.up(&to) else { continue };
            let marks: Vec<UserMark> = about.iter().filter_map(|session| self.offer(session)).collect();
            for marks in marks.chunks(crate::wire::control::MAX_MARKS) {
                self.cx.send(conn, Control::Digest(Digest { users: List(marks.to_vec()) }));
            }
        }
    }

    fn offer(&self, session: &SessionId) -> Option<UserMark> {
        let known = self.people.sessions.get(session)?;
        let mark = SessionMark {
            session: short(&session.0),
            seq: known.declaration().map(|declaration| declaration.seq),
            card: None,
            links: None,
            live: Some(self.vouches_for(session)),
        };
        Some(UserMark { user: short(&known.user.0), version: None, sessions: List(vec![mark]), distance: None })
    }

    /// Whether I tell others that I am connected with a session.
    pub(in crate::proto) fn vouches_for(&self, session: &SessionId) -> bool {
        self.peers.connections.up(session).is_some() || self.presence.online.is_in_grace(session)
    }

    /// A neighbour says that it is connected with a session.
    pub(in crate::proto) fn vouch(&mut self, session: SessionId, user: UserId, by: SessionId, by_user: UserId) {
        if session == self.cx.me || !self.shows(&user) {
            return;
        }
        if !self.is_between(&by_user, &user) && !self.was_asked(&by, &user) {
            return self.cx.dropped(DropReason::UnlinkedWitness);
        }
        let change = self.presence.online.vouched(session, user, by, self.cx.now.moment);
        self.tell_presence(session, user, change);
        self.entrust(&Address::from(user));
        self.route_all_to(&Address::from(user));
        if matches!(change, Change::Came(_)) && self.presence.online.came_together(self.cx.now.moment) {
            self.seek_others_too();
        }
    }

    /// Whose word counts: friends of both, sessions of my own, and my servers.
    fn is_between(&self, by: &UserId, user: &UserId) -> bool {
        *by == self.cx.config.user
            || self.presence.horizon.is_through(user, by)
            || self.peers.connections.of_user(by).iter().any(|peer| self.is_my_server(&peer.session))
    }

    /// A relay or server may speak of those I am linked with and asked it for.
    fn was_asked(&self, by: &SessionId, user: &UserId) -> bool {
        self.people.links.is_link(user) && self.relays.own_queries.was_asked(by, user)
    }

    /// A friend's connection has been dead for a grace: my other friends are told that I do not reach it.
    fn take_word_back(&mut self, session: SessionId, user: UserId) {
        if !self.presence.horizon.is_friend(&user) {
            return;
        }
        let friends =
            self.peers.connections.iter_up().filter(|to| to.user != user && self.presence.horizon.is_friend(&to.user));
        for Peer { session: to, .. } in friends.collect::<Vec<_>>() {
            if !self.presence.offers.put(0, to, session, self.cx.now.moment) {
                self.cx.dropped(DropReason::TooManyOffers);
            }
        }
    }

    /// A neighbour is connected: faces and friends are told.
    pub(in crate::proto) fn show_online(&mut self, session: SessionId, user: UserId) {
        if !self.shows(&user) || self.peers.connections.up(&session).is_none() {
            return;
        }
        self.peers.nearby.hide(&session);
        let change = self.presence.online.came(session, user, self.cx.now.moment);
        self.tell_presence(session, user, change);
        if change != Change::Nothing {
            self.spread(session, user, &[]);
        }
    }

    /// At the start, everybody who would be shown and is remembered may have gone while I was away.
    pub(in crate::proto) fn remember_who_was_there(&mut self) {
        let shown =
            |session: &SessionId| self.people.sessions.get(session).is_some_and(|known| self.shows(&known.user));
        let shown: Vec<SessionId> = self.people.sessions.ids().filter(shown).collect();
        self.presence.online.remember(shown.into_iter());
    }

    /// Whose coming and going the faces are told: of those I am linked with, of the horizon, of my own sessions.
    pub(in crate::proto) fn shows(&self, user: &UserId) -> bool {
        self.people.links.is_link(user) || self.presence.horizon.reaches(user) || *user == self.cx.config.user
    }

    fn tell_presence(&mut self, session: SessionId, id: UserId, change: Change) {
        if change == Change::Nothing {
            return;
        }
        let user = self.people.users.handle(&id);
        match change {
            Change::Came(via) => self.cx.notice_after_store(None, Notice::Online { user, id, session, via }),
            Change::Path(via) => self.cx.notice_after_store(None, Notice::Path { user, session, via }),
            Change::Lost => {
                let reason = Absence::Lost;
                self.cx.notice(None, Notice::Offline { user, id, session, reason });
            }
            Change::Nothing => {}
        }
    }

    /// Whose grace is over.
    pub(in crate::proto) fn settle_presence(&mut self) {
        for (session, user, change) in self.presence.online.overdue(self.cx.now.moment) {
            self.tell_presence(session, user, change);
            if self.presence.online.owes_word(&session) {
                self.take_word_back(session, user);
            }
        }
    }

    /// Where a witness sees a session is worth a dial.
    pub(in crate::proto) fn note_observed(&mut self, session: &SessionId, addr: std::net::SocketAddr) {
        self.people.sessions.note_address(session, addr, Provenance::Hinted, self.cx.now.moment);
    }
}
