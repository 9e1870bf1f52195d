//! Carrying envelopes of others: as a relay or server, and of the local user's other sessions on every node. Decides which are held, forwarded at once, refused or evicted, and ends them: by their release,
//! by a report that the addressee cannot open them, or by expiry. `route` decides where they go meanwhile.

use std::time::Duration;

use crate::id::{ConnId, EnvelopeId, NetworkId, SessionId, UserId};
use crate::identity::Checked;
use crate::identity::record::Record;
use crate::identity::seal::envelope_id;
use crate::proto::cx::Context;
use crate::proto::drops::DropReason;
use crate::proto::event::Output;
use crate::proto::limits::{ENVELOPE_LIFE, SISTER_BYTES, SPRAY};
use crate::proto::mail::custody::Full;
use crate::proto::mail::forwards::Forwarded;
use crate::proto::mail::{Fact, Mail};
use crate::proto::near::{Near, is_addressee};
use crate::proto::peer::Peer;
use crate::proto::persist::{CustodyRow, Op, TombstoneRow};
use crate::time::Moment;
use crate::wire::chat::{Chat, Custody, Parcel, Release, Unopenable, custody_state};
use crate::wire::codec::Fixed;
use crate::wire::envelope::Envelope;
use crate::wire::record::{KeyCard, Roster, Signed};
use crate::wire::{decode, encode};

/// The smallest extension of an envelope's life by a later copy that is worth a write to the store.
const MIN_EXTENSION: Duration = Duration::from_secs(3600);

/// The account on which an envelope is held, and the end of its life.
struct Terms {
    depositor: UserId,
    from: SessionId,
    member: bool,
    until: Moment,
}

impl Terms {
    /// The terms for an envelope from a neighbour. Members of a closed network, linked users and the local user's other sessions
    /// have priority over strangers.
    fn of(cx: &Context, near: &Near<'_>, peer: Peer, parcel: &Parcel) -> Terms {
        let life = ENVELOPE_LIFE.as_millis().min(u128::from(parcel.life_ms)) as u64;
        Terms {
            depositor: peer.user,
            from: peer.session,
            member: cx.config.network != NetworkId::OPEN
                || near.people.links.is_link(&peer.user)
                || near.people.is_sister(&peer.session),
            until: cx.now.moment + Duration::from_millis(life),
        }
    }
}

impl Mail {
    /// Handles an envelope to another address: holds it if this node is a carrier or another session of the local user sends it,
    /// forwards it if a friend sends it and the addressee is connected.
    pub fn carry(&mut self, cx: &mut Context, near: &Near<'_>, peer: Peer, parcel: Parcel) {
        let id = envelope_id(&parcel.envelope);
        if self.show_release(cx, peer.conn, &id) {
            return;
        }
        let terms = Terms::of(cx, near, peer, &parcel);
        if self.custody.get(&id).is_some() {
            return self.carry_again(cx, near, peer.conn, &id, terms);
        }
        if parcel.life_ms == 0 {
            cx.dropped(DropReason::EnvelopeExpired);
            return self.answer(cx, peer.conn, id, custody_state::NO_CARRIER);
        }
        // It was decoded before by the caller, so this does not fail in practice.
        let Ok(envelope) = decode::<Envelope>(&parcel.envelope) else {
            return cx.dropped(DropReason::MalformedEnvelope);
        };
        let is_sisters = near.people.is_sister(&peer.session);
        if !(cx.is_carrier() || is_sisters) || cx.disk_trouble.is_some() {
            return self.forward(cx, near, peer, id, &envelope, parcel);
        }
        let Ok(evicted) = self.evictions_for(cx, &terms, parcel.envelope.len()) else {
            cx.dropped(DropReason::EnvelopeOverQuota);
            return self.answer(cx, peer.conn, id, custody_state::FULL);
        };
        evicted.iter().for_each(|id| self.evict(cx, near, id));
        // A neighbour that is nearer and yet sends it has found that it does not arrive on its own path. Another session of the
        // local user sends it in any case.
        if !is_sisters && near.nearer(&envelope.address).iter().any(|nearer| nearer.conn == peer.conn) {
            self.watchdog.doubt(envelope.address, peer.session, cx.now.moment);
        }
        self.hold(cx, row(id, &envelope, parcel, terms));
        self.answer(cx, peer.conn, id, custody_state::HELD);
        self.route(cx, near, &id);
    }

