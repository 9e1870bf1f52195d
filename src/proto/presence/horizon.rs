//! The horizon: every user within two links of the local user. It follows from link lists: the local one and those of
//! linked users. A user named in a friend's list is two steps away through that friend; a user named in none any more
//! is forgotten. The lists also decide who may know what: records about a user are for those whom the user's list
//! names, and for those whom their lists name.
//!
//! A user's links are the entry-wise maximum (by Lamport counter) over the lists of their sessions, so two sessions
//! that were apart never overwrite each other. A list comes in pages and takes effect when the last page has arrived.
//!
//! Only deliberate links count: an `auto` entry extends nobody's horizon. A user whose own list is held and does not
//! name the friend is not reached through that friend, whatever the friend's list says.

mod graph;

use std::collections::{BTreeMap, BTreeSet};

use crate::id::{SessionId, UserId};
use crate::identity::{Checked, Kept};
use crate::proto::limits::{MAX_HORIZON, MAX_LIST_PAGES};
use crate::proto::persist::{Entry, LinkState, ListRow};
use crate::wire::record::{LinkEntry, LinkList, Signed, link_state};
use graph::LinkGraph;

/// The link lists held, and what follows from them.
#[derive(Debug)]
pub struct Horizon {
    me: UserId,
    lists: BTreeMap<(UserId, SessionId), List>,
    /// Which user's lists name which users, over all sessions of each.
    graph: LinkGraph,
    /// Users with a deliberate link to the local user on both sides.
    friends: BTreeSet<UserId>,
}

/// The link list of one session.
#[derive(Debug, Default)]
struct List {
    /// Version of the pages; 0 if there are none yet.
    version: u64,
    /// They are decoded again when something changes, which is rare.
    pages: Box<[Kept<LinkList>]>,
    /// A newer version, of which pages are missing.
    pending: Option<Box<Pending>>,
}

/// A version of a list that has not arrived completely.
#[derive(Debug)]
struct Pending {
    version: u64,
    of: u16,
    pages: BTreeMap<u16, Kept<LinkList>>,
}

/// The result of adding a page of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    /// The list is complete and newer than the one held.
    Complete,
    /// Pages are still missing.
    Partial,
    /// The page is no newer than the list held.
    Known,
    /// The list has more than [`MAX_LIST_PAGES`] pages, or lists of [`MAX_HORIZON`] sessions are held already.
    Refused,
}

impl Horizon {
    /// Starts from the stored lists. `me` is the local user.
    pub fn new(me: UserId, rows: Vec<ListRow>) -> Horizon {
        let mut horizon = Horizon { me, lists: BTreeMap::new(), graph: LinkGraph::default(), friends: BTreeSet::new() };
        for page in rows.into_iter().flat_map(|row| row.pages) {
            if let Ok(list) = Checked::from_store(&page) {
                horizon.add_page(&list);
            }
        }
        horizon
    }

    /// Adds a page of a list. The roster of its user must list the session.
    pub fn add_page(&mut self, page: &Checked<LinkList>) -> Added {
        let key = (page.user, page.session);
        if page.pages > MAX_LIST_PAGES || (!self.lists.contains_key(&key) && self.lists.len() >= MAX_HORIZON) {
            return Added::Refused;
        }
        let list = self.lists.entry(key).or_default();
        let pending = list.pending.as_ref().map_or(0, |pending| pending.version);
        if page.version <= list.version || page.version < pending {
            return Added::Known;
        }
        if page.version > pending {
            list.pending = None;
        }
        let fresh = || Box::new(Pending { version: page.version, of: page.pages, pages: BTreeMap::new() });
        let pending = list.pending.get_or_insert_with(fresh);
        pending.pages.insert(page.page, Kept::from(page));
        if pending.pages.len() < usize::from(pending.of) {
            return Added::Partial;
        }
        list.version = page.version;
        list.pages = list.pending.take().into_iter().flat_map(|pending| pending.pages.into_values()).collect();
        let only = page.pages == 1 && self.of_user(&page.user).nth(1).is_none();
        if only {
            self.set_listed(page.user, [page.entries.as_slice()])
        } else {
            self.rebuild(page.user)
        }
        Added::Complete
    }

    /// Replaces the local user's list of a session.
    pub fn set_own_list(&mut self, session: SessionId, pages: &[Checked<LinkList>]) {
        let list = self.lists.entry((self.me, session)).or_default();
        list.version = pages.first().map_or(0, |page| page.version);
        list.pages = pages.iter().map(Kept::from).collect();
        self.rebuild(self.me);
    }

    /// Recomputes whom a user names, from all held lists of that user.
    fn rebuild(&mut self, user: UserId) {
        let pages: Vec<_> = self.of_user(&user).flat_map(|(_, list)| &list.pages).map(Kept::value).collect();
        self.set_listed(user, pages.iter().map(|page| page.entries.as_slice()));
    }

