//! Limits how many changes of presence and links a person is shown.
//!
//! Anybody in the network can cause any number of them with fresh identities, and they would push everything else off the
//! screen. Within [`WINDOW`] only the first [`MAX_SHOWN`] of each [`Kind`] are shown, then a sentence that there are more. The
//! next such notice after the window is preceded by how many were hidden. Always shown are notices about the user of the
//! current conversation, links that the local user wanted or removed, and all other notices. That somebody is nearby is said of
//! the first of their sessions, and that they are not any more of the last. Programs, which read JSON, get every notice.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;

use super::Event;
use super::plain::{Style, render};
use crate::id::{SessionId, UserId};
use crate::proto::notice::{By, Notice};

/// Sessions that are remembered as nearby: as many as the node remembers announcements. Those of further ones are shown as
/// they come.
const MAX_NEARBY: usize = 4096;
/// Notices of one kind shown within [`WINDOW`]. Both kinds together are less than two screens of 24 lines.
const MAX_SHOWN: u32 = 20;
const WINDOW: Duration = Duration::from_secs(10);

/// Whom a limited notice can be about.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// Users whom the local user has not accepted.
    Strangers,
    /// Anybody: the notice does not tell strangers from friends. It has a share of its own, so that strangers who are merely
    /// nearby do not hide friends.
    Anybody,
}

/// Renders events as text, except the notices that it hides.
pub struct Limiter {
    since: Instant,
    /// Notices shown since then, by [`Kind`].
    shown: [u32; 2],
    hidden: u64,
    /// The user of the current conversation.
    with: Option<String>,
    /// Sessions that are nearby.
    nearby: BTreeSet<(UserId, SessionId)>,
}

impl Limiter {
    /// A limiter whose first window begins at `now`.
    pub fn new(now: Instant) -> Limiter {
        Limiter { since: now, shown: [0; 2], hidden: 0, with: None, nearby: BTreeSet::new() }
    }

    /// Sets the user of the current conversation, whose notices are always shown; `None` if there is none.
    pub fn set_conversation(&mut self, with: Option<&str>) {
        self.with = with.map(str::to_owned);
    }

    /// What to print for an event, as by [`render`]; empty if it is hidden.
    pub fn render(&mut self, style: Style, event: Event<'_>, now: Instant) -> String {
        let limited = match event {
            Event::Notice(notice) if self.is_nothing_new(notice) => return String::new(),
            Event::Notice(notice) => limited(notice).filter(|(_, user)| self.with.as_deref() != Some(user)),
            _ => None,
        };
        let Some((kind, _)) = limited else { return render(style, event) };
        let mut text = String::new();
        if now.duration_since(self.since) >= WINDOW {
            if self.hidden > 0 {
                text = style.event(&format!("{} changes of presence or links were not shown", self.hidden));
            }
            (self.since, self.shown, self.hidden) = (now, [0; 2], 0);
        }
        let shown = &mut self.shown[kind as usize];
        if *shown < MAX_SHOWN {
            *shown += 1;
            return text + &render(style, event);
        }
        self.hidden += 1;
        if self.hidden == 1 {
            text = style
                .event(r"many users change their presence or links; not all changes are shown; \users lists the users");
        }
        text
    }

    /// Whether a notice says of a user what holds because of another session of theirs. One that is online is not said to be
    /// nearby any more.
    fn is_nothing_new(&mut self, notice: &Notice) -> bool {
        let (Notice::Nearby { id, session, .. }
        | Notice::Away { id, session, .. }
        | Notice::Online { id, session, .. }) = notice
        else {
            return false;
        };
        self.nearby.remove(&(*id, *session));
        let of_user = (*id, SessionId([0; 32]))..=(*id, SessionId([0xff; 32]));
        let is_other_nearby = self.nearby.range(of_user).next().is_some();
        let comes = matches!(notice, Notice::Nearby { .. });
        if comes && self.nearby.len() < MAX_NEARBY {
            self.nearby.insert((*id, *session));
        }
        is_other_nearby && (comes || matches!(notice, Notice::Away { .. }))
    }
}

