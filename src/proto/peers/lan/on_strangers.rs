//! Connections to users who are not linked: a few that this node chooses at random on the local link, and a few of those that
//! choose this node. A random graph of such choices connects the link, so the cost of a node does not grow with the link.
//!
//! Nobody has a privilege for having come first. When there are too many strangers, those without use are closed, chosen by
//! chance and by what their address holds (`Connections::choose_to_close`). What a newcomer brings is read before it is
//! judged. A connection that something depends on is never surplus: it leads to a bootstrap node, mail waits for its user, or
//! no other node would report them as online. Relays and servers are judged apart: places for those that have shown a release of an own
//! envelope, and a few for those that only claim the role. They keep all strangers up to the bound on connections.

use std::time::Duration;

use rand_core::Rng;

use crate::id::{ConnId, SessionId, UserId};
use crate::proto::Core;
use crate::proto::drops::DropReason;
use crate::proto::event::CloseReason;
use crate::proto::limits::{
    CARRIERS_KEPT, JUDGED_AFTER, MAX_NEIGHBOURS, MAX_NEIGHBOURS_RELAY, MAX_SUBSTITUTES, NEARBY_CHOSEN,
    PROVEN_CARRIERS_KEPT, REVIEW, REVIEW_SOON, ROTATION, STRANGERS_CONNECTED, STRANGERS_KEPT, UNNAMED_AFTER,
};
use crate::proto::peers::connections::{Chosen, Neighbour};
use crate::proto::peers::dials::{Dial, Purpose};
use crate::proto::peers::lan::nearby::{Place, choose};

impl Core {
    /// Dials nodes on the local link, chosen at random, while fewer than [`NEARBY_CHOSEN`] are connected, and relays and servers
    /// there while fewer than [`CARRIERS_KEPT`] of them are connected.
    pub(in crate::proto) fn choose_strangers(&mut self) {
        let chosen = self.peers.connections.iter().filter(|(_, conn)| conn.chosen == Chosen::Nearby);
        let connected = chosen.filter(|(_, conn)| !self.people.is_carrier(&conn.session)).count();
        self.dial_strangers(NEARBY_CHOSEN.saturating_sub(connected), |_, _| true);
        let carriers = self.peers.connections.iter().filter(|(_, conn)| self.people.is_carrier(&conn.session)).count();
        self.dial_strangers(CARRIERS_KEPT.saturating_sub(carriers), Core::is_carrier_at);
    }

    /// Dials places that fit, until as many dials as are wanted are outstanding.
    fn dial_strangers(&mut self, wanted: usize, fits: impl Fn(&Core, &Place) -> bool) {
        let mut wanted = wanted.saturating_sub(self.peers.dials.sightings());
        while wanted > 0 && self.dial_stranger(&fits) {
            wanted -= 1;
        }
    }

    /// Dials one place of a node that is not connected, chosen at random. Returns false if there is none.
    fn dial_stranger(&mut self, fits: impl Fn(&Core, &Place) -> bool) -> bool {
        let candidates: Vec<Place> = self.candidates().filter(|place| fits(self, place)).collect();
        let Some(place) = choose(candidates.into_iter(), &mut self.cx.rng) else { return false };
        let (dial, now) = (Dial { addr: place.1, purpose: Purpose::Sighting(place.0) }, self.cx.now.moment);
        let starts = self.peers.dials.allows(&dial, now) && self.peers.nearby.take_turn(&place, now);
        if starts {
            self.dial(dial, None);
        }
        starts
    }

