//! This user's own mail, and the effects of mail on the rest of the core.
//!
//! Messages for a user who is not connected are sealed and entrusted to carriers: a common friend who is connected with the
//! addressee, a relay or server, or another session of the local user. An own envelope is durable before it leaves. Only a few envelopes may be under way that no
//! carrier has taken yet; messages typed meanwhile share the next one. A message stays in the outbox until its receipt
//! comes, on any path; then its envelope is withdrawn from the carriers. The messages of an envelope that could not be opened,
//! or has expired, are sealed again. Receipts as mail are in [`receipts`](crate::proto::chat::receipts).

use std::collections::BTreeSet;
use std::time::Duration;

use crate::id::{Address, EnvelopeId, MessageId, SessionId, UserId};
use crate::identity::Checked;
use crate::identity::labels::Labels;
use crate::identity::seal::Sealed;
use crate::proto::Core;
use crate::proto::cx::Context;
use crate::proto::drops::DropReason;
use crate::proto::limits::{ENVELOPE_LIFE, MAIL_WINDOW, MAX_OWN_CUSTODY, SPRAY};
use crate::proto::mail::custody::Held;
use crate::proto::mail::{Fact, Mail};
use crate::proto::near::Near;
use crate::proto::notice::WarningCode;
use crate::proto::peer::Peer;
use crate::proto::people::on_record::reason_of;
use crate::proto::persist::{CustodyRow, Mine, Op};
use crate::proto::ranges::Ranges;
use crate::wire::decode;
use crate::wire::envelope::Envelope;
use crate::wire::record::{KeyCard, Prekey, Roster};

