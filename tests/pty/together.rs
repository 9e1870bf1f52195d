//! One node, three interfaces at once: the screen, the page (by the interface that it uses), and a script on the socket.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::program::client::Client;
use crate::program::http::{Page, Stream};
use crate::program::{Node, TestBed};
use crate::terminal::Terminal;

/// A message as an interface shows it: who wrote it, its text, and where it is, of one's own.
type Shown = (String, String, String);

/// A message that a client was told of.
struct Message {
    with: String,
    from: String,
    text: String,
    order: u64,
    /// How many came before.
    arrival: usize,
}

/// A client that was told everything as it happened, as the page keeps it.
#[derive(Default)]
struct Told {
    messages: BTreeMap<String, Message>,
    /// Where own messages are, in words, and which of others were late.
    states: BTreeMap<String, String>,
}

impl Told {
    fn take(&mut self, event: &Value) {
        let text = |key: &str| event[key].as_str().unwrap_or_default().to_owned();
        let message = |with: &str, from: String| Message {
            with: text(with),
            from,
            text: text("text"),
            order: event["order"].as_u64().unwrap_or_default(),
            arrival: self.messages.len(),
        };
        let id = text("message");
        match event["event"].as_str() {
            Some("message") => {
                let message = message("with", text("from"));
                let is_later = |known: &Message| known.with == message.with && known.order > message.order;
                if self.messages.values().any(is_later) {
                    self.states.insert(id.clone(), "late".to_owned());
                }
                self.messages.insert(id, message);
            }
            Some("queued") => {
                self.messages.insert(id.clone(), message("to", "you".to_owned()));
                self.states.insert(id, "waits".to_owned());
            }
            Some("state") => drop(self.states.insert(id, text("state"))),
            _ => {}
        }
    }

    fn conversation(&self, with: &str) -> Vec<Shown> {
        let mut sorted: Vec<(&String, &Message)> =
            self.messages.iter().filter(|(_, message)| message.with == with).collect();
        sorted.sort_by_key(|(_, message)| (message.order, message.arrival));
        let shown = |(id, message): (&String, &Message)| {
            (message.from.clone(), message.text.clone(), self.states.get(id).cloned().unwrap_or_default())
        };
        sorted.into_iter().map(shown).collect()
    }
}

/// What the store says, as a client asks for it that has just come.
fn stored(ask: &mut dyn FnMut(Value) -> Value, with: &str) -> Vec<Shown> {
    let history = ask(json!({"do": "history", "user": with, "n": 50}));
    let status = ask(json!({"do": "status", "user": with}));
    let state = |id: &Value| {
        let of_it = status["messages"].as_array().into_iter().flatten().find(|message| message["message"] == *id);
        let session = of_it.and_then(|message| message["sessions"][0]["state"].as_str());
        session.map(|state| if state == "queued" { "waits" } else { state }.to_owned())
    };
    let shown = |message: &Value| {
        let own = message["own"] == true;
        let from = if own { "you" } else { message["from"].as_str().expect("it has an author") };
        let state = match own {
            // Of what everybody has, `status` says nothing.
            true => state(&message["message"]).unwrap_or_else(|| "delivered".to_owned()),
            false => if message["late"] == true { "late" } else { "" }.to_owned(),
        };
        (from.to_owned(), message["text"].as_str().expect("it has a text").to_owned(), state)
    };
    history["messages"].as_array().expect("a list").iter().map(shown).collect()
}

fn unread(conversations: &Value) -> BTreeMap<String, u64> {
    let all = conversations["conversations"].as_array().expect("a list");
    let unread = |one: &Value| Some((one["with"].as_str()?.to_owned(), one["unread"].as_u64()?));
    all.iter().filter_map(unread).collect()
}

/// The messages on the screen, in the order of its rows.
fn rows_of(screen: &[String]) -> Vec<Shown> {
    let row = |row: &String| {
        let (_, right) = row.split_once('│')?;
        let (time, rest) = right.trim().split_once(char::is_whitespace)?;
        let is_time = time.len() == 5 && time.as_bytes()[2] == b':';
        let mut parts = rest.split("  ").map(str::trim).filter(|part| !part.is_empty() && is_time);
        let mut next = || parts.next().map(str::to_owned);
        Some((next()?, next()?, next().unwrap_or_default()))
    };
    screen.iter().filter_map(row).collect()
}

