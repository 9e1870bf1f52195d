//! What the node answers.

use super::delivery::Delivery;
use super::map::Map;
use super::pane::{Entry, Found, HeldBy, Item, MAX_FOUND, Pane};
use super::timeline::{Line, Page};
use super::{Asked, Ended, MAX_WAITING, Model};
use crate::screen::cells::harmless;
use crate::screen::clock::{self, Wall};
use crate::screen::event::{self, Check, Event};
use crate::ui::plain::inline;

/// Characters of an id that tell sessions apart, as in other lists.
const SHORT_ID: usize = 6;

impl Model {
    /// Takes what was asked for.
    pub fn on_answer(&mut self, asked: Asked, event: Event, shown: Option<String>, now: Wall) {
        match (asked, event) {
            (Asked::Say { with, .. }, Event::Queued(queued)) => self.on_said(&with, &queued),
            (Asked::Say { with, text }, Event::Error { message }) => {
                self.give_back(&with, &text);
                self.alert(inline(&message), true);
            }
            (Asked::Chat { opens, .. }, Event::Chat { with, id }) => {
                self.on_chat(&id, &with, opens);
                self.show_answer(shown.filter(|_| opens));
            }
            (Asked::Chat { name, opens }, event @ Event::Error { .. }) => {
                self.on_nobody(&name, opens);
                self.on_typed(event, shown, now);
            }
            (Asked::Typed | Asked::Chat { .. }, event) => self.on_typed(event, shown, now),
            (Asked::History { with, page }, Event::History { messages, next }) => {
                self.on_page(&with, page, &messages, next.is_some());
            }
            (Asked::History { with, page }, _) => self.on_page(&with, page, &[], false),
            (Asked::Status { with }, Event::Status { messages }) => self.on_status(with.is_none(), &messages),
            (Asked::Map, Event::Map { nodes, edges, more }) => {
                self.map = Map::new(nodes, edges, more);
                if self.map_is_stale {
                    self.ask_map();
                }
            }
            (Asked::WhoHas, Event::Status { messages }) => self.on_who_has(&messages),
            (Asked::Requests, Event::Requests { users }) => self.strangers = users,
            (Asked::Found { text, more }, Event::Found { messages, next }) => {
                self.on_found(text, more, &messages, next)
            }
            (Asked::WhoHas | Asked::Found { .. }, Event::Error { message }) => self.alert(inline(&message), true),
            (Asked::Nothing, Event::Error { .. }) => {}
            (Asked::Nothing, event) => self.on_event(event, shown, now),
            _ => {}
        }
    }

    /// The answer to a macro.
    fn on_typed(&mut self, event: Event, shown: Option<String>, now: Wall) {
        match event {
            Event::Error { message } => return self.alert(inline(&message), true),
            // It was typed as text for the conversation of a line interface.
            Event::Queued(_) => return self.on_event(event, None, now),
            Event::Stopped => return self.ended = Some(Ended::Stopped),
            Event::Doctor { user, checks, verdict, action } => {
                return self.on_doctor(user.as_deref(), &checks, [&verdict, &action]);
            }
            _ => {}
        }
        self.show_answer(shown);
    }

    /// A list takes the pane, a sentence the row above the input.
    fn show_answer(&mut self, shown: Option<String>) {
        let shown = shown.unwrap_or_default();
        let shown = shown.trim_end();
        match shown.split_once('\n') {
            Some((title, rest)) if title.starts_with("* ") => {
                self.pane = Pane::text(title.trim_start_matches("* "), rest);
            }
            Some(_) => self.pane = Pane::text("", shown),
            None if shown.is_empty() => {}
            None => self.alert(inline(shown.trim_start_matches("* ")), false),
        }
        // Links, sessions or messages may be others now.
        self.refresh();
    }

    fn on_doctor(&mut self, user: Option<&str>, checks: &[Check], [verdict, action]: [&str; 2]) {
        let row = |name: &str, state: &str, text: &str| {
            Entry::in_table(&format!("{:<10} {:<7} ", inline(name), inline(state)), &inline(text))
        };
        let checks = checks.iter().map(|check| row(&check.name, &check.state, &check.text));
        let about = user.map_or_else(String::new, |user| format!(" and {}", inline(user)));
        let end = [row("verdict", "", verdict), row("to do", "", action)];
        self.pane = Pane::table(&format!("this node{about}, examined · Esc back"), checks.chain(end));
    }

