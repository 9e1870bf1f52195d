//! The directory: a distance vector that says how many relays away each user is. The distance is 0 for a user with a session
//! connected here, and otherwise one more than the smallest that a neighbouring relay or server has announced. A route through
//! a neighbour is announced to that neighbour as unreachable (split horizon with poisoned reverse), so two relays never form a
//! loop. In longer loops the distance counts up to [`UNREACHABLE`] and stops there.
//!
//! Each session of a user who has several is a destination of its own: the distance of the user leads to the nearest of them,
//! and mail to another one would go no further than the relay that has the nearest.
//!
//! Changes are announced together after [`ANNOUNCE_PAUSE`], at most [`ANNOUNCED_AT_ONCE`] at a time. Announcements are accepted
//! at the rate at which an honest relay sends them.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::SessionId;
use crate::proto::limits::{ANNOUNCE_PAUSE, ANNOUNCED_AT_ONCE, MAX_ANNOUNCED, MAX_ANNOUNCED_PER_NEIGHBOUR};
use crate::time::Moment;
use crate::wire::control::ShortId;

/// The distance of a user that cannot be reached: the hop limit of queries is no larger.
pub const UNREACHABLE: u8 = 16;

/// What has a distance: a user, or one session of a user who has several. A user sorts before their sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Destination {
    pub user: ShortId,
    /// `None` for the nearest session of the user.
    pub session: Option<ShortId>,
}

impl From<ShortId> for Destination {
    fn from(user: ShortId) -> Destination {
        Destination { user, session: None }
    }
}

/// Distances by destination, at most [`MAX_ANNOUNCED`] destinations and [`MAX_ANNOUNCED_PER_NEIGHBOUR`] of each neighbour.
#[derive(Debug, Default)]
pub struct Directory {
    /// Sessions that are connected here, and their users.
    here: BTreeSet<Destination>,
    /// For each destination, the neighbours that have announced it and their distance; always below [`UNREACHABLE`].
    announced: BTreeMap<Destination, BTreeMap<SessionId, u8>>,
    /// The number of destinations that each neighbour has announced.
    of_neighbour: BTreeMap<SessionId, usize>,
    /// Destinations whose route has changed, with the route announced before.
    changed: BTreeMap<Destination, Route>,
    /// When changes are announced next.
    due: Option<Moment>,
}

/// The distance to a destination, and the neighbours on the shortest paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    distance: u8,
    through: Vec<SessionId>,
}

impl Route {
    /// The distance to announce to a neighbour: unreachable if the route goes through it.
    pub fn distance_for(&self, neighbour: SessionId) -> u8 {
        if self.through.contains(&neighbour) { UNREACHABLE } else { self.distance }
    }
}

/// The result of [`Directory::announce`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Announced {
    /// The destination is new, or nearer than the neighbour announced before.
    Nearer,
    /// The announcement is recorded; the destination is not nearer.
    Recorded,
    /// A bound on the number of destinations is reached.
    Refused,
}

impl Directory {
    /// Records whether a destination is here: the session, or one of the user, is connected.
    pub fn set_here(&mut self, to: Destination, here: bool, now: Moment) {
        self.change(to, now, |directory| {
            if here {
                directory.here.insert(to)
            } else {
                directory.here.remove(&to)
            };
        });
    }

    /// Records the distance of a destination from a neighbour, as the neighbour announces it.
    pub fn announce(&mut self, to: Destination, by: SessionId, distance: u8, now: Moment) -> Announced {
        let before = self.announced.get(&to).and_then(|all| all.get(&by)).copied();
        if distance >= UNREACHABLE {
            self.change(to, now, |directory| directory.withdraw(&to, &by));
            return Announced::Recorded;
        }
        let of_neighbour = self.of_neighbour.get(&by).copied().unwrap_or(0);
        let is_full = of_neighbour >= MAX_ANNOUNCED_PER_NEIGHBOUR
            || (self.announced.len() >= MAX_ANNOUNCED && !self.announced.contains_key(&to));
        if before.is_none() && is_full {
            return Announced::Refused;
        }
        self.change(to, now, |directory| {
            directory.announced.entry(to).or_default().insert(by, distance);
        });
        if before.is_none() {
            *self.of_neighbour.entry(by).or_default() += 1;
        }
        if before.is_none_or(|before| distance < before) { Announced::Nearer } else { Announced::Recorded }
    }

