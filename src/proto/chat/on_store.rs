//! The disk has answered.

use std::collections::BTreeSet;

use crate::id::MessageId;
use crate::proto::Core;
use crate::proto::event::Output;
use crate::proto::limits::SEEK_FIRST;
use crate::proto::notice::{ErrorCode, Notice, WarningCode};
use crate::proto::persist::Ticket;

impl Core {
    /// What waited for the disk happens, and what was typed goes out.
    pub(in crate::proto) fn on_stored(&mut self, through: Ticket) {
        if self.disk_trouble.take().is_some() {
            self.warned.remove(&(self.config.user, WarningCode::Disk));
        }
        self.out.stored(through);
        self.sealing.stored(through);
        while self.typed.front().is_some_and(|(ticket, ..)| *ticket <= through) {
            let Some((_, id, _)) = self.typed.pop_front() else { break };
            self.outbox.stored(&id);
            self.sealing.want_lines(id.stream.to.user());
        }
        self.sealing.want_receipts();
    }

    /// Typed lines that the disk refused are given back to whoever typed them; until it takes something again nothing new
    /// is taken in, so that nothing is acknowledged that is not stored.
    pub(in crate::proto) fn on_store_failed(&mut self, refused: Vec<MessageId>, error: String) {
        self.disk_trouble = Some(self.now.moment + SEEK_FIRST * 5);
        let refused: BTreeSet<MessageId> = refused.into_iter().collect();
        self.out.revoke(|output| match output {
            Output::Notice { notice: Notice::Queued { message, .. }, .. } => refused.contains(message),
            _ => false,
        });
        let lines: Vec<Option<u64>> =
            self.typed.iter().filter(|(_, id, _)| refused.contains(id)).map(|(.., line)| *line).collect();
        self.typed.retain(|(_, id, _)| !refused.contains(id));
        self.take_back(&refused);
        for line in lines {
            let message = format!("not sent: the disk refuses ({error}); make room and type it again");
            self.notice(line, Notice::Error { code: ErrorCode::Disk, message });
        }
        self.warn_once(self.config.user, WarningCode::Disk, format!("the disk refuses: {error}"));
    }
}
