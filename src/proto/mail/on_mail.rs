//! My own mail: what waits for somebody who is not connected is sealed and entrusted to others, as long as anybody is there
//! who may bring it on: a friend of both who is connected with them, or a relay or server.
//!
//! An envelope of mine is on the disk before it leaves. A few of them may be under way that nobody has taken yet; what is
//! typed meanwhile goes into the next one together. A message stays in the outbox until its receipt comes, by whatever way;
//! then its envelope is withdrawn from whoever carries it. An envelope that could not be opened, or whose life is over,
//! gives its messages back, and they are sealed anew. Receipts travel the same way and are never receipted.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::id::{Address, EnvelopeId, MessageId, SessionId, StreamId, UserId};
use crate::identity::Checked;
use crate::identity::seal::Sealed;
use crate::proto::Core;
use crate::proto::drops::DropReason;
use crate::proto::limits::{
    ENVELOPE_LIFE, MAIL_WINDOW, MAX_OWN_CUSTODY, MAX_OWN_RECEIPTS, MAX_RECEIPTS_TO_STRANGERS, SPRAY,
};
use crate::proto::notice::{Delivery, Notice, WarningCode};
use crate::proto::peer::Peer;
use crate::proto::persist::{CustodyRow, LinkState, Mine, Op};
use crate::proto::ranges::Ranges;
use crate::wire::codec::Bytes;
use crate::wire::content::{Content, ReceiptBody, kind};
use crate::wire::envelope::Envelope;
use crate::wire::record::{KeyCard, Prekey, Roster};
use crate::wire::{decode, encode};

impl Core {
    /// At the start: what was under way still is.
    pub(in crate::proto) fn remember_mail(&mut self) {
        for (_, mine) in self.mail.custody.mine() {
            self.chat.outbox.set_entrusted(&mine.load, true);
        }
    }

    /// Seals what waits for a user and is not under way, if they are not connected and somebody is who may bring it on.
    pub(in crate::proto) fn entrust(&mut self, user: &UserId) {
        self.mail_receipts(user);
        if !self.peers.connections.of_user(user).is_empty()
            || !self.chat.outbox.may_entrust(user)
            || !self.has_mail_way(user)
        {
            return;
        }
        if !self.has_prekey(user) {
            return self.warn_no_key(*user);
        }
        while self.mail.custody.untaken(&Address::from(*user)) < MAIL_WINDOW
            && self.mail.custody.my_bytes() < MAX_OWN_CUSTODY
        {
            let (contents, load) = self.chat.outbox.entrust(user);
            if contents.is_empty() {
                return;
            }
            let Some(sealed) = self.seal_to(user, contents) else {
                return self.cx.dropped(DropReason::ContentTooLong);
            };
            self.hold_mine(user, sealed, load);
        }
    }

    /// Everybody for whom something waits: a way for mail has opened.
    pub(in crate::proto) fn entrust_all(&mut self) {
        let owing = self.chat.inbox.unanswered().map(|(_, user)| user);
        let users: BTreeSet<UserId> = self.chat.outbox.addressees().chain(owing).collect();
        users.iter().for_each(|user| self.entrust(user));
        let mine: Vec<EnvelopeId> = self.mail.custody.mine().map(|(row, _)| row.envelope).collect();
        mine.iter().for_each(|id| self.route(id));
    }

    /// Receipts for a user that nobody could bring so far, or that were lost with a connection.
    fn mail_receipts(&mut self, user: &UserId) {
        let owing = self.chat.inbox.unanswered().filter(|(_, whose)| whose == user).map(|(session, _)| session);
        let away: Vec<SessionId> = owing.filter(|session| self.peers.connections.up(session).is_none()).collect();
        if away.is_empty() || !self.has_mail_way(user) {
            return;
        }
        away.into_iter().for_each(|session| self.chat.inbox.owe_all(*user, session, self.cx.config.user));
        self.send_receipts();
    }

