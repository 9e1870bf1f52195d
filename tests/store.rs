//! The store through its public door: what was said to be stored is there, whatever happens to process, file and disk.

#![cfg(feature = "node")]

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use darknode::id::{Address, MessageId, SessionId, StreamId, UserId};
use darknode::identity::seal::PrekeySecret;
use darknode::node::store::{Event, Job, Me, Options, Store, StoreError};
use darknode::proto::event::{Query, StatusOf};
use darknode::proto::memory::*;
use darknode::proto::ranges::Ranges;
use darknode::proto::view::{Delivery, ErrorCode, MessageView, Notice, StatusView};
use darknode::time::{Moment, Now, Wall};
use darknode::wire::content::kind;
use darknode::wire::record::Signed;
use darknode::wire::{Bytes, Fixed};
use tempfile::TempDir;

const ALICE: UserId = UserId([0xa1; 32]);
const BOB: UserId = UserId([0xb0; 32]);
const CAROL: UserId = UserId([0xca; 32]);
const MINE: SessionId = SessionId([1; 32]);
const BOBS: SessionId = SessionId([2; 32]);

/// Longer than anything here takes on a machine that is alive.
const PATIENCE: Duration = Duration::from_secs(30);

fn me() -> Me {
    Me { id: ALICE, name: "alice".to_owned() }
}

/// A running store; numbers its ops as the core does.
struct Running {
    jobs: Sender<Job>,
    events: Receiver<Event>,
    thread: JoinHandle<()>,
    ticket: u64,
}

impl Running {
    fn start(store: Store) -> Running {
        let (to_us, events) = channel();
        let elapsed = AtomicU64::new(0);
        let clock = move || Moment(elapsed.fetch_add(20, Ordering::Relaxed));
        let (jobs, thread) = store.start(clock, move |event| drop(to_us.send(event))).unwrap();
        Running { jobs, events, thread, ticket: 0 }
    }

    fn open(dir: &Path) -> Running {
        Running::start(Store::open(dir, me()).unwrap())
    }

    fn put(&mut self, op: Op) -> Ticket {
        self.ticket += 1;
        let ticket = Ticket(self.ticket);
        self.send(Job::Op { ticket, op });
        ticket
    }

    fn send(&self, job: Job) {
        self.jobs.send(job).unwrap();
    }

    fn event(&self) -> Event {
        self.events.recv_timeout(PATIENCE).expect("the store says something")
    }

    fn stored(&self, ticket: Ticket) {
        loop {
            match self.event() {
                Event::Stored { through } if through >= ticket => return,
                Event::Stored { .. } | Event::Answer { .. } | Event::Unprinted { .. } => {}
                Event::Failed { error, .. } => panic!("{error}"),
            }
        }
    }

    fn failed(&self) -> (Vec<MessageId>, String) {
        loop {
            if let Event::Failed { refused, error } = self.event() {
                return (refused, error);
            }
        }
    }

    fn put_all(&mut self, ops: impl IntoIterator<Item = Op>) {
        let last = ops.into_iter().map(|op| self.put(op)).last();
        self.stored(last.expect("there are ops"));
    }

    fn ask(&self, query: Query) -> Notice {
        self.send(Job::Query { line: Some(7), query });
        loop {
            if let Event::Answer { line, notice } = self.event() {
                assert_eq!(line, Some(7));
                return notice;
            }
        }
    }

    fn history(&self, n: u32) -> Vec<MessageView> {
        match self.ask(Query::History { with: BOB, handle: "bob".to_owned(), n }) {
            Notice::History { with, messages } if with == "bob" => messages,
            other => panic!("{other:?}"),
        }
    }

    fn texts(&self) -> Vec<String> {
        self.history(1000).into_iter().map(|view| view.text).collect()
    }

    fn status(&self, recent: u32) -> Vec<StatusView> {
        let of = StatusOf { with: BOB, handle: "bob".to_owned(), sessions: vec![BOBS] };
        match self.ask(Query::Status { conversations: vec![of], recent }) {
            Notice::Status { messages } => messages,
            other => panic!("{other:?}"),
        }
    }

