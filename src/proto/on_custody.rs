//! Carrying: envelopes for others come in, are handed on, and go.
//!
//! Where an envelope goes from here, in this order: to the addressee, if connected. To the carrier that is known to be
//! nearest to them, and nearer than I am ([`Core::nearer`]). If nobody knows where they are, half of the copies at each
//! meeting with a carrier that has none, until one is left (binary spray and wait). So mail follows the directory where
//! there is one, and people's pockets where there is none.
//!
//! Two carriers who meet offer each other what they hold, by id; each asks for what it lacks and shows the release of what
//! was opened meanwhile. An author's own envelopes go the same way, and at least one connected carrier is to have each.

use std::time::Duration;

use super::Core;
use super::event::Output;
use super::handover::Passed;
use super::limits::{ENVELOPE_LIFE, MAX_OFFERED_AT_ONCE, SPRAY};
use super::memory::{CustodyRow, Op, TombstoneRow};
use crate::id::{Address, ConnId, EnvelopeId, NetworkId, SessionId, UserId};
use crate::identity::seal::envelope_id;
use crate::wire::chat::{Ask, Chat, Custody, MAX_OFFERED, Offer, Parcel, Release, Unopenable, custody_state};
use crate::wire::codec::{Bytes, Fixed, List};
use crate::wire::envelope::Envelope;
use crate::wire::record::{KeyCard, Roster};
use crate::wire::{decode, encode};

/// What a neighbour gets of an envelope.
struct Share {
    /// Copies on the label.
    label: u8,
    /// Copies that I have less by it.
    cost: u8,
}

/// How much longer an envelope must live, by the word of who brings it again, for that to be written down.
const LONGER: Duration = Duration::from_secs(3600);

impl Core {
    /// An envelope to somebody else: kept, if I carry for others; passed on, if a friend gives it and the addressee is here.
    pub(super) fn carry(&mut self, conn: ConnId, parcel: Parcel) {
        let Some((from, depositor)) = self.speaker(conn) else {
            return self.wait_for_hello(conn, Chat::Parcel(parcel));
        };
        let id = envelope_id(&parcel.envelope);
        if self.show_release(conn, &id) {
            return;
        }
        let member = self.config.network != NetworkId::OPEN || self.links.is_link(&depositor);
        let life = ENVELOPE_LIFE.as_millis().min(u128::from(parcel.life_ms)) as u64;
        let until = self.now.moment + Duration::from_millis(life);
        if let Some(held) = self.custody.get(&id) {
            let row = CustodyRow { depositor, from, member, until, ..held.row.clone() };
            return self.carry_still(conn, row);
        }
        let Ok(envelope) = decode::<Envelope>(&parcel.envelope) else { return self.strike(conn, "malformed envelope") };
        if parcel.life_ms == 0 {
            self.drop_counted("envelope at the end of its life");
            return self.answer(conn, id, custody_state::NO_CARRIER);
        }
        if !self.is_super() || self.disk_trouble.is_some() {
            return self.pass_parcel(conn, id, &envelope, parcel);
        }
        let Ok(evicted) = self.custody.make_room(&depositor, member, parcel.envelope.len()) else {
            self.drop_counted("envelope beyond the quota");
            return self.answer(conn, id, custody_state::FULL);
        };
        evicted.iter().for_each(|id| self.evict(id));
        let row = CustodyRow {
            envelope: id,
            address: envelope.address,
            lock: envelope.lock.0,
            depositor,
            from,
            member,
            until,
            copies: parcel.copies.clamp(1, SPRAY),
            bytes: parcel.envelope.0,
            mine: None,
            unopenable: None,
        };
        self.hold(row);
        self.answer(conn, id, custody_state::HELD);
        self.route(&id);
    }