    fn has_prekey(&self, user: &UserId) -> bool {
        self.people
            .users
            .audience(user)
            .iter()
            .any(|session| self.people.sessions.prekey(session, self.cx.now.moment).is_some())
    }

    /// Whether anybody is connected who may bring mail to a user.
    fn has_mail_way(&self, user: &UserId) -> bool {
        let has_room = |session: &SessionId| self.mail.handover.has_room(session, self.cx.now.moment);
        !self.friends_between(user).is_empty() || self.carriers_for(user).iter().any(has_room)
    }

    /// Friends who say that they are connected with a user.
    pub(in crate::proto) fn friends_between(&self, user: &UserId) -> Vec<SessionId> {
        let is_friend = |session: &SessionId| {
            let conn = self.peers.connections.up(session).filter(|conn| !self.is_carrier(*conn));
            conn.and_then(|conn| self.peers.connections.peer(&conn))
                .is_some_and(|peer| self.people.links.is_link(&peer.user))
        };
        self.presence.online.witnesses_of(user).into_iter().filter(is_friend).collect()
    }

    fn hold_mine(&mut self, user: &UserId, sealed: Sealed, load: Vec<(StreamId, Ranges)>) {
        let id = sealed.id;
        self.hold(CustodyRow {
            envelope: id,
            address: Address::from(*user),
            lock: sealed.lock,
            depositor: self.cx.config.user,
            from: self.cx.me,
            member: true,
            until: self.cx.now.moment + ENVELOPE_LIFE,
            copies: SPRAY,
            bytes: sealed.bytes,
            mine: Some(Mine { r: sealed.r, load }),
            unopenable: None,
        });
        self.route(&id);
    }

    /// A receipt for somebody who is not connected. If nobody can bring it, it is owed until somebody can.
    pub(in crate::proto) fn mail_receipt(&mut self, user: UserId, session: SessionId, body: &ReceiptBody) {
        let full = self.mail.custody.my_receipts() >= MAX_OWN_RECEIPTS || !self.may_mail_receipt(&user);
        if full || !self.has_mail_way(&user) {
            return;
        }
        if let Some(sealed) = self.seal_receipt(&user, body) {
            let before = self.chat.inbox.is_mailed(session, sealed.id, body);
            self.hold_mine(&user, sealed, Vec::new());
            // What came since is not in it: should I die before its turn, it must still be known that it is owed.
            if !self.chat.inbox.owes(&user, &session) {
                self.receipt_is_sent(&session);
            }
            before.iter().for_each(|id| self.withdraw(id));
        }
    }

    /// Receipts take my share of a relay's room from my lines, and strangers can make me owe any number of them.
    fn may_mail_receipt(&self, user: &UserId) -> bool {
        let of_strangers = || {
            let mine = self.mail.custody.mine().filter(|(row, mine)| mine.load.is_empty() && !row.bytes.is_empty());
            mine.filter(|(row, _)| self.is_stranger(&row.address.user())).count()
        };
        !self.is_stranger(user) || of_strangers() < MAX_RECEIPTS_TO_STRANGERS
    }

    fn is_stranger(&self, user: &UserId) -> bool {
        self.people.links.mine(user) != LinkState::Linked
    }

    /// A receipt to a stranger is under way no more: there is room for the next that is owed.
    pub(in crate::proto) fn mail_next_receipt(&mut self, after: &UserId) {
        let may_go = |(session, user): &(SessionId, UserId)| {
            self.is_stranger(user) && self.peers.connections.up(session).is_none() && self.has_prekey(user)
        };
        let next =
            Some(after).filter(|user| self.is_stranger(user)).and_then(|_| self.chat.inbox.unanswered().find(may_go));
        next.iter().for_each(|(_, user)| self.mail_receipts(user));
    }

