//! Custody: envelopes that are held until their addressee has opened them or their life is over. Everybody holds what they
//! sealed themselves for somebody who is not connected; relays and servers hold what others hand over.
//!
//! - *Quotas.* Others' envelopes take [`CUSTODY_BYTES`] in all. Members (of the same closed network, or linked) go before
//!   strangers, who together get a quarter. One stranger gets [`STRANGER_BYTES`], one member half of everything. At the
//!   strangers' bound the oldest envelope of the greediest stranger goes, and so it does when a member needs the room; at
//!   the members' bound a new one is refused. A member's mail never goes for anybody.
//! - *Release.* Who shows the `r` that fits an envelope's lock has opened it: the bytes go, and `r` stays as a tombstone for
//!   the rest of its life, shown to whoever still has a copy.
//! - *Mine.* An author keeps the row of its envelope until the messages in it are receipted, so that none of them is sealed
//!   again while one is under way, and may release it as well, for it knows `r`.

use std::collections::{BTreeMap, BTreeSet};

use super::limits::{CUSTODY_BYTES, CUSTODY_ITEMS, MAX_TOMBSTONES, STRANGER_BYTES, STRANGER_ITEMS};
use super::memory::{CustodyRow, Mine, TombstoneRow};
use crate::id::{Address, EnvelopeId, SessionId, UserId};
use crate::identity::seal::fits;
use crate::time::Moment;

/// An envelope that is held.
#[derive(Debug)]
pub struct Held {
    pub row: CustodyRow,
    /// Who has it too, or had it, as far as they said.
    pub holders: BTreeSet<SessionId>,
    /// Counts up with every envelope taken: the order in which they are handed on.
    order: u64,
}

/// What a depositor takes.
#[derive(Debug, Default)]
struct Account {
    member: bool,
    bytes: usize,
    envelopes: BTreeSet<(u64, EnvelopeId)>,
}

/// Everything that is held.
#[derive(Debug, Default)]
pub struct Custody {
    held: BTreeMap<EnvelopeId, Held>,
    by_address: BTreeMap<Address, BTreeSet<(u64, EnvelopeId)>>,
    by_end: BTreeSet<(Moment, EnvelopeId)>,
    mine: BTreeSet<(u64, EnvelopeId)>,
    accounts: BTreeMap<UserId, Account>,
    /// Strangers by what they take.
    strangers: BTreeSet<(usize, UserId)>,
    bytes: usize,
    strange_bytes: usize,
    count: u64,
    tombstones: BTreeMap<EnvelopeId, TombstoneRow>,
    tombstones_by_end: BTreeSet<(Moment, EnvelopeId)>,
}

/// An envelope of another must wait elsewhere: there is no room for it.
#[derive(Debug, PartialEq, Eq)]
pub struct Full;

impl Custody {
    pub fn new(rows: Vec<CustodyRow>, tombstones: Vec<TombstoneRow>) -> Custody {
        let mut custody = Custody::default();
        rows.into_iter().for_each(|row| custody.take(row));
        for stone in tombstones {
            custody.bury(stone);
        }
        custody
    }

    pub fn get(&self, id: &EnvelopeId) -> Option<&Held> {
        self.held.get(id)
    }

    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// What the release of an envelope shows, if it was released.
    pub fn tombstone(&self, id: &EnvelopeId) -> Option<&TombstoneRow> {
        self.tombstones.get(id)
    }

    /// What must go to make room for an envelope of this size, oldest first; nothing of a member.
    pub fn make_room(&self, depositor: &UserId, member: bool, size: usize) -> Result<Vec<EnvelopeId>, Full> {
        if member { self.room_for_member(depositor, size) } else { self.room_for_stranger(depositor, size) }
    }

    fn room_for_member(&self, depositor: &UserId, size: usize) -> Result<Vec<EnvelopeId>, Full> {
        let taken = self.accounts.get(depositor).map_or(0, |account| account.bytes);
        let of_members = self.bytes - self.strange_bytes;
        if taken + size > CUSTODY_BYTES / 2 || of_members + size > CUSTODY_BYTES || self.of_others() >= CUSTODY_ITEMS {
            return Err(Full);
        }
        Ok(self.evict((self.bytes + size).saturating_sub(CUSTODY_BYTES), None))
    }

