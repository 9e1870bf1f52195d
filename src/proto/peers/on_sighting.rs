//! Handles announcements on the local link: sightings and their ends.

use std::net::SocketAddr;

use crate::id::{BootId, ConnId, SessionId, UserId};
use crate::proto::Core;
use crate::proto::drops::DropReason;
use crate::proto::event::CloseReason;
use crate::proto::limits::{MAX_CARRIERS_KEPT, MAX_NEARBY_KEPT};
use crate::proto::notice::{Notice, WarningCode};
use crate::proto::peers::dials::{Dial, Purpose};
use crate::proto::peers::nearby::Action;

impl Core {
    /// Shows the user of a connection as nearby, if the local link shows them and they are not linked.
    pub(in crate::proto) fn show_nearby(&mut self, conn: ConnId) {
        let Some(neighbour) = self.peers.connections.get(&conn) else { return };
        let (session, addr) = (neighbour.session, neighbour.addr);
        self.peers.nearby.record_session(&(neighbour.boot, addr), session);
        let Some(user) = neighbour.user.filter(|user| !self.people.links.wants(user) && *user != self.cx.config.user)
        else {
            return;
        };
        let local = self.peers.nearby.is_announced(&session) || is_on_link(&addr);
        if local && self.peers.nearby.show(session, user) {
            let notice = Notice::Nearby { user: self.people.users.handle(&user), id: user, session };
            self.report(notice, &user);
        }
    }

    /// Closes a connection that nothing needs when there are too many: the newcomer's, or, if this node chose the
    /// newcomer, the youngest that it did not choose. A peer that dials often must not displace chosen ones. Returns
    /// true if the newcomer's was closed.
    pub(in crate::proto) fn close_surplus(&mut self, newcomer: ConnId) -> bool {
        let is_carrier = self.is_carrier(newcomer);
        let unlinked = if is_carrier { self.unlinked_carriers() } else { self.unlinked_peers() };
        let limit = if is_carrier { MAX_CARRIERS_KEPT } else { MAX_NEARBY_KEPT };
        if self.cx.is_carrier() || unlinked.len() <= limit {
            return false;
        }
        let unneeded = unlinked.into_iter().filter(|(conn, user)| !self.is_needed(conn, user));
        let candidates = unneeded.filter_map(|(conn, _)| {
            let neighbour = self.peers.connections.get(&conn)?;
            Some((!neighbour.chosen, conn == newcomer, neighbour.since, conn))
        });
        let Some((.., chosen)) = candidates.max() else { return false };
        self.close(chosen, CloseReason::Surplus);
        chosen == newcomer
    }

    /// Connections to unlinked users that claim to be neither relay nor server.
    pub(in crate::proto) fn unlinked_peers(&self) -> Vec<(ConnId, UserId)> {
        self.not_linked().filter(|(conn, _)| !self.is_carrier(*conn)).collect()
    }

    /// Connections to relays and servers of unlinked users.
    fn unlinked_carriers(&self) -> Vec<(ConnId, UserId)> {
        self.not_linked().filter(|(conn, _)| self.is_carrier(*conn)).collect()
    }

    fn not_linked(&self) -> impl Iterator<Item = (ConnId, UserId)> + '_ {
        let up = self.peers.connections.iter_up().map(|peer| (peer.conn, peer.user));
        up.filter(|(_, user)| !self.people.links.wants(user) && *user != self.cx.config.user)
    }

    /// Whether an unlinked user's connection is needed: it leads to a bootstrap node, something waits to be sent there,
    /// or no other node would report that they are online.
    pub(in crate::proto) fn is_needed(&self, conn: &ConnId, user: &UserId) -> bool {
        let Some(session) = self.peers.connections.get(conn).map(|neighbour| neighbour.session) else { return false };
        self.peers.bootstrapped.values().any(|kept| *kept == session)
            || self.chat.waits_for(user)
            || (self.presence.online.is_online(&session) && !self.presence.online.has_witness(&session))
    }

    /// Shows that a session has left the local link.
    pub(in crate::proto) fn hide_nearby(&mut self, session: &SessionId) {
        if let Some(user) = self.peers.nearby.hide(session) {
            let notice = Notice::Away { user: self.people.users.handle(&user), id: user, session: *session };
            self.report(notice, &user);
            self.forget_if_unneeded(&user);
        }
    }

    /// Handles an announcement on the local link.
    pub(in crate::proto) fn on_sighted(&mut self, boot: BootId, addr: SocketAddr) {
        if boot == self.cx.config.boot {
            return;
        }
        let place = (boot, addr);
        if self.peers.nearby.is_full_for(&place) {
            self.cx.dropped(DropReason::TooManySightings);
            if !self.peers.nearby.make_room(addr.ip()) {
                return;
            }
        }
        let action = self.peers.nearby.add(place, self.peers.connections.has_boot(&boot), self.cx.now.moment);
        if let Some(session) = self.peers.connections.session_at(&boot, &addr) {
            // The session may have seen this node on the link and dialled before its own announcement arrived.
            self.peers.nearby.record_session(&place, session);
            return self.show_nearby_session(&session);
        }
        if action == Action::Probe {
            self.probe_settled_connections(&boot);
        }
        if action == Action::Dial || self.peers.connections.is_unresponsive(&boot) {
            self.dial(Dial { addr, purpose: Purpose::Sighting(boot) }, None);
        }
    }

    /// Probes the connections that claim a boot id which is announced at another address. One that has only just come up
    /// needs no probe.
    fn probe_settled_connections(&mut self, boot: &BootId) {
        for conn in self.peers.connections.settled_with_boot(boot, self.cx.now.moment) {
            self.probe(conn);
        }
    }

    /// Shows a connected session as nearby, if the link shows it.
    pub(in crate::proto) fn show_nearby_session(&mut self, session: &SessionId) {
        self.peers.connections.up(session).into_iter().for_each(|conn| self.show_nearby(conn));
    }

    /// Handles the end of an announcement.
    pub(in crate::proto) fn on_unsighted(&mut self, boot: BootId, addr: SocketAddr) {
        if let Some(session) = self.peers.nearby.remove(&(boot, addr))
            && self.peers.connections.up(&session).is_none()
        {
            self.hide_nearby(&session);
        }
    }

    /// Warns that this node's own announcements do not arrive. Called once each time multicast stops working.
    pub(in crate::proto) fn on_multicast_deaf(&mut self) {
        let message = "I do not hear my own announcement: multicast is blocked here; use \\ping HOST or --bootstrap";
        let user = Some(self.people.users.handle(&self.cx.config.user));
        let notice = Notice::Warning { code: WarningCode::Multicast, message: message.to_owned(), user };
        self.cx.notice(None, notice);
    }
}

/// Whether an address can only belong to this link or this machine.
fn is_on_link(addr: &SocketAddr) -> bool {
    match addr.ip() {
        std::net::IpAddr::V4(ip) => ip.is_loopback() || ip.is_link_local(),
        std::net::IpAddr::V6(ip) => ip.is_loopback() || ip.is_unicast_link_local(),
    }
}
