//! Routing of envelopes. An envelope goes to the addressee, if connected; otherwise to the carrier nearest to the addressee,
//! if it is nearer than this node ([`Near::nearer`]). If no route is known, half of the copies are given to each carrier that
//! connects and has none, until one copy is left (binary spray and wait; Spyropoulos, Psounis and Raghavendra, 2005). Mail thus
//! follows the directory where a route is known, and moves with carriers where none is.
//!
//! Two carriers that connect offer each other the ids of the envelopes they hold. Each asks for those it lacks, and shows the
//! releases of those that were opened meanwhile. An author's own envelopes are routed the same way, and at least one connected
//! carrier is to have each of them. Every connected session of its user also gets them, and routes them as its own, so that they
//! arrive although the author does not return.

use std::collections::BTreeSet;

use crate::id::{Address, EnvelopeId, SessionId};
use crate::proto::cx::Context;
use crate::proto::drops::DropReason;
use crate::proto::event::Output;
use crate::proto::limits::{MAX_HOLDERS, MAX_OFFERED_AT_ONCE, UNPROVEN_COPIES};
use crate::proto::mail::custody::Held;
use crate::proto::mail::{Fact, Mail};
use crate::proto::near::{Near, is_addressee};
use crate::proto::peer::Peer;
use crate::proto::persist::Op;
use crate::wire::chat::{Ask, Chat, Custody, MAX_OFFERED, Offer, Parcel, Unopenable, custody_state};
use crate::wire::codec::{Bytes, List};
use crate::wire::decode;

/// The copies of an envelope that a neighbour gets.
struct Share {
    /// The number of copies stated in the parcel.
    given: u8,
    /// The number of copies subtracted here.
    cost: u8,
}

impl Mail {
    /// Whether an envelope is of the local user: sealed here, or given by another session of the user.
    fn is_ours(cx: &Context, held: &Held) -> bool {
        held.row.depositor == cx.config.user
    }

    /// Sends an envelope to the connected neighbours that are to have it.
    pub fn route(&mut self, cx: &mut Context, near: &Near<'_>, id: &EnvelopeId) {
        let Some(held) = self.custody.get(id) else { return };
        let (address, is_ours) = (held.row.address, Self::is_ours(cx, held));
        let mut receivers: Vec<SessionId> = near.at(&address).iter().map(|peer| peer.session).collect();
        let is_away = receivers.is_empty();
        if is_away {
            if is_ours {
                receivers.extend(near.sisters());
                receivers.extend(near.friends_between(&address));
            }
            receivers.extend(self.best_carrier(cx, near, id));
            receivers.extend(self.own_carrier(cx, near, id).filter(|_| is_ours));
            receivers.extend(self.unproven_carriers(cx, near, id));
        }
        receivers.into_iter().for_each(|session| self.send_to(cx, near, session, *id));
        if is_away {
            self.watch(cx, near, id);
            if let Some(session) = self.detour(cx, near, id) {
                self.send_to(cx, near, session, *id);
            }
        }
    }

    fn send_to(&mut self, cx: &mut Context, near: &Near<'_>, session: SessionId, id: EnvelopeId) {
        self.handover.enqueue(&session, id);
        self.hand_over(cx, near, session);
    }

    /// Routes all envelopes to an address again, since a route to it has changed.
    pub fn route_all_to(&mut self, cx: &mut Context, near: &Near<'_>, address: &Address) {
        let envelopes: Vec<EnvelopeId> = self.custody.to(address).collect();
        envelopes.iter().for_each(|id| self.route(cx, near, id));
    }

    /// Watches the carriers that hold an envelope to an addressee who is claimed to be near: they are expected to show its
    /// release.
    fn watch(&mut self, cx: &Context, near: &Near<'_>, id: &EnvelopeId) {
        let Some(held) = self.custody.get(id) else { return };
        let address = held.row.address;
        if !near.is_reported_near(cx, &address) {
            return;
        }
        let carries =
            |holder: &&SessionId| near.peers.connections.up(holder).is_some() && near.people.is_carrier(holder);
        let holders: Vec<SessionId> = held.holders.iter().filter(carries).copied().collect();
        for holder in holders {
            self.watchdog.record_taken(address, holder, *id, cx.now.moment);
        }
    }

