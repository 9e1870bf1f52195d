//! The local link shows people, and ceases to.

use std::net::SocketAddr;

use super::Core;
use super::dials::{Dial, Purpose};
use super::event::CloseReason;
use super::limits::{MAX_CARRIERS_KEPT, MAX_NEARBY_KEPT};
use super::nearby::Sight;
use super::view::{Notice, WarningCode};
use crate::id::{BootId, ConnId, SessionId};

impl Core {
    /// Shows somebody of the local link, and lets go of connections that nobody needs.
    pub(super) fn show_nearby(&mut self, conn: ConnId) {
        let Some(neighbour) = self.neighbours.get(&conn) else { return };
        let (session, addr) = (neighbour.session, neighbour.addr);
        self.nearby.meet(&(neighbour.boot, addr), session);
        let Some(user) = neighbour.user.filter(|user| !self.links.wants(user) && *user != self.config.user) else {
            return;
        };
        let local = self.nearby.announces(&session) || is_on_link(&addr);
        if local && self.nearby.show(session, user) {
            let notice = Notice::Nearby { user: self.users.handle(&user), id: user, session };
            self.notice(None, notice);
        }
        let (carriers, strangers) = self.strangers_up();
        let surplus =
            if self.is_super_client(conn) { carriers > MAX_CARRIERS_KEPT } else { strangers > MAX_NEARBY_KEPT };
        let needed = self.bootstrapped.values().any(|kept| *kept == session) || self.is_super();
        if surplus && !needed && !self.outbox.waits_for(&user) {
            self.close(conn, CloseReason::Surplus);
        }
    }

    /// How many are connected whom I am not linked with: relays and servers, and others.
    fn strangers_up(&self) -> (usize, usize) {
        let strangers = self.neighbours.iter_up().filter(|(_, _, user)| !self.links.wants(user));
        let (carriers, others): (Vec<_>, Vec<_>) = strangers.partition(|(_, conn, _)| self.is_super_client(*conn));
        (carriers.len(), others.len())
    }

    pub(super) fn hide_nearby(&mut self, session: &SessionId) {
        if let Some(user) = self.nearby.hide(session) {
            let notice = Notice::Away { user: self.users.handle(&user), id: user, session: *session };
            self.notice(None, notice);
            self.forget_if_strange(&user);
        }
    }

    pub(super) fn on_sighted(&mut self, boot: BootId, addr: SocketAddr) {
        if boot == self.config.boot {
            return;
        }
        let place = (boot, addr);
        if self.nearby.is_full_for(&place) {
            self.drop_counted("announcement beyond the bound");
            if !self.nearby.make_room(addr.ip()) {
                return;
            }
        }
        let sight = self.nearby.sight(place, self.neighbours.claims(&boot), self.now.moment);
        if let Some(session) = self.neighbours.at(&boot, &addr) {
            // Whoever dialled me may have seen me on the link before I saw them.
            self.nearby.meet(&place, session);
            return self.show_nearby_session(&session);
        }
        if sight == Sight::Elsewhere {
            self.ask_those_who_moved(&boot);
        }
        if sight == Sight::Dial || self.neighbours.is_doubted(&boot) {
            self.dial(Dial { addr, purpose: Purpose::Sighting(boot) }, None);
        }
    }

    /// Whoever has come up only now is where they are, by one way of theirs or another.
    fn ask_those_who_moved(&mut self, boot: &BootId) {
        for conn in self.neighbours.claimants(boot, self.now.moment) {
            self.probe(conn);
        }
    }

    /// Shows somebody who is connected, if the link does.
    pub(super) fn show_nearby_session(&mut self, session: &SessionId) {
        self.neighbours.up(session).into_iter().for_each(|conn| self.show_nearby(conn));
    }

    pub(super) fn on_unsighted(&mut self, boot: BootId, addr: SocketAddr) {
        if let Some(session) = self.nearby.unsight(&(boot, addr))
            && self.neighbours.up(&session).is_none()
        {
            self.hide_nearby(&session);
        }
    }

    /// Comes once for every time that multicast ceases to work.
    pub(super) fn on_multicast_deaf(&mut self) {
        let message = "I do not hear my own announcement: multicast is blocked here; use \\ping IP or --bootstrap";
        let user = Some(self.users.handle(&self.config.user));
        let notice = Notice::Warning { code: WarningCode::Multicast, message: message.to_owned(), user };
        self.notice(None, notice);
    }
}

/// Whether an address can only be of this link or this machine.
fn is_on_link(addr: &SocketAddr) -> bool {
    match addr.ip() {
        std::net::IpAddr::V4(ip) => ip.is_loopback() || ip.is_link_local(),
        std::net::IpAddr::V6(ip) => ip.is_loopback() || ip.is_unicast_link_local(),
    }
}
