//! Relayed queries: queries of others for a user, passed on from relay to relay, and the answers on their way back. For each,
//! a relay holds the neighbours it came from, the neighbours it was passed to, and what sessions of the target have declared
//! in answer. While it is held, the asker is notified of every change, and the query is passed on when the target comes
//! within reach.
//!
//! A query is identified by its target and its id. Each neighbour gets it once, so that it does not loop. Answers are accepted
//! only from neighbours that it was passed to.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::{SessionId, UserId};
use crate::identity::Checked;
use crate::proto::limits::{INTEREST, MAX_ANSWERS_PER_QUERY, MAX_PASSED, MAX_RELAYED_QUERIES, MAX_WITNESSES};
use crate::time::Moment;
use crate::wire::control::{RequestPing, ShortId};
use crate::wire::record::Declaration;

/// The target of a query, and its id.
pub type Key = (UserId, u64);

/// Queries of others, at most [`MAX_RELAYED_QUERIES`]. Each is held for [`INTEREST`] after a neighbour last sent it.
#[derive(Debug, Default)]
pub struct RelayedQueries {
    open: BTreeMap<Key, RelayedQuery>,
    /// No query expires earlier.
    sweep: Option<Moment>,
}

/// A query at this relay.
#[derive(Debug)]
pub struct RelayedQuery {
    /// The session that asks.
    pub asker: SessionId,
    /// The request as it was received.
    pub request: RequestPing,
    /// The neighbours that sent it, and until when each wants answers; at most [`MAX_WITNESSES`].
    from: BTreeMap<SessionId, Moment>,
    /// The neighbours that it was passed to.
    passed_to: BTreeSet<SessionId>,
    /// Declarations in answer, by session of the target; at most [`MAX_ANSWERS_PER_QUERY`].
    answers: BTreeMap<SessionId, Answer>,
}

/// What a session of the target has declared, and the neighbours that claim to reach it.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The session's newest declaration.
    pub declaration: Checked<Declaration>,
    /// When the session was last heard.
    pub heard: Moment,
    /// The neighbours whose claim that the session is online stands; at most [`MAX_WITNESSES`].
    witnesses: BTreeSet<SessionId>,
    /// The neighbours whose claim was passed on since it was last withdrawn.
    reported: BTreeSet<SessionId>,
    /// How often this declaration was passed on.
    passed: u32,
    /// The `seq` of the newest key card that was passed on with it.
    card: u64,
}

impl Answer {
    fn new(declaration: Checked<Declaration>, heard: Moment) -> Answer {
        Answer { declaration, heard, witnesses: BTreeSet::new(), reported: BTreeSet::new(), passed: 0, card: 0 }
    }

    /// Whether a neighbour's claim is to be passed on; records that it is. It is passed on once, and again after it was
    /// withdrawn or with a newer key card, but at most [`MAX_PASSED`] times.
    fn record_report(&mut self, by: SessionId, card: u64) -> bool {
        if card > self.card {
            self.card = card;
            self.reported.clear();
        }
        let is_news = self.passed < MAX_PASSED && self.reported.insert(by);
        self.passed += u32::from(is_news);
        is_news
    }

    /// Lets every claim be passed on again.
    fn reset_reports(&mut self) {
        self.reported.clear();
        (self.passed, self.card) = (0, 0);
    }

    /// Whether the session is online according to a neighbour whose claim stands.
    fn is_live(&self) -> bool {
        self.declaration.online && !self.witnesses.is_empty()
    }
}

/// The result of [`RelayedQueries::receive`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received {
    /// It was not known and is to be passed on.
    New,
    /// It is known, and this neighbour is to get the answers so far.
    Known,
    /// This node has passed it to the neighbour that sends it.
    Loop,
    /// A bound is reached, or the id belongs to another asker.
    Refused,
}

/// A session of the target that cannot be reached by a query any more.
#[derive(Debug, PartialEq, Eq)]
pub struct Gone {
    /// The neighbours to notify.
    pub notify: Vec<SessionId>,
    /// The session's user.
    pub user: UserId,
    /// The session.
    pub session: SessionId,
}