    /// Whether a neighbour has an envelope, or it is in flight or queued.
    fn has(&self, held: &Held, session: &SessionId) -> bool {
        held.holders.contains(session) || self.handover.is_pending(session, &held.row.envelope)
    }

    /// A further carrier for an envelope that has not arrived through nearer ones; `None` if that is not suspected, or an
    /// undoubted carrier has it.
    fn detour(&self, cx: &Context, near: &Near<'_>, id: &EnvelopeId) -> Option<SessionId> {
        let held = self.custody.get(id)?;
        let address = &held.row.address;
        let is_lost =
            || self.watchdog.distrusted().any(|session| self.has(held, session)) && near.is_reported_near(cx, address);
        if !self.watchdog.doubts(address) && !is_lost() {
            return None;
        }
        let mut undoubted = near.carriers_for(address);
        undoubted.retain(|session| !self.watchdog.is_doubted(address, session));
        undoubted.sort_by_key(|session| near.distance_by(session, address));
        if undoubted.iter().any(|session| self.has(held, session)) {
            return None;
        }
        undoubted.into_iter().find(|session| self.handover.has_capacity(session, cx.now.moment))
    }

    /// Routes mail that has not arrived in time through one carrier to another one as well.
    pub fn check_watchdog(&mut self, cx: &mut Context, near: &Near<'_>) {
        let late = self.watchdog.take_overdue(cx.now.moment, |id| self.custody.get(id).is_some());
        for (address, by) in
            late.into_iter().filter(|(address, _)| near.is_reported_near(cx, address)).collect::<Vec<_>>()
        {
            cx.dropped(if self.watchdog.distrusts(&by) { DropReason::WatchGivenUp } else { DropReason::CarrierLate });
            self.watchdog.doubt(address, by, cx.now.moment);
            self.route_all_to(cx, near, &address);
        }
    }

    /// The best connected carrier for an envelope; `None` if one of the candidates has it.
    fn best_carrier(&self, cx: &Context, near: &Near<'_>, id: &EnvelopeId) -> Option<SessionId> {
        let held = self.custody.get(id)?;
        let address = &held.row.address;
        let nearer: Vec<SessionId> = near.nearer(address).iter().map(|peer| peer.session).collect();
        let candidates = if nearer.is_empty() && Self::is_ours(cx, held) { near.carriers_for(address) } else { nearer };
        if candidates.iter().any(|session| self.has(held, session)) {
            return None;
        }
        candidates.into_iter().find(|session| self.handover.has_capacity(session, cx.now.moment))
    }

    /// A carrier that this user chose, by a link or as bootstrap, for an envelope; `None` if one of them has it. Any node can
    /// claim to be a relay and to be near, and drop what it is given, so one chosen carrier gets each own envelope as well.
    fn own_carrier(&self, cx: &Context, near: &Near<'_>, id: &EnvelopeId) -> Option<SessionId> {
        let held = self.custody.get(id)?;
        let mut own = near.carriers_for(&held.row.address);
        own.retain(|session| near.is_own(session));
        if own.iter().any(|session| self.has(held, session)) {
            return None;
        }
        own.into_iter().find(|session| self.handover.has_capacity(session, cx.now.moment))
    }

