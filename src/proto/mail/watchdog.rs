//! The watchdog: whether mail arrives by the carriers that took it (the name and the idea are from Marti, Giuli, Lai and
//! Baker, "Mitigating routing misbehavior in mobile ad hoc networks", 2000). Anybody may claim to be near somebody and drop
//! what it is given.
//!
//! While somebody says that an addressee is near, whoever holds mail to them is to show releases. A neighbour that has shown
//! none of the oldest it took for [`WATCH`] is doubted about this addressee for [`DOUBT`], or until it shows one. So is, at
//! once, whoever says to be nearer than I am and yet hands me the mail: it has its own doubts. Who is doubted keeps what it
//! has and is given more, for it may only be slow; but another carrier is given the same mail as well, if need be one that
//! knows of no way. A lie costs time and copies, and no mail.
//!
//! Nobody hides a lie behind mail to a crowd: at [`MAX_WATCHED_WAYS`] the neighbour that has most of the ways is distrusted,
//! that is doubted about everybody, for [`DOUBT`]. Its ways need not be watched then and make room for others.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::id::{Address, EnvelopeId, SessionId};
use crate::proto::limits::{DOUBT, MAX_DISTRUSTED, MAX_WATCHED_MAIL, MAX_WATCHED_WAYS, WATCH};
use crate::time::Moment;

/// Not every way is looked at more often than this.
const LOOK: Duration = Duration::from_secs(1);

/// Mail to one user by one neighbour.
#[derive(Debug)]
struct Way {
    /// What it took, oldest first, at most [`MAX_WATCHED_MAIL`]: the oldest stand for the rest.
    taken: VecDeque<(Moment, EnvelopeId)>,
    /// When the oldest of what it took was released by it.
    progress: Moment,
    /// Until then.
    doubted: Option<Moment>,
}

impl Way {
    fn deadline(&self) -> Option<Moment> {
        let oldest = self.taken.front().map(|(at, _)| self.progress.max(*at) + WATCH);
        self.doubted.or(oldest)
    }
}

#[derive(Debug, Default)]
pub struct Watchdog {
    ways: BTreeMap<(Address, SessionId), Way>,
    /// Who is doubted about everybody, until then.
    distrusted: BTreeMap<SessionId, Moment>,
    /// Ways that were given up with mail under way, when their neighbour came to be distrusted.
    given_up: Vec<(Address, SessionId)>,
    /// No deadline is before.
    look: Option<Moment>,
}

impl Watchdog {
    /// A neighbour has an envelope to a user who is said to be near.
    pub fn took(&mut self, to: Address, by: SessionId, envelope: EnvelopeId, now: Moment) {
        let Some(way) = self.way(to, by, now) else { return };
        let known = way.taken.iter().any(|(_, id)| *id == envelope);
        if !known && way.doubted.is_none() && way.taken.len() < MAX_WATCHED_MAIL {
            way.taken.push_back((now, envelope));
            self.look_at(now + WATCH);
        }
    }

    /// A neighbour is doubted from now on.
    pub fn doubt(&mut self, to: Address, by: SessionId, now: Moment) {
        let Some(way) = self.way(to, by, now) else { return };
        way.taken.clear();
        way.doubted = Some(now + DOUBT);
        self.look_at(now + DOUBT);
    }

    /// None if the neighbour is distrusted anyway.
    fn way(&mut self, to: Address, by: SessionId, now: Moment) -> Option<&mut Way> {
        if self.ways.len() >= MAX_WATCHED_WAYS && !self.ways.contains_key(&(to, by)) {
            self.distrust_the_greatest(now);
        }
        if self.distrusts(&by) {
            return None;
        }
        let new = || Way { taken: VecDeque::new(), progress: now, doubted: None };
        Some(self.ways.entry((to, by)).or_insert_with(new))
    }