    /// The envelopes of strangers to evict for a new one of `size` bytes. A node that is no carrier holds less.
    fn evictions_for(&self, cx: &Context, terms: &Terms, size: usize) -> Result<Vec<EnvelopeId>, Full> {
        if !cx.is_carrier() && self.custody.bytes_of_member(&terms.depositor) + size > SISTER_BYTES {
            return Err(Full);
        }
        self.custody.evictions_for(&terms.depositor, terms.member, size)
    }

    /// Handles another copy of an envelope that is held. Its life is extended, and it becomes a member's if a member sends it, so
    /// that the sender of the first copy does not decide these terms.
    fn carry_again(&mut self, cx: &mut Context, near: &Near<'_>, conn: ConnId, id: &EnvelopeId, terms: Terms) {
        self.custody.add_holder(id, terms.from);
        let Some(held) = self.custody.get(id).filter(|held| held.row.mine.is_none()) else {
            return self.answer(cx, conn, *id, custody_state::HELD);
        };
        let until = held.row.until.max(terms.until);
        let (was_member, size) = (held.row.member, held.row.bytes.len());
        let becomes_members = terms.member && !was_member;
        if !becomes_members && until.since(held.row.until) < MIN_EXTENSION {
            return self.answer(cx, conn, *id, custody_state::HELD);
        }
        let mut row = held.row.clone();
        row.until = until;
        if becomes_members {
            let Ok(evicted) = self.evictions_for(cx, &terms, size) else {
                cx.dropped(DropReason::EnvelopeOverQuota);
                return self.answer(cx, conn, *id, custody_state::FULL);
            };
            evicted.iter().filter(|evicted| *evicted != id).for_each(|id| self.evict(cx, near, id));
            (row.depositor, row.from, row.member) = (terms.depositor, terms.from, true);
        }
        cx.out.store(Op::Custody(Box::new(row.clone())));
        self.custody.update(row);
        self.answer(cx, conn, *id, custody_state::HELD);
    }

    /// Holds and stores an envelope.
    pub fn hold(&mut self, cx: &mut Context, row: CustodyRow) {
        cx.out.store(Op::Custody(Box::new(row.clone())));
        self.custody.insert(row);
    }

    /// Sends a custody message about an envelope, once its state is durable.
    pub fn answer(&self, cx: &mut Context, conn: ConnId, envelope: EnvelopeId, state: u8) {
        let item = Chat::Custody(Custody { envelope, state });
        cx.out.after_store(Output::Chat { conn, item });
    }

    /// Shows the release of an envelope to a neighbour that has a copy. False if it was not released.
    pub fn show_release(&self, cx: &mut Context, conn: ConnId, id: &EnvelopeId) -> bool {
        let Some(tombstone) = self.custody.tombstone(id) else { return false };
        cx.out.after_store(release_to(conn, *id, tombstone.r));
        true
    }

    /// Forwards an envelope of a friend, or of another session of the local user, to a connected addressee, if this node does not
    /// hold it or cannot store it now.
    fn forward(
        &mut self,
        cx: &mut Context,
        near: &Near<'_>,
        peer: Peer,
        id: EnvelopeId,
        envelope: &Envelope,
        parcel: Parcel,
    ) {
        let addressees = near.at(&envelope.address);
        let holds = cx.is_carrier() || near.people.is_sister(&peer.session);
        if addressees.is_empty() || !(near.people.links.is_link(&peer.user) || holds) {
            cx.dropped(DropReason::EnvelopeToSomebodyElse);
            let state = if holds { custody_state::FULL } else { custody_state::NO_CARRIER };
            return self.answer(cx, peer.conn, id, state);
        }
        self.forwards.insert(id, Forwarded { sender: peer.session, address: envelope.address, lock: envelope.lock.0 });
        for Peer { conn, .. } in addressees {
            let parcel = Parcel { copies: 1, ..parcel.clone() };
            cx.out.push(Output::Chat { conn, item: Chat::Parcel(parcel) });
        }
    }