    /// Further carriers for an own envelope that no trusted carrier has: others that claim the role, any of which may drop what
    /// it is given. There are [`UNPROVEN_COPIES`], and beyond them one for each address that has none, because identities cost
    /// nothing and addresses do.
    fn unproven_carriers(&self, cx: &Context, near: &Near<'_>, id: &EnvelopeId) -> Vec<SessionId> {
        let Some(held) = self.custody.get(id).filter(|held| Self::is_ours(cx, held)) else { return Vec::new() };
        let carriers = near.carriers_for(&held.row.address);
        let (with, without): (Vec<SessionId>, Vec<SessionId>) =
            carriers.into_iter().partition(|session| self.has(held, session));
        if with.iter().any(|session| near.is_trusted(session)) {
            return Vec::new();
        }
        let address = |session: &SessionId| near.peers.connections.origin(session).map(|(address, _)| address);
        let mut copies = with.len();
        let mut addresses: BTreeSet<_> = with.iter().map(address).collect();
        let mut further = Vec::new();
        for session in without.into_iter().filter(|session| self.handover.has_capacity(session, cx.now.moment)) {
            if copies < MAX_HOLDERS && (addresses.insert(address(&session)) || copies < UNPROVEN_COPIES) {
                further.push(session);
                copies += 1;
            }
        }
        further
    }

    /// Sends queued envelopes to a neighbour, as far as its window allows.
    pub fn hand_over(&mut self, cx: &mut Context, near: &Near<'_>, session: SessionId) {
        let Some(peer) = near.peers.connections.up_peer(&session) else { return };
        while let Some(id) = self.handover.take_next(&session) {
            let Some(share) = self.share(cx, near, peer, &id) else { continue };
            let Some(held) = self.custody.get(&id) else { continue };
            let life_ms = held.row.until.since(cx.now.moment).as_millis() as u64;
            let envelope = Bytes(held.row.bytes.clone());
            let item = Chat::Parcel(Parcel { envelope, life_ms, copies: share.given });
            let output = Output::Chat { conn: peer.conn, item };
            self.handover.record_sent(&session, id, share.cost, cx.now.moment);
            // An own envelope must be durable, or a restart would seal its messages again.
            if held.row.mine.is_some() {
                cx.out.after_store(output);
            } else {
                cx.out.push(output);
            }
        }
    }

    /// The share of an envelope for a neighbour; `None` if the neighbour is not to have it.
    fn share(&self, cx: &Context, near: &Near<'_>, peer: Peer, id: &EnvelopeId) -> Option<Share> {
        let held = self.custody.get(id).filter(|held| !held.row.bytes.is_empty())?;
        let (address, is_ours) = (&held.row.address, Self::is_ours(cx, held));
        let whole = Share { given: 1, cost: 0 };
        if is_addressee(&peer, address) {
            // Own messages are sealed again for the connected session, through the outbox.
            let is_messages = held.row.mine.as_ref().is_some_and(|own| !own.load.is_empty());
            return (!is_messages && !held.holders.contains(&peer.session)).then_some(whole);
        }
        if held.holders.contains(&peer.session) || !near.at(address).is_empty() {
            return None;
        }
        let has_capacity = self.handover.has_capacity(&peer.session, cx.now.moment);
        if is_ours && near.people.is_sister(&peer.session) {
            return has_capacity.then_some(whole);
        }
        if !near.people.is_carrier(&peer.session) {
            return (is_ours && near.people.links.is_link(&peer.user)).then_some(whole);
        }
        if !has_capacity {
            return None;
        }
        let nearer = near.nearer(address);
        let copies = held.row.copies.saturating_sub(self.handover.copies_in_flight(id));
        let half = copies / 2;
        let to_chosen = || is_ours && self.own_carrier(cx, near, id) == Some(peer.session);
        if nearer.iter().any(|nearer| nearer.conn == peer.conn) || self.detour(cx, near, id) == Some(peer.session) {
            Some(whole)
        } else if !nearer.is_empty() {
            to_chosen().then_some(whole)
        } else if copies > 1 {
            Some(Share { given: half, cost: half })
        } else {
            let is_further = || self.unproven_carriers(cx, near, id).contains(&peer.session);
            (to_chosen() || is_further() || is_ours && self.best_carrier(cx, near, id).is_some()).then_some(whole)
        }
    }