    fn withdraw(&mut self, to: &Destination, by: &SessionId) {
        let Some(all) = self.announced.get_mut(to) else { return };
        if all.remove(by).is_none() {
            return;
        }
        if all.is_empty() {
            self.announced.remove(to);
        }
        if let Some(count) = self.of_neighbour.get_mut(by) {
            *count -= 1;
        }
    }

    /// Withdraws everything that a neighbour has announced, since it has disconnected.
    pub fn forget_neighbour(&mut self, by: SessionId, now: Moment) {
        if self.of_neighbour.remove(&by).is_none_or(|count| count == 0) {
            return;
        }
        let of_it = |(to, all): (&Destination, &BTreeMap<SessionId, u8>)| all.contains_key(&by).then_some(*to);
        for to in self.announced.iter().filter_map(of_it).collect::<Vec<_>>() {
            self.change(to, now, |directory| directory.withdraw(&to, &by));
        }
    }

    /// Applies a change to the entries of a destination and keeps the route that was announced before.
    fn change(&mut self, to: Destination, now: Moment, apply: impl FnOnce(&mut Directory)) {
        let before = self.route(&to);
        apply(self);
        if self.route(&to) != before {
            self.changed.entry(to).or_insert(before);
            self.due.get_or_insert(now + ANNOUNCE_PAUSE);
        }
    }

    /// Schedules another announcement of a destination, if it is reachable.
    pub fn announce_again(&mut self, to: Destination, now: Moment) {
        if self.route(&to).distance < UNREACHABLE {
            self.changed.insert(to, Route { distance: UNREACHABLE, through: Vec::new() });
            self.due.get_or_insert(now + ANNOUNCE_PAUSE);
        }
    }

    /// The shortest route to a destination.
    pub fn route(&self, to: &Destination) -> Route {
        if self.here.contains(to) {
            return Route { distance: 0, through: Vec::new() };
        }
        let Some(all) = self.announced.get(to) else {
            return Route { distance: UNREACHABLE, through: Vec::new() };
        };
        let nearest = all.values().min().copied().unwrap_or(UNREACHABLE);
        let through =
            all.iter().filter(|(_, distance)| **distance == nearest).map(|(neighbour, _)| *neighbour).collect();
        Route { distance: (nearest + 1).min(UNREACHABLE), through }
    }

    /// The neighbours that are nearer to a destination than this node, nearest first.
    pub fn nearer(&self, to: &Destination) -> Vec<SessionId> {
        let own = self.route(to).distance;
        let all = self.announced.get(to).into_iter().flatten();
        let mut nearer: Vec<(u8, SessionId)> =
            all.filter(|(_, distance)| **distance < own).map(|(neighbour, distance)| (*distance, *neighbour)).collect();
        nearer.sort();
        nearer.into_iter().map(|(_, neighbour)| neighbour).collect()
    }

    /// The distance of a destination from a neighbour, as the neighbour has announced it.
    pub fn distance_by(&self, neighbour: &SessionId, to: &Destination) -> u8 {
        self.announced.get(to).and_then(|all| all.get(neighbour)).copied().unwrap_or(UNREACHABLE)
    }

    /// Whether a destination is here or was announced by a neighbour.
    pub fn is_reachable(&self, to: &Destination) -> bool {
        self.here.contains(to) || self.announced.contains_key(to)
    }

    /// Takes the changes to be announced now, each with the route announced before.
    pub fn take_due(&mut self, now: Moment) -> Vec<(Destination, Route)> {
        if self.due.is_none_or(|due| due > now) {
            return Vec::new();
        }
        let mut due = Vec::new();
        while due.len() < ANNOUNCED_AT_ONCE {
            let Some((to, before)) = self.changed.pop_first() else { break };
            if self.route(&to) != before {
                due.push((to, before));
            }
        }
        self.due = (!self.changed.is_empty()).then(|| now + ANNOUNCE_PAUSE);
        due
    }

