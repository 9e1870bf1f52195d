//! Custody: envelopes that are held until their addressee has opened them or their life is over. Everybody holds what they
//! sealed themselves for somebody who is not connected; relays and servers hold what others hand over.
//!
//! - *Quotas.* Others' envelopes take [`CUSTODY_BYTES`] in all. Members (of the same closed network, or linked) go before
//!   strangers, who together get a quarter. One stranger gets [`STRANGER_BYTES`], one member half of everything. At the
//!   strangers' bound the oldest envelope of the greediest stranger goes, and so it does when a member needs the room; at
//!   the members' bound a new one is refused. A member's mail never goes for anybody. An envelope is a member's or a
//!   stranger's by what its giver was when it came; if a member brings it later, it is the member's from then on.
//! - *Release.* Who shows the `r` that fits an envelope's lock has opened it: the bytes go, and `r` stays as a tombstone for
//!   the rest of its life, shown to whoever still has a copy.
//! - *Mine.* An author keeps the row of its envelope until the messages in it are receipted, so that none of them is sealed
//!   again while one is under way, and may release it as well, for it knows `r`.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::{Address, EnvelopeId, SessionId, UserId};
use crate::identity::seal::fits;
use crate::proto::limits::{CUSTODY_BYTES, CUSTODY_ITEMS, MAX_HOLDERS, MAX_TOMBSTONES, STRANGER_BYTES, STRANGER_ITEMS};
use crate::proto::persist::{CustodyRow, Mine, TombstoneRow};
use crate::time::Moment;

/// An envelope that is held.
#[derive(Debug)]
pub struct Held {
    pub row: CustodyRow,
    /// Who has it too, or had it, as far as they said; at most [`MAX_HOLDERS`].
    pub holders: BTreeSet<SessionId>,
    /// Counts up with every envelope taken: the order in which they are handed on.
    order: u64,
}

/// What a depositor takes, as a member or as a stranger.
#[derive(Debug, Default)]
struct Account {
    bytes: usize,
    envelopes: BTreeSet<(u64, EnvelopeId)>,
}

/// What some envelopes take together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Sum {
    bytes: usize,
    items: usize,
}

impl Sum {
    fn book(&mut self, bytes: usize, add: bool) {
        if add {
            *self = Sum { bytes: self.bytes + bytes, items: self.items + 1 };
        } else {
            *self = Sum { bytes: self.bytes - bytes, items: self.items - 1 };
        }
    }

    /// What is over these bounds with one more of this size.
    fn over(self, size: usize, bytes: usize, items: usize) -> Sum {
        Sum { bytes: (self.bytes + size).saturating_sub(bytes), items: (self.items + 1).saturating_sub(items) }
    }

    fn larger(self, other: Sum) -> Sum {
        Sum { bytes: self.bytes.max(other.bytes), items: self.items.max(other.items) }
    }
}

