//! The state of the core, across restarts and kills.

use darknode::id::{Address, SessionId, StreamId, UserId};
use darknode::identity::seal::PrekeySecret;
use darknode::node::store::{Job, Store};
use darknode::proto::persist::*;
use darknode::proto::ranges::Ranges;
use darknode::time::{Moment, Now, Wall};
use darknode::wire::content::kind;
use darknode::wire::record::Signed;
use darknode::wire::{Bytes, Fixed};

use crate::custody;
use crate::support::*;

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
        card_until: Moment(u64::MAX),
        heard: Moment(5),
        addresses: vec![
            row("192.168.1.7:27272", Provenance::Answered, 3),
            row("[fe80::7%2]:1", Provenance::Lan, 400),
            row("[2001:db8::7]:65535", Provenance::Hinted, 0),
        ],
    }
}

fn stranger(user: UserId, ip: &str) -> StrangerRow {
    let (lines, bytes, told, dismissed_until) = (3, u32::MAX, user == BOB, Moment(u64::MAX));
    StrangerRow { user, ip: ip.parse().unwrap(), since: Moment(7), lines, bytes, told, dismissed_until }
}

fn unlinked(session: u8, label: &str) -> UnlinkedRow {
    UnlinkedRow { session: SessionId([session; 32]), label: label.to_owned() }
}

fn list(session: u8, pages: u8) -> ListRow {
    ListRow { session: SessionId([session; 32]), pages: (1..=pages).map(signed).collect() }
}

fn typed(at: u64, row: MessageRow) -> MessageRow {
    MessageRow { since: Moment(at), ..row }
}

/// A fully populated memory, and the ops that produce it.
pub fn everything() -> (Memory, Vec<Op>) {
    let counters = Counters { seq: u64::MAX, roster_version: 2, link_version: 3, lamport: 40, arrival: 50, past: 30 };
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
        lists: vec![list(2, 3), list(9, 1)],
        prekeys: vec![PrekeySecret { id: [1; 8], secret: [2; 32], made: Moment(3) }],
        received: vec![(from_bob(), ranges([(1, 3), (7, u64::MAX)]))],
        written: vec![(to_bob(), ranges([(1, 2)]))],
        read: vec![ReadRow { stream: from_bob(), user: BOB, ranges: ranges([(1, 2), (9, 9)]) }],
        mirrored: vec![(to_bob(), MINE_TOO, ranges([(1, 1)]))],
        changes: vec![
            ChangeRow { n: 3, subject: Subject::Read(from_bob()), ranges: Ranges::new() },
            ChangeRow { n: 5, subject: Subject::Person(BOB), ranges: Ranges::new() },
            ChangeRow { n: 900, subject: Subject::Delivered(to_bob(), BOBS), ranges: ranges([(1, 2), (9, 9)]) },
        ],
        told: vec![(MINE_TOO, ranges([(1, 4)]))],
        waiting: vec![typed(1_000, mine(1, 10, "one")), typed(2_000, mine(2, 11, "two"))],
        delivered: vec![(to_bob(), BOBS, ranges([(1, 1)]))],
        carried: vec![(to_bob(), SessionId([9; 32]), ranges([(1, 2)]))],
        custody: vec![custody::held(9), custody::held_for_me(2), custody::released(5)],
        tombstones: vec![custody::tombstone(1), custody::tombstone(8)],
        owed: vec![(CAROL, SessionId([3; 32])), (BOB, BOBS_OTHER)],
        strangers: vec![stranger(BOB, "192.0.2.7"), stranger(CAROL, "2001:db8::")],
        unlinked: vec![unlinked(4, "pi"), unlinked(5, "pi#aqcqku")],
        replay: Vec::new(),
    };
    let mut ops = vec![Op::Counters(memory.counters)];
    ops.extend(memory.users.iter().cloned().map(Op::User));
    ops.extend(memory.sessions.iter().cloned().map(|row| Op::Session(Box::new(row))));
    ops.extend(memory.links.iter().copied().map(Op::Link));
    ops.extend(memory.lists.iter().cloned().map(Op::List));
    ops.extend(memory.prekeys.iter().cloned().map(Op::Prekey));
    ops.extend(memory.received.iter().cloned().map(|(stream, ranges)| Op::Seen { stream, ranges }));
    ops.extend(memory.read.iter().cloned().map(Op::Read));
    ops.extend(memory.waiting.iter().cloned().map(Op::Typed));
    ops.extend(memory.delivered.iter().cloned().map(|(stream, session, ranges)| Op::Delivered {
        stream,
        session,
        ranges,
    }));
    ops.extend(memory.mirrored.iter().cloned().map(|(stream, session, ranges)| Op::Mirrored {
        stream,
        session,
        ranges,
    }));
    ops.extend(memory.changes.iter().cloned().map(Op::Change));
    ops.extend(memory.told.iter().cloned().map(|(session, changes)| Op::Told { session, changes }));
    ops.extend(memory.carried.iter().cloned().map(|(stream, by, ranges)| Op::Carried { stream, by, ranges }));
    ops.extend(memory.custody.iter().cloned().map(|row| Op::Custody(Box::new(row))));
    ops.extend(memory.tombstones.iter().copied().map(Op::Tombstone));
    ops.extend(memory.strangers.iter().copied().map(Op::Stranger));
    ops.extend(memory.unlinked.iter().cloned().map(Op::Unlinked));
    ops.extend(memory.owed.iter().map(|(user, session)| Op::Owed { user: *user, session: *session, owed: true }));
    (memory, ops)
}

