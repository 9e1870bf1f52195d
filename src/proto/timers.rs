//! Timers: runs what is due in every module, and computes when the next is due.

use crate::proto::Core;
use crate::proto::drops::DropReason;
use crate::proto::event::CloseReason;
use crate::proto::notice::{ErrorCode, Notice};
use crate::time::Moment;

impl Core {
    /// Runs everything that is due.
    pub(in crate::proto) fn on_time(&mut self) {
        let now = self.cx.now.moment;
        for conn in self.peers.connections.overdue(now) {
            self.close(conn, CloseReason::Limits);
        }
        for session in self.peers.connections.due_redials(now) {
            self.dial_session(session);
        }
        self.expire_grace_periods();
        self.make_offers();
        self.push_links();
        self.announce_changes();
        self.answer_floods();
        for ping in self.peers.pings.overdue(now).into_iter().filter(|ping| ping.expected.is_none()) {
            let message = format!("{} answers, but did not say who it is", ping.addr);
            self.cx.notice(ping.line, Notice::Error { code: ErrorCode::Unreachable, message });
        }
        for awaited in self.peers.pings.overdue_users(now) {
            let who = self.people.users.handle(&awaited.expected);
            let why =
                if awaited.other_answered { "somebody else answers there, not" } else { "nobody answers there for" };
            self.cx
                .notice(awaited.line, Notice::Error { code: ErrorCode::Unreachable, message: format!("{why} {who}") });
        }
        self.retry_due_lookups();
        self.search.interest.expire(now);
        self.relays.relayed_queries.expire(now);
        self.repeat_due_queries();
        if self.people.recovery.is_some_and(|until| until <= now) {
            self.finish_recovery();
        }
        if self.cx.disk_trouble.is_some_and(|until| until <= now) {
            self.cx.disk_trouble = None;
        }
        self.rotate_prekeys();
        if self.people.myself.refresh_at <= now {
            self.declare(true);
        }
        for to in self.chat.outbox.resend(now) {
            self.cx.dropped(DropReason::LinesUnanswered);
            self.chat.sealing.want_lines(to);
        }
        if self.chat.settle_at <= now {
            self.settle_everybody();
        }
        self.with_mail(|mail, cx, near| mail.on_time(cx, near));
        if self.chat.inbox.next().is_some_and(|at| at <= now) {
            self.chat.sealing.want_receipts();
        }
        self.seek();
        self.probe_missing();
        self.keep_random_share();
    }

    /// When the next timer is due; `None` once the node stops.
    pub(in crate::proto) fn next_timeout(&self) -> Option<Moment> {
        if self.cx.stopping {
            return None;
        }
        let deadlines = [
            self.peers.connections.next(),
            self.presence.online.next(),
            self.presence.offers.next(),
            self.presence.pushes.next(),
            self.relays.directory.next(),
            self.search.floods.next(),
            self.search.interest.next(),
            self.relays.relayed_queries.next(),
            self.relays.own_queries.next(),
            self.people.recovery,
            Some(self.search.members.next()),
            self.peers.pings.next(),
            self.commands.lookups.next(),
            self.cx.disk_trouble,
            self.people.prekeys.next(),
            Some(self.people.myself.refresh_at),
            self.chat.outbox.next(),
            self.chat.inbox.next(),
            self.mail.next(),
            self.chat.outbox.addressees().next().map(|_| self.chat.settle_at),
            self.peers.sought.next(),
            self.peers.bootstrap.next(),
            self.peers.sought.missing().next().map(|_| self.peers.probe_at),
        ];
        deadlines.into_iter().flatten().min()
    }
}
