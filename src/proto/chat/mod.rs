//! Chat: lines to and from people who are connected.
//!
//! [`outbox`] keeps what was typed until it is receipted, [`inbox`] takes each message once and owes receipts for it, [`sealing`]
//! defers the arithmetic until everything else has been handed out, [`early`] holds what overtook the hello. `on_outbox` seals
//! and sends, `on_chat` opens and takes, `on_store` continues when the disk has answered.

pub mod early;
pub mod inbox;
mod on_chat;
mod on_mail;
mod on_outbox;
mod on_store;
pub mod outbox;
mod receipts;
pub mod sealing;

use std::collections::VecDeque;

use crate::id::{Address, MessageId, UserId};
use crate::proto::persist::Ticket;
use crate::time::Moment;
use early::Early;
use inbox::Inbox;
use outbox::Outbox;
use sealing::Sealing;

/// Messages out and in, and what has to happen to them next.
pub struct Chat {
    pub outbox: Outbox,
    pub inbox: Inbox,
    pub sealing: Sealing,
    pub early: Early,
    /// Messages of mine on their way to the disk, with the line that typed each.
    pub typed: VecDeque<(Ticket, MessageId, Option<u64>)>,
    /// When to look next for messages that nobody has to wait for any more.
    pub settle_at: Moment,
}

impl Chat {
    /// Whether anything waits for a user.
    pub fn waits_for(&self, user: &UserId) -> bool {
        self.outbox.waits_for(&Address::from(user))
    }

    pub fn new(outbox: Outbox, inbox: Inbox) -> Chat {
        Chat {
            outbox,
            inbox,
            sealing: Sealing::default(),
            early: Early::default(),
            typed: VecDeque::new(),
            settle_at: Moment(0),
        }
    }
}
