//! Where an envelope goes from here, in this order: to the addressee, if connected. To the carrier that is known to be nearest
//! to them, and nearer than this node ([`Near::nearer`]). If nobody knows where they are, half of the copies at each meeting
//! with a carrier that has none, until one is left (binary spray and wait; Spyropoulos, Psounis and Raghavendra, 2005). So mail
//! follows the directory where there is one, and travels with people where there is none.
//!
//! Two carriers that meet offer each other what they hold, by id; each asks for what it lacks and shows the release of what was
//! opened meanwhile. An author's own envelopes go the same way, and at least one connected carrier is to have each.

use crate::id::{Address, EnvelopeId, SessionId};
use crate::proto::cx::Context;
use crate::proto::drops::DropReason;
use crate::proto::event::Output;
use crate::proto::limits::MAX_OFFERED_AT_ONCE;
use crate::proto::mail::custody::Held;
use crate::proto::mail::{Fact, Mail};
use crate::proto::near::Near;
use crate::proto::peer::Peer;
use crate::proto::persist::Op;
use crate::wire::chat::{Ask, Chat, Custody, MAX_OFFERED, Offer, Parcel, Unopenable, custody_state};
use crate::wire::codec::{Bytes, List};
use crate::wire::decode;

/// What a neighbour gets of an envelope.
struct Share {
    /// Copies on the label.
    label: u8,
    /// Copies that are left here fewer.
    cost: u8,
}

impl Mail {
    /// Lets an envelope go where it is to go from here, of those who are connected.
    pub fn route(&mut self, cx: &mut Context, near: &Near<'_>, id: &EnvelopeId) {
        let Some(held) = self.custody.get(id) else { return };
        let (address, is_mine) = (held.row.address, held.row.mine.is_some());
        let mut ways: Vec<SessionId> = near.at(&address).iter().map(|peer| peer.session).collect();
        let nobody_here = ways.is_empty();
        if nobody_here {
            if is_mine {
                ways.extend(near.friends_between(&address));
            }
            ways.extend(self.best_carrier(cx, near, id));
            ways.extend(self.own_carrier(cx, near, id).filter(|_| is_mine));
        }
        ways.into_iter().for_each(|session| self.send_to(cx, near, session, *id));
        if nobody_here {
            self.watch(cx, near, id);
            if let Some(session) = self.detour(cx, near, id) {
                self.send_to(cx, near, session, *id);
            }
        }
    }

    fn send_to(&mut self, cx: &mut Context, near: &Near<'_>, session: SessionId, id: EnvelopeId) {
        self.handover.put(&session, id);
        self.hand_over(cx, near, session);
    }

    /// Somebody can be reached, or is nearer to a carrier than before: everything held for them is routed again.
    pub fn route_all_to(&mut self, cx: &mut Context, near: &Near<'_>, address: &Address) {
        let theirs: Vec<EnvelopeId> = self.custody.to(address).collect();
        theirs.iter().for_each(|id| self.route(cx, near, id));
    }

    /// Carriers that hold mail to somebody who is said to be near are expected to show its release.
    fn watch(&mut self, cx: &Context, near: &Near<'_>, id: &EnvelopeId) {
        let Some(held) = self.custody.get(id) else { return };
        let address = held.row.address;
        if !near.is_said_near(cx, &address) {
            return;
        }
        let carries =
            |holder: &&SessionId| near.peers.connections.up(holder).is_some() && near.people.is_carrier(holder);
        let holders: Vec<SessionId> = held.holders.iter().filter(carries).copied().collect();
        for holder in holders {
            self.watchdog.took(address, holder, *id, cx.now.moment);
        }
    }

    /// Whether a neighbour has an envelope, or is about to get it.
    fn has(&self, held: &Held, session: &SessionId) -> bool {
        held.holders.contains(session) || self.handover.is_going(session, &held.row.envelope)
    }

    /// The carrier that is to have an envelope as well, since it has not arrived by those that are nearer.
    fn detour(&self, cx: &Context, near: &Near<'_>, id: &EnvelopeId) -> Option<SessionId> {
        let held = self.custody.get(id)?;
        let address = &held.row.address;
        let is_lost =
            || self.watchdog.distrusted().any(|session| self.has(held, session)) && near.is_said_near(cx, address);
        if !self.watchdog.doubts(address) && !is_lost() {
            return None;
        }
        let mut believed = near.carriers_for(address);
        believed.retain(|session| !self.watchdog.is_doubted(address, session));
        believed.sort_by_key(|session| near.distance_by(session, address));
        if believed.iter().any(|session| self.has(held, session)) {
            return None;
        }
        believed.into_iter().find(|session| self.handover.has_room(session, cx.now.moment))
    }