/// The kind of a notice that strangers can cause at will, and the user it is about; `None` for other notices.
fn limited(notice: &Notice) -> Option<(Kind, &str)> {
    match notice {
        Notice::Nearby { user, .. } | Notice::Away { user, .. } | Notice::Linked { user, auto: true, .. } => {
            Some((Kind::Strangers, user))
        }
        Notice::Online { user, .. }
        | Notice::Path { user, .. }
        | Notice::Offline { user, .. }
        | Notice::Unlinked { user, by: By::Them, .. } => Some((Kind::Anybody, user)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{SessionId, UserId};
    use crate::proto::notice::{Absence, Via, Which};

    const ID: UserId = UserId([1; 32]);
    const SESSION: SessionId = SessionId([1; 32]);

    fn away(user: &str) -> Notice {
        Notice::Away { user: user.to_owned(), id: ID, session: SESSION }
    }

    /// A session of a user, whose id is that of the name.
    fn nearby(user: &str, session: SessionId) -> Notice {
        let mut id = [0; 32];
        id[..user.len()].copy_from_slice(user.as_bytes());
        Notice::Nearby { user: user.to_owned(), id: UserId(id), session }
    }

    fn offline(user: &str) -> Notice {
        Notice::Offline {
            user: user.to_owned(),
            id: ID,
            session: SESSION,
            which: Which::default(),
            reason: Absence::Lost,
        }
    }

    fn linked(user: &str, auto: bool) -> Notice {
        Notice::Linked { user: user.to_owned(), id: ID, by: By::Them, auto }
    }

    fn unlinked(user: &str, by: By) -> Notice {
        Notice::Unlinked { user: user.to_owned(), id: ID, by }
    }

    fn shown(limiter: &mut Limiter, notice: &Notice, now: Instant) -> String {
        limiter.render(Style::default(), Event::Notice(notice), now)
    }

    /// What is shown when this many users cause the same notice at the same moment.
    fn flood(limiter: &mut Limiter, notice: impl Fn(&str) -> Notice, users: u32, now: Instant) -> Vec<String> {
        let one = |n| shown(limiter, &notice(&format!("user{n}")), now);
        (0..users).map(one).filter(|text| !text.is_empty()).collect()
    }

    #[test]
    fn a_few_are_shown_one_by_one_and_many_in_one_sentence() {
        let begin = Instant::now();
        let mut limiter = Limiter::new(begin);
        assert_eq!(flood(&mut limiter, away, MAX_SHOWN, begin).len() as u32, MAX_SHOWN);
        let sentence =
            "* many users change their presence or links; not all changes are shown; \\users lists the users\n";
        assert_eq!(flood(&mut limiter, away, 1000, begin), [sentence]);
    }

    #[test]
    fn after_the_window_the_number_of_hidden_notices_is_shown() {
        let begin = Instant::now();
        let mut limiter = Limiter::new(begin);
        flood(&mut limiter, away, MAX_SHOWN + 1000, begin);
        let later = flood(&mut limiter, away, 2, begin + WINDOW);
        let first = "* 1000 changes of presence or links were not shown\n* user0 is no longer nearby\n";
        assert_eq!(later, [first, "* user1 is no longer nearby\n"]);
    }

    #[test]
    fn no_change_that_strangers_cause_at_will_fills_the_screen() {
        let begin = Instant::now();
        let (user, id, session, via) = (|user: &str| user.to_owned(), ID, SESSION, Via::Direct);
        let floods: [&dyn Fn(&str) -> Notice; 7] = [
            &|name| nearby(name, SESSION),
            &away,
            &|name| linked(name, true),
            &|name| unlinked(name, By::Them),
            &|name| Notice::Online { user: user(name), id, session, which: Which::default(), via },
            &|name| Notice::Path { user: user(name), id, session, which: Which::default(), via },
            &offline,
        ];
        let mut limiter = Limiter::new(begin);
        let lines: usize = floods.iter().map(|notice| flood(&mut limiter, notice, 1000, begin).len()).sum();
        assert_eq!(lines as u32, 2 * MAX_SHOWN + 1);
    }

    #[test]
    fn somebody_with_two_sessions_is_said_to_be_nearby_once_and_gone_once() {
        let begin = Instant::now();
        let mut limiter = Limiter::new(begin);
        let sessions = [SESSION, SessionId([2; 32])];
        let came = sessions.map(|session| shown(&mut limiter, &nearby("bob", session), begin));
        assert_eq!(came, ["* bob is nearby; \\chat bob to talk\n", ""]);
        let other = shown(&mut limiter, &nearby("carol", SESSION), begin);
        assert!(other.contains("carol"), "it is somebody else");
        let went = sessions.map(|session| {
            let Notice::Nearby { user, id, session } = nearby("bob", session) else { panic!("it is one") };
            shown(&mut limiter, &Notice::Away { user, id, session }, begin + WINDOW)
        });
        assert_eq!(went, ["", "* bob is no longer nearby\n"]);
    }

    #[test]
    fn somebody_who_was_online_meanwhile_is_said_to_be_nearby_again() {
        let begin = Instant::now();
        let mut limiter = Limiter::new(begin);
        let nearby = nearby("bob", SESSION);
        let Notice::Nearby { user, id, session } = nearby.clone() else { panic!("it is one") };
        let online = Notice::Online { user, id, session, which: Which::default(), via: Via::Direct };
        let said = [&nearby, &online, &nearby].map(|notice| shown(&mut limiter, notice, begin));
        assert_eq!(
            said,
            ["* bob is nearby; \\chat bob to talk\n", "* bob is online\n", "* bob is nearby; \\chat bob to talk\n"]
        );
        let away = Notice::Away { user: "bob".to_owned(), id, session: SessionId([2; 32]) };
        assert_eq!(shown(&mut limiter, &online, begin), "* bob is online\n");
        assert_eq!(
            shown(&mut limiter, &away, begin),
            "* bob is no longer nearby\n",
            "the one that is online does not count"
        );
    }

    #[test]
    fn strangers_who_are_merely_nearby_hide_no_friend() {
        let begin = Instant::now();
        let mut limiter = Limiter::new(begin);
        flood(&mut limiter, away, 1000, begin);
        assert_eq!(shown(&mut limiter, &offline("dora"), begin), "* dora is unreachable; looking for them\n");
    }

    #[test]
    fn links_that_the_local_user_wanted_or_removed_are_always_shown() {
        let begin = Instant::now();
        let mut limiter = Limiter::new(begin);
        flood(&mut limiter, away, 1000, begin);
        flood(&mut limiter, offline, 1000, begin);
        assert_eq!(shown(&mut limiter, &linked("dora", false), begin), "* dora linked with you\n");
        assert_eq!(shown(&mut limiter, &unlinked("dora", By::Me), begin), "* you are no longer linked with dora\n");
    }

    #[test]
    fn the_user_of_the_conversation_is_always_shown() {
        let begin = Instant::now();
        let mut limiter = Limiter::new(begin);
        limiter.set_conversation(Some("bob"));
        flood(&mut limiter, away, 1000, begin);
        flood(&mut limiter, offline, 1000, begin);
        assert_eq!(shown(&mut limiter, &away("bob"), begin), "* bob is no longer nearby\n");
        assert_eq!(shown(&mut limiter, &offline("bob"), begin), "* bob is unreachable; looking for them\n");
    }
}
