//! The exchange of the directory between relays and servers. Distances are sent in the version summaries of digests; changes
//! are announced after a short pause. Distances are sent to and accepted from relays and servers only.

use std::collections::BTreeSet;

use crate::id::{Address, ConnId, SessionId, UserId};
use crate::proto::Core;
use crate::proto::drops::DropReason;
use crate::proto::limits::{MAX_ANNOUNCED_PER_NEIGHBOUR, MAX_KEPT_USERS, MAX_SESSIONS_RELAY};
use crate::proto::peer::Peer;
use crate::proto::relays::directory::{Announced, Destination, Route, UNREACHABLE};
use crate::time::Moment;
use crate::wire::codec::List;
use crate::wire::control::short;
use crate::wire::control::{Control, Digest, MAX_SUMMARIES, SessionSummary, ShortId, UserSummary};
use crate::wire::record::MAX_SESSIONS;

impl Core {
    /// Whether one of a user's sessions is connected.
    pub(in crate::proto) fn is_here(&self, user: &UserId) -> bool {
        !self.peers.connections.of_user(user).is_empty()
    }

    /// Connected relays and servers that are nearer to a user, or to any of several sessions of the user, than this node.
    /// Some may be named twice.
    pub(in crate::proto) fn nearer(&self, user: &UserId) -> Vec<Peer> {
        let sessions = self.people.sessions.of_user(user).map(|session| Address::from(&session));
        let addresses = [Address::from(user)].into_iter().chain(sessions);
        addresses.flat_map(|address| self.near().nearer(&address)).collect()
    }

    /// Routes mail and queries to a user who has become reachable through a relay or server, or nearer than before.
    pub(in crate::proto) fn on_reachable(&mut self, user: &UserId) {
        self.route_all_to_user(user);
        self.pass_queries(user);
    }

    /// Records in the directory whether a user has a session here, and which of several.
    pub(in crate::proto) fn note_here(&mut self, user: &UserId) {
        if !self.cx.is_carrier() {
            return;
        }
        let (to, now) = (Destination::from(short(&user.0)), self.cx.now.moment);
        self.relays.directory.set_here(to, self.is_here(user), now);
        let several = self.people.users.audience(user).len() > 1;
        for session in self.people.sessions.of_user(user) {
            let is_here = several && self.peers.connections.up(&session).is_some();
            self.relays.directory.set_here(Destination { session: Some(short(&session.0)), ..to }, is_here, now);
        }
    }

    /// Whether both ends of a connection keep a directory.
    pub(in crate::proto) fn shares_directory(&self, conn: ConnId) -> bool {
        self.cx.is_carrier() && self.is_carrier(conn)
    }

    /// Handles a neighbour's announcement of the distances of a user and their sessions.
    pub(in crate::proto) fn on_distances(&mut self, peer: Peer, summary: &UserSummary) {
        let (user, me) = (summary.user, &self.cx.config.user.0);
        if let Some(distance) = summary.distance.filter(|_| user != short(me)) {
            self.on_distance(peer, user.into(), distance);
        }
        for mark in summary.sessions.iter().filter(|mark| mark.session != short(&self.cx.me.0)).collect::<Vec<_>>() {
            if let Some(distance) = mark.distance {
                self.on_distance(peer, Destination { user, session: Some(mark.session) }, distance);
            }
        }
    }

    /// Handles a neighbour's announcement of a distance. The budget applies to what is reachable only; withdrawals are always
    /// accepted.
    fn on_distance(&mut self, peer: Peer, to: Destination, distance: u8) {
        let by = peer.session;
        if distance < UNREACHABLE && !self.relays.announcements.draw(by, self.cx.now.moment) {
            return self.cx.dropped(DropReason::AnnouncementOverBudget);
        }
        let user = self.find_user(to.user.0);
        match self.relays.directory.announce(to, by, distance, self.cx.now.moment) {
            Announced::Nearer => user.into_iter().for_each(|user| self.on_reachable(&user)),
            Announced::Recorded => user.into_iter().for_each(|user| self.lose_route(&user)),
            Announced::Refused => self.cx.dropped(DropReason::TooManyAnnounced),
        }
    }

    /// Announces a user again, if reachable, since its roster or a key card has changed.
    pub(in crate::proto) fn announce_again(&mut self, user: &UserId) {
        if self.cx.is_carrier() {
            self.relays.directory.announce_again(short(&user.0).into(), self.cx.now.moment);
        }
    }

    /// Handles that the roster of a user or sessions of the user are known now, of whom only announcements may have been known
    /// before.
    pub(in crate::proto) fn on_announced_user_known(&mut self, user: &UserId) {
        if !self.nearer(user).is_empty() {
            self.on_reachable(user);
        }
    }

