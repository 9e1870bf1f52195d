//! Deadlines: what every room wants done by now, and when the next is due.

use std::time::Duration;

use rand_core::Rng;

use crate::id::{SessionId, UserId};
use crate::proto::Core;
use crate::proto::event::{CloseReason, Command};
use crate::proto::limits::{GLANCE, MAX_DIALS_PER_SESSION, MAX_SESSIONS, MAX_SESSIONS_RELAY, MAX_SESSIONS_SERVER};
use crate::proto::notice::{ErrorCode, Notice};
use crate::proto::peers::dials::{Dial, Purpose};
use crate::proto::persist::Op;
use crate::proto::search::members::pick;
use crate::time::Moment;

impl Core {
    pub(in crate::proto) fn on_time(&mut self) {
        let now = self.now.moment;
        for conn in self.neighbours.overdue(now) {
            self.close(conn, CloseReason::Limits);
        }
        for session in self.neighbours.doubted(now) {
            self.dial_session(session);
        }
        self.settle_presence();
        self.make_offers();
        self.push_links();
        self.announce_changes();
        self.answer_floods();
        for ping in self.pings.overdue(now).into_iter().filter(|ping| ping.whom.is_none()) {
            let message = format!("{} answers, but did not say who it is", ping.addr);
            self.notice(ping.line, Notice::Error { code: ErrorCode::Unreachable, message });
        }
        for awaited in self.pings.overdue_users(now) {
            let who = self.users.handle(&awaited.whom);
            let why = if awaited.met_another { "somebody else answers there, not" } else { "nobody answers there for" };
            self.notice(awaited.line, Notice::Error { code: ErrorCode::Unreachable, message: format!("{why} {who}") });
        }
        self.keep_lookups();
        self.interest.expire(now);
        self.trails.expire(now);
        self.keep_questions();
        if self.recovery.is_some_and(|until| until <= now) {
            self.recovered();
        }
        if self.disk_trouble.is_some_and(|until| until <= now) {
            self.disk_trouble = None;
        }
        self.keep_keys_fresh();
        if self.myself.refresh_at <= now {
            self.declare(true);
        }
        for (user, session) in self.outbox.resend(now) {
            self.drop_counted("nothing heard of an envelope, sent anew");
            let _ = session;
            self.sealing.want_lines(user);
        }
        self.keep_custody();
        self.keep_watch();
        if self.inbox.next().is_some_and(|at| at <= now) {
            self.sealing.want_receipts();
        }
        self.seek();
        self.glance();
        self.keep_random_share();
    }

    pub(in crate::proto) fn next_timeout(&self) -> Option<Moment> {
        if self.stopping {
            return None;
        }
        let deadlines = [
            self.neighbours.next(),
            self.presence.next(),
            self.offers.next(),
            self.pushes.next(),
            self.directory.next(),
            self.floods.next(),
            self.interest.next(),
            self.trails.next(),
            self.questions.next(),
            self.recovery,
            Some(self.members.next()),
            self.pings.next(),
            self.lookups.next(),
            self.disk_trouble,
            self.prekeys.next(),
            Some(self.myself.refresh_at),
            self.outbox.next(),
            self.inbox.next(),
            self.custody.next(),
            self.handover.next(),
            self.watchdog.next(),
            self.wanted.next(),
            self.bootstrap.next(),
            self.wanted.missing().next().map(|_| self.glance),
        ];
        deadlines.into_iter().flatten().min()
    }

    fn keep_lookups(&mut self) {
        let settled = self.lookups.settled(self.now.moment);
        self.try_lookups(settled);
        for lookup in self.lookups.overdue(self.now.moment) {
            let (Command::Chat { user } | Command::Add { user }) = lookup.command else { continue };
            let message = format!("nobody called {user} is known or near; \\users lists who is");
            self.notice(lookup.line, Notice::Error { code: ErrorCode::UnknownUser, message });
        }
        for user in self.lookups.take_found() {
            self.forget_if_strange(&user);
        }
    }

    fn keep_keys_fresh(&mut self) {
        for id in self.prekeys.expire(self.now.moment) {
            self.out.store(Op::ForgetPrekey(id));
        }
        if let Some(prekey) = self.prekeys.rotate(&mut self.rng, self.now.moment).cloned() {
            self.out.store(Op::Prekey(prekey));
            self.renew_card();
        }
    }

    /// The rounds that are due: every address of everybody who is missing, most trusted first.
    fn seek(&mut self) {
        let now = self.now.moment;
        let mut nobody_near = Vec::new();
        for user in self.wanted.due(&mut self.rng, now) {
            let still = self.links.wants(&user) || self.outbox.waits_for(&user);
            if !still || self.links.is_blocked(&user) || !self.neighbours.of_user(&user).is_empty() {
                self.wanted.forget(&user);
                continue;
            }
            self.dial_user(&user);
            if !self.ask_around(&user) {
                nobody_near.push(user);
            }
        }
        self.ask_members_about(&nobody_near);
        for addr in self.bootstrap.due(&mut self.rng, now) {
            self.dial(Dial { addr, purpose: Purpose::Bootstrap }, None);
        }
    }

    /// Looks where one of the missing was last, whoever's turn it is.
    fn glance(&mut self) {
        if self.glance > self.now.moment {
            return;
        }
        let jitter = self.rng.next_u64() % (GLANCE.as_millis() as u64 / 2);
        self.glance = self.now.moment + GLANCE * 3 / 4 + Duration::from_millis(jitter);
        let Some(user) = pick(self.wanted.missing(), 1, &mut self.rng, |_| true).pop() else { return };
        let last = self.sessions.of_user(&user).filter_map(|session| {
            let known = self.sessions.get(&session)?;
            Some((known.heard, session, *known.addresses().first()?))
        });
        if let Some((_, session, addr)) = last.max() {
            self.dial(Dial { addr, purpose: Purpose::Seek(session) }, Some(session));
        }
    }

    pub(in crate::proto) fn dial_user(&mut self, user: &UserId) {
        let sessions: Vec<_> = self.sessions.of_user(user).collect();
        sessions.into_iter().for_each(|session| self.dial_session(session));
    }

    pub(in crate::proto) fn dial_session(&mut self, session: SessionId) {
        let mut addrs = self.nearby.addresses(&session);
        addrs.extend(self.sessions.get(&session).map(|session| session.addresses()).unwrap_or_default());
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
            () if self.is_server() => MAX_SESSIONS_SERVER,
            () if self.is_super() => MAX_SESSIONS_RELAY,
            () => MAX_SESSIONS,
        };
        // Who must stay may be more than the limit; not every new one is worth a look at all the others.
        if self.sessions.count() > limit.max(self.left_by_prune) + limit / 8 {
            self.prune(limit);
            self.left_by_prune = self.sessions.count();
        }
    }

    /// Forgets sessions until this many are left. Returns how many went.
    pub(in crate::proto) fn prune(&mut self, keep: usize) -> usize {
        let forgotten = self.sessions.prune(keep, |id, session, last| {
            let matters = self.links.wants(&session.user) || self.outbox.waits_for(&session.user);
            self.neighbours.up(id).is_some() || self.presence.is_online(id) || (last && matters)
        });
        for (session, user) in &forgotten {
            self.presence.forget(session);
            self.out.store(Op::ForgetSession(*session));
            // Of whom a relay has no session any more it has nothing to tell.
            if self.is_super() {
                self.forget_if_strange(user);
            }
        }
        forgotten.len()
    }
}
