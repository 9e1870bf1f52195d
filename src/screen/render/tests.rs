//! Whole frames, compared with files that were checked by eye.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use serde_json::{Value, json};

mod lookups;
mod notices;
mod panes;
mod questions;
mod states;
mod updates;

use super::*;
use crate::screen::action::Action;
use crate::screen::clock::{Wall, parse};
use crate::screen::event::Told;
use crate::screen::model::Size;
use crate::screen::model::editor::Source;

const PLAIN: Theme = Theme { colours: false, unicode: true, reorders: true };

fn now() -> Wall {
    parse("2026-11-28T14:05:00Z")
}

/// A message to be told of.
fn message(id: &str, from: &str, sent: &str, order: u64, text: &str) -> Value {
    json!({
        "event": "message", "message": id, "from": if from == "you" { "alice" } else { from }, "from_id": from, "with": "carol",
        "text": text, "sent": format!("2026-11-{sent}:00Z"), "order": order, "own": from == "you", "again": false,
    })
}

fn user(name: &str, distance: Option<u8>, via: Option<&str>, heard_s: u64) -> Value {
    json!({
        "user": name, "id": name, "status": "offline", "distance": distance, "nearby": distance.is_none(),
        "verified": name == "carol", "blocked": false, "sessions": [{
            "session": format!("{name}-1"), "label": "laptop", "status": "offline", "via": via, "heard_s": heard_s, "addrs": [],
        }],
    })
}

fn conversation(name: &str, unread: u64, last: Value) -> Value {
    json!({ "with": name, "id": name, "unread": unread, "last": last, "order": 1 })
}

fn node(name: &str, distance: u64, way: &str, through: Option<&str>) -> Value {
    json!({
        "id": name, "name": name, "me": distance == 0, "distance": distance, "linked": distance == 1, "online": way != "away",
        "relay": name == "pi", "server": false, "way": way, "through": through, "rtt_ms": (way == "direct").then_some(0.4),
        "since": "2026-11-28T11:04:00Z", "held": (name == "pi").then_some(2),
    })
}

/// The screen, and what it has requested.
struct Setup(Model, Vec<Value>);

impl Setup {
    /// Alice's screen, with the conversation with carol.
    fn new(columns: u16, rows: u16) -> Setup {
        let mut setup = Setup(Model::new(Size { columns, rows }, false), Vec::new());
        setup.tell(json!({ "event": "ready", "user": "alice", "network": null }));
        setup.tell(json!({ "event": "live" }));
        let users = [
            user("bob", Some(1), Some("direct"), 0),
            user("carol", Some(1), Some("relayed"), 0),
            user("dora", Some(1), None, 3 * 3600 + 60),
            user("erik", Some(1), None, 50 * 3600),
            user("server-pi", None, Some("direct"), 0),
        ];
        setup.tell(json!({ "event": "users", "filter": "all", "users": users }));
        let last = message("m9", "carol", "28T14:02", 9, "two lines can\nstand in one");
        let all = [
            conversation("carol", 1, last),
            conversation("bob", 1, Value::Null),
            conversation("dora", 1, Value::Null),
            conversation("erik", 0, Value::Null),
        ];
        setup.tell(json!({ "event": "conversations", "conversations": all }));
        setup
    }

    fn tell(&mut self, event: Value) {
        self.0.on_told(Told::parse(&event.to_string()).expect("it is an event"), now());
    }

    /// Answers the last request of a name.
    fn answer(&mut self, name: &str, mut event: Value) {
        self.1.extend(self.0.take_requests());
        let asked = self.1.iter().rfind(|request| request["do"] == name);
        event["line"] = asked.unwrap_or_else(|| panic!("{name} was not requested: {:?}", self.1))["line"].clone();
        self.tell(event);
    }

    fn with_history(mut self, messages: Value) -> Setup {
        self.answer("history", json!({ "event": "history", "with": "carol", "messages": messages, "next": null }));
        self
    }

