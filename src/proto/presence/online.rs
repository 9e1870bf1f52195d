//! Which sessions are shown as online, how they are reached, and which of them are missing.
//!
//! A session is online when it is connected with this node, or when a neighbour reports that it is connected with it: a
//! *witness*, until the neighbour withdraws the report. A session is offline when it declares so, or when neither its
//! connection nor a witness returned within a grace period.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::{SessionId, UserId};
use crate::proto::limits::{CROWD, CROWD_WITHIN, LOST_GRACE, MAX_WITNESSES, SETTLED};
use crate::proto::notice::Via;
use crate::time::Moment;

/// The sessions that are online or missing.
#[derive(Debug, Default)]
pub struct Online {
    online: BTreeMap<SessionId, Reached>,
    missing: BTreeMap<SessionId, Moment>,
    /// Missing sessions that were connected with this node, so that others still count on its report.
    claimed: BTreeSet<SessionId>,
    /// Sessions that were online, or may have been when this node last ran, and are not any more. A session that was
    /// online for less than [`SETTLED`] does not count.
    lost: BTreeSet<SessionId>,
    /// When the current burst of arrivals began, and its size.
    crowd: (Moment, u32),
}

/// How a session is reached.
#[derive(Debug)]
struct Reached {
    user: UserId,
    since: Moment,
    direct: bool,
    /// Nothing arrives on its connection at present, so others are the better path.
    stalled: bool,
    /// Neighbours that are connected with it.
    witnesses: BTreeSet<SessionId>,
    /// What the interfaces show.
    shown: Via,
}

impl Reached {
    fn via(&self) -> Option<Via> {
        match (self.direct, self.witnesses.is_empty()) {
            (true, false) if self.stalled => Some(Via::Relayed),
            (true, _) => Some(Via::Direct),
            (false, false) => Some(Via::Relayed),
            (false, true) => None,
        }
    }
}

/// What changes for the interfaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The session is online now.
    Online(Via),
    /// It is reached in another way now.
    Path(Via),
    /// It is offline, because it is unreachable.
    Lost,
    /// Nothing to show.
    Unchanged,
}

impl Online {
    /// At the start, counts the remembered sessions as lost.
    pub fn load_lost(&mut self, sessions: impl Iterator<Item = SessionId>) {
        self.lost.extend(sessions);
    }

    /// Whether a session was online and is not any more.
    pub fn was_lost(&self, session: &SessionId) -> bool {
        self.lost.contains(session)
    }

    /// Since when a session is online; `None` if it is not.
    pub fn since(&self, session: &SessionId) -> Option<Moment> {
        self.online.get(session).map(|online| online.since)
    }

    /// Whether a neighbour reports a session as connected.
    pub fn has_witness(&self, session: &SessionId) -> bool {
        self.online.get(session).is_some_and(|online| !online.witnesses.is_empty())
    }

    /// Forgets that a session was online.
    pub fn forget(&mut self, session: &SessionId) {
        self.lost.remove(session);
    }

    /// Records that a session is connected with this node.
    pub fn set_connected(&mut self, session: SessionId, user: UserId, now: Moment) -> Change {
        self.change(session, user, now, |online| (online.direct, online.stalled) = (true, false))
    }

    /// Records that a neighbour reports a session as connected.
    pub fn add_witness(&mut self, session: SessionId, user: UserId, by: SessionId, now: Moment) -> Change {
        self.change(session, user, now, |online| {
            if online.witnesses.len() < MAX_WITNESSES {
                online.witnesses.insert(by);
            }
        })
    }

    fn change(&mut self, session: SessionId, user: UserId, now: Moment, how: impl FnOnce(&mut Reached)) -> Change {
        let new = !self.online.contains_key(&session);
        self.lost.remove(&session);
        let fresh = || Reached {
            user,
            since: now,
            direct: false,
            stalled: false,
            witnesses: BTreeSet::new(),
            shown: Via::Relayed,
        };
        let online = self.online.entry(session).or_insert_with(fresh);
        how(online);
        let Some(via) = online.via() else { return Change::Unchanged };
        if online.direct {
            self.claimed.remove(&session);
        }
        // Others that count on this node's report still have to be informed.
        if !self.claimed.contains(&session) {
            self.missing.remove(&session);
        }
        let before = std::mem::replace(&mut online.shown, via);
        match (new, before == via) {
            (true, _) => Change::Online(via),
            (false, false) => Change::Path(via),
            (false, true) => Change::Unchanged,
        }
    }

    /// Records whether the connection of a session has stalled.
    pub fn set_stalled(&mut self, session: &SessionId, stalled: bool) -> Change {
        let Some(online) = self.online.get_mut(session).filter(|online| online.direct) else {
            return Change::Unchanged;
        };
        online.stalled = stalled;
        match online.via() {
            Some(via) if std::mem::replace(&mut online.shown, via) != via => Change::Path(via),
            _ => Change::Unchanged,
        }
    }

    /// Counts an arrival. Returns true for the [`CROWD`]th within [`CROWD_WITHIN`]: so many at once mean that two parts
    /// of the network have joined.
    pub fn count_arrival(&mut self, now: Moment) -> bool {
        if now.since(self.crowd.0) > CROWD_WITHIN {
            self.crowd = (now, 0);
        }
        self.crowd.1 += 1;
        self.crowd.1 == CROWD
    }

    /// Records that the connection of a session was lost; it has until then to return.
    pub fn connection_lost(&mut self, session: &SessionId, until: Moment) {
        if let Some(online) = self.online.get_mut(session) {
            if std::mem::take(&mut online.direct) {
                self.claimed.insert(*session);
            }
            self.missing.entry(*session).or_insert(until);
        }
    }

