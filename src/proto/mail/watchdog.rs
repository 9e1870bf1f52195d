//! The watchdog: checks whether mail arrives through the carriers that took it. The name and the idea are from Marti, Giuli,
//! Lai and Baker, "Mitigating routing misbehavior in mobile ad hoc networks", 2000. Any node can claim to be near a user and
//! drop the mail it is given.
//!
//! While an addressee is claimed to be near, the neighbours that hold mail to it are expected to show releases. A neighbour
//! that has not shown the release of the oldest mail it took for [`WATCH`] is doubted about this addressee, for [`DOUBT`] or
//! until it shows one. A neighbour that claims to be nearer and yet hands the mail to this node is doubted at once, since it
//! doubts the other path itself. A doubted neighbour keeps its mail and is given more, since it may only be slow; but another
//! carrier gets the same mail as well, if necessary one that knows no route. A false claim costs time and copies, but no mail.
//!
//! Mail to many addressees does not hide a false claim: at [`MAX_WATCHED_WAYS`] paths, the neighbour with the most paths is
//! distrusted, that is, doubted about all addressees, for [`DOUBT`]. Its paths need not be watched any more.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::id::{Address, EnvelopeId, SessionId};
use crate::proto::limits::{DOUBT, MAX_DISTRUSTED, MAX_WATCHED_MAIL, MAX_WATCHED_WAYS, WATCH};
use crate::time::Moment;

/// The shortest pause between two checks of all paths.
const CHECK_PAUSE: Duration = Duration::from_secs(1);

/// Mail to one user through one neighbour.
#[derive(Debug)]
struct Path {
    /// The mail it took, oldest first, at most [`MAX_WATCHED_MAIL`]: the oldest represents the rest.
    taken: VecDeque<(Moment, EnvelopeId)>,
    /// When it last showed the release of its oldest mail.
    progress: Moment,
    /// The end of the doubt.
    doubted: Option<Moment>,
}

impl Path {
    fn deadline(&self) -> Option<Moment> {
        let oldest = self.taken.front().map(|(at, _)| self.progress.max(*at) + WATCH);
        self.doubted.or(oldest)
    }
}

/// The paths that are watched, and the neighbours that are distrusted.
#[derive(Debug, Default)]
pub struct Watchdog {
    paths: BTreeMap<(Address, SessionId), Path>,
    /// Neighbours that are doubted about all addressees, until this time; at most [`MAX_DISTRUSTED`].
    distrusted: BTreeMap<SessionId, Moment>,
    /// Paths with mail under way that ended when their neighbour became distrusted.
    given_up: Vec<(Address, SessionId)>,
    /// No deadline is earlier.
    next_check: Option<Moment>,
}

impl Watchdog {
    /// Records that a neighbour has an envelope to a user who is claimed to be near.
    pub fn record_taken(&mut self, to: Address, by: SessionId, envelope: EnvelopeId, now: Moment) {
        let Some(path) = self.path(to, by, now) else { return };
        let known = path.taken.iter().any(|(_, id)| *id == envelope);
        if !known && path.doubted.is_none() && path.taken.len() < MAX_WATCHED_MAIL {
            path.taken.push_back((now, envelope));
            self.check_at(now + WATCH);
        }
    }

    /// Doubts a neighbour about a user for [`DOUBT`].
    pub fn doubt(&mut self, to: Address, by: SessionId, now: Moment) {
        let Some(path) = self.path(to, by, now) else { return };
        path.taken.clear();
        path.doubted = Some(now + DOUBT);
        self.check_at(now + DOUBT);
    }

    /// The path through a neighbour; `None` if the neighbour is distrusted.
    fn path(&mut self, to: Address, by: SessionId, now: Moment) -> Option<&mut Path> {
        if self.paths.len() >= MAX_WATCHED_WAYS && !self.paths.contains_key(&(to, by)) {
            self.distrust_largest(now);
        }
        if self.distrusts(&by) {
            return None;
        }
        let new = || Path { taken: VecDeque::new(), progress: now, doubted: None };
        Some(self.paths.entry((to, by)).or_insert_with(new))
    }