    fn unprinted(&self, after: u64, limit: u32) -> Vec<MessageRow> {
        self.send(Job::Unprinted { after, limit });
        loop {
            if let Event::Unprinted { rows } = self.event() {
                return rows;
            }
        }
    }

    fn stop(self) {
        self.send(Job::Stop);
        self.thread.join().unwrap();
    }
}

fn to_bob() -> StreamId {
    StreamId { author: MINE, epoch: u64::MAX - 5, to: BOB.into() }
}

fn from_bob() -> StreamId {
    StreamId { author: BOBS, epoch: 77, to: ALICE.into() }
}

fn mine(n: u64, arrival: u64, text: &str) -> MessageRow {
    MessageRow {
        arrival,
        id: MessageId { stream: to_bob(), n },
        kind: kind::TEXT,
        with: BOB,
        from: ALICE,
        lamport: arrival,
        wall: Wall(1_700_000_000_000 + arrival as i64),
        body: text.as_bytes().to_vec(),
    }
}

fn theirs(n: u64, arrival: u64, text: &str) -> MessageRow {
    MessageRow { id: MessageId { stream: from_bob(), n }, from: BOB, ..mine(n, arrival, text) }
}

fn ranges<const N: usize>(pairs: [(u64, u64); N]) -> Ranges {
    pairs.into_iter().collect()
}

fn signed(n: u8) -> Signed {
    Signed(Bytes(vec![n; 200]), Fixed([n; 64]))
}

fn session(n: u8) -> SessionRow {
    let row = |addr: &str, provenance, at| AddressRow { addr: addr.parse().unwrap(), provenance, at: Moment(at) };
    SessionRow {
        session: SessionId([n; 32]),
        user: BOB,
        declaration: Some(signed(n)),
        card: Some(signed(n + 1)),
        card_heard: Moment(u64::MAX),
        heard: Moment(5),
        addresses: vec![
            row("192.168.1.7:27272", Provenance::Answered, 3),
            row("[fe80::7%2]:1", Provenance::Lan, 400),
            row("[2001:db8::7]:65535", Provenance::Hinted, 0),
        ],
    }
}

/// A memory with everything in it, and the ops that make it.
fn everything() -> (Memory, Vec<Op>) {
    let counters = Counters { seq: u64::MAX, roster_version: 2, link_version: 3, lamport: 40, arrival: 50 };
    let entry = |state, lamport| Entry { state, lamport };
    let bare = SessionRow { declaration: None, card: None, addresses: Vec::new(), ..session(9) };
    let memory = Memory {
        counters,
        users: vec![
            UserRow { user: BOB, roster: Some(signed(3)), pinned: Some("bob".to_owned()), verified: true },
            UserRow { user: CAROL, roster: None, pinned: None, verified: false },
        ],
        sessions: vec![session(2), bare],
        links: vec![LinkRow { user: BOB, mine: entry(LinkState::Linked, 4), theirs: entry(LinkState::Auto, u64::MAX) }],
        prekeys: vec![PrekeySecret { id: [1; 8], secret: [2; 32], made: Moment(3) }],
        received: vec![(from_bob(), ranges([(1, 3), (7, u64::MAX)]))],
        waiting: vec![mine(1, 10, "one"), mine(2, 11, "two")],
        delivered: vec![(to_bob(), BOBS, ranges([(1, 1)]))],
    };
    let mut ops = vec![Op::Counters(memory.counters)];
    ops.extend(memory.users.iter().cloned().map(Op::User));
    ops.extend(memory.sessions.iter().cloned().map(|row| Op::Session(Box::new(row))));
    ops.extend(memory.links.iter().copied().map(Op::Link));
    ops.extend(memory.prekeys.iter().cloned().map(Op::Prekey));
    ops.extend(memory.received.iter().cloned().map(|(stream, ranges)| Op::Seen { stream, ranges }));
    ops.extend(memory.waiting.iter().cloned().map(Op::Typed));
    ops.extend(memory.delivered.iter().cloned().map(|(stream, session, ranges)| Op::Delivered {
        stream,
        session,
        ranges,
    }));
    (memory, ops)
}

