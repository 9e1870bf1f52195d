//! Copies of state for display.

use std::net::SocketAddr;

use crate::id::{SessionId, UserId};
use crate::identity::address::{ContactAddress, MAX_ADDRS};
use crate::identity::labels::Labels;
use crate::identity::words;
use crate::proto::Core;
use crate::proto::notice::{Filter, Labelled, OwnSession, Profile, SessionView, UserView, Via};
use crate::time::Moment;

impl Core {
    /// The known users, as `\users`, `\online` and `\offline` show them.
    pub fn view(&self, filter: Filter) -> Vec<UserView> {
        let wanted = |view: &UserView| match filter {
            Filter::All => true,
            Filter::Online => view.online,
            Filter::Offline => !view.online,
        };
        self.people.users.iter().map(|user| self.view_user(user)).filter(wanted).collect()
    }

    fn view_user(&self, id: UserId) -> UserView {
        let me = id == self.cx.config.user;
        let labels = self.people.users.labels(&id);
        let view = |session| self.view_session(session, labels.label(&session));
        let sessions: Vec<SessionView> = self.known_sessions(&id).into_iter().map(view).collect();
        let distance = if me {
            Some(0)
        } else if self.people.links.is_link(&id) {
            Some(1)
        } else {
            self.presence.horizon.reaches(&id).then_some(2)
        };
        UserView {
            user: self.people.users.handle(&id),
            id,
            online: me || sessions.iter().any(|session| session.online),
            distance,
            nearby: self.is_nearby(&id),
            verified: self.people.users.is_verified(&id),
            blocked: self.people.links.is_blocked(&id),
            sessions,
        }
    }

    /// Whether a user was found on the local link. A session that waits to be linked is no user to talk to.
    pub(super) fn is_nearby(&self, id: &UserId) -> bool {
        let nearby = &self.peers.nearby;
        let is_there = |session: &SessionId| nearby.is_announced(session) && !self.peers.connections.waits(session);
        nearby.is_shown(id) || self.known_sessions(id).iter().any(is_there)
    }

    /// The sessions of a user: those that are known, and those on the roster.
    pub(super) fn known_sessions(&self, user: &UserId) -> Vec<SessionId> {
        let mut all: Vec<SessionId> =
            self.people.sessions.of_user(user).chain(self.people.users.audience(user)).collect();
        all.sort();
        all.dedup();
        all
    }

    fn view_session(&self, id: SessionId, label: String) -> SessionView {
        if id == self.cx.me {
            let addrs = self.people.myself.addrs.clone();
            return SessionView { session: id, label, online: true, via: Some(Via::Direct), heard_s: 0, addrs };
        }
        let known = self.people.sessions.get(&id);
        let refuses = known.is_some_and(|known| self.presence.refusals.contains(&known.user));
        let connected = self.peers.connections.up(&id).is_some() && !refuses;
        let online = connected || self.presence.online.is_online(&id);
        let heard = known.map(|session| self.cx.now.moment.since(session.heard).as_secs()).unwrap_or(0);
        SessionView {
            session: id,
            label,
            online,
            via: online.then(|| self.via(&id)),
            heard_s: if self.peers.connections.up(&id).is_some() { 0 } else { heard },
            addrs: known.map(|session| session.addresses()).unwrap_or_default(),
        }
    }

    /// The sessions that receive every message to a user.
    pub(in crate::proto) fn view_audience(&self, user: &UserId) -> Vec<Labelled> {
        let labels = self.people.users.labels(user);
        labels.sessions().map(|session| Labelled { session, label: labels.label(&session) }).collect()
    }

    /// The local user's sessions, those that were unlinked among them: the authors of the own lines in the history.
    pub(in crate::proto) fn view_authors(&self) -> Vec<Labelled> {
        let me = self.cx.config.user;
        let unlinked = self.people.unlinked.keys().map(|session| (*session, self.people.label_of(&me, session)));
        let unlinked = unlinked.map(|(session, label)| Labelled { session, label });
        self.view_audience(&me).into_iter().chain(unlinked).collect()
    }

    /// The local user's sessions, in the order of their roster.
    pub(in crate::proto) fn view_own_sessions(&self) -> Vec<OwnSession> {
        let labels = Labels::of(&self.people.myself.roster);
        labels.sessions().map(|session| self.view_own_session(session, labels.label(&session))).collect()
    }

    fn view_own_session(&self, session: SessionId, label: String) -> OwnSession {
        let is_this = session == self.cx.me;
        let online_since = if is_this { Some(self.cx.started) } else { self.presence.online.since(&session) };
        let heard = || self.people.sessions.get(&session).map(|known| known.heard).filter(|heard| *heard > Moment(0));
        OwnSession {
            session,
            label,
            is_this,
            via: online_since.map(|_| if is_this { Via::Direct } else { self.via(&session) }),
            since: online_since.or_else(heard).map(|moment| self.cx.now.wall_at(moment)),
        }
    }

    pub(super) fn via(&self, session: &SessionId) -> Via {
        if self.peers.connections.up(session).is_some() { Via::Direct } else { Via::Relayed }
    }

    /// A user's profile, as `\me` and `\whois` show it.
    pub(in crate::proto) fn view_profile(&self, id: &UserId) -> Profile {
        let me = *id == self.cx.config.user;
        let (sessions, labels) = (self.known_sessions(id), self.people.users.labels(id));
        let addrs = if me {
            self.people.myself.addrs.clone()
        } else {
            sessions.iter().filter_map(|s| self.people.sessions.get(s)).flat_map(|s| s.addresses()).collect()
        };
        // A loopback address leads to this machine, so it is of use for this user only.
        let is_usable =
            |addr: &&SocketAddr| crate::proto::people::sessions::is_shareable(addr) && (me || !addr.ip().is_loopback());
        let addrs = addrs.iter().filter(is_usable).take(MAX_ADDRS).copied().collect();
        Profile {
            user: self.people.users.handle(id),
            id: *id,
            words: words::fingerprint(id),
            address: ContactAddress { user: *id, addrs }.to_string(),
            link_local: Vec::new(),
            session: me.then_some(self.cx.me),
            sessions: sessions.into_iter().map(|session| Labelled { session, label: labels.label(&session) }).collect(),
            verified: self.people.users.is_verified(id),
            drops: if me { self.cx.drops.by_text() } else { Default::default() },
        }
    }
}
