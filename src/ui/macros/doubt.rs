//! Texts that are probably not meant to be sent as they are. A message cannot be taken back, so every interface asks before it sends
//! one of them: all by this rule, and each in its own manner.

use super::MACROS;
use crate::ui::plain::{inline, quoted};

/// Pasted lines that are sent without a question.
const MAX_PASTED: usize = 3;

/// A text that somebody is about to send.
#[derive(Debug, Clone, Copy)]
pub struct Draft<'a> {
    /// The text.
    pub text: &'a str,
    /// The name of the user to whom it goes.
    pub to: &'a str,
    /// Who else may be meant.
    pub other: Option<&'a str>,
    /// Several of its lines were pasted.
    pub pasted: bool,
    /// A line that begins with a backslash is a macro where it was written.
    pub macros: bool,
}

impl Draft<'_> {
    /// What to ask before it is sent, such as `send 4 lines to bob?`; `None` if it may be sent. Which keys answer, the interface
    /// says behind it.
    pub fn question(&self) -> Option<String> {
        let text = self.text.trim_end();
        let lines = text.lines().count();
        let is_macro = self.macros && lines == 1 && text.starts_with('\\');
        if text.trim().is_empty() || is_macro {
            return None;
        }
        let is_long = self.pasted && lines > MAX_PASTED;
        let command = self.command();
        if self.other.is_none() && command.is_none() && !is_long {
            return None;
        }
        let what = if is_long { format!("{lines} lines") } else { "this".to_owned() };
        let not = self.other.map(|other| format!(", not {other}")).unwrap_or_default();
        let (as_text, why) = command.unwrap_or_default();
        Some(inline(&format!("send {what}{as_text} to {}{not}?{why}", quoted(self.to))))
    }

    /// That a line in it looks like a macro: in the question, and behind it.
    fn command(&self) -> Option<(&'static str, String)> {
        const AS_TEXT: &str = " as text";
        let unknown = |command: String| (AS_TEXT, format!(" {command} is no command here."));
        if let Some(name) = slashed(self.text) {
            let known = || (AS_TEXT, format!(r" The macro is \{name}."));
            return Some(if self.macros { known() } else { unknown(format!("/{name}")) });
        }
        let mut lines = self.text.trim_end().lines();
        let name = lines.clone().find_map(|line| line.strip_prefix('\\').and_then(macro_in))?;
        let among_others = || ("", format!(r" \{name} in it is sent as text, not obeyed."));
        Some(if lines.nth(1).is_some() { among_others() } else { unknown(format!(r"\{name}")) })
    }
}

/// The macro whose name a line begins with, behind a slash as in other programs.
pub fn slashed(line: &str) -> Option<&'static str> {
    line.strip_prefix('/').and_then(macro_in)
}

fn macro_in(line: &str) -> Option<&'static str> {
    let name = line.split_whitespace().next()?;
    MACROS.iter().map(|entry| entry.name).find(|known| *known == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPED: Draft<'static> = Draft { text: "", to: "bob", other: None, pasted: false, macros: true };

    fn question(draft: Draft<'_>) -> Option<String> {
        draft.question()
    }

    #[test]
    fn a_line_that_looks_like_a_command_is_asked_about() {
        let asked = |text| question(Draft { text, ..TYPED });
        assert_eq!(asked("/help").as_deref(), Some(r"send this as text to bob? The macro is \help."));
        for text in ["/etc/passwd is a file", "/", "hello", " ", r"\help", r"\\help"] {
            assert_eq!(asked(text), None, "{text}");
        }
        let asked = |text| question(Draft { text, macros: false, ..TYPED });
        assert_eq!(asked("/quit").as_deref(), Some("send this as text to bob? /quit is no command here."));
        assert_eq!(asked(r"\quit").as_deref(), Some(r"send this as text to bob? \quit is no command here."));
        assert_eq!(asked(r"\o/"), None);
    }

    #[test]
    fn more_than_three_pasted_lines_are_asked_about() {
        let pasted = |text| question(Draft { text, pasted: true, ..TYPED });
        assert_eq!(pasted("1\n2\n3\n"), None);
        assert_eq!(pasted("1\n2\n3\n4").as_deref(), Some("send 4 lines to bob?"));
        assert_eq!(question(Draft { text: "1\n2\n3\n4", ..TYPED }), None, "whoever writes them by hand knows");
    }

    #[test]
    fn a_line_among_several_that_would_be_a_macro_is_asked_about() {
        for pasted in [true, false] {
            let asked = question(Draft { text: "\\chat carol\nhello", pasted, ..TYPED });
            assert_eq!(asked.as_deref(), Some(r"send this to bob? \chat in it is sent as text, not obeyed."));
        }
        let text = "1\n2\n\\quit now\n4";
        let asked = question(Draft { text, pasted: true, other: Some("carol"), ..TYPED });
        assert_eq!(asked.as_deref(), Some(r"send 4 lines to bob, not carol? \quit in it is sent as text, not obeyed."));
    }

    #[test]
    fn a_text_that_may_be_meant_for_somebody_else_is_asked_about() {
        let asked = question(Draft { text: "yes", other: Some("carol"), ..TYPED });
        assert_eq!(asked.as_deref(), Some("send this to bob, not carol?"));
        assert_eq!(question(Draft { text: r"\chat carol", other: Some("carol"), ..TYPED }), None, "it goes to nobody");
    }
}
