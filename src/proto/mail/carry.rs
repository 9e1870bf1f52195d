//! Carrying: envelopes for others come in, and end. What is held, passed on at once, refused or evicted is decided here, and
//! how an envelope ends: by its release, by an addressee who cannot open it, by the end of its life. Where it goes meanwhile is
//! decided in `route`.

use std::time::Duration;

use crate::id::{ConnId, EnvelopeId, NetworkId, SessionId, UserId};
use crate::identity::Checked;
use crate::identity::record::Record;
use crate::identity::seal::envelope_id;
use crate::proto::cx::Context;
use crate::proto::drops::DropReason;
use crate::proto::event::Output;
use crate::proto::limits::{ENVELOPE_LIFE, SPRAY};
use crate::proto::mail::forwards::Passed;
use crate::proto::mail::{Fact, Mail};
use crate::proto::near::Near;
use crate::proto::peer::Peer;
use crate::proto::persist::{CustodyRow, Op, TombstoneRow};
use crate::time::Moment;
use crate::wire::chat::{Chat, Custody, Parcel, Release, Unopenable, custody_state};
use crate::wire::codec::Fixed;
use crate::wire::envelope::Envelope;
use crate::wire::record::{KeyCard, Roster, Signed};
use crate::wire::{decode, encode};

/// How much longer an envelope must live, according to who brings it again, for that to be written down.
const LONGER: Duration = Duration::from_secs(3600);

/// On whose account an envelope is held, and for how long.
struct Terms {
    depositor: UserId,
    from: SessionId,
    member: bool,
    until: Moment,
}

impl Terms {
    /// Those on which a neighbour hands an envelope over. Members of a closed network and linked users go before strangers.
    fn of(cx: &Context, near: &Near<'_>, peer: Peer, parcel: &Parcel) -> Terms {
        let life = ENVELOPE_LIFE.as_millis().min(u128::from(parcel.life_ms)) as u64;
        Terms {
            depositor: peer.user,
            from: peer.session,
            member: cx.config.network != NetworkId::OPEN || near.people.links.is_link(&peer.user),
            until: cx.now.moment + Duration::from_millis(life),
        }
    }
}

