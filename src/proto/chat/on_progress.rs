//! Shows how far own messages have come towards each session of their addressee.

use crate::id::{Address, MessageId, SessionId};
use crate::identity::labels::Labels;
use crate::proto::Core;
use crate::proto::notice::{Delivery, Notice, Progress};

/// The addressee of messages, as shown.
pub struct Recipient {
    name: String,
    labels: Labels,
    /// The sessions that are to have every message.
    pub audience: Vec<SessionId>,
}

impl Core {
    /// The user of an address and their sessions.
    pub(in crate::proto::chat) fn recipient(&self, to: &Address) -> Recipient {
        Recipient {
            name: self.people.handle(to),
            labels: self.people.users.labels(&self.people.user_at(to)),
            audience: self.people.audience(to),
        }
    }

    /// Shows that the disk of a session of the addressee has a message.
    pub(in crate::proto::chat) fn show_delivered(&mut self, to: &Recipient, message: MessageId, session: SessionId) {
        self.show_progress(to, message, session, Delivery::Delivered, (session, to.name.clone()));
    }

    /// Shows which sessions of the addressee have a message of another session of the local user, as far as this was said before the
    /// message came.
    pub(in crate::proto) fn show_known_deliveries(&mut self, message: MessageId) {
        let recipient = self.recipient(&message.stream.to);
        for session in &recipient.audience {
            if self.sisters.ledger.delivered_of(&message.stream, session).contains(message.n) {
                self.show_delivered(&recipient, message, *session);
            }
        }
    }

    /// Shows that the disk of a carrier has a message to the sessions that do not have it yet.
    pub(in crate::proto::chat) fn show_carried(&mut self, to: &Recipient, message: MessageId, by: SessionId) {
        for session in &to.audience {
            if !self.chat.outbox.is_delivered(&message, session) {
                self.show_progress(to, message, *session, Delivery::Carried, (by, self.people.name_of(&by)));
            }
        }
    }

    fn show_progress(
        &mut self,
        recipient: &Recipient,
        message: MessageId,
        session: SessionId,
        state: Delivery,
        (by, holder): (SessionId, String),
    ) {
        let has = |session: &&SessionId| match message.stream.author == self.cx.me {
            true => self.chat.outbox.is_delivered(&message, session),
            false => self.sisters.ledger.delivered_of(&message.stream, session).contains(message.n),
        };
        let (reached, of) = (recipient.audience.iter().filter(has).count(), recipient.audience.len());
        let progress = Box::new(Progress { label: recipient.labels.label(&session), reached, of, holder });
        let to = recipient.name.clone();
        self.cx.notice_after_store(None, Notice::State { message, to, session, state, by, progress });
    }
}
