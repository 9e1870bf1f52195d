//! Groups the messages of one output burst into frames, as the shell does: messages for one connection share a frame
//! as far as its caps allow.

use std::collections::BTreeMap;

use super::traffic::Traffic;
use crate::id::ConnId;
use crate::proto::event::Input;
use crate::wire::chat::{self, Chat};
use crate::wire::control::{self, Control};
use crate::wire::frame::HEADER;
use crate::wire::{decode, encode};

/// Target size of a frame in bytes, as in the shell.
const FRAME: usize = 64 * 1024;

/// Encoded messages that wait for the end of an output burst.
#[derive(Default)]
pub struct Framer {
    control: BTreeMap<ConnId, Vec<Vec<u8>>>,
    chat: BTreeMap<ConnId, Vec<Vec<u8>>>,
}

/// An encoded frame, without its header.
pub enum Frame {
    Control(Vec<u8>),
    Chat(Vec<u8>),
}

impl Framer {
    pub fn control(&mut self, conn: ConnId, message: &Control, traffic: &mut Traffic) {
        let bytes = encode(message);
        traffic.control(&bytes);
        self.control.entry(conn).or_default().push(bytes);
    }

    pub fn chat(&mut self, conn: ConnId, item: &Chat, traffic: &mut Traffic) {
        let bytes = encode(item);
        traffic.chat(&bytes);
        self.chat.entry(conn).or_default().push(bytes);
    }

    /// Takes the frames for one connection, before it is closed.
    pub fn take(&mut self, conn: ConnId) -> Vec<(ConnId, Frame)> {
        let control = self.control.remove(&conn).map(|items| frames(items, control::MAX_BATCH)).unwrap_or_default();
        let chat = self.chat.remove(&conn).map(|items| frames(items, chat::MAX_ITEMS)).unwrap_or_default();
        let control = control.into_iter().map(Frame::Control);
        control.chain(chat.into_iter().map(Frame::Chat)).map(|frame| (conn, frame)).collect()
    }

    /// Takes all frames.
    pub fn take_all(&mut self) -> Vec<(ConnId, Frame)> {
        let mut all = Vec::new();
        while let Some(conn) = self.control.keys().next().or(self.chat.keys().next()).copied() {
            all.extend(self.take(conn));
        }
        all
    }
}

impl Frame {
    /// The length in bytes, including the header.
    pub fn len(&self) -> usize {
        HEADER + self.bytes().len()
    }

    pub fn bytes(&self) -> &[u8] {
        match self {
            Frame::Control(bytes) | Frame::Chat(bytes) => bytes,
        }
    }

    /// Decodes the frame into the receiver's input. `conn` is the receiver's connection.
    pub fn read(&self, conn: ConnId) -> Input {
        const READABLE: &str = "an encoded frame can be decoded";
        match self {
            Frame::Control(bytes) => {
                let batch: control::Batch = decode(bytes).expect(READABLE);
                Input::Control { conn, batch: batch.0 }
            }
            Frame::Chat(bytes) => {
                let items: chat::Items = decode(bytes).expect(READABLE);
                Input::Chat { conn, items: items.0 }
            }
        }
    }
}

/// Encoded lists of at most `most` items, each at most [`FRAME`] bytes long unless it has only one item.
fn frames(items: Vec<Vec<u8>>, most: usize) -> Vec<Vec<u8>> {
    let mut lists: Vec<(usize, Vec<u8>)> = Vec::new();
    for item in items {
        match lists.last_mut() {
            Some((count, list)) if *count < most && list.len() + item.len() + 2 <= FRAME => {
                *count += 1;
                list.extend_from_slice(&item);
            }
            _ => lists.push((1, item)),
        }
    }
    lists.into_iter().map(|(count, list)| with_head(count, &list)).collect()
}

/// Prepends a list's CBOR head: one byte for fewer than 24 items, else two.
fn with_head(count: usize, items: &[u8]) -> Vec<u8> {
    let count = count as u8;
    let head: &[u8] = if count < 24 { &[0x80 | count] } else { &[0x98, count] };
    [head, items].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::UserId;
    use crate::wire::control::RequestUserList;

    #[test]
    fn messages_of_one_burst_share_frames_and_are_decoded_in_order() {
        let (mut framer, mut traffic) = (Framer::default(), Traffic::default());
        for id in 0..130 {
            let request = RequestUserList { id, user: UserId([3; 32]) };
            framer.control(ConnId(1 + id % 2), &Control::RequestUserList(request), &mut traffic);
        }
        let frames = framer.take_all();
        assert_eq!(frames.iter().map(|(conn, _)| conn.0).collect::<Vec<_>>(), [1, 1, 2, 2]);
        let read = frames.iter().flat_map(|(conn, frame)| match frame.read(*conn) {
            Input::Control { batch, .. } => batch,
            _ => Vec::new(),
        });
        let ids: Vec<u64> = read
            .map(|message| match message {
                Control::RequestUserList(request) => request.id,
                _ => u64::MAX,
            })
            .collect();
        let (even, odd) = ((0..130).step_by(2), (1..130).step_by(2));
        assert_eq!(ids, even.chain(odd).collect::<Vec<_>>());
    }
}