impl Core {
    /// Calls the mail state machine, then applies the facts it leaves.
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
            Fact::Carried { by, envelope } => self.record_carried(by, &envelope),
            Fact::Refused { by } => self.warn_of_refusal(by),
            Fact::Opened { row, by } => {
                self.record_proven(by, &row.address);
                self.on_own_opened(row, by.is_some());
            }
            Fact::Expired(row) => self.on_own_expired(row),
            Fact::Unopenable { peer, envelope, roster, card } => self.seal_again(peer, &envelope, *roster, *card),
            Fact::BadRecord { conn, refused } => self.strike(conn, reason_of(&refused)),
            Fact::CapacityAgain => self.entrust_all(),
        }
    }

    /// Records that a carrier has delivered an own envelope. What the addressee shows proves nothing.
    fn record_proven(&mut self, by: Option<SessionId>, address: &Address) {
        let known = by.and_then(|by| Some((by, self.people.sessions.get(&by)?.user)));
        if let Some((by, user)) = known
            && user != self.people.user_at(address)
            && self.people.is_carrier(&by)
        {
            self.relays.proven.record(by, self.cx.now.moment);
        }
    }

    /// Routes all envelopes held for an address again.
    pub(in crate::proto) fn route_all_to(&mut self, address: &Address) {
        self.with_mail(|mail, cx, near| mail.route_all_to(cx, near, address));
    }

    /// Routes all envelopes held for a user and for the user's sessions again.
    pub(in crate::proto) fn route_all_to_user(&mut self, user: &UserId) {
        let sessions: Vec<SessionId> = self.people.sessions.of_user(user).collect();
        self.route_all_to(&Address::from(user));
        sessions.iter().for_each(|session| self.route_all_to(&Address::from(session)));
    }

    /// Marks the messages in stored envelopes as entrusted, at start.
    pub(in crate::proto) fn restore_entrusted(&mut self) {
        for (_, own) in self.mail.custody.own().filter(|(row, _)| self.people.session_at(&row.address).is_none()) {
            self.chat.outbox.set_entrusted(&own.load, true);
        }
    }

    /// Seals the messages to an address that are not under way, if no session of the address is connected but a carrier is.
    pub(in crate::proto) fn entrust(&mut self, to: &Address) {
        self.mail_receipts(to);
        if self.is_connected(to) || !self.chat.outbox.may_entrust(to) || !self.has_mail_carrier(to) {
            return;
        }
        if !self.has_prekey(to) {
            return self.warn_no_key(to);
        }
        while self.mail.custody.untaken(to) < MAIL_WINDOW && self.mail.custody.own_bytes() < MAX_OWN_CUSTODY {
            let (contents, load) = self.chat.outbox.entrust(to);
            if contents.is_empty() {
                return;
            }
            let Some(sealed) = self.seal_to(to, contents) else {
                return self.cx.dropped(DropReason::ContentTooLong);
            };
            let mine = Mine { r: sealed.r, load, changes: Ranges::new() };
            self.hold_own(to, sealed, mine);
        }
    }

    /// Entrusts messages to all addresses and routes own envelopes again, since a carrier has become available.
    pub(in crate::proto) fn entrust_all(&mut self) {
        let owing = self.chat.inbox.unanswered().map(|(_, user)| Address::from(user));
        let to: BTreeSet<Address> = self.chat.outbox.addressees().chain(owing).collect();
        to.iter().for_each(|to| self.entrust(to));
        self.sisters.ledger.want_all(self.cx.now.moment);
        let own: Vec<EnvelopeId> = self.mail.custody.own().map(|(row, _)| row.envelope).collect();
        self.with_mail(|mail, cx, near| own.iter().for_each(|id| mail.route(cx, near, id)));
    }

    /// Whether a session of an address is connected.
    pub(in crate::proto) fn is_connected(&self, to: &Address) -> bool {
        !self.near().at(to).is_empty()
    }

    /// Whether a prekey of any session of an address is known.
    pub(in crate::proto) fn has_prekey(&self, to: &Address) -> bool {
        let now = self.cx.now.moment;
        self.people.audience(to).iter().any(|session| self.people.sessions.prekey(session, now).is_some())
    }

    /// Whether a carrier for mail to an address is connected.
    pub(in crate::proto) fn has_mail_carrier(&self, to: &Address) -> bool {
        self.mail.has_carrier(&self.cx, &self.near(), to)
    }

    /// Holds an envelope sealed here, and routes it.
    pub(in crate::proto) fn hold_own(&mut self, to: &Address, sealed: Sealed, mine: Mine) {
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
            mine: Some(mine),
            unopenable: None,
        };
        self.with_mail(|mail, cx, near| {
            mail.hold(cx, row);
            mail.route(cx, near, &sealed.id);
        });
    }

    /// Records and shows that a carrier has the messages in an own envelope.
    fn record_carried(&mut self, by: SessionId, id: &EnvelopeId) {
        let Some(held) = self.mail.custody.get(id) else { return };
        let Some(own) = &held.row.mine else { return };
        let (to, load) = (held.row.address, own.load.clone());
        if self.people.session_at(&to).is_some() {
            return;
        }
        let recipient = self.recipient(&to);
        for (stream, ranges, lines) in self.chat.outbox.record_carried(by, &load) {
            self.cx.out.store(Op::Carried { stream, by, ranges });
            for message in lines {
                self.show_carried(&recipient, message, by);
            }
        }
        self.entrust(&to);
    }

    fn warn_of_refusal(&mut self, by: SessionId) {
        let Some(user) = self.people.sessions.get(&by).map(|known| known.user) else { return };
        let name = if self.people.is_sister(&by) {
            format!("your session {}", Labels::of(&self.people.myself.roster).label(&by))
        } else {
            self.people.users.handle(&user)
        };
        let message = format!("{name} has no room for more mail of yours; it waits here and goes another way");
        self.people.warn_once(&mut self.cx, user, WarningCode::CustodyRefused, message);
    }

    /// Handles that an own envelope was opened or withdrawn. While messages in it wait for receipts, a row without bytes stays,
    /// so that they are not sealed again before its life ends.
    fn on_own_opened(&mut self, row: CustodyRow, arrived: bool) {
        let Some(own) = &row.mine else { return };
        let (to, is_receipt) = (row.address, own.load.is_empty());
        if self.people.session_at(&to).is_some() {
            self.cx.out.store(Op::ForgetCustody(row.envelope));
            return self.end_mirror_mail(&to, own.clone(), arrived);
        }
        if self.chat.outbox.any_waiting(&own.load) {
            self.mail.hold(&mut self.cx, CustodyRow { bytes: Vec::new(), ..row });
        } else {
            self.cx.out.store(Op::ForgetCustody(row.envelope));
        }
        self.entrust(&to);
        if is_receipt {
            self.mail_next_receipt(&to);
        }
    }

    /// Handles the end of own mail to another session of the local user. `arrived`: it has shown the release.
    fn end_mirror_mail(&mut self, address: &Address, mine: Mine, arrived: bool) {
        let session = SessionId(address.0);
        if !arrived {
            return self.sisters.ledger.mail_lost(&session, mine.load, self.cx.now.moment);
        }
        // Another envelope may have a part of the same change.
        let changes = mine.changes.without(&self.mail.custody.changes_to(address));
        self.sisters.ledger.mail_arrived(&mut self.cx, &session, mine.load, &changes);
    }

    /// Seals the messages of an expired own envelope again, if they were not receipted.
    fn on_own_expired(&mut self, row: CustodyRow) {
        let Some(own) = row.mine else { return };
        if self.people.session_at(&row.address).is_some() {
            return self.end_mirror_mail(&row.address, own, false);
        }
        if own.load.is_empty() && !row.bytes.is_empty() {
            self.owe_again(&row.address);
            return self.mail_next_receipt(&row.address);
        }
        self.chat.outbox.set_entrusted(&own.load, false);
        self.entrust(&row.address);
    }

    /// Withdraws own envelopes to an address in which no message waits any more.
    pub(in crate::proto) fn withdraw_mail(&mut self, to: &Address) {
        let done = |held: &&Held| {
            let own = held.row.mine.as_ref();
            own.is_some_and(|own| !own.load.is_empty() && !self.chat.outbox.any_waiting(&own.load))
        };
        let over: Vec<EnvelopeId> = self.mail.custody.own_to(to).filter(done).map(|held| held.row.envelope).collect();
        over.iter().for_each(|id| self.withdraw(id));
    }

    /// Withdraws an own envelope by showing its release, which its author knows.
    pub(in crate::proto) fn withdraw(&mut self, id: &EnvelopeId) {
        let Some(r) = self.mail.custody.get(id).and_then(|held| Some(held.row.mine.as_ref()?.r)) else { return };
        self.with_mail(|mail, cx, near| mail.end_custody(cx, near, id, r, None));
    }

    /// Forgets what waits for an address, and what the sessions there have written.
    pub(in crate::proto) fn forget_conversation(&mut self, with: &Address, sessions: &BTreeSet<SessionId>) {
        self.chat.outbox.forget(with);
        self.chat.reads.forget(&UserId(with.0));
        let under_way: Vec<EnvelopeId> = self.mail.custody.own_to(with).map(|held| held.row.envelope).collect();
        under_way.iter().for_each(|id| self.withdraw(id));
        for session in sessions {
            self.chat.inbox.forget(session);
            self.clear_debt(session);
        }
    }

    /// Withdraws the envelopes of a message that the user cancels. Other messages in them are sealed again.
    pub(in crate::proto) fn cancel_mail(&mut self, message: &MessageId) {
        let to = message.stream.to;
        let has_it = |held: &&Held| {
            let mut load = held.row.mine.iter().flat_map(|own| &own.load);
            load.any(|(stream, ranges)| *stream == message.stream && ranges.contains(message.n))
        };
        let with_it: Vec<EnvelopeId> =
            self.mail.custody.own_to(&to).filter(has_it).map(|held| held.row.envelope).collect();
        with_it.iter().for_each(|id| self.withdraw_and_requeue(id));
        self.entrust(&to);
    }

    /// Withdraws an own envelope; its messages wait to be sealed again.
    fn withdraw_and_requeue(&mut self, id: &EnvelopeId) {
        let Some(held) = self.mail.custody.get(id) else { return };
        let Some(own) = held.row.mine.clone() else { return };
        let is_mirror = self.people.session_at(&held.row.address).is_some();
        self.withdraw(id);
        if is_mirror {
            return;
        }
        if self.mail.custody.remove(id).is_some() {
            self.cx.out.store(Op::ForgetCustody(*id));
        }
        self.chat.outbox.set_entrusted(&own.load, false);
    }

    /// Withdraws the envelopes to an address that nobody has opened, and seals their messages again.
    pub(in crate::proto) fn seal_unopened_again(&mut self, to: &Address) {
        let unopened = |held: &&Held| {
            let own = held.row.mine.as_ref();
            own.is_some_and(|own| !own.load.is_empty()) && !held.row.bytes.is_empty()
        };
        let unopened: Vec<EnvelopeId> =
            self.mail.custody.own_to(to).filter(unopened).map(|held| held.row.envelope).collect();
        unopened.iter().for_each(|id| self.withdraw_and_requeue(id));
        self.entrust(to);
    }

    /// Seals the messages of an own envelope again that a session of the addressee could not open, unless it is sealed to the
    /// session's newest prekey already, or was released.
    fn seal_again(&mut self, peer: Peer, id: &EnvelopeId, roster: Checked<Roster>, card: Checked<KeyCard>) {
        let (user, session) = (card.user, card.session);
        let Some(held) = self.mail.custody.get(id) else { return };
        // A report that came over carriers is at most as old as the envelope.
        let since_sealed = ENVELOPE_LIFE.saturating_sub(held.row.until.since(self.cx.now.moment));
        let age = if peer.session == session { Duration::ZERO } else { since_sealed };
        self.learn_roster(roster);
        self.add_card(card, age);
        let Some(held) = self.mail.custody.get(id) else { return };
        let (to, is_receipt) = (held.row.address, held.row.mine.as_ref().is_some_and(|own| own.load.is_empty()));
        let newest = self.people.sessions.prekey(&session, self.cx.now.moment);
        if newest.is_none_or(|prekey| is_sealed_to(&held.row.bytes, &prekey)) {
            self.cx.dropped(DropReason::UnopenableDisbelieved);
        } else if !self.mail.may_seal_again(user, self.cx.now.moment) {
            self.cx.dropped(DropReason::SealedAnewTooOften);
        } else {
            self.withdraw_and_requeue(id);
            if is_receipt {
                self.owe_again(&to);
            }
            self.entrust(&to);
        }
        self.with_mail(|mail, cx, near| mail.hand_over(cx, near, peer.session));
    }
}

/// Whether one of an envelope's wraps is for a prekey. True if the envelope was released, since its bytes are gone.
fn is_sealed_to(envelope: &[u8], prekey: &Prekey) -> bool {
    decode::<Envelope>(envelope).map_or(true, |envelope| envelope.wraps.iter().any(|wrap| wrap.0 == prekey.id))
}
