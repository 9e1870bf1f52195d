//! The requests that `docs/api.md` lists, and their answers: one table for every transport. These are the "socket", the "duplex" that
//! the interface of the process uses itself, and the "page", where each request is a client of its own.

use serde_json::{Value, json};

use crate::program::Node;

/// What is refused here, as there is nothing to which it could be done.
const REFUSED: [&str; 3] = ["link", "unlink", "cancel"];
/// What is refused over a transport on purpose: only the interface of the process says what it has printed.
const REFUSED_OVER: [(&str, &str); 2] = [("socket", "printed"), ("page", "printed")];
/// What is not requested over a transport: the page would be closed before its answer.
const NOT_MADE: [(&str, &str); 1] = [("page", r#"{"do":"web","on":false}"#)];
/// What is not requested, as it is the same as `stop`.
const STOP: [&str; 2] = ["quit", "exit"];

/// What the requests are about.
struct Said {
    at: Value,
    heard: String,
    mine: Value,
    port: u16,
}

/// All requests. The last one ends the node.
fn requests(Said { at, heard, mine, port }: &Said) -> Vec<Value> {
    vec![
        json!({"do": "say", "to": "bob", "text": r"\quit is text here"}),
        json!({"do": "chat", "user": "bob"}),
        json!({"do": "typed", "text": r"\users"}),
        json!({"do": "subscribe", "since": at, "events": ["message"], "with": ["bob"]}),
        json!({"do": "conversations"}),
        json!({"do": "history", "user": "bob", "n": 5, "before": mine}),
        json!({"do": "search", "text": "HELLO", "with": "bob", "n": 5}),
        json!({"do": "export", "with": "bob"}),
        json!({"do": "read", "with": "bob", "through": heard}),
        json!({"do": "doctor", "user": "bob", "probe": false, "redact": true}),
        json!({"do": "counts"}),
        json!({"do": "web"}),
        json!({"do": "web", "on": false}),
        json!({"do": "help"}),
        json!({"do": "reply"}),
        json!({"do": "r"}),
        json!({"do": "users"}),
        json!({"do": "online"}),
        json!({"do": "offline"}),
        json!({"do": "add", "user": "bob"}),
        json!({"do": "requests"}),
        json!({"do": "ping", "host": "127.0.0.1", "port": port}),
        json!({"do": "explode"}),
        json!({"do": "map"}),
        json!({"do": "me"}),
        json!({"do": "whois", "user": "bob"}),
        json!({"do": "verify", "user": "bob"}),
        json!({"do": "sessions"}),
        json!({"do": "link", "code": "wrong"}),
        json!({"do": "unlink", "label": "nowhere"}),
        json!({"do": "status", "user": "bob"}),
        json!({"do": "cancel", "message": "nothing"}),
        json!({"do": "prune", "n": 100}),
        json!({"do": "printed", "at": at}),
        json!({"do": "remove", "user": "bob"}),
        json!({"do": "block", "user": "bob"}),
        json!({"do": "stop"}),
    ]
}

/// The names of the requests that `docs/api.md` lists, each with what it says of the answer.
fn listed() -> Vec<(&'static str, &'static str)> {
    let page = include_str!("../../docs/api.md");
    let (_, part) = page.split_once("\n## Requests\n").expect("the page has this part");
    let part = part.split("\n## ").next().unwrap_or(part);
    let cells = |row: &'static str| row.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>();
    let rows = part.lines().filter(|line| line.starts_with("| `")).map(cells);
    rows.map(|cells| (cells[0].trim_matches('`'), cells[2])).collect()
}

/// Makes every request of alice's node, over this transport, and compares the answers with what the page says. `ready` is what her
/// node has said of itself; it has just started, and so has bob's.
pub fn is_answered(over: &str, ready: &Value, bob: &mut Node, mut asks: impl FnMut(Value) -> Value) {
    let all = requests(&talk(ready, bob, &mut asks));
    let name = |request: &Value| request["do"].as_str().expect("it has a name").to_owned();
    for request in all.iter().filter(|request| !NOT_MADE.contains(&(over, &request.to_string()))) {
        let name = name(request);
        let (_, says) = listed().into_iter().find(|(listed, _)| *listed == name).expect("it is listed");
        let answer = asks(request.clone());
        let event = answer["event"].as_str().expect("it has a name");
        let refused = REFUSED.contains(&&*name) || REFUSED_OVER.contains(&(over, &name));
        match &*name {
            _ if refused => assert_eq!(event, "error", "{request} over {over}: {answer}"),
            "typed" => assert_eq!(event, "users"),
            _ => assert!(says.starts_with(&format!("`{event}`")), "{request} over {over} is answered by {answer}"),
        }
    }
    let made: Vec<String> = all.iter().map(name).collect();
    let is_made = |name: &str| STOP.contains(&name) || made.iter().any(|made| made == name);
    let forgotten: Vec<&str> = listed().into_iter().map(|(name, _)| name).filter(|name| !is_made(name)).collect();
    assert!(forgotten.is_empty(), "{forgotten:?}");
}

/// The two meet, link, and say something.
fn talk(ready: &Value, bob: &mut Node, asks: &mut impl FnMut(Value) -> Value) -> Said {
    let at = asks(json!({"do": "subscribe"}))["at"].clone();
    let alice = ready["id"].as_str().expect("ready has an id");
    let listen = ready["listen"][0].as_str().expect("ready says where");
    let (_, port) = listen.rsplit_once(':').expect("an address has a port");
    assert_eq!(bob.asks(&format!(r"\ping 127.0.0.1 {port}"))["event"], "pong");
    let chat = asks(json!({"do": "chat", "user": bob.id()}));
    assert_eq!(chat["event"], "chat", "{chat}");
    bob.event_with("linked", "id", alice);
    assert_eq!(bob.asks(&format!(r"\add {alice}"))["event"], "done");
    bob.asks(&format!(r"\chat {alice}"));
    let heard = bob.says("hello");
    bob.knows_delivered(&heard);
    let mine = asks(json!({"do": "say", "to": "bob", "text": "a line"}))["message"].clone();
    Said { at, heard, mine, port: bob.port() }
}
