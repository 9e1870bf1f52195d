//! The loop that alone owns the core.
//!
//! It takes what happened in batches, hands each to the core, and then does what the core wants done, so that what many
//! events led to shares commits and frames. It waits for nothing but the next event. What bounds each way in: faces, a
//! queue that is not read while the store is far behind; the network, a queue of [`EVENTS`], which is not read then either,
//! and in it one longest frame of each connection, which makes readers wait and QUIC slow the senders; the store's answers, the number of its jobs, which the others bound.
//!
//! Stopping takes [`STOPS_WITHIN`] at most: connections say what is queued, the store commits, the local link hears a
//! goodbye, all at once.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use quinn::Endpoint;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::clock::SleepWatch;
use super::connection::{self, Common, Event, code};
use super::printer::{Fetch, Printer};
use super::store::{self, Job};
use super::switchboard::Switchboard;
use crate::handle::{FaceMessage, NodeMessage, STOPS_WITHIN};
use crate::id::{DialId, SessionId, UserId};
use crate::proto::Core;
use crate::proto::event::{CloseReason, Command, DialFailure, Input, Output, Request};
use crate::proto::notice::{Drops, MessageView, Notice, Profile};
use crate::proto::persist::{MessageRow, Ticket};

/// Frames and other news that may wait for the loop: at most a few MiB, and enough that it never runs dry.
pub const EVENTS: usize = 256;
/// Taken at once.
const BATCH: usize = 256;
/// Changes that may wait for the disk before faces have to.
const BACKLOG: u64 = 4096;
/// Dials at once; the core wants up to 32 in a round of seeking, and a person some more.
const MAX_DIALS: usize = 128;
/// Between two looks at whether the machine slept.
const LOOK: Duration = Duration::from_secs(5);
/// Looks between two notes of the moment in the store: what is lost by a kill ages this much later.
const LOOKS_PER_NOTE: u32 = 12;
/// For connections to say what is queued: their own farewell, and a little for the closes to go out.
const FAREWELL: Duration = Duration::from_millis(1200);
/// For the last closes, once everything was cut short.
const LAST_CLOSES: Duration = Duration::from_millis(300);
/// For the store and the local link.
const LAST_COMMIT: Duration = Duration::from_millis(1500);
const _: () = assert!(LAST_COMMIT.as_millis() < STOPS_WITHIN.as_millis());
const _: () = assert!(FAREWELL.as_millis() + LAST_CLOSES.as_millis() < STOPS_WITHIN.as_millis());

/// How the loop hears of things.
pub struct Ways {
    pub from_face: mpsc::Receiver<FaceMessage>,
    pub from_tasks: mpsc::Receiver<Event>,
    pub from_store: mpsc::UnboundedReceiver<store::Event>,
}

/// What must end in good order.
pub struct Leaving {
    /// Accepting, interfaces, names: just dropped.
    pub tasks: JoinSet<()>,
    pub lan: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
    pub store_thread: std::thread::JoinHandle<()>,
}

/// The core, and the ways out.
pub struct Node {
    core: Core,
    me: UserId,
    printer: Printer,
    fetching: Option<Fetch>,
    store: std::sync::mpsc::Sender<Job>,
    issued: Ticket,
    stored: Ticket,
    disk_refuses: bool,
    face: mpsc::UnboundedSender<NodeMessage>,
    switchboard: Switchboard,
    endpoint: Endpoint,
    common: Arc<Common>,
    dials: Arc<Semaphore>,
    stopping: bool,
}

impl Node {
    pub fn new(
        core: Core,
        me: UserId,
        printer: Printer,
        store: std::sync::mpsc::Sender<Job>,
        face: mpsc::UnboundedSender<NodeMessage>,
        endpoint: Endpoint,
        common: Arc<Common>,
    ) -> Node {
        Node {
            core,
            me,
            printer,
            fetching: None,
            store,
            issued: Ticket::default(),
            stored: Ticket::default(),
            disk_refuses: false,
            face,
            switchboard: Switchboard::default(),
            endpoint,
            common,
            dials: Arc::new(Semaphore::new(MAX_DIALS)),
            stopping: false,
        }
    }