#[test]
fn a_new_store_is_empty() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), me()).unwrap();
    assert_eq!(store.memory, Memory::default());
    assert_eq!((store.alive, store.printed, store.set_aside), (Now::default(), 0, None));
}

#[test]
fn everything_stored_is_loaded_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (memory, ops) = everything();
    let mut store = Running::open(dir.path());
    store.put_all(ops.clone());
    store.stop();
    assert!(!dir.path().join("darknode.db-wal").exists(), "stopping checkpoints the log");
    assert_eq!(Store::open(dir.path(), me()).unwrap().memory, memory);

    let mut store = Running::open(dir.path());
    store.put_all(ops);
    store.stop();
    assert_eq!(Store::open(dir.path(), me()).unwrap().memory, memory, "repeating the ops changes nothing");
}

#[test]
fn what_was_reported_as_stored_survives_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let (memory, ops) = everything();
    let mut store = Running::open(dir.path());
    for op in ops {
        store.put_all([op]);
    }
    let after_kill = killed(dir.path());
    assert_eq!(Store::open(after_kill.path(), me()).unwrap().memory, memory);
    let again = killed(after_kill.path());
    assert_eq!(Store::open(again.path(), me()).unwrap().memory, memory, "even if killed before anything is written");
}

#[test]
fn a_kill_between_any_two_batches_loses_none_of_them() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Running::open(dir.path());
    for n in 1..=50 {
        store.put_all([Op::Typed(mine(n, n, "x"))]);
        let memory = Store::open(killed(dir.path()).path(), me()).unwrap().memory;
        assert_eq!(memory.waiting.len() as u64, n);
        assert_eq!(memory.counters.arrival, n, "no arrival number is used twice, whatever the counters say");
    }
}

#[test]
fn a_received_message_counts_as_seen_even_if_the_seen_op_was_lost() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Running::open(dir.path());
    store.put_all([Op::Seen { stream: from_bob(), ranges: ranges([(1, 2)]) }]);
    store.put_all([Op::Received(theirs(3, 1, "three")), Op::Received(theirs(9, 2, "nine"))]);
    let memory = Store::open(killed(dir.path()).path(), me()).unwrap().memory;
    assert_eq!(memory.received, [(from_bob(), ranges([(1, 3), (9, 9)]))]);
}

