//! Store files that are newer, foreign, damaged or missing.

use std::fs;
use std::path::Path;

use darknode::handle::Runs;
use darknode::id::BootId;
use darknode::node::store::{Store, StoreError};
use darknode::proto::event::{Page, Query};
use darknode::proto::notice::{ErrorCode, Notice};
use darknode::proto::persist::{Counters, Memory, MessageRow, Op};
use darknode::proto::ranges::Ranges;
use darknode::time::Moment;

use crate::memory::everything;
use crate::support::*;

fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .collect();
    files.sort();
    files
}

#[test]
fn a_store_from_a_newer_version_is_refused_and_left_unchanged() {
    let dir = tempfile::tempdir().unwrap();
    Running::open(dir.path()).stop();
    let path = dir.path().join("darknode.db");
    let raw = rusqlite::Connection::open(&path).unwrap();
    raw.execute_batch("PRAGMA user_version = 1000000; PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    drop(raw);
    let before = files(dir.path());
    let error = Store::open(dir.path(), me()).err().unwrap();
    assert!(matches!(error, StoreError::Newer { found: 1_000_000, .. }), "{error}");
    assert!(error.to_string().contains("update darknode"));
    assert_eq!(files(dir.path()), before);
}

#[test]
fn a_newer_version_that_is_only_in_the_log_is_refused_without_loss() {
    let dir = tempfile::tempdir().unwrap();
    Running::open(dir.path()).stop();
    let raw = rusqlite::Connection::open(dir.path().join("darknode.db")).unwrap();
    raw.execute_batch("PRAGMA user_version = 1000000").unwrap();
    let crashed = killed(dir.path());
    let before = files(crashed.path());
    assert!(matches!(Store::open(crashed.path(), me()), Err(StoreError::Newer { .. })));
    let after: Vec<_> = files(crashed.path()).into_iter().filter(|(name, _)| name != "darknode.db-shm").collect();
    assert_eq!(after, before);
}

/// A fully populated store of each earlier version, as an SQLite `.dump`.
const VERSION_1: &str = include_str!("version-1.sql");
const VERSION_2: &str = include_str!("version-2.sql");
const VERSION_3: &str = include_str!("version-3.sql");
const VERSION_4: &str = include_str!("version-4.sql");
const VERSION_5: &str = include_str!("version-5.sql");
const VERSION_6: &str = include_str!("version-6.sql");
const VERSION_7: &str = include_str!("version-7.sql");
const VERSION_8: &str = include_str!("version-8.sql");
const VERSION_9: &str = include_str!("version-9.sql");
const VERSION_10: &str = include_str!("version-10.sql");
const VERSION_11: &str = include_str!("version-11.sql");

/// Migrates a store that held only the part of the current data that `kept` returns.
fn migrates(version: &str, kept: impl Fn(Memory) -> Memory) {
    let dir = tempfile::tempdir().unwrap();
    let raw = rusqlite::Connection::open(dir.path().join("darknode.db")).unwrap();
    raw.execute_batch(version).unwrap();
    drop(raw);
    let (memory, ops) = everything();
    let store = Store::open(dir.path(), me()).unwrap();
    assert_eq!(store.memory, kept(memory.clone()));
    let mut running = Running::start(store);
    running.put_all(ops);
    running.stop();
    assert_eq!(Store::open(dir.path(), me()).unwrap().memory, memory, "new kinds of data are stored from now on");
}

/// Older versions did not store when a message was typed: the node's last moment is used instead.
fn typed_at(moment: u64, memory: Memory) -> Memory {
    let since = |row: &MessageRow| MessageRow { since: Moment(moment), ..row.clone() };
    Memory { waiting: memory.waiting.iter().map(since).collect(), ..memory }
}

/// Older versions did not store how far the history goes that a new session was given.
fn without_past(memory: Memory) -> Memory {
    Memory { counters: Counters { past: 0, ..memory.counters }, ..memory }
}

/// Older versions did not store how unlinked sessions were called.
fn without_unlinked(memory: Memory) -> Memory {
    Memory { unlinked: Vec::new(), ..without_past(memory) }
}

/// Older versions did not store what other sessions are to be told.
fn without_changes(memory: Memory) -> Memory {
    let mut memory = without_unlinked(memory);
    memory.custody.iter_mut().filter_map(|row| row.mine.as_mut()).for_each(|mine| mine.changes = Ranges::new());
    Memory { changes: Vec::new(), told: Vec::new(), ..memory }
}

/// Older versions had no read marks, and nobody in these stores has written a message.
fn without_reads(memory: Memory) -> Memory {
    Memory { read: Vec::new(), ..without_changes(memory) }
}

/// Older versions knew of no other sessions of the user.
fn without_mirrors(memory: Memory) -> Memory {
    without_reads(Memory { mirrored: Vec::new(), ..memory })
}

/// Older versions did not distinguish strangers; nobody in these stores is one.
fn without_strangers(memory: Memory) -> Memory {
    without_mirrors(Memory { strangers: Vec::new(), ..memory })
}

fn without_custody(memory: Memory) -> Memory {
    let memory = typed_at(0, without_strangers(memory));
    Memory { carried: Vec::new(), custody: Vec::new(), tombstones: Vec::new(), owed: Vec::new(), ..memory }
}

#[test]
fn a_store_of_version_1_is_migrated_without_loss() {
    migrates(VERSION_1, |memory| Memory { lists: Vec::new(), ..without_custody(memory) });
}

#[test]
fn a_store_of_version_2_is_migrated_without_loss() {
    migrates(VERSION_2, without_custody);
}

#[test]
fn a_store_of_version_3_is_brought_forward_with_nothing_lost() {
    migrates(VERSION_3, |memory| typed_at(5_000, without_strangers(memory)));
}

#[test]
fn a_store_of_version_4_is_migrated_without_loss() {
    migrates(VERSION_4, without_strangers);
}

#[test]
fn a_store_of_version_5_is_migrated_without_loss() {
    migrates(VERSION_5, without_strangers);
}

#[test]
fn a_store_of_version_6_is_migrated_without_loss() {
    migrates(VERSION_6, without_reads);
}

#[test]
fn a_store_of_version_7_is_migrated_without_loss() {
    migrates(VERSION_7, without_changes);
}

#[test]
fn a_store_of_version_8_is_migrated_without_loss() {
    migrates(VERSION_8, without_changes);
}

#[test]
fn a_store_of_version_9_is_migrated_without_loss() {
    migrates(VERSION_9, without_unlinked);
}

#[test]
fn a_store_of_version_10_is_migrated_without_loss() {
    migrates(VERSION_10, without_unlinked);
}

#[test]
fn a_store_of_version_11_is_migrated_without_loss() {
    migrates(VERSION_11, without_past);
}

#[test]
fn a_store_knows_the_runs_of_the_node_that_it_was_open_in_and_where_they_ended() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path(), me()).unwrap();
    assert_eq!(store.begin(BootId(1)), Runs::default());
    let mut running = Running::start(store);
    running.put_all(everything().1);
    running.stop();
    let mut store = Store::open(dir.path(), me()).unwrap();
    let end = store.memory.counters.arrival;
    let runs = store.begin(BootId(2));
    assert!(end > 0 && runs == Runs(vec![(BootId(1), end)]), "{runs:?}");
    Running::start(store).stop();
    let copy = tempfile::tempdir().unwrap();
    std::fs::copy(dir.path().join("darknode.db"), copy.path().join("darknode.db")).unwrap();
    Store::open(dir.path(), me()).unwrap().begin(BootId(3));
    let known = Store::open(copy.path(), me()).unwrap().begin(BootId(4));
    assert_eq!((known.end_of(BootId(2)), known.end_of(BootId(3))), (Some(end), None), "a copy from before it began");
}

