//! The cost of durability: one message compared with raw `fdatasync` on the same disk in the same run, many messages
//! at once, a start with 100,000 stored sessions, and one with all the mail that a relay may hold.
//!
//! `cargo bench --bench store [DIR]`, where DIR is on the disk to measure; default: the system's temporary directory.

#![expect(clippy::disallowed_methods, reason = "a benchmark has a clock of its own")]

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use darknode::id::{Address, EnvelopeId, MessageId, SessionId, StreamId, UserId};
use darknode::node::store::{Event, Job, Me, Store};
use darknode::proto::limits::{CUSTODY_BYTES, CUSTODY_ITEMS};
use darknode::proto::persist::{AddressRow, CustodyRow, MessageRow, Op, Provenance, SessionRow, Ticket, UserRow};
use darknode::time::{Moment, Wall};
use darknode::wire::content::kind;
use darknode::wire::record::Signed;
use darknode::wire::{Bytes, Fixed};

const ALICE: UserId = UserId([1; 32]);
const BOB: UserId = UserId([2; 32]);
/// Messages that are stored one by one.
const ALONE: u64 = 1000;
/// Messages that are submitted at once.
const TOGETHER: u64 = 300_000;
const SESSIONS: u64 = 100_000;
/// Number and size of envelopes in full custody (`proto::limits`).
const ENVELOPES: u64 = CUSTODY_ITEMS as u64;
const ENVELOPE: usize = CUSTODY_BYTES / CUSTODY_ITEMS;
/// One page of SQLite and its frame header: the least that a commit of one message writes.
const FRAME: usize = 4096 + 24;
/// A chat message.
const TEXT: &[u8] = b"A line of about the length that people write when they talk to each other, no more.";

fn main() {
    let disk =
        std::env::args().skip(1).find(|arg| !arg.starts_with('-')).map_or_else(std::env::temp_dir, PathBuf::from);
    let raw = raw_fdatasync(&disk);
    let line = one_by_one(&disk);
    println!("raw write + fdatasync of {FRAME} bytes   p50 {:>8.1?}   p99 {:>8.1?}", at(&raw, 50), at(&raw, 99));
    println!("one line, typed to stored         p50 {:>8.1?}   p99 {:>8.1?}", at(&line, 50), at(&line, 99));
    println!("ratio                             p50 {:>8.2}", at(&line, 50).as_secs_f64() / at(&raw, 50).as_secs_f64());
    together(&disk, "received", |n| Op::Received(row(n, BOB, BOB)));
    together(&disk, "typed", |n| Op::Typed(row(n, ALICE, BOB)));
    start_with_sessions(&disk);
    start_with_custody(&disk);
}

fn raw_fdatasync(disk: &Path) -> Vec<Duration> {
    let mut file = tempfile::tempfile_in(disk).expect("the disk takes a file");
    let frame = vec![7u8; FRAME];
    let write = |file: &mut File, n: u64| {
        file.seek(SeekFrom::Start(n * FRAME as u64)).and_then(|_| file.write_all(&frame)).expect("the disk takes it");
        let begin = Instant::now();
        file.sync_data().expect("the disk takes it");
        begin.elapsed()
    };
    (0..2 * ALONE).map(|n| write(&mut file, n % ALONE)).skip(ALONE as usize).collect()
}

fn one_by_one(disk: &Path) -> Vec<Duration> {
    let dir = tempfile::tempdir_in(disk).expect("the disk takes a directory");
    let (jobs, events) = open(dir.path());
    let send = |n| {
        let begin = Instant::now();
        put(&jobs, n, Op::Typed(row(n, ALICE, BOB)));
        stored(&events, n);
        begin.elapsed()
    };
    (1..=2 * ALONE).map(send).skip(ALONE as usize).collect()
}

fn together(disk: &Path, what: &str, op: impl Fn(u64) -> Op) {
    let dir = tempfile::tempdir_in(disk).expect("the disk takes a directory");
    let (jobs, events) = open(dir.path());
    let ops: Vec<Op> = (1..=TOGETHER).map(op).collect();
    let begin = Instant::now();
    ops.into_iter().zip(1..).for_each(|(op, n)| put(&jobs, n, op));
    let commits = stored(&events, TOGETHER);
    let rate = TOGETHER as f64 / begin.elapsed().as_secs_f64();
    println!("{what:<10} {TOGETHER} lines in {commits} commits   {rate:>10.0} lines/s");
}

fn start_with_sessions(disk: &Path) {
    let dir = tempfile::tempdir_in(disk).expect("the disk takes a directory");
    let store = Store::open(dir.path(), me()).expect("a new store opens");
    let (to_us, events) = channel();
    let (jobs, thread) = store.start(Moment::default, move |event| drop(to_us.send(event))).expect("a thread starts");
    (0..SESSIONS).for_each(|n| {
        put(&jobs, 2 * n + 1, Op::Session(Box::new(session(n))));
        put(&jobs, 2 * n + 2, Op::User(user(n)));
    });
    stored(&events, 2 * SESSIONS);
    jobs.send(Job::Stop).expect("the store runs");
    thread.join().expect("the store ends well");
    let size = std::fs::metadata(dir.path().join("darknode.db")).expect("the store is there").len();
    let begin = Instant::now();
    let store = Store::open(dir.path(), me()).expect("the store opens");
    let took = begin.elapsed();
    assert_eq!(store.memory.sessions.len() as u64, SESSIONS);
    println!("start with {SESSIONS} sessions of as many users   {took:>8.1?}   {} bytes each on disk", size / SESSIONS);
}

