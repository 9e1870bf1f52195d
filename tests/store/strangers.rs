//! Strangers in the store: remembered, answered, forgotten.

use darknode::id::SessionId;
use darknode::node::store::Store;
use darknode::proto::persist::*;

use crate::memory::everything;
use crate::support::*;

/// Rows of a table in a store that does not run.
fn rows(dir: &std::path::Path, table: &str) -> i64 {
    let raw = rusqlite::Connection::open(dir.join("darknode.db")).unwrap();
    raw.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
}

#[test]
fn whoever_is_forgotten_leaves_no_row_behind() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Running::open(dir.path());
    let written = [
        Op::Received(theirs(1, 1, "one")),
        Op::Received(theirs(2, 2, "two")),
        Op::Seen { stream: from_bob(), ranges: ranges([(1, 3)]) },
        Op::Typed(mine(1, 3, "who are you?")),
        Op::Delivered { stream: to_bob(), session: BOBS, ranges: ranges([(1, 1)]) },
        Op::Carried { stream: to_bob(), by: BOBS_OTHER, ranges: ranges([(1, 1)]) },
    ];
    let stranger = everything().0.strangers.remove(0);
    store.put_all([Op::Link(everything().0.links[0]), Op::Stranger(stranger)]);
    store.put_all(written.clone());
    // In one batch with what is written at its end.
    let sessions = vec![BOBS, BOBS_OTHER];
    store.put_all(written.into_iter().chain([Op::ForgetStranger { user: BOB, sessions }]));
    assert!(store.texts().is_empty());
    store.put_all([Op::Received(theirs(1, 9, "again"))]);
    assert_eq!(store.texts(), ["again"], "the same person can write once more");
    store.put_all([Op::ForgetStranger { user: BOB, sessions: vec![BOBS, SessionId([77; 32])] }]);
    store.stop();
    let tables = ["strangers", "links", "messages", "outbox", "seen", "delivered", "carried", "streams"];
    tables.into_iter().for_each(|table| assert_eq!(rows(dir.path(), table), 0, "{table}"));
    assert!(rows(dir.path(), "keys") <= 3, "only keys of this user and of carriers are left");
}

#[test]
fn whoever_is_answered_keeps_everything_else() {
    let dir = tempfile::tempdir().unwrap();
    let (mut memory, ops) = everything();
    let mut store = Running::open(dir.path());
    store.put_all(ops);
    store.put_all([Op::Answered(BOB)]);
    store.stop();
    memory.strangers.retain(|row| row.user != BOB);
    assert_eq!(Store::open(dir.path(), me()).unwrap().memory, memory);
}
