//! The thread that answers queries of the interfaces. It has a connection of its own that only reads, so a query delays no
//! commit, however long it takes.
//!
//! The thread starts with the first query. A search is carried out in slices, each in a transaction of its own: other queries
//! are answered in between, and the log does not grow because somebody reads an old state of the file.

mod conversations;
mod fold;
mod late;
pub mod places;
pub mod query;
mod search;
mod walk;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender, TryRecvError};
use std::thread::{self, JoinHandle};

use rusqlite::{Connection, InterruptHandle, Result};

use super::file::{StoreFile, is_damage, why};
use super::{Event, Me, schema};
use crate::proto::event::Query;
use crate::proto::notice::{ErrorCode, Notice};
use places::Places;
use search::Search;

/// Starts the thread and hands it queries.
pub struct Reader<E> {
    file: StoreFile,
    me: Me,
    events: E,
    running: Option<Running>,
}

struct Running {
    asked: Sender<Asked>,
    is_closing: Arc<AtomicBool>,
    interrupt: InterruptHandle,
    thread: JoinHandle<()>,
}

/// A query, and the line of its request.
struct Asked {
    line: Option<u64>,
    query: Query,
}

impl<E: Fn(Event) + Clone + Send + 'static> Reader<E> {
    pub fn new(file: StoreFile, me: Me, events: E) -> Reader<E> {
        Reader { file, me, events, running: None }
    }

    /// Has a query answered.
    pub fn ask(&mut self, line: Option<u64>, query: Query) {
        if self.running.is_none() {
            match self.start() {
                Ok(running) => self.running = Some(running),
                Err(why) => return (self.events)(unanswered(&self.file, line, &why)),
            }
        }
        if let Some(running) = &self.running {
            running.asked.send(Asked { line, query }).ok();
        }
    }

    /// Ends the thread and its connection, at once. What it has not answered it refuses.
    pub fn close(&mut self) {
        if let Some(Running { asked, is_closing, interrupt, thread }) = self.running.take() {
            is_closing.store(true, Ordering::Relaxed);
            interrupt.interrupt();
            drop(asked);
            thread.join().ok();
        }
    }

    fn start(&self) -> std::result::Result<Running, String> {
        let conn = schema::connect_to_read(&self.file.path).map_err(|error| why(&error))?;
        let (asked, questions) = mpsc::channel();
        let is_closing = Arc::new(AtomicBool::new(false));
        let interrupt = conn.get_interrupt_handle();
        let (file, me, events, closing) = (self.file.clone(), self.me.clone(), self.events.clone(), is_closing.clone());
        let answering = Answering { conn, me, file, places: Places::default(), is_closing: closing };
        let run = move || answering.run(&questions, events);
        let thread = thread::Builder::new().name("reader".to_owned()).spawn(run).map_err(|error| error.to_string())?;
        Ok(Running { asked, is_closing, interrupt, thread })
    }
}

/// What the thread works with.
struct Answering {
    conn: Connection,
    me: Me,
    file: StoreFile,
    places: Places,
    is_closing: Arc<AtomicBool>,
}

impl Answering {
    /// Answers until the other end is dropped.
    fn run(mut self, questions: &Receiver<Asked>, events: impl Fn(Event)) {
        let mut searches: VecDeque<Search> = VecDeque::new();
        loop {
            let next = match searches.is_empty() {
                true => questions.recv().map_err(|_| TryRecvError::Disconnected),
                false => questions.try_recv(),
            };
            match next {
                Ok(Asked { line, query: Query::Search(search) }) => {
                    match Search::begin(&self.conn, &mut self.places, line, search) {
                        Ok(Ok(search)) => searches.push_back(search),
                        Ok(Err(notice)) => events(Event::Answer { line, notice }),
                        Err(error) => events(self.failed(line, &error)),
                    }
                }
                Ok(Asked { line, query }) => {
                    let event = answer(&self.conn, &self.me, &mut self.places, line, query);
                    events(event.unwrap_or_else(|error| self.failed(line, &error)));
                }
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => return,
            }
            if let Some(mut search) = searches.pop_front() {
                match search.advance(&self.conn, &mut self.places, &self.is_closing) {
                    Ok(None) => searches.push_back(search),
                    Ok(Some(found)) => events(found),
                    Err(error) => events(self.failed(search.line, &error)),
                }
            }
        }
    }

    fn failed(&self, line: Option<u64>, error: &rusqlite::Error) -> Event {
        if is_damage(error) {
            self.file.mark_suspect();
        }
        unanswered(&self.file, line, &why(error))
    }
}

/// Answers a query that is not a search.
pub fn answer(conn: &Connection, me: &Me, places: &mut Places, line: Option<u64>, query: Query) -> Result<Event> {
    Ok(match query {
        Query::Conversations { linked, unread } => {
            Event::Conversations { line, conversations: conversations::all(conn, me, &linked, &unread)? }
        }
        Query::Unread { with, through, among } => {
            Event::Read { line, with, through: conversations::read_through(conn, places, &with, &through, &among)? }
        }
        Query::Export { with, after } => match query::export(conn, places, with.as_ref(), after.as_ref())? {
            Some((rows, next)) => Event::Exported { line, rows, next },
            None => Event::Answer { line, notice: query::no_such_message() },
        },
        query => Event::Answer { line, notice: query::answer(conn, me, places, &query)? },
    })
}

/// The answer to a query for which the store could not be read.
pub fn unanswered(file: &StoreFile, line: Option<u64>, why: &str) -> Event {
    let message = format!("{} cannot be read: {why}", file.path.display());
    Event::Answer { line, notice: Notice::Error { code: ErrorCode::Disk, message } }
}
