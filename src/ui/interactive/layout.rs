//! Where the editor puts what is typed.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Tabs move to a multiple of this column.
const TAB: usize = 8;

/// The row and the column of the cursor behind a text that begins at the left edge, in a terminal of so many columns.
pub fn end(text: &str, columns: usize) -> (usize, usize) {
    let columns = columns.max(1);
    let (row, column) = text.chars().fold((0, 0), |(row, column), c| match c {
        '\n' => (row + 1, 0),
        _ => {
            let width = width_at(column, c);
            if column + width > columns { (row + 1, width) } else { (row, column + width) }
        }
    });
    (row + column / columns, column % columns)
}

/// In how many rows a text stands that begins at the left edge; `None` if terminals disagree.
pub fn rows(text: &str, columns: usize) -> Option<usize> {
    let (row, _) = end(text, columns);
    (row == 0 || text.split(['\n', '\t']).all(is_plain)).then_some(row + 1)
}

/// Whether a text is as wide as its characters, which joined characters, emoji and control characters are not everywhere.
fn is_plain(text: &str) -> bool {
    text.width() == text.chars().map(|c| width_at(0, c)).sum::<usize>()
}

fn width_at(column: usize, c: char) -> usize {
    if c == '\t' { TAB - column % TAB } else { c.width().unwrap_or(0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_text_is_where_the_editor_leaves_the_cursor() {
        assert_eq!(end("to bob> half", 80), (0, 12));
        assert_eq!(end(&"x".repeat(85), 80), (1, 5));
        assert_eq!(end(&"x".repeat(80), 80), (1, 0));
        assert_eq!(end("first\nab\tc", 80), (1, 9));
        assert_eq!(end(&format!("{}漢", "x".repeat(79)), 80), (1, 2));
        assert_eq!(end(&format!("{}\n", "x".repeat(80)), 80), (1, 0), "the line feed ends the full row");
    }

    #[test]
    fn a_text_whose_rows_terminals_disagree_about_has_no_number_of_rows() {
        assert_eq!(rows("to bob> half", 80), Some(1));
        assert_eq!(rows(&"漢".repeat(50), 80), Some(2));
        assert_eq!(rows("one\ntwo\tthree\nfour", 80), Some(3));
        assert_eq!(rows("👨\u{200d}👩\u{200d}👧 hello", 80), Some(1), "it fits in any case");
        assert_eq!(rows(&"👨\u{200d}👩\u{200d}👧".repeat(20), 80), None);
        assert_eq!(rows(&"❤\u{fe0f}".repeat(90), 80), None);
        assert_eq!(rows("\u{1}\ntwo", 80), None);
    }
}
