//! Conversations, what is unread in them, and what is read up to a message.

use darknode::id::{Address, MessageDigest, MessageId, StreamId, UserId};
use darknode::node::store::{ConversationRow, Event, Job};
use darknode::proto::event::Query;
use darknode::proto::notice::{ErrorCode, Notice};
use darknode::proto::persist::{Counters, MessageRow, Op, ReadRow};
use darknode::proto::ranges::Numbers;
use darknode::wire::content::kind;

use crate::support::*;

fn from_carol(n: u64, arrival: u64, text: &str) -> MessageRow {
    let stream = StreamId { author: BOBS_OTHER, ..from_bob() };
    MessageRow { id: MessageId { stream, n }, with: Address::from(CAROL), from: CAROL, ..theirs(n, arrival, text) }
}

fn conversations(store: &Running, linked: &[UserId], unread: Numbers) -> Vec<ConversationRow> {
    let query = Query::Conversations { linked: linked.to_vec(), unread };
    store.send(Job::Query { line: Some(7), query });
    loop {
        if let Event::Conversations { line, conversations } = store.event() {
            assert_eq!(line, Some(7));
            return conversations;
        }
    }
}

fn read_through(store: &Running, through: MessageDigest, among: Numbers) -> Option<(MessageId, Numbers)> {
    store.send(Job::Query { line: Some(7), query: Query::Unread { with: BOB, through, among } });
    loop {
        if let Event::Read { line, with, through } = store.event() {
            assert_eq!((line, with), (Some(7), BOB));
            return through;
        }
    }
}

#[test]
fn conversations_are_listed_with_their_newest_message_and_what_is_unread() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Running::open(dir.path());
    assert_eq!(conversations(&store, &[], Numbers::new()), []);
    let newest = MessageRow { lamport: u64::MAX, ..from_carol(2, 3, "the newest") };
    store.put_all([
        Op::Received(theirs(1, 1, "one")),
        Op::Received(newest.clone()),
        Op::Typed(mine(1, 4, "mine")),
        Op::Received(theirs(2, 5, "two")),
        Op::Received(MessageRow { kind: 99, ..theirs(3, 6, "not a text") }),
    ]);
    let unread = vec![(from_bob(), ranges([(2, u64::MAX)])), (newest.id.stream, ranges([(1, 2)]))];
    let stranger = UserId([9; 32]);
    let found = conversations(&store, &[CAROL, stranger], unread);
    let row = |with, unread, last| ConversationRow { with, unread, last, typed_last: with == BOB };
    let expected = [row(BOB, 1, Some(theirs(2, 5, "two"))), row(CAROL, 1, Some(newest)), row(stranger, 0, None)];
    assert_eq!(found, expected);
}

#[test]
fn the_conversation_comes_first_in_which_a_message_arrived_last_whatever_its_number() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Running::open(dir.path());
    let listed =
        |store: &Running| conversations(store, &[], Numbers::new()).iter().map(|row| row.with).collect::<Vec<_>>();
    let numbered = |lamport, row: MessageRow| Op::Received(MessageRow { lamport, ..row });
    store.put_all([numbered(100, theirs(1, 1, "a hundred")), numbered(1, from_carol(1, 2, "hello"))]);
    assert_eq!(listed(&store), [CAROL, BOB]);
    // Before what was said already.
    store.put_all([numbered(50, theirs(2, 3, "late"))]);
    assert_eq!(listed(&store), [BOB, CAROL]);
}

#[test]
fn conversations_of_the_history_that_a_new_session_was_given_are_older_than_all_others_and_ordered_by_number() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Running::open(dir.path());
    let listed =
        |store: &Running| conversations(store, &[], Numbers::new()).iter().map(|row| row.with).collect::<Vec<_>>();
    let numbered = |lamport, row: MessageRow| Op::Received(MessageRow { lamport, ..row });
    let past = Counters { arrival: 2, past: 2, ..Counters::default() };
    store.put_all([numbered(9, theirs(1, 1, "newer")), numbered(7, from_carol(1, 2, "older")), Op::Counters(past)]);
    assert_eq!(listed(&store), [BOB, CAROL], "carol's came last");
    store.put_all([numbered(8, from_carol(2, 3, "said since then"))]);
    assert_eq!(listed(&store), [CAROL, BOB]);
}