impl RelayedQueries {
    /// Takes in a query from a neighbour, of which at most `most` are held.
    pub fn receive(
        &mut self,
        request: &RequestPing,
        asker: SessionId,
        from: SessionId,
        most: usize,
        now: Moment,
    ) -> Received {
        let key = (request.target, request.id);
        let answers = self.replace_older(&key, &asker, &from);
        if let Some(query) = self.open.get_mut(&key) {
            return query.receive_again(asker, from, now);
        }
        let of_neighbour = self.open.values().filter(|query| query.from.contains_key(&from)).count();
        if self.open.len() >= MAX_RELAYED_QUERIES || of_neighbour >= most {
            return Received::Refused;
        }
        let from = BTreeMap::from([(from, now + INTEREST)]);
        let query = RelayedQuery { asker, request: request.clone(), from, passed_to: BTreeSet::new(), answers };
        self.open.insert(key, query);
        self.sweep.get_or_insert(now + INTEREST);
        Received::New
    }

    /// Ends a neighbour's older query of the same asker for the same target, and returns the answers to it. A neighbour has
    /// one query for each asker and target: the newest.
    fn replace_older(&mut self, new: &Key, asker: &SessionId, from: &SessionId) -> BTreeMap<SessionId, Answer> {
        let is_older =
            |key: &Key, query: &RelayedQuery| key != new && query.asker == *asker && query.from.contains_key(from);
        let older = |(key, query): (&Key, &RelayedQuery)| is_older(key, query).then_some(*key);
        let Some(key) = self.open.range(keys_of(&new.0)).find_map(older) else { return BTreeMap::new() };
        let Some(query) = self.open.get_mut(&key) else { return BTreeMap::new() };
        query.from.remove(from);
        let mut answers = query.answers.clone();
        // A new query may also bring a newer key card, so its answers are passed on again.
        answers.values_mut().for_each(Answer::reset_reports);
        if query.from.is_empty() {
            self.open.remove(&key);
        }
        answers
    }

    /// A query that is held.
    pub fn get(&self, key: &Key) -> Option<&RelayedQuery> {
        self.open.get(key)
    }

    /// The queries for a user.
    pub fn for_target(&self, target: &UserId) -> Vec<Key> {
        self.open.range(keys_of(target)).map(|(key, _)| *key).collect()
    }

    /// The queries of an asker.
    pub fn of_asker(&self, asker: &SessionId) -> Vec<Key> {
        self.open.iter().filter(|(_, query)| query.asker == *asker).map(|(key, _)| *key).collect()
    }

    /// Lets a query be passed to a neighbour again.
    pub fn unpass_to(&mut self, key: &Key, neighbour: &SessionId) {
        if let Some(query) = self.open.get_mut(key) {
            query.passed_to.remove(neighbour);
        }
    }

    /// Records that a query is passed to a neighbour. False if it was before, or came from there.
    pub fn pass(&mut self, key: &Key, to: SessionId) -> bool {
        let Some(query) = self.open.get_mut(key) else { return false };
        !query.from.contains_key(&to) && query.passed_to.insert(to)
    }

    /// Returns the queries that were passed to a neighbour, and lets them be passed to it again.
    pub fn unpass(&mut self, neighbour: &SessionId) -> Vec<Key> {
        let passed = self.open.iter_mut().filter_map(|(key, query)| query.passed_to.remove(neighbour).then_some(*key));
        passed.collect()
    }

    /// Whether a neighbour may answer a query.
    pub fn may_answer(&self, key: &Key, by: &SessionId) -> bool {
        self.open.get(key).is_some_and(|query| query.passed_to.contains(by))
    }

    /// Records a session's declaration in answer to a query. `card` is the `seq` of the key card that comes with it, or 0.
    /// Returns the neighbours to pass it to: none if the declaration is older than the one known, or was passed on before.
    /// While relays disagree on distances, a query may loop, and its answer must not. The answers of sessions that have gone
    /// are kept for the same reason.
    pub fn record_answer(
        &mut self,
        key: &Key,
        declaration: Checked<Declaration>,
        card: u64,
        heard: Moment,
        by: SessionId,
    ) -> Vec<SessionId> {
        let Some(query) = self.open.get_mut(key) else { return Vec::new() };
        let session = declaration.session;
        if !query.answers.contains_key(&session) && query.answers.len() >= MAX_ANSWERS_PER_QUERY {
            return Vec::new();
        }
        let answer = query.answers.entry(session).or_insert_with(|| Answer::new(declaration.clone(), heard));
        if answer.declaration.seq > declaration.seq {
            return Vec::new();
        }
        if answer.declaration.seq < declaration.seq {
            answer.reset_reports();
        }
        if !declaration.online {
            answer.witnesses.clear();
        } else if answer.witnesses.len() < MAX_WITNESSES {
            answer.witnesses.insert(by);
        }
        (answer.declaration, answer.heard) = (declaration, heard);
        if answer.record_report(by, card) { query.from.keys().copied().collect() } else { Vec::new() }
    }

