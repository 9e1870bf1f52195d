//! Receipts: what this node owes the authors of what it has received, and what the addressees of its own messages have.
//!
//! The inbox says which receipts are due. One goes on the direct connection if its author is connected; otherwise as mail, and
//! until it is on its way that it is owed outlives connections and restarts. Receipts that come in move messages of mine to
//! delivered, and settle those that everybody has. A receipt is never receipted itself.

use crate::id::{Address, ConnId, MessageId, SessionId, StreamId, UserId};
use crate::identity::seal::{Opened, Sealed};
use crate::proto::Core;
use crate::proto::drops::DropReason;
use crate::proto::limits::{MAX_OWN_RECEIPTS, MAX_RECEIPTS_TO_STRANGERS, SETTLE_EVERY};
use crate::proto::notice::{Delivery, Notice};
use crate::proto::persist::{LinkState, Op};
use crate::proto::ranges::Ranges;
use crate::wire::codec::Bytes;
use crate::wire::content::{Content, ReceiptBody, kind};
use crate::wire::{decode, encode};

impl Core {
    /// The receipts that are owed and durable: directly to those authors who are connected, to the others by mail.
    pub(in crate::proto) fn send_receipts(&mut self) {
        for (user, session, body) in self.chat.inbox.due(self.cx.out.durable(), self.cx.now.moment) {
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

    /// A receipt for somebody who is not connected. If nobody can bring it, it is owed until somebody can.
    fn mail_receipt(&mut self, user: UserId, session: SessionId, body: &ReceiptBody) {
        let to = Address::from(user);
        let full = self.mail.custody.my_receipts() >= MAX_OWN_RECEIPTS || !self.may_mail_receipt(&to);
        if full || !self.has_mail_way(&to) {
            return;
        }
        if let Some(sealed) = self.seal_receipt(&to, body) {
            let before = self.chat.inbox.is_mailed(session, sealed.id, body);
            self.hold_mine(&to, sealed, Vec::new());
            // What came since is not in it: should the node die before its turn, it must still be known that it is owed.
            if !self.chat.inbox.owes(&user, &session) {
                self.receipt_is_sent(&session);
            }
            before.iter().for_each(|id| self.withdraw(id));
        }
    }

    /// Receipts take this user's share of a relay's room from its lines, and strangers can make any number of them owed.
    fn may_mail_receipt(&self, to: &Address) -> bool {
        let to_strangers = || {
            let mine = self.mail.custody.mine().filter(|(row, mine)| mine.load.is_empty() && !row.bytes.is_empty());
            mine.filter(|(row, _)| self.is_strange(&row.address)).count()
        };
        !self.is_strange(to) || to_strangers() < MAX_RECEIPTS_TO_STRANGERS
    }

    fn is_strange(&self, to: &Address) -> bool {
        self.people.links.own_state(&self.people.user_at(to)) != LinkState::Linked
    }

    /// Receipts to an address that nobody could bring so far, or that were lost with a connection.
    pub(in crate::proto) fn mail_receipts(&mut self, to: &Address) {
        let user = self.people.user_at(to);
        let owing = self.chat.inbox.unanswered().filter(|(_, whose)| *whose == user).map(|(session, _)| session);
        let away: Vec<SessionId> = owing.filter(|session| self.peers.connections.up(session).is_none()).collect();
        if away.is_empty() || !self.has_mail_way(to) {
            return;
        }
        away.into_iter().for_each(|session| self.chat.inbox.owe_all(user, session, self.cx.config.user));
        self.send_receipts();
    }

    /// A receipt to a stranger is under way no more: there is room for the next that is owed.
    pub(in crate::proto) fn mail_next_receipt(&mut self, after: &Address) {
        if !self.is_strange(after) {
            return;
        }
        let may_go = |(session, user): &(SessionId, UserId)| {
            let to = Address::from(*user);
            self.is_strange(&to) && self.peers.connections.up(session).is_none() && self.has_prekey(&to)
        };
        let next = self.chat.inbox.unanswered().find(may_go);
        if let Some((_, user)) = next {
            self.mail_receipts(&Address::from(user));
        }
    }

    /// A receipt did not arrive.
    pub(in crate::proto) fn owe_again(&mut self, to: &Address) {
        let user = self.people.user_at(to);
        for session in self.people.sessions.of_user(&user).collect::<Vec<_>>() {
            self.owe_by_mail(user, session);
        }
        self.mail_receipts(to);
    }

    /// That a receipt is owed outlives connections and restarts: until it is sealed as mail, or was released.
    pub(in crate::proto) fn owe_by_mail(&mut self, user: UserId, session: SessionId) {
        if self.chat.inbox.knows(&session) && self.chat.inbox.leave_unanswered(user, session) {
            self.cx.out.store(Op::Owed { user, session, owed: true });
        }
    }

    fn receipt_is_sent(&mut self, session: &SessionId) {
        if let Some(user) = self.chat.inbox.answer(session) {
            self.cx.out.store(Op::Owed { user, session: *session, owed: false });
        }
    }

    /// Receipts on their way are counted and not remembered: of each the release is expected once.
    pub(in crate::proto) fn is_receipt_released(&mut self, conn: ConnId) -> bool {
        let Some(neighbour) = self.peers.connections.get_mut(&conn).filter(|neighbour| neighbour.receipts > 0) else {
            return false;
        };
        neighbour.receipts -= 1;
        let (left, session, user) = (neighbour.receipts, neighbour.session, neighbour.user);
        if left == 0 && user.is_some_and(|user| !self.chat.inbox.owes(&user, &session)) {
            self.receipt_is_sent(&session);
        }
        true
    }

    /// A session of the addressee says what it has of my streams to it.
    pub(in crate::proto) fn on_receipt(&mut self, opened: &Opened, content: &Content) {
        let Ok(body) = decode::<ReceiptBody>(&content.body) else {
            return self.cx.dropped(DropReason::MalformedReceipt);
        };
        let (to, me) = (Address::from(opened.user), self.cx.me);
        let audience = self.people.audience(&to);
        // Epochs are shared by all addresses: numbers of another one would be taken for lines to this user.
        for said in body.streams.0.iter().filter(|said| said.author == me && said.address.is_none()) {
            let stream = StreamId { author: me, epoch: said.epoch, to };
            let ranges: Ranges = said.ranges.iter().map(|range| (range.0, range.1)).collect();
            let result = self.chat.outbox.receipt(opened.session, stream, &ranges, &audience, self.cx.now.moment);
            let Some(has) = result.ranges else { continue };
            self.cx.out.store(Op::Delivered { stream, session: opened.session, ranges: has });
            if !result.settled.is_empty() {
                self.cx.out.store(Op::Settled { stream, ranges: result.settled });
            }
            for message in result.delivered {
                self.tell_delivered(message, opened.session);
            }
        }
        self.withdraw_mail(&to);
    }

    fn tell_delivered(&mut self, message: MessageId, session: SessionId) {
        let to = self.people.handle(&message.stream.to);
        let (holder, state) = (to.clone(), Delivery::Delivered);
        self.cx.notice_after_store(None, Notice::State { message, holder, to, session, state, by: session });
    }

    /// At the start, because a crash may have come between a message being delivered everywhere and its leaving the outbox; and
    /// every hour, because what one session has for long enough leaves too.
    pub(in crate::proto) fn settle_everybody(&mut self) {
        self.chat.settle_at = self.cx.now.moment + SETTLE_EVERY;
        let addressees: Vec<Address> = self.chat.outbox.addressees().collect();
        addressees.iter().for_each(|to| self.settle(to));
    }

    /// Messages that nobody has to wait for any more leave the outbox, here and in the store.
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
