//! The local link: which nodes announce themselves there, and whose they are.
//!
//! A *sighting* is a boot id at an address, just received from the link. Whose it is, is known in one of two ways: a key has
//! answered at the address (*met*), or a declaration is held that names the boot id (*named*). The declaration proves that
//! the boot id belongs to its session ([`BootId::of`]), but not that the session is at this address: anybody on the link can
//! repeat the announcement of another node. So an address is only ever a hint to dial.
//!
//! A user whose session is announced is shown as nearby if they are not linked, and is forgotten when the link no longer
//! shows them. A session that was met at an address and is not connected is dialled at every sighting if it is wanted,
//! however long the link was down. Other addresses are dialled after pauses that grow while nobody answers.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use rand_core::Rng;

use crate::id::{BootId, SessionId, UserId};
use crate::proto::limits::{MAX_PLACES_PER_BOOT, MAX_SIGHTINGS, SEEK_FIRST, SEEK_LONGEST};
use crate::time::Moment;

/// An announcement: the boot id it claims, and the address it came from.
pub type Place = (BootId, SocketAddr);

/// The lowest address, for ranges over the places of a boot id.
const FIRST_ADDR: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 0);

/// An announcement that has not ended.
#[derive(Debug)]
struct Sighting {
    since: Moment,
    /// The session whose key has answered there.
    met: Option<SessionId>,
    /// Not dialled before this time.
    again: Moment,
    pause: Duration,
    /// The session there did not want the last connection.
    refused: bool,
    /// Nothing came back from the last dial.
    silent: bool,
}

/// The announcements on the link, whose they are, and the users shown as nearby.
#[derive(Debug, Default)]
pub struct Nearby {
    sightings: BTreeMap<Place, Sighting>,
    /// Number of announcements by IP address.
    per_ip: BTreeMap<IpAddr, usize>,
    /// The session that has declared an announced boot id, and its user.
    named: BTreeMap<BootId, (SessionId, UserId)>,
    /// The marks of the named boot ids.
    marks: BTreeSet<u64>,
    /// The places of each session that was met or named.
    places: BTreeSet<(SessionId, Place)>,
    shown: BTreeMap<SessionId, UserId>,
    shown_users: BTreeSet<(UserId, SessionId)>,
}

/// What an announcement changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    /// The boot id was not announced before.
    NewBoot,
    /// The boot id was announced at other addresses only.
    NewPlace,
    /// It is known.
    Known,
    /// The boot id is announced at [`MAX_PLACES_PER_BOOT`] other addresses.
    Refused,
}

impl Nearby {
    /// Whether the table is full and this announcement is not in it. Then one is removed ([`Nearby::make_room`]) or
    /// this one is refused.
    pub fn is_full_for(&self, place: &Place) -> bool {
        self.sightings.len() >= MAX_SIGHTINGS && !self.sightings.contains_key(place)
    }

    /// Removes an announcement of the IP address with the most: one without a known session if there is any, otherwise
    /// one of an address that has more of them than the newcomer's. Returns the removed place, and the session that is no
    /// longer announced, if any.
    pub fn make_room(&mut self, newcomer: IpAddr) -> Option<(Place, Option<SessionId>)> {
        let own = self.per_ip.get(&newcomer).copied().unwrap_or(0);
        let (greediest, most) = self.per_ip.iter().map(|(ip, count)| (*ip, *count)).max_by_key(|(_, count)| *count)?;
        let unknown = |place: &Place| self.session_at(place).is_none();
        let of_greediest = || self.sightings.keys().filter(|(_, addr)| addr.ip() == greediest);
        let victim = of_greediest().find(|place| unknown(place)).or_else(|| {
            let others = || self.sightings.keys().find(|place| unknown(place));
            (most > own + 1).then(|| of_greediest().next()).flatten().or_else(others)
        });
        let victim = *victim?;
        Some((victim, self.remove(&victim)))
    }

    /// Takes in an announcement.
    pub fn add(&mut self, place: Place, now: Moment) -> Added {
        if self.sightings.contains_key(&place) {
            return Added::Known;
        }
        let others = self.places_of(&place.0).count();
        if others >= MAX_PLACES_PER_BOOT {
            return Added::Refused;
        }
        let sighting = Sighting { since: now, met: None, again: now, pause: SEEK_FIRST, refused: false, silent: false };
        self.sightings.insert(place, sighting);
        *self.per_ip.entry(place.1.ip()).or_default() += 1;
        if let Some((session, _)) = self.named.get(&place.0) {
            self.places.insert((*session, place));
        }
        if others == 0 { Added::NewBoot } else { Added::NewPlace }
    }

