//! Links between users. A link exists when both link lists name each other. Each side's statement is an entry with a
//! Lamport counter; the higher counter wins, so the order and the number of times in which entries arrive do not
//! matter.

use std::collections::BTreeMap;

use crate::id::UserId;
use crate::proto::notice::By;
use crate::proto::persist::{Entry, LinkRow, LinkState};
use crate::wire::record::LinkEntry;

/// The local user's link list, and what other users' lists say about the local user.
#[derive(Debug)]
pub struct Links {
    rows: BTreeMap<UserId, LinkRow>,
}

/// What a statement changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The link now exists.
    Linked {
        /// Who requested it.
        by: By,
        /// The local user accepted it automatically.
        auto: bool,
    },
    /// The link no longer exists.
    Unlinked { by: By },
    /// The other side requests a link and the local user has not answered.
    Asked,
    /// The statement is recorded; the link itself is unchanged.
    Recorded,
    /// The statement is old or already known.
    Stale,
}

impl Links {
    /// Starts from the stored rows.
    pub fn new(rows: &[LinkRow]) -> Links {
        Links { rows: rows.iter().map(|row| (row.user, *row)).collect() }
    }

    /// Takes over a statement of the local user that this session has lost or that another own session made. Returns
    /// false if it is no newer than the one held.
    pub fn adopt(&mut self, user: UserId, entry: Entry) -> bool {
        let row = self.row_mut(user);
        if !entry.replaces(&row.mine) {
            return false;
        }
        row.mine = entry;
        true
    }

    /// Whether both lists name each other deliberately, and not by automatic acceptance. Such a user is a friend, whose
    /// friends belong to the horizon.
    pub fn is_friend(&self, user: &UserId) -> bool {
        let deliberate = |row: &LinkRow| [row.mine, row.theirs].iter().all(|entry| entry.state == LinkState::Linked);
        self.rows.get(user).is_some_and(deliberate)
    }

    /// All users about whom either side has made a statement.
    pub fn users(&self) -> impl Iterator<Item = UserId> + '_ {
        self.rows.keys().copied()
    }

    /// Sets the local user's statement. `lamport` must be above every known counter of this link.
    pub fn set_own(&mut self, user: UserId, state: LinkState, lamport: u64) -> Change {
        let before = self.is_link(&user);
        let row = self.row_mut(user);
        let again = requests_again(row.mine, row.theirs);
        row.mine = Entry { state, lamport };
        self.change(user, before, By::Me, again)
    }

    /// Takes in the other side's statement.
    pub fn set_theirs(&mut self, user: UserId, entry: Entry) -> Change {
        let before = self.is_link(&user);
        let row = self.row_mut(user);
        if !entry.replaces(&row.theirs) {
            return Change::Stale;
        }
        let again = requests_again(row.theirs, row.mine);
        row.theirs = entry;
        match self.change(user, before, By::Them, again) {
            Change::Recorded
                if is_affirmative(entry.state) && self.own_state(&user) != LinkState::Blocked && !before =>
            {
                Change::Asked
            }
            change => change,
        }
    }

    /// A link that the local statement completes was requested by the other side, and vice versa, unless the speaker
    /// requests again. A link is undone by the last speaker.
    fn change(&self, user: UserId, before: bool, speaker: By, again: bool) -> Change {
        match (before, self.is_link(&user)) {
            (false, true) => {
                let other = if speaker == By::Me { By::Them } else { By::Me };
                let by = if again { speaker } else { other };
                Change::Linked { by, auto: self.own_state(&user) == LinkState::Auto }
            }
            (true, false) => Change::Unlinked { by: speaker },
            _ => Change::Recorded,
        }
    }

    /// Whether both lists name each other.
    pub fn is_link(&self, user: &UserId) -> bool {
        self.rows.get(user).is_some_and(|row| is_affirmative(row.mine.state) && is_affirmative(row.theirs.state))
    }

    /// The local user's statement about a user.
    pub fn own_state(&self, user: &UserId) -> LinkState {
        self.rows.get(user).map(|row| row.mine.state).unwrap_or_default()
    }

    /// Whether a link request by the local user would change anything: there was none yet, or it was refused since.
    pub fn can_ask(&self, user: &UserId) -> bool {
        let row = self.rows.get(user);
        row.is_none_or(|row| row.mine.state != LinkState::Linked || row.theirs.state == LinkState::Removed)
    }

    /// Users that this node wants to reach: the local list names them and their list does not refuse the local user.
    pub fn wanted(&self) -> impl Iterator<Item = UserId> + '_ {
        self.rows.values().filter(|row| is_wanted(row)).map(|row| row.user)
    }

    /// Whether this node wants to reach a user; see [`Links::wanted`].
    pub fn wants(&self, user: &UserId) -> bool {
        self.rows.get(user).is_some_and(is_wanted)
    }

    /// Whether the local user blocks a user.
    pub fn is_blocked(&self, user: &UserId) -> bool {
        self.own_state(user) == LinkState::Blocked
    }

    /// Forgets both sides' statements about the link with a user.
    pub fn forget(&mut self, user: &UserId) {
        self.rows.remove(user);
    }

    /// Whether a statement of the other side says something new.
    pub fn is_news(&self, user: &UserId, entry: &Entry) -> bool {
        self.rows.get(user).is_none_or(|row| entry.replaces(&row.theirs))
    }

    /// Both sides' statements about the link with a user.
    pub fn row(&self, user: &UserId) -> Option<LinkRow> {
        self.rows.get(user).copied()
    }

    /// Number of links that were accepted automatically.
    pub fn auto_count(&self) -> usize {
        self.rows.values().filter(|row| row.mine.state == LinkState::Auto).count()
    }

    /// The entries of the local link list.
    pub fn entries(&self) -> Vec<LinkEntry> {
        let said = self.rows.values().filter(|row| row.mine.state != LinkState::None);
        said.map(|row| LinkEntry { user: row.user, state: row.mine.state.to_wire(), lamport: row.mine.lamport })
            .collect()
    }

    fn row_mut(&mut self, user: UserId) -> &mut LinkRow {
        let empty = LinkRow { user, mine: Entry::default(), theirs: Entry::default() };
        self.rows.entry(user).or_insert(empty)
    }
}

