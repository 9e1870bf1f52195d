//! What a person does.

use serde_json::json;

use super::editor::{Editor, Source};
use super::pane::{Entry, Pane};
use super::{Asked, Ended, Model, Prompt};
use crate::screen::action::{Action, HELP};
use crate::screen::view;
use crate::ui::complete::completions;
use crate::ui::macros::{self, MACROS, Typed};

impl Model {
    /// Carries out an action. Redrawing and suspending are not its business.
    pub fn act(&mut self, action: Action) {
        let repeats = action == Action::Cancel && self.confirms;
        let was_confirming = std::mem::take(&mut self.confirms);
        if was_confirming && !repeats {
            self.drop_answer();
        }
        if self.answers(&action) || self.pane_has_keys() && self.act_in_pane(&action) {
            return;
        }
        match action {
            Action::QuickEnter if self.prompt.is_none() && self.editor.has_pasted_lines() => {
                self.insert("\n", Source::Burst);
            }
            Action::Insert { text, source } => self.insert(&text, source),
            Action::NewLine if self.prompt.is_none() => self.insert("\n", Source::Hand),
            Action::NewLine | Action::Enter | Action::QuickEnter if self.prompt.is_some() => self.answer_prompt(),
            Action::Enter | Action::QuickEnter => self.enter(false),
            Action::Tab => self.tab(),
            Action::Escape => self.escape(),
            Action::Step(by) => self.step(by),
            Action::Nth(n) => {
                if let Some(id) = self.list.ids(&self.people).get(n).map(|id| (*id).to_owned()) {
                    self.open(&id);
                }
            }
            Action::GoTo => self.prompt = Some((Prompt::GoTo, Editor::default())),
            Action::Find => self.prompt = Some((Prompt::Find, Editor::default())),
            Action::Map if matches!(self.pane, Pane::Map { .. }) => self.pane = Pane::Chat,
            Action::Map => {
                self.pane = Pane::Map { selected: None };
                self.ask_map();
            }
            Action::WhoHas => self.who_has(),
            Action::Help => self.help(),
            Action::Page(by) => self.page(by),
            Action::Up => self.vertical(-1),
            Action::Down => self.vertical(1),
            Action::End => self.go_to_end(),
            Action::Cancel => self.cancel(repeats),
            Action::Leave if self.edited().is_empty() => self.ended = Some(Ended::Left),
            Action::Leave => self.edited_mut().delete(),
            edit => self.edit(&edit),
        }
    }

    fn edited(&self) -> &Editor {
        self.prompt.as_ref().map_or(&self.editor, |(_, editor)| editor)
    }

    fn edited_mut(&mut self) -> &mut Editor {
        self.prompt.as_mut().map_or(&mut self.editor, |(_, editor)| editor)
    }

    fn edit(&mut self, action: &Action) {
        let editor = self.edited_mut();
        match action {
            Action::Left => editor.left(),
            Action::Right => editor.right(),
            Action::LineStart => editor.home(),
            Action::LineEnd => editor.end(),
            Action::Backspace => editor.backspace(),
            Action::Delete => editor.delete(),
            Action::DeleteWord => editor.delete_word(),
            Action::DeleteToStart => editor.delete_to_start(),
            Action::DeleteToEnd => editor.delete_to_end(),
            _ => {}
        }
    }

    fn insert(&mut self, text: &str, source: Source) {
        if text == "?" && source == Source::Hand && self.prompt.is_none() && self.editor.is_empty() {
            return self.help();
        }
        let text = if self.prompt.is_some() {
            text.replace(['\r', '\n'], " ")
        } else {
            text.replace("\r\n", "\n").replace('\r', "\n")
        };
        if !self.edited_mut().insert(&text, source) {
            self.alert("there is no room for so much text in a line", true);
        }
    }

