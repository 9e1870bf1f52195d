//! The persistent store, in SQLite: one writer thread with group commit.
//!
//! [`Store::open`] reads everything the core starts from, and [`Store::start`] hands the file to a thread
//! (`writer.rs`) that executes jobs and reports when they are durable. Queries of interfaces are answered by another one, which
//! only reads (`reader.rs`). Ops that are queued together are committed
//! together, in one transaction with one `fdatasync` (`apply.rs`); [`Event::Stored`] reports durability. The tables
//! are in `schema.rs`.
//!
//! A file from a newer version is refused and left untouched. A damaged one is renamed, never deleted, and replaced
//! by a new one (`file.rs`). While the disk fails, only newly typed messages are refused (`backlog.rs`).

mod apply;
mod backlog;
mod columns;
mod file;
mod load;
mod packed;
mod progress;
mod reader;
mod row_ids;
mod schema;
mod tables;
mod writer;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rusqlite::Connection;

use crate::handle::{Fetch, Runs};
use crate::id::{BootId, MessageId, SessionId, UserId};
use crate::proto::event::{Query, Searched};
use crate::proto::notice::{Delivery, Notice};
use crate::proto::persist::{Memory, MessageRow, Op, Ticket};
use crate::proto::ranges::Numbers;
use crate::time::{Moment, Now};
use backlog::Backlog;
use file::{Header, StoreFile};
use progress::Progress;
use reader::Reader;
use row_ids::RowIds;
use tables::runs;
use writer::{Db, Writer};

/// A job for the writer thread. Jobs are executed in order; ops that are queued together are committed together.
#[derive(Debug)]
pub enum Job {
    /// A change to commit.
    Op {
        /// The ticket of the op.
        ticket: Ticket,
        /// The change.
        op: Op,
    },
    /// A query, answered by [`Event::Answer`] with the same `line`, or by an event of its own.
    Query {
        /// The line of the request, returned with the answer.
        line: Option<u64>,
        /// The query.
        query: Query,
    },
    /// The user interface has printed every message up to `arrival`. Durable with the next commit, or soon after on
    /// its own.
    Printed {
        /// The newest arrival printed.
        arrival: u64,
    },
    /// Asks for texts in the order of arrival. Answered by [`Event::Rows`].
    Rows(Fetch),
    /// The node's current moment, from which it continues after a restart.
    Alive(Now),
    /// Commits what is queued and ends the thread.
    Stop,
}

/// A report of the writer thread.
#[derive(Debug)]
pub enum Event {
    /// Every op up to `through` is on the disk.
    Stored {
        /// The last ticket that is durable.
        through: Ticket,
        /// How long the commit took.
        took: Duration,
    },
    /// The disk failed. See [`Input::StoreFailed`](crate::proto::event::Input::StoreFailed).
    Failed {
        /// Typed messages that were not stored.
        refused: Vec<MessageId>,
        /// The reason, in one line.
        error: String,
    },
    /// The answer to [`Job::Query`].
    Answer {
        /// The line of the request, returned with the answer.
        line: Option<u64>,
        /// The answer.
        notice: Notice,
    },
    /// The answer to a [`Query::Lines`].
    Lines {
        /// The session they were read for.
        sister: SessionId,
        /// The messages.
        rows: Vec<MessageRow>,
        /// The numbers that were looked at.
        examined: Numbers,
    },
    /// The answer to a [`Query::Conversations`].
    Conversations {
        /// The line of the request, returned with the answer.
        line: Option<u64>,
        /// The conversations, beginning with the one in which a message arrived or was written last.
        conversations: Vec<ConversationRow>,
    },
    /// The answer to a [`Query::Search`].
    Found {
        /// The line of the request, returned with the answer.
        line: Option<u64>,
        /// What was searched for.
        searched: Searched,
        /// The messages, newest first.
        rows: Vec<MessageRow>,
        /// The message before which the search can be continued.
        next: Option<MessageId>,
    },
    /// The answer to a [`Query::Export`].
    Exported {
        /// The line of the request, returned with the answer.
        line: Option<u64>,
        /// The messages, oldest first.
        rows: Vec<MessageRow>,
        /// The message after which the next page begins.
        next: Option<MessageId>,
    },
    /// The answer to a [`Query::Unread`].
    Read {
        /// The line of the request, returned with the answer.
        line: Option<u64>,
        /// The other side of the conversation.
        with: UserId,
        /// The message, and the unread numbers up to it; `None` if the conversation has no such message.
        through: Option<(MessageId, Numbers)>,
    },
    /// The answer to [`Job::Rows`].
    Rows {
        /// Who asked for them.
        reader: u64,
        /// The messages, in the order of arrival, and how far those have come that were typed here; `None` if they
        /// could not be read.
        rows: Option<Vec<(MessageRow, Option<Delivery>)>>,
    },
}

