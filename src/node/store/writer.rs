//! The writer thread: takes everything that is queued, commits it as one transaction, says so.
//!
//! While the disk takes its time over one commit, the next batch gathers in the channel: the slower the disk, the
//! larger the batch, and one `fdatasync` pays for all of it. A question is answered from what is committed, so a batch
//! ends before it.
//!
//! When the disk refuses, what was typed is given up and said to be; everything else is kept in order and tried again,
//! after 200 ms and then ever later up to 5 s, on a connection opened anew: after a failed `fdatasync` the kernel may
//! hold pages clean that never reached the disk, so the old connection's idea of the file is worth nothing, and the log is
//! first written again. Until a retry has gone in, new typing is refused at once, so that nothing typed later overtakes
//! something typed before.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use rusqlite::{Connection, Result};

use super::apply::Batch;
use super::backlog::Backlog;
use super::file::{StoreFile, is_damage, why};
use super::mark::Mark;
use super::names::Names;
use super::{Event, Job, Me, Options, query, schema};
use crate::proto::event::Query;
use crate::proto::notice::{ErrorCode, Notice};
use crate::proto::persist::{Op, Ticket};
use crate::time::Moment;

/// Ops in one transaction: more would win nothing against the cost of a commit, and make a question wait.
const BATCH: usize = 4096;
/// Until the first retry after the disk refused; doubled each time.
const FIRST_RETRY: Duration = Duration::from_millis(200);
const LAST_RETRY: Duration = Duration::from_secs(5);

pub struct Writer<C, E> {
    pub file: StoreFile,
    pub me: Me,
    pub options: Options,
    /// `None` after a failure.
    pub db: Option<Db>,
    pub backlog: Backlog,
    pub mark: Mark,
    pub trouble: Option<Trouble>,
    pub clock: C,
    pub events: E,
}

/// A connection and what is known of its file.
pub struct Db {
    pub conn: Connection,
    pub names: Names,
}

/// The disk refuses.
pub struct Trouble {
    again_at: Moment,
    wait: Duration,
    error: String,
}

/// Why the thread woke up with nothing more to take.
enum Pause {
    /// The channel is empty, or the batch is full.
    Rest,
    Ask(Question),
    End,
}

enum Question {
    Query { line: Option<u64>, query: Query },
    Unprinted { after: u64, limit: u32 },
}

impl<C: FnMut() -> Moment, E: FnMut(Event)> Writer<C, E> {
    pub fn run(mut self, jobs: &Receiver<Job>) {
        loop {
            let (pause, due) = self.gather(jobs);
            let ending = matches!(pause, Pause::End);
            if self.is_due(due || ending) {
                self.commit(ending);
            }
            match pause {
                Pause::Rest => {}
                Pause::Ask(question) => self.answer(&question),
                Pause::End => return self.close(),
            }
        }
    }

