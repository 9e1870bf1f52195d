//! The messages of one conversation, as far as they are kept: a part of the history without holes, to which pages are added at
//! either end while somebody scrolls.

use std::collections::VecDeque;

use super::delivery::Delivery;
use crate::screen::cells::harmless;
use crate::screen::clock::{self, Clock, Wall};
use crate::screen::event;
use crate::ui::plain::inline;

/// Messages kept of a conversation: some screens in either direction. The others are in the store, a request away.
pub const MAX_LINES: usize = 1000;
/// Bytes of text kept of a conversation, for messages are up to 16,000 bytes long.
pub const MAX_BYTES: usize = 1 << 20;

/// A message.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// The message id.
    pub id: String,
    /// I wrote it.
    pub own: bool,
    /// The label of the session of mine that wrote it, if it is another one.
    pub label: Option<String>,
    /// The text, made harmless.
    pub text: String,
    /// When it was sent, by the author's clock.
    pub sent: Wall,
    /// Its place.
    pub order: u64,
    /// It came after messages that stand below it.
    pub late: bool,
    /// Where it is, if that is known.
    pub delivery: Option<Delivery>,
}

impl Line {
    /// A message of the node.
    pub fn of(message: &event::Message) -> Line {
        Line {
            id: message.message.clone(),
            own: message.own,
            label: message.label.as_deref().map(inline),
            text: harmless(&message.text),
            sent: clock::parse(&message.sent),
            order: message.order,
            late: message.late,
            delivery: None,
        }
    }

    /// A message that was typed on this node.
    pub fn typed(queued: &event::Queued) -> Line {
        Line {
            id: queued.message.clone(),
            own: true,
            label: None,
            text: harmless(&queued.text),
            sent: clock::parse(&queued.sent),
            order: queued.order,
            late: false,
            delivery: Some(Delivery::default()),
        }
    }

    /// Whether it is yet to arrive, or arrived late.
    pub fn stands_out(&self) -> bool {
        self.late || self.delivery.as_ref().is_some_and(Delivery::is_under_way)
    }

    /// What stands at the right of it.
    pub fn remark(&self, clock: &Clock) -> String {
        let state = self.delivery.as_ref().and_then(|delivery| delivery.words(clock));
        let from = self.label.as_ref().map(|label| format!("from {label}"));
        let late = self.late.then(|| "late".to_owned());
        [late, from, state].into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

/// Up to where somebody has scrolled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchor {
    /// The last message of which something is seen.
    pub id: String,
    /// How many rows of it are below the edge.
    pub hidden: usize,
}

/// A page of the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Page {
    /// The last messages.
    Newest,
    /// Those before the first that is kept.
    Older,
    /// Those after the last that is kept.
    Newer,
    /// Those around a message: the ones before it, which is followed by [`Page::Newer`].
    Around,
    /// The last messages once more, of which some have the same number. They are put into the order of the store, which knows the
    /// authors' keys.
    Again,
}

/// The messages of a conversation.
#[derive(Debug, Default)]
pub struct Timeline {
    lines: VecDeque<Line>,
    bytes: usize,
    /// The store has older ones.
    pub has_older: bool,
    /// The store has newer ones.
    pub has_newer: bool,
    /// A page is under way.
    pub awaits: Option<Page>,
    /// Another message with the number of one has come since the order was asked for.
    pub is_disordered: bool,
    /// The first page has come.
    pub is_loaded: bool,
    /// The first message that was unread when the conversation was opened.
    pub first_new: Option<String>,
    /// `None`: at the bottom.
    pub anchor: Option<Anchor>,
}

impl Timeline {
    /// The messages that are kept.
    pub fn lines(&self) -> &VecDeque<Line> {
        &self.lines
    }

    /// The last message, if it is the last of the conversation.
    pub fn newest(&self) -> Option<&Line> {
        self.lines.back().filter(|_| !self.has_newer)
    }

    /// The newest message of the other one, if it is kept.
    pub fn newest_of_theirs(&self) -> Option<&Line> {
        self.lines.iter().rfind(|line| !line.own).filter(|_| !self.has_newer)
    }

    /// Whether the end is seen.
    pub fn is_at_bottom(&self) -> bool {
        self.is_loaded && self.anchor.is_none() && !self.has_newer
    }

    /// Where a message is.
    pub fn position(&self, id: &str) -> Option<usize> {
        // The newest are asked for most often.
        self.lines.iter().rposition(|line| line.id == id)
    }

    /// A message by its id.
    pub fn get(&self, id: &str) -> Option<&Line> {
        self.lines.get(self.position(id)?)
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, id: &str) -> Option<&mut Line> {
        let at = self.position(id)?;
        self.lines.get_mut(at)
    }

