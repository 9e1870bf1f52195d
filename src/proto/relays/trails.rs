//! Questions after somebody that went from relay to relay, and the answers that find back. A *trail* is one question at one
//! relay: by which neighbours it came, to whom it was passed on, and what sessions of the one who is asked for have said of
//! themselves on it. As long as it is there, the one who asked is told of every change; and when the one who is asked for
//! comes within reach later, the question goes on from here.
//!
//! A question is known by the user it asks for and its id: it is passed on once, so circles end. Answers are taken only from
//! those it was passed to.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::{SessionId, UserId};
use crate::identity::Checked;
use crate::proto::limits::{INTEREST, MAX_ANSWERS_ON_A_TRAIL, MAX_PASSED, MAX_TRAILS, MAX_WITNESSES};
use crate::time::Moment;
use crate::wire::control::{RequestPing, ShortId};
use crate::wire::record::Declaration;

/// Whom a question asks for, and its id.
pub type Key = (UserId, u64);

#[derive(Debug, Default)]
pub struct Trails {
    open: BTreeMap<Key, Trail>,
    /// Nothing is too old before.
    sweep: Option<Moment>,
}

#[derive(Debug)]
pub struct Trail {
    pub asker: SessionId,
    /// As it came.
    pub request: RequestPing,
    /// Neighbours that it came from, and until when each wants to know.
    from: BTreeMap<SessionId, Moment>,
    /// Neighbours that it was passed to.
    onward: BTreeSet<SessionId>,
    /// What sessions said of themselves.
    answers: BTreeMap<SessionId, Answer>,
}

/// Where a session says that it is, and which neighbours say that it is there.
#[derive(Debug, Clone)]
pub struct Answer {
    pub declaration: Checked<Declaration>,
    pub heard: Moment,
    by: BTreeSet<SessionId>,
    /// Whose word of this declaration was passed on, and how often one was.
    told: BTreeSet<SessionId>,
    passed: u32,
    /// The seq of the newest key card that was passed on with it.
    card: u64,
}

impl Answer {
    fn new(declaration: Checked<Declaration>, heard: Moment) -> Answer {
        Answer { declaration, heard, by: BTreeSet::new(), told: BTreeSet::new(), passed: 0, card: 0 }
    }

    /// Whether a neighbour's word is passed on: once, and again when it was taken back between or brings a newer key card,
    /// but not for ever.
    fn is_news(&mut self, by: SessionId, card: u64) -> bool {
        if card > self.card {
            self.card = card;
            self.told.clear();
        }
        let is_news = self.passed < MAX_PASSED && self.told.insert(by);
        self.passed += u32::from(is_news);
        is_news
    }

    fn begin_anew(&mut self) {
        self.told.clear();
        (self.passed, self.card) = (0, 0);
    }

    /// Somebody whose word still holds says that the session is there.
    fn is_there(&self) -> bool {
        self.declaration.online && !self.by.is_empty()
    }
}

/// What became of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// It is to be passed on.
    New,
    /// It has come by another way before: whoever brings it is told what is known.
    Known,
    /// It has gone in a circle.
    Circle,
    /// Beyond a bound, or the id is somebody else's.
    Refused,
}

/// A session is not there any more, as far as can be said here: whom to tell.
#[derive(Debug, PartialEq, Eq)]
pub struct Gone {
    pub to: Vec<SessionId>,
    pub user: UserId,
    pub session: SessionId,
}

impl Trails {
    /// Takes a question in that a neighbour brings, who may bring so many.
    pub fn ask(&mut self, request: &RequestPing, asker: SessionId, from: SessionId, most: usize, now: Moment) -> Asked {
        let key = (request.target, request.id);
        let answers = self.take_over(&key, &asker, &from);
        if let Some(trail) = self.open.get_mut(&key) {
            return trail.ask_again(asker, from, now);
        }
        let of_neighbour = self.open.values().filter(|trail| trail.from.contains_key(&from)).count();
        if self.open.len() >= MAX_TRAILS || of_neighbour >= most {
            return Asked::Refused;
        }
        let from = BTreeMap::from([(from, now + INTEREST)]);
        self.open.insert(key, Trail { asker, request: request.clone(), from, onward: BTreeSet::new(), answers });
        self.sweep.get_or_insert(now + INTEREST);
        Asked::New
    }

