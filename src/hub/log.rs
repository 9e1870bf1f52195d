//! The newest events, numbered from 1 at each start of the node. Clients read them at their own pace.

use std::collections::VecDeque;
use std::sync::Arc;

use super::cursor::Cursor;
use crate::handle::{Ready, Start};
use crate::id::UserId;
use crate::proto::notice::Notice;

/// Events that are kept: some minutes of a busy node, for a client that reconnects.
const MAX_EVENTS: usize = 4096;
/// Bytes that they may take, texts included.
const MAX_BYTES: usize = 4 << 20;
/// What an event takes besides its texts, roughly.
const OVERHEAD: usize = 300;

/// An event in the log.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its number.
    pub number: u64,
    /// The client that has typed the line which it is about, and was answered.
    pub typed_at: Option<u32>,
    /// What happened.
    pub what: What,
}

/// What an event says.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// Something happened.
    Notice(Arc<Notice>),
    /// The node has stopped. This is the last event.
    Stopped,
}

impl What {
    /// The place of a message in the order of arrival; `None` for other events. Lines typed here have none.
    pub fn arrival(&self) -> Option<u64> {
        match self {
            What::Notice(notice) => match &**notice {
                Notice::Message(view) => Some(view.arrival),
                _ => None,
            },
            What::Stopped => None,
        }
    }

    fn bytes(&self) -> usize {
        let What::Notice(notice) = self else { return OVERHEAD };
        let text = match &**notice {
            Notice::Message(view) => view.text.len(),
            Notice::Queued { text, .. } => text.len(),
            _ => 0,
        };
        OVERHEAD + text
    }
}

/// What a reader finds in the log.
#[derive(Debug, Clone)]
pub enum Found {
    /// The events from the reader's position on, and the number after the last.
    Events(Vec<Entry>, u64),
    /// Events at the reader's position are not there any more.
    Overtaken,
}

/// The newest events, at most 4,096 and 4 MiB.
#[derive(Debug, Default)]
pub struct Log {
    entries: VecDeque<Entry>,
    bytes: usize,
    /// The number of the newest event; 0 before the first.
    newest: u64,
    /// The newest arrival that is in the log or was in the store at the start.
    arrival: u64,
    /// The newest arrival that a page from the store had. Lines typed here have one too, and are no messages in the log.
    paged: u64,
    /// Who has written last.
    wrote_last: Option<UserId>,
    started: Option<(Arc<Ready>, Start)>,
    ended: bool,
}

impl Log {
    pub(super) fn start(&mut self, ready: Arc<Ready>, start: Start) {
        self.arrival = start.arrival;
        self.started = Some((ready, start));
    }

    /// What the node has said of itself, once it accepts connections.
    pub fn started(&self) -> Option<(Arc<Ready>, Start)> {
        self.started.clone()
    }

    /// Appends an event, and drops the oldest ones beyond the bounds. Returns its number.
    pub(super) fn push(&mut self, typed_at: Option<u32>, what: What) -> u64 {
        self.newest += 1;
        self.ended |= what == What::Stopped;
        self.bytes += what.bytes();
        self.arrival = self.arrival.max(what.arrival().unwrap_or(0));
        if let What::Notice(notice) = &what
            && let Notice::Message(view) = &**notice
            && !(view.own || view.past)
        {
            self.wrote_last = Some(view.from_id);
        }
        self.entries.push_back(Entry { number: self.newest, typed_at, what });
        while self.entries.len() > MAX_EVENTS || self.bytes > MAX_BYTES && self.entries.len() > 1 {
            self.bytes -= self.entries.pop_front().map_or(0, |entry| entry.what.bytes());
        }
        self.newest
    }

    /// At most `limit` events with this number and later.
    pub fn read(&self, from: u64, limit: usize) -> Found {
        let first = self.newest + 1 - self.entries.len() as u64;
        if from < first {
            return Found::Overtaken;
        }
        let skipped = usize::try_from(from - first).unwrap_or(usize::MAX);
        let events: Vec<Entry> = self.entries.iter().skip(skipped).take(limit).cloned().collect();
        let next = events.last().map_or(from, |last| last.number + 1);
        Found::Events(events, next)
    }

    /// The number that the next event will have.
    pub fn next(&self) -> u64 {
        self.newest + 1
    }

