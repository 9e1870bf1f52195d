//! A full screen that is stopped and goes on, and a terminal that takes no output for a while.

use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};

use crate::program::TestBed;
use crate::terminal::Terminal;

#[test]
fn whoever_stops_the_program_has_the_terminal_until_it_goes_on() {
    for by_key in [true, false] {
        let bed = TestBed::new();
        let mut alice = Terminal::full_screen(&bed);
        alice.types("a draft");
        alice.sees_typed(" > a draft");
        if by_key {
            alice.types("\x1a");
        } else {
            alice.signals(Signal::SIGTSTP);
        }
        let stopped = waitpid(alice.pid(), Some(WaitPidFlag::WUNTRACED)).expect("it is a child");
        assert_eq!(stopped, WaitStatus::Stopped(alice.pid(), Signal::SIGTSTP));
        assert!(alice.has_its_mode());
        alice.sees("the other screen", |rows, _| rows.iter().all(|row| !row.contains("draft")));
        assert!(!alice.is_full_screen());
        alice.signals(Signal::SIGCONT);
        alice.sees_typed(" > a draft");
        assert!(alice.is_full_screen() && !alice.has_its_mode());
        alice.types("\x03");
        alice.sees_typed(" > ");
        alice.leaves();
    }
}

#[test]
fn what_was_stopped_without_notice_is_drawn_anew() {
    let bed = TestBed::new();
    let mut alice = Terminal::full_screen(&bed);
    alice.types("a draft");
    alice.sees_typed(" > a draft");
    alice.signals(Signal::SIGSTOP);
    waitpid(alice.pid(), Some(WaitPidFlag::WUNTRACED)).expect("it is a child");
    alice.shows("\x1b[2J[1]+  Stopped\r\n$ fg\r\n");
    alice.signals(Signal::SIGCONT);
    alice.sees_typed(" > a draft");
    alice.sees_text("nobody is chosen");
    alice.types("\x03");
    alice.sees_typed(" > ");
    alice.leaves();
}

#[test]
fn ctrl_z_stops_nothing_where_no_shell_could_let_it_go_on() {
    let bed = TestBed::new();
    let mut alice =
        Terminal::run(bed.node("alice").interactive().by_shell(&["setsid", "-w", "sh"], r#"exec "$0" "$@""#));
    alice.sees_text("Created a new identity");
    alice.types("\x1b");
    alice.sees_text("nobody is chosen");
    alice.types("a");
    alice.sees_typed(" > a");
    alice.types("\x1a");
    alice.types_by_hand(" draft");
    alice.sees_typed(" > a draft");
    assert!(alice.is_full_screen() && !alice.has_its_mode());
    alice.types("\x03");
    alice.sees_typed(" > ");
    alice.leaves();
}

#[test]
fn a_terminal_that_takes_no_output_keeps_nobody_waiting_and_then_shows_how_it_is() {
    const LINES: usize = 60;
    let bed = TestBed::new();
    let mut bob = bed.start("bob");
    let mut alice = Terminal::full_screen(&bed);
    alice.opens("bob", &mut bob);
    alice.pauses(true);
    alice.types_by_hand("hello");
    alice.enter();
    assert_eq!(bob.event("message")["text"], "hello");
    for n in 1..=LINES {
        let message = bob.says(&format!("line {n} of many"));
        bob.knows_delivered(&message);
    }
    let before = alice.raw.len();
    alice.pauses(false);
    alice.sees_text(&format!("line {LINES} of many"));
    let written = alice.raw.len() - before;
    // The frame that was begun, one with everything, and not one for each line.
    assert!(written < 6_000, "{written} bytes");
    alice.leaves();
    bob.quits();
}

#[test]
fn a_terminal_that_takes_no_output_does_not_keep_the_program() {
    let bed = TestBed::new();
    let mut bob = bed.start("bob");
    let mut alice = Terminal::full_screen(&bed);
    alice.opens("bob", &mut bob);
    alice.pauses(true);
    alice.types_by_hand("half");
    alice.signals(Signal::SIGTERM);
    assert_eq!(bob.event("offline")["reason"], "declared");
    assert_eq!(alice.ends_as_it_is().code(), Some(0));
    bob.quits();
}
