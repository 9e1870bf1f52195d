//! Seeking: everybody who is wanted and cannot be reached is dialled, again and again, and asked for.

use std::collections::BTreeSet;
use std::time::Duration;

use rand_core::Rng;

use crate::id::{SessionId, UserId};
use crate::proto::Core;
use crate::proto::limits::{AWAY, GLANCE, MAX_DIALS_PER_SESSION};
use crate::proto::peers::dials::{Dial, Purpose};
use crate::proto::search::members::pick;

impl Core {
    /// At the start: everybody who is wanted.
    pub(in crate::proto) fn seek_everybody(&mut self) {
        let wanted: Vec<UserId> = self
            .people
            .links
            .wanted()
            .chain(self.chat.outbox.addressees().map(|to| self.people.user_at(&to)))
            .collect();
        wanted.into_iter().for_each(|user| self.seek_if_wanted(user));
    }

    /// Starts to seek a user who is wanted and cannot be reached.
    pub(in crate::proto) fn seek_if_wanted(&mut self, user: UserId) {
        let wanted = self.people.links.wants(&user) || self.chat.waits_for(&user);
        let wanted = wanted && !self.people.links.is_blocked(&user);
        if wanted && user != self.cx.config.user && self.peers.connections.of_user(&user).is_empty() {
            self.peers.sought.want(user, self.cx.now.moment);
        }
    }

    /// The rounds that are due: every address of everybody who is missing, most trusted first.
    pub(in crate::proto) fn seek(&mut self) {
        let now = self.cx.now.moment;
        let mut nobody_near = Vec::new();
        for user in self.peers.sought.due(&mut self.cx.rng, now) {
            let still = self.people.links.wants(&user) || self.chat.waits_for(&user);
            if !still || self.people.links.is_blocked(&user) || !self.peers.connections.of_user(&user).is_empty() {
                self.peers.sought.forget(&user);
                continue;
            }
            self.dial_user(&user);
            if !self.ask_for_missing(&user) {
                nobody_near.push(user);
            }
        }
        self.ask_members_about(&nobody_near);
        for addr in self.peers.bootstrap.due(&mut self.cx.rng, now) {
            self.dial(Dial { addr, purpose: Purpose::Bootstrap }, None);
        }
    }

    /// Looks where one of the missing was last, whoever's turn it is.
    pub(in crate::proto) fn probe_missing(&mut self) {
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

    /// Somebody who was away is there again. So may others be: two parts of a network that touch grow together
    /// from there, as each who finds one tries all.
    pub(in crate::proto) fn seek_others_too(&mut self) {
        if self.peers.sought_all.is_none_or(|at| self.cx.now.moment.since(at) > AWAY / 10) {
            self.peers.sought_all = Some(self.cx.now.moment);
            self.peers.sought.news_for_all(&mut self.cx.rng, self.cx.now.moment);
        }
    }

    pub(in crate::proto) fn dial_user(&mut self, user: &UserId) {
        let sessions: Vec<_> = self.people.sessions.of_user(user).collect();
        sessions.into_iter().for_each(|session| self.dial_session(session));
    }

    pub(in crate::proto) fn dial_session(&mut self, session: SessionId) {
        let mut addrs = self.peers.nearby.addresses(&session);
        addrs.extend(self.people.sessions.get(&session).map(|session| session.addresses()).unwrap_or_default());
        let mut dialled = BTreeSet::new();
        for addr in addrs {
            if dialled.len() < MAX_DIALS_PER_SESSION && dialled.insert(addr) {
                let dial = Dial { addr, purpose: Purpose::Seek(session) };
                self.dial(dial, Some(session));
            }
        }
    }
}
