//! What it costs to look at a long history: a million lines in ten conversations, of which every tenth is not ASCII.
//!
//! `cargo bench --bench history [DIR]`, where DIR is on the disk to measure; default: the system's temporary directory.

#![expect(clippy::disallowed_methods, reason = "a benchmark has a clock of its own")]

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use darknode::id::{Address, MessageDigest, MessageId, SessionId, StreamId, UserId};
use darknode::node::store::{Event, Job, Me, Store};
use darknode::proto::event::{Page, Query, Searched};
use darknode::proto::notice::Notice;
use darknode::proto::persist::{MessageRow, Op, Ticket};
use darknode::time::{Moment, Wall};
use darknode::wire::content::kind;

const ALICE: UserId = UserId([1; 32]);
const LINES: u64 = 1_000_000;
const CONVERSATIONS: u64 = 10;
/// Lines of one page of history.
const PAGE: u32 = 1_000;
const WORDS: [&str; 10] =
    ["generator", "cable", "tonight", "the", "harbour", "six", "antenna", "bring", "nobody", "well"];
const CYRILLIC: [&str; 5] = ["генератор", "кабель", "вечером", "гавань", "антенна"];

/// A running store.
struct Bench {
    jobs: Sender<Job>,
    events: Receiver<Event>,
    ticket: u64,
}

fn main() {
    let disk =
        std::env::args().skip(1).find(|arg| !arg.starts_with('-')).map_or_else(std::env::temp_dir, PathBuf::from);
    let dir = tempfile::tempdir_in(disk).expect("the disk takes a directory");
    let me = Me { id: ALICE, session: SessionId([2; 32]), name: "alice".to_owned() };
    let store = Store::open(dir.path(), me).expect("a new store");
    let (to_us, events) = channel();
    let (jobs, _) = store.start(Moment::default, move |event| drop(to_us.send(event))).expect("a thread starts");
    let mut bench = Bench { jobs, events, ticket: 0 };
    let begin = Instant::now();
    bench.fill();
    println!("lines stored per second               {:>10.0}", LINES as f64 / begin.elapsed().as_secs_f64());
    bench.searches();
    bench.pages();
    bench.commits();
}

fn user(n: u64) -> UserId {
    UserId([10 + (n % CONVERSATIONS) as u8; 32])
}

fn id(n: u64) -> MessageId {
    let of = n % CONVERSATIONS;
    let stream = StreamId { author: SessionId([30 + of as u8; 32]), epoch: 7, to: ALICE.into() };
    MessageId { stream, n: n / CONVERSATIONS + 1 }
}

/// Line n, of about a hundred bytes.
fn line(n: u64) -> MessageRow {
    let word = |at: u64| match n % 10 {
        9 => CYRILLIC[(n.wrapping_mul(at + 7) / 11) as usize % CYRILLIC.len()],
        _ => WORDS[(n.wrapping_mul(at + 7) / 13) as usize % WORDS.len()],
    };
    let count = if n % 10 == 9 { 7 } else { 15 };
    let text = (0..count).map(word).collect::<Vec<_>>().join(" ");
    MessageRow {
        arrival: n + 1,
        id: id(n),
        kind: kind::TEXT,
        with: Address::from(user(n)),
        from: user(n),
        lamport: n + 1,
        wall: Wall(1_700_000_000_000 + n as i64),
        body: text.into_bytes(),
        since: Moment(0),
    }
}

impl Bench {
    fn put(&mut self, n: u64) {
        self.ticket += 1;
        let op = Op::Received(line(n));
        self.jobs.send(Job::Op { ticket: Ticket(self.ticket), op }).expect("the store runs");
    }

    fn stored(&self) {
        let is_last = |event| matches!(event, Event::Stored { through, .. } if through.0 == self.ticket);
        while !is_last(self.events.recv().expect("the store runs")) {}
    }

    fn fill(&mut self) {
        for first in (0..LINES).step_by(10_000) {
            (first..first + 10_000).for_each(|n| self.put(n));
            self.stored();
        }
    }

