//! Connections on which nothing arrives any more although they are still open: the path has died silently, perhaps in
//! one direction only, or for large packets only. QUIC's idle time-out is longer than anybody wants to wait while there
//! is another path.

use crate::id::{Address, ConnId};
use crate::proto::Core;
use crate::proto::event::Flow;

impl Core {
    /// Handles that a connection moves bytes, or has stalled.
    pub(in crate::proto) fn on_flow(&mut self, conn: ConnId, flow: Flow) {
        let Some(neighbour) = self.peers.connections.get_mut(&conn) else { return };
        let before = std::mem::replace(&mut neighbour.stalled, flow == Flow::Stalled);
        let Some(peer) = self.peers.connections.peer(&conn) else { return };
        if self.peers.connections.up(&peer.session) != Some(conn) {
            return;
        }
        let to = Address::from(peer.user);
        if flow == Flow::Moving {
            // Whatever is under way on a thin link must not be sent once more behind itself.
            self.chat.outbox.postpone_resend(&to, &peer.session, self.cx.now.moment);
            self.mail.postpone_resend(&peer.session, self.cx.now.moment);
        }
        if before == (flow == Flow::Stalled) {
            return;
        }
        let change = self.presence.online.set_stalled(&peer.session, flow == Flow::Stalled);
        self.notify_presence(peer.session, peer.user, change);
        match flow {
            Flow::Stalled => {
                self.probe(conn);
                self.entrust(&to);
                self.route_all_to_user(&peer.user);
            }
            Flow::Moving => self.chat.sealing.want_lines(to),
        }
    }
}
