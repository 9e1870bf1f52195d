//! Where a message of mine is, in words.

use std::collections::BTreeMap;

use crate::screen::clock::{Clock, Wall};
use crate::screen::event;

/// What is known of the sessions of the addressee, by id. Without any, it waits on this node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delivery {
    sessions: BTreeMap<String, Held>,
}

/// Who holds the message for one session.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Held {
    /// This node.
    Queued,
    /// The session of this user or with this label too, since then if that was seen.
    Carried(String, Option<Wall>),
    /// The session itself.
    Delivered,
    /// Another session, of the addressee or of mine. This node does not send it.
    Settled,
}

impl Delivery {
    /// From the answer to `status`. `name` finds whose session it is, or which one of mine.
    pub fn of_status(sessions: &[event::Delivery], name: impl Fn(&str) -> Option<String>) -> Delivery {
        let held = |found: &event::Delivery| match found.state.as_str() {
            "carried" => {
                let carrier = found.carriers.first().and_then(|by| name(by));
                Held::Carried(carrier.unwrap_or_else(|| "a relay".to_owned()), None)
            }
            "delivered" => Held::Delivered,
            "settled" => Held::Settled,
            _ => Held::Queued,
        };
        Delivery { sessions: sessions.iter().map(|found| (found.session.clone(), held(found))).collect() }
    }

    /// From how far it has come towards whichever session of the addressee is nearest to having it.
    pub fn of_state(state: &str) -> Delivery {
        let held = match state {
            "delivered" => Held::Delivered,
            "carried" => Held::Carried("a relay".to_owned(), None),
            "settled" => Held::Settled,
            _ => return Delivery::default(),
        };
        Delivery { sessions: BTreeMap::from([(String::new(), held)]) }
    }

    /// Progress towards a session.
    pub fn on_state(&mut self, session: &str, state: &str, holder: &str, now: Wall) {
        let held = match state {
            "delivered" => Held::Delivered,
            _ => Held::Carried(holder.to_owned(), Some(now)),
        };
        if held == Held::Delivered || !self.has_arrived() {
            self.sessions.remove("");
        }
        let known = self.sessions.entry(session.to_owned()).or_insert(Held::Queued);
        if *known != Held::Delivered {
            *known = held;
        }
    }

    /// Takes over what a fresh answer says, and keeps since when a carrier has it. A session that the addressee has no more need not
    /// get it.
    pub fn update(&mut self, fresh: Delivery) {
        let has_arrived = fresh.has_arrived();
        self.sessions.retain(|session, held| match *held {
            Held::Delivered => !(session.is_empty() && has_arrived),
            _ => fresh.sessions.contains_key(session),
        });
        for (session, held) in fresh.sessions {
            let known = self.sessions.entry(session).or_insert(Held::Queued);
            let was_seen = matches!((&*known, &held), (Held::Carried(_, Some(_)), Held::Carried(..)));
            if !was_seen && *known != Held::Delivered {
                *known = held;
            }
        }
    }

    /// Since when a carrier has it for a session, if that was seen.
    pub fn carried_since(&self, session: &str) -> Option<Wall> {
        match self.sessions.get(session)? {
            Held::Carried(_, since) => *since,
            _ => None,
        }
    }

    /// Whether a session of the addressee has it.
    pub fn has_arrived(&self) -> bool {
        self.sessions.values().any(|held| *held == Held::Delivered)
    }

    /// Whether this node sends it, and no session of the addressee has it yet.
    pub fn is_under_way(&self) -> bool {
        let is_sent = |held: &Held| matches!(held, Held::Queued | Held::Carried(..));
        !self.has_arrived() && (self.sessions.is_empty() || self.sessions.values().any(is_sent))
    }

    /// What stands beside the message; `None` if it does not wait here and nobody is known to have it. Sessions to which others give
    /// it do not count.
    pub fn words(&self, clock: &Clock) -> Option<String> {
        let reached = self.sessions.values().filter(|held| **held == Held::Delivered).count();
        let of = self.sessions.values().filter(|held| **held != Held::Settled).count();
        if reached > 0 {
            return Some(if reached < of { format!("delivered {reached} of {of}") } else { "delivered".to_owned() });
        }
        let carried = self.sessions.values().find_map(|held| match held {
            Held::Carried(by, since) => Some((by, since)),
            _ => None,
        });
        match carried {
            Some((by, Some(since))) => Some(format!("with {by} {}", clock.minute(*since))),
            Some((by, None)) => Some(format!("with {by}")),
            None => self.is_under_way().then(|| "waits".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(session: &str, state: &str, carriers: &[&str]) -> event::Delivery {
        event::Delivery {
            session: session.into(),
            label: session.into(),
            state: state.into(),
            carriers: carriers.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn where_a_message_is_stands_beside_it_in_words() {
        let clock = Clock::utc(0);
        let name = |session: &str| (session == "s9").then(|| "pi".to_owned());
        let mut one = Delivery::of_status(&[at("s1", "queued", &[])], name);
        let words = |one: &Delivery| one.words(&clock).unwrap_or_default();
        assert_eq!(words(&one), "waits");
        one.on_state("s1", "carried", "pi", 3_600_000);
        assert_eq!(words(&one), "with pi 01:00");
        one.update(Delivery::of_status(&[at("s1", "carried", &["s9"])], name));
        assert_eq!(words(&one), "with pi 01:00", "since when it is known");
        one.on_state("s1", "delivered", "bob", 0);
        one.on_state("s1", "carried", "pi", 0);
        assert_eq!(words(&one), "delivered", "it never goes back");
        let left = Delivery::of_status(&[at("s1", "settled", &[]), at("s2", "settled", &[])], name);
        assert_eq!(left.words(&clock), None, "it does not wait, and nobody is known to have it");
        assert_eq!(Delivery::of_state("settled").words(&clock), None);
        let two = [at("s1", "delivered", &[]), at("s2", "carried", &["s9"])];
        assert_eq!(words(&Delivery::of_status(&two, name)), "delivered 1 of 2");
    }
}
