//! Deadlines: what every room wants done by now, and when the next is due.

use std::time::Duration;

use rand_core::Rng;

use crate::id::{SessionId, UserId};
use crate::proto::Core;
use crate::proto::drops::DropReason;
use crate::proto::event::{CloseReason, Command};
use crate::proto::limits::{GLANCE, MAX_DIALS_PER_SESSION, MAX_SESSIONS, MAX_SESSIONS_RELAY, MAX_SESSIONS_SERVER};
use crate::proto::notice::{ErrorCode, Notice};
use crate::proto::peers::dials::{Dial, Purpose};
use crate::proto::persist::Op;
use crate::proto::search::members::pick;
use crate::time::Moment;

impl Core {
    pub(in crate::proto) fn on_time(&mut self) {
        let now = self.cx.now.moment;
        for conn in self.peers.connections.overdue(now) {
            self.close(conn, CloseReason::Limits);
        }
        for session in self.peers.connections.doubted(now) {
            self.dial_session(session);
        }
        self.settle_presence();
        self.make_offers();
        self.push_links();
        self.announce_changes();
        self.answer_floods();
        for ping in self.peers.pings.overdue(now).into_iter().filter(|ping| ping.whom.is_none()) {
            let message = format!("{} answers, but did not say who it is", ping.addr);
            self.cx.notice(ping.line, Notice::Error { code: ErrorCode::Unreachable, message });
        }
        for awaited in self.peers.pings.overdue_users(now) {
            let who = self.people.users.handle(&awaited.whom);
            let why = if awaited.met_another { "somebody else answers there, not" } else { "nobody answers there for" };
            self.cx
                .notice(awaited.line, Notice::Error { code: ErrorCode::Unreachable, message: format!("{why} {who}") });
        }
        self.keep_lookups();
        self.search.interest.expire(now);
        self.relays.trails.expire(now);
        self.keep_questions();
        if self.people.recovery.is_some_and(|until| until <= now) {
            self.recovered();
        }
        if self.cx.disk_trouble.is_some_and(|until| until <= now) {
            self.cx.disk_trouble = None;
        }
        self.keep_keys_fresh();
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
        self.glance();
        self.keep_random_share();
    }

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
            self.relays.trails.next(),
            self.relays.questions.next(),
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

    fn keep_lookups(&mut self) {
        let settled = self.commands.lookups.settled(self.cx.now.moment);
        self.try_lookups(settled);
        for lookup in self.commands.lookups.overdue(self.cx.now.moment) {
            let (Command::Chat { user } | Command::Add { user }) = lookup.command else { continue };
            let message = format!("nobody called {user} is known or near; \\users lists who is");
            self.cx.notice(lookup.line, Notice::Error { code: ErrorCode::UnknownUser, message });
        }
        for user in self.commands.lookups.take_found() {
            self.forget_if_strange(&user);
        }
    }

    fn keep_keys_fresh(&mut self) {
        for id in self.people.prekeys.expire(self.cx.now.moment) {
            self.cx.out.store(Op::ForgetPrekey(id));
        }
        if let Some(prekey) = self.people.prekeys.rotate(&mut self.cx.rng, self.cx.now.moment).cloned() {
            self.cx.out.store(Op::Prekey(prekey));
            self.renew_card();
        }
    }

    /// The rounds that are due: every address of everybody who is missing, most trusted first.
    fn seek(&mut self) {
        let now = self.cx.now.moment;
        let mut nobody_near = Vec::new();
        for user in self.peers.sought.due(&mut self.cx.rng, now) {
            let still = self.people.links.wants(&user) || self.chat.waits_for(&user);
            if !still || self.people.links.is_blocked(&user) || !self.peers.connections.of_user(&user).is_empty() {
                self.peers.sought.forget(&user);
                continue;
            }
            self.dial_user(&user);
            if !self.ask_around(&user) {
                nobody_near.push(user);
            }
        }
        self.ask_members_about(&nobody_near);
        for addr in self.peers.bootstrap.due(&mut self.cx.rng, now) {
            self.dial(Dial { addr, purpose: Purpose::Bootstrap }, None);
        }
    }

    /// Looks where one of the missing was last, whoever's turn it is.
    fn glance(&mut self) {
        if self.peers.probe_at > self.cx.now.moment {
            return;
        }
        let jitter = self.cx.rng.next_u64() % (GLANCE.as_millis() as u64 / 2);
        self.peers.probe_at = self.cx.now.moment + GLANCE * 3 / 4 + Duration::from_millis(jitter);
        let Some(user) = pick(self.peers.sought.missing(), 1, &mut self.cx.rng, |_| true).pop() else { return };
        let last = self.people.sessions.of_user(&user).filter_map(|session| {
            let known = self.people.sessions.get(&session)?;
            Some((known.heard, session, *known.addresses().first()?))
        });
        if let Some((_, session, addr)) = last.max() {
            self.dial(Dial { addr, purpose: Purpose::Seek(session) }, Some(session));
        }
    }

    pub(in crate::proto) fn dial_user(&mut self, user: &UserId) {
        let sessions: Vec<_> = self.people.sessions.of_user(user).collect();
        sessions.into_iter().for_each(|session| self.dial_session(session));
    }

    pub(in crate::proto) fn dial_session(&mut self, session: SessionId) {
        let mut addrs = self.peers.nearby.addresses(&session);
        addrs.extend(self.people.sessions.get(&session).map(|session| session.addresses()).unwrap_or_default());
        let mut dialled = std::collections::BTreeSet::new();
        for addr in addrs {
            if dialled.len() < MAX_DIALS_PER_SESSION && dialled.insert(addr) {
                let dial = Dial { addr, purpose: Purpose::Seek(session) };
                self.dial(dial, Some(session));
            }
        }
    }

    pub(in crate::proto) fn prune_to_limit(&mut self) {
        let limit = match () {
            () if self.cx.is_server() => MAX_SESSIONS_SERVER,
            () if self.cx.is_carrier() => MAX_SESSIONS_RELAY,
            () => MAX_SESSIONS,
        };
        // Who must stay may be more than the limit; not every new one is worth a look at all the others.
        if self.people.sessions.count() > limit.max(self.people.left_by_prune) + limit / 8 {
            self.prune(limit);
            self.people.left_by_prune = self.people.sessions.count();
        }
    }

    /// Forgets sessions until this many are left. Returns how many went.
    pub(in crate::proto) fn prune(&mut self, keep: usize) -> usize {
        let forgotten = self.people.sessions.prune(keep, |id, session, last| {
            let matters = self.people.links.wants(&session.user) || self.chat.waits_for(&session.user);
            self.peers.connections.up(id).is_some() || self.presence.online.is_online(id) || (last && matters)
        });
        for (session, user) in &forgotten {
            self.presence.online.forget(session);
            self.cx.out.store(Op::ForgetSession(*session));
            // Of whom a relay has no session any more it has nothing to tell.
            if self.cx.is_carrier() {
                self.forget_if_strange(user);
            }
        }
        forgotten.len()
    }
}
