//! One connection, from the end of its TLS handshake to its close: one task for it, and one for each stream.
//!
//! Each side opens the control stream first and sends its `Proof` on it. Nothing else is sent or read before the
//! other side's proof holds ([`proving`]). From then on the loop is notified of the connection (`Connected`), and of
//! its end exactly once (`Closed`). Readers ([`reading`]) pass whole frames to the loop and wait while it is busy, so
//! that QUIC's flow control slows the sender. Writers ([`writing`]) put all queued messages into one frame. The loop
//! never waits: a connection whose queue is full is closed.
//!
//! A requested close sends what is queued, waits until the peer's transport has received it, and then closes. A QUIC
//! close alone would discard data in flight.
mod dialling;
mod obstacles;
mod patience;
mod proving;
mod pulse;
mod rate;
mod reading;
mod writing;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use quinn::{Connection, RecvStream, VarInt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::clock::Clock;
use super::counters::Counters;
use super::endpoint::canonical;
use super::tls::Credentials;
use crate::id::{BootId, ConnId, DialId};
use crate::identity::network::{NetworkKey, Role};
use crate::proto::event::{CloseReason, Connected, Flow, Input};
use crate::time::Moment;
use crate::wire::chat::Chat;
use crate::wire::control::Control;
use crate::wire::frame::StreamType;
pub use dialling::dial;
use patience::while_arriving;
use proving::Proved;
use pulse::Pulse;
use rate::RateLimit;
use reading::Frames;

/// Messages that may be queued per peer and stream. Chat is bounded more tightly by the core's window.
pub const QUEUE: usize = 1024;
/// Streams of one connection read concurrently: the sum of the peer's stream limits.
const MAX_STREAMS: usize = 12;

/// Bytes of received frames per connection that may wait for the loop: the longest frame.
const READ_BUDGET: usize = 256 * 1024;

/// Time limits for a peer.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// For the TLS handshake: about 6 KiB, some of them sent twice, over a link of 9.6 kbit/s.
    pub handshake: Duration,
    /// For a dial, until the other side answers. The rest of the TLS handshake has until `handshake`.
    pub dial: Duration,
    /// For the proof, and again for the hello; longer while bytes arrive.
    pub introduction: Duration,
    /// For receiving one frame, from its first byte to its last, in addition to the time that its bytes may take.
    pub frame: Duration,
    /// For a peer to accept any more bytes: far longer than a hang it may survive.
    pub stall: Duration,
    /// For sending what is queued before a requested close.
    pub farewell: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            handshake: Duration::from_secs(12),
            dial: Duration::from_secs(4),
            introduction: Duration::from_secs(5),
            frame: Duration::from_secs(10),
            stall: Duration::from_secs(30),
            farewell: Duration::from_secs(1),
        }
    }
}

/// State shared by all connections of this node.
pub struct Shared {
    pub credentials: Credentials,
    pub network: NetworkKey,
    pub boot: BootId,
    pub clock: Clock,
    pub limits: Limits,
    pub counters: Arc<Counters>,
    /// The queue to the loop. Senders wait while it is full.
    pub events: mpsc::Sender<Event>,
    next: AtomicU64,
}

impl Shared {
    pub fn new(
        credentials: Credentials,
        network: NetworkKey,
        boot: BootId,
        clock: Clock,
        events: mpsc::Sender<Event>,
    ) -> Shared {
        let (limits, counters) = (Limits::default(), Arc::default());
        Shared { credentials, network, boot, clock, limits, counters, events, next: AtomicU64::new(1) }
    }
}

/// An event from a task to the loop.
#[derive(Debug)]
pub enum Event {
    /// An input for the core.
    Input(Input),
    /// A frame from a neighbour. Dropping `budget` lets that neighbour's next frame be read.
    Received { input: Input, budget: OwnedSemaphorePermit },
    /// A proved connection and the handle to it. Precedes any input about it.
    Up { connected: Connected, handle: ConnHandle },
}

/// The loop's end of a connection. When it is dropped, the connection sends what is queued and closes.
#[derive(Debug)]
pub struct ConnHandle {
    conn: Connection,
    /// The address of the other end when it was last reported.
    addr: SocketAddr,
    pulse: Pulse,
    pub control: mpsc::Sender<Box<Control>>,
    /// Created with the first item: most connections of a relay never carry one.
    chat: Option<mpsc::Sender<Box<Chat>>>,
    start_chat: Option<oneshot::Sender<ChatQueue>>,
    pub close: oneshot::Sender<CloseReason>,
}

