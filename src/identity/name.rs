//! Names come from strangers: what one may look like, and how strangers' text is made harmless to print.
//!
//! Both judge characters by tables of the few that matter. A name is read aloud, typed and compared, so everything that
//! cannot be seen is refused in it. A text is only read, so it keeps what writing systems and emoji need (joiners,
//! variation selectors, combining marks), but no more than eight of them on one character; everything that commands
//! a terminal, turns the direction of reading or hides a message is shown as its number.

use std::borrow::Cow;
use std::fmt::Write;
use std::ops::RangeInclusive;
use std::sync::Arc;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Marks and joiners that one character of a text may carry: more than any script needs, fewer than cover the line above.
const MARKS: usize = 8;

/// Characters of a name (design §3).
const LONGEST: usize = 32;

/// A user's name: 1–32 characters in NFC, without control, bidi, zero-width or other invisible characters, at most 128
/// bytes. Between its words stands one plain space; it has no `#`, which leads to the short id in `alice#k7q2mz`, and
/// begins with no `\`, which leads to a macro.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<str>);

/// Why a text is no name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadName {
    #[error("a name has 1 to 32 characters")]
    Length,
    #[error("a name has no control, invisible or direction-changing characters")]
    Character,
    #[error("a name has no white space but single spaces between its words")]
    Space,
    #[error("a name has no # and does not begin with a backslash or a combining mark")]
    Reserved,
}

