//! Users: their rosters, the names they are known by, and which key a typed name means.
//!
//! A name is pinned to a key when that key is first linked, written to or verified, as SSH does with hosts; hearsay pins
//! nothing. From then on the plain name is that key's alone: another key that claims it is shown as `name#abc123`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::id::{SessionId, UserId};
use crate::identity::{BadName, Checked, Kept, Name};
use crate::proto::persist::UserRow;
use crate::wire::record::{Roster, Signed};

/// What is known of a user.
#[derive(Debug, Default)]
struct User {
    roster: Option<Kept<Roster>>,
    /// Of the roster.
    version: u64,
    /// The pinned name, else the one of the roster. Every line is shown under it, so it is not made anew for each.
    called: Option<Called>,
    pinned: bool,
    verified: bool,
    /// The store has a row of them.
    kept: bool,
}

/// A name, and what it is compared by.
#[derive(Debug)]
struct Called {
    name: Name,
    folded: Arc<str>,
}

impl Called {
    fn by(name: Name) -> Called {
        Called { folded: name.folded(), name }
    }
}

/// Everybody that is known, myself included.
#[derive(Debug, Default)]
pub struct Users {
    known: BTreeMap<UserId, User>,
    /// By folded name.
    named: BTreeSet<(Arc<str>, UserId)>,
    /// How many the store has.
    kept: usize,
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
    pub fn new(rows: Vec<UserRow>) -> Users {
        let known: BTreeMap<UserId, User> = rows.into_iter().map(|row| (row.user, User::from_row(&row))).collect();
        let called = |(id, user): (&UserId, &User)| Some((user.called.as_ref()?.folded.clone(), *id));
        Users { named: known.iter().filter_map(called).collect(), kept: known.len(), known }
    }

    /// Takes a roster in.
    pub fn learn(&mut self, roster: &Checked<Roster>) -> Learned {
        let id = roster.user;
        let kept = Kept::from(roster);
        let user = self.known.entry(id).or_default();
        match &user.roster {
            Some(known) if *known == kept => return Learned::Nothing,
            Some(_) if user.version > roster.version => return Learned::Nothing,
            Some(_) if user.version == roster.version => return Learned::Fork,
            _ => {}
        }
        (user.roster, user.version) = (Some(kept), roster.version);
        if !user.pinned {
            self.rename(id, Name::parse(&roster.name).ok());
        }
        Learned::News
    }

    /// Notes a user of whom only the key is known.
    pub fn note(&mut self, user: UserId) -> bool {
        let new = !self.known.contains_key(&user);
        self.known.entry(user).or_default();
        new
    }

    pub fn roster(&self, user: &UserId) -> Option<Checked<Roster>> {
        self.kept_roster(user).map(Kept::read)
    }

    pub fn has_roster(&self, user: &UserId) -> bool {
        self.kept_roster(user).is_some()
    }

    /// The roster as it was signed.
    pub fn signed_roster(&self, user: &UserId) -> Option<Signed> {
        self.kept_roster(user).map(Kept::signed)
    }

    /// The version of the roster that is held.
    pub fn version(&self, user: &UserId) -> Option<u64> {
        self.known.get(user).filter(|user| user.roster.is_some()).map(|user| user.version)
    }

    /// Whether this session speaks for this user.
    pub fn admits(&self, user: &UserId, session: &SessionId) -> bool {
        self.kept_roster(user).is_some_and(|roster| roster.value().admits(session))
    }

    /// The sessions that are to have every message to this user.
    pub fn audience(&self, user: &UserId) -> Vec<SessionId> {
        let Some(roster) = self.kept_roster(user).map(Kept::value) else { return Vec::new() };
        roster.sessions.iter().map(|entry| entry.id).filter(|id| roster.admits(id)).collect()
    }

