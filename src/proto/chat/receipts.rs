//! Receipts, sent and received.
//!
//! The inbox says which receipts are due. A receipt is sent on the direct connection if the author is connected, and otherwise
//! as mail. The debt survives disconnections and restarts until the receipt is on its way. Receipts received mark own messages
//! as delivered, and settle those that every session of the addressee has. A receipt is never receipted itself.

use crate::id::{Address, ConnId, MessageId, SessionId, StreamId, UserId};
use crate::identity::seal::{Opened, Sealed};
use crate::proto::Core;
use crate::proto::drops::DropReason;
use crate::proto::limits::{MAX_OWN_RECEIPTS, MAX_RECEIPTS_TO_STRANGERS, SETTLE_EVERY};
use crate::proto::persist::{LinkState, Mine, Op};
use crate::proto::ranges::Ranges;
use crate::wire::codec::Bytes;
use crate::wire::content::{Content, ReceiptBody, kind};
use crate::wire::{decode, encode};

impl Core {
    /// Sends the receipts that are due: directly to connected authors, and by mail to the others.
    pub(in crate::proto) fn send_receipts(&mut self) {
        for (user, session, body) in self.chat.inbox.take_due(self.cx.out.durable(), self.cx.now.moment) {
            let Some(conn) = self.peers.connections.up(&session) else {
                self.mail_receipt(user, session, &body);
                continue;
            };
            if let Some(sealed) = self.seal_receipt(&Address::from(user), &body) {
                self.send_envelope(conn, sealed);
                if let Some(neighbour) = self.peers.connections.get_mut(&conn) {
                    neighbour.receipts += 1;
                }
            }
        }
    }

    fn seal_receipt(&mut self, to: &Address, body: &ReceiptBody) -> Option<Sealed> {
        let (wall, body) = (self.cx.now.wall.0, Bytes(encode(body)));
        self.seal_to(to, vec![Content { kind: kind::RECEIPT, epoch: 0, n: 0, lamport: 0, wall, body }])
    }

    /// Seals a receipt as mail. Without a carrier it stays owed until one connects.
    fn mail_receipt(&mut self, user: UserId, session: SessionId, body: &ReceiptBody) {
        let to = Address::from(user);
        let full = self.mail.custody.own_receipt_bytes() >= MAX_OWN_RECEIPTS || !self.may_mail_receipt(&to);
        if full || !self.has_mail_carrier(&to) {
            return;
        }
        if let Some(sealed) = self.seal_receipt(&to, body) {
            let before = self.chat.inbox.record_mailed(session, sealed.id, body);
            let mine = Mine { r: sealed.r, load: Vec::new(), changes: Ranges::new() };
            self.hold_own(&to, sealed, mine);
            // It does not cover what has arrived since. If the node stops before that is receipted, the debt must be known.
            if !self.chat.inbox.owes(&user, &session) {
                self.clear_debt(&session);
            }
            before.iter().for_each(|id| self.withdraw(id));
        }
    }

    /// Whether another receipt to an address may be mailed. Receipts use this user's share of a relay's capacity, and
    /// strangers can cause any number of them.
    fn may_mail_receipt(&self, to: &Address) -> bool {
        let to_strangers = || {
            let receipts = self.mail.custody.own().filter(|(row, own)| own.load.is_empty() && !row.bytes.is_empty());
            receipts.filter(|(row, _)| self.is_stranger(&row.address)).count()
        };
        !self.is_stranger(to) || to_strangers() < MAX_RECEIPTS_TO_STRANGERS
    }

    fn is_stranger(&self, to: &Address) -> bool {
        self.people.links.own_state(&self.people.user_at(to)) != LinkState::Linked
    }

    /// Mails the receipts owed to sessions of an address that are not connected.
    pub(in crate::proto) fn mail_receipts(&mut self, to: &Address) {
        let user = self.people.user_at(to);
        let owing = self.chat.inbox.unanswered().filter(|(_, whose)| *whose == user).map(|(session, _)| session);
        let away: Vec<SessionId> = owing.filter(|session| self.peers.connections.up(session).is_none()).collect();
        if away.is_empty() || !self.has_mail_carrier(to) {
            return;
        }
        away.into_iter().for_each(|session| self.chat.inbox.owe_all(user, session, self.cx.config.user));
        self.send_receipts();
    }

    /// Mails the next receipt owed to a stranger, since one that was under way has ended.
    pub(in crate::proto) fn mail_next_receipt(&mut self, after: &Address) {
        if !self.is_stranger(after) {
            return;
        }
        let may_go = |(session, user): &(SessionId, UserId)| {
            let to = Address::from(*user);
            self.is_stranger(&to) && self.peers.connections.up(session).is_none() && self.has_prekey(&to)
        };
        let next = self.chat.inbox.unanswered().find(may_go);
        if let Some((_, user)) = next {
            self.mail_receipts(&Address::from(user));
        }
    }

    /// Makes the receipts to an address owed again, since one did not arrive.
    pub(in crate::proto) fn owe_again(&mut self, to: &Address) {
        let user = self.people.user_at(to);
        for session in self.people.sessions.of_user(&user).collect::<Vec<_>>() {
            self.owe_by_mail(user, session);
        }
        self.mail_receipts(to);
    }

