//! Handles announcements on the local link: sightings and their ends, and who is shown as nearby.

use std::net::SocketAddr;

use crate::id::{BootId, ConnId, SessionId, UserId};
use crate::proto::Core;
use crate::proto::drops::DropReason;
use crate::proto::limits::SEEK_FIRST;
use crate::proto::notice::{Notice, WarningCode};
use crate::proto::peers::dials::{Dial, Purpose};
use crate::proto::peers::lan::nearby::{Added, Place};

impl Core {
    /// Handles an announcement on the local link.
    pub(in crate::proto) fn on_sighted(&mut self, boot: BootId, addr: SocketAddr) {
        if boot == self.cx.boot {
            return;
        }
        let place = (boot, addr);
        if self.peers.nearby.is_full_for(&place) && !self.make_room_for(&place) {
            return;
        }
        let added = self.peers.nearby.add(place, self.cx.now.moment);
        match added {
            Added::Refused => return self.cx.dropped(DropReason::TooManySightings),
            Added::NewBoot => self.on_new_boot(boot),
            Added::NewPlace | Added::Known => {}
        }
        if let Some(session) = self.peers.connections.session_at(&boot, &addr) {
            // The session may have seen this node on the link and dialled before its own announcement arrived.
            self.peers.nearby.record_met(&place, session);
            return self.show_nearby_session(&session);
        }
        if added != Added::Known && self.peers.connections.has_boot(&boot) {
            // A connection from elsewhere claims the same boot id. It may be the same node at another address, or a false
            // claim, so the address is dialled later.
            self.probe_settled_connections(&boot);
            self.peers.nearby.defer(&place, self.cx.now.moment + SEEK_FIRST);
        }
        self.dial_sighted(place);
        self.choose_strangers();
    }

    /// Removes another announcement for a new one. Returns false if there is none to remove.
    fn make_room_for(&mut self, place: &Place) -> bool {
        self.cx.dropped(DropReason::TooManySightings);
        let Some((_, gone)) = self.peers.nearby.make_room(place.1.ip()) else { return false };
        gone.into_iter().for_each(|session| self.on_left_link(&session));
        true
    }

    /// Handles a boot id that the link has not shown before: whose it is may be known.
    fn on_new_boot(&mut self, boot: BootId) {
        if let Some(session) = self.people.sessions.with_boot(&boot)
            && self.people.sessions.declares_online(&session)
            && let Some(user) = self.people.sessions.get(&session).map(|known| known.user)
        {
            self.name_boot(boot, session, user, None);
        } else if self.peers.hearsay.is_told(&boot) {
            self.peers.hearsay.wake(self.cx.now.moment);
        }
    }

    /// Dials a sighted place if a session is wanted there, or if the connection that claims its boot id does not answer.
    fn dial_sighted(&mut self, place: Place) {
        let session = self.peers.nearby.session_at(&place);
        let missing = session.filter(|session| !self.peers.connections.has(session));
        let user = missing.and_then(|session| Some(self.people.sessions.get(&session)?.user));
        let wanted = user.is_some_and(|user| self.people.links.wants(&user) || self.chat.waits_for(&user));
        let wanted = wanted && !self.peers.nearby.is_refused(&place, self.cx.now.moment);
        if wanted || self.peers.connections.is_unresponsive(&place.0) {
            self.dial(Dial { addr: place.1, purpose: Purpose::Sighting(place.0) }, None);
        }
    }

    /// Probes the connections that claim a boot id which is announced at another address. One that has only just come up
    /// needs no probe.
    fn probe_settled_connections(&mut self, boot: &BootId) {
        for conn in self.peers.connections.settled_with_boot(boot, self.cx.now.moment) {
            self.probe(conn);
        }
    }

    /// Handles the end of an announcement.
    pub(in crate::proto) fn on_unsighted(&mut self, boot: BootId, addr: SocketAddr) {
        if let Some(session) = self.peers.nearby.remove(&(boot, addr)) {
            self.on_left_link(&session);
        }
    }

    /// Handles that the link does not announce a session any more.
    fn on_left_link(&mut self, session: &SessionId) {
        if self.peers.connections.up(session).is_none() {
            self.hide_nearby(session);
        }
    }

    /// Shows the user of a connection as nearby, if the local link shows them and they are not linked.
    pub(in crate::proto) fn show_nearby(&mut self, conn: ConnId) {
        let Some(neighbour) = self.peers.connections.get(&conn) else { return };
        let (session, addr, user) = (neighbour.session, neighbour.addr, neighbour.user);
        self.peers.nearby.record_met(&(neighbour.boot, addr), session);
        let Some(user) = user else { return };
        if self.peers.nearby.is_announced(&session) || is_on_link(&addr) {
            self.show_as_nearby(session, user);
        }
    }

    /// Shows a user as nearby unless they are linked or blocked.
    pub(in crate::proto) fn show_as_nearby(&mut self, session: SessionId, user: UserId) {
        let links = &self.people.links;
        let is_nobody = self.peers.connections.waits(&session);
        if links.wants(&user) || links.is_blocked(&user) || user == self.cx.config.user || is_nobody {
            return;
        }
        if self.peers.nearby.show(session, user) {
            let notice = Notice::Nearby { user: self.people.users.handle(&user), id: user, session };
            self.report(notice, &user);
        }
    }

    /// Shows that a session has left the local link.
    pub(in crate::proto) fn hide_nearby(&mut self, session: &SessionId) {
        if let Some(user) = self.peers.nearby.hide(session) {
            let notice = Notice::Away { user: self.people.users.handle(&user), id: user, session: *session };
            self.report(notice, &user);
            self.forget_if_unneeded(&user);
        }
    }

    /// Shows a connected session as nearby, if the link shows it.
    pub(in crate::proto) fn show_nearby_session(&mut self, session: &SessionId) {
        self.peers.connections.up(session).into_iter().for_each(|conn| self.show_nearby(conn));
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
