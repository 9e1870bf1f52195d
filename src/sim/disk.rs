//! A store in memory: the same ops as the real one, and a crash that loses what was not committed. A crash can fall between
//! any two ops, and what comes while a commit is under way waits for the next, as in the real one.

use std::collections::{BTreeMap, VecDeque};

use crate::id::{EnvelopeId, SessionId, StreamId, UserId};
use crate::proto::persist::{
    Counters, CustodyRow, LinkRow, ListRow, Memory, MessageRow, Op, SessionRow, Ticket, TombstoneRow, UserRow,
};
use crate::proto::ranges::Ranges;

/// What one simulated node has on its disk, and what is on its way there.
#[derive(Debug, Default)]
pub struct Disk {
    /// Without what there may be thousands of.
    memory: Memory,
    users: BTreeMap<UserId, UserRow>,
    sessions: BTreeMap<SessionId, Box<SessionRow>>,
    links: BTreeMap<UserId, LinkRow>,
    lists: BTreeMap<SessionId, ListRow>,
    /// Messages of others and of this node, in the order they were stored.
    pub history: Vec<MessageRow>,
    delivered: BTreeMap<(StreamId, SessionId), Ranges>,
    carried: BTreeMap<(StreamId, SessionId), Ranges>,
    /// With the order in which they came.
    custody: BTreeMap<EnvelopeId, (u64, CustodyRow)>,
    taken: u64,
    tombstones: BTreeMap<EnvelopeId, TombstoneRow>,
    owed: BTreeMap<SessionId, UserId>,
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

    /// Takes an op; it is durable with a [`Disk::commit`] that begins later.
    pub fn write(&mut self, ticket: Ticket, op: Op) {
        self.pending.push_back((ticket, op));
    }

    /// The last of what is pending.
    pub fn last_pending(&self) -> Option<Ticket> {
        self.pending.back().map(|(ticket, _)| *ticket)
    }

    /// Makes what is pending durable, up to this ticket. The last one, and the typed messages that a full disk refused.
    pub fn commit(&mut self, through: Ticket) -> (Ticket, Vec<MessageRow>) {
        let (mut last, mut refused) = (Ticket(0), Vec::new());
        while let Some((ticket, op)) = self.pending.pop_front_if(|(ticket, _)| *ticket <= through) {
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
        self.sessions.values().map(Box::as_ref)
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
        let of_waiting = |known: &BTreeMap<(StreamId, SessionId), Ranges>| {
            let known = known.iter().filter(|((stream, _), _)| waits(stream));
            known.map(|((stream, session), ranges)| (*stream, *session, ranges.clone())).collect()
        };
        let (delivered, carried) = (of_waiting(&self.delivered), of_waiting(&self.carried));
        let users = self.users.values().cloned().collect();
        let sessions = self.sessions().cloned().collect();
        let links = self.links.values().copied().collect();
        let lists = self.lists.values().cloned().collect();
        let tombstones = self.tombstones.values().copied().collect();
        let owed = self.owed.iter().map(|(session, user)| (*user, *session)).collect();
        Memory {
            delivered,
            carried,
            users,
            sessions,
            links,
            lists,
            tombstones,
            owed,
            custody: self.custody().cloned().collect(),
            ..self.memory.clone()
        }
    }

    /// Goes back to an older state of the disk, as a restored backup does.
    pub fn restore(&mut self, mut backup: Memory) {
        self.pending.clear();
        self.users = std::mem::take(&mut backup.users).into_iter().map(|row| (row.user, row)).collect();
        self.sessions =
            std::mem::take(&mut backup.sessions).into_iter().map(|row| (row.session, Box::new(row))).collect();
        self.links = std::mem::take(&mut backup.links).into_iter().map(|row| (row.user, row)).collect();
        self.lists = std::mem::take(&mut backup.lists).into_iter().map(|row| (row.session, row)).collect();
        self.custody =
            std::mem::take(&mut backup.custody).into_iter().zip(1..).map(|(row, n)| (row.envelope, (n, row))).collect();
        self.taken = self.custody.len() as u64;
        self.tombstones = std::mem::take(&mut backup.tombstones).into_iter().map(|row| (row.envelope, row)).collect();
        self.owed = std::mem::take(&mut backup.owed).into_iter().map(|(user, session)| (session, user)).collect();
        let keyed = |rows: Vec<(StreamId, SessionId, Ranges)>| {
            rows.into_iter().map(|(stream, session, ranges)| ((stream, session), ranges)).collect()
        };
        self.delivered = keyed(std::mem::take(&mut backup.delivered));
        self.carried = keyed(std::mem::take(&mut backup.carried));
        self.memory = backup;
    }

    /// Envelopes held on it, in the order they came.
    pub fn custody(&self) -> impl Iterator<Item = &CustodyRow> {
        let mut rows: Vec<&(u64, CustodyRow)> = self.custody.values().collect();
        rows.sort_by_key(|(n, _)| *n);
        rows.into_iter().map(|(_, row)| row)
    }

    /// Releases remembered on it.
    pub fn tombstones(&self) -> impl Iterator<Item = &TombstoneRow> {
        self.tombstones.values()
    }

    fn take_custody(&mut self, row: CustodyRow) {
        self.taken += 1;
        let n = self.custody.get(&row.envelope).map_or(self.taken, |(n, _)| *n);
        self.custody.insert(row.envelope, (n, row));
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
            Op::Session(row) => drop(self.sessions.insert(row.session, row)),
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
            Op::Carried { stream, by, ranges } => {
                self.carried.insert((stream, by), ranges);
            }
            Op::Custody(row) => self.take_custody(*row),
            Op::Copies { envelope, copies } => {
                if let Some((_, row)) = self.custody.get_mut(&envelope) {
                    row.copies = copies;
                }
            }
            Op::ForgetCustody(envelope) => drop(self.custody.remove(&envelope)),
            Op::Tombstone(row) => drop(self.tombstones.insert(row.envelope, row)),
            Op::ForgetTombstone(envelope) => drop(self.tombstones.remove(&envelope)),
            Op::Owed { user, session, owed: true } => drop(self.owed.insert(session, user)),
            Op::Owed { session, owed: false, .. } => drop(self.owed.remove(&session)),
            Op::Settled { stream, ranges } => {
                memory.waiting.retain(|row| row.id.stream != stream || !ranges.contains(row.id.n));
            }
            Op::Learned { .. } => memory.replay.clear(),
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
