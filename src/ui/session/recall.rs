//! What a session asks of the node by itself, for a person: when a conversation is opened, at the start or by `\chat`, what is unread
//! in it; later that what was shown is marked as read. The answers are not shown as such.

use std::collections::{BTreeMap, VecDeque};

use super::opening::{MAX_SHOWN, Opened, Opening, Printed};
use crate::id::{MessageId, SessionId, UserId};
use crate::proto::event::Command;
use crate::proto::notice::{MessageView, Notice};

/// The number under which requests of the session itself are answered. Typed lines are numbered from 1.
pub const SELF: u64 = 0;

/// People whose messages are remembered as printed until the conversation with them is opened. Strangers can cause any number.
/// Those of others are printed again then.
const MAX_PEOPLE: usize = 1000;

/// The requests of a session, and what it knows from the answers.
#[derive(Debug, Default)]
pub struct Recall {
    /// This session; `None` as long as nothing is recalled.
    me: Option<SessionId>,
    /// Everything that arrived up to here was told.
    told: u64,
    /// `None` if no conversation is being opened.
    opening: Option<Opening>,
    commands: VecDeque<Command>,
    /// What was printed of each person and is not known to be read.
    printed: BTreeMap<UserId, Printed>,
    /// Up to where conversations are to be marked as read.
    read: BTreeMap<UserId, MessageId>,
}

impl Recall {
    /// Asks for the conversations. Messages that arrived later than `printed` are shown as they come, unless they were typed
    /// at this session.
    pub fn begin(&mut self, printed: u64, me: SessionId) {
        (self.me, self.told) = (Some(me), printed);
        self.ask(None, me);
    }

    /// Begins without a last conversation. What is shown of conversations is marked as read.
    pub fn begin_anew(&mut self, me: SessionId) {
        self.me = Some(me);
    }

    fn ask(&mut self, with: Option<UserId>, me: SessionId) {
        self.opening = Some(Opening::new(with, self.told, me));
        self.commands.push_back(Command::Conversations);
    }

    /// Whether there is something to request.
    pub fn has_command(&self) -> bool {
        !(self.commands.is_empty() && self.read.is_empty())
    }

    /// The next request. What was shown is marked as read before it is asked what is unread.
    pub fn next_command(&mut self) -> Option<Command> {
        let read =
            |(user, through): (UserId, MessageId)| Command::Read { user: user.to_string(), through: through.token() };
        self.read.pop_first().map(read).or_else(|| self.commands.pop_front())
    }

    /// Keeps a message that comes while a conversation is opened. Returns whether it is one.
    pub fn hold(&mut self, notice: &Notice) -> bool {
        match &mut self.opening {
            Some(opening) if matches!(notice, Notice::Message(_)) => {
                opening.hold(notice.clone());
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
                if let Some(user) = opening.choose(conversations) {
                    let (user, n) = (user.to_string(), MAX_SHOWN);
                    self.commands.push_back(Command::History { user, n, numbered: None, before: None, after: None });
                    return None;
                }
                Vec::new()
            }
            Notice::History { messages, .. } => messages,
            // The store failed.
            _ => Vec::new(),
        };
        let opened = self.opening.take()?.finish(messages, &self.printed);
        if let Some((user, through)) = opened.read {
            self.printed.remove(&user);
            self.read.insert(user, through);
        }
        for notice in &opened.notices {
            if let Notice::History { messages, .. } = notice {
                messages.iter().filter(|view| !view.own).for_each(|view| self.note_printed(view));
            }
        }
        Some(opened)
    }

    /// A message was shown, or counted if it is past, while this conversation was open.
    pub fn shown(&mut self, view: &MessageView, current: Option<UserId>) {
        self.told = self.told.max(view.arrival);
        if self.me.is_none() || view.own || view.past {
            return;
        }
        if current == Some(view.from_id) {
            self.read.insert(view.from_id, view.message);
        }
        self.note_printed(view);
    }

    fn note_printed(&mut self, view: &MessageView) {
        if self.printed.len() < MAX_PEOPLE || self.printed.contains_key(&view.from_id) {
            self.printed.entry(view.from_id).or_default().add(view.message);
        }
    }

    /// Conversations were read up to this message, perhaps on another session.
    pub fn read_through(&mut self, message: MessageId) {
        self.printed.retain(|_, printed| printed.last() != Some(&message));
    }