    /// When [`Directory::take_due`] has something to return.
    pub fn next(&self) -> Option<Moment> {
        self.due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::codec::Fixed;

    const BOB: Destination = Destination { user: Fixed([2; 8]), session: None };
    const NOW: Moment = Moment(0);
    const LATER: Moment = Moment(10_000);

    fn by(n: u8) -> SessionId {
        SessionId([n; 32])
    }

    fn user(n: usize) -> Destination {
        Destination::from(Fixed((n as u64).to_be_bytes()))
    }

    #[test]
    fn a_user_is_one_relay_further_than_the_nearest_announcement() {
        let mut directory = Directory::default();
        assert_eq!(directory.announce(BOB, by(1), 3, NOW), Announced::Nearer);
        assert_eq!(directory.announce(BOB, by(2), 5, NOW), Announced::Nearer);
        assert_eq!(directory.announce(BOB, by(2), 6, NOW), Announced::Recorded);
        assert_eq!((directory.route(&BOB).distance, directory.nearer(&BOB)), (4, vec![by(1)]));
        assert_eq!(
            directory.route(&BOB).distance_for(by(1)),
            UNREACHABLE,
            "a route is not announced to the neighbour it goes through"
        );
        assert_eq!(directory.route(&BOB).distance_for(by(2)), 4);
        directory.set_here(BOB, true, NOW);
        assert_eq!((directory.route(&BOB).distance, directory.nearer(&BOB)), (0, vec![]));
        assert_eq!(directory.route(&BOB).distance_for(by(1)), 0);
    }

    #[test]
    fn the_announcements_of_a_neighbour_end_with_its_connection() {
        let mut directory = Directory::default();
        directory.announce(BOB, by(1), 0, NOW);
        directory.announce(BOB, by(2), 4, NOW);
        directory.forget_neighbour(by(1), NOW);
        assert_eq!(directory.nearer(&BOB), [by(2)]);
        directory.announce(BOB, by(2), UNREACHABLE, NOW);
        assert_eq!(directory.route(&BOB).distance, UNREACHABLE);
        assert!(directory.announced.is_empty() && directory.of_neighbour.values().all(|count| *count == 0));
    }

    #[test]
    fn changes_are_announced_together_after_a_pause_and_reverted_changes_are_not() {
        let mut directory = Directory::default();
        directory.set_here(user(1), true, NOW);
        directory.set_here(BOB, true, NOW);
        directory.set_here(BOB, false, NOW);
        assert!(directory.take_due(NOW).is_empty());
        let due = directory.take_due(NOW + ANNOUNCE_PAUSE);
        assert_eq!(due.iter().map(|(user, _)| *user).collect::<Vec<_>>(), [user(1)]);
        assert_eq!(due[0].1.distance_for(by(1)), UNREACHABLE);
        assert_eq!(directory.next(), None);
    }

    #[test]
    fn announced_users_are_bounded_for_each_neighbour_and_so_is_the_rate_of_announcements() {
        let mut directory = Directory::default();
        let taken = (0..10_000).filter(|n| directory.announce(user(*n), by(1), 1, NOW) != Announced::Refused);
        assert_eq!(taken.count(), MAX_ANNOUNCED_PER_NEIGHBOUR);
        assert_eq!(directory.announce(user(0), by(2), 1, NOW), Announced::Nearer, "other neighbours are not affected");
        assert_eq!(directory.take_due(LATER).len(), ANNOUNCED_AT_ONCE);
        assert_eq!(directory.next(), Some(LATER + ANNOUNCE_PAUSE));
    }

    /// Exchanges announcements between relays in a ring until no change is left. Returns the number of rounds.
    fn settle(ring: &mut [Directory], now: &mut Moment) -> usize {
        let count = ring.len();
        for round in 0..100 {
            *now = *now + ANNOUNCE_PAUSE;
            let due: Vec<Vec<(Destination, Route)>> = ring.iter_mut().map(|relay| relay.take_due(*now)).collect();
            for (from, changes) in due.iter().enumerate() {
                for to in [(from + 1) % count, (from + count - 1) % count] {
                    for (user, before) in changes {
                        let distance = ring[from].route(user).distance_for(by(to as u8));
                        if distance != before.distance_for(by(to as u8)) {
                            ring[to].announce(*user, by(from as u8), distance, *now);
                        }
                    }
                }
            }
            if due.iter().all(Vec::is_empty) {
                return round;
            }
        }
        panic!("the announcements do not end");
    }

    #[test]
    fn relays_in_a_ring_find_the_shorter_path_and_notice_when_a_user_is_gone() {
        for count in [3, 4, 7, 12] {
            let mut ring: Vec<Directory> = (0..count).map(|_| Directory::default()).collect();
            let mut now = NOW;
            ring[0].set_here(BOB, true, now);
            settle(&mut ring, &mut now);
            for (n, relay) in ring.iter().enumerate() {
                assert_eq!(relay.route(&BOB).distance as usize, n.min(count - n), "relay {n} of {count}");
            }
            ring[0].set_here(BOB, false, now);
            let rounds = settle(&mut ring, &mut now);
            assert!(ring.iter().all(|relay| relay.route(&BOB).distance == UNREACHABLE), "{count} relays");
            assert!(rounds <= 2 * usize::from(UNREACHABLE), "{rounds} rounds with {count} relays");
        }
    }
}
