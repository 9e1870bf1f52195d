//! The control stream: resolves the sender of each message once and dispatches the message to the module that handles
//! it.

use crate::id::ConnId;
use crate::proto::Core;
use crate::proto::drops::DropReason;
use crate::proto::event::CloseReason;
use crate::proto::peer::Peer;
use crate::wire::control::Control;

impl Core {
    /// Handles the messages of a control frame, in order.
    pub(in crate::proto) fn on_control(&mut self, conn: ConnId, batch: Vec<Control>) {
        for message in batch {
            // An earlier message may have closed the connection.
            if self.peers.connections.get(&conn).is_none() {
                return;
            }
            match (self.peers.connections.peer(&conn), message) {
                (Some(peer), message) => self.on_message(peer, message),
                (None, Control::Hello(hello)) => self.on_hello(conn, hello),
                (None, _) => {
                    self.cx.dropped(DropReason::MessageBeforeHello);
                    return self.close(conn, CloseReason::Protocol);
                }
            }
        }
    }

    /// Dispatches a message of a known peer.
    fn on_message(&mut self, peer: Peer, message: Control) {
        match message {
            Control::Hello(hello) => self.on_hello(peer.conn, hello),
            Control::DeclareOnline(declare) | Control::DeclareOffline(declare) => self.on_declare(peer, declare),
            Control::RequestPing(request) => self.on_request_ping(peer, request),
            Control::RequestUserList(request) => self.on_request_user_list(peer, request),
            Control::DeliverKnownList(list) => self.on_known_list(peer, list),
            Control::Find(find) => self.on_find(peer, find),
            Control::Digest(digest) => self.on_digest(peer, digest),
            Control::Want(want) => self.on_want(peer, want),
            Control::Sample(sample) => self.on_sample(peer, sample),
            Control::LinkSession(step) => self.on_link_step(peer, step),
            Control::RelayedStep(step) => self.on_relayed_step(peer, step),
            Control::Explode(explode) => self.on_explode(peer, explode),
            Control::Exploded(exploded) => self.on_exploded(peer.conn, exploded),
            Control::Compare(compare) => self.on_compare(peer, compare),
            Control::Holdings(holdings) => self.on_holdings(peer, holdings),
            Control::NearbyDigest(digest) => self.on_nearby_digest(peer, digest),
            Control::NearbyWant(want) => self.on_nearby_want(peer, want),
            Control::NearbyRecords(records) => self.on_nearby_records(peer, records),
            Control::Unknown(_) => self.cx.dropped(DropReason::UnknownMessage),
        }
    }
}