/// A conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConversationRow {
    /// The other side.
    pub with: UserId,
    /// Texts of the other side that are not read.
    pub unread: u64,
    /// The last text; `None` if there is none.
    pub last: Option<MessageRow>,
    /// The last text that was typed on this session is in it. True of at most one.
    pub typed_last: bool,
}

/// Why a store cannot be used. The file is unchanged.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Written by a newer version.
    #[error(
        "{} is from a newer darknode (store version {found}, known {known}); update darknode, or choose another \
         --data-dir", path.display()
    )]
    Newer {
        /// The store's file.
        path: PathBuf,
        /// The schema version of the file.
        found: i32,
        /// The newest schema version this program knows.
        known: i32,
    },
    /// An SQLite file of another program.
    #[error("{} belongs to another program; move it away, or choose another --data-dir", path.display())]
    Foreign {
        /// The store's file.
        path: PathBuf,
    },
    /// An error of the file system or of SQLite.
    #[error("{} cannot be used: {why}", path.display())]
    Unusable {
        /// The store's file.
        path: PathBuf,
        /// The error and what to do about it.
        why: String,
    },
    /// The content is damaged. Callers see this only if a newly created file is damaged, too.
    #[error("{} is damaged although it was just created; check the disk", path.display())]
    Damaged {
        /// The store's file.
        path: PathBuf,
    },
}

/// The user whose store it is.
#[derive(Debug, Clone)]
pub struct Me {
    /// The user's id.
    pub id: UserId,
    /// The session whose store it is.
    pub session: SessionId,
    /// The name under which the user's own messages are shown.
    pub name: String,
}

/// For tests: the maximum size of the file in pages of 4 KiB, changeable while the store runs; 0 is no limit. A lower
/// limit takes effect at the next connection.
#[doc(hidden)]
#[derive(Debug, Clone, Default)]
pub struct Options {
    pub max_pages: Arc<AtomicU32>,
}

/// An opened store, not yet running.
pub struct Store {
    /// What the core starts from.
    pub memory: Memory,
    /// The last moment stored by the previous process.
    pub alive: Now,
    /// The print position: everything up to this arrival was printed.
    pub printed: u64,
    /// The new path of a damaged predecessor.
    pub set_aside: Option<PathBuf>,
    /// `None` if it has failed.
    conn: Option<Connection>,
    file: StoreFile,
    me: Me,
    options: Options,
}

