//! What needs attention.

use serde_json::{Value, json};

use super::{PLAIN, Setup, conversation, expect, message};
use crate::screen::action::Action;
use crate::screen::model::editor::Source;

/// A pasted macro, which is obeyed only after a question.
fn pasted(columns: u16, rows: u16) -> Setup {
    let mut setup = Setup::chat(columns, rows);
    setup.0.act(Action::Insert { text: r"\quit".into(), source: Source::Paste });
    setup.0.act(Action::Enter);
    setup
}

#[test]
fn advice_that_is_wider_than_the_pane_is_shown_whole() {
    expect("notice-80x24", &pasted(80, 24).frame(PLAIN));
    expect("notice-40x10", &pasted(40, 10).frame(PLAIN));
    expect("notice-100x30", &pasted(100, 30).frame(PLAIN));
}

#[test]
fn a_notice_has_three_rows_at_most() {
    let mut setup = Setup::chat(60, 24);
    setup.0.alert("word ".repeat(100), true);
    let frame = setup.frame(PLAIN);
    let rows: Vec<&str> = frame.lines().filter(|row| row.contains("word word")).collect();
    assert!(rows.len() == 3 && rows[2].ends_with(".."), "{frame}");
}

#[test]
fn people_whose_lines_are_not_shown_are_counted_as_long_as_they_wait_for_an_answer() {
    let mut setup = Setup::chat(100, 30);
    let stranger = |name: &str, lines: u64| json!({ "user": name, "id": name, "lines": lines, "bytes": 20 });
    // The first is in the list of conversations already.
    let users = json!([stranger("bob", 0), stranger("zed", 0), stranger("erik", 2)]);
    setup.answer("requests", json!({ "event": "requests", "users": users }));
    assert!(setup.frame(PLAIN).contains(" · 2 requests · "), "{}", setup.frame(PLAIN));
    setup.tell(json!({ "event": "asked", "user": "zed", "id": "zed" }));
    setup.answer("requests", json!({ "event": "requests", "users": [] }));
    assert!(!setup.frame(PLAIN).contains(" request"), "{}", setup.frame(PLAIN));
}

#[test]
fn what_was_read_elsewhere_is_no_news() {
    let mut setup = Setup::chat(100, 30);
    assert!(setup.frame(PLAIN).contains("did you see this?"));
    let all = [conversation("carol", 0, Value::Null), conversation("bob", 0, Value::Null)];
    setup.tell(json!({ "event": "conversations", "conversations": all }));
    assert!(!setup.frame(PLAIN).contains("did you see this?"), "{}", setup.frame(PLAIN));
}

#[test]
fn news_say_who_wrote_before_what_they_wrote_whichever_way_both_are_read() {
    let mut setup = Setup::chat(100, 30);
    let news = json!({ "event": "message", "message": "x1", "from": "משה", "from_id": "moshe", "with": "משה", "text": "שלום (1)",
        "sent": "2026-11-28T14:04:30Z", "order": 7, "own": false, "again": false });
    setup.tell(news);
    let frame = setup.frame(PLAIN);
    assert!(frame.contains("השמ: (1) םולש"), "{frame}");
}

#[test]
fn the_order_of_messages_with_one_number_is_asked_for_until_no_other_has_come_since() {
    let mut setup = Setup::chat(100, 30);
    let tied = |n: u64| message(&format!("z{n}"), "carol", "28T14:04", 11, &format!("at the same time {n}"));
    let own = message("mb", "you", "28T14:04", 11, "see you there");
    let page = |messages: &[Value]| json!({ "event": "history", "with": "carol", "messages": messages, "next": "ma" });
    setup.tell(tied(1));
    setup.tell(tied(2));
    // The node had only the first of them when it answered.
    setup.answer("history", page(&[tied(1), own.clone()]));
    setup.answer("history", page(&[tied(2), tied(1), own]));
    let frame = setup.frame(PLAIN);
    let at = |text: &str| frame.find(text).unwrap_or_else(|| panic!("{frame}"));
    assert!(at("time 2") < at("time 1") && at("time 1") < at("see you there"), "{frame}");
}
