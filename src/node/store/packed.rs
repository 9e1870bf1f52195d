//! Encodings of values that fill one column: ranges, addresses, signed records, lists of them, the content of an
//! envelope. Numbers are LEB128: seven bits per byte, least significant first. Decoders return `None` for anything no
//! encoder here produces; the store is then damaged.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use crate::id::{Address, SessionId, StreamId, UserId};
use crate::proto::persist::{AddressRow, Provenance, Subject};
use crate::proto::ranges::{Numbers, Ranges};
use crate::time::Moment;
use crate::wire::record::{MAX_RECORD, Signed};
use crate::wire::{Bytes, Fixed};

/// Bytes of an Ed25519 signature.
const SIGNATURE: usize = 64;

/// For each range: the distance of its first number from the end of the previous range, and how many numbers follow
/// the first.
pub fn ranges_to_bytes(ranges: &Ranges) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(ranges.pieces() * 4);
    let mut end = 0;
    for (first, last) in ranges.iter() {
        put(&mut bytes, first - end);
        put(&mut bytes, last - first);
        end = last;
    }
    bytes
}

pub fn ranges_from_bytes(mut bytes: &[u8]) -> Option<Ranges> {
    let mut pairs = Vec::new();
    let mut end = 0u64;
    while !bytes.is_empty() {
        let first = end.checked_add(take(&mut bytes)?)?;
        end = first.checked_add(take(&mut bytes)?)?;
        pairs.push((first, end));
    }
    Some(pairs.into_iter().collect())
}

/// A kind, and the ids that the kind has: 0, the user; 1, stream and session; 2, stream. A stream is its author, its addressee and
/// the epoch.
pub fn subject_to_bytes(subject: &Subject) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(110);
    let mut stream = |kind: u8, StreamId { author, epoch, to }: &StreamId| {
        bytes.push(kind);
        bytes.extend_from_slice(&author.0);
        bytes.extend_from_slice(&to.0);
        put(&mut bytes, *epoch);
    };
    match subject {
        Subject::Person(user) => {
            bytes.push(0);
            bytes.extend_from_slice(&user.0);
        }
        Subject::Delivered(of, session) => {
            stream(1, of);
            bytes.extend_from_slice(&session.0);
        }
        Subject::Read(of) => stream(2, of),
    }
    bytes
}

pub fn subject_from_bytes(mut bytes: &[u8]) -> Option<Subject> {
    let [kind] = chunk(&mut bytes)?;
    let stream = |bytes: &mut &[u8]| {
        let (author, to) = (SessionId(chunk(bytes)?), Address(chunk(bytes)?));
        Some(StreamId { author, epoch: take(bytes)?, to })
    };
    let subject = match kind {
        0 => Subject::Person(UserId(chunk(&mut bytes)?)),
        1 => Subject::Delivered(stream(&mut bytes)?, SessionId(chunk(&mut bytes)?)),
        2 => Subject::Read(stream(&mut bytes)?),
        _ => return None,
    };
    bytes.is_empty().then_some(subject)
}

/// For each address: its provenance, the moment, 4 or 16, the bytes of the IP, the port, and for IPv6 the scope.
pub fn addresses_to_bytes(rows: &[AddressRow]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(rows.len() * 16);
    for row in rows {
        bytes.push(row.provenance as u8);
        put(&mut bytes, row.at.0);
        match row.addr {
            SocketAddr::V4(addr) => {
                bytes.push(4);
                bytes.extend_from_slice(&addr.ip().octets());
                bytes.extend_from_slice(&addr.port().to_be_bytes());
            }
            SocketAddr::V6(addr) => {
                bytes.push(16);
                bytes.extend_from_slice(&addr.ip().octets());
                bytes.extend_from_slice(&addr.port().to_be_bytes());
                put(&mut bytes, addr.scope_id().into());
            }
        }
    }
    bytes
}

pub fn addresses_from_bytes(mut bytes: &[u8]) -> Option<Vec<AddressRow>> {
    let mut rows = Vec::new();
    while !bytes.is_empty() {
        let [provenance] = chunk(&mut bytes)?;
        let provenance = match provenance {
            0 => Provenance::Answered,
            1 => Provenance::Observed,
            2 => Provenance::Lan,
            3 => Provenance::Declared,
            4 => Provenance::Hinted,
            _ => return None,
        };
        let at = Moment(take(&mut bytes)?);
        rows.push(AddressRow { addr: socket_addr(&mut bytes)?, provenance, at });
    }
    Some(rows)
}

fn socket_addr(bytes: &mut &[u8]) -> Option<SocketAddr> {
    match chunk(bytes)? {
        [4] => {
            let ip = Ipv4Addr::from(chunk::<4>(bytes)?);
            Some(SocketAddr::new(IpAddr::V4(ip), u16::from_be_bytes(chunk(bytes)?)))
        }
        [16] => {
            let ip = Ipv6Addr::from(chunk::<16>(bytes)?);
            let port = u16::from_be_bytes(chunk(bytes)?);
            Some(SocketAddrV6::new(ip, port, 0, u32::try_from(take(bytes)?).ok()?).into())
        }
        _ => None,
    }
}

/// The signature, followed by the signed bytes.
pub fn signed_to_bytes(signed: &Signed) -> Vec<u8> {
    [&signed.1.0[..], &signed.0].concat()
}