    /// A neighbour has one question after a user for each asker: the newest. What was answered to the one before holds on.
    fn take_over(&mut self, new: &Key, asker: &SessionId, from: &SessionId) -> BTreeMap<SessionId, Answer> {
        let is_older = |key: &Key, trail: &Trail| key != new && trail.asker == *asker && trail.from.contains_key(from);
        let older = |(key, trail): (&Key, &Trail)| is_older(key, trail).then_some(*key);
        let Some(key) = self.open.range(of(&new.0)).find_map(older) else { return BTreeMap::new() };
        let Some(trail) = self.open.get_mut(&key) else { return BTreeMap::new() };
        trail.from.remove(from);
        let mut answers = trail.answers.clone();
        // Whoever is asked again may have more to say than that it is there: a newer key card.
        answers.values_mut().for_each(Answer::begin_anew);
        if trail.from.is_empty() {
            self.open.remove(&key);
        }
        answers
    }

    pub fn get(&self, key: &Key) -> Option<&Trail> {
        self.open.get(key)
    }

    /// Questions after a user.
    pub fn after(&self, target: &UserId) -> Vec<Key> {
        self.open.range(of(target)).map(|(key, _)| *key).collect()
    }

    /// Notes that a question goes on to a neighbour. False if it did before, or came from there.
    pub fn pass(&mut self, key: &Key, to: SessionId) -> bool {
        let Some(trail) = self.open.get_mut(key) else { return false };
        !trail.from.contains_key(&to) && trail.onward.insert(to)
    }

    /// Questions that went to a neighbour, and may have to go there again.
    pub fn unpass(&mut self, neighbour: &SessionId) -> Vec<Key> {
        let passed = self.open.iter_mut().filter_map(|(key, trail)| trail.onward.remove(neighbour).then_some(*key));
        passed.collect()
    }

    /// Whether a neighbour may answer a question.
    pub fn awaits(&self, key: &Key, by: &SessionId) -> bool {
        self.open.get(key).is_some_and(|trail| trail.onward.contains(by))
    }

    /// A session's word about itself, and the seq of the key card that comes with it, or 0. Whom to tell; nobody if it is older than what was known, or was passed on before: while
    /// relays do not agree on who is nearer a question may go in a circle, and its answer must not. What is known of a
    /// session that has gone is kept for the same reason.
    pub fn answer(
        &mut self,
        key: &Key,
        declaration: Checked<Declaration>,
        card: u64,
        heard: Moment,
        by: SessionId,
    ) -> Vec<SessionId> {
        let Some(trail) = self.open.get_mut(key) else { return Vec::new() };
        let session = declaration.session;
        if !trail.answers.contains_key(&session) && trail.answers.len() >= MAX_ANSWERS_ON_A_TRAIL {
            return Vec::new();
        }
        let answer = trail.answers.entry(session).or_insert_with(|| Answer::new(declaration.clone(), heard));
        if answer.declaration.seq > declaration.seq {
            return Vec::new();
        }
        if answer.declaration.seq < declaration.seq {
            answer.begin_anew();
        }
        if !declaration.online {
            answer.by.clear();
        } else if answer.by.len() < MAX_WITNESSES {
            answer.by.insert(by);
        }
        (answer.declaration, answer.heard) = (declaration, heard);
        if answer.is_news(by, card) { trail.from.keys().copied().collect() } else { Vec::new() }
    }

    /// Questions on which a session has said itself, to me, that it is there.
    pub fn answered_by(&self, target: &UserId, session: &SessionId) -> Vec<Key> {
        let itself = |trail: &Trail| trail.answers.get(session).is_some_and(|answer| answer.by.contains(session));
        self.open.range(of(target)).filter(|(_, trail)| itself(trail)).map(|(key, _)| *key).collect()
    }

    /// A neighbour says that it does not reach a session any more.
    pub fn unsay(&mut self, user: ShortId, session: ShortId, by: &SessionId) -> Vec<Gone> {
        let (first, last) = UserId::beginning(user.0).into_inner();
        let mut gone = Vec::new();
        for ((target, _), trail) in self.open.range_mut((first, 0)..=(last, u64::MAX)) {
            let like = |id: &&SessionId| id.0[..8] == session.0;
            if let Some(session) = trail.answers.keys().find(like).copied() {
                gone.extend(trail.lose(*target, session, by));
            }
        }
        gone
    }

    /// A neighbour is gone: nothing goes there any more, and its word counts no more. Also what is to be passed on anew.
    pub fn lose(&mut self, neighbour: &SessionId) -> (Vec<Gone>, BTreeSet<UserId>) {
        self.open.retain(|_, trail| trail.from.remove(neighbour).is_none() || !trail.from.is_empty());
        let (mut gone, mut anew) = (Vec::new(), BTreeSet::new());
        for ((target, _), trail) in self.open.iter_mut().filter(|(_, trail)| trail.onward.contains(neighbour)) {
            trail.onward.remove(neighbour);
            anew.insert(*target);
            for session in trail.answers.keys().copied().collect::<Vec<_>>() {
                gone.extend(trail.lose(*target, session, neighbour));
            }
        }
        (gone, anew)
    }