    /// An envelope that is held comes again. Whoever was faster with a copy does not decide how long it is held, nor that a
    /// member's mail is a stranger's.
    fn carry_still(&mut self, conn: ConnId, again: CustodyRow) {
        let (id, from) = (again.envelope, again.from);
        self.custody.is_held_by(&id, from);
        let Some(held) = self.custody.get(&id).filter(|held| held.row.mine.is_none()) else {
            return self.answer(conn, id, custody_state::HELD);
        };
        let mut row = held.row.clone();
        row.until = row.until.max(again.until);
        if again.member && !row.member {
            let Ok(evicted) = self.custody.make_room(&again.depositor, true, row.bytes.len()) else {
                self.drop_counted("envelope beyond the quota");
                return self.answer(conn, id, custody_state::FULL);
            };
            evicted.iter().filter(|evicted| **evicted != id).for_each(|id| self.evict(id));
            (row.depositor, row.from, row.member) = (again.depositor, again.from, true);
        } else if row.until.since(held.row.until) < LONGER {
            return self.answer(conn, id, custody_state::HELD);
        }
        self.out.store(Op::Custody(Box::new(row.clone())));
        self.custody.change(row);
        self.answer(conn, id, custody_state::HELD);
    }

    /// Keeps an envelope.
    pub(super) fn hold(&mut self, row: CustodyRow) {
        self.out.store(Op::Custody(Box::new(row.clone())));
        self.custody.take(row);
    }

    /// About somebody's envelope, once what it says is durable.
    pub(super) fn answer(&mut self, conn: ConnId, envelope: EnvelopeId, state: u8) {
        let item = Chat::Custody(Custody { envelope, state });
        self.out.after_store(Output::Chat { conn, item });
    }

    /// Who comes with a copy of what was opened is shown so.
    fn show_release(&mut self, conn: ConnId, id: &EnvelopeId) -> bool {
        let Some(stone) = self.custody.tombstone(id) else { return false };
        let item = Chat::Release(Release { envelope: *id, r: Fixed(stone.r) });
        self.out.after_store(Output::Chat { conn, item });
        true
    }

    /// A friend's envelope to somebody who is connected here, by a node that keeps nothing for others, or cannot now.
    fn pass_parcel(&mut self, conn: ConnId, id: EnvelopeId, envelope: &Envelope, parcel: Parcel) {
        let Some((from, giver)) = self.speaker(conn) else { return };
        let there = self.neighbours.of_user(&envelope.address.user());
        if there.is_empty() || !(self.links.is_link(&giver) || self.is_super()) {
            self.drop_counted("envelope to somebody else");
            let state = if self.is_super() { custody_state::FULL } else { custody_state::NO_CARRIER };
            return self.answer(conn, id, state);
        }
        self.forwards.put(id, Passed { giver: from, address: envelope.address, lock: envelope.lock.0 });
        for (_, conn) in there {
            let parcel = Parcel { copies: 1, ..parcel.clone() };
            self.out.push(Output::Chat { conn, item: Chat::Parcel(parcel) });
        }
    }

    /// A stranger's envelope makes room.
    fn evict(&mut self, id: &EnvelopeId) {
        self.drop_counted("envelope of a stranger that made room for others");
        self.handover.stop(id);
        let holders = self.custody.get(id).map(|held| held.holders.clone()).unwrap_or_default();
        if self.custody.forget(id).is_none() {
            return;
        }
        self.out.store(Op::ForgetCustody(*id));
        for conn in holders.iter().filter_map(|session| self.neighbours.up(session)).collect::<Vec<_>>() {
            self.answer(conn, *id, custody_state::EVICTED);
        }
    }

    /// Lets an envelope go where it is to go from here, of those who are connected.
    pub(super) fn route(&mut self, id: &EnvelopeId) {
        let Some(held) = self.custody.get(id) else { return };
        let (user, is_mine) = (held.row.address.user(), held.row.mine.is_some());
        let there = self.neighbours.of_user(&user);
        let mut ways: Vec<SessionId> = there.iter().map(|(session, _)| *session).collect();
        if ways.is_empty() {
            if is_mine {
                ways.extend(self.friends_between(&user));
            }
            ways.extend(self.best_carrier(id, &user, is_mine));
            ways.extend(self.own_carrier(id).filter(|_| is_mine));
        }
        for session in ways {
            self.handover.put(&session, *id);
            self.hand_over(session);
        }
    }