    /// The places that may be dialled to meet a stranger.
    fn candidates(&self) -> impl Iterator<Item = Place> + '_ {
        self.peers.nearby.ready(self.cx.now.moment).filter(|place| self.is_candidate(place))
    }

    /// Whether a place is of a node that is not connected and not blocked.
    fn is_candidate(&self, place: &Place) -> bool {
        let session = self.peers.nearby.session_at(place);
        let is_connected = session.is_some_and(|session| self.peers.connections.has(&session));
        let user = session.and_then(|session| Some(self.people.sessions.get(&session)?.user));
        !is_connected
            && !user.is_some_and(|user| self.people.links.is_blocked(&user))
            && (session.is_none() || !self.peers.connections.has_boot(&place.0))
    }

    /// Reviews the connections to strangers: dials more, replaces a chosen one, identifies nodes that nobody has told of, and
    /// closes the surplus.
    pub(in crate::proto) fn review_strangers(&mut self) {
        let now = self.cx.now.moment;
        if self.peers.review_at > now {
            return;
        }
        self.choose_strangers();
        let unnamed = |core: &Core, place: &Place| {
            core.peers.nearby.session_at(place).is_none() && core.peers.nearby.age(place, now) >= UNNAMED_AFTER
        };
        self.dial_stranger(unnamed);
        if self.peers.rotate_at <= now {
            let jitter = Duration::from_millis(self.cx.rng.next_u64() % (ROTATION.as_millis() as u64 / 2));
            self.peers.rotate_at = now + ROTATION * 3 / 4 + jitter;
            self.rotate_strangers();
        }
        let busy = self.close_surplus() || self.peers.nearby.unnamed_boots().next().is_some();
        self.peers.review_at = now + if busy { REVIEW_SOON } else { REVIEW };
    }

    /// Brings the next review forward, since something has changed.
    pub(in crate::proto) fn review_soon(&mut self) {
        self.peers.review_at = self.peers.review_at.min(self.cx.now.moment + REVIEW_SOON);
    }

    /// Replaces one chosen neighbour by another node of the link, and one relay that has shown nothing by another.
    fn rotate_strangers(&mut self) {
        let others: Vec<Place> = self.candidates().collect();
        if others.is_empty() {
            return;
        }
        let chosen = self.strangers(|neighbour| neighbour.chosen == Chosen::Nearby);
        if chosen.len() >= NEARBY_CHOSEN {
            self.close_one(&chosen);
        }
        let (_, claimed) = self.carriers_by_proof();
        if claimed.len() >= CARRIERS_KEPT && others.iter().any(|place| self.is_carrier_at(place)) {
            self.close_one(&claimed);
        }
        self.choose_strangers();
    }

    fn is_carrier_at(&self, place: &Place) -> bool {
        self.peers.nearby.session_at(place).is_some_and(|session| self.people.is_carrier(&session))
    }

    /// Connections to unlinked carriers that nothing depends on: those that have shown a release, and those that have not.
    fn carriers_by_proof(&self) -> (Vec<ConnId>, Vec<ConnId>) {
        self.unlinked_carriers().into_iter().partition(|conn| self.is_proven_carrier(conn))
    }

    /// Closes at most one connection of each kind of strangers of which there are too many. Returns whether there are.
    fn close_surplus(&mut self) -> bool {
        if self.cx.is_carrier() {
            return false;
        }
        let accepted = self.strangers(|neighbour| neighbour.chosen == Chosen::No && !neighbour.dialled);
        let mut found = self.close_beyond(&accepted, STRANGERS_KEPT, STRANGERS_CONNECTED);
        let dialled = self.dialled_strangers();
        found |= self.close_beyond(&dialled, MAX_SUBSTITUTES, STRANGERS_CONNECTED);
        let chosen = self.strangers(|neighbour| neighbour.chosen == Chosen::Nearby);
        found |= self.close_beyond(&chosen, NEARBY_CHOSEN, STRANGERS_CONNECTED);
        let (proven, claimed) = self.carriers_by_proof();
        let places = CARRIERS_KEPT + PROVEN_CARRIERS_KEPT;
        found |=
            self.close_beyond(&claimed, places.saturating_sub(proven.len()).max(CARRIERS_KEPT), STRANGERS_CONNECTED);
        found | self.close_beyond(&proven, places, STRANGERS_CONNECTED)
    }

    /// Closes an idle connection if there are more than `idle`, and any if there are more than `most` in all. Idle ones that
    /// have just come up do not count yet. Returns whether there were too many.
    fn close_beyond(&mut self, conns: &[ConnId], idle: usize, most: usize) -> bool {
        let now = self.cx.now.moment;
        let judged = |conn: &&ConnId| {
            let neighbour = self.peers.connections.get(conn);
            neighbour.is_some_and(|conn| now.since(conn.since) >= JUDGED_AFTER && !conn.is_in_use(now))
        };
        let judged: Vec<ConnId> = conns.iter().filter(judged).copied().collect();
        let too_many = judged.len() > idle || conns.len() > most;
        if too_many {
            self.close_one(if judged.is_empty() { conns } else { &judged });
        }
        too_many
    }

    /// Closes one of these connections.
    fn close_one(&mut self, conns: &[ConnId]) {
        let Self { cx, peers, .. } = self;
        if let Some(conn) = peers.connections.choose_to_close(conns, &mut cx.rng, cx.now.moment) {
            self.close(conn, CloseReason::Surplus);
        }
    }

    /// Connections to strangers that this node has dialled for a reason: friends of missing users, and addresses that a person
    /// has pinged.
    pub(in crate::proto) fn dialled_strangers(&self) -> Vec<ConnId> {
        self.strangers(|neighbour| neighbour.chosen == Chosen::No && neighbour.dialled)
    }

    /// Connections to strangers that are no carriers and that nothing depends on.
    fn strangers(&self, fits: impl Fn(&Neighbour) -> bool) -> Vec<ConnId> {
        let fits = |conn: &ConnId| self.peers.connections.get(conn).is_some_and(&fits);
        let all = self.unlinked_peers().into_iter().filter(|(conn, user)| fits(conn) && !self.is_needed(conn, user));
        all.map(|(conn, _)| conn).collect()
    }

    /// Connections to unlinked users that claim to be neither relay nor server.
    pub(in crate::proto) fn unlinked_peers(&self) -> Vec<(ConnId, UserId)> {
        self.not_linked().filter(|(conn, _)| !self.is_carrier(*conn)).collect()
    }

    /// Connections to relays and servers of unlinked users that nothing depends on.
    fn unlinked_carriers(&self) -> Vec<ConnId> {
        let carriers = self.not_linked().filter(|(conn, _)| self.is_carrier(*conn));
        carriers.filter(|(conn, user)| !self.is_needed(conn, user)).map(|(conn, _)| conn).collect()
    }

    fn not_linked(&self) -> impl Iterator<Item = (ConnId, UserId)> + '_ {
        let up = self.peers.connections.iter_up().map(|peer| (peer.conn, peer.user));
        up.filter(|(_, user)| !self.people.links.wants(user) && *user != self.cx.config.user)
    }

    /// Whether a relay or server has shown the release of an own envelope.
    fn is_proven_carrier(&self, conn: &ConnId) -> bool {
        self.peers.connections.get(conn).is_some_and(|neighbour| self.relays.proven.contains(&neighbour.session))
    }

    /// Whether an unlinked user's connection is needed: it leads to a bootstrap node, something waits to be sent there,
    /// or no other node would report that they are online.
    pub(in crate::proto) fn is_needed(&self, conn: &ConnId, user: &UserId) -> bool {
        let Some(session) = self.peers.connections.get(conn).map(|neighbour| neighbour.session) else { return false };
        self.peers.bootstrapped.values().any(|kept| *kept == session)
            || self.chat.waits_for(user)
            || (self.presence.online.is_online(&session) && !self.presence.online.has_witness(&session))
    }

    /// Whether a new connection is within the limit. At the limit another one makes room, unless all are protected: to linked
    /// users, to own sessions and bootstrap nodes, and to carriers that have shown releases.
    pub(in crate::proto) fn ensure_capacity(&mut self) -> bool {
        if self.peers.connections.count() < self.max_neighbours() {
            return true;
        }
        self.cx.dropped(DropReason::TooManyConnections);
        let open = self.peers.connections.iter().filter(|(_, conn)| !self.is_protected(conn));
        let open: Vec<ConnId> = open.map(|(conn, _)| conn).collect();
        let Self { cx, peers, .. } = self;
        let Some(conn) = peers.connections.choose_to_close(&open, &mut cx.rng, cx.now.moment) else { return false };
        self.close(conn, CloseReason::Surplus);
        true
    }

    fn is_protected(&self, neighbour: &Neighbour) -> bool {
        let session: &SessionId = &neighbour.session;
        neighbour.user.is_some_and(|user| self.people.links.wants(&user) || user == self.cx.config.user)
            || self.peers.bootstrapped.values().any(|kept| kept == session)
            || self.relays.proven.contains(session)
    }

    /// The limit of connections for the role of this node.
    fn max_neighbours(&self) -> usize {
        if self.cx.is_carrier() { MAX_NEIGHBOURS_RELAY } else { MAX_NEIGHBOURS }
    }
}
