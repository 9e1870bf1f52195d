//! Two numbers that are written along with other things: up to where a face has printed, and when this was.
//!
//! Losing the first costs lines printed again. So it is written at once, though without waiting for the disk, which is
//! enough for a kill, and made durable soon even when nothing else is, which is enough for a power cut. Losing the second
//! makes ages come out late, which is allowed (`time.rs`): alone it is written rarely and without waiting for the disk,
//! so that an idle node lets the disk sleep.

use std::time::Duration;

use crate::time::{Moment, Now};

/// How long the print mark waits for other things to be written with, or for more lines to be printed.
const PRINT_WAIT: Duration = Duration::from_millis(10);
/// How long it then waits for other things to be made durable with.
const SYNC_WAIT: Duration = Duration::from_millis(200);
/// How far the moment may run ahead of the one on the disk.
const ALIVE_EVERY: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub struct Mark {
    printed: u64,
    alive: Now,
    saved_at: Moment,
    print_due: Option<Moment>,
    sync_due: Option<Moment>,
    alive_due: Option<Moment>,
    unsaved: bool,
}

impl Mark {
    pub fn new(printed: u64, alive: Now) -> Mark {
        Mark {
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

    /// When it is to be written even if nothing else is.
    pub fn due(&self) -> Option<Moment> {
        [self.print_due, self.sync_due, self.alive_due].into_iter().flatten().min()
    }

    pub fn is_unsaved(&self) -> bool {
        self.unsaved || self.sync_due.is_some()
    }

    /// Whether a commit of this alone must wait for the disk.
    pub fn must_last(&self, now: Moment) -> bool {
        self.sync_due.is_some_and(|at| at <= now)
    }

    /// It was written, and is on the disk if `durable`.
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
