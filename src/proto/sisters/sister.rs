//! One sister: what she has, what she lacks, and what is under way to her.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::id::{EnvelopeId, StreamId, UserId};
use crate::identity::seal::{Sealed, fits};
use crate::proto::limits::{
    MIRROR_NUMBERS, MIRROR_WINDOW, NEWS_PAUSE, RESEND_FIRST, SEEK_LONGEST, SHARE_BLOCK, SHARED_FROM, TAKE_OVER,
};
use crate::proto::peer::Peer;
use crate::proto::ranges::{Numbers, Ranges};
use crate::time::Moment;
use crate::wire::chat::Release;
use crate::wire::control::Compare;

/// How far the comparison with a sister is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// She is not connected.
    Away,
    /// She is connected and has not said yet what she holds.
    Comparing,
    /// What she lacks is known.
    Ready,
}

/// What is known of a sister.
#[derive(Debug)]
pub struct Sister {
    pub phase: Phase,
    has: BTreeMap<StreamId, Ranges>,
    /// What she lacks and is not under way, the newest streams first.
    lacks: BTreeMap<(Reverse<u32>, StreamId), Ranges>,
    /// The numbers that the store was asked for.
    fetch: Option<Numbers>,
    flights: BTreeMap<EnvelopeId, Flight>,
    /// The numbers of the changes of which she has been told (`changes`).
    pub told: Ranges,
    /// Users whose roster she was sent on this connection.
    pub introduced: BTreeSet<UserId>,
    /// Numbers that this session has taken from others and that she has not been told of.
    news: BTreeMap<StreamId, Ranges>,
    news_at: Option<Moment>,
    due: Option<Moment>,
    resend: Moment,
    pause: Duration,
    /// When the shares of others are given to her, too.
    takes_over_at: Option<Moment>,
    /// A comparison that came too soon after others, on this connection, and when it is answered.
    deferred: Option<(Moment, Peer, Compare)>,
}

/// A mirror on its way over a connection.
#[derive(Debug)]
pub struct Flight {
    lock: [u8; 32],
    /// The numbers of lines in it.
    pub load: Numbers,
    /// The changes in it.
    pub changes: Ranges,
}

impl Sister {
    /// A sister of whom this is known to be stored: the numbers of lines that she has, and the changes of which she has been told.
    pub fn new(has: Numbers, told: Ranges) -> Sister {
        Sister {
            phase: Phase::Away,
            has: has.into_iter().collect(),
            lacks: BTreeMap::new(),
            fetch: None,
            flights: BTreeMap::new(),
            told,
            introduced: BTreeSet::new(),
            news: BTreeMap::new(),
            news_at: None,
            due: None,
            resend: Moment(0),
            pause: RESEND_FIRST,
            takes_over_at: None,
            deferred: None,
        }
    }

    /// What she has of a stream.
    pub fn has(&self, stream: &StreamId) -> Ranges {
        self.has.get(stream).cloned().unwrap_or_default()
    }

    /// Forgets what she has of a stream, since her own statement follows.
    pub fn reset(&mut self, stream: &StreamId) {
        self.has.remove(stream);
    }

    /// Records numbers that she has. Returns all she has of the stream, if some are new.
    pub fn record_has(&mut self, stream: StreamId, order: u32, ranges: &Ranges) -> Option<Ranges> {
        let has = self.has.entry(stream).or_default();
        let news = has.merge(ranges).then(|| has.clone());
        let key = (Reverse(order), stream);
        if let Some(lacks) = self.lacks.get_mut(&key) {
            lacks.remove(ranges);
            if lacks.is_empty() {
                self.lacks.remove(&key);
            }
        }
        news
    }

    /// Derives anew what she lacks of a stream of which `held` is held here.
    pub fn derive(&mut self, stream: StreamId, order: u32, held: &Ranges) {
        let mut lacks = held.without(&self.has(&stream));
        let under_way = self.flights.values().flat_map(|flight| &flight.load).chain(self.fetch.iter().flatten());
        under_way.filter(|(of, _)| *of == stream).for_each(|(_, ranges)| lacks.remove(ranges));
        if lacks.is_empty() {
            self.lacks.remove(&(Reverse(order), stream));
        } else {
            self.lacks.insert((Reverse(order), stream), lacks);
        }
    }

