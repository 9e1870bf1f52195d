//! From queues to frames: everything that waits for a peer goes into one frame, as far as its caps allow.

use std::sync::Arc;
use std::time::Duration;

use quinn::{Connection, SendStream};
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::{Common, Ending};
use crate::wire::chat::{Chat, MAX_ITEMS};
use crate::wire::control::{Control, MAX_BATCH};
use crate::wire::encode;
use crate::wire::frame::{HEADER, StreamType};

/// What a frame of ours holds at most, also on the chat stream: a thin link must bring it over within the deadline for
/// one frame. One item may be longer by itself.
const FRAME: usize = 64 * 1024;
/// Bytes handed to QUIC at once.
const WRITE: usize = 64 * 1024;

/// Writes the control stream until its queue ends.
pub async fn control(
    queue: mpsc::Receiver<Box<Control>>,
    stream: SendStream,
    common: Arc<Common>,
) -> Result<(), Ending> {
    let mut sheaf = Sheaf::new(StreamType::Control, MAX_BATCH);
    drain(queue, stream, &mut sheaf, &common).await
}

/// Writes the chat stream, which is opened by the first item, until its queue ends.
pub async fn chat(mut queue: mpsc::Receiver<Box<Chat>>, conn: Connection, common: Arc<Common>) -> Result<(), Ending> {
    let Some(first) = queue.recv().await else { return Ok(()) };
    let stream = conn.open_uni().await.map_err(|_| Ending::Lost)?;
    let mut sheaf = Sheaf::new(StreamType::Chat, MAX_ITEMS);
    sheaf.bytes.push(StreamType::Chat as u8);
    sheaf.add(&first, &common);
    drain(queue, stream, &mut sheaf, &common).await
}

async fn drain<T: Serialize>(
    mut queue: mpsc::Receiver<Box<T>>,
    mut stream: SendStream,
    sheaf: &mut Sheaf,
    common: &Common,
) -> Result<(), Ending> {
    loop {
        while sheaf.bytes.len() < WRITE {
            let Ok(item) = queue.try_recv() else { break };
            sheaf.add(&item, common);
        }
        sheaf.seal();
        write(&mut stream, &sheaf.bytes, common.limits.stall).await?;
        sheaf.clear();
        let Some(item) = queue.recv().await else { break };
        sheaf.add(&item, common);
    }
    stream.finish().ok();
    stream.stopped().await.ok();
    Ok(())
}

/// Writes all of it; a peer that takes nothing for `stall` is over its limits.
async fn write(stream: &mut SendStream, mut bytes: &[u8], stall: Duration) -> Result<(), Ending> {
    while !bytes.is_empty() {
        let written = timeout(stall, stream.write(bytes)).await.map_err(|_| Ending::Limits)?;
        match written {
            Ok(taken) => bytes = &bytes[taken..],
            Err(quinn::WriteError::Stopped(_)) => return Err(Ending::Protocol),
            Err(_) => return Err(Ending::Lost),
        }
    }
    Ok(())
}

/// Frames under way: whole ones, and behind them the items of one that is still open. An item is encoded once; how many
/// there are is known only when the frame is sealed, so the head of its list is written then.
struct Sheaf {
    kind: StreamType,
    max_items: usize,
    bytes: Vec<u8>,
    items: Vec<u8>,
    count: usize,
}

impl Sheaf {
    fn new(kind: StreamType, max_items: usize) -> Sheaf {
        Sheaf { kind, max_items, bytes: Vec::new(), items: Vec::new(), count: 0 }
    }

    fn add<T: Serialize>(&mut self, item: &T, common: &Common) {
        let item = encode(item);
        if item.len() + 2 > self.kind.cap() {
            common.counters.oversized.add();
            tracing::error!(bytes = item.len(), "a message that fits no frame was not sent");
            return;
        }
        if self.count == self.max_items || self.items.len() + item.len() + 2 > FRAME {
            self.seal();
        }
        self.items.extend_from_slice(&item);
        self.count += 1;
    }

    /// Ends the open frame, if it holds anything. A list's head is one byte for fewer than 24 items, else two.
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

    fn common() -> Common {
        super::super::tests::common([1; 32], crate::identity::network::NetworkKey::open()).0
    }

    fn request(id: u64) -> Control {
        Control::RequestUserList(RequestUserList { id, user: crate::id::UserId([3; 32]) })
    }

    #[test]
    fn what_waits_shares_frames_that_decode_in_order() {
        let common = common();
        let mut sheaf = Sheaf::new(StreamType::Control, MAX_BATCH);
        (0..200).for_each(|id| sheaf.add(&request(id), &common));
        sheaf.seal();
        let (mut rest, mut read, mut frames) = (&sheaf.bytes[..], Vec::new(), 0);
        while let Some((header, body)) = rest.split_first_chunk::<HEADER>() {
            let len = StreamType::Control.frame_len(*header).unwrap();
            let batch: ctl::Batch = decode(&body[..len]).unwrap();
            assert_eq!(encode(&batch), body[..len], "as the codec itself writes it");
            read.extend(batch.0);
            rest = &body[len..];
            frames += 1;
        }
        assert_eq!(frames, 4);
        assert_eq!(read, (0..200).map(request).collect::<Vec<_>>());
    }
}
