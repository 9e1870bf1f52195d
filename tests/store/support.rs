//! A running store, and rows to write to it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use darknode::handle::Fetch;
use darknode::id::{Address, MessageId, SessionId, StreamId, UserId};
use darknode::node::store::{Event, Job, Me, Options, Store};
use darknode::proto::event::{Page, Query, StatusOf};
use darknode::proto::notice::{Delivery, Labelled, MessageView, Notice, StatusView};
use darknode::proto::persist::{MessageRow, Op, Ticket};
use darknode::proto::ranges::Ranges;
use darknode::time::{Moment, Wall};
use darknode::wire::content::kind;
use tempfile::TempDir;

pub const ALICE: UserId = UserId([0xa1; 32]);
pub const BOB: UserId = UserId([0xb0; 32]);
pub const CAROL: UserId = UserId([0xca; 32]);
pub const MINE: SessionId = SessionId([1; 32]);
/// Another session of alice.
pub const MINE_TOO: SessionId = SessionId([6; 32]);
pub const BOBS: SessionId = SessionId([2; 32]);
pub const BOBS_OTHER: SessionId = SessionId([4; 32]);
/// A carrier that alice knows by name.
pub const CARRIER: SessionId = SessionId([7; 32]);

/// The longest wait for an event.
const PATIENCE: Duration = Duration::from_secs(30);

pub fn me() -> Me {
    Me { id: ALICE, session: MINE, name: "alice".to_owned() }
}

/// A running store that numbers ops like the core.
pub struct Running {
    jobs: Sender<Job>,
    events: Receiver<Event>,
    thread: JoinHandle<()>,
    ticket: u64,
}

impl Running {
    pub fn start(store: Store) -> Running {
        let (to_us, events) = channel();
        let elapsed = AtomicU64::new(0);
        let clock = move || Moment(elapsed.fetch_add(20, Ordering::Relaxed));
        let (jobs, thread) = store.start(clock, move |event| drop(to_us.send(event))).unwrap();
        Running { jobs, events, thread, ticket: 0 }
    }

    pub fn open(dir: &Path) -> Running {
        Running::start(Store::open(dir, me()).unwrap())
    }

    pub fn put(&mut self, op: Op) -> Ticket {
        self.ticket += 1;
        let ticket = Ticket(self.ticket);
        self.send(Job::Op { ticket, op });
        ticket
    }

    pub fn send(&self, job: Job) {
        self.jobs.send(job).unwrap();
    }

    pub fn event(&self) -> Event {
        self.events.recv_timeout(PATIENCE).expect("the store says something")
    }

    pub fn stored(&self, ticket: Ticket) {
        loop {
            match self.event() {
                Event::Stored { through, .. } if through >= ticket => return,
                Event::Failed { error, .. } => panic!("{error}"),
                _ => {}
            }
        }
    }

    pub fn failed(&self) -> (Vec<MessageId>, String) {
        loop {
            if let Event::Failed { refused, error } = self.event() {
                return (refused, error);
            }
        }
    }

    pub fn put_all(&mut self, ops: impl IntoIterator<Item = Op>) {
        let last = ops.into_iter().map(|op| self.put(op)).last();
        self.stored(last.expect("there are ops"));
    }

    pub fn ask(&self, query: Query) -> Notice {
        self.send(Job::Query { line: Some(7), query });
        loop {
            if let Event::Answer { line, notice } = self.event() {
                assert_eq!(line, Some(7));
                return notice;
            }
        }
    }

    pub fn history(&self, n: u32) -> Vec<MessageView> {
        self.history_page(n, Page::Last).0
    }

    /// A page of the history with bob, and the last message on it if there are more.
    pub fn history_page(&self, n: u32, page: Page) -> (Vec<MessageView>, Option<MessageId>) {
        let (with, handle) = (BOB, "bob".to_owned());
        match self.ask(Query::History { with, handle, sessions: Vec::new(), n, page }) {
            Notice::History { with, messages, next } if with == "bob" => (messages, next),
            other => panic!("{other:?}"),
        }
    }

