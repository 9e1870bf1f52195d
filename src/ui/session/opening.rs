//! What a person is shown of a conversation when it is opened: at the start, and by `\chat`.

use std::collections::{BTreeMap, VecDeque};

use crate::id::{MessageId, SessionId, UserId};
use crate::proto::event::MAX_HISTORY;
use crate::proto::notice::{ConversationView, MessageView, Notice};

/// Messages of a conversation that are shown if so many are unread: what fits on a screen of 24 rows.
pub const MAX_SHOWN: u32 = 20;
/// Messages of the last conversation that are shown at the start, if not more are unread.
const SHOWN: usize = 5;

/// The messages of somebody that were printed while another conversation was open.
#[derive(Debug, Default)]
pub struct Printed {
    /// The newest of them, as many as are compared with what is unread.
    newest: VecDeque<MessageId>,
    count: usize,
}

impl Printed {
    /// One more was printed.
    pub fn add(&mut self, message: MessageId) {
        if self.newest.len() == MAX_SHOWN as usize {
            self.newest.pop_front();
        }
        self.newest.push_back(message);
        self.count += 1;
    }

    /// The newest one.
    pub fn last(&self) -> Option<&MessageId> {
        self.newest.back()
    }
}

/// What was learned since a conversation began to be opened, until everything is there.
#[derive(Debug)]
pub struct Opening {
    /// With whom it is; `None` at the start, for the last conversation.
    with: Option<UserId>,
    /// Everything that arrived up to here was told before.
    told: u64,
    /// This session.
    me: SessionId,
    /// Messages that came meanwhile. They are shown after those of the conversation.
    held: Vec<Notice>,
    conversations: Vec<ConversationView>,
}

/// What is shown of a conversation that is opened, in this order.
#[derive(Debug, Default, PartialEq)]
pub struct Opened {
    /// Unread messages that are older than those shown.
    pub earlier: usize,
    /// The messages of the conversation. At the start, how many are unread of whom follows. Then the messages that came meanwhile.
    pub notices: Vec<Notice>,
    /// The conversation in which the session goes on after the start.
    pub conversation: Option<(UserId, String)>,
    /// Whose messages are read now, and up to which.
    pub read: Option<(UserId, MessageId)>,
}

impl Opening {
    /// Begins to open a conversation: the one with this user, or the last one.
    pub fn new(with: Option<UserId>, told: u64, me: SessionId) -> Opening {
        Opening { with, told, me, held: Vec::new(), conversations: Vec::new() }
    }

    /// Keeps a message that comes meanwhile.
    pub fn hold(&mut self, notice: Notice) {
        self.held.push(notice);
    }

    /// Takes all conversations. Returns the one whose messages are needed.
    pub fn choose(&mut self, conversations: Vec<ConversationView>) -> Option<UserId> {
        self.conversations = conversations;
        self.chosen().filter(|chosen| self.with.is_none() || chosen.unread > 0).map(|chosen| chosen.id)
    }

    /// At the start it is the conversation in which the last line was typed on this session. If none was, the one with the
    /// newest message.
    fn chosen(&self) -> Option<&ConversationView> {
        let all = || self.conversations.iter();
        match self.with {
            Some(with) => all().find(|conversation| conversation.id == with),
            None => all()
                .find(|conversation| conversation.typed_last)
                .or_else(|| all().find(|conversation| conversation.last.is_some())),
        }
    }

    /// What to show, with the newest messages of the conversation, and those that were printed of each person.
    pub fn finish(self, mut messages: Vec<MessageView>, printed: &BTreeMap<UserId, Printed>) -> Opened {
        let mut opened = Opened::default();
        if let Some(chosen) = self.chosen().cloned() {
            // The store has them already. They are told on their own, before or after it was asked.
            let is_told =
                |view: &MessageView| view.arrival > self.told && !view.past && view.message.stream.author != self.me;
            let fresh = messages.iter().filter(|view| !view.own && is_told(view)).count();
            messages.retain(|view| !is_told(view));
            let unread = usize::try_from(chosen.unread).unwrap_or(usize::MAX).saturating_sub(fresh);
            match self.with {
                Some(_) => opened.show_unread(&chosen, unread, messages, printed.get(&chosen.id)),
                None => opened.show_last(&chosen, unread, messages),
            }
        }
        if self.with.is_none() {
            let is_open = |id: &UserId| opened.conversation.as_ref().is_some_and(|(open, _)| open == id);
            let mut others = self.conversations;
            others.retain(|other| other.unread > 0 && !is_open(&other.id));
            if !others.is_empty() {
                opened.notices.push(Notice::Conversations { conversations: others });
            }
        }
        opened.notices.extend(self.held);
        opened
    }
}

impl Opened {
    /// How many messages `\history` is to show to have the earlier ones, too, as far as it can.
    pub fn with_earlier(&self) -> u32 {
        u32::try_from(self.earlier).unwrap_or(u32::MAX).saturating_add(MAX_SHOWN).min(MAX_HISTORY)
    }

    /// The last messages, and what is unread before them. The conversation goes on if it is one's own: whoever never answered
    /// somebody does not find a prompt for a line to them.
    fn show_last(&mut self, chosen: &ConversationView, unread: usize, mut messages: Vec<MessageView>) {
        if chosen.typed_last || messages.iter().any(|view| view.own) {
            self.conversation = Some((chosen.id, chosen.with.clone()));
            self.earlier = unread.saturating_sub(messages.iter().filter(|view| !view.own).count());
            self.read = read_through(chosen);
        }
        let first = first_unread(&messages, unread).min(messages.len().saturating_sub(SHOWN));
        messages.drain(..first);
        self.show(chosen, messages);
    }

    /// What is unread and was not printed.
    fn show_unread(
        &mut self,
        chosen: &ConversationView,
        unread: usize,
        mut messages: Vec<MessageView>,
        printed: Option<&Printed>,
    ) {
        messages.drain(..first_unread(&messages, unread));
        messages.retain(|view| !view.own);
        let among = messages.len();
        messages.retain(|view| printed.is_none_or(|printed| !printed.newest.contains(&view.message)));
        let printed_before = printed.map_or(0, |printed| printed.count.saturating_sub(among - messages.len()));
        self.earlier = unread.saturating_sub(among + printed_before);
        self.read = read_through(chosen);
        self.show(chosen, messages);
    }

    fn show(&mut self, chosen: &ConversationView, messages: Vec<MessageView>) {
        if !messages.is_empty() {
            self.notices.push(Notice::History { with: chosen.with.clone(), messages, next: None });
        }
    }
}

/// Where the last `unread` messages of the other one begin.
fn first_unread(messages: &[MessageView], unread: usize) -> usize {
    let theirs = messages.iter().enumerate().rev().filter(|(_, view)| !view.own).take(unread);
    theirs.last().map_or(messages.len(), |(at, _)| at)
}

/// That a conversation is read up to its newest message, if something in it is unread.
fn read_through(chosen: &ConversationView) -> Option<(UserId, MessageId)> {
    let last = chosen.last.as_ref().filter(|_| chosen.unread > 0)?;
    Some((chosen.id, last.message))
}