    /// Mail that did not arrive in time by one carrier goes another way as well.
    pub fn keep_watch(&mut self, cx: &mut Context, near: &Near<'_>) {
        let late = self.watchdog.overdue(cx.now.moment, |id| self.custody.get(id).is_some());
        for (address, by) in late.into_iter().filter(|(address, _)| near.is_said_near(cx, address)).collect::<Vec<_>>()
        {
            cx.dropped(if self.watchdog.distrusts(&by) { DropReason::WatchGivenUp } else { DropReason::CarrierLate });
            self.watchdog.doubt(address, by, cx.now.moment);
            self.route_all_to(cx, near, &address);
        }
    }

    /// The connected carrier that is to have an envelope next, unless one that is as good has it.
    fn best_carrier(&self, cx: &Context, near: &Near<'_>, id: &EnvelopeId) -> Option<SessionId> {
        let held = self.custody.get(id)?;
        let address = &held.row.address;
        let nearer: Vec<SessionId> = near.nearer(address).iter().map(|peer| peer.session).collect();
        let is_mine = held.row.mine.is_some();
        let candidates = if nearer.is_empty() && is_mine { near.carriers_for(address) } else { nearer };
        if candidates.iter().any(|session| self.has(held, session)) {
            return None;
        }
        candidates.into_iter().find(|session| self.handover.has_room(session, cx.now.moment))
    }

    /// Anybody may claim to be a relay, and to be near, and drop what it is given. A carrier that this user chose, linked with
    /// or given as bootstrap, is to have each of the user's envelopes as well, unless one of them has it.
    fn own_carrier(&self, cx: &Context, near: &Near<'_>, id: &EnvelopeId) -> Option<SessionId> {
        let held = self.custody.get(id)?;
        let mut own = near.carriers_for(&held.row.address);
        own.retain(|session| near.is_own(session));
        if own.iter().any(|session| self.has(held, session)) {
            return None;
        }
        own.into_iter().find(|session| self.handover.has_room(session, cx.now.moment))
    }

    /// Sends what waits for a neighbour, as far as its window goes.
    pub fn hand_over(&mut self, cx: &mut Context, near: &Near<'_>, session: SessionId) {
        let Some(peer) = near.peers.connections.up_peer(&session) else { return };
        while let Some(id) = self.handover.take(&session) {
            let Some(share) = self.share(cx, near, peer, &id) else { continue };
            let Some(held) = self.custody.get(&id) else { continue };
            let life_ms = held.row.until.since(cx.now.moment).as_millis() as u64;
            let envelope = Bytes(held.row.bytes.clone());
            let item = Chat::Parcel(Parcel { envelope, life_ms, copies: share.label });
            let output = Output::Chat { conn: peer.conn, item };
            self.handover.sent(&session, id, share.cost, cx.now.moment);
            // Mine must be on the disk, or a restart would seal its messages again.
            if held.row.mine.is_some() {
                cx.out.after_store(output);
            } else {
                cx.out.push(output);
            }
        }
    }

    /// What a neighbour is to get of an envelope.
    fn share(&self, cx: &Context, near: &Near<'_>, peer: Peer, id: &EnvelopeId) -> Option<Share> {
        let held = self.custody.get(id).filter(|held| !held.row.bytes.is_empty())?;
        let (address, is_mine) = (&held.row.address, held.row.mine.is_some());
        let whole = Share { label: 1, cost: 0 };
        if near.people.user_at(address) == peer.user {
            // Lines of mine are sealed to them anew and go through the outbox.
            let lines = held.row.mine.as_ref().is_some_and(|mine| !mine.load.is_empty());
            return (!lines && !held.holders.contains(&peer.session)).then_some(whole);
        }
        if held.holders.contains(&peer.session) || !near.at(address).is_empty() {
            return None;
        }
        if !near.people.is_carrier(&peer.session) {
            return (is_mine && near.people.links.is_link(&peer.user)).then_some(whole);
        }
        if !self.handover.has_room(&peer.session, cx.now.moment) {
            return None;
        }
        let nearer = near.nearer(address);
        let copies = held.row.copies.saturating_sub(self.handover.given(id));
        let half = copies / 2;
        let to_own = || is_mine && self.own_carrier(cx, near, id) == Some(peer.session);
        if nearer.iter().any(|way| way.conn == peer.conn) || self.detour(cx, near, id) == Some(peer.session) {
            Some(whole)
        } else if !nearer.is_empty() {
            to_own().then_some(whole)
        } else if copies > 1 {
            Some(Share { label: half, cost: half })
        } else {
            (to_own() || is_mine && self.best_carrier(cx, near, id).is_some()).then_some(whole)
        }
    }

