//! Custody: envelopes that are held until their addressee has opened them or they expire. Every node holds its own envelopes
//! to users who are not connected, and those of the user's other sessions; relays and servers also hold envelopes of others.
//!
//! - *Quotas.* Envelopes of others take at most [`CUSTODY_BYTES`] in all. Members (of the same closed network, or linked) have
//!   priority over strangers, who together get a quarter. One stranger gets [`STRANGER_BYTES`], one member half of the total.
//!   At the strangers' bound, or when a member needs the space, the oldest envelope of the stranger with the most bytes is
//!   evicted. At the members' bound a new envelope is refused; members' envelopes are never evicted. The depositor's status at
//!   the time of deposit decides; if a member deposits the same envelope later, it becomes the member's.
//! - *Release.* The `r` that fits an envelope's lock proves that it was opened: its bytes are dropped, and `r` stays as a
//!   tombstone for the rest of the envelope's life and is shown to every neighbour with a copy.
//! - *Own envelopes.* An author keeps the row of its envelope until the messages in it are receipted, so that they are not
//!   sealed again while it is under way. The author knows `r` and can release the envelope too.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::{Address, EnvelopeId, SessionId, UserId};
use crate::identity::seal::fits;
use crate::proto::limits::{CUSTODY_BYTES, CUSTODY_ITEMS, MAX_HOLDERS, MAX_TOMBSTONES, STRANGER_BYTES, STRANGER_ITEMS};
use crate::proto::notice::counts::Amount;
use crate::proto::persist::{CustodyRow, Mine, TombstoneRow};
use crate::proto::ranges::Ranges;
use crate::time::Moment;

/// An envelope that is held.
#[derive(Debug)]
pub struct Held {
    /// The envelope and its terms, as stored.
    pub row: CustodyRow,
    /// The sessions that claimed to have it; at most [`MAX_HOLDERS`].
    pub holders: BTreeSet<SessionId>,
    /// The order of insertion, in which envelopes are handed on.
    order: u64,
}

/// The envelopes of one depositor, as a member or as a stranger.
#[derive(Debug, Default)]
struct Account {
    bytes: usize,
    envelopes: BTreeSet<(u64, EnvelopeId)>,
}

/// The total size and number of some envelopes.
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

    /// The excess over these bounds with one more envelope of this size.
    fn over(self, size: usize, bytes: usize, items: usize) -> Sum {
        Sum { bytes: (self.bytes + size).saturating_sub(bytes), items: (self.items + 1).saturating_sub(items) }
    }

    fn larger(self, other: Sum) -> Sum {
        Sum { bytes: self.bytes.max(other.bytes), items: self.items.max(other.items) }
    }
}

/// All envelopes that are held, and tombstones.
#[derive(Debug, Default)]
pub struct Custody {
    held: BTreeMap<EnvelopeId, Held>,
    by_address: BTreeMap<Address, BTreeSet<(u64, EnvelopeId)>>,
    by_end: BTreeSet<(Moment, EnvelopeId)>,
    own: BTreeSet<(u64, EnvelopeId)>,
    /// Own envelopes by address, without those that another session has.
    untaken: BTreeSet<(Address, EnvelopeId)>,
    /// By depositor, and whether as a member.
    accounts: BTreeMap<(UserId, bool), Account>,
    /// Strangers by the bytes of their envelopes.
    strangers_by_bytes: BTreeSet<(usize, UserId)>,
    members: Sum,
    strangers: Sum,
    own_bytes: usize,
    own_receipt_bytes: usize,
    last_order: u64,
    tombstones: BTreeMap<EnvelopeId, TombstoneRow>,
    tombstones_by_end: BTreeSet<(Moment, EnvelopeId)>,
}

/// The quota for an envelope of another is full.
#[derive(Debug, PartialEq, Eq)]
pub struct Full;

impl Custody {
    /// The state at start, from the store.
    pub fn new(rows: Vec<CustodyRow>, tombstones: Vec<TombstoneRow>) -> Custody {
        let mut custody = Custody::default();
        rows.into_iter().for_each(|row| custody.insert(row));
        for tombstone in tombstones {
            custody.add_tombstone(tombstone);
        }
        custody
    }