    /// Until the core says stop.
    pub async fn run(mut self, mut ways: Ways, leaving: Leaving) {
        let mut watch = SleepWatch::new(self.common.clock.now());
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut from_face, mut from_tasks, mut from_store) = (Vec::new(), Vec::new(), Vec::new());
        let (mut face_there, mut look) = (true, 0u32);
        self.drain();
        while !self.stopping {
            tokio::select! {
                _ = ways.from_store.recv_many(&mut from_store, BATCH) => {
                    from_store.drain(..).for_each(|event| self.on_store(event));
                }
                _ = ways.from_tasks.recv_many(&mut from_tasks, BATCH), if !self.store_is_behind() => {
                    from_tasks.drain(..).for_each(|event| self.on_event(event));
                }
                count = ways.from_face.recv_many(&mut from_face, BATCH), if face_there && !self.store_is_behind() => {
                    face_there = count > 0;
                    from_face.drain(..).for_each(|message| self.on_face(message));
                    if !face_there {
                        self.handle(Input::Request(Request { line: None, command: Command::Quit }));
                    }
                }
                () = sleep(self.until_timeout()) => self.handle(Input::Timeout),
                _ = looks.tick() => {
                    self.on_look(&mut watch, look);
                    look = look.wrapping_add(1);
                }
            }
            self.drain();
        }
        self.stop(leaving).await;
    }

    fn handle(&mut self, input: Input) {
        self.core.handle(self.common.clock.now(), input);
    }

    /// A day when the core wants nothing: any event wakes us earlier.
    fn until_timeout(&self) -> Duration {
        let now = self.common.clock.now().moment;
        self.core.poll_timeout().map_or(Duration::from_secs(86_400), |at| at.since(now))
    }

    /// A disk that refuses answers at once, so nobody has to wait for it.
    fn store_is_behind(&self) -> bool {
        !self.disk_refuses && self.issued.0.saturating_sub(self.stored.0) > BACKLOG
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Up { connected, line } => {
                self.switchboard.open(connected.conn, line);
                self.handle(Input::Connected(connected));
            }
            Event::Heard { input, room } => {
                self.handle(input);
                drop(room);
            }
            Event::Input(input) => {
                if let Input::Closed { conn } = input {
                    self.switchboard.gone(conn);
                }
                self.handle(input);
            }
        }
    }

    fn on_face(&mut self, message: FaceMessage) {
        match message {
            FaceMessage::Request(request) => self.handle(Input::Request(request)),
            FaceMessage::Printed { arrival } => {
                self.printer.printed(arrival);
                self.store.send(Job::Printed { arrival }).ok();
            }
        }
    }

    fn on_store(&mut self, event: store::Event) {
        match event {
            store::Event::Stored { through } => {
                self.stored = through;
                self.disk_refuses = false;
                self.handle(Input::Stored { through });
            }
            store::Event::Failed { refused, error } => {
                self.disk_refuses = true;
                self.handle(Input::StoreFailed { refused, error });
            }
            store::Event::Answer { line, notice } => self.tell(line, notice),
            store::Event::Unprinted { rows } => self.on_unprinted(rows),
        }
    }

    fn on_unprinted(&mut self, rows: Vec<MessageRow>) {
        let count = rows.len();
        for row in rows {
            if let Some(again) = self.printer.fetched(row.arrival) {
                let view = self.view(row, again);
                self.tell(None, Notice::Message(Box::new(view)));
            }
        }
        if let Some(Fetch { limit, .. }) = self.fetching.take() {
            self.printer.fetch_done(count, limit);
        }
    }

    fn on_look(&mut self, watch: &mut SleepWatch, look: u32) {
        let now = self.common.clock.now();
        if watch.woke(now) {
            self.handle(Input::Woke);
        }
        if look.is_multiple_of(LOOKS_PER_NOTE) {
            self.store.send(Job::Alive(now)).ok();
            self.log_counts();
        }
    }

    fn log_counts(&self) {
        let seen = self.counts();
        if !seen.is_empty() {
            tracing::info!(?seen, "refused, dropped or cut off since the start");
        }
    }

    /// What was refused, dropped or cut off, by reason, in the core and around it.
    fn counts(&self) -> Drops {
        let mut counts = self.core.drops();
        counts.extend(self.common.counters.seen());
        counts
    }

    /// Does everything the core wants done.
    fn drain(&mut self) {
        while let Some(output) = self.core.poll_output() {
            match output {
                Output::Store { ticket, op } => {
                    self.issued = ticket;
                    self.store.send(Job::Op { ticket, op }).ok();
                }
                Output::Control { conn, message } => self.switchboard.control(conn, message),
                Output::Chat { conn, item } => self.switchboard.chat(conn, item),
                Output::Dial { dial, addr, expect } => self.dial(dial, addr, expect),
                Output::Close { conn, reason } => self.switchboard.close(conn, reason),
                Output::Notice { line, notice } => self.notice(line, notice),
                Output::Query { line, query } => {
                    self.store.send(Job::Query { line, query }).ok();
                }
                Output::Stop => self.stopping = true,
            }
        }
        if let Some(fetch) = self.printer.fetch() {
            self.fetching = Some(fetch);
            self.store.send(Job::Unprinted { after: fetch.after, limit: fetch.limit }).ok();
        }
    }

    /// Too many dials at once fail by the next turn of the loop, as any other dial does.
    fn dial(&self, dial: DialId, addr: SocketAddr, expect: Option<SessionId>) {
        let (endpoint, common, permit) =
            (self.endpoint.clone(), self.common.clone(), self.dials.clone().try_acquire_owned());
        tokio::spawn(async move {
            match permit {
                Ok(permit) => connection::dial(endpoint, common, dial, addr, expect, permit).await,
                Err(_) => {
                    common.counters.dials_dropped.add();
                    let failed = Input::DialFailed { dial, failure: DialFailure::Unreachable };
                    common.events.send(Event::Input(failed)).await.ok();
                }
            }
        });
    }

    fn notice(&mut self, line: Option<u64>, notice: Notice) {
        match notice {
            Notice::Message(view) if !self.printer.live(view.arrival) => {}
            Notice::Me(profile) => {
                let profile = Profile { drops: self.counts(), ..*profile };
                self.tell(line, Notice::Me(Box::new(profile)));
            }
            notice => self.tell(line, notice),
        }
    }

    fn tell(&self, line: Option<u64>, notice: Notice) {
        self.face.send(NodeMessage::Notice { line, notice }).ok();
    }

    fn view(&self, row: MessageRow, again: bool) -> MessageView {
        MessageView {
            arrival: row.arrival,
            message: row.id,
            from: self.core.handle_of(&row.from),
            from_id: row.from,
            with: self.core.handle_at(&row.with),
            text: String::from_utf8_lossy(&row.body).into_owned(),
            sent: row.wall,
            order: row.lamport,
            own: row.from == self.me,
            again,
        }
    }

    async fn stop(mut self, mut leaving: Leaving) {
        self.log_counts();
        self.switchboard.close_all(CloseReason::Bye);
        leaving.tasks.abort_all();
        self.store.send(Job::Alive(self.common.clock.now())).ok();
        self.store.send(Job::Stop).ok();
        let stored = tokio::task::spawn_blocking(move || leaving.store_thread.join().ok());
        let endpoint = self.endpoint;
        let connections = async {
            timeout(FAREWELL, endpoint.wait_idle()).await.ok();
            endpoint.close(code(CloseReason::Bye), b"");
            timeout(LAST_CLOSES, endpoint.wait_idle()).await.ok();
        };
        let lan = async {
            if let Some((leave, task)) = leaving.lan {
                leave.send(()).ok();
                timeout(LAST_COMMIT, task).await.ok();
            }
        };
        let (_, stored, ()) = tokio::join!(connections, timeout(LAST_COMMIT, stored), lan);
        if stored.is_err() {
            tracing::error!(
                "the disk did not take the last changes in time; what was typed is safe, receipts may be asked for again"
            );
        }
    }
}