impl Store {
    /// Opens or creates the store in a data directory. An older one is migrated, a newer one refused, a damaged one
    /// moved aside. The caller must hold the directory's lock.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn open(dir: &Path, me: Me) -> Result<Store, StoreError> {
        Store::open_with(dir, me, Options::default())
    }

    #[doc(hidden)]
    pub fn open_with(dir: &Path, me: Me, options: Options) -> Result<Store, StoreError> {
        let file = StoreFile::of(dir);
        let opened = match file.inspect()? {
            Header::Damaged => None,
            Header::Usable => match Store::read(&file, &me, &options) {
                Err(StoreError::Damaged { .. }) => None,
                other => Some(other?),
            },
        };
        if let Some(store) = opened {
            return Ok(store);
        }
        let aside = file.set_aside()?;
        let store = Store::read(&file, &me, &options)?;
        Ok(Store { set_aside: Some(aside), ..store })
    }

    /// A store that is forgotten when it ends.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn in_memory(me: &Me) -> Result<Store, StoreError> {
        let file = StoreFile::in_memory();
        let conn = schema::connect(&file.path).map_err(|e| file.error(e))?;
        Store::load(file, conn, 0, me, &Options::default())
    }

    /// Creates the store of a linked session in a data directory without one, and commits these changes in it.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn create(dir: &Path, me: Me, ops: Vec<Op>) -> Result<(), StoreError> {
        let store = Store::open(dir, me)?;
        let unusable = |why: String| StoreError::Unusable { path: StoreFile::of(dir).path, why };
        let last = Ticket(ops.len() as u64);
        let (report, reports) = mpsc::channel();
        let tell = move |event| drop(report.send(event));
        let (jobs, thread) = store.start(Moment::default, tell).map_err(|error| unusable(error.to_string()))?;
        let numbered = (1..).map(Ticket).zip(ops).map(|(ticket, op)| Job::Op { ticket, op });
        numbered.chain([Job::Stop]).for_each(|job| drop(jobs.send(job)));
        thread.join().map_err(|_| unusable("internal error".to_owned()))?;
        let mut failed = None;
        for event in reports {
            match event {
                Event::Stored { through, .. } if through == last => return Ok(()),
                Event::Failed { error, .. } => failed = Some(error),
                _ => {}
            }
        }
        Err(unusable(failed.unwrap_or_else(|| "internal error".to_owned())))
    }

    fn read(file: &StoreFile, me: &Me, options: &Options) -> Result<Store, StoreError> {
        file.claim()?;
        let conn = schema::connect(&file.path).map_err(|e| file.error(e))?;
        let version = match schema::version(&conn).map_err(|e| file.error(e))? {
            None => return Err(file.foreign()),
            Some(version) if version > schema::VERSION => return Err(file.newer(version)),
            Some(version) => version,
        };
        // The previous process may have ended because of a disk failure.
        file.rewrite_log().map_err(|e| file.error(e))?;
        Store::load(file.clone(), conn, version, me, options)
    }

    /// Brings a store of this version up to date and reads it.
    fn load(
        file: StoreFile,
        mut conn: Connection,
        version: i32,
        me: &Me,
        options: &Options,
    ) -> Result<Store, StoreError> {
        schema::adopt(&mut conn, version).map_err(|e| file.error(e))?;
        if file.is_suspect() {
            if !schema::is_whole(&conn).map_err(|e| file.error(e))? {
                return Err(StoreError::Damaged { path: file.path.clone() });
            }
            file.clear_suspect();
        }
        let read = || Ok((load::memory(&conn, me)?, load::progress(&conn)?));
        let (memory, (printed, alive)) = read().map_err(|e| file.error(e))?;
        if memory.replay.is_empty() {
            // No stored message of a newly known kind waits to take effect.
            let learn = || load::unlearned(&conn)?.into_iter().try_for_each(|kind| apply::learn(&conn, kind));
            learn().map_err(|e| file.error(e))?;
        }
        options.impose(&conn).map_err(|e| file.error(e))?;
        let (me, options) = (me.clone(), options.clone());
        Ok(Store { memory, alive, printed, set_aside: None, conn: Some(conn), file, me, options })
    }

    /// Remembers a run of the node that begins, and returns those before it. If the disk refuses that, cursors of this run
    /// will not be recognised in later ones.
    pub fn begin(&mut self, boot: BootId) -> Runs {
        let Some(conn) = &self.conn else { return Runs::default() };
        let arrival = self.memory.counters.arrival;
        let known = runs::earlier(conn, arrival).and_then(|earlier| runs::begin(conn, boot, arrival).map(|()| earlier));
        known.unwrap_or_else(|error| {
            tracing::warn!("the start of this run is not remembered: {}", file::why(&error));
            // As after every failure, the writer continues on a new connection.
            self.conn = None;
            Runs::default()
        })
    }

    /// Starts the writer thread. `clock` returns the node's moment, which times deferred writes and retries. The
    /// thread ends at [`Job::Stop`], or when the last sender is dropped.
    ///
    /// # Errors
    /// The system cannot create another thread.
    pub fn start(
        self,
        clock: impl FnMut() -> Moment + Send + 'static,
        events: impl Fn(Event) + Clone + Send + 'static,
    ) -> io::Result<(mpsc::Sender<Job>, JoinHandle<()>)> {
        let (sender, jobs) = mpsc::channel();
        let writer = Writer {
            progress: Progress::new(self.printed, self.alive),
            reader: Reader::new(self.file.clone(), self.me.clone(), events.clone()),
            me: self.me,
            file: self.file,
            options: self.options,
            db: self.conn.map(|conn| Db { conn, row_ids: RowIds::default() }),
            backlog: Backlog::new(),
            outage: None,
            clock,
            events,
        };
        let thread = thread::Builder::new().name("store".to_owned()).spawn(move || writer.run(&jobs))?;
        Ok((sender, thread))
    }
}

impl Options {
    fn impose(&self, conn: &Connection) -> rusqlite::Result<()> {
        match self.max_pages.load(Ordering::Relaxed) {
            0 => Ok(()),
            pages => conn.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(())),
        }
    }
}

/// The bytes of the store in a data directory, and the number of damaged ones beside it.
pub fn footprint(dir: &Path) -> (u64, usize) {
    let file = StoreFile::of(dir);
    (file.size(), file.aside())
}

/// A `u64` as SQLite stores it: the same 64 bits.
fn int(number: u64) -> i64 {
    number.cast_signed()
}

/// A number that is compared with stored ones, which are small; a range may end anywhere.
fn saturated(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn uint(number: i64) -> u64 {
    number.cast_unsigned()
}

/// A `u64` whose order must be preserved: stored with an offset of -2^63.
fn ordered(number: u64) -> i64 {
    int(number ^ 1 << 63)
}

/// The inverse of [`ordered`].
fn from_ordered(number: i64) -> u64 {
    uint(number) ^ 1 << 63
}
