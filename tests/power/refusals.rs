//! A failing disk, during a conversation and at a start: nothing is acknowledged that was not stored, the user is
//! notified, and nothing is missing once the disk works again.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

use crate::baddisk::{BadDisk, Fault, alone};
use crate::program::{Node, TestBed};
use crate::promise::text_of;

const FAULTS: [Fault; 4] = [Fault::Syncs, Fault::Writes, Fault::Full(0), Fault::ReadOnly];
/// Lines of each side while the disk fails: more than fit into the part of the log that exists already.
const LINES: usize = 6;
/// Interval between attempts to type: the store itself retries no earlier.
const MOMENT: Duration = Duration::from_millis(100);

#[test]
fn with_a_failing_disk_nothing_is_acknowledged_the_user_is_warned_and_nothing_is_lost() {
    alone(|| {
        // Each wait is as long as an author's retry interval.
        std::thread::scope(|plays| FAULTS.iter().for_each(|fault| drop(plays.spawn(|| refuses_meanwhile(*fault)))));
    });
}

fn refuses_meanwhile(fault: Fault) {
    let (bed, disk) = (TestBed::new(), BadDisk::new());
    bed.say(format!("--- {fault:?}"));
    let home = disk.home("alice");
    let mut bob = bed.start("bob");
    let mut alice = bed.node("alice").dir(&home).start();
    alice.meet(&mut bob);
    alice.chats_with(&mut bob);
    let before = alice.says("before");
    alice.knows_delivered(&before);
    bob.asks(r"\chat alice");

    disk.fails(fault);
    let long = "long".repeat(3000);
    let coming: Vec<String> = (0..LINES).map(|n| bob.says(&format!("bob {n} {long}"))).collect();
    alice.event("warning");
    let answers: Vec<Value> = (0..LINES).map(|n| alice.asks(&format!("alice {n} {long}"))).collect();
    let refused = answers.iter().filter(|answer| answer["code"] == "disk").count();
    assert!(refused > 0 && answers.iter().all(|answer| answer["event"] == "queued" || answer["code"] == "disk"));
    let mut accepted: BTreeSet<String> =
        answers.iter().filter(|answer| answer["event"] == "queued").map(|answer| text_of(answer, "message")).collect();

    disk.fails(Fault::None);
    coming.iter().for_each(|line| bob.knows_delivered(line));
    accepted.insert(types_until_stored(&mut alice, "after"));
    // Everything acknowledged survives a power cut.
    disk.stop_after(0, true);
    alice.killed();
    disk.cut(0);
    let mut alice = bed.node("alice").dir(&home).start();
    let history = alice.asks(r"\history bob 100");
    let there: BTreeSet<String> =
        history["messages"].as_array().expect("a list").iter().map(|message| text_of(message, "message")).collect();
    let missing: Vec<&String> = accepted.iter().chain(&coming).filter(|id| !there.contains(*id)).collect();
    assert!(missing.is_empty(), "{fault:?}: {missing:?}");
    assert_eq!(there.len(), 1 + coming.len() + accepted.len(), "refused messages are not stored");
    alice.quits();
    bob.quits();
}

/// Types a line repeatedly until it is stored. Returns its id.
fn types_until_stored(node: &mut Node, text: &str) -> String {
    loop {
        let answer = node.asks(text);
        if answer["event"] == "queued" {
            return text_of(&answer, "message");
        }
        assert_eq!(answer["code"], "disk", "{answer}");
        node.listens(MOMENT);
    }
}

#[test]
fn a_start_on_a_failing_disk_is_refused_in_one_line_and_changes_nothing() {
    alone(|| {
        let (bed, disk) = (TestBed::new(), BadDisk::new());
        let home = disk.home("alice");
        let node = || bed.node("alice").dir(&home);
        for fault in FAULTS {
            disk.fails(fault);
            let line = node().refused();
            assert_eq!(says_full(&line), matches!(fault, Fault::Full(_)), "{fault:?}: {line}");
            bed.say(line);
        }
        disk.fails(Fault::None);
        let alice = node().start();
        let id = alice.id().to_owned();
        alice.quits();
        for fault in FAULTS {
            disk.fails(fault);
            let line = node().refused();
            assert_eq!(says_full(&line), matches!(fault, Fault::Full(_)), "{fault:?}: {line}");
            bed.say(line);
            disk.fails(Fault::None);
            disk.settle();
            let alice = node().start();
            assert_eq!(alice.id(), id);
            alice.quits();
        }
    });
}

fn says_full(line: &str) -> bool {
    line.contains("the disk is full; free some space")
}
