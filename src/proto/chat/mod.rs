//! Chat: messages and receipts, and the mail of this user.
//!
//! [`outbox`] holds messages until receipts for them have come. [`inbox`] accepts each message once and tracks the receipts that
//! are owed. [`refused`] remembers which envelopes of blocked users carriers have. [`sealing`] defers sealing until all other output has been taken. [`early`] holds chat items that arrive before
//! the hello. `on_outbox` seals and sends, `on_chat` opens and accepts, `on_store` continues once the store has committed,
//! `on_mail` seals messages for users who are not connected, `receipts` sends and handles
//! receipts, and `on_progress` shows how far messages have come. [`reads`] are the messages that the local user has read,
//! which `on_read` records.

pub mod early;
pub mod inbox;
mod on_chat;
mod on_mail;
mod on_outbox;
mod on_progress;
mod on_read;
mod on_store;
pub mod outbox;
pub mod reads;
mod receipts;
pub mod refused;
pub mod sealing;

use std::collections::VecDeque;

use crate::id::{Address, MessageId, UserId};
use crate::proto::budget::Budget;
use crate::proto::limits::{RESUMED_BURST, RESUMED_REFILL};
use crate::proto::persist::Ticket;
use crate::time::Moment;
use early::Early;
use inbox::Inbox;
use outbox::Outbox;
use reads::Reads;
use refused::Refused;
use sealing::Sealing;

/// Outgoing and incoming messages, and the work that is pending for them.
pub struct Chat {
    /// Messages that wait for receipts.
    pub outbox: Outbox,
    /// Numbers received, and receipts owed.
    pub inbox: Inbox,
    /// Messages that the local user has read.
    pub reads: Reads,
    /// Envelopes of blocked users that carriers have.
    pub refused: Refused,
    /// Pending sealing.
    pub sealing: Sealing,
    /// Items that arrived before the hello.
    pub early: Early,
    /// Own messages that are not durable yet, with the input line of each.
    pub typed: VecDeque<(Ticket, MessageId, Option<u64>)>,
    /// Limits how often an answer of one user makes this node send again what waits for them.
    pub resumed: Budget<UserId>,
    /// When to look next for messages to settle.
    pub settle_at: Moment,
}

impl Chat {
    /// When something here is due: messages to send again, receipts to send, or messages to settle.
    pub fn next(&self) -> Option<Moment> {
        let settle = self.outbox.addressees().next().map(|_| self.settle_at);
        [self.outbox.next(), self.inbox.next(), settle].into_iter().flatten().min()
    }

    /// Whether a message waits for a user.
    pub fn waits_for(&self, user: &UserId) -> bool {
        self.outbox.waits_for(&Address::from(user))
    }

    /// The state at start.
    pub fn new(outbox: Outbox, inbox: Inbox, reads: Reads) -> Chat {
        Chat {
            outbox,
            inbox,
            reads,
            refused: Refused::default(),
            sealing: Sealing::default(),
            early: Early::default(),
            typed: VecDeque::new(),
            resumed: Budget::new(RESUMED_BURST, RESUMED_REFILL),
            settle_at: Moment(0),
        }
    }
}
