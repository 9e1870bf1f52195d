//! Commands with an unknown name: `\chat` and `\add` wait up to [`LOOKUP`] for the search for it.

use std::collections::BTreeSet;

use crate::id::UserId;
use crate::proto::event::Command;
use crate::proto::limits::{FIND_SETTLE, LOOKUP, MAX_LOOKUPS};
use crate::time::Moment;

/// Waiting commands, at most [`MAX_LOOKUPS`].
#[derive(Debug, Default)]
pub struct Lookups {
    waiting: Vec<Lookup>,
    /// Users found by searches.
    found: BTreeSet<UserId>,
}

/// A command that waits for its name.
#[derive(Debug, Clone)]
pub struct Lookup {
    /// The command's input line.
    pub line: Option<u64>,
    /// `\chat` or `\add`.
    pub command: Command,
    until: Moment,
    /// When to retry, because the search has found a user.
    settle: Option<Moment>,
}

impl Lookups {
    /// Adds a command. False if [`MAX_LOOKUPS`] wait already.
    pub fn add(&mut self, line: Option<u64>, command: Command, now: Moment) -> bool {
        if self.waiting.len() >= MAX_LOOKUPS {
            return false;
        }
        self.waiting.push(Lookup { line, command, until: now + LOOKUP, settle: None });
        true
    }

    /// Takes all waiting commands to retry them, in the order of input.
    pub fn take_all(&mut self) -> Vec<Lookup> {
        std::mem::take(&mut self.waiting)
    }

    /// Records that a search has found a user. Commands are retried only after [`FIND_SETTLE`], so that further users of the
    /// same name can answer and the command can be rejected as ambiguous.
    pub fn record_found(&mut self, user: UserId, now: Moment) {
        self.found.insert(user);
        for lookup in &mut self.waiting {
            lookup.settle.get_or_insert(now + FIND_SETTLE);
        }
    }

    /// Whether a user was found by a search while commands wait.
    pub fn was_found(&self, user: &UserId) -> bool {
        self.found.contains(user)
    }

    /// Takes the commands whose pause for further answers is over.
    pub fn take_settled(&mut self, now: Moment) -> Vec<Lookup> {
        let settled = |lookup: &mut Lookup| lookup.settle.is_some_and(|at| at <= now);
        let mut settled: Vec<Lookup> = self.waiting.extract_if(.., settled).collect();
        settled.iter_mut().for_each(|lookup| lookup.settle = None);
        settled
    }

    /// Takes the users found by searches, once no command waits any more.
    pub fn take_found(&mut self) -> BTreeSet<UserId> {
        if self.waiting.is_empty() { std::mem::take(&mut self.found) } else { BTreeSet::new() }
    }

    /// Puts a command back whose name is still unknown. It keeps its deadline.
    pub fn put_back(&mut self, lookup: Lookup) {
        self.waiting.push(lookup);
    }

    /// Takes the commands whose deadline has passed.
    pub fn take_overdue(&mut self, now: Moment) -> Vec<Lookup> {
        self.waiting.extract_if(.., |lookup| lookup.until <= now).collect()
    }

    /// When the next command is to be retried or its deadline passes.
    pub fn next(&self) -> Option<Moment> {
        self.waiting.iter().map(|lookup| lookup.settle.unwrap_or(lookup.until).min(lookup.until)).min()
    }
}
