//! Validation of user names, and escaping of untrusted text for display.
//!
//! Names are typed, compared and read aloud, so they consist of letters, marks, digits and little else. Other text is only
//! read. It keeps the joiners, variation selectors and combining marks that writing systems and emoji need, but at most eight
//! joiners and combining marks on one character. Characters that control a terminal, change the text direction or hide text
//! are shown as escapes.

use std::borrow::Cow;
use std::fmt::Write;
use std::ops::RangeInclusive;
use std::sync::Arc;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};
use unicode_security::skeleton;

/// The maximum number of combining marks and joiners on one character of a text: more than any script needs, and too few to
/// cover the line above.
const MAX_COMBINING: usize = 8;

/// The maximum number of characters in a name.
const MAX_CHARS: usize = 32;

/// The maximum number of combining marks in a row in a name: as many as the letters of living languages carry.
const MAX_MARKS: usize = 4;

/// A user name: 1 to 32 characters in NFC, which are letters, combining marks, decimal digits, `.`, `_`, `-`, `'` or single
/// spaces between other characters. It begins with a letter or digit and contains a letter, so it is neither a number nor
/// punctuation. The characters that separate names from what is printed or typed beside them (`:`, `#`, `\`, `*`, `>` and so
/// on) are excluded.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<str>);

/// Why a text is not a valid name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadName {
    /// The name is empty or too long.
    #[error("a name has 1 to 32 characters")]
    Length,
    /// The name contains a character that is no visible letter, mark or digit and none of the few others.
    #[error("a name consists of letters, digits, spaces and the characters . _ - '")]
    Character,
    /// The name contains white space other than single spaces between other characters.
    #[error("a name has no white space but single spaces between its words")]
    Space,
    /// The name contains no letter, or begins with something else than a letter or digit.
    #[error("a name begins with a letter or digit and contains a letter")]
    Letter,
    /// The name contains more than four combining marks in a row.
    #[error("a name has at most four combining marks on one letter")]
    Marks,
}

/// What a character is to a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Letter,
    Mark,
    Digit,
    Punctuation,
    Space,
    Other,
}

impl Kind {
    fn of(c: char) -> Kind {
        use GeneralCategory as G;
        match c {
            '.' | '_' | '-' | '\'' => return Kind::Punctuation,
            ' ' => return Kind::Space,
            c if within(c, &INVISIBLE) => return Kind::Other,
            _ => {}
        }
        match c.general_category() {
            G::UppercaseLetter | G::LowercaseLetter | G::TitlecaseLetter | G::ModifierLetter | G::OtherLetter => {
                Kind::Letter
            }
            G::NonspacingMark | G::SpacingMark | G::EnclosingMark => Kind::Mark,
            G::DecimalNumber => Kind::Digit,
            _ => Kind::Other,
        }
    }
}

impl Name {
    /// Normalizes a text to NFC and validates it.
    pub fn parse(text: &str) -> Result<Name, BadName> {
        // NFC composes a character from at most four, of at most four bytes each. A longer text need not be normalized.
        if text.len() > MAX_CHARS * 16 {
            return Err(BadName::Length);
        }
        let name: String = text.nfc().collect();
        if !(1..=MAX_CHARS).contains(&name.chars().count()) {
            return Err(BadName::Length);
        }
        if name.starts_with(' ') || name.ends_with(' ') || name.contains("  ") {
            return Err(BadName::Space);
        }
        let kinds: Vec<Kind> = name.chars().map(Kind::of).collect();
        if kinds.contains(&Kind::Other) {
            return Err(if name.contains(|c: char| c.is_whitespace() && c != ' ') {
                BadName::Space
            } else {
                BadName::Character
            });
        }
        if !matches!(kinds[0], Kind::Letter | Kind::Digit) || !kinds.contains(&Kind::Letter) {
            return Err(BadName::Letter);
        }
        if kinds.windows(MAX_MARKS + 1).any(|row| row.iter().all(|kind| *kind == Kind::Mark)) {
            return Err(BadName::Marks);
        }
        Ok(Name(name.into()))
    }

    /// The name in NFC.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form in which names are compared: NFKC, each character converted to upper case and then to lower case (so that `ß`
    /// equals `ss` and both lower-case sigmas are equal), and NFKC again. Similar characters of different scripts stay
    /// distinct, see [`Name::looks`].
    pub fn folded(&self) -> Arc<str> {
        let folded = fold(&self.0);
        if *folded == *self.0 { self.0.clone() } else { folded.into() }
    }

