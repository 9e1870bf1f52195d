//! What takes the place of the messages for a while: answers to macros, search results, who has what.

use super::cells::{cells, width, wrap};
use super::clock::Wall;

/// Columns by which the rows of a line are indented below the first.
const INDENT: usize = 4;
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
    Text { title: String, lines: Vec<String>, top: usize },
    /// The messages that contain a text.
    Found { text: String, found: Vec<Found>, selected: usize, next: Option<String>, is_asked: bool },
    /// The network around me.
    Map { top: usize },
    /// Where the messages to a user are.
    WhoHas { with: String, items: Vec<Item>, selected: usize },
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
    /// Session and state.
    pub sessions: Vec<(String, String)>,
}

impl Pane {
    /// A text of several lines.
    pub fn text(title: &str, text: &str) -> Pane {
        let lines = text.lines().take(MAX_LINES).map(super::cells::harmless).collect();
        Pane::Text { title: title.to_owned(), lines, top: 0 }
    }

    /// Moves by rows or by entries. A page has so many columns and rows.
    pub fn scroll(&mut self, by: isize, (columns, page): (usize, usize)) {
        let moved = |at: usize, len: usize| at.saturating_add_signed(by).min(len.saturating_sub(1));
        match self {
            Pane::Chat | Pane::List => {}
            Pane::Map { top } => *top = top.saturating_add_signed(by),
            Pane::Text { lines, top, .. } => {
                let rows = rows(lines, columns).len();
                *top = top.saturating_add_signed(by).min(rows.saturating_sub(page));
            }
            Pane::Found { found, selected, .. } => *selected = moved(*selected, found.len()),
            Pane::WhoHas { items, selected, .. } => *selected = moved(*selected, items.len()),
        }
    }
}

/// Lines of an answer as rows. What does not fit into one row is indented in the next.
pub fn rows(lines: &[String], columns: usize) -> Vec<String> {
    lines.iter().flat_map(|line| rows_of(line, columns)).collect()
}

fn rows_of(line: &str, columns: usize) -> Vec<String> {
    if width(line) <= columns {
        return vec![line.to_owned()];
    }
    let indent = " ".repeat((line.len() - line.trim_start().len() + INDENT).min(columns / 2));
    let cells = cells(line);
    // The first row could be longer; that would be hard to see.
    let rows = wrap(&cells, columns - indent.len()).into_iter().enumerate().map(|(n, row)| {
        let text: String = cells[row].iter().map(|cell| cell.text.as_str()).collect();
        if n == 0 { text } else { format!("{indent}{}", text.trim_start()) }
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_of_an_answer_are_indented_below() {
        let lines = ["short".to_owned(), "  a line of many words".to_owned()];
        assert_eq!(rows(&lines, 16), ["short", "  a line ", "      of many ", "      words"]);
    }
}