    /// Removes an announcement. Returns the session that is no longer announced, if any.
    pub fn remove(&mut self, place: &Place) -> Option<SessionId> {
        let session = self.session_at(place);
        self.sightings.remove(place)?;
        if let Some(count) = self.per_ip.get_mut(&place.1.ip()) {
            *count -= 1;
            if *count == 0 {
                self.per_ip.remove(&place.1.ip());
            }
        }
        let named = self.named.get(&place.0).map(|(named, _)| *named);
        for session in session.into_iter().chain(named) {
            self.places.remove(&(session, *place));
        }
        if !self.is_sighted(&place.0) && self.named.remove(&place.0).is_some() {
            self.marks.remove(&place.0.mark());
        }
        session.filter(|session| !self.is_announced(session))
    }

    /// Whether nothing is announced.
    pub fn is_empty(&self) -> bool {
        self.sightings.is_empty()
    }

    /// The number of boot ids that are announced.
    pub fn boots(&self) -> usize {
        let mut boots: Vec<BootId> = self.sightings.keys().map(|(boot, _)| *boot).collect();
        boots.dedup();
        boots.len()
    }

    /// The addresses at which a boot id is announced.
    fn places_of(&self, boot: &BootId) -> impl Iterator<Item = (&Place, &Sighting)> {
        self.sightings.range((*boot, FIRST_ADDR)..).take_while(move |((announced, _), _)| announced == boot)
    }

    /// Whether the link shows a boot id.
    pub fn is_sighted(&self, boot: &BootId) -> bool {
        self.places_of(boot).next().is_some()
    }

    /// The session at a place: the one whose key has answered there, otherwise the one that has declared the boot id.
    pub fn session_at(&self, place: &Place) -> Option<SessionId> {
        let met = self.sightings.get(place)?.met;
        met.or_else(|| self.named.get(&place.0).map(|(session, _)| *session))
    }

    /// The session that has declared a boot id which the link shows.
    pub fn named(&self, boot: &BootId) -> Option<(SessionId, UserId)> {
        self.named.get(boot).copied()
    }

