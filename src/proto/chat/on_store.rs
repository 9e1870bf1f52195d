//! Results of the store.

use std::collections::BTreeSet;

use crate::id::MessageId;
use crate::proto::Core;
use crate::proto::event::Output;
use crate::proto::limits::{DISK_CALM, SEEK_FIRST};
use crate::proto::notice::{ErrorCode, Notice, WarningCode};
use crate::proto::persist::Ticket;

impl Core {
    /// Handles that everything through a ticket is durable: releases deferred output and sends the messages stored.
    pub(in crate::proto) fn on_stored(&mut self, through: Ticket) {
        self.cx.disk_trouble = None;
        self.cx.out.stored(through);
        self.chat.sealing.stored(through);
        while self.chat.typed.front().is_some_and(|(ticket, ..)| *ticket <= through) {
            let Some((_, id, _)) = self.chat.typed.pop_front() else { break };
            self.chat.outbox.set_durable(&id);
            self.chat.sealing.want_lines(id.stream.to);
        }
        self.chat.sealing.want_receipts();
    }

    /// Handles that the store refused to write. The refused messages are reported as errors for their input lines. Until a
    /// write succeeds no new contents are accepted, so that nothing is acknowledged that is not stored.
    pub(in crate::proto) fn on_store_failed(&mut self, refused: Vec<MessageId>, error: String) {
        let (me, now) = (self.cx.config.user, self.cx.now.moment);
        self.cx.disk_trouble = Some(now + SEEK_FIRST * 5);
        if self.cx.disk_failed.replace(now).is_none_or(|last| now.since(last) >= DISK_CALM) {
            self.people.warned.remove(&(me, WarningCode::Disk));
        }
        let refused: BTreeSet<MessageId> = refused.into_iter().collect();
        self.cx.out.revoke(|output| match output {
            Output::Notice { notice: Notice::Queued { message, .. }, .. } => refused.contains(message),
            _ => false,
        });
        let lines: Vec<Option<u64>> =
            self.chat.typed.iter().filter(|(_, id, _)| refused.contains(id)).map(|(.., line)| *line).collect();
        self.chat.typed.retain(|(_, id, _)| !refused.contains(id));
        self.remove_refused(&refused);
        for line in lines {
            let message = format!("not sent: the disk refuses ({error}); make room and type it again");
            self.cx.notice(line, Notice::Error { code: ErrorCode::Disk, message });
        }
        self.people.warn_once(&mut self.cx, me, WarningCode::Disk, format!("the disk refuses: {error}"));
    }
}
