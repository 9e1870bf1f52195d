//! The times that stand before messages, in a time zone.

use std::fmt::Display;

use chrono::{DateTime, NaiveDate, TimeZone};

use crate::time::Wall;
use crate::ui::plain::minute;

/// A message that took longer than this says when it was sent: a message usually takes much less, and clocks differ.
const LATE_MS: i64 = 60_000;

/// Remembers which day was shown last.
#[derive(Debug)]
pub struct Times {
    day: NaiveDate,
}

impl Times {
    /// Nothing is said of the day of the start.
    pub fn new<Z: TimeZone>(now: &DateTime<Z>) -> Times {
        Times { day: now.date_naive() }
    }

    /// The day, if it is another one than the last time.
    pub fn new_day<Z: TimeZone<Offset: Display>>(&mut self, now: &DateTime<Z>) -> Option<String> {
        let day = now.date_naive();
        (std::mem::replace(&mut self.day, day) != day).then(|| now.format("%A, %-d %B %Y").to_string())
    }
}

/// What stands before a message that is shown now.
pub fn stamp<Z: TimeZone<Offset: Display>>(now: &DateTime<Z>) -> String {
    now.format("%H:%M").to_string()
}

/// When a message was sent, if that was not just now.
pub fn late<Z: TimeZone<Offset: Display>>(sent: Wall, now: &DateTime<Z>) -> Option<String> {
    if now.timestamp_millis().saturating_sub(sent.0) < LATE_MS {
        return None;
    }
    let at = minute(sent, &now.timezone());
    let today = now.format("%Y-%m-%d ").to_string();
    Some(format!("sent {}", at.strip_prefix(&today).unwrap_or(&at)))
}

#[cfg(test)]
mod tests {
    use chrono::FixedOffset;

    use super::*;

    fn at(text: &str) -> DateTime<FixedOffset> {
        DateTime::parse_from_rfc3339(text).expect("it is a time")
    }

    fn sent(text: &str) -> Wall {
        Wall(at(text).timestamp_millis())
    }

    #[test]
    fn a_message_says_when_it_was_sent_if_that_was_more_than_a_minute_ago() {
        let now = at("2026-11-28T14:02:30+02:00");
        assert_eq!(stamp(&now), "14:02");
        assert_eq!(late(sent("2026-11-28T12:01:31Z"), &now), None);
        assert_eq!(late(sent("2026-11-28T12:05:00Z"), &now), None, "the author's clock is fast");
        assert_eq!(late(sent("2026-11-28T12:01:30Z"), &now).as_deref(), Some("sent 14:01"));
        assert_eq!(late(sent("2026-11-27T22:30:00Z"), &now).as_deref(), Some("sent 00:30"), "today, in this zone");
        assert_eq!(late(sent("2026-11-27T21:30:00Z"), &now).as_deref(), Some("sent 2026-11-27 23:30"));
        assert!(late(Wall(i64::MIN), &now).is_some());
    }

    #[test]
    fn a_day_is_named_when_it_begins() {
        let mut times = Times::new(&at("2026-11-28T23:59:00+02:00"));
        assert_eq!(times.new_day(&at("2026-11-28T23:59:59+02:00")), None);
        assert_eq!(times.new_day(&at("2026-11-29T00:00:01+02:00")).as_deref(), Some("Sunday, 29 November 2026"));
        assert_eq!(times.new_day(&at("2026-11-29T08:00:00+02:00")), None);
    }
}
