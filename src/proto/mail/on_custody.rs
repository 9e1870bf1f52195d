//! Carrying: envelopes for others come in, and end. What is kept, passed on at once, refused or evicted is decided here, and
//! how an envelope ends: by its release, by the word of an addressee who cannot open it, by the end of its life. Where it
//! goes meanwhile is [`on_handover`](crate::proto::mail::on_handover)'s.

use std::time::Duration;

use crate::id::{ConnId, EnvelopeId, NetworkId, SessionId, UserId};
use crate::identity::seal::envelope_id;
use crate::proto::Core;
use crate::proto::drops::DropReason;
use crate::proto::event::Output;
use crate::proto::limits::{ENVELOPE_LIFE, SPRAY};
use crate::proto::mail::handover::Passed;
use crate::proto::peer::Peer;
use crate::proto::persist::{CustodyRow, Op, TombstoneRow};
use crate::wire::chat::{Chat, Custody, Parcel, Release, Unopenable, custody_state};
use crate::wire::codec::Fixed;
use crate::wire::envelope::Envelope;
use crate::wire::record::{KeyCard, Roster};
use crate::wire::{decode, encode};

/// How much longer an envelope must live, by the word of who brings it again, for that to be written down.
const LONGER: Duration = Duration::from_secs(3600);

impl Core {
    /// An envelope to somebody else: kept, if I carry for others; passed on, if a friend gives it and the addressee is here.
    pub(in crate::proto) fn carry(&mut self, peer: Peer, parcel: Parcel) {
        let id = envelope_id(&parcel.envelope);
        if self.show_release(peer.conn, &id) {
            return;
        }
        let member = self.cx.config.network != NetworkId::OPEN || self.people.links.is_link(&peer.user);
        let life = ENVELOPE_LIFE.as_millis().min(u128::from(parcel.life_ms)) as u64;
        let until = self.cx.now.moment + Duration::from_millis(life);
        if let Some(held) = self.mail.custody.get(&id) {
            let row = CustodyRow { depositor: peer.user, from: peer.session, member, until, ..held.row.clone() };
            return self.carry_still(peer.conn, row);
        }
        let Ok(envelope) = decode::<Envelope>(&parcel.envelope) else {
            return self.strike(peer.conn, DropReason::MalformedEnvelope);
        };
        if parcel.life_ms == 0 {
            self.cx.dropped(DropReason::EnvelopeExpired);
            return self.answer(peer.conn, id, custody_state::NO_CARRIER);
        }
        if !self.cx.is_carrier() || self.cx.disk_trouble.is_some() {
            return self.pass_parcel(peer, id, &envelope, parcel);
        }
        let Ok(evicted) = self.mail.custody.make_room(&peer.user, member, parcel.envelope.len()) else {
            self.cx.dropped(DropReason::EnvelopeOverQuota);
            return self.answer(peer.conn, id, custody_state::FULL);
        };
        evicted.iter().for_each(|id| self.evict(id));
        let row = CustodyRow {
            envelope: id,
            address: envelope.address,
            lock: envelope.lock.0,
            depositor: peer.user,
            from: peer.session,
            member,
            until,
            copies: parcel.copies.clamp(1, SPRAY),
            bytes: parcel.envelope.0,
            mine: None,
            unopenable: None,
        };
        let user = row.address.user();
        // Whoever is nearer and yet hands it to me has found that it does not arrive there.
        if self.nearer(&user).contains(&peer.conn) {
            self.mail.watchdog.doubt(user, peer.session, self.cx.now.moment);
        }
        self.hold(row);
        self.answer(peer.conn, id, custody_state::HELD);
        self.route(&id);
    }

    /// An envelope that is held comes again. Whoever was faster with a copy does not decide how long it is held, nor that a
    /// member's mail is a stranger's.
    fn carry_still(&mut self, conn: ConnId, again: CustodyRow) {
        let (id, from) = (again.envelope, again.from);
        self.mail.custody.is_held_by(&id, from);
        let Some(held) = self.mail.custody.get(&id).filter(|held| held.row.mine.is_none()) else {
            return self.answer(conn, id, custody_state::HELD);
        };
        let mut row = held.row.clone();
        row.until = row.until.max(again.until);
        if again.member && !row.member {
            let Ok(evicted) = self.mail.custody.make_room(&again.depositor, true, row.bytes.len()) else {
                self.cx.dropped(DropReason::EnvelopeOverQuota);
                return self.answer(conn, id, custody_state::FULL);
            };
            evicted.iter().filter(|evicted| **evicted != id).for_each(|id| self.evict(id));
            (row.depositor, row.from, row.member) = (again.depositor, again.from, true);
        } else if row.until.since(held.row.until) < LONGER {
            return self.answer(conn, id, custody_state::HELD);
        }
        self.cx.out.store(Op::Custody(Box::new(row.clone())));
        self.mail.custody.change(row);
        self.answer(conn, id, custody_state::HELD);
    }

