//! Two values that are usually written along with other changes: the print position and the node's current moment.
//!
//! Losing the print position makes messages print twice. So it is written promptly without waiting for the disk,
//! which survives a kill, and is made durable soon even if nothing else is, which survives a power cut. Losing the
//! moment makes ages come out too small, which is allowed (`time.rs`). Alone it is written rarely and without waiting
//! for the disk, so that an idle node lets the disk sleep.

use std::time::Duration;

use crate::time::{Moment, Now};

/// How long the print position waits for other writes, or for more messages to be printed.
const PRINT_WAIT: Duration = Duration::from_millis(10);
/// How long it then waits for another durable commit.
const SYNC_WAIT: Duration = Duration::from_millis(200);
/// How far the stored moment may lag behind.
const ALIVE_EVERY: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub struct Progress {
    printed: u64,
    alive: Now,
    saved_at: Moment,
    print_due: Option<Moment>,
    sync_due: Option<Moment>,
    alive_due: Option<Moment>,
    unsaved: bool,
}

impl Progress {
    pub fn new(printed: u64, alive: Now) -> Progress {
        Progress {
            printed,
            alive,
            saved_at: alive.moment,
            print_due: None,
            sync_due: None,
            alive_due: None,
            unsaved: false,
        }
    }

    pub fn printed(&mut self, arrival: u64, now: Moment) {
        if arrival > self.printed {
            self.printed = arrival;
            self.unsaved = true;
            self.print_due.get_or_insert(now + PRINT_WAIT);
            self.sync_due.get_or_insert(now + SYNC_WAIT);
        }
    }

    pub fn alive(&mut self, alive: Now, now: Moment) {
        self.alive = alive;
        self.unsaved = true;
        if alive.moment.since(self.saved_at) >= ALIVE_EVERY {
            self.alive_due.get_or_insert(now);
        }
    }

    /// When to write the values even if nothing else is written.
    pub fn due(&self) -> Option<Moment> {
        [self.print_due, self.sync_due, self.alive_due].into_iter().flatten().min()
    }

    pub fn is_unsaved(&self) -> bool {
        self.unsaved || self.sync_due.is_some()
    }

    /// Whether a commit of these values alone must wait for the disk.
    pub fn must_sync(&self, now: Moment) -> bool {
        self.sync_due.is_some_and(|at| at <= now)
    }

    /// Records that the values were written, durably or not.
    pub fn saved(&mut self, durable: bool) {
        self.saved_at = self.alive.moment;
        self.print_due = None;
        self.alive_due = None;
        self.unsaved = false;
        if durable {
            self.sync_due = None;
        }
    }

    pub fn printed_through(&self) -> u64 {
        self.printed
    }

    pub fn now(&self) -> Now {
        self.alive
    }
}