/// Everything that is held.
#[derive(Debug, Default)]
pub struct Custody {
    held: BTreeMap<EnvelopeId, Held>,
    by_address: BTreeMap<Address, BTreeSet<(u64, EnvelopeId)>>,
    by_end: BTreeSet<(Moment, EnvelopeId)>,
    mine: BTreeSet<(u64, EnvelopeId)>,
    /// Of mine, by where they go: those that nobody else has yet.
    untaken: BTreeSet<(Address, EnvelopeId)>,
    /// By depositor, and whether as a member.
    accounts: BTreeMap<(UserId, bool), Account>,
    /// Strangers by what they take.
    greed: BTreeSet<(usize, UserId)>,
    members: Sum,
    strangers: Sum,
    my_bytes: usize,
    my_receipts: usize,
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
        let taken = self.accounts.get(&(*depositor, true)).map_or(0, |account| account.bytes);
        let over = self.members.over(size, CUSTODY_BYTES, CUSTODY_ITEMS);
        if taken + size > CUSTODY_BYTES / 2 || over != Sum::default() {
            return Err(Full);
        }
        Ok(self.evict(self.all().over(size, CUSTODY_BYTES, CUSTODY_ITEMS), None))
    }

    fn room_for_stranger(&self, depositor: &UserId, size: usize) -> Result<Vec<EnvelopeId>, Full> {
        let account = self.accounts.get(&(*depositor, false));
        let (taken, items) = account.map_or((0, 0), |account| (account.bytes, account.envelopes.len()));
        let in_all = self.all().over(size, CUSTODY_BYTES, CUSTODY_ITEMS);
        let of_strangers = self.strangers.over(size, CUSTODY_BYTES / 4, CUSTODY_ITEMS / 4);
        let members_need_it = in_all != Sum::default() && of_strangers == Sum::default();
        if taken + size > STRANGER_BYTES || items >= STRANGER_ITEMS || members_need_it {
            return Err(Full);
        }
        Ok(self.evict(of_strangers.larger(in_all), Some((*depositor, size))))
    }

    fn all(&self) -> Sum {
        Sum { bytes: self.members.bytes + self.strangers.bytes, items: self.members.items + self.strangers.items }
    }

    /// The oldest of the greediest stranger, again and again, until so much is free. Who asks for the room counts with what
    /// it brings.
    fn evict(&self, over: Sum, asking: Option<(UserId, usize)>) -> Vec<EnvelopeId> {
        let (mut bytes, mut evicted) = (0, Vec::new());
        // Those whose greed is not as it stands in the accounts: who asks, and whose oldest go already, with how many of
        // them. Who has nothing left takes nothing.
        let mut other: BTreeMap<UserId, (usize, usize)> = BTreeMap::new();
        if let Some((user, size)) = asking {
            other.insert(user, (self.accounts.get(&(user, false)).map_or(0, |account| account.bytes) + size, 0));
        }
        while bytes < over.bytes || evicted.len() < over.items {
            let as_it_stands = self.greed.iter().rev().find(|(_, user)| !other.contains_key(user)).copied();
            let changed = other.iter().map(|(user, (taken, _))| (*taken, *user)).max();
            let Some((taken, user)) = as_it_stands.max(changed).filter(|(taken, _)| *taken > 0) else { break };
            let gone = other.get(&user).map_or(0, |(_, gone)| *gone);
            let oldest = self.accounts.get(&(user, false)).and_then(|account| account.envelopes.iter().nth(gone));
            let Some((_, oldest)) = oldest else {
                other.insert(user, (0, gone));
                continue;
            };
            let size = self.held[oldest].row.bytes.len();
            bytes += size;
            other.insert(user, (taken - size, gone + 1));
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
        self.book(&row, order, true);
        let holders = BTreeSet::from([row.from]);
        self.held.insert(id, Held { row, holders, order });
        self.note_untaken(&id);
    }

    /// Whether an envelope is mine, and nobody else has it yet.
    fn note_untaken(&mut self, id: &EnvelopeId) {
        let Some(Held { row, holders, .. }) = self.held.get(id) else { return };
        let alone = row.mine.is_some() && !row.bytes.is_empty() && holders.iter().all(|holder| *holder == row.from);
        if alone {
            self.untaken.insert((row.address, *id));
        } else {
            self.untaken.remove(&(row.address, *id));
        }
    }

    /// Envelopes of mine to an address that nobody has taken yet.
    pub fn untaken(&self, address: &Address) -> usize {
        self.untaken.range((*address, EnvelopeId([0; 32]))..=(*address, EnvelopeId([255; 32]))).count()
    }

    /// An envelope is held on other terms: for another giver, or for longer. It keeps its place.
    pub fn change(&mut self, row: CustodyRow) {
        let Some(Held { row: old, order, .. }) = self.held.get(&row.envelope) else { return };
        let (old, order) = (old.clone(), *order);
        self.by_end.remove(&(old.until, old.envelope));
        self.by_end.insert((row.until, row.envelope));
        self.book(&old, order, false);
        self.book(&row, order, true);
        if let Some(held) = self.held.get_mut(&row.envelope) {
            held.row = row;
        }
    }

    /// Puts an envelope into the account it belongs to, or takes it out.
    fn book(&mut self, row: &CustodyRow, order: u64, add: bool) {
        let (size, entry) = (row.bytes.len(), (order, row.envelope));
        if row.mine.is_some() {
            let _ = if add { self.mine.insert(entry) } else { self.mine.remove(&entry) };
            let is_receipt = row.mine.as_ref().is_some_and(|mine| mine.load.is_empty());
            for sum in [&mut self.my_bytes].into_iter().chain(is_receipt.then_some(&mut self.my_receipts)) {
                *sum = if add { *sum + size } else { *sum - size };
            }
            return;
        }
        let account = self.accounts.entry((row.depositor, row.member)).or_default();
        let before = account.bytes;
        if add {
            account.envelopes.insert(entry);
            account.bytes += size;
        } else {
            account.envelopes.remove(&entry);
            account.bytes -= size;
        }
        let (after, is_empty) = (account.bytes, account.envelopes.is_empty());
        if is_empty {
            self.accounts.remove(&(row.depositor, row.member));
        }
        if row.member {
            return self.members.book(size, add);
        }
        self.strangers.book(size, add);
        self.greed.remove(&(before, row.depositor));
        if !is_empty {
            self.greed.insert((after, row.depositor));
        }
    }

    /// Lets go of an envelope.
    pub fn forget(&mut self, id: &EnvelopeId) -> Option<CustodyRow> {
        let Held { row, order, .. } = self.held.remove(id)?;
        self.untaken.remove(&(row.address, *id));
        if let Some(of_address) = self.by_address.get_mut(&row.address) {
            of_address.remove(&(order, *id));
            if of_address.is_empty() {
                self.by_address.remove(&row.address);
            }
        }
        self.by_end.remove(&(row.until, *id));
        self.book(&row, order, false);
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

    /// A session says that it has an envelope. True if that is news. At the bound another is forgotten: it may be offered
    /// the envelope once more.
    pub fn is_held_by(&mut self, id: &EnvelopeId, by: SessionId) -> bool {
        let Some(held) = self.held.get_mut(id) else { return false };
        if !held.holders.insert(by) {
            return false;
        }
        if held.holders.len() > MAX_HOLDERS {
            let from = held.row.from;
            let another = held.holders.iter().find(|holder| **holder != from && **holder != by).copied();
            another.map(|another| held.holders.remove(&another));
        }
        self.note_untaken(id);
        true
    }

    /// A session has an envelope no more. False if it never said that it had.
    pub fn is_not_held_by(&mut self, id: &EnvelopeId, by: &SessionId) -> bool {
        let had = self.held.get_mut(id).is_some_and(|held| held.holders.remove(by));
        self.note_untaken(id);
        had
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

    /// Envelopes that a user has handed over, newest first of those it gave as a member, and as a stranger.
    pub fn deposited_by(&self, depositor: &UserId) -> Vec<EnvelopeId> {
        let accounts = [true, false].map(|member| self.accounts.get(&(*depositor, member)));
        accounts.into_iter().flatten().flat_map(|account| account.envelopes.iter().rev()).map(|(_, id)| *id).collect()
    }

    /// All envelopes, newest first.
    pub fn newest(&self) -> Vec<EnvelopeId> {
        let mut all: Vec<(u64, EnvelopeId)> = self.held.iter().map(|(id, held)| (held.order, *id)).collect();
        all.sort_by(|a, b| b.cmp(a));
        all.into_iter().map(|(_, id)| id).collect()
    }

    /// Envelopes of mine, in the order they were sealed.
    pub fn own(&self) -> impl Iterator<Item = (&CustodyRow, &Mine)> {
        self.mine
            .iter()
            .filter_map(|(_, id)| self.held.get(id))
            .filter_map(|held| Some((&held.row, held.row.mine.as_ref()?)))
    }

    /// Envelopes of mine to an address, with whom else they are.
    pub fn own_to(&self, address: &Address) -> impl Iterator<Item = &Held> + '_ {
        self.to(address).filter_map(|id| self.held.get(&id)).filter(|held| held.row.mine.is_some())
    }

    /// Bytes of envelopes of mine.
    pub fn own_bytes(&self) -> usize {
        self.my_bytes
    }

    /// And of receipts among them.
    pub fn own_receipt_bytes(&self) -> usize {
        self.my_receipts
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

#[cfg(test)]
mod tests;
