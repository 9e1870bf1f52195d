//! A store in memory: the same ops as the real one, and a crash that loses what was not committed. As in the real one, what
//! is on its way may be committed in several batches, so a crash can fall between any two ops.

use std::collections::{BTreeMap, VecDeque};

use crate::id::{SessionId, StreamId, UserId};
use crate::proto::memory::{Counters, LinkRow, ListRow, Memory, MessageRow, Op, SessionRow, Ticket, UserRow};
use crate::proto::ranges::Ranges;

/// What one simulated node has on its disk, and what is on its way there.
#[derive(Debug, Default)]
pub struct Disk {
    /// Without what there may be thousands of.
    memory: Memory,
    users: BTreeMap<UserId, UserRow>,
    sessions: BTreeMap<SessionId, SessionRow>,
    links: BTreeMap<UserId, LinkRow>,
    lists: BTreeMap<SessionId, ListRow>,
    /// Messages of others and of this node, in the order they were stored.
    pub history: Vec<MessageRow>,
    delivered: BTreeMap<(StreamId, SessionId), Ranges>,
    pending: VecDeque<(Ticket, Op)>,
    /// Typed messages are refused while this is set.
    pub full: bool,
    hollow: bool,
}

impl Disk {
    /// The disk of a node that will never be restarted: what it is given is committed and not kept.
    pub fn hollow() -> Disk {
        Disk { hollow: true, ..Disk::default() }
    }

    /// Takes an op; it is durable with the next [`Disk::commit`].
    pub fn write(&mut self, ticket: Ticket, op: Op) {
        self.pending.push_back((ticket, op));
    }

    pub fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Makes everything pending durable. The last ticket, and the typed messages that a full disk refused.
    pub fn commit(&mut self) -> (Ticket, Vec<MessageRow>) {
        let mut last = Ticket(0);
        let mut refused = Vec::new();
        for (ticket, op) in std::mem::take(&mut self.pending) {
            last = ticket;
            match op {
                Op::Typed(row) if self.full => refused.push(row),
                op => self.apply(op),
            }
        }
        (last, refused)
    }

    /// The power fails while the disk is writing: of what is on its way it has a first part, as `chance` has it.
    pub fn crash(&mut self, chance: u64) {
        let written = chance % (self.pending.len() as u64 + 1);
        for (_, op) in std::mem::take(&mut self.pending).into_iter().take(written as usize) {
            match op {
                Op::Typed(_) if self.full => {}
                op => self.apply(op),
            }
        }
    }

    /// The sessions remembered on it.
    pub fn sessions(&self) -> impl Iterator<Item = &SessionRow> {
        self.sessions.values()
    }

    /// The numbers that must never go back.
    pub fn counters(&self) -> Counters {
        self.memory.counters
    }

    /// Messages of this node that somebody lacks.
    pub fn waiting(&self) -> usize {
        self.memory.waiting.len()
    }

    /// What a node starts from.
    pub fn load(&self) -> Memory {
        let waits = |stream: &StreamId| self.memory.waiting.iter().any(|row| row.id.stream == *stream);
        let delivered = self.delivered.iter().filter(|((stream, _), _)| waits(stream));
        let delivered = delivered.map(|((stream, session), ranges)| (*stream, *session, ranges.clone())).collect();
        let users = self.users.values().cloned().collect();
        let sessions = self.sessions.values().cloned().collect();
        let links = self.links.values().copied().collect();
        let lists = self.lists.values().cloned().collect();
        Memory { delivered, users, sessions, links, lists, ..self.memory.clone() }
    }

    /// Goes back to an older state of the disk, as a restored backup does.
    pub fn restore(&mut self, mut backup: Memory) {
        self.pending.clear();
        self.users = std::mem::take(&mut backup.users).into_iter().map(|row| (row.user, row)).collect();
        self.sessions = std::mem::take(&mut backup.sessions).into_iter().map(|row| (row.session, row)).collect();
        self.links = std::mem::take(&mut backup.links).into_iter().map(|row| (row.user, row)).collect();
        self.lists = std::mem::take(&mut backup.lists).into_iter().map(|row| (row.session, row)).collect();
        self.memory = backup;
    }

    fn apply(&mut self, op: Op) {
        if self.hollow {
            return;
        }
        let memory = &mut self.memory;
        match op {
            Op::Counters(counters) => memory.counters = counters,
            Op::User(row) => drop(self.users.insert(row.user, row)),
            Op::ForgetUser(user) => drop(self.users.remove(&user)),
            Op::Session(row) => drop(self.sessions.insert(row.session, *row)),
            Op::ForgetSession(session) => drop(self.sessions.remove(&session)),
            Op::Link(row) => drop(self.links.insert(row.user, row)),
            Op::List(row) => drop(self.lists.insert(row.session, row)),
            Op::ForgetList(session) => drop(self.lists.remove(&session)),
            Op::Prekey(prekey) => replace(&mut memory.prekeys, prekey, |prekey| prekey.id),
            Op::ForgetPrekey(id) => memory.prekeys.retain(|prekey| prekey.id != id),
            Op::Typed(row) => {
                memory.waiting.push(row.clone());
                self.history.push(row);
            }
            Op::Received(row) => {
                // That it was seen is written with it.
                let stream = row.id.stream;
                match memory.received.iter_mut().find(|(known, _)| *known == stream) {
                    Some((_, ranges)) => drop(ranges.insert(row.id.n)),
                    None => memory.received.push((stream, [(row.id.n, row.id.n)].into_iter().collect())),
                }
                self.history.push(row);
            }
            Op::Seen { stream, ranges } => replace(&mut memory.received, (stream, ranges), |(stream, _)| *stream),
            Op::Delivered { stream, session, ranges } => {
                self.delivered.insert((stream, session), ranges);
            }
            Op::Settled { stream, ranges } => {
                memory.waiting.retain(|row| row.id.stream != stream || !ranges.contains(row.id.n));
            }
            Op::Cancelled(id) => {
                memory.waiting.retain(|row| row.id != id);
                self.history.retain(|row| row.id != id);
            }
        }
    }
}

fn replace<T, K: PartialEq>(rows: &mut Vec<T>, row: T, key: impl Fn(&T) -> K) {
    match rows.iter_mut().find(|old| key(old) == key(&row)) {
        Some(old) => *old = row,
        None => rows.push(row),
    }
}