    /// Nobody beside me is nearer to a user any more. Neighbours may still say that a session is there, and each have it from
    /// the next, in a circle: no word counts but a session's own, and all are asked again when somebody is nearer.
    pub fn lose_ways(&mut self, target: &UserId) -> Vec<Gone> {
        let mut gone = Vec::new();
        for ((user, _), trail) in self.open.range_mut(of(target)) {
            trail.onward.retain(|to| trail.answers.contains_key(to));
            for session in trail.answers.keys().copied().collect::<Vec<_>>() {
                let others: Vec<SessionId> =
                    trail.answers[&session].by.iter().filter(|by| **by != session).copied().collect();
                gone.extend(others.iter().filter_map(|by| trail.lose(*user, session, by)));
            }
        }
        gone
    }

    /// Forgets what nobody wants to know any more.
    pub fn expire(&mut self, now: Moment) {
        if self.sweep.is_some_and(|at| at <= now) {
            for trail in self.open.values_mut() {
                trail.from.retain(|_, until| *until > now);
            }
            self.open.retain(|_, trail| !trail.from.is_empty());
            self.sweep = self.open.values().flat_map(|trail| trail.from.values()).min().copied();
        }
    }

    pub fn next(&self) -> Option<Moment> {
        self.sweep
    }
}

impl Trail {
    fn ask_again(&mut self, asker: SessionId, from: SessionId, now: Moment) -> Asked {
        if self.asker != asker {
            return Asked::Refused;
        }
        if self.onward.contains(&from) {
            return Asked::Circle;
        }
        if self.from.len() >= MAX_WITNESSES && !self.from.contains_key(&from) {
            return Asked::Refused;
        }
        self.from.insert(from, now + INTEREST);
        Asked::Known
    }

    /// Of sessions that are there.
    pub fn answers(&self) -> impl Iterator<Item = &Answer> {
        self.answers.values().filter(|answer| answer.is_there())
    }

    /// A neighbour's word about a session counts no more. Whom to tell, if it was the last.
    fn lose(&mut self, user: UserId, session: SessionId, by: &SessionId) -> Option<Gone> {
        let answer = self.answers.get_mut(&session)?;
        answer.told.remove(by);
        if !answer.by.remove(by) || !answer.by.is_empty() {
            return None;
        }
        Some(Gone { to: self.from.keys().copied().collect(), user, session })
    }
}