/// The directory as a `kill -9` or the end of power would leave it, if it came now.
fn killed(dir: &Path) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for name in ["darknode.db", "darknode.db-wal"] {
        fs::copy(dir.join(name), copy.path().join(name)).unwrap();
    }
    copy
}

fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .collect();
    files.sort();
    files
}

#[test]
fn a_new_store_is_empty() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), me()).unwrap();
    assert_eq!(store.memory, Memory::default());
    assert_eq!((store.alive, store.printed, store.set_aside), (Now::default(), 0, None));
}

#[test]
fn everything_remembered_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (memory, ops) = everything();
    let mut store = Running::open(dir.path());
    store.put_all(ops.clone());
    store.stop();
    assert!(!dir.path().join("darknode.db-wal").exists(), "stopping carries the log into the file");
    assert_eq!(Store::open(dir.path(), me()).unwrap().memory, memory);

    let mut store = Running::open(dir.path());
    store.put_all(ops);
    store.stop();
    assert_eq!(Store::open(dir.path(), me()).unwrap().memory, memory, "the same ops again change nothing");
}

#[test]
fn what_was_said_to_be_stored_survives_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let (memory, ops) = everything();
    let mut store = Running::open(dir.path());
    for op in ops {
        store.put_all([op]);
    }
    let after_kill = killed(dir.path());
    assert_eq!(Store::open(after_kill.path(), me()).unwrap().memory, memory);
    let again = killed(after_kill.path());
    assert_eq!(Store::open(again.path(), me()).unwrap().memory, memory, "also when killed before anything is written");
}

#[test]
fn a_kill_between_any_two_batches_loses_none_of_them() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Running::open(dir.path());
    for n in 1..=50 {
        store.put_all([Op::Typed(mine(n, n, "x"))]);
        let memory = Store::open(killed(dir.path()).path(), me()).unwrap().memory;
        assert_eq!(memory.waiting.len() as u64, n);
        assert_eq!(memory.counters.arrival, n, "an arrival is not given out twice, whatever the counters say");
    }
}

#[test]
fn a_received_message_is_seen_even_if_the_word_of_it_came_too_late() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Running::open(dir.path());
    store.put_all([Op::Seen { stream: from_bob(), ranges: ranges([(1, 2)]) }]);
    store.put_all([Op::Received(theirs(3, 1, "three")), Op::Received(theirs(9, 2, "nine"))]);
    let memory = Store::open(killed(dir.path()).path(), me()).unwrap().memory;
    assert_eq!(memory.received, [(from_bob(), ranges([(1, 3), (9, 9)]))]);
}

#[test]
fn forgetting_a_user_or_a_session_leaves_what_was_said() {
    let dir = tempfile::tempdir().unwrap();
    let (_, ops) = everything();
    let mut store = Running::open(dir.path());
    store.put_all(ops);
    store.put_all([Op::ForgetUser(BOB), Op::ForgetSession(SessionId([2; 32])), Op::ForgetPrekey([1; 8])]);
    assert_eq!(store.texts(), ["one", "two"]);
    store.stop();
    let memory = Store::open(dir.path(), me()).unwrap().memory;
    assert_eq!(memory.users.iter().map(|row| row.user).collect::<Vec<_>>(), [CAROL]);
    assert_eq!(memory.sessions.len(), 1);
    assert_eq!(memory.prekeys, []);
    assert_eq!(memory.waiting.len(), 2);
}

