//! Users: their rosters, their names, and which key a typed name stands for.
//!
//! A name is pinned to a key when that key is first linked, written to or verified, as SSH does with hosts; records
//! from third parties pin nothing. From then on the plain name belongs to that key. Another key that claims it, or a name
//! that looks like it, is shown as `name#abc123`. While such a name is pinned to nobody, all who have it are. When a pin may
//! move is decided in [`on_name`](super::on_name).

mod claims;
mod pins;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::id::{SessionId, UserId};
use crate::identity::labels::Labels;
use crate::identity::{BadName, Checked, Kept, Name};
use crate::proto::limits::MAX_NAMESAKES;
use crate::proto::persist::UserRow;
use crate::wire::link::WAITING_NAME;
use crate::wire::record::{Roster, Signed};
pub use claims::Pin;
use pins::{DisplayName, Pins};

/// What is known of a user.
#[derive(Debug, Default)]
struct User {
    roster: Option<Kept<Roster>>,
    /// Version of the roster.
    version: u64,
    /// The pinned name, otherwise the one of the roster. Every line is shown under it, so it is parsed only once.
    called: Option<DisplayName>,
    pinned: Option<Pin>,
    verified: bool,
    /// The store has a row of this user.
    kept: bool,
}

/// All known users, the local user included.
#[derive(Debug, Default)]
pub struct Users {
    known: BTreeMap<UserId, User>,
    /// Users by folded name.
    named: BTreeSet<(Arc<str>, UserId)>,
    /// Users by what their names look like.
    by_look: BTreeSet<(Arc<str>, UserId)>,
    pins: Pins,
    /// Users to whom another own session has pinned their name, which somebody else has here or which is not known yet. They are a
    /// few at a time: the sessions agree soon.
    claimants: BTreeMap<UserId, SessionId>,
    /// Number of users in the store.
    kept: usize,
}

/// What taking in a roster led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RosterOutcome {
    /// The first roster of this user, or a higher version.
    New,
    /// The roster is known, or older than the one held.
    Known,
    /// A different roster of the same version, or a newer one that lists a session which the held one has revoked. The held one
    /// is kept until the user has signed one above both, and the local user is warned.
    Fork,
}

/// What a typed name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolved {
    /// Exactly this user.
    One(UserId),
    /// No known user has this name.
    Unknown,
    /// The text cannot be a name.
    Invalid(BadName),
    /// These have the name, which is pinned to none: at most [`MAX_NAMESAKES`] and one.
    Ambiguous(Vec<UserId>),
}

impl Users {
    /// Starts from the stored rows.
    pub fn new(rows: Vec<UserRow>) -> Users {
        let mut known: BTreeMap<UserId, User> = rows.into_iter().map(|row| (row.user, User::from_row(&row))).collect();
        let mut pins = Pins::default();
        for (id, user) in &mut known {
            let called = user.called.as_ref();
            user.pinned = user.pinned.filter(|_| called.is_some_and(|called| pins.pin(called, *id)));
        }
        let (mut named, mut by_look) = (BTreeSet::new(), BTreeSet::new());
        for (id, called) in known.iter().filter_map(|(id, user)| Some((*id, user.called.as_ref()?))) {
            named.insert((called.folded.clone(), id));
            by_look.extend(called.looks.iter().map(|look| (look.clone(), id)));
        }
        let kept = known.len();
        Users { known, named, by_look, pins, claimants: BTreeMap::new(), kept }
    }

    /// Takes in a verified roster.
    pub fn add_roster(&mut self, roster: &Checked<Roster>) -> RosterOutcome {
        let id = roster.user;
        let kept = Kept::from(roster);
        let user = self.known.entry(id).or_default();
        match &user.roster {
            Some(known) if *known == kept => return RosterOutcome::Known,
            Some(_) if user.version > roster.version => return RosterOutcome::Known,
            Some(_) if user.version == roster.version => return RosterOutcome::Fork,
            Some(known) if roster.readmits(&known.value()) => return RosterOutcome::Fork,
            _ => {}
        }
        (user.roster, user.version) = (Some(kept), roster.version);
        if user.pinned.is_none() {
            self.rename(id, roster.name());
        }
        RosterOutcome::New
    }

    /// Adds a user of whom only the key is known. Returns false if the user was known.
    pub fn add(&mut self, user: UserId) -> bool {
        let new = !self.known.contains_key(&user);
        self.known.entry(user).or_default();
        new
    }