/// The number beside a name in the list of the screen.
fn unread_on(screen: &[String], name: &str) -> u64 {
    let mut rows = screen.iter().filter_map(|row| row.split_once('│')).map(|(left, _)| left);
    let row = rows.find(|left| left.trim_start_matches(['▌', ' ']).starts_with(name)).unwrap_or_default();
    row.split_whitespace().last().and_then(|last| last.parse().ok()).unwrap_or(0)
}

/// The three.
struct Interfaces {
    screen: Terminal,
    page: Page,
    token: String,
    stream: Stream,
    told: Told,
    script: Client,
}

impl Interfaces {
    fn of(bed: &TestBed, name: &str) -> Interfaces {
        let mut command = bed.bare();
        command.args(["attach", "--data-dir"]).arg(bed.path(name));
        let screen = Terminal::run(command);
        let page = Page::of(bed, name);
        let token = page.enters();
        let mut stream = page.streams(&token, "now");
        stream.event("live");
        Interfaces { screen, token, stream, told: Told::default(), script: Client::connect(bed, name), page }
    }

    fn asks_page(&self, request: Value) -> Value {
        let [answer] = &self.page.requests(&self.token, &request).events()[..] else {
            panic!("{request} has one answer")
        };
        answer.clone()
    }

    /// Waits until all three show the same messages of a conversation, in this order and in these states. `is_open`: at the screen.
    fn show(&mut self, with: &str, is_open: bool, expected: &[(&str, &str, &str)]) {
        let expected: Vec<Shown> =
            expected.iter().map(|(from, text, state)| ((*from).into(), (*text).into(), (*state).into())).collect();
        if self.told.conversation(with) != expected {
            self.stream.wait(|event| {
                self.told.take(event);
                self.told.conversation(with) == expected
            });
        }
        assert_eq!(self.told.conversation(with), expected, "the page");
        assert_eq!(stored(&mut |request| self.script.asks(request), with), expected, "the script");
        assert_eq!(stored(&mut |request| self.asks_page(request), with), expected, "the page, after a reload");
        if is_open {
            self.screen.sees(&format!("{expected:?}"), |rows, _| rows_of(rows) == expected);
        }
    }

    /// Waits until all three list the conversations in this order.
    fn list(&mut self, expected: &[&str]) {
        self.screen.sees(&format!("{expected:?}"), |rows, _| listed_on(rows, expected) == expected);
        let ask = json!({"line": 1, "do": "conversations"});
        assert_eq!(listed(&self.script.asks(ask.clone())), expected, "the script");
        assert_eq!(listed(&self.asks_page(ask)), expected, "the page");
    }

    /// Waits until all three count this many unread messages.
    fn count(&mut self, expected: [(&str, u64); 2]) {
        self.screen
            .sees(&format!("{expected:?}"), |rows, _| expected.iter().all(|(name, n)| unread_on(rows, name) == *n));
        let expected: BTreeMap<String, u64> = expected.into_iter().map(|(name, n)| (name.to_owned(), n)).collect();
        let ask = json!({"line": 1, "do": "conversations"});
        assert_eq!(unread(&self.script.asks(ask.clone())), expected, "the script");
        assert_eq!(unread(&self.asks_page(ask)), expected, "the page");
    }
}

/// The names in the list of conversations, in its order.
fn listed(conversations: &Value) -> Vec<String> {
    let all = conversations["conversations"].as_array().expect("a list");
    all.iter().filter_map(|one| Some(one["with"].as_str()?.to_owned())).collect()
}

/// The names in the list of the screen, in its order.
fn listed_on(screen: &[String], names: &[&str]) -> Vec<String> {
    let lefts =
        screen.iter().filter_map(|row| row.split_once('│')).map(|(left, _)| left.trim_start_matches(['▌', ' ']));
    lefts.filter_map(|left| names.iter().find(|name| left.starts_with(**name))).map(|name| (*name).to_owned()).collect()
}

fn arrives(at: &mut Node, text: &str) {
    at.event_with("message", "text", text);
}