    /// Keeps an envelope.
    pub(in crate::proto) fn hold(&mut self, row: CustodyRow) {
        self.cx.out.store(Op::Custody(Box::new(row.clone())));
        self.mail.custody.take(row);
    }

    /// About somebody's envelope, once what it says is durable.
    pub(in crate::proto) fn answer(&mut self, conn: ConnId, envelope: EnvelopeId, state: u8) {
        let item = Chat::Custody(Custody { envelope, state });
        self.cx.out.after_store(Output::Chat { conn, item });
    }

    /// Who comes with a copy of what was opened is shown so.
    pub(in crate::proto) fn show_release(&mut self, conn: ConnId, id: &EnvelopeId) -> bool {
        let Some(stone) = self.mail.custody.tombstone(id) else { return false };
        let item = Chat::Release(Release { envelope: *id, r: Fixed(stone.r) });
        self.cx.out.after_store(Output::Chat { conn, item });
        true
    }

    /// A friend's envelope to somebody who is connected here, by a node that keeps nothing for others, or cannot now.
    fn pass_parcel(&mut self, peer: Peer, id: EnvelopeId, envelope: &Envelope, parcel: Parcel) {
        let there = self.peers.connections.of_user(&envelope.address.user());
        if there.is_empty() || !(self.people.links.is_link(&peer.user) || self.cx.is_carrier()) {
            self.cx.dropped(DropReason::EnvelopeToSomebodyElse);
            let state = if self.cx.is_carrier() { custody_state::FULL } else { custody_state::NO_CARRIER };
            return self.answer(peer.conn, id, state);
        }
        self.mail.forwards.put(id, Passed { giver: peer.session, address: envelope.address, lock: envelope.lock.0 });
        for Peer { conn, .. } in there {
            let parcel = Parcel { copies: 1, ..parcel.clone() };
            self.cx.out.push(Output::Chat { conn, item: Chat::Parcel(parcel) });
        }
    }

    /// A stranger's envelope makes room.
    fn evict(&mut self, id: &EnvelopeId) {
        self.cx.dropped(DropReason::EnvelopeEvicted);
        self.mail.handover.stop(id);
        let holders = self.mail.custody.get(id).map(|held| held.holders.clone()).unwrap_or_default();
        if self.mail.custody.forget(id).is_none() {
            return;
        }
        self.cx.out.store(Op::ForgetCustody(*id));
        for conn in holders.iter().filter_map(|session| self.peers.connections.up(session)).collect::<Vec<_>>() {
            self.answer(conn, *id, custody_state::EVICTED);
        }
    }

    /// A release, if it fits an envelope that is held, or was passed on. False if it fits nothing.
    pub(in crate::proto) fn release_mail(&mut self, by: SessionId, release: &Release) -> bool {
        let id = release.envelope;
        if self.mail.custody.fits(&id, &release.r.0) {
            self.bury(&id, release.r.0, Some(by));
            return true;
        }
        if self.mail.custody.tombstone(&id).is_some_and(|stone| stone.r == release.r.0) {
            return true;
        }
        let giver = self.mail.forwards.giver(&id, &release.r.0);
        let Some(conn) = giver.and_then(|giver| self.peers.connections.up(&giver)) else { return false };
        self.cx.out.push(Output::Chat { conn, item: Chat::Release(release.clone()) });
        true
    }

    /// An envelope was opened: it goes, its tombstone stays, and whoever has a copy is shown so.
    pub(in crate::proto) fn bury(&mut self, id: &EnvelopeId, r: [u8; 32], by: Option<SessionId>) {
        let Some(held) = self.mail.custody.get(id) else { return };
        let (mut tell, until) = (held.holders.clone(), held.row.until);
        tell.retain(|session| Some(*session) != by);
        let freed = self.mail.handover.stop(id);
        let stone = TombstoneRow { envelope: *id, r, until };
        self.cx.out.store(Op::Tombstone(stone));
        if let Some(oldest) = self.mail.custody.bury(stone) {
            self.cx.out.store(Op::ForgetTombstone(oldest));
        }
        let Some(row) = self.mail.custody.forget(id) else { return };
        self.mail.watchdog.arrived(row.address.user(), id, by, self.cx.now.moment);
        let mine = row.mine.is_some().then(|| row.address.user());
        let receipt = mine.filter(|_| row.mine.as_ref().is_some_and(|mine| mine.load.is_empty()));
        self.let_go(row);
        for conn in tell.iter().filter_map(|session| self.peers.connections.up(session)).collect::<Vec<_>>() {
            let item = Chat::Release(Release { envelope: *id, r: Fixed(r) });
            self.cx.out.after_store(Output::Chat { conn, item });
        }
        freed.into_iter().for_each(|session| self.hand_over(session));
        mine.iter().for_each(|user| self.entrust(user));
        receipt.iter().for_each(|user| self.mail_next_receipt(user));
    }