    /// The roster of a user.
    pub fn roster(&self, user: &UserId) -> Option<Checked<Roster>> {
        self.kept_roster(user).map(Kept::read)
    }

    /// Whether a roster of a user is held.
    pub fn has_roster(&self, user: &UserId) -> bool {
        self.kept_roster(user).is_some()
    }

    /// The signed bytes of a user's roster.
    pub fn signed_roster(&self, user: &UserId) -> Option<Signed> {
        self.kept_roster(user).map(Kept::signed)
    }

    /// The version of the roster held.
    pub fn version(&self, user: &UserId) -> Option<u64> {
        self.known.get(user).filter(|user| user.roster.is_some()).map(|user| user.version)
    }

    /// Whether a user's roster lists this session and does not revoke it.
    pub fn admits(&self, user: &UserId, session: &SessionId) -> bool {
        self.kept_roster(user).is_some_and(|roster| roster.value().admits(session))
    }

    /// The labels of a user's sessions.
    pub fn labels(&self, user: &UserId) -> Labels {
        self.kept_roster(user).map(|roster| Labels::of(&roster.value())).unwrap_or_default()
    }

    /// The sessions that receive every message to this user.
    pub fn audience(&self, user: &UserId) -> Vec<SessionId> {
        let Some(roster) = self.kept_roster(user).map(Kept::value) else { return Vec::new() };
        roster.sessions.iter().map(|entry| entry.id).filter(|id| roster.admits(id)).collect()
    }

    /// Records that the local user has verified a user's fingerprint.
    pub fn verify(&mut self, user: &UserId) {
        self.known.entry(*user).or_default().verified = true;
    }

    /// Whether the local user has verified a user's fingerprint.
    pub fn is_verified(&self, user: &UserId) -> bool {
        self.known.get(user).is_some_and(|user| user.verified)
    }

    /// The pinned name, otherwise the one of the roster.
    pub fn name(&self, user: &UserId) -> Option<Name> {
        self.called(user).map(|called| called.name.clone())
    }

    /// Whether a user has the name of the throw-away users of sessions that wait to be linked.
    pub fn is_nobody(&self, user: &UserId) -> bool {
        self.name(user).is_some_and(|name| name.as_str() == WAITING_NAME)
    }

    /// The other user whose pinned name this user's name equals or looks like, if any.
    pub fn clash(&self, user: &UserId) -> Option<UserId> {
        self.pins.resembles(self.called(user)?, user)?
    }

    /// The name to show for a user. It can be typed back, see [`Users::resolve`].
    pub fn handle(&self, user: &UserId) -> String {
        let Some(called) = self.called(user) else { return user.to_string() };
        let DisplayName { name, folded, .. } = called;
        let holds = self.pins.holder(folded) == Some(*user);
        if holds || (!self.has_double(called, user) && self.pins.resembles(called, user).is_none()) {
            return name.as_str().to_owned();
        }
        let short = user.short();
        let unique = self.of_name_and_id(folded, &short).nth(1).is_none();
        format!("{}#{}", name.as_str(), if unique { short } else { user.to_string() })
    }

    /// Resolves a typed `name`, `name#abc123` or full id. More or fewer characters of the id may be typed.
    pub fn resolve(&self, typed: &str) -> Resolved {
        if let Ok(id) = typed.parse::<UserId>() {
            return Resolved::One(id);
        }
        let (name, short) = match typed.split_once('#') {
            Some((name, short)) => (name, Some(short)),
            None => (typed, None),
        };
        let name = match Name::parse(name) {
            Ok(name) => name,
            Err(why) => return Resolved::Invalid(why),
        };
        let folded = name.folded();
        let chosen: Vec<UserId> = match (short, self.pins.holder(&folded)) {
            (Some(short), _) => self.of_name_and_id(&folded, short).take(MAX_NAMESAKES + 1).collect(),
            (None, Some(holder)) => vec![holder],
            (None, None) => self.of_name(&folded).take(MAX_NAMESAKES + 1).collect(),
        };
        match chosen[..] {
            [] => Resolved::Unknown,
            [one] => Resolved::One(one),
            _ => Resolved::Ambiguous(chosen),
        }
    }

    /// The first user whose id begins with these bytes.
    pub fn find_by_prefix(&self, short: [u8; 8]) -> Option<UserId> {
        self.known.range(UserId::beginning(short)).next().map(|(user, _)| *user)
    }