    /// The announced boot ids of which declarations are held.
    pub fn named_boots(&self) -> impl Iterator<Item = BootId> + '_ {
        self.named.keys().copied()
    }

    /// The announced boot ids of which no declaration is held.
    pub fn unnamed_boots(&self) -> impl Iterator<Item = BootId> + '_ {
        let mut last = None;
        let boots = self.sightings.keys().map(|(boot, _)| *boot).filter(move |boot| last.replace(*boot) != Some(*boot));
        boots.filter(|boot| !self.named.contains_key(boot))
    }

    /// Whether a mark is of a named boot id.
    pub fn is_named_mark(&self, mark: u64) -> bool {
        self.marks.contains(&mark)
    }

    /// Records that a session has declared a boot id. Returns true if the link shows it and it was not known whose it is.
    pub fn name(&mut self, boot: BootId, session: SessionId, user: UserId) -> bool {
        let places: Vec<Place> = self.places_of(&boot).map(|(place, _)| *place).collect();
        if places.is_empty() || self.named.insert(boot, (session, user)).is_some() {
            return false;
        }
        self.marks.insert(boot.mark());
        self.places.extend(places.into_iter().map(|place| (session, place)));
        true
    }

    /// Records that a key has answered at an announced address, or that a session came from there.
    pub fn record_met(&mut self, place: &Place, session: SessionId) {
        let Some(sighting) = self.sightings.get_mut(place) else { return };
        sighting.silent = false;
        if let Some(before) = sighting.met.replace(session).filter(|before| *before != session) {
            self.places.remove(&(before, *place));
        }
        self.places.insert((session, *place));
    }

    /// Records whether nothing came back when a place was dialled.
    pub fn record_silence(&mut self, place: &Place, silent: bool) {
        if let Some(sighting) = self.sightings.get_mut(place) {
            sighting.silent = silent;
        }
    }

    /// The number of machines that are announced and from which nothing came back when they were last dialled. One that
    /// announces a boot id at several addresses counts once, and so does an address with several boot ids.
    pub fn silent_machines(&self) -> usize {
        let mut silent: Vec<Place> =
            self.sightings.iter().filter(|(_, sighting)| sighting.silent).map(|(place, _)| *place).collect();
        silent.dedup_by_key(|(boot, _)| *boot);
        silent.into_iter().map(|(_, addr)| addr.ip()).collect::<BTreeSet<IpAddr>>().len()
    }

    /// Allows the places of a session to be dialled at once, since it was connected and the pauses before that are over. Returns
    /// them.
    pub fn retry(&mut self, session: &SessionId, now: Moment) -> Vec<Place> {
        let places: Vec<Place> = self.places_of_session(session).collect();
        for place in &places {
            if let Some(sighting) = self.sightings.get_mut(place) {
                (sighting.again, sighting.pause, sighting.refused) = (now, SEEK_FIRST, false);
            }
        }
        places
    }

    /// Records that a session does not want a connection: its places are dialled after a longer pause.
    pub fn record_refused(&mut self, session: &SessionId, least: Duration, now: Moment) {
        for place in self.places_of_session(session).collect::<Vec<_>>() {
            if let Some(sighting) = self.sightings.get_mut(&place) {
                sighting.pause = (sighting.pause * 2).clamp(least, SEEK_LONGEST);
                sighting.again = now + sighting.pause;
                sighting.refused = true;
            }
        }
    }

    /// Whether the session at a place has refused this node, and the pause after that is not over.
    pub fn is_refused(&self, place: &Place, now: Moment) -> bool {
        self.sightings.get(place).is_some_and(|sighting| sighting.refused && sighting.again > now)
    }

    /// Whether a place may be dialled now. If so, it may be dialled again after a pause that grows until a
    /// connection lasts.
    pub fn take_turn(&mut self, place: &Place, now: Moment) -> bool {
        let Some(sighting) = self.sightings.get_mut(place).filter(|sighting| sighting.again <= now) else {
            return false;
        };
        sighting.again = now + sighting.pause;
        sighting.pause = (sighting.pause * 2).min(SEEK_LONGEST);
        true
    }

    /// Defers the first dial of a place.
    pub fn defer(&mut self, place: &Place, until: Moment) {
        if let Some(sighting) = self.sightings.get_mut(place) {
            sighting.again = sighting.again.max(until);
        }
    }

    /// The places that may be dialled now.
    pub fn ready(&self, now: Moment) -> impl Iterator<Item = Place> + '_ {
        self.sightings.iter().filter(move |(_, sighting)| sighting.again <= now).map(|(place, _)| *place)
    }

    /// How long a place has been announced.
    pub fn age(&self, place: &Place, now: Moment) -> Duration {
        self.sightings.get(place).map_or(Duration::ZERO, |sighting| now.since(sighting.since))
    }

    /// The announcements of a session.
    pub fn places_of_session(&self, session: &SessionId) -> impl Iterator<Item = Place> + '_ {
        let first = (*session, (BootId(0), FIRST_ADDR));
        let session = *session;
        self.places.range(first..).take_while(move |(of, _)| *of == session).map(|(_, place)| *place)
    }

    /// The addresses at which the link announces a session, those where its key has answered first.
    pub fn addresses(&self, session: &SessionId) -> Vec<SocketAddr> {
        let mut places: Vec<Place> = self.places_of_session(session).collect();
        places.sort_by_key(|place| self.sightings.get(place).is_none_or(|sighting| sighting.met != Some(*session)));
        places.into_iter().map(|(_, addr)| addr).collect()
    }

    /// Whether the link announces a session.
    pub fn is_announced(&self, session: &SessionId) -> bool {
        self.places_of_session(session).next().is_some()
    }

    /// Marks a session as shown to the user. Returns false if it was.
    pub fn show(&mut self, session: SessionId, user: UserId) -> bool {
        self.shown_users.insert((user, session));
        self.shown.insert(session, user).is_none()
    }

    /// Marks a session as no longer shown. Returns its user if it was.
    pub fn hide(&mut self, session: &SessionId) -> Option<UserId> {
        let user = self.shown.remove(session)?;
        self.shown_users.remove(&(user, *session));
        Some(user)
    }

    /// Whether a session of a user is shown as nearby.
    pub fn is_shown(&self, user: &UserId) -> bool {
        let sessions = (*user, SessionId([0; 32]))..=(*user, SessionId([255; 32]));
        self.shown_users.range(sessions).next().is_some()
    }
}

/// Chooses one of these places at random: first an IP address, so that many announcements of one address count as much as the
/// only one of another.
pub fn choose(places: impl Iterator<Item = Place>, rng: &mut impl Rng) -> Option<Place> {
    let mut by_ip: BTreeMap<IpAddr, Vec<Place>> = BTreeMap::new();
    places.for_each(|place| by_ip.entry(place.1.ip()).or_default().push(place));
    let mut below = |count: usize| (rng.next_u64() % count.max(1) as u64) as usize;
    let nth = below(by_ip.len());
    let places = by_ip.into_values().nth(nth)?;
    places.get(below(places.len())).copied()
}

#[cfg(test)]
mod tests;
