//! What takes the place of the messages.

use serde_json::{Value, json};

use super::{PLAIN, Setup, expect, node};
use crate::screen::action::Action;

#[test]
fn the_map_is_a_tree() {
    let mut setup = Setup::chat(80, 24);
    setup.0.act(Action::Map);
    expect("map", &setup.frame(PLAIN));
}

#[test]
fn the_help_can_be_read_on_the_smallest_screen() {
    let mut setup = Setup::chat(40, 10);
    setup.0.act(Action::Help);
    expect("help-40x10", &setup.frame(PLAIN));
}

#[test]
fn a_narrow_screen_says_what_it_shows_and_which_keys_are_of_use() {
    let first = |setup: &Setup| setup.frame(PLAIN).lines().next().unwrap_or_default().to_owned();
    let mut setup = Setup::chat(50, 18);
    setup.0.act(Action::Map);
    assert!(first(&setup).starts_with(" the network around you"), "{}", setup.frame(PLAIN));
    setup.0.act(Action::Escape);
    assert!(first(&setup).starts_with(" carol · here"), "{}", setup.frame(PLAIN));
    setup.0.act(Action::Find);
    assert!(setup.frame(PLAIN).contains("Enter searches"), "{}", setup.frame(PLAIN));
}

#[test]
fn enter_on_the_map_opens_the_conversation_with_whoever_is_selected() {
    let mut setup = Setup::chat(80, 24);
    setup.0.act(Action::Map);
    setup.0.act(Action::Enter);
    assert!(setup.frame(PLAIN).contains("▌alice (you)"), "nobody talks to themselves: {}", setup.frame(PLAIN));
    for _ in 0..2 {
        setup.0.act(Action::Down);
    }
    assert!(setup.frame(PLAIN).contains("▌├ dora"), "{}", setup.frame(PLAIN));
    setup.0.act(Action::Page(1));
    assert!(setup.frame(PLAIN).contains("▌  └ carol"), "{}", setup.frame(PLAIN));
    setup.0.act(Action::Up);
    setup.0.act(Action::Up);
    let nodes = [node("alice", 0, "direct", None), node("aaron", 1, "away", None), node("dora", 1, "direct", None)];
    setup.answer("map", json!({ "event": "map", "edges": [], "more": 0, "nodes": nodes }));
    assert!(setup.frame(PLAIN).contains("▌└ dora"), "the selection stays: {}", setup.frame(PLAIN));
    setup.0.act(Action::Enter);
    assert!(setup.frame(PLAIN).contains(" to dora > _"), "{}", setup.frame(PLAIN));
}

#[test]
fn a_stranger_on_the_map_can_be_written_to_and_examined() {
    let mut setup = Setup::chat(80, 24);
    setup.0.act(Action::Map);
    setup.answer(
        "map",
        json!({ "event": "map", "edges": [["alice", "bob"], ["bob", "frida"]], "more": 0, "nodes": [
            node("alice", 0, "direct", None), node("bob", 1, "direct", None), node("frida", 2, "away", None),
        ] }),
    );
    setup.0.act(Action::Page(1));
    let mut setup = setup.types("d");
    let asked = setup.0.take_requests();
    assert!(asked.iter().any(|request| request["do"] == "doctor" && request["user"] == "frida"), "{asked:?}");
    setup.0.act(Action::Enter);
    assert!(setup.frame(PLAIN).contains(" to frida > _"), "{}", setup.frame(PLAIN));
}