    /// Users with a roster that have this folded name or this id.
    pub fn matching(&self, folded: Option<&Arc<str>>, id: Option<UserId>) -> impl Iterator<Item = UserId> + use<'_> {
        let called = folded.map(|folded| self.of_name(folded)).into_iter().flatten();
        let called = called.filter(move |user| Some(*user) != id);
        id.into_iter().chain(called).filter(|user| self.has_roster(user))
    }

    /// All known users, in the order of ids.
    pub fn iter(&self) -> impl Iterator<Item = UserId> + '_ {
        self.known.keys().copied()
    }

    /// Number of known users.
    pub fn count(&self) -> usize {
        self.known.len()
    }

    /// Removes a user.
    pub fn forget(&mut self, user: &UserId) {
        self.unpin(user);
        self.drop_claim(user);
        self.rename(*user, None);
        self.kept -= usize::from(self.known.remove(user).is_some_and(|user| user.kept));
    }

    /// Marks a user as having a row in the store. Returns false if they had one.
    pub fn keep(&mut self, user: UserId) -> bool {
        let new = !std::mem::replace(&mut self.known.entry(user).or_default().kept, true);
        self.kept += usize::from(new);
        new
    }

    /// Marks a user as having no row in the store and no pinned name. Returns false if they had no row.
    pub fn unkeep(&mut self, user: &UserId) -> bool {
        self.unpin(user);
        let had = self.known.get_mut(user).is_some_and(|user| std::mem::take(&mut user.kept));
        self.kept -= usize::from(had);
        had
    }

    /// Whether the store has a row of a user.
    pub fn is_kept(&self, user: &UserId) -> bool {
        self.known.get(user).is_some_and(|user| user.kept)
    }

    /// Number of users with a row in the store.
    pub fn kept(&self) -> usize {
        self.kept
    }

    /// The row that the store keeps of a user.
    pub fn row(&self, id: &UserId) -> Option<UserRow> {
        let user = self.known.get(id)?;
        let pinned =
            user.called.as_ref().filter(|_| user.pinned.is_some()).map(|called| called.name.as_str().to_owned());
        Some(UserRow { user: *id, roster: user.roster.as_ref().map(Kept::signed), pinned, verified: user.verified })
    }

    fn kept_roster(&self, user: &UserId) -> Option<&Kept<Roster>> {
        self.known.get(user)?.roster.as_ref()
    }

    fn called(&self, user: &UserId) -> Option<&DisplayName> {
        self.known.get(user)?.called.as_ref()
    }

    /// Whether somebody else has the name of a user, or one that looks like it.
    fn has_double(&self, called: &DisplayName, user: &UserId) -> bool {
        let range = |look: &Arc<str>| (look.clone(), UserId([0; 32]))..=(look.clone(), UserId([255; 32]));
        called.looks.iter().any(|look| self.by_look.range(range(look)).any(|(_, other)| other != user))
    }

    /// All users with a folded name.
    fn of_name(&self, folded: &Arc<str>) -> impl Iterator<Item = UserId> + use<'_> {
        self.of_name_within(folded, UserId([0; 32])..=UserId([255; 32]))
    }

    /// All users with a folded name whose id begins with these characters.
    fn of_name_and_id(&self, folded: &Arc<str>, short: &str) -> impl Iterator<Item = UserId> + use<'_> {
        UserId::starting_with(short).map(|ids| self.of_name_within(folded, ids)).into_iter().flatten()
    }

    fn of_name_within(&self, folded: &Arc<str>, ids: RangeInclusive<UserId>) -> impl Iterator<Item = UserId> + use<'_> {
        let (first, last) = ((folded.clone(), *ids.start()), (folded.clone(), *ids.end()));
        self.named.range(first..=last).map(|(_, user)| *user)
    }

    /// Changes or removes the name of a user.
    fn rename(&mut self, id: UserId, name: Option<Name>) {
        let Some(user) = self.known.get_mut(&id) else { return };
        let before = std::mem::replace(&mut user.called, name.map(DisplayName::new));
        if let Some(DisplayName { folded, looks, .. }) = before {
            self.named.remove(&(folded, id));
            for look in looks {
                self.by_look.remove(&(look, id));
            }
        }
        if let Some(DisplayName { folded, looks, .. }) = &user.called {
            self.named.insert((folded.clone(), id));
            self.by_look.extend(looks.iter().map(|look| (look.clone(), id)));
        }
    }
}

