//! What was tried to reach others, and what came of it: dials by address, questions to neighbours, and where neighbours see a
//! session. Nothing is decided by it; `\doctor` reports it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use crate::id::{SessionId, UserId};
use crate::proto::limits::{EXAMINATION, EXAMINATION_SETTLE, MAX_EXAMINATIONS, MAX_TRIES, MAX_TRIES_PER_SESSION};
use crate::proto::notice::examination::{Outcome, Tried};
use crate::time::Moment;

/// The session expected at an address, if any, and the address.
pub type Place = (Option<SessionId>, SocketAddr);

/// What was tried, the newest of each kind, at most [`MAX_TRIES`] of each.
#[derive(Debug, Default)]
pub struct Tries {
    dials: BTreeMap<Place, Try>,
    /// When which neighbour was asked for a user.
    asked: BTreeMap<(UserId, SessionId), Moment>,
    /// At which address a neighbour sees a session.
    seen: BTreeMap<(SessionId, SessionId), (SocketAddr, Moment)>,
    /// When a connection came from another machine whose address was not dialled.
    reached: Option<Moment>,
    examinations: Vec<Examining>,
}

#[derive(Debug)]
struct Try {
    times: u32,
    ended: Moment,
    outcome: Outcome,
}

/// An examination that waits for dials to end.
#[derive(Debug, Default)]
pub struct Examining {
    /// The line to answer.
    pub line: Option<u64>,
    /// The user who is examined; `None` for this node only.
    pub user: Option<UserId>,
    /// It is to be shown without names, addresses and ids.
    pub redact: bool,
    /// What came of the dials that have ended.
    pub probed: BTreeMap<Place, Outcome>,
    open: BTreeSet<Place>,
    until: Moment,
}

impl Tries {
    /// Records how a dial ended. Returns whether an older one was forgotten for it.
    pub fn record_dial(&mut self, place: Place, outcome: Outcome, now: Moment) -> bool {
        for examining in &mut self.examinations {
            examining.record(place, outcome, now);
        }
        if let Some(known) = self.dials.get_mut(&place) {
            *known = Try { times: known.times.saturating_add(1), ended: now, outcome };
            return false;
        }
        let of_session = || self.dials.iter().filter(|((session, _), _)| *session == place.0);
        let oldest = if place.0.is_some() && of_session().count() >= MAX_TRIES_PER_SESSION {
            of_session().min_by_key(|(_, known)| known.ended).map(|(place, _)| *place)
        } else if self.dials.len() >= MAX_TRIES {
            self.dials.iter().min_by_key(|(_, known)| known.ended).map(|(place, _)| *place)
        } else {
            None
        };
        let forgotten = oldest.and_then(|oldest| self.dials.remove(&oldest));
        self.dials.insert(place, Try { times: 1, ended: now, outcome });
        forgotten.is_some()
    }

    /// The dials to a place.
    pub fn tried(&self, place: &Place, now: Moment) -> Option<Tried> {
        let known = self.dials.get(place)?;
        Some(Tried { times: known.times, ago: now.since(known.ended), outcome: known.outcome })
    }

    /// Records that a neighbour was asked for a user. Returns whether an older question was forgotten for it.
    pub fn record_asked(&mut self, target: UserId, neighbour: SessionId, now: Moment) -> bool {
        self.asked.insert((target, neighbour), now);
        forget_oldest(&mut self.asked, |asked| *asked)
    }

