//! A disk that loses power during writes, and one whose `fsync` fails: what was reported as stored is there.
//!
//! Random ops are written to a store on a disk that stops at a random operation and then loses part of the unsynced
//! data. The next start must find the state produced by some prefix of the ops that includes everything reported as
//! stored. `DARKNODE_TEST_SEED` repeats a run, and `DARKNODE_TEST_ROUNDS` multiplies its length.

use std::fs::{self, File};
use std::path::PathBuf;

use darknode::id::{Address, EnvelopeId, MessageId, SessionId, StreamId, UserId};
use darknode::identity::seal::PrekeySecret;
use darknode::node::clock::random;
use darknode::node::store::{Event, Store};
use darknode::proto::persist::*;
use darknode::sim::disk::Disk;
use darknode::time::Moment;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

use crate::baddisk::{BadDisk, Fault, alone};
use crate::custody;
use crate::support::*;

/// Number of stores, each of which goes through [`LIVES`] power cuts.
const STORES: u64 = 10;
const LIVES: u64 = 5;

#[test]
fn whatever_a_power_cut_tears_everything_reported_as_stored_is_there() {
    alone(|| each_seed(STORES, |seed| Life::begin(seed).lives_through(LIVES)));
}

#[test]
fn a_file_interrupted_during_its_creation_does_not_count_as_damaged() {
    alone(|| {
        let disk = BadDisk::new();
        for (operations, seed) in (8..11).flat_map(|operations| (0..40).map(move |seed| (operations, seed))) {
            let dir = disk.dir(&format!("{operations} {seed}"));
            fs::create_dir(&dir).unwrap();
            File::open(disk.dir("")).unwrap().sync_all().unwrap();
            disk.stop_after(operations, false);
            drop(Store::open(&dir, me()));
            disk.cut(seed);
            let store = Store::open(&dir, me()).unwrap();
            assert_eq!(
                (store.set_aside, store.memory),
                (None, Memory::default()),
                "{operations} operations, seed {seed}"
            );
        }
    });
}

#[test]
fn data_of_a_failed_sync_is_rewritten_before_later_data_counts_as_stored() {
    alone(|| each_seed(STORES, |seed| Life::begin(seed).recovers_from(Fault::Syncs)));
}

#[test]
fn data_of_a_failed_sync_is_rewritten_by_the_next_process() {
    alone(|| each_seed(STORES, |seed| Life::begin(seed).begins_anew_after_a_failed_sync()));
}

#[test]
fn after_a_disk_failure_nothing_is_missing() {
    alone(|| {
        each_seed(STORES / 5, |seed| {
            for fault in [Fault::Writes, Fault::Full(20_000), Fault::Full(0), Fault::ReadOnly] {
                Life::begin(seed).recovers_from(fault);
            }
        });
    });
}

fn each_seed(many: u64, test: impl Fn(u64)) {
    let set = |name| std::env::var(name).ok().map(|value| value.parse::<u64>().expect("a number"));
    let first = set("DARKNODE_TEST_SEED").unwrap_or_else(|| u64::from_be_bytes(random()));
    let many = many * set("DARKNODE_TEST_ROUNDS").unwrap_or(1);
    for seed in (0..many).map(|n| first.wrapping_add(n)) {
        // The last seed printed is the one that failed.
        eprintln!("DARKNODE_TEST_SEED={seed}");
        test(seed);
    }
}

/// A store across its power cuts.
struct Life {
    rng: ChaCha20Rng,
    disk: BadDisk,
    dir: PathBuf,
    /// All ops that were written and may be on the disk, in order.
    ops: Vec<Op>,
    /// How many of them are certainly on the disk.
    stored: usize,
    /// How many of them were written before the running store was opened.
    before: usize,
    arrival: u64,
    /// The longest envelope generated.
    longest: u64,
}

impl Life {
    fn begin(seed: u64) -> Life {
        let disk = BadDisk::new();
        let dir = disk.dir("store");
        fs::create_dir(&dir).unwrap();
        File::open(disk.dir("")).unwrap().sync_all().unwrap();
        let rng = ChaCha20Rng::seed_from_u64(seed);
        Life { rng, disk, dir, ops: Vec::new(), stored: 0, before: 0, arrival: 0, longest: 26_000 }
    }

