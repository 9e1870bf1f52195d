//! What is remembered, in SQLite: one writer thread with group commit.

use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread::JoinHandle;

use crate::id::MessageId;
use crate::proto::event::Query;
use crate::proto::memory::{Memory, MessageRow, Op, Ticket};
use crate::proto::view::Notice;
use crate::time::Now;

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

/// Why a store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {}

/// An opened store, not yet running.
pub struct Store {
    pub memory: Memory,
    /// When the last process was last seen alive.
    pub alive: Now,
    /// Everything up to this arrival was printed.
    pub printed: u64,
    /// Where a damaged predecessor was put.
    pub set_aside: Option<PathBuf>,
}

impl Store {
    /// Opens or makes the store in a data directory; migrates an older one, refuses a newer one, sets a damaged one aside.
    pub fn open(_dir: &Path) -> Result<Store, StoreError> {
        todo!()
    }

    /// Starts the writer thread.
    pub fn start(self, _events: impl FnMut(Event) + Send + 'static) -> (mpsc::Sender<Job>, JoinHandle<()>) {
        todo!()
    }
}
