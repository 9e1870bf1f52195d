//! Ctrl-C, and the ends of the program.

use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::program::TestBed;
use crate::terminal::Terminal;

#[test]
fn ctrl_c_drops_a_line_visibly_and_pressed_twice_on_an_empty_one_ends_as_ctrl_d_does() {
    let bed = TestBed::new();
    for leave in ["\x03", "\x04"] {
        let mut bob = bed.start("bob");
        let mut alice = Terminal::start(&bed, &[]);
        alice.chats_with(&mut bob);
        alice.types("not to be sent");
        alice.sees_typed("to bob> not to be sent");
        alice.types("\x03");
        alice.sees_row("to bob> not to be sent^C");
        alice.sees_typed("to bob> ");
        alice.types("\x03");
        alice.sees_row("to bob> ^C");
        alice.sees_row("* Ctrl-C again ends the program");
        alice.sees_typed("to bob> ");
        alice.types("sent\r");
        assert_eq!(bob.event("message")["text"], "sent");
        alice.sees_typed("to bob> ");
        if leave == "\x03" {
            alice.types("\x03");
            alice.sees("the hint", |rows, _| rows.iter().filter(|row| row.contains("Ctrl-C again")).count() == 2);
            alice.sees_typed("to bob> ");
        }
        alice.types(leave);
        assert_eq!(alice.ends().code(), Some(0));
        assert_eq!(bob.event("offline")["reason"], "declared");
        bob.quits();
        ["alice", "bob"].iter().for_each(|name| fs::remove_dir_all(bed.path(name)).expect("nobody uses it"));
    }
}

#[test]
fn the_prompt_is_there_at_once_when_the_program_goes_on_after_it_was_stopped() {
    let bed = TestBed::new();
    let mut alice = Terminal::start(&bed, &[]);
    alice.types("half a li");
    alice.sees_typed("> half a li");
    let id = Pid::from_raw(alice.child.as_ref().expect("it runs").id().cast_signed());
    kill(id, Signal::SIGSTOP).expect("it runs");
    alice.shows("\r\n[1]+  Stopped\r\n$ fg\r\n");
    kill(id, Signal::SIGCONT).expect("it is stopped");
    alice.sees_typed("> half a li");
    alice.types("\x03");
    alice.sees_row("> half a li^C");
    alice.types("\\quit\r");
    assert_eq!(alice.ends().code(), Some(0));
}

#[test]
fn ctrl_c_stops_looking_for_somebody() {
    let bed = TestBed::new();
    let mut bob = bed.start("bob");
    let mut alice = Terminal::start(&bed, &[]);
    alice.chats_with(&mut bob);
    alice.types("\\chat nobody\r");
    alice.sees_row("to bob> \\chat nobody");
    alice.sees("the row of the answer", |_, cursor| cursor.is_empty());
    alice.types("\x03");
    alice.sees_row("* done: stopped looking");
    alice.sees_typed("to bob> ");
    alice.types("hello\r");
    assert_eq!(bob.event("message")["text"], "hello");
    alice.types("\\quit\r");
    assert_eq!(alice.ends().code(), Some(0));
    bob.quits();
}

#[test]
fn ctrl_c_at_once_after_a_line_that_is_answered_at_once_is_not_for_the_next() {
    let bed = TestBed::new();
    let mut bob = bed.start("bob");
    let mut alice = Terminal::start(&bed, &[]);
    for n in 1..=8 {
        alice.types("nobody is chosen\r\x03");
        let refused = |rows: &[String]| rows.iter().filter(|row| row.contains("no conversation")).count();
        alice.sees(&format!("{n} answers"), |rows, cursor| refused(rows) == n && cursor == "> ");
    }
    alice.chats_with(&mut bob);
    alice.types("still here\r");
    assert_eq!(bob.event("message")["text"], "still here");
    alice.types("\\quit\r");
    assert_eq!(alice.ends().code(), Some(0));
    bob.quits();
}

#[test]
fn a_terminal_that_is_closed_ends_the_program_gracefully() {
    let bed = TestBed::new();
    let mut bob = bed.start("bob");
    let mut alice = Terminal::start(&bed, &[]);
    alice.chats_with(&mut bob);
    alice.types("half");
    alice.sees_typed("to bob> half");
    assert_eq!(alice.closes().code(), Some(0));
    assert_eq!(bob.event("offline")["reason"], "declared");
    bob.quits();
}

#[test]
fn a_signal_while_a_line_is_typed_ends_the_program_gracefully() {
    // SIGHUP is what a terminal that is closed sends.
    for signal in [Signal::SIGTERM, Signal::SIGHUP] {
        let bed = TestBed::new();
        let mut bob = bed.start("bob");
        let mut alice = Terminal::start(&bed, &[]);
        alice.chats_with(&mut bob);
        alice.types("half");
        alice.sees_typed("to bob> half");
        let child = alice.child.as_ref().expect("it runs");
        kill(Pid::from_raw(i32::try_from(child.id()).expect("process ids are small")), signal).expect("it runs");
        assert_eq!(alice.ends().code(), Some(0));
        assert_eq!(bob.event("offline")["reason"], "declared");
        bob.quits();
    }
}
