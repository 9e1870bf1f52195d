//! Encoding and decoding of values: CBOR with integer keys, definite lengths, and a bound on everything that has a length.
//!
//! [`decode`] works in two passes. [`scan`](super::scan) checks nesting, lengths, canonical form and trailing bytes without
//! allocating. Then the value is built directly from the bytes (`read.rs`). Decoding therefore allocates at most a small
//! multiple of the length of its input.

use std::fmt;
use std::ops::Deref;

use serde::de::{self, DeserializeOwned, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Malformed;
use crate::id::{Address, EnvelopeId, NetworkId, SessionId, UserId};

/// The canonical encoding of a value.
///
/// # Panics
///
/// If the value contains an `Unknown` kind, which has no encoding. The caller must not pass one.
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(INITIAL_CAPACITY);
    encode_into(&mut bytes, value);
    bytes
}

/// Capacity for a record or a short message, so that a growing buffer is not reallocated repeatedly.
const INITIAL_CAPACITY: usize = 256;

/// Appends the canonical encoding of a value. Panics as [`encode`] does.
pub(super) fn encode_into<T: Serialize>(bytes: &mut Vec<u8>, value: &T) {
    ciborium::into_writer(value, bytes).expect("no caller encodes an unknown kind, and writing to memory cannot fail");
}

/// Decodes one value. Fails unless `bytes` are exactly one canonical CBOR item in the form of a `T`.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Malformed> {
    super::scan::check(bytes)?;
    T::deserialize(&mut super::read::Reader(bytes))
}

/// Whether and how the field of a record can be absent.
pub trait Field: Sized {
    /// The value of a missing key; `None` if the key is required.
    fn absent() -> Option<Self> {
        None
    }

    /// Whether the key is omitted when the record is encoded.
    fn is_absent(&self) -> bool {
        false
    }
}

impl<T> Field for Option<T> {
    fn absent() -> Option<Self> {
        Some(None)
    }

    fn is_absent(&self) -> bool {
        self.is_none()
    }
}

macro_rules! required {
    ($($t:ty),* $(,)?) => { $(impl Field for $t {})* };
}
required!(u8, u16, u32, u64, i64, bool, UserId, SessionId, NetworkId, Address, EnvelopeId, super::addr::Addr);
impl<const MAX: usize> Field for Bytes<MAX> {}
impl<const MAX: usize> Field for Text<MAX> {}
impl<const N: usize> Field for Fixed<N> {}

/// A list of at most `MAX` items. An empty list in a record is omitted, and a missing one is empty.
#[derive(Clone, PartialEq, Eq, Default, PartialOrd, Ord)]
pub struct List<T, const MAX: usize>(pub Vec<T>);

/// A byte string of at most `MAX` bytes.
#[derive(Clone, PartialEq, Eq, Default, PartialOrd, Ord)]
pub struct Bytes<const MAX: usize>(pub Vec<u8>);

/// UTF-8 text of at most `MAX` bytes.
#[derive(Clone, PartialEq, Eq, Default, PartialOrd, Ord)]
pub struct Text<const MAX: usize>(pub String);

/// A byte string of exactly `N` bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fixed<const N: usize>(pub [u8; N]);

impl<T, const MAX: usize> Field for List<T, MAX> {
    fn absent() -> Option<Self> {
        Some(List(Vec::new()))
    }

    fn is_absent(&self) -> bool {
        self.0.is_empty()
    }
}

impl<T, const MAX: usize> Deref for List<T, MAX> {
    type Target = Vec<T>;
    fn deref(&self) -> &Vec<T> {
        &self.0
    }
}

impl<const MAX: usize> Deref for Bytes<MAX> {
    type Target = Vec<u8>;
    fn deref(&self) -> &Vec<u8> {
        &self.0
    }
}

impl<const MAX: usize> Deref for Text<MAX> {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl<T: fmt::Debug, const MAX: usize> fmt::Debug for List<T, MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<const MAX: usize> fmt::Debug for Bytes<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl<const MAX: usize> fmt::Debug for Text<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<const N: usize> fmt::Debug for Fixed<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{N} bytes")
    }
}

impl<T: Serialize, const MAX: usize> Serialize for List<T, MAX> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(&self.0)
    }
}

impl<const MAX: usize> Serialize for Bytes<MAX> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_bytes(&self.0)
    }
}

impl<const MAX: usize> Serialize for Text<MAX> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.0)
    }
}

impl<const N: usize> Serialize for Fixed<N> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_bytes(&self.0)
    }
}

struct ListVisitor<T, const MAX: usize>(std::marker::PhantomData<T>);

impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for ListVisitor<T, MAX> {
    type Value = List<T, MAX>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of at most {MAX}")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        if seq.size_hint().is_some_and(|claimed| claimed > MAX) {
            return Err(de::Error::invalid_length(MAX + 1, &self));
        }
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            if items.len() == MAX {
                return Err(de::Error::invalid_length(MAX + 1, &self));
            }
            items.push(item);
        }
        Ok(List(items))
    }
}

impl<'de, T: Deserialize<'de>, const MAX: usize> Deserialize<'de> for List<T, MAX> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_seq(ListVisitor(std::marker::PhantomData))
    }
}

struct BytesVisitor<const MAX: usize>;

