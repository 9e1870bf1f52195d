//! This user's own mail, and what follows elsewhere from what happens to mail.
//!
//! What waits for somebody who is not connected is sealed and entrusted to others, as long as anybody is there who may bring it
//! on: a friend of both who is connected with them, or a relay or server. An envelope of mine is on the disk before it leaves. A
//! few of them may be under way that nobody has taken yet; what is typed meanwhile goes into the next one together. A message
//! stays in the outbox until its receipt comes, by whatever way; then its envelope is withdrawn from whoever carries it. An
//! envelope that could not be opened, or whose life is over, gives its messages back, and they are sealed anew. Receipts that
//! travel as mail are in [`receipts`](crate::proto::chat::receipts).

use std::collections::BTreeSet;
use std::time::Duration;

use crate::id::{Address, EnvelopeId, MessageId, SessionId, StreamId};
use crate::identity::Checked;
use crate::identity::seal::Sealed;
use crate::proto::Core;
use crate::proto::cx::Context;
use crate::proto::drops::DropReason;
use crate::proto::limits::{ENVELOPE_LIFE, MAIL_WINDOW, MAX_OWN_CUSTODY, SPRAY};
use crate::proto::mail::custody::Held;
use crate::proto::mail::{Fact, Mail};
use crate::proto::near::Near;
use crate::proto::notice::{Delivery, Notice, WarningCode};
use crate::proto::peer::Peer;
use crate::proto::people::on_record::reason_of;
use crate::proto::persist::{CustodyRow, Mine, Op};
use crate::proto::ranges::Ranges;
use crate::wire::decode;
use crate::wire::envelope::Envelope;
use crate::wire::record::{KeyCard, Prekey, Roster};

