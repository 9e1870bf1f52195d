//! Seeking: wanted users who are not reachable are dialled and asked for, repeatedly.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use rand_core::Rng;

use crate::id::{SessionId, UserId};
use crate::proto::Core;
use crate::proto::limits::{AWAY, MAX_DIALS_PER_SESSION, PROBE_EVERY};
use crate::proto::peers::dials::{Dial, Purpose};
use crate::proto::search::members::pick;

impl Core {
    /// At the start, seeks all wanted users and the local user's other sessions.
    pub(in crate::proto) fn seek_all_wanted(&mut self) {
        let wanted: Vec<UserId> = self
            .people
            .links
            .wanted()
            .chain(self.chat.outbox.addressees().map(|to| self.people.user_at(&to)))
            .collect();
        wanted.into_iter().for_each(|user| self.seek_if_wanted(user));
        self.seek_sisters();
    }

    /// Starts to seek a user who is wanted and not reachable.
    pub(in crate::proto) fn seek_if_wanted(&mut self, user: UserId) {
        if self.is_missing(&user) {
            self.peers.sought.start(user, self.cx.now.moment);
        }
    }

    /// Like [`Core::seek_if_wanted`], for a user whose session has closed the connection on purpose.
    pub(in crate::proto) fn seek_refused(&mut self, user: UserId) {
        if self.is_missing(&user) {
            self.peers.sought.start_refused(user, self.cx.now.moment);
        }
    }

    /// Whether a user is wanted and not connected.
    fn is_missing(&self, user: &UserId) -> bool {
        let wanted = self.people.links.wants(user) || self.chat.waits_for(user);
        wanted
            && !self.people.links.is_blocked(user)
            && *user != self.cx.config.user
            && self.peers.connections.of_user(user).is_empty()
    }

    /// Performs the rounds that are due: dials every address of each missing user, most trusted first, and asks others
    /// about them.
    pub(in crate::proto) fn seek(&mut self) {
        let now = self.cx.now.moment;
        let mut without_helpers = Vec::new();
        for user in self.peers.sought.due(&mut self.cx.rng, now) {
            let still = self.people.links.wants(&user) || self.chat.waits_for(&user);
            if !still || self.people.links.is_blocked(&user) || !self.peers.connections.of_user(&user).is_empty() {
                self.peers.sought.forget(&user);
                continue;
            }
            self.dial_user(&user);
            if !self.ask_for_missing(&user) {
                without_helpers.push(user);
            }
        }
        self.ask_members_about(&without_helpers);
        self.seek_due_sisters();
        for addr in self.peers.bootstrap.due(&mut self.cx.rng, now) {
            self.dial(Dial { addr, purpose: Purpose::Bootstrap }, None);
        }
    }

    /// Probes the last known address of one missing user who was silent, chosen at random, regardless of their pauses.
    pub(in crate::proto) fn probe_missing(&mut self) {
        if self.peers.probe_at > self.cx.now.moment {
            return;
        }
        let jitter = self.cx.rng.next_u64() % (PROBE_EVERY.as_millis() as u64 / 2);
        self.peers.probe_at = self.cx.now.moment + PROBE_EVERY * 3 / 4 + Duration::from_millis(jitter);
        let Some(user) = pick(self.peers.sought.silent(), 1, &mut self.cx.rng, |_| true).pop() else { return };
        let last = self.people.sessions.of_user(&user).filter_map(|session| {
            let known = self.people.sessions.get(&session)?;
            Some((known.heard, session, *known.addresses().first()?))
        });
        if let Some((_, session, addr)) = last.max() {
            self.dial(Dial { addr, purpose: Purpose::Seek(session) }, Some(session));
        }
    }

    /// When a peer returns, retries all missing users. Others may have become reachable too: two parts of a network
    /// merge from their first contact, because each node that finds a peer retries all.
    pub(in crate::proto) fn retry_missing(&mut self) {
        if self.peers.sought_all.is_none_or(|at| self.cx.now.moment.since(at) > AWAY / 10) {
            self.peers.sought_all = Some(self.cx.now.moment);
            self.peers.sought.retry_all(&mut self.cx.rng, self.cx.now.moment);
            self.peers.sisters.retry_all(&mut self.cx.rng, self.cx.now.moment);
        }
    }

    /// Dials all known sessions of a user.
    pub(in crate::proto) fn dial_user(&mut self, user: &UserId) {
        let sessions: Vec<_> = self.people.sessions.of_user(user).collect();
        sessions.into_iter().for_each(|session| self.dial_session(session));
    }

    /// Dials the addresses of a session.
    pub(in crate::proto) fn dial_session(&mut self, session: SessionId) {
        for addr in self.addresses_to_dial(&session) {
            self.dial(Dial { addr, purpose: Purpose::Seek(session) }, Some(session));
        }
    }

    /// The addresses at which a session is dialled: announced ones, the one that was claimed last, and the most trusted.
    pub(in crate::proto) fn addresses_to_dial(&self, session: &SessionId) -> Vec<SocketAddr> {
        let mut addrs = self.peers.nearby.addresses(session);
        if let Some(known) = self.people.sessions.get(session) {
            addrs.extend(known.last_hint());
            addrs.extend(known.addresses());
        }
        let mut seen = BTreeSet::new();
        addrs.retain(|addr| seen.insert(*addr));
        addrs.truncate(MAX_DIALS_PER_SESSION);
        addrs
    }
}