#[test]
fn settled_messages_leave_the_outbox_and_stay_in_history() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Running::open(dir.path());
    store.put_all((1..=5).map(|n| Op::Typed(mine(n, n, &n.to_string()))));
    store.put_all([Op::Settled { stream: to_bob(), ranges: ranges([(1, 2), (5, u64::MAX)]) }]);
    assert_eq!(store.texts(), ["1", "2", "3", "4", "5"]);
    store.stop();
    let waiting = Store::open(dir.path(), me()).unwrap().memory.waiting;
    assert_eq!(waiting, [mine(3, 3, "3"), mine(4, 4, "4")]);
}

#[test]
fn a_cancelled_message_is_gone_from_outbox_and_history() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Running::open(dir.path());
    store.put_all((1..=3).map(|n| Op::Typed(mine(n, n, &n.to_string()))));
    store.put_all([Op::Cancelled(mine(2, 2, "").id)]);
    assert_eq!(store.texts(), ["1", "3"]);
    store.stop();
    assert_eq!(Store::open(dir.path(), me()).unwrap().memory.waiting.len(), 2);
}

#[test]
fn history_is_ordered_by_lamport_then_author_then_arrival() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Running::open(dir.path());
    let at = |lamport, row| MessageRow { lamport, ..row };
    store.put_all([
        Op::Received(at(5, theirs(1, 1, "bob at 5"))),
        Op::Typed(at(5, mine(1, 2, "alice at 5"))),
        Op::Typed(at(5, mine(2, 3, "alice again at 5"))),
        Op::Received(at(4, theirs(2, 4, "late, at 4"))),
        Op::Received(at(u64::MAX, theirs(3, 5, "the end of time"))),
        Op::Received(MessageRow { with: CAROL, from: CAROL, ..theirs(4, 6, "carol, elsewhere") }),
        Op::Received(MessageRow { kind: 99, ..theirs(5, 7, "not a text") }),
    ]);
    let all = ["late, at 4", "alice at 5", "alice again at 5", "bob at 5", "the end of time"];
    assert_eq!(store.texts(), all);
    let last: Vec<String> = store.history(2).into_iter().map(|view| view.text).collect();
    assert_eq!(last, all[3..], "the last ones, oldest first");
}

#[test]
fn a_line_of_history_says_who_where_and_when() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Running::open(dir.path());
    store.put_all([Op::Typed(mine(1, 1, "hello")), Op::Received(theirs(1, 2, "\u{1b}[31mhello"))]);
    let view = |from: &str, from_id, row: MessageRow, text: &str, own| MessageView {
        arrival: row.arrival,
        message: row.id,
        from: from.to_owned(),
        from_id,
        with: "bob".to_owned(),
        text: text.to_owned(),
        sent: row.wall,
        order: row.lamport,
        own,
        again: false,
    };
    let expected = [
        view("alice", ALICE, mine(1, 1, ""), "hello", true),
        view("bob", BOB, theirs(1, 2, ""), "\u{1b}[31mhello", false),
    ];
    assert_eq!(store.history(10), expected);
}

#[test]
fn nobody_written_to_has_an_empty_history() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(Running::open(dir.path()).texts(), [""; 0]);
}

#[test]
fn status_shows_what_waits_and_the_last_that_do_not() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Running::open(dir.path());
    store.put_all((1..=6).map(|n| Op::Typed(mine(n, n, &n.to_string()))));
    store.put_all([
        Op::Received(theirs(1, 7, "not mine")),
        Op::Settled { stream: to_bob(), ranges: ranges([(1, 4)]) },
        Op::Delivered { stream: to_bob(), session: BOBS, ranges: ranges([(1, 5)]) },
    ]);
    let shown: Vec<_> = store.status(2).into_iter().map(|view| (view.text, view.sessions[0].1)).collect();
    let expected =
        [("3", Delivery::Delivered), ("4", Delivery::Delivered), ("5", Delivery::Delivered), ("6", Delivery::Queued)];
    assert_eq!(shown, expected.map(|(text, state)| (text.to_owned(), state)));
}