    /// Evicts a stranger's envelope, and notifies its holders.
    fn evict(&mut self, cx: &mut Context, near: &Near<'_>, id: &EnvelopeId) {
        cx.dropped(DropReason::EnvelopeEvicted);
        self.handover.remove(id);
        let holders = self.custody.get(id).map(|held| held.holders.clone()).unwrap_or_default();
        if self.custody.remove(id).is_none() {
            return;
        }
        cx.out.store(Op::ForgetCustody(*id));
        for conn in holders.iter().filter_map(|session| near.peers.connections.up(session)) {
            self.answer(cx, conn, *id, custody_state::EVICTED);
        }
    }

    /// Handles a release. False if it fits neither an envelope that is held nor one that was forwarded.
    pub fn on_release(&mut self, cx: &mut Context, near: &Near<'_>, by: SessionId, release: &Release) -> bool {
        let id = release.envelope;
        if self.custody.fits(&id, &release.r.0) {
            self.end_custody(cx, near, &id, release.r.0, Some(by));
            return true;
        }
        if self.custody.tombstone(&id).is_some_and(|tombstone| tombstone.r == release.r.0) {
            return true;
        }
        let sender = self.forwards.sender(&id, &release.r.0);
        let Some(conn) = sender.and_then(|sender| near.peers.connections.up(&sender)) else { return false };
        cx.out.push(Output::Chat { conn, item: Chat::Release(release.clone()) });
        true
    }

    /// Ends an envelope that was opened or withdrawn by its author: drops its bytes, keeps a tombstone, and shows the release to
    /// every connected holder except `by`.
    pub fn end_custody(
        &mut self,
        cx: &mut Context,
        near: &Near<'_>,
        id: &EnvelopeId,
        r: [u8; 32],
        by: Option<SessionId>,
    ) {
        let Some(held) = self.custody.get(id) else { return };
        let (mut notify, until) = (held.holders.clone(), held.row.until);
        notify.iter().for_each(|session| self.handover.record_freed(session, cx.now.moment));
        notify.retain(|session| Some(*session) != by);
        let freed = self.handover.remove(id);
        let tombstone = TombstoneRow { envelope: *id, r, until };
        cx.out.store(Op::Tombstone(tombstone));
        if let Some(oldest) = self.custody.add_tombstone(tombstone) {
            cx.out.store(Op::ForgetTombstone(oldest));
        }
        let Some(row) = self.custody.remove(id) else { return };
        self.watchdog.record_arrival(row.address, id, by, cx.now.moment);
        if row.mine.is_some() {
            self.facts.push_back(Fact::Opened { row, by });
        } else {
            cx.out.store(Op::ForgetCustody(*id));
        }
        for conn in notify.iter().filter_map(|session| near.peers.connections.up(session)) {
            cx.out.after_store(release_to(conn, *id, r));
        }
        freed.into_iter().for_each(|session| self.hand_over(cx, near, session));
    }

    /// Handles a report that a session of the addressee cannot open an envelope. The report returns to the author on the path of
    /// the envelope.
    pub fn on_unopenable(&mut self, cx: &mut Context, near: &Near<'_>, peer: Peer, report: Unopenable) {
        let id = report.envelope;
        let given = self.handover.record_answer(&peer.session, &id, cx.now.moment).is_some();
        let Some(held) = self.custody.get(&id) else { return self.return_report(cx, near, peer.user, report) };
        let (address, is_own) = (held.row.address, held.row.mine.is_some());
        let addressee = near.people.user_at(&address);
        if peer.user != addressee && !given && !held.holders.contains(&peer.session) {
            return cx.dropped(DropReason::ClaimAboutForeignEnvelope);
        }
        if !self.budgets.unopenables.draw(peer.session, cx.now.moment) {
            return cx.dropped(DropReason::UnopenableOverBudget);
        }
        let Some(roster) = self.checked::<Roster>(cx, peer.conn, &report.roster) else { return };
        let Some(card) = self.checked::<KeyCard>(cx, peer.conn, &report.card) else { return };
        if roster.user != addressee || card.user != addressee || !roster.admits(&card.session) {
            return cx.dropped(DropReason::UnopenableOfAnother);
        }
        self.watchdog.record_arrival(address, &id, Some(peer.session), cx.now.moment);
        if is_own {
            let (roster, card) = (Box::new(roster), Box::new(card));
            self.facts.push_back(Fact::Unopenable { peer, envelope: id, roster, card });
        } else {
            self.keep_report(cx, near, peer, report);
            self.hand_over(cx, near, peer.session);
        }
    }

