//! The queue of what the node tells an interface. It is bounded, because an interface may stop reading: a terminal that is
//! paused, a script that sleeps.
//!
//! Answers are always kept, as there are no more of them than requests; so are messages, of which the node hands out a limited
//! number until they are printed. Of the rest, which others can cause in any number, only the newest about each subject stays
//! once too many wait, and of those too many the oldest are left out. The interface is then told how many.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::NodeMessage;
use crate::id::{MessageId, SessionId, UserId};
use crate::proto::notice::{Notice, WarningCode};

/// Notices about other users that may wait: more than a person reads.
const MAX_NEWS: usize = 1024;
/// Notices about the progress of own messages that may wait, 20 MB. Only the local user can cause them, and scripts rely on
/// them.
const MAX_PROGRESS: usize = 65_536;

/// A queue from the node to an interface.
pub fn channel() -> (NoticeSender, NoticeReceiver) {
    let shared = Arc::new(Shared::default());
    (NoticeSender(Arc::new(Open(shared.clone()))), NoticeReceiver(shared))
}

/// The node's end. The queue is closed when all clones are dropped.
#[derive(Debug, Clone)]
pub struct NoticeSender(Arc<Open>);

/// The interface's end.
#[derive(Debug)]
pub struct NoticeReceiver(Arc<Shared>);

/// The interface has dropped its end of the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the interface has ended")]
pub struct Gone;

impl NoticeSender {
    /// Queues a message without waiting.
    pub fn send(&self, message: NodeMessage) -> Result<(), Gone> {
        self.send_all([message])
    }

    /// Queues messages without waiting, and wakes the interface once.
    pub fn send_all(&self, messages: impl IntoIterator<Item = NodeMessage>) -> Result<(), Gone> {
        let shared = &self.0.0;
        let mut queue = shared.queue();
        if queue.is_gone {
            return Err(Gone);
        }
        messages.into_iter().for_each(|message| queue.push(message));
        drop(queue);
        shared.news.notify_one();
        Ok(())
    }

    /// The number of notices left out so far.
    pub fn left_out(&self) -> u64 {
        self.0.0.queue().left_out
    }
}

impl NoticeReceiver {
    /// The next message; `None` once the queue is closed and empty. Cancelling it loses nothing.
    pub async fn recv(&mut self) -> Option<NodeMessage> {
        loop {
            {
                let mut queue = self.0.queue();
                let next = queue.pop();
                if next.is_some() || queue.is_closed {
                    return next;
                }
            }
            self.0.news.notified().await;
        }
    }

    /// Waits for messages and takes at most `limit` of them. Returns how many; 0 once the queue is closed and empty. Cancelling it
    /// loses nothing.
    pub async fn recv_many(&mut self, messages: &mut Vec<NodeMessage>, limit: usize) -> usize {
        loop {
            {
                let mut queue = self.0.queue();
                let before = messages.len();
                messages.extend(std::iter::from_fn(|| queue.pop()).take(limit));
                if messages.len() > before || queue.is_closed {
                    return messages.len() - before;
                }
            }
            self.0.news.notified().await;
        }
    }

    /// The next message if one waits.
    pub fn try_recv(&mut self) -> Option<NodeMessage> {
        self.0.queue().pop()
    }
}

impl Drop for NoticeReceiver {
    fn drop(&mut self) {
        let mut queue = self.0.queue();
        queue.is_gone = true;
        queue.waiting.clear();
    }
}

/// Closes the queue with the last sender.
#[derive(Debug)]
struct Open(Arc<Shared>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.queue().is_closed = true;
        self.0.news.notify_one();
    }
}

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    news: Notify,
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<NodeMessage>,
    /// How many of them are news, and how many progress of own messages.
    news: usize,
    progress: usize,
    /// Left out so far, and how many of these the interface was told.
    left_out: u64,
    told: u64,
    is_closed: bool,
    is_gone: bool,
}

/// Which bound applies to a notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    News,
    Progress,
}

impl Class {
    /// `None` for what is always kept.
    fn of(message: &NodeMessage) -> Option<Class> {
        match message {
            NodeMessage::Notice { line: None, notice } => match **notice {
                Notice::Message(_) => None,
                Notice::State { .. } => Some(Class::Progress),
                _ => Some(Class::News),
            },
            _ => None,
        }
    }

    fn limit(self) -> usize {
        match self {
            Class::News => MAX_NEWS,
            Class::Progress => MAX_PROGRESS,
        }
    }
}

impl Queue {
    fn count(&mut self, class: Class) -> &mut usize {
        match class {
            Class::News => &mut self.news,
            Class::Progress => &mut self.progress,
        }
    }

    fn push(&mut self, message: NodeMessage) {
        let class = Class::of(&message);
        self.waiting.push_back(message);
        if let Some(class) = class {
            *self.count(class) += 1;
            if *self.count(class) > class.limit() {
                self.thin_out(class);
            }
        }
    }