    /// Distrusts the neighbour with the most paths.
    fn distrust_largest(&mut self, now: Moment) {
        let mut paths_by: BTreeMap<SessionId, usize> = BTreeMap::new();
        self.paths.keys().for_each(|(_, by)| *paths_by.entry(*by).or_default() += 1);
        let Some((greatest, _)) = paths_by.into_iter().max_by_key(|(_, paths)| *paths) else { return };
        if self.distrusted.len() >= MAX_DISTRUSTED {
            let oldest = self.distrusted.iter().min_by_key(|(_, until)| **until).map(|(session, _)| *session);
            oldest.map(|session| self.distrusted.remove(&session));
        }
        self.distrusted.insert(greatest, now + DOUBT);
        let given_up = self.paths.extract_if(.., |(_, by), _| *by == greatest);
        let under_way = given_up.filter(|(_, path)| !path.taken.is_empty());
        self.given_up.extend(under_way.map(|(path, _)| path));
        self.check_at(now);
    }

    fn check_at(&mut self, at: Moment) {
        self.next_check = Some(self.next_check.map_or(at, |next| next.min(at)));
    }

    /// Records that an envelope to a user was opened, or was reported as unopenable. The neighbour that showed it is not
    /// doubted any more.
    pub fn record_arrival(&mut self, to: Address, envelope: &EnvelopeId, by: Option<SessionId>, now: Moment) {
        for ((_, session), path) in self.paths_to(to) {
            let place = path.taken.iter().position(|(_, id)| id == envelope);
            place.map(|place| path.taken.remove(place));
            if Some(*session) == by {
                path.doubted = None;
                path.progress = if place == Some(0) { now } else { path.progress };
            }
        }
    }

    fn paths_to(&mut self, to: Address) -> impl Iterator<Item = (&(Address, SessionId), &mut Path)> {
        self.paths.range_mut((to, SessionId([0; 32]))..=(to, SessionId([255; 32])))
    }

    /// Whether any path to a user is doubted.
    pub fn doubts(&self, to: &Address) -> bool {
        let mut paths = self.paths.range((*to, SessionId([0; 32]))..=(*to, SessionId([255; 32])));
        paths.any(|(_, path)| path.doubted.is_some())
    }

    /// Whether a neighbour is doubted about a user.
    pub fn is_doubted(&self, to: &Address, by: &SessionId) -> bool {
        self.distrusts(by) || self.paths.get(&(*to, *by)).is_some_and(|path| path.doubted.is_some())
    }

    /// Whether a neighbour is doubted about all addressees.
    pub fn distrusts(&self, by: &SessionId) -> bool {
        self.distrusted.contains_key(by)
    }

    /// The neighbours that are doubted about all addressees.
    pub fn distrusted(&self) -> impl Iterator<Item = &SessionId> {
        self.distrusted.keys()
    }

    /// Stops watching a neighbour that has disconnected. Doubts about it stay.
    pub fn forget_neighbour(&mut self, by: &SessionId) {
        self.paths.retain(|(_, session), path| {
            if session == by {
                path.taken.clear();
            }
            session != by || path.doubted.is_some()
        });
    }

    /// Takes the paths on which mail that is still held has not arrived in time. `is_held` says whether an envelope is held.
    pub fn take_overdue(&mut self, now: Moment, is_held: impl Fn(&EnvelopeId) -> bool) -> Vec<(Address, SessionId)> {
        if self.next_check.is_none_or(|next| next > now) {
            return Vec::new();
        }
        self.distrusted.retain(|_, until| *until > now);
        let mut late = std::mem::take(&mut self.given_up);
        for (path, watched) in &mut self.paths {
            watched.doubted = watched.doubted.filter(|until| *until > now);
            while watched.taken.front().is_some_and(|(_, id)| !is_held(id)) {
                watched.taken.pop_front();
            }
            if watched.doubted.is_none() && watched.deadline().is_some_and(|deadline| deadline <= now) {
                watched.taken.clear();
                late.push(*path);
            }
        }
        self.paths.retain(|_, path| path.deadline().is_some());
        let deadlines = self.paths.values().filter_map(Path::deadline).chain(self.distrusted.values().copied());
        self.next_check = deadlines.min().map(|first| first.max(now + CHECK_PAUSE));
        late
    }

    /// When [`Watchdog::take_overdue`] is due.
    pub fn next(&self) -> Option<Moment> {
        self.next_check
    }
}
