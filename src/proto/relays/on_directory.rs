//! The exchange of the directory between relays and servers. Distances are sent in the version summaries of digests; changes
//! are announced after a short pause. Distances are sent to and accepted from relays and servers only.

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
use crate::wire::control::{Control, Digest, MAX_SUMMARIES, SessionSummary, ShortId, UserSummary};

impl Core {
    /// Whether one of a user's sessions is connected.
    pub(in crate::proto) fn is_here(&self, user: &UserId) -> bool {
        !self.peers.connections.of_user(user).is_empty()
    }

    /// Connected relays and servers that are nearer to a user than this node, nearest first.
    pub(in crate::proto) fn nearer(&self, user: &UserId) -> Vec<Peer> {
        self.near().nearer(&Address::from(user))
    }

    /// Routes mail and queries to a user who has become reachable through a relay or server, or nearer than before.
    pub(in crate::proto) fn on_reachable(&mut self, user: &UserId) {
        self.route_all_to(&Address::from(user));
        self.pass_queries(user);
    }

    /// Records in the directory whether a user has a session here.
    pub(in crate::proto) fn note_here(&mut self, user: &UserId) {
        if self.cx.is_carrier() {
            self.relays.directory.set_here(short(&user.0), self.is_here(user), self.cx.now.moment);
        }
    }

    /// Whether both ends of a connection keep a directory.
    pub(in crate::proto) fn shares_directory(&self, conn: ConnId) -> bool {
        self.cx.is_carrier() && self.is_carrier(conn)
    }

    /// Handles a neighbour's announcement of a distance. The budget applies to reachable users only; withdrawals are always
    /// accepted.
    pub(in crate::proto) fn on_distance(&mut self, peer: Peer, user: ShortId, distance: u8) {
        if user == short(&self.cx.config.user.0) {
            return;
        }
        let by = peer.session;
        if distance < UNREACHABLE && !self.relays.announcements.draw(by, self.cx.now.moment) {
            return self.cx.dropped(DropReason::AnnouncementOverBudget);
        }
        match self.relays.directory.announce(user, by, distance, self.cx.now.moment) {
            Announced::Nearer => self.find_user(user.0).into_iter().for_each(|user| self.on_reachable(&user)),
            Announced::Recorded => self.find_user(user.0).into_iter().for_each(|user| self.lose_route(&user)),
            Announced::Refused => self.cx.dropped(DropReason::TooManyAnnounced),
        }
    }

    /// Announces a user again, if reachable, since its roster or a key card has changed.
    pub(in crate::proto) fn announce_again(&mut self, user: &UserId) {
        if self.cx.is_carrier() {
            self.relays.directory.announce_again(short(&user.0), self.cx.now.moment);
        }
    }

    /// Handles that the roster of a user is known now, of whom only announcements may have been known before.
    pub(in crate::proto) fn on_announced_user_known(&mut self, user: &UserId) {
        if !self.relays.directory.nearer(&short(&user.0)).is_empty() {
            self.on_reachable(user);
        }
    }

    /// The distance of a user to announce to a neighbour that has just connected; `None` if unreachable.
    pub(in crate::proto) fn distance_for(&self, peer: Peer, user: ShortId) -> Option<u8> {
        Some(self.relays.directory.route(&user).distance_for(peer.session)).filter(|distance| *distance < UNREACHABLE)
    }

    /// Announces changed distances to relays and servers, and routes mail for these users again.
    pub(in crate::proto) fn announce_changes(&mut self) {
        let changed = self.relays.directory.take_due(self.cx.now.moment);
        if changed.is_empty() {
            return;
        }
        for user in changed.iter().filter_map(|(user, _)| self.find_user(user.0)).collect::<Vec<_>>() {
            self.route_all_to(&Address::from(user));
            self.lose_route(&user);
        }
        let up = self.peers.connections.iter_up();
        for Peer { conn, session: to, .. } in up.filter(|peer| self.is_carrier(peer.conn)).collect::<Vec<_>>() {
            let summaries: Vec<UserSummary> =
                changed.iter().filter_map(|(user, before)| self.announcement(to, *user, before)).collect();
            for page in summaries.chunks(MAX_SUMMARIES) {
                self.cx.send(conn, Control::Digest(Digest { users: List(page.to_vec()) }));
            }
        }
    }

    /// The announcement of a user to one neighbour; `None` if the neighbour's distance does not change.
    fn announcement(&self, to: SessionId, user: ShortId, before: &Route) -> Option<UserSummary> {
        let distance = self.relays.directory.route(&user).distance_for(to);
        if distance == before.distance_for(to) {
            return None;
        }
        let bare = UserSummary { user, version: None, sessions: List(Vec::new()), distance: None };
        let known = self.find_user(user.0).filter(|_| distance < UNREACHABLE);
        let summary = known.map_or(bare, |user| self.directory_summary(&user));
        Some(UserSummary { distance: Some(distance), ..summary })
    }

    /// Version summaries that relays and servers exchange of all known users: rosters and key cards, and no location except
    /// the distance. Reachable users come first.
    pub(in crate::proto) fn directory_summaries(&self, but: &BTreeSet<UserId>) -> Vec<UserSummary> {
        let order = |user: UserId| {
            let reachable = self.relays.directory.is_reachable(&short(&user.0));
            (reachable, self.people.sessions.last_heard(&user), user)
        };
        let others = self.people.users.iter().filter(|user| *user != self.cx.config.user && !but.contains(user));
        let mut users: Vec<(bool, Moment, UserId)> = others.map(order).collect();
        users.sort_by(|a, b| b.cmp(a));
        users.truncate(MAX_ANNOUNCED_PER_NEIGHBOUR);
        users.into_iter().map(|(_, _, user)| self.directory_summary(&user)).collect()
    }

    /// The version summary of a user, without declarations and link lists.
    fn directory_summary(&self, user: &UserId) -> UserSummary {
        let summary = |session: SessionId| SessionSummary {
            session: short(&session.0),
            seq: None,
            card: self.people.sessions.get(&session).and_then(|known| known.card()).map(|card| card.seq),
            links: None,
            live: None,
        };
        UserSummary {
            user: short(&user.0),
            version: self.people.users.version(user),
            sessions: List(self.people.sessions.of_user(user).take(16).map(summary).collect()),
            distance: None,
        }
    }

    /// Whether the records of a user who is not connected here may be kept, within the bound on known users. Counts a drop
    /// if not.
    pub(in crate::proto) fn admits_to_directory(&mut self, user: &UserId) -> bool {
        let most = if self.cx.is_server() { MAX_KEPT_USERS } else { MAX_SESSIONS_RELAY };
        let admitted = self.people.users.has_roster(user) || self.people.users.count() < most;
        if !admitted {
            self.cx.dropped(DropReason::TooManyUsers);
        }
        admitted
    }
}
