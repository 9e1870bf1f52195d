//! Texts that are written while a conversation is looked for.

use serde_json::json;

use super::{PLAIN, Scene};
use crate::screen::action::Action;

fn found() -> serde_json::Value {
    json!({ "event": "chat", "with": "frida", "id": "frida", "shown": "* now talking to frida\n" })
}

#[test]
fn a_line_that_is_entered_while_a_conversation_is_looked_for_is_sent_there_and_nowhere_else() {
    let scene = Scene::chat(80, 24).enters(r"\chat frida");
    assert!(scene.frame(PLAIN).contains(" looking for frida > _"), "{}", scene.frame(PLAIN));
    let mut scene = scene.enters("secret");
    assert_eq!(scene.said(), [], "carol does not get it");
    let frame = scene.frame(PLAIN);
    assert!(frame.contains("> secret_") && frame.contains("the line stays here"), "{frame}");
    scene.answer("typed", found());
    let frame = scene.frame(PLAIN);
    assert!(frame.contains(" to frida > secret_") && !frame.contains("the line stays here"), "{frame}");
    scene.0.act(Action::Enter);
    assert_eq!(scene.said(), [("frida".to_owned(), "secret".to_owned())]);
}

#[test]
fn a_line_stays_in_the_input_when_nobody_is_found() {
    let mut scene = Scene::chat(80, 24).enters(r"\reply").enters("secret");
    assert!(scene.frame(PLAIN).contains("looking for who wrote last"), "{}", scene.frame(PLAIN));
    scene.answer("typed", json!({ "event": "error", "code": "no-conversation", "message": "nobody has written" }));
    let frame = scene.frame(PLAIN);
    assert!(frame.contains(" to carol > secret_") && frame.contains("nobody has written"), "{frame}");
    assert_eq!(scene.said(), []);
}

#[test]
fn a_line_for_somebody_who_was_not_found_is_sent_to_somebody_else_only_after_yes() {
    let mut scene = Scene::chat(80, 24).enters(r"\chat carla").enters("secret");
    scene.answer("typed", json!({ "event": "error", "code": "unknown-user", "message": "no user called carla" }));
    scene.0.act(Action::Enter);
    assert_eq!(scene.said(), []);
    assert!(scene.frame(PLAIN).contains("to carol, not carla? Y sends"), "{}", scene.frame(PLAIN));
    // It is a draft of the open conversation, and stays what it is.
    let mut scene = scene.types("n");
    scene.0.act(Action::Step(1));
    scene.0.act(Action::Step(-1));
    scene.0.act(Action::Enter);
    assert!(scene.frame(PLAIN).contains("to carol, not carla? Y sends"), "{}", scene.frame(PLAIN));
    let scene = scene.types("y");
    let mut scene = scene.enters("and this is for carol");
    let texts: Vec<String> = scene.said().into_iter().map(|(_, text)| text).collect();
    assert_eq!(texts, ["secret", "and this is for carol"]);
}

#[test]
fn whoever_goes_to_another_conversation_meanwhile_stays_there() {
    let mut scene = Scene::chat(80, 24).enters(r"\chat frida");
    scene.0.act(Action::Step(-1));
    let mut scene = scene.enters("hello");
    assert_eq!(scene.said(), [("bob".to_owned(), "hello".to_owned())]);
    scene.answer("typed", found());
    let frame = scene.frame(PLAIN);
    assert!(frame.contains(" to bob > _") && frame.contains("frida was found, and is in the list"), "{frame}");
}

#[test]
fn escape_stops_waiting_for_a_conversation() {
    let mut scene = Scene::chat(80, 24).enters(r"\chat frida").enters("hello");
    scene.0.act(Action::Escape);
    let frame = scene.frame(PLAIN);
    assert!(frame.contains(" to carol > hello_") && !frame.contains("stays here"), "{frame}");
    scene.0.act(Action::Enter);
    assert_eq!(scene.said(), [], "it was written for frida");
    let mut scene = scene.types("y");
    assert_eq!(scene.said(), [("carol".to_owned(), "hello".to_owned())]);
}

#[test]
fn of_two_conversations_that_are_looked_for_the_last_is_opened() {
    let mut scene = Scene::chat(80, 24).enters(r"\chat frida");
    let first = scene.0.take_requests().pop().expect("it was requested")["line"].clone();
    let mut scene = scene.enters(r"\chat gina").enters("secret");
    let mut answer = found();
    answer["line"] = first;
    scene.tell(answer);
    assert!(scene.frame(PLAIN).contains("> secret_"), "{}", scene.frame(PLAIN));
    scene.answer("typed", json!({ "event": "chat", "with": "gina", "id": "gina" }));
    assert!(scene.frame(PLAIN).contains(" to gina > secret_"), "{}", scene.frame(PLAIN));
}
