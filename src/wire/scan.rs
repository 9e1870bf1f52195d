//! Validates CBOR without allocating: canonical form, lengths, nesting and trailing bytes.
//!
//! The protocol uses a subset of RFC 8949: definite lengths, integers in their shortest form, byte strings, UTF-8 text, arrays,
//! maps with unsigned integer keys in strictly ascending order, `false`, `true` and `null`. Tags, floats and other simple
//! values are refused. The check is not recursive: it keeps one entry per open array or map, at most [`DEPTH`], so that nested
//! input cannot exhaust the stack.

use super::Malformed;

/// The maximum number of arrays and maps that are open at once. Messages of the protocol nest less deeply.
pub const DEPTH: usize = 16;

/// The head of a CBOR item: its major type and argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Head {
    Unsigned(u64),
    /// The integer `-1 - n`.
    Negative(u64),
    Bytes(usize),
    Text(usize),
    Array(usize),
    Map(usize),
    Bool(bool),
    Null,
}

/// Reads the head of the next item and advances `bytes`. A length in it never exceeds the bytes that remain.
pub(super) fn head(bytes: &mut &[u8]) -> Result<Head, Malformed> {
    let (first, rest) = bytes.split_first().ok_or(Malformed::Truncated)?;
    *bytes = rest;
    let (major, info) = (first >> 5, first & 31);
    if major == 7 {
        return simple(info);
    }
    let value = argument(info, bytes)?;
    match major {
        0 => Ok(Head::Unsigned(value)),
        1 => Ok(Head::Negative(value)),
        2 => Ok(Head::Bytes(claimed(value, bytes.len())?)),
        3 => Ok(Head::Text(claimed(value, bytes.len())?)),
        4 => Ok(Head::Array(claimed(value, bytes.len())?)),
        5 => Ok(Head::Map(claimed(value, bytes.len() / 2)?)),
        _ => Err(Malformed::NotCanonical("a tag")),
    }
}

fn simple(info: u8) -> Result<Head, Malformed> {
    match info {
        20 => Ok(Head::Bool(false)),
        21 => Ok(Head::Bool(true)),
        22 => Ok(Head::Null),
        25..=27 => Err(Malformed::NotCanonical("a float")),
        _ => Err(Malformed::NotCanonical("a simple value other than false, true and null")),
    }
}

fn argument(info: u8, bytes: &mut &[u8]) -> Result<u64, Malformed> {
    let (value, least) = match info {
        0..=23 => return Ok(info.into()),
        24 => (u64::from(u8::from_be_bytes(take(bytes)?)), 24),
        25 => (u64::from(u16::from_be_bytes(take(bytes)?)), 1 << 8),
        26 => (u64::from(u32::from_be_bytes(take(bytes)?)), 1 << 16),
        27 => (u64::from_be_bytes(take(bytes)?), 1 << 32),
        31 => return Err(Malformed::NotCanonical("an indefinite length")),
        _ => return Err(Malformed::NotCanonical("a reserved form")),
    };
    if value < least { Err(Malformed::NotCanonical("a number not in its shortest form")) } else { Ok(value) }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], Malformed> {
    let (taken, rest) = bytes.split_first_chunk().ok_or(Malformed::Truncated)?;
    *bytes = rest;
    Ok(*taken)
}

fn claimed(value: u64, most: usize) -> Result<usize, Malformed> {
    usize::try_from(value).ok().filter(|length| *length <= most).ok_or(Malformed::Truncated)
}

/// An array or map whose end was not reached.
#[derive(Clone, Copy)]
enum Open {
    Array {
        left: usize,
    },
    /// A key follows, which must be greater than `above`.
    Key {
        left: usize,
        above: Option<u64>,
    },
    /// The value of `key` follows.
    Value {
        left: usize,
        key: u64,
    },
}

/// Checks that `bytes` are exactly one item of the CBOR subset of the protocol.
pub fn check(mut bytes: &[u8]) -> Result<(), Malformed> {
    let mut open = [Open::Array { left: 0 }; DEPTH];
    let mut depth = 0;
    loop {
        let item = head(&mut bytes)?;
        if depth > 0 {
            open[depth - 1] = step(open[depth - 1], item)?;
        }
        match item {
            Head::Bytes(length) => bytes = &bytes[length..],
            Head::Text(length) => {
                std::str::from_utf8(&bytes[..length]).map_err(|_| Malformed::NotUtf8)?;
                bytes = &bytes[length..];
            }
            Head::Array(left) => {
                *open.get_mut(depth).ok_or(Malformed::TooDeep)? = Open::Array { left };
                depth += 1;
            }
            Head::Map(left) => {
                *open.get_mut(depth).ok_or(Malformed::TooDeep)? = Open::Key { left, above: None };
                depth += 1;
            }
            Head::Unsigned(_) | Head::Negative(_) | Head::Bool(_) | Head::Null => {}
        }
        while depth > 0 && is_full(&open[depth - 1]) {
            depth -= 1;
        }
        if depth == 0 {
            return if bytes.is_empty() { Ok(()) } else { Err(Malformed::TrailingBytes) };
        }
    }
}