type ChatQueue = mpsc::Receiver<Box<Chat>>;

/// The connection's end of a [`ConnHandle`].
struct ConnQueues {
    control: mpsc::Receiver<Box<Control>>,
    chat: oneshot::Receiver<ChatQueue>,
    close: oneshot::Receiver<CloseReason>,
}

impl ConnHandle {
    fn new(conn: Connection, addr: SocketAddr) -> (ConnHandle, ConnQueues) {
        let (control, control_end) = mpsc::channel(QUEUE);
        let (start_chat, chat_end) = oneshot::channel();
        let (close, close_end) = oneshot::channel();
        let pulse = Pulse::default();
        let handle = ConnHandle { conn, addr, pulse, control, chat: None, start_chat: Some(start_chat), close };
        (handle, ConnQueues { control: control_end, chat: chat_end, close: close_end })
    }

    /// The address from which the other end sends now, if it has changed since the last call.
    pub fn moved_to(&mut self) -> Option<SocketAddr> {
        let addr = canonical(self.conn.remote_address());
        (std::mem::replace(&mut self.addr, addr) != addr).then_some(addr)
    }

    /// Whether what is sent arrives. To be called once a second.
    pub fn flow(&mut self, now: Moment) -> Option<Flow> {
        self.pulse.check(&self.conn, now)
    }

    /// The queue of the chat stream, created on first use.
    pub fn chat(&mut self) -> &mpsc::Sender<Box<Chat>> {
        self.chat.get_or_insert_with(|| {
            let (queue, queue_end) = mpsc::channel(QUEUE);
            // A failure means that the connection is gone.
            self.start_chat.take().map(|begin| begin.send(queue_end));
            queue
        })
    }
}

/// Why a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum CloseCause {
    #[error("the connection is lost")]
    Lost,
    #[error("the peer sent malformed data")]
    Protocol,
    #[error("the peer exceeded its limits")]
    Limits,
    #[error("the peer is not a member of this network")]
    Stranger,
    #[error("closed on request")]
    Requested(CloseReason),
    #[error("the node is stopping")]
    Stopping,
}

/// Exchanges proofs on an accepted connection. A failure is counted and yields `None`.
pub async fn accept_proved(conn: Connection, shared: &Shared) -> Option<NewConnection> {
    let proved = prove_or_close(&conn, shared, Role::Acceptor).await.ok()?;
    Some(NewConnection { conn, proved, dial: None })
}

async fn prove_or_close(conn: &Connection, shared: &Shared, role: Role) -> Result<Proved, CloseCause> {
    let outcome = while_arriving(conn, shared.limits.introduction, proving::prove(conn, shared, role)).await;
    let cause = match outcome {
        Some(Ok(proved)) => return Ok(proved),
        Some(Err(cause)) => cause,
        None => CloseCause::Stranger,
    };
    close_with(conn, shared, cause);
    Err(cause)
}

/// Closes with the code of `cause` and counts it.
fn close_with(conn: &Connection, shared: &Shared, cause: CloseCause) {
    let reason = match cause {
        CloseCause::Lost => return,
        CloseCause::Protocol => CloseReason::Protocol,
        CloseCause::Limits | CloseCause::Requested(CloseReason::Limits) => CloseReason::Limits,
        CloseCause::Stranger => CloseReason::Stranger,
        CloseCause::Requested(reason) => reason,
        CloseCause::Stopping => CloseReason::Bye,
    };
    match reason {
        CloseReason::Protocol => shared.counters.protocol.add(),
        CloseReason::Limits => shared.counters.limits.add(),
        CloseReason::Stranger => shared.counters.strangers.add(),
        CloseReason::Bye
        | CloseReason::Duplicate
        | CloseReason::Myself
        | CloseReason::Surplus
        | CloseReason::Blocked => {}
    }
    tracing::debug!(addr = %conn.remote_address(), ?reason, "closing a connection: {cause}");
    conn.close(code(reason), b"");
}

/// The reason that the peer gave for a close.
fn reason_of_peer(conn: &Connection) -> Option<CloseReason> {
    match conn.close_reason()? {
        quinn::ConnectionError::ApplicationClosed(close) => CloseReason::from_code(close.error_code.into_inner()),
        _ => None,
    }
}

