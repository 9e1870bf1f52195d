//! The local link: which nodes announce themselves there. An announcement is a hint to dial; the handshake tells whose
//! it is. An unlinked user met there is shown as nearby while the link shows them, and is not kept.
//!
//! A sighting is a boot id at an address, just received from the link. One boot id at two addresses may be one node
//! with two interfaces, or an attacker next to the node whose id it copies. So each address is verified for itself, and
//! one claim proves nothing about another. A session that was met at an address and is not connected is dialled at
//! every sighting, however long the link was down. Only addresses where nobody was ever met are dialled with growing
//! pauses.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::id::{BootId, SessionId, UserId};
use crate::proto::limits::{MAX_SIGHTINGS, SEEK_FIRST, SEEK_LONGEST};
use crate::time::Moment;

/// An announcement: the boot id it claims, and the address it came from.
pub type Place = (BootId, SocketAddr);

/// An announcement that has not ended.
#[derive(Debug)]
struct Sighting {
    /// Its session, once a key has answered there.
    met: Option<SessionId>,
    /// No connection proves that it is still there.
    silent: bool,
    /// When to dial it again while it is silent.
    again: Moment,
    pause: Duration,
}

/// What to do about a sighting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Dial the address.
    Dial,
    /// Probe the connection that claims the same boot id: its node may have moved here.
    Probe,
    /// Nothing: it is too early, or its session is connected.
    Wait,
}

/// The announcements on the link, and the users met on it.
#[derive(Debug, Default)]
pub struct Nearby {
    sightings: BTreeMap<Place, Sighting>,
    shown: BTreeMap<SessionId, UserId>,
}

impl Nearby {
    /// Whether the table is full and this announcement is not in it. Then one is removed ([`Nearby::make_room`]) or
    /// this one is refused.
    pub fn is_full_for(&self, place: &Place) -> bool {
        self.sightings.len() >= MAX_SIGHTINGS && !self.sightings.contains_key(place)
    }

    /// Removes an announcement of the IP address with the most: one without a known session if there is any, otherwise
    /// one of an address that has more of them than the newcomer's. Returns false if there is none.
    pub fn make_room(&mut self, newcomer: IpAddr) -> bool {
        let mut per_ip: BTreeMap<IpAddr, usize> = BTreeMap::new();
        self.sightings.keys().for_each(|(_, addr)| *per_ip.entry(addr.ip()).or_default() += 1);
        let of = |place: &Place| per_ip.get(&place.1.ip()).copied().unwrap_or(0);
        let own = per_ip.get(&newcomer).copied().unwrap_or(0);
        let greediest = self.sightings.iter().max_by_key(|(place, sighting)| (sighting.met.is_none(), of(place)));
        let victim = greediest.filter(|(place, sighting)| sighting.met.is_none() || of(place) > own + 1);
        let victim = victim.map(|(place, _)| *place);
        victim.is_some_and(|place| self.sightings.remove(&place).is_some())
    }

    /// Takes in an announcement. `claimed` means that a connection from elsewhere claims the same boot id. It may be
    /// the same node at another address, so the dial can wait; it may be a false claim, so the address is dialled
    /// later.
    pub fn add(&mut self, place: Place, claimed: bool, now: Moment) -> Action {
        if claimed && !self.sightings.contains_key(&place) {
            let again = now + SEEK_FIRST;
            self.sightings.insert(place, Sighting { met: None, silent: true, again, pause: SEEK_FIRST });
            return Action::Probe;
        }
        let fresh = Sighting { met: None, silent: true, again: now, pause: SEEK_FIRST };
        let sighting = self.sightings.entry(place).or_insert(fresh);
        if !sighting.silent || now < sighting.again {
            return Action::Wait;
        }
        sighting.again = now + sighting.pause;
        if sighting.met.is_none() {
            sighting.pause = (sighting.pause * 2).min(SEEK_LONGEST);
        }
        Action::Dial
    }

    /// Removes an announcement. Returns the session met there, if no other announcement of it remains.
    pub fn remove(&mut self, place: &Place) -> Option<SessionId> {
        let session = self.sightings.remove(place)?.met?;
        (!self.is_announced(&session)).then_some(session)
    }

    /// Records that a key has answered at an announced address, or that a session came from there.
    pub fn record_session(&mut self, place: &Place, session: SessionId) {
        if let Some(sighting) = self.sightings.get_mut(place) {
            sighting.met = Some(session);
            sighting.silent = false;
            sighting.pause = SEEK_FIRST;
        }
    }

