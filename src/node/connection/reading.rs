//! Reading: bytes of a stream to frames, and frames to inputs.
//!
//! Data is read in chunks as large as available, so that many small frames cost one wake-up. At most one frame's cap
//! and one chunk is held. A frame must be complete within its deadline, which allows for the bytes that have arrived.

use std::sync::Arc;
use std::time::Duration;

use quinn::{Connection, ReadError, RecvStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Instant, timeout_at};

use super::patience::while_arriving;
use super::rate::RateLimit;
use super::{CloseCause, Event, Shared};
use crate::id::ConnId;
use crate::proto::event::Input;
use crate::wire::frame::{FrameBuf, StreamType};
use crate::wire::{chat, control as ctl, decode};

/// Largest chunk read from QUIC, in bytes.
const CHUNK: usize = 64 * 1024;
/// Bytes that count as one message for the rate limit: a frame full of signed records costs as much to check as many
/// messages.
const MESSAGE: usize = 1024;

/// Bytes a second at which a frame must arrive: a fifth of what a link of 9.6 kbit/s carries, because the other stream
/// and other connections share it.
const LEAST_RATE: f64 = 240.0;

/// Reads a control stream to its end, at a limited rate. The first frame brings the hello.
pub async fn control(
    id: ConnId,
    conn: &Connection,
    mut frames: Frames,
    budget: &Arc<Semaphore>,
    shared: &Shared,
) -> Result<(), CloseCause> {
    let mut rate = RateLimit::new();
    let begun = while_arriving(conn, shared.limits.introduction, frames.begin()).await;
    if !begun.ok_or(CloseCause::Limits)?? {
        return Ok(());
    }
    while let Some(frame) = frames.next().await? {
        let slot = QueueSlot::reserve(frame, budget, shared).await?;
        let batch: ctl::Batch = decode(frame).map_err(|_| CloseCause::Protocol)?;
        let weight = batch.len().max(frame.len() / MESSAGE).max(1);
        let wait = rate.charge(weight, shared.clock.now().moment)?;
        slot.send(Input::Control { conn: id, batch: batch.0 });
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
    }
    Ok(())
}

/// Reads a chat stream to its end. Its rate is limited by acknowledgements, in the core.
pub async fn chat(
    conn: ConnId,
    mut frames: Frames,
    budget: &Arc<Semaphore>,
    shared: &Shared,
) -> Result<(), CloseCause> {
    while let Some(frame) = frames.next().await? {
        let slot = QueueSlot::reserve(frame, budget, shared).await?;
        let items: chat::Items = decode(frame).map_err(|_| CloseCause::Protocol)?;
        slot.send(Input::Chat { conn, items: items.0 });
    }
    Ok(())
}

/// A reserved slot in the loop's queue for the content of one frame.
struct QueueSlot<'a> {
    queue: mpsc::Permit<'a, Event>,
    budget: OwnedSemaphorePermit,
}

impl<'a> QueueSlot<'a> {
    /// Waits until the loop has processed enough of this connection's frames, so that one connection cannot fill the
    /// queue for all. The frame is decoded only then, so that no wait holds the decoded form.
    async fn reserve(frame: &[u8], budget: &Arc<Semaphore>, shared: &'a Shared) -> Result<QueueSlot<'a>, CloseCause> {
        let bytes = u32::try_from(frame.len()).expect("a frame is below its cap");
        let budget = budget.clone().acquire_many_owned(bytes).await.map_err(|_| CloseCause::Stopping)?;
        let queue = shared.events.reserve().await.map_err(|_| CloseCause::Stopping)?;
        Ok(QueueSlot { queue, budget })
    }

    fn send(self, input: Input) {
        self.queue.send(Event::Received { input, budget: self.budget });
    }
}

/// A stream of frames, after its type byte.
pub struct Frames {
    stream: RecvStream,
    deadline: Duration,
    buffer: FrameBuf,
}

impl Frames {
    /// `deadline` bounds one frame, from its first byte to its last, in addition to the time that its bytes take at
    /// [`LEAST_RATE`].
    pub fn new(stream: RecvStream, kind: StreamType, deadline: Duration) -> Frames {
        Frames { stream, deadline, buffer: FrameBuf::new(kind) }
    }

    /// The next frame without its header; `None` at the end of the stream.
    pub async fn next(&mut self) -> Result<Option<&[u8]>, CloseCause> {
        if !self.has_frame()? {
            if !self.buffer.is_inside() && !self.fill().await? {
                return Ok(None);
            }
            self.complete().await?;
        }
        self.buffer.next_frame().map_err(|_| CloseCause::Protocol)
    }

    /// Waits for the first bytes of the stream; false if it ends instead.
    pub async fn begin(&mut self) -> Result<bool, CloseCause> {
        self.fill().await
    }

    /// Reads on until a frame is complete.
    async fn complete(&mut self) -> Result<(), CloseCause> {
        let mut deadline = Instant::now() + self.deadline;
        while !self.has_frame()? {
            let before = self.buffer.remaining();
            let filled = timeout_at(deadline, self.fill()).await.map_err(|_| CloseCause::Limits)?;
            if !filled? {
                return Err(CloseCause::Protocol);
            }
            let arrived = self.buffer.remaining() - before;
            deadline += Duration::from_secs_f64(arrived as f64 / LEAST_RATE);
        }
        Ok(())
    }

    fn has_frame(&mut self) -> Result<bool, CloseCause> {
        self.buffer.has_frame().map_err(|_| CloseCause::Protocol)
    }

    /// Reads the next chunk; false at the end of the stream.
    async fn fill(&mut self) -> Result<bool, CloseCause> {
        match self.stream.read_chunk(CHUNK, true).await {
            Ok(Some(chunk)) => {
                self.buffer.push(&chunk.bytes);
                Ok(true)
            }
            Ok(None) => Ok(false),
            Err(ReadError::ConnectionLost(_)) => Err(CloseCause::Lost),
            Err(_) => Err(CloseCause::Protocol),
        }
    }
}