    /// Waits for a job or for what is due, and takes all jobs there are. True if something fell due.
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
            Job::Printed { arrival } => self.mark.printed(arrival, (self.clock)()),
            Job::Alive(now) => self.mark.alive(now, (self.clock)()),
            Job::Query { line, query } => return Some(Pause::Ask(Question::Query { line, query })),
            Job::Unprinted { after, limit } => return Some(Pause::Ask(Question::Unprinted { after, limit })),
            Job::Stop => return Some(Pause::End),
        }
        None
    }

    fn admit(&mut self, ticket: Ticket, op: Op) {
        match (&self.trouble, op) {
            (Some(trouble), Op::Typed(row)) => {
                let error = trouble.error.clone();
                self.backlog.skip(ticket);
                (self.events)(Event::Failed { refused: vec![row.id], error });
            }
            (_, op) => self.backlog.push(ticket, op),
        }
    }

    fn wake_at(&self) -> Option<Moment> {
        match &self.trouble {
            Some(trouble) => Some(trouble.again_at),
            None => self.mark.due(),
        }
    }

    fn is_due(&mut self, forced: bool) -> bool {
        if self.trouble.is_none() && !self.backlog.ops().is_empty() {
            return true;
        }
        match self.wake_at() {
            Some(at) => forced || (self.clock)() >= at,
            None => forced && self.mark.is_unsaved(),
        }
    }

    fn commit(&mut self, ending: bool) {
        let alone = self.trouble.is_none() && self.backlog.ops().is_empty();
        let durable = !alone || ending || self.mark.must_last((self.clock)());
        match self.write(durable) {
            Ok(()) => self.succeed(durable),
            Err(error) => self.fail(&error),
        }
    }

    fn write(&mut self, durable: bool) -> Result<()> {
        self.connect()?;
        let db = self.db.as_mut().expect("connect() has just opened it");
        if !durable {
            schema::set_durable(&db.conn, false)?;
        }
        let mut batch = Batch::begin(&db.conn, &mut db.names)?;
        self.backlog.ops().iter().try_for_each(|op| batch.apply(op))?;
        // A retry always writes something, to know whether the disk takes it.
        if self.trouble.is_some() || self.mark.is_unsaved() {
            batch.mark(self.mark.printed_through(), self.mark.now())?;
        }
        batch.commit()?;
        if durable { Ok(()) } else { schema::set_durable(&db.conn, true) }
    }

    fn succeed(&mut self, durable: bool) {
        self.mark.saved(durable);
        let had_tickets = self.trouble.take().is_some() || !self.backlog.ops().is_empty();
        self.backlog.clear();
        if had_tickets && self.backlog.through() > Ticket::default() {
            (self.events)(Event::Stored { through: self.backlog.through() });
        }
    }

    fn fail(&mut self, error: &rusqlite::Error) {
        self.db = None;
        if is_damage(error) {
            self.file.suspect();
        }
        let wait = match &self.trouble {
            None => FIRST_RETRY,
            Some(trouble) => (trouble.wait * 2).min(LAST_RETRY),
        };
        let message = format!("{} cannot be written: {}", self.file.path.display(), why(error));
        let refused = self.backlog.give_up();
        if self.trouble.is_none() {
            (self.events)(Event::Failed { refused, error: message.clone() });
        }
        self.trouble = Some(Trouble { again_at: (self.clock)() + wait, wait, error: message });
    }

    fn connect(&mut self) -> Result<()> {
        if self.db.is_none() {
            self.file.save_log_again()?;
            let conn = schema::connect(&self.file.path)?;
            schema::configure(&conn)?;
            self.options.impose(&conn)?;
            self.db = Some(Db { conn, names: Names::default() });
        }
        Ok(())
    }

    fn answer(&mut self, question: &Question) {
        let event = match question {
            Question::Query { line, query } => {
                let notice = self.ask(|conn, me| query::answer(conn, me, query));
                let notice = notice.unwrap_or_else(|error| self.unanswered(&error));
                Event::Answer { line: *line, notice }
            }
            Question::Unprinted { after, limit } => {
                let rows = self.ask(|conn, me| query::unprinted(conn, me, *after, *limit));
                Event::Unprinted { rows: rows.unwrap_or_default() }
            }
        };
        (self.events)(event);
    }

    fn ask<T>(&mut self, question: impl FnOnce(&Connection, &Me) -> Result<T>) -> Result<T> {
        self.connect()?;
        let db = self.db.as_ref().expect("connect() has just opened it");
        let answer = question(&db.conn, &self.me);
        if answer.as_ref().is_err_and(is_damage) {
            self.file.suspect();
        }
        answer
    }

    fn unanswered(&self, error: &rusqlite::Error) -> Notice {
        let message = format!("{} cannot be read: {}", self.file.path.display(), why(error));
        Notice::Error { code: ErrorCode::Disk, message }
    }

    /// What could not be carried over here is carried over at the next start.
    fn close(self) {
        if let (Some(db), None) = (self.db, self.trouble) {
            let _ = schema::checkpoint(&db.conn);
        }
    }
}