    /// Adds the distances of a user and their sessions, to be announced to a neighbour that has just connected. What is
    /// unreachable has none.
    pub(in crate::proto) fn add_distances(&self, peer: Peer, summary: &mut UserSummary) {
        let distance = |to: Destination| Some(self.relays.directory.route(&to).distance_for(peer.session));
        let user = summary.user;
        summary.distance = distance(user.into()).filter(|distance| *distance < UNREACHABLE);
        for mark in &mut summary.sessions.0 {
            let to = Destination { user, session: Some(mark.session) };
            mark.distance = distance(to).filter(|distance| *distance < UNREACHABLE);
        }
    }

    /// Announces changed distances to relays and servers, and routes mail for these users again.
    pub(in crate::proto) fn announce_changes(&mut self) {
        let changed = self.relays.directory.take_due(self.cx.now.moment);
        if changed.is_empty() {
            return;
        }
        let users: BTreeSet<ShortId> = changed.iter().map(|(to, _)| to.user).collect();
        for user in users.iter().filter_map(|user| self.find_user(user.0)).collect::<Vec<_>>() {
            self.route_all_to_user(&user);
            self.lose_route(&user);
        }
        let up = self.peers.connections.iter_up();
        for Peer { conn, session: to, .. } in up.filter(|peer| self.is_carrier(peer.conn)).collect::<Vec<_>>() {
            let summaries = self.announcements(to, &changed);
            for page in summaries.chunks(MAX_SUMMARIES) {
                self.cx.send(conn, Control::Digest(Digest { users: List(page.to_vec()) }));
            }
        }
    }

    /// The announcements to one neighbour: of the changes, in the order of destinations, those that change its distance.
    fn announcements(&self, neighbour: SessionId, changes: &[(Destination, Route)]) -> Vec<UserSummary> {
        let mut summaries: Vec<UserSummary> = Vec::new();
        for (to, before) in changes {
            let distance = self.relays.directory.route(to).distance_for(neighbour);
            if distance == before.distance_for(neighbour) {
                continue;
            }
            if summaries.last().is_none_or(|last| last.user != to.user) {
                summaries.push(self.bare_summary(to.user, distance < UNREACHABLE));
            }
            if let Some(summary) = summaries.last_mut() {
                set_distance(summary, to.session, distance);
            }
        }
        summaries
    }

    /// The summary of a user for an announcement: with the versions of the records if the user is known and reachable.
    fn bare_summary(&self, user: ShortId, is_reachable: bool) -> UserSummary {
        let bare = UserSummary { user, version: None, sessions: List(Vec::new()), distance: None };
        let known = self.find_user(user.0).filter(|_| is_reachable);
        known.map_or(bare, |user| self.directory_summary(&user))
    }

    /// Version summaries that relays and servers exchange of all known users: rosters and key cards, and no location except
    /// the distance. Reachable users come first.
    pub(in crate::proto) fn directory_summaries(&self, but: &BTreeSet<UserId>) -> Vec<UserSummary> {
        let order = |user: UserId| {
            let reachable = self.relays.directory.is_reachable(&short(&user.0).into());
            (reachable, self.people.sessions.last_heard(&user), user)
        };
        let others = self.people.users.iter().filter(|user| *user != self.cx.config.user && !but.contains(user));
        let mut users: Vec<(bool, Moment, UserId)> = others.map(order).collect();
        users.sort_by(|a, b| b.cmp(a));
        let mut announced = 0;
        let summaries = users.into_iter().map(|(_, _, user)| self.directory_summary(&user));
        // A user counts, and so do the sessions of one with several.
        let within_bound = summaries.take_while(|summary| {
            announced += 1 + if summary.sessions.len() > 1 { summary.sessions.len() } else { 0 };
            announced <= MAX_ANNOUNCED_PER_NEIGHBOUR
        });
        within_bound.collect()
    }

    /// The version summary of a user, without declarations and link lists.
    pub(in crate::proto) fn directory_summary(&self, user: &UserId) -> UserSummary {
        let summary = |session: SessionId| SessionSummary {
            session: short(&session.0),
            seq: None,
            card: self.people.sessions.get(&session).and_then(|known| known.card()).map(|card| card.seq),
            links: None,
            live: None,
            distance: None,
        };
        UserSummary {
            user: short(&user.0),
            version: self.people.users.version(user),
            sessions: List(self.people.sessions.of_user(user).take(MAX_SESSIONS).map(summary).collect()),
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

/// Sets the distance of a user, or of one of the sessions, in an announcement.
fn set_distance(summary: &mut UserSummary, session: Option<ShortId>, distance: u8) {
    let Some(session) = session else {
        summary.distance = Some(distance);
        return;
    };
    let marks = &mut summary.sessions.0;
    if let Some(mark) = marks.iter_mut().find(|mark| mark.session == session) {
        mark.distance = Some(distance);
    } else if marks.len() < MAX_SESSIONS {
        // A neighbour may have announced more sessions than a user can have.
        marks.push(SessionSummary { distance: Some(distance), ..SessionSummary::bare(session) });
    }
}
