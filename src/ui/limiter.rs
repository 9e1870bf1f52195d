//! Limits how many `nearby` and `away` notices a person is shown.
//!
//! Anybody on the local link can cause any number of them, and they would push everything else off the screen. Within
//! [`WINDOW`] only the first [`MAX_SHOWN`] are shown, then a sentence that there are more. The next such notice after the
//! window is preceded by how many were hidden. Notices about the user of the current conversation are always shown, and so
//! are all other kinds of notices. Programs, which read JSON, get every notice.

use std::time::Duration;

use tokio::time::Instant;

use super::Event;
use super::plain::{Style, render};
use crate::proto::notice::Notice;

/// Arrivals and departures shown within [`WINDOW`].
const MAX_SHOWN: u32 = 40;
const WINDOW: Duration = Duration::from_secs(10);

/// Renders events as text, except the notices that it hides.
pub struct Limiter {
    since: Instant,
    shown: u32,
    hidden: u64,
    /// The user of the current conversation.
    with: Option<String>,
}

impl Limiter {
    /// A limiter whose first window begins at `now`.
    pub fn new(now: Instant) -> Limiter {
        Limiter { since: now, shown: 0, hidden: 0, with: None }
    }

    /// Sets the user of the current conversation, whose notices are always shown; `None` if there is none.
    pub fn set_conversation(&mut self, with: Option<&str>) {
        self.with = with.map(str::to_owned);
    }

    /// What to print for an event, as by [`render`]; empty if it is hidden.
    pub fn render(&mut self, style: Style, event: Event<'_>, now: Instant) -> String {
        let Event::Notice(notice) = event else { return render(style, event) };
        if arrival_or_departure(notice).is_none_or(|user| self.with.as_ref() == Some(user)) {
            return render(style, event);
        }
        let mut text = String::new();
        if now.duration_since(self.since) >= WINDOW {
            if self.hidden > 0 {
                text = style.event(&format!("{} arrivals and departures were not shown", self.hidden));
            }
            *self = Limiter { with: self.with.take(), ..Limiter::new(now) };
        }
        self.shown += 1;
        if self.shown <= MAX_SHOWN {
            return text + &render(style, event);
        }
        self.hidden += 1;
        if self.hidden == 1 {
            text = style.event(r"many users are arriving and leaving; not all are shown; \users lists them");
        }
        text
    }
}

/// The user who arrived on the local link or left it.
fn arrival_or_departure(notice: &Notice) -> Option<&String> {
    match notice {
        Notice::Nearby { user, .. } | Notice::Away { user, .. } => Some(user),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{SessionId, UserId};
    use crate::proto::notice::Absence;

    /// The lines shown when this many users leave at the same moment.
    fn lines(limiter: &mut Limiter, others: u32, now: Instant) -> Vec<String> {
        let one = |n| {
            let notice = Notice::Away { user: format!("user{n}"), id: UserId([0; 32]), session: SessionId([0; 32]) };
            limiter.render(Style::default(), Event::Notice(&notice), now)
        };
        (0..others).map(one).filter(|text| !text.is_empty()).collect()
    }

    #[test]
    fn a_few_are_shown_one_by_one_and_many_in_one_sentence() {
        let begin = Instant::now();
        let mut limiter = Limiter::new(begin);
        assert_eq!(lines(&mut limiter, MAX_SHOWN, begin).len() as u32, MAX_SHOWN);
        let rest = lines(&mut limiter, 1000, begin);
        assert_eq!(rest, ["* many users are arriving and leaving; not all are shown; \\users lists them\n"]);
    }

    #[test]
    fn after_the_window_the_number_of_hidden_notices_is_shown() {
        let begin = Instant::now();
        let mut limiter = Limiter::new(begin);
        lines(&mut limiter, MAX_SHOWN + 1000, begin);
        let later = lines(&mut limiter, 2, begin + WINDOW);
        assert_eq!(later[0], "* 1000 arrivals and departures were not shown\n* user0 is no longer nearby\n");
        assert_eq!(later[1], "* user1 is no longer nearby\n");
    }

    #[test]
    fn other_notices_are_always_shown() {
        let begin = Instant::now();
        let mut limiter = Limiter::new(begin);
        lines(&mut limiter, MAX_SHOWN + 1000, begin);
        let (user, id, session) = ("dora".into(), UserId([1; 32]), SessionId([1; 32]));
        let dora = Notice::Offline { user, id, session, reason: Absence::Lost };
        let text = limiter.render(Style::default(), Event::Notice(&dora), begin);
        assert_eq!(text, "* dora is unreachable; looking for them\n");
    }

    #[test]
    fn the_user_of_the_conversation_is_always_shown() {
        let begin = Instant::now();
        let mut limiter = Limiter::new(begin);
        limiter.set_conversation(Some("bob"));
        lines(&mut limiter, MAX_SHOWN + 1000, begin);
        let bob = Notice::Away { user: "bob".into(), id: UserId([1; 32]), session: SessionId([1; 32]) };
        let text = limiter.render(Style::default(), Event::Notice(&bob), begin);
        assert_eq!(text, "* bob is no longer nearby\n");
    }
}
