//! The delivery guarantees, checked for users whose programs are killed: [`Person`] types numbered lines across
//! restarts, and [`check`] asserts what must hold in the end.
//!
//! - A line that was reported as `queued`, or is in its author's history, is shown to the addressee.
//! - Each line has one id, and is shown again only with `again:true`.
//! - Nothing else is shown.
//! - A delivered line is never queued again.
//! - Both histories are equal, in the order of typing.
#![allow(dead_code, reason = "each suite uses a part of it")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

use crate::program::Node;

/// A user, across all restarts of their program.
pub struct Person {
    pub name: &'static str,
    other: &'static str,
    pub node: Option<Node>,
    /// Number of lines to type.
    lines: u64,
    typed: u64,
    /// Messages known to be stored: id and text.
    accepted: BTreeMap<String, String>,
    /// Messages reported as delivered.
    delivered: BTreeSet<String>,
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
            typed: 0,
            accepted: BTreeMap::new(),
            delivered: BTreeSet::new(),
            shown: BTreeMap::new(),
            restarts: 0,
        }
    }

    pub fn has_more(&self) -> bool {
        self.typed < self.lines
    }

    fn node(&mut self) -> &mut Node {
        self.node.as_mut().expect("it runs")
    }

    pub fn writes_some(&mut self, burst: u64) {
        for _ in 0..burst {
            if self.has_more() {
                let line = format!("{} {}", self.name, self.typed);
                self.typed += 1;
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
        let back: Vec<&String> = waiting.iter().filter(|id| self.delivered.contains(*id)).collect();
        assert!(back.is_empty(), "these were reported to {} as delivered before: {back:?}", self.name);
    }

    pub fn open_chat(&mut self) {
        let chat = format!(r"\chat {}", self.other);
        assert_eq!(self.node().asks(&chat)["event"], "chat");
    }

    /// The ids and texts in history. Own messages count as accepted, as a kill may fall between storing and reporting
    /// them.
    fn history(&mut self) -> Vec<(String, String)> {
        let ask = format!(r"\history {} 1000", self.other);
        let history = self.node().asks(&ask);
        let messages = history["messages"].as_array().expect("a list");
        let own = messages.iter().filter(|message| message["own"] == true).map(id_and_text);
        self.accepted.extend(own);
        messages.iter().map(id_and_text).collect()
    }

    /// The ids of queued messages.
    fn waiting(&mut self) -> Vec<String> {
        let status = self.node().asks(r"\status");
        status["messages"].as_array().expect("a list").iter().map(|view| text_of(view, "message")).collect()
    }

    fn wait_until_all_is_delivered(&mut self) {
        while !self.waiting().is_empty() {
            let state = self.node().event("state");
            self.notes(vec![state]);
        }
    }

    fn wait_until_shown(&mut self, awaited: &BTreeSet<String>) {
        self.listens(Duration::ZERO);
        while !awaited.iter().all(|id| self.shown.contains_key(id)) {
            let message = self.node().event("message");
            self.notes(vec![message]);
        }
    }

    pub fn notes(&mut self, events: Vec<Value>) {
        for event in events {
            match event["event"].as_str() {
                Some("queued") => self.accepted.extend([id_and_text(&event)]),
                Some("message") => self.sees(&event),
                Some("state") => {
                    let id = text_of(&event, "message");
                    let forward = event["state"] == "delivered" || !self.delivered.contains(&id);
                    assert!(forward, "{}: a state went back: {event}", self.name);
                    if event["state"] == "delivered" {
                        self.delivered.insert(id);
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

/// Waits until everything was delivered and shown on both sides.
pub fn settle(people: &mut [Person; 2]) {
    people.iter_mut().for_each(Person::wait_until_all_is_delivered);
    for (reader, author) in [(1, 0), (0, 1)] {
        let awaited: BTreeSet<String> = people[author].accepted.keys().cloned().collect();
        people[reader].wait_until_shown(&awaited);
    }
}

/// Stops both programs, and checks the guarantees.
pub fn check(mut people: [Person; 2]) {
    let histories = people.each_mut().map(Person::history);
    assert_eq!(histories[0], histories[1], "both histories are equal");
    for (reader, author) in [(1, 0), (0, 1)] {
        let (reader, author) = (&people[reader], &people[author]);
        assert_eq!(
            reader.shown, author.accepted,
            "{} is shown what {} wrote, and nothing else",
            reader.name, author.name
        );
        let texts: BTreeSet<&String> = reader.shown.values().collect();
        assert_eq!(texts.len(), reader.shown.len(), "each line has one id");
        let prefix = format!("{} ", author.name);
        let written: Vec<u64> =
            histories[0].iter().filter_map(|(_, text)| text.strip_prefix(&prefix)?.parse().ok()).collect();
        assert!(written.is_sorted(), "{} wrote in this order: {written:?}", author.name);
        assert_eq!(written.len(), author.accepted.len());
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
