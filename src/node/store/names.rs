//! The integers that stand for keys and streams in rows, remembered so that a message costs no look-ups.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Result, params};

use super::int;
use crate::id::StreamId;

/// Entries of each map, about 100 bytes each; beyond that the map starts anew from the file.
const KEPT: usize = 8192;

/// What one connection knows of `keys` and `streams`. Thrown away with the connection when a batch fails, as the batch may have added
/// rows that are then not there.
#[derive(Debug, Default)]
pub struct Names {
    keys: BTreeMap<[u8; 32], i64>,
    streams: BTreeMap<StreamId, i64>,
}

impl Names {
    /// The integer of a key, given out now if it has none.
    pub fn key(&mut self, conn: &Connection, key: &[u8; 32]) -> Result<i64> {
        if let Some(id) = self.keys.get(key) {
            return Ok(*id);
        }
        let id = match find_key(conn, key)? {
            Some(id) => id,
            None => {
                conn.prepare_cached("INSERT INTO keys(key) VALUES (?1)")?.execute([key])?;
                conn.last_insert_rowid()
            }
        };
        if self.keys.len() >= KEPT {
            self.keys.clear();
        }
        self.keys.insert(*key, id);
        Ok(id)
    }

    /// The integer of a stream, given out now if it has none.
    pub fn stream(&mut self, conn: &Connection, stream: &StreamId) -> Result<i64> {
        if let Some(id) = self.streams.get(stream) {
            return Ok(*id);
        }
        let author = self.key(conn, &stream.author.0)?;
        let address = self.key(conn, &stream.to.0)?;
        let found = conn
            .prepare_cached("SELECT id FROM streams WHERE author = ?1 AND epoch = ?2 AND address = ?3")?
            .query_row(params![author, int(stream.epoch), address], |row| row.get(0))
            .optional()?;
        let id = match found {
            Some(id) => id,
            None => {
                conn.prepare_cached("INSERT INTO streams(author, epoch, address) VALUES (?1, ?2, ?3)")?
                    .execute(params![author, int(stream.epoch), address])?;
                conn.last_insert_rowid()
            }
        };
        if self.streams.len() >= KEPT {
            self.streams.clear();
        }
        self.streams.insert(*stream, id);
        Ok(id)
    }
}

/// The integer of a key, if history names it.
pub fn find_key(conn: &Connection, key: &[u8; 32]) -> Result<Option<i64>> {
    conn.prepare_cached("SELECT id FROM keys WHERE key = ?1")?.query_row([key], |row| row.get(0)).optional()
}
