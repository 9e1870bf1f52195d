//! Floods of `\explode`: those seen, the neighbours whose answers are awaited, and the sessions reached.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::{ConnId, UserId};
use crate::proto::limits::{EXPLODE_DEADLINE, EXPLODE_PAUSE, MAX_FLOODS};
use crate::time::Moment;
use crate::wire::control::Reached;

/// Floods by their id, at most [`MAX_FLOODS`]. Each is kept for [`EXPLODE_PAUSE`].
#[derive(Debug, Default)]
pub struct Floods {
    open: BTreeMap<u64, Flood>,
    /// The beginning of each user's last flood.
    last: BTreeMap<UserId, Moment>,
}

/// The state of a flood at this node.
#[derive(Debug)]
pub struct Flood {
    /// The connection it came on, which gets the answer; `None` for a flood of this node.
    pub from: Option<ConnId>,
    /// The input line of the command.
    pub line: Option<u64>,
    /// When it began at this node.
    pub began: Moment,
    /// Connections on which it was passed on and no answer has come.
    waiting: BTreeSet<ConnId>,
    /// The sessions it has reached, from all answers.
    pub reached: BTreeSet<Reached>,
    /// Messages sent from here on, answers included.
    pub messages: u64,
    /// The hop count of the copy that was passed on.
    hops: u8,
    answered: bool,
}

impl Floods {
    /// Starts a user's pause of [`EXPLODE_PAUSE`] between floods.
    ///
    /// # Errors
    ///
    /// The seconds until the user may flood again.
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

    /// Records a flood. False if it was seen before, or too many are open.
    pub fn open(&mut self, id: u64, from: Option<ConnId>, line: Option<u64>, hops: u8, now: Moment) -> bool {
        self.open.retain(|_, flood| now.since(flood.began) < EXPLODE_PAUSE);
        if self.open.contains_key(&id) || self.open.len() >= MAX_FLOODS {
            return false;
        }
        let (waiting, reached) = (BTreeSet::new(), BTreeSet::new());
        self.open.insert(id, Flood { from, line, began: now, waiting, reached, messages: 0, hops, answered: false });
        true
    }

    /// Replaces a known flood by a copy with more hops. Returns the connection of the first copy if that still awaits an
    /// answer; the outer `None` means that this copy does not have more hops.
    pub fn widen(&mut self, id: u64, from: ConnId, hops: u8, now: Moment) -> Option<Option<ConnId>> {
        let flood = self.open.get_mut(&id).filter(|flood| flood.hops < hops && flood.from.is_some())?;
        let before = flood.from.replace(from).filter(|_| !flood.answered);
        (flood.hops, flood.began, flood.answered) = (hops, now, false);
        Some(before)
    }

    /// Records that a flood was sent to a neighbour.
    pub fn sent(&mut self, id: u64, to: ConnId) {
        if let Some(flood) = self.open.get_mut(&id) {
            flood.waiting.insert(to);
            flood.messages += 1;
        }
    }

    /// Records a neighbour's answer: the sessions it reached and the messages that took. False if no answer was awaited.
    pub fn record_answer(&mut self, id: u64, from: &ConnId, reached: &[Reached], messages: u64) -> bool {
        let Some(flood) = self.open.get_mut(&id) else { return false };
        if !flood.waiting.remove(from) {
            return false;
        }
        flood.reached.extend(reached);
        flood.messages = flood.messages.saturating_add(messages).saturating_add(1);
        true
    }

    /// Stops waiting for answers on a connection that has closed.
    pub fn forget_conn(&mut self, conn: &ConnId) {
        self.open.values_mut().for_each(|flood| {
            flood.waiting.remove(conn);
        });
    }

    /// Takes the floods to be answered now: no answer is awaited, or the deadline has passed.
    pub fn take_done(&mut self, now: Moment) -> Vec<(u64, &Flood)> {
        let mut done = Vec::new();
        for (id, flood) in self.open.iter_mut().filter(|(_, flood)| !flood.answered) {
            if flood.waiting.is_empty() || now >= flood.deadline() {
                flood.answered = true;
                done.push((*id, &*flood));
            }
        }
        done
    }

    /// The next deadline of a flood.
    pub fn next(&self) -> Option<Moment> {
        self.open.values().filter(|flood| !flood.answered).map(Flood::deadline).min()
    }
}

impl Flood {
    /// The origin waits twice as long as the nodes behind it, so that their answers arrive in time.
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
    fn a_flood_is_answered_once_all_neighbours_have_answered_and_counts_each_session_once() {
        let mut floods = Floods::default();
        assert!(floods.open(7, None, Some(1), 1, Moment(0)) && !floods.open(7, None, None, 1, Moment(0)));
        floods.sent(7, ConnId(1));
        floods.sent(7, ConnId(2));
        let reached = [Reached(Fixed([1; 8]), Fixed([2; 8]))];
        assert!(floods.record_answer(7, &ConnId(1), &reached, 0));
        assert!(!floods.record_answer(7, &ConnId(1), &reached, 9), "a second answer is ignored");
        assert!(floods.take_done(Moment(1)).is_empty());
        floods.record_answer(7, &ConnId(2), &reached, 3);
        let done = floods.take_done(Moment(2));
        assert_eq!((done[0].1.reached.len(), done[0].1.messages), (1, 7));
    }

    #[test]
    fn a_copy_with_more_hops_replaces_the_first() {
        let mut floods = Floods::default();
        floods.open(7, Some(ConnId(1)), None, 0, Moment(0));
        assert_eq!(floods.widen(7, ConnId(2), 1, Moment(1)), Some(Some(ConnId(1))), "the first is to be answered");
        assert_eq!(floods.widen(7, ConnId(3), 1, Moment(1)), None);
        assert_eq!(floods.take_done(Moment(1)).len(), 1);
        assert_eq!(floods.widen(7, ConnId(3), 0, Moment(1)), None);
    }

    #[test]
    fn a_missing_answer_delays_the_result_no_longer_than_the_deadline() {
        let mut floods = Floods::default();
        floods.open(7, Some(ConnId(9)), None, 1, Moment(0));
        floods.sent(7, ConnId(1));
        assert!(floods.take_done(Moment(0)).is_empty());
        assert_eq!(floods.take_done(Moment(0) + EXPLODE_DEADLINE).len(), 1);
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
