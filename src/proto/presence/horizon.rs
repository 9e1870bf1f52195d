//! The horizon: everybody within two links of me. It grows out of link lists: mine, and those of the users I am linked
//! with. Whom the list of a friend names is two steps away, through that friend; who is named by none any more has fallen
//! out and is forgotten. The lists also tell who may know what: records about a user are for those its list names, and for
//! theirs.
//!
//! A user's links are the entry-wise maximum (by Lamport counter) over the lists of their sessions, so two sessions that
//! were apart never overwrite each other. A list comes in pages; it takes effect when its last page is here.
//!
//! Only what was said on purpose counts: an entry `auto` extends nobody's horizon, and a user whose own list is at hand and
//! does not name the friend is not reached through that friend, whatever the friend says.

mod naming;

use std::collections::{BTreeMap, BTreeSet};

use crate::id::{SessionId, UserId};
use crate::identity::{Checked, Kept};
use crate::proto::limits::{MAX_HORIZON, MAX_LIST_PAGES};
use crate::proto::persist::{Entry, LinkState, ListRow};
use crate::wire::record::{LinkEntry, LinkList, Signed, link_state};
use naming::Naming;

/// The lists at hand, and what follows from them.
#[derive(Debug)]
pub struct Horizon {
    me: UserId,
    lists: BTreeMap<(UserId, SessionId), List>,
    /// Who calls whom linked, over all sessions of each.
    naming: Naming,
    /// With whom I am linked, both sides on purpose.
    friends: BTreeSet<UserId>,
}

/// The link list of one session.
#[derive(Debug, Default)]
struct List {
    /// Of the pages; 0 if there are none yet.
    version: u64,
    /// They are read again when something changes, which is seldom.
    pages: Box<[Kept<LinkList>]>,
    /// A newer one, of which pages are missing.
    coming: Option<Box<Coming>>,
}

#[derive(Debug)]
struct Coming {
    version: u64,
    of: u16,
    pages: BTreeMap<u16, Kept<LinkList>>,
}

/// What became of a page of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// The list is whole, and newer than what was known.
    News,
    /// Pages are missing still.
    Part,
    Known,
    /// More pages than anybody may have, or one user too many.
    Refused,
}

impl Horizon {
    pub fn new(me: UserId, rows: Vec<ListRow>) -> Horizon {
        let mut horizon = Horizon { me, lists: BTreeMap::new(), naming: Naming::default(), friends: BTreeSet::new() };
        for page in rows.into_iter().flat_map(|row| row.pages) {
            if let Ok(list) = Checked::from_store(&page) {
                horizon.hear(&list);
            }
        }
        horizon
    }

    /// Takes a page in, of a session that speaks for its user.
    pub fn hear(&mut self, page: &Checked<LinkList>) -> Heard {
        let key = (page.user, page.session);
        if page.pages > MAX_LIST_PAGES || (!self.lists.contains_key(&key) && self.lists.len() >= MAX_HORIZON) {
            return Heard::Refused;
        }
        let list = self.lists.entry(key).or_default();
        let coming = list.coming.as_ref().map_or(0, |coming| coming.version);
        if page.version <= list.version || page.version < coming {
            return Heard::Known;
        }
        if page.version > coming {
            list.coming = None;
        }
        let fresh = || Box::new(Coming { version: page.version, of: page.pages, pages: BTreeMap::new() });
        let coming = list.coming.get_or_insert_with(fresh);
        coming.pages.insert(page.page, Kept::from(page));
        if coming.pages.len() < usize::from(coming.of) {
            return Heard::Part;
        }
        list.version = page.version;
        list.pages = list.coming.take().into_iter().flat_map(|coming| coming.pages.into_values()).collect();
        let only = page.pages == 1 && self.of_user(&page.user).nth(1).is_none();
        if only {
            self.name(page.user, [page.entries.as_slice()])
        } else {
            self.read(page.user)
        }
        Heard::News
    }

