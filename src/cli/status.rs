//! `darknode status`: the node in four lines, and where the user's messages are.

use std::io::{self, Write};

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Failed;
use super::node::{Event, Node};
use super::show::print;
use crate::config::remote::{Form, StatusArgs};
use crate::ui::doctor::span;
use crate::ui::plain::{Style, counted, inline, quoted};
use crate::ui::wrap::wrapped;

/// Numbers of the requests.
const MAP: u64 = 1;
const STATUS: u64 = 2;
/// Users who are named in one line. The others are counted.
const NAMED: usize = 8;
/// Columns of the title of a line.
const TITLE: usize = 7;

/// Prints the node and what is not delivered, or the messages to one user.
pub fn status(node: &mut Node, args: &StatusArgs) -> Result<(), Failed> {
    if args.user.is_none() {
        let map = ask(node, MAP, json!({ "do": "map" }), args.form)?;
        tell(node, &map, args.form)?;
    }
    let status = ask(node, STATUS, json!({ "do": "status", "user": args.user }), args.form)?;
    let is_empty = status.value["messages"].as_array().is_none_or(Vec::is_empty);
    // The lines about the node say so.
    if args.form.json || args.user.is_some() || !is_empty { print(&status, args.form) } else { Ok(()) }
}

fn ask(node: &mut Node, line: u64, mut request: Value, form: Form) -> Result<Event, Failed> {
    (request["line"], request["shown"]) = (json!(line), json!(!form.json));
    node.request(&request)?;
    let answer = node.answer(line, |_| {})?;
    answer.error().map_or(Ok(answer), Err)
}

fn tell(node: &Node, map: &Event, form: Form) -> Result<(), Failed> {
    if form.json {
        return print(map, form);
    }
    let other = |_| Failed::Refused("the node's answer has another form; is it of another version?".to_owned());
    let ready = Ready::deserialize(&node.ready.value).map_err(other)?;
    let map = Map::deserialize(&map.value).map_err(other)?;
    let columns = Style::of_stdout().columns;
    let mut out = io::stdout().lock();
    for line in overview(&ready, &map, Utc::now()) {
        let rows = columns.map_or_else(|| line.clone(), |columns| wrapped(&line, columns, TITLE));
        writeln!(out, "{rows}")?;
    }
    Ok(out.flush()?)
}

/// What is used of the event `ready`.
#[derive(Deserialize)]
struct Ready {
    user: String,
    listen: Vec<String>,
    network: Option<String>,
    roles: Vec<String>,
}

/// What is used of the event `map`.
#[derive(Deserialize)]
struct Map {
    nodes: Vec<User>,
}

#[derive(Deserialize)]
struct User {
    name: String,
    me: bool,
    distance: Option<u8>,
    way: String,
    through: Option<String>,
    rtt_ms: Option<f64>,
    since: Option<String>,
    #[serde(default)]
    held: u64,
    #[serde(default)]
    waiting: u64,
}

impl User {
    fn name(&self) -> String {
        quoted(&inline(&self.name)).into_owned()
    }

    /// For how long what is shown of them has been so; empty if that is not known.
    fn for_how_long(&self, now: DateTime<Utc>) -> String {
        let since = self.since.as_deref().and_then(|since| DateTime::parse_from_rfc3339(since).ok());
        // The clock may have been set back.
        since.map_or_else(String::new, |at| format!(" {}", span((now - at.to_utc()).to_std().unwrap_or_default())))
    }
}

/// The node, who is here, what waits, and what it holds for others.
fn overview(ready: &Ready, map: &Map, now: DateTime<Utc>) -> [String; 4] {
    let me = map.nodes.iter().find(|user| user.me);
    let held = me.map_or(0, |me| me.held);
    [
        itself(ready, me, now),
        format!("here   {}", here(map, now)),
        format!("waits  {}", waits(map)),
        format!("holds  {}", holds(held, ready.roles.is_empty())),
    ]
}

/// The envelopes that the node keeps. One that is no relay or server keeps them for other sessions of its user only.
fn holds(held: u64, is_ordinary: bool) -> String {
    match held {
        0 => "nothing for others".to_owned(),
        _ if is_ordinary => counted(held, "envelope") + " for your other sessions",
        _ => counted(held, "envelope") + " for others",
    }
}

fn itself(ready: &Ready, me: Option<&User>, now: DateTime<Utc>) -> String {
    let up = me.map_or_else(String::new, |me| format!("up{}, ", me.for_how_long(now)));
    let network = if ready.network.is_some() { "closed" } else { "open" };
    let port = ready.listen.first().and_then(|addr| addr.rsplit_once(':'));
    let port = port.map_or_else(String::new, |(_, port)| format!(", port {port}"));
    let roles: String = ready.roles.iter().map(|role| format!(", {role}")).collect();
    format!("{:TITLE$}{up}{network} network{port}{roles}", quoted(&inline(&ready.user)).into_owned() + "  ")
}