    /// A page of the history, oldest first. `has_more`: in its direction.
    pub fn add_page(&mut self, page: Page, lines: Vec<Line>, has_more: bool) {
        if page != Page::Again {
            self.awaits = None;
        }
        match page {
            Page::Again => self.rearrange(lines),
            Page::Newest | Page::Around => {
                let known = std::mem::take(&mut self.lines);
                (self.bytes, self.is_loaded, self.has_older) = (0, true, has_more);
                self.has_newer = page == Page::Around;
                lines.into_iter().for_each(|line| self.push_back(line));
                // What came while the page was under way, and what is known of where messages are.
                known.into_iter().filter(|_| page == Page::Newest).for_each(|line| self.keep(line));
            }
            Page::Older => {
                self.has_older = has_more;
                lines.into_iter().rev().for_each(|line| self.push_front(line));
                while self.is_full() && self.lines.len() > 1 {
                    self.has_newer = true;
                    self.bytes -= self.lines.pop_back().map_or(0, |line| line.text.len());
                }
            }
            Page::Newer => {
                self.has_newer = has_more;
                lines.into_iter().for_each(|line| self.push_back(line));
                self.drop_oldest();
            }
        }
    }

    /// Puts messages into the order of these, each into a place that one of them has.
    fn rearrange(&mut self, ordered: Vec<Line>) {
        let known = ordered.into_iter().filter_map(|line| Some((self.position(&line.id)?, line.late)));
        let (from, late): (Vec<usize>, Vec<bool>) = known.unzip();
        let mut places = from.clone();
        places.sort_unstable();
        let moved: Vec<Line> =
            from.iter().zip(late).map(|(at, late)| Line { late, ..self.lines[*at].clone() }).collect();
        for (at, line) in places.into_iter().zip(moved) {
            self.lines[at] = line;
        }
    }

    /// Whether another message has the number of this one.
    pub fn is_tied(&self, line: &Line) -> bool {
        self.lines.iter().rev().any(|known| known.order == line.order && known.id != line.id)
    }

    /// A message that has arrived or was typed just now. Returns whether it was not known.
    pub fn add(&mut self, mut line: Line) -> bool {
        if self.has_newer || self.position(&line.id).is_some() {
            return false;
        }
        let at = self.lines.iter().rposition(|known| known.order <= line.order).map_or(0, |at| at + 1);
        if at == 0 && self.has_older && !self.lines.is_empty() {
            // It belongs to a part that is not kept.
            return true;
        }
        line.late = at < self.lines.len() && !line.own;
        self.bytes += line.text.len();
        self.lines.insert(at, line);
        if self.anchor.is_none() {
            self.drop_oldest();
        }
        true
    }

    /// A message is there no more.
    pub fn remove(&mut self, id: &str) {
        let Some(line) = self.position(id).and_then(|at| self.lines.remove(at)) else { return };
        self.bytes -= line.text.len();
        if self.anchor.as_ref().is_some_and(|anchor| anchor.id == id) {
            self.anchor = None;
        }
    }

    /// Begins the part that is new at the last `unread` messages of the other one.
    pub fn mark_new(&mut self, unread: u64) {
        let unread = usize::try_from(unread).unwrap_or(usize::MAX);
        let theirs: Vec<&Line> = self.lines.iter().filter(|line| !line.own).collect();
        let first = theirs.len().checked_sub(unread).or_else(|| (!theirs.is_empty()).then_some(0));
        self.first_new = first.filter(|_| unread > 0).and_then(|at| theirs.get(at)).map(|line| line.id.clone());
    }

    /// Puts a line in its place if the page did not bring it; else keeps what is known of where it is.
    fn keep(&mut self, line: Line) {
        match self.get_mut(&line.id) {
            Some(known) => known.delivery = line.delivery,
            None => drop(self.add(line)),
        }
    }

    fn push_back(&mut self, line: Line) {
        if self.position(&line.id).is_none() {
            self.bytes += line.text.len();
            self.lines.push_back(line);
        }
    }

    fn push_front(&mut self, line: Line) {
        if self.position(&line.id).is_none() {
            self.bytes += line.text.len();
            self.lines.push_front(line);
        }
    }

    fn is_full(&self) -> bool {
        self.lines.len() > MAX_LINES || self.bytes > MAX_BYTES
    }

