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

use std::collections::{BTreeMap, BTreeSet};

use super::limits::{MAX_HORIZON, MAX_LIST_PAGES};
use super::memory::ListRow;
use crate::id::{SessionId, UserId};
use crate::identity::Checked;
use crate::wire::record::{LinkEntry, LinkList, Signed, link_state};

/// The lists at hand, and what follows from them.
#[derive(Debug)]
pub struct Horizon {
    me: UserId,
    lists: BTreeMap<UserId, Word>,
    /// Who names a user as linked, in order. A server holds a hundred thousand of these: vectors are a third of what sets are.
    named_by: BTreeMap<UserId, Vec<UserId>>,
    /// With whom I am linked, both sides on purpose.
    friends: BTreeSet<UserId>,
}

/// All that one user says about links.
#[derive(Debug, Default)]
struct Word {
    sessions: BTreeMap<SessionId, List>,
    /// Whom they call linked, in order.
    names: Vec<UserId>,
}

/// The link list of one session.
#[derive(Debug, Default)]
struct List {
    whole: Pages,
    /// A newer one, of which pages are missing.
    coming: Pages,
}

#[derive(Debug, Default)]
struct Pages {
    version: u64,
    of: u16,
    /// As they were signed. They are read again when something changes, which is seldom.
    pages: BTreeMap<u16, Signed>,
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
    pub fn new(me: UserId, rows: &[ListRow]) -> Horizon {
        let mut horizon = Horizon { me, lists: BTreeMap::new(), named_by: BTreeMap::new(), friends: BTreeSet::new() };
        for page in rows.iter().flat_map(|row| &row.pages) {
            if let Ok(list) = Checked::from_store(page) {
                horizon.hear(list);
            }
        }
        horizon
    }

    /// Takes a page in, of a session that speaks for its user.
    pub fn hear(&mut self, page: Checked<LinkList>) -> Heard {
        let (user, session) = (page.user, page.session);
        if page.pages > MAX_LIST_PAGES || (!self.lists.contains_key(&user) && self.lists.len() >= MAX_HORIZON) {
            return Heard::Refused;
        }
        let word = self.lists.entry(user).or_default();
        let list = word.sessions.entry(session).or_default();
        if page.version <= list.whole.version || page.version < list.coming.version {
            return Heard::Known;
        }
        if page.version > list.coming.version {
            list.coming = Pages { version: page.version, of: page.pages, pages: BTreeMap::new() };
        }
        list.coming.pages.insert(page.page, page.signed().clone());
        if list.coming.pages.len() < usize::from(list.coming.of) {
            return Heard::Part;
        }
        list.whole = std::mem::take(&mut list.coming);
        self.read(user);
        Heard::News
    }

    /// My own list, as it is from now on.
    pub fn say(&mut self, session: SessionId, pages: &[Checked<LinkList>]) {
        let of = pages.len() as u16;
        let version = pages.first().map_or(0, |page| page.version);
        let pages = pages.iter().map(|page| (page.page, page.signed().clone())).collect();
        let word = self.lists.entry(self.me).or_default();
        word.sessions.entry(session).or_default().whole = Pages { version, of, pages };
        self.read(self.me);
    }

    /// Works out anew whom a user names.
    fn read(&mut self, user: UserId) {
        let word = self.lists.entry(user).or_default();
        let mut names: Vec<UserId> = maximum(word).filter(is_linked).map(|entry| entry.user).collect();
        names.shrink_to_fit();
        let before = std::mem::replace(&mut word.names, names.clone());
        for gone in before.iter().filter(|gone| names.binary_search(gone).is_err()) {
            self.unname(gone, &user);
        }
        for new in names.iter().filter(|new| before.binary_search(new).is_err()) {
            let all = self.named_by.entry(*new).or_default();
            if let Err(place) = all.binary_search(&user) {
                all.insert(place, user);
            }
        }
    }