    pub(in crate::proto) fn seal_receipt(&mut self, user: &UserId, body: &ReceiptBody) -> Option<Sealed> {
        let (wall, body) = (self.cx.now.wall.0, Bytes(encode(body)));
        self.seal_to(user, vec![Content { kind: kind::RECEIPT, epoch: 0, n: 0, lamport: 0, wall, body }])
    }

    /// That a receipt is owed outlives connections and restarts: until it is sealed as mail, or was released.
    pub(in crate::proto) fn owe_by_mail(&mut self, user: UserId, session: SessionId) {
        if self.chat.inbox.knows(&session) && self.chat.inbox.leave_unanswered(user, session) {
            self.cx.out.store(Op::Owed { user, session, owed: true });
        }
    }

    pub(in crate::proto) fn receipt_is_sent(&mut self, session: &SessionId) {
        if let Some(user) = self.chat.inbox.answer(session) {
            self.cx.out.store(Op::Owed { user, session: *session, owed: false });
        }
    }

    /// A carrier has an envelope of mine: who waits for the messages in it is told.
    pub(in crate::proto) fn show_carried(&mut self, by: SessionId, id: &EnvelopeId) {
        let Some(held) = self.mail.custody.get(id) else { return };
        let Some(mine) = &held.row.mine else { return };
        let (user, load) = (held.row.address.user(), mine.load.clone());
        let audience = self.people.users.audience(&user);
        for (stream, ranges, lines) in self.chat.outbox.carried(by, &load) {
            self.cx.out.store(Op::Carried { stream, by, ranges });
            for message in lines {
                for session in &audience {
                    self.tell_carried(message, *session, by, &user);
                }
            }
        }
        self.entrust(&user);
    }

    fn tell_carried(&mut self, message: MessageId, session: SessionId, by: SessionId, user: &UserId) {
        if self.chat.outbox.is_delivered(&message, &session) {
            return;
        }
        let (to, state) = (self.people.users.handle(user), Delivery::Carried);
        let holder = self.name_of_carrier(by);
        self.cx.notice_after_store(None, Notice::State { message, to, session, state, by, holder });
    }

    pub(in crate::proto) fn name_of_carrier(&self, by: SessionId) -> String {
        self.people.sessions.get(&by).map_or_else(|| by.short(), |known| self.people.users.handle(&known.user))
    }

    /// A carrier does not take, or does not keep, an envelope.
    pub(in crate::proto) fn hear_refused(&mut self, by: SessionId, id: &EnvelopeId) {
        let Some(is_mine) = self.mail.custody.get(id).map(|held| held.row.mine.is_some()) else { return };
        if let Some(user) = self.people.sessions.get(&by).map(|known| known.user).filter(|_| is_mine) {
            let name = self.people.users.handle(&user);
            let message = format!("{name} has no room for more mail of yours; it waits here and goes another way");
            self.people.warn_once(&mut self.cx, user, WarningCode::CustodyRefused, message);
        }
        self.route(id);
    }

    /// Messages of mine have arrived or were withdrawn: envelopes with nothing else in them are withdrawn too.
    pub(in crate::proto) fn withdraw_mail(&mut self, user: &UserId) {
        let address = Address::from(*user);
        let done = |held: &&crate::proto::mail::custody::Held| {
            let mine = held.row.mine.as_ref();
            mine.is_some_and(|mine| !mine.load.is_empty() && !self.chat.outbox.waits_any(&mine.load))
        };
        let over: Vec<EnvelopeId> =
            self.mail.custody.mine_to(&address).filter(done).map(|held| held.row.envelope).collect();
        over.iter().for_each(|id| self.withdraw(id));
    }

    /// An envelope of mine is not to be delivered any more, for I can show its release as well.
    fn withdraw(&mut self, id: &EnvelopeId) {
        let Some(r) = self.mail.custody.get(id).and_then(|held| Some(held.row.mine.as_ref()?.r)) else { return };
        self.bury(id, r, None);
    }

