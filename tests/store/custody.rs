//! Envelopes in custody and related rows, across restarts.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use darknode::id::{Address, EnvelopeId, MessageId, SessionId, StreamId, UserId};
use darknode::node::store::Store;
use darknode::proto::persist::{ChangeRow, CustodyRow, Memory, MessageRow, Mine, Op, Subject, Ticket, TombstoneRow};
use darknode::proto::ranges::Ranges;
use darknode::sim::disk::Disk;
use darknode::time::Moment;
use proptest::prelude::*;

use crate::support::*;

/// An envelope of one stranger for another.
pub fn held(n: u8) -> CustodyRow {
    CustodyRow {
        envelope: EnvelopeId([n; 32]),
        address: Address([n + 100; 32]),
        lock: [n + 1; 32],
        depositor: CAROL,
        from: SessionId([n + 2; 32]),
        member: true,
        until: Moment(u64::MAX - u64::from(n)),
        copies: 64,
        bytes: vec![n; 9000 + usize::from(n)],
        mine: None,
        unopenable: None,
    }
}

/// An envelope of our own that its addressee could not open.
pub fn held_for_me(n: u8) -> CustodyRow {
    let other = StreamId { epoch: 3, ..to_bob() };
    let load = vec![(to_bob(), ranges([(1, 2)])), (other, ranges([(7, 7), (9, u64::MAX)]))];
    let mine = Some(Mine { r: [n + 3; 32], load, changes: ranges([(2, 4)]) });
    CustodyRow {
        depositor: ALICE,
        from: MINE,
        member: false,
        copies: 1,
        mine,
        unopenable: Some(vec![1, 2, n]),
        ..held(n)
    }
}

/// A receipt of our own, of which only the record is left.
pub fn released(n: u8) -> CustodyRow {
    CustodyRow {
        mine: Some(Mine { r: [n + 4; 32], load: Vec::new(), changes: Ranges::new() }),
        unopenable: None,
        bytes: Vec::new(),
        ..held_for_me(n)
    }
}

pub fn tombstone(n: u8) -> TombstoneRow {
    TombstoneRow { envelope: EnvelopeId([n; 32]), r: [n + 5; 32], until: Moment(n.into()) }
}

fn put(row: CustodyRow) -> Op {
    Op::Custody(Box::new(row))
}

fn reopened(dir: &std::path::Path) -> Memory {
    Store::open(dir, me()).unwrap().memory
}

#[test]
fn envelopes_keep_their_order_of_arrival_even_if_updated() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Running::open(dir.path());
    store.put_all([9, 1, 5, 3].map(|n| put(held(n))));
    let changed = CustodyRow { unopenable: Some(vec![7]), bytes: Vec::new(), ..held(1) };
    store.put_all([put(changed.clone()), Op::Copies { envelope: EnvelopeId([9; 32]), copies: 3 }]);
    store.put_all([
        Op::ForgetCustody(EnvelopeId([5; 32])),
        put(held(5)),
        Op::Copies { envelope: EnvelopeId([77; 32]), copies: 1 },
    ]);
    store.stop();
    assert_eq!(reopened(dir.path()).custody, [CustodyRow { copies: 3, ..held(9) }, changed, held(3), held(5)]);
}

#[test]
fn tombstones_and_owed_receipts_are_kept_until_removed() {
    let dir = tempfile::tempdir().unwrap();
    let owed = |user, session, owed| Op::Owed { user, session, owed };
    let mut store = Running::open(dir.path());
    store.put_all([Op::Tombstone(tombstone(4)), Op::Tombstone(tombstone(2)), Op::Tombstone(tombstone(3))]);
    let later = TombstoneRow { until: Moment(u64::MAX), ..tombstone(2) };
    store.put_all([Op::Tombstone(later), Op::ForgetTombstone(EnvelopeId([3; 32]))]);
    store.put_all([owed(BOB, BOBS, true), owed(BOB, BOBS_OTHER, true), owed(BOB, BOBS, true), owed(BOB, BOBS, false)]);
    store.stop();
    let memory = reopened(dir.path());
    assert_eq!(memory.tombstones, [later, tombstone(4)]);
    assert_eq!(memory.owed, [(BOB, BOBS_OTHER)]);
}