/// The state of an open array or map after `item` was read inside it.
fn step(open: Open, item: Head) -> Result<Open, Malformed> {
    match open {
        Open::Array { left } => Ok(Open::Array { left: left - 1 }),
        Open::Key { left, above } => match item {
            Head::Unsigned(key) if above.is_none_or(|above| key > above) => Ok(Open::Value { left, key }),
            Head::Unsigned(_) => Err(Malformed::NotCanonical("map keys that do not ascend")),
            _ => Err(Malformed::NotCanonical("a map key that is not an unsigned integer")),
        },
        Open::Value { left, key } => Ok(Open::Key { left: left - 1, above: Some(key) }),
    }
}

fn is_full(open: &Open) -> bool {
    matches!(open, Open::Array { left: 0 } | Open::Key { left: 0, .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(bytes: &[u8]) -> Malformed {
        check(bytes).expect_err("these bytes must be refused")
    }

    #[test]
    fn one_item_of_each_type_is_accepted() {
        let items: [&[u8]; 11] = [
            &[0x00],
            &[0x18, 24],
            &[0x3b, 255, 255, 255, 255, 255, 255, 255, 255],
            &[0x43, 1, 2, 3],
            &[0x62, b'h', b'i'],
            &[0x80],
            &[0xa0],
            &[0x82, 0x81, 0x00, 0xa1, 0x01, 0x80],
            &[0xa2, 0x00, 0x20, 0x18, 30, 0x60],
            &[0xf4],
            &[0xf6],
        ];
        for item in items {
            assert_eq!(check(item), Ok(()), "{item:02x?}");
        }
    }

    #[test]
    fn lengths_beyond_the_end_are_refused() {
        for major in [0x5b, 0x7b, 0x9b, 0xbb] {
            assert_eq!(refused(&[major, 0x10, 0, 0, 0, 0, 0, 0, 0]), Malformed::Truncated);
        }
        assert_eq!(refused(&[0x5a, 0x80, 0, 0, 0]), Malformed::Truncated);
        assert_eq!(refused(&[0xa1, 0x00]), Malformed::Truncated);
        assert_eq!(refused(&[0x19, 1]), Malformed::Truncated);
        assert_eq!(refused(&[]), Malformed::Truncated);
    }

    #[test]
    fn nesting_deeper_than_sixteen_is_refused() {
        let nested = |levels: usize| [vec![0x81; levels], vec![0x00]].concat();
        assert_eq!(check(&nested(DEPTH)), Ok(()));
        assert_eq!(refused(&nested(DEPTH + 1)), Malformed::TooDeep);
        assert_eq!(refused(&nested(1000)), Malformed::TooDeep);
        let maps = [[0xa1, 0x00].repeat(1000), vec![0x00]].concat();
        assert_eq!(refused(&maps), Malformed::TooDeep);
    }

    #[test]
    fn non_canonical_encodings_are_refused() {
        let others: [&[u8]; 12] = [
            &[0x18, 23],
            &[0x19, 0, 255],
            &[0x1a, 0, 0, 255, 255],
            &[0x1b, 0, 0, 0, 0, 255, 255, 255, 255],
            &[0x9f, 0x00, 0xff],
            &[0x5f, 0x41, 0, 0xff],
            &[0xc0, 0x00],
            &[0xf9, 0, 0],
            &[0xf7],
            &[0xf8, 32],
            &[0xa2, 0x01, 0x00, 0x00, 0x00],
            &[0xa1, 0x61, b'a', 0x00],
        ];
        for other in others {
            assert!(matches!(refused(other), Malformed::NotCanonical(_)), "{other:02x?}");
        }
    }

    #[test]
    fn duplicate_keys_invalid_text_and_trailing_bytes_are_refused() {
        assert!(matches!(refused(&[0xa2, 0x01, 0x00, 0x01, 0x00]), Malformed::NotCanonical(_)));
        assert_eq!(refused(&[0x61, 0xff]), Malformed::NotUtf8);
        assert_eq!(refused(&[0x00, 0x00]), Malformed::TrailingBytes);
    }
}
