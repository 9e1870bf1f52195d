//! A full disk stops new typing with an error and loses nothing already accepted.

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::program::{Node, Stage, may_mount};

/// Between two attempts to type on a disk that has room again: the store itself tries again no earlier.
const MOMENT: Duration = Duration::from_millis(100);

/// Fills the disk that a directory is on, to the last byte that a file can take.
fn fill(dir: &Path) {
    let mut file = fs::File::create(dir.join("filler")).expect("there is some room");
    for size in [64 * 1024, 4096, 1] {
        let error = std::iter::repeat_with(|| file.write_all(&vec![0; size])).find_map(Result::err);
        assert_eq!(error.map(|error| error.kind()), Some(ErrorKind::StorageFull));
    }
}

/// Types a line until the disk takes it.
fn says_at_last(node: &mut Node, text: &str) -> Value {
    loop {
        let answer = node.asks(text);
        if answer["event"] == "queued" {
            return answer;
        }
        assert_eq!(answer["code"], "disk", "{answer}");
        node.listens(MOMENT);
    }
}

#[test]
fn a_full_disk_refuses_what_is_typed_leaves_what_comes_with_its_author_and_goes_on_when_there_is_room() {
    if !may_mount() {
        return;
    }
    let stage = Stage::new();
    let mut bob = stage.start("bob");
    fs::create_dir(stage.path("alice")).expect("it can be made");
    let small_disk = r#"mount -t tmpfs -o size=8m,mode=700 tmpfs "$DIR" && exec "$0" "$@""#;
    let mut command = stage.cast("alice").by_shell(&["unshare", "-Urm", "sh"], small_disk);
    command.env("DIR", stage.path("alice"));
    let mut alice = stage.run(command, "alice");
    alice.ready = alice.event("ready");
    alice.meet(&mut bob);
    alice.chats_with(&mut bob);
    let before = alice.says("before");
    alice.knows_delivered(&before);
    bob.asks(r"\chat alice");

    // Seen from inside its namespace.
    let disk = Path::new("/proc")
        .join(alice.pid().to_string())
        .join("root")
        .join(&stage.path("alice").as_path().to_string_lossy()[1..]);
    fill(&disk);
    let refused = alice.asks(&"refused ".repeat(1000));
    assert_eq!((&refused["event"], &refused["code"]), (&"error".into(), &"disk".into()), "{refused}");
    assert!(refused["message"].as_str().is_some_and(|message| message.contains("full")), "{refused}");
    assert_eq!(alice.event("warning")["code"], "disk");
    let waits = bob.says("for a full disk");
    bob.asks(r"\users");
    fs::remove_file(disk.join("filler")).expect("it is there");

    let after = says_at_last(&mut alice, "after");
    alice.knows_delivered(after["message"].as_str().expect("it has an id"));
    bob.knows_delivered(&waits);
    assert_eq!(alice.event("message")["message"], waits);
    let history = alice.asks(r"\history bob");
    let texts: Vec<&Value> = history["messages"].as_array().expect("a list").iter().map(|m| &m["text"]).collect();
    assert_eq!(texts.len(), 3, "{history}");
    assert!(["before", "after", "for a full disk"].iter().all(|text| texts.contains(&&Value::from(*text))));
    alice.quits();
    bob.types(r"\quit");
    let (_, rest, _) = bob.ends();
    assert!(rest.iter().all(|event| !event.to_string().contains("refused")), "{rest:?}");
}

#[test]
fn where_files_may_not_grow_all_that_was_accepted_is_there_and_nothing_that_was_refused() {
    let stage = Stage::new();
    let (mut alice, mut bob) = stage.two();
    alice.chats_with(&mut bob);
    bob.quits();
    alice.quits();
    // Without the signal a write beyond the limit is an error like any other.
    let limited = r#"trap '' XFSZ; ulimit -f 512; exec "$0" "$@""#;
    let mut alice = stage.run(stage.cast("alice").by_shell(&["sh"], limited), "alice");
    alice.event("ready");
    alice.asks(r"\chat bob");
    let mut accepted = Vec::new();
    let refused = loop {
        let answer = alice.asks(&format!("line {} {}", accepted.len(), "x".repeat(8000)));
        if answer["event"] != "queued" {
            break answer;
        }
        accepted.push(answer["message"].clone());
    };
    assert_eq!(refused["code"], "disk", "{refused}");
    assert!(!accepted.is_empty());
    alice.hush();
    let (status, ..) = alice.ends();
    assert_eq!(status.code(), Some(0));
    let mut alice = stage.start("alice");
    let status = alice.asks(r"\status");
    let waiting: Vec<Value> =
        status["messages"].as_array().expect("a list").iter().map(|view| view["message"].clone()).collect();
    assert_eq!(waiting, accepted);
    alice.quits();
}
