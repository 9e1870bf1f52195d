//! What faces ask for.

use darknode::id::{Address, SessionId};
use darknode::proto::notice::{Delivery, HeldBy, Holder, MessageView};
use darknode::proto::persist::{MessageRow, Op};
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
    let shown: Vec<_> = store.status(2).into_iter().map(|view| (view.text, view.sessions[0].state)).collect();
    let expected =
        [("3", Delivery::Delivered), ("4", Delivery::Delivered), ("5", Delivery::Delivered), ("6", Delivery::Queued)];
    assert_eq!(shown, expected.map(|(text, state)| (text.to_owned(), state)));
}

#[test]
fn status_names_every_carrier_until_the_session_itself_has_it() {
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
    let held = |state, by: &[SessionId]| [HeldBy { session: BOBS, state, by: by.iter().map(holder).collect() }];
    let shown: Vec<_> = store.status(0).into_iter().map(|view| view.sessions).collect();
    let expected = [
        held(Delivery::Carried, &[first, second]),
        held(Delivery::Delivered, &[BOBS]),
        held(Delivery::Carried, &[first, second]),
        held(Delivery::Carried, &[first]),
    ];
    assert_eq!(shown, expected);

    store.put_all([Op::Settled { stream: to_bob(), ranges: ranges([(1, 4)]) }]);
    assert_eq!(store.status(1)[0].sessions, held(Delivery::Delivered, &[BOBS]));
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
