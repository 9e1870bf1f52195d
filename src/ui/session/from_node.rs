//! What the node says, and what follows from it for the lines typed here.

use std::sync::Arc;

use super::opening::Opened;
use super::recall;
use super::{AtEnd, Ending, Session, Waiting};
use crate::handle::NodeMessage;
use crate::id::MessageId;
use crate::proto::event::Command;
use crate::proto::notice::{Delivery, ErrorCode, Notice};
use crate::ui::macros::HISTORY;
use crate::ui::plain::counted;
use crate::ui::{Event, Screen};

impl<S: Screen> Session<S> {
    /// Handles the messages in the buffer. `Some` if one of them was the last, or if there are none because the node has ended.
    pub(super) fn on_messages(&mut self, count: usize) -> Option<Ending> {
        if count == 0 {
            self.messages.push(NodeMessage::Failed("the node ended unexpectedly".to_owned()));
        }
        let mut messages = std::mem::take(&mut self.messages);
        let ending = messages.drain(..).find_map(|message| self.on_message(message));
        self.messages = messages;
        self.flush();
        ending
    }

    fn on_message(&mut self, message: NodeMessage) -> Option<Ending> {
        match message {
            NodeMessage::Ready(ready, start) => {
                let written = self.screen.show(None, Event::Ready(&ready, &self.setup));
                self.check_output(written);
                match (self.screen.recalls(), self.setup.linked) {
                    (true, false) => self.recall.begin(start.printed, ready.session),
                    // Nothing was said on a session that is new, and lines are read since it waited to be linked.
                    (true, true) => self.recall.begin_anew(ready.session),
                    (false, _) => {}
                }
            }
            NodeMessage::Notice { line: Some(recall::SELF), notice } => {
                if let Some(opened) = self.recall.answer(Arc::unwrap_or_clone(notice)) {
                    self.go_on(opened);
                }
            }
            NodeMessage::Notice { line: Some(line), notice } if self.abandoned == Some(line) && ends_chat(&notice) => {
                self.abandoned = None;
            }
            NodeMessage::Notice { line, notice } => {
                if !self.recall.hold(&notice) {
                    self.on_notice(line, &notice);
                }
            }
            // Only a node that waits to be linked says it, and no session runs there; only the hub asks for rows.
            NodeMessage::Adopted(_) | NodeMessage::Rows { .. } => {}
            NodeMessage::Stopped => {
                self.show(None, Event::Stopped);
                return Some(Ending::Stopped);
            }
            NodeMessage::Failed(why) => {
                let error = Notice::Error { code: ErrorCode::Internal, message: why.clone() };
                self.show(None, Event::Notice(&error));
                return Some(Ending::Failed(why));
            }
        }
        None
    }

    fn on_notice(&mut self, line: Option<u64>, notice: &Notice) {
        if let Notice::Message(view) = notice {
            self.recall.shown(view, self.current().ok());
            self.wrote_last = if view.own || view.past { self.wrote_last } else { Some(view.from_id) };
        }
        if let Notice::Read { through, .. } = notice {
            self.recall.read_through(*through);
        }
        self.show(line, Event::Notice(notice));
        if let Some(line) = line {
            self.on_answer(line, notice);
        }
        self.note_delivery(line, notice);
    }

    /// Follows the messages typed here until a session of their addressee has them.
    fn note_delivery(&mut self, line: Option<u64>, notice: &Notice) {
        match notice {
            Notice::Queued { message, .. } if line.is_some() && self.at_end == AtEnd::Wait => {
                self.undelivered.insert(*message);
            }
            Notice::State { message, state: Delivery::Delivered | Delivery::Settled, .. } => {
                self.undelivered.remove(message);
            }
            _ => {}
        }
        if self.input_ended {
            self.quit_at_end();
        }
    }

    /// Shows what is unread of a conversation that is opened, and reads the next line in it.
    fn go_on(&mut self, opened: Opened) {
        if opened.earlier > 0 {
            let earlier = counted(opened.earlier as u64, "earlier unread message");
            let written = self.screen.note(&format!(r"{earlier}: \history {} shows more", opened.with_earlier()));
            self.check_output(written);
        }
        self.conversation = opened.conversation.or(self.conversation.take());
        for notice in &opened.notices {
            if let Notice::History { messages, .. } = notice {
                let last = messages.iter().rev().find(|view| !view.own).map(|view| view.from_id);
                self.wrote_last = self.wrote_last.or(last);
            }
            self.on_notice(None, notice);
        }
        self.waiting = None;
        self.line_done();
    }

    fn on_answer(&mut self, line: u64, notice: &Notice) {
        if let Notice::Found { text, with, next, .. } = notice {
            let older = |next: &MessageId| Command::Search {
                text: text.clone(),
                with: with.clone(),
                n: HISTORY,
                before: Some(next.token()),
            };
            self.search = next.as_ref().map(older);
        }
        if !matches!(notice, Notice::Chat { .. } | Notice::Queued { .. } | Notice::Error { .. }) {
            return;
        }
        self.unstored.remove(&line);
        if self.waiting == Some(Waiting::Chat(line)) {
            self.conversation = match notice {
                Notice::Chat { with, id, .. } => Some((*id, with.clone())),
                _ => None,
            };
            if self.conversation.as_ref().is_some_and(|(id, _)| self.recall.open(*id)) {
                self.waiting = Some(Waiting::Unread);
                return;
            }
        } else if self.waiting != Some(Waiting::Store(line)) {
            return;
        }
        self.waiting = None;
        self.line_done();
    }
}

/// Whether a notice is the answer to a `\chat`.
fn ends_chat(notice: &Notice) -> bool {
    matches!(notice, Notice::Chat { .. } | Notice::Error { .. })
}
