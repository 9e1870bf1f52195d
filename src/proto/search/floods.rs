//! Floods of `\explode`: which have been seen, whose answers are waited for, and whom they reached.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::{ConnId, UserId};
use crate::proto::limits::{EXPLODE_DEADLINE, EXPLODE_PAUSE, MAX_FLOODS};
use crate::time::Moment;
use crate::wire::control::Reached;

#[derive(Debug, Default)]
pub struct Floods {
    open: BTreeMap<u64, Flood>,
    /// When each user's last flood began.
    last: BTreeMap<UserId, Moment>,
}

/// A flood, seen from here.
#[derive(Debug)]
pub struct Flood {
    /// Where it came from and the answer goes; `None` if it is mine.
    pub from: Option<ConnId>,
    /// The line that asked for it.
    pub line: Option<u64>,
    pub began: Moment,
    /// Those who have it from me and have not answered.
    waiting: BTreeSet<ConnId>,
    pub reached: BTreeSet<Reached>,
    /// Sent from here on, there and back.
    pub messages: u64,
    /// With how many hops it was passed on.
    hops: u8,
    answered: bool,
}

impl Floods {
    /// Whether a user may flood again; if not, how long it is until then, in seconds.
    pub fn allow(&mut self, user: UserId, now: Moment) -> Result<(), u64> {
        self.last.retain(|_, began| now.since(*began) < EXPLODE_PAUSE);
        if let Some(began) = self.last.get(&user) {
            return Err((EXPLODE_PAUSE - now.since(*began)).as_secs().max(1));
        }
        if self.last.len() >= MAX_FLOODS {
            return Err(EXPLODE_PAUSE.as_secs());
        }
        self.last.insert(user, now);
        Ok(())
    }

    /// Notes a flood. False if it was seen before, or there are too many.
    pub fn open(&mut self, id: u64, from: Option<ConnId>, line: Option<u64>, hops: u8, now: Moment) -> bool {
        self.open.retain(|_, flood| now.since(flood.began) < EXPLODE_PAUSE);
        if self.open.contains_key(&id) || self.open.len() >= MAX_FLOODS {
            return false;
        }
        let (waiting, reached) = (BTreeSet::new(), BTreeSet::new());
        self.open.insert(id, Flood { from, line, began: now, waiting, reached, messages: 0, hops, answered: false });
        true
    }

    /// A copy of a known flood that may go further than the first: it takes that one's place. Who brought the first, if it
    /// still waits for an answer; `None` if this copy goes no further.
    pub fn widen(&mut self, id: u64, from: ConnId, hops: u8, now: Moment) -> Option<Option<ConnId>> {
        let flood = self.open.get_mut(&id).filter(|flood| flood.hops < hops && flood.from.is_some())?;
        let before = flood.from.replace(from).filter(|_| !flood.answered);
        (flood.hops, flood.began, flood.answered) = (hops, now, false);
        Some(before)
    }

    /// It was sent on to a neighbour.
    pub fn sent(&mut self, id: u64, to: ConnId) {
        if let Some(flood) = self.open.get_mut(&id) {
            flood.waiting.insert(to);
            flood.messages += 1;
        }
    }

    /// A neighbour has answered, with whom it reached and how many messages that took; or it is gone.
    pub fn heard(&mut self, id: u64, from: &ConnId, reached: &[Reached], messages: u64) -> bool {
        let Some(flood) = self.open.get_mut(&id) else { return false };
        if !flood.waiting.remove(from) {
            return false;
        }
        flood.reached.extend(reached);
        flood.messages = flood.messages.saturating_add(messages).saturating_add(1);
        true
    }

    /// A connection is gone: nobody waits for it any more.
    pub fn forget(&mut self, conn: &ConnId) {
        self.open.values_mut().for_each(|flood| {
            flood.waiting.remove(conn);
        });
    }

    /// Floods to be answered now: all have answered, or the time is up.
    pub fn done(&mut self, now: Moment) -> Vec<(u64, &Flood)> {
        let mut done = Vec::new();
        for (id, flood) in self.open.iter_mut().filter(|(_, flood)| !flood.answered) {
            if flood.waiting.is_empty() || now >= flood.deadline() {
                flood.answered = true;
                done.push((*id, &*flood));
            }
        }
        done
    }

    pub fn next(&self) -> Option<Moment> {
        self.open.values().filter(|flood| !flood.answered).map(Flood::deadline).min()
    }
}

impl Flood {
    /// Who is nearer to the origin waits longer than those behind.
    fn deadline(&self) -> Moment {
        let share = if self.from.is_none() { EXPLODE_DEADLINE } else { EXPLODE_DEADLINE / 2 };
        self.began + share
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::codec::Fixed;

    #[test]
    fn a_flood_is_answered_when_all_have_answered_and_counts_each_once() {
        let mut floods = Floods::default();
        assert!(floods.open(7, None, Some(1), 1, Moment(0)) && !floods.open(7, None, None, 1, Moment(0)));
        floods.sent(7, ConnId(1));
        floods.sent(7, ConnId(2));
        let reached = [Reached(Fixed([1; 8]), Fixed([2; 8]))];
        assert!(floods.heard(7, &ConnId(1), &reached, 0));
        assert!(!floods.heard(7, &ConnId(1), &reached, 9), "nobody answers twice");
        assert!(floods.done(Moment(1)).is_empty());
        floods.heard(7, &ConnId(2), &reached, 3);
        let done = floods.done(Moment(2));
        assert_eq!((done[0].1.reached.len(), done[0].1.messages), (1, 7));
    }

    #[test]
    fn a_copy_that_may_go_further_takes_the_place_of_the_first() {
        let mut floods = Floods::default();
        floods.open(7, Some(ConnId(1)), None, 0, Moment(0));
        assert_eq!(floods.widen(7, ConnId(2), 1, Moment(1)), Some(Some(ConnId(1))), "the first is to be answered");
        assert_eq!(floods.widen(7, ConnId(3), 1, Moment(1)), None);
        assert_eq!(floods.done(Moment(1)).len(), 1);
        assert_eq!(floods.widen(7, ConnId(3), 0, Moment(1)), None);
    }

    #[test]
    fn who_never_answers_holds_nobody_up_for_longer_than_the_deadline() {
        let mut floods = Floods::default();
        floods.open(7, Some(ConnId(9)), None, 1, Moment(0));
        floods.sent(7, ConnId(1));
        assert!(floods.done(Moment(0)).is_empty());
        assert_eq!(floods.done(Moment(0) + EXPLODE_DEADLINE).len(), 1);
        assert_eq!(floods.next(), None);
    }

    #[test]
    fn a_user_floods_once_in_ten_minutes() {
        let mut floods = Floods::default();
        let user = UserId([1; 32]);
        assert_eq!(floods.allow(user, Moment(0)), Ok(()));
        assert_eq!(floods.allow(user, Moment(60_000)), Err(540));
        assert_eq!(floods.allow(user, Moment(600_000)), Ok(()));
    }
}
