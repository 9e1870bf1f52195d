//! The memory used for decoding strangers' bytes. A test program of its own, as it counts every allocation.

// A counting allocator needs unsafe code.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use darknode::wire::chat::Items;
use darknode::wire::content::{Contents, ReceiptBody};
use darknode::wire::control::Batch;
use darknode::wire::decode;
use darknode::wire::envelope::Envelope;
use proptest::prelude::*;

/// The system's allocator, with the current and the peak memory use of this thread.
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

// SAFETY: every call is passed to the system's allocator unchanged.
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

/// The peak memory used to decode `bytes` as each kind of frame.
fn cost(bytes: &[u8]) -> usize {
    IN_USE.set((0, 0));
    let _ = decode::<Batch>(bytes);
    let _ = decode::<Items>(bytes);
    let _ = decode::<Envelope>(bytes);
    let _ = decode::<Contents>(bytes);
    let _ = decode::<ReceiptBody>(bytes);
    IN_USE.get().1 as usize
}

/// The bound: lists of at most 512 small values have a fixed cost, and strings use no more than their length.
fn bound(bytes: &[u8]) -> usize {
    128 * 1024 + 2 * bytes.len()
}

/// The shortest CBOR head with this major type and length.
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
    fn claimed_lengths_use_no_more_memory_than_the_bytes_present(
        claims in prop::collection::vec((2..6u8, prop_oneof![any::<u64>(), 0..70_000u64, 0..4u64]), 1..6),
        filling in any::<u8>(), length in 0..60_000usize,
    ) {
        let mut bytes: Vec<u8> = claims.iter().flat_map(|(major, claimed)| head(*major, *claimed)).collect();
        bytes.resize(bytes.len() + length, filling);
        prop_assert!(cost(&bytes) <= bound(&bytes));
    }
}

#[test]
fn a_frame_full_of_the_smallest_messages_uses_little_memory() {
    for items in [64, 65, 60_000u64] {
        let mut bytes = head(4, items);
        (0..items).for_each(|_| bytes.extend([0x81, 0x0c]));
        assert!(cost(&bytes) <= bound(&bytes), "{items} items took {}", cost(&bytes));
    }
}
