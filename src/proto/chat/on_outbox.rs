//! Seals and sends messages and receipts to connected sessions.
//!
//! Sealing is arithmetic on an elliptic curve and takes about as long as a sync of a good disk. It is therefore deferred until
//! all other output has been taken ([`Core::seal_pending`]): a message is sealed while the store writes it, and a receipt
//! after its message is shown. Envelopes sealed early leave once their messages are durable, and are revoked if the store
//! refuses them.

use std::collections::BTreeSet;

use crate::id::{Address, ConnId, EnvelopeId, MessageId, UserId};
use crate::identity::seal::{Author, Sealed, envelope_id, seal};
use crate::proto::Core;
use crate::proto::drops::DropReason;
use crate::proto::event::Output;
use crate::proto::limits::ENVELOPE_LIFE;
use crate::proto::notice::WarningCode;
use crate::proto::peer::Peer;
use crate::proto::persist::{MessageRow, Op};
use crate::wire::chat::{Chat, Parcel};
use crate::wire::codec::Bytes;
use crate::wire::content::Content;
use crate::wire::record::Prekey;

impl Core {
    /// Carries out deferred sealing of receipts and messages. False if none was pending.
    pub(in crate::proto) fn seal_pending(&mut self) -> bool {
        if !self.chat.sealing.is_pending() {
            return false;
        }
        if self.chat.sealing.take_receipts() {
            self.send_receipts();
        }
        while let Some(to) = self.chat.sealing.take_address() {
            self.send_waiting(&to);
        }
        true
    }

    /// Puts a content of this user into the outbox and the store. It is sealed later, and sent when it is durable. If the store
    /// refuses it, an error is reported for the input line `line`.
    pub(in crate::proto) fn post(
        &mut self,
        to: Address,
        kind: u64,
        body: Vec<u8>,
        lamport: u64,
        line: Option<u64>,
    ) -> MessageId {
        let id = self.chat.outbox.next_id(to);
        let arrival = self.cx.count.next_arrival();
        self.cx.save_counters();
        let (with, from, wall) = (to, self.cx.config.user, self.cx.now.wall);
        let row = MessageRow { arrival, id, kind, with, from, lamport, wall, body, since: self.cx.now.moment };
        self.wait_for_receipt(row, line);
        self.sisters.ledger.note_held(id.stream, [(id.n, id.n)].into_iter().collect(), None);
        id
    }

    /// Stores a message of this session that waits for a receipt from now on, and sends it when it is durable.
    pub(in crate::proto) fn wait_for_receipt(&mut self, row: MessageRow, line: Option<u64>) {
        let (id, to) = (row.id, row.with);
        self.chat.outbox.push(row.clone(), false);
        let ticket = self.cx.out.store(Op::Typed(row));
        self.chat.typed.push_back((ticket, id, line));
        self.chat.sealing.want_lines(to);
    }

    /// Sends waiting messages to the connected sessions of an address, or entrusts them to carriers.
    fn send_waiting(&mut self, to: &Address) {
        for peer in self.near().at(to) {
            self.send_waiting_to(to, peer);
        }
        self.entrust(to);
    }

    fn send_waiting_to(&mut self, to: &Address, peer: Peer) {
        let Peer { conn, session, .. } = peer;
        if !self.chat.outbox.waits_for(to) {
            return;
        }
        if self.people.sessions.prekey(&session, self.cx.now.moment).is_none() {
            return self.warn_no_key(to);
        }
        loop {
            let (contents, load) = self.chat.outbox.take(to, &session);
            if contents.is_empty() {
                return;
            }
            let Some(sealed) = self.seal_to(to, contents) else {
                return self.cx.dropped(DropReason::ContentTooLong);
            };
            self.chat.outbox.record_sealed(to, &session, &sealed, load, self.cx.now.moment);
            if self.cx.out.unstored() > 0 {
                self.chat.sealing.record_early(self.cx.out.issued(), *to, sealed.id);
            }
            self.send_envelope(conn, sealed);
        }
    }

    /// Removes messages that the store has refused, and revokes the envelopes that may hold them. Other messages in these
    /// envelopes are sealed again.
    pub(in crate::proto) fn remove_refused(&mut self, refused: &BTreeSet<MessageId>) {
        refused.iter().for_each(|id| {
            self.chat.outbox.remove(id);
        });
        let addresses: BTreeSet<Address> = refused.iter().map(|id| id.stream.to).collect();
        let envelopes: BTreeSet<EnvelopeId> = self.chat.sealing.take_back(&addresses);
        self.cx.out.revoke(|output| match output {
            Output::Chat { item: Chat::Parcel(parcel), .. } => envelopes.contains(&envelope_id(&parcel.envelope)),
            _ => false,
        });
        for to in addresses {
            self.chat.outbox.rewind(&to, &envelopes);
            self.chat.sealing.want_lines(to);
        }
    }

    /// Sends what waits for a user again without waiting for its turn, since they have linked the local user deliberately:
    /// until then their node may have held it back.
    pub(in crate::proto) fn resume(&mut self, user: UserId) {
        if self.chat.waits_for(&user) && self.chat.resumed.draw(user, self.cx.now.moment) {
            let to = Address::from(user);
            self.chat.outbox.resume(&to);
            self.seal_unopened_again(&to);
        }
    }

    /// Warns once that no key card of an address is known.
    pub(in crate::proto) fn warn_no_key(&mut self, to: &Address) {
        let (user, name) = (self.people.user_at(to), self.people.handle(to));
        self.people.warn_once(
            &mut self.cx,
            user,
            WarningCode::NoKey,
            format!("messages for {name} wait until an encryption key of theirs is known; it comes with them, or from others"),
        );
    }

    /// Seals to every session of an address whose key card is known. The envelope to a stranger includes this user's roster
    /// and key card. `None` without any key card, or if the contents do not fit.
    pub(in crate::proto) fn seal_to(&mut self, to: &Address, contents: Vec<Content>) -> Option<Sealed> {
        let audience = self.people.audience(to);
        let prekeys: Vec<Prekey> =
            audience.iter().filter_map(|id| self.people.sessions.prekey(id, self.cx.now.moment)).collect();
        let stranger = !self.people.links.is_link(&self.people.user_at(to));
        let author = Author {
            user: self.cx.config.user,
            key: &self.cx.config.session_key,
            network: &self.cx.config.network,
            roster: stranger.then(|| self.people.myself.roster.signed()),
            card: stranger.then(|| self.people.myself.card.signed()),
        };
        if prekeys.is_empty() {
            return None;
        }
        seal(&mut self.cx.rng, &author, *to, &prekeys, contents)
    }

    /// Sends an envelope once what it holds is durable.
    pub(in crate::proto) fn send_envelope(&mut self, conn: ConnId, sealed: Sealed) {
        let life_ms = ENVELOPE_LIFE.as_millis() as u64;
        let parcel = Parcel { envelope: Bytes(sealed.bytes), life_ms, copies: 1 };
        self.cx.out.after_store(Output::Chat { conn, item: Chat::Parcel(parcel) });
    }

    /// Sends unanswered messages again, settles messages, and sends receipts, as far as they are due.
    pub(in crate::proto) fn resend_overdue(&mut self) {
        let now = self.cx.now.moment;
        for to in self.chat.outbox.take_resends(now) {
            self.cx.dropped(DropReason::LinesUnanswered);
            self.chat.sealing.want_lines(to);
        }
        if self.chat.settle_at <= now {
            self.settle_all();
        }
        if self.chat.inbox.next().is_some_and(|at| at <= now) {
            self.chat.sealing.want_receipts();
        }
    }
}