    /// My own list, as it is from now on.
    pub fn say(&mut self, session: SessionId, pages: &[Checked<LinkList>]) {
        let list = self.lists.entry((self.me, session)).or_default();
        list.version = pages.first().map_or(0, |page| page.version);
        list.pages = pages.iter().map(Kept::from).collect();
        self.read(self.me);
    }

    /// Works out anew whom a user names.
    fn read(&mut self, user: UserId) {
        let pages: Vec<_> = self.of_user(&user).flat_map(|(_, list)| &list.pages).map(Kept::value).collect();
        self.name(user, pages.iter().map(|page| page.entries.as_slice()));
    }

    /// These are all the entries of a user's lists.
    fn name<'a>(&mut self, user: UserId, pages: impl IntoIterator<Item = &'a [LinkEntry]>) {
        let names: Vec<UserId> = maximum(pages).filter(|entry| is_linked(entry)).map(|entry| entry.user).collect();
        self.naming.set(user, &names);
    }

    /// The lists of a user's sessions.
    fn of_user(&self, user: &UserId) -> impl Iterator<Item = (SessionId, &List)> + use<'_> {
        let all = (*user, SessionId([0; 32]))..=(*user, SessionId([255; 32]));
        self.lists.range(all).map(|((_, session), list)| (*session, list))
    }

    /// Says whether I am linked with a user, both sides on purpose.
    pub fn befriend(&mut self, user: UserId, friend: bool) {
        if friend {
            self.friends.insert(user);
        } else {
            self.friends.remove(&user);
        }
    }

    pub fn is_friend(&self, user: &UserId) -> bool {
        self.friends.contains(user)
    }

    /// The friends through whom a user is two steps away: they name the user, and the user's own list, if it is at hand,
    /// names them.
    pub fn through<'a>(&'a self, user: &'a UserId) -> impl Iterator<Item = UserId> + 'a {
        self.naming(user).filter(|by| self.friends.contains(by) && self.agrees(user, by))
    }

    /// Whether a user is two steps away through this one.
    pub fn is_through(&self, user: &UserId, by: &UserId) -> bool {
        self.friends.contains(by) && self.says(by, user) && self.agrees(user, by)
    }

    /// Whether a user is two steps away.
    pub fn reaches(&self, user: &UserId) -> bool {
        *user != self.me && self.through(user).next().is_some()
    }

    /// Users whose ids begin so and whom some list names.
    pub fn named_like(&self, short: [u8; 8]) -> Option<UserId> {
        self.naming.named_like(short)
    }

    /// Nothing at hand says that `user` is not linked with `other`.
    fn agrees(&self, user: &UserId, other: &UserId) -> bool {
        self.says(user, other) || self.of_user(user).next().is_none()
    }

    /// Whether both lists are at hand and name each other.
    pub fn mutual(&self, a: &UserId, b: &UserId) -> bool {
        self.says(a, b) && self.says(b, a)
    }

    /// Whether the lists of one user call another linked.
    pub fn says(&self, a: &UserId, b: &UserId) -> bool {
        self.naming.says(a, b)
    }

    /// Who names a user as linked, as far as lists are at hand.
    pub fn naming(&self, user: &UserId) -> impl Iterator<Item = UserId> + use<'_> {
        self.naming.naming(user)
    }

    /// Everybody a user is linked with, by lists at hand.
    pub fn linked_with<'a>(&'a self, user: &'a UserId) -> impl Iterator<Item = UserId> + 'a {
        self.naming.names(user).filter(move |other| self.says(other, user))
    }

    /// Everybody within two links of a user, without the user: those about whom it may know.
    pub fn around(&self, user: &UserId) -> BTreeSet<UserId> {
        let near: BTreeSet<UserId> = self.linked_with(user).collect();
        let mut all = near.clone();
        if self.friends.contains(user) {
            all.extend(&self.friends);
        }
        near.iter().for_each(|friend| all.extend(self.linked_with(friend)));
        all.remove(user);
        all
    }

    /// Whether a user may know where another is (design §3): the subject's own list names the asker, or somebody whose list
    /// does.
    pub fn may_know(&self, asker: &UserId, subject: &UserId) -> bool {
        let is_between = |between: &UserId| self.says(subject, between) && self.says(between, asker);
        asker == subject
            || (self.friends.contains(asker) && self.friends.contains(subject))
            || self.says(subject, asker)
            || self.naming(asker).any(|between| is_between(&between))
    }

    /// Whether somebody may know where a user is: their lists, or mine and theirs, name each other.
    pub fn is_near(&self, user: &UserId, target: &UserId) -> bool {
        self.says(target, user) || (self.friends.contains(user) && self.says(user, target))
    }

    /// The version of a session's list that is at hand.
    pub fn version(&self, user: &UserId, session: &SessionId) -> Option<u64> {
        self.lists.get(&(*user, *session)).map(|list| list.version).filter(|version| *version > 0)
    }

    /// The pages of a session's list, as they were signed.
    pub fn pages(&self, user: &UserId, session: &SessionId) -> Vec<Signed> {
        let list = self.lists.get(&(*user, *session));
        list.into_iter().flat_map(|list| &list.pages).map(Kept::signed).collect()
    }

    /// The sessions of a user whose lists are at hand.
    pub fn sessions_of(&self, user: &UserId) -> impl Iterator<Item = SessionId> + use<'_> {
        self.of_user(user).filter(|(_, list)| list.version > 0).map(|(session, _)| session)
    }

    /// Whom a user calls linked, in order.
    pub fn names(&self, user: &UserId) -> Vec<UserId> {
        self.naming.names(user).collect()
    }

    /// A session speaks for its user no more.
    pub fn disown(&mut self, user: &UserId, session: &SessionId) {
        if self.lists.remove(&(*user, *session)).is_some() {
            self.read(*user);
        }
    }

    /// Forgets what a user says. The sessions whose lists go.
    pub fn forget(&mut self, user: &UserId) -> Vec<SessionId> {
        let sessions: Vec<SessionId> = self.of_user(user).map(|(session, _)| session).collect();
        sessions.iter().for_each(|session| drop(self.lists.remove(&(*user, *session))));
        self.naming.set(*user, &[]);
        sessions
    }

    /// What the store keeps of a session's list.
    pub fn row(&self, user: &UserId, session: &SessionId) -> Option<ListRow> {
        self.version(user, session)?;
        Some(ListRow { session: *session, pages: self.pages(user, session) })
    }
}

