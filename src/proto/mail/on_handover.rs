//! Where an envelope goes from here, in this order: to the addressee, if connected. To the carrier that is known to be
//! nearest to them, and nearer than I am ([`Core::nearer`]). If nobody knows where they are, half of the copies at each
//! meeting with a carrier that has none, until one is left (binary spray and wait). So mail follows the directory where
//! there is one, and people's pockets where there is none.
//!
//! Two carriers who meet offer each other what they hold, by id; each asks for what it lacks and shows the release of what
//! was opened meanwhile. An author's own envelopes go the same way, and at least one connected carrier is to have each.

use crate::id::{Address, EnvelopeId, SessionId, UserId};
use crate::proto::Core;
use crate::proto::drops::DropReason;
use crate::proto::event::Output;
use crate::proto::limits::MAX_OFFERED_AT_ONCE;
use crate::proto::peer::Peer;
use crate::proto::persist::Op;
use crate::proto::presence::on_presence::short;
use crate::wire::chat::{Ask, Chat, Custody, MAX_OFFERED, Offer, Parcel, Unopenable, custody_state};
use crate::wire::codec::{Bytes, List};
use crate::wire::decode;

/// What a neighbour gets of an envelope.
struct Share {
    /// Copies on the label.
    label: u8,
    /// Copies that I have less by it.
    cost: u8,
}

impl Core {
    /// Lets an envelope go where it is to go from here, of those who are connected.
    pub(in crate::proto) fn route(&mut self, id: &EnvelopeId) {
        let Some(held) = self.mail.custody.get(id) else { return };
        let (user, is_mine) = (held.row.address.user(), held.row.mine.is_some());
        let there = self.peers.connections.of_user(&user);
        let mut ways: Vec<SessionId> = there.iter().map(|peer| peer.session).collect();
        if ways.is_empty() {
            if is_mine {
                ways.extend(self.friends_between(&user));
            }
            ways.extend(self.best_carrier(id, &user, is_mine));
            ways.extend(self.own_carrier(id).filter(|_| is_mine));
        }
        let nobody_here = there.is_empty();
        for session in ways {
            self.mail.handover.put(&session, *id);
            self.hand_over(session);
        }
        if nobody_here {
            self.watch(id, &user);
            if let Some(session) = self.detour(id, &user) {
                self.mail.handover.put(&session, *id);
                self.hand_over(session);
            }
        }
    }

    /// Whoever has mail to somebody who is said to be near is to show its release.
    fn watch(&mut self, id: &EnvelopeId, user: &UserId) {
        if !self.is_said_near(user) {
            return;
        }
        let Some(held) = self.mail.custody.get(id) else { return };
        let carries = |holder: &&SessionId| self.peers.connections.up(holder).is_some_and(|conn| self.is_carrier(conn));
        let holders: Vec<SessionId> = held.holders.iter().filter(carries).copied().collect();
        for holder in holders {
            self.mail.watchdog.took(*user, holder, *id, self.cx.now.moment);
        }
    }

    fn is_said_near(&self, user: &UserId) -> bool {
        if self.cx.is_carrier() {
            !self.nearer(user).is_empty()
        } else {
            !self.presence.online.witnesses_of(user).is_empty()
        }
    }

    /// The carrier that is to have an envelope as well, since it has not arrived by those that are nearer.
    fn detour(&self, id: &EnvelopeId, user: &UserId) -> Option<SessionId> {
        let held = self.mail.custody.get(id)?;
        let has = |session: &SessionId| held.holders.contains(session) || self.mail.handover.is_going(session, id);
        let is_lost = || self.mail.watchdog.distrusted().any(has) && self.is_said_near(user);
        if !self.mail.watchdog.doubts(user) && !is_lost() {
            return None;
        }
        let mut believed = self.carriers_for(user);
        believed.retain(|session| !self.mail.watchdog.is_doubted(user, session));
        believed.sort_by_key(|session| self.relays.directory.distance_by(session, &short(&user.0)));
        if believed.iter().any(has) {
            return None;
        }
        believed.into_iter().find(|session| self.mail.handover.has_room(session, self.cx.now.moment))
    }

