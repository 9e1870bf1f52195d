//! One connection, from the end of its TLS handshake to its close: one task, and one more for each stream.
//!
//! Each side opens the control stream first and sends its `Proof` on it; nothing else is sent or read before the other's
//! proof holds ([`proving`]). From then on the loop hears of the connection (`Connected`), and of its end exactly once
//! (`Closed`). Readers ([`reading`]) hand whole frames to the loop and wait when it is busy, so that QUIC's flow control
//! slows the sender; writers ([`writing`]) put everything that waits into one frame. The loop itself waits for nobody: a
//! queue that is full is the end of its connection.
//!
//! An asked close sends what is queued, waits until the peer's transport has it, and then closes: a QUIC close alone
//! throws away what is under way.

mod dialling;
mod pace;
mod proving;
mod reading;
mod writing;

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
use crate::proto::event::{CloseReason, Connected, Input};
use crate::wire::chat::Chat;
use crate::wire::control::Control;
use crate::wire::frame::StreamType;
pub use dialling::dial;
use pace::Pace;
use proving::Proved;
use reading::Frames;

/// Messages that may wait for one peer. The chat stream's own bound is the core's window, which is far below.
pub const QUEUE: usize = 1024;
/// Streams of one connection being read at once: the peer's limit, both kinds.
const MAX_STREAMS: usize = 12;

/// Bytes of frames of one connection that may wait for the loop: the longest frame.
const ROOM: usize = 256 * 1024;

/// How long a peer may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// For the TLS handshake and, again, for the proof.
    pub handshake: Duration,
    /// For a dial to be answered.
    pub dial: Duration,
    /// For a frame, from its first byte to its last.
    pub frame: Duration,
    /// For a peer to take any more bytes at all: far beyond a hang that it may survive.
    pub stall: Duration,
    /// For what is queued to be sent before an asked close.
    pub farewell: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            handshake: Duration::from_secs(5),
            dial: Duration::from_secs(4),
            frame: Duration::from_secs(10),
            stall: Duration::from_secs(30),
            farewell: Duration::from_secs(1),
        }
    }
}

/// What all connections of this node share.
pub struct Common {
    pub credentials: Credentials,
    pub network: NetworkKey,
    pub boot: BootId,
    pub clock: Clock,
    pub limits: Limits,
    pub counters: Arc<Counters>,
    /// To the loop. Full means: wait.
    pub events: mpsc::Sender<Event>,
    next: AtomicU64,
}

impl Common {
    pub fn new(
        credentials: Credentials,
        network: NetworkKey,
        boot: BootId,
        clock: Clock,
        events: mpsc::Sender<Event>,
    ) -> Common {
        let (limits, counters) = (Limits::default(), Arc::default());
        Common { credentials, network, boot, clock, limits, counters, events, next: AtomicU64::new(1) }
    }
}

/// What tasks tell the loop.
#[derive(Debug)]
pub enum Event {
    /// Straight to the core.
    Input(Input),
    /// A frame of a neighbour. Taken in, it makes room for that neighbour's next.
    Heard { input: Input, room: OwnedSemaphorePermit },
    /// A proved connection, and the way to it. Comes before any input about it.
    Up { connected: Connected, line: Line },
}

/// The loop's end of a connection. Dropped, the connection says what is queued and goes.
#[derive(Debug)]
pub struct Line {
    pub control: mpsc::Sender<Box<Control>>,
    /// Made for the first item: most connections of a relay never carry one.
    chat: Option<mpsc::Sender<Box<Chat>>>,
    begin_chat: Option<oneshot::Sender<ChatQueue>>,
    pub close: oneshot::Sender<CloseReason>,
}

type ChatQueue = mpsc::Receiver<Box<Chat>>;

/// The connection's end of a [`Line`].
struct LineEnd {
    control: mpsc::Receiver<Box<Control>>,
    chat: oneshot::Receiver<ChatQueue>,
    close: oneshot::Receiver<CloseReason>,
}

impl Line {
    fn new() -> (Line, LineEnd) {
        let (control, control_end) = mpsc::channel(QUEUE);
        let (begin_chat, chat_end) = oneshot::channel();
        let (close, close_end) = oneshot::channel();
        let line = Line { control, chat: None, begin_chat: Some(begin_chat), close };
        (line, LineEnd { control: control_end, chat: chat_end, close: close_end })
    }

    /// The queue of the chat stream.
    pub fn chat(&mut self) -> &mpsc::Sender<Box<Chat>> {
        self.chat.get_or_insert_with(|| {
            let (queue, queue_end) = mpsc::channel(QUEUE);
            // A connection that is gone takes nothing.
            self.begin_chat.take().map(|begin| begin.send(queue_end));
            queue
        })
    }
}

/// Why a connection is not, or no longer, wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Ending {
    #[error("the connection is lost")]
    Lost,
    #[error("the peer's bytes make no sense")]
    Protocol,
    #[error("the peer is over its limits")]
    Limits,
    #[error("the peer is no member of this network")]
    Stranger,
    #[error("closed at our wish")]
    Asked(CloseReason),
    #[error("the node is stopping")]
    Stopping,
}

