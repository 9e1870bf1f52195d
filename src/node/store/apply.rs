//! Applies ops to the tables. A batch is one transaction.
//!
//! Ops about a whole value that accompany every message (counters, seen, reads, delivered, carried, told) are written once
//! per batch, at its end. Applying an op twice has the same result as once, so a batch whose outcome is unknown can
//! be retried.

use std::collections::BTreeMap;

use rusqlite::{Connection, ErrorCode, OptionalExtension, Result, Transaction, TransactionBehavior, params};

use super::row_ids::RowIds;
use super::tables::{changes, custody, strangers};
use super::{int, ordered, packed, saturated};
use crate::id::{MessageId, SessionId, StreamId, UserId};
use crate::proto::persist::{Counters, LinkRow, ListRow, MessageRow, Op, SessionRow, UserRow};
use crate::proto::ranges::Ranges;
use crate::time::Now;

/// An open transaction. Dropping it rolls it back.
pub struct Batch<'a> {
    tx: Transaction<'a>,
    row_ids: &'a mut RowIds,
    counters: Option<Counters>,
    seen: BTreeMap<i64, Ranges>,
    delivered: BTreeMap<(i64, i64), Ranges>,
    carried: BTreeMap<(i64, i64), &'a Ranges>,
    mirrored: BTreeMap<(i64, i64), &'a Ranges>,
    told: BTreeMap<&'a SessionId, &'a Ranges>,
    /// By stream, with the user.
    reads: BTreeMap<i64, (i64, &'a Ranges)>,
}