#[test]
fn the_conversation_is_known_in_which_this_session_typed_last() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Running::open(dir.path());
    let typed_last = |store: &Running| {
        let found = conversations(store, &[], Numbers::new());
        found.iter().filter(|row| row.typed_last).map(|row| row.with).collect::<Vec<_>>()
    };
    let to_carol = |arrival, kind| {
        let id = MessageId { stream: StreamId { to: Address::from(CAROL), ..mine(1, 0, "").id.stream }, n: arrival };
        MessageRow { id, with: Address::from(CAROL), kind, ..mine(1, arrival, "to carol") }
    };
    store.put_all([Op::Received(theirs(1, 1, "one")), Op::Received(from_carol(1, 2, "hello"))]);
    assert_eq!(typed_last(&store), [], "nothing was typed");
    store.put_all([Op::Typed(mine(1, 3, "to bob")), Op::Typed(to_carol(4, kind::TEXT))]);
    assert_eq!(typed_last(&store), [CAROL]);
    store.put_all([
        Op::Typed(mine(2, 5, "to bob again")),
        Op::Typed(to_carol(6, 99)),
        Op::Received(theirs(2, 7, "two")),
    ]);
    assert_eq!(typed_last(&store), [BOB]);
}

#[test]
fn what_is_before_a_message_in_the_history_is_read_up_to_it_whenever_it_arrived() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Running::open(dir.path());
    let at = |lamport, row| MessageRow { lamport, ..row };
    store.put_all([
        Op::Received(at(10, theirs(1, 1, "one"))),
        Op::Received(at(20, theirs(3, 2, "three"))),
        Op::Typed(at(25, mine(1, 3, "mine"))),
        Op::Received(at(30, theirs(4, 4, "four"))),
        Op::Received(at(15, theirs(2, 5, "two, late"))),
        Op::Received(MessageRow { kind: 99, ..at(1, theirs(5, 6, "of a later version")) }),
        Op::Received(from_carol(1, 7, "elsewhere")),
    ]);
    let among = vec![(from_bob(), ranges([(1, 7)])), (from_carol(1, 7, "").id.stream, ranges([(1, 1)]))];
    let of_bob = |numbers| vec![(from_bob(), numbers)];
    let own = mine(1, 3, "").id;
    let expected = (own, of_bob(ranges([(1, 3), (6, 7)])));
    assert_eq!(read_through(&store, own.digest(), among.clone()), Some(expected), "numbers without a message, too");
    let first = theirs(1, 1, "").id;
    let expected = (first, of_bob(ranges([(1, 1), (6, 7)])));
    assert_eq!(read_through(&store, first.digest(), among.clone()), Some(expected));
    for elsewhere in [from_carol(1, 7, "").id, MessageId { n: 99, ..own }] {
        assert_eq!(read_through(&store, elsewhere.digest(), among.clone()), None);
    }
}

#[test]
fn marks_are_kept_with_the_last_of_a_batch_and_go_with_a_forgotten_stranger() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Running::open(dir.path());
    let read = |last| ReadRow { stream: from_bob(), user: BOB, ranges: ranges([(1, last)]) };
    store.put_all([Op::Received(theirs(1, 1, "one")), Op::Read(read(1)), Op::Read(read(2))]);
    store.stop();
    let store = darknode::node::store::Store::open(dir.path(), me()).unwrap();
    assert_eq!(store.memory.read, [read(2)]);
    let mut store = Running::start(store);
    store.put_all([Op::Read(read(3)), Op::ForgetStranger { user: BOB, sessions: vec![BOBS] }]);
    store.stop();
    assert_eq!(darknode::node::store::Store::open(dir.path(), me()).unwrap().memory.read, []);
}

#[test]
fn nothing_counts_as_read_while_messages_wait_for_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let store = darknode::node::store::Store::open_with(dir.path(), me(), full_disk()).unwrap();
    let mut store = Running::start(store);
    store.put(Op::Received(MessageRow { body: vec![b'x'; 100_000], ..theirs(1, 1, "") }));
    store.failed();
    let query = Query::Unread { with: BOB, through: theirs(1, 1, "").id.digest(), among: Numbers::new() };
    assert!(matches!(store.ask(query), Notice::Error { code: ErrorCode::Disk, .. }));
    store.stop();
}

/// The queries contain the kind of texts as a literal.
const _: () = assert!(kind::TEXT == 1);

#[test]
fn a_list_of_conversations_lacks_nothing_that_was_told_to_be_stored_before_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Running::open(dir.path());
    const MESSAGES: u64 = 500;
    for n in 1..=MESSAGES {
        store.put(Op::Received(theirs(n, n, "hello")));
        let query = Query::Conversations { linked: Vec::new(), unread: Numbers::new() };
        store.send(Job::Query { line: Some(n), query });
    }
    let (mut stored, mut answered) = (0, 0);
    while answered < MESSAGES {
        match store.event() {
            Event::Stored { through, .. } => stored = through.0,
            Event::Conversations { line, conversations } => {
                answered = line.expect("the number of the query");
                let newest = conversations[0].last.as_ref().map_or(0, |row| row.arrival);
                assert!(newest >= stored, "{newest} is the newest message, after {stored} were stored");
            }
            other => panic!("{other:?}"),
        }
    }
    store.stop();
}