#[test]
fn screen_page_and_script_show_the_same_counts_the_same_order_and_the_same_states() {
    let bed = TestBed::new();
    let mut alice = bed.node("alice").with(&["--accept", "ask"]).start();
    let (mut bob, mut carol) = (bed.start("bob"), bed.start("carol"));
    alice.meet(&mut bob);
    alice.chats_with(&mut bob);
    bob.asks(r"\chat alice");
    let mut all = Interfaces::of(&bed, "alice");
    all.screen.sees_typed(" > ");
    all.screen.by_hand(r"\chat bob");
    all.screen.sees_typed(" to bob > ");

    bob.says("one");
    all.screen.sees_text("bob  one");
    all.screen.by_hand("two");
    arrives(&mut bob, "two");
    all.asks_page(json!({"line": 2, "do": "say", "to": "bob", "text": "three"}));
    arrives(&mut bob, "three");
    all.script.asks(json!({"do": "say", "to": "bob", "text": "four"}));
    arrives(&mut bob, "four");
    bob.says("five");
    let mut talk = vec![
        ("bob", "one", ""),
        ("you", "two", "delivered"),
        ("you", "three", "delivered"),
        ("you", "four", "delivered"),
        ("bob", "five", ""),
    ];
    all.show("bob", true, &talk);

    // A line that waits, and one that was written before it and arrives after it.
    let port = bob.port();
    bob.quits();
    all.screen.sees_text("bob · away");
    all.asks_page(json!({"line": 3, "do": "say", "to": "bob", "text": "six"}));
    talk.push(("you", "six", "waits"));
    all.show("bob", true, &talk);
    carol.meet(&mut alice);
    carol.asks(r"\chat alice");
    carol.says("let me in");
    alice.holds_back(1);
    // To open the conversation would let her line in, perhaps before the answer is stored.
    all.script.asks(json!({"do": "say", "to": "carol", "text": "who is it?"}));
    all.screen.by_hand(r"\chat carol");
    all.screen.sees_typed(" to carol > ");
    arrives(&mut carol, "who is it?");
    all.show("carol", true, &[("carol", "let me in", "late"), ("you", "who is it?", "delivered")]);

    // One is delivered later, and one is read at the page.
    let mut bob = bed.node("bob").port(port).start();
    arrives(&mut bob, "six");
    bob.asks(r"\chat alice");
    let last = bob.says("seven");
    all.count([("bob", 1), ("carol", 0)]);
    all.asks_page(json!({"line": 5, "do": "read", "with": "bob", "through": last}));
    all.count([("bob", 0), ("carol", 0)]);
    talk.pop();
    talk.extend([("you", "six", "delivered"), ("bob", "seven", "")]);
    all.screen.by_hand(r"\chat bob");
    all.show("bob", true, &talk);
    all.screen.leaves();
    alice.quits();
    bob.quits();
    carol.quits();
}

#[test]
fn screen_page_and_script_list_first_who_has_written_last_also_after_a_restart() {
    let bed = TestBed::new();
    let mut alice = bed.start("alice");
    let (mut bob, mut carol) = (bed.start("bob"), bed.start("carol"));
    for friend in [&mut bob, &mut carol] {
        alice.meet(friend);
        alice.chats_with(friend);
        friend.asks(r"\chat alice");
    }
    // Bob answers and counts on. Carol has heard nothing when she writes, so that her message is numbered low.
    let mut all = Interfaces::of(&bed, "alice");
    all.screen.by_hand(r"\chat bob");
    all.screen.sees_typed(" to bob > ");
    for n in 0..3 {
        all.screen.by_hand(&format!("question {n}"));
        arrives(&mut bob, &format!("question {n}"));
        bob.says(&format!("answer {n}"));
        all.screen.sees_text(&format!("bob  answer {n}"));
    }
    carol.says("hello");
    all.list(&["carol", "bob"]);
    drop(all);
    alice.quits();
    let alice = bed.start("alice");
    let mut all = Interfaces::of(&bed, "alice");
    all.list(&["carol", "bob"]);
    all.screen.leaves();
    alice.quits();
    bob.quits();
    carol.quits();
}