impl Name {
    /// The name a text is, after NFC.
    pub fn parse(text: &str) -> Result<Name, BadName> {
        // A character of NFC is made of at most four, of at most four bytes each: beyond that it is too long unread.
        if text.len() > LONGEST * 16 {
            return Err(BadName::Length);
        }
        let name: String = text.nfc().collect();
        if !(1..=LONGEST).contains(&name.chars().count()) {
            return Err(BadName::Length);
        }
        if name.chars().any(|c| c.is_control() || within(c, &COMMANDS) || within(c, &UNSEEN)) {
            return Err(BadName::Character);
        }
        let spaces = name.starts_with(' ') || name.ends_with(' ') || name.contains("  ");
        if spaces || name.chars().any(|c| c.is_whitespace() && c != ' ') {
            return Err(BadName::Space);
        }
        if name.contains('#') || name.starts_with('\\') || name.starts_with(is_combining_mark) {
            return Err(BadName::Reserved);
        }
        Ok(Name(name.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What is compared to see whether two names clash: NFKC, every character to upper and then to lower case (so that
    /// `ß` is `ss` and both sigmas are one), and NFKC again. Look-alikes of different scripts stay different; against
    /// those stand pinned keys.
    pub fn folded(&self) -> Arc<str> {
        let folded: String = self.0.nfkc().flat_map(char::to_uppercase).flat_map(char::to_lowercase).nfkc().collect();
        if *folded == *self.0 { self.0.clone() } else { folded.into() }
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// `text` with everything that could command a terminal or hide other text shown as `\u{1b}`: control characters except
/// newline and tab, line and paragraph separators, bidi controls, zero-width and tag characters, and marks beyond the
/// eighth on one character. Joiners, which scripts and emoji need, count as marks. Borrowed where nothing is to be done.
pub fn harmless(text: &str) -> Cow<'_, str> {
    let Some((clean, _)) = Dangers::of(text).next() else { return Cow::Borrowed(text) };
    let mut shown = String::with_capacity(text.len() + 16);
    let mut copied = clean;
    shown.push_str(&text[..clean]);
    for (at, danger) in Dangers::of(text) {
        shown.push_str(&text[copied..at]);
        let _ = write!(shown, "\\u{{{:x}}}", u32::from(danger));
        copied = at + danger.len_utf8();
    }
    shown.push_str(&text[copied..]);
    Cow::Owned(shown)
}

/// The characters of a text that are not printed as they are, with their places.
struct Dangers<'a> {
    chars: std::str::CharIndices<'a>,
    marks: usize,
}

impl<'a> Dangers<'a> {
    fn of(text: &'a str) -> Dangers<'a> {
        Dangers { chars: text.char_indices(), marks: 0 }
    }
}

impl Iterator for Dangers<'_> {
    type Item = (usize, char);

    fn next(&mut self) -> Option<(usize, char)> {
        for (at, c) in self.chars.by_ref() {
            if matches!(c, ' '..='~' | '\n' | '\t') {
                self.marks = 0;
                continue;
            }
            let is_mark = matches!(c, '\u{200c}' | '\u{200d}') || is_combining_mark(c);
            self.marks = if is_mark { self.marks + 1 } else { 0 };
            if c.is_control() || within(c, &COMMANDS) || self.marks > MARKS {
                return Some((at, c));
            }
        }
        None
    }
}

fn within(c: char, table: &[RangeInclusive<char>]) -> bool {
    table.iter().any(|range| range.contains(&c))
}

/// What turns the direction of reading, separates lines, has no width, or carries text that nobody sees.
const COMMANDS: [RangeInclusive<char>; 11] = [
    '\u{61c}'..='\u{61c}',
    '\u{180e}'..='\u{180e}',
    '\u{200b}'..='\u{200b}',
    '\u{200e}'..='\u{200f}',
    '\u{2028}'..='\u{202e}',
    '\u{2060}'..='\u{206f}',
    '\u{feff}'..='\u{feff}',
    '\u{fff0}'..='\u{fffb}',
    '\u{1d173}'..='\u{1d17a}',
    '\u{e0000}'..='\u{e00ff}',
    '\u{e01f0}'..='\u{e0fff}',
];

/// What else cannot be seen: joiners, fillers, variation selectors, and the format characters of Unicode (Cf) that only
/// their own scripts know.
const UNSEEN: [RangeInclusive<char>; 20] = [
    '\u{ad}'..='\u{ad}',
    '\u{34f}'..='\u{34f}',
    '\u{600}'..='\u{605}',
    '\u{6dd}'..='\u{6dd}',
    '\u{70f}'..='\u{70f}',
    '\u{890}'..='\u{891}',
    '\u{8e2}'..='\u{8e2}',
    '\u{115f}'..='\u{1160}',
    '\u{17b4}'..='\u{17b5}',
    '\u{180b}'..='\u{180f}',
    '\u{200c}'..='\u{200d}',
    '\u{2800}'..='\u{2800}',
    '\u{3164}'..='\u{3164}',
    '\u{fe00}'..='\u{fe0f}',
    '\u{ffa0}'..='\u{ffa0}',
    '\u{110bd}'..='\u{110bd}',
    '\u{110cd}'..='\u{110cd}',
    '\u{13430}'..='\u{1343f}',
    '\u{1bca0}'..='\u{1bca3}',
    '\u{e0100}'..='\u{e01ef}',
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(text: &str) -> Name {
        Name::parse(text).expect("a name")
    }

    #[test]
    fn ordinary_names_of_all_scripts_are_names() {
        for text in
            ["alice", "Zoë", "Анна Каренина", "李小龍", "نور", "अमिताभ", "🦊", "a.b-c_d@e", "x\\y", &"ü".repeat(32)]
        {
            assert_eq!(name(text).as_str(), text);
        }
    }

    #[test]
    fn a_name_is_brought_into_nfc() {
        assert_eq!(name("Zoe\u{308}").as_str(), "Zoë");
        assert_eq!(name(&"u\u{308}".repeat(32)).as_str().chars().count(), 32);
    }

    #[test]
    fn names_of_the_wrong_length_are_refused() {
        for text in ["", &"a".repeat(33), &"𒐫".repeat(33), &"a".repeat(1 << 20)] {
            assert_eq!(Name::parse(text), Err(BadName::Length));
        }
    }

    #[test]
    fn what_cannot_be_seen_or_commands_a_terminal_is_in_no_name() {
        let bad = "\u{0}\u{7}\n\t\u{1b}\u{7f}\u{85}\u{9b}\u{ad}\u{34f}\u{61c}\u{180e}\u{200b}\u{200d}\u{200e}\u{202e}\u{2028}\
                   \u{2066}\u{2800}\u{3164}\u{fe0f}\u{feff}\u{fffb}\u{e0041}\u{e0100}";
        for c in bad.chars() {
            assert_eq!(Name::parse(&format!("a{c}b")), Err(BadName::Character), "{c:?}");
        }
    }

    #[test]
    fn spaces_are_single_plain_and_inside() {
        assert_eq!(name("Ann Lee").as_str(), "Ann Lee");
        for text in [" a", "a ", "a  b", " ", "a\u{a0}b", "a\u{3000}b", "a\u{2009}b"] {
            assert_eq!(Name::parse(text), Err(BadName::Space), "{text:?}");
        }
    }

    #[test]
    fn what_has_a_meaning_at_the_prompt_is_in_no_name() {
        for text in ["a#b", "#", "\\quit", "\u{301}a"] {
            assert_eq!(Name::parse(text), Err(BadName::Reserved), "{text:?}");
        }
    }

    #[test]
    fn names_that_people_take_for_the_same_fold_to_the_same() {
        for (one, other) in
            [("Alice", "aLICE"), ("Straße", "STRASSE"), ("ΣΟΦΟΣ", "σοφος"), ("ﬁn", "FIN"), ("Ａnn", "ann")]
        {
            assert_eq!(name(one).folded(), name(other).folded());
        }
        assert_ne!(name("alice").folded(), name("alicia").folded());
    }

    #[test]
    fn text_without_danger_is_not_copied() {
        for text in ["", "hello\n\tworld", "Zoë 李 👨\u{200d}👩\u{200d}👧 ❤\u{fe0f}", "نور", "می\u{200c}خواهم"]
        {
            assert!(matches!(harmless(text), Cow::Borrowed(same) if same == text), "{text:?}");
        }
    }

    #[test]
    fn escapes_and_hidden_characters_are_shown_as_numbers() {
        assert_eq!(harmless("a\u{1b}[31mb\u{7}"), "a\\u{1b}[31mb\\u{7}");
        assert_eq!(harmless("\u{9b}\u{7f}\r"), "\\u{9b}\\u{7f}\\u{d}");
        assert_eq!(harmless("x\u{202e}cod\u{2066}"), "x\\u{202e}cod\\u{2066}");
        assert_eq!(harmless("\u{200b}\u{feff}\u{e0041}é"), "\\u{200b}\\u{feff}\\u{e0041}é");
    }

    #[test]
    fn marks_do_not_pile_up() {
        let piled = format!("e{}f{}", "\u{301}".repeat(9), "\u{301}".repeat(8));
        assert_eq!(harmless(&piled), format!("e{}\\u{{301}}f{}", "\u{301}".repeat(8), "\u{301}".repeat(8)));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_name_read_again_is_the_same_name(text in "\\PC{0,40}|.{0,40}") {
            if let Ok(name) = Name::parse(&text) {
                prop_assert_eq!(Name::parse(name.as_str()), Ok(name.clone()));
                prop_assert!(matches!(harmless(name.as_str()), Cow::Borrowed(_)) || name.as_str().chars().any(is_combining_mark));
            }
        }

        #[test]
        fn harmless_text_is_harmless(text in prop::collection::vec(any::<char>(), 0..60)) {
            let text: String = text.into_iter().collect();
            let shown = harmless(&text).into_owned();
            prop_assert!(shown.chars().all(|c| !c.is_control() || c == '\n' || c == '\t'));
            prop_assert!(matches!(harmless(&shown), Cow::Borrowed(_)));
        }
    }
}