    fn on_status(&mut self, is_all: bool, messages: &[event::Status]) {
        if is_all {
            self.waits.clear();
        }
        for status in messages {
            let people = &self.people;
            let delivery = Delivery::of_status(&status.sessions, |session| people.of_session(session));
            if is_all && !delivery.has_arrived() && self.waits.len() < MAX_WAITING {
                self.waits.insert(status.message.clone());
            }
            let Some(with) = self.id_of(&status.to) else { continue };
            if let Some(line) = self.timelines.get_mut(&with).and_then(|timeline| timeline.get_mut(&status.message)) {
                line.delivery.get_or_insert_default().update(delivery);
            }
        }
    }

    fn on_page(&mut self, with: &str, page: Page, messages: &[event::Message], has_more: bool) {
        let unread = self.list.get(with).map_or(0, |known| known.unread);
        let Some(timeline) = self.timelines.get_mut(with) else { return };
        timeline.add_page(page, messages.iter().map(Line::of).collect(), has_more);
        match page {
            Page::Newest => {
                if timeline.first_new.is_none() {
                    timeline.mark_new(unread);
                }
                self.ask_status(with);
            }
            // It is the first of all.
            Page::Around if messages.is_empty() => {
                self.timelines.forget(with);
                self.show_newest(with);
            }
            Page::Around => {
                self.ask_status(with);
                self.ask_more(with, Page::Newer);
            }
            Page::Again if timeline.is_disordered => self.ask_again(with),
            Page::Older | Page::Newer | Page::Again => {}
        }
    }

    /// The one that was selected stays so; at first it is the last one.
    fn on_who_has(&mut self, messages: &[event::Status]) {
        let Some(with) = self.current.clone() else { return };
        let items: Vec<Item> = messages.iter().map(|status| self.item(&with, status)).collect();
        let before = match &self.pane {
            Pane::WhoHas { items, selected, .. } => items.get(*selected).map(|item| item.id.clone()),
            _ => None,
        };
        let kept = before.and_then(|id| items.iter().position(|item| item.id == id));
        let selected = kept.unwrap_or(items.len().saturating_sub(1));
        self.pane = Pane::WhoHas { with, items, selected };
    }

    fn item(&self, with: &str, status: &event::Status) -> Item {
        let line = self.timelines.get(with).and_then(|timeline| timeline.get(&status.message));
        let seen = line.and_then(|line| line.delivery.as_ref());
        let held_by = |held: &event::Delivery| {
            let carriers: Vec<String> = held
                .carriers
                .iter()
                .map(|by| self.people.of_session(by).unwrap_or_else(|| "a relay".to_owned()))
                .collect();
            let state = match held.state.as_str() {
                "queued" => "waits".to_owned(),
                "carried" => format!("with {}", carriers.join(" and ")),
                "settled" => "left to another session".to_owned(),
                other => inline(other),
            };
            HeldBy {
                session: inline(&held.session).chars().take(SHORT_ID).collect(),
                label: inline(&held.label),
                state,
                is_delivered: held.state == "delivered",
                since: seen.and_then(|seen| seen.carried_since(&held.session)),
            }
        };
        Item {
            id: status.message.clone(),
            text: inline(&status.text),
            sent: clock::parse(&status.sent),
            sessions: status.sessions.iter().map(held_by).collect(),
        }
    }

    fn on_found(&mut self, text: String, more: bool, messages: &[event::Message], next: Option<String>) {
        let fresh = messages.iter().map(|message| Found {
            id: message.message.clone(),
            handle: message.with.clone(),
            with: inline(&message.with),
            own: message.own,
            sent: clock::parse(&message.sent),
            text: harmless(&message.text).replace('\n', " "),
        });
        match &mut self.pane {
            Pane::Found { found, next: known, is_asked, .. } if more => {
                found.extend(fresh);
                found.truncate(MAX_FOUND);
                *is_asked = false;
                *known = next.filter(|_| found.len() < MAX_FOUND);
            }
            pane => *pane = Pane::Found { text, found: fresh.collect(), selected: 0, next, is_asked: false },
        }
    }
}
