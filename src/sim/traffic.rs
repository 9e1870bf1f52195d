//! Traffic counters: messages by kind, frames and bytes. QUIC's own packets, acknowledgements and keep-alives are not
//! included.

use std::collections::BTreeMap;

/// Number of message kinds counted separately; the last one counts all kinds beyond.
const KINDS: usize = 24;

/// Traffic since the start, or between two readings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    control: [u64; KINDS],
    control_bytes: [u64; KINDS],
    chat: [u64; KINDS],
    /// Frames.
    pub frames: u64,
    /// Bytes of frames, including headers.
    pub bytes: u64,
}

impl Traffic {
    /// Counts an encoded control message, `[kind, body]`.
    pub fn control(&mut self, bytes: &[u8]) {
        self.control[kind(bytes)] += 1;
        self.control_bytes[kind(bytes)] += bytes.len() as u64;
    }

    /// Counts an encoded item of the chat stream.
    pub fn chat(&mut self, bytes: &[u8]) {
        self.chat[kind(bytes)] += 1;
    }

    /// Counts a frame of this many bytes.
    pub fn frame(&mut self, bytes: usize) {
        self.frames += 1;
        self.bytes += bytes as u64;
    }

    /// Number of messages on both streams.
    pub fn messages(&self) -> u64 {
        self.control.iter().chain(&self.chat).sum()
    }

    /// Number of control messages of one kind, by its number on the wire.
    pub fn of_kind(&self, kind: usize) -> u64 {
        self.control.get(kind).copied().unwrap_or(0)
    }

    /// Bytes of control messages of one kind, by its number on the wire.
    pub fn bytes_of_kind(&self, kind: usize) -> u64 {
        self.control_bytes.get(kind).copied().unwrap_or(0)
    }

    /// Number of messages by the name of their kind; kinds that were never sent are left out.
    pub fn by_kind(&self) -> BTreeMap<String, u64> {
        let control = self.control.iter().enumerate().map(|(kind, count)| (control_name(kind), *count));
        let chat = self.chat.iter().enumerate().map(|(kind, count)| (chat_name(kind), *count));
        control.chain(chat).filter(|(_, count)| *count > 0).collect()
    }

    /// The traffic after `earlier`.
    pub fn since(&self, earlier: &Traffic) -> Traffic {
        self.with(earlier, |now, then| now - then)
    }

    /// The sum of both.
    pub fn and(&self, other: &Traffic) -> Traffic {
        self.with(other, |one, other| one + other)
    }

    fn with(&self, other: &Traffic, sum: impl Fn(u64, u64) -> u64) -> Traffic {
        Traffic {
            control: std::array::from_fn(|kind| sum(self.control[kind], other.control[kind])),
            control_bytes: std::array::from_fn(|kind| sum(self.control_bytes[kind], other.control_bytes[kind])),
            chat: std::array::from_fn(|kind| sum(self.chat[kind], other.chat[kind])),
            frames: sum(self.frames, other.frames),
            bytes: sum(self.bytes, other.bytes),
        }
    }
}

/// The kind of an encoded message: CBOR encodes small integers as one byte.
fn kind(bytes: &[u8]) -> usize {
    bytes.get(1).map_or(0, |kind| usize::from(*kind).min(KINDS - 1))
}

/// The names of `docs/protocol.md`.
fn control_name(kind: usize) -> String {
    let names = [
        "hello",
        "declare_online",
        "declare_offline",
        "request_ping",
        "request_user_list",
        "deliver_known_list",
        "find",
        "digest",
        "want",
        "sample",
        "link_session",
        "explode",
        "exploded",
        "compare",
        "holdings",
    ];
    kind.checked_sub(1)
        .and_then(|at| names.get(at))
        .map_or_else(|| format!("control_{kind}"), |name| (*name).to_owned())
}

fn chat_name(kind: usize) -> String {
    let names = ["parcel", "release", "unopenable", "custody", "offer", "ask"];
    kind.checked_sub(1).and_then(|at| names.get(at)).map_or_else(|| format!("chat_{kind}"), |name| (*name).to_owned())
}
