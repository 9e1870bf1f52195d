//! Presence: which sessions of linked users the faces were told are online, and which of them have gone missing. A session
//! is offline when it says so itself, or when its connection died and did not come back within a grace.

use std::collections::BTreeMap;

use super::view::Absence;
use crate::id::{SessionId, UserId};
use crate::time::Moment;

#[derive(Debug, Default)]
pub struct Presence {
    online: BTreeMap<SessionId, UserId>,
    missing: BTreeMap<SessionId, Moment>,
}

impl Presence {
    /// A session is there. True if it was not.
    pub fn came(&mut self, session: SessionId, user: UserId) -> bool {
        self.missing.remove(&session);
        self.online.insert(session, user).is_none()
    }

    /// Its connection died; it has until then to come back.
    pub fn missing(&mut self, session: &SessionId, until: Moment) {
        if self.online.contains_key(session) {
            self.missing.entry(*session).or_insert(until);
        }
    }

    /// It is gone. Whose it was, if it was online.
    pub fn gone(&mut self, session: &SessionId) -> Option<UserId> {
        self.missing.remove(session);
        self.online.remove(session)
    }

    pub fn is_online(&self, session: &SessionId) -> bool {
        self.online.contains_key(session)
    }

    /// Sessions that are shown as online of a user.
    pub fn of_user(&self, user: &UserId) -> Vec<SessionId> {
        self.online.iter().filter(|(_, whose)| *whose == user).map(|(session, _)| *session).collect()
    }

    /// Sessions whose grace is over, with the reason to give.
    pub fn overdue(&mut self, now: Moment) -> Vec<(SessionId, UserId, Absence)> {
        let over: Vec<SessionId> = self.missing.iter().filter(|(_, at)| **at <= now).map(|(id, _)| *id).collect();
        over.iter().filter_map(|id| Some((*id, self.gone(id)?, Absence::Lost))).collect()
    }

    pub fn next(&self) -> Option<Moment> {
        self.missing.values().min().copied()
    }
}