/// The QUIC application error code of a close reason.
pub fn code(reason: CloseReason) -> VarInt {
    VarInt::from_u32(reason as u32)
}

/// A proved connection that was not yet reported to the loop.
pub struct NewConnection {
    conn: Connection,
    proved: Proved,
    dial: Option<DialId>,
}

impl NewConnection {
    /// Runs until the connection ends. A relay has a thousand of these futures, so whatever is not needed across a
    /// wait is dropped before it, and waits borrow instead of moving.
    pub async fn run(self, shared: Arc<Shared>) {
        let mut task = match shared.events.reserve().await {
            Ok(slot) => self.start(slot, &shared),
            Err(_) => return close_with(&self.conn, &shared, CloseCause::Stopping),
        };
        task.run().await;
        let closed = Event::Input(Input::Closed { conn: task.id, reason: reason_of_peer(&task.conn) });
        shared.events.send(closed).await.ok();
    }

    /// Reports the connection to the loop and starts its readers and writers.
    fn start(self, slot: mpsc::Permit<'_, Event>, shared: &Arc<Shared>) -> ConnectionTask {
        let id = ConnId(shared.next.fetch_add(1, Ordering::Relaxed));
        let connected = Connected {
            conn: id,
            session: self.proved.session,
            boot: self.proved.boot,
            addr: canonical(self.conn.remote_address()),
            exporter: crate::node::tls::link_exporter(&self.conn),
            dial: self.dial,
            rtt: self.conn.rtt(),
        };
        let (handle, ConnQueues { control, chat, close }) = ConnHandle::new(self.conn.clone(), connected.addr);
        slot.send(Event::Up { connected, handle });
        let mut writers = JoinSet::new();
        writers.spawn(writing::control(control, self.proved.control_out, self.conn.clone(), shared.clone()));
        let mut task = ConnectionTask {
            id,
            conn: self.conn,
            shared: shared.clone(),
            readers: JoinSet::new(),
            writers,
            budget: Arc::new(Semaphore::new(READ_BUDGET)),
            chat,
            chat_written: false,
            chat_read: false,
            close,
        };
        task.read_control(self.proved.control_in);
        task
    }
}

/// The result of a stream's reader.
enum Read {
    /// A chat stream whose type byte was read.
    Chat(RecvStream),
    /// A stream of an unknown type, which was stopped.
    Unknown,
    Ended(CloseCause),
}

/// A connection that was reported to the loop.
struct ConnectionTask {
    id: ConnId,
    conn: Connection,
    shared: Arc<Shared>,
    readers: JoinSet<Read>,
    writers: JoinSet<Result<(), CloseCause>>,
    budget: Arc<Semaphore>,
    /// Yields the queue of the chat stream once it exists.
    chat: oneshot::Receiver<ChatQueue>,
    chat_written: bool,
    chat_read: bool,
    close: oneshot::Receiver<CloseReason>,
}

impl ConnectionTask {
    async fn run(&mut self) {
        let cause = self.serve().await;
        match cause {
            CloseCause::Lost => self.drain_readers().await,
            CloseCause::Requested(_) | CloseCause::Stopping => self.flush_writers().await,
            CloseCause::Protocol | CloseCause::Limits | CloseCause::Stranger => {}
        }
        close_with(&self.conn, &self.shared, cause);
        self.readers.shutdown().await;
    }

    /// Serves the connection until something ends it.
    async fn serve(&mut self) -> CloseCause {
        let mut rate = RateLimit::new();
        loop {
            tokio::select! {
                reason = &mut self.close => return reason.map_or(CloseCause::Stopping, CloseCause::Requested),
                queue = &mut self.chat, if !self.chat_written => self.write_chat(queue.ok()),
                stream = self.conn.accept_uni(), if self.readers.len() < MAX_STREAMS => match stream {
                    Ok(stream) => self.read_type(stream),
                    Err(_) => return CloseCause::Lost,
                },
                stream = self.conn.accept_bi() => match stream {
                    Ok((mut send, mut recv)) => {
                        send.reset(VarInt::from_u32(0)).ok();
                        recv.stop(VarInt::from_u32(0)).ok();
                        if let Err(cause) = self.unknown_stream(&mut rate) {
                            return cause;
                        }
                    }
                    Err(_) => return CloseCause::Lost,
                },
                Some(read) = self.readers.join_next() => {
                    if let Err(cause) = self.on_read(read, &mut rate) {
                        return cause;
                    }
                }
                Some(Ok(Err(cause))) = self.writers.join_next() => return cause,
            }
        }
    }