impl Core {
    /// Lets mail act, then does what follows from it elsewhere.
    pub(in crate::proto) fn with_mail<R>(&mut self, act: impl FnOnce(&mut Mail, &mut Context, &Near<'_>) -> R) -> R {
        let near = Near { people: &self.people, peers: &self.peers, presence: &self.presence, relays: &self.relays };
        let result = act(&mut self.mail, &mut self.cx, &near);
        while let Some(fact) = self.mail.next_fact() {
            self.on_mail_fact(fact);
        }
        result
    }

    fn on_mail_fact(&mut self, fact: Fact) {
        match fact {
            Fact::Carried { by, envelope } => self.show_carried(by, &envelope),
            Fact::Refused { by } => self.warn_of_refusal(by),
            Fact::Opened(row) => self.on_own_opened(row),
            Fact::Expired(row) => self.on_own_expired(row),
            Fact::Unopenable { peer, envelope, roster, card } => self.seal_anew(peer, &envelope, *roster, *card),
            Fact::BadRecord { conn, refused } => self.strike(conn, reason_of(&refused)),
            Fact::RoomAgain => self.entrust_all(),
        }
    }

    /// Everything held for an address is routed again.
    pub(in crate::proto) fn route_all_to(&mut self, address: &Address) {
        self.with_mail(|mail, cx, near| mail.route_all_to(cx, near, address));
    }

    /// At the start: what was under way still is.
    pub(in crate::proto) fn remember_mail(&mut self) {
        for (_, mine) in self.mail.custody.mine() {
            self.chat.outbox.set_entrusted(&mine.load, true);
        }
    }

    /// Seals what waits for an address and is not under way, if nobody there is connected and somebody is who may bring it on.
    pub(in crate::proto) fn entrust(&mut self, to: &Address) {
        self.mail_receipts(to);
        if self.is_connected(to) || !self.chat.outbox.may_entrust(to) || !self.has_mail_way(to) {
            return;
        }
        if !self.has_prekey(to) {
            return self.warn_no_key(to);
        }
        while self.mail.custody.untaken(to) < MAIL_WINDOW && self.mail.custody.my_bytes() < MAX_OWN_CUSTODY {
            let (contents, load) = self.chat.outbox.entrust(to);
            if contents.is_empty() {
                return;
            }
            let Some(sealed) = self.seal_to(to, contents) else {
                return self.cx.dropped(DropReason::ContentTooLong);
            };
            self.hold_mine(to, sealed, load);
        }
    }

    /// Everybody for whom something waits: a way for mail has opened.
    pub(in crate::proto) fn entrust_all(&mut self) {
        let owing = self.chat.inbox.unanswered().map(|(_, user)| Address::from(user));
        let to: BTreeSet<Address> = self.chat.outbox.addressees().chain(owing).collect();
        to.iter().for_each(|to| self.entrust(to));
        let mine: Vec<EnvelopeId> = self.mail.custody.mine().map(|(row, _)| row.envelope).collect();
        self.with_mail(|mail, cx, near| mine.iter().for_each(|id| mail.route(cx, near, id)));
    }

    /// Whether a session of an address is connected.
    pub(in crate::proto) fn is_connected(&self, to: &Address) -> bool {
        !self.near().at(to).is_empty()
    }

    pub(in crate::proto) fn has_prekey(&self, to: &Address) -> bool {
        let now = self.cx.now.moment;
        self.people.audience(to).iter().any(|session| self.people.sessions.prekey(session, now).is_some())
    }

    /// Whether anybody is connected who may bring mail to an address.
    pub(in crate::proto) fn has_mail_way(&self, to: &Address) -> bool {
        self.mail.has_way(&self.cx, &self.near(), to)
    }

    /// Holds an envelope that was sealed here, and lets it go where it can.
    pub(in crate::proto) fn hold_mine(&mut self, to: &Address, sealed: Sealed, load: Vec<(StreamId, Ranges)>) {
        let row = CustodyRow {
            envelope: sealed.id,
            address: *to,
            lock: sealed.lock,
            depositor: self.cx.config.user,
            from: self.cx.me,
            member: true,
            until: self.cx.now.moment + ENVELOPE_LIFE,
            copies: SPRAY,
            bytes: sealed.bytes,
            mine: Some(Mine { r: sealed.r, load }),
            unopenable: None,
        };
        self.with_mail(|mail, cx, near| {
            mail.hold(cx, row);
            mail.route(cx, near, &sealed.id);
        });
    }

    /// A carrier has an envelope of mine: who waits for the messages in it is told.
    fn show_carried(&mut self, by: SessionId, id: &EnvelopeId) {
        let Some(held) = self.mail.custody.get(id) else { return };
        let Some(mine) = &held.row.mine else { return };
        let (to, load) = (held.row.address, mine.load.clone());
        let audience = self.people.audience(&to);
        for (stream, ranges, lines) in self.chat.outbox.carried(by, &load) {
            self.cx.out.store(Op::Carried { stream, by, ranges });
            for message in lines {
                for session in &audience {
                    self.tell_carried(message, *session, by, &to);
                }
            }
        }
        self.entrust(&to);
    }

    fn tell_carried(&mut self, message: MessageId, session: SessionId, by: SessionId, to: &Address) {
        if self.chat.outbox.is_delivered(&message, &session) {
            return;
        }
        let (to, state, holder) = (self.people.handle(to), Delivery::Carried, self.people.name_of(&by));
        self.cx.notice_after_store(None, Notice::State { message, to, session, state, by, holder });
    }

    fn warn_of_refusal(&mut self, by: SessionId) {
        let Some(user) = self.people.sessions.get(&by).map(|known| known.user) else { return };
        let name = self.people.users.handle(&user);
        let message = format!("{name} has no room for more mail of yours; it waits here and goes another way");
        self.people.warn_once(&mut self.cx, user, WarningCode::CustodyRefused, message);
    }

    /// An envelope of mine is not under way any more. While messages in it still wait, a row without bytes stays, so that they
    /// are not sealed again before the end of its life.
    fn on_own_opened(&mut self, row: CustodyRow) {
        let Some(mine) = &row.mine else { return };
        let (to, is_receipt) = (row.address, mine.load.is_empty());
        if self.chat.outbox.waits_any(&mine.load) {
            self.mail.hold(&mut self.cx, CustodyRow { bytes: Vec::new(), ..row });
        } else {
            self.cx.out.store(Op::ForgetCustody(row.envelope));
        }
        self.entrust(&to);
        if is_receipt {
            self.mail_next_receipt(&to);
        }
    }

    /// The life of an envelope of mine is over. What was in it and was not receipted is sealed anew.
    fn on_own_expired(&mut self, row: CustodyRow) {
        let Some(mine) = row.mine else { return };
        if mine.load.is_empty() && !row.bytes.is_empty() {
            self.owe_again(&row.address);
            return self.mail_next_receipt(&row.address);
        }
        self.chat.outbox.set_entrusted(&mine.load, false);
        self.entrust(&row.address);
    }

    /// Messages of mine have arrived or were withdrawn: envelopes with nothing else in them are withdrawn too.
    pub(in crate::proto) fn withdraw_mail(&mut self, to: &Address) {
        let done = |held: &&Held| {
            let mine = held.row.mine.as_ref();
            mine.is_some_and(|mine| !mine.load.is_empty() && !self.chat.outbox.waits_any(&mine.load))
        };
        let over: Vec<EnvelopeId> = self.mail.custody.mine_to(to).filter(done).map(|held| held.row.envelope).collect();
        over.iter().for_each(|id| self.withdraw(id));
    }

    /// An envelope of mine is not to be delivered any more: its author can show its release as well.
    pub(in crate::proto) fn withdraw(&mut self, id: &EnvelopeId) {
        let Some(r) = self.mail.custody.get(id).and_then(|held| Some(held.row.mine.as_ref()?.r)) else { return };
        self.with_mail(|mail, cx, near| mail.end(cx, near, id, r, None));
    }

    /// The user withdraws a message: whatever else was in its envelope is sealed anew.
    pub(in crate::proto) fn cancel_mail(&mut self, message: &MessageId) {
        let to = message.stream.to;
        let has_it = |held: &&Held| {
            let mut load = held.row.mine.iter().flat_map(|mine| &mine.load);
            load.any(|(stream, ranges)| *stream == message.stream && ranges.contains(message.n))
        };
        let with_it: Vec<EnvelopeId> =
            self.mail.custody.mine_to(&to).filter(has_it).map(|held| held.row.envelope).collect();
        with_it.iter().for_each(|id| self.take_apart(id));
        self.entrust(&to);
    }

    /// Withdraws an envelope of mine; what is in it waits again.
    fn take_apart(&mut self, id: &EnvelopeId) {
        let Some(mine) = self.mail.custody.get(id).and_then(|held| held.row.mine.clone()) else { return };
        self.withdraw(id);
        if self.mail.custody.forget(id).is_some() {
            self.cx.out.store(Op::ForgetCustody(*id));
        }
        self.chat.outbox.set_entrusted(&mine.load, false);
    }

    /// A session of the addressee could not open an envelope of mine. What was in it is sealed anew, unless it is sealed to the
    /// session's newest prekey already, or was released.
    fn seal_anew(&mut self, peer: Peer, id: &EnvelopeId, roster: Checked<Roster>, card: Checked<KeyCard>) {
        let (user, session) = (card.user, card.session);
        let Some(held) = self.mail.custody.get(id) else { return };
        // By whatever carriers it came, it was said since the envelope was sealed.
        let since_sealed = ENVELOPE_LIFE.saturating_sub(held.row.until.since(self.cx.now.moment));
        let age = if peer.session == session { Duration::ZERO } else { since_sealed };
        self.learn_roster(roster);
        self.add_card(card, age);
        let Some(held) = self.mail.custody.get(id) else { return };
        let (to, is_receipt) = (held.row.address, held.row.mine.as_ref().is_some_and(|mine| mine.load.is_empty()));
        let newest = self.people.sessions.prekey(&session, self.cx.now.moment);
        if newest.is_none_or(|prekey| is_sealed_to(&held.row.bytes, &prekey)) {
            self.cx.dropped(DropReason::UnopenableDisbelieved);
        } else if !self.mail.may_seal_anew(user, self.cx.now.moment) {
            self.cx.dropped(DropReason::SealedAnewTooOften);
        } else {
            self.take_apart(id);
            if is_receipt {
                self.owe_again(&to);
            }
            self.entrust(&to);
        }
        self.with_mail(|mail, cx, near| mail.hand_over(cx, near, peer.session));
    }
}

/// Whether one of an envelope's wraps is for a prekey. Of an envelope that was released nothing is known any more.
fn is_sealed_to(envelope: &[u8], prekey: &Prekey) -> bool {
    decode::<Envelope>(envelope).map_or(true, |envelope| envelope.wraps.iter().any(|wrap| wrap.0 == prekey.id))
}
