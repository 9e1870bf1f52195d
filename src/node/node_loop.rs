//! The loop that owns the core.
//!
//! It takes events in batches, hands each to the core, and then carries out the core's outputs, so that the results
//! of many events share commits and frames. It waits only for the next event.
//!
//! Every input is bounded:
//!
//! - Requests: a bounded queue, not read while the store is far behind.
//! - The print position: only the newest counts.
//! - Network: a queue of [`EVENTS`], also not read while the store is behind. Each connection may have frames of at
//!   most the longest frame's size in it; beyond that its readers wait and QUIC slows the sender.
//! - Store answers: at most one per job, and jobs are bounded by the other two.

mod counts;
mod ping;
mod shutdown;
mod views;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use quinn::Endpoint;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::clock::SuspendWatch;
use super::connection::{self, Event, Shared};
use super::connections::Connections;
use super::examiner::Examiner;
use super::store::{self, Job};
use super::tally::Tally;
use super::{interfaces, places};
use crate::handle::counts::CountsRequests;
use crate::handle::notices::NoticeSender;
use crate::handle::{NodeMessage, UiMessage};
use crate::id::{DialId, SessionId, UserId};
use crate::identity::place::Place;
use crate::proto::Core;
use crate::proto::event::{Command, DialFailure, Input, Output, Request, Searched};
use crate::proto::notice::examination::Examination;
use crate::proto::notice::{Drops, Notice, Profile};
use crate::proto::persist::Ticket;
use ping::MAX_LOOKUPS;

/// Events that may wait for the loop. With the per-connection bound on frames this is a few MiB at most, and enough
/// that the loop never runs dry.
pub const EVENTS: usize = 256;
/// Events taken from one queue at a time.
const BATCH: usize = 256;
/// Ops that may wait for the disk before requests and network events are held back.
const BACKLOG: u64 = 4096;
/// Concurrent dials. The core starts up to 32 in a round of seeking, and commands add some.
const MAX_DIALS: usize = 128;
/// Interval between checks of what neither the system nor QUIC reports: that the machine was suspended, that a
/// connection has stalled, and that a peer sends from another address, on which a direct path between two others may
/// depend.
const TICK: Duration = Duration::from_secs(1);
/// Ticks between saves of the current moment. What a kill loses ages this much later.
const TICKS_PER_SAVE: u32 = 60;

/// The receiving ends of the loop's queues.
pub struct Receivers {
    pub from_ui: mpsc::Receiver<UiMessage>,
    pub printed: watch::Receiver<u64>,
    pub from_tasks: mpsc::Receiver<Event>,
    pub from_store: mpsc::UnboundedReceiver<store::Event>,
    pub counts: CountsRequests,
}

/// What must be shut down when the loop ends.
pub struct Background {
    /// Admission, interface watcher and bootstrap resolver. These are aborted.
    pub tasks: JoinSet<()>,
    pub lan: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
    pub store_thread: std::thread::JoinHandle<()>,
}

/// The core and everything its outputs go to.
pub struct Node {
    core: Core,
    me: UserId,
    store: std::sync::mpsc::Sender<Job>,
    issued: Ticket,
    stored: Ticket,
    ui: NoticeSender,
    /// What is to be told at the end of this turn of the loop.
    notices: Vec<NodeMessage>,
    connections: Connections,
    endpoint: Endpoint,
    shared: Arc<Shared>,
    dials: Arc<Semaphore>,
    lookups: Arc<Semaphore>,
    examiner: Examiner,
    tally: Tally,
    stopping: bool,
}

impl Node {
    pub fn new(
        core: Core,
        store: std::sync::mpsc::Sender<Job>,
        ui: NoticeSender,
        endpoint: Endpoint,
        shared: Arc<Shared>,
        examiner: Examiner,
    ) -> Node {
        let began = shared.clock.now().wall;
        Node {
            me: core.user(),
            core,
            store,
            issued: Ticket::default(),
            stored: Ticket::default(),
            ui,
            notices: Vec::new(),
            connections: Connections::default(),
            endpoint,
            shared,
            dials: Arc::new(Semaphore::new(MAX_DIALS)),
            lookups: Arc::new(Semaphore::new(MAX_LOOKUPS)),
            examiner,
            tally: Tally::new(began),
            stopping: false,
        }
    }

