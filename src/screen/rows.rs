//! The messages of a conversation as rows.

use super::cells::{self, arrange, cells, wrap};
use super::clock::Clock;
use super::model::timeline::{Anchor, Line, Timeline};

/// The widest column of authors.
const MAX_AUTHOR: usize = 12;
/// The column of times, with the spaces around it.
const TIME: usize = 7;

/// How messages are laid out.
#[derive(Debug, Clone, Copy)]
pub struct Look<'a> {
    /// Columns of the pane.
    pub columns: usize,
    /// The name of the other user.
    pub name: &'a str,
    pub clock: Clock,
    /// Right-to-left text is reordered.
    pub reorders: bool,
}

/// One row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Row {
    /// A day begins.
    Day(String),
    /// What follows is new.
    New,
    /// A part of a message.
    Text(TextRow),
}

/// A row of a message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TextRow {
    /// Time and author, in the first row.
    pub head: Option<(String, String)>,
    pub own: bool,
    /// What is shown from left to right, with the width of each.
    pub cells: Vec<(String, usize)>,
    /// Columns before it.
    pub indent: usize,
    /// What stands at the right.
    pub remark: String,
    /// The message is yet to arrive, or arrived late.
    pub stands_out: bool,
}

impl Look<'_> {
    /// Columns for the names of authors.
    pub fn author(&self) -> usize {
        cells::width(self.name).clamp("you".len(), if self.columns < 60 { MAX_AUTHOR * 2 / 3 } else { MAX_AUTHOR })
    }

    /// Where texts begin.
    pub fn text_at(&self) -> usize {
        TIME + self.author() + 2
    }

    /// Columns for texts.
    pub fn text_columns(&self) -> usize {
        self.columns.saturating_sub(self.text_at() + 1).max(1)
    }

    /// The rows of the message at a position, with what stands above it.
    pub fn rows(&self, timeline: &Timeline, at: usize) -> Vec<Row> {
        let lines = timeline.lines();
        let Some(line) = lines.get(at) else { return Vec::new() };
        let before = at.checked_sub(1).and_then(|before| lines.get(before));
        let mut rows = Vec::new();
        if before.is_none_or(|before| !self.clock.same_day(before.sent, line.sent)) {
            rows.push(Row::Day(self.clock.day(line.sent)));
        }
        if timeline.first_new.as_deref() == Some(&line.id) {
            rows.push(Row::New);
        }
        self.text_rows(line, &mut rows);
        rows
    }

    /// A text of mine that the store does not have yet.
    pub fn unsaid(&self, text: &str) -> Vec<Row> {
        let mut rows = Vec::new();
        let head = (String::new(), "you".to_owned());
        self.push_text(&cells::harmless(text), head, true, ("is being stored", true), &mut rows);
        rows
    }

    fn text_rows(&self, line: &Line, rows: &mut Vec<Row>) {
        let author = if line.own { "you" } else { self.name };
        let head = (self.clock.minute(line.sent), author.to_owned());
        self.push_text(&line.text, head, line.own, (&line.remark(&self.clock), line.stands_out()), rows);
    }

    fn push_text(
        &self,
        text: &str,
        head: (String, String),
        own: bool,
        (remark, stands_out): (&str, bool),
        rows: &mut Vec<Row>,
    ) {
        let columns = self.text_columns();
        let mut head = Some(head);
        let mut used = 0;
        for line in text.split('\n') {
            let cells = cells(line);
            let ranges = wrap(&cells, columns);
            for row in arrange(line, &cells, &ranges, self.reorders) {
                let shown = row.shown(&cells);
                used = shown.iter().map(|(_, width)| width).sum();
                let indent = if row.is_rtl { columns.saturating_sub(used) } else { 0 };
                used += indent;
                rows.push(Row::Text(TextRow { head: head.take(), own, cells: shown, indent, ..TextRow::default() }));
            }
        }
        if remark.is_empty() {
            return;
        }
        if used + 2 + cells::width(remark) > columns {
            rows.push(Row::Text(TextRow { own, ..TextRow::default() }));
        }
        if let Some(Row::Text(last)) = rows.last_mut() {
            (last.remark, last.stands_out) = (remark.to_owned(), stands_out);
        }
    }

    /// The rows that are seen in so many, from top to bottom, and the position of the first message among them.
    pub fn seen(&self, timeline: &Timeline, height: usize) -> (Vec<Row>, usize) {
        let (mut at, mut hidden) = self.bottom(timeline);
        let mut seen: Vec<Row> = Vec::new();
        let mut first = at;
        loop {
            let mut rows = self.rows(timeline, at);
            rows.truncate(rows.len().saturating_sub(std::mem::take(&mut hidden)));
            first = if rows.is_empty() { first } else { at };
            seen.extend(rows.into_iter().rev());
            if seen.len() >= height || at == 0 {
                break;
            }
            at -= 1;
        }
        seen.truncate(height);
        seen.reverse();
        (seen, first)
    }

    /// Moves the bottom by rows, towards older messages if negative. Returns the new anchor; `None` at the end.
    pub fn moved(&self, timeline: &Timeline, by: isize, height: usize) -> Option<Anchor> {
        let (mut at, hidden) = self.bottom(timeline);
        let last = timeline.lines().len().checked_sub(1)?;
        let mut hidden = hidden.cast_signed() - by;
        while hidden < 0 && at < last {
            at += 1;
            hidden += self.rows(timeline, at).len().cast_signed();
        }
        while at > 0 && hidden >= self.rows(timeline, at).len().cast_signed() {
            hidden -= self.rows(timeline, at).len().cast_signed();
            at -= 1;
        }
        let hidden = hidden.max(0).cast_unsigned();
        let anchor = Anchor { id: timeline.lines()[at].id.clone(), hidden };
        self.filled(timeline, at, hidden, height).unwrap_or(Some(anchor).filter(|_| at < last || hidden > 0))
    }

    /// The anchor at which the first message stands at the top, if there is less above this one than fits.
    fn filled(&self, timeline: &Timeline, at: usize, hidden: usize, height: usize) -> Option<Option<Anchor>> {
        let mut above = 0;
        for upper in (0..=at).rev() {
            above += self.rows(timeline, upper).len();
            if above >= height + hidden {
                return None;
            }
        }
        let mut rows = 0;
        for (at, line) in timeline.lines().iter().enumerate() {
            rows += self.rows(timeline, at).len();
            if rows >= height {
                let below = rows - height;
                let is_last = at + 1 == timeline.lines().len() && below == 0;
                return Some((!is_last).then(|| Anchor { id: line.id.clone(), hidden: below }));
            }
        }
        Some(None)
    }

    /// The message at the bottom, and how many of its rows are below.
    fn bottom(&self, timeline: &Timeline) -> (usize, usize) {
        let last = timeline.lines().len().saturating_sub(1);
        let anchor = timeline.anchor.as_ref();
        anchor.and_then(|anchor| Some((timeline.position(&anchor.id)?, anchor.hidden))).unwrap_or((last, 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::model::timeline::Page;

    fn timeline(texts: &[&str]) -> Timeline {
        let line = |(at, text): (usize, &&str)| Line {
            id: at.to_string(),
            own: false,
            label: None,
            text: (*text).to_owned(),
            sent: 0,
            order: at as u64,
            late: false,
            delivery: None,
        };
        let mut timeline = Timeline::default();
        timeline.add_page(Page::Newest, texts.iter().enumerate().map(line).collect(), false);
        timeline
    }

    fn look() -> Look<'static> {
        Look { columns: 40, name: "carol", clock: Clock::utc(0), reorders: true }
    }

    fn texts(rows: &[Row]) -> Vec<String> {
        let text = |row: &Row| match row {
            Row::Day(day) => day.clone(),
            Row::New => "new".to_owned(),
            Row::Text(row) => row.cells.iter().map(|(text, _)| text.as_str()).collect(),
        };
        rows.iter().map(text).collect()
    }

    #[test]
    fn a_remark_stands_behind_the_text_or_below_it() {
        let mut timeline = timeline(&["short"]);
        let mut remarks = |text: &str| {
            let line = timeline.get_mut("0").expect("it is there");
            (line.text, line.late) = (text.to_owned(), true);
            let rows = look().rows(&timeline, 0);
            rows.iter()
                .filter_map(|row| if let Row::Text(row) = row { Some(row.remark.clone()) } else { None })
                .collect::<Vec<_>>()
        };
        assert_eq!(remarks("short"), ["late"]);
        assert_eq!(remarks(&"x".repeat(25)), ["", "late"]);
    }

    #[test]
    fn scrolling_goes_by_rows_to_both_ends() {
        let mut timeline = timeline(&["0", "1", "2\n2b", "3", "4"]);
        let look = look();
        let mut at = |by: isize| {
            timeline.anchor = look.moved(&timeline, by, 3);
            texts(&look.seen(&timeline, 3).0)
        };
        assert_eq!(at(0), ["2b", "3", "4"]);
        assert_eq!(at(-2), ["1", "2", "2b"]);
        assert_eq!(at(-1), ["0", "1", "2"]);
        assert_eq!(at(-10), ["Thursday 1 January", "0", "1"]);
        assert_eq!(at(1), ["0", "1", "2"]);
        assert_eq!(at(10), ["2b", "3", "4"]);
        assert_eq!(timeline.anchor, None);
    }

    #[test]
    fn what_fits_as_a_whole_does_not_scroll() {
        let timeline = timeline(&["0", "1"]);
        assert_eq!(look().moved(&timeline, -5, 10), None);
        assert_eq!(look().seen(&timeline, 10).0.len(), 3);
    }
}