fn is_affirmative(state: LinkState) -> bool {
    matches!(state, LinkState::Linked | LinkState::Auto)
}

/// Whether somebody's next statement in favour of the link is a request of their own: their last statement undid or
/// refused what the other side still says.
fn requests_again(last: Entry, other: Entry) -> bool {
    matches!(last.state, LinkState::Removed | LinkState::Blocked) && other.lamport < last.lamport
}

fn is_wanted(row: &LinkRow) -> bool {
    is_affirmative(row.mine.state) && !matches!(row.theirs.state, LinkState::Removed | LinkState::Blocked)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOB: UserId = UserId([2; 32]);

    fn entry(state: LinkState, lamport: u64) -> Entry {
        Entry { state, lamport }
    }

    #[test]
    fn a_link_exists_when_both_lists_name_each_other() {
        let mut links = Links::new(&[]);
        assert_eq!(links.set_own(BOB, LinkState::Linked, 1), Change::Recorded);
        assert_eq!(links.set_theirs(BOB, entry(LinkState::Auto, 5)), Change::Linked { by: By::Me, auto: false });
        assert!(links.is_link(&BOB));
        assert_eq!(links.set_theirs(BOB, entry(LinkState::Removed, 6)), Change::Unlinked { by: By::Them });
        assert!(!links.wants(&BOB));
    }

    #[test]
    fn a_user_who_revokes_a_refusal_counts_as_the_requester() {
        let mut links = Links::new(&[]);
        links.set_theirs(BOB, entry(LinkState::Linked, 1));
        links.set_own(BOB, LinkState::Removed, 2);
        assert_eq!(links.set_own(BOB, LinkState::Linked, 3), Change::Linked { by: By::Me, auto: false });
        links.set_theirs(BOB, entry(LinkState::Removed, 4));
        assert_eq!(links.set_theirs(BOB, entry(LinkState::Linked, 5)), Change::Linked { by: By::Them, auto: false });
        links.set_own(BOB, LinkState::Removed, 6);
        links.set_theirs(BOB, entry(LinkState::Linked, 7));
        assert_eq!(
            links.set_own(BOB, LinkState::Linked, 8),
            Change::Linked { by: By::Them, auto: false },
            "bob asked again"
        );
    }

    #[test]
    fn an_old_statement_changes_nothing() {
        let mut links = Links::new(&[]);
        links.set_own(BOB, LinkState::Linked, 1);
        links.set_theirs(BOB, entry(LinkState::Linked, 5));
        assert_eq!(links.set_theirs(BOB, entry(LinkState::Removed, 4)), Change::Stale);
        assert!(links.is_link(&BOB));
    }

    #[test]
    fn of_two_statements_with_one_number_the_stricter_one_counts() {
        let order = [LinkState::Auto, LinkState::Linked, LinkState::Removed, LinkState::Blocked];
        for (looser, stricter) in order.into_iter().zip(order.into_iter().skip(1)) {
            for both in [[looser, stricter], [stricter, looser]] {
                let mut links = Links::new(&[]);
                for state in both {
                    links.set_theirs(BOB, entry(state, 5));
                    links.adopt(BOB, entry(state, 5));
                }
                let row = links.row(&BOB).expect("there were two statements");
                assert_eq!((row.mine.state, row.theirs.state), (stricter, stricter), "{both:?}");
            }
        }
    }

    #[test]
    fn a_blocked_user_cannot_request_a_link() {
        let mut links = Links::new(&[]);
        links.set_own(BOB, LinkState::Blocked, 1);
        assert_eq!(links.set_theirs(BOB, entry(LinkState::Linked, 5)), Change::Recorded);
    }
}
