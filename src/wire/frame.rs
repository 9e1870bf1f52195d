//! Stream types, frame headers and length limits. Encodes frames and reassembles them from the bytes of a stream.

use serde::Serialize;

use super::Malformed;
use super::codec::encode_into;

/// The first byte of a stream. A stream of an unknown type is stopped, and the connection continues: later versions may add
/// types. 3 is reserved for large payloads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamType {
    /// Proof and control messages. One in each direction, for the lifetime of the connection.
    Control = 1,
    /// Envelopes, releases and custody answers. One in each direction.
    Chat = 2,
}

/// Bytes of the header of a frame: its length, big-endian.
pub const HEADER: usize = 4;

impl StreamType {
    /// The type for the first byte of a stream; `None` if this version does not know it.
    pub fn from_byte(byte: u8) -> Option<StreamType> {
        match byte {
            1 => Some(StreamType::Control),
            2 => Some(StreamType::Chat),
            _ => None,
        }
    }

    /// The longest payload of a frame in bytes, without the header.
    pub fn cap(self) -> usize {
        match self {
            StreamType::Control => 64 * 1024,
            StreamType::Chat => 256 * 1024,
        }
    }

    /// The payload length in a header. [`Malformed::TooLong`] if it is over the cap, so that nothing is allocated for it.
    pub fn frame_len(self, header: [u8; HEADER]) -> Result<usize, Malformed> {
        let len = u32::from_be_bytes(header);
        if len as usize > self.cap() {
            return Err(Malformed::TooLong(len.into()));
        }
        Ok(len as usize)
    }
}

/// Encodes a frame: header and payload. [`Malformed::TooLong`] if the payload is over the cap of the stream, which the
/// receiver would refuse.
pub fn encode_frame<T: Serialize>(stream: StreamType, value: &T) -> Result<Vec<u8>, Malformed> {
    let mut frame = vec![0; HEADER];
    encode_into(&mut frame, value);
    let length = frame.len() - HEADER;
    if length > stream.cap() {
        return Err(Malformed::TooLong(length as u64));
    }
    frame[..HEADER].copy_from_slice(&(length as u32).to_be_bytes());
    Ok(frame)
}

/// Reassembles frames from the pieces in which a stream delivers them.
///
/// It buffers only bytes that have arrived, and reserves nothing for a length that a header announces. Between frames it holds
/// no memory, because a relay has a thousand of these buffers.
#[derive(Debug)]
pub struct FrameBuf {
    stream: StreamType,
    bytes: Vec<u8>,
    /// The position of the first frame that was not returned yet.
    at: usize,
}

impl FrameBuf {
    /// An empty buffer for a stream of this type. The type byte is not part of the input.
    pub fn new(stream: StreamType) -> FrameBuf {
        FrameBuf { stream, bytes: Vec::new(), at: 0 }
    }

    /// Appends bytes of the stream.
    pub fn push(&mut self, piece: &[u8]) {
        self.bytes.extend_from_slice(piece);
    }

    /// Whether the buffer holds a complete frame. If not, the frames already returned are discarded. Fails if a header is over
    /// the cap; the stream cannot be used after that.
    pub fn has_frame(&mut self) -> Result<bool, Malformed> {
        if self.end()?.is_some() {
            return Ok(true);
        }
        self.bytes.drain(..self.at);
        self.at = 0;
        if self.bytes.is_empty() {
            self.bytes = Vec::new();
        }
        Ok(false)
    }

    /// The payload of the next frame; `None` if it is not complete. Fails as [`has_frame`](FrameBuf::has_frame) does.
    pub fn next_frame(&mut self) -> Result<Option<&[u8]>, Malformed> {
        if !self.has_frame()? {
            return Ok(None);
        }
        let begin = self.at + HEADER;
        let end = self.end()?.expect("has_frame found a complete frame");
        self.at = end;
        Ok(Some(&self.bytes[begin..end]))
    }

    /// Whether the buffer holds a part of a frame. A stream that ends here is truncated.
    pub fn is_inside(&self) -> bool {
        self.at < self.bytes.len()
    }

    /// Number of bytes that were not returned yet.
    pub fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// The end of the current frame; `None` if it is not complete.
    fn end(&self) -> Result<Option<usize>, Malformed> {
        let rest = &self.bytes[self.at..];
        let Some((header, body)) = rest.split_first_chunk::<HEADER>() else { return Ok(None) };
        let length = self.stream.frame_len(*header)?;
        Ok((body.len() >= length).then_some(self.at + HEADER + length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Bytes, decode};

    #[test]
    fn frames_are_reassembled_from_pieces_of_any_size() {
        let values = [Bytes::<1000>(vec![7; 1000]), Bytes(vec![]), Bytes(vec![1, 2, 3])];
        let frame = |value| encode_frame(StreamType::Control, value).expect("the values are short");
        let bytes: Vec<u8> = values.iter().flat_map(frame).collect();
        for size in [1, 2, 3, 5, 1000, 5000] {
            let mut buffer = FrameBuf::new(StreamType::Control);
            let mut frames = Vec::new();
            for piece in bytes.chunks(size) {
                buffer.push(piece);
                while let Some(payload) = buffer.next_frame().expect("all headers are under the cap") {
                    frames.push(decode::<Bytes<1000>>(payload).expect("what was encoded"));
                }
            }
            assert_eq!(frames, values);
            assert!(!buffer.is_inside());
        }
    }

    #[test]
    fn a_header_over_the_cap_is_refused_before_the_payload_arrives() {
        for (stream, length) in
            [(StreamType::Control, 65_537u32), (StreamType::Chat, 262_145), (StreamType::Chat, 1 << 31)]
        {
            let mut buffer = FrameBuf::new(stream);
            buffer.push(&length.to_be_bytes());
            assert_eq!(buffer.next_frame(), Err(Malformed::TooLong(length.into())));
        }
    }

    #[test]
    fn an_announced_length_reserves_no_memory() {
        let mut buffer = FrameBuf::new(StreamType::Chat);
        buffer.push(&[0, 4, 0, 0, 9]);
        assert_eq!(buffer.next_frame(), Ok(None));
        assert!(buffer.is_inside());
        assert!(buffer.bytes.capacity() < 100);
    }

    #[test]
    fn between_frames_the_buffer_holds_no_memory() {
        let mut buffer = FrameBuf::new(StreamType::Chat);
        buffer.push(&encode_frame(StreamType::Chat, &Bytes::<70_000>(vec![0; 70_000])).expect("it is under the cap"));
        assert!(buffer.next_frame().expect("it is sound").is_some());
        assert_eq!(buffer.next_frame(), Ok(None));
        assert!(!buffer.is_inside());
        assert_eq!(buffer.bytes.capacity(), 0);
    }

    #[test]
    fn a_frame_over_the_cap_is_not_encoded() {
        let long = Bytes::<70_000>(vec![0; 70_000]);
        assert_eq!(encode_frame(StreamType::Control, &long), Err(Malformed::TooLong(70_005)));
        assert!(encode_frame(StreamType::Chat, &long).is_ok());
    }
}
