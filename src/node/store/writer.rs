//! The writer thread: takes all queued jobs, commits them as one transaction, and reports it.
//!
//! During a commit the next batch accumulates in the channel: the slower the disk, the larger the batch, and one
//! `fdatasync` pays for all of it. Queries are answered from committed data, so a batch ends before a query. Those of
//! interfaces are passed on to the reader, except overviews.
//!
//! When the disk fails, typed messages are withdrawn and reported as refused. All other ops are kept in order and
//! retried, after 200 ms and then with growing intervals up to 5 s, on a new connection: after a failed `fdatasync`
//! the kernel may treat pages as clean that never reached the disk, so the old connection's view of the file is
//! unreliable, and the log is rewritten first. Until a retry has succeeded, new messages are refused at once, so that
//! nothing typed later overtakes something typed earlier.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use rusqlite::{Connection, Result};

use super::apply::Batch;
use super::backlog::Backlog;
use super::file::{StoreFile, is_damage, why};
use super::progress::Progress;
use super::reader::places::Places;
use super::reader::{self, Reader, query};
use super::row_ids::RowIds;
use super::tables::lines;
use super::{Event, Job, Me, Options, schema};
use crate::handle::Fetch;
use crate::id::StreamId;
use crate::proto::event::Query;
use crate::proto::notice::{ErrorCode, Notice};
use crate::proto::persist::{MessageRow, Op, Ticket};
use crate::proto::ranges::{Numbers, Ranges};
use crate::time::Moment;

/// Ops per transaction: more would gain nothing against the cost of a commit, and delay queries.
const BATCH: usize = 4096;
/// Delay of the first retry after a failure; doubled each time.
const FIRST_RETRY: Duration = Duration::from_millis(200);
/// Longest delay between retries.
const LAST_RETRY: Duration = Duration::from_secs(5);

pub struct Writer<C, E> {
    pub file: StoreFile,
    pub reader: Reader<E>,
    pub me: Me,
    pub options: Options,
    /// `None` after a failure.
    pub db: Option<Db>,
    pub backlog: Backlog,
    pub progress: Progress,
    pub outage: Option<Outage>,
    pub clock: C,
    pub events: E,
}

/// A connection and its cache of row ids.
pub struct Db {
    pub conn: Connection,
    pub row_ids: RowIds,
}

/// The state while the disk fails.
pub struct Outage {
    again_at: Moment,
    wait: Duration,
    error: String,
}

/// Why gathering a batch ended.
enum Pause {
    /// The channel is empty, or the batch is full.
    Rest,
    Ask(Question),
    End,
}

enum Question {
    Query { line: Option<u64>, query: Query },
    Rows(Fetch),
}

/// Whether an answer would stand for a state until the next event about it. Such a one is given between two commits, so that it
/// lacks nothing that interfaces were told before it. It takes milliseconds.
fn is_overview(query: &Query) -> bool {
    matches!(query, Query::Conversations { .. } | Query::Status { .. })
}