    /// Binds the name a user has now to their key. False if it was bound before, or another key holds that name.
    pub fn pin(&mut self, user: &UserId) -> bool {
        let Some(called) = self.called(user) else { return false };
        if self.is_pinned(user) || self.holder(&called.folded).is_some() {
            return false;
        }
        if let Some(user) = self.known.get_mut(user) {
            user.pinned = true;
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
        self.known.get(user).is_some_and(|user| user.pinned)
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
        let alone = self.of_name(folded).nth(1).is_none();
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
        let chosen: Vec<UserId> = match (short, self.holder(&folded)) {
            (Some(short), _) => self.of_name(&folded).filter(|id| id.short() == short).collect(),
            (None, Some(holder)) => vec![holder],
            (None, None) => self.of_name(&folded).collect(),
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
    pub fn called_or_is(&self, folded: Option<&Arc<str>>, id: Option<&UserId>) -> Vec<UserId> {
        let called = folded.into_iter().flat_map(|folded| self.of_name(folded));
        let all: BTreeSet<UserId> = called.chain(id.copied()).collect();
        all.into_iter().filter(|user| self.has_roster(user)).collect()
    }

    pub fn iter(&self) -> impl Iterator<Item = UserId> + '_ {
        self.known.keys().copied()
    }

    pub fn count(&self) -> usize {
        self.known.len()
    }

    pub fn forget(&mut self, user: &UserId) {
        self.rename(*user, None);
        self.kept -= usize::from(self.known.remove(user).is_some_and(|user| user.kept));
    }

    /// From now on the store has a row of a user. False if it had.
    pub fn keep(&mut self, user: UserId) -> bool {
        let new = !std::mem::replace(&mut self.known.entry(user).or_default().kept, true);
        self.kept += usize::from(new);
        new
    }

    pub fn is_kept(&self, user: &UserId) -> bool {
        self.known.get(user).is_some_and(|user| user.kept)
    }

    /// How many the store has a row of.
    pub fn kept(&self) -> usize {
        self.kept
    }

    /// What the store keeps of a user.
    pub fn row(&self, id: &UserId) -> Option<UserRow> {
        let user = self.known.get(id)?;
        let pinned = user.called.as_ref().filter(|_| user.pinned).map(|called| called.name.as_str().to_owned());
        Some(UserRow { user: *id, roster: user.roster.as_ref().map(Kept::signed), pinned, verified: user.verified })
    }

    fn kept_roster(&self, user: &UserId) -> Option<&Kept<Roster>> {
        self.known.get(user)?.roster.as_ref()
    }

    fn called(&self, user: &UserId) -> Option<&Called> {
        self.known.get(user)?.called.as_ref()
    }

    /// Everybody of a folded name.
    fn of_name(&self, folded: &Arc<str>) -> impl Iterator<Item = UserId> + '_ {
        let (first, last) = ((folded.clone(), UserId([0; 32])), (folded.clone(), UserId([255; 32])));
        self.named.range(first..=last).map(|(_, user)| *user)
    }

    fn holder(&self, folded: &Arc<str>) -> Option<UserId> {
        self.of_name(folded).find(|id| self.is_pinned(id))
    }

    /// Calls a user by another name, or by none.
    fn rename(&mut self, id: UserId, name: Option<Name>) {
        let Some(user) = self.known.get_mut(&id) else { return };
        let before = std::mem::replace(&mut user.called, name.map(Called::by));
        let after = user.called.as_ref().map(|called| called.folded.clone());
        if let Some(called) = before {
            self.named.remove(&(called.folded, id));
        }
        self.named.extend(after.map(|folded| (folded, id)));
    }
}

impl User {
    fn from_row(row: &UserRow) -> User {
        let roster = row.roster.as_ref().and_then(|signed| Checked::<Roster>::from_store(signed).ok());
        let pinned = row.pinned.as_deref().and_then(|name| Name::parse(name).ok());
        User {
            version: roster.as_ref().map_or(0, |roster| roster.version),
            pinned: pinned.is_some(),
            verified: row.verified,
            kept: true,
            called: pinned.or_else(|| Name::parse(&roster.as_ref()?.name).ok()).map(Called::by),
            roster: roster.as_ref().map(Kept::from),
        }
    }
}
