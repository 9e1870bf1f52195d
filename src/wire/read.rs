//! Reads what [`scan`](super::scan) has found to be well formed, straight out of the frame: byte strings and text are
//! copied once, into the value that keeps them. A type gets exactly the item it asks for: an array is no byte string,
//! `null` is no missing key, and nothing may be left over in an array or map.

use serde::de::{self, DeserializeSeed, Deserializer, Visitor};
use serde::forward_to_deserialize_any;

use super::Malformed;
use super::scan::{Head, head};

/// What is still to be read.
pub(super) struct Reader<'de>(pub &'de [u8]);

impl de::Error for Malformed {
    fn custom<T: std::fmt::Display>(message: T) -> Malformed {
        Malformed::Shape(message.to_string())
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

    /// Absence is a missing key, so what is there is there.
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

/// The items of an open array, or the pairs of an open map.
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
