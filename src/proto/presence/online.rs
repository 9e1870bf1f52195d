//! Presence: which sessions the faces were told are online, how we know, and which of them have gone missing.
//!
//! A session is there when it is connected with me, or when somebody between us says that it is connected with them: a
//! *witness*, who takes the word back when that ends. A session is offline when it says so itself, or when neither its
//! connection nor any witness came back within a grace.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::{SessionId, UserId};
use crate::proto::limits::{CROWD, CROWD_WITHIN, LOST_GRACE, MAX_WITNESSES, SETTLED};
use crate::proto::notice::Via;
use crate::time::Moment;

#[derive(Debug, Default)]
pub struct Online {
    online: BTreeMap<SessionId, Reached>,
    missing: BTreeMap<SessionId, Moment>,
    /// Of those that are missing: who was connected with me, so that others count on my word.
    mine: BTreeSet<SessionId>,
    /// Who was there, or may have been when this node was last on, and is lost. A door that was closed a moment after it
    /// opened is no loss.
    lost: BTreeSet<SessionId>,
    /// Since when, and how many, came one close behind the other.
    crowd: (Moment, u32),
}

#[derive(Debug)]
struct Reached {
    user: UserId,
    since: Moment,
    direct: bool,
    /// Neighbours that are connected with it.
    witnesses: BTreeSet<SessionId>,
    /// What the faces were told.
    told: Via,
}

impl Reached {
    fn via(&self) -> Option<Via> {
        match (self.direct, self.witnesses.is_empty()) {
            (true, _) => Some(Via::Direct),
            (false, false) => Some(Via::Relayed),
            (false, true) => None,
        }
    }
}

/// What the faces are to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Came(Via),
    Path(Via),
    Lost,
    Nothing,
}

impl Online {
    /// At the start: nobody is there yet whom the memory knows.
    pub fn remember(&mut self, sessions: impl Iterator<Item = SessionId>) {
        self.lost.extend(sessions);
    }

    /// Whether a session was there, and is not.
    pub fn has_lost(&self, session: &SessionId) -> bool {
        self.lost.contains(session)
    }

    /// Whether others than myself say that a session is there.
    pub fn is_vouched_for(&self, session: &SessionId) -> bool {
        self.online.get(session).is_some_and(|online| !online.witnesses.is_empty())
    }

    /// Nothing is remembered of a session any more.
    pub fn forget(&mut self, session: &SessionId) {
        self.lost.remove(session);
    }

    /// A session is connected with me.
    pub fn came(&mut self, session: SessionId, user: UserId, now: Moment) -> Change {
        self.change(session, user, now, |online| online.direct = true)
    }

    /// A neighbour says that a session is connected with it.
    pub fn vouched(&mut self, session: SessionId, user: UserId, by: SessionId, now: Moment) -> Change {
        self.change(session, user, now, |online| {
            if online.witnesses.len() < MAX_WITNESSES {
                online.witnesses.insert(by);
            }
        })
    }

    fn change(&mut self, session: SessionId, user: UserId, now: Moment, how: impl FnOnce(&mut Reached)) -> Change {
        let new = !self.online.contains_key(&session);
        self.lost.remove(&session);
        let fresh = || Reached { user, since: now, direct: false, witnesses: BTreeSet::new(), told: Via::Relayed };
        let online = self.online.entry(session).or_insert_with(fresh);
        how(online);
        let Some(via) = online.via() else { return Change::Nothing };
        if online.direct {
            self.mine.remove(&session);
        }
        // Whom others were told of on my word is still to be settled.
        if !self.mine.contains(&session) {
            self.missing.remove(&session);
        }
        let before = std::mem::replace(&mut online.told, via);
        match (new, before == via) {
            (true, _) => Change::Came(via),
            (false, false) => Change::Path(via),
            (false, true) => Change::Nothing,
        }
    }

    /// Somebody came. Whether so many came at once that two parts of the network have touched, rather than people.
    pub fn came_together(&mut self, now: Moment) -> bool {
        if now.since(self.crowd.0) > CROWD_WITHIN {
            self.crowd = (now, 0);
        }
        self.crowd.1 += 1;
        self.crowd.1 == CROWD
    }

    /// Its connection died; it has until then to come back.
    pub fn missing(&mut self, session: &SessionId, until: Moment) {
        if let Some(online) = self.online.get_mut(session) {
            if std::mem::take(&mut online.direct) {
                self.mine.insert(*session);
            }
            self.missing.entry(*session).or_insert(until);
        }
    }

    /// A witness takes its word back.
    pub fn unvouched(&mut self, session: &SessionId, by: &SessionId, now: Moment) {
        let Some(online) = self.online.get_mut(session) else { return };
        if online.witnesses.remove(by) && online.via().is_none() {
            self.missing.entry(*session).or_insert(now + LOST_GRACE);
        }
    }