    fn unname(&mut self, named: &UserId, by: &UserId) {
        let Some(all) = self.named_by.get_mut(named) else { return };
        if let Ok(place) = all.binary_search(by) {
            all.remove(place);
        }
        if all.is_empty() {
            self.named_by.remove(named);
        }
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
        let by = self.named_by.get(user).into_iter().flatten();
        by.copied().filter(|by| self.friends.contains(by) && self.agrees(user, by))
    }

    /// Whether a user is two steps away.
    pub fn reaches(&self, user: &UserId) -> bool {
        *user != self.me && self.through(user).next().is_some()
    }

    /// Users whose ids begin so and whom some list names.
    pub fn named_like(&self, short: [u8; 8]) -> Option<UserId> {
        self.named_by.range(UserId::beginning(short)).next().map(|(user, _)| *user)
    }

    /// Nothing at hand says that `user` is not linked with `other`.
    fn agrees(&self, user: &UserId, other: &UserId) -> bool {
        self.lists.get(user).is_none_or(|word| word.names.binary_search(other).is_ok())
    }

    /// Whether both lists are at hand and name each other.
    pub fn mutual(&self, a: &UserId, b: &UserId) -> bool {
        self.says(a, b) && self.says(b, a)
    }

    /// Whether the lists of one user call another linked.
    pub fn says(&self, a: &UserId, b: &UserId) -> bool {
        self.lists.get(a).is_some_and(|word| word.names.binary_search(b).is_ok())
    }

    /// Who names a user as linked, as far as lists are at hand.
    pub fn naming<'a>(&'a self, user: &UserId) -> impl Iterator<Item = UserId> + 'a {
        self.named_by.get(user).into_iter().flatten().copied()
    }

    /// Everybody a user is linked with, by lists at hand.
    pub fn linked_with<'a>(&'a self, user: &'a UserId) -> impl Iterator<Item = UserId> + 'a {
        let names = self.lists.get(user).map(|word| &word.names).into_iter().flatten();
        names.copied().filter(move |other| self.says(other, user))
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
        let list = self.lists.get(user)?.sessions.get(session)?;
        (list.whole.version > 0).then_some(list.whole.version)
    }

    /// The pages of a session's list, as they were signed.
    pub fn pages(&self, user: &UserId, session: &SessionId) -> Vec<Signed> {
        let list = self.lists.get(user).and_then(|word| word.sessions.get(session));
        list.into_iter().flat_map(|list| list.whole.pages.values()).cloned().collect()
    }

    /// The sessions of a user whose lists are at hand.
    pub fn sessions_of<'a>(&'a self, user: &UserId) -> impl Iterator<Item = SessionId> + 'a {
        let sessions = self.lists.get(user).map(|word| &word.sessions).into_iter().flatten();
        sessions.filter(|(_, list)| list.whole.version > 0).map(|(session, _)| *session)
    }

    /// Whom a user calls linked.
    pub fn names(&self, user: &UserId) -> BTreeSet<UserId> {
        self.lists.get(user).into_iter().flat_map(|word| &word.names).copied().collect()
    }

    /// A session speaks for its user no more.
    pub fn disown(&mut self, user: &UserId, session: &SessionId) {
        if self.lists.get_mut(user).is_some_and(|word| word.sessions.remove(session).is_some()) {
            self.read(*user);
        }
    }

    /// Forgets what a user says. The sessions whose lists go.
    pub fn forget(&mut self, user: &UserId) -> Vec<SessionId> {
        let Some(word) = self.lists.remove(user) else { return Vec::new() };
        word.names.iter().for_each(|named| self.unname(named, user));
        word.sessions.into_keys().collect()
    }

    /// What the store keeps of a session's list.
    pub fn row(&self, user: &UserId, session: &SessionId) -> Option<ListRow> {
        self.version(user, session)?;
        Some(ListRow { session: *session, pages: self.pages(user, session) })
    }
}