    /// A neighbour is here: what is for it goes, and what is held here and it may have, or may have had, is offered.
    pub fn on_up(&mut self, cx: &mut Context, near: &Near<'_>, peer: Peer) {
        let theirs: Vec<EnvelopeId> = self.custody.to(&Address::from(peer.user)).collect();
        theirs.into_iter().for_each(|id| self.handover.put(&peer.session, id));
        for page in self.worth_offering(cx, near, peer).chunks(MAX_OFFERED) {
            let item = Chat::Offer(Offer { envelopes: List(page.to_vec()) });
            cx.out.after_store(Output::Chat { conn: peer.conn, item });
        }
        self.hand_over(cx, near, peer.session);
    }

    /// What a carrier may be given, and what a neighbour gave or was given: it may be released, here or there.
    fn worth_offering(&self, cx: &Context, near: &Near<'_>, peer: Peer) -> Vec<EnvelopeId> {
        if !near.people.is_carrier(&peer.session) {
            // Most neighbours. What they gave is found without looking at everything that others gave.
            return self.custody.deposited_by(&peer.user);
        }
        let worth = |id: &EnvelopeId| {
            let has = |held: &Held| held.holders.contains(&peer.session);
            self.custody.get(id).is_some_and(has) || self.share(cx, near, peer, id).is_some()
        };
        self.custody.newest().into_iter().filter(worth).take(MAX_OFFERED_AT_ONCE).collect()
    }

    /// What a neighbour holds: released here, known, or asked for.
    pub fn on_offer(&mut self, cx: &mut Context, near: &Near<'_>, peer: Peer, offer: Offer) {
        if !self.handover.may_offer(&peer.session, offer.envelopes.len()) {
            return cx.dropped(DropReason::OfferTooLong);
        }
        let mut lacking = Vec::new();
        for id in offer.envelopes.0 {
            if self.show_release(cx, peer.conn, &id) {
                continue;
            }
            let Some(held) = self.custody.get(&id) else {
                lacking.push(id);
                continue;
            };
            let news = !held.holders.contains(&peer.session);
            let (gave, unopenable) = (held.row.from == peer.session, held.row.unopenable.clone());
            if let Some(said) = unopenable.filter(|_| gave).and_then(|said| decode::<Unopenable>(&said).ok()) {
                cx.out.after_store(Output::Chat { conn: peer.conn, item: Chat::Unopenable(said) });
            } else if gave || news {
                self.answer(cx, peer.conn, id, custody_state::HELD);
            }
            self.note_holder(cx, near, peer.session, &id);
        }
        if cx.is_carrier() && cx.disk_trouble.is_none() && !lacking.is_empty() {
            let item = Chat::Ask(Ask { envelopes: List(lacking) });
            cx.out.push(Output::Chat { conn: peer.conn, item });
        }
    }

    pub fn on_ask(&mut self, cx: &mut Context, near: &Near<'_>, by: SessionId, ask: &Ask) {
        for id in ask.envelopes.iter().filter(|id| self.custody.get(id).is_some()) {
            self.handover.put(&by, *id);
        }
        self.hand_over(cx, near, by);
    }

