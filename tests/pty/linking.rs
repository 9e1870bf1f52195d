//! A machine that waits to be linked.

use crate::program::{Node, TestBed};
use crate::terminal::Terminal;

/// A machine that waits to be linked, with its data in a directory of this name. Those whom it was started with know of it.
fn waiting(bed: &TestBed, dir: &str, bootstrap: &str) -> Terminal {
    let mut command = bed.bare();
    command.args(["link", "--no-lan", "-p", "0", "--data-dir", dir, "--bootstrap", bootstrap]);
    let mut terminal = Terminal::run(command);
    terminal.sees("the code", |rows, _| code(rows).is_some());
    terminal.sees("an answer", |rows, _| rows.iter().any(|row| row.contains(" answered: it is ")));
    terminal
}

/// The words that are shown to be typed.
fn code(rows: &[String]) -> Option<&str> {
    rows.iter().filter_map(|row| row.strip_prefix(r"    \link ")).find(|code| !code.starts_with("darklink:"))
}

#[test]
fn a_machine_that_waits_to_be_linked_answers_what_is_typed_and_then_obeys_it_as_the_users() {
    let bed = TestBed::new();
    let mut alice = bed.start("alice");
    let mut pi = waiting(&bed, "pi", &alice.place());
    pi.types("hello\r");
    pi.sees("an answer", |rows, _| rows.iter().any(|row| row.starts_with("! this machine waits to be linked")));
    let (rows, _) = pi.screen();
    alice.asks(&format!(r"\link {}", code(&rows).expect("it was seen")));
    let command = "    start it from now on with: darknode -u alice --data-dir ";
    pi.sees("the command", |rows, _| rows.iter().any(|row| row.starts_with(command)));
    pi.types("\\sessions\r");
    pi.sees_row("* your 2 sessions");
    pi.types("\\quit\r");
    pi.sees_row("* stopped");
    assert_eq!(pi.ends().code(), Some(0));
    alice.quits();
}

#[test]
fn each_line_that_is_typed_after_the_linking_is_shown_as_the_message_it_has_become() {
    let bed = TestBed::new();
    let (mut alice, mut bob) = (bed.start("alice"), bed.start("bob"));
    alice.meet(&mut bob);
    alice.chats_with(&mut bob);
    let mut pi = waiting(&bed, "pi", &alice.place());
    let (rows, _) = pi.screen();
    alice.asks(&format!(r"\link {}", code(&rows).expect("it was seen")));
    pi.sees("the link", |rows, _| rows.iter().any(|row| row.contains("bob is online")));
    pi.types("\\chat bob\r");
    pi.sees_typed("to bob> ");
    pi.enters("one");
    pi.enters("two");
    let (rows, _) = pi.screen();
    assert_eq!(rows.iter().filter(|row| row.contains("> to bob: ")).count(), 2, "{rows:?}");
    pi.types("\\quit\r");
    assert_eq!(pi.ends().code(), Some(0));
    [alice, bob].into_iter().for_each(Node::quits);
}

#[test]
fn what_came_over_unread_is_shown_when_its_conversation_is_opened() {
    let bed = TestBed::new();
    let (mut alice, mut bob) = (bed.start("alice"), bed.start("bob"));
    alice.meet(&mut bob);
    bob.chats_with(&mut alice);
    bob.says("early");
    alice.event("message");
    let mut pi = waiting(&bed, "pi", &alice.place());
    let (rows, _) = pi.screen();
    alice.asks(&format!(r"\link {}", code(&rows).expect("it was seen")));
    pi.sees("the history", |rows, _| rows.iter().any(|row| row.contains("1 earlier message came over")));
    bob.says("later");
    pi.sees_message("< bob: later");
    pi.types("\\chat bob\r");
    pi.sees_typed("to bob> ");
    let (rows, _) = pi.screen();
    let ends = ["< bob: later", "now talking to bob", "messages with bob", "< bob: early"];
    let places = ends.map(|end| rows.iter().position(|row| row.trim_end().ends_with(end)));
    assert!(places[0].is_some() && places.is_sorted(), "{rows:?}");
    assert_eq!(rows.iter().filter(|row| row.contains("< bob: ")).count(), 2, "each line is shown once: {rows:?}");
    pi.types("\\quit\r");
    assert_eq!(pi.ends().code(), Some(0));
    [alice, bob].into_iter().for_each(Node::quits);
}

#[test]
fn a_machine_that_waits_to_be_linked_is_stopped_by_quit_and_by_ctrl_c_pressed_twice() {
    let bed = TestBed::new();
    let alice = bed.start("alice");
    for is_typed in [true, false] {
        let mut pi = waiting(&bed, "pi", &alice.place());
        if is_typed {
            pi.types("\\quit\r");
        } else {
            pi.types("\u{3}");
            pi.sees_row("* Ctrl-C again ends the program");
            pi.types("\u{3}");
        }
        pi.sees_row("* stopped");
        assert_eq!(pi.ends().code(), Some(0));
    }
    alice.quits();
}