    fn below(&mut self, n: u64) -> u64 {
        self.rng.next_u64() % n
    }

    fn lives_through(mut self, cuts: u64) {
        for _ in 0..cuts {
            let operations = 10u64.pow(self.below(4) as u32);
            let operations = self.below(operations * 3);
            // Long envelopes fill the log, so that it is checkpointed from time to time.
            self.longest = if self.below(4) == 0 { 1_000_000 } else { 26_000 };
            self.disk.stop_after(operations, false);
            match Store::open(&self.dir, me()) {
                Ok(store) => self.works_with(store),
                Err(error) => assert!(self.disk.has_stopped(), "{error}"),
            }
            let seed = self.rng.next_u64();
            self.disk.cut(seed);
            self.finds_everything();
        }
    }

    fn works_with(&mut self, store: Store) {
        assert_eq!(store.set_aside, None);
        let mut store = Running::start(store);
        for _ in 0..self.below(30) {
            for _ in 0..1 + self.below(20) {
                self.puts_something(&mut store);
            }
            if self.disk.has_stopped() {
                break;
            }
            // A withdrawn message may still be found in the log if the power fails before the withdrawal is stored.
            if self.below(2) == 0 {
                self.waits_for_the_last(&store);
            }
        }
        let through = store.stops_having_stored();
        self.stored = self.stored.max(self.before + through);
    }

    fn puts_something(&mut self, store: &mut Running) {
        let op = self.op();
        self.ops.push(op.clone());
        store.put(op);
    }

    /// Waits until everything is stored or the disk fails. Returns the withdrawn messages.
    fn waits_for_the_last(&mut self, store: &Running) -> Vec<MessageId> {
        while self.stored < self.ops.len() {
            if let Some(refused) = self.hears(store) {
                return refused;
            }
        }
        Vec::new()
    }

    /// Asserts that the loaded state is that of a prefix of the ops that includes everything reported as stored.
    fn finds_everything(&mut self) {
        let found = Store::open(&self.dir, me()).expect("it opens");
        assert_eq!(found.set_aside, None, "synced data was not damaged");
        let memory = sorted(found.memory);
        let mut disk = Disk::of(MINE);
        let put = |disk: &mut Disk, op: &Op| {
            disk.write(Ticket(1), op.clone());
            disk.commit(Ticket(1));
        };
        self.ops[..self.stored].iter().for_each(|op| put(&mut disk, op));
        let at_least = sorted(disk.load());
        let mut prefix = self.stored;
        while sorted(disk.load()) != memory {
            let Some(op) = self.ops.get(prefix) else {
                assert_eq!(memory, at_least, "no prefix of at least {} of {} ops", self.stored, self.ops.len());
                return;
            };
            put(&mut disk, op);
            prefix += 1;
        }
        self.ops.truncate(prefix);
        (self.stored, self.before) = (prefix, prefix);
    }

    /// The disk fails for a while and recovers; then the power fails.
    fn recovers_from(mut self, fault: Fault) {
        let mut store = Running::start(Store::open(&self.dir, me()).unwrap());
        for _ in 0..1 + self.below(4) {
            self.puts_and_waits(&mut store);
            self.disk.fails(fault);
            for _ in 0..1 + self.below(20) {
                self.puts_something(&mut store);
            }
            if self.below(4) > 0 {
                let refused = self.waits_for_the_last(&store);
                self.withdraw(&refused);
            }
            for _ in 0..self.below(5) {
                self.puts_something(&mut store);
            }
            self.disk.fails(Fault::None);
            self.puts_and_waits(&mut store);
        }
        self.loses_power_now(store);
    }

    fn begins_anew_after_a_failed_sync(mut self) {
        let mut store = Running::start(Store::open(&self.dir, me()).unwrap());
        self.puts_and_waits(&mut store);
        self.disk.fails(Fault::Syncs);
        for _ in 0..1 + self.below(20) {
            // The next process cannot know of withdrawn messages.
            let op = self.message(false);
            self.ops.push(op.clone());
            store.put(op);
        }
        self.waits_for_the_last(&store);
        store.stop();
        self.disk.fails(Fault::None);
        self.finds_everything();
        let mut store = Running::start(Store::open(&self.dir, me()).unwrap());
        self.puts_and_waits(&mut store);
        self.loses_power_now(store);
    }

