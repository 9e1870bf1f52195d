//! Pages of history, searches, and the export of everything.

use darknode::id::{Address, MessageDigest, MessageId, SessionId, StreamId, UserId};
use darknode::node::store::{Event, Job};
use darknode::proto::event::{Page, Query, Searched};
use darknode::proto::limits::MAX_ANSWER_BYTES;
use darknode::proto::notice::{ErrorCode, Notice};
use darknode::proto::persist::{MessageRow, Op};

use crate::support::*;

/// A store with 25 messages of bob, of which every other one is in upper case, and one of carol before each fifth.
fn filled(dir: &std::path::Path) -> Running {
    let mut store = Running::open(dir);
    let mut arrival = 0;
    for n in 1..=25 {
        let text = if n % 2 == 0 { format!("MESSAGE {n}") } else { format!("message {n}") };
        if n % 5 == 0 {
            arrival += 1;
            let stream = StreamId { author: BOBS_OTHER, ..from_bob() };
            let id = MessageId { stream, n };
            let row =
                MessageRow { id, with: Address::from(CAROL), from: CAROL, ..theirs(n, arrival, "Carol's message") };
            store.put(Op::Received(row));
        }
        arrival += 1;
        store.put(Op::Received(theirs(n, arrival, &text)));
    }
    store.put_all([Op::Typed(mine(1, arrival + 1, "no more"))]);
    store
}

fn page(store: &Running, n: u32, page: Page) -> (Vec<String>, Option<MessageId>) {
    let (messages, next) = store.history_page(n, page);
    (messages.into_iter().map(|view| view.text).collect(), next)
}

fn search(store: &Running, searched: Searched) -> (Vec<String>, Option<MessageId>) {
    store.send(Job::Query { line: Some(7), query: Query::Search(searched) });
    loop {
        if let Event::Found { line, rows, next, .. } = store.event() {
            assert_eq!(line, Some(7));
            return (texts(rows), next);
        }
    }
}

fn export(store: &Running, with: Option<UserId>, after: Option<MessageDigest>) -> (Vec<MessageRow>, Option<MessageId>) {
    store.send(Job::Query { line: Some(7), query: Query::Export { with, after } });
    loop {
        if let Event::Exported { rows, next, .. } = store.event() {
            return (rows, next);
        }
    }
}

fn texts(rows: Vec<MessageRow>) -> Vec<String> {
    rows.into_iter().map(|row| String::from_utf8(row.body).expect("it is text")).collect()
}

fn searched(text: &str, n: u32) -> Searched {
    Searched { text: text.to_owned(), with: None, n, before: None }
}

#[test]
fn every_message_is_on_one_page_of_history_in_either_direction() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(dir.path());
    let all = store.texts();
    assert_eq!(all.len(), 26);
    let (mut backwards, mut next) = page(&store, 7, Page::Last);
    while let Some(first) = next {
        let (older, more) = page(&store, 7, Page::Before(first.digest()));
        backwards.splice(..0, older);
        next = more;
    }
    assert_eq!(backwards, all);
    let first = theirs(1, 1, "").id;
    let (mut forwards, mut next) = (vec![all[0].clone()], Some(first));
    while let Some(last) = next {
        let (newer, more) = page(&store, 4, Page::After(last.digest()));
        forwards.extend(newer);
        next = more;
    }
    assert_eq!(forwards, all);
}

#[test]
fn a_page_ends_where_the_bytes_of_its_messages_are_too_many() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Running::open(dir.path());
    store.put_all((1..=100).map(|n| Op::Received(theirs(n, n, &"x".repeat(16_000)))));
    let (shown, next) = page(&store, 100, Page::Last);
    assert_eq!(shown.len(), MAX_ANSWER_BYTES.div_ceil(16_000));
    assert_eq!(next, Some(theirs(101 - shown.len() as u64, 1, "").id));
}

#[test]
fn a_page_from_a_message_of_another_conversation_or_of_none_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(dir.path());
    let carols = MessageId { stream: StreamId { author: BOBS_OTHER, ..from_bob() }, n: 5 };
    for id in [carols, theirs(99, 1, "").id] {
        let query = Query::History {
            with: BOB,
            handle: "bob".to_owned(),
            sessions: Vec::new(),
            n: 3,
            page: Page::Before(id.digest()),
        };
        assert!(matches!(store.ask(query), Notice::Error { code: ErrorCode::BadArgument, .. }));
    }
    let unknown = Some(theirs(99, 1, "").id.digest());
    let query = Query::Search(Searched { before: unknown, ..searched("x", 3) });
    assert!(matches!(store.ask(query), Notice::Error { code: ErrorCode::BadArgument, .. }));
    let query = Query::Export { with: None, after: unknown };
    assert!(matches!(store.ask(query), Notice::Error { code: ErrorCode::BadArgument, .. }));
}

