//! Timers: runs what is due in every module, and computes when the next is due.

use crate::proto::Core;
use crate::time::Moment;

impl Core {
    /// Runs everything that is due.
    pub(in crate::proto) fn on_time(&mut self) {
        let now = self.cx.now.moment;
        self.cx.report_due();
        self.close_silent_connections();
        self.exchange_hearsay();
        self.review_strangers();
        self.expire_grace_periods();
        self.end_refusals();
        self.make_offers();
        self.push_links();
        self.announce_changes();
        self.answer_floods();
        self.report_overdue_pings();
        self.report_unanswered_bootstrap();
        self.retry_due_lookups();
        self.answer_examinations();
        self.search.interest.expire(now);
        self.relays.relayed_queries.expire(now);
        self.repeat_due_queries();
        if self.people.recovery.is_some_and(|until| until <= now) {
            self.finish_recovery();
        }
        if self.cx.disk_trouble.is_some_and(|until| until <= now) {
            self.cx.disk_trouble = None;
        }
        self.check_strangers();
        self.rotate_prekeys();
        if self.people.myself.refresh_at <= now {
            self.declare(true);
        }
        self.resend_overdue();
        self.with_mail(|mail, cx, near| mail.on_time(cx, near));
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
            self.cx.disk_trouble,
            self.cx.chatter.next(),
            self.people.next(),
            self.peers.next(),
            self.presence.next(),
            self.search.next(),
            self.relays.next(),
            self.chat.next(),
            self.mail.next(),
            self.sisters.ledger.next(),
            self.commands.lookups.next(),
            self.linking.next(),
            self.tries.next(),
        ];
        deadlines.into_iter().flatten().min()
    }
}
