//! Colours and characters that the terminal can show.

use ratatui_core::style::{Color, Modifier, Style};

/// What the terminal can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Theme {
    /// The sixteen colours. Otherwise bold and reverse only.
    pub colours: bool,
    /// Other characters than ASCII.
    pub unicode: bool,
    /// Right-to-left text is reordered here. Some terminals do it themselves.
    pub reorders: bool,
}

/// What a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Plain,
    /// Less important.
    Dim,
    /// The other user.
    Theirs,
    /// Me.
    Mine,
    /// Something is wrong.
    Wrong,
    /// Something waits.
    Waits,
    /// The open conversation, or a selected entry.
    Selected,
    /// Something is unread.
    Unread,
}

impl Theme {
    /// From the environment: `NO_COLOR`, the locale, `DARKNODE_BIDI`.
    pub fn of_env() -> Theme {
        let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set);
        Theme {
            colours: set("NO_COLOR").is_none(),
            unicode: locale.is_none_or(|locale| is_utf8(&locale)),
            reorders: set("DARKNODE_BIDI").as_deref() != Some("off"),
        }
    }

    /// How a text looks.
    pub fn style(&self, role: Role) -> Style {
        let style = Style::new();
        match (role, self.colours) {
            (Role::Plain, _) => style,
            (Role::Dim, true) => style.fg(Color::DarkGray),
            (Role::Dim, false) => style,
            (Role::Theirs, true) => style.fg(Color::Cyan),
            (Role::Theirs, false) => style.add_modifier(Modifier::BOLD),
            (Role::Mine, true) => style.fg(Color::Green),
            (Role::Mine, false) => style,
            (Role::Wrong, true) => style.fg(Color::Red),
            (Role::Wrong, false) => style.add_modifier(Modifier::BOLD),
            (Role::Waits, true) => style.fg(Color::Yellow),
            (Role::Waits, false) => style,
            (Role::Selected, _) => style.add_modifier(Modifier::BOLD),
            (Role::Unread, true) => style.fg(Color::Yellow).add_modifier(Modifier::BOLD),
            (Role::Unread, false) => style.add_modifier(Modifier::BOLD),
        }
    }

    /// A character of ours: as it is, or its substitute in ASCII.
    pub fn ours(&self, c: char) -> char {
        if self.unicode {
            return c;
        }
        match c {
            '─' => '-',
            '│' | '├' | '▌' => '|',
            '·' => '-',
            '└' => '`',
            _ => '+',
        }
    }
}

/// Whether a locale says that the terminal takes UTF-8.
fn is_utf8(locale: &str) -> bool {
    let locale = locale.to_ascii_lowercase();
    locale.contains("utf-8") || locale.contains("utf8")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_locale_says_whether_the_terminal_takes_utf8() {
        assert!(is_utf8("en_GB.UTF-8") && is_utf8("C.utf8"));
        assert!(!is_utf8("C") && !is_utf8("de_DE.ISO-8859-1"));
    }
}
