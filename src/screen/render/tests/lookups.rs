//! Texts that are written while a conversation is looked for.

use serde_json::json;

use super::{PLAIN, Setup};
use crate::screen::action::Action;

fn found() -> serde_json::Value {
    json!({ "event": "chat", "with": "frida", "id": "frida", "shown": "* now talking to frida\n" })
}

#[test]
fn a_line_that_is_entered_while_a_conversation_is_looked_for_is_sent_there_and_nowhere_else() {
    let setup = Setup::chat(80, 24).enters(r"\chat frida");
    assert!(setup.frame(PLAIN).contains(" looking for frida > _"), "{}", setup.frame(PLAIN));
    let mut setup = setup.enters("secret");
    assert_eq!(setup.said(), [], "carol does not get it");
    let frame = setup.frame(PLAIN);
    assert!(frame.contains("> secret_") && frame.contains("the line stays here"), "{frame}");
    setup.answer("typed", found());
    let frame = setup.frame(PLAIN);
    assert!(frame.contains(" to frida > secret_") && !frame.contains("the line stays here"), "{frame}");
    setup.0.act(Action::Enter);
    assert_eq!(setup.said(), [("frida".to_owned(), "secret".to_owned())]);
}

#[test]
fn a_line_stays_in_the_input_when_nobody_is_found() {
    let mut setup = Setup::chat(80, 24).enters(r"\reply").enters("secret");
    assert!(setup.frame(PLAIN).contains("looking for who wrote last"), "{}", setup.frame(PLAIN));
    setup.answer("typed", json!({ "event": "error", "code": "no-conversation", "message": "nobody has written" }));
    let frame = setup.frame(PLAIN);
    assert!(frame.contains(" to carol > secret_") && frame.contains("nobody has written"), "{frame}");
    assert_eq!(setup.said(), []);
}

#[test]
fn a_line_for_somebody_who_was_not_found_is_sent_to_somebody_else_only_after_yes() {
    let mut setup = Setup::chat(80, 24).enters(r"\chat carla").enters("secret");
    setup.answer("typed", json!({ "event": "error", "code": "unknown-user", "message": "no user called carla" }));
    setup.0.act(Action::Enter);
    assert_eq!(setup.said(), []);
    assert!(setup.frame(PLAIN).contains("send this to carol, not carla? Y sends"), "{}", setup.frame(PLAIN));
    // It is a draft of the open conversation, and stays what it is.
    let mut setup = setup.types("n");
    setup.0.act(Action::Step(1));
    setup.0.act(Action::Step(-1));
    setup.0.act(Action::Enter);
    assert!(setup.frame(PLAIN).contains("send this to carol, not carla? Y sends"), "{}", setup.frame(PLAIN));
    let setup = setup.types("y");
    let mut setup = setup.enters("and this is for carol");
    let texts: Vec<String> = setup.said().into_iter().map(|(_, text)| text).collect();
    assert_eq!(texts, ["secret", "and this is for carol"]);
}

#[test]
fn whoever_goes_to_another_conversation_meanwhile_stays_there() {
    let mut setup = Setup::chat(80, 24).enters(r"\chat frida");
    setup.0.act(Action::Step(-1));
    let mut setup = setup.enters("hello");
    assert_eq!(setup.said(), [("bob".to_owned(), "hello".to_owned())]);
    setup.answer("typed", found());
    let frame = setup.frame(PLAIN);
    assert!(frame.contains(" to bob > _") && frame.contains("frida was found, and is in the list"), "{frame}");
}

#[test]
fn escape_stops_waiting_for_a_conversation() {
    let mut setup = Setup::chat(80, 24).enters(r"\chat frida").enters("hello");
    setup.0.act(Action::Escape);
    let frame = setup.frame(PLAIN);
    assert!(frame.contains(" to carol > hello_") && !frame.contains("stays here"), "{frame}");
    setup.0.act(Action::Enter);
    assert_eq!(setup.said(), [], "it was written for frida");
    let mut setup = setup.types("y");
    assert_eq!(setup.said(), [("carol".to_owned(), "hello".to_owned())]);
}

#[test]
fn of_two_conversations_that_are_looked_for_the_last_is_opened() {
    let mut setup = Setup::chat(80, 24).enters(r"\chat frida");
    let first = setup.0.take_requests().pop().expect("it was requested")["line"].clone();
    let mut setup = setup.enters(r"\chat gina").enters("secret");
    let mut answer = found();
    answer["line"] = first;
    setup.tell(answer);
    assert!(setup.frame(PLAIN).contains("> secret_"), "{}", setup.frame(PLAIN));
    setup.answer("typed", json!({ "event": "chat", "with": "gina", "id": "gina" }));
    assert!(setup.frame(PLAIN).contains(" to gina > secret_"), "{}", setup.frame(PLAIN));
}