    fn room_for_stranger(&self, depositor: &UserId, size: usize) -> Result<Vec<EnvelopeId>, Full> {
        let (taken, items) =
            self.accounts.get(depositor).map_or((0, 0), |account| (account.bytes, account.envelopes.len()));
        if taken + size > STRANGER_BYTES || items >= STRANGER_ITEMS || self.of_others() >= CUSTODY_ITEMS {
            return Err(Full);
        }
        let over = (self.strange_bytes + size).saturating_sub(CUSTODY_BYTES / 4);
        if over == 0 && self.bytes + size > CUSTODY_BYTES {
            return Err(Full);
        }
        Ok(self.evict(over, Some((*depositor, size))))
    }

    fn of_others(&self) -> usize {
        self.held.len() - self.mine.len()
    }

    /// The oldest of the greediest stranger, again and again, until so many bytes are free. Who asks for the room counts
    /// with what it brings.
    fn evict(&self, mut over: usize, asking: Option<(UserId, usize)>) -> Vec<EnvelopeId> {
        let mut evicted = Vec::new();
        if over == 0 {
            return evicted;
        }
        let mut greed = self.strangers.clone();
        let mut queues: BTreeMap<UserId, std::collections::btree_set::Iter<'_, (u64, EnvelopeId)>> = BTreeMap::new();
        if let Some((user, size)) = asking {
            let taken = self.accounts.get(&user).map_or(0, |account| account.bytes);
            greed.remove(&(taken, user));
            greed.insert((taken + size, user));
        }
        while over > 0 {
            let Some((taken, user)) = greed.pop_last() else { break };
            let Some(account) = self.accounts.get(&user) else { continue };
            let queue = queues.entry(user).or_insert_with(|| account.envelopes.iter());
            let Some((_, oldest)) = queue.next() else { continue };
            let size = self.held[oldest].row.bytes.len();
            over = over.saturating_sub(size);
            greed.insert((taken - size, user));
            evicted.push(*oldest);
        }
        evicted
    }

    /// Takes an envelope in. Room was made before.
    pub fn take(&mut self, row: CustodyRow) {
        self.count += 1;
        let (order, id) = (self.count, row.envelope);
        self.by_address.entry(row.address).or_default().insert((order, id));
        self.by_end.insert((row.until, id));
        if row.mine.is_some() {
            self.mine.insert((order, id));
        } else {
            self.book(&row, order, true);
        }
        let holders = BTreeSet::from([row.from]);
        self.held.insert(id, Held { row, holders, order });
    }

    /// Puts an envelope of another into its depositor's account, or takes it out.
    fn book(&mut self, row: &CustodyRow, order: u64, add: bool) {
        let size = row.bytes.len();
        let account = self.accounts.entry(row.depositor).or_default();
        if account.envelopes.is_empty() {
            account.member = row.member;
        }
        // A depositor is what it was when the oldest of its envelopes came.
        let stranger = !account.member;
        let before = account.bytes;
        if add {
            account.envelopes.insert((order, row.envelope));
            account.bytes += size;
            self.bytes += size;
            self.strange_bytes += if stranger { size } else { 0 };
        } else {
            account.envelopes.remove(&(order, row.envelope));
            account.bytes -= size;
            self.bytes -= size;
            self.strange_bytes -= if stranger { size } else { 0 };
        }
        let after = account.bytes;
        if stranger {
            self.strangers.remove(&(before, row.depositor));
            if after > 0 {
                self.strangers.insert((after, row.depositor));
            }
        }
        if after == 0 {
            self.accounts.remove(&row.depositor);
        }
    }

    /// Lets go of an envelope.
    pub fn forget(&mut self, id: &EnvelopeId) -> Option<CustodyRow> {
        let Held { row, order, .. } = self.held.remove(id)?;
        if let Some(of_address) = self.by_address.get_mut(&row.address) {
            of_address.remove(&(order, *id));
            if of_address.is_empty() {
                self.by_address.remove(&row.address);
            }
        }
        self.by_end.remove(&(row.until, *id));
        if !self.mine.remove(&(order, *id)) {
            self.book(&row, order, false);
        }
        Some(row)
    }