    /// The connected carrier that is to have an envelope next, unless one that is as good has it.
    fn best_carrier(&self, id: &EnvelopeId, user: &UserId, is_mine: bool) -> Option<SessionId> {
        let held = self.custody.get(id)?;
        let nearer: Vec<SessionId> =
            self.nearer(user).iter().filter_map(|conn| Some(self.neighbours.get(conn)?.session)).collect();
        let candidates = if nearer.is_empty() && is_mine { self.carriers_for(user) } else { nearer };
        let has = |session: &SessionId| held.holders.contains(session) || self.handover.is_going(session, id);
        if candidates.iter().any(has) {
            return None;
        }
        candidates.into_iter().find(|session| self.handover.has_room(session, self.now.moment))
    }

    /// Anybody may claim to be a relay, and to be near, and drop what it is given. One that I chose, linked with or given as
    /// bootstrap, is to have each envelope of mine as well, unless one of them has it.
    fn own_carrier(&self, id: &EnvelopeId) -> Option<SessionId> {
        let held = self.custody.get(id)?;
        let is_own = |session: &SessionId| {
            let user = self.sessions.get(session).map(|known| known.user);
            user.is_some_and(|user| self.links.is_link(&user)) || self.bootstrapped.values().any(|own| own == session)
        };
        let all = self.carriers_for(&held.row.address.user());
        let own: Vec<SessionId> = all.into_iter().filter(is_own).collect();
        let has = |session: &SessionId| held.holders.contains(session) || self.handover.is_going(session, id);
        if own.iter().any(has) {
            return None;
        }
        own.into_iter().find(|session| self.handover.has_room(session, self.now.moment))
    }

    /// Relays and servers that are connected, with those in front who say that they are connected with a user.
    pub(super) fn carriers_for(&self, user: &UserId) -> Vec<SessionId> {
        let up = self.neighbours.iter_up().filter(|(_, conn, _)| self.is_super_client(*conn));
        let witnesses = self.presence.witnesses_of(user);
        let (mut first, others): (Vec<_>, Vec<_>) =
            up.map(|(session, ..)| session).partition(|session| witnesses.contains(session));
        first.extend(others);
        first
    }

    /// Sends what waits for a neighbour, as far as its window goes.
    pub(super) fn hand_over(&mut self, session: SessionId) {
        let Some(conn) = self.neighbours.up(&session) else { return };
        while let Some(id) = self.handover.take(&session) {
            let Some(share) = self.share(conn, session, &id) else { continue };
            let Some(held) = self.custody.get(&id) else { continue };
            let life_ms = held.row.until.since(self.now.moment).as_millis() as u64;
            let envelope = Bytes(held.row.bytes.clone());
            let item = Chat::Parcel(Parcel { envelope, life_ms, copies: share.label });
            self.handover.sent(&session, id, share.cost, self.now.moment);
            // Mine must be on the disk, or a restart would seal its messages again.
            if held.row.mine.is_some() {
                self.out.after_store(Output::Chat { conn, item });
            } else {
                self.out.push(Output::Chat { conn, item });
            }
        }
    }

    /// What a neighbour is to get of an envelope.
    fn share(&self, conn: ConnId, session: SessionId, id: &EnvelopeId) -> Option<Share> {
        let held = self.custody.get(id).filter(|held| !held.row.bytes.is_empty())?;
        let (_, user) = self.speaker(conn)?;
        let addressee = held.row.address.user();
        let whole = Share { label: 1, cost: 0 };
        if addressee == user {
            // Lines of mine go to them anew, on the way of lines.
            let lines = held.row.mine.as_ref().is_some_and(|mine| !mine.load.is_empty());
            return (!lines && !held.holders.contains(&session)).then_some(whole);
        }
        if held.holders.contains(&session) || !self.neighbours.of_user(&addressee).is_empty() {
            return None;
        }
        if !self.is_super_client(conn) {
            return (held.row.mine.is_some() && self.links.is_link(&user)).then_some(whole);
        }
        if !self.handover.has_room(&session, self.now.moment) {
            return None;
        }
        let nearer = self.nearer(&addressee);
        let copies = held.row.copies.saturating_sub(self.handover.given(id));
        let half = copies / 2;
        let is_mine = held.row.mine.is_some();
        let to_own = || is_mine && self.own_carrier(id) == Some(session);
        match () {
            () if nearer.contains(&conn) => Some(whole),
            () if !nearer.is_empty() => to_own().then_some(whole),
            () if copies > 1 => Some(Share { label: half, cost: half }),
            () if to_own() || is_mine && self.best_carrier(id, &addressee, true).is_some() => Some(whole),
            () => None,
        }
    }