    /// An envelope that is held.
    pub fn get(&self, id: &EnvelopeId) -> Option<&Held> {
        self.held.get(id)
    }

    /// Whether no envelope is held.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// The tombstone of an envelope that was released.
    pub fn tombstone(&self, id: &EnvelopeId) -> Option<&TombstoneRow> {
        self.tombstones.get(id)
    }

    /// The envelopes of strangers to evict for a new one of `size` bytes, oldest first.
    ///
    /// # Errors
    ///
    /// The depositor's quota, or that of all members or strangers, is full.
    pub fn evictions_for(&self, depositor: &UserId, member: bool, size: usize) -> Result<Vec<EnvelopeId>, Full> {
        if member { self.evictions_for_member(depositor, size) } else { self.evictions_for_stranger(depositor, size) }
    }

    fn evictions_for_member(&self, depositor: &UserId, size: usize) -> Result<Vec<EnvelopeId>, Full> {
        let taken = self.bytes_of_member(depositor);
        let over = self.members.over(size, CUSTODY_BYTES, CUSTODY_ITEMS);
        if taken + size > CUSTODY_BYTES / 2 || over != Sum::default() {
            return Err(Full);
        }
        Ok(self.choose_evictions(self.all().over(size, CUSTODY_BYTES, CUSTODY_ITEMS), None))
    }

    fn evictions_for_stranger(&self, depositor: &UserId, size: usize) -> Result<Vec<EnvelopeId>, Full> {
        let account = self.accounts.get(&(*depositor, false));
        let (taken, items) = account.map_or((0, 0), |account| (account.bytes, account.envelopes.len()));
        let in_all = self.all().over(size, CUSTODY_BYTES, CUSTODY_ITEMS);
        let of_strangers = self.strangers.over(size, CUSTODY_BYTES / 4, CUSTODY_ITEMS / 4);
        let used_by_members = in_all != Sum::default() && of_strangers == Sum::default();
        if taken + size > STRANGER_BYTES || items >= STRANGER_ITEMS || used_by_members {
            return Err(Full);
        }
        Ok(self.choose_evictions(of_strangers.larger(in_all), Some((*depositor, size))))
    }

    /// The number of envelopes that are kept for others.
    pub fn kept_for_others(&self) -> usize {
        self.all().items
    }

    fn all(&self) -> Sum {
        Sum { bytes: self.members.bytes + self.strangers.bytes, items: self.members.items + self.strangers.items }
    }

    /// Chooses the oldest envelope of the stranger with the most bytes, again and again, until the excess is covered. The new
    /// envelope counts for its depositor.
    fn choose_evictions(&self, over: Sum, new: Option<(UserId, usize)>) -> Vec<EnvelopeId> {
        let (mut bytes, mut evicted) = (0, Vec::new());
        // Strangers whose bytes differ from their account: the depositor of the new envelope, and those with evicted envelopes,
        // with the number of these. A stranger without further envelopes counts with no bytes.
        let mut adjusted: BTreeMap<UserId, (usize, usize)> = BTreeMap::new();
        if let Some((user, size)) = new {
            adjusted.insert(user, (self.accounts.get(&(user, false)).map_or(0, |account| account.bytes) + size, 0));
        }
        while bytes < over.bytes || evicted.len() < over.items {
            let by_account =
                self.strangers_by_bytes.iter().rev().find(|(_, user)| !adjusted.contains_key(user)).copied();
            let by_adjustment = adjusted.iter().map(|(user, (taken, _))| (*taken, *user)).max();
            let Some((taken, user)) = by_account.max(by_adjustment).filter(|(taken, _)| *taken > 0) else { break };
            let gone = adjusted.get(&user).map_or(0, |(_, gone)| *gone);
            let oldest = self.accounts.get(&(user, false)).and_then(|account| account.envelopes.iter().nth(gone));
            let Some((_, oldest)) = oldest else {
                adjusted.insert(user, (0, gone));
                continue;
            };
            let size = self.held[oldest].row.bytes.len();
            bytes += size;
            adjusted.insert(user, (taken - size, gone + 1));
            evicted.push(*oldest);
        }
        evicted
    }