impl<C: FnMut() -> Moment, E: Fn(Event) + Clone + Send + 'static> Writer<C, E> {
    pub fn run(mut self, jobs: &Receiver<Job>) {
        loop {
            let (pause, due) = self.gather(jobs);
            let ending = matches!(pause, Pause::End);
            if self.is_due(due || ending) {
                self.commit(ending);
            }
            match pause {
                Pause::Rest => {}
                Pause::Ask(question) => self.answer(question),
                Pause::End => return self.close(),
            }
        }
    }

    /// Waits for a job or a deadline, and takes all available jobs. True if a deadline has passed.
    fn gather(&mut self, jobs: &Receiver<Job>) -> (Pause, bool) {
        let first = match self.wake_at() {
            None => jobs.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(at) => jobs.recv_timeout(at.since((self.clock)())),
        };
        let mut job = match first {
            Ok(job) => job,
            Err(RecvTimeoutError::Timeout) => return (Pause::Rest, true),
            Err(RecvTimeoutError::Disconnected) => return (Pause::End, false),
        };
        for _ in 0..BATCH {
            if let Some(pause) = self.take(job) {
                return (pause, false);
            }
            job = match jobs.try_recv() {
                Ok(job) => job,
                Err(_) => return (Pause::Rest, false),
            };
        }
        (self.take(job).unwrap_or(Pause::Rest), false)
    }

    fn take(&mut self, job: Job) -> Option<Pause> {
        match job {
            Job::Op { ticket, op } => self.admit(ticket, op),
            Job::Printed { arrival } => self.progress.printed(arrival, (self.clock)()),
            Job::Alive(now) => self.progress.alive(now, (self.clock)()),
            Job::Query { line, query } => return Some(Pause::Ask(Question::Query { line, query })),
            Job::Rows(fetch) => return Some(Pause::Ask(Question::Rows(fetch))),
            Job::Stop => return Some(Pause::End),
        }
        None
    }

    fn admit(&mut self, ticket: Ticket, op: Op) {
        match (&self.outage, op) {
            (Some(outage), Op::Typed(row)) => {
                let error = outage.error.clone();
                self.backlog.skip(ticket);
                (self.events)(Event::Failed { refused: vec![row.id], error });
            }
            (_, op) => self.backlog.push(ticket, op),
        }
    }

    fn wake_at(&self) -> Option<Moment> {
        match &self.outage {
            Some(outage) => Some(outage.again_at),
            None => self.progress.due(),
        }
    }

    fn is_due(&mut self, forced: bool) -> bool {
        if self.outage.is_none() && !self.backlog.ops().is_empty() {
            return true;
        }
        match self.wake_at() {
            Some(at) => forced || (self.clock)() >= at,
            None => forced && self.progress.is_unsaved(),
        }
    }

    fn commit(&mut self, ending: bool) {
        let alone = self.outage.is_none() && self.backlog.ops().is_empty();
        let durable = !alone || ending || self.progress.must_sync((self.clock)());
        let began = (self.clock)();
        match self.write(durable) {
            Ok(()) => self.succeed(durable, began),
            Err(error) => self.fail(&error),
        }
    }

    fn write(&mut self, durable: bool) -> Result<()> {
        self.connect()?;
        let db = self.db.as_mut().expect("connect() has just opened it");
        if !durable {
            schema::set_durable(&db.conn, false)?;
        }
        let mut batch = Batch::begin(&db.conn, &mut db.row_ids)?;
        self.backlog.ops().iter().try_for_each(|op| batch.apply(op))?;
        // A retry always writes something, to find out whether the disk works again.
        if self.outage.is_some() || self.progress.is_unsaved() {
            batch.progress(self.progress.printed_through(), self.progress.now())?;
        }
        batch.commit()?;
        if durable { Ok(()) } else { schema::set_durable(&db.conn, true) }
    }

    fn succeed(&mut self, durable: bool, began: Moment) {
        self.progress.saved(durable);
        let had_tickets = self.outage.take().is_some() || !self.backlog.ops().is_empty();
        self.backlog.clear();
        if had_tickets && self.backlog.through() > Ticket::default() {
            let took = (self.clock)().since(began);
            (self.events)(Event::Stored { through: self.backlog.through(), took });
        }
    }

    fn fail(&mut self, error: &rusqlite::Error) {
        // With the last connection the index of the log goes, which may name pages that never reached the disk.
        self.db = None;
        self.reader.close();
        if is_damage(error) {
            self.file.mark_suspect();
        }
        let wait = match &self.outage {
            None => FIRST_RETRY,
            Some(outage) => (outage.wait * 2).min(LAST_RETRY),
        };
        let message = format!("{} cannot be written: {}", self.file.path.display(), why(error));
        let refused = self.backlog.withdraw_typed();
        if self.outage.is_none() {
            (self.events)(Event::Failed { refused, error: message.clone() });
        }
        self.outage = Some(Outage { again_at: (self.clock)() + wait, wait, error: message });
    }

    fn connect(&mut self) -> Result<()> {
        if self.db.is_none() {
            self.file.rewrite_log()?;
            let conn = schema::connect(&self.file.path)?;
            schema::configure(&conn)?;
            self.options.impose(&conn)?;
            self.db = Some(Db { conn, row_ids: RowIds::default() });
        }
        Ok(())
    }

    fn answer(&mut self, question: Question) {
        match question {
            Question::Query { query: Query::Lines { sister, wanted, bytes }, .. } => {
                let (rows, examined) = self.lines(&wanted, bytes);
                (self.events)(Event::Lines { sister, rows, examined });
            }
            Question::Query { line, query } => self.pass_on(line, query),
            Question::Rows(fetch) => {
                let rows = self.ask(|conn, me| query::rows(conn, me, &fetch));
                (self.events)(Event::Rows { reader: fetch.reader, rows: rows.ok() });
            }
        }
    }

    /// Answers an overview, and passes any other query on to the reader, which sees everything that was committed before.
    fn pass_on(&mut self, line: Option<u64>, query: Query) {
        // While changes wait for the disk, a number without a message may be that of one of them, and is not read.
        let outage = self.outage.as_ref().filter(|_| matches!(query, Query::Unread { .. }));
        let obstacle = match outage {
            Some(outage) => Some(outage.error.clone()),
            None => self.file.is_in_memory().then(|| "this session has no history yet".to_owned()),
        };
        match obstacle {
            Some(message) => {
                (self.events)(Event::Answer { line, notice: Notice::Error { code: ErrorCode::Disk, message } });
            }
            None if self.outage.is_none() && is_overview(&query) => {
                let answered = self.ask(|conn, me| reader::answer(conn, me, &mut Places::default(), line, query));
                (self.events)(answered.unwrap_or_else(|error| reader::unanswered(&self.file, line, &why(&error))));
            }
            None => self.reader.ask(line, query),
        }
    }

    /// While changes wait for the disk, a message that is missing in the file may be one of them, so nothing is looked at.
    fn lines(&mut self, wanted: &[(StreamId, Ranges)], bytes: usize) -> (Vec<MessageRow>, Numbers) {
        if self.outage.is_some() {
            return Default::default();
        }
        self.ask(|conn, _| lines::read(conn, wanted, bytes)).unwrap_or_default()
    }

    fn ask<T>(&mut self, question: impl FnOnce(&Connection, &Me) -> Result<T>) -> Result<T> {
        self.connect()?;
        let db = self.db.as_ref().expect("connect() has just opened it");
        let answer = question(&db.conn, &self.me);
        if answer.as_ref().is_err_and(is_damage) {
            self.file.mark_suspect();
        }
        answer
    }

    /// Checkpoints the log. If that fails, the next start does it.
    fn close(mut self) {
        self.reader.close();
        if let (Some(db), None) = (self.db, self.outage) {
            let _ = schema::checkpoint(&db.conn);
        }
    }
}