    fn write_chat(&mut self, queue: Option<ChatQueue>) {
        self.chat_written = true;
        if let Some(queue) = queue {
            self.writers.spawn(writing::chat(queue, self.conn.clone(), self.shared.clone()));
        }
    }

    /// Sends what is queued, including items queued a moment ago for a chat stream that was not opened yet.
    async fn flush_writers(&mut self) {
        if !self.chat_written {
            let queue = self.chat.try_recv().ok();
            self.write_chat(queue);
        }
        let flushed = async { while self.writers.join_next().await.is_some() {} };
        timeout(self.shared.limits.farewell, flushed).await.ok();
    }

    /// Reads what was received before the connection was lost.
    async fn drain_readers(&mut self) {
        let mut rate = RateLimit::new();
        while let Some(read) = self.readers.join_next().await {
            self.on_read(read, &mut rate).ok();
        }
    }

    fn on_read(&mut self, read: Result<Read, tokio::task::JoinError>, rate: &mut RateLimit) -> Result<(), CloseCause> {
        match read {
            Ok(Read::Chat(_)) if self.chat_read => Err(CloseCause::Protocol),
            Ok(Read::Chat(stream)) => {
                self.chat_read = true;
                self.read_chat(stream);
                Ok(())
            }
            Ok(Read::Unknown) => self.unknown_stream(rate),
            Ok(Read::Ended(cause)) => Err(cause),
            Err(_) => Err(CloseCause::Lost),
        }
    }

    /// Tolerates a few unknown streams, which later versions may open, at the rate of messages. More is an attack.
    fn unknown_stream(&mut self, rate: &mut RateLimit) -> Result<(), CloseCause> {
        self.shared.counters.unknown_streams.add();
        let wait = rate.charge(1, self.shared.clock.now().moment)?;
        if wait.is_zero() { Ok(()) } else { Err(CloseCause::Limits) }
    }

    fn read_type(&mut self, mut stream: RecvStream) {
        let deadline = self.shared.limits.frame;
        self.readers.spawn(async move {
            let mut first = [0];
            match timeout(deadline, stream.read_exact(&mut first)).await {
                Err(_) => Read::Ended(CloseCause::Limits),
                Ok(Err(quinn::ReadExactError::ReadError(quinn::ReadError::ConnectionLost(_)))) => {
                    Read::Ended(CloseCause::Lost)
                }
                Ok(Err(_)) => Read::Unknown,
                Ok(Ok(())) => match StreamType::from_byte(first[0]) {
                    Some(StreamType::Chat) => Read::Chat(stream),
                    Some(StreamType::Control) => Read::Ended(CloseCause::Protocol),
                    None => {
                        stream.stop(VarInt::from_u32(0)).ok();
                        Read::Unknown
                    }
                },
            }
        });
    }

    fn read_control(&mut self, stream: RecvStream) {
        let frames = Frames::new(stream, StreamType::Control, self.shared.limits.frame);
        let (id, conn, budget, shared) = (self.id, self.conn.clone(), self.budget.clone(), self.shared.clone());
        self.readers.spawn(async move {
            let cause = reading::control(id, &conn, frames, &budget, &shared).await;
            finished(cause, &conn, &shared).await
        });
    }

    fn read_chat(&mut self, stream: RecvStream) {
        let frames = Frames::new(stream, StreamType::Chat, self.shared.limits.frame);
        let (id, conn, budget, shared) = (self.id, self.conn.clone(), self.budget.clone(), self.shared.clone());
        self.readers.spawn(async move {
            let cause = reading::chat(id, frames, &budget, &shared).await;
            finished(cause, &conn, &shared).await
        });
    }
}

/// Control and chat streams last as long as their connection, so the end of one must be followed by a close.
async fn finished(outcome: Result<(), CloseCause>, conn: &Connection, shared: &Shared) -> Read {
    match outcome {
        Ok(()) => match timeout(shared.limits.frame, conn.closed()).await {
            Ok(_) => Read::Ended(CloseCause::Lost),
            Err(_) => Read::Ended(CloseCause::Protocol),
        },
        Err(cause) => Read::Ended(cause),
    }
}

#[cfg(test)]
pub(super) mod tests;
