//! One node, several interfaces: the hub stands between them.
//!
//! It reads everything that the node says at once, and waits for no interface. The [interface of the process](primary) has a queue
//! of its own, which is bounded by what it has printed ([`printer`]), unless it is a client too. Any other one is a [`Client`]: it has no
//! queue of events, but a position in a bounded [`log`] of the newest, and reads from there at its own pace. A client that
//! falls behind the log continues with the messages in the store ([`feed`]). So one that reads nothing delays nobody and
//! costs no memory.
//!
//! Requests go straight to the node. Answers go to whoever asked: the node repeats the number of the line in every answer, and a
//! client writes its own number into the upper bits of that ([`tag`]). A line that is typed at one interface is an event for the others: a `queued` that answers no line.

pub mod cursor;
pub mod feed;
pub mod log;
pub mod page;
mod primary;
mod printer;
mod switch;
mod tag;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio::sync::{mpsc, watch};

use crate::handle::counts::{CountsClient, Observed};
use crate::handle::notices::{self, NoticeReceiver};
use crate::handle::{Fetch, Handle, Ready, Row, Start, UiMessage};
use crate::proto::event::Request;
use crate::proto::notice::Notice;
use log::Log;
use page::{PageLink, PageRequest, PageRequests};
use primary::Primary;
use switch::Switch;

/// Clients beside the interface of the process: more than one person opens, and few enough for the memory of a Pi.
pub const MAX_CLIENTS: usize = 32;

/// Runs a hub as a task, which ends with the node. Returns the end for the interface of the process, and that for clients.
pub fn start(node: Handle) -> (Handle, Clients) {
    let (to_primary, from_hub) = notices::channel();
    let primary = Primary::new(to_primary, node.printed.subscribe());
    let clients = Clients::new(&node, None);
    clients.run(node.from_node, Some(primary));
    (Handle { from_node: from_hub, ..node }, clients)
}

/// Like [`start`], for a process whose interface is a client as well: [`Clients::attach_own`].
pub fn start_with_clients(node: Handle) -> Clients {
    let clients = Clients::new(&node, Some(node.printed.clone()));
    clients.run(node.from_node, None);
    clients
}

/// Where clients are attached.
#[derive(Debug, Clone)]
pub struct Clients {
    shared: Arc<Shared>,
    to_node: mpsc::Sender<UiMessage>,
    counts: CountsClient,
    /// The print position, if the interface of the process is a client.
    printed: Option<watch::Sender<u64>>,
}

impl Clients {
    fn new(node: &Handle, printed: Option<watch::Sender<u64>>) -> Clients {
        Clients { shared: Arc::default(), to_node: node.to_node.clone(), counts: node.counts.clone(), printed }
    }

    /// Starts to read what the node says.
    fn run(&self, from_node: NoticeReceiver, primary: Option<Primary>) {
        tokio::spawn(Switch::new(from_node, primary, self.shared.clone()).run(self.to_node.clone()));
    }

    /// A new client; `None` if there are [`MAX_CLIENTS`].
    pub fn attach(&self) -> Option<Client> {
        self.seat(None)
    }

    /// Like [`Clients::attach`], for the interface of the process: what it has shown is printed.
    pub fn attach_own(&self) -> Option<Client> {
        self.seat(self.printed.clone())
    }

    fn seat(&self, printed: Option<watch::Sender<u64>>) -> Option<Client> {
        let (answers_to, answers) = mpsc::unbounded_channel();
        let id = self.shared.attached().attach(answers_to)?;
        let (news, held) = (self.shared.head.subscribe(), None);
        Some(Client { id, to_node: self.to_node.clone(), printed, answers, held, news, observer: self.observer() })
    }

    /// Why the node has failed, if it has: one line.
    pub fn failure(&self) -> Option<String> {
        self.shared.failure.get().cloned()
    }

    /// The requests of clients for the web page, for whoever serves it. `None` if somebody does already.
    pub fn page_requests(&self) -> Option<mpsc::Receiver<PageRequest>> {
        self.shared.page.receive()
    }

    /// For monitoring.
    pub fn observer(&self) -> Observer {
        Observer { shared: self.shared.clone(), counts: self.counts.clone() }
    }
}

/// What monitoring may know of a node and its hub.
#[derive(Debug, Clone)]
pub struct Observer {
    shared: Arc<Shared>,
    counts: CountsClient,
}

impl Observer {
    /// What node and hub count; `None` if the node stops. Waits for the node.
    pub async fn counts(&self) -> Option<Observed> {
        let node = self.counts.ask().await?;
        let (clients, gaps) = (self.shared.attached().count(), self.shared.gaps.load(Ordering::Relaxed));
        Some(Observed { node, clients, gaps })
    }

