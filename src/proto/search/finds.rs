//! Questions for a name on their way: which neighbour each came from, so that answers find back, and whom it was answered
//! with already.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::id::{SessionId, UserId};
use crate::proto::limits::{FIND_LIFE, MAX_FINDS};
use crate::time::Moment;
use crate::wire::control::Find;

#[derive(Debug, Default)]
pub struct Finds {
    open: BTreeMap<u64, Question>,
    /// Those that are over are not looked for before.
    sweep: Moment,
}

#[derive(Debug)]
struct Question {
    /// Who asked me; `None` if I ask.
    from: Option<SessionId>,
    /// As it goes on from here.
    find: Find,
    /// The name, as names are compared.
    folded: Option<Arc<str>>,
    answered: BTreeSet<UserId>,
    until: Moment,
}

/// What became of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opened {
    New,
    Again,
    /// It has gone in a circle, or there are too many.
    Refused,
}

impl Question {
    fn means(&self, folded: &str, user: &UserId) -> bool {
        self.find.user == Some(*user) || self.folded.as_deref().is_some_and(|asked| asked == folded)
    }
}

impl Finds {
    /// Notes a question. Whoever asks the same again may have lost the answers: it gets them anew.
    pub fn open(&mut self, find: Find, folded: Option<Arc<str>>, from: Option<SessionId>, now: Moment) -> Opened {
        if now >= self.sweep {
            self.open.retain(|_, find| find.until > now);
            self.sweep = now + FIND_LIFE / 4;
        }
        if let Some(known) = self.open.get_mut(&find.id).filter(|known| known.from.is_some() && known.from == from) {
            known.answered.clear();
            return Opened::Again;
        }
        if self.open.len() >= MAX_FINDS || self.open.contains_key(&find.id) {
            return Opened::Refused;
        }
        let id = find.id;
        self.open.insert(id, Question { from, find, folded, answered: BTreeSet::new(), until: now + FIND_LIFE });
        Opened::New
    }

    /// What somebody who comes up now is to be asked: everything that is open, and that they did not ask themselves.
    pub fn for_newcomer(&self, newcomer: SessionId, now: Moment) -> Vec<Find> {
        let open = self.open.values().filter(|question| question.until > now && question.from != Some(newcomer));
        open.filter(|question| question.find.hops > 0).map(|question| question.find.clone()).collect()
    }

    /// Questions of others that somebody of this name and id answers: each with who asked.
    pub fn answered_by(&self, folded: &str, user: &UserId, now: Moment) -> Vec<(u64, SessionId)> {
        let fits = |question: &&Question| question.until > now && question.means(folded, user);
        self.open.values().filter(fits).filter_map(|question| Some((question.find.id, question.from?))).collect()
    }

    /// To whom an answer goes on.
    pub fn asker(&self, id: u64) -> Option<SessionId> {
        self.open.get(&id)?.from
    }

    /// Whether I asked, and for somebody of this (folded) name or id.
    pub fn asked_for(&self, id: u64, name: &str, user: &UserId) -> bool {
        self.open.get(&id).is_some_and(|question| question.from.is_none() && question.means(name, user))
    }

    /// Marks a user as an answer given to a question. False if it was, or the question has had its share.
    pub fn answer(&mut self, id: u64, user: UserId) -> bool {
        let Some(find) = self.open.get_mut(&id) else { return false };
        find.answered.len() < MAX_ANSWERS && find.answered.insert(user)
    }
}

/// Users of one name that a question brings: more than that tell a person nothing.
const MAX_ANSWERS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn by(n: u8) -> SessionId {
        SessionId([n; 32])
    }

    fn find(id: u64) -> Find {
        Find { id, name: None, user: None, hops: 1 }
    }

    #[test]
    fn each_user_is_an_answer_once_and_a_flood_of_answers_is_cut_off() {
        let mut finds = Finds::default();
        assert_eq!(finds.open(find(7), Some("carol".into()), Some(by(1)), Moment(0)), Opened::New);
        assert_eq!(finds.open(find(7), None, Some(by(2)), Moment(0)), Opened::Refused, "a loop ends here");
        let given = (0..200).filter(|n| finds.answer(7, UserId([n % 100; 32])));
        assert_eq!(given.count(), MAX_ANSWERS);
        assert_eq!(finds.asker(7), Some(by(1)));
        assert_eq!(finds.open(find(7), None, Some(by(1)), Moment(0)), Opened::Again);
        assert!(finds.answer(7, UserId([1; 32])), "whoever asks again has them anew");
        assert!(!finds.asked_for(7, "carol", &UserId([1; 32])), "it was not me who asked");
    }

    #[test]
    fn whoever_comes_up_later_is_asked_what_is_open_but_not_by_whom_it_came() {
        let mut finds = Finds::default();
        finds.open(find(7), Some("carol".into()), Some(by(1)), Moment(0));
        assert_eq!(finds.for_newcomer(by(2), Moment(1)), [find(7)]);
        assert!(finds.for_newcomer(by(1), Moment(1)).is_empty());
        assert!(finds.for_newcomer(by(2), Moment(0) + FIND_LIFE).is_empty());
        assert_eq!(finds.answered_by("carol", &UserId([1; 32]), Moment(1)), [(7, by(1))]);
    }

    #[test]
    fn questions_are_bounded_and_pass() {
        let mut finds = Finds::default();
        let opened = (0..10_000).filter(|id| finds.open(find(*id), None, None, Moment(0)) == Opened::New);
        assert_eq!(opened.count(), MAX_FINDS);
        assert_eq!(finds.open(find(99_999), None, None, Moment(0) + FIND_LIFE), Opened::New);
    }
}