    /// The queries that a session has answered to this node directly.
    pub fn answered_by(&self, target: &UserId, session: &SessionId) -> Vec<Key> {
        let directly =
            |query: &RelayedQuery| query.answers.get(session).is_some_and(|answer| answer.witnesses.contains(session));
        self.open.range(keys_of(target)).filter(|(_, query)| directly(query)).map(|(key, _)| *key).collect()
    }

    /// Withdraws a neighbour's claim that it reaches a session.
    pub fn withdraw(&mut self, user: ShortId, session: ShortId, by: &SessionId) -> Vec<Gone> {
        let (first, last) = UserId::beginning(user.0).into_inner();
        let mut gone = Vec::new();
        for ((target, _), query) in self.open.range_mut((first, 0)..=(last, u64::MAX)) {
            let matches = |id: &&SessionId| id.0[..8] == session.0;
            if let Some(session) = query.answers.keys().find(matches).copied() {
                gone.extend(query.remove_witness(*target, session, by));
            }
        }
        gone
    }

    /// Removes a neighbour that has disconnected: its queries end and its claims are withdrawn. Also returns the targets of
    /// the queries that were passed to it, which are to be passed on again.
    pub fn forget_neighbour(&mut self, neighbour: &SessionId) -> (Vec<Gone>, BTreeSet<UserId>) {
        self.open.retain(|_, query| query.from.remove(neighbour).is_none() || !query.from.is_empty());
        let (mut gone, mut again) = (Vec::new(), BTreeSet::new());
        for ((target, _), query) in self.open.iter_mut().filter(|(_, query)| query.passed_to.contains(neighbour)) {
            query.passed_to.remove(neighbour);
            again.insert(*target);
            for session in query.answers.keys().copied().collect::<Vec<_>>() {
                gone.extend(query.remove_witness(*target, session, neighbour));
            }
        }
        (gone, again)
    }

    /// Withdraws all claims about a user to whom no neighbour is nearer any more, except those of the user's own sessions.
    /// Neighbours may still claim to reach a session, but each may have that from the next, in a circle. The query is passed
    /// to all of them again once one is nearer.
    pub fn lose_route(&mut self, target: &UserId) -> Vec<Gone> {
        let mut gone = Vec::new();
        for ((user, _), query) in self.open.range_mut(keys_of(target)) {
            query.passed_to.retain(|to| query.answers.contains_key(to));
            for session in query.answers.keys().copied().collect::<Vec<_>>() {
                let others: Vec<SessionId> =
                    query.answers[&session].witnesses.iter().filter(|by| **by != session).copied().collect();
                gone.extend(others.iter().filter_map(|by| query.remove_witness(*user, session, by)));
            }
        }
        gone
    }

    /// Removes expired queries.
    pub fn expire(&mut self, now: Moment) {
        if self.sweep.is_some_and(|at| at <= now) {
            for query in self.open.values_mut() {
                query.from.retain(|_, until| *until > now);
            }
            self.open.retain(|_, query| !query.from.is_empty());
            self.sweep = self.open.values().flat_map(|query| query.from.values()).min().copied();
        }
    }

    /// When [`RelayedQueries::expire`] has something to do.
    pub fn next(&self) -> Option<Moment> {
        self.sweep
    }
}

impl RelayedQuery {
    fn receive_again(&mut self, asker: SessionId, from: SessionId, now: Moment) -> Received {
        if self.asker != asker {
            return Received::Refused;
        }
        if self.passed_to.contains(&from) {
            return Received::Loop;
        }
        if self.from.len() >= MAX_WITNESSES && !self.from.contains_key(&from) {
            return Received::Refused;
        }
        self.from.insert(from, now + INTEREST);
        Received::Known
    }

    /// The answers of sessions that are online.
    pub fn answers(&self) -> impl Iterator<Item = &Answer> {
        self.answers.values().filter(|answer| answer.is_live())
    }

    /// Withdraws a neighbour's claim about a session. Returns the session if that was the last claim.
    fn remove_witness(&mut self, user: UserId, session: SessionId, by: &SessionId) -> Option<Gone> {
        let answer = self.answers.get_mut(&session)?;
        answer.reported.remove(by);
        if !answer.witnesses.remove(by) || !answer.witnesses.is_empty() {
            return None;
        }
        Some(Gone { notify: self.from.keys().copied().collect(), user, session })
    }
}

/// The keys of all queries for a user.
fn keys_of(target: &UserId) -> std::ops::RangeInclusive<Key> {
    (*target, 0)..=(*target, u64::MAX)
}

#[cfg(test)]
mod tests;
