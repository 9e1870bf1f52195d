//! Queries about history and status.

use darknode::id::{Address, MessageId, SessionId, StreamId};
use darknode::node::store::{Event, Job};
use darknode::proto::event::{Page, Query};
use darknode::proto::notice::{Delivery, HeldBy, Holder, MessageView};
use darknode::proto::persist::{Counters, MessageRow, Op};
use darknode::proto::ranges::Ranges;
use darknode::wire::content::kind;

use crate::support::*;

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
        Op::Received(MessageRow { with: Address::from(CAROL), from: CAROL, ..theirs(4, 6, "carol, elsewhere") }),
        Op::Received(MessageRow { kind: 99, ..theirs(5, 7, "not a text") }),
    ]);
    let all = ["late, at 4", "alice at 5", "alice again at 5", "bob at 5", "the end of time"];
    assert_eq!(store.texts(), all);
    let last: Vec<String> = store.history(2).into_iter().map(|view| view.text).collect();
    assert_eq!(last, all[3..], "the last messages, oldest first");
}

#[test]
fn a_message_of_somebody_else_is_late_if_a_later_one_was_there_when_it_arrived() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Running::open(dir.path());
    let at = |lamport, row: MessageRow| MessageRow { lamport, ..row };
    store.put_all([
        // The history of a new session.
        Op::Received(at(2, theirs(1, 1, "newer"))),
        Op::Received(at(1, theirs(2, 2, "older"))),
        Op::Counters(Counters { arrival: 2, past: 2, ..Counters::default() }),
        Op::Typed(at(5, mine(1, 3, "question"))),
        Op::Received(at(4, theirs(3, 4, "written before it"))),
        Op::Received(at(5, theirs(4, 5, "at the same time, and behind it"))),
        Op::Received(at(6, theirs(5, 6, "answer"))),
        Op::Typed(at(4, mine(2, 7, "mine is not"))),
    ]);
    let late = |n, page| {
        let all = store.history_page(n, page).0;
        all.into_iter().filter(|view| view.late).map(|view| view.text).collect::<Vec<_>>()
    };
    assert_eq!(late(10, Page::Last), ["written before it"]);
    let question = mine(1, 3, "").id.digest();
    assert_eq!(late(2, Page::Before(question)), ["written before it"], "what comes next is on another page");
}

#[test]
fn a_history_entry_has_author_conversation_and_time() {
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
        past: false,
        late: false,
        by: None,
    };
    let expected = [
        view("alice", ALICE, mine(1, 1, ""), "hello", true),
        view("bob", BOB, theirs(1, 2, ""), "\u{1b}[31mhello", false),
    ];
    assert_eq!(store.history(10), expected);
}

#[test]
fn an_unknown_conversation_has_an_empty_history() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(Running::open(dir.path()).texts(), [""; 0]);
}

#[test]
fn status_shows_queued_messages_and_the_last_settled_ones() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Running::open(dir.path());
    store.put_all((1..=6).map(|n| Op::Typed(mine(n, n, &n.to_string()))));
    store.put_all([
        Op::Received(theirs(1, 7, "not mine")),
        Op::Settled { stream: to_bob(), ranges: ranges([(1, 4)]) },
        Op::Delivered { stream: to_bob(), session: BOBS, ranges: ranges([(1, 5)]) },
    ]);
    let shown: Vec<_> = store.status(2).into_iter().map(|view| (view.text, view.sessions[0].state)).collect();
    let expected =
        [("3", Delivery::Delivered), ("4", Delivery::Delivered), ("5", Delivery::Delivered), ("6", Delivery::Queued)];
    assert_eq!(shown, expected.map(|(text, state)| (text.to_owned(), state)));
}

#[test]
fn status_names_all_carriers_until_the_session_has_the_message() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Running::open(dir.path());
    let (first, second) = (CARRIER, SessionId([6; 32]));
    store.put_all((1..=4).map(|n| Op::Typed(mine(n, n, &n.to_string()))));
    store.put_all([
        Op::Carried { stream: to_bob(), by: first, ranges: ranges([(1, 1), (3, 4)]) },
        Op::Carried { stream: to_bob(), by: second, ranges: ranges([(1, 3)]) },
        Op::Delivered { stream: to_bob(), session: BOBS, ranges: ranges([(2, 2)]) },
    ]);
    let holder = |session: &SessionId| {
        let known = [(first, "pi"), (BOBS, "bob")].into_iter().find(|(known, _)| known == session);
        Holder { session: *session, name: known.map_or_else(|| session.short(), |(_, name)| name.to_owned()) }
    };
    let held = |state, by: &[SessionId]| {
        [HeldBy { session: BOBS, label: "phone".to_owned(), state, by: by.iter().map(holder).collect() }]
    };
    let shown: Vec<_> = store.status(0).into_iter().map(|view| view.sessions).collect();
    let expected = [
        held(Delivery::Carried, &[first, second]),
        held(Delivery::Delivered, &[BOBS]),
        held(Delivery::Carried, &[first, second]),
        held(Delivery::Carried, &[first]),
    ];
    assert_eq!(shown, expected);

    store.put_all([
        Op::Delivered { stream: to_bob(), session: BOBS, ranges: ranges([(1, 4)]) },
        Op::Settled { stream: to_bob(), ranges: ranges([(1, 4)]) },
    ]);
    assert_eq!(store.status(1)[0].sessions, held(Delivery::Delivered, &[BOBS]));
}

