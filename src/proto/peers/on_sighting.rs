//! The local link shows people, and ceases to.

use std::net::SocketAddr;

use crate::id::{BootId, ConnId, SessionId, UserId};
use crate::proto::Core;
use crate::proto::drops::DropReason;
use crate::proto::event::CloseReason;
use crate::proto::limits::{MAX_CARRIERS_KEPT, MAX_NEARBY_KEPT};
use crate::proto::notice::{Notice, WarningCode};
use crate::proto::peers::dials::{Dial, Purpose};
use crate::proto::peers::nearby::Sight;

impl Core {
    /// Shows somebody of the local link.
    pub(in crate::proto) fn show_nearby(&mut self, conn: ConnId) {
        let Some(neighbour) = self.peers.connections.get(&conn) else { return };
        let (session, addr) = (neighbour.session, neighbour.addr);
        self.peers.nearby.meet(&(neighbour.boot, addr), session);
        let Some(user) = neighbour.user.filter(|user| !self.people.links.wants(user) && *user != self.cx.config.user)
        else {
            return;
        };
        let local = self.peers.nearby.announces(&session) || is_on_link(&addr);
        if local && self.peers.nearby.show(session, user) {
            let notice = Notice::Nearby { user: self.people.users.handle(&user), id: user, session };
            self.cx.notice(None, notice);
        }
    }

    /// Lets go of a connection that nobody needs, when there are more of them than are kept: of the newcomer's, or, where I
    /// chose the newcomer, of the youngest that I did not choose. Whoever dials much must not push out whom I chose. True
    /// if it was the newcomer's.
    pub(in crate::proto) fn let_go_of_surplus(&mut self, newcomer: ConnId) -> bool {
        let carrier = self.is_carrier(newcomer);
        let strangers = if carrier { self.strange_carriers() } else { self.strangers() };
        let most = if carrier { MAX_CARRIERS_KEPT } else { MAX_NEARBY_KEPT };
        if self.cx.is_carrier() || strangers.len() <= most {
            return false;
        }
        let spare = strangers.into_iter().filter(|(conn, user)| !self.is_needed(conn, user));
        let out = spare.filter_map(|(conn, _)| {
            let neighbour = self.peers.connections.get(&conn)?;
            Some((!neighbour.chosen, conn == newcomer, neighbour.since, conn))
        });
        let Some((.., out)) = out.max() else { return false };
        self.close(out, CloseReason::Surplus);
        out == newcomer
    }

    /// Connections to those with whom I am not linked, and who claim to be neither relay nor server.
    pub(in crate::proto) fn strangers(&self) -> Vec<(ConnId, UserId)> {
        self.not_linked().filter(|(conn, _)| !self.is_carrier(*conn)).collect()
    }

    /// Connections to relays and servers with whom I am not linked.
    fn strange_carriers(&self) -> Vec<(ConnId, UserId)> {
        self.not_linked().filter(|(conn, _)| self.is_carrier(*conn)).collect()
    }

    fn not_linked(&self) -> impl Iterator<Item = (ConnId, UserId)> + '_ {
        let up = self.peers.connections.iter_up().map(|peer| (peer.conn, peer.user));
        up.filter(|(_, user)| !self.people.links.wants(user) && *user != self.cx.config.user)
    }

    /// Whether a stranger's connection has a use of its own: it leads to a node I was given, something waits to be sent
    /// there, or nobody else would tell me that they are online.
    pub(in crate::proto) fn is_needed(&self, conn: &ConnId, user: &UserId) -> bool {
        let Some(session) = self.peers.connections.get(conn).map(|neighbour| neighbour.session) else { return false };
        self.peers.bootstrapped.values().any(|kept| *kept == session)
            || self.chat.waits_for(user)
            || (self.presence.online.is_online(&session) && !self.presence.online.is_vouched_for(&session))
    }

    pub(in crate::proto) fn hide_nearby(&mut self, session: &SessionId) {
        if let Some(user) = self.peers.nearby.hide(session) {
            let notice = Notice::Away { user: self.people.users.handle(&user), id: user, session: *session };
            self.cx.notice(None, notice);
            self.forget_if_strange(&user);
        }
    }

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
        let sight = self.peers.nearby.sight(place, self.peers.connections.claims(&boot), self.cx.now.moment);
        if let Some(session) = self.peers.connections.at(&boot, &addr) {
            // Whoever dialled me may have seen me on the link before I saw them.
            self.peers.nearby.meet(&place, session);
            return self.show_nearby_session(&session);
        }
        if sight == Sight::Elsewhere {
            self.ask_those_who_moved(&boot);
        }
        if sight == Sight::Dial || self.peers.connections.is_doubted(&boot) {
            self.dial(Dial { addr, purpose: Purpose::Sighting(boot) }, None);
        }
    }

    /// Whoever has come up only now is where they are, by one way of theirs or another.
    fn ask_those_who_moved(&mut self, boot: &BootId) {
        for conn in self.peers.connections.claimants(boot, self.cx.now.moment) {
            self.probe(conn);
        }
    }

    /// Shows somebody who is connected, if the link does.
    pub(in crate::proto) fn show_nearby_session(&mut self, session: &SessionId) {
        self.peers.connections.up(session).into_iter().for_each(|conn| self.show_nearby(conn));
    }

    pub(in crate::proto) fn on_unsighted(&mut self, boot: BootId, addr: SocketAddr) {
        if let Some(session) = self.peers.nearby.unsight(&(boot, addr))
            && self.peers.connections.up(&session).is_none()
        {
            self.hide_nearby(&session);
        }
    }

    /// Comes once for every time that multicast ceases to work.
    pub(in crate::proto) fn on_multicast_deaf(&mut self) {
        let message = "I do not hear my own announcement: multicast is blocked here; use \\ping IP or --bootstrap";
        let user = Some(self.people.users.handle(&self.cx.config.user));
        let notice = Notice::Warning { code: WarningCode::Multicast, message: message.to_owned(), user };
        self.cx.notice(None, notice);
    }
}

/// Whether an address can only be of this link or this machine.
fn is_on_link(addr: &SocketAddr) -> bool {
    match addr.ip() {
        std::net::IpAddr::V4(ip) => ip.is_loopback() || ip.is_link_local(),
        std::net::IpAddr::V6(ip) => ip.is_loopback() || ip.is_unicast_link_local(),
    }
}
