//! Labels of sessions: how the sessions of one user are told apart when shown, and which one a typed label stands for.
//!
//! A label is the host name of the session's machine unless the user chose another. Anybody who signs a roster can write
//! anything into it, so what could not be part of a name is not shown.

use std::sync::Arc;

use super::name::Name;
use crate::id::SessionId;
use crate::wire::record::Roster;

/// Characters of a label that are shown, as many as a name has.
const MAX_SHOWN: usize = 32;

/// The sessions that a roster admits, with their labels.
#[derive(Debug, Default)]
pub struct Labels(Vec<Labelled>);

#[derive(Debug)]
struct Labelled {
    session: SessionId,
    /// `None` if it is empty or cannot be shown.
    name: Option<Name>,
    /// What is shown: the label, `label#abc123` if several sessions share it, or the start of the session id if it has none.
    shown: String,
}

/// What a typed label stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chosen {
    /// Exactly this session.
    One(SessionId),
    /// No session.
    Unknown,
    /// Several, which are shown as these.
    Ambiguous(Vec<String>),
}

impl Labels {
    /// The labels of a roster.
    pub fn of(roster: &Roster) -> Labels {
        let named: Vec<(SessionId, Option<Name>)> = roster
            .sessions
            .iter()
            .filter(|entry| roster.admits(&entry.id))
            .map(|entry| (entry.id, readable(&entry.label)))
            .collect();
        let folded: Vec<Option<Arc<str>>> = named.iter().map(|(_, name)| name.as_ref().map(Name::folded)).collect();
        let shares = |own: &Option<Arc<str>>| folded.iter().filter(|other| *other == own).count() > 1;
        let shown = |(session, name): &(SessionId, Option<Name>), own: &Option<Arc<str>>| match name {
            None => session.short(),
            Some(name) if shares(own) => format!("{}#{}", name.as_str(), session.short()),
            Some(name) => name.as_str().to_owned(),
        };
        let texts: Vec<String> = named.iter().zip(&folded).map(|(entry, own)| shown(entry, own)).collect();
        Labels(named.into_iter().zip(texts).map(|((session, name), shown)| Labelled { session, name, shown }).collect())
    }

    /// The sessions, in the order of the roster.
    pub fn sessions(&self) -> impl Iterator<Item = SessionId> + '_ {
        self.0.iter().map(|entry| entry.session)
    }

    /// The label to show for a session: the start of its id if the roster does not list it. It can be typed back.
    pub fn label(&self, session: &SessionId) -> String {
        let entry = self.0.iter().find(|entry| entry.session == *session);
        entry.map_or_else(|| session.short(), |entry| entry.shown.clone())
    }

    /// All labels to show.
    pub fn all(&self) -> Vec<String> {
        self.0.iter().map(|entry| entry.shown.clone()).collect()
    }

    /// Resolves a typed label, `label#abc123`, or start of a session id. More or fewer characters of the id may be typed.
    pub fn resolve(&self, typed: &str) -> Chosen {
        let (label, start) = typed.split_once('#').unwrap_or((typed, ""));
        let folded = Name::parse(label).ok().map(|name| name.folded());
        let called = |entry: &&Labelled| {
            let name = entry.name.as_ref().map(Name::folded);
            name.is_some() && name == folded && entry.session.to_string().starts_with(start)
        };
        let by_label: Vec<&Labelled> = self.0.iter().filter(called).collect();
        let chosen = match by_label[..] {
            [] => self.0.iter().filter(|entry| entry.session.to_string().starts_with(typed)).collect(),
            _ => by_label,
        };
        match chosen[..] {
            [] => Chosen::Unknown,
            [one] => Chosen::One(one.session),
            _ => Chosen::Ambiguous(chosen.iter().map(|entry| entry.shown.clone()).collect()),
        }
    }
}

/// The part of a label that is shown; `None` if it would not pass as a name.
fn readable(label: &str) -> Option<Name> {
    let beginning: String = label.chars().take(MAX_SHOWN).collect();
    Name::parse(beginning.trim()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::UserId;
    use crate::wire::record::RosterSession;
    use crate::wire::{List, Text};

    fn id(n: u8) -> SessionId {
        SessionId([n; 32])
    }

    fn labels(labels: &[&str]) -> Labels {
        let entry = |(n, label): (u8, &&str)| RosterSession { id: id(n), label: Text((*label).to_owned()) };
        let sessions = List((1..).zip(labels).map(entry).collect());
        let (user, name) = (UserId([9; 32]), Text("alice".to_owned()));
        Labels::of(&Roster { user, name, version: 1, sessions, revoked: List(vec![id(200)]) })
    }

    #[test]
    fn equal_labels_are_told_apart_and_every_shown_one_can_be_typed_back() {
        let long = "ip-10-0-0-1.eu-west-1.compute.internal";
        let labels = labels(&["laptop", "Laptop", "phone", "", "\u{1b}[2J", "phone, delivered to bob", long, "7"]);
        let short = |n: u8| id(n).short();
        assert_eq!(
            labels.all(),
            [
                format!("laptop#{}", short(1)),
                format!("Laptop#{}", short(2)),
                "phone".to_owned(),
                short(4),
                short(5),
                short(6),
                long[..32].to_owned(),
                short(8)
            ]
        );
        for (n, shown) in (1..).zip(labels.all()) {
            assert_eq!(labels.resolve(&shown), Chosen::One(id(n)), "{shown}");
            assert_eq!(labels.resolve(&id(n).to_string()), Chosen::One(id(n)));
        }
    }

    #[test]
    fn a_label_is_found_in_any_case_and_an_ambiguous_one_lists_those_it_may_mean() {
        let labels = labels(&["laptop", "laptop", "Pi"]);
        assert_eq!(labels.resolve("pi"), Chosen::One(id(3)));
        assert_eq!(labels.resolve("laptop"), Chosen::Ambiguous(labels.all()[..2].to_vec()));
        assert_eq!(labels.resolve("tablet"), Chosen::Unknown);
        assert_eq!(labels.resolve(&id(200).to_string()), Chosen::Unknown, "a revoked session has no label");
        assert_eq!(labels.label(&id(77)), id(77).short());
        assert!(matches!(labels.resolve(""), Chosen::Ambiguous(all) if all.len() == 3));
    }
}