    /// Stores that a receipt is owed, so that the debt survives disconnections and restarts until the receipt is sealed as
    /// mail or released.
    pub(in crate::proto) fn owe_by_mail(&mut self, user: UserId, session: SessionId) {
        if self.chat.inbox.knows(&session) && self.chat.inbox.add_unanswered(user, session) {
            self.cx.out.store(Op::Owed { user, session, owed: true });
        }
    }

    /// Stores that no receipt is owed to a session any more.
    pub(in crate::proto::chat) fn clear_debt(&mut self, session: &SessionId) {
        if let Some(user) = self.chat.inbox.clear_unanswered(session) {
            self.cx.out.store(Op::Owed { user, session: *session, owed: false });
        }
    }

    /// Records the release of a receipt. Receipts in flight are only counted; each is released once. False if none is in
    /// flight.
    pub(in crate::proto) fn record_receipt_release(&mut self, conn: ConnId) -> bool {
        let Some(neighbour) = self.peers.connections.get_mut(&conn).filter(|neighbour| neighbour.receipts > 0) else {
            return false;
        };
        neighbour.receipts -= 1;
        let (left, session, user) = (neighbour.receipts, neighbour.session, neighbour.user);
        if left == 0 && user.is_some_and(|user| !self.chat.inbox.owes(&user, &session)) {
            self.clear_debt(&session);
        }
        true
    }

    /// Handles a receipt: what a session of the addressee has of the streams of this session.
    pub(in crate::proto) fn on_receipt(&mut self, opened: &Opened, content: &Content) {
        let Ok(body) = decode::<ReceiptBody>(&content.body) else {
            return self.cx.dropped(DropReason::MalformedReceipt);
        };
        let to = Address::from(opened.user);
        // Epochs are shared by all addresses: numbers for another address would be mistaken for messages to this user.
        for received in body.streams.0.iter().filter(|received| received.address.is_none()) {
            let stream = StreamId { author: received.author, epoch: received.epoch, to };
            let ranges: Ranges = received.ranges.iter().map(|range| (range.0, range.1)).collect();
            if received.author == self.cx.me {
                self.record_delivered(stream, opened.session, &ranges);
            } else {
                self.record_sisters_delivered(stream, opened.session, &ranges, None);
            }
        }
    }

    /// Records that a session of an addressee has messages of another session of the local user, and shows it as their author
    /// does. `by` is the session that said it, unless the addressee did.
    pub(in crate::proto) fn record_sisters_delivered(
        &mut self,
        stream: StreamId,
        holder: SessionId,
        ranges: &Ranges,
        by: Option<SessionId>,
    ) {
        let shown = self.sisters.ledger.record_delivered(&mut self.cx, stream, holder, ranges, by);
        if shown.is_empty() {
            return;
        }
        let recipient = self.recipient(&stream.to);
        for n in shown.iter().flat_map(|(first, last)| first..=last) {
            self.show_delivered(&recipient, MessageId { stream, n }, holder);
        }
    }

    /// Records that a session of the addressee has messages of this session, and settles those that every session has.
    pub(in crate::proto) fn record_delivered(&mut self, stream: StreamId, session: SessionId, ranges: &Ranges) {
        let (recipient, now) = (self.recipient(&stream.to), self.cx.now.moment);
        let result = self.chat.outbox.record_receipt(session, stream, ranges, &recipient.audience, now);
        let Some(has) = result.ranges else { return };
        self.sisters.ledger.note_delivered(&mut self.cx, (stream, session), &has, None);
        self.cx.out.store(Op::Delivered { stream, session, ranges: has });
        if !result.settled.is_empty() {
            self.cx.out.store(Op::Settled { stream, ranges: result.settled });
        }
        result.waited_since.iter().for_each(|since| self.cx.delivery.observe(now.since(*since)));
        for message in result.delivered {
            self.show_delivered(&recipient, message, session);
        }
        self.withdraw_mail(&stream.to);
    }

    /// Settles messages to all addresses. Called at start, since the node may have stopped between delivery and settling, and
    /// every [`SETTLE_EVERY`], since messages that one session has settle after some time.
    pub(in crate::proto) fn settle_all(&mut self) {
        self.chat.settle_at = self.cx.now.moment + SETTLE_EVERY;
        let addressees: Vec<Address> = self.chat.outbox.addressees().collect();
        addressees.iter().for_each(|to| self.settle(to));
    }

    /// Removes settled messages to an address from the outbox and the store.
    pub(in crate::proto) fn settle(&mut self, to: &Address) {
        let settled = self.chat.outbox.settle(to, &self.people.audience(to), self.cx.now.moment);
        let mut by_stream: std::collections::BTreeMap<StreamId, Ranges> = Default::default();
        for id in settled {
            by_stream.entry(id.stream).or_default().insert(id.n);
        }
        for (stream, ranges) in by_stream {
            self.cx.out.store(Op::Settled { stream, ranges });
        }
        self.withdraw_mail(to);
    }
}
