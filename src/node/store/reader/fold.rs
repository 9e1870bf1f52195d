//! Finds a text in others whatever the case of its letters, by the case folding of Unicode.

use std::borrow::Cow;

use caseless::Caseless;
use memchr::memmem::Finder;

/// A text that is looked for.
pub struct Needle {
    finder: Finder<'static>,
    is_ascii: bool,
    /// Of the text that is looked at.
    folded: Vec<u8>,
}

impl Needle {
    pub fn new(text: &str) -> Needle {
        let folded: String = text.chars().default_case_fold().collect();
        Needle { is_ascii: folded.is_ascii(), finder: Finder::new(&folded).into_owned(), folded: Vec::new() }
    }

    /// Whether a text contains it. ASCII folds to ASCII, and most texts are nothing else.
    pub fn is_in(&mut self, text: &[u8]) -> bool {
        self.folded.clear();
        if text.is_ascii() {
            if !self.is_ascii {
                return false;
            }
            self.folded.extend_from_slice(text);
            self.folded.make_ascii_lowercase();
        } else {
            let text: Cow<'_, str> = String::from_utf8_lossy(text);
            let mut bytes = [0; 4];
            for c in text.chars().default_case_fold() {
                self.folded.extend_from_slice(c.encode_utf8(&mut bytes).as_bytes());
            }
        }
        self.finder.find(&self.folded).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_of_every_script_are_found_in_either_case() {
        for (needle, text) in [
            ("cable", "Bring the CABLE"),
            ("CABLE", "the cable, please"),
            ("straße", "HAUPTSTRASSE 5"),
            ("STRASSE", "in der Straße"),
            ("привет", "ПРИВЕТ, мир"),
            ("ΟΔΥΣΣΕΥΣ", "ὁ οδυσσευς"),
            ("k", "300 \u{212a}"),
            ("ﬁn", "FINISHED"),
            ("", "anything"),
            ("💡", "an idea 💡"),
        ] {
            assert!(Needle::new(needle).is_in(text.as_bytes()), "{needle} in {text}");
        }
        for (needle, text) in [("cable", "cab le"), ("é", "cafe"), ("ж", "zh"), ("x", "")] {
            assert!(!Needle::new(needle).is_in(text.as_bytes()), "{needle} in {text}");
        }
    }
}