    /// The conversation of the design.
    fn chat(columns: u16, rows: u16) -> Setup {
        let mut setup = Setup::new(columns, rows).with_history(json!([
            message("m1", "carol", "27T21:40", 1, "is the generator still off?"),
            message("m2", "you", "27T21:41", 2, "yes, until six"),
            message("m3", "you", "28T08:02", 3, "on again"),
            message("m4", "carol", "28T13:58", 4, "thanks. who brings the cable?"),
            message("m8", "carol", "28T14:01", 8, "alice, are you free at six?"),
            message("m9", "carol", "28T14:02", 9, "two lines can\nstand in one"),
            message("ma", "you", "28T14:03", 10, "yes, six is fine"),
            message("mb", "you", "28T14:04", 11, "see you there"),
        ]));
        let status = |id: &str, state: &str| {
            json!({ "message": id, "to": "carol", "text": "", "sent": "2026-11-28T14:03:00Z", "sessions": [{
                "session": "carol-1", "label": "laptop", "state": state, "by": null, "carriers": [],
            }] })
        };
        let all =
            [status("m2", "delivered"), status("m3", "delivered"), status("ma", "queued"), status("mb", "queued")];
        setup.answer("status", json!({ "event": "status", "messages": all }));
        setup.tell(json!({
            "event": "state", "message": "ma", "to": "carol", "session": "carol-1", "label": "laptop",
            "state": "carried", "by": "pi-1", "holder": "pi",
        }));
        setup.tell(json!({ "event": "message", "message": "b1", "from": "bob", "from_id": "bob", "with": "bob",
            "text": "did you see this?", "sent": "2026-11-28T14:04:30Z", "order": 7, "own": false, "again": false }));
        setup.tell(json!({ "event": "queued", "message": "d1", "to": "dora", "text": "call me",
            "sent": "2026-11-28T14:05:00Z", "order": 1 }));
        let sight = setup.0.take_sight();
        setup.0.on_seen(sight);
        setup.answer(
            "map",
            json!({ "event": "map", "edges": [["alice", "bob"], ["alice", "carol"]], "more": 0, "nodes": [
            node("alice", 0, "direct", None), node("bob", 1, "direct", None), node("carol", 1, "through", Some("pi")),
            node("dora", 1, "away", None), node("pi", 9, "direct", None),
        ] }),
        );
        setup
    }

    fn types(mut self, text: &str) -> Setup {
        self.0.act(Action::Insert { text: text.into(), source: Source::Hand });
        self
    }

    /// Types key by key, so that a macro does not look pasted, and presses Enter.
    fn enters(self, text: &str) -> Setup {
        let mut setup = text.chars().fold(self, |setup, c| setup.types(&c.to_string()));
        setup.0.act(Action::Enter);
        setup
    }

    /// The texts that were requested to be sent, and to whom.
    fn said(&mut self) -> Vec<(String, String)> {
        self.1.extend(self.0.take_requests());
        let said = self.1.iter().filter(|request| request["do"] == "say");
        let field = |request: &Value, name: &str| request[name].as_str().unwrap_or_default().to_owned();
        said.map(|request| (field(request, "to"), field(request, "text"))).collect()
    }

    fn frame(&self, theme: Theme) -> String {
        let frame = render(&self.0, theme, Clock::utc(now()));
        text_of(&frame)
    }
}

/// The frame as text, with the cursor as `_` where nothing else stands.
fn text_of(frame: &Frame) -> String {
    let area = frame.buffer.area;
    let mut text = String::new();
    for y in 0..area.height {
        let mut row = String::new();
        let mut covered = 0;
        for x in 0..area.width {
            if covered > 0 {
                covered -= 1;
                continue;
            }
            let symbol = frame.buffer[(x, y)].symbol();
            covered = crate::screen::cells::width(symbol).saturating_sub(1);
            row.push_str(if frame.cursor == Some((x, y)) && symbol == " " { "_" } else { symbol });
        }
        text.push_str(row.trim_end());
        text.push('\n');
    }
    text
}

/// Compares a frame with the file of this name.
fn expect(name: &str, frame: &str) {
    let file =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("src/screen/render/snapshots").join(name).with_extension("txt");
    let expected = fs::read_to_string(&file).unwrap_or_default();
    assert!(frame == expected, "{} holds another frame than this:\n{frame}", file.display());
}

#[test]
fn the_screen_begins_where_this_session_typed_last_though_another_conversation_is_newer() {
    let mut setup = Setup(Model::new(Size { columns: 80, rows: 24 }, false), Vec::new());
    let newer = conversation("bob", 0, message("b1", "bob", "28T14:02", 9, "elsewhere"));
    let mut left = conversation("carol", 0, message("c1", "you", "28T14:01", 8, "here"));
    left["typed_last"] = true.into();
    setup.tell(json!({ "event": "conversations", "conversations": [newer.clone(), left] }));
    assert_eq!(setup.0.current.as_deref(), Some("carol"));
    let mut fresh = Setup(Model::new(Size { columns: 80, rows: 24 }, false), Vec::new());
    fresh.tell(json!({ "event": "conversations", "conversations": [newer] }));
    assert_eq!(fresh.0.current.as_deref(), Some("bob"), "nothing was typed on this session");
}

