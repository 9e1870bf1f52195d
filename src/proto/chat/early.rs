//! Chat items that arrive before the hello, since the two streams race. Items whose handling depends on the peer's user wait
//! for the hello, within a bound for each connection and one for all: any node that has proved a key can open connections
//! and send no hello. At the total bound the connection with the most items loses one, and its author sends it again.

use std::collections::BTreeMap;

use crate::id::ConnId;
use crate::proto::limits::{HANDOVER_WINDOW, MAX_EARLY};
use crate::wire::chat::Chat;

/// Waiting items by connection, at most [`HANDOVER_WINDOW`] of each and [`MAX_EARLY`] in all.
#[derive(Debug, Default)]
pub struct Early {
    waiting: BTreeMap<ConnId, Vec<Chat>>,
    count: usize,
}

/// An item was dropped: this one, or one of another connection.
#[derive(Debug, PartialEq, Eq)]
pub struct Dropped;

impl Early {
    /// Holds an item until the hello of its connection.
    ///
    /// # Errors
    ///
    /// A bound is reached and an item was dropped.
    pub fn put(&mut self, conn: ConnId, item: Chat) -> Result<(), Dropped> {
        let own = self.waiting.get(&conn).map_or(0, Vec::len);
        if own >= HANDOVER_WINDOW {
            return Err(Dropped);
        }
        let is_full = self.count >= MAX_EARLY;
        if is_full {
            let largest = self.waiting.values_mut().max_by_key(|items| items.len());
            let Some(items) = largest.filter(|items| items.len() > own + 1) else { return Err(Dropped) };
            items.pop();
            self.count -= 1;
        }
        self.waiting.entry(conn).or_default().push(item);
        self.count += 1;
        if is_full { Err(Dropped) } else { Ok(()) }
    }

    /// Takes the items of a connection, whose hello has come or which has closed.
    pub fn take(&mut self, conn: &ConnId) -> Vec<Chat> {
        let items = self.waiting.remove(conn).unwrap_or_default();
        self.count -= items.len();
        items
    }
}
