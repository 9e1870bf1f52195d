//! What is remembered, in SQLite: one writer thread with group commit.
//!
//! [`Store::open`] reads everything the core starts from and [`Store::start`] hands the file to a thread (`writer.rs`)
//! that takes jobs and says when they are durable. Ops that are queued together are committed together, in one
//! transaction and one `fdatasync` (`apply.rs`); what waits for durability waits for [`Event::Stored`]. The tables are
//! in `schema.rs`.
//!
//! A file from a newer version is refused and left as it is; a damaged one is renamed, never deleted, and a new one
//! made (`file.rs`). A disk that refuses costs only what was being typed (`backlog.rs`).

mod apply;
mod backlog;
mod columns;
mod custody;
mod file;
mod load;
mod mark;
mod names;
mod packed;
mod query;
mod schema;
mod writer;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use rusqlite::Connection;

use crate::id::{MessageId, UserId};
use crate::proto::event::Query;
use crate::proto::notice::Notice;
use crate::proto::persist::{Memory, MessageRow, Op, Ticket};
use crate::time::{Moment, Now};
use backlog::Backlog;
use file::{Header, StoreFile};
use mark::Mark;
use names::Names;
use writer::{Db, Writer};

/// Work for the writer, done in order; what is queued together is committed together.
#[derive(Debug)]
pub enum Job {
    Op {
        ticket: Ticket,
        op: Op,
    },
    /// Answered by `Event::Answer`.
    Query {
        line: Option<u64>,
        query: Query,
    },
    /// A face has printed every message up to here. Durable with the next commit, or soon by itself.
    Printed {
        arrival: u64,
    },
    /// Answered by `Event::Unprinted`: texts by others that arrived after `after`, at most `limit`, in order.
    Unprinted {
        after: u64,
        limit: u32,
    },
    /// The node's moment now, so that it goes on from here after a restart.
    Alive(Now),
    /// Commit what is queued and end the thread.
    Stop,
}

/// What the writer says.
#[derive(Debug)]
pub enum Event {
    /// Everything up to this ticket is on the disk.
    Stored {
        through: Ticket,
    },
    /// The disk refuses. See `Input::StoreFailed`.
    Failed {
        refused: Vec<MessageId>,
        error: String,
    },
    Answer {
        line: Option<u64>,
        notice: Notice,
    },
    Unprinted {
        rows: Vec<MessageRow>,
    },
}

/// Why a store cannot be used. The file is as it was.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error(
        "{} is from a newer darknode (store version {found}, known {known}); update darknode, or choose another \
         --data-dir", path.display()
    )]
    Newer { path: PathBuf, found: i32, known: i32 },
    #[error("{} belongs to another program; move it away, or choose another --data-dir", path.display())]
    Foreign { path: PathBuf },
    #[error("{} cannot be used: {why}", path.display())]
    Unusable { path: PathBuf, why: String },
    /// Seen from outside only if a file that was made just now is damaged too.
    #[error("{} is damaged as soon as it is written; check the disk", path.display())]
    Damaged { path: PathBuf },
}

/// Whose store it is.
#[derive(Debug, Clone)]
pub struct Me {
    pub id: UserId,
    /// What my own messages are shown under.
    pub name: String,
}

/// For tests: how large the file may grow, in pages of 4 KiB, changeable while the store runs; 0 is no limit. A lower
/// limit than before takes effect at the next connection.
#[doc(hidden)]
#[derive(Debug, Clone, Default)]
pub struct Options {
    pub max_pages: Arc<AtomicU32>,
}

/// An opened store, not yet running.
pub struct Store {
    pub memory: Memory,
    /// When the last process was last seen alive.
    pub alive: Now,
    /// Everything up to this arrival was printed.
    pub printed: u64,
    /// Where a damaged predecessor was put.
    pub set_aside: Option<PathBuf>,
    conn: Connection,
    file: StoreFile,
    me: Me,
    options: Options,
}

impl Store {
    /// Opens or makes the store in a data directory; migrates an older one, refuses a newer one, sets a damaged one
    /// aside. Nobody else may use the directory meanwhile.
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

    fn read(file: &StoreFile, me: &Me, options: &Options) -> Result<Store, StoreError> {
        file.claim()?;
        let mut conn = schema::connect(&file.path).map_err(|e| file.error(e))?;
        match schema::version(&conn).map_err(|e| file.error(e))? {
            None => return Err(file.foreign()),
            Some(version) if version > schema::VERSION => return Err(file.newer(version)),
            // Whoever wrote the log may have died of what the disk did to it.
            Some(version) => {
                file.save_log_again().and_then(|()| schema::adopt(&mut conn, version)).map_err(|e| file.error(e))?;
            }
        }
        if file.is_suspect() {
            if !schema::is_whole(&conn).map_err(|e| file.error(e))? {
                return Err(StoreError::Damaged { path: file.path.clone() });
            }
            file.acquit();
        }
        let read = || Ok((load::memory(&conn, me)?, load::mark(&conn)?));
        let (memory, (printed, alive)) = read().map_err(|e| file.error(e))?;
        options.impose(&conn).map_err(|e| file.error(e))?;
        let (file, me, options) = (file.clone(), me.clone(), options.clone());
        Ok(Store { memory, alive, printed, set_aside: None, conn, file, me, options })
    }

    /// Starts the writer thread. `clock` is the node's moment; by it marks fall due and retries are spaced. The thread
    /// ends at [`Job::Stop`], or when the last sender is gone.
    ///
    /// # Errors
    /// The system refuses another thread.
    pub fn start(
        self,
        clock: impl FnMut() -> Moment + Send + 'static,
        events: impl FnMut(Event) + Send + 'static,
    ) -> io::Result<(mpsc::Sender<Job>, JoinHandle<()>)> {
        let (sender, jobs) = mpsc::channel();
        let writer = Writer {
            mark: Mark::new(self.printed, self.alive),
            file: self.file,
            me: self.me,
            options: self.options,
            db: Some(Db { conn: self.conn, names: Names::default() }),
            backlog: Backlog::new(),
            trouble: None,
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

/// A `u64` as SQLite keeps it: the same 64 bits.
fn int(number: u64) -> i64 {
    number.cast_signed()
}

fn uint(number: i64) -> u64 {
    number.cast_unsigned()
}

/// A `u64` whose order matters.
fn lamport(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
