//! Tells a pasted text from typed lines where the terminal does not mark it: an Enter that is followed within 10 ms is a line break of
//! a paste. So an Enter is passed on when nothing came for that long. One that came within 10 ms of what stands before it may be
//! the last line break of a paste, or that of a line that came at once with its Enter, as over a slow connection: it is a
//! [`QuickEnter`](Action::QuickEnter).

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use tokio::time::Instant;

use crate::screen::action::{self, Action};
use crate::screen::model::editor::Source;
use crate::ui::interactive::QUIET;

/// Turns keys into actions.
#[derive(Debug, Default)]
pub struct Typing {
    /// When the last character or Enter came.
    last: Option<Instant>,
    /// An Enter that was not passed on yet, since then.
    entered: Option<(Instant, Action)>,
}

impl Typing {
    /// Takes a key that came at a time, and appends what it means.
    pub fn take(&mut self, key: KeyEvent, at: Instant, out: &mut Vec<Action>) {
        let is_enter = key.code == KeyCode::Enter && key.modifiers.is_empty();
        // As line feeds in a paste arrive.
        let is_feed = key.code == KeyCode::Char('j') && key.modifiers == KeyModifiers::CONTROL;
        let is_letter = matches!(key.code, KeyCode::Char(_))
            && !key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT);
        let is_text = is_enter || is_feed || is_letter;
        let is_quick = is_text && self.last.is_some_and(|last| at.saturating_duration_since(last) < QUIET);
        self.last = is_text.then_some(at).or(self.last);
        if !is_quick {
            self.quiet(out);
        } else if is_feed && self.entered.is_some() {
            // Both bytes are one line end.
            return;
        } else if self.entered.take().is_some() {
            out.push(pasted_line_end());
        }
        match action::of_key(key) {
            Some(Action::Enter) if is_quick => self.entered = Some((at, Action::QuickEnter)),
            Some(Action::Enter) if is_enter => self.entered = Some((at, Action::Enter)),
            Some(Action::NewLine) if is_quick => out.push(pasted_line_end()),
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
        self.entered.as_ref().map(|(at, _)| *at + QUIET)
    }

    /// Nothing came until the deadline.
    pub fn quiet(&mut self, out: &mut Vec<Action>) {
        out.extend(self.entered.take().map(|(_, enter)| enter));
    }
}

fn pasted_line_end() -> Action {
    Action::Insert { text: "\n".to_owned(), source: Source::Burst }
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
    fn an_enter_that_is_followed_within_ten_milliseconds_is_a_line_end_of_a_paste() {
        let ends = pasted_line_end;
        let pasted = typed(&[('a', 50), ('\n', 1), ('b', 1), ('\n', 1)]);
        assert_eq!(pasted, [insert("a", false), ends(), insert("b", true), Action::QuickEnter]);
        assert_eq!(typed(&[('\n', 50), ('a', 1)]), [ends(), insert("a", true)], "a paste may begin with one");
        assert_eq!(typed(&[('\n', 50), ('\n', 1)]), [ends(), Action::QuickEnter]);
    }

    #[test]
    fn an_enter_that_comes_at_once_with_its_line_is_told_from_one_by_hand() {
        assert_eq!(typed(&[('a', 50), ('\n', 1), ('b', 500)])[1], Action::QuickEnter);
        assert_eq!(typed(&[('a', 50), ('b', 1), ('\n', 50)])[2], Action::Enter);
    }

    #[test]
    fn a_carriage_return_with_a_line_feed_is_one_enter() {
        let (mut typing, mut out, at) = (Typing::default(), Vec::new(), Instant::now());
        let keys = [(KeyCode::Enter, KeyModifiers::NONE), (KeyCode::Char('j'), KeyModifiers::CONTROL)];
        keys.into_iter().for_each(|(code, modifiers)| typing.take(KeyEvent::new(code, modifiers), at, &mut out));
        typing.quiet(&mut out);
        assert_eq!(out, [Action::Enter]);
    }
}
