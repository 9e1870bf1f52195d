//! Reads messages for other sessions of the user.

use rusqlite::{Connection, OptionalExtension, Result, params};

use crate::id::StreamId;
use crate::node::store::load::{MESSAGE, message};
use crate::node::store::row_ids::find_key;
use crate::node::store::{int, saturated};
use crate::proto::persist::MessageRow;
use crate::proto::ranges::{Numbers, Ranges};

/// The messages with these numbers, of each stream the highest first, until their bodies have this many bytes. Also returns
/// the numbers that were looked at, with and without a message.
pub fn read(conn: &Connection, wanted: &[(StreamId, Ranges)], bytes: usize) -> Result<(Vec<MessageRow>, Numbers)> {
    let (mut rows, mut examined, mut left) = (Vec::new(), Numbers::new(), bytes);
    for (stream, ranges) in wanted {
        if left == 0 {
            break;
        }
        let mut seen = Ranges::new();
        for (first, last) in ranges.iter().rev() {
            let from = read_range(conn, stream, (first, last), &mut rows, &mut left)?;
            seen.insert_range(from, last);
            if from > first || left == 0 {
                break;
            }
        }
        examined.push((*stream, seen));
    }
    Ok((rows, examined))
}

/// Reads one range. Returns the lowest number that was looked at.
fn read_range(
    conn: &Connection,
    stream: &StreamId,
    (first, last): (u64, u64),
    rows: &mut Vec<MessageRow>,
    left: &mut usize,
) -> Result<u64> {
    let Some(id) = find(conn, stream)? else { return Ok(first) };
    let sql = format!("{MESSAGE} WHERE m.stream = ?1 AND m.n BETWEEN ?2 AND ?3 ORDER BY m.n DESC");
    let mut statement = conn.prepare_cached(&sql)?;
    for row in statement.query_map(params![id, saturated(first), saturated(last)], message)? {
        let row = row?;
        let n = row.id.n;
        *left = left.saturating_sub(row.body.len());
        rows.push(row);
        if *left == 0 {
            return Ok(n);
        }
    }
    Ok(first)
}

/// The row id of a stream, if it is in the table.
pub fn find(conn: &Connection, stream: &StreamId) -> Result<Option<i64>> {
    let (Some(author), Some(address)) = (find_key(conn, &stream.author.0)?, find_key(conn, &stream.to.0)?) else {
        return Ok(None);
    };
    conn.prepare_cached("SELECT id FROM streams WHERE author = ?1 AND epoch = ?2 AND address = ?3")?
        .query_row(params![author, int(stream.epoch), address], |row| row.get(0))
        .optional()
}
