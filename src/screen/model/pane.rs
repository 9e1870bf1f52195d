//! What takes the place of the messages for a while: answers to macros, search results, who has what.

use crate::screen::cells::{Cell, cells, harmless, width, wrap};
use crate::screen::clock::Wall;

/// Columns by which the rows of a line are indented below the first, if it has no columns of its own.
const INDENT: usize = 4;
/// Columns that the text of a table needs beside what stands before it. Where there are fewer, it stands below.
const BESIDE: usize = 24;
/// Lines that are kept of an answer: a list of two hundred users has some lines for each.
const MAX_LINES: usize = 5_000;
/// Messages kept of a search, which goes on on demand.
pub const MAX_FOUND: usize = 1_000;

/// What is in the place of the messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pane {
    /// The messages themselves.
    Chat,
    /// The conversations, where the terminal is too narrow for both.
    List,
    /// An answer of several lines.
    Text { title: String, lines: Vec<Entry>, top: usize },
    /// The messages that contain a text.
    Found { text: String, found: Vec<Found>, selected: usize, next: Option<String>, is_asked: bool },
    /// The network around me. Me, if nobody was selected.
    Map { selected: Option<String> },
    /// Where the messages to a user are.
    WhoHas { with: String, items: Vec<Item>, selected: usize },
}

/// A line of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The text, made harmless.
    text: String,
    /// The column of the rows below the first.
    indent: usize,
    /// Where in the text the last column of a table begins.
    column: Option<usize>,
}

impl Entry {
    /// A line of text. What does not fit into one row is indented in the next: below what follows the first gap of a table, or a
    /// little.
    pub fn new(line: &str) -> Entry {
        let text = harmless(line);
        let lead = text.len() - text.trim_start().len();
        let gap = text[lead..].find("  ").map(|gap| lead + gap);
        let column = gap.map(|gap| width(text[..gap].trim_end()) + text[gap..].len() - text[gap..].trim_start().len());
        Entry { indent: column.unwrap_or(lead + INDENT), text, column: None }
    }

    /// A line of a table: what stands in its columns, and a text that continues below its own begin.
    pub fn in_table(columns: &str, text: &str) -> Entry {
        let columns = harmless(columns);
        Entry { indent: width(&columns), column: Some(columns.len()), text: columns + &harmless(text) }
    }

    fn rows(&self, columns: usize) -> Vec<String> {
        if let Some(column) = self.column.filter(|_| self.indent + BESIDE > columns) {
            return narrow_rows(self.text.split_at(column), columns);
        }
        if width(&self.text) <= columns {
            return vec![self.text.clone()];
        }
        let indent = self.indent.min(columns / 2);
        let cells = cells(&self.text);
        let first = wrap(&cells, columns).into_iter().next().map_or(cells.len(), |row| row.end);
        let (first, rest) = cells.split_at(first);
        let text = |cells: &[Cell]| cells.iter().map(|cell| cell.text.as_str()).collect::<String>();
        let below = wrap(rest, columns - indent).into_iter();
        let below = below.map(|row| format!("{}{}", " ".repeat(indent), text(&rest[row]).trim_start()));
        std::iter::once(text(first)).chain(below).collect()
    }
}

/// A message that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub id: String,
    /// The conversation, by its handle.
    pub handle: String,
    pub with: String,
    pub own: bool,
    pub sent: Wall,
    pub text: String,
}

/// A message of mine, and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    pub id: String,
    pub text: String,
    pub sent: Wall,
    pub sessions: Vec<HeldBy>,
}

/// Who has a message for one session of the addressee.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldBy {
    /// The session, shortened.
    pub session: String,
    pub label: String,
    /// In words.
    pub state: String,
    /// The session has it.
    pub is_delivered: bool,
    /// Since then, if that was seen.
    pub since: Option<Wall>,
}

impl Item {
    /// Whether no session of the addressee has it.
    pub fn waits(&self) -> bool {
        !self.sessions.iter().any(|held| held.is_delivered)
    }
}

impl Pane {
    /// A text of several lines.
    pub fn text(title: &str, text: &str) -> Pane {
        Pane::table(title, text.lines().map(Entry::new))
    }

    /// An answer of several lines.
    pub fn table(title: &str, lines: impl Iterator<Item = Entry>) -> Pane {
        Pane::Text { title: title.to_owned(), lines: lines.take(MAX_LINES).collect(), top: 0 }
    }

    /// A message of mine has come further towards a session: it has it, or `holder` carries it.
    pub fn on_state(&mut self, (message, session): (&str, &str), state: &str, holder: &str, now: Wall) {
        let Pane::WhoHas { items, .. } = self else { return };
        let Some(item) = items.iter_mut().find(|item| item.id == message) else { return };
        if let Some(held) = item.sessions.iter_mut().find(|held| session.starts_with(&held.session)) {
            held.is_delivered = state == "delivered";
            (held.state, held.since) = match state {
                "delivered" => ("delivered".to_owned(), None),
                _ => (format!("with {holder}"), Some(now)),
            };
        }
    }

    /// Moves by rows or by entries. A page has so many columns and rows.
    pub fn scroll(&mut self, by: isize, (columns, page): (usize, usize)) {
        let moved = |at: usize, len: usize| at.saturating_add_signed(by).min(len.saturating_sub(1));
        match self {
            Pane::Chat | Pane::List | Pane::Map { .. } => {}
            Pane::Text { lines, top, .. } => {
                let rows = rows(lines, columns).len();
                *top = top.saturating_add_signed(by).min(rows.saturating_sub(page));
            }
            Pane::Found { found, selected, .. } => *selected = moved(*selected, found.len()),
            Pane::WhoHas { items, selected, .. } => *selected = moved(*selected, items.len()),
        }
    }
}

/// A line of a table that has no room for a text beside its columns.
fn narrow_rows((head, text): (&str, &str), columns: usize) -> Vec<String> {
    let (head, below) = (head.trim_end(), " ".repeat(INDENT) + text);
    let row = format!("{head}  {text}");
    let parts = if width(&row) <= columns { vec![row] } else { vec![head.to_owned(), below] };
    let entry = |text| Entry { text, indent: INDENT, column: None };
    parts.into_iter().flat_map(|part| entry(part).rows(columns)).collect()
}

/// Lines of an answer as rows.
pub fn rows(lines: &[Entry], columns: usize) -> Vec<String> {
    lines.iter().flat_map(|line| line.rows(columns)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_of_an_answer_are_indented_below() {
        let lines = ["short", "  a line of many words", "  id  one two three"].map(Entry::new);
        let expected = ["short", "  a line of many ", "      words", "  id  one two ", "      three"];
        assert_eq!(rows(&lines, 16), expected);
    }

    #[test]
    fn a_text_in_a_table_continues_below_its_own_begin() {
        let line = Entry::in_table("nat  note  ", "seen as two ports by two others outside");
        let expected = ["nat  note  seen as two ports by two ", "           others outside"];
        assert_eq!(rows(&[line], 36), expected);
    }

    #[test]
    fn where_it_has_no_room_beside_its_columns_a_text_stands_below_them() {
        let lines = [("^N ^P, Alt-1 to 9, ^G   ", "go to others, by name"), ("Esc   ", "goes back")];
        let lines = lines.map(|(columns, text)| Entry::in_table(columns, text));
        assert_eq!(rows(&lines, 24), ["^N ^P, Alt-1 to 9, ^G", "    go to others, by ", "    name", "Esc  goes back"]);
    }
}