    /// Sets whom a user names, given the entries of all lists of that user.
    fn set_listed<'a>(&mut self, user: UserId, pages: impl IntoIterator<Item = &'a [LinkEntry]>) {
        let names: Vec<UserId> = maximum(pages).filter(|entry| is_linked(entry)).map(|entry| entry.user).collect();
        self.graph.set(user, &names);
    }

    /// The lists of a user's sessions.
    fn of_user(&self, user: &UserId) -> impl Iterator<Item = (SessionId, &List)> + use<'_> {
        let all = (*user, SessionId([0; 32]))..=(*user, SessionId([255; 32]));
        self.lists.range(all).map(|((_, session), list)| (*session, list))
    }

    /// Sets whether the local user has a deliberate link with a user on both sides.
    pub fn set_friend(&mut self, user: UserId, friend: bool) {
        if friend {
            self.friends.insert(user);
        } else {
            self.friends.remove(&user);
        }
    }

    /// Whether the local user has a deliberate link with a user on both sides.
    pub fn is_friend(&self, user: &UserId) -> bool {
        self.friends.contains(user)
    }

    /// The friends through whom a user is two steps away: they name the user, and the user's own list, if held, names
    /// them.
    pub fn through<'a>(&'a self, user: &'a UserId) -> impl Iterator<Item = UserId> + 'a {
        self.listers_of(user).filter(|by| self.friends.contains(by) && self.agrees(user, by))
    }

    /// Whether a user is two steps away through this friend.
    pub fn is_through(&self, user: &UserId, by: &UserId) -> bool {
        self.friends.contains(by) && self.has_listed(by, user) && self.agrees(user, by)
    }

    /// Whether a user is two steps away.
    pub fn reaches(&self, user: &UserId) -> bool {
        *user != self.me && self.through(user).next().is_some()
    }

    /// The first user whose id begins with these bytes and whom a list names.
    pub fn find_listed(&self, short: [u8; 8]) -> Option<UserId> {
        self.graph.find_listed(short)
    }

    /// Whether no held list contradicts a link of `user` to `other`.
    fn agrees(&self, user: &UserId, other: &UserId) -> bool {
        self.has_listed(user, other) || self.of_user(user).next().is_none()
    }

    /// Whether both lists are held and name each other.
    pub fn mutual(&self, a: &UserId, b: &UserId) -> bool {
        self.has_listed(a, b) && self.has_listed(b, a)
    }

    /// Whether the lists of `a` name `b` as linked.
    pub fn has_listed(&self, a: &UserId, b: &UserId) -> bool {
        self.graph.has_edge(a, b)
    }

    /// The users whose held lists name a user as linked, in the order of ids.
    pub fn listers_of(&self, user: &UserId) -> impl Iterator<Item = UserId> + use<'_> {
        self.graph.listers_of(user)
    }

    /// The users with whom a user is linked, by held lists.
    pub fn linked_with<'a>(&'a self, user: &'a UserId) -> impl Iterator<Item = UserId> + 'a {
        self.graph.listed_by(user).filter(move |other| self.has_listed(other, user))
    }

    /// The users within two links of a user, without that user: those whose records it may have.
    pub fn within_two_links(&self, user: &UserId) -> BTreeSet<UserId> {
        let near: BTreeSet<UserId> = self.linked_with(user).collect();
        let mut all = near.clone();
        if self.friends.contains(user) {
            all.extend(&self.friends);
        }
        near.iter().for_each(|friend| all.extend(self.linked_with(friend)));
        all.remove(user);
        all
    }

    /// Whether a user may know where another one is: the subject's own list names the asker, or a user whose list names
    /// the asker (`docs/horizon.md`).
    pub fn may_know(&self, asker: &UserId, subject: &UserId) -> bool {
        let is_between = |between: &UserId| self.has_listed(subject, between) && self.has_listed(between, asker);
        asker == subject
            || (self.friends.contains(asker) && self.friends.contains(subject))
            || self.has_listed(subject, asker)
            || self.listers_of(asker).any(|between| is_between(&between))
    }

    /// Whether a user may know where the target is: the target's list names them, or they are a friend of the local user
    /// and their list names the target.
    pub fn is_near(&self, user: &UserId, target: &UserId) -> bool {
        self.has_listed(target, user) || (self.friends.contains(user) && self.has_listed(user, target))
    }

    /// The version of the held list of a session.
    pub fn version(&self, user: &UserId, session: &SessionId) -> Option<u64> {
        self.lists.get(&(*user, *session)).map(|list| list.version).filter(|version| *version > 0)
    }

    /// The signed pages of a session's list.
    pub fn pages(&self, user: &UserId, session: &SessionId) -> Vec<Signed> {
        let list = self.lists.get(&(*user, *session));
        list.into_iter().flat_map(|list| &list.pages).map(Kept::signed).collect()
    }

    /// The sessions of a user whose lists are held.
    pub fn sessions_of(&self, user: &UserId) -> impl Iterator<Item = SessionId> + use<'_> {
        self.of_user(user).filter(|(_, list)| list.version > 0).map(|(session, _)| session)
    }

    /// The users whom a user names as linked, in the order of ids.
    pub fn listed_by(&self, user: &UserId) -> Vec<UserId> {
        self.graph.listed_by(user).collect()
    }

    /// Removes the list of a session that no longer belongs to a user.
    pub fn remove_session(&mut self, user: &UserId, session: &SessionId) {
        if self.lists.remove(&(*user, *session)).is_some() {
            self.rebuild(*user);
        }
    }

    /// Removes all lists of a user. Returns their sessions.
    pub fn forget(&mut self, user: &UserId) -> Vec<SessionId> {
        let sessions: Vec<SessionId> = self.of_user(user).map(|(session, _)| session).collect();
        sessions.iter().for_each(|session| drop(self.lists.remove(&(*user, *session))));
        self.graph.set(*user, &[]);
        sessions
    }

    /// The row that the store keeps of a session's list.
    pub fn row(&self, user: &UserId, session: &SessionId) -> Option<ListRow> {
        self.version(user, session)?;
        Some(ListRow { session: *session, pages: self.pages(user, session) })
    }
}

