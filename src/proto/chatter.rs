//! Notices about who comes and goes, limited for each person: a script, or a bad path, can change these states many times a
//! second. Above the limit the last state of each subject waits, and is reported when the next notice about the person may
//! be. So the last report is always the true state, and a state that has returned meanwhile is not reported at all.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::id::{SessionId, UserId};
use crate::proto::limits::{
    CHATTER_BURST, CHATTER_REFILL, MAX_CHATTER, STRANGER_CHATTER_BURST, STRANGER_CHATTER_REFILL,
};
use crate::proto::notice::{Notice, Via};
use crate::time::Moment;

/// Persons who are not worth a search for idle ones.
const KEPT: usize = 32;

/// What a notice is about. A later one about the same subject replaces it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    Link,
    Presence(SessionId),
    Nearby(SessionId),
}

/// The state that the interfaces show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    On,
    Off,
    Asked,
    Online(Via),
}

/// A notice that waits, and the state that the interfaces show until then.
#[derive(Debug)]
struct Waiting {
    shown: State,
    notice: Notice,
}

/// The notices about one person.
#[derive(Debug)]
struct Person {
    /// When the whole burst is available again.
    full: Moment,
    is_stranger: bool,
    /// What was reported since the burst was last whole.
    shown: BTreeMap<Subject, State>,
    waiting: BTreeMap<Subject, Waiting>,
}

impl Person {
    fn new(is_stranger: bool, now: Moment) -> Person {
        Person { full: now, is_stranger, shown: BTreeMap::new(), waiting: BTreeMap::new() }
    }

    fn limits(&self) -> (u32, Duration) {
        if self.is_stranger {
            (STRANGER_CHATTER_BURST, STRANGER_CHATTER_REFILL)
        } else {
            (CHATTER_BURST, CHATTER_REFILL)
        }
    }

    /// From when on one more notice may be reported.
    fn next(&self) -> Moment {
        let (burst, refill) = self.limits();
        let last = refill * (burst - 1);
        Moment(self.full.0.saturating_sub(last.as_millis() as u64))
    }

    fn count(&mut self, now: Moment) {
        let (burst, refill) = self.limits();
        self.full = (self.full.max(now) + refill).min(now + refill * burst);
    }

    /// Reports what waits, as far as it may be reported.
    fn report_waiting(&mut self, now: Moment, due: &mut Vec<Notice>) {
        while self.next() <= now
            && let Some((subject, Waiting { shown, notice })) = self.waiting.pop_first()
        {
            let state = state_of(&notice);
            self.shown.insert(subject, state);
            if let Some(notice) = change(shown, state, notice) {
                self.count(now);
                due.push(notice);
            }
        }
    }

    fn is_idle(&self, now: Moment) -> bool {
        self.full <= now && self.waiting.is_empty()
    }
}

/// The persons about whom something was reported lately, at most [`MAX_CHATTER`].
#[derive(Debug, Default)]
pub struct Chatter {
    about: BTreeMap<UserId, Person>,
    /// Those who were left when the others were last forgotten.
    left: usize,
}

/// What becomes of a notice.
#[derive(Debug, PartialEq)]
pub enum Report {
    /// It is reported now.
    Now(Notice),
    /// Its subject waits for its last state to be reported.
    Later,
}