    /// Records numbers that this session holds from now on, or that were under way and are lost.
    pub fn add_lacking(&mut self, stream: StreamId, order: u32, ranges: &Ranges) -> bool {
        let new = ranges.without(&self.has(&stream));
        if new.is_empty() {
            return false;
        }
        self.lacks.entry((Reverse(order), stream)).or_default().merge(&new);
        true
    }

    /// Removes numbers that are under way as mail.
    pub fn set_under_way(&mut self, stream: StreamId, order: u32, ranges: &Ranges) {
        let key = (Reverse(order), stream);
        if let Some(lacks) = self.lacks.get_mut(&key) {
            lacks.remove(ranges);
            if lacks.is_empty() {
                self.lacks.remove(&key);
            }
        }
    }

    /// Records that numbers she may have are withdrawn: she lacks that news, also if the lines are on their way. Returns what
    /// else she has of the stream, if she had them.
    pub fn withdraw(&mut self, stream: StreamId, order: u32, numbers: &Ranges) -> Option<Ranges> {
        let under_way =
            self.flights.values_mut().flat_map(|flight| &mut flight.load).chain(self.fetch.iter_mut().flatten());
        under_way.filter(|(of, _)| *of == stream).for_each(|(_, ranges)| ranges.remove(numbers));
        self.lacks.entry((Reverse(order), stream)).or_default().merge(numbers);
        let has = self.has.get_mut(&stream)?;
        let before = has.count();
        has.remove(numbers);
        (has.count() < before).then(|| has.clone())
    }

    /// Whether she lacks anything that is not under way.
    pub fn lacks_lines(&self) -> bool {
        !self.lacks.is_empty()
    }

    /// Whether everything that she has is in `held`.
    pub fn has_only(&self, held: impl Fn(&StreamId) -> Ranges) -> bool {
        self.has.iter().all(|(stream, has)| has.without(&held(stream)).is_empty())
    }

    /// Whether she lacks lines, and so few are under way that more may be read from the store.
    pub fn may_fetch(&self) -> bool {
        self.fetch.is_none() && self.flights.len() <= MIRROR_WINDOW / 2 && !self.lacks.is_empty()
    }

    /// Whether she lacks so much that those who have it divide it among themselves.
    pub fn is_far_behind(&self) -> bool {
        let mut left = SHARED_FROM;
        self.lacks.values().any(|ranges| {
            let count = ranges.count();
            let exceeds = count > left;
            left = left.saturating_sub(count);
            exceeds
        })
    }

    /// The newest numbers that she lacks, at most [`MIRROR_NUMBERS`], of those blocks that fit.
    pub fn newest_lacking(&self, fits: impl Fn(&StreamId, u64, &Ranges) -> bool) -> Numbers {
        let (mut wanted, mut left) = (Numbers::new(), MIRROR_NUMBERS);
        for ((_, stream), lacks) in &self.lacks {
            let mut of_stream = Ranges::new();
            let fitting = lacks.blocks(SHARE_BLOCK).filter(|(block, ranges)| fits(stream, *block, ranges));
            for (_, mut ranges) in fitting {
                let taken = ranges.take_highest(left);
                left -= taken.count().min(left);
                of_stream.merge(&taken);
                if left == 0 {
                    break;
                }
            }
            wanted.extend((!of_stream.is_empty()).then_some((*stream, of_stream)));
            if left == 0 {
                break;
            }
        }
        wanted
    }

    /// Takes numbers that are read from the store.
    pub fn record_fetch(&mut self, wanted: Numbers) {
        self.lacks.retain(|(_, stream), lacks| {
            wanted.iter().filter(|(of, _)| of == stream).for_each(|(_, ranges)| lacks.remove(ranges));
            !lacks.is_empty()
        });
        self.fetch = Some(wanted);
    }

    /// Whether what she lacks is given to her whoever else has it: the others had [`TAKE_OVER`] for their shares since this session
    /// had nothing left of its own. Begins to wait otherwise.
    pub fn takes_over(&mut self, now: Moment) -> bool {
        let at = *self.takes_over_at.get_or_insert(now + TAKE_OVER);
        if at > now {
            self.want(at);
        }
        at <= now
    }

    /// Ends a read from the store. Returns the numbers that were asked for.
    pub fn take_fetch(&mut self) -> Numbers {
        self.fetch.take().unwrap_or_default()
    }