pub fn signed_from_bytes(bytes: &[u8]) -> Option<Signed> {
    let (signature, payload) = bytes.split_first_chunk::<SIGNATURE>()?;
    (payload.len() <= MAX_RECORD).then(|| Signed(Bytes(payload.to_vec()), Fixed(*signature)))
}

/// For each page: its length, then the page as [`signed_to_bytes`] encodes it.
pub fn pages_to_bytes(pages: &[Signed]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for page in pages {
        let page = signed_to_bytes(page);
        put(&mut bytes, page.len() as u64);
        bytes.extend_from_slice(&page);
    }
    bytes
}

pub fn pages_from_bytes(mut bytes: &[u8]) -> Option<Vec<Signed>> {
    let mut pages = Vec::new();
    while !bytes.is_empty() {
        let length = usize::try_from(take(&mut bytes)?).ok()?;
        let (page, rest) = bytes.split_at_checked(length)?;
        pages.push(signed_from_bytes(page)?);
        bytes = rest;
    }
    Some(pages)
}

/// For each stream: its author, epoch and address, the length of its ranges, and these as [`ranges_to_bytes`] encodes
/// them.
pub fn load_to_bytes(load: &[(StreamId, Ranges)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (stream, ranges) in load {
        bytes.extend_from_slice(&stream.author.0);
        bytes.extend_from_slice(&stream.epoch.to_be_bytes());
        bytes.extend_from_slice(&stream.to.0);
        let ranges = ranges_to_bytes(ranges);
        put(&mut bytes, ranges.len() as u64);
        bytes.extend_from_slice(&ranges);
    }
    bytes
}

pub fn load_from_bytes(mut bytes: &[u8]) -> Option<Numbers> {
    let mut load = Vec::new();
    while !bytes.is_empty() {
        let author = SessionId(chunk(&mut bytes)?);
        let epoch = u64::from_be_bytes(chunk(&mut bytes)?);
        let to = Address(chunk(&mut bytes)?);
        let length = usize::try_from(take(&mut bytes)?).ok()?;
        let (ranges, rest) = bytes.split_at_checked(length)?;
        load.push((StreamId { author, epoch, to }, ranges_from_bytes(ranges)?));
        bytes = rest;
    }
    Some(load)
}

fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0u64;
    for shift in (0..64).step_by(7) {
        let [byte] = chunk(bytes)?;
        let bits = u64::from(byte & 0x7f);
        if bits << shift >> shift != bits {
            return None;
        }
        number |= bits << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

fn chunk<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*head)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn ranges_round_trip(pairs in prop::collection::vec((any::<u64>(), any::<u64>()), 0..20)) {
            let ranges: Ranges = pairs.into_iter().collect();
            prop_assert_eq!(ranges_from_bytes(&ranges_to_bytes(&ranges)), Some(ranges));
        }

        #[test]
        fn no_bytes_make_a_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = ranges_from_bytes(&bytes);
            let _ = addresses_from_bytes(&bytes);
            let _ = signed_from_bytes(&bytes);
            let _ = pages_from_bytes(&bytes);
            let _ = load_from_bytes(&bytes);
        }

        #[test]
        fn pages_round_trip(lengths in prop::collection::vec(0..=MAX_RECORD, 0..5)) {
            let pages: Vec<Signed> =
                lengths.iter().map(|length| Signed(Bytes(vec![7; *length]), Fixed([*length as u8; SIGNATURE]))).collect();
            let bytes = pages_to_bytes(&pages);
            prop_assert_eq!(pages_from_bytes(&bytes), Some(pages));
        }
    }

    #[test]
    fn the_content_of_an_envelope_round_trips() {
        let stream = |epoch| StreamId { author: SessionId([1; 32]), epoch, to: Address([2; 32]) };
        let load = vec![(stream(u64::MAX), [(1, 3), (9, u64::MAX)].into_iter().collect()), (stream(0), Ranges::new())];
        assert_eq!(load_from_bytes(&load_to_bytes(&load)), Some(load));
    }

    #[test]
    fn the_smallest_and_the_largest_number_fit_in_a_range() {
        for pair in [(0, 0), (0, u64::MAX), (u64::MAX, u64::MAX)] {
            let ranges: Ranges = [pair].into_iter().collect();
            assert_eq!(ranges_from_bytes(&ranges_to_bytes(&ranges)), Some(ranges));
        }
    }

    #[test]
    fn a_number_of_more_than_64_bits_is_refused() {
        assert_eq!(ranges_from_bytes(&[0xff; 10]), None);
        let mut over = vec![0xff; 9];
        over.extend_from_slice(&[0x02, 0x00]);
        assert_eq!(ranges_from_bytes(&over), None);
    }

    #[test]
    fn addresses_round_trip_with_their_scope() {
        let rows: Vec<AddressRow> = ["10.0.0.1:27272", "[2001:db8::1]:1", "[fe80::1%3]:65535"]
            .into_iter()
            .zip([Provenance::Answered, Provenance::Hinted, Provenance::Lan])
            .map(|(addr, provenance)| AddressRow { addr: addr.parse().unwrap(), provenance, at: Moment(u64::MAX) })
            .collect();
        assert_eq!(addresses_from_bytes(&addresses_to_bytes(&rows)), Some(rows));
    }
}
