//! Hashes by which two sisters find out where they differ.
//!
//! Streams are divided into buckets by a hash of author and addressee, and each bucket has a hash of its streams and of the
//! numbers held of each. A comparison therefore has the same size however long the history is, and where it differs only the
//! streams of one bucket are listed.

use sha2::{Digest, Sha256};

use crate::id::StreamId;
use crate::proto::ranges::Ranges;
use crate::wire::control::BUCKETS;

/// The bucket of a stream.
pub fn bucket(stream: &StreamId) -> usize {
    let hash = Sha256::new()
        .chain_update(b"darknode/bucket/1\0")
        .chain_update(stream.author.0)
        .chain_update(stream.to.0)
        .finalize();
    usize::from(hash[0]) % BUCKETS
}

/// The hash of each bucket: the sum of the hashes of its streams, so that their order does not matter.
pub fn buckets<'a>(held: impl Iterator<Item = (&'a StreamId, &'a Ranges)>) -> Vec<u64> {
    let mut buckets = vec![0u64; BUCKETS];
    for (stream, ranges) in held.filter(|(_, ranges)| !ranges.is_empty()) {
        let sum = &mut buckets[bucket(stream)];
        *sum = sum.wrapping_add(hash_of(stream, ranges));
    }
    buckets
}

fn hash_of(stream: &StreamId, ranges: &Ranges) -> u64 {
    let mut hash = Sha256::new()
        .chain_update(b"darknode/held/1\0")
        .chain_update(stream.author.0)
        .chain_update(stream.epoch.to_be_bytes())
        .chain_update(stream.to.0);
    for (first, last) in ranges.iter() {
        hash.update(first.to_be_bytes());
        hash.update(last.to_be_bytes());
    }
    first_eight(&hash.finalize())
}

/// The hash of one statement about a user; the hash of all is their sum.
pub fn hash_of_person(parts: &[&[u8]]) -> u64 {
    let mut hash = Sha256::new().chain_update(b"darknode/person/1\0");
    parts.iter().for_each(|part| hash.update(part));
    first_eight(&hash.finalize())
}

fn first_eight(hash: &[u8]) -> u64 {
    u64::from_be_bytes(hash[..8].try_into().expect("a hash has 32 bytes"))
}
