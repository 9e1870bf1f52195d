//! From a stream's bytes to frames, and from frames to inputs.
//!
//! Bytes are taken in chunks as large as they come, so that many small frames cost one wake-up; what is held is never
//! more than one frame's cap and one chunk. A frame that begins must end within its deadline.

use std::sync::Arc;
use std::time::Duration;

use quinn::{ReadError, RecvStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::timeout;

use super::pace::Pace;
use super::{Common, Ending, Event};
use crate::id::ConnId;
use crate::proto::event::Input;
use crate::wire::frame::{FrameBuf, StreamType};
use crate::wire::{chat, control as ctl, decode};

/// Bytes asked of QUIC at once.
const CHUNK: usize = 64 * 1024;
/// Bytes that count as one message: a frame full of signed records costs as much as many messages to check.
const MESSAGE: usize = 1024;

/// Reads a control stream to its end.
pub async fn control(conn: ConnId, mut frames: Frames, room: &Arc<Semaphore>, common: &Common) -> Result<(), Ending> {
    let mut pace = Pace::new();
    while let Some(frame) = frames.next().await? {
        let place = Place::free(frame, room, common).await?;
        let batch: ctl::Batch = decode(frame).map_err(|_| Ending::Protocol)?;
        let weight = batch.len().max(frame.len() / MESSAGE).max(1);
        let wait = pace.charge(weight, common.clock.now().moment)?;
        place.fill(Input::Control { conn, batch: batch.0 });
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
    }
    Ok(())
}

/// Reads a chat stream to its end. Its pace is kept by acknowledgement, in the core.
pub async fn chat(conn: ConnId, mut frames: Frames, room: &Arc<Semaphore>, common: &Common) -> Result<(), Ending> {
    while let Some(frame) = frames.next().await? {
        let place = Place::free(frame, room, common).await?;
        let items: chat::Items = decode(frame).map_err(|_| Ending::Protocol)?;
        place.fill(Input::Chat { conn, items: items.0 });
    }
    Ok(())
}

/// Where what a frame says may wait for the loop.
struct Place<'a> {
    queue: mpsc::Permit<'a, Event>,
    room: OwnedSemaphorePermit,
}

impl<'a> Place<'a> {
    /// Waits until enough of what this connection has brought was taken by the loop: who talks much must not fill the queue
    /// that others stand in. The frame is read only then, so that what it becomes is held over no wait.
    async fn free(frame: &[u8], room: &Arc<Semaphore>, common: &'a Common) -> Result<Place<'a>, Ending> {
        let bytes = u32::try_from(frame.len()).expect("a frame is below its cap");
        let room = room.clone().acquire_many_owned(bytes).await.map_err(|_| Ending::Stopping)?;
        let queue = common.events.reserve().await.map_err(|_| Ending::Stopping)?;
        Ok(Place { queue, room })
    }

    fn fill(self, input: Input) {
        self.queue.send(Event::Heard { input, room: self.room });
    }
}

/// A stream of frames, behind its type byte.
pub struct Frames {
    stream: RecvStream,
    deadline: Duration,
    buffer: FrameBuf,
}

impl Frames {
    /// `deadline` is for one frame, from its first byte to its last.
    pub fn new(stream: RecvStream, kind: StreamType, deadline: Duration) -> Frames {
        Frames { stream, deadline, buffer: FrameBuf::new(kind) }
    }

    /// The next frame, without its header; `None` at the end of the stream.
    pub async fn next(&mut self) -> Result<Option<&[u8]>, Ending> {
        if !self.has_frame()? {
            if !self.buffer.is_inside() && !self.fill().await? {
                return Ok(None);
            }
            let deadline = self.deadline;
            timeout(deadline, self.complete()).await.map_err(|_| Ending::Limits)??;
        }
        self.buffer.next_frame().map_err(|_| Ending::Protocol)
    }

    async fn complete(&mut self) -> Result<(), Ending> {
        while !self.has_frame()? {
            if !self.fill().await? {
                return Err(Ending::Protocol);
            }
        }
        Ok(())
    }

    fn has_frame(&mut self) -> Result<bool, Ending> {
        self.buffer.has_frame().map_err(|_| Ending::Protocol)
    }

    /// Takes what has come, or waits for it; false at the end of the stream.
    async fn fill(&mut self) -> Result<bool, Ending> {
        match self.stream.read_chunk(CHUNK, true).await {
            Ok(Some(chunk)) => {
                self.buffer.push(&chunk.bytes);
                Ok(true)
            }
            Ok(None) => Ok(false),
            Err(ReadError::ConnectionLost(_)) => Err(Ending::Lost),
            Err(_) => Err(Ending::Protocol),
        }
    }
}
