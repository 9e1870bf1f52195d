//! What is asked before a text is sent.

use serde_json::json;

use super::{PLAIN, Scene};
use crate::screen::action::Action;
use crate::screen::model::editor::Source;

/// Pastes a text and presses Enter.
fn pasted(text: &str, source: Source) -> Scene {
    let mut scene = Scene::chat(80, 24);
    scene.0.act(Action::Insert { text: text.into(), source });
    scene.0.act(Action::Enter);
    scene
}

fn carol(text: &str) -> [(String, String); 1] {
    [("carol".to_owned(), text.to_owned())]
}

#[test]
fn a_line_that_looks_like_a_command_is_sent_only_after_yes() {
    let mut scene = Scene::chat(80, 24).enters("/quit");
    let frame = scene.frame(PLAIN);
    assert!(frame.contains(r"to carol; as text, the macro is \quit? Y sends, N goes back"), "{frame}");
    assert!(frame.contains(" to carol > /quit_"), "{frame}");
    scene.0.act(Action::Enter);
    assert_eq!(scene.said(), [], "a second Enter may be an accident");
    let mut scene = scene.types("y");
    assert_eq!(scene.said(), carol("/quit"));
    assert!(!scene.frame(PLAIN).contains("Y sends"), "{}", scene.frame(PLAIN));
}

#[test]
fn no_and_every_other_key_go_back_to_the_text() {
    for (key, text) in [("n", "/quit"), ("N", "/quit"), ("!", "/quit!")] {
        let mut scene = Scene::chat(80, 24).enters("/quit").types(key);
        let frame = scene.frame(PLAIN);
        assert!(frame.contains(&format!(" to carol > {text}_")) && !frame.contains("Y sends"), "{frame}");
        assert_eq!(scene.said(), []);
    }
    for key in [Action::Escape, Action::Cancel] {
        let mut scene = Scene::chat(80, 24).enters("/quit");
        scene.0.act(key);
        let mut scene = scene.types("y");
        assert!(scene.frame(PLAIN).contains(" to carol > /quity_"), "{}", scene.frame(PLAIN));
        assert_eq!(scene.said(), []);
    }
}

#[test]
fn a_long_paste_is_sent_only_after_yes_and_lines_by_hand_at_once() {
    for source in [Source::Paste, Source::Burst] {
        let mut scene = pasted("1\n2\n3\n4", source);
        assert!(scene.frame(PLAIN).contains("4 lines to carol? Y sends"), "{}", scene.frame(PLAIN));
        assert_eq!(scene.said(), []);
        let mut scene = scene.types("y");
        assert_eq!(scene.said(), carol("1\n2\n3\n4"));
        assert_eq!(pasted("1\n2\n3", source).said(), carol("1\n2\n3"));
    }
    let mut scene = Scene::chat(80, 24).types("1");
    for line in ["2", "3", "4"] {
        scene.0.act(Action::NewLine);
        scene = scene.types(line);
    }
    scene.0.act(Action::Enter);
    assert_eq!(scene.said(), carol("1\n2\n3\n4"));
}

#[test]
fn the_question_is_seen_over_a_warning_and_closed_by_another_conversation() {
    let mut scene = Scene::chat(80, 24).enters("/quit");
    scene.tell(json!({ "event": "warning", "code": "disk", "message": "the disk is full" }));
    assert!(scene.frame(PLAIN).contains("Y sends"), "{}", scene.frame(PLAIN));
    scene.0.act(Action::Step(-1));
    let mut scene = scene.types("y");
    assert!(scene.frame(PLAIN).contains(" to bob > y_"), "{}", scene.frame(PLAIN));
    assert_eq!(scene.said(), []);
}

#[test]
fn an_enter_that_comes_at_once_with_its_line_sends_it_and_not_several_lines() {
    let enters = |text: &str| {
        let mut scene = Scene::chat(80, 24);
        for c in text.chars() {
            scene.0.act(Action::Insert { text: c.to_string(), source: Source::Burst });
        }
        scene.0.act(Action::QuickEnter);
        scene
    };
    assert_eq!(enters("typed ahead").said(), carol("typed ahead"));
    let mut scene = enters("one\ntwo");
    assert_eq!(scene.said(), [], "it may be the rest of a paste");
    scene.0.act(Action::Enter);
    assert_eq!(scene.said(), carol("one\ntwo"));
}
