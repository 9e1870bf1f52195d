//! Stream types, frame headers and their caps.

use super::Malformed;

/// The first byte of a stream. A type this version does not know is reset, never fatal: later versions add types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamType {
    Control = 1,
    Chat = 2,
}

/// Bytes in front of a frame: its length, big-endian.
pub const HEADER: usize = 4;

impl StreamType {
    /// The type a first byte names.
    pub fn from_byte(byte: u8) -> Option<StreamType> {
        match byte {
            1 => Some(StreamType::Control),
            2 => Some(StreamType::Chat),
            _ => None,
        }
    }

    /// The longest frame, in bytes behind the header (design §4).
    pub fn cap(self) -> usize {
        match self {
            StreamType::Control => 64 * 1024,
            StreamType::Chat => 256 * 1024,
        }
    }

    /// The length a header announces, checked before anything is allocated.
    pub fn frame_len(self, header: [u8; HEADER]) -> Result<usize, Malformed> {
        let len = u32::from_be_bytes(header);
        if len as usize > self.cap() {
            return Err(Malformed::TooLong(len.into()));
        }
        Ok(len as usize)
    }
}
