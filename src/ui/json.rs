//! Events as JSON, one object per line, in the form that `docs/json.md` documents. Characters that could control a terminal
//! or hide other text are written as `\u` escapes, so that parsers get the original text.

mod body;
mod counts;
mod map;
mod names;
mod parts;
mod values;

use std::borrow::Cow;
use std::fmt::Write;
use std::time::{Duration, UNIX_EPOCH};

use super::Event;
use super::doctor::Report;
use crate::identity::name::escape;
use crate::time::Wall;
use body::Body;
pub use names::nearest_event;
pub use values::delivery;

/// The last millisecond that RFC 3339 can represent: the end of the year 9999.
const LAST_MILLISECOND: i64 = 253_402_300_799_999;

/// The line, without its line ending, for an event that answers input line `line`.
pub fn render(line: Option<u64>, event: Event<'_>) -> String {
    let body = match event {
        Event::Ready(ready, _) => Body::ready(ready, true),
        Event::Waiting(ready) => Body::ready(ready, false),
        Event::Notice(notice) => notice.into(),
        Event::Help => Body::help(),
        Event::Counts(counts) => counts.into(),
        Event::Stopped => Body::Stopped {},
    };
    let mut text = serde_json::to_string(&body).expect("strings, numbers and lists have a JSON form");
    if let Some(line) = line {
        text.pop();
        write!(text, ",\"line\":{line}}}").expect("writing to a string cannot fail");
    }
    escaped(text)
}

/// A `doctor` event that answers no input line, without its line ending.
pub fn report(report: Report) -> String {
    escaped(serde_json::to_string(&Body::from(report)).expect("strings and lists have a JSON form"))
}

/// A wall-clock time, clamped to what RFC 3339 can represent.
pub fn rfc3339(wall: Wall) -> String {
    let since_1970 = Duration::from_millis(wall.0.clamp(0, LAST_MILLISECOND) as u64);
    humantime::format_rfc3339_millis(UNIX_EPOCH + since_1970).to_string()
}

/// JSON without characters that could control a terminal or hide other text: they are written as `\u` escapes. They occur
/// only inside strings.
pub fn escaped(json: String) -> String {
    if matches!(escape(&json), Cow::Borrowed(_)) {
        return json;
    }
    json.chars().fold(String::with_capacity(json.len() + 64), |mut text, c| {
        let mut buffer = [0; 4];
        if matches!(escape(c.encode_utf8(&mut buffer)), Cow::Borrowed(_)) {
            text.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(text, "\\u{unit:04x}").expect("writing to a string cannot fail");
            }
        }
        text
    })
}

#[cfg(test)]
mod contract;
#[cfg(test)]
pub(super) mod tests;
