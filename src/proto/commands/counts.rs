//! How much the core holds, for monitoring.

use crate::proto::Core;
use crate::proto::limits::CUSTODY_BYTES;
use crate::proto::notice::counts::{Connections, Counts};

impl Core {
    /// How much the core holds at the moment.
    pub fn counts(&self) -> Counts {
        let me = self.cx.config.user;
        let online = self.presence.online.users().into_iter().filter(|user| *user != me).count();
        let others = self.people.users.iter().filter(|user| *user != me).count();
        Counts {
            online,
            offline: others.saturating_sub(online),
            sessions: self.people.sessions.count(),
            connections: self.count_connections(),
            outbox: self.chat.outbox.amount(),
            custody: self.mail.custody.of_others(),
            custody_limit: CUSTODY_BYTES,
            delivery: self.cx.delivery.clone(),
        }
    }

    fn count_connections(&self) -> Connections {
        let mut count = Connections::default();
        for (_, neighbour) in self.peers.connections.iter() {
            let kind = match neighbour.user {
                None => &mut count.pending,
                Some(user) if user == self.cx.config.user => &mut count.own,
                Some(user) if self.people.links.is_link(&user) => &mut count.linked,
                Some(_) => &mut count.other,
            };
            *kind += 1;
        }
        count
    }
}