    /// Leaves the newest notice about each subject, and at most half as many as may wait.
    fn thin_out(&mut self, class: Class) {
        let mut subjects = BTreeSet::new();
        let (mut kept, mut left) = (VecDeque::with_capacity(self.waiting.len()), 0);
        for message in std::mem::take(&mut self.waiting).into_iter().rev() {
            if Class::of(&message) == Some(class) {
                if Subject::of(&message).is_some_and(|subject| !subjects.insert(subject)) {
                    continue;
                }
                if left == class.limit() / 2 {
                    self.left_out += 1;
                    continue;
                }
                left += 1;
            }
            kept.push_front(message);
        }
        self.waiting = kept;
        *self.count(class) = left;
    }

    /// The next message. Once the interface has caught up, it is told how many were left out.
    fn pop(&mut self) -> Option<NodeMessage> {
        let caught_up = self.news <= MAX_NEWS / 2 && self.progress <= MAX_PROGRESS / 2;
        if caught_up && self.left_out > self.told {
            let message = format!(
                "{} notices were left out because nothing read them; \\status and \\users show how things are",
                self.left_out - self.told
            );
            self.told = self.left_out;
            let notice = Notice::Warning { code: WarningCode::LeftOut, message, user: None };
            return Some(NodeMessage::notice(None, notice));
        }
        let next = self.waiting.pop_front()?;
        if let Some(class) = Class::of(&next) {
            *self.count(class) -= 1;
        }
        Some(next)
    }
}

/// What a notice is about. A later one about the same replaces it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    Link(UserId),
    Presence(SessionId),
    Nearby(SessionId),
    Progress(MessageId, SessionId),
    Own(SessionId),
    Read(String),
    Warning(WarningCode, Option<String>),
}

