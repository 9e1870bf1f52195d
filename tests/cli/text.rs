//! Which texts may be typed, and what strangers can make a node print.

use crate::program::{TestBed, read_all};
use std::process::Stdio;

#[test]
fn a_line_holds_at_most_16000_bytes() {
    let bed = TestBed::new();
    let (mut alice, mut bob) = bed.two();
    alice.chats_with(&mut bob);
    let longest = "ä".repeat(8000);
    let said = alice.says(&longest);
    let message = bob.event("message");
    assert_eq!(message["message"], said);
    assert!(message["text"] == longest.as_str());
    let error = alice.asks(&format!("{longest}x"));
    assert_eq!(error["code"], "text-too-long");
    assert!(error["message"].as_str().is_some_and(|message| message.contains("16000")), "{error}");
    assert_eq!(alice.fails(&"x".repeat(1 << 20)), "text-too-long");
    let said = alice.says("still there");
    assert_eq!(bob.event("message")["message"], said);
    bob.quits();
    alice.quits();
}

#[test]
fn any_text_arrives_unchanged() {
    let bed = TestBed::new();
    let (mut alice, mut bob) = bed.two();
    alice.chats_with(&mut bob);
    let texts = [
        "  two  spaces ",
        "\u{1b}[2J\u{7}",
        "a\u{202e}b\u{200b}",
        "👩‍🚀 e\u{301}",
        "{\"event\":\"stopped\"}",
        "\u{0}",
        "\u{9b}31m",
    ];
    for text in texts {
        alice.says(text);
        assert_eq!(bob.event("message")["text"], text);
    }
    alice.asks(r"\\quit");
    assert_eq!(bob.event("message")["text"], r"\quit");
    bob.quits();
    alice.quits();
}

#[test]
fn no_interface_prints_a_strangers_terminal_control_characters() {
    let bed = TestBed::new();
    let mut alice = bed.start("alice");
    let mut plain = bed.node("bob").plain().start();
    let mut json = bed.start("carol");
    let place = alice.place();
    let (ip, port) = place.split_once(':').expect("an address has a port");
    for node in [&mut plain, &mut json] {
        node.types(&format!(r"\ping {ip} {port}"));
    }
    for name in ["bob", "carol"] {
        alice.event_with("nearby", "user", name);
        alice.asks(&format!(r"\chat {name}"));
        alice.says("\u{1b}[31mred\u{1b}]0;title\u{7} \u{9b}2J \u{202e}back \u{8}\u{7f}end");
    }
    let line = plain.line_with("red");
    assert!(!line.chars().any(is_hostile), "{line:?}");
    assert!(line.starts_with("< alice: ") && line.contains("end"), "{line:?}");
    let line = json.event("message").to_string();
    assert!(line.contains("red"));
    plain.types(r"\history alice");
    let line = plain.line_with("red");
    assert!(!line.chars().any(is_hostile), "{line:?}");
    json.quits();
    alice.quits();
}

fn is_hostile(c: char) -> bool {
    c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c) || ('\u{2066}'..='\u{2069}').contains(&c)
}

#[test]
fn a_line_of_json_has_no_unescaped_control_characters() {
    let bed = TestBed::new();
    let mut command = bed.node("alice").command();
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the program starts");
    let mut stdin = child.stdin.take().expect("it is a pipe");
    std::io::Write::write_all(&mut stdin, "\\\u{1b}[2J\u{9b}\u{202e}\n".as_bytes()).expect("it takes lines");
    drop(stdin);
    let text = read_all(child.stdout.take().expect("it is a pipe"));
    assert!(text.contains("unknown-macro"), "{text:?}");
    assert!(!text.chars().any(|c| c != '\n' && is_hostile(c)), "{text:?}");
    assert!(child.wait().expect("it ends").success());
}

#[test]
fn a_line_that_is_not_utf_8_does_not_affect_the_next() {
    let bed = TestBed::new();
    let (mut alice, mut bob) = bed.two();
    alice.chats_with(&mut bob);
    let number = alice.types_bytes(b"caf\xe9 \xff\xfe");
    assert_eq!(alice.answer(number)["code"], "bad-argument");
    let said = alice.says("café");
    assert_eq!(bob.event("message")["message"], said);
    bob.quits();
    alice.quits();
}
