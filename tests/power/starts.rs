//! A program dies at every operation of a start that changes or syncs something. The next start works, and an
//! identity that was shown once stays the same.

use std::time::Duration;

use serde_json::Value;

use crate::baddisk::{BadDisk, alone};
use crate::each_seed;
use crate::program::{Node, TestBed};

/// Only every n-th operation of a first start is tried, from a random one on.
const STRIDE: u64 = 4;

#[test]
fn a_first_start_killed_at_any_operation_leaves_a_usable_directory() {
    alone(|| each_seed(1, |seed| first_starts(seed, |disk| disk.settle())));
}

#[test]
fn a_first_start_that_loses_power_at_any_operation_leaves_a_usable_directory() {
    alone(|| each_seed(1, |seed| first_starts(seed, |disk| disk.cut(seed))));
}

#[test]
fn a_shown_identity_survives_later_starts_that_lose_power_at_any_operation() {
    alone(|| {
        each_seed(1, |seed| {
            let place = Place { bed: TestBed::new(), disk: BadDisk::new() };
            let known = place.starts_well();
            for_each_operation(0, 1, |operation| {
                place.start_dies(operation, |disk| disk.cut(seed ^ operation), Some(&known))
            });
        });
    });
}

fn first_starts(seed: u64, end: impl Fn(&BadDisk)) {
    for_each_operation(seed % STRIDE, STRIDE, |operation| {
        let place = Place { bed: TestBed::new(), disk: BadDisk::new() };
        place.start_dies(operation, &end, None)
    });
}

/// Tries operations in steps of `stride` until a start completes before it dies.
fn for_each_operation(first: u64, stride: u64, dies_after: impl Fn(u64) -> bool) {
    let mut operation = first;
    while dies_after(operation) {
        operation += stride;
    }
    eprintln!("a start takes at most {operation} operations");
}

struct Place {
    bed: TestBed,
    disk: BadDisk,
}

impl Place {
    fn begins(&self) -> Node {
        let home = self.disk.home("alice");
        self.bed.run(self.bed.node("alice").dir(&home).command(), "alice")
    }

    /// Starts it and returns its `ready` event.
    fn starts_well(&self) -> Value {
        let mut node = self.begins();
        let ready = node.event("ready");
        node.quits();
        ready
    }

    /// Lets one start die and asserts that the next one works. Returns whether the first died before it was ready.
    fn start_dies(&self, operation: u64, end: impl Fn(&BadDisk), known: Option<&Value>) -> bool {
        self.bed.say(format!("--- dies after {operation} operations"));
        self.disk.stop_after(operation, true);
        let mut first = self.begins();
        let shown = first.event_before_death("ready");
        let died = self.disk.stops_within(Duration::ZERO);
        first.killed();
        end(&self.disk);
        let ready = self.starts_well();
        for before in shown.iter().chain(known) {
            assert_eq!((&before["id"], &before["session"]), (&ready["id"], &ready["session"]));
        }
        shown.is_none() && died
    }
}
