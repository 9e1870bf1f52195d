//! Names on the local link without a handshake with each node.
//!
//! Neighbours that see each other on a link tell each other of which nodes there they hold records: by *marks*, each a hash of
//! a boot id, all of them when they meet and new ones a moment after they are learned. A node that sees the announcement of a
//! boot id and does not know whose it is asks one of the neighbours that have told of its mark. It asks by the boot id itself,
//! which only those who see the announcement know, so nothing is told to nodes that are not on the link. Marks are taken from any
//! neighbour, because its own announcement may arrive later; alone they lead to nothing.
//!
//! The answer is a roster and a declaration. The declaration proves that the boot id is its session's, so a false answer names
//! nobody. A neighbour that does not answer in time is not asked again for the same node.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::{BootId, SessionId};
use crate::proto::limits::{HEARSAY_PATIENCE, HEARSAY_PAUSE, MAX_MARKS, MAX_TELLERS};
use crate::time::Moment;
use crate::wire::control::MAX_NEARBY_WANTS;

/// With whom marks are exchanged, who has told of which, and what is asked.
#[derive(Debug, Default)]
pub struct Hearsay {
    /// Neighbours on the link.
    open: BTreeSet<SessionId>,
    /// Boot ids to tell of, each with the neighbour that has named it.
    fresh: BTreeMap<BootId, Option<SessionId>>,
    /// Marks whose node is not known, each with a neighbour that has told of it.
    told: BTreeSet<(u64, SessionId)>,
    /// The number of marks that each neighbour has told of, at most [`MAX_MARKS`] of at most [`MAX_TELLERS`] neighbours.
    tellers: BTreeMap<SessionId, usize>,
    /// Boot ids that were asked for.
    asked: BTreeMap<BootId, Asked>,
    /// When there is something to send.
    due: Option<Moment>,
}

/// An outstanding question.
#[derive(Debug)]
struct Asked {
    of: SessionId,
    until: Moment,
}

impl Hearsay {
    /// Begins the exchange with a neighbour. Returns false if it has begun.
    pub fn open(&mut self, neighbour: SessionId) -> bool {
        self.open.insert(neighbour)
    }

    /// Whether marks are exchanged with a neighbour.
    pub fn is_open(&self, neighbour: &SessionId) -> bool {
        self.open.contains(neighbour)
    }

