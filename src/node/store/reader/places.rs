//! Where messages are in the history, by what interfaces know of their ids.
//!
//! Digests are not stored: an index of them would cost every message one more page of the log. A message is found by computing
//! the digests of all, the newest first; those that a page of history ended with are remembered, since the next page begins
//! there.

use std::collections::{BTreeMap, VecDeque};

use rusqlite::{Connection, OptionalExtension, Result, Row};

use crate::id::{MessageDigest, MessageId, SessionId, StreamId};
use crate::node::store::columns::{number, rows, stream};
use crate::node::store::{from_ordered, int};
use crate::proto::persist::MessageRow;

/// Messages that are remembered, about 100 bytes each.
const KEPT: usize = 4_096;

/// Where a message is in the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The message.
    pub id: MessageId,
    /// The row id of the other side of its conversation.
    pub user: i64,
    /// Its Lamport number.
    pub lamport: u64,
    /// Its number in the order of arrival.
    pub arrival: u64,
}

impl Place {
    /// What a conversation is ordered by.
    pub fn order(&self) -> (u64, SessionId, u64) {
        (self.lamport, self.id.stream.author, self.arrival)
    }
}

/// The arrivals of messages that may be asked for.
#[derive(Debug, Default)]
pub struct Places {
    arrivals: BTreeMap<MessageDigest, u64>,
    oldest_first: VecDeque<MessageDigest>,
}

impl Places {
    /// Remembers a message that the next request may name.
    pub fn remember(&mut self, row: &MessageRow) {
        let digest = row.id.digest();
        if self.arrivals.insert(digest, row.arrival).is_none() {
            self.oldest_first.push_back(digest);
        }
        if self.oldest_first.len() > KEPT
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.arrivals.remove(&oldest);
        }
    }

    /// Finds a message.
    pub fn find(&self, conn: &Connection, digest: &MessageDigest) -> Result<Option<Place>> {
        if let Some(arrival) = self.arrivals.get(digest)
            && let Some(place) = at(conn, *arrival)?.filter(|place| place.id.digest() == *digest)
        {
            return Ok(Some(place));
        }
        scan(conn, digest)
    }
}

fn at(conn: &Connection, arrival: u64) -> Result<Option<Place>> {
    let sql = "SELECT a.key, s.epoch, t.key, m.n, m.user, m.lamport, m.arrival FROM messages m
               JOIN streams s ON s.id = m.stream JOIN keys a ON a.id = s.author JOIN keys t ON t.id = s.address
               WHERE m.arrival = ?1";
    conn.prepare_cached(sql)?.query_row([int(arrival)], |row| place(row, stream(row, 0)?, 3)).optional()
}

fn scan(conn: &Connection, digest: &MessageDigest) -> Result<Option<Place>> {
    let sql = "SELECT s.id, a.key, s.epoch, t.key FROM streams s JOIN keys a ON a.id = s.author
               JOIN keys t ON t.id = s.address";
    let streams: BTreeMap<i64, StreamId> =
        rows(conn, sql, |row| Ok((row.get(0)?, stream(row, 1)?)))?.into_iter().collect();
    let mut statement =
        conn.prepare_cached("SELECT stream, n, user, lamport, arrival FROM messages ORDER BY arrival DESC")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let Some(stream) = streams.get(&row.get(0)?) else { continue };
        if (MessageId { stream: *stream, n: number(row, 1)? }).digest() == *digest {
            return place(row, *stream, 1).map(Some);
        }
    }
    Ok(None)
}

/// Reads number, user, Lamport number and arrival from this column on.
fn place(row: &Row<'_>, stream: StreamId, column: usize) -> Result<Place> {
    Ok(Place {
        id: MessageId { stream, n: number(row, column)? },
        user: row.get(column + 1)?,
        lamport: from_ordered(row.get(column + 2)?),
        arrival: number(row, column + 3)?,
    })
}