    /// Ways by which mail did not arrive in time: it goes another way as well.
    pub(in crate::proto) fn keep_watch(&mut self) {
        let late = self.mail.watchdog.overdue(self.cx.now.moment, |id| self.mail.custody.get(id).is_some());
        for (user, by) in late.into_iter().filter(|(user, _)| self.is_said_near(user)).collect::<Vec<_>>() {
            self.cx.dropped(if self.mail.watchdog.distrusts(&by) {
                DropReason::WatchGivenUp
            } else {
                DropReason::CarrierLate
            });
            self.mail.watchdog.doubt(user, by, self.cx.now.moment);
            self.route_custody_for(&user);
        }
    }

    /// The connected carrier that is to have an envelope next, unless one that is as good has it.
    fn best_carrier(&self, id: &EnvelopeId, user: &UserId, is_mine: bool) -> Option<SessionId> {
        let held = self.mail.custody.get(id)?;
        let nearer: Vec<SessionId> =
            self.nearer(user).iter().filter_map(|conn| Some(self.peers.connections.get(conn)?.session)).collect();
        let candidates = if nearer.is_empty() && is_mine { self.carriers_for(user) } else { nearer };
        let has = |session: &SessionId| held.holders.contains(session) || self.mail.handover.is_going(session, id);
        if candidates.iter().any(has) {
            return None;
        }
        candidates.into_iter().find(|session| self.mail.handover.has_room(session, self.cx.now.moment))
    }

    /// Anybody may claim to be a relay, and to be near, and drop what it is given. One that I chose, linked with or given as
    /// bootstrap, is to have each envelope of mine as well, unless one of them has it.
    fn own_carrier(&self, id: &EnvelopeId) -> Option<SessionId> {
        let held = self.mail.custody.get(id)?;
        let is_own = |session: &SessionId| {
            let user = self.people.sessions.get(session).map(|known| known.user);
            user.is_some_and(|user| self.people.links.is_link(&user))
                || self.peers.bootstrapped.values().any(|own| own == session)
        };
        let all = self.carriers_for(&held.row.address.user());
        let own: Vec<SessionId> = all.into_iter().filter(is_own).collect();
        let has = |session: &SessionId| held.holders.contains(session) || self.mail.handover.is_going(session, id);
        if own.iter().any(has) {
            return None;
        }
        own.into_iter().find(|session| self.mail.handover.has_room(session, self.cx.now.moment))
    }

    /// Relays and servers that are connected, with those in front who say that they are connected with a user.
    pub(in crate::proto) fn carriers_for(&self, user: &UserId) -> Vec<SessionId> {
        let up = self.peers.connections.iter_up().filter(|peer| self.is_carrier(peer.conn));
        let witnesses = self.presence.online.witnesses_of(user);
        let (mut first, others): (Vec<_>, Vec<_>) =
            up.map(|peer| peer.session).partition(|session| witnesses.contains(session));
        first.extend(others);
        first
    }

    /// Sends what waits for a neighbour, as far as its window goes.
    pub(in crate::proto) fn hand_over(&mut self, session: SessionId) {
        let Some(peer) = self.peers.connections.up_peer(&session) else { return };
        let conn = peer.conn;
        while let Some(id) = self.mail.handover.take(&session) {
            let Some(share) = self.share(peer, &id) else { continue };
            let Some(held) = self.mail.custody.get(&id) else { continue };
            let life_ms = held.row.until.since(self.cx.now.moment).as_millis() as u64;
            let envelope = Bytes(held.row.bytes.clone());
            let item = Chat::Parcel(Parcel { envelope, life_ms, copies: share.label });
            self.mail.handover.sent(&session, id, share.cost, self.cx.now.moment);
            // Mine must be on the disk, or a restart would seal its messages again.
            if held.row.mine.is_some() {
                self.cx.out.after_store(Output::Chat { conn, item });
            } else {
                self.cx.out.push(Output::Chat { conn, item });
            }
        }
    }

