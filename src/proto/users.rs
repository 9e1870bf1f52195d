//! Users: their rosters, the names they are known by, and which key a typed name means.
//!
//! A name is pinned to a key when that key is first linked, written to or verified, as SSH does with hosts; hearsay pins
//! nothing. From then on the plain name is that key's alone: another key that claims it is shown as `name#abc123`.

use std::collections::{BTreeMap, BTreeSet};

use super::memory::UserRow;
use crate::id::{SessionId, UserId};
use crate::identity::{BadName, Checked, Name};
use crate::wire::record::Roster;

/// What is known of a user.
#[derive(Debug, Default)]
struct User {
    roster: Option<Checked<Roster>>,
    pinned: Option<Name>,
    verified: bool,
    /// Every line is shown under it, so it is not made anew for each.
    called: Option<Called>,
}

/// A name, and what it is compared by.
#[derive(Debug)]
struct Called {
    name: Name,
    folded: String,
}

/// Everybody that is known, myself included.
#[derive(Debug)]
pub struct Users {
    known: BTreeMap<UserId, User>,
    by_name: BTreeMap<String, BTreeSet<UserId>>,
}

/// What a roster did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Learned {
    /// First roster of this user, or a higher version.
    News,
    /// Known, or older.
    Nothing,
    /// Another roster of the same version: shown to the user; the first one is kept.
    Fork,
}

/// Whom a typed text means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meant {
    One(UserId),
    Nobody,
    /// It cannot be anybody's name.
    NoName(BadName),
    Several(Vec<UserId>),
}

impl Users {
    pub fn new(rows: &[UserRow]) -> Users {
        let mut users = Users { known: BTreeMap::new(), by_name: BTreeMap::new() };
        for row in rows {
            let roster = row.roster.as_ref().and_then(|signed| Checked::from_store(signed).ok());
            let pinned = row.pinned.as_deref().and_then(|name| Name::parse(name).ok());
            users.known.insert(row.user, User { roster, pinned, verified: row.verified, called: None });
            users.index(&row.user);
        }
        users
    }

    /// Takes a roster in.
    pub fn learn(&mut self, roster: Checked<Roster>) -> Learned {
        let id = roster.user;
        let user = self.known.entry(id).or_default();
        match &user.roster {
            Some(known) if known.version > roster.version => return Learned::Nothing,
            Some(known) if known.version == roster.version && known.signed() == roster.signed() => {
                return Learned::Nothing;
            }
            Some(known) if known.version == roster.version => return Learned::Fork,
            _ => {}
        }
        self.unindex(&id);
        self.known.entry(id).or_default().roster = Some(roster);
        self.index(&id);
        Learned::News
    }

    /// Notes a user of whom only the key is known.
    pub fn note(&mut self, user: UserId) -> bool {
        let new = !self.known.contains_key(&user);
        self.known.entry(user).or_default();
        new
    }

    pub fn roster(&self, user: &UserId) -> Option<&Checked<Roster>> {
        self.known.get(user)?.roster.as_ref()
    }

    /// Whether this session speaks for this user.
    pub fn admits(&self, user: &UserId, session: &SessionId) -> bool {
        self.roster(user).is_some_and(|roster| roster.admits(session))
    }

    /// The sessions that are to have every message to this user.
    pub fn audience(&self, user: &UserId) -> Vec<SessionId> {
        let Some(roster) = self.roster(user) else { return Vec::new() };
        roster.sessions.iter().map(|entry| entry.id).filter(|id| roster.admits(id)).collect()
    }

    /// Binds the name a user has now to their key. False if it was bound before, or another key holds that name.
    pub fn pin(&mut self, user: &UserId) -> bool {
        let Some(called) = self.called(user) else { return false };
        if self.is_pinned(user) || self.holder(&called.folded).is_some() {
            return false;
        }
        let name = called.name.clone();
        if let Some(user) = self.known.get_mut(user) {
            user.pinned = Some(name);
        }
        true
    }

    pub fn verify(&mut self, user: &UserId) {
        self.known.entry(*user).or_default().verified = true;
    }

    pub fn is_verified(&self, user: &UserId) -> bool {
        self.known.get(user).is_some_and(|user| user.verified)
    }

    pub fn is_pinned(&self, user: &UserId) -> bool {
        self.known.get(user).is_some_and(|user| user.pinned.is_some())
    }

