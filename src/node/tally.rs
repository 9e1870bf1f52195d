//! What the node has done since its start, for monitoring.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::proto::event::{DialFailure, Input};
use crate::proto::histogram::Histogram;
use crate::proto::notice::{Delivery, Notice};
use crate::time::Wall;

/// How long commits take: from a fast disk to a memory card that has stalled.
const COMMIT_BUCKETS: &[Duration] = &[
    Duration::from_millis(1),
    Duration::from_millis(3),
    Duration::from_millis(10),
    Duration::from_millis(30),
    Duration::from_millis(100),
    Duration::from_millis(300),
    Duration::from_secs(1),
    Duration::from_secs(3),
    Duration::from_secs(10),
];
/// The outcome of a dial that led to a connection.
const CONNECTED: &str = "connected";
/// All outcomes of dials, so that each is counted from zero.
const OUTCOMES: [&str; 8] =
    [CONNECTED, "unreachable", "too_large", "forbidden", "no_route", "closed", "another_session", "stranger"];

/// Counts since the start.
#[derive(Debug)]
pub struct Tally {
    pub began: Wall,
    pub sent: u64,
    pub received: u64,
    pub receipts: u64,
    pub dials: BTreeMap<&'static str, u64>,
    pub commits: Histogram,
}

impl Tally {
    pub fn new(began: Wall) -> Tally {
        Tally {
            began,
            sent: 0,
            received: 0,
            receipts: 0,
            dials: OUTCOMES.map(|outcome| (outcome, 0)).into(),
            commits: Histogram::new(COMMIT_BUCKETS),
        }
    }

    /// Counts what happened.
    pub fn input(&mut self, input: &Input) {
        let outcome = match input {
            Input::Connected(connected) if connected.dial.is_some() => CONNECTED,
            Input::DialFailed { failure, .. } => outcome(failure),
            _ => return,
        };
        *self.dials.entry(outcome).or_default() += 1;
    }

    /// Counts what is reported.
    pub fn notice(&mut self, notice: &Notice) {
        match notice {
            Notice::Queued { .. } => self.sent += 1,
            Notice::Message(message) if !message.own => self.received += 1,
            Notice::State { state: Delivery::Delivered, .. } => self.receipts += 1,
            _ => {}
        }
    }
}

fn outcome(failure: &DialFailure) -> &'static str {
    match failure {
        DialFailure::Unreachable => "unreachable",
        DialFailure::TooLarge => "too_large",
        DialFailure::Forbidden => "forbidden",
        DialFailure::NoRoute => "no_route",
        DialFailure::Closed => "closed",
        DialFailure::Met(_) => "another_session",
        DialFailure::Stranger => "stranger",
    }
}