    /// The changes in each mirror on its way over the connection.
    pub fn changes_in_flight(&self) -> impl Iterator<Item = &Ranges> {
        self.flights.values().map(|flight| &flight.changes)
    }

    /// Records a mirror on its way over the connection.
    pub fn record_sent(&mut self, sealed: &Sealed, load: Numbers, changes: Ranges, now: Moment) {
        if self.flights.is_empty() {
            self.resend = now + self.pause;
        }
        self.flights.insert(sealed.id, Flight { lock: sealed.lock, load, changes });
    }

    /// Whether an envelope is on its way over the connection.
    pub fn is_in_flight(&self, envelope: &EnvelopeId) -> bool {
        self.flights.contains_key(envelope)
    }

    /// Records her release of a mirror. Returns what was in it.
    pub fn record_release(&mut self, release: &Release, now: Moment) -> Option<Flight> {
        self.flights.get(&release.envelope).filter(|flight| fits(&flight.lock, &release.r.0))?;
        self.pause = RESEND_FIRST;
        self.resend = now + self.pause;
        self.want(now);
        self.flights.remove(&release.envelope)
    }

    /// Ends the flight of an envelope that she cannot open. Returns the numbers in it.
    pub fn record_unopenable(&mut self, envelope: &EnvelopeId) -> Option<Numbers> {
        self.introduced.clear();
        self.flights.remove(envelope).map(|flight| flight.load)
    }

    /// Ends all flights: the connection is lost, or nothing was answered. Returns the numbers in them.
    pub fn end_flights(&mut self) -> Vec<Numbers> {
        self.introduced.clear();
        std::mem::take(&mut self.flights).into_values().map(|flight| flight.load).collect()
    }

    /// Whether mirrors on their way over the connection are overdue. Then the pause is doubled.
    pub fn take_overdue(&mut self, now: Moment) -> bool {
        let overdue = !self.flights.is_empty() && self.resend <= now;
        if overdue {
            self.pause = (self.pause * 2).min(SEEK_LONGEST);
            self.resend = now + self.pause;
        }
        overdue
    }

    /// Records a number taken from others, of which she is told after [`NEWS_PAUSE`].
    pub fn note_news(&mut self, stream: StreamId, ranges: &Ranges, now: Moment) {
        if self.phase != Phase::Away {
            self.news.entry(stream).or_default().merge(ranges);
            self.news_at.get_or_insert(now + NEWS_PAUSE);
        }
    }

    /// Takes the numbers to tell her of, if that is due.
    pub fn take_news(&mut self, now: Moment) -> Numbers {
        if self.news_at.is_none_or(|at| at > now) {
            return Numbers::new();
        }
        self.news_at = None;
        std::mem::take(&mut self.news).into_iter().collect()
    }

    /// She is connected: a comparison begins.
    pub fn connected(&mut self) {
        self.phase = Phase::Comparing;
        self.introduced.clear();
        self.pause = RESEND_FIRST;
        self.takes_over_at = None;
    }

    /// She is not connected any more.
    pub fn disconnected(&mut self, now: Moment) {
        self.phase = Phase::Away;
        self.news.clear();
        self.news_at = None;
        self.deferred = None;
        self.want(now);
    }

    /// Keeps a comparison of hers to be answered later. True if it takes the place of another one.
    pub fn defer(&mut self, peer: Peer, compare: Compare, at: Moment) -> bool {
        let at = self.deferred.as_ref().map_or(at, |(earlier, ..)| *earlier);
        self.deferred.replace((at, peer, compare)).is_some()
    }

    /// Takes a comparison that is to be answered now.
    pub fn take_deferred(&mut self, now: Moment) -> Option<(Peer, Compare)> {
        let (_, peer, compare) = self.deferred.take_if(|(at, ..)| *at <= now)?;
        Some((peer, compare))
    }

    /// What she lacks is looked at, now or at a later moment.
    pub fn want(&mut self, at: Moment) {
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }

    /// Whether she is to be looked at now.
    pub fn take_due(&mut self, now: Moment) -> bool {
        let due = self.due.is_some_and(|at| at <= now);
        if due {
            self.due = None;
        }
        due
    }

    /// When something is due.
    pub fn next(&self) -> Option<Moment> {
        let resend = (!self.flights.is_empty()).then_some(self.resend);
        let deferred = self.deferred.as_ref().map(|(at, ..)| *at);
        [self.due, self.news_at, resend, deferred].into_iter().flatten().min()
    }
}