    /// A neighbour is here: what is for it goes, and what I hold and it may have, or may have had, is offered.
    pub(super) fn offer_mail(&mut self, conn: ConnId, session: SessionId, user: UserId) {
        let theirs: Vec<EnvelopeId> = self.custody.to(&Address::from(user)).collect();
        theirs.into_iter().for_each(|id| self.handover.put(&session, id));
        for page in self.worth_offering(conn, session, &user).chunks(MAX_OFFERED) {
            let item = Chat::Offer(Offer { envelopes: List(page.to_vec()) });
            self.out.after_store(Output::Chat { conn, item });
        }
        self.hand_over(session);
    }

    /// What a carrier may be given, and what a neighbour gave or was given: it may be released, here or there.
    fn worth_offering(&self, conn: ConnId, session: SessionId, user: &UserId) -> Vec<EnvelopeId> {
        if !self.is_super_client(conn) {
            // The many. What they gave is found without looking at all that others gave.
            return self.custody.deposited_by(user);
        }
        let worth = |id: &EnvelopeId| {
            let has = |held: &super::custody::Held| held.holders.contains(&session);
            self.custody.get(id).is_some_and(has) || self.share(conn, session, id).is_some()
        };
        self.custody.newest().into_iter().filter(worth).take(MAX_OFFERED_AT_ONCE).collect()
    }

    /// What a neighbour holds: released here, known, or asked for.
    pub(super) fn on_offer(&mut self, conn: ConnId, offer: Offer) {
        let Some((by, _)) = self.speaker(conn) else { return self.wait_for_hello(conn, Chat::Offer(offer)) };
        let Some(neighbour) = self.neighbours.get_mut(&conn) else { return };
        neighbour.offered += offer.envelopes.len();
        if neighbour.offered > MAX_OFFERED_AT_ONCE {
            return self.drop_counted("offer beyond the bound of a meeting");
        }
        let mut lacking = Vec::new();
        for id in offer.envelopes.0 {
            if self.show_release(conn, &id) {
                continue;
            }
            let Some(held) = self.custody.get(&id) else {
                lacking.push(id);
                continue;
            };
            let news = !held.holders.contains(&by);
            let (gave, unopenable) = (held.row.from == by, held.row.unopenable.clone());
            if let Some(said) = unopenable.filter(|_| gave).and_then(|said| decode::<Unopenable>(&said).ok()) {
                self.out.after_store(Output::Chat { conn, item: Chat::Unopenable(said) });
            } else if gave || news {
                self.answer(conn, id, custody_state::HELD);
            }
            self.hear_held(by, &id);
        }
        if self.is_super() && self.disk_trouble.is_none() && !lacking.is_empty() {
            self.out.push(Output::Chat { conn, item: Chat::Ask(Ask { envelopes: List(lacking) }) });
        }
    }

    pub(super) fn on_ask(&mut self, conn: ConnId, ask: Ask) {
        let Some((by, _)) = self.speaker(conn) else { return };
        for id in ask.envelopes.iter().filter(|id| self.custody.get(id).is_some()).copied().collect::<Vec<_>>() {
            self.handover.put(&by, id);
        }
        self.hand_over(by);
    }

    /// What became of an envelope with a neighbour.
    pub(super) fn on_custody(&mut self, conn: ConnId, said: Custody) {
        let Some((by, _)) = self.speaker(conn) else { return };
        let (id, now) = (said.envelope, self.now.moment);
        let given = self.handover.answered(&by, &id, now);
        match said.state {
            // It may be asked about what it was given before I started anew; whoever is no carrier holds nothing.
            custody_state::HELD if given.is_some() || self.is_super_client(conn) => {
                self.handover.is_taken(&by);
                self.give_copies_away(&id, given.unwrap_or(0));
                // One that was opened meanwhile is known here only by its release.
                if !self.show_release(conn, &id) {
                    self.hear_held(by, &id);
                }
            }
            custody_state::FULL if given.is_some() => {
                self.handover.is_full(&by, now);
                self.hear_refused(by, &id);
            }
            custody_state::EVICTED if self.custody.is_not_held_by(&id, &by) => {
                self.handover.is_full(&by, now);
                self.hear_refused(by, &id);
            }
            custody_state::NO_CARRIER if given.is_some() => {
                self.handover.is_declined(&by, &id, now);
                self.route(&id);
            }
            custody_state::HELD..=custody_state::EVICTED => {
                self.drop_counted("word about an envelope that it was not given");
            }
            _ => self.drop_counted("custody answer of an unknown kind"),
        }
        self.hand_over(by);
    }

