//! Open searches for a name or user id: the neighbour that each came from, to which answers return, and the users it has
//! been answered with.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::id::{SessionId, UserId};
use crate::proto::limits::{FIND_LIFE, MAX_FINDS};
use crate::time::Moment;
use crate::wire::control::Find;

/// Open searches by their id, at most [`MAX_FINDS`]. Each is kept for [`FIND_LIFE`].
#[derive(Debug, Default)]
pub struct Finds {
    open: BTreeMap<u64, OpenFind>,
    /// The earliest time of the next removal of expired searches.
    sweep: Moment,
}

#[derive(Debug)]
struct OpenFind {
    /// The neighbour that sent it; `None` for a search of this node.
    from: Option<SessionId>,
    /// The message as this node passes it on.
    find: Find,
    /// The name, folded for comparison.
    folded: Option<Arc<str>>,
    answered: BTreeSet<UserId>,
    until: Moment,
}

/// The result of [`Finds::open`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opened {
    /// The search was not known.
    New,
    /// The neighbour that sent it has sent it again.
    Repeated,
    /// It is known from another neighbour (a loop), or too many searches are open.
    Refused,
}

impl OpenFind {
    fn matches(&self, folded: &str, user: &UserId) -> bool {
        self.find.user == Some(*user) || self.folded.as_deref().is_some_and(|asked| asked == folded)
    }
}

impl Finds {
    /// Records a search. A neighbour that repeats its search may have lost the answers, so it gets all of them again.
    pub fn open(&mut self, find: Find, folded: Option<Arc<str>>, from: Option<SessionId>, now: Moment) -> Opened {
        if now >= self.sweep {
            self.open.retain(|_, find| find.until > now);
            self.sweep = now + FIND_LIFE / 4;
        }
        if let Some(known) = self.open.get_mut(&find.id).filter(|known| known.from.is_some() && known.from == from) {
            known.answered.clear();
            return Opened::Repeated;
        }
        if self.open.len() >= MAX_FINDS || self.open.contains_key(&find.id) {
            return Opened::Refused;
        }
        let id = find.id;
        self.open.insert(id, OpenFind { from, find, folded, answered: BTreeSet::new(), until: now + FIND_LIFE });
        Opened::New
    }

    /// Open searches to send to a neighbour that has just connected, without those it sent itself.
    pub fn for_newcomer(&self, newcomer: SessionId, now: Moment) -> Vec<Find> {
        let open = self.open.values().filter(|entry| entry.until > now && entry.from != Some(newcomer));
        open.filter(|entry| entry.find.hops > 0).map(|entry| entry.find.clone()).collect()
    }

    /// Searches of others that match this (folded) name or user id, each with the neighbour that sent it.
    pub fn matching(&self, folded: &str, user: &UserId, now: Moment) -> Vec<(u64, SessionId)> {
        let fits = |entry: &&OpenFind| entry.until > now && entry.matches(folded, user);
        self.open.values().filter(fits).filter_map(|entry| Some((entry.find.id, entry.from?))).collect()
    }

    /// The neighbour to which an answer is passed on.
    pub fn asker(&self, id: u64) -> Option<SessionId> {
        self.open.get(&id)?.from
    }

    /// Whether this is a search of this node for this (folded) name or user id.
    pub fn is_own_for(&self, id: u64, name: &str, user: &UserId) -> bool {
        self.open.get(&id).is_some_and(|entry| entry.from.is_none() && entry.matches(name, user))
    }

    /// Records that a search is answered with a user. False if it was before, or the search has [`MAX_ANSWERS`] answers.
    pub fn record_answer(&mut self, id: u64, user: UserId) -> bool {
        let Some(find) = self.open.get_mut(&id) else { return false };
        find.answered.len() < MAX_ANSWERS && find.answered.insert(user)
    }
}

/// Users in answer to one search. A longer list of users of the same name would not help a person to choose.
pub const MAX_ANSWERS: usize = 16;

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
    fn each_user_is_an_answer_once_and_answers_are_limited() {
        let mut finds = Finds::default();
        assert_eq!(finds.open(find(7), Some("carol".into()), Some(by(1)), Moment(0)), Opened::New);
        assert_eq!(finds.open(find(7), None, Some(by(2)), Moment(0)), Opened::Refused, "a loop ends here");
        let given = (0..200).filter(|n| finds.record_answer(7, UserId([n % 100; 32])));
        assert_eq!(given.count(), MAX_ANSWERS);
        assert_eq!(finds.asker(7), Some(by(1)));
        assert_eq!(finds.open(find(7), None, Some(by(1)), Moment(0)), Opened::Repeated);
        assert!(finds.record_answer(7, UserId([1; 32])), "a repeated search gets all answers again");
        assert!(!finds.is_own_for(7, "carol", &UserId([1; 32])), "it is not a search of this node");
    }

    #[test]
    fn a_new_neighbour_gets_open_searches_except_its_own() {
        let mut finds = Finds::default();
        finds.open(find(7), Some("carol".into()), Some(by(1)), Moment(0));
        assert_eq!(finds.for_newcomer(by(2), Moment(1)), [find(7)]);
        assert!(finds.for_newcomer(by(1), Moment(1)).is_empty());
        assert!(finds.for_newcomer(by(2), Moment(0) + FIND_LIFE).is_empty());
        assert_eq!(finds.matching("carol", &UserId([1; 32]), Moment(1)), [(7, by(1))]);
    }

    #[test]
    fn searches_are_bounded_and_expire() {
        let mut finds = Finds::default();
        let opened = (0..10_000).filter(|id| finds.open(find(*id), None, None, Moment(0)) == Opened::New);
        assert_eq!(opened.count(), MAX_FINDS);
        assert_eq!(finds.open(find(99_999), None, None, Moment(0) + FIND_LIFE), Opened::New);
    }
}