    fn drop_oldest(&mut self) {
        while self.is_full() && self.lines.len() > 1 {
            self.has_older = true;
            self.bytes -= self.lines.pop_front().map_or(0, |line| line.text.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(order: u64, own: bool) -> Line {
        Line {
            id: format!("m{order}"),
            own,
            label: None,
            text: "x".repeat(10),
            sent: 0,
            order,
            late: false,
            delivery: None,
        }
    }

    fn orders(timeline: &Timeline) -> Vec<u64> {
        timeline.lines().iter().map(|line| line.order).collect()
    }

    fn loaded(orders: impl Iterator<Item = u64>, has_older: bool) -> Timeline {
        let mut timeline = Timeline::default();
        timeline.add_page(Page::Newest, orders.map(|order| line(order, false)).collect(), has_older);
        timeline
    }

    #[test]
    fn a_late_message_stands_in_its_place_and_says_so() {
        let mut timeline = loaded([1, 2, 5].into_iter(), false);
        assert!(timeline.add(line(3, false)) && !timeline.add(line(3, false)));
        assert_eq!(orders(&timeline), [1, 2, 3, 5]);
        assert_eq!(timeline.lines()[2].remark(&Clock::utc(0)), "late");
        assert!(timeline.add(line(6, false)) && !timeline.lines()[4].late);
    }

    #[test]
    fn messages_of_one_number_are_put_into_the_order_of_the_store() {
        let named = |id: &str, order, late| Line { id: id.to_owned(), late, ..line(order, false) };
        let mut timeline = loaded([1].into_iter(), false);
        timeline.add(named("mine", 2, false));
        timeline.add(named("theirs", 2, false));
        assert!(timeline.is_tied(&named("theirs", 2, false)) && !timeline.is_tied(&named("theirs", 3, false)));
        let page = vec![named("before", 0, false), named("theirs", 2, true), named("mine", 2, false)];
        timeline.add_page(Page::Again, page, true);
        let shown: Vec<(&str, bool)> = timeline.lines().iter().map(|line| (line.id.as_str(), line.late)).collect();
        assert_eq!(shown[1..], [("theirs", true), ("mine", false)]);
        assert_eq!(shown.len(), 3, "nothing is added");
    }

    #[test]
    fn scrolling_through_a_long_history_keeps_a_part_of_it() {
        let mut timeline = loaded(9_000..9_200, true);
        for page in (0..45).rev() {
            timeline.add_page(Page::Older, (page * 200..(page + 1) * 200).map(|n| line(n, false)).collect(), page > 0);
            assert!(timeline.lines().len() <= MAX_LINES);
        }
        assert_eq!((timeline.lines()[0].order, timeline.has_older, timeline.has_newer), (0, false, true));
        assert!(!timeline.add(line(9_300, false)), "it is not adjacent");
        timeline.add_page(Page::Newer, (1_000..1_200).map(|n| line(n, false)).collect(), true);
        let kept = orders(&timeline);
        assert!(kept.windows(2).all(|two| two[0] + 1 == two[1]) && kept.last() == Some(&1_199), "{kept:?}");
    }

    #[test]
    fn long_messages_are_bounded_by_their_bytes() {
        let mut timeline = loaded(0..1, false);
        for order in 1..200 {
            timeline.add(Line { text: "x".repeat(16_000), ..line(order, false) });
        }
        assert!(timeline.lines().len() < 70 && timeline.has_older);
    }

    #[test]
    fn a_line_of_the_other_that_was_written_before_mine_and_arrives_after_it_is_late() {
        let mut timeline = loaded(1..3, false);
        timeline.add(line(51, true));
        timeline.add(line(3, false));
        timeline.add(line(52, false));
        assert_eq!(orders(&timeline), [1, 2, 3, 51, 52]);
        assert_eq!(timeline.lines().iter().filter(|line| line.late).map(|line| line.order).collect::<Vec<_>>(), [3]);
    }

    #[test]
    fn what_is_new_begins_at_the_first_unread_message_of_the_other() {
        let mut timeline = Timeline::default();
        timeline.add_page(Page::Newest, vec![line(1, false), line(2, true), line(3, false), line(4, false)], false);
        timeline.mark_new(2);
        assert_eq!(timeline.first_new.as_deref(), Some("m3"));
        timeline.mark_new(9);
        assert_eq!(timeline.first_new.as_deref(), Some("m1"), "the page does not hold them all");
        timeline.mark_new(0);
        assert_eq!(timeline.first_new, None);
    }

    #[test]
    fn what_arrived_while_the_page_was_under_way_is_kept() {
        let mut timeline = Timeline::default();
        timeline.add(line(7, false));
        timeline.add(line(8, true));
        timeline.add_page(Page::Newest, (1..7).map(|order| line(order, false)).collect(), false);
        assert_eq!(orders(&timeline), [1, 2, 3, 4, 5, 6, 7, 8]);
    }
}