    /// Who was asked for a user, and when.
    pub fn asked_for(&self, target: &UserId) -> impl Iterator<Item = (SessionId, Moment)> + '_ {
        let all = (*target, SessionId([0; 32]))..=(*target, SessionId([255; 32]));
        self.asked.range(all).map(|((_, neighbour), asked)| (*neighbour, *asked))
    }

    /// Records that a neighbour sees a session at an address. Returns whether an older such fact was forgotten for it.
    pub fn record_seen(&mut self, session: SessionId, by: SessionId, addr: SocketAddr, now: Moment) -> bool {
        self.seen.insert((session, by), (addr, now));
        forget_oldest(&mut self.seen, |(_, seen)| *seen)
    }

    /// Where neighbours see a session, with the neighbour.
    pub fn seen(&self, session: &SessionId) -> impl Iterator<Item = (SessionId, SocketAddr)> + '_ {
        let all = (*session, SessionId([0; 32]))..=(*session, SessionId([255; 32]));
        self.seen.range(all).map(|((_, by), (addr, _))| (*by, *addr))
    }

    /// Records a connection that the other side made from another machine.
    pub fn record_accepted(&mut self, addr: SocketAddr, now: Moment) {
        if !self.dials.keys().any(|(_, dialled)| *dialled == addr) {
            self.reached = Some(now);
        }
    }

    /// When a connection last came from another machine whose address was not dialled.
    pub fn reached(&self) -> Option<Moment> {
        self.reached
    }

    /// Lets an examination wait for these dials. False if [`MAX_EXAMINATIONS`] wait already.
    pub fn examine(
        &mut self,
        line: Option<u64>,
        user: Option<UserId>,
        redact: bool,
        open: BTreeSet<Place>,
        now: Moment,
    ) -> bool {
        if self.examinations.len() >= MAX_EXAMINATIONS {
            return false;
        }
        let until = if open.is_empty() { now } else { now + EXAMINATION };
        self.examinations.push(Examining { line, user, redact, probed: BTreeMap::new(), open, until });
        true
    }

    /// Removes the examinations whose dials have ended or whose time is over.
    pub fn take_examined(&mut self, now: Moment) -> Vec<Examining> {
        self.examinations.extract_if(.., |examining| examining.until <= now).collect()
    }

    /// When the next examination is to be answered.
    pub fn next(&self) -> Option<Moment> {
        self.examinations.iter().map(|examining| examining.until).min()
    }
}

impl Examining {
    /// Takes in how a dial ended. After the last one, a session that has answered gets time to introduce itself.
    fn record(&mut self, place: Place, outcome: Outcome, now: Moment) {
        if !self.open.remove(&place) {
            return;
        }
        self.probed.insert(place, outcome);
        if self.open.is_empty() {
            let has_answered = self.probed.values().any(|outcome| *outcome == Outcome::Answered);
            self.until = if has_answered { now + EXAMINATION_SETTLE } else { now };
        }
    }

    /// What came of the dial to a place: that nothing came back, if it has not ended. `None` if it was not dialled.
    pub fn outcome(&self, place: &Place) -> Option<Outcome> {
        let open = self.open.contains(place).then_some(Outcome::Silent);
        self.probed.get(place).copied().or(open)
    }
}