impl Chatter {
    /// Takes a notice. With `at_once` it is the result of a command, which is reported in any case and not counted.
    pub fn report(&mut self, notice: Notice, is_stranger: bool, at_once: bool, now: Moment) -> Report {
        let Some((user, subject)) = subject_of(&notice) else { return Report::Now(notice) };
        if !self.about.contains_key(&user) {
            self.forget_idle(now);
            if self.about.len() >= MAX_CHATTER {
                return Report::Now(notice);
            }
        }
        let person = self.about.entry(user).or_insert_with(|| Person::new(is_stranger, now));
        if person.is_idle(now) {
            *person = Person::new(is_stranger, now);
        }
        if person.is_stranger && !is_stranger {
            (person.is_stranger, person.full) = (false, now);
        }
        let state = state_of(&notice);
        if at_once || (person.next() <= now && person.waiting.is_empty()) {
            person.waiting.remove(&subject);
            person.shown.insert(subject, state);
            if !at_once {
                person.count(now);
            }
            return Report::Now(notice);
        }
        let shown = person.shown.get(&subject).copied();
        let waiting = Waiting { shown: shown.unwrap_or_else(|| before(state)), notice: notice.clone() };
        person.waiting.entry(subject).or_insert(waiting).notice = notice;
        Report::Later
    }

    /// Forgets persons about whom everything may be reported, once there are twice as many as after the last time.
    fn forget_idle(&mut self, now: Moment) {
        if self.about.len() >= MAX_CHATTER.min(2 * self.left.max(KEPT)) {
            self.about.retain(|_, person| !person.is_idle(now));
            self.left = self.about.len();
        }
    }

    /// The notices that waited and may be reported now.
    pub fn take_due(&mut self, now: Moment) -> Vec<Notice> {
        let mut due = Vec::new();
        self.about.values_mut().for_each(|person| person.report_waiting(now, &mut due));
        due
    }

    /// When the next notice may be reported.
    pub fn next(&self) -> Option<Moment> {
        self.about.values().filter(|person| !person.waiting.is_empty()).map(Person::next).min()
    }
}

/// Whom and what a notice is about; `None` if it is none of those that are limited.
fn subject_of(notice: &Notice) -> Option<(UserId, Subject)> {
    match notice {
        Notice::Linked { id, .. } | Notice::Unlinked { id, .. } | Notice::Asked { id, .. } => {
            Some((*id, Subject::Link))
        }
        Notice::Online { id, session, .. } | Notice::Path { id, session, .. } | Notice::Offline { id, session, .. } => {
            Some((*id, Subject::Presence(*session)))
        }
        Notice::Nearby { id, session, .. } | Notice::Away { id, session, .. } => Some((*id, Subject::Nearby(*session))),
        _ => None,
    }
}

fn state_of(notice: &Notice) -> State {
    match notice {
        Notice::Online { via, .. } | Notice::Path { via, .. } => State::Online(*via),
        Notice::Linked { .. } | Notice::Nearby { .. } => State::On,
        Notice::Asked { .. } => State::Asked,
        _ => State::Off,
    }
}

/// The state before a change to this one.
fn before(state: State) -> State {
    match state {
        State::Off => State::On,
        State::On | State::Asked | State::Online(_) => State::Off,
    }
}