    /// Handles a new connection: sends the envelopes to the neighbour's user, and offers those that the neighbour may take or
    /// have.
    pub fn on_up(&mut self, cx: &mut Context, near: &Near<'_>, peer: Peer) {
        for address in [Address::from(peer.user), Address::from(&peer.session)] {
            let envelopes: Vec<EnvelopeId> = self.custody.to(&address).collect();
            envelopes.into_iter().for_each(|id| self.handover.enqueue(&peer.session, id));
        }
        for page in self.worth_offering(cx, near, peer).chunks(MAX_OFFERED) {
            let item = Chat::Offer(Offer { envelopes: List(page.to_vec()) });
            cx.out.after_store(Output::Chat { conn: peer.conn, item });
        }
        self.hand_over(cx, near, peer.session);
    }

    /// The envelopes to offer a neighbour: those a holder may be given, and those it has given or has, since either side may
    /// have their release.
    fn worth_offering(&self, cx: &Context, near: &Near<'_>, peer: Peer) -> Vec<EnvelopeId> {
        if !near.may_hold(&peer.session) {
            // The common case. The neighbour's own envelopes are found by its account, without a scan of all others.
            return self.custody.deposited_by(&peer.user);
        }
        let worth = |id: &EnvelopeId| {
            let has = |held: &Held| held.holders.contains(&peer.session);
            self.custody.get(id).is_some_and(has) || self.share(cx, near, peer, id).is_some()
        };
        self.custody.newest_first().into_iter().filter(worth).take(MAX_OFFERED_AT_ONCE).collect()
    }

