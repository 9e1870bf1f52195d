//! The directory's map: how many relays away everybody is. Here now is 0; else it is one more than the nearest that a relay
//! or server beside me has announced. What I know through a neighbour I announce to that neighbour as out of reach, so two
//! never send each other in circles; longer circles count up to [`UNREACHABLE`] and end there.
//!
//! Changes wait a moment, so that many are announced together, and so many a moment: the pace at which an announcement may
//! come in is the pace at which an honest relay sends them.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::SessionId;
use crate::proto::limits::{ANNOUNCE_PAUSE, ANNOUNCED_AT_ONCE, MAX_ANNOUNCED, MAX_ANNOUNCED_PER_NEIGHBOUR};
use crate::time::Moment;
use crate::wire::control::ShortId;

/// Relays between: nobody is this far, for hops end before.
pub const UNREACHABLE: u8 = 16;

#[derive(Debug, Default)]
pub struct Directory {
    /// Users who have a session here.
    here: BTreeSet<ShortId>,
    /// Who has announced a user, and how far they are from there; never out of reach.
    announced: BTreeMap<ShortId, BTreeMap<SessionId, u8>>,
    /// How many users each neighbour has announced.
    of_neighbour: BTreeMap<SessionId, usize>,
    /// Users whose route has changed, with what it was.
    changed: BTreeMap<ShortId, Route>,
    due: Option<Moment>,
}

/// How far a user is, and by which neighbours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    distance: u8,
    through: Vec<SessionId>,
}

impl Route {
    /// What a neighbour is told of it.
    pub fn told_to(&self, neighbour: SessionId) -> u8 {
        if self.through.contains(&neighbour) { UNREACHABLE } else { self.distance }
    }
}

/// What became of an announcement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Announced {
    /// Somebody is there, or nearer than before.
    Nearer,
    Noted,
    /// One user too many.
    Refused,
}

impl Directory {
    /// A user has a session here, or none any more.
    pub fn set_here(&mut self, user: ShortId, here: bool, now: Moment) {
        self.change(user, now, |directory| {
            if here {
                directory.here.insert(user)
            } else {
                directory.here.remove(&user)
            };
        });
    }

