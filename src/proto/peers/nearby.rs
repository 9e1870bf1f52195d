//! The local link: who announces itself there. An announcement is a hint to dial; whom it belongs to, the handshake tells.
//! Somebody met there who is not linked is shown as nearby while the link shows them, and not kept.
//!
//! A sighting is a boot id at a place, and has just come over the link. One boot id at two places may be one node with two
//! cables, or a liar beside the node whose id it repeats: each place is found out for itself, and nobody's claim speaks
//! for another's. Whoever was met at a place and has no connection now is dialled at every sighting, however long the
//! link was cut: only places where nobody was ever met are backed off from.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::id::{BootId, SessionId, UserId};
use crate::proto::limits::{MAX_SIGHTINGS, SEEK_FIRST, SEEK_LONGEST};
use crate::time::Moment;

/// An announcement: what it claims, and from where.
pub type Place = (BootId, SocketAddr);

/// An announcement that is up.
#[derive(Debug)]
struct Sighting {
    /// Whose it is, once a key has answered there.
    met: Option<SessionId>,
    /// It has no connection that would show that it is still there.
    silent: bool,
    /// When to dial it again while it is silent.
    again: Moment,
    pause: Duration,
}

/// What a sighting leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// It is time for a dial.
    Dial,
    /// New, and somebody connected elsewhere says to be this boot: are they still where I speak to?
    Elsewhere,
    /// Not yet, or somebody was met there and is connected.
    Rest,
}

/// The announcements of the link, and the people met on it.
#[derive(Debug, Default)]
pub struct Nearby {
    sightings: BTreeMap<Place, Sighting>,
    shown: BTreeMap<SessionId, UserId>,
}

impl Nearby {
    /// Whether one more announcement is to be remembered than there may be. Then one is forgotten ([`Nearby::make_room`])
    /// or this one is refused.
    pub fn is_full_for(&self, place: &Place) -> bool {
        self.sightings.len() >= MAX_SIGHTINGS && !self.sightings.contains_key(place)
    }

    /// Forgets an announcement, of the IP address that has most: first one behind which nobody was met, else one of an
    /// address that has more of them than the newcomer's. False if there is none.
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

    /// Takes an announcement in. `claimed`: somebody connected elsewhere says to be this boot. It may be the same node by
    /// another way, so a dial can wait; it may be a liar, so there will be one.
    pub fn sight(&mut self, place: Place, claimed: bool, now: Moment) -> Sight {
        if claimed && !self.sightings.contains_key(&place) {
            let again = now + SEEK_FIRST;
            self.sightings.insert(place, Sighting { met: None, silent: true, again, pause: SEEK_FIRST });
            return Sight::Elsewhere;
        }
        let fresh = Sighting { met: None, silent: true, again: now, pause: SEEK_FIRST };
        let sighting = self.sightings.entry(place).or_insert(fresh);
        if !sighting.silent || now < sighting.again {
            return Sight::Rest;
        }
        sighting.again = now + sighting.pause;
        if sighting.met.is_none() {
            sighting.pause = (sighting.pause * 2).min(SEEK_LONGEST);
        }
        Sight::Dial
    }

    /// An announcement has ended. The session that was met there, if no other announcement of it is up.
    pub fn unsight(&mut self, place: &Place) -> Option<SessionId> {
        let session = self.sightings.remove(place)?.met?;
        (!self.announces(&session)).then_some(session)
    }

    /// A key has answered at a place that is announced, or somebody came from there.
    pub fn meet(&mut self, place: &Place, session: SessionId) {
        if let Some(sighting) = self.sightings.get_mut(place) {
            sighting.met = Some(session);
            sighting.silent = false;
            sighting.pause = SEEK_FIRST;
        }
    }

    /// Its connection died. Where to look whether it is still there; and dial again when the link shows it the next time.
    pub fn lose(&mut self, session: &SessionId, now: Moment) -> Vec<Place> {
        let mut places = Vec::new();
        for (place, sighting) in self.sightings.iter_mut().filter(|(_, sighting)| sighting.met == Some(*session)) {
            sighting.silent = true;
            sighting.again = now;
            places.push(*place);
        }
        places
    }