    /// Runs until the core outputs `Stop`, then shuts down.
    pub async fn run(mut self, mut receivers: Receivers, background: Background) {
        let mut watch = SuspendWatch::new(self.shared.clock.now());
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut from_ui, mut from_tasks, mut from_store) = (Vec::new(), Vec::new(), Vec::new());
        let (mut ui_connected, mut tick) = (true, 0u32);
        self.drain();
        while !self.stopping {
            tokio::select! {
                _ = receivers.from_store.recv_many(&mut from_store, BATCH) => {
                    from_store.drain(..).for_each(|event| self.on_store(event));
                }
                _ = receivers.from_tasks.recv_many(&mut from_tasks, BATCH), if !self.store_is_behind() => {
                    from_tasks.drain(..).for_each(|event| self.on_event(event));
                }
                count = receivers.from_ui.recv_many(&mut from_ui, BATCH), if ui_connected && !self.store_is_behind() => {
                    ui_connected = count > 0;
                    from_ui.drain(..).for_each(|message| self.on_ui(message));
                    if !ui_connected {
                        self.handle(Input::Request(Request { line: None, command: Command::Quit }));
                    }
                }
                Ok(()) = receivers.printed.changed() => self.save_printed(&receivers.printed),
                Some(answer) = receivers.counts.recv() => drop(answer.send(self.count())),
                () = sleep(self.until_timeout()) => self.handle(Input::Timeout),
                _ = ticks.tick() => {
                    self.on_tick(&mut watch, tick);
                    tick = tick.wrapping_add(1);
                }
            }
            self.drain();
        }
        // It may have come just before the request to quit.
        self.save_printed(&receivers.printed);
        self.stop(background).await;
    }

    fn save_printed(&self, printed: &watch::Receiver<u64>) {
        self.store.send(Job::Printed { arrival: *printed.borrow() }).ok();
    }

    fn handle(&mut self, input: Input) {
        self.tally.input(&input);
        self.core.handle(self.shared.clock.now(), input);
    }

    /// The time until the core's next timeout; a day if there is none, as any event wakes the loop earlier.
    fn until_timeout(&self) -> Duration {
        let now = self.shared.clock.now().moment;
        self.core.poll_timeout().map_or(Duration::from_secs(86_400), |at| at.since(now))
    }

    /// Whether too many ops wait for the disk. While the disk fails, the store answers at once, so there is no reason
    /// to hold anything back.
    fn store_is_behind(&self) -> bool {
        self.examiner.refuses.is_none() && self.issued.0.saturating_sub(self.stored.0) > BACKLOG
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Up { connected, handle } => {
                self.connections.open(connected.conn, handle);
                self.handle(Input::Connected(connected));
            }
            Event::Received { input, budget } => {
                self.handle(input);
                drop(budget);
            }
            Event::Input(input) => {
                if let Input::Closed { conn, .. } = input {
                    self.connections.gone(conn);
                }
                self.handle(input);
            }
        }
    }

    fn on_ui(&mut self, message: UiMessage) {
        match message {
            UiMessage::Request(request) => self.handle(Input::Request(request)),
            UiMessage::Ping { line, place } => self.ping(line, place),
            UiMessage::Fetch(fetch) => drop(self.store.send(Job::Rows(fetch))),
        }
    }

    fn on_store(&mut self, event: store::Event) {
        match event {
            store::Event::Stored { through, took } => {
                self.tally.commits.observe(took);
                self.stored = through;
                (self.examiner.committed, self.examiner.refuses) = (Some(self.shared.clock.now().moment), None);
                self.handle(Input::Stored { through });
            }
            store::Event::Failed { refused, error } => {
                self.examiner.refuses = Some(error.clone());
                self.handle(Input::StoreFailed { refused, error });
            }
            store::Event::Answer { line, notice } => self.tell(line, notice),
            store::Event::Lines { sister, rows, examined } => self.handle(Input::Lines { sister, rows, examined }),
            store::Event::Read { line, with, through } => self.handle(Input::Read { line, with, through }),
            store::Event::Conversations { line, conversations } => {
                let conversations = conversations.into_iter().map(|row| self.view_conversation(row)).collect();
                self.tell(line, Notice::Conversations { conversations });
            }
            store::Event::Found { line, searched: Searched { text, with, .. }, rows, next } => {
                let with = with.map(|with| self.core.handle_of(&with));
                self.tell(line, Notice::Found { text, with, messages: self.views(rows), next });
            }
            store::Event::Exported { line, rows, next } => {
                self.tell(line, Notice::Exported { messages: self.views(rows), next });
            }
            store::Event::Rows { reader, rows } => self.on_rows(reader, rows),
        }
    }

    fn on_tick(&mut self, watch: &mut SuspendWatch, tick: u32) {
        let now = self.shared.clock.now();
        if watch.woke(now) {
            self.handle(Input::Woke);
        }
        for (conn, flow) in self.connections.flows(now.moment) {
            self.handle(Input::Flow { conn, flow });
        }
        for (conn, addr) in self.connections.moved() {
            self.handle(Input::Moved { conn, addr });
        }
        if tick.is_multiple_of(TICKS_PER_SAVE) {
            self.store.send(Job::Alive(now)).ok();
            self.log_counts();
        }
    }

    fn log_counts(&self) {
        let seen = self.drops();
        if !seen.is_empty() {
            tracing::info!(?seen, "refused, dropped or cut off since the start");
        }
    }

    /// What was refused, dropped or cut off, by reason, in the core and in the shell.
    fn drops(&self) -> Drops {
        let mut counts = self.core.drops();
        counts.extend(self.shared.counters.seen());
        counts
    }

    /// Carries out all outputs of the core.
    fn drain(&mut self) {
        while let Some(output) = self.core.poll_output() {
            match output {
                Output::Store { ticket, op } => {
                    self.issued = ticket;
                    self.store.send(Job::Op { ticket, op }).ok();
                }
                Output::Control { conn, message } => self.connections.control(conn, message),
                Output::Chat { conn, item } => self.connections.chat(conn, item),
                Output::Dial { dial, addr, expect } => self.dial(dial, addr, expect),
                Output::Close { conn, reason } => self.connections.close(conn, reason),
                Output::Notice { line, notice } => self.notice(line, notice),
                Output::Query { line, query } => {
                    self.store.send(Job::Query { line, query }).ok();
                }
                Output::Adopted(adopted) => self.notices.push(NodeMessage::Adopted(adopted)),
                Output::Stop => self.stopping = true,
            }
        }
        if !self.notices.is_empty() {
            self.ui.send_all(self.notices.drain(..)).ok();
        }
    }

    /// Starts a dial. One beyond [`MAX_DIALS`] fails through the event queue, like any other failed dial.
    fn dial(&self, dial: DialId, addr: SocketAddr, expect: Option<SessionId>) {
        let (endpoint, shared, permit) =
            (self.endpoint.clone(), self.shared.clone(), self.dials.clone().try_acquire_owned());
        tokio::spawn(async move {
            match permit {
                Ok(permit) => connection::dial(endpoint, shared, dial, addr, expect, permit).await,
                Err(_) => {
                    shared.counters.dials_dropped.add();
                    let failed = Input::DialFailed { dial, failure: DialFailure::Unreachable };
                    shared.events.send(Event::Input(failed)).await.ok();
                }
            }
        });
    }

    fn notice(&mut self, line: Option<u64>, notice: Notice) {
        self.tally.notice(&notice);
        match notice {
            Notice::Me(profile) => {
                let profile = Profile { drops: self.drops(), link_local: self.link_local(), ..*profile };
                self.tell(line, Notice::Me(Box::new(profile)));
            }
            Notice::Examination(examination) => self.complete(line, *examination),
            notice => self.tell(line, notice),
        }
    }

    /// Adds to an examination what the machine shows, in a thread that may wait for the disk.
    fn complete(&self, line: Option<u64>, examination: Examination) {
        let (examiner, ui) = (self.examiner.clone(), self.ui.clone());
        tokio::task::spawn_blocking(move || {
            let examination = Examination { host: Some(examiner.examine()), ..examination };
            let notice = Notice::Examination(Box::new(examination));
            ui.send(NodeMessage::notice(line, notice)).ok();
        });
    }

    /// The link-local addresses of this node.
    fn link_local(&self) -> Vec<Place> {
        let interfaces = interfaces::list();
        let own = self.endpoint.local_addr().map(|own| interfaces::all(&interfaces, own.port(), own.is_ipv6()));
        places::link_local(&own.unwrap_or_default(), &interfaces)
    }

    fn tell(&mut self, line: Option<u64>, notice: Notice) {
        self.notices.push(NodeMessage::notice(line, notice));
    }
}