    /// The pinned name, else the one of the roster.
    pub fn name(&self, user: &UserId) -> Option<Name> {
        self.called(user).map(|called| called.name.clone())
    }

    /// The other key that holds this user's name, if the name is pinned to one.
    pub fn clash(&self, user: &UserId) -> Option<UserId> {
        self.holder(&self.called(user)?.folded).filter(|holder| holder != user)
    }

    /// What to call a user; can be typed back.
    pub fn handle(&self, user: &UserId) -> String {
        let Some(Called { name, folded }) = self.called(user) else { return user.to_string() };
        let alone = self.by_name.get(folded).is_none_or(|same| same.len() < 2);
        if alone || self.holder(folded) == Some(*user) {
            return name.as_str().to_owned();
        }
        format!("{}#{}", name.as_str(), user.short())
    }

    /// Whom somebody means who types `name`, `name#abc123` or a full id.
    pub fn meant(&self, typed: &str) -> Meant {
        if let Ok(id) = typed.parse::<UserId>() {
            return Meant::One(id);
        }
        let (name, short) = match typed.split_once('#') {
            Some((name, short)) => (name, Some(short)),
            None => (typed, None),
        };
        let name = match Name::parse(name) {
            Ok(name) => name,
            Err(why) => return Meant::NoName(why),
        };
        let folded = name.folded();
        let same = self.by_name.get(&folded).cloned().unwrap_or_default();
        let chosen: Vec<UserId> = match short {
            Some(short) => same.into_iter().filter(|id| id.short() == short).collect(),
            None => match self.holder(&folded) {
                Some(holder) => vec![holder],
                None => same.into_iter().collect(),
            },
        };
        match chosen[..] {
            [] => Meant::Nobody,
            [one] => Meant::One(one),
            _ => Meant::Several(chosen),
        }
    }

    /// Somebody whose id begins so.
    pub fn like(&self, short: [u8; 8]) -> Option<UserId> {
        self.known.range(UserId::beginning(short)).next().map(|(user, _)| *user)
    }

    /// Everybody of a (folded) name, and whoever has this id, of whom there is a roster.
    pub fn called_or_is(&self, folded: Option<&str>, id: Option<&UserId>) -> Vec<UserId> {
        let called = folded.and_then(|folded| self.by_name.get(folded)).into_iter().flatten();
        let all: BTreeSet<UserId> = called.chain(id).copied().collect();
        all.into_iter().filter(|user| self.roster(user).is_some()).collect()
    }

    pub fn iter(&self) -> impl Iterator<Item = UserId> + '_ {
        self.known.keys().copied()
    }

    pub fn count(&self) -> usize {
        self.known.len()
    }

    pub fn forget(&mut self, user: &UserId) {
        self.unindex(user);
        self.known.remove(user);
    }

    /// What the store keeps of a user.
    pub fn row(&self, id: &UserId) -> Option<UserRow> {
        let user = self.known.get(id)?;
        Some(UserRow {
            user: *id,
            roster: user.roster.as_ref().map(|roster| roster.signed().clone()),
            pinned: user.pinned.as_ref().map(|name| name.as_str().to_owned()),
            verified: user.verified,
        })
    }

    fn called(&self, user: &UserId) -> Option<&Called> {
        self.known.get(user)?.called.as_ref()
    }

    fn holder(&self, folded: &str) -> Option<UserId> {
        let same = self.by_name.get(folded)?;
        same.iter().copied().find(|id| self.is_pinned(id))
    }

    /// Finds out what a user is called. What was known of it must be out of the index.
    fn index(&mut self, id: &UserId) {
        let Some(user) = self.known.get_mut(id) else { return };
        let of_roster = || Name::parse(&user.roster.as_ref()?.name).ok();
        user.called = user.pinned.clone().or_else(of_roster).map(|name| Called { folded: name.folded(), name });
        if let Some(called) = &user.called {
            self.by_name.entry(called.folded.clone()).or_default().insert(*id);
        }
    }

    fn unindex(&mut self, id: &UserId) {
        let Some(called) = self.known.get_mut(id).and_then(|user| user.called.take()) else { return };
        if let Some(same) = self.by_name.get_mut(&called.folded) {
            same.remove(id);
            if same.is_empty() {
                self.by_name.remove(&called.folded);
            }
        }
    }
}
