//! Reads, writes and forgets strangers who have written. Whoever is forgotten leaves nothing, not even the row ids of their
//! keys: identities cost nothing, and the file must not grow with their number.

use std::net::IpAddr;

use rusqlite::{Connection, Result, Row, params};

use crate::id::{SessionId, UserId};
use crate::node::store::columns::{id, number, rows, unreadable};
use crate::node::store::int;
use crate::node::store::row_ids::find_key;
use crate::proto::persist::StrangerRow;
use crate::time::Moment;

/// Inserts or replaces a stranger.
pub fn put(conn: &Connection, row: &StrangerRow) -> Result<()> {
    let ip = match row.ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    conn.prepare_cached("INSERT OR REPLACE INTO strangers VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?
        .execute(params![row.user.0, ip, int(row.since.0), row.lines, row.bytes, row.told, int(row.dismissed_until.0)])
        .map(drop)
}

/// All strangers.
pub fn all(conn: &Connection) -> Result<Vec<StrangerRow>> {
    let sql = "SELECT user, ip, since, lines, bytes, told, dismissed_until FROM strangers ORDER BY user";
    rows(conn, sql, stranger)
}

fn stranger(row: &Row<'_>) -> Result<StrangerRow> {
    let ip = row.get_ref(1)?.as_blob().ok().and_then(ip_from_bytes);
    Ok(StrangerRow {
        user: UserId(id(row, 0)?),
        ip: ip.ok_or_else(|| unreadable(1))?,
        since: Moment(number(row, 2)?),
        lines: row.get(3)?,
        bytes: row.get(4)?,
        told: row.get(5)?,
        dismissed_until: Moment(number(row, 6)?),
    })
}

fn ip_from_bytes(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
        _ => None,
    }
}

/// Forgets a stranger, the link and all messages with them, and the streams from and to them. Returns the ids of the streams.
pub fn forget(conn: &Connection, user: &UserId, sessions: &[SessionId]) -> Result<Vec<i64>> {
    run(conn, "DELETE FROM strangers WHERE user = ?1", [&user.0])?;
    run(conn, "DELETE FROM links WHERE user = ?1", [&user.0])?;
    let mut streams = Vec::new();
    let key = find_key(conn, &user.0)?;
    if let Some(key) = key {
        run(conn, "DELETE FROM outbox WHERE arrival IN (SELECT arrival FROM messages WHERE user = ?1)", [key])?;
        run(conn, "DELETE FROM messages WHERE user = ?1", [key])?;
        run(conn, "DELETE FROM reads WHERE user = ?1", [key])?;
        streams.extend(ids(conn, "SELECT id FROM streams WHERE address = ?1", key)?);
    }
    let authors: Vec<i64> =
        sessions.iter().filter_map(|id| find_key(conn, &id.0).transpose()).collect::<Result<_>>()?;
    for author in &authors {
        streams.extend(ids(conn, "SELECT id FROM streams WHERE author = ?1", *author)?);
    }
    for stream in &streams {
        for table in ["seen", "delivered", "carried", "mirrored"] {
            run(conn, &format!("DELETE FROM {table} WHERE stream = ?1"), [stream])?;
        }
        run(conn, "DELETE FROM streams WHERE id = ?1", [stream])?;
    }
    for key in authors.into_iter().chain(key) {
        run(conn, "DELETE FROM keys WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM carried WHERE session = ?1)", [key])?;
    }
    Ok(streams)
}

fn ids(conn: &Connection, sql: &str, key: i64) -> Result<Vec<i64>> {
    conn.prepare_cached(sql)?.query_map([key], |row| row.get(0))?.collect()
}

fn run(conn: &Connection, sql: &str, values: impl rusqlite::Params) -> Result<()> {
    conn.prepare_cached(sql)?.execute(values).map(drop)
}