    /// What the name looks like: two forms, of which two names that a person may confuse share at least one. They are the
    /// skeletons (Unicode Technical Standard 39, section 4) of the folded name and of the folded skeleton. The first finds
    /// names that look alike in lower case, the second those that look alike as written. Only to be compared.
    pub fn looks(&self) -> [Arc<str>; 2] {
        let as_written: String = skeleton(&self.0).collect();
        // Most names look like nothing but themselves, and are kept once.
        let look = |text: &str| {
            let look: String = skeleton(&fold(text)).collect();
            if *look == *self.0 { self.0.clone() } else { look.into() }
        };
        [look(&self.0), look(&as_written)]
    }
}

fn fold(text: &str) -> String {
    text.nfkc().flat_map(char::to_uppercase).flat_map(char::to_lowercase).nfkc().collect()
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Escapes characters that could control a terminal or hide other text, in the form `\u{1b}`.
///
/// These are control characters except newline and tab, line and paragraph separators, bidirectional controls, zero-width and
/// tag characters, and combining marks and joiners after the eighth on one character. Returns the text itself if it contains
/// none.
pub fn escape(text: &str) -> Cow<'_, str> {
    // Most texts need no look at their characters.
    if text.bytes().all(is_plain) {
        return Cow::Borrowed(text);
    }
    let Some((clean, _)) = CharsToEscape::of(text).next() else { return Cow::Borrowed(text) };
    let mut shown = String::with_capacity(text.len() + 16);
    let mut copied = clean;
    shown.push_str(&text[..clean]);
    for (at, c) in CharsToEscape::of(text) {
        shown.push_str(&text[copied..at]);
        let _ = write!(shown, "\\u{{{:x}}}", u32::from(c));
        copied = at + c.len_utf8();
    }
    shown.push_str(&text[copied..]);
    Cow::Owned(shown)
}

/// Iterates over the characters of a text that must be escaped, with their byte positions.
struct CharsToEscape<'a> {
    chars: std::str::CharIndices<'a>,
    /// Combining marks and joiners on the current character.
    combining: usize,
}

impl<'a> CharsToEscape<'a> {
    fn of(text: &'a str) -> CharsToEscape<'a> {
        CharsToEscape { chars: text.char_indices(), combining: 0 }
    }
}

impl Iterator for CharsToEscape<'_> {
    type Item = (usize, char);

    fn next(&mut self) -> Option<(usize, char)> {
        for (at, c) in self.chars.by_ref() {
            if u8::try_from(c).is_ok_and(is_plain) {
                self.combining = 0;
                continue;
            }
            let combines = matches!(c, '\u{200c}' | '\u{200d}') || is_combining_mark(c);
            self.combining = if combines { self.combining + 1 } else { 0 };
            if c.is_control() || within(c, &FORMATTING) || self.combining > MAX_COMBINING {
                return Some((at, c));
            }
        }
        None
    }
}

/// Whether a byte of UTF-8 is a whole character that can be shown everywhere.
fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~' | b'\n' | b'\t')
}

fn within(c: char, table: &[RangeInclusive<char>]) -> bool {
    table.iter().any(|range| range.contains(&c))
}