/// The newest entry about each user, over all sessions, in order of users.
fn maximum(word: &Word) -> impl Iterator<Item = LinkEntry> + use<> {
    let mut newest: BTreeMap<UserId, LinkEntry> = BTreeMap::new();
    let pages = word.sessions.values().flat_map(|list| list.whole.pages.values());
    let lists = pages.filter_map(|page| Checked::<LinkList>::from_store(page).ok());
    for entry in lists.flat_map(|list| list.entries.0.clone()) {
        if newest.get(&entry.user).is_none_or(|held| entry.lamport > held.lamport) {
            newest.insert(entry.user, entry);
        }
    }
    newest.into_values()
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
        let mut horizon = Horizon::new(ME, &[]);
        horizon.befriend(FRIEND, true);
        horizon
    }

    #[test]
    fn whom_a_friends_list_names_is_two_steps_away_until_it_names_them_no_more() {
        let mut horizon = horizon();
        horizon.hear(page(FRIEND, 2, 1, 0, 1, &[(FAR, link_state::LINKED, 1)]));
        assert!(horizon.reaches(&FAR));
        assert_eq!(horizon.through(&FAR).collect::<Vec<_>>(), [FRIEND]);
        horizon.hear(page(FRIEND, 2, 2, 0, 1, &[(FAR, link_state::REMOVED, 2)]));
        assert!(!horizon.reaches(&FAR));
    }

    #[test]
    fn a_stranger_accepted_by_itself_extends_nobodys_horizon() {
        let mut horizon = horizon();
        horizon.hear(page(FRIEND, 2, 1, 0, 1, &[(FAR, link_state::AUTO, 1)]));
        assert!(!horizon.reaches(&FAR));
    }

    #[test]
    fn a_friend_who_names_somebody_that_does_not_name_them_reaches_nobody() {
        let mut horizon = horizon();
        horizon.hear(page(FRIEND, 2, 1, 0, 1, &[(FAR, link_state::LINKED, 1)]));
        horizon.hear(page(FAR, 3, 1, 0, 1, &[]));
        assert!(!horizon.reaches(&FAR));
    }

    #[test]
    fn two_sessions_of_a_user_never_overwrite_each_other() {
        let mut horizon = horizon();
        horizon.hear(page(FRIEND, 2, 9, 0, 1, &[(FAR, link_state::LINKED, 1)]));
        horizon.hear(page(FRIEND, 4, 5, 0, 1, &[(FAR, link_state::REMOVED, 2)]));
        assert!(!horizon.reaches(&FAR), "the higher counter wins, whatever the versions of the lists");
    }

    #[test]
    fn a_list_takes_effect_with_its_last_page_and_an_old_one_never() {
        let mut horizon = horizon();
        assert_eq!(horizon.hear(page(FRIEND, 2, 3, 0, 1, &[(FAR, link_state::LINKED, 1)])), Heard::News);
        assert_eq!(horizon.hear(page(FRIEND, 2, 4, 0, 2, &[])), Heard::Part);
        assert!(horizon.reaches(&FAR));
        assert_eq!(horizon.hear(page(FRIEND, 2, 4, 1, 2, &[])), Heard::News);
        assert!(!horizon.reaches(&FAR));
        assert_eq!(horizon.hear(page(FRIEND, 2, 3, 0, 1, &[(FAR, link_state::LINKED, 1)])), Heard::Known);
    }

    #[test]
    fn records_are_for_those_within_two_links_and_nobody_else() {
        let mut horizon = horizon();
        let [a, b, c, d] = [10, 11, 12, 13].map(|n| UserId([n; 32]));
        for (n, user, names) in [(10, a, vec![b]), (11, b, vec![a, c]), (12, c, vec![b, d]), (13, d, vec![c])] {
            let names: Vec<_> = names.into_iter().map(|name| (name, link_state::LINKED, 1)).collect();
            horizon.hear(page(user, n, 1, 0, 1, &names));
        }
        assert!(horizon.may_know(&a, &b) && horizon.may_know(&a, &c) && horizon.may_know(&a, &a));
        assert!(!horizon.may_know(&a, &d));
        assert_eq!(horizon.around(&a), BTreeSet::from([b, c]));
    }
}