    /// What the node has said of itself, once it accepts connections.
    pub fn started(&self) -> Option<(Arc<Ready>, Start)> {
        self.shared.log().started()
    }
}

/// One client. Dropping it detaches it.
#[derive(Debug)]
pub struct Client {
    id: u32,
    to_node: mpsc::Sender<UiMessage>,
    /// The print position, if it is the interface of the process.
    printed: Option<watch::Sender<u64>>,
    answers: mpsc::UnboundedReceiver<(u64, Answer)>,
    /// The next answer, and the number of the first event after it.
    held: Option<(u64, Answer)>,
    news: watch::Receiver<u64>,
    observer: Observer,
}

/// What a client gets besides events.
#[derive(Debug)]
pub enum Answer {
    /// The answer to its request of this number.
    Notice {
        /// The number of the request.
        line: u64,
        /// The answer.
        notice: Arc<Notice>,
    },
    /// Messages that it has fetched; `None` if the store could not be read.
    Rows(Option<Vec<Row>>),
}

impl Client {
    /// Passes a message on to the node, with the client's own line numbers, which have 40 bits. A node that has stopped does not
    /// answer: that is the last event of the log.
    pub async fn send(&self, message: UiMessage) {
        let tag = |line: Option<u64>| line.map(|line| tag::of(self.id, line));
        let tagged = match message {
            UiMessage::Request(Request { line, command }) => UiMessage::Request(Request { line: tag(line), command }),
            UiMessage::Ping { line, place } => UiMessage::Ping { line: tag(line), place },
            UiMessage::Fetch(fetch) => UiMessage::Fetch(Fetch { reader: self.id.into(), ..fetch }),
        };
        self.to_node.send(tagged).await.ok();
    }

    /// Waits until there is an answer, or the log has grown since the last time. Cancelling it loses nothing.
    pub async fn changed(&mut self) {
        if self.held.is_some() {
            return;
        }
        tokio::select! {
            Some(answer) = self.answers.recv() => self.held = Some(answer),
            Ok(()) = self.news.changed() => {}
            else => std::future::pending().await,
        }
    }

    /// How far the log may be read: up to the event of this number, which came after the next [answer](Self::answer), or is still
    /// to come. An answer that came before an event may say what is not so any more, and so has to be given before it.
    pub fn end(&mut self) -> u64 {
        // In this order: whatever was answered before the end of the log is there to be received.
        let end = self.with_log(Log::next);
        self.held = self.held.take().or_else(|| self.answers.try_recv().ok());
        self.held.as_ref().map_or(end, |(before, _)| end.min(*before))
    }

    /// The next answer, once the log was read up to [`end`](Self::end).
    pub fn answer(&mut self) -> Option<Answer> {
        self.held.take().map(|(_, answer)| answer)
    }

    /// Reads the log.
    pub fn with_log<T>(&self, read: impl FnOnce(&Log) -> T) -> T {
        read(&self.observer.shared.log())
    }

    /// Counts that it was overtaken by what happened.
    pub fn count_gap(&self) {
        self.observer.shared.gaps.fetch_add(1, Ordering::Relaxed);
    }

    /// Requests that the web page be served or not. Returns a link to it, if it is.
    ///
    /// # Errors
    /// It cannot be, for a reason that is told in one line.
    pub async fn page(&self, on: bool) -> Result<Option<PageLink>, String> {
        self.observer.shared.page.request(on).await
    }

    /// Notes that every message up to this arrival was shown. Returns whether it is the interface of the process: only that has a
    /// print position.
    pub fn printed(&self, arrival: u64) -> bool {
        self.printed.as_ref().map(|printed| printed.send_replace(arrival)).is_some()
    }

    /// Its number, which is not that of another client that is attached.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// What may be known of the node beside its answers.
    pub fn observer(&self) -> &Observer {
        &self.observer
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.observer.shared.attached().detach(self.id);
    }
}

/// What the hub and its clients share. The locks are held for moments, never across a wait.
#[derive(Debug, Default)]
struct Shared {
    log: Mutex<Log>,
    attached: Mutex<switch::Attached>,
    /// The number that the next event will have; 0 until the node has started.
    head: watch::Sender<u64>,
    /// How often a client was overtaken.
    gaps: AtomicU64,
    /// The way to whoever serves the web page.
    page: PageRequests,
    /// Why the node has failed.
    failure: OnceLock<String>,
}

impl Shared {
    fn log(&self) -> std::sync::MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes the clients if the log has grown since the last time.
    fn announce(&self) {
        let next = self.log().next();
        self.head.send_if_modified(|head| std::mem::replace(head, next) != next);
    }

    fn attached(&self) -> std::sync::MutexGuard<'_, switch::Attached> {
        self.attached.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