#[test]
fn unprinted_are_texts_by_others_behind_the_mark() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Running::open(dir.path());
    store.put_all([
        Op::Received(theirs(1, 1, "printed")),
        Op::Typed(mine(1, 2, "mine")),
        Op::Received(MessageRow { kind: kind::LINK, ..theirs(2, 3, "") }),
        Op::Received(theirs(3, 4, "first")),
        Op::Received(theirs(4, 5, "second")),
        Op::Received(theirs(5, 6, "third")),
    ]);
    assert_eq!(store.unprinted(1, 2), [theirs(3, 4, "first"), theirs(4, 5, "second")]);
    assert_eq!(store.unprinted(6, 2), []);
}

#[test]
fn the_print_mark_and_the_moment_are_kept_over_a_stop() {
    let dir = tempfile::tempdir().unwrap();
    let now = Now { moment: Moment(1234), wall: Wall(-5) };
    let store = Running::open(dir.path());
    store.send(Job::Printed { arrival: 17 });
    store.send(Job::Printed { arrival: 12 });
    store.send(Job::Alive(now));
    store.stop();
    let store = Store::open(dir.path(), me()).unwrap();
    assert_eq!((store.printed, store.alive), (17, now));
}

#[test]
fn the_print_mark_becomes_durable_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let store = Running::open(dir.path());
    store.send(Job::Printed { arrival: 3 });
    let asked = (0..100_000).find(|_| {
        store.history(1);
        Store::open(killed(dir.path()).path(), me()).unwrap().printed == 3
    });
    assert!(asked.is_some());
}

#[test]
fn a_store_from_a_newer_version_is_refused_and_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    Running::open(dir.path()).stop();
    let path = dir.path().join("darknode.db");
    let raw = rusqlite::Connection::open(&path).unwrap();
    raw.execute_batch("PRAGMA user_version = 1000000; PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    drop(raw);
    let before = files(dir.path());
    let error = Store::open(dir.path(), me()).err().unwrap();
    assert!(matches!(error, StoreError::Newer { found: 1_000_000, .. }), "{error}");
    assert!(error.to_string().contains("update darknode"));
    assert_eq!(files(dir.path()), before);
}

#[test]
fn a_newer_version_that_is_only_in_the_log_is_refused_with_nothing_lost() {
    let dir = tempfile::tempdir().unwrap();
    Running::open(dir.path()).stop();
    let raw = rusqlite::Connection::open(dir.path().join("darknode.db")).unwrap();
    raw.execute_batch("PRAGMA user_version = 1000000").unwrap();
    let crashed = killed(dir.path());
    let before = files(crashed.path());
    assert!(matches!(Store::open(crashed.path(), me()), Err(StoreError::Newer { .. })));
    let after: Vec<_> = files(crashed.path()).into_iter().filter(|(name, _)| name != "darknode.db-shm").collect();
    assert_eq!(after, before);
}

#[test]
fn another_programs_file_is_refused_and_left_as_it_is() {
    for mark in ["PRAGMA application_id = 7", "PRAGMA user_version = 0"] {
        let dir = tempfile::tempdir().unwrap();
        let raw = rusqlite::Connection::open(dir.path().join("darknode.db")).unwrap();
        raw.execute_batch(&format!("CREATE TABLE counters(x); {mark}")).unwrap();
        drop(raw);
        let before = files(dir.path());
        let error = Store::open(dir.path(), me()).err().unwrap();
        assert!(matches!(error, StoreError::Foreign { .. }), "{error}");
        assert_eq!(files(dir.path()), before);
    }
}