    /// A neighbour is gone, and its word with it.
    pub fn witness_gone(&mut self, by: &SessionId, now: Moment) {
        let of_it = |(session, online): (&SessionId, &Reached)| online.witnesses.contains(by).then_some(*session);
        for session in self.online.iter().filter_map(of_it).collect::<Vec<_>>() {
            self.unvouched(&session, by, now);
        }
    }

    /// Whether a session was connected with me a moment ago: until its grace is over I go on saying that it is.
    pub fn is_in_grace(&self, session: &SessionId) -> bool {
        self.mine.contains(session)
    }

    /// Whether others are to be told that I do not reach it any more. Once.
    pub fn owes_word(&mut self, session: &SessionId) -> bool {
        self.mine.remove(session)
    }

    /// It is gone, by its own word. Whose it was, if it was online.
    pub fn gone(&mut self, session: &SessionId) -> Option<UserId> {
        self.missing.remove(session);
        self.mine.remove(session);
        Some(self.online.remove(session)?.user)
    }

    pub fn is_online(&self, session: &SessionId) -> bool {
        self.online.contains_key(session)
    }

    /// How a session is reached, as the faces were told.
    pub fn via(&self, session: &SessionId) -> Option<Via> {
        self.online.get(session).map(|online| online.told)
    }

    /// Neighbours that say they are connected with a session of a user.
    pub fn witnesses_of(&self, user: &UserId) -> BTreeSet<SessionId> {
        let of_user = self.online.values().filter(|online| online.user == *user);
        of_user.flat_map(|online| &online.witnesses).copied().collect()
    }

    /// Sessions that are shown as online of a user.
    pub fn of_user(&self, user: &UserId) -> Vec<SessionId> {
        self.online.iter().filter(|(_, online)| online.user == *user).map(|(session, _)| *session).collect()
    }

    /// Sessions whose grace is over: lost, or reached otherwise, or back.
    pub fn overdue(&mut self, now: Moment) -> Vec<(SessionId, UserId, Change)> {
        let over: Vec<SessionId> = self.missing.iter().filter(|(_, at)| **at <= now).map(|(id, _)| *id).collect();
        over.into_iter().filter_map(|id| self.settle(id, now)).collect()
    }

    fn settle(&mut self, session: SessionId, now: Moment) -> Option<(SessionId, UserId, Change)> {
        self.missing.remove(&session);
        let online = self.online.get_mut(&session)?;
        let user = online.user;
        let Some(via) = online.via() else {
            if now.since(online.since) > SETTLED {
                self.lost.insert(session);
            }
            self.online.remove(&session);
            return Some((session, user, Change::Lost));
        };
        let before = std::mem::replace(&mut online.told, via);
        let change = if before == via { Change::Nothing } else { Change::Path(via) };
        Some((session, user, change))
    }

    pub fn next(&self) -> Option<Moment> {
        self.missing.values().min().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOB: SessionId = SessionId([2; 32]);
    const CAROL: SessionId = SessionId([3; 32]);
    const USER: UserId = UserId([2; 32]);

    #[test]
    fn who_is_vouched_for_stays_when_the_own_connection_dies_and_goes_with_the_last_witness() {
        let mut presence = Online::default();
        assert_eq!(presence.came(BOB, USER, Moment(0)), Change::Came(Via::Direct));
        assert_eq!(presence.vouched(BOB, USER, CAROL, Moment(0)), Change::Nothing);
        presence.missing(&BOB, Moment(0));
        let later = Moment(0) + LOST_GRACE;
        assert_eq!(presence.overdue(later), [(BOB, USER, Change::Path(Via::Relayed))]);
        presence.witness_gone(&CAROL, later);
        assert_eq!(presence.overdue(later + LOST_GRACE), [(BOB, USER, Change::Lost)]);
    }

    #[test]
    fn a_witness_who_changes_its_mind_within_the_grace_is_not_noticed() {
        let mut presence = Online::default();
        presence.vouched(BOB, USER, CAROL, Moment(0));
        presence.unvouched(&BOB, &CAROL, Moment(0));
        assert_eq!(presence.vouched(BOB, USER, CAROL, Moment(0)), Change::Nothing);
        assert!(presence.overdue(Moment(0) + LOST_GRACE).is_empty());
        assert!(presence.is_online(&BOB));
    }

    #[test]
    fn who_was_there_and_went_is_lost_and_who_went_a_moment_after_they_came_is_not() {
        for (stay, lost) in [(SETTLED, true), (LOST_GRACE, false)] {
            let mut presence = Online::default();
            presence.came(BOB, USER, Moment(0));
            let gone = Moment(0) + stay + LOST_GRACE;
            presence.missing(&BOB, gone);
            presence.overdue(gone);
            assert_eq!(presence.has_lost(&BOB), lost);
            presence.vouched(BOB, USER, CAROL, gone);
            assert!(!presence.has_lost(&BOB));
        }
    }
}