#[test]
fn the_runs_that_a_store_knows_are_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path(), me()).unwrap();
    (0..1010).for_each(|boot| drop(store.begin(BootId(boot))));
    let known = store.begin(BootId(2000));
    assert_eq!((known.0.len(), known.end_of(BootId(9)), known.end_of(BootId(1009))), (1000, None, Some(0)));
}

#[test]
fn what_an_older_version_has_received_counts_as_read() {
    let dir = tempfile::tempdir().unwrap();
    let raw = rusqlite::Connection::open(dir.path().join("darknode.db")).unwrap();
    raw.execute_batch(VERSION_6).unwrap();
    raw.execute_batch(
        "INSERT INTO messages SELECT 90, seen.stream, 2, 1, k.id, k.id, 1, 0, X'00' FROM seen, keys k
         WHERE k.key = (SELECT key FROM users WHERE id = 1);",
    )
    .unwrap();
    drop(raw);
    let memory = Store::open(dir.path(), me()).unwrap().memory;
    let read: Vec<_> = memory.read.into_iter().map(|row| (row.user, (row.stream, row.ranges))).collect();
    assert_eq!(read, [(BOB, memory.received[0].clone())]);
}

#[test]
fn whoever_wrote_to_an_older_version_and_was_not_answered_is_a_stranger() {
    let dir = tempfile::tempdir().unwrap();
    let raw = rusqlite::Connection::open(dir.path().join("darknode.db")).unwrap();
    raw.execute_batch(VERSION_4).unwrap();
    raw.execute_batch(
        "INSERT INTO messages SELECT 90, s.id, 9, 99, k.id, k.id, 1, 0, X'00112233' FROM streams s, keys k
         WHERE s.id = 1 AND k.key = (SELECT key FROM users WHERE id = 2);",
    )
    .unwrap();
    let known = raw.execute("INSERT INTO keys(key) SELECT key FROM users WHERE id = 2", []);
    if known.is_ok() {
        raw.execute_batch(
            "INSERT INTO messages SELECT 90, 1, 9, 99, k.id, k.id, 1, 0, X'00112233' FROM keys k
             WHERE k.key = (SELECT key FROM users WHERE id = 2);",
        )
        .unwrap();
    }
    drop(raw);
    let strangers = Store::open(dir.path(), me()).unwrap().memory.strangers;
    let strangers: Vec<_> = strangers.iter().map(|row| (row.user, row.lines, row.bytes)).collect();
    assert_eq!(strangers, [(CAROL, 1, 4)]);
}

