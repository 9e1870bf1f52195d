//! Messages sent as mail: which are in an envelope under way, and which carriers have them.

use std::collections::{BTreeMap, BTreeSet};

use super::{Outbox, content};
use crate::id::{Address, MessageId, SessionId, StreamId};
use crate::identity::seal::CAPACITY;
use crate::proto::limits::{MAX_CARRIERS, MAX_EPOCHS_PER_ENVELOPE};
use crate::proto::ranges::Ranges;
use crate::time::Moment;
use crate::wire::content::{CONTENT_OVERHEAD, CONTENTS_OVERHEAD, Content, MAX_CONTENTS, kind};

/// The lines that wait for a user.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// How many.
    pub lines: usize,
    /// When the oldest of them was typed.
    pub oldest: Option<Moment>,
    /// How many of them each carrier has or had.
    pub carriers: BTreeMap<SessionId, usize>,
}

impl Outbox {
    /// The lines that wait for a user.
    pub fn waiting(&self, to: &Address) -> Waiting {
        let mut waiting = Waiting::default();
        let Some(queue) = self.queues.get(to) else { return waiting };
        for row in queue.items.values().map(|item| &item.row).filter(|row| row.kind == kind::TEXT) {
            waiting.lines += 1;
            waiting.oldest = Some(waiting.oldest.map_or(row.since, |oldest| oldest.min(row.since)));
            let has = |(stream, _): &(StreamId, SessionId), ranges: &Ranges| {
                *stream == row.id.stream && ranges.contains(row.id.n)
            };
            for ((_, by), _) in queue.carried.iter().filter(|(key, ranges)| has(key, ranges)) {
                *waiting.carriers.entry(*by).or_default() += 1;
            }
        }
        waiting
    }

    /// The number of lines that wait, for all users.
    pub fn lines(&self) -> usize {
        let items = self.queues.values().flat_map(|queue| queue.items.values());
        items.filter(|item| item.row.kind == kind::TEXT).count()
    }

    /// Takes the contents of the next envelope to a user as mail, which are entrusted from now on. Empty if no durable message
    /// waits that is not entrusted.
    pub fn entrust(&mut self, to: &Address) -> (Vec<Content>, Vec<(StreamId, Ranges)>) {
        let mut contents = Vec::new();
        let mut load: BTreeMap<StreamId, Ranges> = BTreeMap::new();
        let Some(queue) = self.queues.get_mut(to) else { return (contents, Vec::new()) };
        let mut left = CAPACITY - CONTENTS_OVERHEAD;
        let mut next = queue.mail;
        for (place, item) in queue.items.range_mut(queue.mail..) {
            let size = item.row.body.len() + CONTENT_OVERHEAD;
            let epochs = load.len() + usize::from(!load.contains_key(&item.row.id.stream));
            let full = contents.len() == MAX_CONTENTS || size > left || epochs > MAX_EPOCHS_PER_ENVELOPE;
            if !item.durable || (full && !item.entrusted) {
                break;
            }
            next = (place.0, place.1 + 1);
            if !std::mem::replace(&mut item.entrusted, true) {
                left -= size;
                contents.push(content(&item.row));
                load.entry(item.row.id.stream).or_default().insert(item.row.id.n);
            }
        }
        queue.mail = next;
        (contents, load.into_iter().collect())
    }

    /// Whether a durable message waits for a user that is not entrusted.
    pub fn may_entrust(&self, to: &Address) -> bool {
        let Some(queue) = self.queues.get(to) else { return false };
        queue.items.range(queue.mail..).any(|(_, item)| item.durable && !item.entrusted)
    }

    /// Records that messages are in an envelope that is under way, or not any more.
    pub fn set_entrusted(&mut self, load: &[(StreamId, Ranges)], entrusted: bool) {
        for (stream, ranges) in load {
            let Some(ordinal) = self.epochs.get(&stream.epoch).copied() else { continue };
            let Some(queue) = self.queues.get_mut(&stream.to) else { continue };
            for (first, last) in ranges.iter() {
                for (place, item) in queue.items.range_mut((ordinal, first)..=(ordinal, last)) {
                    item.entrusted = entrusted;
                    if !entrusted {
                        queue.mail = queue.mail.min(*place);
                    }
                }
            }
        }
    }

    /// Whether any of these messages still waits.
    pub fn any_waiting(&self, load: &[(StreamId, Ranges)]) -> bool {
        load.iter().any(|(stream, ranges)| {
            let ordinal = self.epochs.get(&stream.epoch).copied();
            let queue = self.queues.get(&stream.to);
            ordinal.zip(queue).is_some_and(|(ordinal, queue)| {
                ranges
                    .iter()
                    .any(|(first, last)| queue.items.range((ordinal, first)..=(ordinal, last)).next().is_some())
            })
        })
    }

    /// Records that a carrier has messages. For each stream with news, returns all numbers it has or had, and the chat messages
    /// that are new.
    pub fn record_carried(
        &mut self,
        by: SessionId,
        load: &[(StreamId, Ranges)],
    ) -> Vec<(StreamId, Ranges, Vec<MessageId>)> {
        load.iter().filter_map(|(stream, ranges)| self.record_carried_of(by, *stream, ranges)).collect()
    }

    fn record_carried_of(
        &mut self,
        by: SessionId,
        stream: StreamId,
        has: &Ranges,
    ) -> Option<(StreamId, Ranges, Vec<MessageId>)> {
        let ordinal = self.epochs.get(&stream.epoch).copied()?;
        let queue = self.queues.get_mut(&stream.to)?;
        let others = queue.carried.keys().filter(|(known, other)| *known == stream && *other != by).count();
        if others >= MAX_CARRIERS {
            return None;
        }
        let before = queue.carried.get(&(stream, by)).cloned().unwrap_or_default();
        let mut lines = Vec::new();
        let known = queue.carried.entry((stream, by)).or_default();
        for (first, last) in has.iter() {
            for ((_, n), item) in queue.items.range((ordinal, first)..=(ordinal, last)) {
                if known.insert(*n) && item.row.kind == kind::TEXT {
                    lines.push(item.row.id);
                }
            }
        }
        (*known != before).then(|| (stream, known.clone(), lines))
    }

    /// The carriers that have or had messages for a user.
    pub fn carriers(&self, to: &Address) -> BTreeSet<SessionId> {
        let queue = self.queues.get(to);
        queue.into_iter().flat_map(|queue| queue.carried.keys()).map(|(_, by)| *by).collect()
    }
}
