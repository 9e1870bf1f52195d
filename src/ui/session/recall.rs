//! What a session asks of the node by itself, for a person: at the start for the last conversation and for what is unread, later
//! that what was shown is marked as read. The answers are not shown as such.

use std::collections::{BTreeMap, VecDeque};

use crate::id::{MessageId, SessionId, UserId};
use crate::proto::event::Command;
use crate::proto::notice::{ConversationView, MessageView, Notice};

/// The number under which requests of the session itself are answered. Typed lines are numbered from 1.
pub const SELF: u64 = 0;

/// Messages of the last conversation that are shown at the start.
const SHOWN: usize = 5;
/// Messages of it that are shown if so many are unread.
const MAX_SHOWN: u32 = 20;
/// People whose unread messages are marked as read once the conversation with them is opened. Strangers can cause any number.
const MAX_PEOPLE: usize = 1000;

/// The requests of a session, and what it knows from the answers.
#[derive(Debug, Default)]
pub struct Recall {
    is_on: bool,
    /// `None` once the start is over.
    opening: Option<Opening>,
    commands: VecDeque<Command>,
    /// The last message of people whose messages were not read.
    unread: BTreeMap<UserId, MessageId>,
    /// Up to where conversations are to be marked as read.
    read: BTreeMap<UserId, MessageId>,
}

/// What was learned since the start, until everything is there.
#[derive(Debug)]
struct Opening {
    /// Everything that arrived up to here was shown before the start.
    printed: u64,
    /// This session.
    me: SessionId,
    /// Messages that came meanwhile. They are shown after those of the last conversation.
    held: Vec<Notice>,
    conversations: Vec<ConversationView>,
}

/// What is shown at the start, in this order.
#[derive(Debug, Default, PartialEq)]
pub struct Opened {
    /// The last messages of the last conversation, then how many are unread of whom, then the messages that came meanwhile.
    pub notices: Vec<Notice>,
    /// The conversation in which the session goes on.
    pub conversation: Option<(UserId, String)>,
}

impl Recall {
    /// Asks for the conversations. Messages that arrived later than `printed` are shown as they come, unless they were typed
    /// at this session.
    pub fn begin(&mut self, printed: u64, me: SessionId) {
        self.is_on = true;
        self.opening = Some(Opening { printed, me, held: Vec::new(), conversations: Vec::new() });
        self.commands.push_back(Command::Conversations);
    }

    /// Begins without a last conversation. What is shown of conversations is marked as read.
    pub fn begin_anew(&mut self) {
        self.is_on = true;
    }

    /// Whether there is something to request.
    pub fn has_command(&self) -> bool {
        !(self.commands.is_empty() && self.read.is_empty())
    }

    /// The next request.
    pub fn next_command(&mut self) -> Option<Command> {
        let read =
            |(user, through): (UserId, MessageId)| Command::Read { user: user.to_string(), through: through.token() };
        self.commands.pop_front().or_else(|| self.read.pop_first().map(read))
    }

    /// Keeps a message that comes during the start. Returns whether it is one.
    pub fn hold(&mut self, notice: &Notice) -> bool {
        match &mut self.opening {
            Some(opening) if matches!(notice, Notice::Message(_)) => {
                opening.held.push(notice.clone());
                true
            }
            _ => false,
        }
    }

    /// Takes an answer. Returns what is to be shown once everything is there.
    pub fn answer(&mut self, notice: Notice) -> Option<Opened> {
        let opening = self.opening.as_mut()?;
        let messages = match notice {
            Notice::Conversations { conversations } => {
                opening.conversations = conversations;
                if let Some(last) = opening.last() {
                    let user = last.id.to_string();
                    self.commands.push_back(Command::History {
                        user,
                        n: MAX_SHOWN,
                        numbered: None,
                        before: None,
                        after: None,
                    });
                    return None;
                }
                Vec::new()
            }
            Notice::History { messages, .. } => messages,
            // The store failed.
            _ => Vec::new(),
        };
        let opening = self.opening.take()?;
        self.unread.extend(opening.unread());
        let opened = opening.finish(messages);
        if let Some((user, _)) = &opened.conversation {
            self.open(*user);
        }
        Some(opened)
    }

    /// A message of somebody else was shown in this conversation.
    pub fn shown(&mut self, view: &MessageView, current: Option<UserId>) {
        if !self.is_on || view.own || view.past {
            return;
        }
        if current == Some(view.from_id) {
            self.read.insert(view.from_id, view.message);
        } else if self.unread.len() < MAX_PEOPLE || self.unread.contains_key(&view.from_id) {
            self.unread.insert(view.from_id, view.message);
        }
    }

    /// A conversation was opened.
    pub fn open(&mut self, with: UserId) {
        if let Some(through) = self.unread.remove(&with) {
            self.read.insert(with, through);
        }
    }
}

