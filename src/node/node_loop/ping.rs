//! `\ping`, and the names of hosts that it looks up.

use std::net::SocketAddr;

use super::Node;
use crate::handle::NodeMessage;
use crate::identity::place::Place;
use crate::node::connection::Event;
use crate::node::places::{self, Unresolved};
use crate::proto::event::{Command, Input, Request};
use crate::proto::notice::{ErrorCode, Notice};

/// Concurrent look-ups of host names for `\ping`. Each may keep a thread for as long as the system's resolver hangs.
pub(super) const MAX_LOOKUPS: usize = 16;

impl Node {
    /// `\ping`: passes the addresses of the place on to the core. A host name is looked up in a task.
    pub(super) fn ping(&mut self, line: Option<u64>, place: Place) {
        match places::without_lookup(&place) {
            Some(Ok(addr)) => return self.handle(ping_request(line, vec![addr])),
            Some(Err(why)) => return self.tell(line, unresolved(&why)),
            None => {}
        }
        let Ok(permit) = self.lookups.clone().try_acquire_owned() else {
            let message = "too many host names are being looked up; try again in a moment".to_owned();
            return self.tell(line, Notice::Error { code: ErrorCode::TooMany, message });
        };
        let (events, ui) = (self.shared.events.clone(), self.ui.clone());
        tokio::spawn(async move {
            match places::resolve(&place).await {
                Ok(addrs) => events.send(Event::Input(ping_request(line, addrs))).await.ok(),
                Err(why) => ui.send(NodeMessage::notice(line, unresolved(&why))).ok(),
            };
            drop(permit);
        });
    }
}

fn ping_request(line: Option<u64>, addrs: Vec<SocketAddr>) -> Input {
    Input::Request(Request { line, command: Command::Ping { addrs } })
}

fn unresolved(why: &Unresolved) -> Notice {
    Notice::Error { code: ErrorCode::BadAddress, message: why.to_string() }
}
