//! Stream types, frame headers and their caps; frames as bytes, in both directions.

use serde::Serialize;

use super::Malformed;
use super::codec::encode_behind;

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

/// Header and payload of one frame. [`Malformed::TooLong`] if the payload is over the cap of the stream, so that nothing
/// is sent that the other side must refuse.
pub fn encode_frame<T: Serialize>(stream: StreamType, value: &T) -> Result<Vec<u8>, Malformed> {
    let mut frame = vec![0; HEADER];
    encode_behind(&mut frame, value);
    let length = frame.len() - HEADER;
    if length > stream.cap() {
        return Err(Malformed::TooLong(length as u64));
    }
    frame[..HEADER].copy_from_slice(&(length as u32).to_be_bytes());
    Ok(frame)
}

/// Puts frames together from the pieces in which a stream brings them. It holds no more memory than a small multiple of
/// what has arrived, whatever a header announces.
#[derive(Debug)]
pub struct FrameBuf {
    stream: StreamType,
    header: [u8; HEADER],
    /// Bytes of the header that have come.
    begun: usize,
    payload: Vec<u8>,
}

impl FrameBuf {
    /// For a stream of this type, behind its first byte.
    pub fn new(stream: StreamType) -> FrameBuf {
        FrameBuf { stream, header: [0; HEADER], begun: 0, payload: Vec::new() }
    }

    /// Takes from the front of `piece` up to the end of a frame, and yields its payload when it is whole. To be called
    /// until it yields nothing. After an error the stream is of no more use.
    pub fn take(&mut self, piece: &mut &[u8]) -> Result<Option<Vec<u8>>, Malformed> {
        let header = (HEADER - self.begun).min(piece.len());
        self.header[self.begun..self.begun + header].copy_from_slice(&piece[..header]);
        self.begun += header;
        *piece = &piece[header..];
        if self.begun < HEADER {
            return Ok(None);
        }
        let length = self.stream.frame_len(self.header)?;
        let more = (length - self.payload.len()).min(piece.len());
        self.payload.extend_from_slice(&piece[..more]);
        *piece = &piece[more..];
        if self.payload.len() < length {
            return Ok(None);
        }
        self.begun = 0;
        Ok(Some(std::mem::take(&mut self.payload)))
    }

    /// Whether a frame has begun and not ended: a stream that ends here is truncated.
    pub fn is_inside(&self) -> bool {
        self.begun > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Bytes, decode};

    #[test]
    fn frames_come_out_whole_however_they_are_cut() {
        let values = [Bytes::<1000>(vec![7; 1000]), Bytes(vec![]), Bytes(vec![1, 2, 3])];
        let frame = |value| encode_frame(StreamType::Control, value).expect("these are short");
        let bytes: Vec<u8> = values.iter().flat_map(frame).collect();
        for size in [1, 2, 3, 5, 1000, 5000] {
            let mut buffer = FrameBuf::new(StreamType::Control);
            let mut frames = Vec::new();
            for mut piece in bytes.chunks(size) {
                while let Some(payload) = buffer.take(&mut piece).expect("all headers are under the cap") {
                    frames.push(decode::<Bytes<1000>>(&payload).expect("what was encoded"));
                }
            }
            assert_eq!(frames, values);
            assert!(!buffer.is_inside());
        }
    }

    #[test]
    fn a_header_over_the_cap_is_refused_before_its_payload() {
        for (stream, length) in [(StreamType::Control, 65_537u32), (StreamType::Chat, 262_145), (StreamType::Chat, 1 << 31)] {
            let refused = FrameBuf::new(stream).take(&mut &length.to_be_bytes()[..]);
            assert_eq!(refused, Err(Malformed::TooLong(length.into())));
        }
    }

    #[test]
    fn an_announced_length_reserves_nothing() {
        let mut buffer = FrameBuf::new(StreamType::Chat);
        assert_eq!(buffer.take(&mut &[0, 4, 0, 0, 9][..]), Ok(None));
        assert!(buffer.is_inside());
        assert!(buffer.payload.capacity() < 100);
    }

    #[test]
    fn a_frame_over_the_cap_is_not_written() {
        let long = Bytes::<70_000>(vec![0; 70_000]);
        assert_eq!(encode_frame(StreamType::Control, &long), Err(Malformed::TooLong(70_005)));
        assert!(encode_frame(StreamType::Chat, &long).is_ok());
    }
}
