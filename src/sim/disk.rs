//! An in-memory store for simulated nodes: it takes the same ops as the real one, and a crash loses what was not
//! committed. A crash may fall between any two ops, and ops written during a commit wait for the next one, as in the
//! real store.

use std::collections::{BTreeMap, VecDeque};

use crate::id::{Address, EnvelopeId, SessionId, StreamId, UserId};
use crate::proto::persist::{
    Counters, CustodyRow, LinkRow, ListRow, Memory, MessageRow, Op, SessionRow, Ticket, TombstoneRow, UserRow,
};
use crate::proto::ranges::Ranges;

/// The disk of a simulated node: committed state and pending ops.
#[derive(Debug, Default)]
pub struct Disk {
    /// The small tables. The large ones are kept as maps below.
    memory: Memory,
    users: BTreeMap<UserId, UserRow>,
    sessions: BTreeMap<SessionId, Box<SessionRow>>,
    links: BTreeMap<UserId, LinkRow>,
    lists: BTreeMap<SessionId, ListRow>,
    /// All messages, received and sent, in the order they were stored.
    pub history: Vec<MessageRow>,
    delivered: BTreeMap<(StreamId, SessionId), Ranges>,
    carried: BTreeMap<(StreamId, SessionId), Ranges>,
    mirrored: BTreeMap<(StreamId, SessionId), Ranges>,
    /// With their order of arrival.
    custody: BTreeMap<EnvelopeId, (u64, CustodyRow)>,
    taken: u64,
    tombstones: BTreeMap<EnvelopeId, TombstoneRow>,
    owed: BTreeMap<SessionId, UserId>,
    pending: VecDeque<(Ticket, Op)>,
    /// While set, typed messages are refused.
    pub full: bool,
    discarding: bool,
    /// The session it belongs to; its streams are its own.
    me: Option<SessionId>,
}

impl Disk {
    /// The empty disk of a session.
    pub fn of(me: SessionId) -> Disk {
        Disk { me: Some(me), ..Disk::default() }
    }

    /// A disk that discards committed ops, for a node that is never restarted.
    pub fn discarding() -> Disk {
        Disk { discarding: true, ..Disk::default() }
    }

    /// Adds a pending op. It becomes durable with a [`Disk::commit`] that begins later.
    pub fn write(&mut self, ticket: Ticket, op: Op) {
        self.pending.push_back((ticket, op));
    }

    /// The ticket of the last pending op.
    pub fn last_pending(&self) -> Option<Ticket> {
        self.pending.back().map(|(ticket, _)| *ticket)
    }

    /// Commits pending ops up to `through`. Returns the last ticket committed, and the typed messages that a full
    /// disk refused.
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

    /// A power failure: of the pending ops a prefix, whose length depends on `chance`, reaches the disk.
    pub fn crash(&mut self, chance: u64) {
        let written = chance % (self.pending.len() as u64 + 1);
        for (_, op) in std::mem::take(&mut self.pending).into_iter().take(written as usize) {
            match op {
                Op::Typed(_) if self.full => {}
                op => self.apply(op),
            }
        }
    }

    /// The stored sessions.
    pub fn sessions(&self) -> impl Iterator<Item = &SessionRow> {
        self.sessions.values().map(Box::as_ref)
    }

    /// The stored counters.
    pub fn counters(&self) -> Counters {
        self.memory.counters
    }

    /// Number of messages that wait for a receipt.
    pub fn waiting(&self) -> usize {
        self.memory.waiting.len()
    }