    /// Opens a conversation. Returns whether [`answer`](Self::answer) will say what is unread in it.
    pub fn open(&mut self, with: UserId) -> bool {
        self.me.inspect(|me| self.ask(Some(with), *me)).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{Address, StreamId};
    use crate::proto::notice::ConversationView;
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
        assert_eq!(recall.next_command(), read(BOB, 9));
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
    fn what_is_unread_of_others_is_told_at_the_start() {
        let conversations = vec![conversation("bob", BOB, 0), conversation("carol", CAROL, 3)];
        let (mut recall, opened) = started(conversations, vec![message(BOB, 1, true)], Vec::new());
        let unread = Notice::Conversations { conversations: vec![conversation("carol", CAROL, 3)] };
        assert_eq!(opened.notices.last(), Some(&unread));
        assert_eq!(recall.next_command(), None);
    }

    fn read(user: UserId, n: u64) -> Option<Command> {
        Some(Command::Read { user: user.to_string(), through: message(user, n, false).message.token() })
    }

    /// Opens the conversation with carol, of whom so much is unread.
    fn opened(recall: &mut Recall, unread: u64, history: Vec<MessageView>) -> Opened {
        assert!(recall.open(CAROL));
        assert_eq!(recall.next_command(), Some(Command::Conversations));
        let conversations = vec![conversation("bob", BOB, 1), conversation("carol", CAROL, unread)];
        assert_eq!(recall.answer(Notice::Conversations { conversations }), None);
        let asked = recall.next_command().expect("the history is requested");
        assert!(matches!(asked, Command::History { user, .. } if user == CAROL.to_string()));
        let history = Notice::History { with: "carol".into(), messages: history, next: None };
        recall.answer(history).expect("everything is there")
    }

    fn linked() -> Recall {
        let mut recall = Recall::default();
        recall.begin_anew(ME);
        recall
    }

    #[test]
    fn what_is_shown_in_the_conversation_is_read_at_once() {
        let mut recall = linked();
        recall.shown(&message(CAROL, 10, false), Some(BOB));
        assert_eq!(recall.next_command(), None);
        recall.shown(&message(BOB, 11, false), Some(BOB));
        assert_eq!(recall.next_command(), read(BOB, 11));
    }

    #[test]
    fn what_came_with_the_history_of_a_linked_session_is_shown_before_it_is_read() {
        let mut recall = linked();
        let past = |n, own| MessageView { past: true, ..message(CAROL, n, own) };
        (1..=6).for_each(|n| recall.shown(&past(n, n == 5), None));
        recall.shown(&message(CAROL, 9, false), None);
        let history = (1..=6).map(|n| past(n, n == 5)).chain([message(CAROL, 9, false)]).collect();
        let opened = opened(&mut recall, 3, history);
        assert_eq!((shown(&opened), opened.earlier), (vec![4, 6], 0), "the last one was printed when it came");
        assert_eq!(recall.next_command(), read(CAROL, 9));
    }

    #[test]
    fn of_what_is_unread_and_older_than_what_is_shown_it_is_said_how_much_there_is() {
        let history: Vec<_> = (31..=50).map(|n| message(CAROL, n, false)).collect();
        let mut recall = linked();
        recall.told = 50;
        let opened_anew = opened(&mut recall, 45, history.clone());
        assert_eq!((shown(&opened_anew).len(), opened_anew.earlier, opened_anew.with_earlier()), (20, 25, 45));
        let many = Opened { earlier: 20_000, ..Opened::default() };
        assert_eq!(many.with_earlier(), 10_000, r"\history shows no more");
        let mut recall = linked();
        (6..=50).for_each(|n| recall.shown(&message(CAROL, n, false), Some(BOB)));
        assert_eq!(
            opened(&mut recall, 45, history),
            Opened { read: Some((CAROL, message(CAROL, 9, false).message)), ..Opened::default() }
        );
    }

    #[test]
    fn nothing_is_shown_of_a_conversation_in_which_nothing_is_unread() {
        let mut recall = linked();
        assert!(recall.open(CAROL));
        let conversations = vec![conversation("bob", BOB, 1), conversation("carol", CAROL, 0)];
        assert_eq!(recall.answer(Notice::Conversations { conversations }), Some(Opened::default()));
        assert!(!Recall::default().open(CAROL), "scripts are told nothing");
    }

    #[test]
    fn a_message_that_comes_while_the_conversation_is_opened_is_shown_once_and_last() {
        let mut recall = linked();
        assert!(recall.open(CAROL));
        recall.next_command();
        assert_eq!(recall.answer(Notice::Conversations { conversations: vec![conversation("carol", CAROL, 2)] }), None);
        let came = message(CAROL, 9, false);
        assert!(recall.hold(&Notice::Message(Box::new(came.clone()))));
        let past = MessageView { past: true, ..message(CAROL, 4, false) };
        recall.shown(&past, None);
        let history = Notice::History { with: "carol".into(), messages: vec![past, came], next: None };
        assert_eq!(shown(&recall.answer(history).expect("everything is there")), [4, 9]);
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
        assert_eq!((shown(&opened).len(), opened.earlier), (19, 11), "one that is mine is older");
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
