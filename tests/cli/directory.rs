//! The data directory: ownership, locking, and damaged or unsafe contents.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::program::{TestBed, may_mount, refused};

/// The files of a directory and their contents.
fn contents(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(dir).expect("it is there").map(|entry| entry.expect("it can be listed"));
    entries
        .map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            (name, fs::read(entry.path()).expect("it can be read"))
        })
        .collect()
}

/// Alice's directory after a first start.
fn used_directory(bed: &TestBed) -> std::path::PathBuf {
    bed.start("alice").quits();
    bed.path("alice")
}

#[test]
fn the_directory_of_another_user_is_refused_with_the_owners_name_and_not_changed() {
    let bed = TestBed::new();
    let dir = used_directory(&bed);
    let before = contents(&dir);
    let error = bed.node("bob").dir("alice").refused();
    assert!(error.contains("-u alice"), "{error}");
    assert_eq!(contents(&dir), before);
    bed.start("alice").quits();
}

#[test]
fn a_directory_in_use_is_refused_without_disturbing_its_node() {
    let bed = TestBed::new();
    let mut alice = bed.start("alice");
    let error = bed.node("alice").refused();
    assert!(error.contains("`darknode attach`"), "{error}");
    assert!(error.contains("alice") && error.contains("`darknode link` with another --data-dir"), "{error}");
    assert_eq!(alice.asks(r"\me")["event"], "me");
    alice.quits();
}

#[test]
fn a_read_only_directory_is_refused_whether_it_was_used_before_or_not() {
    if !may_mount() {
        return;
    }
    let bed = TestBed::new();
    used_directory(&bed);
    fs::create_dir(bed.path("empty")).expect("it can be made");
    let read_only = r#"mount --bind "$DIR" "$DIR" && mount -o remount,bind,ro "$DIR" && exec "$0" "$@""#;
    for dir in ["alice", "empty"] {
        let mut command = bed.node("alice").dir(dir).by_shell(&["unshare", "-Urm", "sh"], read_only);
        command.env("DIR", bed.path(dir));
        let error = refused(command);
        assert!(error.contains("make it writable") || error.contains("read-only"), "{error}");
    }
    assert!(contents(&bed.path("empty")).is_empty());
    bed.start("alice").quits();
}

#[test]
fn a_file_in_place_of_the_directory_is_refused() {
    let bed = TestBed::new();
    fs::write(bed.path("file"), "mine").expect("it can be written");
    let error = bed.node("alice").dir("file").refused();
    assert!(error.contains("not a directory"), "{error}");
    let error = bed.node("alice").dir("file/below").refused();
    assert!(error.contains("not a directory"), "{error}");
}

#[test]
fn a_store_from_a_newer_version_is_refused_and_not_changed() {
    let bed = TestBed::new();
    let dir = used_directory(&bed);
    let store = rusqlite::Connection::open(dir.join("darknode.db")).expect("it is a store");
    store.pragma_update(None, "user_version", 9999).expect("it can be changed");
    store.pragma_update(None, "journal_mode", "DELETE").expect("it can be changed");
    drop(store);
    let before = contents(&dir);
    let error = bed.node("alice").refused();
    assert!(error.contains("newer"), "{error}");
    assert_eq!(contents(&dir), before);
}

#[test]
fn a_damaged_store_is_set_aside_and_keys_and_friends_restore_the_rest() {
    let bed = TestBed::new();
    let (mut alice, mut bob) = bed.two();
    alice.chats_with(&mut bob);
    let said = alice.says("before the damage");
    alice.knows_delivered(&said);
    let (was, port) = (alice.ready.clone(), alice.port());
    alice.quits();
    bob.event("offline");
    bob.asks(r"\chat alice");
    let waits = bob.says("you were away");
    let db = bed.path("alice").join("darknode.db");
    let mut bytes = fs::read(&db).expect("it is there");
    bytes[200..].fill(0xa5);
    fs::write(&db, &bytes).expect("it can be written");

    let mut alice = bed.node("alice").port(port).start();
    let warning = alice.event("warning");
    assert_eq!(warning["code"], "disk");
    let aside = bed.path("alice").join("darknode.db.damaged-1");
    assert!(warning["message"].as_str().is_some_and(|message| message.contains("darknode.db.damaged-1")), "{warning}");
    assert_eq!(fs::read(aside).expect("it is kept"), bytes);
    ["id", "session"].iter().for_each(|key| assert_eq!(alice.ready[key], was[key]));
    assert_eq!(alice.event("message")["message"], waits);
    alice.event_with("linked", "user", "bob");
    bob.knows_delivered(&waits);
    alice.asks(r"\chat bob");
    let said = alice.says("after the damage");
    assert_eq!(bob.event_with("message", "text", "after the damage")["message"], said);
    alice.quits();
    let mut alice = bed.start("alice");
    assert_eq!(alice.asks(r"\history bob")["messages"].as_array().map(Vec::len), Some(2));
    bob.quits();
    alice.quits();
}

#[test]
fn a_truncated_missing_or_exchanged_key_file_is_refused_and_never_replaced() {
    let bed = TestBed::new();
    let dir = used_directory(&bed);
    bed.node("bob").start().quits();
    for file in ["user.pem", "session.pem", "owner"] {
        let path = dir.join(file);
        let good = fs::read(&path).expect("it is there");
        let others = fs::read(bed.path("bob").join(file)).expect("it is there");
        for bad in [None, Some(&good[..0]), Some(&good[..good.len() / 2]), Some(&others[..])] {
            // Without `owner` the keys determine the user; the next test covers this.
            if bad.is_none() && file == "owner" {
                continue;
            }
            match bad {
                Some(bytes) => fs::write(&path, bytes).expect("it can be written"),
                None => fs::remove_file(&path).expect("it can be removed"),
            }
            let before = contents(&dir);
            let error = bed.node("alice").refused();
            assert!(error.contains("alice"), "it names the place: {error}");
            assert_eq!(contents(&dir), before, "{file}");
            fs::write(&path, &good).expect("it can be written");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("it is ours");
        }
    }
    bed.start("alice").quits();
}

#[test]
fn a_directory_without_its_owner_file_belongs_to_its_keys() {
    let bed = TestBed::new();
    let alice = bed.start("alice");
    let id = alice.id().to_owned();
    alice.quits();
    fs::remove_file(bed.path("alice").join("owner")).expect("it is there");
    let alice = bed.start("alice");
    assert_eq!(alice.id(), id);
    alice.quits();
}

#[test]
fn a_key_that_others_can_read_is_refused_with_the_command_that_protects_it() {
    let bed = TestBed::new();
    let dir = used_directory(&bed);
    fs::set_permissions(dir.join("user.pem"), fs::Permissions::from_mode(0o644)).expect("it is ours");
    let error = bed.node("alice").refused();
    assert!(error.contains("chmod 600"), "{error}");
}