#[test]
fn a_file_of_another_program_is_refused_and_left_unchanged() {
    for mark in ["PRAGMA application_id = 7", "PRAGMA user_version = 0"] {
        let dir = tempfile::tempdir().unwrap();
        let raw = rusqlite::Connection::open(dir.path().join("darknode.db")).unwrap();
        raw.execute_batch(&format!("CREATE TABLE counters(x); {mark}")).unwrap();
        drop(raw);
        let before = files(dir.path());
        let error = Store::open(dir.path(), me()).err().unwrap();
        assert!(matches!(error, StoreError::Foreign { .. }), "{error}");
        assert_eq!(files(dir.path()), before);
    }
}

/// Fills a store, stops it, applies `damage`, and asserts that the damaged file is moved aside unchanged.
fn is_moved_aside_after(damage: impl Fn(&mut Vec<u8>)) {
    let dir = tempfile::tempdir().unwrap();
    let mut running = Running::open(dir.path());
    running.put_all((1..=200).map(|n| Op::Typed(mine(n, n, &"long".repeat(100)))));
    running.stop();
    let path = dir.path().join("darknode.db");
    let mut bytes = fs::read(&path).unwrap();
    damage(&mut bytes);
    fs::write(&path, &bytes).unwrap();

    let store = Store::open(dir.path(), me()).unwrap();
    let aside = store.set_aside.clone().expect("it reports the new path of the damaged file");
    assert_eq!(aside, dir.path().join("darknode.db.damaged-1"));
    assert_eq!(fs::read(aside).unwrap(), bytes);
    assert_eq!(store.memory, Memory::default());
    let mut running = Running::start(store);
    running.put_all([Op::Typed(mine(1, 1, "goes on"))]);
    running.stop();
    let store = Store::open(dir.path(), me()).unwrap();
    assert_eq!((store.memory.waiting.len(), store.set_aside), (1, None));
}

