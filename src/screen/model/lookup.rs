//! A conversation that was asked for by name. An unknown name takes the node some seconds, and whoever asked goes on writing:
//! what is written meanwhile is for that conversation, and is not sent to another one.

use super::{Asked, Model};
use crate::ui::macros::Typed;
use crate::ui::plain::inline;

impl Asked {
    /// Why a macro is passed on.
    pub fn of_macro(typed: &Typed) -> Asked {
        match typed {
            Typed::Reply => Asked::Chat { name: "who wrote last".to_owned(), opens: true },
            _ => typed.chats_with().map_or(Asked::Typed, |user| Asked::Chat { name: inline(user), opens: true }),
        }
    }
}

impl Model {
    /// Whose conversation is looked for and will be opened.
    pub fn looks_for(&self) -> Option<&str> {
        self.asked.values().find_map(|asked| match asked {
            Asked::Chat { name, opens: true } => Some(name.as_str()),
            _ => None,
        })
    }

    /// Another conversation was chosen meanwhile, or the present one: none that is looked for is opened. What was written for it
    /// stays, and is not sent to anybody else without a question.
    pub fn stop_looking(&mut self) {
        if let Some(name) = self.looks_for().map(str::to_owned) {
            self.editor.mean_for(&name);
        }
        for asked in self.asked.values_mut() {
            if let Asked::Chat { opens, .. } = asked {
                *opens = false;
            }
        }
    }

    /// Keeps the line that was entered in the editor while a conversation is looked for. Returns whether it does.
    pub fn holds_back(&mut self) -> bool {
        let Some(name) = self.looks_for() else { return false };
        let text = format!("looking for {name}: the line stays here until the answer; Esc stops waiting");
        self.alert(text, true);
        true
    }

    /// Nobody was found: what was written since then is not sent to anybody else without a question.
    pub fn on_nobody(&mut self, name: &str, opens: bool) {
        if opens {
            self.question = None;
            self.editor.mean_for(name);
        }
    }

    /// The conversation that was looked for: what was written since then belongs to it.
    pub fn on_chat(&mut self, id: &str, with: &str, opens: bool) {
        self.list.touch(id, with, false, false);
        if !opens {
            return self.alert(format!("{} was found, and is in the list", inline(with)), false);
        }
        let written = std::mem::take(&mut self.editor);
        self.drop_answer();
        self.open(id);
        self.editor.append(written);
    }
}
