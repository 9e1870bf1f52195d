//! Links: the paper's edges. A link exists when both link lists name each other. Each side's word is an entry with a Lamport
//! counter, and the higher counter wins, so it does not matter in which order or how often entries arrive.

use std::collections::BTreeMap;

use crate::id::UserId;
use crate::proto::notice::By;
use crate::proto::persist::{Entry, LinkRow, LinkState};
use crate::wire::record::LinkEntry;

/// My link list, and what others say of me in theirs.
#[derive(Debug)]
pub struct Links {
    rows: BTreeMap<UserId, LinkRow>,
}

/// What a word changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Linked {
        by: By,
        auto: bool,
    },
    Unlinked {
        by: By,
    },
    /// The other side asks, and I have not answered.
    Asked,
    /// Noted; the link is as it was.
    Noted,
    /// An old word, or the same again.
    Nothing,
}

impl Links {
    pub fn new(rows: &[LinkRow]) -> Links {
        Links { rows: rows.iter().map(|row| (row.user, *row)).collect() }
    }

    /// Takes back a word of mine that I had forgotten, or that another session of mine said. False if it is no newer.
    pub fn adopt(&mut self, user: UserId, word: Entry) -> bool {
        let row = self.row_mut(user);
        if !word.replaces(&row.mine) {
            return false;
        }
        row.mine = word;
        true
    }

    /// Whether both lists name each other on purpose: the other is a friend, whose friends I may know.
    pub fn is_friend(&self, user: &UserId) -> bool {
        let on_purpose = |row: &LinkRow| [row.mine, row.theirs].iter().all(|word| word.state == LinkState::Linked);
        self.rows.get(user).is_some_and(on_purpose)
    }

    /// Everybody about whom a word was said.
    pub fn users(&self) -> impl Iterator<Item = UserId> + '_ {
        self.rows.keys().copied()
    }

    /// Sets my own word. The lamport counter must be above all I know.
    pub fn say(&mut self, user: UserId, state: LinkState, lamport: u64) -> Change {
        let before = self.is_link(&user);
        let row = self.row_mut(user);
        let anew = asks_anew(row.mine, row.theirs);
        row.mine = Entry { state, lamport };
        self.change(user, before, By::Me, anew)
    }

    /// Hears the other side's word.
    pub fn hear(&mut self, user: UserId, entry: Entry) -> Change {
        let before = self.is_link(&user);
        let row = self.row_mut(user);
        if !entry.replaces(&row.theirs) {
            return Change::Nothing;
        }
        let anew = asks_anew(row.theirs, row.mine);
        row.theirs = entry;
        match self.change(user, before, By::Them, anew) {
            Change::Noted if says_yes(entry.state) && self.mine(&user) != LinkState::Blocked && !before => {
                Change::Asked
            }
            change => change,
        }
    }

    /// A link made by my word was asked for by them, and the other way round, unless the speaker asks anew; it is undone
    /// by whoever spoke last.
    fn change(&self, user: UserId, before: bool, speaker: By, anew: bool) -> Change {
        match (before, self.is_link(&user)) {
            (false, true) => {
                let other = if speaker == By::Me { By::Them } else { By::Me };
                let by = if anew { speaker } else { other };
                Change::Linked { by, auto: self.mine(&user) == LinkState::Auto }
            }
            (true, false) => Change::Unlinked { by: speaker },
            _ => Change::Noted,
        }
    }

    /// Whether both lists name each other.
    pub fn is_link(&self, user: &UserId) -> bool {
        self.rows.get(user).is_some_and(|row| says_yes(row.mine.state) && says_yes(row.theirs.state))
    }

    pub fn mine(&self, user: &UserId) -> LinkState {
        self.rows.get(user).map(|row| row.mine.state).unwrap_or_default()
    }

    /// Whether a person who asks for a link has something to say: they have not asked, or were refused since.
    pub fn can_ask(&self, user: &UserId) -> bool {
        let row = self.rows.get(user);
        row.is_none_or(|row| row.mine.state != LinkState::Linked || row.theirs.state == LinkState::Removed)
    }

    /// Everybody I want to reach: whom my list names and whose list does not refuse me.
    pub fn wanted(&self) -> impl Iterator<Item = UserId> + '_ {
        self.rows.values().filter(|row| is_wanted(row)).map(|row| row.user)
    }

    pub fn wants(&self, user: &UserId) -> bool {
        self.rows.get(user).is_some_and(is_wanted)
    }

    pub fn is_blocked(&self, user: &UserId) -> bool {
        self.mine(user) == LinkState::Blocked
    }

    pub fn row(&self, user: &UserId) -> Option<LinkRow> {
        self.rows.get(user).copied()
    }

    /// How many strangers were accepted.
    pub fn autos(&self) -> usize {
        self.rows.values().filter(|row| row.mine.state == LinkState::Auto).count()
    }

    /// My link list.
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

