//! What comes on the chat stream before the hello does: the two streams race. What it takes a name to judge waits for the
//! hello, within a bound for each connection and one for all, for whoever has proved a key may open connections and say no
//! hello on any. At the bound the connection that has most gives one up; its author sends it again.

use std::collections::BTreeMap;

use crate::id::ConnId;
use crate::proto::limits::{HANDOVER_WINDOW, MAX_EARLY};
use crate::wire::chat::Chat;

#[derive(Debug, Default)]
pub struct Early {
    waiting: BTreeMap<ConnId, Vec<Chat>>,
    count: usize,
}

/// Something was dropped: this, or what another connection had brought.
#[derive(Debug, PartialEq, Eq)]
pub struct Dropped;

impl Early {
    /// Lets an item wait for the hello of its connection.
    pub fn put(&mut self, conn: ConnId, item: Chat) -> Result<(), Dropped> {
        let own = self.waiting.get(&conn).map_or(0, Vec::len);
        if own >= HANDOVER_WINDOW {
            return Err(Dropped);
        }
        let is_full = self.count >= MAX_EARLY;
        if is_full {
            let greediest = self.waiting.values_mut().max_by_key(|items| items.len());
            let Some(items) = greediest.filter(|items| items.len() > own + 1) else { return Err(Dropped) };
            items.pop();
            self.count -= 1;
        }
        self.waiting.entry(conn).or_default().push(item);
        self.count += 1;
        if is_full { Err(Dropped) } else { Ok(()) }
    }

    /// Its hello has come, or it is gone.
    pub fn take(&mut self, conn: &ConnId) -> Vec<Chat> {
        let items = self.waiting.remove(conn).unwrap_or_default();
        self.count -= items.len();
        items
    }
}
