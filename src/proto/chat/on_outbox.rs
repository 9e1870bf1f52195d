//! What goes out: lines and receipts are sealed and sent.
//!
//! Sealing is arithmetic on a curve, as long as a good disk takes for a sync. So it is put off until everything else has
//! been handed out ([`Core::seal_what_waits`]): a line is sealed while the disk takes it, and a receipt once what it is for
//! is shown. What was sealed early leaves when the disk has it, and is taken back if the disk refuses.

use std::collections::BTreeSet;

use crate::id::{Address, ConnId, EnvelopeId, MessageId, SessionId, StreamId, UserId};
use crate::identity::seal::{Author, Sealed, envelope_id, seal};
use crate::proto::Core;
use crate::proto::event::Output;
use crate::proto::limits::ENVELOPE_LIFE;
use crate::proto::notice::WarningCode;
use crate::proto::persist::{MessageRow, Op};
use crate::proto::ranges::Ranges;
use crate::wire::chat::{Chat, Parcel};
use crate::wire::codec::Bytes;
use crate::wire::content::Content;
use crate::wire::record::Prekey;

impl Core {
    /// What was put off: receipts, and lines to everybody for whom something may wait.
    pub(in crate::proto) fn seal_what_waits(&mut self) {
        if !self.sealing.waits() {
            return;
        }
        if self.sealing.take_receipts() {
            self.send_receipts();
        }
        while let Some(user) = self.sealing.take_user() {
            self.pump(&user);
        }
        self.deadline = self.next_timeout();
    }

    /// Puts a content of mine into the outbox and the store. It is sealed
    /// when there is time, and sent when it is durable.
    pub(in crate::proto) fn post(&mut self, to: UserId, kind: u64, body: Vec<u8>, lamport: u64) -> MessageId {
        let id = self.outbox.next_id(to);
        let arrival = self.count.next_arrival();
        self.save_counters();
        let (with, from, wall) = (to, self.config.user, self.now.wall);
        let row = MessageRow { arrival, id, kind, with, from, lamport, wall, body };
        self.outbox.push(row.clone(), false);
        let ticket = self.out.store(Op::Typed(row));
        self.typed.push_back((ticket, id, None));
        self.sealing.want_lines(to);
        id
    }

    /// Sends what a user's live sessions lack.
    pub(in crate::proto) fn pump(&mut self, user: &UserId) {
        for (session, _) in self.neighbours.of_user(user) {
            self.pump_session(*user, session);
        }
        self.entrust(user);
    }

    fn pump_session(&mut self, user: UserId, session: SessionId) {
        let Some(conn) = self.neighbours.up(&session) else { return };
        if !self.outbox.waits_for(&user) {
            return;
        }
        if self.sessions.prekey(&session, self.now.moment).is_none() {
            return self.warn_no_key(user);
        }
        loop {
            let (contents, load) = self.outbox.take(&user, &session);
            if contents.is_empty() {
                return;
            }
            let Some(sealed) = self.seal_to(&user, contents) else {
                return self.drop_counted("content too long to seal");
            };
            self.outbox.sealed(&user, &session, &sealed, load);
            if self.out.unstored() > 0 {
                self.sealing.sealed_early(self.out.issued(), user, sealed.id);
            }
            self.send_envelope(conn, sealed);
        }
    }

    /// The disk has refused these messages: they are gone, and so are the envelopes in which they may be. What else was in
    /// those goes again.
    pub(in crate::proto) fn take_back(&mut self, refused: &BTreeSet<MessageId>) {
        refused.iter().for_each(|id| {
            self.outbox.remove(id);
        });
        let users: BTreeSet<UserId> = refused.iter().map(|id| id.stream.to.user()).collect();
        let envelopes: BTreeSet<EnvelopeId> = self.sealing.take_back(&users);
        self.out.revoke(|output| match output {
            Output::Chat { item: Chat::Parcel(parcel), .. } => envelopes.contains(&envelope_id(&parcel.envelope)),
            _ => false,
        });
        for user in users {
            self.outbox.rewind(&user, &envelopes);
            self.sealing.want_lines(user);
        }
    }

    pub(in crate::proto) fn warn_no_key(&mut self, user: UserId) {
        let name = self.users.handle(&user);
        self.warn_once(
            user,
            WarningCode::NoKey,
            format!("messages for {name} wait until a key card of theirs is known"),
        );
    }

    /// The receipts that are owed and durable: directly to those authors who are connected, to the others by mail.
    pub(in crate::proto) fn send_receipts(&mut self) {
        for (user, session, body) in self.inbox.due(self.out.durable(), self.now.moment) {
            let Some(conn) = self.neighbours.up(&session) else {
                self.mail_receipt(user, session, &body);
                continue;
            };
            if let Some(sealed) = self.seal_receipt(&user, &body) {
                self.send_envelope(conn, sealed);
                if let Some(neighbour) = self.neighbours.get_mut(&conn) {
                    neighbour.receipts += 1;
                }
            }
        }
    }

    /// Seals to every session of a user whose key card is known. A stranger gets my roster and key card along.
    pub(in crate::proto) fn seal_to(&mut self, user: &UserId, contents: Vec<Content>) -> Option<Sealed> {
        let audience = self.users.audience(user);
        let prekeys: Vec<Prekey> = audience.iter().filter_map(|id| self.sessions.prekey(id, self.now.moment)).collect();
        let stranger = !self.links.is_link(user);
        let author = Author {
            user: self.config.user,
            key: &self.config.session_key,
            network: &self.config.network,
            roster: stranger.then(|| self.myself.roster.signed()),
            card: stranger.then(|| self.myself.card.signed()),
        };
        if prekeys.is_empty() {
            return None;
        }
        seal(&mut self.rng, &author, Address::from(*user), &prekeys, contents)
    }

    fn send_envelope(&mut self, conn: ConnId, sealed: Sealed) {
        let life_ms = ENVELOPE_LIFE.as_millis() as u64;
        let parcel = Parcel { envelope: Bytes(sealed.bytes), life_ms, copies: 1 };
        self.out.after_store(Output::Chat { conn, item: Chat::Parcel(parcel) });
    }

    /// At the start: a crash may have come between the word that everybody has a message and the one that it left.
    pub(in crate::proto) fn settle_everybody(&mut self) {
        let addressees: Vec<UserId> = self.outbox.addressees().collect();
        addressees.iter().for_each(|user| self.settle(user));
    }

    /// Messages that all sessions of a user have leave the outbox, here and in the store.
    pub(in crate::proto) fn settle(&mut self, user: &UserId) {
        let audience = self.users.audience(user).into_iter().collect();
        let settled = self.outbox.settle(user, &audience);
        let mut by_stream: std::collections::BTreeMap<StreamId, Ranges> = Default::default();
        for id in settled {
            by_stream.entry(id.stream).or_default().insert(id.n);
        }
        for (stream, ranges) in by_stream {
            self.out.store(Op::Settled { stream, ranges });
        }
        self.withdraw_mail(user);
    }
}
