//! Between relays and servers: who is where, in relays. Announcements ride on the marks of digests; a change is announced
//! to all of them within a moment. Nobody else is told distances, and nobody else's count.

use std::collections::BTreeSet;

use crate::id::{Address, ConnId, SessionId, UserId};
use crate::proto::Core;
use crate::proto::drops::DropReason;
use crate::proto::limits::{MAX_ANNOUNCED_PER_NEIGHBOUR, MAX_KEPT_USERS, MAX_SESSIONS_RELAY};
use crate::proto::peer::Peer;
use crate::proto::relays::directory::{Announced, Route, UNREACHABLE};
use crate::time::Moment;
use crate::wire::codec::List;
use crate::wire::control::short;
use crate::wire::control::{Control, Digest, MAX_MARKS, SessionMark, ShortId, UserMark};

impl Core {
    /// Whether one of a user's sessions is up here.
    pub(in crate::proto) fn is_here(&self, user: &UserId) -> bool {
        !self.peers.connections.of_user(user).is_empty()
    }

    /// Connected relays and servers to which a user is nearer than to me, nearest first.
    pub(in crate::proto) fn nearer(&self, user: &UserId) -> Vec<Peer> {
        self.near().nearer(&Address::from(user))
    }

    /// A user is there, or nearer than before, by way of a relay or server.
    pub(in crate::proto) fn on_reachable(&mut self, user: &UserId) {
        self.route_all_to(&Address::from(user));
        self.pass_questions(user);
    }

    /// Notes whether a user has a session here.
    pub(in crate::proto) fn note_here(&mut self, user: &UserId) {
        if self.cx.is_carrier() {
            self.relays.directory.set_here(short(&user.0), self.is_here(user), self.cx.now.moment);
        }
    }

    /// Both ends of a connection keep a directory.
    pub(in crate::proto) fn shares_directory(&self, conn: ConnId) -> bool {
        self.cx.is_carrier() && self.is_carrier(conn)
    }

    /// A neighbour's word on how far somebody is from it. That they are out of reach is always heard.
    pub(in crate::proto) fn hear_distance(&mut self, peer: Peer, user: ShortId, distance: u8) {
        if user == short(&self.cx.config.user.0) {
            return;
        }
        let by = peer.session;
        if distance < UNREACHABLE && !self.relays.announcements.draw(by, self.cx.now.moment) {
            return self.cx.dropped(DropReason::AnnouncementOverBudget);
        }
        match self.relays.directory.announce(user, by, distance, self.cx.now.moment) {
            Announced::Nearer => self.find_user(user.0).into_iter().for_each(|user| self.on_reachable(&user)),
            Announced::Noted => self.find_user(user.0).into_iter().for_each(|user| self.lose_ways(&user)),
            Announced::Refused => self.cx.dropped(DropReason::TooManyAnnounced),
        }
    }

    /// There is news of who somebody is, or how to seal to them: relays and servers are told again of whoever is reachable
    /// from here.
    pub(in crate::proto) fn renew_directory(&mut self, user: &UserId) {
        if self.cx.is_carrier() {
            self.relays.directory.renew(short(&user.0), self.cx.now.moment);
        }
    }

    /// A user of whom only announcements were known has a name now.
    pub(in crate::proto) fn learn_announced(&mut self, user: &UserId) {
        if !self.relays.directory.nearer(&short(&user.0)).is_empty() {
            self.on_reachable(user);
        }
    }

    /// How far a user is, as one neighbour is told when it comes up.
    pub(in crate::proto) fn distance_for(&self, peer: Peer, user: ShortId) -> Option<u8> {
        Some(self.relays.directory.route(&user).told_to(peer.session)).filter(|distance| *distance < UNREACHABLE)
    }

    /// Tells relays and servers whose distance has changed. Mail for them may have another way from now on.
    pub(in crate::proto) fn announce_changes(&mut self) {
        let changed = self.relays.directory.due(self.cx.now.moment);
        if changed.is_empty() {
            return;
        }
        for user in changed.iter().filter_map(|(user, _)| self.find_user(user.0)).collect::<Vec<_>>() {
            self.route_all_to(&Address::from(user));
            self.lose_ways(&user);
        }
        let up = self.peers.connections.iter_up();
        for Peer { conn, session: to, .. } in up.filter(|peer| self.is_carrier(peer.conn)).collect::<Vec<_>>() {
            let marks: Vec<UserMark> =
                changed.iter().filter_map(|(user, before)| self.announcement(to, *user, before)).collect();
            for page in marks.chunks(MAX_MARKS) {
                self.cx.send(conn, Control::Digest(Digest { users: List(page.to_vec()) }));
            }
        }
    }

    fn announcement(&self, to: SessionId, user: ShortId, before: &Route) -> Option<UserMark> {
        let distance = self.relays.directory.route(&user).told_to(to);
        if distance == before.told_to(to) {
            return None;
        }
        let bare = UserMark { user, version: None, sessions: List(Vec::new()), distance: None };
        let known = self.find_user(user.0).filter(|_| distance < UNREACHABLE);
        let mark = known.map_or(bare, |user| self.directory_mark(&user));
        Some(UserMark { distance: Some(distance), ..mark })
    }

    /// What two relays or servers tell each other of everybody they met: rosters and key cards, nothing of where they are but
    /// how many relays away. Whoever can be reached comes first.
    pub(in crate::proto) fn directory_marks(&self, but: &BTreeSet<UserId>) -> Vec<UserMark> {
        let order = |user: UserId| {
            let reachable = self.relays.directory.is_reachable(&short(&user.0));
            (reachable, self.people.sessions.last_heard(&user), user)
        };
        let others = self.people.users.iter().filter(|user| *user != self.cx.config.user && !but.contains(user));
        let mut users: Vec<(bool, Moment, UserId)> = others.map(order).collect();
        users.sort_by(|a, b| b.cmp(a));
        users.truncate(MAX_ANNOUNCED_PER_NEIGHBOUR);
        users.into_iter().map(|(_, _, user)| self.directory_mark(&user)).collect()
    }

    fn directory_mark(&self, user: &UserId) -> UserMark {
        let mark = |session: SessionId| SessionMark {
            session: short(&session.0),
            seq: None,
            card: self.people.sessions.get(&session).and_then(|known| known.card()).map(|card| card.seq),
            links: None,
            live: None,
        };
        UserMark {
            user: short(&user.0),
            version: self.people.users.version(user),
            sessions: List(self.people.sessions.of_user(user).take(16).map(mark).collect()),
            distance: None,
        }
    }

    /// Whether hearsay of one user more has room here. Whoever comes in person always has.
    pub(in crate::proto) fn has_room_in_directory(&mut self, user: &UserId) -> bool {
        let most = if self.cx.is_server() { MAX_KEPT_USERS } else { MAX_SESSIONS_RELAY };
        let room = self.people.users.has_roster(user) || self.people.users.count() < most;
        if !room {
            self.cx.dropped(DropReason::TooManyUsers);
        }
        room
    }
}
