//! A client that does not read.

use crate::program::TestBed;
use crate::program::client::{Client, each};

/// Lines so long that together they are more than the node keeps as events and the buffers of a socket take.
const LINES: usize = 500;
const LENGTH: usize = 15_000;
/// Lines under way at a time.
const BATCH: usize = 50;

#[test]
fn a_client_that_reads_nothing_delays_nobody_and_gets_every_message_after_a_gap() {
    let bed = TestBed::new();
    let (mut alice, mut bob) = bed.two();
    alice.chats_with(&mut bob);
    bob.asks(r"\chat alice");
    let (mut slow, mut quick) = (Client::connect(&bed, "alice"), Client::connect(&bed, "alice"));
    slow.subscribes("now");
    quick.subscribes("now");
    let mut said = Vec::new();
    while said.len() < LINES {
        let texts = (0..BATCH).map(|n| format!("{:05} {}", said.len() + n, "x".repeat(LENGTH)));
        let ids: Vec<String> = texts.map(|text| bob.says(&text)).collect();
        let last = ids.last().expect("there are some").clone();
        said.extend(ids);
        assert_eq!(alice.event_with("message", "message", &last)["message"], *last);
        quick.wait(|event| event["event"] == "message" && event["message"] == *last);
    }
    let all = slow.all_until(|event| event["event"] == "message" && event["message"] == *said[LINES - 1]);
    assert!(all.iter().any(|event| event["event"] == "gap"), "it was not overtaken");
    assert_eq!(each(&all, "message", "message"), said);
    slow.event("live");
    bob.quits();
    alice.quits();
}
