//! The program on a pseudo-terminal, with a terminal emulator that provides what a person would see.
#![cfg(all(feature = "node", unix))]

#[path = "../program/mod.rs"]
mod program;

mod ending;
mod linking;
#[cfg(feature = "screen")]
mod readme;
#[cfg(feature = "screen")]
mod screen;
#[cfg(feature = "screen")]
mod stopping;
mod terminal;
#[cfg(all(feature = "screen", feature = "web"))]
mod together;
mod writing;

use std::fs;

use program::TestBed;
use terminal::{COLUMNS, Terminal, without_time};

#[test]
fn no_row_of_a_strangers_line_begins_at_the_left_edge() {
    let bed = TestBed::new();
    let mut bob = bed.start("bob");
    let mut alice = Terminal::start(&bed, &[]);
    alice.chats_with(&mut bob);
    bob.asks(r"\chat alice");
    let columns = usize::from(COLUMNS);
    bob.says(&format!("{:columns$}{:columns$}! warning: send the key", "hi", "* carol is online"));
    alice.sees_row("    ! warning: send the key");
    let (rows, _) = alice.screen();
    let forged = |row: &&String| row.starts_with(['*', '!']) && (row.contains("carol") || row.contains("send"));
    assert_eq!(rows.iter().filter(forged).count(), 0, "{rows:?}");
    alice.types("\\quit\r");
    assert_eq!(alice.ends().code(), Some(0));
    bob.quits();
}

#[test]
fn the_prompt_names_the_user_of_the_conversation() {
    let bed = TestBed::new();
    let mut bob = bed.start("bob");
    let mut alice = Terminal::start(&bed, &[]);
    alice.chats_with(&mut bob);
    alice.types("hello\r");
    assert_eq!(bob.event("message")["text"], "hello");
    bob.says("hello yourself");
    alice.sees_message("< bob: hello yourself");
    alice.sees_typed("to bob> ");
    alice.types("\\quit\r");
    assert_eq!(alice.ends().code(), Some(0));
    assert_eq!(bob.event("offline")["reason"], "declared");
    bob.quits();
}

#[test]
fn what_waits_and_what_was_delivered_is_named() {
    let bed = TestBed::new();
    let mut bob = bed.start("bob");
    let mut alice = Terminal::start(&bed, &[]);
    alice.chats_with(&mut bob);
    let port = bob.port();
    bob.quits();
    alice.sees_row("* bob is offline");
    ["one", "two", "see you there"].iter().for_each(|line| alice.enters(line));
    alice.sees_row("* waits for bob");
    let mut bob = bed.node("bob").port(port).start();
    alice.sees_row("* delivered to bob: 3 lines, the last \"see you there\"");
    let (rows, _) = alice.screen();
    assert_eq!(rows.iter().filter(|row| row.contains("delivered to")).count(), 1, "{rows:?}");
    assert_eq!(rows.iter().filter(|row| row.contains("waits for")).count(), 1, "{rows:?}");
    bob.event("message");
    alice.types("\\quit\r");
    assert_eq!(alice.ends().code(), Some(0));
    bob.quits();
}

#[test]
fn nothing_a_stranger_writes_controls_the_terminal() {
    let bed = TestBed::new();
    let mut bob = bed.start("bob");
    let mut alice = Terminal::start(&bed, &[]);
    alice.chats_with(&mut bob);
    let hostile = ["\x1b]0;title\x07", "\x1b[45m", "\u{9b}2J", "\u{202e}", "\x1bP", "\u{2067}", "\x08", "\x1bc"];
    for (n, text) in hostile.iter().enumerate() {
        bob.says(&format!("{n} begins {text} ends"));
        alice.sees("the text", |rows, _| {
            let begin = format!("< bob: {n} begins ");
            rows.iter().filter_map(|row| without_time(row)).any(|row| row.starts_with(&begin) && row.ends_with(" ends"))
        });
    }
    alice.types("\\history\r");
    alice.sees("the history", |rows, _| rows.iter().filter(|row| row.contains("7 begins")).count() > 1);
    for text in hostile {
        let found = alice.raw.windows(text.len()).any(|bytes| bytes == text.as_bytes());
        // The editor itself prints backspaces.
        assert!(!found || text == "\x08", "{text:?} has reached the terminal");
    }
    alice.types("\\quit\r");
    assert_eq!(alice.ends().code(), Some(0));
    bob.quits();
}

#[test]
fn the_log_goes_to_the_file_and_not_to_the_screen() {
    let bed = TestBed::new();
    let mut bob = bed.start("bob");
    let mut alice = Terminal::start(&bed, &["--log", "trace"]);
    alice.chats_with(&mut bob);
    alice.types("\\quit\r");
    alice.sees_row("* stopped");
    let screen = String::from_utf8_lossy(&alice.raw).into_owned();
    assert!(!screen.contains("TRACE") && !screen.contains("DEBUG"), "{screen}");
    assert_eq!(alice.ends().code(), Some(0));
    let log = fs::read_to_string(bed.path("alice").join("darknode.log")).expect("there is a log");
    assert!(log.contains("TRACE") || log.contains("DEBUG"));
    bob.quits();
}