    /// The neighbours with which marks are exchanged.
    pub fn neighbours(&self) -> impl Iterator<Item = SessionId> + '_ {
        self.open.iter().copied()
    }

    /// Ends the exchange with a neighbour. What it was asked for is asked of others.
    pub fn close(&mut self, neighbour: &SessionId, now: Moment) {
        self.open.remove(neighbour);
        self.asked.retain(|_, asked| asked.of != *neighbour);
        if self.tellers.remove(neighbour).is_some() {
            self.told.retain(|(_, teller)| teller != neighbour);
            self.wake(now);
        }
    }

    /// Schedules the next sending.
    pub fn wake(&mut self, now: Moment) {
        let soon = now + HEARSAY_PAUSE;
        self.due = Some(self.due.map_or(soon, |due| due.min(soon)));
    }

    /// Records that it is known whose a boot id is, to be told to all neighbours but the one that has named it.
    pub fn learned(&mut self, boot: BootId, from: Option<SessionId>, now: Moment) {
        self.asked.remove(&boot);
        for teller in self.tellers_of(&boot) {
            self.forget_mark(&boot, &teller);
        }
        self.fresh.insert(boot, from);
        self.wake(now);
    }

    /// Records that a neighbour holds the records of a node. Returns false if a bound is reached.
    pub fn told(&mut self, mark: u64, by: SessionId, now: Moment) -> bool {
        let count = self.tellers.get(&by).copied().unwrap_or(0);
        if count >= MAX_MARKS || (count == 0 && self.tellers.len() >= MAX_TELLERS) {
            return self.told.contains(&(mark, by));
        }
        if self.told.insert((mark, by)) {
            self.tellers.insert(by, count + 1);
            self.wake(now);
        }
        true
    }

    /// Whether anybody has told of a node.
    pub fn is_told(&self, boot: &BootId) -> bool {
        !self.tellers_of(boot).is_empty()
    }

    /// The neighbours that have told of a node.
    fn tellers_of(&self, boot: &BootId) -> Vec<SessionId> {
        let mark = boot.mark();
        let all = (mark, SessionId([0; 32]))..=(mark, SessionId([255; 32]));
        self.told.range(all).map(|(_, teller)| *teller).collect()
    }

    fn forget_mark(&mut self, boot: &BootId, teller: &SessionId) {
        if !self.told.remove(&(boot.mark(), *teller)) {
            return;
        }
        if let Some(count) = self.tellers.get_mut(teller) {
            *count -= 1;
            if *count == 0 {
                self.tellers.remove(teller);
            }
        }
    }

    /// Whether it is time to send.
    pub fn take_due(&mut self, now: Moment) -> bool {
        self.due.take_if(|due| *due <= now).is_some()
    }

    /// When there is something to send.
    pub fn next(&self) -> Option<Moment> {
        self.due
    }

    /// The boot ids to tell of now, with the neighbour that has named each.
    pub fn take_fresh(&mut self) -> BTreeMap<BootId, Option<SessionId>> {
        std::mem::take(&mut self.fresh)
    }

    /// Chooses whom to ask for which of these boot ids, which the link shows and whose node is not known: of those that have
    /// told of it the one with the fewest questions, each at most [`MAX_NEARBY_WANTS`] at once.
    pub fn ask(&mut self, unknown: impl Iterator<Item = BootId>, now: Moment) -> BTreeMap<SessionId, Vec<BootId>> {
        self.give_up_overdue(now);
        let mut open: BTreeMap<SessionId, usize> = BTreeMap::new();
        self.asked.values().for_each(|asked| *open.entry(asked.of).or_default() += 1);
        let mut questions: BTreeMap<SessionId, Vec<BootId>> = BTreeMap::new();
        for boot in unknown.filter(|boot| !self.asked.contains_key(boot)).collect::<Vec<_>>() {
            let count = |teller: &SessionId| open.get(teller).copied().unwrap_or(0);
            let free = self.tellers_of(&boot).into_iter().filter(|teller| count(teller) < MAX_NEARBY_WANTS);
            let Some(teller) = free.min_by_key(|teller| count(teller)) else { continue };
            *open.entry(teller).or_default() += 1;
            self.asked.insert(boot, Asked { of: teller, until: now + HEARSAY_PATIENCE });
            questions.entry(teller).or_default().push(boot);
        }
        if let Some(next) = self.asked.values().map(|asked| asked.until).min() {
            self.due = Some(self.due.map_or(next, |due| due.min(next)));
        }
        questions
    }

    /// Ends the questions that were not answered in time, and does not ask the same neighbours again.
    fn give_up_overdue(&mut self, now: Moment) {
        let overdue: Vec<(BootId, Asked)> = self.asked.extract_if(.., |_, asked| asked.until <= now).collect();
        for (boot, asked) in overdue {
            self.forget_mark(&boot, &asked.of);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Moment = Moment(1_000);

    fn by(n: u8) -> SessionId {
        SessionId([n; 32])
    }

    fn hearsay(boots: u64, tellers: &[u8]) -> Hearsay {
        let mut hearsay = Hearsay::default();
        for teller in tellers {
            hearsay.open(by(*teller));
            assert!((0..boots).all(|boot| hearsay.told(BootId(boot).mark(), by(*teller), NOW)));
        }
        hearsay
    }

    #[test]
    fn questions_are_spread_over_the_neighbours_that_know_and_each_node_is_asked_for_once() {
        let mut hearsay = hearsay(40, &[1, 2, 3, 4]);
        let asked = hearsay.ask((0..40).map(BootId), NOW);
        assert_eq!(asked.values().map(Vec::len).collect::<Vec<_>>(), [10, 10, 10, 10]);
        assert!(hearsay.ask((0..40).map(BootId), NOW).is_empty());
    }

    #[test]
    fn a_neighbour_that_does_not_answer_is_replaced_by_another_and_not_asked_again() {
        let mut hearsay = hearsay(1, &[1, 2]);
        let first = hearsay.ask([BootId(0)].into_iter(), NOW).into_keys().next().expect("somebody is asked");
        let later = NOW + HEARSAY_PATIENCE;
        let second = hearsay.ask([BootId(0)].into_iter(), later).into_keys().next().expect("the other is asked");
        assert_ne!(first, second);
        assert!(hearsay.ask([BootId(0)].into_iter(), later + HEARSAY_PATIENCE).is_empty(), "nobody is left");
    }

    #[test]
    fn what_a_neighbour_was_asked_for_is_asked_of_another_when_it_is_gone() {
        let mut hearsay = hearsay(8, &[1, 2]);
        assert_eq!(hearsay.ask((0..8).map(BootId), NOW).len(), 2);
        hearsay.close(&by(1), NOW);
        assert_eq!(
            hearsay.ask((0..8).map(BootId), NOW),
            BTreeMap::from([(by(2), (0..4).map(|n| BootId(2 * n)).collect())])
        );
    }

    #[test]
    fn news_is_told_soon_even_while_an_answer_is_waited_for() {
        let mut hearsay = hearsay(1, &[1]);
        assert!(hearsay.take_due(NOW + HEARSAY_PAUSE));
        assert_eq!(hearsay.ask([BootId(0)].into_iter(), NOW).len(), 1);
        hearsay.learned(BootId(9), None, NOW);
        assert_eq!(hearsay.next(), Some(NOW + HEARSAY_PAUSE));
    }

    #[test]
    fn marks_and_questions_are_bounded_and_one_neighbour_leaves_room_for_others() {
        let mut hearsay = Hearsay::default();
        let told = (0..3 * MAX_MARKS as u64).filter(|mark| hearsay.told(*mark, by(1), NOW));
        assert_eq!(told.count(), MAX_MARKS);
        assert!(hearsay.told(7, by(2), NOW));
        let tellers = (0..3 * MAX_TELLERS as u8).filter(|n| hearsay.told(7, by(*n), NOW));
        assert_eq!(tellers.count(), MAX_TELLERS);
        let mut hearsay = self::hearsay(500, &[1]);
        assert_eq!(hearsay.ask((0..500).map(BootId), NOW)[&by(1)].len(), MAX_NEARBY_WANTS);
    }

    #[test]
    fn what_is_known_or_told_by_nobody_any_more_takes_no_memory() {
        let mut hearsay = hearsay(8, &[1, 2]);
        hearsay.learned(BootId(0), None, NOW);
        assert!(!hearsay.is_told(&BootId(0)) && hearsay.is_told(&BootId(1)));
        hearsay.close(&by(1), NOW);
        hearsay.close(&by(2), NOW);
        assert!(hearsay.told.is_empty() && hearsay.tellers.is_empty() && hearsay.open.is_empty());
    }
}