    /// The session that was met at a place and does not answer there any more.
    pub fn silent(&self, place: &Place) -> Option<SessionId> {
        self.sightings.get(place).filter(|sighting| sighting.silent)?.met
    }

    /// Where the link shows a session.
    pub fn addresses(&self, session: &SessionId) -> Vec<SocketAddr> {
        let of_it = self.sightings.iter().filter(|(_, sighting)| sighting.met == Some(*session));
        of_it.map(|((_, addr), _)| *addr).collect()
    }

    /// Whether an announcement of a session is up.
    pub fn announces(&self, session: &SessionId) -> bool {
        self.sightings.values().any(|sighting| sighting.met == Some(*session))
    }

    /// Marks a session as shown to the user. False if it was.
    pub fn show(&mut self, session: SessionId, user: UserId) -> bool {
        self.shown.insert(session, user).is_none()
    }

    /// Takes a session off what is shown; whose it was.
    pub fn hide(&mut self, session: &SessionId) -> Option<UserId> {
        self.shown.remove(session)
    }

    /// Whether somebody is met on the link.
    pub fn shows(&self, user: &UserId) -> bool {
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
    fn whoever_was_met_is_dialled_at_every_sighting_however_long_they_do_not_answer() {
        let (mut nearby, place) = (Nearby::default(), (BOOT, at(1, 5)));
        nearby.sight(place, false, seconds(0));
        nearby.meet(&place, BOB);
        nearby.lose(&BOB, seconds(20));
        for second in (20..600).step_by(4) {
            assert_eq!(nearby.sight(place, false, seconds(second)), Sight::Dial, "at {second} s");
        }
    }

    #[test]
    fn an_announcement_behind_which_nobody_answers_is_dialled_less_and_less() {
        let mut nearby = Nearby::default();
        let dials = (0..600).filter(|second| nearby.sight((BOOT, at(1, 5)), false, seconds(*second)) == Sight::Dial);
        assert!(dials.count() < 12);
    }

    #[test]
    fn whoever_is_connected_and_announced_at_a_new_place_is_asked_first_and_dialled_there_later() {
        let (mut nearby, place) = (Nearby::default(), (BOOT, at(1, 5)));
        assert_eq!(nearby.sight(place, true, seconds(0)), Sight::Elsewhere);
        assert_eq!(nearby.sight(place, true, seconds(0)), Sight::Rest);
        assert_eq!(nearby.sight(place, true, seconds(1)), Sight::Dial);
    }

    #[test]
    fn whoever_announces_without_end_pushes_out_their_own_and_nobody_who_was_met() {
        let (mut nearby, bob, carol) = (Nearby::default(), (BOOT, at(1, 5)), (BootId(8), at(2, 5)));
        nearby.sight(bob, false, seconds(0));
        nearby.meet(&bob, BOB);
        nearby.sight(carol, false, seconds(0));
        for n in 0..5 * MAX_SIGHTINGS as u64 {
            let flood = (BootId(100 + n), at(66, 1 + n as u16));
            assert!(!nearby.is_full_for(&flood) || nearby.make_room(flood.1.ip()));
            nearby.sight(flood, false, seconds(0));
        }
        assert_eq!(nearby.sightings.len(), MAX_SIGHTINGS);
        assert!(nearby.sightings.contains_key(&bob) && nearby.sightings.contains_key(&carol));
    }

    #[test]
    fn a_liar_with_a_thousand_keys_at_one_address_gives_way_to_a_newcomer_at_another() {
        let mut nearby = Nearby::default();
        for n in 0..MAX_SIGHTINGS as u16 {
            let place = (BootId(n.into()), at(66, 1 + n));
            nearby.sight(place, false, seconds(0));
            nearby.meet(&place, SessionId([66; 32]));
        }
        assert!(!nearby.make_room(at(66, 0).ip()), "not to one more of its own");
        assert!(nearby.make_room(at(1, 0).ip()));
    }
}
