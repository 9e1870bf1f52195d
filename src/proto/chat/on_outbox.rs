//! What goes out: lines and receipts are sealed and sent.
//!
//! Sealing is arithmetic on a curve, as long as a good disk takes for a sync. So it is put off until everything else has
//! been handed out ([`Core::seal_what_waits`]): a line is sealed while the disk takes it, and a receipt once what it is for
//! is shown. What was sealed early leaves when the disk has it, and is taken back if the disk refuses.

use std::collections::BTreeSet;

use crate::id::{Address, ConnId, EnvelopeId, MessageId};
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
    /// What was put off: receipts, and lines to everybody for whom something may wait.
    pub(in crate::proto) fn seal_what_waits(&mut self) -> bool {
        if !self.chat.sealing.waits() {
            return false;
        }
        if self.chat.sealing.take_receipts() {
            self.send_receipts();
        }
        while let Some(to) = self.chat.sealing.take_address() {
            self.pump(&to);
        }
        true
    }

    /// Puts a content of mine into the outbox and the store. It is sealed when there is time, and sent when it is durable. Should
    /// the disk refuse it, whoever typed it at `line` is told.
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
        self.chat.outbox.push(row.clone(), false);
        let ticket = self.cx.out.store(Op::Typed(row));
        self.chat.typed.push_back((ticket, id, line));
        self.chat.sealing.want_lines(to);
        id
    }

    /// Sends what the live sessions of an address lack.
    fn pump(&mut self, to: &Address) {
        for peer in self.near().at(to) {
            self.pump_session(to, peer);
        }
        self.entrust(to);
    }

    fn pump_session(&mut self, to: &Address, peer: Peer) {
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
            self.chat.outbox.sealed(to, &session, &sealed, load);
            if self.cx.out.unstored() > 0 {
                self.chat.sealing.sealed_early(self.cx.out.issued(), *to, sealed.id);
            }
            self.send_envelope(conn, sealed);
        }
    }

    /// The disk has refused these messages: they are gone, and so are the envelopes in which they may be. What else was in
    /// those goes again.
    pub(in crate::proto) fn take_back(&mut self, refused: &BTreeSet<MessageId>) {
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

    pub(in crate::proto) fn warn_no_key(&mut self, to: &Address) {
        let (user, name) = (self.people.user_at(to), self.people.handle(to));
        self.people.warn_once(
            &mut self.cx,
            user,
            WarningCode::NoKey,
            format!("messages for {name} wait until a key card of theirs is known"),
        );
    }

    /// Seals to every session of an address whose key card is known. A stranger gets my roster and key card along.
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

    pub(in crate::proto) fn send_envelope(&mut self, conn: ConnId, sealed: Sealed) {
        let life_ms = ENVELOPE_LIFE.as_millis() as u64;
        let parcel = Parcel { envelope: Bytes(sealed.bytes), life_ms, copies: 1 };
        self.cx.out.after_store(Output::Chat { conn, item: Chat::Parcel(parcel) });
    }
}
