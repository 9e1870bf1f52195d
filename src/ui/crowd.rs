//! A crowd that comes near and goes away. Anybody on the local link can make one, so a person is told of each in turn only
//! until that would push everything else off the screen: of [`TOLD`] within [`WHILE`], and then only that there are more,
//! and how many, when somebody comes or goes afterwards. No crowd hides whoever the conversation is with, nor that friends
//! are online, lost, or reached in another way. Programs, which read JSON, are told everything.

use std::time::Duration;

use tokio::time::Instant;

use super::Event;
use super::plain::{Style, render};
use crate::proto::notice::Notice;

/// Comings and goings told within [`WHILE`].
const TOLD: u32 = 40;
const WHILE: Duration = Duration::from_secs(10);

pub struct Crowd {
    since: Instant,
    told: u32,
    untold: u64,
    /// Whom the conversation is with.
    with: Option<String>,
}

impl Crowd {
    pub fn new(now: Instant) -> Crowd {
        Crowd { since: now, told: 0, untold: 0, with: None }
    }

    /// Whom the conversation is with from now on.
    pub fn turn_to(&mut self, with: Option<&str>) {
        self.with = with.map(str::to_owned);
    }

    /// What to print for an event, as [`render`] does it; empty if a crowd hides it.
    pub fn render(&mut self, style: Style, event: Event<'_>, now: Instant) -> String {
        let Event::Notice(notice) = event else { return render(style, event) };
        if coming_or_going(notice).is_none_or(|user| self.with.as_ref() == Some(user)) {
            return render(style, event);
        }
        let mut text = String::new();
        if now.duration_since(self.since) >= WHILE {
            if self.untold > 0 {
                text = style.happened(&format!("{} comings and goings were not shown", self.untold));
            }
            *self = Crowd { with: self.with.take(), ..Crowd::new(now) };
        }
        self.told += 1;
        if self.told <= TOLD {
            return text + &render(style, event);
        }
        self.untold += 1;
        if self.untold == 1 {
            text = style.happened(r"many come near and go away: they are not shown for a moment; \users lists them");
        }
        text
    }
}

/// Who comes near or goes away.
fn coming_or_going(notice: &Notice) -> Option<&String> {
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

    /// How many lines somebody sees of so many others who go away at a moment.
    fn lines(crowd: &mut Crowd, others: u32, now: Instant) -> Vec<String> {
        let one = |n| {
            let notice = Notice::Away { user: format!("user{n}"), id: UserId([0; 32]), session: SessionId([0; 32]) };
            crowd.render(Style::default(), Event::Notice(&notice), now)
        };
        (0..others).map(one).filter(|text| !text.is_empty()).collect()
    }

    #[test]
    fn a_few_are_told_each_and_a_crowd_in_one_sentence() {
        let begin = Instant::now();
        let mut crowd = Crowd::new(begin);
        assert_eq!(lines(&mut crowd, TOLD, begin).len() as u32, TOLD);
        let rest = lines(&mut crowd, 1000, begin);
        assert_eq!(rest, ["* many come near and go away: they are not shown for a moment; \\users lists them\n"]);
    }

    #[test]
    fn afterwards_it_is_said_how_many_were_not_shown() {
        let begin = Instant::now();
        let mut crowd = Crowd::new(begin);
        lines(&mut crowd, TOLD + 1000, begin);
        let later = lines(&mut crowd, 2, begin + WHILE);
        assert_eq!(later[0], "* 1000 comings and goings were not shown\n* user0 is not nearby any more\n");
        assert_eq!(later[1], "* user1 is not nearby any more\n");
    }

    #[test]
    fn friends_are_told_of_in_any_crowd() {
        let begin = Instant::now();
        let mut crowd = Crowd::new(begin);
        lines(&mut crowd, TOLD + 1000, begin);
        let (user, id, session) = ("dora".into(), UserId([1; 32]), SessionId([1; 32]));
        let dora = Notice::Offline { user, id, session, reason: Absence::Lost };
        let text = crowd.render(Style::default(), Event::Notice(&dora), begin);
        assert_eq!(text, "* dora is lost; looking for them\n");
    }

    #[test]
    fn whoever_the_conversation_is_with_is_told_of_in_any_crowd() {
        let begin = Instant::now();
        let mut crowd = Crowd::new(begin);
        crowd.turn_to(Some("bob"));
        lines(&mut crowd, TOLD + 1000, begin);
        let bob = Notice::Away { user: "bob".into(), id: UserId([1; 32]), session: SessionId([1; 32]) };
        let text = crowd.render(Style::default(), Event::Notice(&bob), begin);
        assert_eq!(text, "* bob is not nearby any more\n");
    }
}
