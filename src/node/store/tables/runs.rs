//! The runs of the node: where each began in the order of arrival. A cursor of a run that the store does not have, or beyond
//! its end, is of another store, or of messages that an older copy of this one has lost.

use rusqlite::{Connection, Result, params};

use crate::handle::Runs;
use crate::id::BootId;
use crate::node::store::{int, uint};

/// Runs that are remembered: years of a node that is started every day. A client that was away for longer is given
/// everything again.
const MAX_RUNS: i64 = 1000;

/// The runs so far, of which the last has ended at this arrival.
pub fn earlier(conn: &Connection, arrival: u64) -> Result<Runs> {
    let mut query = conn.prepare("SELECT boot, arrival FROM runs ORDER BY id")?;
    let began = query.query_map([], |row| Ok((BootId(uint(row.get(0)?)), uint(row.get(1)?))))?;
    let began: Vec<(BootId, u64)> = began.collect::<Result<_>>()?;
    let ends = began.iter().skip(1).map(|(_, arrival)| *arrival).chain([arrival]);
    Ok(Runs(began.iter().map(|(boot, _)| *boot).zip(ends).collect()))
}

/// A run begins after this arrival.
pub fn begin(conn: &Connection, boot: BootId, arrival: u64) -> Result<()> {
    let tx = conn.unchecked_transaction()?;
    tx.execute("INSERT INTO runs(boot, arrival) VALUES (?1, ?2)", params![int(boot.0), int(arrival)])?;
    tx.execute("DELETE FROM runs WHERE id <= (SELECT max(id) FROM runs) - ?1", [MAX_RUNS])?;
    tx.commit()
}
