//! Tells a pasted text from typed lines where the terminal does not mark it: an Enter within 10 ms of its neighbours is a line
//! break of a paste. So an Enter is passed on when nothing came for that long.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use tokio::time::Instant;

use super::action::{self, Action};
use super::editor::Source;
use crate::ui::interactive::QUIET;

/// Turns keys into actions.
#[derive(Debug, Default)]
pub struct Typing {
    /// When the last character or Enter came.
    last: Option<Instant>,
    /// An Enter that was not passed on yet, since then.
    entered: Option<Instant>,
}

impl Typing {
    /// Takes a key that came at a time, and appends what it means.
    pub fn take(&mut self, key: KeyEvent, at: Instant, out: &mut Vec<Action>) {
        let is_enter = key.code == KeyCode::Enter && key.modifiers.is_empty();
        let is_text = is_enter || matches!(key.code, KeyCode::Char(_)) && !key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT)
            // As line feeds in a paste arrive.
            || key.code == KeyCode::Char('j') && key.modifiers == KeyModifiers::CONTROL;
        let is_quick = is_text && self.last.is_some_and(|last| at.saturating_duration_since(last) < QUIET);
        if self.entered.take().is_some() {
            out.push(if is_quick { Action::NewLine } else { Action::Enter });
        }
        self.last = is_text.then_some(at).or(self.last);
        match action::of_key(key) {
            Some(Action::Enter) if is_enter && is_quick => out.push(Action::NewLine),
            Some(Action::Enter) if is_enter => self.entered = Some(at),
            Some(Action::Insert { text, .. }) => {
                let source = if is_quick { Source::Burst } else { Source::Hand };
                out.push(Action::Insert { text, source });
            }
            Some(action) => out.push(action),
            None => {}
        }
    }

    /// When [`quiet`](Self::quiet) is to be called.
    pub fn deadline(&self) -> Option<Instant> {
        self.entered.map(|at| at + QUIET)
    }

    /// Nothing came until the deadline.
    pub fn quiet(&mut self, out: &mut Vec<Action>) {
        if self.entered.take().is_some() {
            out.push(Action::Enter);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Keys, each so many milliseconds after the one before; `\n` is Enter.
    fn typed(keys: &[(char, u64)]) -> Vec<Action> {
        let (mut typing, mut out, mut at) = (Typing::default(), Vec::new(), Instant::now());
        for (c, pause) in keys {
            at += Duration::from_millis(*pause);
            if typing.deadline().is_some_and(|deadline| deadline <= at) {
                typing.quiet(&mut out);
            }
            let code = if *c == '\n' { KeyCode::Enter } else { KeyCode::Char(*c) };
            typing.take(KeyEvent::new(code, KeyModifiers::NONE), at, &mut out);
        }
        typing.quiet(&mut out);
        out
    }

    fn insert(text: &str, in_burst: bool) -> Action {
        let source = if in_burst { Source::Burst } else { Source::Hand };
        Action::Insert { text: text.into(), source }
    }

    #[test]
    fn an_enter_by_hand_sends() {
        let expected = [insert("a", false), Action::Enter, insert("b", false), Action::Enter];
        assert_eq!(typed(&[('a', 50), ('\n', 50), ('b', 50), ('\n', 50)]), expected);
    }

    #[test]
    fn an_enter_within_ten_milliseconds_of_its_neighbours_is_a_new_line() {
        let pasted = typed(&[('a', 50), ('\n', 1), ('b', 1), ('\n', 1)]);
        assert_eq!(pasted, [insert("a", false), Action::NewLine, insert("b", true), Action::NewLine]);
        assert_eq!(typed(&[('\n', 50), ('a', 1)]), [Action::NewLine, insert("a", true)], "a paste may begin with one");
        assert_eq!(typed(&[('a', 50), ('\n', 1), ('b', 500)])[1], Action::NewLine, "and end with one");
        assert_eq!(typed(&[('\n', 50), ('\n', 1)]), [Action::NewLine, Action::NewLine]);
    }
}