/// The newest entry about each user, over all pages of all sessions, in the order of user ids.
fn maximum<'a>(pages: impl IntoIterator<Item = &'a [LinkEntry]>) -> impl Iterator<Item = &'a LinkEntry> {
    let mut newest: BTreeMap<UserId, &LinkEntry> = BTreeMap::new();
    for entry in pages.into_iter().flatten() {
        if newest.get(&entry.user).is_none_or(|held| replaces(entry, held)) {
            newest.insert(entry.user, entry);
        }
    }
    newest.into_values()
}

/// Whether an entry replaces another one of the same user, by the rule of [`Entry::replaces`].
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
        horizon.set_friend(FRIEND, true);
        horizon
    }

    #[test]
    fn a_user_in_a_friends_list_is_two_steps_away_until_the_list_drops_them() {
        let mut horizon = horizon();
        horizon.add_page(&page(FRIEND, 2, 1, 0, 1, &[(FAR, link_state::LINKED, 1)]));
        assert!(horizon.reaches(&FAR));
        assert_eq!(horizon.through(&FAR).collect::<Vec<_>>(), [FRIEND]);
        horizon.add_page(&page(FRIEND, 2, 2, 0, 1, &[(FAR, link_state::REMOVED, 2)]));
        assert!(!horizon.reaches(&FAR));
    }

    #[test]
    fn an_automatically_accepted_user_extends_nobodys_horizon() {
        let mut horizon = horizon();
        horizon.add_page(&page(FRIEND, 2, 1, 0, 1, &[(FAR, link_state::AUTO, 1)]));
        assert!(!horizon.reaches(&FAR));
    }

    #[test]
    fn a_one_sided_entry_of_a_friend_reaches_nobody() {
        let mut horizon = horizon();
        horizon.add_page(&page(FRIEND, 2, 1, 0, 1, &[(FAR, link_state::LINKED, 1)]));
        horizon.add_page(&page(FAR, 3, 1, 0, 1, &[]));
        assert!(!horizon.reaches(&FAR));
    }

    #[test]
    fn two_sessions_of_a_user_never_overwrite_each_other() {
        let mut horizon = horizon();
        horizon.add_page(&page(FRIEND, 2, 9, 0, 1, &[(FAR, link_state::LINKED, 1)]));
        horizon.add_page(&page(FRIEND, 4, 5, 0, 1, &[(FAR, link_state::REMOVED, 2)]));
        assert!(!horizon.reaches(&FAR), "the higher counter wins, whatever the versions of the lists");
    }

    #[test]
    fn a_list_takes_effect_with_its_last_page_and_an_old_list_never_does() {
        let mut horizon = horizon();
        assert_eq!(horizon.add_page(&page(FRIEND, 2, 3, 0, 1, &[(FAR, link_state::LINKED, 1)])), Added::Complete);
        assert_eq!(horizon.add_page(&page(FRIEND, 2, 4, 0, 2, &[])), Added::Partial);
        assert!(horizon.reaches(&FAR));
        assert_eq!(horizon.add_page(&page(FRIEND, 2, 4, 1, 2, &[])), Added::Complete);
        assert!(!horizon.reaches(&FAR));
        assert_eq!(horizon.add_page(&page(FRIEND, 2, 3, 0, 1, &[(FAR, link_state::LINKED, 1)])), Added::Known);
    }

    #[test]
    fn only_users_within_two_links_may_know_records() {
        let mut horizon = horizon();
        let [a, b, c, d] = [10, 11, 12, 13].map(|n| UserId([n; 32]));
        for (n, user, names) in [(10, a, vec![b]), (11, b, vec![a, c]), (12, c, vec![b, d]), (13, d, vec![c])] {
            let names: Vec<_> = names.into_iter().map(|name| (name, link_state::LINKED, 1)).collect();
            horizon.add_page(&page(user, n, 1, 0, 1, &names));
        }
        assert!(horizon.may_know(&a, &b) && horizon.may_know(&a, &c) && horizon.may_know(&a, &a));
        assert!(!horizon.may_know(&a, &d));
        assert_eq!(horizon.within_two_links(&a), BTreeSet::from([b, c]));
    }
}