/// Proves an accepted connection; `None` when it came to nothing, which was then counted.
pub async fn greet(conn: Connection, common: &Common) -> Option<Arrival> {
    let proved = prove_or_close(&conn, common, Role::Acceptor).await.ok()?;
    Some(Arrival { conn, proved, dial: None })
}

async fn prove_or_close(conn: &Connection, common: &Common, role: Role) -> Result<Proved, Ending> {
    let outcome = timeout(common.limits.handshake, proving::prove(conn, common, role)).await;
    let ending = match outcome {
        Ok(Ok(proved)) => return Ok(proved),
        Ok(Err(ending)) => ending,
        Err(_) => Ending::Stranger,
    };
    conclude(conn, common, ending);
    Err(ending)
}

/// Closes with the reason's code and counts it.
fn conclude(conn: &Connection, common: &Common, ending: Ending) {
    let reason = match ending {
        Ending::Lost => return,
        Ending::Protocol => CloseReason::Protocol,
        Ending::Limits | Ending::Asked(CloseReason::Limits) => CloseReason::Limits,
        Ending::Stranger => CloseReason::Stranger,
        Ending::Asked(reason) => reason,
        Ending::Stopping => CloseReason::Bye,
    };
    match reason {
        CloseReason::Protocol => common.counters.protocol.add(),
        CloseReason::Limits => common.counters.limits.add(),
        CloseReason::Stranger => common.counters.strangers.add(),
        CloseReason::Bye
        | CloseReason::Duplicate
        | CloseReason::Myself
        | CloseReason::Surplus
        | CloseReason::Blocked => {}
    }
    tracing::debug!(addr = %conn.remote_address(), ?reason, "closing a connection: {ending}");
    conn.close(code(reason), b"");
}

/// The application code of a close.
pub fn code(reason: CloseReason) -> VarInt {
    VarInt::from_u32(reason as u32)
}

/// A proved connection of which the loop has not yet heard.
pub struct Arrival {
    conn: Connection,
    proved: Proved,
    dial: Option<DialId>,
}

impl Arrival {
    /// Lives until the connection ends. A relay has a thousand of these, so what is not needed behind a wait is given up
    /// before it, and waits borrow instead of taking over.
    pub async fn live(self, common: Arc<Common>) {
        let mut life = match common.events.reserve().await {
            Ok(place) => self.begin(place, &common),
            Err(_) => return conclude(&self.conn, &common, Ending::Stopping),
        };
        life.run().await;
        let closed = Event::Input(Input::Closed { conn: life.id });
        common.events.send(closed).await.ok();
    }

    /// Tells the loop, and begins to read and write.
    fn begin(self, place: mpsc::Permit<'_, Event>, common: &Arc<Common>) -> Life {
        let id = ConnId(common.next.fetch_add(1, Ordering::Relaxed));
        let connected = Connected {
            conn: id,
            session: self.proved.session,
            boot: self.proved.boot,
            addr: canonical(self.conn.remote_address()),
            dial: self.dial,
            rtt: self.conn.rtt(),
        };
        let (line, LineEnd { control, chat, close }) = Line::new();
        place.send(Event::Up { connected, line });
        let mut writers = JoinSet::new();
        writers.spawn(writing::control(control, self.proved.control_out, common.clone()));
        let mut life = Life {
            id,
            conn: self.conn,
            common: common.clone(),
            readers: JoinSet::new(),
            writers,
            room: Arc::new(Semaphore::new(ROOM)),
            chat,
            chat_written: false,
            chat_read: false,
            close,
        };
        life.read_control(self.proved.control_in);
        life
    }
}

/// What a stream's task came to.
enum Read {
    /// A chat stream, its type byte read.
    Chat(RecvStream),
    /// A stream of a type this version does not know, stopped.
    Unknown,
    Ended(Ending),
}

/// A connection of which the loop knows.
struct Life {
    id: ConnId,
    conn: Connection,
    common: Arc<Common>,
    readers: JoinSet<Read>,
    writers: JoinSet<Result<(), Ending>>,
    room: Arc<Semaphore>,
    /// The queue of the chat stream, once there is one.
    chat: oneshot::Receiver<ChatQueue>,
    chat_written: bool,
    chat_read: bool,
    close: oneshot::Receiver<CloseReason>,
}

impl Life {
    async fn run(&mut self) {
        let ending = self.attend().await;
        match ending {
            Ending::Lost => self.hear_out().await,
            Ending::Asked(_) | Ending::Stopping => self.say_out().await,
            Ending::Protocol | Ending::Limits | Ending::Stranger => {}
        }
        conclude(&self.conn, &self.common, ending);
        self.readers.shutdown().await;
    }