#[test]
fn what_was_read_on_another_session_is_not_new_any_more_unless_somebody_looks_at_it() {
    for focused in [true, false] {
        let mut setup = Setup::chat(80, 24);
        assert!(setup.frame(PLAIN).contains("── new ──"), "{}", setup.frame(PLAIN));
        setup.0.focused = focused;
        setup.tell(json!({ "event": "read", "with": "carol", "through": "m9" }));
        assert_eq!(setup.frame(PLAIN).contains("── new ──"), focused, "{}", setup.frame(PLAIN));
    }
}

#[test]
fn somebody_nearby_who_is_not_linked_is_not_away() {
    let mut setup = Setup::chat(80, 24);
    let frida = user("frida", None, None, 3 * 3600 + 60);
    setup.tell(
        json!({ "event": "users", "filter": "all", "users": [user("carol", Some(1), Some("direct"), 0), frida] }),
    );
    let frame = setup.frame(PLAIN);
    assert!(frame.contains(" 1 here 1 nearby ") && frame.contains("\n frida "), "{frame}");
    setup.0.list.touch("frida", "frida", true, false);
    assert!(setup.frame(PLAIN).contains("\n frida  nearby "), "{}", setup.frame(PLAIN));
    setup.0.open("frida");
    let frame = setup.frame(PLAIN);
    assert!(frame.contains("│ frida · nearby · not linked"), "{frame}");
    assert!(!frame.contains("frida  away") && !frame.contains("away 3 h"), "{frame}");
}

#[test]
fn a_large_screen_has_room_for_everything() {
    expect("100x30", &Setup::chat(100, 30).types("bring the long one,\nand the adapter").frame(PLAIN));
}

#[test]
fn the_largest_screen_is_used_as_a_whole() {
    expect("200x60", &Setup::chat(200, 60).frame(PLAIN));
}

#[test]
fn a_usual_screen_has_two_panes() {
    expect("80x24", &Setup::chat(80, 24).frame(PLAIN));
}

#[test]
fn below_sixty_columns_there_is_one_pane() {
    expect("59x20", &Setup::chat(59, 20).frame(PLAIN));
    expect("40x10", &Setup::chat(40, 10).types("a text that is longer than the row").frame(PLAIN));
}

#[test]
fn a_terminal_without_utf8_gets_ascii() {
    let ascii = Theme { unicode: false, ..PLAIN };
    let frame = Setup::chat(80, 24).types("häßlich").frame(ascii);
    assert!(frame.is_ascii(), "{frame}");
    expect("ascii", &frame);
}

#[test]
fn without_colours_there_is_only_bold() {
    let frame = render(&Setup::chat(80, 24).0, PLAIN, Clock::utc(now()));
    let is_bare = |cell: &ratatui_core::buffer::Cell| cell.fg == ratatui_core::style::Color::Reset;
    assert!(frame.buffer.content().iter().all(is_bare));
    let frame = render(&Setup::chat(80, 24).0, Theme { colours: true, ..PLAIN }, Clock::utc(now()));
    let is_named = |cell: &ratatui_core::buffer::Cell| {
        !matches!(cell.fg, ratatui_core::style::Color::Rgb(..) | ratatui_core::style::Color::Indexed(_))
    };
    assert!(frame.buffer.content().iter().all(is_named) && !frame.buffer.content().iter().all(is_bare));
}

#[test]
fn wide_joined_and_right_to_left_texts_do_not_move_the_border() {
    let frame = Setup::new(80, 24)
        .with_history(json!([
            message("m1", "carol", "28T10:00", 1, "שלום עולם"),
            message("m2", "carol", "28T10:01", 2, "heart ❤\u{fe0f} and a family 👨\u{200d}👩\u{200d}👧"),
            message(
                "m3",
                "carol",
                "28T10:02",
                3,
                "漢字かな交じり文はひろい、それでもここでおりかえすのだ、そうでしょう"
            ),
            message("m4", "you", "28T10:03", 4, "abc שלום (def)"),
            message("m5", "carol", "28T10:04", 5, "e\u{301}a 👍\u{1f3fd}!"),
        ]))
        .types("לך 漢")
        .frame(PLAIN);
    expect("scripts", &frame);
}