    /// What a neighbour is to get of an envelope.
    fn share(&self, peer: Peer, id: &EnvelopeId) -> Option<Share> {
        let held = self.mail.custody.get(id).filter(|held| !held.row.bytes.is_empty())?;
        let Peer { session, user, .. } = peer;
        let addressee = held.row.address.user();
        let whole = Share { label: 1, cost: 0 };
        if addressee == user {
            // Lines of mine go to them anew, on the way of lines.
            let lines = held.row.mine.as_ref().is_some_and(|mine| !mine.load.is_empty());
            return (!lines && !held.holders.contains(&session)).then_some(whole);
        }
        if held.holders.contains(&session) || !self.peers.connections.of_user(&addressee).is_empty() {
            return None;
        }
        if !self.is_carrier(peer.conn) {
            return (held.row.mine.is_some() && self.people.links.is_link(&user)).then_some(whole);
        }
        if !self.mail.handover.has_room(&session, self.cx.now.moment) {
            return None;
        }
        let nearer = self.nearer(&addressee);
        let copies = held.row.copies.saturating_sub(self.mail.handover.given(id));
        let half = copies / 2;
        let is_mine = held.row.mine.is_some();
        let to_own = || is_mine && self.own_carrier(id) == Some(session);
        match () {
            () if nearer.contains(&peer.conn) || self.detour(id, &addressee) == Some(session) => Some(whole),
            () if !nearer.is_empty() => to_own().then_some(whole),
            () if copies > 1 => Some(Share { label: half, cost: half }),
            () if to_own() || is_mine && self.best_carrier(id, &addressee, true).is_some() => Some(whole),
            () => None,
        }
    }

    /// A neighbour is here: what is for it goes, and what I hold and it may have, or may have had, is offered.
    pub(in crate::proto) fn offer_mail(&mut self, peer: Peer) {
        let Peer { conn, session, user } = peer;
        let theirs: Vec<EnvelopeId> = self.mail.custody.to(&Address::from(user)).collect();
        theirs.into_iter().for_each(|id| self.mail.handover.put(&session, id));
        for page in self.worth_offering(peer).chunks(MAX_OFFERED) {
            let item = Chat::Offer(Offer { envelopes: List(page.to_vec()) });
            self.cx.out.after_store(Output::Chat { conn, item });
        }
        self.hand_over(session);
    }

    /// What a carrier may be given, and what a neighbour gave or was given: it may be released, here or there.
    fn worth_offering(&self, peer: Peer) -> Vec<EnvelopeId> {
        if !self.is_carrier(peer.conn) {
            // Most neighbours. What they gave is found without looking at everything that others gave.
            return self.mail.custody.deposited_by(&peer.user);
        }
        let worth = |id: &EnvelopeId| {
            let has = |held: &crate::proto::mail::custody::Held| held.holders.contains(&peer.session);
            self.mail.custody.get(id).is_some_and(has) || self.share(peer, id).is_some()
        };
        self.mail.custody.newest().into_iter().filter(worth).take(MAX_OFFERED_AT_ONCE).collect()
    }

    /// What a neighbour holds: released here, known, or asked for.
    pub(in crate::proto) fn on_offer(&mut self, peer: Peer, offer: Offer) {
        let Some(neighbour) = self.peers.connections.get_mut(&peer.conn) else { return };
        neighbour.offered += offer.envelopes.len();
        if neighbour.offered > MAX_OFFERED_AT_ONCE {
            return self.cx.dropped(DropReason::OfferTooLong);
        }
        let mut lacking = Vec::new();
        for id in offer.envelopes.0 {
            if self.show_release(peer.conn, &id) {
                continue;
            }
            let Some(held) = self.mail.custody.get(&id) else {
                lacking.push(id);
                continue;
            };
            let news = !held.holders.contains(&peer.session);
            let (gave, unopenable) = (held.row.from == peer.session, held.row.unopenable.clone());
            if let Some(said) = unopenable.filter(|_| gave).and_then(|said| decode::<Unopenable>(&said).ok()) {
                self.cx.out.after_store(Output::Chat { conn: peer.conn, item: Chat::Unopenable(said) });
            } else if gave || news {
                self.answer(peer.conn, id, custody_state::HELD);
            }
            self.hear_held(peer.session, &id);
        }
        if self.cx.is_carrier() && self.cx.disk_trouble.is_none() && !lacking.is_empty() {
            self.cx.out.push(Output::Chat { conn: peer.conn, item: Chat::Ask(Ask { envelopes: List(lacking) }) });
        }
    }

