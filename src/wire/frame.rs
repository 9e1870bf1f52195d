//! Stream types, frame headers and their caps; frames as bytes, in both directions.

use serde::Serialize;

use super::Malformed;
use super::codec::encode_behind;

/// The first byte of a stream. A type this version does not know is stopped, never fatal: later versions add types, and 3 is
/// reserved for large payloads.
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

/// Puts frames together from the pieces in which a stream brings them. It holds what has come and was not handed out, and
/// nothing for what a header announces; between frames it holds nothing at all, for a relay has a thousand of them.
#[derive(Debug)]
pub struct FrameBuf {
    stream: StreamType,
    bytes: Vec<u8>,
    /// Where the first frame that was not handed out begins.
    at: usize,
}

impl FrameBuf {
    /// For a stream of this type, behind its first byte.
    pub fn new(stream: StreamType) -> FrameBuf {
        FrameBuf { stream, bytes: Vec::new(), at: 0 }
    }

    /// Takes what the stream has brought.
    pub fn push(&mut self, piece: &[u8]) {
        self.bytes.extend_from_slice(piece);
    }

    /// Whether a frame is whole. If none is, what was handed out is forgotten. After an error the stream is of no more
    /// use.
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

    /// The payload of the next whole frame.
    pub fn next_frame(&mut self) -> Result<Option<&[u8]>, Malformed> {
        if !self.has_frame()? {
            return Ok(None);
        }
        let begin = self.at + HEADER;
        let end = self.end()?.expect("a frame is whole");
        self.at = end;
        Ok(Some(&self.bytes[begin..end]))
    }

    /// Whether a frame has begun and was not handed out: a stream that ends here is truncated.
    pub fn is_inside(&self) -> bool {
        self.at < self.bytes.len()
    }

    /// Where the frame at hand ends, once all of it is here.
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
    fn frames_come_out_whole_however_they_are_cut() {
        let values = [Bytes::<1000>(vec![7; 1000]), Bytes(vec![]), Bytes(vec![1, 2, 3])];
        let frame = |value| encode_frame(StreamType::Control, value).expect("these are short");
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
    fn a_header_over_the_cap_is_refused_before_its_payload() {
        for (stream, length) in
            [(StreamType::Control, 65_537u32), (StreamType::Chat, 262_145), (StreamType::Chat, 1 << 31)]
        {
            let mut buffer = FrameBuf::new(stream);
            buffer.push(&length.to_be_bytes());
            assert_eq!(buffer.next_frame(), Err(Malformed::TooLong(length.into())));
        }
    }

    #[test]
    fn an_announced_length_reserves_nothing() {
        let mut buffer = FrameBuf::new(StreamType::Chat);
        buffer.push(&[0, 4, 0, 0, 9]);
        assert_eq!(buffer.next_frame(), Ok(None));
        assert!(buffer.is_inside());
        assert!(buffer.bytes.capacity() < 100);
    }

    #[test]
    fn between_frames_nothing_is_held() {
        let mut buffer = FrameBuf::new(StreamType::Chat);
        buffer.push(&encode_frame(StreamType::Chat, &Bytes::<70_000>(vec![0; 70_000])).expect("it is under the cap"));
        assert!(buffer.next_frame().expect("it is sound").is_some());
        assert_eq!(buffer.next_frame(), Ok(None));
        assert!(!buffer.is_inside());
        assert_eq!(buffer.bytes.capacity(), 0);
    }

    #[test]
    fn a_frame_over_the_cap_is_not_written() {
        let long = Bytes::<70_000>(vec![0; 70_000]);
        assert_eq!(encode_frame(StreamType::Control, &long), Err(Malformed::TooLong(70_005)));
        assert!(encode_frame(StreamType::Chat, &long).is_ok());
    }
}