#[test]
fn forgetting_a_user_or_a_session_keeps_history() {
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
fn a_newer_link_list_replaces_the_older_and_can_be_removed() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Running::open(dir.path());
    store.put_all([Op::List(list(2, 3)), Op::List(list(9, 2)), Op::List(list(2, 1))]);
    store.put_all([Op::ForgetList(SessionId([9; 32]))]);
    store.stop();
    assert_eq!(Store::open(dir.path(), me()).unwrap().memory.lists, [list(2, 1)]);
}

#[test]
fn the_label_of_an_unlinked_session_can_be_replaced_and_removed() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Running::open(dir.path());
    store.put_all([("pi", 4), ("hut", 5), ("tent", 4)].map(|(label, n)| Op::Unlinked(unlinked(n, label))));
    store.put_all([Op::ForgetUnlinked(SessionId([5; 32]))]);
    store.stop();
    assert_eq!(Store::open(dir.path(), me()).unwrap().memory.unlinked, [unlinked(4, "tent")]);
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
fn a_cancelled_message_is_removed_from_outbox_and_history() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Running::open(dir.path());
    store.put_all((1..=3).map(|n| Op::Typed(mine(n, n, &n.to_string()))));
    store.put_all([Op::Cancelled(mine(2, 2, "").id)]);
    assert_eq!(store.texts(), ["1", "3"]);
    store.stop();
    assert_eq!(Store::open(dir.path(), me()).unwrap().memory.waiting.len(), 2);
}

#[test]
fn the_print_position_and_the_moment_survive_a_stop() {
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
fn the_print_position_becomes_durable_on_its_own() {
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
fn twenty_thousand_streams_are_kept_apart() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Running::open(dir.path());
    let stream = |epoch, to| StreamId { author: BOBS, epoch, to };
    let rows: Vec<(StreamId, Ranges)> =
        (0..20_000u64).map(|n| (stream(n / 2, Address([n as u8 % 2; 32])), ranges([(n + 1, n + 1)]))).collect();
    store.put_all(rows.iter().cloned().map(|(stream, ranges)| Op::Seen { stream, ranges }));
    store.stop();
    assert_eq!(Store::open(dir.path(), me()).unwrap().memory.received, rows);
}

/// Removes a kind from those that have taken effect, as if an older version had written the store.
fn unlearn(dir: &std::path::Path) {
    let raw = rusqlite::Connection::open(dir.join("darknode.db")).unwrap();
    raw.execute("DELETE FROM kinds WHERE kind = ?1", [kind::LINK as i64]).unwrap();
}

#[test]
fn messages_of_a_newly_known_kind_are_replayed_until_they_have_taken_effect() {
    let dir = tempfile::tempdir().unwrap();
    let row = MessageRow { kind: kind::LINK, ..theirs(1, 5, "as it came") };
    let mut store = Running::open(dir.path());
    store.put_all([Op::Received(row.clone()), Op::Received(theirs(2, 6, "a line"))]);
    store.stop();
    unlearn(dir.path());
    for _ in 0..2 {
        assert_eq!(Store::open(dir.path(), me()).unwrap().memory.replay, std::slice::from_ref(&row));
    }
    let mut store = Running::open(dir.path());
    store.put_all([Op::Learned { kinds: kind::KNOWN.to_vec() }]);
    store.stop();
    assert_eq!(Store::open(dir.path(), me()).unwrap().memory.replay, []);
}

#[test]
fn a_kind_without_stored_messages_is_learned_at_once() {
    let dir = tempfile::tempdir().unwrap();
    Running::open(dir.path()).stop();
    unlearn(dir.path());
    let mut store = Running::open(dir.path());
    store.put_all([Op::Received(MessageRow { kind: kind::LINK, ..theirs(1, 5, "later") })]);
    store.stop();
    assert_eq!(Store::open(dir.path(), me()).unwrap().memory.replay, []);
}