    /// `confirmed`: it was asked whether this is meant.
    pub fn enter(&mut self, confirmed: bool) {
        if self.editor.is_empty() {
            return;
        }
        self.drop_answer();
        self.news = self.news.take().filter(|news| news.with.is_some());
        let text = self.editor.text().trim_end_matches('\n').to_owned();
        let is_macro = text.starts_with('\\') && !text.starts_with("\\\\") && !text.contains('\n');
        if is_macro && self.editor.is_pasted() && !confirmed {
            return self.ask_about_macro();
        }
        match macros::parse(&text) {
            Ok(None) => drop(self.editor.take()),
            Ok(Some(Typed::Text(text))) => self.say(text, confirmed),
            // The node stops with its own screen, and not with one that is attached.
            Ok(Some(typed)) if typed.is_quit() => self.ended = Some(Ended::Left),
            Ok(Some(typed)) => self.obey(&text, typed),
            Err(error) => self.alert(error.message, true),
        }
    }

    fn say(&mut self, text: String, confirmed: bool) {
        if self.holds_back() {
            return;
        }
        let Some(with) = self.current.clone() else {
            return self.alert(r"\chat NAME, or ^G and a name, chooses somebody", true);
        };
        if !self.connected {
            return self.alert("the node does not run; the text stays here", true);
        }
        if !confirmed && self.asks_before(&with) {
            return;
        }
        let typed = self.editor.take();
        self.remember(&typed);
        self.show_newest(&with);
        self.pane = Pane::Chat;
        let request = json!({ "do": "say", "to": with, "text": text });
        self.ask(Asked::Say { with, text }, request);
    }

    fn obey(&mut self, text: &str, typed: Typed) {
        let asked = Asked::of_macro(&typed);
        let request = match (typed, &self.current) {
            (Typed::HistoryHere { n, before, after }, Some(with)) => {
                let mut request = json!({ "do": "history", "user": with, "n": n, "shown": true });
                let edge = before.map(|id| ("before", id)).or(after.map(|id| ("after", id)));
                if let Some((key, id)) = edge {
                    request[key] = json!(id);
                }
                request
            }
            (Typed::SearchOlder, _) => return self.alert("^F finds messages, and goes on with older ones", true),
            _ => json!({ "do": "typed", "text": text, "shown": true }),
        };
        let typed = self.editor.take();
        self.remember(&typed);
        if matches!(asked, Asked::Chat { .. }) {
            self.stop_looking();
        }
        self.ask(asked, request);
    }

    fn tab(&mut self) {
        if self.edited().is_empty() && self.prompt.is_none() {
            return self.next_unread();
        }
        let editor = self.edited();
        let typed = editor.text()[..editor.cursor()].to_owned();
        let (start, found) = match self.prompt {
            Some((Prompt::GoTo, _)) => (0, self.names_with(&typed)),
            Some((Prompt::Find, _)) => return,
            None => completions(&typed, self.people.handles()),
        };
        let Some(first) = found.first() else { return };
        let common = found.iter().fold(first.as_str(), |common, name| common_start(common, name));
        let common = common.to_owned();
        if found.len() > 1 {
            self.alert(crate::ui::plain::inline(&found.join("  ")), false);
        }
        self.edited_mut().complete(start, &common);
    }

    /// The handles that begin like this.
    fn names_with(&self, typed: &str) -> Vec<String> {
        let mut names: Vec<String> =
            self.people.handles().filter(|name| name.starts_with(typed)).map(str::to_owned).collect();
        names.sort();
        names
    }

    pub fn next_unread(&mut self) {
        let newest = self.news.as_ref().and_then(|news| news.with.clone());
        let next = newest.or_else(|| {
            let is_other = |id: &str| self.current.as_deref() != Some(id);
            self.list.all().iter().find(|known| known.unread > 0 && is_other(&known.id)).map(|known| known.id.clone())
        });
        if let Some(id) = next {
            self.open(&id);
        }
    }

    fn escape(&mut self) {
        if self.prompt.take().is_some() {
            return;
        }
        if self.closes_pane() {
            return;
        }
        if self.looks_for().is_some() {
            self.drop_answer();
            return self.stop_looking();
        }
        if self.alert.take().is_none() && self.news.take().is_none() && view::is_narrow(self.size) {
            self.pane = Pane::List;
        }
    }

