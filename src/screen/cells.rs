//! Text as cells of a terminal: one for each grapheme, with a width that terminals agree on.
//!
//! Terminals disagree on how wide joined emoji are, and those with a variation selector or a skin tone. Such a cluster would
//! move everything behind it, also the border, so it is shown as its base character.

use std::borrow::Cow;
use std::ops::Range;

use unicode_bidi::{BidiInfo, Level};
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::identity::name::escape;

/// Where a line was cut.
const DOTS: &str = "..";
/// Columns of a tab.
const TAB: &str = "    ";
/// Between what somebody is called and what they wrote, so that the two do not become one piece of right-to-left text: the
/// left-to-right mark. Marks of others are escaped.
pub const APART: char = '\u{200e}';
/// Pairs of characters of which each is the mirror image of the other.
const MIRRORED: &str = "()[]{}<>«»‹›≤≥⟨⟩⟪⟫";

/// One grapheme.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// What is shown.
    pub text: String,
    /// How many columns it takes; at least one.
    pub width: usize,
    /// Where it begins in the text, in bytes.
    pub at: usize,
}

/// The cells of one line of text, which was escaped.
pub fn cells(line: &str) -> Vec<Cell> {
    let cell = |(at, grapheme): (usize, &str)| {
        let text = shown(grapheme);
        let width = columns_of(&text);
        Cell { text: text.into_owned(), width, at }
    };
    line.grapheme_indices(true).map(cell).collect()
}

/// The cells of a line that is being written: controls are shown as their numbers, tabs as spaces.
pub fn typed_cells(line: &str) -> Vec<Cell> {
    let cell = |(at, grapheme): (usize, &str)| {
        let text = shown(&harmless(grapheme)).into_owned();
        Cell { width: columns_of(&text), text, at }
    };
    line.grapheme_indices(true).map(cell).collect()
}

/// As much of a line as fits into so many columns, with dots at the end if that is not all.
pub fn fit(line: &str, columns: usize) -> String {
    if width(line) <= columns {
        return line.to_owned();
    }
    let mut used = 0;
    let room = columns.saturating_sub(DOTS.len());
    let exceeds = |cell: &Cell| {
        used += cell.width;
        used > room
    };
    let end = cells(line).into_iter().find(exceeds).map_or(line.len(), |cell| cell.at);
    format!("{}{}", &line[..end], &DOTS[..columns.min(DOTS.len())])
}

/// The columns that a line of text takes.
pub fn width(line: &str) -> usize {
    line.graphemes(true).map(|grapheme| columns_of(&shown(grapheme))).sum()
}

/// A text that others wrote, without what controls a terminal or hides text. Line feeds are kept.
pub fn harmless(text: &str) -> String {
    escape(text).replace('\t', TAB)
}

fn columns_of(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or(0)).sum()
}

/// What is shown for a grapheme.
fn shown(grapheme: &str) -> Cow<'_, str> {
    let mut chars = grapheme.chars();
    let Some(first) = chars.next().filter(|c| *c != APART) else { return "".into() };
    let is_single = chars.next().is_none();
    if is_single && first.width().is_some_and(|width| width > 0) {
        return grapheme.into();
    }
    let agreed = if is_single || !is_disputed(grapheme) {
        Cow::Borrowed(grapheme)
    } else if first.is_alphabetic() {
        grapheme.chars().filter(|c| !is_joiner(*c)).collect::<String>().into()
    } else {
        first.to_string().into()
    };
    // A mark without a letter would stand on the border.
    if columns_of(&agreed) == 0 { agreed.chars().map(|c| c.escape_unicode().to_string()).collect() } else { agreed }
}

/// Whether terminals disagree about the width.
fn is_disputed(grapheme: &str) -> bool {
    grapheme.width() != columns_of(grapheme) || grapheme.chars().any(is_joiner)
}

/// A joiner, a variation selector, or a skin tone.
fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200d}' | '\u{fe0e}' | '\u{fe0f}' | '\u{1f3fb}'..='\u{1f3ff}')
}