    /// Handles a neighbour's offer of envelopes: shows releases, confirms known envelopes, and asks for those it lacks.
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
            let (is_sender, report) = (held.row.from == peer.session, held.row.unopenable.clone());
            if let Some(report) = report.filter(|_| is_sender).and_then(|report| decode::<Unopenable>(&report).ok()) {
                cx.out.after_store(Output::Chat { conn: peer.conn, item: Chat::Unopenable(report) });
            } else if is_sender || news {
                self.answer(cx, peer.conn, id, custody_state::HELD);
            }
            self.add_holder(cx, near, peer.session, &id);
        }
        let holds = cx.is_carrier() || near.people.is_sister(&peer.session);
        if holds && cx.disk_trouble.is_none() && !lacking.is_empty() {
            let item = Chat::Ask(Ask { envelopes: List(lacking) });
            cx.out.push(Output::Chat { conn: peer.conn, item });
        }
    }

    /// Handles a neighbour's request for envelopes. The addressee is also given what it has declined before.
    pub fn on_ask(&mut self, cx: &mut Context, near: &Near<'_>, peer: Peer, ask: &Ask) {
        for id in ask.envelopes.iter() {
            let Some(held) = self.custody.get(id) else { continue };
            if is_addressee(&peer, &held.row.address) {
                self.handover.forget_declined(&peer.session, id);
            }
            self.handover.enqueue(&peer.session, *id);
        }
        self.hand_over(cx, near, peer.session);
    }

    /// Handles a neighbour's custody message about an envelope.
    pub fn on_custody(&mut self, cx: &mut Context, near: &Near<'_>, peer: Peer, claim: &Custody) {
        let (by, id, now) = (peer.session, claim.envelope, cx.now.moment);
        let given = self.handover.record_answer(&by, &id, now);
        match claim.state {
            // A neighbour may have got it before this node restarted.
            custody_state::HELD if given.is_some() || near.may_hold(&by) => {
                self.handover.record_taken(&by);
                self.subtract_copies(cx, &id, given.unwrap_or(0));
                // An envelope that was opened meanwhile is known only by its release.
                if !self.show_release(cx, peer.conn, &id) {
                    self.add_holder(cx, near, by, &id);
                }
            }
            custody_state::FULL if given.is_some() => self.on_refused(cx, near, by, &id),
            custody_state::EVICTED if self.custody.remove_holder(&id, &by) => self.on_refused(cx, near, by, &id),
            custody_state::NO_CARRIER if given.is_some() => {
                self.handover.record_declined(&by, &id, now);
                self.route(cx, near, &id);
            }
            custody_state::HELD..=custody_state::EVICTED => cx.dropped(DropReason::ClaimAboutForeignEnvelope),
            _ => cx.dropped(DropReason::UnknownCustodyAnswer),
        }
        self.hand_over(cx, near, by);
    }

    /// Subtracts the copies that a neighbour has taken.
    fn subtract_copies(&mut self, cx: &mut Context, id: &EnvelopeId, given: u8) {
        let Some(held) = self.custody.get(id).filter(|_| given > 0) else { return };
        let copies = held.row.copies.saturating_sub(given).max(1);
        self.custody.set_copies(id, copies);
        cx.out.store(Op::Copies { envelope: *id, copies });
    }

    /// Routes an envelope again that a carrier has refused or evicted.
    fn on_refused(&mut self, cx: &mut Context, near: &Near<'_>, by: SessionId, id: &EnvelopeId) {
        self.handover.record_full(&by, cx.now.moment);
        let Some(held) = self.custody.get(id) else { return };
        if held.row.mine.is_some() {
            self.facts.push_back(Fact::Refused { by });
        }
        self.route(cx, near, id);
    }

    /// Records that a neighbour has an envelope.
    fn add_holder(&mut self, cx: &Context, near: &Near<'_>, by: SessionId, id: &EnvelopeId) {
        if !self.custody.add_holder(id, by) {
            return;
        }
        if self.custody.get(id).is_some_and(|held| held.row.mine.is_some()) {
            self.facts.push_back(Fact::Carried { by, envelope: *id });
        }
        self.watch(cx, near, id);
    }

    /// Opens the window of a neighbour that has connected.
    pub fn open(&mut self, cx: &Context, session: SessionId) {
        self.handover.open(session, cx.now.moment);
    }

    /// Routes the envelopes in flight to a neighbour that has disconnected, and those that it holds.
    pub fn on_gone(&mut self, cx: &mut Context, near: &Near<'_>, session: &SessionId) {
        self.watchdog.forget_neighbour(session);
        let mut unfinished = self.handover.close(session);
        if near.may_hold(session) && !self.custody.is_empty() {
            let has_it = |id: &EnvelopeId| self.custody.get(id).is_some_and(|held| held.holders.contains(session));
            unfinished.extend(self.custody.newest_first().into_iter().rev().filter(has_it));
        }
        unfinished.iter().for_each(|id| self.route(cx, near, id));
    }

    /// Sends the envelopes in flight to a neighbour again, since another connection is used now.
    pub fn resume(&mut self, cx: &mut Context, near: &Near<'_>, session: SessionId) {
        let unfinished = self.handover.close(&session);
        self.handover.open(session, cx.now.moment);
        unfinished.into_iter().for_each(|id| self.handover.enqueue(&session, id));
        self.hand_over(cx, near, session);
    }

    /// Sends envelopes again that were not answered or were declined, and routes envelopes to neighbours whose quota was full.
    pub fn retry(&mut self, cx: &mut Context, near: &Near<'_>) {
        for session in self.handover.take_resends(cx.now.moment) {
            cx.dropped(DropReason::CustodyUnanswered);
            self.hand_over(cx, near, session);
        }
        for session in self.handover.take_retries(cx.now.moment) {
            self.hand_over(cx, near, session);
        }
        if self.handover.clear_full(cx.now.moment) {
            self.custody.newest_first().iter().rev().for_each(|id| self.route(cx, near, id));
            self.facts.push_back(Fact::CapacityAgain);
        }
    }

    /// Whether a carrier, another session of the local user, or a friend who is connected with the addressee is connected.
    pub fn has_carrier(&self, cx: &Context, near: &Near<'_>, address: &Address) -> bool {
        let has_capacity = |session: &SessionId| self.handover.has_capacity(session, cx.now.moment);
        let mut holders = near.carriers_for(address).into_iter().chain(near.sisters());
        !near.friends_between(address).is_empty() || holders.any(|session| has_capacity(&session))
    }
}
