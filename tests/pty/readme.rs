//! The picture of the full screen in the README.

use crate::program::TestBed;
use crate::terminal::Terminal;

const README: &str = include_str!("../../README.md");

/// A row as it is at all times: without a time of day, and none that names the day.
fn timeless(row: &str) -> Option<String> {
    let is_clock = |text: &str| text.char_indices().all(|(n, c)| if n == 2 { c == ':' } else { c.is_ascii_digit() });
    let row = row.trim_end();
    match row.split_once("│ ") {
        _ if row.contains(" ─ ") => None,
        Some((left, right)) if right.get(..5).is_some_and(is_clock) => Some(format!("{left}│ 00:00{}", &right[5..])),
        _ => Some(row.to_owned()),
    }
}

#[test]
fn the_readme_shows_the_screen_as_it_is() {
    let bed = TestBed::new();
    let mut bob = bed.start("bob");
    let mut alice = Terminal::full_screen(&bed);
    alice.resizes(16, 80);
    alice.opens("bob", &mut bob);
    alice.by_hand("hello, are you there?");
    bob.event("message");
    bob.says("yes. how is the field?");
    alice.sees_text("bob  yes. how is the field?");
    alice.by_hand("dry. see you at six");
    bob.event("message");
    bob.quits();
    alice.sees_text("bob · away");
    alice.by_hand("bring the long cable");
    alice.sees_text("1 wait");
    let (rows, _) = alice.screen();
    let shown: Vec<String> = rows.iter().filter_map(|row| timeless(row)).collect();
    let written = README.lines().filter_map(|line| line.strip_prefix("    "));
    let written: Vec<String> = written.filter_map(timeless).collect();
    let is_there = written.windows(shown.len()).any(|part| part == shown);
    assert!(is_there, "the README shows another screen than this one:\n{}", rows.join("\n"));
    alice.leaves();
}