    /// What became of an envelope with a neighbour.
    pub fn on_custody(&mut self, cx: &mut Context, near: &Near<'_>, peer: Peer, said: &Custody) {
        let (by, id, now) = (peer.session, said.envelope, cx.now.moment);
        let given = self.handover.answered(&by, &id, now);
        match said.state {
            // It may be asked about what it was given before this node restarted; who is no carrier holds nothing.
            custody_state::HELD if given.is_some() || near.people.is_carrier(&by) => {
                self.handover.is_taken(&by);
                self.give_copies_away(cx, &id, given.unwrap_or(0));
                // One that was opened meanwhile is known here only by its release.
                if !self.show_release(cx, peer.conn, &id) {
                    self.note_holder(cx, near, by, &id);
                }
            }
            custody_state::FULL if given.is_some() => self.on_refused(cx, near, by, &id),
            custody_state::EVICTED if self.custody.is_not_held_by(&id, &by) => self.on_refused(cx, near, by, &id),
            custody_state::NO_CARRIER if given.is_some() => {
                self.handover.is_declined(&by, &id, now);
                self.route(cx, near, &id);
            }
            custody_state::HELD..=custody_state::EVICTED => cx.dropped(DropReason::ClaimAboutForeignEnvelope),
            _ => cx.dropped(DropReason::UnknownCustodyAnswer),
        }
        self.hand_over(cx, near, by);
    }

    fn give_copies_away(&mut self, cx: &mut Context, id: &EnvelopeId, given: u8) {
        let Some(held) = self.custody.get(id).filter(|_| given > 0) else { return };
        let copies = held.row.copies.saturating_sub(given).max(1);
        self.custody.set_copies(id, copies);
        cx.out.store(Op::Copies { envelope: *id, copies });
    }

    /// A carrier does not take, or does not keep, an envelope.
    fn on_refused(&mut self, cx: &mut Context, near: &Near<'_>, by: SessionId, id: &EnvelopeId) {
        self.handover.is_full(&by, cx.now.moment);
        let Some(held) = self.custody.get(id) else { return };
        if held.row.mine.is_some() {
            self.facts.push_back(Fact::Refused { by });
        }
        self.route(cx, near, id);
    }

    /// A neighbour has an envelope.
    fn note_holder(&mut self, cx: &Context, near: &Near<'_>, by: SessionId, id: &EnvelopeId) {
        if !self.custody.is_held_by(id, by) {
            return;
        }
        if self.custody.get(id).is_some_and(|held| held.row.mine.is_some()) {
            self.facts.push_back(Fact::Carried { by, envelope: *id });
        }
        self.watch(cx, near, id);
    }

    /// Envelopes may go to a neighbour that has come up.
    pub fn open(&mut self, cx: &Context, session: SessionId) {
        self.handover.open(session, cx.now.moment);
    }

    /// A neighbour is gone: what was on its way there, or was only with it, goes another way.
    pub fn on_gone(&mut self, cx: &mut Context, near: &Near<'_>, session: &SessionId) {
        self.watchdog.forget(session);
        let mut undone = self.handover.close(session);
        let known = near.people.sessions.get(session).and_then(|known| known.declaration());
        if known.is_some_and(|declaration| declaration.roles != 0) && !self.custody.is_empty() {
            let with_it = |id: &EnvelopeId| self.custody.get(id).is_some_and(|held| held.holders.contains(session));
            undone.extend(self.custody.newest().into_iter().rev().filter(with_it));
        }
        undone.iter().for_each(|id| self.route(cx, near, id));
    }

    /// Another connection to a neighbour is spoken on: what was on its way goes again.
    pub fn resume(&mut self, cx: &mut Context, near: &Near<'_>, session: SessionId) {
        let undone = self.handover.close(&session);
        self.handover.open(session, cx.now.moment);
        undone.into_iter().for_each(|id| self.handover.put(&session, id));
        self.hand_over(cx, near, session);
    }

    /// What has not been answered for too long, and neighbours that declined or were full a while ago.
    pub fn try_again(&mut self, cx: &mut Context, near: &Near<'_>) {
        for session in self.handover.resend(cx.now.moment) {
            cx.dropped(DropReason::CustodyUnanswered);
            self.hand_over(cx, near, session);
        }
        for session in self.handover.try_again(cx.now.moment) {
            self.hand_over(cx, near, session);
        }
        if self.handover.has_room_again(cx.now.moment) {
            self.custody.newest().iter().rev().for_each(|id| self.route(cx, near, id));
            self.facts.push_back(Fact::CapacityAgain);
        }
    }

    /// Whether any carrier or friend is connected who may bring mail to an address.
    pub fn has_way(&self, cx: &Context, near: &Near<'_>, address: &Address) -> bool {
        let has_room = |session: &SessionId| self.handover.has_room(session, cx.now.moment);
        !near.friends_between(address).is_empty() || near.carriers_for(address).iter().any(has_room)
    }
}