/// Linked users who are online, and then those who are away.
fn here(map: &Map, now: DateTime<Utc>) -> String {
    let linked = || map.nodes.iter().filter(|user| user.distance == Some(1));
    let way = |user: &User| match (&*user.way, &user.through, user.rtt_ms) {
        ("direct", _, Some(rtt_ms)) => format!("{} direct {rtt_ms:.1} ms", user.name()),
        ("through", Some(by), _) => format!("{} through {}", user.name(), quoted(&inline(by))),
        (way, ..) => format!("{} {}", user.name(), inline(way)),
    };
    let online = listed(linked().filter(|user| user.way != "away").map(way));
    let away = linked().filter(|user| user.way == "away");
    let away = listed(away.map(|user| format!("{} away{}", user.name(), user.for_how_long(now))));
    match (online, away) {
        (None, None) => "nobody is linked yet".to_owned(),
        (online, away) => {
            [online.or(Some("nobody".to_owned())), away].into_iter().flatten().collect::<Vec<_>>().join("; ")
        }
    }
}

/// Lines for others, and who carries some of them.
fn waits(map: &Map) -> String {
    let total: u64 = map.nodes.iter().map(|user| user.waiting).sum();
    let each = |count: fn(&User) -> u64| {
        let users = map.nodes.iter().filter(move |user| !user.me && count(user) > 0);
        listed(users.map(move |user| format!("{} {}", user.name(), count(user))))
    };
    match (each(|user| user.waiting), each(|user| user.held)) {
        (None, _) => "nothing".to_owned(),
        (Some(users), None) => format!("{}: {users}", counted(total, "line")),
        (Some(users), Some(carriers)) => format!("{}: {users}; carried by {carriers}", counted(total, "line")),
    }
}

/// The first of them, and how many others there are; `None` if there are none.
fn listed(mut all: impl Iterator<Item = String>) -> Option<String> {
    let mut named: Vec<String> = all.by_ref().take(NAMED).collect();
    match all.count() {
        0 => {}
        more => named.push(format!("{more} more")),
    }
    (!named.is_empty()).then(|| named.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(nodes: &Value) -> [String; 4] {
        let ready = json!({ "user": "alice", "listen": ["192.0.2.1:27272"], "network": null, "roles": ["relay"] });
        let ready = Ready::deserialize(&ready).expect("it is a `ready`");
        let map = Map::deserialize(&json!({ "nodes": nodes })).expect("it is a `map`");
        let now = "2026-11-28T12:00:00Z".parse().expect("it is a time");
        overview(&ready, &map, now)
    }

    fn node(name: &str, distance: u8, way: &str) -> Value {
        json!({ "name": name, "me": distance == 0, "distance": distance, "way": way })
    }

    #[test]
    fn a_node_is_described_in_four_lines() {
        let (mut me, mut bob) = (node("alice", 0, "direct"), node("bob", 1, "direct"));
        (me["since"], me["held"], bob["rtt_ms"]) = (json!("2026-11-25T11:00:00.000Z"), json!(14), json!(0.44));
        let (mut carol, mut dora) = (node("carol b", 1, "through"), node("dora", 1, "away"));
        (carol["through"], carol["waiting"]) = (json!("pi"), json!(2));
        (dora["since"], dora["waiting"]) = (json!("2026-11-28T09:00:00.000Z"), json!(1));
        let (far, mut pi) = (node("erik", 2, "through"), node("pi", 2, "direct"));
        (pi["distance"], pi["held"]) = (Value::Null, json!(2));
        assert_eq!(
            lines(&json!([me, bob, carol, dora, far, pi])),
            [
                "alice  up 3 d, open network, port 27272, relay",
                "here   bob direct 0.4 ms, \"carol b\" through pi; dora away 3 h",
                "waits  3 lines: \"carol b\" 2, dora 1; carried by pi 2",
                "holds  14 envelopes for others",
            ]
        );
    }

    #[test]
    fn a_node_without_links_says_so_and_many_users_are_counted() {
        let [_, here, waits, nothing] = lines(&json!([node("alice", 0, "direct")]));
        assert_eq!(
            [&*here, &*waits, &*nothing],
            ["here   nobody is linked yet", "waits  nothing", "holds  nothing for others"]
        );
        assert_eq!(holds(7, true), "7 envelopes for your other sessions");
        let many: Vec<Value> = (0..NAMED + 3).map(|n| node(&format!("u{n}"), 1, "away")).collect();
        let [_, here, ..] = lines(&json!(many));
        assert!(here.starts_with("here   nobody; u0 away, ") && here.ends_with(", 3 more"), "{here}");
    }
}