    /// The user withdraws a message: whatever else was in its envelope is sealed anew.
    pub(in crate::proto) fn cancel_mail(&mut self, message: &MessageId) {
        let user = message.stream.to.user();
        let has_it = |held: &&crate::proto::mail::custody::Held| {
            let mut load = held.row.mine.iter().flat_map(|mine| &mine.load);
            load.any(|(stream, ranges)| *stream == message.stream && ranges.contains(message.n))
        };
        let with_it: Vec<EnvelopeId> =
            self.mail.custody.mine_to(&message.stream.to).filter(has_it).map(|held| held.row.envelope).collect();
        for id in with_it {
            self.give_back(&id);
        }
        self.entrust(&user);
    }

    /// Withdraws an envelope of mine; what is in it waits again.
    fn give_back(&mut self, id: &EnvelopeId) {
        let Some(mine) = self.mail.custody.get(id).and_then(|held| held.row.mine.clone()) else { return };
        self.bury(id, mine.r, None);
        if self.mail.custody.forget(id).is_some() {
            self.cx.out.store(Op::ForgetCustody(*id));
        }
        self.chat.outbox.set_entrusted(&mine.load, false);
    }

    /// A session of the addressee could not open an envelope of mine. What was in it is sealed anew, unless it is sealed to
    /// the session's newest prekey already, or was released.
    pub(in crate::proto) fn seal_anew(
        &mut self,
        peer: Peer,
        id: &EnvelopeId,
        roster: Checked<Roster>,
        card: Checked<KeyCard>,
    ) {
        let (user, session) = (card.user, card.session);
        let Some(held) = self.mail.custody.get(id) else { return };
        // By whatever carriers it came, it was said since the envelope was sealed.
        let in_person = peer.session == session;
        let since_sealed = ENVELOPE_LIFE.saturating_sub(held.row.until.since(self.cx.now.moment));
        let age = if in_person { Duration::ZERO } else { since_sealed };
        self.learn_roster(roster);
        self.learn_card(card, age);
        let Some(held) = self.mail.custody.get(id) else { return };
        let newest = self.people.sessions.prekey(&session, self.cx.now.moment);
        if newest.is_none_or(|prekey| is_sealed_to(&held.row.bytes, &prekey)) {
            return self.cx.dropped(DropReason::UnopenableDisbelieved);
        }
        if !self.mail.budgets.sealed_anew.draw(user, self.cx.now.moment) {
            return self.cx.dropped(DropReason::SealedAnewTooOften);
        }
        let is_receipt =
            self.mail.custody.get(id).and_then(|held| held.row.mine.as_ref()).is_some_and(|m| m.load.is_empty());
        self.give_back(id);
        if is_receipt {
            self.owe_again(user);
        }
        self.entrust(&user);
        self.hand_over(peer.session);
    }

    /// A receipt did not arrive.
    fn owe_again(&mut self, user: UserId) {
        for session in self.people.sessions.of_user(&user).collect::<Vec<_>>() {
            self.owe_by_mail(user, session);
        }
        self.mail_receipts(&user);
    }

    /// The life of an envelope is over. What was in mine, and was not receipted, is sealed anew.
    pub(in crate::proto) fn begin_again(&mut self, row: CustodyRow) {
        let Some(mine) = row.mine else { return };
        let user = row.address.user();
        if mine.load.is_empty() && !row.bytes.is_empty() {
            self.owe_again(user);
            return self.mail_next_receipt(&user);
        }
        self.chat.outbox.set_entrusted(&mine.load, false);
        self.entrust(&user);
    }
}

/// Whether one of an envelope's wraps is for a prekey. Of an envelope that was released nothing is known any more.
fn is_sealed_to(envelope: &[u8], prekey: &Prekey) -> bool {
    decode::<Envelope>(envelope).map_or(true, |envelope| envelope.wraps.iter().any(|wrap| wrap.0 == prekey.id))
}
