//! A full disk.

use std::path::Path;
use std::sync::atomic::Ordering;

use darknode::node::store::{Options, Store};
use darknode::proto::persist::{Memory, MessageRow, Op};

use crate::support::*;

/// A store that may not grow, and the options that lift the limit.
fn full(dir: &Path) -> (Running, Options) {
    let options = full_disk();
    (Running::start(Store::open_with(dir, me(), options.clone()).unwrap()), options)
}

#[test]
fn a_full_disk_refuses_typed_messages_and_loses_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, options) = full(dir.path());
    let long = "long".repeat(3000);
    store.put(Op::Received(theirs(1, 1, &long)));
    let (refused, error) = store.failed();
    assert_eq!(refused, []);
    assert!(error.contains("the disk is full; free some space"), "{error}");

    store.put(Op::Typed(mine(1, 2, &long)));
    assert_eq!(store.failed().0, [mine(1, 2, "").id], "refused at once");
    let kept = store.put(Op::Received(theirs(2, 3, &long)));
    assert_eq!(store.texts(), [""; 0], "queries are answered meanwhile");

    options.max_pages.store(0, Ordering::Relaxed);
    store.stored(kept);
    assert_eq!(store.texts(), [long.as_str(), &long]);
    store.put_all([Op::Typed(mine(2, 4, "after"))]);
    store.stop();
    let memory = Store::open(dir.path(), me()).unwrap().memory;
    assert_eq!(memory.waiting, [mine(2, 4, "after")]);
    assert_eq!(memory.received, [(from_bob(), ranges([(1, 2)]))]);
}

#[test]
fn typed_messages_of_a_failed_batch_are_reported_and_the_rest_is_stored_later() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, options) = full(dir.path());
    let long = "long".repeat(3000);
    let typed: Vec<MessageRow> = (1..=3).map(|n| mine(n, n, &long)).collect();
    let mut refused = Vec::new();
    for row in &typed {
        store.put(Op::Typed(row.clone()));
    }
    while refused.len() < typed.len() {
        refused.extend(store.failed().0);
    }
    assert_eq!(refused, typed.iter().map(|row| row.id).collect::<Vec<_>>());
    options.max_pages.store(0, Ordering::Relaxed);
    let last = store.put(Op::Received(theirs(1, 4, "kept")));
    store.stored(last);
    assert_eq!(store.texts(), ["kept"]);
    store.stop();
    assert_eq!(Store::open(dir.path(), me()).unwrap().memory.waiting, []);
}

#[test]
fn a_store_can_be_stopped_while_the_disk_is_full() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, _options) = full(dir.path());
    store.put(Op::Received(theirs(1, 1, &"long".repeat(3000))));
    store.failed();
    store.stop();
    assert_eq!(Store::open(dir.path(), me()).unwrap().memory, Memory::default());
}