    /// A neighbour says how far a user is from it.
    pub fn announce(&mut self, user: ShortId, by: SessionId, distance: u8, now: Moment) -> Announced {
        let before = self.announced.get(&user).and_then(|all| all.get(&by)).copied();
        if distance >= UNREACHABLE {
            self.change(user, now, |directory| directory.withdraw(&user, &by));
            return Announced::Noted;
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
        if before.is_none_or(|before| distance < before) { Announced::Nearer } else { Announced::Noted }
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

    /// A neighbour is gone, and what it has announced with it.
    pub fn forget(&mut self, by: SessionId, now: Moment) {
        if self.of_neighbour.remove(&by).is_none_or(|count| count == 0) {
            return;
        }
        let of_it = |(user, all): (&ShortId, &BTreeMap<SessionId, u8>)| all.contains_key(&by).then_some(*user);
        for user in self.announced.iter().filter_map(of_it).collect::<Vec<_>>() {
            self.change(user, now, |directory| directory.withdraw(&user, &by));
        }
    }

    /// Changes what is known of a user, and remembers what others were told before.
    fn change(&mut self, user: ShortId, now: Moment, how: impl FnOnce(&mut Directory)) {
        let before = self.route(&user);
        how(self);
        if self.route(&user) != before {
            self.changed.entry(user).or_insert(before);
            self.due.get_or_insert(now + ANNOUNCE_PAUSE);
        }
    }

    /// A user is to be announced again, if they are reachable.
    pub fn renew(&mut self, user: ShortId, now: Moment) {
        if self.route(&user).distance < UNREACHABLE {
            self.changed.insert(user, Route { distance: UNREACHABLE, through: Vec::new() });
            self.due.get_or_insert(now + ANNOUNCE_PAUSE);
        }
    }

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

    /// Neighbours to whom a user is nearer than to me, nearest first.
    pub fn nearer(&self, user: &ShortId) -> Vec<SessionId> {
        let mine = self.route(user).distance;
        let all = self.announced.get(user).into_iter().flatten();
        let mut nearer: Vec<(u8, SessionId)> = all
            .filter(|(_, distance)| **distance < mine)
            .map(|(neighbour, distance)| (*distance, *neighbour))
            .collect();
        nearer.sort();
        nearer.into_iter().map(|(_, neighbour)| neighbour).collect()
    }

    /// How far a user is from a neighbour, by its own word.
    pub fn distance_by(&self, neighbour: &SessionId, user: &ShortId) -> u8 {
        self.announced.get(user).and_then(|all| all.get(neighbour)).copied().unwrap_or(UNREACHABLE)
    }

    pub fn is_reachable(&self, user: &ShortId) -> bool {
        self.here.contains(user) || self.announced.contains_key(user)
    }

    /// Changes that are to be announced now, each with the route before it.
    pub fn due(&mut self, now: Moment) -> Vec<(ShortId, Route)> {
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
    fn somebody_is_one_further_than_the_nearest_announcement_and_nearer_where_that_came_from() {
        let mut directory = Directory::default();
        assert_eq!(directory.announce(BOB, by(1), 3, NOW), Announced::Nearer);
        assert_eq!(directory.announce(BOB, by(2), 5, NOW), Announced::Nearer);
        assert_eq!(directory.announce(BOB, by(2), 6, NOW), Announced::Noted);
        assert_eq!((directory.route(&BOB).distance, directory.nearer(&BOB)), (4, vec![by(1)]));
        assert_eq!(directory.route(&BOB).told_to(by(1)), UNREACHABLE, "what came from there is not told there");
        assert_eq!(directory.route(&BOB).told_to(by(2)), 4);
        directory.set_here(BOB, true, NOW);
        assert_eq!((directory.route(&BOB).distance, directory.nearer(&BOB)), (0, vec![]));
        assert_eq!(directory.route(&BOB).told_to(by(1)), 0);
    }

    #[test]
    fn a_neighbour_takes_its_announcements_along_when_it_goes() {
        let mut directory = Directory::default();
        directory.announce(BOB, by(1), 0, NOW);
        directory.announce(BOB, by(2), 4, NOW);
        directory.forget(by(1), NOW);
        assert_eq!(directory.nearer(&BOB), [by(2)]);
        directory.announce(BOB, by(2), UNREACHABLE, NOW);
        assert_eq!(directory.route(&BOB).distance, UNREACHABLE);
        assert!(directory.announced.is_empty() && directory.of_neighbour.values().all(|count| *count == 0));
    }

    #[test]
    fn changes_are_told_together_a_moment_later_and_what_came_to_nothing_is_not() {
        let mut directory = Directory::default();
        directory.set_here(user(1), true, NOW);
        directory.set_here(BOB, true, NOW);
        directory.set_here(BOB, false, NOW);
        assert!(directory.due(NOW).is_empty());
        let due = directory.due(NOW + ANNOUNCE_PAUSE);
        assert_eq!(due.iter().map(|(user, _)| *user).collect::<Vec<_>>(), [user(1)]);
        assert_eq!(due[0].1.told_to(by(1)), UNREACHABLE);
        assert_eq!(directory.next(), None);
    }

    #[test]
    fn a_neighbour_announces_a_bounded_number_of_users_and_all_of_them_at_a_bounded_pace() {
        let mut directory = Directory::default();
        let taken = (0..10_000).filter(|n| directory.announce(user(*n), by(1), 1, NOW) != Announced::Refused);
        assert_eq!(taken.count(), MAX_ANNOUNCED_PER_NEIGHBOUR);
        assert_eq!(directory.announce(user(0), by(2), 1, NOW), Announced::Nearer, "it leaves room for others");
        assert_eq!(directory.due(LATER).len(), ANNOUNCED_AT_ONCE);
        assert_eq!(directory.next(), Some(LATER + ANNOUNCE_PAUSE));
    }

    /// Relays in a circle, each beside the next. What is due is announced round by round until nothing is; the rounds.
    fn settle(circle: &mut [Directory], now: &mut Moment) -> usize {
        let count = circle.len();
        for round in 0..100 {
            *now = *now + ANNOUNCE_PAUSE;
            let due: Vec<Vec<(ShortId, Route)>> = circle.iter_mut().map(|relay| relay.due(*now)).collect();
            for (from, changes) in due.iter().enumerate() {
                for to in [(from + 1) % count, (from + count - 1) % count] {
                    for (user, before) in changes {
                        let distance = circle[from].route(user).told_to(by(to as u8));
                        if distance != before.told_to(by(to as u8)) {
                            circle[to].announce(*user, by(from as u8), distance, *now);
                        }
                    }
                }
            }
            if due.iter().all(Vec::is_empty) {
                return round;
            }
        }
        panic!("they go on for ever");
    }

    #[test]
    fn in_a_circle_everybody_knows_the_shorter_way_and_who_is_gone_is_soon_out_of_reach() {
        for count in [3, 4, 7, 12] {
            let mut circle: Vec<Directory> = (0..count).map(|_| Directory::default()).collect();
            let mut now = NOW;
            circle[0].set_here(BOB, true, now);
            settle(&mut circle, &mut now);
            for (n, relay) in circle.iter().enumerate() {
                assert_eq!(relay.route(&BOB).distance as usize, n.min(count - n), "relay {n} of {count}");
            }
            circle[0].set_here(BOB, false, now);
            let rounds = settle(&mut circle, &mut now);
            assert!(circle.iter().all(|relay| relay.route(&BOB).distance == UNREACHABLE), "{count} relays");
            assert!(rounds <= 2 * usize::from(UNREACHABLE), "{rounds} rounds with {count} relays");
        }
    }
}
