//! Which messages of a page of history were late: a later one was there when they arrived, as when a line was on its way by
//! mail while the conversation went on. An interface that shows messages as they come in sees that by itself.

use rusqlite::{Connection, Result, params};

use crate::node::store::{ordered, uint};
use crate::proto::persist::MessageRow;

/// Messages behind the page that are looked at. The one that was there already mostly comes next.
const BEHIND: u32 = 100;

/// For each message of a page, oldest first, whether it was late. The history that a new session was given was not.
pub fn late(conn: &Connection, user: i64, rows: &[MessageRow]) -> Result<Vec<bool>> {
    let Some(last) = rows.last() else { return Ok(Vec::new()) };
    let past = past(conn)?;
    let mut earliest = first_behind(conn, user, last.lamport)?;
    let mut late = vec![false; rows.len()];
    for (late, row) in late.iter_mut().zip(rows).rev() {
        *late = row.arrival > earliest.max(uint(past));
        earliest = earliest.min(row.arrival);
    }
    Ok(late)
}

/// The last arrival of the history that this session was given when it was new.
pub fn past(conn: &Connection) -> Result<i64> {
    conn.prepare_cached("SELECT past FROM counters")?.query_row([], |row| row.get(0))
}

/// The first arrival among the messages that come next in a conversation; the highest number if there are none.
fn first_behind(conn: &Connection, user: i64, lamport: u64) -> Result<u64> {
    let sql = "SELECT min(arrival) FROM (SELECT arrival FROM messages
               WHERE user = ?1 AND kind = 1 AND lamport > ?2 ORDER BY lamport LIMIT ?3)";
    let first: Option<i64> =
        conn.prepare_cached(sql)?.query_row(params![user, ordered(lamport), BEHIND], |row| row.get(0))?;
    Ok(first.map_or(u64::MAX, uint))
}
