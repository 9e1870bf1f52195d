//! What keys mean.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::model::editor::Source;

/// What a person does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Writes a text.
    Insert {
        text: String,
        source: Source,
    },
    /// Sends, or chooses.
    Enter,
    /// An Enter that came at once with what stands before it: sends a line, but not several that may have been pasted.
    QuickEnter,
    /// A new line in the text.
    NewLine,
    /// Completes, or goes to the next unread conversation.
    Tab,
    /// Goes back.
    Escape,
    /// Opens the next or the previous conversation.
    Step(isize),
    /// Opens the conversation with this number, from 0.
    Nth(usize),
    /// Asks for a name.
    GoTo,
    /// Asks for a text to search for.
    Find,
    /// Shows the network around me.
    Map,
    /// Shows who has what.
    WhoHas,
    /// Lists keys and macros.
    Help,
    /// Scrolls by pages.
    Page(isize),
    Up,
    Down,
    Left,
    Right,
    LineStart,
    LineEnd,
    /// To the last message; to the end of the line if it is shown.
    End,
    Backspace,
    Delete,
    DeleteWord,
    DeleteToStart,
    DeleteToEnd,
    /// Clears the line; leaves when there is none and it is said again.
    Cancel,
    /// Leaves, if there is no line.
    Leave,
    /// Draws everything anew.
    Redraw,
    /// Stops the process until the shell continues it.
    Suspend,
}

/// The action of a key; `None` if it has none.
pub fn of_key(key: KeyEvent) -> Option<Action> {
    let KeyEvent { code, modifiers, .. } = key;
    if modifiers.contains(KeyModifiers::CONTROL) {
        return of_control(code);
    }
    if modifiers.contains(KeyModifiers::ALT) {
        return match code {
            KeyCode::Enter => Some(Action::NewLine),
            KeyCode::Char(c @ '1'..='9') => Some(Action::Nth(c as usize - '1' as usize)),
            _ => None,
        };
    }
    Some(match code {
        KeyCode::Char(c) => Action::Insert { text: c.to_string(), source: Source::Hand },
        KeyCode::Enter => Action::Enter,
        KeyCode::Tab => Action::Tab,
        KeyCode::Esc => Action::Escape,
        KeyCode::F(1) => Action::Help,
        KeyCode::PageUp => Action::Page(-1),
        KeyCode::PageDown => Action::Page(1),
        KeyCode::Up => Action::Up,
        KeyCode::Down => Action::Down,
        KeyCode::Left => Action::Left,
        KeyCode::Right => Action::Right,
        KeyCode::Home => Action::LineStart,
        KeyCode::End => Action::End,
        KeyCode::Backspace => Action::Backspace,
        KeyCode::Delete => Action::Delete,
        _ => return None,
    })
}

fn of_control(code: KeyCode) -> Option<Action> {
    let KeyCode::Char(c) = code else { return None };
    Some(match c.to_ascii_lowercase() {
        'a' => Action::LineStart,
        'c' => Action::Cancel,
        'd' => Action::Leave,
        'e' => Action::LineEnd,
        'f' => Action::Find,
        'g' => Action::GoTo,
        // As terminals send Backspace and Ctrl-J.
        'h' => Action::Backspace,
        'j' => Action::NewLine,
        'k' => Action::DeleteToEnd,
        'l' => Action::Redraw,
        'n' => Action::Step(1),
        'o' => Action::WhoHas,
        'p' => Action::Step(-1),
        't' => Action::Map,
        'u' => Action::DeleteToStart,
        'w' => Action::DeleteWord,
        'z' => Action::Suspend,
        _ => return None,
    })
}

/// The keys, for people.
pub const HELP: &[(&str, &str)] = &[
    ("Enter", "sends; Alt-Enter or ^J begins a new line"),
    ("Tab", "completes a macro or a name; on an empty line, goes to the next unread conversation"),
    ("^N ^P, Alt-1 to 9, ^G", "go to the next or previous conversation, to one by number, to one by name"),
    ("PgUp PgDn End", "scroll; to the last message"),
    ("^F", "finds messages"),
    ("^T", "shows the network around me"),
    ("^O", "shows who has my messages to this user"),
    ("Up", "on an empty line, brings back what was typed"),
    ("^W ^U ^K ^A ^E", "in a line of the text: delete a word, to its start, to its end; go to its start, to its end"),
    ("^C", "closes what was opened, or clears the whole text; twice without one leaves"),
    ("^D", "on an empty line leaves"),
    ("^L ^Z", "draws everything anew; suspends"),
    ("Esc", "goes back"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn of(code: KeyCode, modifiers: KeyModifiers) -> Option<Action> {
        of_key(KeyEvent::new(code, modifiers))
    }

    #[test]
    fn keys_are_those_of_the_help() {
        assert_eq!(of(KeyCode::Enter, KeyModifiers::ALT), Some(Action::NewLine));
        assert_eq!(of(KeyCode::Char('j'), KeyModifiers::CONTROL), Some(Action::NewLine));
        assert_eq!(of(KeyCode::Char('9'), KeyModifiers::ALT), Some(Action::Nth(8)));
        for free in ['s', 'q', 'b'] {
            assert_eq!(of(KeyCode::Char(free), KeyModifiers::CONTROL), None, "terminals use it");
        }
    }
}
