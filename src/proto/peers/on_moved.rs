//! Changes of a neighbour's address: a laptop in another network, or a NAT that was given another public address. The
//! connection survives where QUIC migrates it. A direct connection between that neighbour and another user may not, so
//! users who are linked are told where this node sees each other now.

use std::net::SocketAddr;

use crate::id::{ConnId, SessionId};
use crate::proto::Core;
use crate::proto::drops::DropReason;
use crate::proto::persist::Provenance;

impl Core {
    /// Handles that the other end of a connection sends from another address.
    pub(in crate::proto) fn on_moved(&mut self, conn: ConnId, addr: SocketAddr) {
        let Some(neighbour) = self.peers.connections.get_mut(&conn) else { return };
        neighbour.addr = addr;
        let Some(peer) = self.peers.connections.peer(&conn) else { return };
        let now = self.cx.now.moment;
        // QUIC migrates before it has validated the address, so it is no better than a claim.
        if self.people.sessions.add_address(&peer.session, addr, Provenance::Hinted, now) {
            self.people.save_session(&mut self.cx, &peer.session);
        }
        if self.peers.connections.up(&peer.session) != Some(conn) {
            return;
        }
        if !self.peers.moves.draw(peer.session, now) {
            return self.cx.dropped(DropReason::MoveOverBudget);
        }
        self.tell_where(peer.session, peer.user);
        self.pass_queries_of(&peer.session);
    }

    /// Handles that another neighbour sees a session at this address. If the session is connected from elsewhere, that
    /// path may be dead: the session is probed, and dialled if it does not answer soon. A path within this node's own
    /// networks involves no NAT and stays.
    pub(in crate::proto) fn doubt_path(&mut self, by: SessionId, session: &SessionId, seen: SocketAddr) {
        let Some(conn) = self.peers.connections.up(session) else { return };
        let Some(addr) = self.peers.connections.get(&conn).map(|neighbour| neighbour.addr) else { return };
        if addr == seen || self.is_in_own_networks(&addr.ip()) {
            return;
        }
        if !self.peers.introductions.draw(by, self.cx.now.moment) {
            return self.cx.dropped(DropReason::IntroductionOverBudget);
        }
        self.probe(conn);
    }
}