impl Subject {
    fn of(message: &NodeMessage) -> Option<Subject> {
        let NodeMessage::Notice { notice, .. } = message else { return None };
        match &**notice {
            Notice::Linked { id, .. } | Notice::Unlinked { id, .. } | Notice::Asked { id, .. } => {
                Some(Subject::Link(*id))
            }
            Notice::Online { session, .. } | Notice::Offline { session, .. } | Notice::Path { session, .. } => {
                Some(Subject::Presence(*session))
            }
            Notice::Nearby { session, .. } | Notice::Away { session, .. } => Some(Subject::Nearby(*session)),
            Notice::State { message, session, .. } => Some(Subject::Progress(*message, *session)),
            Notice::Session { session, .. } => Some(Subject::Own(*session)),
            Notice::Read { with, .. } => Some(Subject::Read(with.clone())),
            Notice::Warning { code, user, .. } => Some(Subject::Warning(*code, user.clone())),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{Address, StreamId};
    use crate::proto::notice::{Absence, By, Delivery, Progress, Via, Which};

    fn session(n: u64) -> SessionId {
        let mut id = [0; 32];
        id[..8].copy_from_slice(&n.to_be_bytes());
        SessionId(id)
    }

    fn notice(notice: Notice) -> NodeMessage {
        NodeMessage::notice(None, notice)
    }

    fn online(n: u64) -> NodeMessage {
        notice(Notice::Online {
            user: "bob".into(),
            id: UserId([2; 32]),
            session: session(n),
            which: Which::default(),
            via: Via::Direct,
        })
    }

    fn offline(n: u64) -> NodeMessage {
        let reason = Absence::Lost;
        notice(Notice::Offline {
            user: "bob".into(),
            id: UserId([2; 32]),
            session: session(n),
            which: Which::default(),
            reason,
        })
    }

    fn state(n: u64, state: Delivery) -> NodeMessage {
        let stream = StreamId { author: session(1), epoch: 1, to: Address([2; 32]) };
        let (message, session, by) = (MessageId { stream, n }, session(2), session(2));
        let progress = Box::new(Progress { label: "phone".into(), reached: 1, of: 1, holder: "bob".into() });
        notice(Notice::State { message, to: "bob".into(), session, state, by, progress })
    }

    /// Everything that waits, without the warning about what was left out, and the number it names.
    fn all(receiver: &mut NoticeReceiver) -> (Vec<Notice>, Option<String>) {
        let mut warned = None;
        let mut notices = Vec::new();
        while let Some(NodeMessage::Notice { notice, .. }) = receiver.try_recv() {
            match Arc::unwrap_or_clone(notice) {
                Notice::Warning { code: WarningCode::LeftOut, message, .. } => {
                    assert_eq!(warned.replace(message), None, "one warning");
                }
                notice => notices.push(notice),
            }
        }
        (notices, warned.map(|message| message.split(' ').next().expect("a number").to_owned()))
    }

    #[test]
    fn a_reader_that_keeps_up_gets_everything_in_order() {
        let (sender, mut receiver) = channel();
        for _ in 0..10 {
            (0..100).for_each(|n| sender.send(if n % 2 == 0 { online(7) } else { offline(7) }).expect("it is open"));
            assert_eq!(all(&mut receiver).0.len(), 100);
        }
        assert_eq!(sender.left_out(), 0);
    }

    #[test]
    fn after_a_pause_the_newest_about_each_subject_is_there_and_nothing_is_missing_silently() {
        let (sender, mut receiver) = channel();
        for _ in 0..1_000 {
            (0..20).for_each(|n| sender.send(online(n)).expect("it is open"));
            (0..20).for_each(|n| sender.send(offline(n)).expect("it is open"));
        }
        let (notices, warned) = all(&mut receiver);
        assert!(notices.len() <= MAX_NEWS, "{}", notices.len());
        assert_eq!(warned, None, "what was left out was out of date");
        let last = &notices[notices.len() - 20..];
        assert!(last.iter().all(|notice| matches!(notice, Notice::Offline { .. })));
    }

    #[test]
    fn of_too_many_subjects_the_oldest_are_left_out_and_counted() {
        let (sender, mut receiver) = channel();
        (0..100_000).for_each(|n| sender.send(online(n)).expect("it is open"));
        let (notices, warned) = all(&mut receiver);
        assert!(notices.len() <= MAX_NEWS);
        assert_eq!(warned, Some((100_000 - notices.len()).to_string()));
        assert!(matches!(notices.last(), Some(Notice::Online { session: last, .. }) if *last == session(99_999)));
        sender.send(online(1)).expect("it is open");
        assert_eq!(all(&mut receiver).1, None, "it was said");
    }

    #[test]
    fn a_flood_of_news_displaces_neither_answers_nor_messages_nor_the_progress_of_own_ones() {
        let (sender, mut receiver) = channel();
        let done = || NodeMessage::notice(Some(3), Notice::Done { what: "added bob".into() });
        sender.send(done()).expect("it is open");
        (0..10_000).for_each(|n| sender.send(state(n, Delivery::Delivered)).expect("it is open"));
        let link = |n: u64| Notice::Unlinked { user: "eve".into(), id: UserId(session(n).0), by: By::Them };
        (0..10_000).for_each(|n| sender.send(notice(link(n))).expect("it is open"));
        sender.send(NodeMessage::Stopped).expect("it is open");
        let (notices, warned) = all(&mut receiver);
        assert!(matches!(notices.first(), Some(Notice::Done { .. })));
        assert_eq!(notices.iter().filter(|notice| matches!(notice, Notice::State { .. })).count(), 10_000);
        assert!(warned.is_some());
    }

    #[test]
    fn of_the_progress_of_one_message_the_last_stays() {
        let (sender, mut receiver) = channel();
        let messages = MAX_PROGRESS as u64 / 4;
        for progress in [Delivery::Queued, Delivery::Carried, Delivery::Carried, Delivery::Carried, Delivery::Delivered]
        {
            (0..messages).for_each(|n| sender.send(state(n, progress)).expect("it is open"));
        }
        let (notices, warned) = all(&mut receiver);
        assert!(notices.len() <= MAX_PROGRESS);
        let last = &notices[notices.len() - messages as usize..];
        assert!(last.iter().all(|notice| matches!(notice, Notice::State { state: Delivery::Delivered, .. })));
        assert_eq!(warned, None);
    }

    #[tokio::test]
    async fn what_is_sent_together_is_read_in_order_in_parts_of_the_length_that_is_asked_for() {
        let (sender, mut receiver) = channel();
        sender.send_all((0..5).map(online)).expect("it is open");
        drop(sender);
        let (mut messages, mut counts) = (Vec::new(), Vec::new());
        while counts.last() != Some(&0) {
            counts.push(receiver.recv_many(&mut messages, 2).await);
        }
        assert_eq!(counts, [2, 2, 1, 0]);
        let sessions = messages.iter().filter_map(|message| match message {
            NodeMessage::Notice { notice, .. } => match **notice {
                Notice::Online { session, .. } => Some(session),
                _ => None,
            },
            _ => None,
        });
        assert!(sessions.eq((0..5).map(session)));
    }

    #[tokio::test]
    async fn the_queue_ends_with_its_senders_and_refuses_when_nobody_reads() {
        let (sender, mut receiver) = channel();
        let other = sender.clone();
        drop(sender);
        other.send(NodeMessage::Stopped).expect("it is open");
        drop(other);
        assert!(matches!(receiver.recv().await, Some(NodeMessage::Stopped)));
        assert!(receiver.recv().await.is_none());
        let (sender, receiver) = channel();
        drop(receiver);
        assert_eq!(sender.send(NodeMessage::Stopped), Err(Gone));
    }
}
