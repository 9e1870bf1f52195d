//! Clients against a model of the store: random messages, stalls, overruns, cuts, and restarts of the node.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::handle::{Ready, Runs, Start};
use crate::hub::log::What;
use crate::id::{Address, MessageId, SessionId, StreamId, UserId};
use crate::proto::notice::{Delivery, MessageView, Notice};
use crate::time::Wall;

fn message(arrival: u64) -> MessageView {
    let stream = StreamId { author: SessionId([1; 32]), epoch: 1, to: Address([2; 32]) };
    MessageView {
        arrival,
        message: MessageId { stream, n: arrival },
        from: String::new(),
        from_id: UserId([3; 32]),
        with: String::new(),
        text: String::new(),
        sent: Wall(0),
        order: 1,
        own: false,
        again: false,
        past: false,
        late: false,
        by: None,
    }
}

/// The node: what is stored becomes an event later.
struct Node {
    log: Log,
    boot: BootId,
    /// The runs before this one.
    earlier: Runs,
    /// The messages by arrival, which is the place here and 1; whether they were typed on this node.
    store: Vec<bool>,
    /// How many of them were events, or are from before the start.
    told: usize,
}

impl Node {
    fn new(store: Vec<bool>, boot: u64) -> Node {
        Node::after(Runs::default(), store, boot)
    }

    fn after(earlier: Runs, store: Vec<bool>, boot: u64) -> Node {
        let (mut log, boot, arrival) = (Log::default(), BootId(boot), store.len() as u64);
        log.start(Arc::new(Ready::example()), Start { boot, printed: 0, arrival, earlier: earlier.clone() });
        Node { log, boot, earlier, told: store.len(), store }
    }

    fn restart(&mut self) {
        let mut earlier = std::mem::take(&mut self.earlier);
        earlier.0.push((self.boot, self.store.len() as u64));
        *self = Node::after(earlier, std::mem::take(&mut self.store), self.boot.0 + 1);
    }

    /// Reports up to `count` stored messages.
    fn tell(&mut self, count: usize) {
        for arrival in self.told..self.store.len().min(self.told + count) {
            let view = message(arrival as u64 + 1);
            let notice = match self.store[arrival] {
                true => {
                    let MessageView { message, with: to, text, sent, order, .. } = view;
                    Notice::Queued { message, to, text, sent, order }
                }
                false => Notice::Message(Box::new(view)),
            };
            self.log.push(None, What::Notice(Arc::new(notice)));
            self.told += 1;
        }
    }

    fn page(&mut self, after: u64) -> Vec<Row> {
        let row = |arrival: usize| Row {
            message: message(arrival as u64 + 1),
            typed: self.store[arrival].then_some(Delivery::Queued),
        };
        let rows: Vec<Row> = (after as usize..self.store.len()).take(PAGE as usize).map(row).collect();
        self.log.on_page(rows.last().map_or(0, |row| row.message.arrival));
        rows
    }
}

struct Client {
    feed: Feed,
    at: Cursor,
    /// The page that was requested, and read.
    requested: Option<u64>,
    read: Option<Vec<Row>>,
    reviews: u32,
    /// Messages that were given, and the last one on this connection.
    seen: BTreeSet<u64>,
    last: u64,
}

impl Client {
    fn new(node: &Node, since: Since) -> Client {
        let mut feed = Feed::new(node.boot);
        feed.subscribe(&node.log, since);
        Client { at: feed.at(), feed, requested: None, read: None, reviews: 0, seen: BTreeSet::new(), last: 0 }
    }

    fn reconnect(&mut self, node: &Node) {
        let seen = std::mem::take(&mut self.seen);
        *self = Client { seen, ..Client::new(node, Since::Cursor(self.at)) };
    }

    /// Subscribes again on the same connection.
    fn subscribe_again(&mut self, node: &Node) {
        self.feed.subscribe(&node.log, Since::Cursor(self.at));
        self.last = 0;
    }

    fn take(&mut self, items: impl IntoIterator<Item = (Item, Cursor)>) {
        for (item, at) in items {
            self.at = at;
            let arrival = match item {
                Item::Event(entry) => entry.what.arrival(),
                Item::Row(row) => row.typed.is_none().then_some(row.message.arrival),
                Item::Overview => {
                    assert_eq!(self.reviews, 0, "one state of everybody is on the way at a time");
                    self.reviews += 1;
                    None
                }
                Item::Gap | Item::Live => None,
            };
            if let Some(arrival) = arrival {
                assert!(arrival > self.last, "{arrival} is given after {}", self.last);
                self.last = arrival;
                self.seen.insert(arrival);
            }
        }
    }

    /// Goes on by one step, and reads at most `most` of what is given. Returns whether it was anything.
    fn step(&mut self, node: &Node, most: usize) -> bool {
        match self.feed.poll(&node.log, node.log.next()) {
            Step::Give(items) => self.take(items.into_iter().take(most)),
            Step::Fetch(after) => {
                assert!(self.requested.is_none() && self.read.is_none(), "one page is on the way at a time");
                self.requested = Some(after);
            }
            Step::Wait => return false,
        }
        true
    }

    /// The store reads a page for it.
    fn store_reads(&mut self, node: &mut Node) -> bool {
        let Some(after) = self.requested.take() else { return false };
        self.read = Some(node.page(after));
        true
    }

    /// A page or the state of everybody comes.
    fn gets_answer(&mut self) -> bool {
        if let Some(rows) = self.read.take() {
            let items = self.feed.on_rows(rows);
            self.take(items);
        } else if self.reviews > 0 {
            self.reviews -= 1;
            self.feed.on_overview();
        } else {
            return false;
        }
        true
    }