    /// Keeps what a release showed. Returns the tombstone that has to go for it at the bound.
    pub fn bury(&mut self, stone: TombstoneRow) -> Option<EnvelopeId> {
        if let Some(old) = self.tombstones.insert(stone.envelope, stone) {
            self.tombstones_by_end.remove(&(old.until, old.envelope));
        }
        self.tombstones_by_end.insert((stone.until, stone.envelope));
        if self.tombstones.len() <= MAX_TOMBSTONES {
            return None;
        }
        let (_, first) = self.tombstones_by_end.pop_first()?;
        self.tombstones.remove(&first);
        Some(first)
    }

    /// Whether `r` opens the lock of an envelope that is held.
    pub fn fits(&self, id: &EnvelopeId, r: &[u8; 32]) -> bool {
        self.held.get(id).is_some_and(|held| fits(&held.row.lock, r))
    }

    /// A session says that it has an envelope. True if that is news.
    pub fn is_held_by(&mut self, id: &EnvelopeId, by: SessionId) -> bool {
        self.held.get_mut(id).is_some_and(|held| held.holders.insert(by))
    }

    /// A session has an envelope no more.
    pub fn is_not_held_by(&mut self, id: &EnvelopeId, by: &SessionId) {
        if let Some(held) = self.held.get_mut(id) {
            held.holders.remove(by);
        }
    }

    /// Changes how many copies may be given away.
    pub fn set_copies(&mut self, id: &EnvelopeId, copies: u8) {
        if let Some(held) = self.held.get_mut(id) {
            held.row.copies = copies;
        }
    }

    /// Keeps what a session of the addressee said who could not open an envelope.
    pub fn set_unopenable(&mut self, id: &EnvelopeId, said: Vec<u8>) -> Option<&CustodyRow> {
        let held = self.held.get_mut(id)?;
        held.row.unopenable = Some(said);
        Some(&held.row)
    }

    /// Envelopes to an address, in the order they came.
    pub fn to(&self, address: &Address) -> impl Iterator<Item = EnvelopeId> + '_ {
        self.by_address.get(address).into_iter().flatten().map(|(_, id)| *id)
    }

    /// All envelopes, newest first.
    pub fn newest(&self) -> Vec<EnvelopeId> {
        let mut all: Vec<(u64, EnvelopeId)> = self.held.iter().map(|(id, held)| (held.order, *id)).collect();
        all.sort_by(|a, b| b.cmp(a));
        all.into_iter().map(|(_, id)| id).collect()
    }

    /// Envelopes of mine, in the order they were sealed.
    pub fn mine(&self) -> impl Iterator<Item = (&CustodyRow, &Mine)> {
        self.mine
            .iter()
            .filter_map(|(_, id)| self.held.get(id))
            .filter_map(|held| Some((&held.row, held.row.mine.as_ref()?)))
    }

    /// Envelopes of mine to an address, with whom else they are.
    pub fn mine_to(&self, address: &Address) -> impl Iterator<Item = &Held> + '_ {
        self.to(address).filter_map(|id| self.held.get(&id)).filter(|held| held.row.mine.is_some())
    }

    /// Bytes of envelopes of mine.
    pub fn my_bytes(&self) -> usize {
        self.mine().map(|(row, _)| row.bytes.len()).sum()
    }

    /// Those whose life is over.
    pub fn over(&self, now: Moment) -> Vec<EnvelopeId> {
        self.by_end.iter().take_while(|(until, _)| *until <= now).map(|(_, id)| *id).collect()
    }

    /// Forgets tombstones that no copy can outlive.
    pub fn crumble(&mut self, now: Moment) -> Vec<EnvelopeId> {
        let mut gone = Vec::new();
        while self.tombstones_by_end.first().is_some_and(|(until, _)| *until <= now) {
            let Some((_, id)) = self.tombstones_by_end.pop_first() else { break };
            self.tombstones.remove(&id);
            gone.push(id);
        }
        gone
    }

    /// When the next life is over.
    pub fn next(&self) -> Option<Moment> {
        let held = self.by_end.first().map(|(until, _)| *until);
        held.into_iter().chain(self.tombstones_by_end.first().map(|(until, _)| *until)).min()
    }
}