/// Removes the oldest entry of a table with more than [`MAX_TRIES`]. Returns whether there was one.
fn forget_oldest<K: Ord + Copy, V>(table: &mut BTreeMap<K, V>, at: impl Fn(&V) -> Moment) -> bool {
    let is_full = table.len() > MAX_TRIES;
    let oldest = table.iter().min_by_key(|(_, value)| at(value)).map(|(key, _)| *key);
    oldest.filter(|_| is_full).and_then(|key| table.remove(&key)).is_some()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const BOB: SessionId = SessionId([2; 32]);
    const START: Moment = Moment(1000);

    fn addr(n: u16) -> SocketAddr {
        ([192, 0, 2, (n >> 8) as u8], n).into()
    }

    fn at(seconds: u64) -> Moment {
        START + Duration::from_secs(seconds)
    }

    #[test]
    fn dials_to_an_address_are_counted_and_the_last_outcome_stays() {
        let mut tries = Tries::default();
        let place = (Some(BOB), addr(1));
        (0..6).for_each(|n| assert!(!tries.record_dial(place, Outcome::Silent, at(n))));
        tries.record_dial(place, Outcome::Closed, at(6));
        let tried = Tried { times: 7, ago: Duration::from_secs(4), outcome: Outcome::Closed };
        assert_eq!(tries.tried(&place, at(10)), Some(tried));
        assert_eq!(tries.tried(&(None, addr(1)), at(10)), None);
    }

    #[test]
    fn one_session_and_all_together_fill_a_bounded_table_from_which_the_oldest_go() {
        let mut tries = Tries::default();
        let forgotten = (1..=20).filter(|n| tries.record_dial((Some(BOB), addr(*n)), Outcome::Silent, at((*n).into())));
        assert_eq!(forgotten.count(), 20 - MAX_TRIES_PER_SESSION);
        assert!(tries.tried(&(Some(BOB), addr(1)), at(20)).is_none());
        assert!(tries.tried(&(Some(BOB), addr(20)), at(20)).is_some());
        for n in 0..2_000u16 {
            let session = SessionId([(n % 251) as u8; 32]);
            tries.record_dial((Some(session), addr(n)), Outcome::Silent, at(30 + u64::from(n)));
            tries.record_asked(UserId(session.0), SessionId([(n / 251) as u8; 32]), at(n.into()));
            tries.record_seen(session, SessionId([(n / 251) as u8; 32]), addr(n), at(n.into()));
        }
        assert!(tries.dials.len() <= MAX_TRIES && tries.asked.len() <= MAX_TRIES && tries.seen.len() <= MAX_TRIES);
        assert!(tries.tried(&(Some(SessionId([(1_999 % 251) as u8; 32])), addr(1_999)), at(9_999)).is_some());
    }

    #[test]
    fn an_examination_ends_with_its_last_dial_and_a_little_later_if_somebody_answered() {
        let (one, other) = ((Some(BOB), addr(1)), (Some(BOB), addr(2)));
        for (outcome, ends) in [(Outcome::Silent, at(1)), (Outcome::Answered, at(1) + EXAMINATION_SETTLE)] {
            let mut tries = Tries::default();
            assert!(tries.examine(Some(3), None, false, [one, other].into(), START));
            tries.record_dial(one, Outcome::Closed, START);
            assert_eq!(tries.next(), Some(START + EXAMINATION));
            tries.record_dial(other, outcome, at(1));
            assert_eq!(tries.next(), Some(ends));
            let examined = tries.take_examined(ends);
            assert_eq!(examined[0].outcome(&one), Some(Outcome::Closed));
            assert_eq!(examined[0].outcome(&other), Some(outcome));
        }
    }

    #[test]
    fn an_examination_ends_in_time_and_what_has_not_ended_is_silent() {
        let mut tries = Tries::default();
        let place = (Some(BOB), addr(1));
        tries.examine(None, None, false, [place].into(), START);
        assert!(tries.take_examined(START).is_empty());
        let examined = tries.take_examined(START + EXAMINATION);
        assert_eq!(examined[0].outcome(&place), Some(Outcome::Silent));
        assert_eq!(examined[0].outcome(&(None, addr(1))), None);
        assert_eq!(tries.next(), None);
    }

    #[test]
    fn only_a_connection_from_an_address_that_was_not_dialled_is_uninvited() {
        let mut tries = Tries::default();
        tries.record_dial((Some(BOB), addr(1)), Outcome::Silent, START);
        tries.record_accepted(addr(1), at(1));
        assert_eq!(tries.reached(), None, "a NAT may let it in because of the dial");
        tries.record_accepted(addr(2), at(2));
        assert_eq!(tries.reached(), Some(at(2)));
    }

    #[test]
    fn too_many_examinations_at_once_are_refused() {
        let mut tries = Tries::default();
        let accepted = (0..100).filter(|_| tries.examine(None, None, false, BTreeSet::new(), START)).count();
        assert_eq!(accepted, MAX_EXAMINATIONS);
    }
}