    fn give_copies_away(&mut self, id: &EnvelopeId, given: u8) {
        let Some(held) = self.custody.get(id).filter(|_| given > 0) else { return };
        let copies = held.row.copies.saturating_sub(given).max(1);
        self.custody.set_copies(id, copies);
        self.out.store(Op::Copies { envelope: *id, copies });
    }

    /// A neighbour has an envelope.
    fn hear_held(&mut self, by: SessionId, id: &EnvelopeId) {
        if self.custody.is_held_by(id, by) {
            self.show_carried(by, id);
        }
    }

    /// A release, if it fits an envelope that is held, or was passed on. False if it fits nothing.
    pub(super) fn release_mail(&mut self, by: SessionId, release: &Release) -> bool {
        let id = release.envelope;
        if self.custody.fits(&id, &release.r.0) {
            self.bury(&id, release.r.0, Some(by));
            return true;
        }
        if self.custody.tombstone(&id).is_some_and(|stone| stone.r == release.r.0) {
            return true;
        }
        let giver = self.forwards.giver(&id, &release.r.0);
        let Some(conn) = giver.and_then(|giver| self.neighbours.up(&giver)) else { return false };
        self.out.push(Output::Chat { conn, item: Chat::Release(release.clone()) });
        true
    }

    /// An envelope was opened: it goes, its tombstone stays, and whoever has a copy is shown so.
    pub(super) fn bury(&mut self, id: &EnvelopeId, r: [u8; 32], by: Option<SessionId>) {
        let Some(held) = self.custody.get(id) else { return };
        let (mut tell, until) = (held.holders.clone(), held.row.until);
        tell.retain(|session| Some(*session) != by);
        let freed = self.handover.stop(id);
        let stone = TombstoneRow { envelope: *id, r, until };
        self.out.store(Op::Tombstone(stone));
        if let Some(oldest) = self.custody.bury(stone) {
            self.out.store(Op::ForgetTombstone(oldest));
        }
        let Some(row) = self.custody.forget(id) else { return };
        let mine = row.mine.is_some().then(|| row.address.user());
        self.let_go(row);
        for conn in tell.iter().filter_map(|session| self.neighbours.up(session)).collect::<Vec<_>>() {
            let item = Chat::Release(Release { envelope: *id, r: Fixed(r) });
            self.out.after_store(Output::Chat { conn, item });
        }
        freed.into_iter().for_each(|session| self.hand_over(session));
        mine.iter().for_each(|user| self.entrust(user));
    }

    /// What is left of an envelope that was opened: of mine, that its messages need not be sealed again before its end.
    fn let_go(&mut self, row: CustodyRow) {
        if row.mine.as_ref().is_some_and(|mine| self.outbox.waits_any(&mine.load)) {
            self.hold(CustodyRow { bytes: Vec::new(), ..row });
        } else {
            self.out.store(Op::ForgetCustody(row.envelope));
        }
    }

    /// A session of the addressee cannot open an envelope that I hold or passed on: back the way it came.
    pub(super) fn unopenable_mail(&mut self, conn: ConnId, said: Unopenable) {
        let Some((by, by_user)) = self.speaker(conn) else { return };
        let id = said.envelope;
        let given = self.handover.answered(&by, &id, self.now.moment).is_some();
        let Some(held) = self.custody.get(&id) else { return self.pass_back(by_user, said) };
        let addressee = held.row.address.user();
        if by_user != addressee && !given && !held.holders.contains(&by) {
            return self.drop_counted("word about an envelope that it was not given");
        }
        if !self.budgets.unopenables.draw(by, self.now.moment) {
            return self.drop_counted("unopenable over the budget of its neighbour");
        }
        let Some(roster) = self.checked::<Roster>(conn, &said.roster) else { return };
        let Some(card) = self.checked::<KeyCard>(conn, &said.card) else { return };
        if roster.user != addressee || card.user != addressee || !roster.admits(&card.session) {
            return self.drop_counted("word about somebody else's envelope");
        }
        if self.custody.get(&id).is_some_and(|held| held.row.mine.is_some()) {
            self.seal_anew(conn, &id, roster, card);
        } else {
            self.keep_unopenable(by, by_user, said);
        }
        self.hand_over(by);
    }

