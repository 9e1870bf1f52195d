//! Reads and writes envelopes in custody, tombstones and owed receipts.
//!
//! Row ids hold the order of insertion. Only a batch that is written again may change it: an envelope that was forgotten and taken anew
//! in it comes behind the others.
//!
//! Column `r` precedes the long columns, so that it lies in the row's own page and never in an overflow page:
//! `secure_delete = FAST` overwrites deleted content in the former, but only frees the latter.

use rusqlite::{Connection, Result, Row, params};

use crate::id::{Address, EnvelopeId, SessionId, UserId};
use crate::node::store::columns::{id, number, ranges, rows, unreadable};
use crate::node::store::{int, packed};
use crate::proto::persist::{CustodyRow, Mine, TombstoneRow};
use crate::time::Moment;

/// Inserts or updates an envelope. An existing row keeps its position.
pub fn put(conn: &Connection, row: &CustodyRow) -> Result<()> {
    conn.prepare_cached(
        "INSERT INTO custody(envelope, address, lock, depositor, session, member, until, copies, r, load, unopenable, bytes,
         changes)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
         ON CONFLICT(envelope) DO UPDATE SET address = ?2, lock = ?3, depositor = ?4, session = ?5, member = ?6,
         until = ?7, copies = ?8, r = ?9, load = ?10, unopenable = ?11, bytes = ?12, changes = ?13",
    )?
    .execute(params![
        row.envelope.0,
        row.address.0,
        row.lock,
        row.depositor.0,
        row.from.0,
        row.member,
        int(row.until.0),
        row.copies,
        row.mine.as_ref().map(|mine| mine.r),
        row.mine.as_ref().map(|mine| packed::load_to_bytes(&mine.load)),
        row.unopenable,
        row.bytes,
        row.mine.as_ref().map(|mine| packed::ranges_to_bytes(&mine.changes)).unwrap_or_default(),
    ])
    .map(drop)
}

/// All envelopes, in order of arrival.
pub fn all(conn: &Connection) -> Result<Vec<CustodyRow>> {
    rows(
        conn,
        "SELECT envelope, address, lock, depositor, session, member, until, copies, r, load, unopenable, bytes, changes
         FROM custody ORDER BY id",
        custody,
    )
}

pub fn tombstones(conn: &Connection) -> Result<Vec<TombstoneRow>> {
    rows(conn, "SELECT envelope, r, until FROM tombstones ORDER BY envelope", |row| {
        Ok(TombstoneRow { envelope: EnvelopeId(id(row, 0)?), r: id(row, 1)?, until: Moment(number(row, 2)?) })
    })
}

pub fn owed(conn: &Connection) -> Result<Vec<(UserId, SessionId)>> {
    rows(conn, "SELECT user, session FROM owed ORDER BY session", |row| {
        Ok((UserId(id(row, 0)?), SessionId(id(row, 1)?)))
    })
}

fn custody(row: &Row<'_>) -> Result<CustodyRow> {
    Ok(CustodyRow {
        envelope: EnvelopeId(id(row, 0)?),
        address: Address(id(row, 1)?),
        lock: id(row, 2)?,
        depositor: UserId(id(row, 3)?),
        from: SessionId(id(row, 4)?),
        member: row.get(5)?,
        until: Moment(number(row, 6)?),
        copies: row.get(7)?,
        mine: mine(row)?,
        unopenable: row.get(10)?,
        bytes: row.get(11)?,
    })
}

fn mine(row: &Row<'_>) -> Result<Option<Mine>> {
    let Some(r) = row.get(8)? else {
        return Ok(None);
    };
    let load = row.get_ref(9)?.as_blob().ok().and_then(packed::load_from_bytes);
    Ok(Some(Mine { r, load: load.ok_or_else(|| unreadable(9))?, changes: ranges(row, 12)? }))
}
