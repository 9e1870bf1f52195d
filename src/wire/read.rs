//! The deserializer for bytes that [`scan`](super::scan) has accepted. It reads directly from the frame, so byte strings and
//! text are copied only once. Types must match exactly: an array is not accepted as a byte string, `null` does not stand for a
//! missing key, and every item of an array or map must be consumed.

use std::fmt::{self, Write};

use serde::de::{self, DeserializeSeed, Deserializer, Visitor};
use serde::forward_to_deserialize_any;

use super::Malformed;
use super::scan::{Head, head};

/// The bytes that are not yet read.
pub(super) struct Reader<'de>(pub &'de [u8]);

/// The maximum length in bytes of a message in [`Malformed::Shape`]. It may quote the input, and is logged.
const MAX_MESSAGE: usize = 160;

impl de::Error for Malformed {
    fn custom<T: fmt::Display>(message: T) -> Malformed {
        let mut truncated = Truncated(String::new());
        // An error only means that the message was truncated.
        let _ = write!(truncated, "{message}");
        Malformed::Shape(truncated.0)
    }
}

/// Keeps the first [`MAX_MESSAGE`] bytes written to it.
struct Truncated(String);

impl fmt::Write for Truncated {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let left = MAX_MESSAGE.saturating_sub(self.0.len());
        let end = text.floor_char_boundary(left);
        self.0.push_str(&text[..end]);
        if end < text.len() { Err(fmt::Error) } else { Ok(()) }
    }
}

impl<'de> Reader<'de> {
    fn take(&mut self, length: usize) -> Result<&'de [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Malformed::Truncated)?;
        self.0 = rest;
        Ok(taken)
    }

    fn negative<V: Visitor<'de>>(n: u64, visitor: V) -> Result<V::Value, Malformed> {
        match i64::try_from(n) {
            Ok(n) => visitor.visit_i64(-1 - n),
            Err(_) => visitor.visit_i128(-1 - i128::from(n)),
        }
    }
}

impl<'de> Deserializer<'de> for &mut Reader<'de> {
    type Error = Malformed;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Malformed> {
        match head(&mut self.0)? {
            Head::Unsigned(n) => visitor.visit_u64(n),
            Head::Negative(n) => Reader::negative(n, visitor),
            Head::Bytes(length) => visitor.visit_borrowed_bytes(self.take(length)?),
            Head::Text(length) => {
                let text = std::str::from_utf8(self.take(length)?).map_err(|_| Malformed::NotUtf8)?;
                visitor.visit_borrowed_str(text)
            }
            Head::Array(left) => {
                let mut items = Items { reader: self, left };
                let value = visitor.visit_seq(&mut items)?;
                items.finish(value)
            }
            Head::Map(left) => {
                let mut items = Items { reader: self, left };
                let value = visitor.visit_map(&mut items)?;
                items.finish(value)
            }
            Head::Bool(value) => visitor.visit_bool(value),
            Head::Null => visitor.visit_unit(),
        }
    }

    /// An absent option is a missing key, so a value that is present is `Some`.
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Malformed> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Malformed> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct enum identifier ignored_any
    }
}

/// The remaining items of an array, or the remaining pairs of a map.
struct Items<'a, 'de> {
    reader: &'a mut Reader<'de>,
    left: usize,
}

impl Items<'_, '_> {
    fn finish<T>(self, value: T) -> Result<T, Malformed> {
        match self.left {
            0 => Ok(value),
            more => Err(Malformed::Shape(format!("{more} items too many"))),
        }
    }
}

impl<'de> de::SeqAccess<'de> for Items<'_, 'de> {
    type Error = Malformed;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Malformed> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        seed.deserialize(&mut *self.reader).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

impl<'de> de::MapAccess<'de> for Items<'_, 'de> {
    type Error = Malformed;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Malformed> {
        de::SeqAccess::next_element_seed(self, seed)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Malformed> {
        seed.deserialize(&mut *self.reader)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}