    /// Who has written last since the start.
    pub fn wrote_last(&self) -> Option<UserId> {
        self.wrote_last
    }

    /// Whether the node has stopped.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// The newest arrival among the messages that were events, or are from before the start.
    pub fn arrival(&self) -> u64 {
        self.arrival
    }

    /// The newest arrival from before the start.
    pub fn before(&self) -> u64 {
        self.started.as_ref().map_or(0, |(_, start)| start.arrival)
    }

    /// Whether everything up to this cursor is in the store: the store knows its run, and has all that this run had by then.
    pub fn has_given(&self, cursor: &Cursor) -> bool {
        let Some((_, start)) = &self.started else { return false };
        let end = match start.boot == cursor.boot {
            // The newest message that is known to be stored may become an event yet.
            true => Some(self.arrival.max(self.paged)),
            false => start.earlier.end_of(cursor.boot),
        };
        end.is_some_and(|end| cursor.arrival <= end)
    }

    /// Takes note of an arrival that the store has.
    pub(super) fn on_page(&mut self, newest: u64) {
        self.paged = self.paged.max(newest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> What {
        What::Notice(Arc::new(Notice::Done { what: text.to_owned() }))
    }

    fn numbers(log: &Log, from: u64, limit: usize) -> Option<(Vec<u64>, u64)> {
        match log.read(from, limit) {
            Found::Events(events, next) => Some((events.iter().map(|entry| entry.number).collect(), next)),
            Found::Overtaken => None,
        }
    }

    #[test]
    fn a_reader_goes_on_from_its_position() {
        let mut log = Log::default();
        assert_eq!(numbers(&log, 1, 10), Some((vec![], 1)));
        (0..5).for_each(|n| assert_eq!(log.push(None, said("a")), n + 1));
        assert_eq!(numbers(&log, 1, 3), Some((vec![1, 2, 3], 4)));
        assert_eq!(numbers(&log, 4, 3), Some((vec![4, 5], 6)));
        assert_eq!(numbers(&log, 6, 3), Some((vec![], 6)));
    }

    #[test]
    fn it_knows_who_has_written_last() {
        use crate::id::{Address, MessageId, SessionId, StreamId, UserId};
        use crate::proto::notice::MessageView;
        use crate::time::Wall;
        let written = |from: u8, own: bool, past: bool| {
            let (stream, from_id) =
                (StreamId { author: SessionId([1; 32]), epoch: 1, to: Address([2; 32]) }, UserId([from; 32]));
            What::Notice(Arc::new(Notice::Message(Box::new(MessageView {
                arrival: 1,
                message: MessageId { stream, n: 1 },
                from: "bob".into(),
                from_id,
                with: "bob".into(),
                text: "x".into(),
                sent: Wall(0),
                order: 1,
                own,
                again: false,
                past,
                late: false,
                by: None,
            }))))
        };
        let mut log = Log::default();
        log.push(None, written(3, true, false));
        log.push(None, written(4, false, true));
        assert_eq!(log.wrote_last(), None, "neither my own lines nor the history count");
        log.push(None, written(5, false, false));
        log.push(None, written(3, true, false));
        assert_eq!(log.wrote_last(), Some(UserId([5; 32])));
    }

    #[test]
    fn a_reader_whose_events_were_dropped_is_told() {
        let mut log = Log::default();
        for _ in 0..MAX_EVENTS + 10 {
            log.push(None, said("a"));
        }
        assert_eq!(numbers(&log, 10, 1), None);
        assert_eq!(numbers(&log, 11, 1), Some((vec![11], 12)));
    }

    #[test]
    fn long_texts_are_bounded_in_bytes() {
        let mut log = Log::default();
        let message = || Notice::Queued {
            message: crate::id::MessageId {
                stream: crate::id::StreamId {
                    author: crate::id::SessionId([1; 32]),
                    epoch: 1,
                    to: crate::id::Address([2; 32]),
                },
                n: 1,
            },
            to: "bob".into(),
            text: "x".repeat(16_000),
            sent: crate::time::Wall(0),
            order: 1,
        };
        for _ in 0..1000 {
            log.push(None, What::Notice(Arc::new(message())));
        }
        let kept = (1..=1000).filter(|from| numbers(&log, *from, 1).is_some()).count();
        assert!((200..=MAX_BYTES / 16_000).contains(&kept), "{kept}");
    }
}