    /// Asks a query. Returns the time until its answer, the number of messages in it, and where to go on.
    fn ask(&self, query: Query) -> (Duration, usize, Option<MessageId>) {
        let begin = Instant::now();
        self.jobs.send(Job::Query { line: Some(1), query }).expect("the store runs");
        loop {
            let (count, next) = match self.events.recv().expect("the store runs") {
                Event::Answer { notice: Notice::History { messages, next, .. }, .. } => (messages.len(), next),
                Event::Found { rows, next, .. } | Event::Exported { rows, next, .. } => (rows.len(), next),
                Event::Conversations { conversations, .. } => (conversations.len(), None),
                Event::Answer { notice, .. } => panic!("{notice:?}"),
                _ => continue,
            };
            return (begin.elapsed(), count, next);
        }
    }

    fn search(&self, what: &str, searched: Searched) {
        let mut times: Vec<Duration> = (0..5).map(|_| self.ask(Query::Search(searched.clone())).0).collect();
        times.sort();
        let (_, found, next) = self.ask(Query::Search(searched));
        let end = if next.is_some() { "and more" } else { "searched to its end" };
        println!("search, {what:<30} p50 {:>9.1?}   max {:>9.1?}   {found} found, {end}", times[2], times[4]);
    }

    fn searches(&self) {
        let of = |text: &str, n| Searched { text: text.to_owned(), with: None, n, before: None };
        self.search("a word of every page", of("GENERATOR", 20));
        self.search("a text that nobody said", of("no such text", 20));
        self.search("the same in Cyrillic", of("НЕТ ТАКОГО", 20));
        self.search("the same in one conversation", Searched { with: Some(user(3)), ..of("no such text", 20) });
    }

    fn history(&self, n: u32, page: Page) -> (Duration, usize, Option<MessageId>) {
        self.ask(Query::History { with: user(0), handle: "bob".to_owned(), sessions: Vec::new(), n, page })
    }

    fn pages(&self) {
        let mut last: Vec<Duration> = (0..100).map(|_| self.history(20, Page::Last).0).collect();
        last.sort();
        println!("history, the last 20 lines             p50 {:>9.1?}   max {:>9.1?}", last[50], last[99]);
        let (mut times, mut lines, mut next) = (Vec::new(), 0, Some(Page::Last));
        while let Some(page) = next {
            let (time, count, older) = self.history(PAGE, page);
            times.push(time);
            lines += count;
            next = older.map(|older| Page::Before(older.digest()));
        }
        times.sort();
        let (count, p50, max) = (times.len(), times[times.len() / 2], times[times.len() - 1]);
        println!("history, {count} pages of {lines} lines          p50 {p50:>9.1?}   max {max:>9.1?}");
        let oldest: MessageDigest = id(CONVERSATIONS).digest();
        println!("history, from the oldest line, unseen  {:>13.1?}", self.history(20, Page::After(oldest)).0);
        let (begin, mut pages, mut after) = (Instant::now(), 0, None);
        loop {
            let (_, _, next) = self.ask(Query::Export { with: None, after });
            pages += 1;
            let Some(next) = next else { break };
            after = Some(next.digest());
        }
        println!("export of everything, {pages} pages        {:>13.1?}", begin.elapsed());
        let unread = (0..CONVERSATIONS).map(|n| (id(n).stream, [(99_000, u64::MAX)].into_iter().collect())).collect();
        let query = Query::Conversations { linked: Vec::new(), unread };
        println!("conversations, 1,001 unread in each    {:>13.1?}", self.ask(query).0);
    }

    /// The time to store a line, alone and while a search is under way.
    fn commits(&mut self) {
        let mut after = LINES;
        for what in ["alone", "beside searches"] {
            let mut times = Vec::new();
            for n in 0..200 {
                if what != "alone" && n % 40 == 0 {
                    let text = "no such text".to_owned();
                    let query = Query::Search(Searched { text, with: None, n: 1, before: None });
                    self.jobs.send(Job::Query { line: None, query }).expect("the store runs");
                }
                let begin = Instant::now();
                self.put(after);
                self.stored();
                times.push(begin.elapsed());
                after += 1;
            }
            times.sort();
            println!("one line stored, {what:<20}  p50 {:>9.1?}   p99 {:>9.1?}", times[100], times[198]);
        }
    }
}