    /// Removes a witness of a session.
    pub fn remove_witness(&mut self, session: &SessionId, by: &SessionId, now: Moment) {
        let Some(online) = self.online.get_mut(session) else { return };
        if online.witnesses.remove(by) && online.via().is_none() {
            self.missing.entry(*session).or_insert(now + LOST_GRACE);
        }
    }

    /// Removes a lost neighbour as a witness of all sessions.
    pub fn witness_lost(&mut self, by: &SessionId, now: Moment) {
        let of_it = |(session, online): (&SessionId, &Reached)| online.witnesses.contains(by).then_some(*session);
        for session in self.online.iter().filter_map(of_it).collect::<Vec<_>>() {
            self.remove_witness(&session, by, now);
        }
    }

    /// Whether a session was connected with this node and its grace period is not over. Until then it is reported as
    /// connected.
    pub fn is_in_grace(&self, session: &SessionId) -> bool {
        self.claimed.contains(session)
    }

    /// Whether others must be informed that a session is not connected here any more. Returns true once.
    pub fn take_withdrawal(&mut self, session: &SessionId) -> bool {
        self.claimed.remove(session)
    }

    /// Removes a session that declared itself offline. Returns its user if it was online.
    pub fn remove(&mut self, session: &SessionId) -> Option<UserId> {
        self.missing.remove(session);
        self.claimed.remove(session);
        Some(self.online.remove(session)?.user)
    }

    /// Whether a session is shown as online.
    pub fn is_online(&self, session: &SessionId) -> bool {
        self.online.contains_key(session)
    }

    /// How a session is reached, as the interfaces show it.
    pub fn via(&self, session: &SessionId) -> Option<Via> {
        self.online.get(session).map(|online| online.shown)
    }

    /// Neighbours that report a session as connected.
    pub fn witnesses(&self, session: &SessionId) -> impl Iterator<Item = SessionId> + '_ {
        self.online.get(session).into_iter().flat_map(|online| &online.witnesses).copied()
    }

    /// Neighbours that report a session of a user as connected.
    pub fn witnesses_of(&self, user: &UserId) -> BTreeSet<SessionId> {
        let of_user = self.online.values().filter(|online| online.user == *user);
        of_user.flat_map(|online| &online.witnesses).copied().collect()
    }

    /// The sessions of a user that are shown as online.
    pub fn of_user(&self, user: &UserId) -> Vec<SessionId> {
        self.online.iter().filter(|(_, online)| online.user == *user).map(|(session, _)| *session).collect()
    }

    /// All sessions that are shown as online.
    pub fn sessions(&self) -> Vec<SessionId> {
        self.online.keys().copied().collect()
    }

    /// The users of the sessions that are shown as online.
    pub fn users(&self) -> BTreeSet<UserId> {
        self.online.values().map(|online| online.user).collect()
    }

    /// Settles the sessions whose grace period is over: lost, reached otherwise, or back.
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
        let before = std::mem::replace(&mut online.shown, via);
        let change = if before == via { Change::Unchanged } else { Change::Path(via) };
        Some((session, user, change))
    }

    /// When the next grace period ends.
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
    fn a_session_with_a_witness_stays_online_until_the_last_witness_is_lost() {
        let mut presence = Online::default();
        assert_eq!(presence.set_connected(BOB, USER, Moment(0)), Change::Online(Via::Direct));
        assert_eq!(presence.add_witness(BOB, USER, CAROL, Moment(0)), Change::Unchanged);
        presence.connection_lost(&BOB, Moment(0));
        let later = Moment(0) + LOST_GRACE;
        assert_eq!(presence.overdue(later), [(BOB, USER, Change::Path(Via::Relayed))]);
        presence.witness_lost(&CAROL, later);
        assert_eq!(presence.overdue(later + LOST_GRACE), [(BOB, USER, Change::Lost)]);
    }

    #[test]
    fn while_its_connection_stalls_a_session_is_reached_through_its_witness_if_it_has_one() {
        let mut presence = Online::default();
        presence.set_connected(BOB, USER, Moment(0));
        assert_eq!(presence.set_stalled(&BOB, true), Change::Unchanged, "nobody else reaches it");
        assert_eq!(presence.add_witness(BOB, USER, CAROL, Moment(0)), Change::Path(Via::Relayed));
        assert_eq!(presence.set_stalled(&BOB, false), Change::Path(Via::Direct));
        presence.set_stalled(&BOB, true);
        assert_eq!(presence.set_connected(BOB, USER, Moment(0)), Change::Path(Via::Direct), "by another connection");
    }

    #[test]
    fn a_report_withdrawn_and_repeated_within_the_grace_period_changes_nothing() {
        let mut presence = Online::default();
        presence.add_witness(BOB, USER, CAROL, Moment(0));
        presence.remove_witness(&BOB, &CAROL, Moment(0));
        assert_eq!(presence.add_witness(BOB, USER, CAROL, Moment(0)), Change::Unchanged);
        assert!(presence.overdue(Moment(0) + LOST_GRACE).is_empty());
        assert!(presence.is_online(&BOB));
    }

    #[test]
    fn a_settled_session_counts_as_lost_and_a_brief_one_does_not() {
        for (stay, lost) in [(SETTLED, true), (LOST_GRACE, false)] {
            let mut presence = Online::default();
            presence.set_connected(BOB, USER, Moment(0));
            let gone = Moment(0) + stay + LOST_GRACE;
            presence.connection_lost(&BOB, gone);
            presence.overdue(gone);
            assert_eq!(presence.was_lost(&BOB), lost);
            presence.add_witness(BOB, USER, CAROL, gone);
            assert!(!presence.was_lost(&BOB));
        }
    }
}