    pub(in crate::proto) fn on_ask(&mut self, peer: Peer, ask: Ask) {
        for id in ask.envelopes.iter().filter(|id| self.mail.custody.get(id).is_some()).copied().collect::<Vec<_>>() {
            self.mail.handover.put(&peer.session, id);
        }
        self.hand_over(peer.session);
    }

    /// What became of an envelope with a neighbour.
    pub(in crate::proto) fn on_custody(&mut self, peer: Peer, said: Custody) {
        let (id, now) = (said.envelope, self.cx.now.moment);
        let given = self.mail.handover.answered(&peer.session, &id, now);
        match said.state {
            // It may be asked about what it was given before I started anew; whoever is no carrier holds nothing.
            custody_state::HELD if given.is_some() || self.is_carrier(peer.conn) => {
                self.mail.handover.is_taken(&peer.session);
                self.give_copies_away(&id, given.unwrap_or(0));
                // One that was opened meanwhile is known here only peer.session its release.
                if !self.show_release(peer.conn, &id) {
                    self.hear_held(peer.session, &id);
                }
            }
            custody_state::FULL if given.is_some() => {
                self.mail.handover.is_full(&peer.session, now);
                self.hear_refused(peer.session, &id);
            }
            custody_state::EVICTED if self.mail.custody.is_not_held_by(&id, &peer.session) => {
                self.mail.handover.is_full(&peer.session, now);
                self.hear_refused(peer.session, &id);
            }
            custody_state::NO_CARRIER if given.is_some() => {
                self.mail.handover.is_declined(&peer.session, &id, now);
                self.route(&id);
            }
            custody_state::HELD..=custody_state::EVICTED => {
                self.cx.dropped(DropReason::ClaimAboutForeignEnvelope);
            }
            _ => self.cx.dropped(DropReason::UnknownCustodyAnswer),
        }
        self.hand_over(peer.session);
    }

    fn give_copies_away(&mut self, id: &EnvelopeId, given: u8) {
        let Some(held) = self.mail.custody.get(id).filter(|_| given > 0) else { return };
        let copies = held.row.copies.saturating_sub(given).max(1);
        self.mail.custody.set_copies(id, copies);
        self.cx.out.store(Op::Copies { envelope: *id, copies });
    }

    /// A neighbour has an envelope.
    fn hear_held(&mut self, by: SessionId, id: &EnvelopeId) {
        if self.mail.custody.is_held_by(id, by) {
            self.show_carried(by, id);
            let addressee = self.mail.custody.get(id).map(|held| held.row.address.user());
            addressee.into_iter().for_each(|user| self.watch(id, &user));
        }
    }

    /// A neighbour is gone: what was on its way there, or was only with it, goes another way.
    pub(in crate::proto) fn part_with_mail(&mut self, session: &SessionId) {
        self.mail.watchdog.forget(session);
        let mut undone = self.mail.handover.close(session);
        let known = self.people.sessions.get(session).and_then(|known| known.declaration());
        if known.is_some_and(|declaration| declaration.roles != 0) && !self.mail.custody.is_empty() {
            let with_it =
                |id: &EnvelopeId| self.mail.custody.get(id).is_some_and(|held| held.holders.contains(session));
            undone.extend(self.mail.custody.newest().into_iter().rev().filter(with_it));
        }
        undone.iter().for_each(|id| self.route(id));
    }

    /// Another connection to a neighbour is spoken on: what was on its way goes again.
    pub(in crate::proto) fn resume_mail(&mut self, session: SessionId) {
        let undone = self.mail.handover.close(&session);
        self.mail.handover.open(session, self.cx.now.moment);
        undone.into_iter().for_each(|id| self.mail.handover.put(&session, id));
        self.hand_over(session);
    }

    /// Somebody can be reached, or is nearer to a carrier: their mail goes there.
    pub(in crate::proto) fn route_custody_for(&mut self, user: &UserId) {
        let theirs: Vec<EnvelopeId> = self.mail.custody.to(&Address::from(*user)).collect();
        theirs.iter().for_each(|id| self.route(id));
    }
}
