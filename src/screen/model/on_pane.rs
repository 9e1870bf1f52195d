//! What a person does with what is in the place of the messages.

use serde_json::json;

use super::editor::Source;
use super::pane::Pane;
use super::{Asked, Model};
use crate::screen::action::Action;

impl Model {
    /// Whether letters and Enter act on what is in the place of the messages. What is being written waits meanwhile.
    pub fn pane_has_keys(&self) -> bool {
        self.prompt.is_none() && matches!(self.pane, Pane::Found { .. } | Pane::Map { .. } | Pane::WhoHas { .. })
    }

    /// Carries out an action on the pane. Returns whether it is one, or would change the text, which it does not.
    pub fn act_in_pane(&mut self, action: &Action) -> bool {
        match action {
            Action::Insert { text, source: Source::Hand } => self.letter(text),
            Action::Enter | Action::QuickEnter => self.choose(),
            Action::Up => self.scroll_pane(-1),
            Action::Down => self.scroll_pane(1),
            Action::Tab => self.next_unread(),
            Action::Leave if self.editor.is_empty() => return false,
            Action::Insert { .. }
            | Action::NewLine
            | Action::Left
            | Action::Right
            | Action::LineStart
            | Action::LineEnd
            | Action::End
            | Action::Backspace
            | Action::Delete
            | Action::DeleteWord
            | Action::DeleteToStart
            | Action::DeleteToEnd
            | Action::Leave => self.write_elsewhere(),
            _ => return false,
        }
        true
    }

    fn letter(&mut self, letter: &str) {
        match (letter, &self.pane) {
            ("?", _) => self.help(),
            ("d" | "D", Pane::WhoHas { with, .. }) => self.examine(Some(with.clone())),
            ("d" | "D", Pane::Map { selected }) => {
                let is_other = |id: &&String| self.map.get(id).is_some_and(|node| !node.me);
                self.examine(selected.as_ref().filter(is_other).cloned());
            }
            ("x" | "X", Pane::WhoHas { .. }) => self.withdraw(),
            _ => self.write_elsewhere(),
        }
    }

    fn write_elsewhere(&mut self) {
        self.alert("nothing is written here: Esc goes back to the messages", false);
    }

    /// Examines how somebody is reached, or this node.
    fn examine(&mut self, user: Option<String>) {
        let mut request = json!({ "do": "doctor", "shown": true });
        if let Some(user) = user {
            request["user"] = json!(user);
        }
        self.ask(Asked::Typed, request);
    }

    /// Enter: opens what is selected.
    fn choose(&mut self) {
        match &self.pane {
            Pane::Found { found, selected, .. } => {
                if let Some(chosen) = found.get(*selected).cloned()
                    && let Some(id) = self.id_of(&chosen.handle)
                {
                    self.open(&id);
                    self.ask_around(&id, &chosen.id);
                }
            }
            Pane::Map { selected: Some(id) } => {
                if let Some(node) = self.map.get(id).filter(|node| !node.me) {
                    let (id, name) = (node.id.clone(), node.name.clone());
                    if self.people.get(&id).is_none() {
                        self.list.touch(&id, &name, false, false);
                    }
                    self.open(&id);
                }
            }
            Pane::WhoHas { .. } => self.write_elsewhere(),
            _ => {}
        }
    }

    pub fn who_has(&mut self) {
        if matches!(self.pane, Pane::WhoHas { .. }) {
            return self.pane = Pane::Chat;
        }
        if let Some(with) = self.current.clone() {
            self.ask_who_has(&with);
        }
    }

    fn withdraw(&mut self) {
        let Pane::WhoHas { items, selected, with } = &self.pane else { return };
        let Some(item) = items.get(*selected) else { return };
        if !item.waits() {
            return self.alert("this line is delivered already and cannot be withdrawn", true);
        }
        let (id, with) = (item.id.clone(), with.clone());
        self.ask(Asked::Typed, json!({ "do": "cancel", "message": id, "shown": true }));
        self.ask_who_has(&with);
    }

    /// A message of mine was withdrawn, here or elsewhere.
    pub fn on_cancelled(&mut self, id: &str) {
        self.waits.remove(id);
        self.timelines.all_mut().for_each(|timeline| timeline.remove(id));
        if let Pane::WhoHas { with, .. } = &self.pane {
            self.ask_who_has(&with.clone());
        }
        // It may have been the last one of its conversation.
        self.ask(Asked::Nothing, json!({ "do": "conversations" }));
    }
}