#[test]
fn a_file_that_is_not_a_database_is_moved_aside() {
    is_moved_aside_after(|bytes| *bytes = b"once upon a time".repeat(1000));
}

#[test]
fn a_file_of_a_few_bytes_is_moved_aside() {
    is_moved_aside_after(|bytes| bytes.truncate(50));
}

#[test]
fn a_truncated_store_is_moved_aside() {
    is_moved_aside_after(|bytes| bytes.truncate(bytes.len() / 2));
}

#[test]
fn a_store_with_overwritten_pages_is_moved_aside() {
    is_moved_aside_after(|bytes| bytes[4096..].fill(0x5a));
}

#[test]
fn a_second_damaged_store_does_not_overwrite_the_first() {
    let dir = tempfile::tempdir().unwrap();
    for n in 1..=3 {
        fs::write(dir.path().join("darknode.db"), format!("rubbish {n}")).unwrap();
        let store = Store::open(dir.path(), me()).unwrap();
        let aside = dir.path().join(format!("darknode.db.damaged-{n}"));
        assert_eq!(store.set_aside, Some(aside.clone()));
        assert_eq!(fs::read_to_string(aside).unwrap(), format!("rubbish {n}"));
    }
}

#[test]
fn the_log_of_a_damaged_store_is_moved_with_it() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("darknode.db"), "rubbish").unwrap();
    fs::write(dir.path().join("darknode.db-wal"), "its log").unwrap();
    Store::open(dir.path(), me()).unwrap();
    assert_eq!(fs::read_to_string(dir.path().join("darknode.db.damaged-1-wal")).unwrap(), "its log");
}

#[test]
fn an_empty_file_becomes_a_new_store() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("darknode.db"), "").unwrap();
    let store = Store::open(dir.path(), me()).unwrap();
    assert_eq!((store.set_aside, store.memory), (None, Memory::default()));
}

#[test]
fn a_missing_directory_is_reported() {
    let dir = tempfile::tempdir().unwrap();
    let error = Store::open(&dir.path().join("nowhere"), me()).err().unwrap();
    assert!(matches!(error, StoreError::Unusable { .. }), "{error}");
    assert_eq!(error.to_string().lines().count(), 1);
}

#[cfg(unix)]
#[test]
fn the_files_of_a_store_are_readable_by_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("darknode.db"), "").unwrap();
    fs::set_permissions(dir.path().join("darknode.db"), fs::Permissions::from_mode(0o644)).unwrap();
    let mut store = Running::open(dir.path());
    store.put_all([Op::Typed(mine(1, 1, "secret"))]);
    let names = ["darknode.db", "darknode.db-wal", "darknode.db-shm"];
    let modes = names.map(|name| fs::metadata(dir.path().join(name)).unwrap().permissions().mode() & 0o777);
    assert_eq!(modes, [0o600; 3]);
}

#[test]
fn damage_found_while_running_is_handled_at_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Running::open(dir.path());
    store.put_all((1..=500).map(|n| Op::Received(theirs(n, n, &"long".repeat(100)))));
    store.put_all([Op::Counters(Counters { arrival: 500, ..Counters::default() })]);
    store.stop();
    let path = dir.path().join("darknode.db");
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 8192 * 4096;
    bytes[middle..middle + 4096].fill(0x5a);
    fs::write(&path, bytes).unwrap();

    let store = Store::open(dir.path(), me()).unwrap();
    assert_eq!(store.set_aside, None, "everything the core needs is readable");
    let store = Running::start(store);
    let (with, handle) = (BOB, "bob".to_owned());
    let answer = store.ask(Query::History { with, handle, sessions: Vec::new(), n: 1000, page: Page::Last });
    assert!(matches!(answer, Notice::Error { code: ErrorCode::Disk, .. }), "{answer:?}");
    store.stop();
    assert!(Store::open(dir.path(), me()).unwrap().set_aside.is_some());
    assert_eq!(Store::open(dir.path(), me()).unwrap().set_aside, None);
}