fn of(target: &UserId) -> std::ops::RangeInclusive<Key> {
    (*target, 0)..=(*target, u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::NetworkId;
    use crate::identity::{Scheme, SecretKey};
    use crate::wire::codec::{Fixed, List};

    const BOB: UserId = UserId([2; 32]);
    const NOW: Moment = Moment(0);

    fn by(n: u8) -> SessionId {
        SessionId([n; 32])
    }

    fn said(seq: u64, online: bool) -> Checked<Declaration> {
        let key = SecretKey::from_seed(Scheme::Cheap, &[7; 32]);
        let (session, addrs) = (SessionId(key.public()), List(Vec::new()));
        Checked::sign(Declaration { user: BOB, session, seq, online, addrs, roles: 0 }, &key, &NetworkId::OPEN)
    }

    fn question(id: u64) -> RequestPing {
        let declaration = said(1, true).signed().clone();
        RequestPing { id, target: BOB, declaration, roster: None, hops: 3, observed: None, signature: None }
    }

    /// Alice's question 7, by a relay, passed to two more.
    fn trail() -> Trails {
        let mut trails = Trails::default();
        assert_eq!(trails.ask(&question(7), by(100), by(1), 9, NOW), Asked::New);
        assert!(trails.pass(&(BOB, 7), by(8)) && trails.pass(&(BOB, 7), by(9)) && !trails.pass(&(BOB, 7), by(9)));
        trails
    }

    #[test]
    fn a_question_goes_on_once_and_its_answers_back_to_all_who_brought_it() {
        let mut trails = trail();
        assert_eq!(trails.ask(&question(7), by(100), by(2), 9, NOW), Asked::Known);
        assert_eq!(trails.ask(&question(7), by(100), by(8), 9, NOW), Asked::Circle);
        assert_eq!(trails.ask(&question(7), by(101), by(3), 9, NOW), Asked::Refused, "an id is one asker's");
        assert!(!trails.pass(&(BOB, 7), by(1)), "not to where it came from");
        assert!(trails.awaits(&(BOB, 7), &by(8)) && !trails.awaits(&(BOB, 7), &by(3)));
        assert_eq!(trails.answer(&(BOB, 7), said(5, true), 0, NOW, by(8)), [by(1), by(2)]);
        assert!(trails.answer(&(BOB, 7), said(4, true), 0, NOW, by(9)).is_empty(), "what is older is no news");
    }

    #[test]
    fn an_answer_that_comes_again_in_a_circle_is_passed_on_once_and_so_is_the_word_that_somebody_left() {
        let mut trails = trail();
        let words = [said(5, true), said(6, false), said(5, true), said(6, false), said(5, true)];
        let mut told = |word: &Checked<Declaration>| trails.answer(&(BOB, 7), word.clone(), 0, NOW, by(8)).len();
        assert_eq!(words.iter().map(&mut told).collect::<Vec<_>>(), [1, 1, 0, 0, 0]);
        assert_eq!(trails.get(&(BOB, 7)).map(|trail| trail.answers().count()), Some(0));
        assert_eq!(trails.answer(&(BOB, 7), said(7, true), 0, NOW, by(8)), [by(1)], "who is back is news");
    }

    #[test]
    fn a_newer_key_card_is_news_whoever_brings_it_and_goes_in_no_circle() {
        let mut trails = trail();
        let mut told = |card, relay| trails.answer(&(BOB, 7), said(5, true), card, NOW, by(relay)).len();
        assert_eq!(
            [(0, 8), (3, 8), (3, 8), (0, 9), (3, 9), (2, 8)].map(|(card, relay)| told(card, relay)),
            [1, 1, 0, 1, 0, 0]
        );
        assert_eq!([told(4, 9), told(4, 9)], [1, 0]);
    }

    #[test]
    fn who_comes_and_goes_on_one_declaration_is_told_of_each_time_and_not_for_ever() {
        let mut trails = trail();
        let mut round = |_| {
            let told = trails.answer(&(BOB, 7), said(5, true), 0, NOW, by(8)).len();
            trails.pass(&(BOB, 7), by(8));
            (told, trails.lose(&by(8)).0.len())
        };
        assert_eq!((0..MAX_PASSED).map(&mut round).collect::<BTreeSet<_>>(), BTreeSet::from([(1, 1)]));
        assert_eq!((0..9).map(&mut round).collect::<BTreeSet<_>>(), BTreeSet::from([(0, 1)]));
        trails.ask(&question(17), by(100), by(1), 9, NOW);
        assert_eq!(trails.answer(&(BOB, 17), said(5, true), 0, NOW, by(8)).len(), 1, "a new question is answered anew");
    }

    #[test]
    fn somebody_is_gone_when_the_last_who_said_otherwise_takes_it_back_or_is_gone() {
        let mut trails = trail();
        let session = said(5, true).session;
        for relay in [8, 9] {
            trails.answer(&(BOB, 7), said(5, true), 0, NOW, by(relay));
        }
        let (short_user, short) = (Fixed([2; 8]), Fixed(session.0[..8].try_into().expect("an id has 32 bytes")));
        assert!(trails.unsay(short_user, short, &by(8)).is_empty());
        let gone = Gone { to: vec![by(1)], user: BOB, session };
        assert_eq!(trails.lose(&by(9)), (vec![gone], BTreeSet::from([BOB])));
        assert!(trails.pass(&(BOB, 7), by(9)), "and it may go there again");
    }

    #[test]
    fn a_newer_question_of_the_same_asker_takes_the_place_of_the_older_with_what_was_answered() {
        let mut trails = trail();
        trails.answer(&(BOB, 7), said(5, true), 0, NOW, by(8));
        assert_eq!(trails.ask(&question(17), by(100), by(1), 9, NOW), Asked::New);
        assert!(trails.get(&(BOB, 7)).is_none());
        assert_eq!(trails.get(&(BOB, 17)).map(|trail| trail.answers().count()), Some(1));
    }

    #[test]
    fn questions_are_bounded_for_each_who_brings_them_and_in_all_and_pass() {
        let mut trails = Trails::default();
        let ask = |trails: &mut Trails, id: u64, from: u8| {
            let asker = SessionId([id.to_be_bytes(); 4].concat().try_into().expect("32 bytes"));
            trails.ask(&question(id), asker, by(from), 64, NOW) == Asked::New
        };
        assert_eq!((0..200).filter(|id| ask(&mut trails, *id, 1)).count(), 64);
        let all = (200..300 + MAX_TRAILS as u64).filter(|id| ask(&mut trails, *id, (2 + id % 200) as u8)).count();
        assert_eq!(all, MAX_TRAILS - 64);
        trails.expire(NOW + INTEREST);
        assert!(trails.open.is_empty() && trails.next().is_none());
    }
}