impl<'de, const MAX: usize> Visitor<'de> for BytesVisitor<MAX> {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a byte string of at most {MAX} bytes")
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
        if bytes.len() > MAX {
            return Err(E::invalid_length(bytes.len(), &self));
        }
        Ok(bytes.to_vec())
    }
}

impl<'de, const MAX: usize> Deserialize<'de> for Bytes<MAX> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_bytes(BytesVisitor::<MAX>).map(Bytes)
    }
}

struct FixedVisitor<const N: usize>;

impl<const N: usize> Visitor<'_> for FixedVisitor<N> {
    type Value = Fixed<N>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a byte string of {N} bytes")
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Fixed<N>, E> {
        bytes.try_into().map(Fixed).map_err(|_| E::invalid_length(bytes.len(), &self))
    }
}

impl<'de, const N: usize> Deserialize<'de> for Fixed<N> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_bytes(FixedVisitor::<N>)
    }
}

struct TextVisitor<const MAX: usize>;

impl<const MAX: usize> Visitor<'_> for TextVisitor<MAX> {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "text of at most {MAX} bytes")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<String, E> {
        if text.len() > MAX {
            return Err(E::invalid_length(text.len(), &self));
        }
        Ok(text.to_owned())
    }
}

impl<'de, const MAX: usize> Deserialize<'de> for Text<MAX> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_str(TextVisitor::<MAX>).map(Text)
    }
}

macro_rules! id_codec {
    ($($name:ident),*) => { $(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.serialize_bytes(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                Fixed::<32>::deserialize(d).map(|bytes| $name(bytes.0))
            }
        }
    )* };
}
id_codec!(UserId, SessionId, NetworkId, Address, EnvelopeId);

/// Declares a record: a struct encoded as a CBOR map whose keys are small integers in ascending order. Unknown keys are
/// ignored. A missing key is an error unless the type of the field has a value for it ([`Field::absent`]). A duplicate key
/// is an error.
macro_rules! record {
    ($(#[$doc:meta])* $vis:vis struct $name:ident { $($(#[$fdoc:meta])* $key:literal => $field:ident : $ty:ty),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        $vis struct $name { $($(#[$fdoc])* pub $field: $ty),* }

        impl $crate::wire::codec::Field for $name {}

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                use serde::ser::SerializeMap;
                use $crate::wire::codec::Field;
                let present = 0usize $(+ usize::from(!self.$field.is_absent()))*;
                let mut map = s.serialize_map(Some(present))?;
                $(if !self.$field.is_absent() {
                    map.serialize_entry(&($key as u8), &self.$field)?;
                })*
                map.end()
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                struct Keys;
                impl<'de> serde::de::Visitor<'de> for Keys {
                    type Value = $name;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str(concat!("the map of a ", stringify!($name)))
                    }

                    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<$name, A::Error> {
                        use serde::de::Error;
                        use $crate::wire::codec::Field;
                        $(let mut $field: Option<$ty> = None;)*
                        while let Some(key) = map.next_key::<u64>()? {
                            match key {
                                $($key => {
                                    if $field.is_some() {
                                        return Err(A::Error::duplicate_field(stringify!($field)));
                                    }
                                    $field = Some(map.next_value()?);
                                })*
                                _ => { map.next_value::<serde::de::IgnoredAny>()?; }
                            }
                        }
                        Ok($name {
                            $($field: match $field {
                                Some(value) => value,
                                None => <$ty as Field>::absent()
                                    .ok_or_else(|| A::Error::missing_field(stringify!($field)))?,
                            }),*
                        })
                    }
                }
                d.deserialize_map(Keys)
            }
        }
    };
}
pub(crate) use record;

/// Declares an enum encoded as `[kind, body]`. A kind of a later version is decoded as `Unknown(kind)`, which receivers skip
/// and which cannot be encoded.
macro_rules! kinds {
    ($(#[$doc:meta])* $vis:vis enum $name:ident { $($(#[$vdoc:meta])* $kind:literal => $variant:ident($body:ty)),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        $vis enum $name {
            $($(#[$vdoc])* $variant($body),)*
            /// A kind that this version does not know. It is skipped, and cannot be encoded.
            Unknown(u64),
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                match self {
                    $($name::$variant(body) => ($kind as u64, body).serialize(s),)*
                    $name::Unknown(_) => Err(serde::ser::Error::custom("an unknown kind cannot be encoded")),
                }
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                struct Pair;
                impl<'de> serde::de::Visitor<'de> for Pair {
                    type Value = $name;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str(concat!("[kind, body] of a ", stringify!($name)))
                    }

                    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<$name, A::Error> {
                        use serde::de::Error;
                        let kind: u64 = seq.next_element()?.ok_or_else(|| A::Error::invalid_length(0, &self))?;
                        let value = match kind {
                            $($kind => $name::$variant(
                                seq.next_element()?.ok_or_else(|| A::Error::invalid_length(1, &self))?,
                            ),)*
                            _ => $name::Unknown(kind),
                        };
                        while seq.next_element::<serde::de::IgnoredAny>()?.is_some() {}
                        Ok(value)
                    }
                }
                d.deserialize_seq(Pair)
            }
        }
    };
}
pub(crate) use kinds;