    /// Records that a session has lost its connection. Returns the places to dial; they are dialled again at their next
    /// sighting.
    pub fn mark_silent(&mut self, session: &SessionId, now: Moment) -> Vec<Place> {
        let mut places = Vec::new();
        for (place, sighting) in self.sightings.iter_mut().filter(|(_, sighting)| sighting.met == Some(*session)) {
            sighting.silent = true;
            sighting.again = now;
            places.push(*place);
        }
        places
    }

    /// The session that was met at a place and is silent now.
    pub fn silent_session(&self, place: &Place) -> Option<SessionId> {
        self.sightings.get(place).filter(|sighting| sighting.silent)?.met
    }

    /// The addresses at which the link announces a session.
    pub fn addresses(&self, session: &SessionId) -> Vec<SocketAddr> {
        let of_it = self.sightings.iter().filter(|(_, sighting)| sighting.met == Some(*session));
        of_it.map(|((_, addr), _)| *addr).collect()
    }

    /// Whether the link announces a session.
    pub fn is_announced(&self, session: &SessionId) -> bool {
        self.sightings.values().any(|sighting| sighting.met == Some(*session))
    }

    /// Marks a session as shown to the user. Returns false if it was.
    pub fn show(&mut self, session: SessionId, user: UserId) -> bool {
        self.shown.insert(session, user).is_none()
    }

    /// Marks a session as no longer shown. Returns its user if it was.
    pub fn hide(&mut self, session: &SessionId) -> Option<UserId> {
        self.shown.remove(session)
    }

    /// Whether a session of a user is shown as nearby.
    pub fn is_shown(&self, user: &UserId) -> bool {
        self.shown.values().any(|shown| shown == user)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOOT: BootId = BootId(7);
    const BOB: SessionId = SessionId([2; 32]);

    fn at(last: u8, port: u16) -> SocketAddr {
        ([10, 0, 0, last], port).into()
    }

    fn seconds(n: u64) -> Moment {
        Moment(n * 1000)
    }

    #[test]
    fn a_known_session_is_dialled_at_every_sighting_however_long_it_does_not_answer() {
        let (mut nearby, place) = (Nearby::default(), (BOOT, at(1, 5)));
        nearby.add(place, false, seconds(0));
        nearby.record_session(&place, BOB);
        nearby.mark_silent(&BOB, seconds(20));
        for second in (20..600).step_by(4) {
            assert_eq!(nearby.add(place, false, seconds(second)), Action::Dial, "at {second} s");
        }
    }

    #[test]
    fn an_announcement_that_nobody_answers_is_dialled_ever_less_often() {
        let mut nearby = Nearby::default();
        let dials = (0..600).filter(|second| nearby.add((BOOT, at(1, 5)), false, seconds(*second)) == Action::Dial);
        assert!(dials.count() < 12);
    }

    #[test]
    fn a_connected_node_announced_at_a_new_address_is_probed_first_and_dialled_there_later() {
        let (mut nearby, place) = (Nearby::default(), (BOOT, at(1, 5)));
        assert_eq!(nearby.add(place, true, seconds(0)), Action::Probe);
        assert_eq!(nearby.add(place, true, seconds(0)), Action::Wait);
        assert_eq!(nearby.add(place, true, seconds(1)), Action::Dial);
    }

    #[test]
    fn an_endless_announcer_displaces_its_own_announcements_and_no_known_session() {
        let (mut nearby, bob, carol) = (Nearby::default(), (BOOT, at(1, 5)), (BootId(8), at(2, 5)));
        nearby.add(bob, false, seconds(0));
        nearby.record_session(&bob, BOB);
        nearby.add(carol, false, seconds(0));
        for n in 0..5 * MAX_SIGHTINGS as u64 {
            let flood = (BootId(100 + n), at(66, 1 + n as u16));
            assert!(!nearby.is_full_for(&flood) || nearby.make_room(flood.1.ip()));
            nearby.add(flood, false, seconds(0));
        }
        assert_eq!(nearby.sightings.len(), MAX_SIGHTINGS);
        assert!(nearby.sightings.contains_key(&bob) && nearby.sightings.contains_key(&carol));
    }

    #[test]
    fn an_address_with_a_thousand_announcements_makes_room_for_a_newcomer_at_another() {
        let mut nearby = Nearby::default();
        for n in 0..MAX_SIGHTINGS as u16 {
            let place = (BootId(n.into()), at(66, 1 + n));
            nearby.add(place, false, seconds(0));
            nearby.record_session(&place, SessionId([66; 32]));
        }
        assert!(!nearby.make_room(at(66, 0).ip()), "not to one more of its own");
        assert!(nearby.make_room(at(1, 0).ip()));
    }
}
