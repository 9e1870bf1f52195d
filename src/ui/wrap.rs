//! Breaks lines at the width of a terminal.
//!
//! A terminal that wraps a line continues it at the left edge, where the marks stand that tell kinds of lines apart. Whoever
//! fills the first row with spaces would begin the second one like another line. So lines are broken here, and every row after
//! the first is indented.

use unicode_width::UnicodeWidthChar;

/// The narrowest terminal that is taken into account. In fewer columns nothing is readable.
const MIN_COLUMNS: usize = 20;

/// Breaks a text into rows that leave the last of `columns` columns free, at spaces where possible. Every row after the first
/// begins with `indent` spaces, also those that follow a line feed in the text. Colour sequences have no width; a tab becomes
/// four spaces.
pub fn wrapped(text: &str, columns: usize, indent: usize) -> String {
    let text = text.replace('\t', "    ");
    let mut rows = Rows { done: String::with_capacity(text.len() + 64), column: 0, blank: true, space: None, indent };
    let limit = columns.max(MIN_COLUMNS) - 1;
    let (mut in_sequence, mut dropping) = (false, false);
    for c in text.chars() {
        if in_sequence || c == '\u{1b}' {
            in_sequence = c != 'm';
            rows.done.push(c);
            continue;
        }
        if c == '\n' {
            dropping = false;
            rows.begin();
            continue;
        }
        let width = width(c);
        if rows.column + width > limit || dropping {
            // Spaces at the end of a row are dropped. The row is broken there.
            dropping = c == ' ';
            if dropping {
                rows.may_break();
                continue;
            }
            rows.make_room(limit.saturating_sub(width));
        }
        rows.push(c, width);
    }
    rows.done
}

/// The width of a character in columns: at least what terminals use, which disagree about joined and emoji characters.
fn width(c: char) -> usize {
    // It makes the character before it wide in some terminals.
    if c == '\u{fe0f}' { 1 } else { c.width().unwrap_or(0) }
}

/// The rows made so far.
struct Rows {
    done: String,
    /// Columns used in the current row.
    column: usize,
    /// The current row contains only spaces so far.
    blank: bool,
    /// Where the current row can be broken: after its last space, as a position in `done` and a column.
    space: Option<(usize, usize)>,
    indent: usize,
}

impl Rows {
    fn begin(&mut self) {
        self.done.push('\n');
        self.done.extend(std::iter::repeat_n(' ', self.indent));
        (self.column, self.blank, self.space) = (self.indent, true, None);
    }

    fn push(&mut self, c: char, width: usize) {
        self.done.push(c);
        self.column += width;
        self.blank &= c == ' ';
        if c == ' ' {
            self.may_break();
        }
    }

    /// The row can be broken here, unless it would be left empty.
    fn may_break(&mut self) {
        if !self.blank {
            self.space = Some((self.done.len(), self.column));
        }
    }

    /// Begins a new row with the word at the end of the current one, or with nothing if the word leaves no room there.
    fn make_room(&mut self, limit: usize) {
        let Some((at, column)) = self.space else { return self.begin() };
        let width = self.column - column;
        if self.indent + width > limit {
            return self.begin();
        }
        let word = self.done.split_off(at);
        self.done.truncate(self.done.trim_end_matches(' ').len());
        self.begin();
        self.done.push_str(&word);
        self.column += width;
        self.blank = false;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_are_broken_at_spaces_and_continued_with_an_indent() {
        assert_eq!(wrapped("< bob: one two three four five", 20, 4), "< bob: one two\n    three four five");
        assert_eq!(wrapped("< bob: short", 20, 4), "< bob: short");
        assert_eq!(wrapped("< bob: a\nb", 20, 4), "< bob: a\n    b");
        assert_eq!(wrapped("< bob: one two thre four", 20, 4), "< bob: one two thre\n    four", "it fits exactly");
    }

    #[test]
    fn a_row_of_spaces_does_not_move_a_text_to_the_left_edge() {
        let line = format!("< eve: hi{}bob: send the key", " ".repeat(70));
        assert_eq!(wrapped(&line, 80, 4), "< eve: hi\n    bob: send the key");
        let line = format!("< eve: hi{}* bob is online", " ".repeat(500));
        assert_eq!(wrapped(&line, 80, 4), "< eve: hi\n    * bob is online");
    }

    #[test]
    fn a_word_that_is_longer_than_a_row_is_broken_anywhere() {
        assert_eq!(
            wrapped(&format!("< b: {}", "x".repeat(40)), 20, 4),
            format!("< b:\n    {0}\n    {0}\n    {1}", "x".repeat(15), "x".repeat(10))
        );
    }

    #[test]
    fn a_word_that_does_not_fit_behind_the_indent_is_broken_where_the_row_ends() {
        assert_eq!(wrapped(&format!("* {}", "x".repeat(20)), 20, 4), format!("* {}\n    xxx", "x".repeat(17)));
    }

    #[test]
    fn wide_characters_count_twice_and_colours_not_at_all() {
        assert_eq!(wrapped(&"漢".repeat(12), 20, 2), format!("{}\n  {}", "漢".repeat(9), "漢".repeat(3)));
        let coloured = "\u{1b}[2m* bob is online\u{1b}[0m";
        assert_eq!(wrapped(coloured, 20, 4), coloured);
        assert_eq!(wrapped(&"❤\u{fe0f}".repeat(10), 20, 2).lines().count(), 2, "some terminals show them wide");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_row_is_too_wide_and_all_but_the_first_are_indented(
            text in "[a-c* \n漢\u{301}]{0,200}",
            columns in 20usize..100,
            indent in 1usize..12,
        ) {
            let rows = wrapped(&text, columns, indent);
            for (n, row) in rows.split('\n').enumerate() {
                prop_assert!(row.chars().map(width).sum::<usize>() < columns, "{:?}", row);
                prop_assert!(n == 0 || row.starts_with(&" ".repeat(indent)), "{:?}", row);
            }
            let words: Vec<&str> = text.split([' ', '\n']).filter(|word| !word.is_empty()).collect();
            let begins_with_words = text.split('\n').all(|line| !line.starts_with(' '));
            if begins_with_words && words.iter().all(|word| word.chars().map(width).sum::<usize>() + indent < columns) {
                prop_assert_eq!(rows.split([' ', '\n']).filter(|word| !word.is_empty()).collect::<Vec<_>>(), words);
            }
            let letters = |text: &str| text.chars().filter(|c| !matches!(c, ' ' | '\n')).collect::<String>();
            prop_assert_eq!(letters(&rows), letters(&text), "nothing is lost");
        }
    }
}