    fn distrust_the_greatest(&mut self, now: Moment) {
        let mut ways_by: BTreeMap<SessionId, usize> = BTreeMap::new();
        self.ways.keys().for_each(|(_, by)| *ways_by.entry(*by).or_default() += 1);
        let Some((greatest, _)) = ways_by.into_iter().max_by_key(|(_, ways)| *ways) else { return };
        if self.distrusted.len() >= MAX_DISTRUSTED {
            let oldest = self.distrusted.iter().min_by_key(|(_, until)| **until).map(|(session, _)| *session);
            oldest.map(|session| self.distrusted.remove(&session));
        }
        self.distrusted.insert(greatest, now + DOUBT);
        let given_up = self.ways.extract_if(.., |(_, by), _| *by == greatest);
        let under_way = given_up.filter(|(_, way)| !way.taken.is_empty());
        self.given_up.extend(under_way.map(|(way, _)| way));
        self.look_at(now);
    }

    fn look_at(&mut self, at: Moment) {
        self.look = Some(self.look.map_or(at, |look| look.min(at)));
    }

    /// An envelope to a user was opened, or came back with the word that it cannot be. Who showed it is believed.
    pub fn arrived(&mut self, to: Address, envelope: &EnvelopeId, by: Option<SessionId>, now: Moment) {
        for ((_, session), way) in self.ways_to(to) {
            let place = way.taken.iter().position(|(_, id)| id == envelope);
            place.map(|place| way.taken.remove(place));
            if Some(*session) == by {
                way.doubted = None;
                way.progress = if place == Some(0) { now } else { way.progress };
            }
        }
    }

    fn ways_to(&mut self, to: Address) -> impl Iterator<Item = (&(Address, SessionId), &mut Way)> {
        self.ways.range_mut((to, SessionId([0; 32]))..=(to, SessionId([255; 32])))
    }

    /// Whether any way to a user is doubted.
    pub fn doubts(&self, to: &Address) -> bool {
        let mut ways = self.ways.range((*to, SessionId([0; 32]))..=(*to, SessionId([255; 32])));
        ways.any(|(_, way)| way.doubted.is_some())
    }

    pub fn is_doubted(&self, to: &Address, by: &SessionId) -> bool {
        self.distrusts(by) || self.ways.get(&(*to, *by)).is_some_and(|way| way.doubted.is_some())
    }

    /// Whether a neighbour is doubted about everybody.
    pub fn distrusts(&self, by: &SessionId) -> bool {
        self.distrusted.contains_key(by)
    }

    /// Who is doubted about everybody.
    pub fn distrusted(&self) -> impl Iterator<Item = &SessionId> {
        self.distrusted.keys()
    }

    /// A neighbour is gone. What was doubted about it stays so.
    pub fn forget(&mut self, by: &SessionId) {
        self.ways.retain(|(_, session), way| {
            if session == by {
                way.taken.clear();
            }
            session != by || way.doubted.is_some()
        });
    }

    /// Ways by which something has not arrived that is still held. They start anew, unless they are doubted now.
    pub fn overdue(&mut self, now: Moment, is_held: impl Fn(&EnvelopeId) -> bool) -> Vec<(Address, SessionId)> {
        if self.look.is_none_or(|look| look > now) {
            return Vec::new();
        }
        self.distrusted.retain(|_, until| *until > now);
        let mut late = std::mem::take(&mut self.given_up);
        for (way, watched) in &mut self.ways {
            watched.doubted = watched.doubted.filter(|until| *until > now);
            while watched.taken.front().is_some_and(|(_, id)| !is_held(id)) {
                watched.taken.pop_front();
            }
            if watched.doubted.is_none() && watched.deadline().is_some_and(|deadline| deadline <= now) {
                watched.taken.clear();
                late.push(*way);
            }
        }
        self.ways.retain(|_, way| way.deadline().is_some());
        let deadlines = self.ways.values().filter_map(Way::deadline).chain(self.distrusted.values().copied());
        self.look = deadlines.min().map(|first| first.max(now + LOOK));
        late
    }

    pub fn next(&self) -> Option<Moment> {
        self.look
    }
}
