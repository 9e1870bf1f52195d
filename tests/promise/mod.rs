//! The delivery guarantees, checked for users whose programs are killed: [`Person`] types numbered lines across
//! restarts, and [`check`] asserts what must hold in the end.
//!
//! - A line that was reported as `queued`, or is in its author's history, is shown to the addressee, and on every other session
//!   of its author.
//! - Each line has one id, and is shown again only with `again:true`.
//! - Nothing else is shown.
//! - A delivered line is never queued again.
//! - All histories are equal, in the order of typing.
#![allow(dead_code, reason = "each suite uses a part of it")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

use crate::program::{Node, PATIENCE};

/// A session of a user, across all restarts of its program.
pub struct Person {
    /// What its lines begin with.
    pub name: &'static str,
    other: &'static str,
    pub node: Option<Node>,
    /// Number of lines to type.
    lines: u64,
    next: u64,
    /// Messages known to be stored: id and text.
    accepted: BTreeMap<String, String>,
    /// Messages reported as delivered, and to which session.
    delivered: BTreeSet<(String, String)>,
    /// Messages shown: id and text.
    pub shown: BTreeMap<String, String>,
    pub restarts: u32,
}

impl Person {
    /// A user with a running program, who is to type this many lines.
    pub fn new(name: &'static str, other: &'static str, node: Node, lines: u64) -> Person {
        Person {
            name,
            other,
            node: Some(node),
            lines,
            next: 0,
            accepted: BTreeMap::new(),
            delivered: BTreeSet::new(),
            shown: BTreeMap::new(),
            restarts: 0,
        }
    }

    pub fn has_more(&self) -> bool {
        self.next < self.lines
    }

    fn prefix(&self) -> String {
        format!("{} ", self.name)
    }

    /// Whether a text was typed here.
    fn typed(&self, text: &str) -> bool {
        text.starts_with(&self.prefix())
    }

    fn node(&mut self) -> &mut Node {
        self.node.as_mut().expect("it runs")
    }

    pub fn writes_some(&mut self, burst: u64) {
        for _ in 0..burst {
            if self.has_more() {
                let line = format!("{}{}", self.prefix(), self.next);
                self.next += 1;
                self.node().types(&line);
            }
        }
    }

    pub fn listens(&mut self, time: Duration) {
        let events = self.node().listens(time);
        self.notes(events);
    }

    pub fn dies(&mut self) {
        let events = self.node.take().expect("it runs").killed();
        self.notes(events);
        self.restarts += 1;
    }

    /// Takes over a program that was started and may not be ready yet.
    pub fn begins_to_start(&mut self, node: Node) {
        self.node = Some(node);
    }

    pub fn starts(&mut self, node: Node) {
        self.begins_to_start(node);
        self.node().event("ready");
        self.open_chat();
        self.history();
        let waiting = self.waiting();
        let back: Vec<&(String, String)> = waiting.iter().filter(|id| self.delivered.contains(*id)).collect();
        assert!(back.is_empty(), "these were reported to {} as delivered before: {back:?}", self.name);
    }

    pub fn open_chat(&mut self) {
        let chat = format!(r"\chat {}", self.other);
        assert_eq!(self.node().asks(&chat)["event"], "chat");
    }

    /// The ids and texts in history. The user's own messages count as accepted, as a kill may fall between storing and reporting
    /// them.
    fn history(&mut self) -> Vec<(String, String)> {
        let ask = format!(r"\history {} 10000", self.other);
        let history = self.node().asks(&ask);
        let messages = history["messages"].as_array().expect("a list");
        let own = messages.iter().filter(|message| message["own"] == true).map(id_and_text);
        self.accepted.extend(own);
        messages.iter().map(id_and_text).collect()
    }

    /// The messages that some session does not have yet, with each of those sessions; without one if none is known.
    fn waiting(&mut self) -> Vec<(String, String)> {
        let status = self.node().asks(r"\status");
        let of_one = |view: &Value| -> Vec<(String, String)> {
            let sessions = view["sessions"].as_array().expect("a list");
            let lacking = sessions.iter().filter(|one| one["state"] != "delivered");
            let message = text_of(view, "message");
            match sessions.is_empty() {
                true => vec![(message, String::new())],
                false => lacking.map(|one| (message.clone(), text_of(one, "session"))).collect(),
            }
        };
        status["messages"].as_array().expect("a list").iter().flat_map(of_one).collect()
    }