impl Opening {
    /// The conversation in which the last line was typed on this session. If none was, the one with the newest message.
    fn last(&self) -> Option<&ConversationView> {
        let newest = || self.conversations.iter().find(|conversation| conversation.last.is_some());
        self.conversations.iter().find(|conversation| conversation.typed_last).or_else(newest)
    }

    fn unread(&self) -> impl Iterator<Item = (UserId, MessageId)> {
        let unread = self.conversations.iter().filter(|conversation| conversation.unread > 0).take(MAX_PEOPLE);
        unread.filter_map(|conversation| Some((conversation.id, conversation.last.as_ref()?.message)))
    }

    fn finish(self, mut messages: Vec<MessageView>) -> Opened {
        let mut opened = Opened::default();
        // Whoever never answered somebody does not find a prompt for a line to them.
        let last = self.last().cloned();
        let is_mine = last.as_ref().is_some_and(|last| last.typed_last) || messages.iter().any(|message| message.own);
        let unread = last.as_ref().map_or(0, |last| usize::try_from(last.unread).unwrap_or(usize::MAX));
        // The store has them already. They are told on their own, before or after it was asked.
        let is_told = |view: &MessageView| view.arrival > self.printed && view.message.stream.author != self.me;
        let fresh = messages.iter().filter(|message| is_told(message)).count();
        let wanted = unread.saturating_sub(fresh).max(SHOWN);
        messages.retain(|message| !is_told(message));
        messages.drain(..messages.len().saturating_sub(wanted));
        let are_all_shown = unread <= messages.len() + fresh;
        let mut others = self.conversations;
        if let Some(last) = last {
            if !messages.is_empty() {
                opened.notices.push(Notice::History { with: last.with.clone(), messages, next: None });
            }
            others.retain(|other| !(other.id == last.id && is_mine && are_all_shown));
            opened.conversation = is_mine.then_some((last.id, last.with));
        }
        others.retain(|other| other.unread > 0);
        if !others.is_empty() {
            opened.notices.push(Notice::Conversations { conversations: others });
        }
        opened.notices.extend(self.held);
        opened
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{Address, StreamId};
    use crate::time::Wall;

    const BOB: UserId = UserId([2; 32]);
    const CAROL: UserId = UserId([3; 32]);
    const ME: SessionId = SessionId([1; 32]);

    fn message(with: UserId, n: u64, own: bool) -> MessageView {
        let author = if own { ME } else { SessionId(with.0) };
        let stream = StreamId { author, epoch: 1, to: Address(with.0) };
        MessageView {
            arrival: n,
            message: MessageId { stream, n },
            from: "somebody".into(),
            from_id: if own { UserId([1; 32]) } else { with },
            with: "somebody".into(),
            text: format!("line {n}"),
            sent: Wall(0),
            order: n,
            own,
            again: false,
            past: false,
            late: false,
            by: None,
        }
    }

    fn conversation(with: &str, id: UserId, unread: u64) -> ConversationView {
        let last = Some(message(id, 9, false));
        ConversationView { with: with.into(), id, unread, last, order: 9, typed_last: false }
    }

    /// Everything up to here was shown before.
    const PRINTED: u64 = 40;

    /// A session that has started with these conversations and the history of the last one.
    fn started(
        conversations: Vec<ConversationView>,
        history: Vec<MessageView>,
        held: Vec<MessageView>,
    ) -> (Recall, Opened) {
        let mut recall = Recall::default();
        recall.begin(PRINTED, ME);
        assert_eq!(recall.next_command(), Some(Command::Conversations));
        for view in held {
            assert!(recall.hold(&Notice::Message(Box::new(view))));
        }
        assert_eq!(recall.answer(Notice::Conversations { conversations }), None);
        let asked = recall.next_command().expect("the history is requested");
        assert!(matches!(asked, Command::History { n: MAX_SHOWN, .. }));
        let opened = recall.answer(Notice::History { with: "bob".into(), messages: history, next: None });
        (recall, opened.expect("everything is there"))
    }

    fn shown(opened: &Opened) -> Vec<u64> {
        let views = |notice: &Notice| match notice {
            Notice::History { messages, .. } => messages.iter().map(|view| view.order).collect(),
            Notice::Message(view) => vec![view.order],
            _ => Vec::new(),
        };
        opened.notices.iter().flat_map(views).collect()
    }

    #[test]
    fn without_conversations_nothing_is_shown() {
        let mut recall = Recall::default();
        assert!(!recall.has_command(), "scripts are told nothing");
        recall.begin(PRINTED, ME);
        let opened = recall.answer(Notice::Conversations { conversations: Vec::new() });
        assert_eq!(opened, Some(Opened::default()));
        assert!(!recall.hold(&Notice::Message(Box::new(message(BOB, 1, false)))), "the start is over");
    }

    #[test]
    fn the_last_conversation_goes_on_and_what_came_meanwhile_is_shown_after_it() {
        let history = (33..=41).map(|n| message(BOB, n, n == 37)).collect();
        let came = vec![message(BOB, 41, false), message(CAROL, 42, false)];
        let (mut recall, opened) = started(vec![conversation("bob", BOB, 1)], history, came);
        assert_eq!(shown(&opened), [36, 37, 38, 39, 40, 41, 42]);
        assert_eq!(opened.conversation, Some((BOB, "bob".into())));
        assert!(!opened.notices.iter().any(|notice| matches!(notice, Notice::Conversations { .. })), "it is read");
        let read = Command::Read { user: BOB.to_string(), through: message(BOB, 9, false).message.token() };
        assert_eq!(recall.next_command(), Some(read));
    }

    #[test]
    fn a_message_that_comes_after_the_history_that_has_it_already_is_shown_once() {
        let history = (37..=42).map(|n| message(BOB, n, n == 42)).collect();
        let (mut recall, opened) = started(vec![conversation("bob", BOB, 1)], history, Vec::new());
        assert_eq!(shown(&opened), [37, 38, 39, 40, 42], "what was typed here is told by the history only");
        assert!(!recall.hold(&Notice::Message(Box::new(message(BOB, 41, false)))), "it is shown when it comes");
        assert!(
            !opened.notices.iter().any(|notice| matches!(notice, Notice::Conversations { .. })),
            "it is not unread"
        );
    }

    #[test]
    fn what_is_unread_of_others_is_told_and_marked_once_their_conversation_is_opened() {
        let conversations = vec![conversation("bob", BOB, 0), conversation("carol", CAROL, 3)];
        let (mut recall, opened) = started(conversations, vec![message(BOB, 1, true)], Vec::new());
        let unread = Notice::Conversations { conversations: vec![conversation("carol", CAROL, 3)] };
        assert_eq!(opened.notices.last(), Some(&unread));
        assert_eq!(recall.next_command(), None);
        recall.shown(&message(CAROL, 10, false), Some(BOB));
        recall.shown(&message(BOB, 11, false), Some(BOB));
        let read = |user: UserId, n| Command::Read {
            user: user.to_string(),
            through: message(user, n, false).message.token(),
        };
        assert_eq!(recall.next_command(), Some(read(BOB, 11)), "it was shown in the conversation");
        assert_eq!(recall.next_command(), None);
        recall.open(CAROL);
        assert_eq!(recall.next_command(), Some(read(CAROL, 10)));
    }

    #[test]
    fn a_conversation_in_which_i_said_nothing_does_not_go_on_by_itself() {
        let history = (1..=3).map(|n| message(BOB, n, false)).collect();
        let (_, opened) = started(vec![conversation("bob", BOB, 3)], history, Vec::new());
        assert_eq!((shown(&opened), opened.conversation), (vec![1, 2, 3], None));
        assert!(matches!(opened.notices.last(), Some(Notice::Conversations { .. })), "it is unread");
    }

    #[test]
    fn the_conversation_goes_on_in_which_this_session_typed_last_though_another_is_newer() {
        let carols = ConversationView { typed_last: true, ..conversation("carol", CAROL, 0) };
        let mut recall = Recall::default();
        recall.begin(PRINTED, ME);
        recall.next_command();
        let conversations = vec![conversation("bob", BOB, 1), carols];
        assert_eq!(recall.answer(Notice::Conversations { conversations }), None);
        let asked = recall.next_command().expect("the history is requested");
        assert!(matches!(asked, Command::History { user, .. } if user == CAROL.to_string()));
        let messages = (1..=20).map(|n| message(CAROL, n, false)).collect();
        let history = Notice::History { with: "carol".into(), messages, next: None };
        let opened = recall.answer(history).expect("everything is there");
        assert_eq!(opened.conversation, Some((CAROL, "carol".into())), "the line is further up than what is shown");
        assert_eq!(
            opened.notices.last(),
            Some(&Notice::Conversations { conversations: vec![conversation("bob", BOB, 1)] })
        );
    }

    #[test]
    fn more_lines_are_shown_if_more_are_unread_up_to_a_limit() {
        let history = |n: u64| (1..=n).map(|n| message(BOB, n, n == 1)).collect();
        let (_, opened) = started(vec![conversation("bob", BOB, 8)], history(9), Vec::new());
        assert_eq!(shown(&opened), (2..=9).collect::<Vec<_>>());
        let (_, opened) = started(vec![conversation("bob", BOB, 30)], history(20), Vec::new());
        assert_eq!(shown(&opened).len(), 20);
        assert!(matches!(opened.notices.last(), Some(Notice::Conversations { .. })), "not all are shown");
    }

    #[test]
    fn a_store_that_fails_delays_no_message() {
        let mut recall = Recall::default();
        recall.begin(PRINTED, ME);
        recall.hold(&Notice::Message(Box::new(message(BOB, 1, false))));
        let opened = recall.answer(Notice::Done { what: "an error".into() }).expect("the start is over");
        assert_eq!(shown(&opened), [1]);
    }
}