#[test]
fn without_a_session_of_the_addressee_only_what_waits_has_a_status() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Running::open(dir.path());
    let of_sister = StreamId { author: MINE_TOO, ..to_bob() };
    store.put_all([
        Op::Typed(mine(1, 1, "waits")),
        Op::Received(MessageRow { id: MessageId { stream: of_sister, n: 1 }, ..mine(1, 2, "of my other session") }),
    ]);
    let texts: Vec<String> = store.status_towards(&[], 10).into_iter().map(|view| view.text).collect();
    assert_eq!(texts, ["waits"]);
    store.stop();
}

#[test]
fn what_is_not_sent_any_more_is_not_queued() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Running::open(dir.path());
    store.put_all((1..=4).map(|n| Op::Typed(mine(n, n, &n.to_string()))));
    store.put_all([
        Op::Received(mine(5, 5, "came back from my other session")),
        Op::Received(theirs(1, 6, "not mine")),
        Op::Carried { stream: to_bob(), by: CARRIER, ranges: ranges([(2, 3)]) },
        Op::Delivered { stream: to_bob(), session: BOBS, ranges: ranges([(1, 1)]) },
        Op::Settled { stream: to_bob(), ranges: ranges([(1, 2)]) },
    ]);
    let expected = [
        ("1", Some(Delivery::Delivered)),
        ("2", Some(Delivery::Settled)),
        ("3", Some(Delivery::Carried)),
        ("4", Some(Delivery::Queued)),
        ("came back from my other session", Some(Delivery::Settled)),
        ("not mine", None),
    ];
    assert_eq!(store.progress(), expected.map(|(text, state)| (text.to_owned(), state)));
    store.stop();
}

#[test]
fn unprinted_messages_are_texts_by_others_after_the_print_position() {
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
fn history_is_ordered_over_the_whole_range_of_numbers() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Running::open(dir.path());
    let at = |lamport, n, text| MessageRow { lamport, ..theirs(n, n, text) };
    store.put_all([
        Op::Received(at(u64::MAX, 1, "last")),
        Op::Received(at(1 << 63, 2, "third")),
        Op::Received(at((1 << 63) - 1, 3, "second")),
        Op::Received(at(7, 4, "first")),
    ]);
    let order: Vec<(String, u64)> = store.history(10).into_iter().map(|view| (view.text, view.order)).collect();
    let expected = [("first", 7), ("second", (1 << 63) - 1), ("third", 1 << 63), ("last", u64::MAX)];
    assert_eq!(order, expected.map(|(text, order)| (text.to_owned(), order)));
    store.stop();
}

#[test]
fn a_session_that_never_got_a_settled_message_is_reported_as_left_to_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Running::open(dir.path());
    store.put_all([
        Op::Typed(mine(1, 1, "hello")),
        Op::Delivered { stream: to_bob(), session: BOBS_OTHER, ranges: ranges([(1, 1)]) },
        Op::Settled { stream: to_bob(), ranges: ranges([(1, 1)]) },
    ]);
    let left = HeldBy { session: BOBS, label: "phone".to_owned(), state: Delivery::Settled, by: Vec::new() };
    assert_eq!(store.status(10)[0].sessions, [left]);
    store.stop();
}

fn ranges<const N: usize>(pairs: [(u64, u64); N]) -> Ranges {
    pairs.into_iter().collect()
}

/// Reads lines for another session of alice: the numbers of the messages found, and what was looked at.
fn lines(store: &Running, wanted: &[(StreamId, Ranges)], bytes: usize) -> (Vec<u64>, Vec<(StreamId, Ranges)>) {
    store.send(Job::Query { line: None, query: Query::Lines { sister: MINE_TOO, wanted: wanted.to_vec(), bytes } });
    loop {
        if let Event::Lines { sister, rows, examined } = store.event() {
            assert_eq!(sister, MINE_TOO);
            return (rows.iter().map(|row| row.id.n).collect(), examined);
        }
    }
}

#[test]
fn lines_for_another_session_are_read_newest_first_up_to_a_number_of_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Running::open(dir.path());
    store.put_all((1..=9).filter(|n| *n != 4).map(|n| Op::Typed(mine(n, n, "123456"))));
    let wanted = [(to_bob(), ranges([(1, 5), (7, 100)])), (from_bob(), ranges([(1, 2)]))];
    assert_eq!(lines(&store, &wanted, 1_000), (vec![9, 8, 7, 5, 3, 2, 1], wanted.to_vec()));
    let (found, examined) = lines(&store, &wanted, 20);
    assert_eq!((found, examined), (vec![9, 8, 7, 5], vec![(to_bob(), ranges([(5, 5), (7, 100)]))]));
}

#[test]
fn a_withdrawn_line_is_gone_although_it_was_received_from_another_session() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Running::open(dir.path());
    store.put_all([Op::Received(theirs(1, 2, "hello")), Op::Cancelled(theirs(1, 2, "").id)]);
    assert!(store.history(10).is_empty());
}

#[test]
fn a_message_that_is_written_again_is_stored_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Running::open(dir.path());
    store.put_all([Op::Received(theirs(1, 1, "hello"))]);
    // The rows of a commit that was reported as failed, and has succeeded.
    store.put_all([Op::Received(theirs(1, 1, "hello")), Op::Received(theirs(2, 2, "there"))]);
    assert_eq!(store.texts(), ["hello", "there"]);
}
