//! Searches what was said, the newest messages first.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rusqlite::{Connection, Result, params};

use super::conversations::at;
use super::fold::Needle;
use super::places::Places;
use super::query::no_such_message;
use super::row_ids::find_key;
use super::{Event, int, ordered};
use crate::id::MessageId;
use crate::node::clock::Stopwatch;
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
    /// The last message that was looked at, by its Lamport number as stored and its arrival.
    at: (i64, i64),
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
            None => (i64::MAX, i64::MAX),
        };
        // No row has the id 0.
        let with = searched.with.map(|with| find_key(conn, &with.0)).transpose()?.map(|user| user.unwrap_or(0));
        let (needle, rows) = (Needle::new(&searched.text), Vec::new());
        Ok(Ok(Search { line, searched, needle, with, at, rows, bytes: 0, slices: 0 }))
    }

    /// Searches for one slice. Returns the answer if that was the last one.
    pub fn advance(&mut self, conn: &Connection, places: &mut Places, stop: &AtomicBool) -> Result<Option<Event>> {
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
        let of_user = if self.with.is_some() { "user = ?3 AND" } else { "?3 IS NULL AND" };
        let sql = format!(
            "SELECT arrival, lamport, body FROM messages WHERE {of_user} kind = 1
             AND lamport <= ?1 AND (lamport < ?1 OR arrival < ?2) ORDER BY lamport DESC, arrival DESC"
        );
        let mut statement = conn.prepare_cached(&sql)?;
        let mut rows = statement.query(params![self.at.0, self.at.1, self.with])?;
        let mut looked = 0u32;
        while let Some(row) = rows.next()? {
            self.at = (row.get(1)?, row.get(0)?);
            let body = row.get_ref(2)?.as_blob()?;
            if self.needle.is_in(body) {
                self.bytes += body.len();
                self.rows.push(at(conn, self.at.1)?);
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