    /// Verifies a record. A failure is left as a fact.
    fn checked<T: Record>(&mut self, cx: &Context, conn: ConnId, signed: &Signed) -> Option<Checked<T>> {
        match Checked::open(signed, &cx.verifier) {
            Ok(record) => Some(record),
            Err(refused) => {
                self.facts.push_back(Fact::BadRecord { conn, refused });
                None
            }
        }
    }

    /// Keeps a report with its envelope until it can be returned. The session that sent it is not given the envelope again;
    /// other sessions of the addressee may be able to open it.
    fn keep_report(&mut self, cx: &mut Context, near: &Near<'_>, peer: Peer, report: Unopenable) {
        let id = report.envelope;
        if self.custody.get(&id).is_some_and(|held| is_addressee(&peer, &held.row.address)) {
            self.custody.add_holder(&id, peer.session);
        }
        let bytes = encode(&report);
        if self.custody.get(&id).is_none_or(|held| held.row.unopenable.as_ref() == Some(&bytes)) {
            return;
        }
        let Some(row) = self.custody.set_unopenable(&id, bytes).cloned() else { return };
        let back = near.peers.connections.up(&row.from);
        cx.out.store(Op::Custody(Box::new(row)));
        if let Some(conn) = back {
            cx.out.after_store(Output::Chat { conn, item: Chat::Unopenable(report) });
        }
    }

    /// Returns an addressee's report about a forwarded envelope to the envelope's sender.
    fn return_report(&mut self, cx: &mut Context, near: &Near<'_>, by: UserId, report: Unopenable) {
        let forwarded = self.forwards.get(&report.envelope);
        let forwarded = forwarded.filter(|forwarded| near.people.user_at(&forwarded.address) == by);
        match forwarded.and_then(|forwarded| near.peers.connections.up(&forwarded.sender)) {
            Some(conn) => cx.out.push(Output::Chat { conn, item: Chat::Unopenable(report) }),
            None => cx.dropped(DropReason::UnopenableUnknown),
        }
    }

    /// Removes expired envelopes and tombstones.
    pub fn expire(&mut self, cx: &mut Context) {
        for id in self.custody.expired(cx.now.moment) {
            cx.dropped(DropReason::EnvelopeExpired);
            self.handover.remove(&id);
            let Some(row) = self.custody.remove(&id) else { continue };
            cx.out.store(Op::ForgetCustody(id));
            if row.mine.is_some() {
                self.facts.push_back(Fact::Expired(row));
            }
        }
        for id in self.custody.expire_tombstones(cx.now.moment) {
            cx.out.store(Op::ForgetTombstone(id));
        }
    }
}

fn row(id: EnvelopeId, envelope: &Envelope, parcel: Parcel, terms: Terms) -> CustodyRow {
    CustodyRow {
        envelope: id,
        address: envelope.address,
        lock: envelope.lock.0,
        depositor: terms.depositor,
        from: terms.from,
        member: terms.member,
        until: terms.until,
        copies: parcel.copies.clamp(1, SPRAY),
        bytes: parcel.envelope.0,
        mine: None,
        unopenable: None,
    }
}

fn release_to(conn: ConnId, envelope: EnvelopeId, r: [u8; 32]) -> Output {
    Output::Chat { conn, item: Chat::Release(Release { envelope, r: Fixed(r) }) }
}