#[test]
fn carried_ranges_are_loaded_while_a_message_of_the_stream_waits() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Running::open(dir.path());
    let carried = |ranges| Op::Carried { stream: to_bob(), by: SessionId([9; 32]), ranges };
    store.put_all([Op::Typed(mine(1, 1, "one")), Op::Typed(mine(2, 2, "two"))]);
    store.put_all([carried(ranges([(1, 1)])), carried(ranges([(1, 2)]))]);
    store.stop();
    assert_eq!(reopened(dir.path()).carried, [(to_bob(), SessionId([9; 32]), ranges([(1, 2)]))]);

    let mut store = Running::open(dir.path());
    store.put_all([Op::Settled { stream: to_bob(), ranges: ranges([(1, 2)]) }]);
    store.stop();
    assert_eq!(reopened(dir.path()).carried, []);
}

#[test]
fn release_secrets_are_overwritten_on_disk_when_removed() {
    let dir = tempfile::tempdir().unwrap();
    let r = *b"this releases an envelope of me!";
    let load = (1..=200).map(|epoch| (StreamId { epoch, ..to_bob() }, ranges([(1, 1)]))).collect();
    let mut store = Running::open(dir.path());
    let row = CustodyRow { mine: Some(Mine { r, load, changes: Ranges::new() }), ..held(1) };
    store.put_all([put(held(0)), put(row), put(held(2))]);
    store.stop();
    let file = || fs::read(dir.path().join("darknode.db")).unwrap();
    let shows = |file: Vec<u8>| file.windows(r.len()).any(|bytes| bytes == r);
    assert!(shows(file()));
    let mut store = Running::open(dir.path());
    store.put_all([Op::ForgetCustody(EnvelopeId([1; 32]))]);
    store.stop();
    assert!(!shows(file()));
}

#[test]
fn after_an_outage_the_last_op_about_every_envelope_is_stored() {
    let dir = tempfile::tempdir().unwrap();
    let options = full_disk();
    let mut store = Running::start(Store::open_with(dir.path(), me(), options.clone()).unwrap());
    store.put(put(held(1)));
    store.failed();
    let envelope = EnvelopeId([1; 32]);
    // Enough ops to compact the backlog several times.
    for n in 0..30_000u32 {
        store.put(Op::Copies { envelope, copies: (n % 200) as u8 });
        store.put(Op::Carried { stream: to_bob(), by: BOBS, ranges: ranges([(1, n.into())]) });
        store.put(Op::Owed { user: BOB, session: BOBS, owed: n % 2 == 0 });
        store.put(Op::Tombstone(TombstoneRow { until: Moment(n.into()), ..tombstone(2) }));
    }
    store.put(put(CustodyRow { copies: 9, ..held(1) }));
    store.put(put(held(3)));
    store.put(Op::Copies { envelope, copies: 7 });
    let last = store.put(Op::ForgetCustody(EnvelopeId([3; 32])));
    options.max_pages.store(0, std::sync::atomic::Ordering::Relaxed);
    store.stored(last);
    store.stop();
    let memory = reopened(dir.path());
    assert_eq!(memory.custody, [CustodyRow { copies: 7, ..held(1) }]);
    assert_eq!(memory.tombstones, [TombstoneRow { until: Moment(29_999), ..tombstone(2) }]);
    assert_eq!(memory.owed, []);
}

