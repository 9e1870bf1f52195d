//! What is asked before a text is sent.

use serde_json::json;

use super::{PLAIN, Setup};
use crate::screen::action::Action;
use crate::screen::model::editor::Source;

/// Pastes a text and presses Enter.
fn pasted(text: &str, source: Source) -> Setup {
    let mut setup = Setup::chat(80, 24);
    setup.0.act(Action::Insert { text: text.into(), source });
    setup.0.act(Action::Enter);
    setup
}

fn carol(text: &str) -> [(String, String); 1] {
    [("carol".to_owned(), text.to_owned())]
}

#[test]
fn a_line_that_looks_like_a_command_is_sent_only_after_yes() {
    let mut setup = Setup::chat(80, 24).enters("/quit");
    let frame = setup.frame(PLAIN);
    assert!(frame.contains(r"send this as text to carol? The macro is \quit."), "{frame}");
    assert!(frame.contains(" to carol > /quit_"), "{frame}");
    setup.0.act(Action::Enter);
    assert_eq!(setup.said(), [], "a second Enter may be an accident");
    let mut setup = setup.types("y");
    assert_eq!(setup.said(), carol("/quit"));
    assert!(!setup.frame(PLAIN).contains("Y sends"), "{}", setup.frame(PLAIN));
}

#[test]
fn no_and_every_other_key_go_back_to_the_text() {
    for (key, text) in [("n", "/quit"), ("N", "/quit"), ("!", "/quit!")] {
        let mut setup = Setup::chat(80, 24).enters("/quit").types(key);
        let frame = setup.frame(PLAIN);
        assert!(frame.contains(&format!(" to carol > {text}_")) && !frame.contains("Y sends"), "{frame}");
        assert_eq!(setup.said(), []);
    }
    for key in [Action::Escape, Action::Cancel] {
        let mut setup = Setup::chat(80, 24).enters("/quit");
        setup.0.act(key);
        let mut setup = setup.types("y");
        assert!(setup.frame(PLAIN).contains(" to carol > /quity_"), "{}", setup.frame(PLAIN));
        assert_eq!(setup.said(), []);
    }
}

#[test]
fn a_long_paste_is_sent_only_after_yes_and_lines_by_hand_at_once() {
    for source in [Source::Paste, Source::Burst] {
        let mut setup = pasted("1\n2\n3\n4", source);
        assert!(setup.frame(PLAIN).contains("send 4 lines to carol? Y sends"), "{}", setup.frame(PLAIN));
        assert_eq!(setup.said(), []);
        let mut setup = setup.types("y");
        assert_eq!(setup.said(), carol("1\n2\n3\n4"));
        assert_eq!(pasted("1\n2\n3", source).said(), carol("1\n2\n3"));
    }
    let mut setup = Setup::chat(80, 24).types("1");
    for line in ["2", "3", "4"] {
        setup.0.act(Action::NewLine);
        setup = setup.types(line);
    }
    setup.0.act(Action::Enter);
    assert_eq!(setup.said(), carol("1\n2\n3\n4"));
}

#[test]
fn the_question_is_seen_over_a_warning_and_closed_by_another_conversation() {
    let mut setup = Setup::chat(80, 24).enters("/quit");
    setup.tell(json!({ "event": "warning", "code": "disk", "message": "the disk is full" }));
    assert!(setup.frame(PLAIN).contains("Y sends"), "{}", setup.frame(PLAIN));
    setup.0.act(Action::Step(-1));
    let mut setup = setup.types("y");
    assert!(setup.frame(PLAIN).contains(" to bob > y_"), "{}", setup.frame(PLAIN));
    assert_eq!(setup.said(), []);
}

#[test]
fn an_enter_that_comes_at_once_with_its_line_sends_it_and_not_several_lines() {
    let enters = |text: &str| {
        let mut setup = Setup::chat(80, 24);
        for c in text.chars() {
            setup.0.act(Action::Insert { text: c.to_string(), source: Source::Burst });
        }
        setup.0.act(Action::QuickEnter);
        setup
    };
    assert_eq!(enters("typed ahead").said(), carol("typed ahead"));
    let mut setup = enters("one\ntwo");
    assert_eq!(setup.said(), [], "it may be the rest of a paste");
    setup.0.act(Action::Enter);
    assert_eq!(setup.said(), carol("one\ntwo"));
}
