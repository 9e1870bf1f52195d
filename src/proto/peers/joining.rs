//! Whether the nodes named by `--bootstrap` answer, and what people have been told about it: that one answers, once, and
//! that it does not, once per outage.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::proto::limits::{BOOTSTRAP_PATIENCE, BOOTSTRAP_WARNINGS};
use crate::time::Moment;

/// All places named by `--bootstrap`. The shell names at most a fixed number of them.
#[derive(Debug, Default)]
pub struct Joining {
    places: BTreeMap<String, Place>,
}

#[derive(Debug)]
struct Place {
    addrs: Vec<SocketAddr>,
    /// When to warn that nobody has answered. `None` once somebody has, or once people were warned.
    warn_at: Option<Moment>,
    /// What happened at the last attempt.
    obstacle: Obstacle,
    /// When people were last warned.
    warned: Option<Moment>,
    /// People know that it answers, and were not warned since.
    confirmed: bool,
}

/// Why there is no connection with a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Obstacle {
    /// Nothing came back.
    Silence,
    /// The path does not carry packets as large as QUIC needs.
    TooLarge,
    /// A firewall does not let UDP pass.
    Forbidden,
    /// Somebody answers who is not in this network.
    OtherNetwork,
    /// Another user answers than the one who was named. People are warned about this elsewhere.
    OtherUser,
    /// The node itself answers.
    Myself,
    /// A node answered, and closed the connection before it said who it is, or soon after.
    Closed,
}

/// A place about which people are to be warned.
#[derive(Debug, PartialEq, Eq)]
pub struct Unanswered {
    /// The place, as it was named.
    pub place: String,
    /// Its addresses.
    pub addrs: Vec<SocketAddr>,
    /// What is known about the reason.
    pub obstacle: Obstacle,
}

/// The beginning of what people are told where [`Obstacle::TooLarge`] stands in the way.
pub const TOO_LARGE: &str = "packets of 1,228 bytes, the smallest that QUIC can do with, do not pass";

impl Joining {
    /// Records the current addresses of a place. If it is new, an answer is awaited from now on.
    pub fn resolved(&mut self, place: String, addrs: &[SocketAddr], now: Moment) {
        let entry = self.places.entry(place).or_insert_with(|| Place {
            addrs: Vec::new(),
            warn_at: Some(now + BOOTSTRAP_PATIENCE),
            obstacle: Obstacle::Silence,
            warned: None,
            confirmed: false,
        });
        entry.addrs = addrs.to_vec();
    }

    /// Somebody answers at an address. Returns the places of which this is news.
    pub fn answered(&mut self, addr: &SocketAddr) -> Vec<String> {
        let mut news = Vec::new();
        for (name, place) in self.places.iter_mut().filter(|(_, place)| place.addrs.contains(addr)) {
            place.warn_at = None;
            if !std::mem::replace(&mut place.confirmed, true) {
                news.push(name.clone());
            }
        }
        news
    }

    /// An attempt at an address failed, or a connection with it is over.
    pub fn hindered(&mut self, addr: &SocketAddr, obstacle: Obstacle) {
        self.of(addr).for_each(|place| place.obstacle = obstacle);
    }

    /// The connection with an address is lost. A warning is due if that lasts, but not soon after another one.
    pub fn lost(&mut self, addr: &SocketAddr, now: Moment) {
        for place in self.of(addr).filter(|place| place.confirmed && place.warn_at.is_none()) {
            let pause = place.warned.map_or(now, |warned| warned + BOOTSTRAP_WARNINGS);
            place.warn_at = Some((now + BOOTSTRAP_PATIENCE).max(pause));
            place.obstacle = Obstacle::Silence;
        }
    }

    /// Takes the places about which people are to be warned now.
    pub fn take_due(&mut self, now: Moment) -> Vec<Unanswered> {
        let mut due = Vec::new();
        for (name, place) in &mut self.places {
            if place.warn_at.take_if(|at| *at <= now).is_some() {
                (place.warned, place.confirmed) = (Some(now), false);
                due.push(Unanswered { place: name.clone(), addrs: place.addrs.clone(), obstacle: place.obstacle });
            }
        }
        due
    }

    /// When the next warning is due.
    pub fn next(&self) -> Option<Moment> {
        self.places.values().filter_map(|place| place.warn_at).min()
    }

    /// What keeps this node from all places, if the network itself does.
    pub fn network_obstacle(&self) -> Option<Obstacle> {
        let mut obstacles = self.places.values().filter(|place| !place.confirmed).map(|place| place.obstacle);
        obstacles.find(|obstacle| matches!(obstacle, Obstacle::TooLarge | Obstacle::Forbidden))
    }

    /// Every place with its addresses and what happened at the last attempt.
    pub fn places(&self) -> impl Iterator<Item = (&str, &[SocketAddr], Obstacle)> {
        self.places.iter().map(|(name, place)| (name.as_str(), &place.addrs[..], place.obstacle))
    }

    fn of<'a>(&'a mut self, addr: &SocketAddr) -> impl Iterator<Item = &'a mut Place> {
        let addr = *addr;
        self.places.values_mut().filter(move |place| place.addrs.contains(&addr))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const START: Moment = Moment(0);

    fn addr(last: u8) -> SocketAddr {
        ([192, 0, 2, last], 27272).into()
    }

    fn joining() -> Joining {
        let mut joining = Joining::default();
        joining.resolved("pi".to_owned(), &[addr(1), addr(2)], START);
        joining
    }

    #[test]
    fn a_place_that_does_not_answer_is_due_once() {
        let mut joining = joining();
        assert_eq!(joining.take_due(START), []);
        joining.hindered(&addr(2), Obstacle::OtherNetwork);
        let due = START + BOOTSTRAP_PATIENCE;
        assert_eq!(joining.next(), Some(due));
        let (place, addrs, obstacle) = ("pi".to_owned(), vec![addr(1), addr(2)], Obstacle::OtherNetwork);
        assert_eq!(joining.take_due(due), [Unanswered { place, addrs, obstacle }]);
        joining.resolved("pi".to_owned(), &[addr(1)], due);
        assert_eq!(joining.next(), None, "resolving it again changes nothing");
    }

    #[test]
    fn an_answer_at_any_address_is_news_once_and_again_after_a_warning() {
        let mut joining = joining();
        assert_eq!(joining.answered(&addr(2)), ["pi"]);
        assert_eq!(joining.answered(&addr(1)), [""; 0]);
        assert_eq!(joining.next(), None);
        joining.lost(&addr(2), START);
        assert_eq!(joining.answered(&addr(2)), [""; 0], "a short interruption is not worth telling");
        joining.lost(&addr(2), START);
        assert_eq!(joining.take_due(START + BOOTSTRAP_PATIENCE).len(), 1);
        assert_eq!(joining.answered(&addr(2)), ["pi"]);
    }

    #[test]
    fn a_place_that_comes_and_goes_leads_to_few_warnings() {
        let mut joining = joining();
        let hour = (0..3600).map(|second| START + Duration::from_secs(second));
        let warnings = hour.map(|now| {
            joining.answered(&addr(1));
            joining.lost(&addr(1), now);
            joining.take_due(now).len()
        });
        assert_eq!(warnings.sum::<usize>(), 0, "it answers every second");
        let hour = (3600..7200).map(|second| START + Duration::from_secs(second));
        let warnings = hour.map(|now| {
            if now.0 % 10_000 == 0 {
                joining.answered(&addr(1));
                joining.lost(&addr(1), now);
            }
            joining.take_due(now).len()
        });
        assert!(warnings.sum::<usize>() <= 13);
    }
}