    /// Adds an envelope. [`Custody::evictions_for`] must have been carried out before.
    pub fn insert(&mut self, row: CustodyRow) {
        self.last_order += 1;
        let (order, id) = (self.last_order, row.envelope);
        self.by_address.entry(row.address).or_default().insert((order, id));
        self.by_end.insert((row.until, id));
        self.book(&row, order, true);
        let holders = BTreeSet::from([row.from]);
        self.held.insert(id, Held { row, holders, order });
        self.update_untaken(&id);
    }

    /// Updates whether an envelope is an own one that no other session has.
    fn update_untaken(&mut self, id: &EnvelopeId) {
        let Some(Held { row, holders, .. }) = self.held.get(id) else { return };
        let alone = row.mine.is_some() && !row.bytes.is_empty() && holders.iter().all(|holder| *holder == row.from);
        if alone {
            self.untaken.insert((row.address, *id));
        } else {
            self.untaken.remove(&(row.address, *id));
        }
    }

    /// The number of own envelopes to an address that no other session has.
    pub fn untaken(&self, address: &Address) -> usize {
        self.untaken.range((*address, EnvelopeId([0; 32]))..=(*address, EnvelopeId([255; 32]))).count()
    }

    /// Changes the terms of an envelope: its depositor, or the end of its life. It keeps its order.
    pub fn update(&mut self, row: CustodyRow) {
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

    /// Adds an envelope to the sums it counts for, or removes it.
    fn book(&mut self, row: &CustodyRow, order: u64, add: bool) {
        let (size, entry) = (row.bytes.len(), (order, row.envelope));
        if row.mine.is_some() {
            let _ = if add { self.own.insert(entry) } else { self.own.remove(&entry) };
            let is_receipt = row.mine.as_ref().is_some_and(|own| own.load.is_empty());
            for sum in [&mut self.own_bytes].into_iter().chain(is_receipt.then_some(&mut self.own_receipt_bytes)) {
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
        self.strangers_by_bytes.remove(&(before, row.depositor));
        if !is_empty {
            self.strangers_by_bytes.insert((after, row.depositor));
        }
    }

    /// Removes an envelope.
    pub fn remove(&mut self, id: &EnvelopeId) -> Option<CustodyRow> {
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

    /// Adds a tombstone. Above [`MAX_TOMBSTONES`], removes the one that ends first and returns its envelope.
    pub fn add_tombstone(&mut self, tombstone: TombstoneRow) -> Option<EnvelopeId> {
        if let Some(old) = self.tombstones.insert(tombstone.envelope, tombstone) {
            self.tombstones_by_end.remove(&(old.until, old.envelope));
        }
        self.tombstones_by_end.insert((tombstone.until, tombstone.envelope));
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

    /// Records that a session claims to have an envelope. False if that is known. At the bound another holder is removed, which
    /// may be offered the envelope again.
    pub fn add_holder(&mut self, id: &EnvelopeId, by: SessionId) -> bool {
        let Some(held) = self.held.get_mut(id) else { return false };
        if !held.holders.insert(by) {
            return false;
        }
        if held.holders.len() > MAX_HOLDERS {
            let from = held.row.from;
            let another = held.holders.iter().find(|holder| **holder != from && **holder != by).copied();
            another.map(|another| held.holders.remove(&another));
        }
        self.update_untaken(id);
        true
    }

    /// Records that a session does not have an envelope any more. False if it did not claim to have it.
    pub fn remove_holder(&mut self, id: &EnvelopeId, by: &SessionId) -> bool {
        let had = self.held.get_mut(id).is_some_and(|held| held.holders.remove(by));
        self.update_untaken(id);
        had
    }

    /// Sets the number of copies left to give (spray and wait).
    pub fn set_copies(&mut self, id: &EnvelopeId, copies: u8) {
        if let Some(held) = self.held.get_mut(id) {
            held.row.copies = copies;
        }
    }

    /// Keeps the encoded report of a session of the addressee that could not open an envelope.
    pub fn set_unopenable(&mut self, id: &EnvelopeId, report: Vec<u8>) -> Option<&CustodyRow> {
        let held = self.held.get_mut(id)?;
        held.row.unopenable = Some(report);
        Some(&held.row)
    }

    /// The envelopes to an address, in the order of insertion.
    pub fn to(&self, address: &Address) -> impl Iterator<Item = EnvelopeId> + '_ {
        self.by_address.get(address).into_iter().flatten().map(|(_, id)| *id)
    }

    /// The envelopes of a depositor: those deposited as a member, then those as a stranger, each newest first.
    pub fn deposited_by(&self, depositor: &UserId) -> Vec<EnvelopeId> {
        let accounts = [true, false].map(|member| self.accounts.get(&(*depositor, member)));
        accounts.into_iter().flatten().flat_map(|account| account.envelopes.iter().rev()).map(|(_, id)| *id).collect()
    }

    /// The bytes that a depositor has as a member.
    pub fn bytes_of_member(&self, depositor: &UserId) -> usize {
        self.accounts.get(&(*depositor, true)).map_or(0, |account| account.bytes)
    }

    /// All envelopes, newest first.
    pub fn newest_first(&self) -> Vec<EnvelopeId> {
        let mut all: Vec<(u64, EnvelopeId)> = self.held.iter().map(|(id, held)| (held.order, *id)).collect();
        all.sort_by(|a, b| b.cmp(a));
        all.into_iter().map(|(_, id)| id).collect()
    }

    /// Own envelopes, in the order of sealing.
    pub fn own(&self) -> impl Iterator<Item = (&CustodyRow, &Mine)> {
        self.own
            .iter()
            .filter_map(|(_, id)| self.held.get(id))
            .filter_map(|held| Some((&held.row, held.row.mine.as_ref()?)))
    }

    /// Own envelopes to an address, with their holders.
    pub fn own_to(&self, address: &Address) -> impl Iterator<Item = &Held> + '_ {
        self.to(address).filter_map(|id| self.held.get(&id)).filter(|held| held.row.mine.is_some())
    }

    /// The changes in own envelopes to an address of an own session.
    pub fn changes_to(&self, address: &Address) -> Ranges {
        let own = self.own_to(address).filter_map(|held| held.row.mine.as_ref());
        own.flat_map(|mine| mine.changes.iter()).collect()
    }

    /// The envelopes of others.
    pub fn of_others(&self) -> Amount {
        Amount { items: self.members.items + self.strangers.items, bytes: self.members.bytes + self.strangers.bytes }
    }

    /// The bytes of all own envelopes.
    pub fn own_bytes(&self) -> usize {
        self.own_bytes
    }

    /// The bytes of own envelopes that hold receipts.
    pub fn own_receipt_bytes(&self) -> usize {
        self.own_receipt_bytes
    }

    /// The envelopes whose life has ended.
    pub fn expired(&self, now: Moment) -> Vec<EnvelopeId> {
        self.by_end.iter().take_while(|(until, _)| *until <= now).map(|(_, id)| *id).collect()
    }

    /// Removes and returns expired tombstones: no copy of their envelopes is alive.
    pub fn expire_tombstones(&mut self, now: Moment) -> Vec<EnvelopeId> {
        let mut gone = Vec::new();
        while self.tombstones_by_end.first().is_some_and(|(until, _)| *until <= now) {
            let Some((_, id)) = self.tombstones_by_end.pop_first() else { break };
            self.tombstones.remove(&id);
            gone.push(id);
        }
        gone
    }

    /// When the next envelope or tombstone expires.
    pub fn next(&self) -> Option<Moment> {
        let held = self.by_end.first().map(|(until, _)| *until);
        held.into_iter().chain(self.tombstones_by_end.first().map(|(until, _)| *until)).min()
    }
}

#[cfg(test)]
mod tests;
