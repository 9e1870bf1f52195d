//! What stands beside my own lines.

use serde_json::{Value, json};

use super::{PLAIN, Setup, message, user};
use crate::screen::action::Action;

/// Where a line of mine is: for each session of carol, by its id, how far it has come and who carries it.
fn status(id: &str, sessions: &[(&str, &str, &[&str])]) -> Value {
    let held = |(session, state, carriers): &(&str, &str, &[&str])| json!({ "session": session, "label": session, "state": state, "by": null, "carriers": carriers });
    let sessions: Vec<Value> = sessions.iter().map(held).collect();
    json!({ "message": id, "to": "carol", "text": "", "sent": "2026-11-28T14:03:00Z", "sessions": sessions })
}

/// Alice, who has another session beside the one of this screen.
fn me_with_pi() -> Value {
    let mut me = user("alice", Some(0), Some("direct"), 0);
    let mut pi = me["sessions"][0].clone();
    (pi["session"], pi["label"]) = (json!("alice-2"), json!("pi-pc"));
    me["sessions"].as_array_mut().expect("a list").push(pi);
    me
}

/// The row of the frame with a text.
fn row(setup: &Setup, text: &str) -> String {
    let frame = setup.frame(PLAIN);
    let found = frame.lines().find(|row| row.contains(text));
    found.unwrap_or_else(|| panic!("{text} is not shown: {frame}")).trim_end_matches(['│', ' ']).to_owned()
}

#[test]
fn a_line_of_another_session_of_mine_is_never_said_to_wait_here() {
    let from_pc = |id: &str, text: &str| {
        let mut line = message(id, "you", "28T08:02", 3, text);
        line["label"] = json!("alice-pc");
        line
    };
    let mut setup = Setup::new(100, 24).with_history(json!([
        from_pc("m1", "known to have arrived"),
        from_pc("m2", "nothing is known"),
        from_pc("m3", "not in the status"),
    ]));
    let all = [status("m1", &[("carol-1", "delivered", &[])]), status("m2", &[("carol-1", "settled", &[])])];
    setup.answer("status", json!({ "event": "status", "messages": all }));
    assert!(row(&setup, "known to have arrived").ends_with("from alice-pc, delivered"), "{}", setup.frame(PLAIN));
    for text in ["nothing is known", "not in the status"] {
        assert!(row(&setup, text).ends_with("from alice-pc"), "{}", setup.frame(PLAIN));
    }
}

#[test]
fn a_line_from_before_that_is_not_sent_any_more_is_not_said_to_wait() {
    let mut setup = Setup::new(80, 24).with_history(json!([]));
    let queued = |id: &str, text: &str, state: &str| json!({ "event": "queued", "message": id, "to": "carol", "text": text, "sent": "2026-11-28T14:03:00Z", "order": 1, "state": state });
    setup.tell(queued("m1", "left to others", "settled"));
    setup.tell(queued("m2", "still here", "queued"));
    assert!(row(&setup, "left to others").ends_with("left to others"), "{}", setup.frame(PLAIN));
    assert!(row(&setup, "still here").ends_with("waits"), "{}", setup.frame(PLAIN));
}

#[test]
fn a_line_stays_delivered_when_carol_links_a_session_that_another_one_gives_it_to() {
    let mut setup = Setup::new(80, 24).with_history(json!([message("m1", "you", "28T08:02", 3, "on again")]));
    setup.answer("status", json!({ "event": "status", "messages": [status("m1", &[("carol-1", "delivered", &[])])] }));
    assert!(row(&setup, "on again").ends_with(" delivered"), "{}", setup.frame(PLAIN));
    let sessions = [("carol-1", "delivered", &[][..]), ("carol-2", "settled", &[])];
    setup.tell(json!({ "event": "live" }));
    setup.answer("status", json!({ "event": "status", "messages": [status("m1", &sessions)] }));
    assert!(row(&setup, "on again").ends_with(" delivered"), "{}", setup.frame(PLAIN));
}

#[test]
fn a_session_that_carol_has_no_more_need_not_get_a_line() {
    let mut setup = Setup::new(80, 24).with_history(json!([message("m1", "you", "28T08:02", 3, "on again")]));
    let before = [("carol-1", "delivered", &[][..]), ("carol-2", "carried", &["pi-1"])];
    setup.answer("status", json!({ "event": "status", "messages": [status("m1", &before)] }));
    assert!(row(&setup, "on again").ends_with("delivered 1 of 2"), "{}", setup.frame(PLAIN));
    setup.tell(json!({ "event": "live" }));
    setup.answer("status", json!({ "event": "status", "messages": [status("m1", &before[..1])] }));
    assert!(row(&setup, "on again").ends_with(" delivered"), "{}", setup.frame(PLAIN));
}

#[test]
fn a_line_from_before_counts_each_session_once() {
    let mut setup = Setup::new(80, 24).with_history(json!([]));
    setup.tell(json!({ "event": "queued", "message": "m1", "to": "carol", "text": "on again", "sent": "2026-11-28T14:03:00Z", "order": 1, "state": "delivered" }));
    let sessions = [("carol-1", "delivered", &[][..]), ("carol-2", "queued", &[])];
    setup.answer("status", json!({ "event": "status", "messages": [status("m1", &sessions)] }));
    assert!(row(&setup, "on again").ends_with("delivered 1 of 2"), "{}", setup.frame(PLAIN));
}

#[test]
fn another_session_of_mine_that_carries_a_line_has_its_label() {
    let mut setup = Setup::new(80, 24).with_history(json!([message("m1", "you", "28T08:02", 3, "on again")]));
    let carried = [("carol-1", "carried", &["bob-1", "alice-2"][..])];
    setup.tell(json!({ "event": "session", "label": "pi-pc", "session": "alice-2", "state": "linked", "own": true }));
    let users = [user("bob", Some(1), Some("direct"), 0), user("carol", Some(1), None, 0), me_with_pi()];
    setup.answer("users", json!({ "event": "users", "filter": "all", "users": users }));
    setup.answer(
        "status",
        json!({ "event": "status", "messages": [status("m1", &[("carol-1", "carried", &["alice-2"])])] }),
    );
    assert!(row(&setup, "on again").ends_with("with pi-pc"), "{}", setup.frame(PLAIN));
    setup.0.act(Action::WhoHas);
    setup.answer("status", json!({ "event": "status", "messages": [status("m1", &carried)] }));
    assert!(setup.frame(PLAIN).contains("with bob and pi-pc"), "{}", setup.frame(PLAIN));
    assert!(!setup.frame(PLAIN).contains("alice-2"), "{}", setup.frame(PLAIN));
}

#[test]
fn a_session_of_mine_that_was_just_linked_is_asked_about() {
    let mut setup = Setup::new(80, 24);
    setup.0.take_requests();
    setup.tell(json!({ "event": "session", "label": "pi-pc", "session": "alice-2", "state": "linked", "own": true }));
    assert!(setup.0.take_requests().iter().any(|request| request["do"] == "users"));
}
