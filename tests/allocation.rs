//! What strangers' bytes cost in memory while they are read. A test program of its own, for it counts every allocation.

// A counting allocator cannot be written without.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use darknode::wire::chat::Items;
use darknode::wire::content::{Contents, ReceiptBody};
use darknode::wire::control::Batch;
use darknode::wire::decode;
use darknode::wire::envelope::Envelope;
use proptest::prelude::*;

/// The system's allocator, which notes how much of this thread's memory is in use and was at most.
struct Counting;

thread_local! {
    static IN_USE: Cell<(isize, isize)> = const { Cell::new((0, 0)) };
}

fn count(change: isize) {
    IN_USE.with(|cell| {
        let (now, most) = cell.get();
        cell.set((now + change, most.max(now + change)));
    });
}

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The most memory that reading `bytes` as each kind of frame took.
fn cost(bytes: &[u8]) -> usize {
    IN_USE.set((0, 0));
    let _ = decode::<Batch>(bytes);
    let _ = decode::<Items>(bytes);
    let _ = decode::<Envelope>(bytes);
    let _ = decode::<Contents>(bytes);
    let _ = decode::<ReceiptBody>(bytes);
    IN_USE.get().1 as usize
}

/// Lists of at most 512 small values take their own room, and strings take no more than they are long.
fn bound(bytes: &[u8]) -> usize {
    128 * 1024 + 2 * bytes.len()
}

/// A head with a length in it, of the size that stands in its first byte.
fn head(major: u8, length: u64) -> Vec<u8> {
    let bytes = length.to_be_bytes();
    match length {
        0..24 => vec![major << 5 | length as u8],
        24..0x100 => [&[major << 5 | 24], &bytes[7..]].concat(),
        0x100..0x1_0000 => [&[major << 5 | 25], &bytes[6..]].concat(),
        0x1_0000..0x1_0000_0000 => [&[major << 5 | 26], &bytes[4..]].concat(),
        _ => [&[major << 5 | 27], &bytes[..]].concat(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_claim_takes_more_memory_than_its_bytes_do(
        claims in prop::collection::vec((2..6u8, prop_oneof![any::<u64>(), 0..70_000u64, 0..4u64]), 1..6),
        filling in any::<u8>(), length in 0..60_000usize,
    ) {
        let mut bytes: Vec<u8> = claims.iter().flat_map(|(major, claimed)| head(*major, *claimed)).collect();
        bytes.resize(bytes.len() + length, filling);
        prop_assert!(cost(&bytes) <= bound(&bytes));
    }
}

#[test]
fn a_frame_full_of_the_smallest_messages_takes_little_memory() {
    for items in [64, 65, 60_000u64] {
        let mut bytes = head(4, items);
        (0..items).for_each(|_| bytes.extend([0x81, 0x0c]));
        assert!(cost(&bytes) <= bound(&bytes), "{items} items took {}", cost(&bytes));
    }
}