    /// What is left of an envelope that was opened: of mine, that its messages need not be sealed again before its end.
    fn let_go(&mut self, row: CustodyRow) {
        if row.mine.as_ref().is_some_and(|mine| self.chat.outbox.waits_any(&mine.load)) {
            self.hold(CustodyRow { bytes: Vec::new(), ..row });
        } else {
            self.cx.out.store(Op::ForgetCustody(row.envelope));
        }
    }

    /// A session of the addressee cannot open an envelope that I hold or passed on: back the way it came.
    pub(in crate::proto) fn unopenable_mail(&mut self, peer: Peer, said: Unopenable) {
        let id = said.envelope;
        let given = self.mail.handover.answered(&peer.session, &id, self.cx.now.moment).is_some();
        let Some(held) = self.mail.custody.get(&id) else { return self.pass_back(peer.user, said) };
        let addressee = held.row.address.user();
        if peer.user != addressee && !given && !held.holders.contains(&peer.session) {
            return self.cx.dropped(DropReason::ClaimAboutForeignEnvelope);
        }
        if !self.mail.budgets.unopenables.draw(peer.session, self.cx.now.moment) {
            return self.cx.dropped(DropReason::UnopenableOverBudget);
        }
        let Some(roster) = self.checked::<Roster>(peer.conn, &said.roster) else { return };
        let Some(card) = self.checked::<KeyCard>(peer.conn, &said.card) else { return };
        if roster.user != addressee || card.user != addressee || !roster.admits(&card.session) {
            return self.cx.dropped(DropReason::UnopenableOfAnother);
        }
        self.mail.watchdog.arrived(addressee, &id, Some(peer.session), self.cx.now.moment);
        if self.mail.custody.get(&id).is_some_and(|held| held.row.mine.is_some()) {
            self.seal_anew(peer, &id, roster, card);
        } else {
            self.keep_unopenable(peer.session, peer.user, said);
        }
        self.hand_over(peer.session);
    }

    /// It is kept with the envelope until it can be handed back. The session that said it is not given the envelope again;
    /// others of the addressee may yet open it.
    fn keep_unopenable(&mut self, by: SessionId, by_user: UserId, said: Unopenable) {
        let id = said.envelope;
        if self.mail.custody.get(&id).is_some_and(|held| held.row.address.user() == by_user) {
            self.mail.custody.is_held_by(&id, by);
        }
        let bytes = encode(&said);
        if self.mail.custody.get(&id).is_none_or(|held| held.row.unopenable.as_ref() == Some(&bytes)) {
            return;
        }
        let Some(row) = self.mail.custody.set_unopenable(&id, bytes).cloned() else { return };
        let back = self.peers.connections.up(&row.from);
        self.cx.out.store(Op::Custody(Box::new(row)));
        if let Some(conn) = back {
            self.cx.out.after_store(Output::Chat { conn, item: Chat::Unopenable(said) });
        }
    }

    /// About an envelope that was passed on, by the addressee itself.
    fn pass_back(&mut self, by_user: UserId, said: Unopenable) {
        let passed = self.mail.forwards.get(&said.envelope).filter(|passed| passed.address.user() == by_user);
        match passed.and_then(|passed| self.peers.connections.up(&passed.giver)) {
            Some(conn) => self.cx.out.push(Output::Chat { conn, item: Chat::Unopenable(said) }),
            None => self.cx.dropped(DropReason::UnopenableUnknown),
        }
    }

    /// Lives that are over, tombstones that no copy outlives, and what has not been answered for too long.
    pub(in crate::proto) fn keep_custody(&mut self) {
        let now = self.cx.now.moment;
        for id in self.mail.custody.over(now) {
            self.cx.dropped(DropReason::EnvelopeExpired);
            self.mail.handover.stop(&id);
            let Some(row) = self.mail.custody.forget(&id) else { continue };
            self.cx.out.store(Op::ForgetCustody(id));
            self.begin_again(row);
        }
        for id in self.mail.custody.crumble(now) {
            self.cx.out.store(Op::ForgetTombstone(id));
        }
        for session in self.mail.handover.resend(now) {
            self.cx.dropped(DropReason::CustodyUnanswered);
            self.hand_over(session);
        }
        for session in self.mail.handover.try_again(now) {
            self.hand_over(session);
        }
        if self.mail.handover.has_room_again(now) {
            self.mail.custody.newest().iter().rev().for_each(|id| self.route(id));
            self.entrust_all();
        }
    }
}
