//! A full disk: new lines are refused with an error, and accepted ones are not lost.

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::program::{Node, TestBed, may_mount};

/// The time between two attempts to type after the disk has room again. The store retries no earlier.
const MOMENT: Duration = Duration::from_millis(100);

/// Fills the disk that contains a directory to the last byte.
fn fill(dir: &Path) {
    let mut file = fs::File::create(dir.join("filler")).expect("there is some room");
    for size in [64 * 1024, 4096, 1] {
        let error = std::iter::repeat_with(|| file.write_all(&vec![0; size])).find_map(Result::err);
        assert_eq!(error.map(|error| error.kind()), Some(ErrorKind::StorageFull));
    }
}

/// Types a line repeatedly until it is accepted.
fn says_when_accepted(node: &mut Node, text: &str) -> Value {
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
fn a_full_disk_refuses_new_lines_and_takes_no_messages_and_the_node_recovers_when_there_is_room() {
    if !may_mount() {
        return;
    }
    let bed = TestBed::new();
    let mut bob = bed.start("bob");
    fs::create_dir(bed.path("alice")).expect("it can be made");
    let small_disk = r#"mount -t tmpfs -o size=8m,mode=700 tmpfs "$DIR" && exec "$0" "$@""#;
    let mut command = bed.node("alice").by_shell(&["unshare", "-Urm", "sh"], small_disk);
    command.env("DIR", bed.path("alice"));
    let mut alice = bed.run(command, "alice");
    alice.ready = alice.event("ready");
    alice.meet(&mut bob);
    alice.chats_with(&mut bob);
    let before = alice.says("before");
    alice.knows_delivered(&before);
    bob.asks(r"\chat alice");

    // The path as seen from outside its mount namespace.
    let disk = Path::new("/proc")
        .join(alice.pid().to_string())
        .join("root")
        .join(&bed.path("alice").as_path().to_string_lossy()[1..]);
    fill(&disk);
    let refused = alice.asks(&"refused ".repeat(1000));
    assert_eq!((&refused["event"], &refused["code"]), (&"error".into(), &"disk".into()), "{refused}");
    assert!(refused["message"].as_str().is_some_and(|message| message.contains("full")), "{refused}");
    assert_eq!(alice.event("warning")["code"], "disk");
    let waits = bob.says("for a full disk");
    bob.asks(r"\users");
    fs::remove_file(disk.join("filler")).expect("it is there");

    let after = says_when_accepted(&mut alice, "after");
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
fn with_a_file_size_limit_accepted_lines_are_kept_and_refused_ones_are_not() {
    let bed = TestBed::new();
    let (mut alice, mut bob) = bed.two();
    alice.chats_with(&mut bob);
    bob.quits();
    alice.quits();
    // If the signal is ignored, a write beyond the limit fails with an ordinary error.
    let limited = r#"trap '' XFSZ; ulimit -f 512; exec "$0" "$@""#;
    let mut alice = bed.run(bed.node("alice").by_shell(&["sh"], limited), "alice");
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
    let mut alice = bed.start("alice");
    let status = alice.asks(r"\status");
    let waiting: Vec<Value> =
        status["messages"].as_array().expect("a list").iter().map(|view| view["message"].clone()).collect();
    assert_eq!(waiting, accepted);
    alice.quits();
}
