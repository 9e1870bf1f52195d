//! Frames and their CBOR encoding: the only decoder of input from the network.
//!
//! A stream begins with one byte that gives its type ([`frame::StreamType`]). Frames follow, each a big-endian `u32` length
//! and that many bytes of CBOR. `docs/protocol.md` has the grammar and test vectors.

pub mod addr;
pub mod chat;
pub mod codec;
pub mod content;
pub mod control;
pub mod envelope;
pub mod frame;
pub mod link;
pub mod proof;
mod read;
pub mod record;
pub mod scan;

pub use codec::{Bytes, Fixed, List, Text, decode, encode};

/// Why bytes were refused. Refused bytes have no effect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// A frame is longer than its stream allows. Holds its length in bytes.
    #[error("frame of {0} bytes is over the cap")]
    TooLong(u64),
    /// The bytes end inside a value, or a length exceeds the bytes that remain.
    #[error("bytes end in the middle of a value")]
    Truncated,
    /// Bytes follow the end of the value.
    #[error("bytes follow the end of the value")]
    TrailingBytes,
    /// More than [`scan::DEPTH`] arrays and maps are open at once.
    #[error("nested too deeply")]
    TooDeep,
    /// The bytes are not in the subset of CBOR that the protocol allows.
    #[error("not canonical CBOR: {0}")]
    NotCanonical(&'static str),
    /// A text string is not UTF-8.
    #[error("text is not UTF-8")]
    NotUtf8,
    /// The value has the wrong type, exceeds a bound, or lacks a required key.
    #[error("unexpected shape: {0}")]
    Shape(String),
}