fn says_yes(state: LinkState) -> bool {
    matches!(state, LinkState::Linked | LinkState::Auto)
}

/// Whether somebody's next yes is a wish of their own: their last word undid or refused what the other still says.
fn asks_anew(last: Entry, other: Entry) -> bool {
    matches!(last.state, LinkState::Removed | LinkState::Blocked) && other.lamport < last.lamport
}

fn is_wanted(row: &LinkRow) -> bool {
    says_yes(row.mine.state) && !matches!(row.theirs.state, LinkState::Removed | LinkState::Blocked)
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
        assert_eq!(links.say(BOB, LinkState::Linked, 1), Change::Noted);
        assert_eq!(links.hear(BOB, entry(LinkState::Auto, 5)), Change::Linked { by: By::Me, auto: false });
        assert!(links.is_link(&BOB));
        assert_eq!(links.hear(BOB, entry(LinkState::Removed, 6)), Change::Unlinked { by: By::Them });
        assert!(!links.wants(&BOB));
    }

    #[test]
    fn who_takes_a_refusal_back_is_the_one_who_asks() {
        let mut links = Links::new(&[]);
        links.hear(BOB, entry(LinkState::Linked, 1));
        links.say(BOB, LinkState::Removed, 2);
        assert_eq!(links.say(BOB, LinkState::Linked, 3), Change::Linked { by: By::Me, auto: false });
        links.hear(BOB, entry(LinkState::Removed, 4));
        assert_eq!(links.hear(BOB, entry(LinkState::Linked, 5)), Change::Linked { by: By::Them, auto: false });
        links.say(BOB, LinkState::Removed, 6);
        links.hear(BOB, entry(LinkState::Linked, 7));
        assert_eq!(
            links.say(BOB, LinkState::Linked, 8),
            Change::Linked { by: By::Them, auto: false },
            "bob asked again"
        );
    }

    #[test]
    fn an_old_word_changes_nothing() {
        let mut links = Links::new(&[]);
        links.say(BOB, LinkState::Linked, 1);
        links.hear(BOB, entry(LinkState::Linked, 5));
        assert_eq!(links.hear(BOB, entry(LinkState::Removed, 4)), Change::Nothing);
        assert!(links.is_link(&BOB));
    }

    #[test]
    fn of_two_statements_with_one_number_the_stricter_one_counts() {
        let order = [LinkState::Auto, LinkState::Linked, LinkState::Removed, LinkState::Blocked];
        for (looser, stricter) in order.into_iter().zip(order.into_iter().skip(1)) {
            for both in [[looser, stricter], [stricter, looser]] {
                let mut links = Links::new(&[]);
                for state in both {
                    links.hear(BOB, entry(state, 5));
                    links.adopt(BOB, entry(state, 5));
                }
                let row = links.row(&BOB).expect("there were two statements");
                assert_eq!((row.mine.state, row.theirs.state), (stricter, stricter), "{both:?}");
            }
        }
    }

    #[test]
    fn somebody_i_blocked_cannot_ask_again() {
        let mut links = Links::new(&[]);
        links.say(BOB, LinkState::Blocked, 1);
        assert_eq!(links.hear(BOB, entry(LinkState::Linked, 5)), Change::Noted);
    }
}
