//! Names that somebody typed and nobody is known by yet: `\chat` and `\add` wait a little for them to turn up.

use std::collections::BTreeSet;

use crate::id::UserId;
use crate::proto::event::Command;
use crate::proto::limits::{FIND_SETTLE, LOOKUP, MAX_LOOKUPS};
use crate::time::Moment;

#[derive(Debug, Default)]
pub struct Lookups {
    waiting: Vec<Lookup>,
    /// Who was named in answer to questions.
    found: BTreeSet<UserId>,
}

/// A command that waits for its name.
#[derive(Debug, Clone)]
pub struct Lookup {
    pub line: Option<u64>,
    pub command: Command,
    until: Moment,
    /// When to try again, because a question for the name was answered.
    settle: Option<Moment>,
}

impl Lookups {
    /// Lets a command wait. False if too many wait already.
    pub fn wait(&mut self, line: Option<u64>, command: Command, now: Moment) -> bool {
        if self.waiting.len() >= MAX_LOOKUPS {
            return false;
        }
        self.waiting.push(Lookup { line, command, until: now + LOOKUP, settle: None });
        true
    }

    /// Somebody new is known: everything that waits is tried again, in the order it was typed.
    pub fn retry(&mut self) -> Vec<Lookup> {
        std::mem::take(&mut self.waiting)
    }

    /// A question for a name was answered. Others of the same name have a moment to answer too: who means several is to be
    /// told so.
    pub fn found_one(&mut self, user: UserId, now: Moment) {
        self.found.insert(user);
        for lookup in &mut self.waiting {
            lookup.settle.get_or_insert(now + FIND_SETTLE);
        }
    }

    /// Whether somebody was named in answer to a question that is still open.
    pub fn found(&self, user: &UserId) -> bool {
        self.found.contains(user)
    }

    /// Those whose answers have settled.
    pub fn settled(&mut self, now: Moment) -> Vec<Lookup> {
        let settled = |lookup: &mut Lookup| lookup.settle.is_some_and(|at| at <= now);
        let mut settled: Vec<Lookup> = self.waiting.extract_if(.., settled).collect();
        settled.iter_mut().for_each(|lookup| lookup.settle = None);
        settled
    }

    /// When nobody waits any more: who was named and came to nothing.
    pub fn take_found(&mut self) -> BTreeSet<UserId> {
        if self.waiting.is_empty() { std::mem::take(&mut self.found) } else { BTreeSet::new() }
    }

    /// Still nobody: goes on waiting as long as it was to.
    pub fn put_back(&mut self, lookup: Lookup) {
        self.waiting.push(lookup);
    }

    pub fn overdue(&mut self, now: Moment) -> Vec<Lookup> {
        self.waiting.extract_if(.., |lookup| lookup.until <= now).collect()
    }

    pub fn next(&self) -> Option<Moment> {
        self.waiting.iter().map(|lookup| lookup.settle.unwrap_or(lookup.until).min(lookup.until)).min()
    }
}