    /// It is kept with the envelope until it can be handed back. The session that said it is not given the envelope again;
    /// others of the addressee may yet open it.
    fn keep_unopenable(&mut self, by: SessionId, by_user: UserId, said: Unopenable) {
        let id = said.envelope;
        if self.custody.get(&id).is_some_and(|held| held.row.address.user() == by_user) {
            self.custody.is_held_by(&id, by);
        }
        let bytes = encode(&said);
        if self.custody.get(&id).is_none_or(|held| held.row.unopenable.as_ref() == Some(&bytes)) {
            return;
        }
        let Some(row) = self.custody.set_unopenable(&id, bytes).cloned() else { return };
        let back = self.neighbours.up(&row.from);
        self.out.store(Op::Custody(Box::new(row)));
        if let Some(conn) = back {
            self.out.after_store(Output::Chat { conn, item: Chat::Unopenable(said) });
        }
    }

    /// About an envelope that was passed on, by the addressee itself.
    fn pass_back(&mut self, by_user: UserId, said: Unopenable) {
        let passed = self.forwards.get(&said.envelope).filter(|passed| passed.address.user() == by_user);
        match passed.and_then(|passed| self.neighbours.up(&passed.giver)) {
            Some(conn) => self.out.push(Output::Chat { conn, item: Chat::Unopenable(said) }),
            None => self.drop_counted("word about no envelope of mine"),
        }
    }

    /// A neighbour is gone: what was on its way there, or was only with it, goes another way.
    pub(super) fn part_with_mail(&mut self, session: &SessionId) {
        let mut undone = self.handover.close(session);
        let known = self.sessions.get(session).and_then(|known| known.declaration());
        if known.is_some_and(|declaration| declaration.roles != 0) && !self.custody.is_empty() {
            let with_it = |id: &EnvelopeId| self.custody.get(id).is_some_and(|held| held.holders.contains(session));
            undone.extend(self.custody.newest().into_iter().rev().filter(with_it));
        }
        undone.iter().for_each(|id| self.route(id));
    }

    /// Another connection to a neighbour is spoken on: what was on its way goes again.
    pub(super) fn resume_mail(&mut self, session: SessionId) {
        let undone = self.handover.close(&session);
        self.handover.open(session, self.now.moment);
        undone.into_iter().for_each(|id| self.handover.put(&session, id));
        self.hand_over(session);
    }

    /// Somebody can be reached, or is nearer to a carrier: their mail goes there.
    pub(super) fn route_custody_for(&mut self, user: &UserId) {
        let theirs: Vec<EnvelopeId> = self.custody.to(&Address::from(*user)).collect();
        theirs.iter().for_each(|id| self.route(id));
    }

    /// Lives that are over, tombstones that no copy outlives, and what has not been answered for too long.
    pub(super) fn keep_custody(&mut self) {
        let now = self.now.moment;
        for id in self.custody.over(now) {
            self.drop_counted("envelope at the end of its life");
            self.handover.stop(&id);
            let Some(row) = self.custody.forget(&id) else { continue };
            self.out.store(Op::ForgetCustody(id));
            self.begin_again(row);
        }
        for id in self.custody.crumble(now) {
            self.out.store(Op::ForgetTombstone(id));
        }
        for session in self.handover.resend(now) {
            self.drop_counted("envelope in custody without an answer, sent anew");
            self.hand_over(session);
        }
        for session in self.handover.try_again(now) {
            self.hand_over(session);
        }
        if self.handover.has_room_again(now) {
            self.custody.newest().iter().rev().for_each(|id| self.route(id));
            self.entrust_all();
        }
    }
}