    /// Reads everything there is.
    fn catch_up(&mut self, node: &mut Node) {
        while self.step(node, usize::MAX) || self.store_reads(node) || self.gets_answer() {}
    }
}

#[derive(Debug, Clone)]
enum Happens {
    Stored {
        count: usize,
        typed: bool,
    },
    Told(usize),
    OtherEvents(u64),
    Step,
    StoreReads,
    Answered,
    /// The connection breaks when the client has read this much more.
    Cut(usize),
    SubscribedAgain,
    Restarted,
}

fn happens() -> impl Strategy<Value = Happens> {
    use Happens::*;
    prop_oneof![
        4 => (1..600_usize, prop::bool::weighted(0.2)).prop_map(|(count, typed)| Stored { count, typed }),
        4 => (1..900_usize).prop_map(Told),
        1 => (1..5000_u64).prop_map(OtherEvents),
        8 => Just(Step),
        6 => Just(StoreReads),
        6 => Just(Answered),
        2 => (0..300_usize).prop_map(Cut),
        1 => Just(SubscribedAgain),
        1 => Just(Restarted),
    ]
}

fn run(node: &mut Node, client: &mut Client, happened: Happens) {
    match happened {
        Happens::Stored { count, typed } => node.store.extend(std::iter::repeat_n(typed, count)),
        Happens::Told(count) => node.tell(count),
        Happens::OtherEvents(count) => {
            for _ in 0..count {
                node.log.push(None, What::Notice(Arc::new(Notice::Done { what: String::new() })));
            }
        }
        Happens::Step => drop(client.step(node, usize::MAX)),
        Happens::StoreReads => drop(client.store_reads(node)),
        Happens::Answered => drop(client.gets_answer()),
        Happens::Cut(read) => {
            client.step(node, read);
            client.reconnect(node);
        }
        Happens::SubscribedAgain => client.subscribe_again(node),
        Happens::Restarted => {
            node.restart();
            client.reconnect(node);
        }
    }
}

/// The messages with a higher arrival.
fn messages_after(node: &Node, arrival: u64) -> BTreeSet<u64> {
    let arrivals = node.store.iter().zip(1..).filter(|(typed, _)| !**typed).map(|(_, arrival)| arrival);
    arrivals.filter(|found| *found > arrival).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(192) })]

    #[test]
    fn a_client_is_given_every_message_in_order_whatever_happens(
        before in 0..700_usize,
        is_from_start: bool,
        happened in vec(happens(), 1..60),
    ) {
        let mut node = Node::new(vec![false; before], 1);
        let since = if is_from_start { Since::Start } else { Since::Now };
        let mut client = Client::new(&node, since);
        let begin = client.at.arrival;
        for happens in happened {
            run(&mut node, &mut client, happens);
        }
        node.tell(usize::MAX / 2);
        client.catch_up(&mut node);
        let all = messages_after(&node, begin);
        prop_assert!(client.seen == all, "missed: {:?}", all.difference(&client.seen).collect::<Vec<_>>());
    }
}

#[test]
fn a_cursor_from_the_middle_of_what_is_older_than_the_run_continues_there() {
    let mut node = Node::new(vec![false; 600], 1);
    let mut client = Client::new(&node, Since::Start);
    assert!(client.step(&node, 0) && client.store_reads(&mut node) && client.gets_answer());
    assert_eq!(client.seen.last(), Some(&256));
    client.reconnect(&node);
    client.catch_up(&mut node);
    assert_eq!(client.seen, messages_after(&node, 0));
}

#[test]
fn a_page_for_an_earlier_subscription_is_not_taken_for_one_of_the_new_one() {
    let mut node = Node::after(Runs(vec![(BootId(9), 550)]), vec![false; 600], 1);
    let mut client = Client::new(&node, Since::Cursor(Cursor { boot: BootId(9), event: 1, arrival: 500 }));
    assert!(client.step(&node, 0));
    client.feed.subscribe(&node.log, Since::Start);
    client.catch_up(&mut node);
    assert_eq!(client.seen, messages_after(&node, 0));
}

#[test]
fn a_cursor_ahead_of_the_store_begins_with_the_first_message() {
    let mut node = Node::new(vec![false; 10], 2);
    for boot in [BootId(1), BootId(2)] {
        let mut client = Client::new(&node, Since::Cursor(Cursor { boot, event: 3, arrival: 11 }));
        client.catch_up(&mut node);
        assert_eq!(client.seen, messages_after(&node, 0));
    }
}

#[test]
fn a_cursor_that_an_older_copy_of_the_store_has_grown_past_begins_with_the_first_message() {
    // The copy was made in run 5 at message 4. Then came more in this run, and run 6.
    let node = Node::after(Runs(vec![(BootId(5), 4)]), vec![false; 10], 7);
    for (boot, arrival, first) in [(5, 4, 4), (5, 6, 0), (6, 8, 0), (6, 0, 0)] {
        let mut client = Client::new(&node, Since::Cursor(Cursor { boot: BootId(boot), event: 3, arrival }));
        assert!(client.step(&node, 0));
        assert_eq!(client.requested, Some(first), "run {boot}, message {arrival}");
    }
}

#[test]
fn a_cursor_at_a_line_typed_here_is_not_ahead_of_the_store() {
    let mut node = Node::new(vec![false; 10], 1);
    node.store.push(true);
    node.tell(1);
    let mut client = Client::new(&node, Since::Start);
    client.catch_up(&mut node);
    assert_eq!(client.at.arrival, 11);
    client.seen.clear();
    client.reconnect(&node);
    client.catch_up(&mut node);
    assert!(client.seen.is_empty(), "{:?}", client.seen);
}
