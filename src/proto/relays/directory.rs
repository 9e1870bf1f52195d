//! The directory: a distance vector that says how many relays away each user is. The distance is 0 for a user with a session
//! connected here, and otherwise one more than the smallest that a neighbouring relay or server has announced. A route through
//! a neighbour is announced to that neighbour as unreachable (split horizon with poisoned reverse), so two relays never form a
//! loop. In longer loops the distance counts up to [`UNREACHABLE`] and stops there.
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

/// Distances by user, at most [`MAX_ANNOUNCED`] users and [`MAX_ANNOUNCED_PER_NEIGHBOUR`] of each neighbour.
#[derive(Debug, Default)]
pub struct Directory {
    /// Users who have a session here.
    here: BTreeSet<ShortId>,
    /// For each user, the neighbours that have announced it and their distance; always below [`UNREACHABLE`].
    announced: BTreeMap<ShortId, BTreeMap<SessionId, u8>>,
    /// The number of users that each neighbour has announced.
    of_neighbour: BTreeMap<SessionId, usize>,
    /// Users whose route has changed, with the route announced before.
    changed: BTreeMap<ShortId, Route>,
    /// When changes are announced next.
    due: Option<Moment>,
}

/// The distance to a user, and the neighbours on the shortest paths.
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
    /// The user is new, or nearer than the neighbour announced before.
    Nearer,
    /// The announcement is recorded; the user is not nearer.
    Recorded,
    /// A bound on the number of users is reached.
    Refused,
}

impl Directory {
    /// Records whether a user has a session here.
    pub fn set_here(&mut self, user: ShortId, here: bool, now: Moment) {
        self.change(user, now, |directory| {
            if here {
                directory.here.insert(user)
            } else {
                directory.here.remove(&user)
            };
        });
    }

    /// Records the distance of a user from a neighbour, as the neighbour announces it.
    pub fn announce(&mut self, user: ShortId, by: SessionId, distance: u8, now: Moment) -> Announced {
        let before = self.announced.get(&user).and_then(|all| all.get(&by)).copied();
        if distance >= UNREACHABLE {
            self.change(user, now, |directory| directory.withdraw(&user, &by));
            return Announced::Recorded;
        }
        let of_neighbour = self.of_neighbour.get(&by).copied().unwrap_or(0);
        let is_full = of_neighbour >= MAX_ANNOUNCED_PER_NEIGHBOUR
            || (self.announced.len() >= MAX_ANNOUNCED && !self.announced.contains_key(&user));
        if before.is_none() && is_full {
            return Announced::Refused;
        }
        self.change(user, now, |directory| {
            directory.announced.entry(user).or_default().insert(by, distance);
        });
        if before.is_none() {
            *self.of_neighbour.entry(by).or_default() += 1;
        }
        if before.is_none_or(|before| distance < before) { Announced::Nearer } else { Announced::Recorded }
    }

    fn withdraw(&mut self, user: &ShortId, by: &SessionId) {
        let Some(all) = self.announced.get_mut(user) else { return };
        if all.remove(by).is_none() {
            return;
        }
        if all.is_empty() {
            self.announced.remove(user);
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
        let of_it = |(user, all): (&ShortId, &BTreeMap<SessionId, u8>)| all.contains_key(&by).then_some(*user);
        for user in self.announced.iter().filter_map(of_it).collect::<Vec<_>>() {
            self.change(user, now, |directory| directory.withdraw(&user, &by));
        }
    }

    /// Applies a change to a user's entries and keeps the route that was announced before.
    fn change(&mut self, user: ShortId, now: Moment, apply: impl FnOnce(&mut Directory)) {
        let before = self.route(&user);
        apply(self);
        if self.route(&user) != before {
            self.changed.entry(user).or_insert(before);
            self.due.get_or_insert(now + ANNOUNCE_PAUSE);
        }
    }

    /// Schedules another announcement of a user, if it is reachable.
    pub fn announce_again(&mut self, user: ShortId, now: Moment) {
        if self.route(&user).distance < UNREACHABLE {
            self.changed.insert(user, Route { distance: UNREACHABLE, through: Vec::new() });
            self.due.get_or_insert(now + ANNOUNCE_PAUSE);
        }
    }

    /// The shortest route to a user.
    pub fn route(&self, user: &ShortId) -> Route {
        if self.here.contains(user) {
            return Route { distance: 0, through: Vec::new() };
        }
        let Some(all) = self.announced.get(user) else {
            return Route { distance: UNREACHABLE, through: Vec::new() };
        };
        let nearest = all.values().min().copied().unwrap_or(UNREACHABLE);
        let through =
            all.iter().filter(|(_, distance)| **distance == nearest).map(|(neighbour, _)| *neighbour).collect();
        Route { distance: (nearest + 1).min(UNREACHABLE), through }
    }

    /// The neighbours that are nearer to a user than this node, nearest first.
    pub fn nearer(&self, user: &ShortId) -> Vec<SessionId> {
        let own = self.route(user).distance;
        let all = self.announced.get(user).into_iter().flatten();
        let mut nearer: Vec<(u8, SessionId)> =
            all.filter(|(_, distance)| **distance < own).map(|(neighbour, distance)| (*distance, *neighbour)).collect();
        nearer.sort();
        nearer.into_iter().map(|(_, neighbour)| neighbour).collect()
    }

    /// The distance of a user from a neighbour, as the neighbour has announced it.
    pub fn distance_by(&self, neighbour: &SessionId, user: &ShortId) -> u8 {
        self.announced.get(user).and_then(|all| all.get(neighbour)).copied().unwrap_or(UNREACHABLE)
    }

    /// Whether a user has a session here or was announced by a neighbour.
    pub fn is_reachable(&self, user: &ShortId) -> bool {
        self.here.contains(user) || self.announced.contains_key(user)
    }

    /// Takes the changes to be announced now, each with the route announced before.
    pub fn take_due(&mut self, now: Moment) -> Vec<(ShortId, Route)> {
        if self.due.is_none_or(|due| due > now) {
            return Vec::new();
        }
        let mut due = Vec::new();
        while due.len() < ANNOUNCED_AT_ONCE {
            let Some((user, before)) = self.changed.pop_first() else { break };
            if self.route(&user) != before {
                due.push((user, before));
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

    const BOB: ShortId = Fixed([2; 8]);
    const NOW: Moment = Moment(0);
    const LATER: Moment = Moment(10_000);

    fn by(n: u8) -> SessionId {
        SessionId([n; 32])
    }

    fn user(n: usize) -> ShortId {
        Fixed((n as u64).to_be_bytes())
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
            let due: Vec<Vec<(ShortId, Route)>> = ring.iter_mut().map(|relay| relay.take_due(*now)).collect();
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
