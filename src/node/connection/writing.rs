//! Writing: all queued messages for a peer share frames, as far as the caps allow.

use std::sync::Arc;
use std::time::Duration;

use quinn::{Connection, SendStream};
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::{CloseCause, Shared};
use crate::wire::chat::{Chat, MAX_ITEMS};
use crate::wire::control::{Control, MAX_BATCH};
use crate::wire::encode;
use crate::wire::frame::{HEADER, StreamType};

/// Target size of a frame in bytes, also on the chat stream, and of what is collected before it is passed to QUIC.
const FRAME: usize = 64 * 1024;
/// Target size of a frame on the thinnest link: an envelope with a short line. A single longer item is sent in a frame
/// of its own.
const THIN_FRAME: usize = 2 * 1024;

/// Writes the control stream until its queue ends.
pub async fn control(
    queue: mpsc::Receiver<Box<Control>>,
    stream: SendStream,
    conn: Connection,
    shared: Arc<Shared>,
) -> Result<(), CloseCause> {
    let mut builder = FrameBuilder::new(StreamType::Control, MAX_BATCH);
    drain(queue, stream, &mut builder, &conn, &shared).await
}

/// Writes the chat stream, which is opened by the first item, until its queue ends.
pub async fn chat(
    mut queue: mpsc::Receiver<Box<Chat>>,
    conn: Connection,
    shared: Arc<Shared>,
) -> Result<(), CloseCause> {
    let Some(first) = queue.recv().await else { return Ok(()) };
    let stream = conn.open_uni().await.map_err(|_| CloseCause::Lost)?;
    let mut builder = FrameBuilder::new(StreamType::Chat, MAX_ITEMS);
    builder.bytes.push(StreamType::Chat as u8);
    builder.add(&first, &shared);
    drain(queue, stream, &mut builder, &conn, &shared).await
}

async fn drain<T: Serialize>(
    mut queue: mpsc::Receiver<Box<T>>,
    mut stream: SendStream,
    builder: &mut FrameBuilder,
    conn: &Connection,
    shared: &Shared,
) -> Result<(), CloseCause> {
    loop {
        builder.target = bytes_per_second(conn).clamp(THIN_FRAME, FRAME);
        while builder.bytes.len() < builder.target {
            let Ok(item) = queue.try_recv() else { break };
            builder.add(&item, shared);
        }
        builder.seal();
        write(&mut stream, &builder.bytes, shared.limits.stall).await?;
        builder.clear();
        let Some(item) = queue.recv().await else { break };
        builder.add(&item, shared);
    }
    stream.finish().ok();
    stream.stopped().await.ok();
    Ok(())
}

/// What the path carries in a second, by its congestion window. A frame takes no longer, so that its items are not kept
/// waiting for each other.
fn bytes_per_second(conn: &Connection) -> usize {
    let path = conn.stats().path;
    (path.cwnd as f64 / path.rtt.as_secs_f64().max(0.001)) as usize
}

/// Writes all bytes. A peer that accepts nothing for `stall` exceeds its limits.
async fn write(stream: &mut SendStream, mut bytes: &[u8], stall: Duration) -> Result<(), CloseCause> {
    while !bytes.is_empty() {
        let written = timeout(stall, stream.write(bytes)).await.map_err(|_| CloseCause::Limits)?;
        match written {
            Ok(taken) => bytes = &bytes[taken..],
            Err(quinn::WriteError::Stopped(_)) => return Err(CloseCause::Protocol),
            Err(_) => return Err(CloseCause::Lost),
        }
    }
    Ok(())
}

/// Builds frames: complete ones in `bytes`, followed by the items of the open frame. Each item is encoded once. The
/// header of the item list is written when the frame is sealed, as the number of items is known only then.
struct FrameBuilder {
    kind: StreamType,
    max_items: usize,
    /// Bytes of a frame that is not to become longer.
    target: usize,
    bytes: Vec<u8>,
    items: Vec<u8>,
    count: usize,
}

impl FrameBuilder {
    fn new(kind: StreamType, max_items: usize) -> FrameBuilder {
        FrameBuilder { kind, max_items, target: FRAME, bytes: Vec::new(), items: Vec::new(), count: 0 }
    }

    fn add<T: Serialize>(&mut self, item: &T, shared: &Shared) {
        let item = encode(item);
        if item.len() + 2 > self.kind.cap() {
            shared.counters.oversized.add();
            tracing::error!(bytes = item.len(), "dropping an outgoing message that fits no frame");
            return;
        }
        if self.count == self.max_items || self.items.len() + item.len() + 2 > self.target {
            self.seal();
        }
        self.items.extend_from_slice(&item);
        self.count += 1;
    }

    /// Completes the open frame if it is not empty. A list's CBOR head is one byte for fewer than 24 items, else two.
    fn seal(&mut self) {
        if self.count == 0 {
            return;
        }
        let count = u8::try_from(self.count).expect("a frame has at most 64 items");
        let head: &[u8] = if count < 24 { &[0x80 | count] } else { &[0x98, count] };
        let len = u32::try_from(head.len() + self.items.len()).expect("a frame is below its cap");
        self.bytes.reserve(HEADER + len as usize);
        self.bytes.extend_from_slice(&len.to_be_bytes());
        self.bytes.extend_from_slice(head);
        self.bytes.append(&mut self.items);
        self.count = 0;
    }

    fn clear(&mut self) {
        self.bytes = Vec::new();
        self.items = Vec::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::control::RequestUserList;
    use crate::wire::{control as ctl, decode};

    fn shared() -> Shared {
        super::super::tests::shared([1; 32], crate::identity::network::NetworkKey::open()).0
    }

    fn request(id: u64) -> Control {
        Control::RequestUserList(RequestUserList { id, user: crate::id::UserId([3; 32]) })
    }

    #[test]
    fn queued_messages_share_frames_that_decode_in_order() {
        let shared = shared();
        let mut builder = FrameBuilder::new(StreamType::Control, MAX_BATCH);
        (0..200).for_each(|id| builder.add(&request(id), &shared));
        builder.seal();
        let (mut rest, mut read, mut frames) = (&builder.bytes[..], Vec::new(), 0);
        while let Some((header, body)) = rest.split_first_chunk::<HEADER>() {
            let len = StreamType::Control.frame_len(*header).unwrap();
            let batch: ctl::Batch = decode(&body[..len]).unwrap();
            assert_eq!(encode(&batch), body[..len], "the bytes are those of the codec");
            read.extend(batch.0);
            rest = &body[len..];
            frames += 1;
        }
        assert_eq!(frames, 4);
        assert_eq!(read, (0..200).map(request).collect::<Vec<_>>());
    }
}
