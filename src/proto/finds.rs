//! Questions for a name on their way: which neighbour each came from, so that answers find back, and whom it was answered
//! with already.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::limits::{FIND_LIFE, MAX_FINDS};
use crate::id::{ConnId, UserId};
use crate::time::Moment;

#[derive(Debug, Default)]
pub struct Finds {
    open: BTreeMap<u64, Find>,
    /// Those that are over are not looked for before.
    sweep: Moment,
}

#[derive(Debug)]
struct Find {
    /// Who asked me; `None` if I ask.
    from: Option<ConnId>,
    name: Option<Arc<str>>,
    user: Option<UserId>,
    answered: BTreeSet<UserId>,
    until: Moment,
}

impl Finds {
    /// Notes a question. False if it is known, or there are too many.
    pub fn open(
        &mut self,
        id: u64,
        from: Option<ConnId>,
        name: Option<Arc<str>>,
        user: Option<UserId>,
        now: Moment,
    ) -> bool {
        if now >= self.sweep {
            self.open.retain(|_, find| find.until > now);
            self.sweep = now + FIND_LIFE / 4;
        }
        if self.open.len() >= MAX_FINDS || self.open.contains_key(&id) {
            return false;
        }
        self.open.insert(id, Find { from, name, user, answered: BTreeSet::new(), until: now + FIND_LIFE });
        true
    }

    /// To whom an answer goes on.
    pub fn asker(&self, id: u64) -> Option<ConnId> {
        self.open.get(&id)?.from
    }

    /// Whether I asked, and for somebody of this (folded) name or id.
    pub fn asked_for(&self, id: u64, name: &str, user: &UserId) -> bool {
        self.open.get(&id).is_some_and(|find| {
            find.from.is_none() && (find.user == Some(*user) || find.name.as_deref().is_some_and(|asked| asked == name))
        })
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

    #[test]
    fn each_user_is_an_answer_once_and_a_flood_of_answers_is_cut_off() {
        let mut finds = Finds::default();
        assert!(finds.open(7, Some(ConnId(1)), Some("carol".into()), None, Moment(0)));
        assert!(!finds.open(7, Some(ConnId(2)), None, None, Moment(0)), "a loop ends here");
        let given = (0..200).filter(|n| finds.answer(7, UserId([n % 100; 32])));
        assert_eq!(given.count(), MAX_ANSWERS);
        assert_eq!(finds.asker(7), Some(ConnId(1)));
        assert!(!finds.asked_for(7, "carol", &UserId([1; 32])), "it was not me who asked");
    }

    #[test]
    fn questions_are_bounded_and_pass() {
        let mut finds = Finds::default();
        let opened = (0..10_000).filter(|id| finds.open(*id, None, None, None, Moment(0)));
        assert_eq!(opened.count(), MAX_FINDS);
        assert!(finds.open(99_999, None, None, None, Moment(0) + FIND_LIFE));
    }
}
