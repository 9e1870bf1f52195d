//! Lines as they are typed, pasted and sent.

use crate::program::TestBed;
use crate::terminal::{COLUMNS, Terminal, without_time};

#[test]
fn macros_and_names_are_completed_and_typed_lines_can_be_recalled() {
    let bed = TestBed::new();
    let mut bob = bed.start("bob");
    let mut alice = Terminal::start(&bed, &[]);
    alice.chats_with(&mut bob);
    alice.types("\\whoi\tb\t");
    alice.sees_typed("to bob> \\whois bob");
    alice.types("\r");
    alice.sees("whois", |rows, _| rows.iter().any(|row| row.contains(bob.id())));
    ["first", "second"].iter().for_each(|line| alice.enters(line));
    ["first", "second"].iter().for_each(|text| assert_eq!(bob.event("message")["text"], *text));
    alice.sees_typed("to bob> ");
    alice.types("\x1b[A");
    alice.sees_typed("to bob> second");
    alice.types("\x1b[A");
    alice.sees_typed("to bob> first");
    alice.types(" again\r");
    assert_eq!(bob.event("message")["text"], "first again");
    alice.types("\\quit\r");
    assert_eq!(alice.ends().code(), Some(0));
    bob.quits();
}

#[test]
fn lines_typed_one_after_another_are_all_sent() {
    let bed = TestBed::new();
    let mut bob = bed.start("bob");
    let mut alice = Terminal::start(&bed, &[]);
    alice.chats_with(&mut bob);
    let lines: Vec<String> = (0..50).map(|n| format!("line {n}")).collect();
    lines.iter().for_each(|line| alice.enters(line));
    for line in &lines {
        assert_eq!(&bob.event("message")["text"], line);
    }
    alice.types("\\quit\r");
    assert_eq!(alice.ends().code(), Some(0));
    bob.quits();
}

#[test]
fn a_typed_line_becomes_a_message_with_its_time_and_what_was_not_sent_stays_as_it_is() {
    let bed = TestBed::new();
    let mut bob = bed.start("bob");
    let mut alice = Terminal::start(&bed, &[]);
    alice.types("to nobody\r");
    alice.sees("an error", |rows, _| rows.iter().any(|row| row.starts_with("! ")));
    alice.sees_row("> to nobody");
    alice.chats_with(&mut bob);
    let words = |count: usize, word: &str| vec![word; count].join(" ");
    let width = usize::from(COLUMNS) - "to bob> ".len();
    let texts = ["short".into(), words(60, "long"), "x".repeat(width), words(30, "漢字"), "first\n\nlast".into()];
    for (n, text) in texts.iter().enumerate() {
        bob.says(&format!("before {n}"));
        alice.sees_message(&format!("< bob: before {n}"));
        alice.types(&format!("\x1b[200~{text}\x1b[201~\r"));
        assert_eq!(bob.event("message")["text"], *text);
        bob.says(&format!("after {n}"));
        alice.sees_message(&format!("< bob: after {n}"));
        alice.sees_typed("to bob> ");
        let (rows, _) = alice.screen();
        let at =
            |said: &str| rows.iter().position(|row| row.ends_with(&format!("< bob: {said} {n}"))).expect("it was seen");
        let mut shown = rows[at("before") + 1..at("after")].iter().map(|row| row.trim());
        let first = shown.next().and_then(without_time).and_then(|row| row.strip_prefix("> to bob:"));
        let letters = |text: String| text.split_whitespace().collect::<String>();
        assert_eq!(
            first.map(|first| letters(first.to_owned() + &shown.collect::<String>())),
            Some(letters(text.clone()))
        );
    }
    alice.types("\\whois bob\r");
    alice.sees("the answer", |rows, _| rows.iter().any(|row| row.contains(bob.id())));
    alice.sees_row("to bob> \\whois bob");
    alice.sees_typed("to bob> ");
    alice.types("\\quit\r");
    assert_eq!(alice.ends().code(), Some(0));
    bob.quits();
}

#[test]
fn a_line_that_is_taller_than_the_screen_replaces_nothing() {
    let bed = TestBed::new();
    let mut bob = bed.start("bob");
    let mut alice = Terminal::start(&bed, &[]);
    alice.chats_with(&mut bob);
    alice.resizes(8, COLUMNS);
    let text = format!("{}\nlast", "x".repeat(9 * usize::from(COLUMNS)));
    alice.types(&format!("\x1b[200~{text}\x1b[201~\r"));
    assert_eq!(bob.event("message")["text"], *text);
    alice.sees_row("last");
    alice.enters("short");
    alice.sees_row("last");
    alice.types("\\quit\r");
    assert_eq!(alice.ends().code(), Some(0));
    bob.quits();
}

#[test]
fn pasted_lines_are_one_message_and_run_no_macro() {
    let bed = TestBed::new();
    let mut bob = bed.start("bob");
    let mut alice = Terminal::start(&bed, &[]);
    alice.chats_with(&mut bob);
    alice.types("first\rsecond\r");
    assert_eq!(bob.event("message")["text"], "first\nsecond");
    alice.types("one\r\\quit\rthree\rfour\r");
    let question = r"! send 4 lines to bob? \quit in it is sent as text, not obeyed.";
    alice.sees("the question", |rows, _| rows.iter().any(|row| row.starts_with(question)));
    alice.types("\r");
    assert_eq!(bob.event("message")["text"], "one\n\\quit\nthree\nfour");
    alice.sees_typed("to bob> ");
    // The terminal marks it: the same happens, but Enter is pressed by hand.
    alice.types("\x1b[200~five\rsix\x1b[201~");
    alice.sees_typed("six");
    alice.types("\r");
    assert_eq!(bob.event("message")["text"], "five\nsix");
    alice.types("\\quit\r");
    assert_eq!(alice.ends().code(), Some(0));
    bob.quits();
}