fn start_with_custody(disk: &Path) {
    let dir = tempfile::tempdir_in(disk).expect("the disk takes a directory");
    let store = Store::open(dir.path(), me()).expect("a new store opens");
    let (to_us, events) = channel();
    let (jobs, thread) = store.start(Moment::default, move |event| drop(to_us.send(event))).expect("a thread starts");
    let ops: Vec<Op> = (0..ENVELOPES).map(|n| Op::Custody(Box::new(envelope(n)))).collect();
    let begin = Instant::now();
    ops.into_iter().zip(1..).for_each(|(op, n)| put(&jobs, n, op));
    stored(&events, ENVELOPES);
    let rate = ENVELOPES as f64 / begin.elapsed().as_secs_f64();
    jobs.send(Job::Stop).expect("the store runs");
    thread.join().expect("the store ends well");
    let begin = Instant::now();
    let store = Store::open(dir.path(), me()).expect("the store opens");
    let took = begin.elapsed();
    assert_eq!(store.memory.custody.len() as u64, ENVELOPES);
    println!("{ENVELOPES} envelopes of {ENVELOPE} bytes   {rate:>10.0} taken/s   start with all of them {took:>8.1?}");
}

fn open(dir: &Path) -> (Sender<Job>, Receiver<Event>) {
    let store = Store::open(dir, me()).expect("a new store opens");
    let (to_us, events) = channel();
    let (jobs, _) = store.start(Moment::default, move |event| drop(to_us.send(event))).expect("a thread starts");
    (jobs, events)
}

fn put(jobs: &Sender<Job>, n: u64, op: Op) {
    jobs.send(Job::Op { ticket: Ticket(n), op }).expect("the store runs");
}

/// Waits until `n` is stored. Returns the number of commits.
fn stored(events: &Receiver<Event>, n: u64) -> u64 {
    for commits in 1.. {
        match events.recv().expect("the store runs") {
            Event::Stored { through, .. } if through.0 >= n => return commits,
            Event::Stored { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    unreachable!("a disk does not commit 2^64 times")
}

fn me() -> Me {
    Me { id: ALICE, session: SessionId(ALICE.0), name: "alice".to_owned() }
}

fn row(n: u64, from: UserId, with: UserId) -> MessageRow {
    let stream = StreamId { author: SessionId(from.0), epoch: 1, to: with.into() };
    let id = MessageId { stream, n };
    MessageRow {
        arrival: n,
        id,
        kind: kind::TEXT,
        with: with.into(),
        from,
        lamport: n,
        wall: Wall(n as i64),
        body: TEXT.to_vec(),
        since: Moment(0),
    }
}

/// 32 pseudo-random bytes that differ for every `n`.
fn key(n: u64, salt: u64) -> [u8; 32] {
    let mut state = n ^ (salt << 32);
    let mut key = [0; 32];
    for eight in key.chunks_exact_mut(8) {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        eight.copy_from_slice(&(mixed ^ (mixed >> 27)).to_be_bytes());
    }
    key
}

/// A record of the given size, as of a roster, a declaration or a key card of one session.
fn signed(bytes: usize) -> Option<Signed> {
    Some(Signed(Bytes(vec![0x5a; bytes]), Fixed([0x5a; 64])))
}

fn user(n: u64) -> UserRow {
    UserRow { user: UserId(key(n, 1)), roster: signed(110), pinned: None, verified: false }
}

fn session(n: u64) -> SessionRow {
    let addr = ([10, 0, (n >> 8) as u8, n as u8], 27272).into();
    let address = AddressRow { addr, provenance: Provenance::Declared, at: Moment(n) };
    SessionRow {
        session: SessionId(key(n, 2)),
        user: UserId(key(n, 1)),
        declaration: signed(110),
        card: signed(230),
        card_until: Moment(n),
        heard: Moment(n),
        addresses: vec![address; 2],
    }
}

fn envelope(n: u64) -> CustodyRow {
    CustodyRow {
        envelope: EnvelopeId(key(n, 3)),
        address: Address(key(n % 100, 4)),
        lock: key(n, 5),
        depositor: BOB,
        from: SessionId(BOB.0),
        member: true,
        until: Moment(n),
        copies: 1,
        bytes: vec![0x5a; ENVELOPE],
        mine: None,
        unopenable: None,
    }
}

/// The percentile `p` of these.
fn at(times: &[Duration], p: usize) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort();
    sorted[(sorted.len() * p / 100).min(sorted.len() - 1)]
}
