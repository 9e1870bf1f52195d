//! What happens, as the node tells it.

use serde_json::json;

use super::delivery::Delivery;
use super::pane::Pane;
use super::timeline::Line;
use super::{Alert, Asked, Ended, MAX_WAITING, Me, Model, News};
use crate::screen::cells::APART;
use crate::screen::clock::Wall;
use crate::screen::event::{self, Event, Told};
use crate::ui::plain::inline;

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

    pub fn on_event(&mut self, event: Event, shown: Option<String>, now: Wall) {
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
            Event::Asked {} | Event::Requests { .. } => {
                self.tell(sentence());
                self.ask_requests();
            }
            Event::Session {} => {
                self.tell(sentence());
                self.ask(Asked::Nothing, json!({ "do": "users" }));
            }
            Event::Mirrored {} | Event::Exploded {} | Event::Bootstrap {} => self.tell(sentence()),
            Event::Warning { message } | Event::Error { message } => self.warn(&message),
            Event::Stopped => self.ended = Some(Ended::Stopped),
            _ => {}
        }
    }

    fn on_nearby(&mut self, presence: &event::Presence, nearby: bool) {
        // Whom they resemble is shown with an id now, too.
        if nearby && presence.user.contains('#') {
            self.ask(Asked::Nothing, json!({ "do": "users" }));
        }
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
        self.drop_old_news();
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
        let line = Line::of(message);
        let is_tied = self.timelines.get(&id).is_some_and(|timeline| timeline.is_tied(&line));
        let is_new = self.timelines.get_mut(&id).is_none_or(|timeline| timeline.add(line));
        if is_tied && is_new {
            self.ask_again(&id);
        }
        if message.past || !is_new {
            return;
        }
        self.list.touch(&id, &message.with, true, !message.own);
        if message.own {
            return;
        }
        let is_seen = self.is_seen(&id);
        if let Some(timeline) = self.timelines.get_mut(&id)
            && !(is_seen && timeline.is_at_bottom())
            && timeline.first_new.is_none()
        {
            timeline.first_new = Some(message.message.clone());
        }
        if self.current.as_deref() != Some(&id) {
            let text = format!("{}:{APART} {}", inline(&message.from), inline(&message.text));
            self.show_news(News { with: Some(id), text });
        }
        if !is_seen {
            self.rings = Some((inline(&message.from), inline(&message.text)));
        }
    }

    /// The store has what was typed here.
    pub fn on_said(&mut self, with: &str, queued: &event::Queued) {
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
        if matches!(state, "delivered" | "settled") {
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

    /// Messages were read at another interface or session.
    fn on_read(&mut self, with: &str, through: &str) {
        let Some(id) = self.id_of(with) else { return };
        let is_seen = self.is_seen(&id);
        if let Some(timeline) = self.timelines.get_mut(&id).filter(|_| !is_seen)
            && timeline.newest_of_theirs().is_some_and(|line| line.id == through)
        {
            timeline.first_new = None;
        }
        let newest = self.timelines.get(&id).and_then(|timeline| timeline.newest());
        if newest.is_some_and(|line| line.id == through) {
            self.list.read(&id);
            self.drop_old_news();
        } else {
            self.ask(Asked::Nothing, json!({ "do": "conversations" }));
        }
    }

    /// What is told of a conversation is no news once that was read elsewhere.
    fn drop_old_news(&mut self) {
        let is_unread = |id: &String| self.list.get(id).is_none_or(|known| known.unread > 0);
        let is_news = self.news.as_ref().is_some_and(|news| news.with.as_ref().is_none_or(is_unread));
        self.news = self.news.take().filter(|_| is_news);
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