/// Breaks a line into rows of at most `columns`, behind spaces where possible. Spaces at the end of a row may exceed it.
pub fn wrap(cells: &[Cell], columns: usize) -> Vec<Range<usize>> {
    let mut rows = Vec::new();
    let (mut start, mut column, mut space) = (0, 0, None);
    for (at, cell) in cells.iter().enumerate() {
        if cell.text == " " {
            space = Some(at + 1);
        } else if column + cell.width > columns {
            let begin = space.take().unwrap_or(start);
            if begin > start {
                rows.push(start..begin);
                (start, column) = (begin, cells[begin..at].iter().map(|cell| cell.width).sum());
            }
            if column + cell.width > columns && at > start {
                rows.push(start..at);
                (start, column) = (at, 0);
            }
        }
        column += cell.width;
    }
    rows.push(start..cells.len());
    rows
}

/// A row of cells in the order in which they stand on the screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// From left to right, as indexes of the cells of the line.
    pub order: Vec<usize>,
    /// Those within right-to-left text of which the mirror image is shown.
    mirrored: Vec<usize>,
    /// It is read from right to left.
    pub is_rtl: bool,
}

impl Row {
    fn as_written(row: &Range<usize>) -> Row {
        Row { order: row.clone().collect(), mirrored: Vec::new(), is_rtl: false }
    }

    /// What is shown from left to right, with the width of each.
    pub fn shown(&self, cells: &[Cell]) -> Vec<(String, usize)> {
        let text = |at: &usize| match mirror_image(&cells[*at].text) {
            Some(image) if self.mirrored.contains(at) => image.to_owned(),
            _ => cells[*at].text.clone(),
        };
        self.order.iter().map(|at| (text(at), cells[*at].width)).collect()
    }
}

/// The mirror image of a bracket.
fn mirror_image(text: &str) -> Option<&'static str> {
    let (at, _) = MIRRORED.char_indices().find(|(_, c)| text.chars().eq([*c]))?;
    let n = MIRRORED[..at].chars().count();
    let (begin, image) = MIRRORED.char_indices().nth(n ^ 1)?;
    MIRRORED.get(begin..begin + image.len_utf8())
}

/// Puts the rows of a line into the order in which they stand on the screen. `reorders`: right-to-left text is reordered
/// here, and not by the terminal.
pub fn arrange(line: &str, cells: &[Cell], rows: &[Range<usize>], reorders: bool) -> Vec<Row> {
    if !reorders || line.is_ascii() {
        return rows.iter().map(Row::as_written).collect();
    }
    reorder(line, None, cells, rows)
}

/// A line of the program from left to right as it stands on the screen, with the width of each cell. The line is read from left
/// to right, whatever the names in it.
pub fn arranged(line: &str, reorders: bool) -> Vec<(String, usize)> {
    let cells = cells(line);
    let whole = 0..cells.len();
    if !reorders || line.is_ascii() {
        return Row::as_written(&whole).shown(&cells);
    }
    let rows = reorder(line, Some(Level::ltr()), &cells, std::slice::from_ref(&whole));
    rows.iter().flat_map(|row| row.shown(&cells)).collect()
}