#[test]
fn who_has_a_message_is_named_for_each_session_and_follows_what_happens() {
    let mut setup = Setup::chat(80, 24);
    setup.0.act(Action::WhoHas);
    let held = |session: &str, label: &str, state: &str, carriers: &[&str]| json!({ "session": session, "label": label, "state": state, "by": null, "carriers": carriers });
    let message = |id: &str, text: &str, sessions: Value| json!({ "message": id, "to": "carol", "text": text, "sent": "2026-11-28T14:04:00Z", "sessions": sessions });
    let sessions = json!([held("carol-1", "laptop", "carried", &["bob-1"]), held("k7q2mz34", "phone", "queued", &[])]);
    let messages = [message("ma", "yes, six is fine", sessions), message("mb", "see you there", json!([]))];
    setup.answer("status", json!({ "event": "status", "messages": messages }));
    setup.0.act(Action::Up);
    setup.tell(json!({
        "event": "state", "message": "ma", "to": "carol", "session": "k7q2mz34", "label": "phone",
        "state": "carried", "by": "pi-1", "holder": "pi",
    }));
    expect("who-has", &setup.frame(PLAIN));
}

#[test]
fn the_findings_of_an_examination_have_the_width_of_the_pane() {
    let mut setup = "\\doctor".chars().fold(Setup::chat(80, 24), |setup, c| setup.types(&c.to_string()));
    setup.0.act(Action::Enter);
    let check = |name: &str, state: &str, text: &str| json!({ "name": name, "state": state, "text": text });
    let checks = [
        check("program", "ok", "darknode 0.1.0"),
        check("multicast", "wrong", "eth0: own announcement not heard for 40 s; nobody else's either"),
        check(
            "nat",
            "unknown",
            "seen by one other node only: two are needed to tell, and they must be outside of this network",
        ),
    ];
    setup.answer(
        "typed",
        json!({ "event": "doctor", "user": null, "checks": checks,
        "verdict": "multicast is blocked here (access point?)", "action": "\\ping their address, or --bootstrap" }),
    );
    expect("doctor", &setup.frame(PLAIN));
}

/// The panes with keys of their own, over a line that is being written.
fn over_a_draft() -> [Setup; 3] {
    let draft = || Setup::chat(80, 24).types("see you");
    let (mut map, mut who_has, mut found) = (draft(), draft(), draft());
    map.0.act(Action::Map);
    who_has.0.act(Action::WhoHas);
    let status =
        |id: &str| json!({ "message": id, "to": "carol", "text": id, "sent": "2026-11-28T14:04:00Z", "sessions": [] });
    who_has.answer("status", json!({ "event": "status", "messages": [status("ma"), status("mb")] }));
    found.0.act(Action::Find);
    let mut found = found.types("generator");
    found.0.act(Action::Enter);
    let message = |id: &str, text: &str| super::message(id, "carol", "01T10:05", 5, text);
    let messages = [message("f5", "the generator"), message("f6", "a generator")];
    found.answer(
        "search",
        json!({ "event": "found", "text": "generator", "with": null, "messages": messages, "next": null }),
    );
    [map, who_has, found]
}

#[test]
fn the_keys_of_a_pane_are_not_written_into_a_draft_which_is_there_again_afterwards() {
    for mut setup in over_a_draft() {
        let frame = setup.frame(PLAIN);
        assert!(frame.contains("Esc back") && frame.contains("> see you_"), "{frame}");
        for key in [Action::Backspace, Action::NewLine, Action::Leave, Action::DeleteToStart] {
            setup.0.act(key);
        }
        let mut setup = setup.types("q");
        let frame = setup.frame(PLAIN);
        assert!(frame.contains("> see you_") && frame.contains("Esc goes back to the messages"), "{frame}");
        let selected = [Action::Up, Action::Down].map(|key| {
            setup.0.act(key);
            setup.frame(PLAIN).lines().position(|row| row.contains("│▌"))
        });
        assert_ne!(selected[0], selected[1], "{}", setup.frame(PLAIN));
        setup.0.act(Action::Escape);
        let frame = setup.frame(PLAIN);
        assert!(frame.contains(" to carol > see you_") && !frame.contains("Esc"), "{frame}");
        assert_eq!(setup.said(), []);
    }
}

