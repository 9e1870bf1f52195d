//! What goes out: lines and receipts are sealed and sent.
//!
//! Sealing is arithmetic on a curve, as long as a good disk takes for a sync. So it is put off until everything else has
//! been handed out ([`Core::seal_what_waits`]): a line is sealed while the disk takes it, and a receipt once what it is for
//! is shown. What was sealed early leaves when the disk has it, and is taken back if the disk refuses.

use std::collections::BTreeSet;

use crate::id::{Address, ConnId, EnvelopeId, MessageId, SessionId, StreamId, UserId};
use crate::identity::seal::{Author, Sealed, envelope_id, seal};
use crate::proto::Core;
use crate::proto::drops::DropReason;
use crate::proto::event::Output;
use crate::proto::limits::ENVELOPE_LIFE;
use crate::proto::notice::WarningCode;
use crate::proto::peer::Peer;
use crate::proto::persist::{MessageRow, Op};
use crate::proto::ranges::Ranges;
use crate::wire::chat::{Chat, Parcel};
use crate::wire::codec::Bytes;
use crate::wire::content::Content;
use crate::wire::record::Prekey;

impl Core {
    /// What was put off: receipts, and lines to everybody for whom something may wait.
    pub(in crate::proto) fn seal_what_waits(&mut self) {
        if !self.chat.sealing.waits() {
            return;
        }
        if self.chat.sealing.take_receipts() {
            self.send_receipts();
        }
        while let Some(user) = self.chat.sealing.take_user() {
            self.pump(&user);
        }
        self.deadline = self.next_timeout();
    }

    /// Puts a content of mine into the outbox and the store. It is sealed
    /// when there is time, and sent when it is durable.
    pub(in crate::proto) fn post(&mut self, to: UserId, kind: u64, body: Vec<u8>, lamport: u64) -> MessageId {
        let id = self.chat.outbox.next_id(to);
        let arrival = self.cx.count.next_arrival();
        self.cx.save_counters();
        let (with, from, wall) = (to, self.cx.config.user, self.cx.now.wall);
        let row = MessageRow { arrival, id, kind, with, from, lamport, wall, body };
        self.chat.outbox.push(row.clone(), false);
        let ticket = self.cx.out.store(Op::Typed(row));
        self.chat.typed.push_back((ticket, id, None));
        self.chat.sealing.want_lines(to);
        id
    }

    /// Sends what a user's live sessions lack.
    pub(in crate::proto) fn pump(&mut self, user: &UserId) {
        for Peer { session, .. } in self.peers.connections.of_user(user) {
            self.pump_session(*user, session);
        }
        self.entrust(user);
    }

    fn pump_session(&mut self, user: UserId, session: SessionId) {
        let Some(conn) = self.peers.connections.up(&session) else { return };
        if !self.chat.outbox.waits_for(&user) {
            return;
        }
        if self.people.sessions.prekey(&session, self.cx.now.moment).is_none() {
            return self.warn_no_key(user);
        }
        loop {
            let (contents, load) = self.chat.outbox.take(&user, &session);
            if contents.is_empty() {
                return;
            }
            let Some(sealed) = self.seal_to(&user, contents) else {
                return self.cx.dropped(DropReason::ContentTooLong);
            };
            self.chat.outbox.sealed(&user, &session, &sealed, load);
            if self.cx.out.unstored() > 0 {
                self.chat.sealing.sealed_early(self.cx.out.issued(), user, sealed.id);
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
        let users: BTreeSet<UserId> = refused.iter().map(|id| id.stream.to.user()).collect();
        let envelopes: BTreeSet<EnvelopeId> = self.chat.sealing.take_back(&users);
        self.cx.out.revoke(|output| match output {
            Output::Chat { item: Chat::Parcel(parcel), .. } => envelopes.contains(&envelope_id(&parcel.envelope)),
            _ => false,
        });
        for user in users {
            self.chat.outbox.rewind(&user, &envelopes);
            self.chat.sealing.want_lines(user);
        }
    }

    pub(in crate::proto) fn warn_no_key(&mut self, user: UserId) {
        let name = self.people.users.handle(&user);
        self.people.warn_once(
            &mut self.cx,
            user,
            WarningCode::NoKey,
            format!("messages for {name} wait until a key card of theirs is known"),
        );
    }

    /// The receipts that are owed and durable: directly to those authors who are connected, to the others by mail.
    pub(in crate::proto) fn send_receipts(&mut self) {
        for (user, session, body) in self.chat.inbox.due(self.cx.out.durable(), self.cx.now.moment) {
            let Some(conn) = self.peers.connections.up(&session) else {
                self.mail_receipt(user, session, &body);
                continue;
            };
            if let Some(sealed) = self.seal_receipt(&user, &body) {
                self.send_envelope(conn, sealed);
                if let Some(neighbour) = self.peers.connections.get_mut(&conn) {
                    neighbour.receipts += 1;
                }
            }
        }
    }

    /// Seals to every session of a user whose key card is known. A stranger gets my roster and key card along.
    pub(in crate::proto) fn seal_to(&mut self, user: &UserId, contents: Vec<Content>) -> Option<Sealed> {
        let audience = self.people.users.audience(user);
        let prekeys: Vec<Prekey> =
            audience.iter().filter_map(|id| self.people.sessions.prekey(id, self.cx.now.moment)).collect();
        let stranger = !self.people.links.is_link(user);
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
        seal(&mut self.cx.rng, &author, Address::from(*user), &prekeys, contents)
    }

    fn send_envelope(&mut self, conn: ConnId, sealed: Sealed) {
        let life_ms = ENVELOPE_LIFE.as_millis() as u64;
        let parcel = Parcel { envelope: Bytes(sealed.bytes), life_ms, copies: 1 };
        self.cx.out.after_store(Output::Chat { conn, item: Chat::Parcel(parcel) });
    }

    /// At the start: a crash may have come between the word that everybody has a message and the one that it left.
    pub(in crate::proto) fn settle_everybody(&mut self) {
        let addressees: Vec<UserId> = self.chat.outbox.addressees().collect();
        addressees.iter().for_each(|user| self.settle(user));
    }

    /// Messages that all sessions of a user have leave the outbox, here and in the store.
    pub(in crate::proto) fn settle(&mut self, user: &UserId) {
        let audience = self.people.users.audience(user).into_iter().collect();
        let settled = self.chat.outbox.settle(user, &audience);
        let mut by_stream: std::collections::BTreeMap<StreamId, Ranges> = Default::default();
        for id in settled {
            by_stream.entry(id.stream).or_default().insert(id.n);
        }
        for (stream, ranges) in by_stream {
            self.cx.out.store(Op::Settled { stream, ranges });
        }
        self.withdraw_mail(user);
    }
}