fn op() -> impl Strategy<Value = Op> {
    let envelope = || (0..6u8).prop_map(|n| EnvelopeId([n; 32]));
    let stream = || (1..4u64).prop_map(|epoch| StreamId { epoch, ..to_bob() });
    let session = || (1..4u8).prop_map(|n| SessionId([n; 32]));
    let some = || prop::collection::vec((1..20u64, 0..5u64), 0..4).prop_map(ranged);
    let subject = prop_oneof![
        (0..3u8).prop_map(|n| Subject::Person(UserId([n; 32]))),
        (stream(), session()).prop_map(|(stream, session)| Subject::Delivered(stream, session)),
        stream().prop_map(Subject::Read),
    ];
    let row = (0..6u8, 0..3u8, any::<u8>()).prop_map(|(n, shape, copies)| {
        let row = [held, held_for_me, released][usize::from(shape)](n);
        put(CustodyRow { copies, ..row })
    });
    let typed = (1..4u64, 1..20u64).prop_map(|(epoch, n)| (StreamId { epoch, ..to_bob() }, n));
    prop_oneof![
        row,
        (envelope(), any::<u8>()).prop_map(|(envelope, copies)| Op::Copies { envelope, copies }),
        envelope().prop_map(Op::ForgetCustody),
        (0..6u8, any::<u64>())
            .prop_map(|(n, until)| Op::Tombstone(TombstoneRow { until: Moment(until), ..tombstone(n) })),
        envelope().prop_map(Op::ForgetTombstone),
        (session(), any::<bool>(), any::<bool>())
            .prop_map(|(session, bob, owed)| { Op::Owed { user: if bob { BOB } else { CAROL }, session, owed } }),
        (stream(), session(), some()).prop_map(|(stream, by, ranges)| Op::Carried { stream, by, ranges }),
        (stream(), session(), some()).prop_map(|(stream, session, ranges)| Op::Delivered { stream, session, ranges }),
        (stream(), some()).prop_map(|(stream, ranges)| Op::Settled { stream, ranges }),
        (1..9u64, subject, some()).prop_map(|(n, subject, ranges)| Op::Change(ChangeRow { n, subject, ranges })),
        (1..9u64).prop_map(Op::ForgetChange),
        (session(), some()).prop_map(|(session, changes)| Op::Told { session, changes }),
        typed.prop_map(|(stream, n)| {
            let row = mine(n, 1000 * stream.epoch + n, "");
            Op::Typed(MessageRow { id: MessageId { stream, n }, ..row })
        }),
    ]
}

fn ranged(pairs: Vec<(u64, u64)>) -> Ranges {
    pairs.into_iter().map(|(first, more)| (first, first + more)).collect()
}

/// By stream and session, as the order of rows has no meaning.
fn by_stream(known: &[(StreamId, SessionId, Ranges)]) -> BTreeMap<(StreamId, SessionId), &Ranges> {
    known.iter().map(|(stream, session, ranges)| ((*stream, *session), ranges)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn it_stores_what_the_simulated_disk_stores(batches in prop::collection::vec(prop::collection::vec(op(), 1..12), 1..8)) {
        let dir = tempfile::tempdir().unwrap();
        let mut disk = Disk::default();
        let mut store = Running::open(dir.path());
        let mut typed = BTreeSet::new();
        for mut batch in batches {
            // No message is typed twice.
            batch.retain(|op| !matches!(op, Op::Typed(row) if !typed.insert(row.id)));
            batch.iter().cloned().for_each(|op| disk.write(Ticket(1), op));
            disk.commit(Ticket(1));
            for op in batch {
                store.put(op);
            }
        }
        store.stop();
        let (real, simulated) = (reopened(dir.path()), disk.load());
        prop_assert_eq!(real.custody, simulated.custody);
        prop_assert_eq!(real.tombstones, simulated.tombstones);
        prop_assert_eq!(real.owed, simulated.owed);
        prop_assert_eq!(real.changes, simulated.changes);
        prop_assert_eq!(real.told, simulated.told);
        prop_assert_eq!(by_stream(&real.carried), by_stream(&simulated.carried));
        prop_assert_eq!(by_stream(&real.delivered), by_stream(&simulated.delivered));
    }
}