/// Characters that change the text direction, separate lines, have no width, or carry hidden text.
const FORMATTING: [RangeInclusive<char>; 11] = [
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

/// Letters and marks that are invisible (Default_Ignorable_Code_Point), which names exclude: joiners, fillers and variation
/// selectors.
const INVISIBLE: [RangeInclusive<char>; 9] = [
    '\u{34f}'..='\u{34f}',
    '\u{115f}'..='\u{1160}',
    '\u{17b4}'..='\u{17b5}',
    '\u{180b}'..='\u{180d}',
    '\u{180f}'..='\u{180f}',
    '\u{3164}'..='\u{3164}',
    '\u{fe00}'..='\u{fe0f}',
    '\u{ffa0}'..='\u{ffa0}',
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
    fn names_of_all_scripts_are_valid() {
        for text in [
            "alice",
            "Zoë",
            "Анна Каренина",
            "李小龍",
            "نور",
            "अमिताभ",
            "བསྒྲུབས",
            "a.b-c_d",
            "D'Arcy",
            "John 5",
            "4th",
            &"ü".repeat(32),
        ] {
            assert_eq!(name(text).as_str(), text);
        }
    }

    #[test]
    fn all_tables_are_of_unicode_18() {
        assert_eq!(unicode_properties::UNICODE_VERSION, (18, 0, 0));
        assert_eq!(unicode_security::UNICODE_VERSION, (18, 0, 0));
        assert_eq!(unicode_normalization::UNICODE_VERSION, (18, 0, 0));
    }

    #[test]
    fn names_are_normalized_to_nfc() {
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
    fn names_have_no_characters_but_letters_marks_digits_and_four_others() {
        let bad = "\u{0}\u{7}\u{1b}\u{7f}\u{9b}\u{ad}\u{34f}\u{61c}\u{180e}\u{200b}\u{200d}\u{200e}\u{202e}\u{2066}\u{2800}\
                   \u{3164}\u{fe0f}\u{feff}\u{fffb}\u{e0041}\u{e0100}:#*>!<\\/@,;|(){}\"`~+=&%$^?🦊❤½Ⅷ’\u{378}\u{e000}";
        for c in bad.chars() {
            assert_eq!(Name::parse(&format!("a{c}b")), Err(BadName::Character), "{c:?}");
        }
    }

    #[test]
    fn every_name_begins_with_a_letter_or_digit_and_contains_a_letter() {
        for text in ["5", "2026", "...", "-", ".a", "_a", "-a", "'a", "\u{301}a"] {
            assert_eq!(Name::parse(text), Err(BadName::Letter), "{text:?}");
        }
    }

    #[test]
    fn marks_are_not_piled_up_in_names() {
        assert_eq!(name(&format!("x{}", "\u{331}".repeat(4))).as_str().chars().count(), 5);
        assert_eq!(Name::parse(&format!("x{}", "\u{331}".repeat(5))), Err(BadName::Marks));
    }

    #[test]
    fn names_that_look_alike_are_recognized() {
        let alike = |one: &str, other: &str| {
            let (one, other) = (name(one).looks(), name(other).looks());
            one.iter().any(|look| other.contains(look))
        };
        for (one, other) in [
            ("bob", "bоb"),
            ("BOB", "ВОВ"),
            ("bob", "BОB"),
            ("paypal", "раураl"),
            ("Ian", "lan"),
            ("Ian", "ian"),
            ("amie", "arnie"),
            ("straße", "STRASSE"),
        ] {
            assert!(alike(one, other), "{one} and {other}");
        }
        for (one, other) in [("bob", "rob"), ("alice", "alicia"), ("Анна", "Инна"), ("李", "季")] {
            assert!(!alike(one, other), "{one} and {other}");
        }
    }

    #[test]
    fn only_single_inner_spaces_are_allowed() {
        assert_eq!(name("Ann Lee").as_str(), "Ann Lee");
        for text in [" a", "a ", "a  b", " ", "a\u{a0}b", "a\u{3000}b", "a\u{2009}b"] {
            assert_eq!(Name::parse(text), Err(BadName::Space), "{text:?}");
        }
    }

    #[test]
    fn names_that_differ_only_in_case_or_compatibility_forms_are_equal_when_folded() {
        for (one, other) in
            [("Alice", "aLICE"), ("Straße", "STRASSE"), ("ΣΟΦΟΣ", "σοφος"), ("ﬁn", "FIN"), ("Ａnn", "ann")]
        {
            assert_eq!(name(one).folded(), name(other).folded());
        }
        assert_ne!(name("alice").folded(), name("alicia").folded());
    }

    #[test]
    fn text_that_needs_no_escapes_is_not_copied() {
        for text in ["", "hello\n\tworld", "Zoë 李 👨\u{200d}👩\u{200d}👧 ❤\u{fe0f}", "نور", "می\u{200c}خواهم"]
        {
            assert!(matches!(escape(text), Cow::Borrowed(same) if same == text), "{text:?}");
        }
    }

    #[test]
    fn control_and_hidden_characters_are_escaped() {
        assert_eq!(escape("a\u{1b}[31mb\u{7}"), "a\\u{1b}[31mb\\u{7}");
        assert_eq!(escape("\u{9b}\u{7f}\r"), "\\u{9b}\\u{7f}\\u{d}");
        assert_eq!(escape("x\u{202e}cod\u{2066}"), "x\\u{202e}cod\\u{2066}");
        assert_eq!(escape("\u{200b}\u{feff}\u{e0041}é"), "\\u{200b}\\u{feff}\\u{e0041}é");
    }

    #[test]
    fn combining_marks_after_the_eighth_are_escaped() {
        let piled = format!("e{}f{}", "\u{301}".repeat(9), "\u{301}".repeat(8));
        assert_eq!(escape(&piled), format!("e{}\\u{{301}}f{}", "\u{301}".repeat(8), "\u{301}".repeat(8)));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn parsing_a_name_again_gives_the_same_name(text in "\\PC{0,40}|.{0,40}") {
            if let Ok(name) = Name::parse(&text) {
                prop_assert_eq!(Name::parse(name.as_str()), Ok(name.clone()));
                prop_assert!(matches!(escape(name.as_str()), Cow::Borrowed(_)));
                prop_assert!(name.looks().iter().all(|look| !look.is_empty()));
            }
        }

        #[test]
        fn escaped_text_has_no_control_characters(text in prop::collection::vec(any::<char>(), 0..60)) {
            let text: String = text.into_iter().collect();
            let shown = escape(&text).into_owned();
            prop_assert!(shown.chars().all(|c| !c.is_control() || c == '\n' || c == '\t'));
            prop_assert!(matches!(escape(&shown), Cow::Borrowed(_)));
        }
    }
}
