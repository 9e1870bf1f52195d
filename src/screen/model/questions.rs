//! What is asked before a text is sent or obeyed. Y and N answer, and not Enter: a paste may end with some of them.

use super::editor::Source;
use super::{Alert, Model};
use crate::screen::action::Action;
use crate::ui::macros::doubt::Draft;

impl Model {
    /// Asks whether the text in the editor is meant to be sent to somebody, if that is in doubt. Returns whether it does.
    pub fn asks_before(&mut self, with: &str) -> bool {
        let to = self.name_of(with);
        let draft = Draft {
            text: self.editor.text(),
            to,
            // Whose conversation is open is seen, and no message changes it.
            other: self.editor.meant_for().filter(|name| *name != to),
            pasted: self.editor.has_pasted_lines(),
            macros: true,
        };
        let question = draft.question();
        question.is_some_and(|question| {
            self.ask_first(format!("{question} Y sends, N goes back"));
            true
        })
    }

    /// Asks whether a pasted macro is to be obeyed.
    pub fn ask_about_macro(&mut self) {
        self.ask_first(
            "obey this? It was pasted; with a second \\ before it, it is text. Y obeys, N goes back".to_owned(),
        );
    }

    fn ask_first(&mut self, text: String) {
        self.question = Some(Alert { text, is_wrong: false, stays: false });
    }

    /// Takes an action as the answer to the question, if there is one. Returns whether it is. Any other key goes on with the text.
    pub fn answers(&mut self, action: &Action) -> bool {
        let Some(question) = self.question.take() else { return false };
        match action {
            Action::Insert { text, source: Source::Hand } if text.eq_ignore_ascii_case("y") => self.enter(true),
            Action::Insert { text, source: Source::Hand } if text.eq_ignore_ascii_case("n") => {}
            Action::Escape | Action::Cancel => {}
            Action::Enter | Action::QuickEnter => self.question = Some(question),
            _ => return false,
        }
        true
    }
}