/// The notice of a change between two states, of which the second is that of `notice`.
fn change(shown: State, state: State, notice: Notice) -> Option<Notice> {
    match (shown, state, notice) {
        (shown, state, _) if shown == state => None,
        (State::Off, _, Notice::Path { user, id, session, which, via }) => {
            Some(Notice::Online { user, id, session, which, via })
        }
        (State::On | State::Online(_), _, Notice::Online { user, id, session, which, via }) => {
            Some(Notice::Path { user, id, session, which, via })
        }
        (.., notice) => Some(notice),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::notice::{Absence, By, Which};

    const BOB: UserId = UserId([2; 32]);
    const BOBS: SessionId = SessionId([3; 32]);

    fn linked(is_linked: bool) -> Notice {
        let (user, id, by) = ("bob".to_owned(), BOB, By::Them);
        if is_linked { Notice::Linked { user, id, by, auto: true } } else { Notice::Unlinked { user, id, by } }
    }

    fn online(via: Via) -> Notice {
        Notice::Online { user: "bob".to_owned(), id: BOB, session: BOBS, which: Which::default(), via }
    }

    fn offline() -> Notice {
        Notice::Offline {
            user: "bob".to_owned(),
            id: BOB,
            session: BOBS,
            which: Which::default(),
            reason: Absence::Lost,
        }
    }

    /// A person of whom as many notices were reported as may be at once.
    fn exhausted() -> Chatter {
        let mut chatter = Chatter::default();
        for n in 0..CHATTER_BURST {
            let notice = linked(n % 2 == 0);
            assert_eq!(chatter.report(notice.clone(), false, false, Moment(0)), Report::Now(notice));
        }
        chatter
    }

    #[test]
    fn of_twenty_thousand_changes_a_few_are_reported_and_the_last_one_in_the_end() {
        let (mut chatter, mut reported) = (Chatter::default(), Vec::new());
        for n in 0..20_001u64 {
            let now = Moment(n);
            if let Report::Now(notice) = chatter.report(linked(n % 2 == 0), true, false, now) {
                reported.push(notice);
            }
            reported.extend(chatter.take_due(now));
        }
        let end = chatter.next().expect("the last state waits");
        reported.extend(chatter.take_due(end));
        assert!(reported.len() <= STRANGER_CHATTER_BURST as usize + 1, "{} were reported", reported.len());
        assert_eq!(reported.last(), Some(&linked(true)));
        assert_eq!(chatter.next(), None);
    }

    #[test]
    fn a_state_that_has_returned_meanwhile_is_not_reported() {
        let mut chatter = exhausted();
        chatter.report(linked(true), false, false, Moment(1));
        chatter.report(linked(false), false, false, Moment(2));
        chatter.report(offline(), false, false, Moment(3));
        chatter.report(online(Via::Direct), false, false, Moment(4));
        let due = chatter.take_due(Moment(0) + CHATTER_REFILL * 3);
        let path =
            Notice::Path { user: "bob".to_owned(), id: BOB, session: BOBS, which: Which::default(), via: Via::Direct };
        assert_eq!(due, [path], "it is online again, perhaps by another path");
    }

    #[test]
    fn the_result_of_a_command_is_reported_at_once_and_replaces_what_waits() {
        let mut chatter = exhausted();
        assert_eq!(chatter.report(linked(true), false, false, Moment(1)), Report::Later);
        assert_eq!(chatter.report(linked(false), false, true, Moment(2)), Report::Now(linked(false)));
        assert_eq!(chatter.take_due(Moment(0) + CHATTER_REFILL * 3), []);
    }

    #[test]
    fn somebody_who_is_no_stranger_any_more_is_reported_like_a_friend() {
        let mut chatter = Chatter::default();
        for n in 0..=STRANGER_CHATTER_BURST {
            let is_now = chatter.report(linked(n % 2 == 0), true, false, Moment(0)) != Report::Later;
            assert_eq!(is_now, n < STRANGER_CHATTER_BURST);
        }
        chatter.report(linked(false), false, true, Moment(1));
        for n in 0..CHATTER_BURST {
            assert_ne!(chatter.report(linked(n % 2 == 0), false, false, Moment(1)), Report::Later);
        }
    }

    #[test]
    fn persons_about_whom_nothing_was_reported_lately_are_forgotten() {
        let mut chatter = Chatter::default();
        for n in 0..10_000u64 {
            let mut id = [0; 32];
            id[..8].copy_from_slice(&n.to_be_bytes());
            let notice = Notice::Asked { user: String::new(), id: UserId(id) };
            chatter.report(notice, true, false, Moment(n * 10_000));
            assert!(chatter.about.len() <= 2 * KEPT);
        }
    }

    #[test]
    fn after_a_rest_the_whole_burst_is_available_again() {
        let mut chatter = exhausted();
        let later = Moment(0) + CHATTER_REFILL * (CHATTER_BURST + 1);
        for n in 0..CHATTER_BURST {
            let notice = linked(n % 2 == 0);
            assert_eq!(chatter.report(notice.clone(), false, false, later), Report::Now(notice));
        }
    }
}