#[test]
fn an_answer_to_somebody_else_than_wrote_last_is_asked_about() {
    let bed = TestBed::new();
    let (mut bob, mut carol) = (bed.start("bob"), bed.start("carol"));
    let mut alice = Terminal::start(&bed, &[]);
    alice.chats_with_named("carol", &mut carol);
    alice.chats_with(&mut bob);
    carol.says("are you free at six?");
    alice.sees_message("< carol: are you free at six?");
    alice.types("yes, six is fine\r");
    alice.sees_row("! send this to bob, not carol? Enter again sends it");
    carol.says("I mean today");
    alice.sees_message("< carol: I mean today");
    alice.sees_typed("to bob> yes, six is fine");
    alice.types("!");
    alice.sees_typed("to bob> yes, six is fine!");
    let (rows, _) = alice.screen();
    assert!(rows.iter().any(|row| row.ends_with("< carol: are you free at six?")), "nothing is overwritten: {rows:?}");
    alice.types("\x03");
    alice.sees_row("to bob> yes, six is fine!^C");
    alice.sees_typed("to bob> ");
    alice.types("\\r\r");
    alice.sees_typed("to carol> ");
    alice.types("yes, six is fine\r");
    assert_eq!(carol.event("message")["text"], "yes, six is fine");
    bob.says("hello");
    alice.sees_message("< bob: hello");
    alice.types("to carol all the same\r");
    alice.sees_row("! send this to carol, not bob? Enter again sends it");
    alice.types("\r");
    assert_eq!(carol.event("message")["text"], "to carol all the same");
    alice.types("/help\r");
    alice.sees_row(r"! send this as text to carol? The macro is \help. Enter again sends it");
    alice.types("\x03");
    alice.sees_typed("to carol> ");
    alice.types("\\quit\r");
    assert_eq!(alice.ends().code(), Some(0));
    bob.types(r"\quit");
    let (_, events, _) = bob.ends();
    assert!(events.iter().all(|event| event["event"] != "message"), "nothing went to bob");
    carol.quits();
}

#[test]
fn a_message_does_not_disturb_a_line_being_typed() {
    let bed = TestBed::new();
    let mut bob = bed.start("bob");
    let mut alice = Terminal::start(&bed, &[]);
    alice.chats_with(&mut bob);
    alice.types("half a li");
    alice.sees_typed("to bob> half a li");
    for n in 0..5 {
        bob.says(&format!("interruption {n}"));
        alice.sees_message(&format!("< bob: interruption {n}"));
        alice.sees_typed("to bob> half a li");
    }
    alice.types("ne\r");
    assert_eq!(bob.event("message")["text"], "half a line");
    alice.types("\\quit\r");
    assert_eq!(alice.ends().code(), Some(0));
    bob.quits();
}

#[test]
fn a_chat_that_fails_says_that_the_conversation_is_left() {
    let bed = TestBed::new();
    let mut bob = bed.start("bob");
    let mut alice = Terminal::start(&bed, &[]);
    alice.chats_with(&mut bob);
    alice.types("\\chat alice\r");
    alice.sees_row(r"* no conversation is selected any more; \chat bob returns to bob");
    alice.sees_typed("> ");
    alice.types("\\chat bob\r");
    alice.sees_typed("to bob> ");
    alice.types("\\quit\r");
    assert_eq!(alice.ends().code(), Some(0));
    bob.quits();
}

#[test]
fn after_a_restart_the_last_conversation_goes_on_and_what_is_unread_is_told() {
    let bed = TestBed::new();
    let (mut bob, mut carol) = (bed.start("bob"), bed.start("carol"));
    let mut alice = Terminal::start(&bed, &[]);
    alice.chats_with_named("carol", &mut carol);
    alice.chats_with(&mut bob);
    carol.says("are you there?");
    alice.sees_message("< carol: are you there?");
    alice.types("hello bob\r");
    alice.sees_row("! send this to bob, not carol? Enter again sends it");
    alice.types("\r");
    assert_eq!(bob.event("message")["text"], "hello bob");
    bob.says("hello alice");
    alice.sees_message("< bob: hello alice");
    carol.says("hello?");
    alice.sees_message("< carol: hello?");
    alice.types("\\quit\r");
    assert_eq!(alice.ends().code(), Some(0));

    let mut alice = Terminal::start_again(&bed, "to bob> ");
    alice.sees_row(r"* 2 unread from carol; \chat carol");
    let (rows, _) = alice.screen();
    let said = |text: &str| rows.iter().position(|row| row.trim_end().ends_with(text));
    assert!(said("> you: hello bob") < said("< bob: hello alice") && said("< bob: hello alice").is_some(), "{rows:?}");
    bob.event("online");
    alice.types("still here\r");
    assert_eq!(bob.event("message")["text"], "still here");
    alice.types("\\chat carol\r");
    alice.sees_typed("to carol> ");
    alice.types("\\quit\r");
    assert_eq!(alice.ends().code(), Some(0));

    let mut alice = Terminal::start_again(&bed, "to bob> ");
    alice.sees("the conversation", |rows, _| rows.iter().any(|row| row.contains("still here")));
    assert!(!alice.screen().0.iter().any(|row| row.contains("unread")), "the conversation with carol was opened");
    alice.types("\\quit\r");
    assert_eq!(alice.ends().code(), Some(0));
    bob.quits();
    carol.quits();
}