    /// The state a node starts from.
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
        let mirrored = self.mirrored.iter().map(|((stream, session), ranges)| (*stream, *session, ranges.clone()));
        Memory {
            mirrored: mirrored.collect(),
            written: self.written(),
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

    /// The numbers of the stored messages of this session's own streams.
    fn written(&self) -> Vec<(StreamId, Ranges)> {
        let mut written: BTreeMap<StreamId, Ranges> = BTreeMap::new();
        for row in self.history.iter().filter(|row| Some(row.id.stream.author) == self.me) {
            written.entry(row.id.stream).or_default().insert(row.id.n);
        }
        written.into_iter().collect()
    }

    /// Reads lines for another session, as the real store does.
    pub fn lines(&self, wanted: Vec<(StreamId, Ranges)>) -> (Vec<MessageRow>, Vec<(StreamId, Ranges)>) {
        let is_wanted = |row: &&MessageRow| {
            wanted.iter().any(|(stream, ranges)| *stream == row.id.stream && ranges.contains(row.id.n))
        };
        (self.history.iter().filter(is_wanted).cloned().collect(), wanted)
    }

    /// A copy of what is committed, as a backup of the directory would be.
    pub fn backup(&self) -> Disk {
        Disk {
            memory: self.memory.clone(),
            users: self.users.clone(),
            sessions: self.sessions.clone(),
            links: self.links.clone(),
            lists: self.lists.clone(),
            history: self.history.clone(),
            delivered: self.delivered.clone(),
            carried: self.carried.clone(),
            mirrored: self.mirrored.clone(),
            custody: self.custody.clone(),
            taken: self.taken,
            tombstones: self.tombstones.clone(),
            owed: self.owed.clone(),
            pending: VecDeque::new(),
            full: self.full,
            discarding: self.discarding,
            me: self.me,
        }
    }

    /// Replaces the content by an older state, as restoring a backup does.
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
        self.mirrored = keyed(std::mem::take(&mut backup.mirrored));
        self.memory = backup;
    }

    /// Envelopes in custody, in order of arrival.
    pub fn custody(&self) -> impl Iterator<Item = &CustodyRow> {
        let mut rows: Vec<&(u64, CustodyRow)> = self.custody.values().collect();
        rows.sort_by_key(|(n, _)| *n);
        rows.into_iter().map(|(_, row)| row)
    }

    /// The stored tombstones.
    pub fn tombstones(&self) -> impl Iterator<Item = &TombstoneRow> {
        self.tombstones.values()
    }

    fn forget_stranger(&mut self, user: UserId, sessions: &[SessionId]) {
        let to = Address::from(user);
        self.memory.strangers.retain(|row| row.user != user);
        self.links.remove(&user);
        self.memory.waiting.retain(|row| row.with != to);
        self.history.retain(|row| row.with != to);
        self.memory.received.retain(|(stream, _)| !sessions.contains(&stream.author));
        self.memory.read.retain(|row| row.user != user);
        self.delivered.retain(|(stream, _), _| stream.to != to);
        self.carried.retain(|(stream, _), _| stream.to != to);
    }

    fn take_custody(&mut self, row: CustodyRow) {
        self.taken += 1;
        let n = self.custody.get(&row.envelope).map_or(self.taken, |(n, _)| *n);
        self.custody.insert(row.envelope, (n, row));
    }

    fn apply(&mut self, op: Op) {
        if self.discarding {
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
                // A received message is marked as seen in the same transaction.
                let stream = row.id.stream;
                match memory.received.iter_mut().find(|(known, _)| *known == stream) {
                    Some((_, ranges)) => drop(ranges.insert(row.id.n)),
                    None => memory.received.push((stream, [(row.id.n, row.id.n)].into_iter().collect())),
                }
                self.history.push(row);
            }
            Op::Seen { stream, ranges } => replace(&mut memory.received, (stream, ranges), |(stream, _)| *stream),
            Op::Read(row) => replace(&mut memory.read, row, |row| row.stream),
            Op::Delivered { stream, session, ranges } => {
                self.delivered.entry((stream, session)).or_default().merge(&ranges);
            }
            Op::Mirrored { stream, session, ranges } => {
                self.mirrored.insert((stream, session), ranges);
            }
            Op::Change(row) => {
                memory.changes.retain(|old| old.n != row.n && old.subject != row.subject);
                memory.changes.push(row);
                memory.changes.sort_by_key(|row| row.n);
            }
            Op::ForgetChange(n) => memory.changes.retain(|row| row.n != n),
            Op::Told { session, changes } => {
                replace(&mut memory.told, (session, changes), |(session, _)| *session);
                memory.told.sort_by_key(|(session, _)| *session);
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
            Op::Stranger(row) => replace(&mut memory.strangers, row, |row| row.user),
            Op::Answered(user) => memory.strangers.retain(|row| row.user != user),
            Op::ForgetStranger { user, sessions } => self.forget_stranger(user, &sessions),
            Op::Unlinked(row) => replace(&mut memory.unlinked, row, |row| row.session),
            Op::ForgetUnlinked(session) => memory.unlinked.retain(|row| row.session != session),
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