impl<'a> Batch<'a> {
    pub fn begin(conn: &'a Connection, row_ids: &'a mut RowIds) -> Result<Batch<'a>> {
        let tx = Transaction::new_unchecked(conn, TransactionBehavior::Immediate)?;
        let (seen, delivered, carried, mirrored, told, reads) = Default::default();
        Ok(Batch { tx, row_ids, counters: None, seen, delivered, carried, mirrored, told, reads })
    }

    pub fn apply(&mut self, op: &'a Op) -> Result<()> {
        match op {
            Op::Counters(counters) => {
                self.counters = Some(*counters);
                Ok(())
            }
            Op::User(row) => put_user(&self.tx, row),
            Op::ForgetUser(user) => run(&self.tx, "DELETE FROM users WHERE key = ?1", [&user.0]),
            Op::Session(row) => put_session(&self.tx, row),
            Op::ForgetSession(session) => run(&self.tx, "DELETE FROM sessions WHERE key = ?1", [&session.0]),
            Op::Link(row) => put_link(&self.tx, row),
            Op::List(row) => put_list(&self.tx, row),
            Op::ForgetList(session) => run(&self.tx, "DELETE FROM lists WHERE session = ?1", [&session.0]),
            Op::Prekey(key) => run(
                &self.tx,
                "INSERT OR REPLACE INTO prekeys VALUES (?1, ?2, ?3)",
                params![key.id, key.secret, int(key.made.0)],
            ),
            Op::ForgetPrekey(id) => run(&self.tx, "DELETE FROM prekeys WHERE id = ?1", [id]),
            Op::Typed(row) => self.typed(row),
            Op::Received(row) => self.received(row),
            Op::Seen { stream, ranges } => {
                let stream = self.row_ids.stream(&self.tx, stream)?;
                self.seen.insert(stream, ranges.clone());
                Ok(())
            }
            Op::Read(row) => {
                let stream = self.row_ids.stream(&self.tx, &row.stream)?;
                let user = self.row_ids.key(&self.tx, &row.user.0)?;
                self.reads.insert(stream, (user, &row.ranges));
                Ok(())
            }
            Op::Delivered { stream, session, ranges } => {
                let stream = self.row_ids.stream(&self.tx, stream)?;
                let session = self.row_ids.key(&self.tx, &session.0)?;
                self.delivered.entry((stream, session)).or_default().merge(ranges);
                Ok(())
            }
            Op::Mirrored { stream, session, ranges } => {
                let stream = self.row_ids.stream(&self.tx, stream)?;
                let session = self.row_ids.key(&self.tx, &session.0)?;
                self.mirrored.insert((stream, session), ranges);
                Ok(())
            }
            Op::Change(row) => changes::put(&self.tx, row),
            Op::ForgetChange(n) => run(&self.tx, "DELETE FROM changes WHERE n = ?1", [int(*n)]),
            Op::Told { session, changes } => {
                self.told.insert(session, changes);
                Ok(())
            }
            Op::Carried { stream, by, ranges } => {
                let stream = self.row_ids.stream(&self.tx, stream)?;
                let by = self.row_ids.key(&self.tx, &by.0)?;
                self.carried.insert((stream, by), ranges);
                Ok(())
            }
            Op::Custody(row) => custody::put(&self.tx, row),
            Op::Copies { envelope, copies } => {
                run(&self.tx, "UPDATE custody SET copies = ?2 WHERE envelope = ?1", params![envelope.0, copies])
            }
            Op::ForgetCustody(envelope) => run(&self.tx, "DELETE FROM custody WHERE envelope = ?1", [&envelope.0]),
            Op::Tombstone(row) => run(
                &self.tx,
                "INSERT OR REPLACE INTO tombstones VALUES (?1, ?2, ?3)",
                params![row.envelope.0, row.r, int(row.until.0)],
            ),
            Op::ForgetTombstone(envelope) => run(&self.tx, "DELETE FROM tombstones WHERE envelope = ?1", [&envelope.0]),
            Op::Owed { user, session, owed: true } => {
                run(&self.tx, "INSERT OR REPLACE INTO owed VALUES (?1, ?2)", params![session.0, user.0])
            }
            Op::Owed { session, owed: false, .. } => run(&self.tx, "DELETE FROM owed WHERE session = ?1", [&session.0]),
            Op::Stranger(row) => strangers::put(&self.tx, row),
            Op::Unlinked(row) => {
                run(&self.tx, "INSERT OR REPLACE INTO unlinked VALUES (?1, ?2)", params![row.session.0, row.label])
            }
            Op::ForgetUnlinked(session) => run(&self.tx, "DELETE FROM unlinked WHERE session = ?1", [&session.0]),
            Op::Answered(user) => run(&self.tx, "DELETE FROM strangers WHERE user = ?1", [&user.0]),
            Op::ForgetStranger { user, sessions } => self.forget_stranger(user, sessions),
            Op::Settled { stream, ranges } => self.settled(stream, ranges),
            Op::Cancelled(id) => self.cancelled(id),
            Op::Learned { kinds } => kinds.iter().try_for_each(|kind| learn(&self.tx, *kind)),
        }
    }

    /// Writes the print position and the current moment.
    pub fn progress(&mut self, printed: u64, alive: Now) -> Result<()> {
        run(
            &self.tx,
            "UPDATE mark SET printed = ?1, moment = ?2, wall = ?3",
            params![int(printed), int(alive.moment.0), alive.wall.0],
        )
    }

    /// Writes the deferred values and commits.
    pub fn commit(self) -> Result<()> {
        if let Some(counters) = self.counters {
            put_counters(&self.tx, &counters)?;
        }
        for (stream, ranges) in &self.seen {
            let bytes = packed::ranges_to_bytes(ranges);
            run(&self.tx, "INSERT OR REPLACE INTO seen VALUES (?1, ?2)", params![stream, bytes])?;
        }
        for (stream, (user, ranges)) in &self.reads {
            let values = params![stream, user, packed::ranges_to_bytes(ranges)];
            run(&self.tx, "INSERT OR REPLACE INTO reads VALUES (?1, ?2, ?3)", values)?;
        }
        for (session, ranges) in &self.told {
            changes::put_told(&self.tx, session, ranges)?;
        }
        for ((stream, session), ranges) in &self.delivered {
            add_delivered(&self.tx, *stream, *session, ranges)?;
        }
        for (known, sql) in [
            (&self.carried, "INSERT OR REPLACE INTO carried VALUES (?1, ?2, ?3)"),
            (&self.mirrored, "INSERT OR REPLACE INTO mirrored VALUES (?1, ?2, ?3)"),
        ] {
            for ((stream, session), ranges) in known {
                run(&self.tx, sql, params![stream, session, packed::ranges_to_bytes(ranges)])?;
            }
        }
        self.tx.commit()
    }

    fn typed(&mut self, row: &MessageRow) -> Result<()> {
        let stream = self.message(row)?;
        let values = params![stream, int(row.id.n), int(row.arrival), int(row.since.0)];
        run(&self.tx, "INSERT OR REPLACE INTO outbox VALUES (?1, ?2, ?3, ?4)", values)
    }

    /// A message and the fact that it was seen are stored in one transaction, whichever batch the following `Seen` op
    /// falls into. Otherwise a crash between the two would let the message in twice.
    fn received(&mut self, row: &MessageRow) -> Result<()> {
        let stream = self.message(row)?;
        if row.id.n == 0 {
            return Ok(());
        }
        if let Some(ranges) = self.seen.get_mut(&stream) {
            ranges.insert(row.id.n);
            return Ok(());
        }
        let mut ranges = stored_seen(&self.tx, stream)?;
        if ranges.insert(row.id.n) {
            self.seen.insert(stream, ranges);
        }
        Ok(())
    }

    fn message(&mut self, row: &MessageRow) -> Result<i64> {
        let stream = self.row_ids.stream(&self.tx, &row.id.stream)?;
        let user = self.row_ids.key(&self.tx, &row.with.0)?;
        let author = self.row_ids.key(&self.tx, &row.from.0)?;
        let values = params![
            int(row.arrival),
            stream,
            int(row.id.n),
            int(row.kind),
            user,
            author,
            ordered(row.lamport),
            row.wall.0,
            row.body
        ];
        // With `OR REPLACE` SQLite would copy every page that the statement changes, to be able to undo a part of it.
        let inserted = run(&self.tx, "INSERT INTO messages VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)", values);
        match inserted {
            // The batch is written again after a failed commit that has succeeded after all.
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
                run(&self.tx, "INSERT OR REPLACE INTO messages VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)", values)?
            }
            inserted => inserted?,
        }
        Ok(stream)
    }

    /// Values that this batch writes at its end are forgotten, too.
    fn forget_stranger(&mut self, user: &UserId, sessions: &[SessionId]) -> Result<()> {
        for stream in strangers::forget(&self.tx, user, sessions)? {
            self.seen.remove(&stream);
            self.delivered.retain(|(of, _), _| *of != stream);
            self.carried.retain(|(of, _), _| *of != stream);
            self.mirrored.retain(|(of, _), _| *of != stream);
            self.reads.remove(&stream);
        }
        self.row_ids.clear();
        Ok(())
    }

    fn settled(&mut self, stream: &StreamId, ranges: &Ranges) -> Result<()> {
        let stream = self.row_ids.stream(&self.tx, stream)?;
        for (first, last) in ranges.iter() {
            let values = params![stream, saturated(first), saturated(last)];
            run(&self.tx, "DELETE FROM outbox WHERE stream = ?1 AND n BETWEEN ?2 AND ?3", values)?;
        }
        Ok(())
    }

    fn cancelled(&mut self, id: &MessageId) -> Result<()> {
        let stream = self.row_ids.stream(&self.tx, &id.stream)?;
        run(&self.tx, "DELETE FROM outbox WHERE stream = ?1 AND n = ?2", params![stream, int(id.n)])?;
        run(&self.tx, "DELETE FROM messages WHERE stream = ?1 AND n = ?2", params![stream, int(id.n)])
    }
}

