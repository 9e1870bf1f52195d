//! What the node says.

use serde_json::json;

use super::delivery::Delivery;
use super::map::Map;
use super::pane::{Entry, Found, HeldBy, Item, MAX_FOUND, Pane};
use super::timeline::{Line, Page};
use super::{Alert, Asked, Ended, MAX_WAITING, Me, Model, News};
use crate::screen::cells::harmless;
use crate::screen::clock::{self, Wall};
use crate::screen::event::{self, Check, Event, Told};
use crate::ui::plain::inline;

/// Characters of an id that tell sessions apart, as in other lists.
const SHORT_ID: usize = 6;

impl Model {
    /// Takes a line of the node.
    pub fn on_told(&mut self, told: Told, now: Wall) {
        // After a connection was lost, it goes on behind the last cursor, not behind that of the greeting.
        if told.at.is_some() && !matches!(told.event, Event::Ready(_)) {
            self.cursor = told.at;
        }
        match told.line.and_then(|line| self.asked.remove(&line)) {
            Some(asked) => self.on_answer(asked, told.event, told.shown, now),
            None => self.on_event(told.event, told.shown, now),
        }
    }

    fn on_answer(&mut self, asked: Asked, event: Event, shown: Option<String>, now: Wall) {
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

    fn on_event(&mut self, event: Event, shown: Option<String>, now: Wall) {
        let sentence = || shown.as_deref().map(|shown| inline(shown.trim_end().trim_start_matches(['*', '!', ' '])));
        match event {
            Event::Ready(ready) => self.on_ready(ready),
            Event::Subscribed { complete: false } | Event::Gap => {
                self.timelines.clear();
            }
            Event::Live => self.on_live(),
            Event::Conversations { conversations } => self.on_conversations(&conversations),
            Event::Users { filter, users } if filter == "all" => self.people.replace(&users, now),
            Event::Message(message) => self.on_message(&message),
            Event::Queued(queued) => self.on_typed_elsewhere(&queued),
            Event::State { message, to, session, state, holder } => {
                self.on_state(&to, &message, &session, &state, &inline(&holder), now);
            }
            Event::Read { with, through } => self.on_read(&with, &through),
            Event::Online(presence) | Event::Path(presence) | Event::Offline(presence) => {
                self.people.on_presence(&presence, now);
                self.on_way(&presence);
            }
            Event::Nearby(presence) => self.on_nearby(&presence, true),
            Event::Away(presence) => self.on_nearby(&presence, false),
            Event::Linked(presence) => {
                self.people.set_linked(&presence, true);
                self.on_way(&presence);
                self.tell(sentence());
            }
            Event::Unlinked(presence) => {
                self.people.set_linked(&presence, false);
                self.on_way(&presence);
                self.tell(sentence());
            }
            Event::Cancelled { message } => self.on_cancelled(&message),
            Event::Asked {}
            | Event::Requests {}
            | Event::Session {}
            | Event::Mirrored {}
            | Event::Exploded {}
            | Event::Bootstrap {} => self.tell(sentence()),
            Event::Warning { message } | Event::Error { message } => self.warn(&message),
            Event::Stopped => self.ended = Some(Ended::Stopped),
            _ => {}
        }
    }

    fn on_nearby(&mut self, presence: &event::Presence, nearby: bool) {
        self.people.set_nearby(presence, nearby);
        self.on_way(presence);
    }

    /// Somebody is reached in another way: the map shows that, and the title of the open conversation.
    fn on_way(&mut self, presence: &event::Presence) {
        let is_open = self.current.is_some() && self.id_of(&presence.user) == self.current;
        if is_open || matches!(self.pane, Pane::Map { .. }) {
            self.ask_map();
        }
    }

    fn on_ready(&mut self, ready: event::Ready) {
        self.me = Me {
            name: inline(ready.user.as_deref().unwrap_or_default()),
            network: ready.network.as_deref().map(inline),
        };
        self.connected = true;
        self.alert = self.alert.take().filter(|alert| !alert.stays);
        let since = self.cursor.clone().unwrap_or_else(|| "now".to_owned());
        self.ask(Asked::Nothing, json!({ "do": "subscribe", "since": since, "shown": true }));
    }

    /// What follows happens from now on.
    fn on_live(&mut self) {
        self.has_unprinted = true;
        self.refresh();
        if let Some(id) = self.current.clone() {
            self.show_newest(&id);
            self.ask_status(&id);
        }
    }

    fn on_conversations(&mut self, conversations: &[event::Conversation]) {
        self.list.replace(conversations, self.current.as_deref());
        // At the start, the conversation goes on in which a line was typed last on this session, or else the newest one.
        let newest = || conversations.iter().find(|conversation| conversation.last.is_some());
        let last = conversations.iter().find(|conversation| conversation.typed_last).or_else(newest);
        if let Some(last) = last.filter(|_| self.current.is_none()) {
            self.open(&last.id.clone());
        }
    }

    fn on_message(&mut self, message: &event::Message) {
        self.has_unprinted = true;
        let known = if message.own { self.id_of(&message.with) } else { Some(message.from_id.clone()) };
        // A conversation that another session of mine has begun.
        let Some(id) = known else { return self.ask(Asked::Nothing, json!({ "do": "conversations" })) };
        let is_new = self.timelines.get_mut(&id).is_none_or(|timeline| timeline.add(Line::of(message)));
        if message.past || !is_new {
            return;
        }
        self.list.touch(&id, &message.with, true, !message.own);
        if message.own {
            return;
        }
        let is_open = self.current.as_deref() == Some(&id);
        let is_seen = is_open && self.focused && self.pane == Pane::Chat;
        if let Some(timeline) = self.timelines.get_mut(&id)
            && !(is_seen && timeline.is_at_bottom())
            && timeline.first_new.is_none()
        {
            timeline.first_new = Some(message.message.clone());
        }
        if !is_open {
            let text = format!("{}: {}", inline(&message.from), inline(&message.text));
            self.show_news(News { with: Some(id), text });
        }
        if !is_seen {
            self.rings = Some((inline(&message.from), inline(&message.text)));
        }
    }

    /// The store has what was typed here.
    fn on_said(&mut self, with: &str, queued: &event::Queued) {
        self.list.touch(with, &queued.to, true, false);
        if self.waits.len() < MAX_WAITING {
            self.waits.insert(queued.message.clone());
        }
        if let Some(timeline) = self.timelines.get_mut(with) {
            timeline.add(Line::typed(queued));
        }
        self.ask_status(with);
    }

    fn on_typed_elsewhere(&mut self, queued: &event::Queued) {
        let Some(with) = self.id_of(&queued.to) else {
            return self.ask(Asked::Nothing, json!({ "do": "conversations" }));
        };
        self.on_said(&with, queued);
        let Some(state) = queued.state.as_deref() else { return };
        if state == "delivered" {
            self.waits.remove(&queued.message);
        }
        if let Some(line) = self.timelines.get_mut(&with).and_then(|timeline| timeline.get_mut(&queued.message)) {
            line.delivery = Some(Delivery::of_state(state));
        }
    }

    fn on_state(&mut self, to: &str, message: &str, session: &str, state: &str, holder: &str, now: Wall) {
        if state == "delivered" {
            self.waits.remove(message);
        }
        self.pane.on_state((message, session), state, holder, now);
        let Some(with) = self.id_of(to) else { return };
        if let Some(line) = self.timelines.get_mut(&with).and_then(|timeline| timeline.get_mut(message)) {
            line.delivery.get_or_insert_default().on_state(session, state, holder, now);
        }
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
            Page::Older | Page::Newer => {}
        }
    }

    /// Messages were read at another interface or session.
    fn on_read(&mut self, with: &str, through: &str) {
        let Some(id) = self.id_of(with) else { return };
        let newest = self.timelines.get(&id).and_then(|timeline| timeline.newest());
        if newest.is_some_and(|line| line.id == through) {
            self.list.read(&id);
        } else {
            self.ask(Asked::Nothing, json!({ "do": "conversations" }));
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

    fn tell(&mut self, sentence: Option<String>) {
        if let Some(text) = sentence.filter(|text| !text.is_empty()) {
            self.show_news(News { with: None, text });
        }
    }

    /// It takes the place of an answer, but not of what is wrong.
    fn show_news(&mut self, news: News) {
        self.alert = self.alert.take().filter(|alert| alert.is_wrong || self.confirms);
        self.news = Some(news);
    }

    fn warn(&mut self, message: &str) {
        self.alert = Some(Alert { text: inline(message), is_wrong: true, stays: true });
    }
}
