//! The requests, and whether `docs/api.md` lists them.

use std::collections::BTreeSet;

use super::*;
use crate::api::reader::UNDER_WAY;
use crate::hub::MAX_CLIENTS;

const PAGE: &str = include_str!("../../../docs/api.md");

/// The rows of the table below a heading: the names, without backticks, and the keys.
fn table(heading: &str) -> Vec<(&'static str, &'static str)> {
    let (_, part) = PAGE.split_once(&format!("\n## {heading}\n")).expect("the page has this part");
    let part = part.split("\n## ").next().unwrap_or(part);
    let rows = part.lines().filter(|line| line.starts_with("| `"));
    let cells = |line: &'static str| line.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>();
    rows.map(cells).map(|cells| (cells[0].trim_matches('`'), cells[1])).collect()
}

#[test]
fn the_page_names_every_request_and_no_others() {
    let listed: BTreeSet<&str> = table("Requests").into_iter().map(|(name, _)| name).collect();
    let own = REQUESTS.iter().map(|(name, _)| *name);
    let known: BTreeSet<&str> = own.chain(macros::MACROS.iter().map(|entry| entry.name)).collect();
    assert_eq!(listed, known);
}

/// A value for a key of this name.
fn value(key: &str) -> &'static str {
    match key {
        "host" => "\"192.0.2.1\"",
        "code" => "\"zoo-abandon-able\"",
        "at" => "\"4a1f09c2d8b7e653.41.18422\"",
        _ => "\"bob\"",
    }
}

#[test]
fn a_request_with_the_keys_that_the_page_marks_as_required_is_one() {
    for (name, keys) in table("Requests") {
        let required = keys.split(", ").filter_map(|key| key.strip_prefix('`')?.strip_suffix('`'));
        let given: String = required.clone().map(|key| format!(",\"{key}\":{}", value(key))).collect();
        let request = parse(format!("{{\"do\":\"{name}\"{given}}}").as_bytes());
        assert!(request.is_ok_and(|request| !matches!(request.what, Do::Typed(Err(_)))), "{name} with{given}");
        for left_out in required {
            let whole = format!("\"{left_out}\":{}", value(left_out));
            let request = parse(format!("{{\"do\":\"{name}\"{}}}", given.replace(&whole, "\"x\":1")).as_bytes());
            let is_refused = matches!(request, Err(_) | Ok(Request { what: Do::Typed(Err(_)), .. }));
            assert!(is_refused, "{name} without {left_out}: {request:?}");
        }
    }
}

#[test]
fn the_page_names_the_bounds() {
    assert!(PAGE.contains(&format!("{MAX_REQUEST} bytes")));
    assert!(PAGE.contains(&format!("{MAX_CLIENTS} clients")) && PAGE.contains(&format!("{UNDER_WAY} requests")));
    assert!(PAGE.contains(&format!("{MAX_NAMES} strings")) && PAGE.contains(&format!("{MAX_LINE}")));
}

#[test]
fn what_is_not_a_request_is_refused_with_its_number_if_it_has_one() {
    for (line, number) in [
        (r"\users", None),
        ("[1]", None),
        (r#"{"do":"users"#, None),
        (r#"{"line":"1","do":"users"}"#, None),
        (r#"{"line":-1,"do":"users"}"#, None),
        (r#"{"line":549755813888,"do":"users"}"#, None),
        (r#"{"line":1}"#, Some(1)),
        (r#"{"line":1,"do":"dance"}"#, Some(1)),
        (r#"{"line":1,"do":"say","to":"bob"}"#, Some(1)),
        (r#"{"line":1,"do":"say","to":"bob","text":7}"#, Some(1)),
        (r#"{"line":1,"do":"say","to":"bob","text":" "}"#, Some(1)),
        (r#"{"line":1,"do":"history","user":"bob","n":-1}"#, Some(1)),
        (r#"{"line":1,"do":"history","user":"bob","n":4294967296}"#, Some(1)),
        (r#"{"line":1,"do":"subscribe","since":7}"#, Some(1)),
        (r#"{"line":1,"do":"subscribe","since":"1.2"}"#, Some(1)),
        (r#"{"line":1,"do":"subscribe","events":"message"}"#, Some(1)),
    ] {
        assert_eq!(parse(line.as_bytes()).map_err(|bad| bad.line), Err(number), "{line}");
    }
    let wrong_type = parse(b"[1]").map_err(|bad| bad.message);
    assert!(wrong_type.is_err_and(|message| message.contains("expected a JSON object")));
    let unknown_key = parse(br#"{"line":1,"do":"conversations","colour":"red"}"#);
    assert_eq!(unknown_key.map(|request| request.what), Ok(Do::Command(Command::Conversations)));
}