    fn wait_until_all_is_delivered(&mut self) {
        while !self.waiting().is_empty() {
            let state = self.node().event("state");
            self.notes(vec![state]);
        }
        self.listens(Duration::ZERO);
    }

    fn wait_until_shown(&mut self, awaited: &BTreeSet<String>) {
        loop {
            let missing: Vec<&String> = awaited.iter().filter(|id| !self.shown.contains_key(*id)).collect();
            if missing.is_empty() {
                return;
            }
            let events = self.node().listens(PATIENCE);
            if events.is_empty() {
                let history: BTreeMap<String, String> = self.history().into_iter().collect();
                let (stored, lost): (Vec<_>, Vec<_>) = missing.into_iter().partition(|id| history.contains_key(*id));
                panic!("{} has stored and not shown {stored:?}, and does not have {lost:?}", self.name);
            }
            self.notes(events);
        }
    }

    pub fn notes(&mut self, events: Vec<Value>) {
        for event in events {
            match event["event"].as_str() {
                Some("queued") => self.accepted.extend([id_and_text(&event)]),
                Some("message") => self.sees(&event),
                Some("state") => {
                    let place = (text_of(&event, "message"), text_of(&event, "session"));
                    let forward = event["state"] == "delivered" || !self.delivered.contains(&place);
                    assert!(forward, "{}: a state went back: {event}", self.name);
                    if event["state"] == "delivered" {
                        self.delivered.insert(place);
                    }
                }
                Some("error" | "warning") => panic!("{}: {event}", self.name),
                _ => {}
            }
        }
    }

    fn sees(&mut self, event: &Value) {
        let (id, text) = id_and_text(event);
        let before = self.shown.insert(id, text.clone());
        assert!(before.is_none() || event["again"] == true, "{}: shown twice without `again`: {event}", self.name);
        assert!(before.is_none_or(|before| before == text), "{}: shown with another text: {event}", self.name);
    }
}

/// Waits until everything was delivered, and is shown wherever it was not typed.
pub fn settle(people: &mut [Person]) {
    people.iter_mut().for_each(Person::wait_until_all_is_delivered);
    let all: BTreeMap<String, String> = people.iter().flat_map(|person| person.accepted.clone()).collect();
    for reader in people {
        let of_others = all.iter().filter(|(_, text)| !reader.typed(text));
        let awaited: BTreeSet<String> = of_others.map(|(id, _)| id.clone()).collect();
        reader.wait_until_shown(&awaited);
    }
}

/// Checks the guarantees, and stops all programs.
pub fn check(mut people: Vec<Person>) {
    let histories: Vec<Vec<(String, String)>> = people.iter_mut().map(Person::history).collect();
    for (history, person) in histories.iter().zip(&people) {
        assert_eq!(*history, histories[0], "the histories of {} and {} are equal", person.name, people[0].name);
    }
    let all: BTreeMap<String, String> = histories[0].iter().cloned().collect();
    let texts: BTreeSet<&String> = all.values().collect();
    assert_eq!(texts.len(), histories[0].len(), "each line has one id");
    for person in &people {
        let is_own = |line: &(String, String)| person.typed(&line.1);
        let (own, of_others): (BTreeMap<_, _>, BTreeMap<_, _>) = all.clone().into_iter().partition(is_own);
        assert_eq!(person.shown, of_others, "{} is shown what others wrote, and nothing else", person.name);
        let accepted: BTreeMap<_, _> = person.accepted.clone().into_iter().filter(is_own).collect();
        assert_eq!(accepted, own, "nothing that {} wrote is lost", person.name);
        let written: Vec<u64> =
            histories[0].iter().filter_map(|(_, text)| text.strip_prefix(&person.prefix())?.parse().ok()).collect();
        assert!(written.is_sorted(), "{} wrote in this order: {written:?}", person.name);
        assert_eq!(written.len(), own.len());
    }
    for person in &mut people {
        let mut node = person.node.take().expect("it runs");
        node.types(r"\quit");
        person.notes(node.ends().1);
    }
}

pub fn text_of(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_else(|| panic!("{value} has no {key}")).to_owned()
}

pub fn id_and_text(value: &Value) -> (String, String) {
    (text_of(value, "message"), text_of(value, "text"))
}
