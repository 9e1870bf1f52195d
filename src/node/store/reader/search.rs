//! Searches what was said, the newest messages first.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Result, Row};

use super::conversations::at;
use super::fold::Needle;
use super::places::Places;
use super::query::no_such_message;
use super::walk::{At, Direction, Walk};
use crate::id::MessageId;
use crate::node::clock::Stopwatch;
use crate::node::store::row_ids::find_key;
use crate::node::store::{Event, int, ordered};
use crate::proto::event::Searched;
use crate::proto::limits::MAX_ANSWER_BYTES;
use crate::proto::notice::Notice;
use crate::proto::persist::MessageRow;
use crate::wire::content::kind;

/// Time of one slice.
const SLICE: Duration = Duration::from_millis(300);
/// Slices of one search: three seconds, or millions of messages. Then it is answered by what was found so far.
const SLICES: u32 = 10;
/// Messages between two looks at the clock.
const STRIDE: u32 = 64;

/// A search that is being carried out.
pub struct Search {
    pub line: Option<u64>,
    searched: Searched,
    needle: Needle,
    /// The row id of the other side of the only conversation.
    with: Option<i64>,
    /// The last message that was looked at.
    at: At,
    rows: Vec<MessageRow>,
    bytes: usize,
    slices: u32,
}

/// How a slice ended.
enum Pause {
    /// At the oldest message.
    Done,
    /// Enough is found.
    Enough,
    /// Its time is over.
    Late,
}

impl Search {
    /// Begins a search, or says why there is nothing to search.
    pub fn begin(
        conn: &Connection,
        places: &mut Places,
        line: Option<u64>,
        searched: Searched,
    ) -> Result<std::result::Result<Search, Notice>> {
        let at = match searched.before.map(|before| places.find(conn, &before)).transpose()? {
            Some(None) => return Ok(Err(no_such_message())),
            Some(Some(place)) => (ordered(place.lamport), int(place.arrival)),
            None => Direction::NewestFirst.start(),
        };
        // No row has the id 0.
        let with = searched.with.map(|with| find_key(conn, &with.0)).transpose()?.map(|user| user.unwrap_or(0));
        let (needle, rows) = (Needle::new(&searched.text), Vec::new());
        Ok(Ok(Search { line, searched, needle, with, at, rows, bytes: 0, slices: 0 }))
    }

    /// Searches for one slice. Returns the answer if that was the last one.
    pub fn advance(&mut self, conn: &Connection, places: &mut Places, stop: &AtomicBool) -> Result<Option<Event>> {
        // Nothing that was looked at is gone before the answer.
        let _snapshot = conn.unchecked_transaction()?;
        let pause = self.slice(conn, stop)?;
        self.slices += 1;
        let next = match pause {
            Pause::Late if self.slices < SLICES => return Ok(None),
            Pause::Done => None,
            Pause::Enough | Pause::Late => self.last_looked_at(conn, places)?,
        };
        let rows = std::mem::take(&mut self.rows);
        Ok(Some(Event::Found { line: self.line, searched: self.searched.clone(), rows, next }))
    }

    fn slice(&mut self, conn: &Connection, stop: &AtomicBool) -> Result<Pause> {
        let watch = Stopwatch::start();
        let mut body_of = conn.prepare_cached("SELECT body FROM messages WHERE arrival = ?1 AND kind = 1")?;
        let mut walk = Walk::begin(conn, self.with, self.at, Direction::NewestFirst)?;
        let mut looked = 0u32;
        while let Some(place) = walk.advance()? {
            self.at = place;
            let found = |row: &Row<'_>| {
                let body = row.get_ref(0)?.as_blob()?;
                Ok(self.needle.is_in(body).then_some(body.len()))
            };
            if let Some(bytes) = body_of.query_row([place.1], found).optional()?.flatten() {
                self.bytes += bytes;
                self.rows.push(at(conn, place.1)?);
                if self.rows.len() >= self.searched.n as usize || self.bytes >= MAX_ANSWER_BYTES {
                    return Ok(Pause::Enough);
                }
            }
            looked += 1;
            if looked.is_multiple_of(STRIDE) && (watch.elapsed() >= SLICE || stop.load(Ordering::Relaxed)) {
                return Ok(Pause::Late);
            }
        }
        Ok(Pause::Done)
    }

    /// The message from which the search can be continued.
    fn last_looked_at(&self, conn: &Connection, places: &mut Places) -> Result<Option<MessageId>> {
        let last = at(conn, self.at.1)?;
        places.remember(&last);
        Ok(Some(last.id))
    }
}

/// The query contains the kind of texts as a literal.
const _: () = assert!(kind::TEXT == 1);