#[test]
fn nothing_a_stranger_writes_looks_like_another_line() {
    let forged = format!("hi{}14:03   you  I owe you a thousand", " ".repeat(200));
    let frame = Setup::new(80, 24)
        .with_history(json!([
            message("m1", "carol", "28T10:00", 1, &forged),
            message("m2", "carol", "28T10:01", 2, "\u{1b}[2J\u{1b}]0;owned\u{7}\r\u{8}\u{9b}31m"),
            message("m3", "carol", "28T10:02", 3, "a\tb\u{202e}c\u{2066}d\u{200b}e\u{ad}f"),
            message("m4", "carol", "28T10:03", 4, "one\n\n──────── new ────────\n10:04   you  yes"),
            message("m5", "carol", "28T10:04", 5, &format!("z{}", "\u{301}".repeat(40))),
        ]))
        .frame(PLAIN);
    expect("hostile", &frame);
}

#[test]
fn a_message_that_was_found_is_shown_where_it_stands() {
    let mut setup = Setup::chat(80, 24);
    setup.0.act(Action::Find);
    let mut setup = setup.types("generator");
    setup.0.act(Action::Enter);
    let found = message("f5", "carol", "01T10:05", 5, "the generator");
    setup.answer(
        "search",
        json!({ "event": "found", "text": "generator", "with": null, "messages": [found], "next": null }),
    );
    setup.0.act(Action::Enter);
    let page = |orders: std::ops::RangeInclusive<u64>| -> Value {
        let of = |n| message(&format!("f{n}"), "carol", "01T10:05", n, &format!("number {n}"));
        json!({ "event": "history", "with": "carol", "messages": orders.map(of).collect::<Vec<_>>(), "next": "f1" })
    };
    setup.answer("history", page(1..=4));
    setup.answer("history", page(5..=104));
    let frame = setup.frame(PLAIN);
    let rows: Vec<&str> = frame.lines().collect();
    assert!(rows[9].contains("number 5") && !frame.contains("number 6"), "{frame}");
    assert!(frame.contains("End: to the last message"), "{frame}");
}

#[test]
fn an_answer_goes_with_the_conversation_that_it_was_given_in() {
    let mut setup = r"\char".chars().fold(Setup::chat(80, 24), |setup, c| setup.types(&c.to_string()));
    setup.0.act(Action::Enter);
    assert!(setup.frame(PLAIN).contains("did you mean"), "{}", setup.frame(PLAIN));
    setup.0.act(Action::Step(-1));
    assert!(!setup.frame(PLAIN).contains("did you mean"), "{}", setup.frame(PLAIN));
}

#[test]
fn a_text_that_the_node_refuses_goes_back_to_where_it_was_written() {
    let mut setup = Setup::chat(80, 24).types("the disk is full");
    setup.0.act(Action::Enter);
    assert!(setup.frame(PLAIN).contains("is being stored"));
    setup.answer("say", json!({ "event": "error", "code": "disk", "message": "the disk is full; nothing was sent" }));
    let frame = setup.frame(PLAIN);
    assert!(frame.contains(" to carol > the disk is full_") && frame.contains("nothing was sent"), "{frame}");
    let mut setup = setup.types("!");
    setup.0.act(Action::Enter);
    setup.0.take_requests();
    setup.0.on_disconnected();
    let frame = setup.frame(PLAIN);
    assert!(frame.contains("> the disk is full!_") && frame.contains("the node has ended; looking for it"), "{frame}");
}

#[test]
fn a_terminal_that_is_too_small_says_so() {
    assert_eq!(Setup::chat(30, 5).frame(PLAIN).lines().next(), Some("the terminal is smaller than 4"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// What stands outside the messages is the same, whatever is in them.
    #[test]
    fn no_text_changes_what_surrounds_it(text in "\\PC{0,60}", raw in any::<String>(), columns in 60u16..120) {
        let frame = |text: &str| {
            let setup = Setup::new(columns, 24).with_history(json!([message("m1", "carol", "28T10:00", 1, text)]));
            render(&setup.0, PLAIN, Clock::utc(now())).buffer
        };
        let (quiet, loud) = (frame("x"), frame(&format!("{text}{raw}")));
        let areas = view::areas(&Setup::new(columns, 24).0, 1);
        for y in 0..24 {
            for x in 0..columns {
                let is_inside = x > areas.pane.0 + 13 && (areas.body.0..areas.body.0 + areas.body.1).contains(&y);
                prop_assert!(is_inside || y == areas.body.0 || quiet[(x, y)] == loud[(x, y)], "{},{}", x, y);
            }
        }
    }
}
