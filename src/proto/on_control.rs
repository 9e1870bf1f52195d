//! The control stream: each message to where it is dealt with.

use crate::id::ConnId;
use crate::proto::Core;
use crate::proto::drops::DropReason;
use crate::proto::event::CloseReason;
use crate::wire::control::Control;

impl Core {
    pub(in crate::proto) fn on_control(&mut self, conn: ConnId, batch: Vec<Control>) {
        for message in batch {
            let Some(neighbour) = self.peers.connections.get(&conn) else { return };
            if neighbour.user.is_none() && !matches!(message, Control::Hello(_)) {
                self.cx.dropped(DropReason::MessageBeforeHello);
                return self.close(conn, CloseReason::Protocol);
            }
            match message {
                Control::Hello(hello) => self.on_hello(conn, hello),
                Control::DeclareOnline(declare) | Control::DeclareOffline(declare) => self.on_declare(conn, declare),
                Control::RequestPing(request) => self.on_request_ping(conn, request),
                Control::RequestUserList(request) => self.on_request_user_list(conn, request),
                Control::DeliverKnownList(list) => self.on_known_list(conn, list),
                Control::Find(find) => self.on_find(conn, find),
                Control::Digest(digest) => self.on_digest(conn, digest),
                Control::Want(want) => self.on_want(conn, want),
                Control::Sample(sample) => self.on_sample(conn, sample),
                Control::Explode(explode) => self.on_explode(conn, explode),
                Control::Exploded(exploded) => self.on_exploded(conn, exploded),
                Control::Unknown(_) => self.cx.dropped(DropReason::UnknownMessage),
            }
        }
    }
}
