//! Names that somebody typed and nobody is known by yet: `\chat` and `\add` wait a little for them to turn up.

use super::event::Command;
use super::limits::{LOOKUP, MAX_LOOKUPS};
use crate::time::Moment;

#[derive(Debug, Default)]
pub struct Lookups(Vec<Lookup>);

/// A command that waits for its name.
#[derive(Debug, Clone)]
pub struct Lookup {
    pub line: Option<u64>,
    pub command: Command,
    until: Moment,
}

impl Lookups {
    /// Lets a command wait. False if too many wait already.
    pub fn wait(&mut self, line: Option<u64>, command: Command, now: Moment) -> bool {
        if self.0.len() >= MAX_LOOKUPS {
            return false;
        }
        self.0.push(Lookup { line, command, until: now + LOOKUP });
        true
    }

    /// Somebody new is known: everything that waits is tried again, in the order it was typed.
    pub fn retry(&mut self) -> Vec<Lookup> {
        std::mem::take(&mut self.0)
    }

    /// Still nobody: goes on waiting as long as it was to.
    pub fn put_back(&mut self, lookup: Lookup) {
        self.0.push(lookup);
    }

    pub fn overdue(&mut self, now: Moment) -> Vec<Lookup> {
        self.0.extract_if(.., |lookup| lookup.until <= now).collect()
    }

    pub fn next(&self) -> Option<Moment> {
        self.0.iter().map(|lookup| lookup.until).min()
    }
}
