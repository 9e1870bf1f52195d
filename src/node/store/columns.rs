//! Decodes single columns. A column that cannot be decoded means that the file is damaged.

use rusqlite::types::Type;
use rusqlite::{Connection, Error, Result, Row};

use super::{packed, uint};
use crate::id::{Address, SessionId, StreamId};
use crate::proto::ranges::Ranges;
use crate::wire::record::Signed;

/// Three columns: author, epoch, address.
pub fn stream(row: &Row<'_>, column: usize) -> Result<StreamId> {
    Ok(StreamId {
        author: SessionId(id(row, column)?),
        epoch: number(row, column + 1)?,
        to: Address(id(row, column + 2)?),
    })
}

pub fn ranges(row: &Row<'_>, column: usize) -> Result<Ranges> {
    row.get_ref(column)?.as_blob().ok().and_then(packed::ranges_from_bytes).ok_or_else(|| unreadable(column))
}

pub fn signed(row: &Row<'_>, column: usize) -> Result<Option<Signed>> {
    let Ok(bytes) = row.get_ref(column)?.as_blob_or_null() else {
        return Err(unreadable(column));
    };
    bytes.map(|bytes| packed::signed_from_bytes(bytes).ok_or_else(|| unreadable(column))).transpose()
}

pub fn id(row: &Row<'_>, column: usize) -> Result<[u8; 32]> {
    row.get(column)
}

pub fn number(row: &Row<'_>, column: usize) -> Result<u64> {
    row.get(column).map(uint)
}

pub fn unreadable(column: usize) -> Error {
    Error::FromSqlConversionFailure(column, Type::Blob, "not what the store writes there".into())
}

pub fn rows<T>(conn: &Connection, sql: &str, read: impl FnMut(&Row<'_>) -> Result<T>) -> Result<Vec<T>> {
    conn.prepare(sql)?.query_map([], read)?.collect()
}