    fn loses_power_now(&mut self, store: Running) {
        self.disk.stop_after(0, false);
        store.stop();
        let seed = self.rng.next_u64();
        self.disk.cut(seed);
        self.finds_everything();
    }

    fn puts_and_waits(&mut self, store: &mut Running) {
        // Messages typed while the disk fails are not retried; all other ops are.
        for _ in 0..1 + self.below(10) {
            self.puts_something(store);
        }
        while self.stored < self.ops.len() {
            if let Some(refused) = self.hears(store) {
                self.withdraw(&refused);
            }
        }
    }

    /// The next event of the store. If it is a failure, returns the withdrawn messages.
    fn hears(&mut self, store: &Running) -> Option<Vec<MessageId>> {
        match store.event() {
            Event::Stored { through, .. } => {
                self.stored = self.before + through.0 as usize;
                None
            }
            Event::Failed { refused, .. } => Some(refused),
            other => panic!("unexpected: {other:?}"),
        }
    }

    /// Replaces withdrawn messages by their cancellations, as the store does once the disk recovers.
    fn withdraw(&mut self, refused: &[MessageId]) {
        for op in &mut self.ops {
            match op {
                Op::Typed(row) if refused.contains(&row.id) => *op = Op::Cancelled(row.id),
                _ => {}
            }
        }
    }

    fn op(&mut self) -> Op {
        let n = self.below(6) as u8;
        let session = SessionId([n; 32]);
        let stream = StreamId { epoch: self.below(3), ..to_bob() };
        match self.below(16) {
            0..4 => self.message(true),
            4..6 => self.message(false),
            6 => Op::Counters(Counters { seq: self.below(1000), ..Counters::default() }),
            7 => Op::User(UserRow { user: UserId([n; 32]), roster: None, pinned: None, verified: self.below(2) == 0 }),
            8 => Op::ForgetUser(UserId([n; 32])),
            9 => Op::Prekey(PrekeySecret { id: [n; 8], secret: [7; 32], made: Moment(self.below(9)) }),
            10 => Op::Delivered { stream, session, ranges: ranges([(1, 1 + self.below(50))]) },
            11 => Op::Carried { stream, by: session, ranges: ranges([(1, 1 + self.below(50))]) },
            12 => Op::Custody(Box::new(CustodyRow {
                bytes: vec![n; self.below(self.longest) as usize],
                ..custody::held(n)
            })),
            13 => Op::ForgetCustody(EnvelopeId([n; 32])),
            14 => Op::Tombstone(custody::tombstone(n)),
            _ => Op::Owed { user: BOB, session, owed: self.below(2) == 0 },
        }
    }

    fn message(&mut self, own: bool) -> Op {
        self.arrival += 1;
        let (n, text) = (self.arrival, "x".repeat(self.below(300) as usize));
        let to = Address::from(if own { BOB } else { ALICE });
        let row = if own { mine(n, n, &text) } else { theirs(n, n, &text) };
        let id = MessageId { stream: StreamId { epoch: self.below(3), to, ..row.id.stream }, n };
        let row = MessageRow { id, ..row };
        if own { Op::Typed(row) } else { Op::Received(row) }
    }
}

/// Sorts rows whose order has no meaning, and clears counters that may have run ahead.
fn sorted(mut memory: Memory) -> Memory {
    memory.counters = Counters { lamport: 0, arrival: 0, ..memory.counters };
    memory.users.sort_by_key(|row| row.user);
    memory.prekeys.sort_by_key(|key| key.id);
    memory.received.sort_by_key(|(stream, _)| *stream);
    memory.written.sort_by_key(|(stream, _)| *stream);
    memory.waiting.sort_by_key(|row| row.arrival);
    memory.delivered.sort_by_key(|(stream, session, _)| (*stream, *session));
    memory.carried.sort_by_key(|(stream, session, _)| (*stream, *session));
    // When a batch is written again whose commit was reported as failed and has succeeded, an envelope that was forgotten and taken
    // anew in it comes behind the new ones.
    memory.custody.sort_by_key(|row| row.envelope);
    memory
}
