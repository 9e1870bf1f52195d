//! Frames and their CBOR: the only decoder of strangers' bytes.
//!
//! A stream begins with one byte that names its type ([`frame::StreamType`]); then come frames, each a `u32` length and
//! that many bytes of CBOR. The grammar with test vectors is in `docs/protocol.md`.

pub mod addr;
pub mod chat;
pub mod codec;
pub mod content;
pub mod control;
pub mod envelope;
pub mod frame;
pub mod proof;
mod read;
pub mod record;
pub mod scan;

pub use codec::{Bytes, Fixed, List, Text, decode, encode};

/// Why bytes were refused. The sender's fault; nothing was changed by them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("frame of {0} bytes is over the cap")]
    TooLong(u64),
    #[error("bytes end in the middle of a value")]
    Truncated,
    #[error("bytes follow the end of the value")]
    TrailingBytes,
    #[error("nested too deeply")]
    TooDeep,
    #[error("not canonical CBOR: {0}")]
    NotCanonical(&'static str),
    #[error("text is not UTF-8")]
    NotUtf8,
    #[error("unexpected shape: {0}")]
    Shape(String),
}