/// The newest entry about each user, over all pages of all sessions, in order of users.
fn maximum<'a>(pages: impl IntoIterator<Item = &'a [LinkEntry]>) -> impl Iterator<Item = &'a LinkEntry> {
    let mut newest: BTreeMap<UserId, &LinkEntry> = BTreeMap::new();
    for entry in pages.into_iter().flatten() {
        if newest.get(&entry.user).is_none_or(|held| replaces(entry, held)) {
            newest.insert(entry.user, entry);
        }
    }
    newest.into_values()
}

/// Whether an entry replaces another one of the same user's sessions, as [`Entry::replaces`] has it.
fn replaces(entry: &LinkEntry, other: &LinkEntry) -> bool {
    let read = |entry: &LinkEntry| {
        let state = LinkState::from_wire(entry.state).unwrap_or_default();
        Entry { state, lamport: entry.lamport }
    };
    read(entry).replaces(&read(other))
}

fn is_linked(entry: &LinkEntry) -> bool {
    entry.state == link_state::LINKED
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::NetworkId;
    use crate::identity::{Scheme, SecretKey};
    use crate::wire::codec::List as WireList;

    const ME: UserId = UserId([1; 32]);
    const FRIEND: UserId = UserId([2; 32]);
    const FAR: UserId = UserId([3; 32]);

    fn page(
        user: UserId,
        session: u8,
        version: u64,
        page: u16,
        pages: u16,
        entries: &[(UserId, u8, u64)],
    ) -> Checked<LinkList> {
        let key = SecretKey::from_seed(Scheme::Cheap, &[session; 32]);
        let entries =
            entries.iter().map(|(user, state, lamport)| LinkEntry { user: *user, state: *state, lamport: *lamport });
        let list = LinkList {
            user,
            session: SessionId(key.public()),
            version,
            page,
            pages,
            entries: WireList(entries.collect()),
        };
        Checked::sign(list, &key, &NetworkId::OPEN)
    }

    fn horizon() -> Horizon {
        let mut horizon = Horizon::new(ME, Vec::new());
        horizon.befriend(FRIEND, true);
        horizon
    }

    #[test]
    fn whom_a_friends_list_names_is_two_steps_away_until_it_names_them_no_more() {
        let mut horizon = horizon();
        horizon.hear(&page(FRIEND, 2, 1, 0, 1, &[(FAR, link_state::LINKED, 1)]));
        assert!(horizon.reaches(&FAR));
        assert_eq!(horizon.through(&FAR).collect::<Vec<_>>(), [FRIEND]);
        horizon.hear(&page(FRIEND, 2, 2, 0, 1, &[(FAR, link_state::REMOVED, 2)]));
        assert!(!horizon.reaches(&FAR));
    }

    #[test]
    fn a_stranger_accepted_by_itself_extends_nobodys_horizon() {
        let mut horizon = horizon();
        horizon.hear(&page(FRIEND, 2, 1, 0, 1, &[(FAR, link_state::AUTO, 1)]));
        assert!(!horizon.reaches(&FAR));
    }

    #[test]
    fn a_friend_who_names_somebody_that_does_not_name_them_reaches_nobody() {
        let mut horizon = horizon();
        horizon.hear(&page(FRIEND, 2, 1, 0, 1, &[(FAR, link_state::LINKED, 1)]));
        horizon.hear(&page(FAR, 3, 1, 0, 1, &[]));
        assert!(!horizon.reaches(&FAR));
    }

    #[test]
    fn two_sessions_of_a_user_never_overwrite_each_other() {
        let mut horizon = horizon();
        horizon.hear(&page(FRIEND, 2, 9, 0, 1, &[(FAR, link_state::LINKED, 1)]));
        horizon.hear(&page(FRIEND, 4, 5, 0, 1, &[(FAR, link_state::REMOVED, 2)]));
        assert!(!horizon.reaches(&FAR), "the higher counter wins, whatever the versions of the lists");
    }

    #[test]
    fn a_list_takes_effect_with_its_last_page_and_an_old_one_never() {
        let mut horizon = horizon();
        assert_eq!(horizon.hear(&page(FRIEND, 2, 3, 0, 1, &[(FAR, link_state::LINKED, 1)])), Heard::News);
        assert_eq!(horizon.hear(&page(FRIEND, 2, 4, 0, 2, &[])), Heard::Part);
        assert!(horizon.reaches(&FAR));
        assert_eq!(horizon.hear(&page(FRIEND, 2, 4, 1, 2, &[])), Heard::News);
        assert!(!horizon.reaches(&FAR));
        assert_eq!(horizon.hear(&page(FRIEND, 2, 3, 0, 1, &[(FAR, link_state::LINKED, 1)])), Heard::Known);
    }

    #[test]
    fn records_are_for_those_within_two_links_and_nobody_else() {
        let mut horizon = horizon();
        let [a, b, c, d] = [10, 11, 12, 13].map(|n| UserId([n; 32]));
        for (n, user, names) in [(10, a, vec![b]), (11, b, vec![a, c]), (12, c, vec![b, d]), (13, d, vec![c])] {
            let names: Vec<_> = names.into_iter().map(|name| (name, link_state::LINKED, 1)).collect();
            horizon.hear(&page(user, n, 1, 0, 1, &names));
        }
        assert!(horizon.may_know(&a, &b) && horizon.may_know(&a, &c) && horizon.may_know(&a, &a));
        assert!(!horizon.may_know(&a, &d));
        assert_eq!(horizon.around(&a), BTreeSet::from([b, c]));
    }
}