impl User {
    fn from_row(row: &UserRow) -> User {
        let roster = row.roster.as_ref().and_then(|signed| Checked::<Roster>::from_store(signed).ok());
        let pinned = row.pinned.as_deref().and_then(|name| Name::parse(name).ok());
        User {
            version: roster.as_ref().map_or(0, |roster| roster.version),
            pinned: pinned.is_some().then_some(Pin::Decided),
            verified: row.verified,
            kept: true,
            called: pinned.or_else(|| roster.as_ref()?.name()).map(DisplayName::new),
            roster: roster.as_ref().map(Kept::from),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::record::RosterSession;
    use crate::wire::{Bytes, Fixed, List, Text, encode};

    fn row(user: UserId, name: &str, pinned: bool) -> UserRow {
        let session = RosterSession { id: SessionId([1; 32]), label: Text(String::new()) };
        let roster = Roster {
            user,
            name: Text(name.to_owned()),
            version: 1,
            sessions: List(vec![session]),
            revoked: List(Vec::new()),
        };
        let roster = Signed(Bytes(encode(&roster)), Fixed([0; 64]));
        UserRow { user, roster: Some(roster), pinned: pinned.then(|| name.to_owned()), verified: false }
    }

    fn id(n: u32) -> UserId {
        let mut id = [0; 32];
        id[..4].copy_from_slice(&n.wrapping_mul(2_654_435_761).to_be_bytes());
        UserId(id)
    }

    #[test]
    fn every_handle_can_be_typed_back() {
        let twin = |last| UserId(std::array::from_fn(|n| if n == 31 { last } else { 9 }));
        let names = ["bob", "bob", "b\u{43e}b", "John", "John 5", "you", "4th", "a.b", "D'Arcy"];
        let mut rows: Vec<UserRow> = (0..).zip(names).map(|(n, name)| row(id(n), name, n < 1)).collect();
        rows.extend([row(twin(1), "dora", false), row(twin(2), "dora", false)]);
        let users = Users::new(rows);
        for user in users.iter() {
            let handle = users.handle(&user);
            assert_eq!(users.resolve(&handle), Resolved::One(user), "{handle}");
        }
        let short = |n: u32| id(n).short();
        assert_eq!(users.handle(&id(0)), "bob");
        assert_eq!(users.handle(&id(1)), format!("bob#{}", short(1)));
        assert_eq!(users.handle(&id(2)), format!("b\u{43e}b#{}", short(2)), "it looks like a pinned name");
        assert_eq!(users.handle(&id(5)), format!("you#{}", short(5)));
        assert_eq!(users.handle(&twin(1)), format!("dora#{}", twin(1)), "the ids begin alike");
    }

    #[test]
    fn of_a_hundred_thousand_namesakes_the_pinned_one_is_found_and_a_few_are_listed() {
        let mut users = Users::new((0..100_000).map(|n| row(id(n), "bob", n == 70_000)).collect());
        assert_eq!(users.resolve("bob"), Resolved::One(id(70_000)));
        assert_eq!(users.handle(&id(70_000)), "bob");
        assert_eq!(users.resolve(&users.handle(&id(5))), Resolved::One(id(5)));
        assert!(!users.pin(&id(5), Pin::Decided));
        users.forget(&id(70_000));
        let Resolved::Ambiguous(listed) = users.resolve("bob") else { panic!("nobody holds the name") };
        assert_eq!(listed.len(), MAX_NAMESAKES + 1);
        assert!(users.pin(&id(5), Pin::Decided), "the name is free again");
        assert_eq!(users.resolve("bob"), Resolved::One(id(5)));
    }

    #[test]
    fn of_names_that_look_alike_and_are_pinned_to_nobody_each_is_shown_with_an_id() {
        let (bob, twin) = (UserId([1; 32]), UserId([2; 32]));
        let mut users = Users::new(vec![row(bob, "bob", false), row(twin, "b\u{43e}b", false)]);
        assert!(users.handle(&bob).contains('#') && users.handle(&twin).contains('#'));
        users.forget(&twin);
        assert_eq!(users.handle(&bob), "bob");
    }

    #[test]
    fn of_two_pinned_names_in_the_store_that_look_alike_one_is_shown_with_an_id() {
        let users = Users::new(vec![row(UserId([1; 32]), "bob", true), row(UserId([2; 32]), "b\u{43e}b", true)]);
        assert_eq!(users.handle(&UserId([1; 32])), "bob");
        assert!(users.handle(&UserId([2; 32])).contains('#'));
        assert!(users.pin_of(&UserId([2; 32])).is_none());
    }
}
