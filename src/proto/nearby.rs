//! The local link: who announces itself there. An announcement is a hint to dial; whom it belongs to, the handshake tells.
//! Somebody met there who is not linked is shown as nearby while the link shows them, and not kept.
//!
//! A sighting is something that has just come over the link. Whoever was met behind it and has no connection now is
//! dialled at every one, however long the link was cut: only announcements behind which nobody was ever met are backed
//! off from.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use super::limits::{MAX_SIGHTED_ADDRS, MAX_SIGHTINGS, SEEK_FIRST, SEEK_LONGEST};
use crate::id::{BootId, SessionId, UserId};
use crate::time::Moment;

/// An announcement that is up.
#[derive(Debug)]
struct Sighting {
    addrs: BTreeSet<SocketAddr>,
    /// Whose it is, once its key has answered.
    met: Option<SessionId>,
    /// It has no connection that would show that it is still there.
    silent: bool,
    /// When to dial it again while it is silent.
    again: Moment,
    pause: Duration,
}

/// The announcements of the link, and the people met on it.
#[derive(Debug, Default)]
pub struct Nearby {
    sightings: BTreeMap<BootId, Sighting>,
    shown: BTreeMap<SessionId, UserId>,
    /// Announcements beyond the bound.
    pub dropped: u64,
}

impl Nearby {
    /// Takes an announcement in. The addresses to dial now, if it is time for a dial.
    pub fn sight(&mut self, boot: BootId, addrs: Vec<SocketAddr>, now: Moment) -> Vec<SocketAddr> {
        if !self.sightings.contains_key(&boot) && self.sightings.len() >= MAX_SIGHTINGS {
            self.dropped += 1;
            return Vec::new();
        }
        let sighting = self.sightings.entry(boot).or_insert_with(|| Sighting {
            addrs: BTreeSet::new(),
            met: None,
            silent: true,
            again: now,
            pause: SEEK_FIRST,
        });
        let shown: BTreeSet<SocketAddr> = addrs.into_iter().take(MAX_SIGHTED_ADDRS).collect();
        let news = !shown.is_subset(&sighting.addrs);
        sighting.addrs = shown;
        if !sighting.silent || (!news && now < sighting.again) {
            return Vec::new();
        }
        sighting.again = now + sighting.pause;
        if sighting.met.is_none() {
            sighting.pause = (sighting.pause * 2).min(SEEK_LONGEST);
        }
        sighting.addrs.iter().copied().collect()
    }

    /// An announcement has ended. The session it belonged to.
    pub fn unsight(&mut self, boot: BootId) -> Option<SessionId> {
        self.sightings.remove(&boot)?.met
    }

    /// The key behind an announcement has answered. False if nothing of that boot was announced.
    pub fn meet(&mut self, boot: BootId, session: SessionId) -> bool {
        let Some(sighting) = self.sightings.get_mut(&boot) else { return false };
        sighting.met = Some(session);
        sighting.silent = false;
        sighting.pause = SEEK_FIRST;
        true
    }

    /// Its connection died. Where to look whether it is still there; and dial again when the link shows it the next time.
    pub fn lose(&mut self, session: &SessionId, now: Moment) -> Vec<(BootId, SocketAddr)> {
        let mut places = Vec::new();
        for (boot, sighting) in self.sightings.iter_mut().filter(|(_, sighting)| sighting.met == Some(*session)) {
            sighting.silent = true;
            sighting.again = now;
            places.extend(sighting.addrs.iter().map(|addr| (*boot, *addr)));
        }
        places
    }

    /// The session that was met behind an announcement and does not answer any more.
    pub fn silent(&self, boot: &BootId) -> Option<SessionId> {
        self.sightings.get(boot).filter(|sighting| sighting.silent)?.met
    }

    /// Where the link shows a session.
    pub fn addresses(&self, session: &SessionId) -> Vec<SocketAddr> {
        let of_it = self.sightings.values().filter(|sighting| sighting.met == Some(*session));
        of_it.flat_map(|sighting| sighting.addrs.iter().copied()).collect()
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

    fn addrs(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn seconds(n: u64) -> Moment {
        Moment(n * 1000)
    }

    #[test]
    fn whoever_was_met_is_dialled_at_every_sighting_however_long_they_do_not_answer() {
        let mut nearby = Nearby::default();
        nearby.sight(BOOT, addrs(&["10.0.0.1:5"]), seconds(0));
        nearby.meet(BOOT, BOB);
        nearby.lose(&BOB, seconds(20));
        for second in (20..600).step_by(4) {
            assert!(!nearby.sight(BOOT, addrs(&["10.0.0.1:5"]), seconds(second)).is_empty(), "at {second} s");
        }
    }

    #[test]
    fn an_announcement_behind_which_nobody_answers_is_dialled_less_and_less() {
        let mut nearby = Nearby::default();
        let dials = (0..600).filter(|second| !nearby.sight(BOOT, addrs(&["10.0.0.1:5"]), seconds(*second)).is_empty());
        assert!(dials.count() < 12);
    }

    #[test]
    fn what_the_link_no_longer_shows_is_not_dialled() {
        let mut nearby = Nearby::default();
        nearby.sight(BOOT, addrs(&["10.0.0.1:5"]), seconds(0));
        assert_eq!(nearby.sight(BOOT, addrs(&["10.0.7.1:5"]), seconds(1)), addrs(&["10.0.7.1:5"]));
    }
}
