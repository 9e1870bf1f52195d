//! What a client is given, and where it continues.
//!
//! A client that is *live* reads the log. One that was overtaken, or that continues from a cursor which the log does not
//! reach, first gets the messages in the store, page by page. Before each page is requested, the position in the log is
//! noted. Messages are stored before they are events, so when a page ends the store, whatever it lacks is in the log from that
//! position on: the client goes on there, and passes over the messages that it has.
//!
//! Messages are never missed. Other events are, while a client is overtaken; it is told so, and given the state of
//! everybody as it is then.

use super::cursor::Cursor;
use super::log::{Entry, Found, Log};
use crate::handle::Row;
use crate::id::BootId;

/// Messages in a page from the store: at most 4 MB.
pub const PAGE: u32 = 256;
/// Events read from the log at a time.
const BATCH: usize = 256;

/// Where a subscription begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// After what happened so far.
    Now,
    /// With the first message in the store.
    Start,
    /// After what was given up to here.
    Cursor(Cursor),
}

/// Something to give to the client.
#[derive(Debug, Clone)]
pub enum Item {
    /// An event.
    Event(Entry),
    /// A message from the store.
    Row(Box<Row>),
    /// The client was overtaken: events are missing here, but no messages.
    Gap,
    /// The state of everybody is to be requested and given.
    Overview,
    /// From here on, the client is given what happens.
    Live,
}

/// What is to be done for the client now.
#[derive(Debug)]
pub enum Step {
    /// Give these, each with the cursor up to it, and ask again.
    Give(Vec<(Item, Cursor)>),
    /// Fetch [`PAGE`] messages that arrived after this one.
    Fetch(u64),
    /// Nothing, until the log grows or what was fetched comes.
    Wait,
}

/// The position of a client.
#[derive(Debug)]
pub struct Feed {
    boot: BootId,
    state: State,
    /// The number of the last event that was given, and the newest message.
    event: u64,
    arrival: u64,
    /// Messages up to this arrival were given from the store.
    from_store: u64,
    /// The event at which the client becomes live, if it was not told yet.
    live_at: Option<u64>,
    /// A page that was requested for an earlier subscription is still to come.
    outdated: bool,
    /// The state of everybody is still to come, for this subscription or an earlier one.
    reviewing: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Not subscribed.
    Off,
    Live {
        next: u64,
    },
    /// The store has messages that were not given.
    Behind,
    /// A page was requested when the log was here.
    Fetching {
        head: u64,
    },
    /// The client is given the state of everybody, and then goes on here.
    Reviewing {
        head: u64,
    },
}

impl Feed {
    /// The feed of a client that has not subscribed, in this run of the node.
    pub fn new(boot: BootId) -> Feed {
        Feed {
            boot,
            state: State::Off,
            event: 0,
            arrival: 0,
            from_store: 0,
            live_at: None,
            outdated: false,
            reviewing: false,
        }
    }

    /// Begins, or begins anew. Returns whether everything after `since` will be given, and not only the messages.
    pub fn subscribe(&mut self, log: &Log, since: Since) -> bool {
        let next = log.next();
        self.outdated |= matches!(self.state, State::Fetching { .. });
        (self.from_store, self.live_at) = (0, Some(next));
        match since {
            Since::Now => (self.event, self.arrival, self.state) = (next - 1, log.arrival(), State::Live { next }),
            Since::Start => self.begin_in_store(0),
            // The store has lost what this client was given: it was set aside, or an older one was restored.
            Since::Cursor(cursor) if !log.has_given(&cursor) => self.begin_in_store(0),
            Since::Cursor(cursor) => {
                let from = cursor.event.saturating_add(1);
                // The log has no messages from before this run.
                let has_old = cursor.event > 0 || cursor.arrival >= log.before();
                let is_of_run = cursor.boot == self.boot && has_old && from <= next;
                let is_there = is_of_run && matches!(log.read(from, 1), Found::Events(..));
                if !is_there {
                    self.begin_in_store(cursor.arrival);
                } else {
                    self.from_store = if cursor.event == 0 { cursor.arrival } else { 0 };
                    (self.event, self.arrival) = (cursor.event, cursor.arrival);
                    self.state = State::Live { next: from };
                }
            }
        }
        matches!(self.state, State::Live { .. })
    }

    fn begin_in_store(&mut self, arrival: u64) {
        (self.event, self.arrival, self.state) = (0, arrival, State::Behind);
    }

    /// A cursor after everything that has happened.
    pub fn here(&self, log: &Log) -> Cursor {
        Cursor { boot: self.boot, event: log.next() - 1, arrival: log.arrival() }
    }

    /// Whether the client has subscribed.
    pub fn is_on(&self) -> bool {
        self.state != State::Off
    }

    /// Everything up to here was given.
    pub fn at(&self) -> Cursor {
        Cursor { boot: self.boot, event: self.event, arrival: self.arrival }
    }

    /// What is to be done now, with the events before this number.
    pub fn poll(&mut self, log: &Log, end: u64) -> Step {
        match self.state {
            State::Off | State::Fetching { .. } | State::Reviewing { .. } => Step::Wait,
            // A client that subscribes over and over has one page and one state of everybody on the way.
            State::Behind if self.outdated || self.reviewing => Step::Wait,
            State::Behind => {
                self.state = State::Fetching { head: log.next() };
                Step::Fetch(self.arrival)
            }
            State::Live { next } => {
                let due = usize::try_from(end.saturating_sub(next)).unwrap_or(BATCH);
                match log.read(next, due.min(BATCH)) {
                    Found::Overtaken => {
                        (self.event, self.state) = (0, State::Behind);
                        Step::Give(vec![(Item::Gap, self.at())])
                    }
                    Found::Events(events, next) => self.go_on(events, next),
                }
            }
        }
    }

    fn go_on(&mut self, events: Vec<Entry>, next: u64) -> Step {
        let (mut items, is_over) = (Vec::new(), events.is_empty());
        for entry in events {
            self.event = entry.number;
            let arrival = entry.what.arrival();
            self.arrival = self.arrival.max(arrival.unwrap_or(0));
            if arrival.is_none_or(|arrival| arrival > self.from_store) {
                items.push((Item::Event(entry), self.at()));
            }
        }
        self.state = State::Live { next };
        if self.live_at.is_some_and(|at| at <= next) {
            self.live_at = None;
            items.push((Item::Live, self.at()));
        }
        if is_over && items.is_empty() { Step::Wait } else { Step::Give(items) }
    }

    /// Takes a page that was fetched.
    pub fn on_rows(&mut self, rows: Vec<Row>) -> Vec<(Item, Cursor)> {
        if std::mem::take(&mut self.outdated) {
            return Vec::new();
        }
        let State::Fetching { head } = self.state else { return Vec::new() };
        let is_last = rows.len() < PAGE as usize;
        let mut items = Vec::with_capacity(rows.len() + 1);
        for row in rows {
            self.arrival = row.message.arrival;
            items.push((Item::Row(Box::new(row)), self.at()));
        }
        if is_last {
            (self.from_store, self.live_at) = (self.arrival, Some(head));
            (self.state, self.reviewing) = (State::Reviewing { head }, true);
            items.push((Item::Overview, self.at()));
        } else {
            self.state = State::Behind;
        }
        items
    }

    /// The state of everybody was given.
    pub fn on_overview(&mut self) {
        self.reviewing = false;
        if let State::Reviewing { head } = self.state {
            (self.event, self.state) = (head - 1, State::Live { next: head });
        }
    }
}

#[cfg(test)]
mod tests;