impl Mail {
    /// An envelope to somebody else: held if this node carries for others, passed on if a friend gives it and the addressee is
    /// connected here.
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
        // Whoever handed it over has decoded it before.
        let Ok(envelope) = decode::<Envelope>(&parcel.envelope) else {
            return cx.dropped(DropReason::MalformedEnvelope);
        };
        if !cx.is_carrier() || cx.disk_trouble.is_some() {
            return self.pass_on(cx, near, peer, id, &envelope, parcel);
        }
        let Ok(evicted) = self.custody.make_room(&terms.depositor, terms.member, parcel.envelope.len()) else {
            cx.dropped(DropReason::EnvelopeOverQuota);
            return self.answer(cx, peer.conn, id, custody_state::FULL);
        };
        evicted.iter().for_each(|id| self.evict(cx, near, id));
        // A neighbour that is nearer and yet hands it over has found that it does not arrive there.
        if near.nearer(&envelope.address).iter().any(|nearer| nearer.conn == peer.conn) {
            self.watchdog.doubt(envelope.address, peer.session, cx.now.moment);
        }
        self.hold(cx, row(id, &envelope, parcel, terms));
        self.answer(cx, peer.conn, id, custody_state::HELD);
        self.route(cx, near, &id);
    }

    /// An envelope that is held comes again. The first to bring a copy decides neither how long it is held nor that a
    /// member's mail counts as a stranger's.
    fn carry_again(&mut self, cx: &mut Context, near: &Near<'_>, conn: ConnId, id: &EnvelopeId, terms: Terms) {
        self.custody.is_held_by(id, terms.from);
        let Some(held) = self.custody.get(id).filter(|held| held.row.mine.is_none()) else {
            return self.answer(cx, conn, *id, custody_state::HELD);
        };
        let until = held.row.until.max(terms.until);
        let (was_member, size) = (held.row.member, held.row.bytes.len());
        let becomes_members = terms.member && !was_member;
        if !becomes_members && until.since(held.row.until) < LONGER {
            return self.answer(cx, conn, *id, custody_state::HELD);
        }
        let mut row = held.row.clone();
        row.until = until;
        if becomes_members {
            let Ok(evicted) = self.custody.make_room(&terms.depositor, true, size) else {
                cx.dropped(DropReason::EnvelopeOverQuota);
                return self.answer(cx, conn, *id, custody_state::FULL);
            };
            evicted.iter().filter(|evicted| *evicted != id).for_each(|id| self.evict(cx, near, id));
            (row.depositor, row.from, row.member) = (terms.depositor, terms.from, true);
        }
        cx.out.store(Op::Custody(Box::new(row.clone())));
        self.custody.change(row);
        self.answer(cx, conn, *id, custody_state::HELD);
    }

    /// Holds an envelope from now on.
    pub fn hold(&mut self, cx: &mut Context, row: CustodyRow) {
        cx.out.store(Op::Custody(Box::new(row.clone())));
        self.custody.take(row);
    }

    /// Says what became of somebody's envelope, once that is durable.
    pub fn answer(&self, cx: &mut Context, conn: ConnId, envelope: EnvelopeId, state: u8) {
        let item = Chat::Custody(Custody { envelope, state });
        cx.out.after_store(Output::Chat { conn, item });
    }

    /// Shows the release to somebody who comes with a copy of what was opened. False if it was not.
    pub fn show_release(&self, cx: &mut Context, conn: ConnId, id: &EnvelopeId) -> bool {
        let Some(stone) = self.custody.tombstone(id) else { return false };
        cx.out.after_store(release_to(conn, *id, stone.r));
        true
    }

    /// A friend's envelope to somebody who is connected here, by a node that holds nothing for others or cannot now.
    fn pass_on(
        &mut self,
        cx: &mut Context,
        near: &Near<'_>,
        peer: Peer,
        id: EnvelopeId,
        envelope: &Envelope,
        parcel: Parcel,
    ) {
        let there = near.at(&envelope.address);
        if there.is_empty() || !(near.people.links.is_link(&peer.user) || cx.is_carrier()) {
            cx.dropped(DropReason::EnvelopeToSomebodyElse);
            let state = if cx.is_carrier() { custody_state::FULL } else { custody_state::NO_CARRIER };
            return self.answer(cx, peer.conn, id, state);
        }
        self.forwards.put(id, Passed { giver: peer.session, address: envelope.address, lock: envelope.lock.0 });
        for Peer { conn, .. } in there {
            let parcel = Parcel { copies: 1, ..parcel.clone() };
            cx.out.push(Output::Chat { conn, item: Chat::Parcel(parcel) });
        }
    }

    /// A stranger's envelope makes room.
    fn evict(&mut self, cx: &mut Context, near: &Near<'_>, id: &EnvelopeId) {
        cx.dropped(DropReason::EnvelopeEvicted);
        self.handover.stop(id);
        let holders = self.custody.get(id).map(|held| held.holders.clone()).unwrap_or_default();
        if self.custody.forget(id).is_none() {
            return;
        }
        cx.out.store(Op::ForgetCustody(*id));
        for conn in holders.iter().filter_map(|session| near.peers.connections.up(session)) {
            self.answer(cx, conn, *id, custody_state::EVICTED);
        }
    }

    /// A release comes in. False if it fits neither an envelope that is held nor one that was passed on.
    pub fn on_release(&mut self, cx: &mut Context, near: &Near<'_>, by: SessionId, release: &Release) -> bool {
        let id = release.envelope;
        if self.custody.fits(&id, &release.r.0) {
            self.end(cx, near, &id, release.r.0, Some(by));
            return true;
        }
        if self.custody.tombstone(&id).is_some_and(|stone| stone.r == release.r.0) {
            return true;
        }
        let giver = self.forwards.giver(&id, &release.r.0);
        let Some(conn) = giver.and_then(|giver| near.peers.connections.up(&giver)) else { return false };
        cx.out.push(Output::Chat { conn, item: Chat::Release(release.clone()) });
        true
    }

    /// An envelope was opened, or its author withdraws it: the bytes go, a tombstone stays, and whoever has a copy is shown the
    /// release.
    pub fn end(&mut self, cx: &mut Context, near: &Near<'_>, id: &EnvelopeId, r: [u8; 32], by: Option<SessionId>) {
        let Some(held) = self.custody.get(id) else { return };
        let (mut tell, until) = (held.holders.clone(), held.row.until);
        tell.retain(|session| Some(*session) != by);
        let freed = self.handover.stop(id);
        let stone = TombstoneRow { envelope: *id, r, until };
        cx.out.store(Op::Tombstone(stone));
        if let Some(oldest) = self.custody.bury(stone) {
            cx.out.store(Op::ForgetTombstone(oldest));
        }
        let Some(row) = self.custody.forget(id) else { return };
        self.watchdog.arrived(row.address, id, by, cx.now.moment);
        if row.mine.is_some() {
            self.facts.push_back(Fact::Opened(row));
        } else {
            cx.out.store(Op::ForgetCustody(*id));
        }
        for conn in tell.iter().filter_map(|session| near.peers.connections.up(session)) {
            cx.out.after_store(release_to(conn, *id, r));
        }
        freed.into_iter().for_each(|session| self.hand_over(cx, near, session));
    }

    /// A session of the addressee cannot open an envelope that is held here or was passed on: that goes back the way the
    /// envelope came.
    pub fn on_unopenable(&mut self, cx: &mut Context, near: &Near<'_>, peer: Peer, said: Unopenable) {
        let id = said.envelope;
        let given = self.handover.answered(&peer.session, &id, cx.now.moment).is_some();
        let Some(held) = self.custody.get(&id) else { return self.pass_back(cx, near, peer.user, said) };
        let (address, is_mine) = (held.row.address, held.row.mine.is_some());
        let addressee = near.people.user_at(&address);
        if peer.user != addressee && !given && !held.holders.contains(&peer.session) {
            return cx.dropped(DropReason::ClaimAboutForeignEnvelope);
        }
        if !self.budgets.unopenables.draw(peer.session, cx.now.moment) {
            return cx.dropped(DropReason::UnopenableOverBudget);
        }
        let Some(roster) = self.checked::<Roster>(cx, peer.conn, &said.roster) else { return };
        let Some(card) = self.checked::<KeyCard>(cx, peer.conn, &said.card) else { return };
        if roster.user != addressee || card.user != addressee || !roster.admits(&card.session) {
            return cx.dropped(DropReason::UnopenableOfAnother);
        }
        self.watchdog.arrived(address, &id, Some(peer.session), cx.now.moment);
        if is_mine {
            let (roster, card) = (Box::new(roster), Box::new(card));
            self.facts.push_back(Fact::Unopenable { peer, envelope: id, roster, card });
        } else {
            self.keep_unopenable(cx, near, peer, said);
            self.hand_over(cx, near, peer.session);
        }
    }

    fn checked<T: Record>(&mut self, cx: &Context, conn: ConnId, signed: &Signed) -> Option<Checked<T>> {
        match Checked::open(signed, &cx.verifier) {
            Ok(record) => Some(record),
            Err(refused) => {
                self.facts.push_back(Fact::BadRecord { conn, refused });
                None
            }
        }
    }

    /// It is kept with the envelope until it can be handed back. The session that cannot open it is not given the envelope
    /// again; others of the addressee may be able to.
    fn keep_unopenable(&mut self, cx: &mut Context, near: &Near<'_>, peer: Peer, said: Unopenable) {
        let id = said.envelope;
        if self.custody.get(&id).is_some_and(|held| near.people.user_at(&held.row.address) == peer.user) {
            self.custody.is_held_by(&id, peer.session);
        }
        let bytes = encode(&said);
        if self.custody.get(&id).is_none_or(|held| held.row.unopenable.as_ref() == Some(&bytes)) {
            return;
        }
        let Some(row) = self.custody.set_unopenable(&id, bytes).cloned() else { return };
        let back = near.peers.connections.up(&row.from);
        cx.out.store(Op::Custody(Box::new(row)));
        if let Some(conn) = back {
            cx.out.after_store(Output::Chat { conn, item: Chat::Unopenable(said) });
        }
    }

    /// About an envelope that was passed on, by the addressee itself.
    fn pass_back(&mut self, cx: &mut Context, near: &Near<'_>, by: UserId, said: Unopenable) {
        let passed = self.forwards.get(&said.envelope).filter(|passed| near.people.user_at(&passed.address) == by);
        match passed.and_then(|passed| near.peers.connections.up(&passed.giver)) {
            Some(conn) => cx.out.push(Output::Chat { conn, item: Chat::Unopenable(said) }),
            None => cx.dropped(DropReason::UnopenableUnknown),
        }
    }

    /// Ends envelopes whose life is over, and forgets tombstones that no copy can outlive.
    pub fn expire(&mut self, cx: &mut Context) {
        for id in self.custody.over(cx.now.moment) {
            cx.dropped(DropReason::EnvelopeExpired);
            self.handover.stop(&id);
            let Some(row) = self.custody.forget(&id) else { continue };
            cx.out.store(Op::ForgetCustody(id));
            if row.mine.is_some() {
                self.facts.push_back(Fact::Expired(row));
            }
        }
        for id in self.custody.crumble(cx.now.moment) {
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
