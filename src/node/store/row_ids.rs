//! The row ids that represent keys and streams in other rows, cached so that a message needs no look-ups.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Result, params};

use super::int;
use crate::id::StreamId;

/// Entries per map, about 100 bytes each. A full map is cleared and refilled from the file.
const KEPT: usize = 8192;

/// The cached rows of `keys` and `streams`. Discarded with the connection when a batch fails, as rows the batch added
/// are then gone.
#[derive(Debug, Default)]
pub struct RowIds {
    keys: BTreeMap<[u8; 32], i64>,
    streams: BTreeMap<StreamId, i64>,
}

impl RowIds {
    /// Empties the cache, since rows were deleted.
    pub fn clear(&mut self) {
        self.keys.clear();
        self.streams.clear();
    }

    /// The row id of a key, inserted if it is new.
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

    /// The row id of a stream, inserted if it is new.
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

/// The row id of a key, if it is in the table.
pub fn find_key(conn: &Connection, key: &[u8; 32]) -> Result<Option<i64>> {
    conn.prepare_cached("SELECT id FROM keys WHERE key = ?1")?.query_row([key], |row| row.get(0)).optional()
}