/// Fills a store, stops it, lets `damage` do its work, and expects that the file is set aside as `damage` left it.
fn sets_aside_after(damage: impl Fn(&mut Vec<u8>)) {
    let dir = tempfile::tempdir().unwrap();
    let mut running = Running::open(dir.path());
    running.put_all((1..=200).map(|n| Op::Typed(mine(n, n, &"long".repeat(100)))));
    running.stop();
    let path = dir.path().join("darknode.db");
    let mut bytes = fs::read(&path).unwrap();
    damage(&mut bytes);
    fs::write(&path, &bytes).unwrap();

    let store = Store::open(dir.path(), me()).unwrap();
    let aside = store.set_aside.clone().expect("it says where the damaged file is");
    assert_eq!(aside, dir.path().join("darknode.db.damaged-1"));
    assert_eq!(fs::read(aside).unwrap(), bytes);
    assert_eq!(store.memory, Memory::default());
    let mut running = Running::start(store);
    running.put_all([Op::Typed(mine(1, 1, "goes on"))]);
    running.stop();
    let store = Store::open(dir.path(), me()).unwrap();
    assert_eq!((store.memory.waiting.len(), store.set_aside), (1, None));
}

#[test]
fn a_file_that_is_no_database_is_set_aside() {
    sets_aside_after(|bytes| *bytes = b"once upon a time".repeat(1000));
}

#[test]
fn a_few_bytes_of_nothing_are_set_aside() {
    sets_aside_after(|bytes| bytes.truncate(50));
}

#[test]
fn a_truncated_store_is_set_aside() {
    sets_aside_after(|bytes| bytes.truncate(bytes.len() / 2));
}

#[test]
fn a_store_with_overwritten_pages_is_set_aside() {
    sets_aside_after(|bytes| bytes[4096..].fill(0x5a));
}

#[test]
fn a_second_damaged_store_does_not_overwrite_the_first() {
    let dir = tempfile::tempdir().unwrap();
    for n in 1..=3 {
        fs::write(dir.path().join("darknode.db"), format!("rubbish {n}")).unwrap();
        let store = Store::open(dir.path(), me()).unwrap();
        let aside = dir.path().join(format!("darknode.db.damaged-{n}"));
        assert_eq!(store.set_aside, Some(aside.clone()));
        assert_eq!(fs::read_to_string(aside).unwrap(), format!("rubbish {n}"));
    }
}

#[test]
fn the_log_of_a_damaged_store_goes_with_it() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("darknode.db"), "rubbish").unwrap();
    fs::write(dir.path().join("darknode.db-wal"), "its log").unwrap();
    Store::open(dir.path(), me()).unwrap();
    assert_eq!(fs::read_to_string(dir.path().join("darknode.db.damaged-1-wal")).unwrap(), "its log");
}

#[test]
fn an_empty_file_is_a_new_store() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("darknode.db"), "").unwrap();
    let store = Store::open(dir.path(), me()).unwrap();
    assert_eq!((store.set_aside, store.memory), (None, Memory::default()));
}

#[test]
fn a_directory_that_is_not_there_is_said_to_be() {
    let dir = tempfile::tempdir().unwrap();
    let error = Store::open(&dir.path().join("nowhere"), me()).err().unwrap();
    assert!(matches!(error, StoreError::Unusable { .. }), "{error}");
    assert_eq!(error.to_string().lines().count(), 1);
}

#[cfg(unix)]
#[test]
fn only_its_owner_may_read_the_files_of_a_store() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("darknode.db"), "").unwrap();
    fs::set_permissions(dir.path().join("darknode.db"), fs::Permissions::from_mode(0o644)).unwrap();
    let mut store = Running::open(dir.path());
    store.put_all([Op::Typed(mine(1, 1, "secret"))]);
    let names = ["darknode.db", "darknode.db-wal", "darknode.db-shm"];
    let modes = names.map(|name| fs::metadata(dir.path().join(name)).unwrap().permissions().mode() & 0o777);
    assert_eq!(modes, [0o600; 3]);
}

/// A store that may not grow, and what sets it free.
fn full(dir: &Path) -> (Running, Options) {
    let options = Options::default();
    options.max_pages.store(1, Ordering::Relaxed);
    (Running::start(Store::open_with(dir, me(), options.clone()).unwrap()), options)
}

