//! The tables, their migrations, and the settings of a connection.
//!
//! A message row is written into three b-trees (`messages`, `history`, `lines`), and one that still waits for a receipt into a
//! fourth (`outbox`). The 32-byte keys that history refers to are stored once in `keys`, streams once in `streams`;
//! other rows use their row ids. `keys` and `streams` are never emptied, as history is not, except of strangers who are
//! forgotten. `users`, `sessions`, `lists`, `custody`, `tombstones`, `owed`, `strangers` and `unlinked` mirror exactly what the core remembers, by full key, so that
//! forgetting an item deletes one row.
//!
//! SQLite's integers are signed: a `u64` is stored as the `i64` of the same bits, except the `lamport` of a message, which
//! orders history and is therefore stored 2^63 smaller.
//!
//! Contents of kinds that this version does not know are stored like all others. `kinds` lists those that have taken
//! effect; a version that learns a kind finds the older rows in [`Memory::replay`](crate::proto::persist::Memory::replay).

use std::time::Duration;

use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Result, TransactionBehavior};

/// "dark" in ASCII: distinguishes a darknode store from any other SQLite file.
pub const APPLICATION_ID: i32 = 0x6461_726b;

/// Step n migrates a store from version n to n + 1. A released step is never changed.
const MIGRATIONS: &[&str] = &[
    "
    CREATE TABLE counters(
        id INTEGER PRIMARY KEY CHECK (id = 1),
        seq INTEGER NOT NULL, roster_version INTEGER NOT NULL, link_version INTEGER NOT NULL,
        lamport INTEGER NOT NULL, arrival INTEGER NOT NULL
    ) STRICT;
    INSERT INTO counters VALUES (1, 0, 0, 0, 0, 0);
    CREATE TABLE mark(
        id INTEGER PRIMARY KEY CHECK (id = 1),
        printed INTEGER NOT NULL, moment INTEGER NOT NULL, wall INTEGER NOT NULL
    ) STRICT;
    INSERT INTO mark VALUES (1, 0, 0, 0);
    CREATE TABLE users(
        id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, roster BLOB, pinned TEXT, verified INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE sessions(
        id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, user BLOB NOT NULL, declaration BLOB, card BLOB,
        card_heard INTEGER NOT NULL, heard INTEGER NOT NULL, addresses BLOB NOT NULL
    ) STRICT;
    CREATE TABLE links(
        user BLOB PRIMARY KEY,
        mine INTEGER NOT NULL, mine_lamport INTEGER NOT NULL, theirs INTEGER NOT NULL, theirs_lamport INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE prekeys(
        id BLOB PRIMARY KEY, secret BLOB NOT NULL, made INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE keys(id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE) STRICT;
    CREATE TABLE streams(
        id INTEGER PRIMARY KEY, author INTEGER NOT NULL, epoch INTEGER NOT NULL, address INTEGER NOT NULL,
        UNIQUE (author, epoch, address)
    ) STRICT;
    CREATE TABLE seen(stream INTEGER PRIMARY KEY, ranges BLOB NOT NULL) STRICT;
    CREATE TABLE delivered(
        stream INTEGER NOT NULL, session INTEGER NOT NULL, ranges BLOB NOT NULL, PRIMARY KEY (stream, session)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE messages(
        arrival INTEGER PRIMARY KEY, stream INTEGER NOT NULL, n INTEGER NOT NULL, kind INTEGER NOT NULL,
        user INTEGER NOT NULL, author INTEGER NOT NULL, lamport INTEGER NOT NULL, wall INTEGER NOT NULL,
        body BLOB NOT NULL
    ) STRICT;
    CREATE INDEX history ON messages(user, lamport, author) WHERE kind = 1;
    CREATE TABLE outbox(
        stream INTEGER NOT NULL, n INTEGER NOT NULL, arrival INTEGER NOT NULL, PRIMARY KEY (stream, n)
    ) STRICT, WITHOUT ROWID;
",
    "
    CREATE TABLE lists(id INTEGER PRIMARY KEY, session BLOB NOT NULL UNIQUE, pages BLOB NOT NULL) STRICT;
",
    "
    CREATE TABLE carried(
        stream INTEGER NOT NULL, session INTEGER NOT NULL, ranges BLOB NOT NULL, PRIMARY KEY (stream, session)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE custody(
        id INTEGER PRIMARY KEY, envelope BLOB NOT NULL UNIQUE, address BLOB NOT NULL, lock BLOB NOT NULL,
        depositor BLOB NOT NULL, session BLOB NOT NULL, member INTEGER NOT NULL, until INTEGER NOT NULL,
        copies INTEGER NOT NULL, r BLOB, load BLOB, unopenable BLOB, bytes BLOB NOT NULL
    ) STRICT;
    CREATE TABLE tombstones(
        envelope BLOB PRIMARY KEY, r BLOB NOT NULL, until INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE owed(session BLOB PRIMARY KEY, user BLOB NOT NULL) STRICT, WITHOUT ROWID;
    ALTER TABLE sessions RENAME COLUMN card_heard TO card_until;
    UPDATE sessions SET card_until = card_until + 14 * 24 * 3600 * 1000 WHERE card_until BETWEEN 0 AND 1 << 60;
",
    // Lamport numbers are stored with an offset of -2^63, so that SQLite's signed integers order like the `u64`.
    "
    UPDATE messages SET lamport = lamport - 9223372036854775807 - 1;
    ALTER TABLE outbox ADD COLUMN since INTEGER NOT NULL DEFAULT 0;
    UPDATE outbox SET since = (SELECT moment FROM mark);
    CREATE TABLE kinds(kind INTEGER PRIMARY KEY) STRICT;
    INSERT INTO kinds VALUES (1), (2), (3);
",
    // Whoever has written and was not answered becomes a stranger. `history` covers all kinds of messages, so that those of
    // somebody who is forgotten are found.
    "
    DROP INDEX history;
    CREATE INDEX history ON messages(user, lamport, author);
    CREATE TABLE strangers(
        user BLOB PRIMARY KEY, ip BLOB NOT NULL, since INTEGER NOT NULL, lines INTEGER NOT NULL, bytes INTEGER NOT NULL,
        told INTEGER NOT NULL, dismissed_until INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    INSERT INTO strangers
    SELECT u.key, X'00000000', (SELECT moment FROM mark), count(m.arrival), coalesce(sum(length(m.body)), 0), 0, 0
    FROM users u JOIN keys k ON k.key = u.key LEFT JOIN messages m ON m.user = k.id AND m.author = k.id
    WHERE u.verified = 0 AND u.pinned IS NULL
    AND NOT EXISTS (SELECT 1 FROM links l WHERE l.user = u.key AND l.mine NOT IN (0, 4))
    GROUP BY u.key
    HAVING count(m.arrival) > 0 OR EXISTS (SELECT 1 FROM links l WHERE l.user = u.key);
",
    // What other sessions of the user have, and an index by which messages for them are found.
    "
    CREATE TABLE mirrored(
        stream INTEGER NOT NULL, session INTEGER NOT NULL, ranges BLOB NOT NULL, PRIMARY KEY (stream, session)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX lines ON messages(stream, n);
    INSERT INTO kinds VALUES (4);
",
    // What was read. Everything that has arrived so far counts as read. `timeline` orders the messages of all conversations.
    "
    CREATE TABLE reads(stream INTEGER PRIMARY KEY, user INTEGER NOT NULL, ranges BLOB NOT NULL) STRICT;
    INSERT INTO reads
    SELECT s.stream, m.user, s.ranges
    FROM seen s JOIN messages m ON m.arrival = (SELECT arrival FROM messages WHERE stream = s.stream LIMIT 1)
    WHERE m.user = m.author;
    CREATE INDEX timeline ON messages(lamport);
",
    // The runs of the node, by which it recognises cursors.
    "
    CREATE TABLE runs(id INTEGER PRIMARY KEY, boot INTEGER NOT NULL, arrival INTEGER NOT NULL) STRICT;
",
    // What other sessions of the user have been told besides messages, and are still to be told.
    "
    CREATE TABLE changes(n INTEGER PRIMARY KEY, subject BLOB NOT NULL UNIQUE, ranges BLOB NOT NULL) STRICT;
    CREATE TABLE told(session BLOB PRIMARY KEY, ranges BLOB NOT NULL) STRICT, WITHOUT ROWID;
    ALTER TABLE custody ADD COLUMN changes BLOB NOT NULL DEFAULT X'';
",
    // Searches and exports merge the conversations (`reader/walk.rs`).
    "
    DROP INDEX timeline;
",
    // By which labels the lines of sessions that were unlinked are shown.
    "
    CREATE TABLE unlinked(session BLOB PRIMARY KEY, label TEXT NOT NULL) STRICT, WITHOUT ROWID;
",
    // How far the history goes that a new session was given. Its order of arrival says nothing about the conversations.
    "
    ALTER TABLE counters ADD COLUMN past INTEGER NOT NULL DEFAULT 0;
",
];

/// The schema version of this program.
pub const VERSION: i32 = MIGRATIONS.len() as i32;

/// How long to wait for another program that has the file locked.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// Pages in the WAL before a commit also checkpoints it: 8 MiB, at the cost of two more `fdatasync`.
const CHECKPOINT_PAGES: i64 = 2048;

/// The size to which an empty WAL is truncated. While its file keeps its size, a commit overwrites, and `fdatasync`
/// need not write a new length.
const WAL_KEPT: i64 = 16 * 1024 * 1024;

/// Page cache in KiB: half a KiB per session at a relay with a thousand. Other pages are in the kernel's cache.
const CACHE_KIB: i64 = 512;

/// Capacity of the cache of prepared statements, of which there are about fifty.
const STATEMENTS: usize = 64;

/// Opens the file. Nothing is written, not even on close, until [`adopt`].
pub fn connect(path: &Path) -> Result<Connection> {
    let conn = Connection::open(path)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    conn.pragma_update(None, "foreign_keys", false)?;
    prepare(&conn)?;
    Ok(conn)
}

/// Opens the file for reading only.
pub fn connect_to_read(path: &Path) -> Result<Connection> {
    let conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    prepare(&conn)?;
    Ok(conn)
}

/// The settings of every connection.
fn prepare(conn: &Connection) -> Result<()> {
    conn.busy_timeout(BUSY_TIMEOUT)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS);
    // Without it SQLite plans a statement again whenever a value is bound that the plan may depend on, such as that of LIMIT.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    conn.pragma_update(None, "cache_size", -CACHE_KIB)?;
    conn.pragma_update(None, "temp_store", "MEMORY")
}

/// The schema version of the file; `None` if it has none and is not empty.
pub fn version(conn: &Connection) -> Result<Option<i32>> {
    let version: i32 = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
    Ok((version != 0 || is_empty(conn)?).then_some(version))
}

/// Prepares the store for this program: write-ahead log, full durability, newest schema.
pub fn adopt(conn: &mut Connection, version: i32) -> Result<()> {
    configure(conn)?;
    migrate(conn, version)
}

/// The settings of every connection that writes.
pub fn configure(conn: &Connection) -> Result<()> {
    conn.pragma_update(None, "journal_mode", "WAL")?;
    set_durable(conn, true)?;
    conn.pragma_update(None, "journal_size_limit", WAL_KEPT)?;
    // Deleted private prekeys and release secrets must not remain readable in the file.
    conn.pragma_update(None, "secure_delete", "FAST")
}

/// Sets whether commits wait for the disk. Commits that do not wait leave checkpoints to the next one that does:
/// SQLite does not report a failed sync before a checkpoint, and data not synced before would be lost silently.
pub fn set_durable(conn: &Connection, durable: bool) -> Result<()> {
    conn.pragma_update(None, "wal_autocheckpoint", if durable { CHECKPOINT_PAGES } else { 0 })?;
    conn.pragma_update(None, "synchronous", if durable { "FULL" } else { "NORMAL" })
}

/// Checkpoints the WAL. Closing the last connection then removes it.
pub fn checkpoint(conn: &Connection) -> Result<()> {
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
    conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
}

/// Whether every page and row is readable. Reads the whole file.
pub fn is_whole(conn: &Connection) -> Result<bool> {
    conn.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0)).map(|answer| answer == "ok")
}

fn is_empty(conn: &Connection) -> Result<bool> {
    conn.query_row("SELECT NOT EXISTS (SELECT 1 FROM sqlite_schema)", [], |row| row.get(0))
}

/// Takes the write lock even if there is nothing to migrate, so that an unwritable file is detected here.
fn migrate(conn: &mut Connection, from: i32) -> Result<()> {
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if from == VERSION {
        return tx.rollback();
    }
    MIGRATIONS.iter().skip(from as usize).try_for_each(|step| tx.execute_batch(step))?;
    tx.pragma_update(None, "application_id", APPLICATION_ID)?;
    tx.pragma_update(None, "user_version", VERSION)?;
    tx.commit()?;
    conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
}