    pub fn texts(&self) -> Vec<String> {
        self.history(1000).into_iter().map(|view| view.text).collect()
    }

    pub fn status(&self, recent: u32) -> Vec<StatusView> {
        self.status_towards(&[(BOBS, "phone")], recent)
    }

    /// The status of the messages to bob, if these are his sessions.
    pub fn status_towards(&self, sessions: &[(SessionId, &str)], recent: u32) -> Vec<StatusView> {
        let labelled =
            |(session, label): &(SessionId, &str)| Labelled { session: *session, label: (*label).to_owned() };
        let of = StatusOf {
            with: BOB,
            handle: "bob".to_owned(),
            sessions: sessions.iter().map(labelled).collect(),
            carriers: BTreeMap::from([(CARRIER, "pi".to_owned())]),
        };
        match self.ask(Query::Status { conversations: vec![of], recent }) {
            Notice::Status { messages } => messages,
            other => panic!("{other:?}"),
        }
    }

    pub fn unprinted(&self, after: u64, limit: u32) -> Vec<MessageRow> {
        self.rows(Fetch { reader: 0, after, limit, typed: false }).into_iter().map(|(row, _)| row).collect()
    }

    /// All messages in the order of arrival, and how far those have come that were typed here.
    pub fn progress(&self) -> Vec<(String, Option<Delivery>)> {
        let rows = self.rows(Fetch { reader: 0, after: 0, limit: 1000, typed: true });
        rows.into_iter().map(|(row, state)| (String::from_utf8(row.body).unwrap(), state)).collect()
    }

    fn rows(&self, fetch: Fetch) -> Vec<(MessageRow, Option<Delivery>)> {
        self.send(Job::Rows(fetch));
        loop {
            if let Event::Rows { rows, .. } = self.event() {
                return rows.expect("the store can be read");
            }
        }
    }

    /// Stops the store. Returns the number of the last ticket reported as stored.
    pub fn stops_having_stored(self) -> usize {
        let (jobs, events, thread) = (self.jobs, self.events, self.thread);
        jobs.send(Job::Stop).unwrap();
        thread.join().unwrap();
        let through = |event| if let Event::Stored { through, .. } = event { through.0 as usize } else { 0 };
        events.try_iter().map(through).max().unwrap_or(0)
    }

    pub fn stop(self) {
        self.send(Job::Stop);
        self.thread.join().unwrap();
    }
}

/// A disk on which the file cannot grow until `max_pages` is set to 0.
pub fn full_disk() -> Options {
    let options = Options::default();
    options.max_pages.store(1, Ordering::Relaxed);
    options
}

pub fn to_bob() -> StreamId {
    StreamId { author: MINE, epoch: u64::MAX - 5, to: BOB.into() }
}

pub fn from_bob() -> StreamId {
    StreamId { author: BOBS, epoch: 77, to: ALICE.into() }
}

pub fn mine(n: u64, arrival: u64, text: &str) -> MessageRow {
    MessageRow {
        arrival,
        id: MessageId { stream: to_bob(), n },
        kind: kind::TEXT,
        with: Address::from(BOB),
        from: ALICE,
        lamport: arrival,
        wall: Wall(1_700_000_000_000 + arrival as i64),
        body: text.as_bytes().to_vec(),
        since: Moment(0),
    }
}

pub fn theirs(n: u64, arrival: u64, text: &str) -> MessageRow {
    MessageRow { id: MessageId { stream: from_bob(), n }, from: BOB, ..mine(n, arrival, text) }
}

pub fn ranges<const N: usize>(pairs: [(u64, u64); N]) -> Ranges {
    pairs.into_iter().collect()
}

/// A copy of the directory as a `kill -9` would leave it at this moment.
pub fn killed(dir: &Path) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for name in ["darknode.db", "darknode.db-wal"] {
        fs::copy(dir.join(name), copy.path().join(name)).unwrap();
    }
    copy
}