#[test]
fn a_full_disk_refuses_new_typing_and_loses_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, options) = full(dir.path());
    let long = "long".repeat(3000);
    store.put(Op::Received(theirs(1, 1, &long)));
    let (refused, error) = store.failed();
    assert_eq!(refused, []);
    assert!(error.contains("the disk is full; free some space"), "{error}");

    store.put(Op::Typed(mine(1, 2, &long)));
    assert_eq!(store.failed().0, [mine(1, 2, "").id], "refused at once");
    let kept = store.put(Op::Received(theirs(2, 3, &long)));
    assert_eq!(store.texts(), [""; 0], "questions are answered meanwhile");

    options.max_pages.store(0, Ordering::Relaxed);
    store.stored(kept);
    assert_eq!(store.texts(), [long.as_str(), &long]);
    store.put_all([Op::Typed(mine(2, 4, "after"))]);
    store.stop();
    let memory = Store::open(dir.path(), me()).unwrap().memory;
    assert_eq!(memory.waiting, [mine(2, 4, "after")]);
    assert_eq!(memory.received, [(from_bob(), ranges([(1, 2)]))]);
}

#[test]
fn what_was_typed_into_a_failing_batch_is_named_and_the_rest_of_the_batch_goes_in_later() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, options) = full(dir.path());
    let long = "long".repeat(3000);
    let typed: Vec<MessageRow> = (1..=3).map(|n| mine(n, n, &long)).collect();
    let mut refused = Vec::new();
    for row in &typed {
        store.put(Op::Typed(row.clone()));
    }
    while refused.len() < typed.len() {
        refused.extend(store.failed().0);
    }
    assert_eq!(refused, typed.iter().map(|row| row.id).collect::<Vec<_>>());
    options.max_pages.store(0, Ordering::Relaxed);
    let last = store.put(Op::Received(theirs(1, 4, "kept")));
    store.stored(last);
    assert_eq!(store.texts(), ["kept"]);
    store.stop();
    assert_eq!(Store::open(dir.path(), me()).unwrap().memory.waiting, []);
}

#[test]
fn a_store_stops_also_while_the_disk_is_full() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, _options) = full(dir.path());
    store.put(Op::Received(theirs(1, 1, &"long".repeat(3000))));
    store.failed();
    store.stop();
    assert_eq!(Store::open(dir.path(), me()).unwrap().memory, Memory::default());
}

#[test]
fn damage_found_while_running_is_set_aside_at_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Running::open(dir.path());
    store.put_all((1..=500).map(|n| Op::Received(theirs(n, n, &"long".repeat(100)))));
    store.put_all([Op::Counters(Counters { arrival: 500, ..Counters::default() })]);
    store.stop();
    let path = dir.path().join("darknode.db");
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 8192 * 4096;
    bytes[middle..middle + 4096].fill(0x5a);
    fs::write(&path, bytes).unwrap();

    let store = Store::open(dir.path(), me()).unwrap();
    assert_eq!(store.set_aside, None, "what the core needs can be read");
    let store = Running::start(store);
    let answer = store.ask(Query::History { with: BOB, handle: "bob".to_owned(), n: 1000 });
    assert!(matches!(answer, Notice::Error { code: ErrorCode::Disk, .. }), "{answer:?}");
    store.stop();
    assert!(Store::open(dir.path(), me()).unwrap().set_aside.is_some());
    assert_eq!(Store::open(dir.path(), me()).unwrap().set_aside, None);
}

#[test]
fn one_address_space_holds_many_streams_apart() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Running::open(dir.path());
    let stream = |epoch, to| StreamId { author: BOBS, epoch, to };
    let rows: Vec<(StreamId, Ranges)> =
        (0..20_000u64).map(|n| (stream(n / 2, Address([n as u8 % 2; 32])), ranges([(n + 1, n + 1)]))).collect();
    store.put_all(rows.iter().cloned().map(|(stream, ranges)| Op::Seen { stream, ranges }));
    store.stop();
    assert_eq!(Store::open(dir.path(), me()).unwrap().memory.received, rows);
}
