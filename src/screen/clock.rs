//! Times in the zone of whoever looks at the screen.

use chrono::{DateTime, Datelike, FixedOffset, Local, NaiveDateTime};

/// Milliseconds since 1970.
pub type Wall = i64;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// The time that a frame is drawn for, and the time zone.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    /// Now.
    pub now: Wall,
    /// `None`: that of the system.
    zone: Option<FixedOffset>,
}

impl Clock {
    /// The system's.
    pub fn local() -> Clock {
        Clock { now: Local::now().timestamp_millis(), zone: None }
    }

    /// A fixed time in UTC.
    #[cfg(test)]
    pub fn utc(now: Wall) -> Clock {
        Clock { now, zone: FixedOffset::east_opt(0) }
    }

    fn at(&self, wall: Wall) -> NaiveDateTime {
        let utc = DateTime::from_timestamp_millis(wall).unwrap_or_default();
        match self.zone {
            Some(zone) => utc.with_timezone(&zone).naive_local(),
            None => utc.with_timezone(&Local).naive_local(),
        }
    }

    /// The hour and minute: `14:02`.
    pub fn minute(&self, wall: Wall) -> String {
        self.at(wall).format("%H:%M").to_string()
    }

    /// The date and minute: `2026-11-28 14:02`.
    pub fn date(&self, wall: Wall) -> String {
        self.at(wall).format("%Y-%m-%d %H:%M").to_string()
    }

    /// The day, which differs from that of another time.
    pub fn day(&self, wall: Wall) -> String {
        let (at, now) = (self.at(wall), self.at(self.now));
        let form = if at.year() == now.year() { "%A %-d %B" } else { "%A %-d %B %Y" };
        at.format(form).to_string()
    }

    /// Whether two times are of one day.
    pub fn same_day(&self, one: Wall, other: Wall) -> bool {
        self.at(one).date() == self.at(other).date()
    }

    /// How long ago something was: `5 min`, `3 h`, `2 d`.
    pub fn ago(&self, wall: Wall) -> String {
        match self.now.saturating_sub(wall).max(0) {
            short if short < HOUR => format!("{} min", short / MINUTE),
            hours if hours < 2 * DAY => format!("{} h", hours / HOUR),
            days => format!("{} d", days / DAY),
        }
    }
}

/// The time that an RFC 3339 text says; 0 if it says none.
pub fn parse(text: &str) -> Wall {
    DateTime::parse_from_rfc3339(text).map_or(0, |at| at.timestamp_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_as_people_say_them() {
        let now = parse("2026-11-28T14:02:30Z");
        let clock = Clock::utc(now);
        assert_eq!(clock.minute(now), "14:02");
        assert_eq!(clock.day(now - DAY), "Friday 27 November");
        assert_eq!(clock.day(parse("2025-01-01T00:00:00Z")), "Wednesday 1 January 2025");
        assert!(!clock.same_day(now, now - 15 * HOUR));
        for (ago, text) in
            [(0, "0 min"), (59 * MINUTE, "59 min"), (3 * HOUR, "3 h"), (47 * HOUR, "47 h"), (2 * DAY, "2 d")]
        {
            assert_eq!(clock.ago(now - ago), text);
        }
        assert_eq!(clock.ago(now + 5 * MINUTE), "0 min", "the clock was set");
        assert_eq!(parse("yesterday"), 0);
    }
}