/// `base` is the direction of the line; `None`: that of its first letter.
fn reorder(line: &str, base: Option<Level>, cells: &[Cell], rows: &[Range<usize>]) -> Vec<Row> {
    let info = BidiInfo::new(line, base);
    let Some(paragraph) = info.paragraphs.first() else { return rows.iter().map(Row::as_written).collect() };
    let end_of = |at: usize| cells.get(at).map_or(line.len(), |cell| cell.at);
    let arranged = rows.iter().map(|row| {
        let (levels, runs) = info.visual_runs(paragraph, end_of(row.start)..end_of(row.end));
        let (mut order, mut mirrored) = (Vec::new(), Vec::new());
        for run in runs {
            let part = row.clone().filter(|at| run.contains(&cells[*at].at));
            if levels.get(run.start).is_some_and(Level::is_rtl) {
                mirrored.extend(part.clone().filter(|at| mirror_image(&cells[*at].text).is_some()));
                order.extend(part.rev());
            } else {
                order.extend(part);
            }
        }
        Row { order, mirrored, is_rtl: paragraph.level.is_rtl() }
    });
    arranged.collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown_line(line: &str) -> (String, usize) {
        (cells(line).iter().map(|cell| cell.text.as_str()).collect(), width(line))
    }

    #[test]
    fn clusters_that_terminals_disagree_on_are_shown_as_their_base() {
        for (text, base, columns) in [
            ("❤\u{fe0f}", "❤", 1),
            ("👨\u{200d}👩\u{200d}👧", "👨", 2),
            ("👍\u{1f3fd}", "👍", 2),
            ("1\u{fe0f}\u{20e3}", "1", 1),
            ("漢", "漢", 2),
            ("e\u{301}", "e\u{301}", 1),
            ("क्\u{200d}ष", "क्ष", 2),
        ] {
            assert_eq!(shown_line(text), (base.to_owned(), columns), "{text}");
        }
    }

    #[test]
    fn a_mark_without_a_letter_is_shown_as_its_number() {
        assert_eq!(shown_line("\u{301}a").0, "\\u{301}a");
    }

    fn wrapped(text: &str, columns: usize) -> Vec<String> {
        let cells = cells(text);
        let row = |row: Range<usize>| cells[row].iter().map(|cell| cell.text.as_str()).collect();
        wrap(&cells, columns).into_iter().map(row).collect()
    }

    #[test]
    fn lines_are_broken_behind_spaces_and_long_words_anywhere() {
        assert_eq!(wrapped("one two three", 8), ["one two ", "three"]);
        assert_eq!(wrapped("abcdefghij", 4), ["abcd", "efgh", "ij"]);
        assert_eq!(wrapped("a bcdefghij", 4), ["a ", "bcde", "fghi", "j"]);
        assert_eq!(wrapped("漢漢漢", 5), ["漢漢", "漢"]);
        assert_eq!(wrapped("", 5), [""]);
    }

    #[test]
    fn right_to_left_text_is_put_into_the_order_of_the_screen() {
        let line = "שלום abc";
        let cells = cells(line);
        let rows = arrange(line, &cells, &wrap(&cells, 20), true);
        let text: String = rows[0].shown(&cells).into_iter().map(|(text, _)| text).collect();
        assert_eq!((text.as_str(), rows[0].is_rtl), ("abc םולש", true));
        let as_typed = arrange(line, &cells, &wrap(&cells, 20), false);
        assert_eq!(as_typed[0].order, (0..8).collect::<Vec<_>>());
    }

    #[test]
    fn a_line_of_the_program_is_read_from_left_to_right_whatever_the_names_in_it() {
        let shown = |line, reorders| arranged(line, reorders).into_iter().map(|(text, _)| text).collect::<String>();
        assert_eq!(shown("שלום · here", true), "םולש · here");
        assert_eq!(shown("שלום · here", false), "שלום · here", "the terminal does it");
        let line = format!("שלום:{APART} עולם");
        assert_eq!((shown(&line, true).as_str(), width(&line)), ("םולש: םלוע", 10), "the name comes first");
    }

    #[test]
    fn brackets_within_right_to_left_text_are_mirrored() {
        let shown = |line| arranged(line, true).into_iter().map(|(text, _)| text).collect::<String>();
        assert_eq!(shown("שלום (123) עולם"), "םלוע (123) םולש");
        assert_eq!(shown("a (b) ש"), "a (b) ש");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn every_cell_is_in_one_row_and_no_row_is_too_wide(text in "[a-c 漢שא\u{301}❤\u{fe0f}]{0,80}", columns in 2usize..30) {
            let cells = cells(&text);
            let rows = wrap(&cells, columns);
            prop_assert_eq!(rows.iter().cloned().flatten().collect::<Vec<_>>(), (0..cells.len()).collect::<Vec<_>>());
            for row in &rows {
                let used: usize = cells[row.clone()].iter().map(|cell| cell.width).sum();
                let spaces = cells[row.clone()].iter().rev().take_while(|cell| cell.text == " ").count();
                let longest = cells[row.clone()].iter().map(|cell| cell.width).max().unwrap_or(0);
                prop_assert!(used - spaces <= columns || longest > columns, "{:?}", row);
            }
            for (row, range) in arrange(&text, &cells, &rows, true).iter().zip(&rows) {
                let mut order = row.order.clone();
                order.sort_unstable();
                prop_assert_eq!(order, range.clone().collect::<Vec<_>>());
            }
        }
    }
}