#[test]
fn enter_and_letters_act_on_a_pane_also_over_a_draft() {
    let [mut map, who_has, mut found] = over_a_draft();
    map.0.act(Action::Down);
    let mut map = map.types("d");
    let asked = map.0.take_requests();
    assert!(asked.iter().any(|request| request["do"] == "doctor" && request["user"] == "bob"), "{asked:?}");
    map.0.act(Action::Enter);
    assert!(map.frame(PLAIN).contains(" to bob > _"), "{}", map.frame(PLAIN));
    let mut who_has = who_has;
    who_has.0.act(Action::Up);
    let mut who_has = who_has.types("x");
    let asked = who_has.0.take_requests();
    assert!(asked.iter().any(|request| request["do"] == "cancel" && request["message"] == "ma"), "{asked:?}");
    who_has.0.act(Action::Enter);
    found.0.act(Action::Down);
    found.0.act(Action::Enter);
    let asked = found.0.take_requests();
    assert!(asked.iter().any(|request| request["do"] == "history" && request["before"] == "f6"), "{asked:?}");
    for mut setup in [map, who_has, found] {
        assert_eq!(setup.said(), []);
    }
}

#[test]
fn an_enter_that_comes_at_once_with_other_keys_sends_no_draft_from_a_pane() {
    for mut setup in over_a_draft() {
        setup.0.act(Action::QuickEnter);
        assert_eq!(setup.said(), [], "{}", setup.frame(PLAIN));
    }
}

#[test]
fn control_c_closes_a_pane_first_and_clears_the_draft_after_that() {
    for mut setup in over_a_draft() {
        setup.0.act(Action::Cancel);
        let frame = setup.frame(PLAIN);
        assert!(frame.contains(" to carol > see you_") && !frame.contains("Esc back"), "{frame}");
        setup.0.act(Action::Cancel);
        assert!(setup.frame(PLAIN).contains(" to carol > _"), "{}", setup.frame(PLAIN));
    }
}

#[test]
fn only_a_line_that_waits_is_withdrawn() {
    let mut setup = Setup::chat(80, 24);
    setup.0.act(Action::WhoHas);
    let status = |id: &str, state: &str| {
        json!({ "message": id, "to": "carol", "text": id, "sent": "2026-11-28T14:04:00Z",
        "sessions": [{ "session": "carol-1", "label": "laptop", "state": state, "by": null, "carriers": [] }] })
    };
    let withdrawn = |setup: &mut Setup| -> Vec<Value> {
        let asked = setup.0.take_requests().into_iter().filter(|request| request["do"] == "cancel");
        asked.map(|request| request["message"].clone()).collect()
    };
    setup.answer(
        "status",
        json!({ "event": "status", "messages": [status("ma", "delivered"), status("mb", "queued")] }),
    );
    let mut setup = setup.types("x");
    assert_eq!(withdrawn(&mut setup), ["mb"]);
    setup.0.act(Action::Up);
    let mut setup = setup.types("x");
    assert_eq!(withdrawn(&mut setup), Vec::<Value>::new());
    let frame = setup.frame(PLAIN);
    assert!(frame.contains("this line is delivered already"), "{frame}");
    setup.0.act(Action::Escape);
    assert!(setup.frame(PLAIN).contains("│ carol · here"), "the pane is closed first: {}", setup.frame(PLAIN));
}

#[test]
fn a_line_that_is_withdrawn_elsewhere_is_shown_no_more() {
    let mut setup = Setup::chat(80, 24);
    let before = setup.frame(PLAIN);
    assert!(before.contains("see you there") && before.contains("· 1 wait"), "{before}");
    for (message, to) in [("mb", "carol"), ("d1", "dora")] {
        setup.tell(json!({ "event": "cancelled", "message": message, "to": to }));
    }
    let frame = setup.frame(PLAIN);
    assert!(!frame.contains("see you there") && !frame.contains("· 1 wait"), "{frame}");
}