fn put_counters(conn: &Connection, counters: &Counters) -> Result<()> {
    run(
        conn,
        "UPDATE counters SET seq = ?1, roster_version = ?2, link_version = ?3, lamport = ?4, arrival = ?5, past = ?6",
        params![
            int(counters.seq),
            int(counters.roster_version),
            int(counters.link_version),
            int(counters.lamport),
            int(counters.arrival),
            int(counters.past)
        ],
    )
}

fn put_user(conn: &Connection, row: &UserRow) -> Result<()> {
    run(
        conn,
        "INSERT INTO users(key, roster, pinned, verified) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT(key) DO UPDATE SET roster = ?2, pinned = ?3, verified = ?4",
        params![row.user.0, row.roster.as_ref().map(packed::signed_to_bytes), row.pinned, row.verified],
    )
}

fn put_session(conn: &Connection, row: &SessionRow) -> Result<()> {
    run(
        conn,
        "INSERT INTO sessions(key, user, declaration, card, card_until, heard, addresses)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT(key) DO UPDATE
         SET user = ?2, declaration = ?3, card = ?4, card_until = ?5, heard = ?6, addresses = ?7",
        params![
            row.session.0,
            row.user.0,
            row.declaration.as_ref().map(packed::signed_to_bytes),
            row.card.as_ref().map(packed::signed_to_bytes),
            int(row.card_until.0),
            int(row.heard.0),
            packed::addresses_to_bytes(&row.addresses)
        ],
    )
}

fn put_link(conn: &Connection, row: &LinkRow) -> Result<()> {
    let (mine, theirs) = (row.mine, row.theirs);
    run(
        conn,
        "INSERT OR REPLACE INTO links VALUES (?1, ?2, ?3, ?4, ?5)",
        params![row.user.0, mine.state as u8, int(mine.lamport), theirs.state as u8, int(theirs.lamport)],
    )
}

fn put_list(conn: &Connection, row: &ListRow) -> Result<()> {
    run(
        conn,
        "INSERT INTO lists(session, pages) VALUES (?1, ?2) ON CONFLICT(session) DO UPDATE SET pages = ?2",
        params![row.session.0, packed::pages_to_bytes(&row.pages)],
    )
}

fn stored_seen(conn: &Connection, stream: i64) -> Result<Ranges> {
    let found = conn
        .prepare_cached("SELECT ranges FROM seen WHERE stream = ?1")?
        .query_row([stream], |row| super::columns::ranges(row, 0))
        .optional()?;
    Ok(found.unwrap_or_default())
}

/// Adds to what a session of the addressee has of a stream. A stream of another own session is not in the core's memory from its
/// beginning.
fn add_delivered(conn: &Connection, stream: i64, session: i64, ranges: &Ranges) -> Result<()> {
    let found = conn
        .prepare_cached("SELECT ranges FROM delivered WHERE stream = ?1 AND session = ?2")?
        .query_row([stream, session], |row| super::columns::ranges(row, 0))
        .optional()?;
    let mut all = found.unwrap_or_default();
    all.merge(ranges);
    let values = params![stream, session, packed::ranges_to_bytes(&all)];
    run(conn, "INSERT OR REPLACE INTO delivered VALUES (?1, ?2, ?3)", values)
}

/// Records that stored messages of this kind have taken effect.
pub fn learn(conn: &Connection, kind: u64) -> Result<()> {
    run(conn, "INSERT OR IGNORE INTO kinds VALUES (?1)", [int(kind)])
}

fn run(conn: &Connection, sql: &str, values: impl rusqlite::Params) -> Result<()> {
    conn.prepare_cached(sql)?.execute(values).map(drop)
}