    /// Until something ends the connection.
    async fn attend(&mut self) -> Ending {
        let mut pace = Pace::new();
        loop {
            tokio::select! {
                reason = &mut self.close => return reason.map_or(Ending::Stopping, Ending::Asked),
                queue = &mut self.chat, if !self.chat_written => self.write_chat(queue.ok()),
                stream = self.conn.accept_uni(), if self.readers.len() < MAX_STREAMS => match stream {
                    Ok(stream) => self.read_type(stream),
                    Err(_) => return Ending::Lost,
                },
                stream = self.conn.accept_bi() => match stream {
                    Ok((mut send, mut recv)) => {
                        send.reset(VarInt::from_u32(0)).ok();
                        recv.stop(VarInt::from_u32(0)).ok();
                        if let Err(ending) = self.unknown_stream(&mut pace) {
                            return ending;
                        }
                    }
                    Err(_) => return Ending::Lost,
                },
                Some(read) = self.readers.join_next() => {
                    if let Err(ending) = self.after(read, &mut pace) {
                        return ending;
                    }
                }
                Some(Ok(Err(ending))) = self.writers.join_next() => return ending,
            }
        }
    }

    fn write_chat(&mut self, queue: Option<ChatQueue>) {
        self.chat_written = true;
        if let Some(queue) = queue {
            self.writers.spawn(writing::chat(queue, self.conn.clone(), self.common.clone()));
        }
    }

    /// What is queued is still said, also what was queued a moment ago on a chat stream that has not begun.
    async fn say_out(&mut self) {
        if !self.chat_written {
            let queue = self.chat.try_recv().ok();
            self.write_chat(queue);
        }
        let said = async { while self.writers.join_next().await.is_some() {} };
        timeout(self.common.limits.farewell, said).await.ok();
    }

    /// What had come before the connection was lost is still read.
    async fn hear_out(&mut self) {
        let mut pace = Pace::new();
        while let Some(read) = self.readers.join_next().await {
            self.after(read, &mut pace).ok();
        }
    }

    fn after(&mut self, read: Result<Read, tokio::task::JoinError>, pace: &mut Pace) -> Result<(), Ending> {
        match read {
            Ok(Read::Chat(_)) if self.chat_read => Err(Ending::Protocol),
            Ok(Read::Chat(stream)) => {
                self.chat_read = true;
                self.read_chat(stream);
                Ok(())
            }
            Ok(Read::Unknown) => self.unknown_stream(pace),
            Ok(Read::Ended(ending)) => Err(ending),
            Err(_) => Err(Ending::Lost),
        }
    }

    /// Later versions may open a few, and at the pace of messages; more is an attack.
    fn unknown_stream(&mut self, pace: &mut Pace) -> Result<(), Ending> {
        self.common.counters.unknown_streams.add();
        let wait = pace.charge(1, self.common.clock.now().moment)?;
        if wait.is_zero() { Ok(()) } else { Err(Ending::Limits) }
    }

    fn read_type(&mut self, mut stream: RecvStream) {
        let deadline = self.common.limits.frame;
        self.readers.spawn(async move {
            let mut first = [0];
            match timeout(deadline, stream.read_exact(&mut first)).await {
                Err(_) => Read::Ended(Ending::Limits),
                Ok(Err(quinn::ReadExactError::ReadError(quinn::ReadError::ConnectionLost(_)))) => {
                    Read::Ended(Ending::Lost)
                }
                Ok(Err(_)) => Read::Unknown,
                Ok(Ok(())) => match StreamType::from_byte(first[0]) {
                    Some(StreamType::Chat) => Read::Chat(stream),
                    Some(StreamType::Control) => Read::Ended(Ending::Protocol),
                    None => {
                        stream.stop(VarInt::from_u32(0)).ok();
                        Read::Unknown
                    }
                },
            }
        });
    }

    fn read_control(&mut self, stream: RecvStream) {
        let frames = Frames::new(stream, StreamType::Control, self.common.limits.frame);
        let (id, conn, room, common) = (self.id, self.conn.clone(), self.room.clone(), self.common.clone());
        self.readers.spawn(async move {
            let ending = reading::control(id, frames, &room, &common).await;
            finished(ending, &conn, &common).await
        });
    }

    fn read_chat(&mut self, stream: RecvStream) {
        let frames = Frames::new(stream, StreamType::Chat, self.common.limits.frame);
        let (id, conn, room, common) = (self.id, self.conn.clone(), self.room.clone(), self.common.clone());
        self.readers.spawn(async move {
            let ending = reading::chat(id, frames, &room, &common).await;
            finished(ending, &conn, &common).await
        });
    }
}

/// Control and chat streams live as long as their connection: one that is finished is followed by its close.
async fn finished(outcome: Result<(), Ending>, conn: &Connection, common: &Common) -> Read {
    match outcome {
        Ok(()) => match timeout(common.limits.frame, conn.closed()).await {
            Ok(_) => Read::Ended(Ending::Lost),
            Err(_) => Read::Ended(Ending::Protocol),
        },
        Err(ending) => Read::Ended(ending),
    }
}

#[cfg(test)]
pub(super) mod tests;