    /// Goes back to the messages. Returns whether something else was shown.
    fn closes_pane(&mut self) -> bool {
        if self.pane == Pane::Chat {
            return false;
        }
        self.pane = Pane::Chat;
        self.alert = self.alert.take().filter(|alert| alert.stays || alert.is_wrong);
        true
    }

    fn step(&mut self, by: isize) {
        let ids = self.list.ids(&self.people);
        let at = ids.iter().position(|id| Some(*id) == self.current.as_deref());
        let next = match at {
            Some(at) => at.checked_add_signed(by).filter(|next| *next < ids.len()),
            None => Some(0),
        };
        if let Some(id) = next.and_then(|next| ids.get(next)).map(|id| (*id).to_owned()) {
            self.open(&id);
        }
    }

    fn answer_prompt(&mut self) {
        let Some((prompt, editor)) = self.prompt.take() else { return };
        let text = editor.text().trim();
        if text.is_empty() {
            return;
        }
        match prompt {
            Prompt::GoTo => {
                let names = self.names_with(text);
                let only = if names.len() == 1 { names.into_iter().next() } else { None };
                match self.id_of(text).or_else(|| self.id_of(&only?)) {
                    Some(id) => self.open(&id),
                    None => self.alert(
                        format!(
                            r"nobody known is called that; \chat {} looks for them",
                            crate::ui::plain::inline(text)
                        ),
                        true,
                    ),
                }
            }
            Prompt::Find => {
                let request = json!({ "do": "search", "text": text, "n": 50 });
                self.ask(Asked::Found { text: text.to_owned(), more: false }, request);
            }
        }
    }

    pub fn help(&mut self) {
        let row = |what: &str, text: &str| Entry::in_table(&format!("{what:<22} "), text);
        let keys = HELP.iter().map(|(key, text)| row(key, text));
        let macros = MACROS.iter().map(|entry| row(entry.usage, entry.text));
        self.pane = Pane::table("keys and macros · Esc back", keys.chain([Entry::new("")]).chain(macros));
    }

    fn vertical(&mut self, by: isize) {
        let is_written = self.prompt.as_ref().is_some_and(|(_, editor)| !editor.is_empty());
        if !matches!(self.pane, Pane::Chat | Pane::List) && !is_written {
            return self.scroll_pane(by);
        }
        let editor = self.edited_mut();
        let moved = if by < 0 { editor.up() } else { editor.down() };
        if !moved && self.prompt.is_none() {
            self.bring_back(by);
        }
    }

    /// Up on an empty line brings back what was typed.
    fn bring_back(&mut self, by: isize) {
        let shown = self.recall.checked_sub(1).and_then(|back| self.recalled.iter().nth_back(back));
        if !self.editor.is_empty() && shown.map(String::as_str) != Some(self.editor.text()) {
            return;
        }
        let back = self.recall.saturating_add_signed(-by).min(self.recalled.len());
        self.recall = back;
        let text = back.checked_sub(1).and_then(|back| self.recalled.iter().nth_back(back));
        self.editor = text.map_or_else(Editor::default, |text| Editor::with(text));
    }

    fn go_to_end(&mut self) {
        match self.current.clone().filter(|_| self.timeline().is_some_and(|timeline| !timeline.is_at_bottom())) {
            Some(id) if self.pane == Pane::Chat => self.show_newest(&id),
            _ => self.edited_mut().end(),
        }
    }

    fn cancel(&mut self, leaves: bool) {
        if self.prompt.take().is_some() {
            return;
        }
        if self.closes_pane() {
            return;
        }
        if !self.editor.is_empty() {
            self.editor.take();
            self.drop_answer();
        } else if leaves {
            self.ended = Some(Ended::Left);
        } else {
            self.confirms = true;
            self.alert("Ctrl-C again leaves", false);
        }
    }
}

/// What two texts begin with alike.
fn common_start<'a>(one: &'a str, other: &str) -> &'a str {
    let differs = one.char_indices().zip(other.chars()).find(|((_, a), b)| a != b);
    let end = differs.map_or(one.len().min(other.len()), |((at, _), _)| at);
    &one[..end]
}