#[test]
fn a_search_finds_the_newest_first_in_all_conversations_or_in_one_and_can_be_continued() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(dir.path());
    let (found, mut next) = search(&store, searched("Message", 4));
    assert_eq!(found, ["message 25", "Carol's message", "MESSAGE 24", "message 23"]);
    let mut all = found;
    while let Some(last) = next {
        let (older, more) = search(&store, Searched { before: Some(last.digest()), ..searched("Message", 4) });
        all.extend(older);
        next = more;
    }
    assert_eq!(all.len(), 30);
    assert_eq!(all[28..], ["MESSAGE 2", "message 1"]);
    let (of_carol, next) = search(&store, Searched { with: Some(CAROL), ..searched("MESSAGE", 100) });
    assert_eq!((of_carol.len(), next), (5, None));
    assert_eq!(search(&store, searched("mess age", 100)), (vec![], None));
    let nobody = Searched { with: Some(UserId([9; 32])), ..searched("message", 9) };
    assert_eq!(search(&store, nobody), (vec![], None));
}

#[test]
fn an_export_has_everything_in_order_page_by_page() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Running::open(dir.path());
    let large = |n: u64| format!("{n} {}", "x".repeat(15_000));
    store.put_all((1..=150).map(|n| Op::Received(theirs(n, n, &large(n)))));
    let late = MessageRow { lamport: 1, ..mine(1, 151, "late") };
    store.put_all([Op::Typed(late)]);
    let (mut pages, mut all, mut after) = (0, Vec::new(), None);
    loop {
        let (rows, next) = export(&store, None, after);
        assert!(rows.iter().map(|row| row.body.len()).sum::<usize>() < MAX_ANSWER_BYTES + 16_000);
        all.extend(rows);
        pages += 1;
        let Some(next) = next else { break };
        after = Some(next.digest());
    }
    assert_eq!((pages, all.len()), (3, 151));
    assert!(all.is_sorted_by_key(|row| (row.lamport, row.arrival)));
    assert_eq!(export(&store, Some(CAROL), None), (vec![], None));
    let (of_bob, _) = export(&store, Some(BOB), None);
    assert_eq!(of_bob, all[..of_bob.len()]);
}

/// A message of one of six people, several of whom wrote at the same Lamport time.
fn of_many(n: u64) -> MessageRow {
    let author = UserId([1 + (n * n % 20) as u8; 32]);
    let stream = StreamId { author: SessionId(author.0), ..from_bob() };
    let lamport = 1 + (n * 7919) % 900;
    MessageRow {
        id: MessageId { stream, n },
        with: Address::from(author),
        from: author,
        lamport,
        ..theirs(n, n, &n.to_string())
    }
}

#[test]
fn the_messages_of_many_conversations_are_searched_and_exported_in_one_order() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Running::open(dir.path());
    store.put_all((1..=3_000).map(|n| Op::Received(of_many(n))));
    let mut rows: Vec<MessageRow> = (1..=3_000).map(of_many).collect();
    rows.sort_by_key(|row| (row.lamport, row.arrival));
    let order = texts(rows);
    assert_eq!(texts(export(&store, None, None).0), order);
    let (mut found, mut before) = (Vec::new(), None);
    loop {
        let (older, next) = search(&store, Searched { before, ..searched("", 700) });
        found.extend(older);
        let Some(next) = next else { break };
        before = Some(next.digest());
    }
    assert!(found.iter().eq(order.iter().rev()), "newest first");
}

/// Messages whose letters take long to fold.
fn slow_to_search(dir: &std::path::Path) -> Running {
    let mut store = Running::open(dir);
    let text = "Ж".repeat(8_000);
    store.put_all((1..=4_000).map(|n| Op::Received(theirs(n, n, &text))));
    store.send(Job::Query { line: Some(1), query: Query::Search(searched("no such text", 1)) });
    store
}

#[test]
fn a_long_search_delays_neither_commits_nor_other_queries() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = slow_to_search(dir.path());
    let last = theirs(4_001, 4_001, "hello");
    store.put(Op::Received(last.clone()));
    let query = Query::History { with: BOB, handle: "bob".to_owned(), sessions: Vec::new(), n: 1, page: Page::Last };
    store.send(Job::Query { line: Some(2), query });
    loop {
        match store.event() {
            Event::Answer { line: Some(2), notice: Notice::History { messages, .. } } => {
                assert_eq!(messages[0].message, last.id);
                break;
            }
            Event::Found { .. } => panic!("the search was answered first"),
            _ => {}
        }
    }
    store.stop();
}

#[test]
fn a_search_that_is_under_way_ends_with_the_store() {
    let dir = tempfile::tempdir().unwrap();
    slow_to_search(dir.path()).stop();
    assert!(!dir.path().join("darknode.db-wal").exists(), "nobody holds the file any more");
}

#[test]
fn what_is_committed_before_a_query_is_in_its_answer() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Running::open(dir.path());
    for n in 1..=50 {
        store.put(Op::Received(theirs(n, n, &n.to_string())));
        assert_eq!(store.texts().len(), n as usize);
    }
}
