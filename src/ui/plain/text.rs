//! Names, numbers and times within a line.

use std::borrow::Cow;
use std::fmt::Display;

use chrono::{DateTime, TimeZone};

use crate::identity::name::escape;
use crate::proto::notice::Via;
use crate::time::Wall;
use crate::ui::json::rfc3339;

/// Escapes a text for use within a line.
pub fn inline(text: &str) -> String {
    escape(text).replace(['\n', '\t'], " ")
}

/// A name within a sentence: in quotes if it consists of several words, so that no name reads like a part of the sentence. It
/// can be typed back like this.
pub fn quoted(name: &str) -> Cow<'_, str> {
    if name.contains(' ') { format!("\"{name}\"").into() } else { name.into() }
}

/// A number of things: `1 line`, `2 lines`.
pub fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// How a session is reached, behind a sentence that says that it is online.
pub fn suffix(via: Via) -> &'static str {
    match via {
        Via::Direct => "",
        Via::Relayed => ", through others",
    }
}

/// A time in a time zone, to the minute. A time that no calendar holds is shown as UTC.
pub fn minute(at: Wall, zone: &impl TimeZone<Offset: Display>) -> String {
    let local = DateTime::from_timestamp_millis(at.0).map(|utc| utc.with_timezone(zone));
    local.map_or_else(|| rfc3339(at), |local| local.format("%Y-%m-%d %H:%M").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::plain::tests::view;

    #[test]
    fn a_time_is_shown_as_the_clock_of_the_reader_shows_it() {
        let kolkata = chrono::FixedOffset::east_opt(5 * 3600 + 1800).expect("within a day");
        assert_eq!(minute(view("").sent, &chrono::Utc), "2023-11-14 22:13");
        assert_eq!(minute(view("").sent, &kolkata), "2023-11-15 03:43");
        assert!(minute(Wall(i64::MAX), &kolkata).ends_with('Z'), "no calendar holds it");
    }
}
