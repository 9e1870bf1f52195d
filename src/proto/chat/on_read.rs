//! Messages are marked as read.

use crate::id::{Address, MessageId, SessionId, StreamId, UserId};
use crate::proto::Core;
use crate::proto::notice::{ErrorCode, Notice};
use crate::proto::persist::Op;
use crate::proto::ranges::{Numbers, Ranges};

impl Core {
    /// The numbers of others' messages that were not read.
    pub(in crate::proto) fn unread(&self) -> Numbers {
        let me = Address::from(self.cx.config.user);
        self.chat.reads.unread(self.chat.inbox.streams().filter(|(stream, _)| stream.to == me))
    }

    /// Handles which messages of a conversation were read.
    pub(in crate::proto) fn on_read(&mut self, line: Option<u64>, with: UserId, through: Option<(MessageId, Numbers)>) {
        let handle = self.people.users.handle(&with);
        let Some((through, numbers)) = through else {
            let message = format!("the conversation with {handle} has no message with this id");
            return self.cx.notice(line, Notice::Error { code: ErrorCode::BadArgument, message });
        };
        let mut is_news = false;
        for (stream, ranges) in numbers {
            is_news |= self.mark_read(stream, with, &ranges, None);
        }
        let what = format!("read the conversation with {handle}");
        self.cx.notice_after_store(line, Notice::Done { what });
        if is_news {
            self.cx.notice_after_store(None, Notice::Read { with: handle, through });
        }
    }

    /// Records numbers of a stream as read. `by` is the sister who said so. True if some of them are new.
    pub(in crate::proto) fn mark_read(
        &mut self,
        stream: StreamId,
        user: UserId,
        numbers: &Ranges,
        by: Option<SessionId>,
    ) -> bool {
        let Some(row) = self.chat.reads.merge(stream, user, numbers) else { return false };
        self.sisters.ledger.note_read(&mut self.cx, stream, by);
        self.cx.out.store(Op::Read(row));
        true
    }
}
