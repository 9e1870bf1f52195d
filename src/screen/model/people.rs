//! Who is known, and how they are reached.

use std::collections::BTreeMap;

use crate::screen::clock::{Clock, Wall};
use crate::screen::event::{Presence, User};
use crate::ui::plain::inline;

/// Everybody the node knows, by id.
#[derive(Debug, Default)]
pub struct People {
    all: BTreeMap<String, Person>,
    /// The labels of my own sessions, by id.
    mine: BTreeMap<String, String>,
}

/// One of them.
#[derive(Debug, Default, Clone)]
pub struct Person {
    /// The name to show, which was made harmless.
    pub name: String,
    /// The handle that the node uses.
    handle: String,
    pub linked: bool,
    pub nearby: bool,
    pub verified: bool,
    sessions: BTreeMap<String, Reach>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    Direct,
    Relayed,
    /// Since then.
    Away(Wall),
}

/// How somebody is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    Here,
    Through,
    /// On the local link, and not linked.
    Nearby,
    /// Since then, if they were ever heard of.
    Away(Option<Wall>),
}

impl People {
    /// Everybody, as the node knows them now.
    pub fn replace(&mut self, users: &[User], now: Wall) {
        let person = |user: &User| {
            let session = |session: &crate::screen::event::Session| {
                let reach = match session.via.as_deref() {
                    Some("direct") => Reach::Direct,
                    Some(_) => Reach::Relayed,
                    None => Reach::Away(now - i64::try_from(session.heard_s).unwrap_or(i64::MAX / 2000) * 1000),
                };
                (session.session.clone(), reach)
            };
            let known = Person {
                name: inline(&user.user),
                handle: user.user.clone(),
                linked: user.distance == Some(1),
                nearby: user.nearby,
                verified: user.verified,
                sessions: user.sessions.iter().map(session).collect(),
            };
            (user.id.clone(), known)
        };
        let (mine, others): (Vec<&User>, Vec<&User>) = users.iter().partition(|user| user.distance == Some(0));
        self.all = others.into_iter().map(person).collect();
        let mine = mine.into_iter().flat_map(|me| &me.sessions);
        self.mine = mine.map(|session| (session.session.clone(), inline(&session.label))).collect();
    }

    /// Somebody by id.
    pub fn get(&self, id: &str) -> Option<&Person> {
        self.all.get(id)
    }

    /// The id of a handle.
    pub fn id_of(&self, handle: &str) -> Option<&str> {
        self.all.iter().find(|(_, person)| person.handle == handle).map(|(id, _)| id.as_str())
    }

    /// The name of the user of a session, or its label if it is one of mine.
    pub fn of_session(&self, session: &str) -> Option<String> {
        let of_other = || self.all.values().find(|person| person.sessions.contains_key(session));
        self.mine.get(session).cloned().or_else(|| of_other().map(|person| person.name.clone()))
    }

    /// The people who are nearby and not linked, by id.
    pub fn nearby(&self) -> impl Iterator<Item = (&str, &Person)> {
        self.all.iter().filter(|(_, person)| person.nearby && !person.linked).map(|(id, person)| (id.as_str(), person))
    }

    /// The names of everybody.
    pub fn handles(&self) -> impl Iterator<Item = &str> {
        self.all.values().map(|person| person.handle.as_str())
    }

    /// How many linked users are here, reached through others, and away; and how many others are nearby.
    pub fn counts(&self) -> [usize; 4] {
        let mut counts = [0; 4];
        counts[3] = self.nearby().count();
        for person in self.all.values().filter(|person| person.linked) {
            counts[match person.how() {
                How::Here => 0,
                How::Through => 1,
                How::Nearby | How::Away(_) => 2,
            }] += 1;
        }
        counts
    }

    /// A session came, was reached in another way, or went.
    pub fn on_presence(&mut self, presence: &Presence, now: Wall) {
        if presence.own {
            return;
        }
        let reach = match presence.via.as_deref() {
            Some("direct") => Reach::Direct,
            Some(_) => Reach::Relayed,
            None => Reach::Away(now),
        };
        if let (Some(session), Some(person)) = (&presence.session, self.entry(presence)) {
            person.sessions.insert(session.clone(), reach);
        }
    }

    /// Somebody was found on the local link, or has left it.
    pub fn set_nearby(&mut self, presence: &Presence, nearby: bool) {
        if let Some(person) = self.entry(presence) {
            person.nearby = nearby;
        }
    }

    /// A link was made or removed.
    pub fn set_linked(&mut self, presence: &Presence, linked: bool) {
        if let Some(person) = self.entry(presence) {
            person.linked = linked;
        }
    }

    fn entry(&mut self, presence: &Presence) -> Option<&mut Person> {
        let id = match &presence.id {
            Some(id) => id.clone(),
            None => self.id_of(&presence.user)?.to_owned(),
        };
        let person = self.all.entry(id).or_default();
        if person.handle != presence.user {
            person.handle.clone_from(&presence.user);
            person.name = inline(&presence.user);
        }
        Some(person)
    }
}

impl Person {
    /// How they are reached. Somebody nearby who is not linked is there in any case, and the node does not tell of every connection
    /// with them.
    pub fn how(&self) -> How {
        if self.nearby && !self.linked {
            return How::Nearby;
        }
        let all = self.sessions.values();
        let heard = all.clone().filter_map(|reach| if let Reach::Away(since) = reach { Some(*since) } else { None });
        match all
            .clone()
            .find(|reach| **reach == Reach::Direct)
            .or_else(|| all.clone().find(|reach| **reach == Reach::Relayed))
        {
            Some(Reach::Direct) => How::Here,
            Some(_) => How::Through,
            None => How::Away(heard.max()),
        }
    }

    /// How many sessions they have.
    pub fn sessions(&self) -> usize {
        self.sessions.len()
    }
}

impl How {
    /// In words.
    pub fn words(self, clock: &Clock) -> String {
        match self {
            How::Here => "here".to_owned(),
            How::Through => "here, through others".to_owned(),
            How::Nearby => "nearby".to_owned(),
            How::Away(Some(since)) => format!("away {}", clock.ago(since)),
            How::Away(None) => "away".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn presence(via: Option<&str>) -> Presence {
        Presence {
            user: "bob".into(),
            id: Some("b".into()),
            session: Some("s1".into()),
            via: via.map(str::to_owned),
            own: false,
        }
    }

    #[test]
    fn somebody_is_here_through_others_or_away_since() {
        let mut people = People::default();
        people.set_linked(&presence(None), true);
        let how = |people: &People| people.get("b").expect("bob is known").how().words(&Clock::utc(3 * 3_600_000));
        assert_eq!(how(&people), "away");
        people.on_presence(&presence(Some("relayed")), 0);
        assert_eq!(how(&people), "here, through others");
        people.on_presence(&presence(Some("direct")), 0);
        assert_eq!((how(&people).as_str(), people.counts()), ("here", [1, 0, 0, 0]));
        people.on_presence(&presence(None), 0);
        assert_eq!(how(&people), "away 3 h");
        people.set_nearby(&presence(None), true);
        assert_eq!((how(&people).as_str(), people.counts()), ("away 3 h", [0, 0, 1, 0]), "a link says more");
        people.set_linked(&presence(None), false);
        people.on_presence(&presence(Some("direct")), 0);
        assert_eq!((how(&people).as_str(), people.counts()), ("nearby", [0, 0, 0, 1]));
        assert_eq!(people.of_session("s1").as_deref(), Some("bob"));
    }
}
