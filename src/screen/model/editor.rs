//! The text that is being written: edited by grapheme, wrapped softly.
//!
//! There are crates for this (`ratatui-textarea`, `tui-input`). The first draws text as it is, so that what is pasted could
//! move the border; the second has one row.

use unicode_segmentation::UnicodeSegmentation;

/// Bytes that may be written at once: some times what a message may have, so that a long text can be cut by hand.
pub const MAX_BYTES: usize = 64 * 1024;

/// How a text came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Key by key.
    Hand,
    /// As a key, but sooner after the last one than by hand: perhaps the terminal does not mark what is pasted.
    Burst,
    /// The terminal says that it was pasted.
    Paste,
}

/// A text with a cursor.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Editor {
    text: String,
    /// In bytes, between two graphemes.
    cursor: usize,
    origin: Origin,
}

/// What is known of how the text came about, while there is one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Origin {
    /// It begins with something that was pasted.
    begins_pasted: bool,
    /// A key behind the first was pressed by hand. The first of a burst looks as if it was, too.
    is_typed: bool,
    /// A line ended in something that was pasted.
    has_pasted_lines: bool,
    /// It was written for this user, who was not found.
    meant_for: Option<String>,
}

impl Editor {
    /// A text, with the cursor behind it.
    pub fn with(text: &str) -> Editor {
        let origin = Origin { is_typed: true, ..Origin::default() };
        Editor { text: text.to_owned(), cursor: text.len(), origin }
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// In bytes.
    pub fn cursor(&self) -> usize {
        self.cursor
    }

    /// Whether it was, or may have been, pasted, so that it is not obeyed at once.
    pub fn is_pasted(&self) -> bool {
        self.origin.begins_pasted || !self.origin.is_typed
    }

    /// Whether several lines of it were, or may have been, pasted.
    pub fn has_pasted_lines(&self) -> bool {
        self.origin.has_pasted_lines
    }

    /// For whom it was written, if they were not found.
    pub fn meant_for(&self) -> Option<&str> {
        self.origin.meant_for.as_deref()
    }

    /// What stands here now was written for this user, who was not found.
    pub fn mean_for(&mut self, name: &str) {
        if !self.text.is_empty() {
            self.origin.meant_for = Some(name.to_owned());
        }
    }

    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Inserts a text at the cursor. Returns whether there was room.
    pub fn insert(&mut self, text: &str, source: Source) -> bool {
        if self.text.len() + text.len() > MAX_BYTES {
            return false;
        }
        let origin = &mut self.origin;
        origin.begins_pasted |= source == Source::Paste && self.text.is_empty();
        origin.is_typed |= source == Source::Hand && !self.text.is_empty();
        origin.has_pasted_lines |= source != Source::Hand && text.contains('\n');
        self.text.insert_str(self.cursor, text);
        self.cursor += text.len();
        true
    }

    /// Replaces what stands before the cursor from `start`.
    pub fn complete(&mut self, start: usize, text: &str) {
        self.text.replace_range(start..self.cursor, text);
        self.cursor = start + text.len();
    }

    /// Puts another text below this one.
    pub fn append(&mut self, below: Editor) {
        if self.is_empty() {
            return *self = below;
        }
        if !below.is_empty() {
            let has_pasted_lines = self.origin.has_pasted_lines || below.origin.has_pasted_lines;
            let meant_for = below.origin.meant_for.or(self.origin.meant_for.take());
            *self = Editor::with(&format!("{}\n{}", self.text, below.text));
            self.origin = Origin { has_pasted_lines, meant_for, ..std::mem::take(&mut self.origin) };
        }
    }

    /// Takes the text out.
    pub fn take(&mut self) -> String {
        std::mem::take(self).text
    }

    pub fn left(&mut self) {
        self.cursor = self.before();
    }

    pub fn right(&mut self) {
        self.cursor = self.after();
    }

    /// To the beginning of the line.
    pub fn home(&mut self) {
        self.cursor = self.line_start();
    }

    /// To the end of the line.
    pub fn end(&mut self) {
        self.cursor = self.line_end();
    }

    /// To the same place in the line above. Returns whether there is one.
    pub fn up(&mut self) -> bool {
        let start = self.line_start();
        let Some(end) = start.checked_sub(1) else { return false };
        self.move_into(self.text[..end].rfind('\n').map_or(0, |at| at + 1), end);
        true
    }

    /// To the same place in the line below. Returns whether there is one.
    pub fn down(&mut self) -> bool {
        let end = self.line_end();
        if end == self.text.len() {
            return false;
        }
        let next = end + 1;
        self.move_into(next, self.text[next..].find('\n').map_or(self.text.len(), |at| next + at));
        true
    }

    pub fn backspace(&mut self) {
        self.remove(self.before(), self.cursor);
    }

    pub fn delete(&mut self) {
        self.remove(self.cursor, self.after());
    }

    /// Removes the word before the cursor.
    pub fn delete_word(&mut self) {
        let before = self.text[..self.cursor].trim_end();
        let start = before
            .rfind(char::is_whitespace)
            .map_or(0, |at| at + before[at..].chars().next().map_or(1, char::len_utf8));
        self.remove(start, self.cursor);
    }

    /// Removes the line up to the cursor.
    pub fn delete_to_start(&mut self) {
        self.remove(self.line_start(), self.cursor);
    }

    /// Removes the line from the cursor on.
    pub fn delete_to_end(&mut self) {
        self.remove(self.cursor, self.line_end());
    }

    fn remove(&mut self, start: usize, end: usize) {
        self.text.replace_range(start..end, "");
        self.cursor = start;
        if self.text.is_empty() {
            self.origin = Origin::default();
        }
    }

    fn before(&self) -> usize {
        self.text[..self.cursor].grapheme_indices(true).next_back().map_or(0, |(at, _)| at)
    }

    fn after(&self) -> usize {
        self.cursor + self.text[self.cursor..].graphemes(true).next().map_or(0, str::len)
    }

    fn line_start(&self) -> usize {
        self.text[..self.cursor].rfind('\n').map_or(0, |at| at + 1)
    }

    fn line_end(&self) -> usize {
        self.text[self.cursor..].find('\n').map_or(self.text.len(), |at| self.cursor + at)
    }

    /// Moves the cursor into another line, as many graphemes behind its beginning as now.
    fn move_into(&mut self, start: usize, end: usize) {
        let column = self.text[self.line_start()..self.cursor].graphemes(true).count();
        let line = &self.text[start..end];
        self.cursor = start + line.grapheme_indices(true).nth(column).map_or(line.len(), |(at, _)| at);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn graphemes_are_removed_whole() {
        let mut editor = Editor::with("ae\u{301}👨\u{200d}👩\u{200d}👧");
        editor.backspace();
        assert_eq!(editor.text(), "ae\u{301}");
        editor.left();
        editor.delete();
        assert_eq!((editor.text(), editor.cursor()), ("a", 1));
    }

    #[test]
    fn words_and_lines_are_removed_to_their_ends() {
        let mut editor = Editor::with("one two  three ");
        editor.delete_word();
        assert_eq!(editor.text(), "one two  ");
        let mut editor = Editor::with("first\nsecond line");
        editor.delete_word();
        editor.delete_to_start();
        assert_eq!(editor.text(), "first\n");
        assert!(editor.up() && !editor.up());
        editor.delete_to_end();
        assert_eq!(editor.text(), "\n");
        assert!(editor.down() && !editor.down());
    }

    #[test]
    fn a_text_that_was_pasted_is_known_as_such_until_it_is_gone() {
        let mut editor = Editor::default();
        for key in ["\\", "l", "i", "n", "k", " "] {
            editor.insert(key, Source::Hand);
        }
        editor.insert("darklink:abc", Source::Paste);
        assert!(!editor.is_pasted(), "its beginning was typed");
        let mut editor = Editor::default();
        editor.insert("\\quit", Source::Paste);
        editor.insert("!", Source::Hand);
        assert!(editor.is_pasted(), "its beginning was not");
        let mut editor = Editor::default();
        editor.insert("\\", Source::Hand);
        editor.insert("q", Source::Burst);
        assert!(editor.is_pasted(), "the first character of a paste without marks looks typed");
        editor.insert("u", Source::Hand);
        assert!(!editor.is_pasted(), "a line that stalls brings some keys at once");
        editor.delete_to_start();
        editor.insert("\\", Source::Burst);
        assert!(editor.is_pasted());
        assert!(!editor.insert(&"x".repeat(MAX_BYTES + 1), Source::Paste), "there is a bound");
    }

    #[test]
    fn two_texts_that_become_one_keep_what_is_known_of_them() {
        let mut pasted = Editor::default();
        pasted.insert("two\nthree", Source::Paste);
        pasted.mean_for("carla");
        let mut editor = Editor::default();
        editor.mean_for("dora");
        editor.append(pasted);
        assert_eq!((editor.text(), editor.meant_for()), ("two\nthree", Some("carla")));
        let mut above = Editor::with("one");
        above.append(editor);
        assert_eq!((above.text(), above.meant_for(), above.cursor()), ("one\ntwo\nthree", Some("carla"), 13));
        assert!(above.has_pasted_lines());
        (0..3).for_each(|_| {
            above.delete_to_start();
            above.backspace();
        });
        assert_eq!(above, Editor::default(), "nothing is known of no text");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_cursor_always_stands_between_graphemes(text in "[a\n 漢e\u{301}👨\u{200d}]{0,20}", keys in proptest::collection::vec(0usize..13, 0..40)) {
            let mut editor = Editor::with(&text);
            for key in keys {
                match key {
                    0 => editor.left(),
                    1 => editor.right(),
                    2 => editor.home(),
                    3 => editor.end(),
                    4 => {
                        editor.up();
                    }
                    5 => {
                        editor.down();
                    }
                    6 => editor.backspace(),
                    7 => editor.delete(),
                    8 => editor.delete_word(),
                    9 => editor.delete_to_start(),
                    10 => editor.delete_to_end(),
                    11 => {
                        editor.insert("ß\n", Source::Hand);
                    }
                    _ => {
                        editor.insert("漢", Source::Paste);
                    }
                }
                prop_assert!(editor.text().is_char_boundary(editor.cursor()));
            }
        }
    }
}
