//! Reads and writes what other sessions of the user have been told besides messages, and are still to be told.

use rusqlite::{Connection, Result, params};

use crate::id::SessionId;
use crate::node::store::columns::{id, number, ranges, rows, unreadable};
use crate::node::store::{int, packed};
use crate::proto::persist::ChangeRow;
use crate::proto::ranges::Ranges;

/// Inserts a change, in place of an earlier one of the same subject.
pub fn put(conn: &Connection, row: &ChangeRow) -> Result<()> {
    let values = params![int(row.n), packed::subject_to_bytes(&row.subject), packed::ranges_to_bytes(&row.ranges)];
    conn.prepare_cached("INSERT OR REPLACE INTO changes VALUES (?1, ?2, ?3)")?.execute(values).map(drop)
}

/// Replaces the changes of which a session has been told.
pub fn put_told(conn: &Connection, session: &SessionId, told: &Ranges) -> Result<()> {
    let values = params![session.0, packed::ranges_to_bytes(told)];
    conn.prepare_cached("INSERT OR REPLACE INTO told VALUES (?1, ?2)")?.execute(values).map(drop)
}

/// All changes, oldest first.
pub fn all(conn: &Connection) -> Result<Vec<ChangeRow>> {
    rows(conn, "SELECT n, subject, ranges FROM changes ORDER BY n", |row| {
        let subject = row.get_ref(1)?.as_blob().ok().and_then(packed::subject_from_bytes);
        Ok(ChangeRow { n: number(row, 0)?, subject: subject.ok_or_else(|| unreadable(1))?, ranges: ranges(row, 2)? })
    })
}

/// The changes of which each session has been told.
pub fn told(conn: &Connection) -> Result<Vec<(SessionId, Ranges)>> {
    rows(conn, "SELECT session, ranges FROM told ORDER BY session", |row| Ok((SessionId(id(row, 0)?), ranges(row, 1)?)))
}
