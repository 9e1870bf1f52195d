//! Forgetting: users whom there is no more reason to remember, and sessions over the limit.

use crate::id::UserId;
use crate::proto::Core;
use crate::proto::event::CloseReason;
use crate::proto::limits::{MAX_SESSIONS, MAX_SESSIONS_RELAY, MAX_SESSIONS_SERVER};
use crate::proto::notice::Absence;
use crate::proto::peer::Peer;
use crate::proto::persist::Op;

impl Core {
    /// Handles a user who is no longer within two links: closes connections that nothing else needs, and forgets the
    /// user.
    pub(in crate::proto) fn on_left_horizon(&mut self, user: &UserId) {
        if !self.is_remembered(user) && !self.peers.nearby.is_shown(user) && !self.cx.is_carrier() {
            for Peer { conn, session, .. } in self.peers.connections.of_user(user) {
                if !self.peers.bootstrapped.values().any(|kept| *kept == session) {
                    self.close(conn, CloseReason::Surplus);
                }
            }
        }
        self.forget_if_unneeded(user);
    }

    /// Forgets a user unless there is a reason to remember them, a connection to them, or a sighting on the local link.
    pub(in crate::proto) fn forget_if_unneeded(&mut self, user: &UserId) {
        if self.is_remembered(user)
            || !self.peers.connections.of_user(user).is_empty()
            || self.peers.nearby.is_shown(user)
        {
            return;
        }
        let kept = self.people.users.is_kept(user);
        for session in self.people.sessions.of_user(user).collect::<Vec<_>>() {
            self.show_offline(&session, Absence::Lost);
            self.people.sessions.forget(&session);
            self.search.members.remove(&session);
            self.presence.online.forget(&session);
            kept.then(|| self.cx.out.store(Op::ForgetSession(session)));
        }
        for session in self.presence.horizon.forget(user) {
            self.cx.out.store(Op::ForgetList(session));
        }
        self.people.users.forget(user);
        kept.then(|| self.cx.out.store(Op::ForgetUser(*user)));
    }

    /// Whether a user is remembered while not connected.
    fn is_remembered(&self, user: &UserId) -> bool {
        *user == self.cx.config.user
            || self.cx.is_server()
            || self.people.links.row(user).is_some()
            || self.people.users.pin_of(user).is_some()
            || self.people.users.is_verified(user)
            || self.presence.horizon.reaches(user)
            || self.chat.waits_for(user)
            || self.people.strangers.is_unanswered(user)
            || self.commands.lookups.was_found(user)
            || (self.linking.attempt.is_some() && self.people.users.is_nobody(user))
            || (self.cx.is_carrier() && self.people.sessions.of_user(user).next().is_some())
            || self
                .people
                .sessions
                .of_user(user)
                .any(|session| self.chat.inbox.knows(&session) || self.search.members.contains(&session))
    }

    /// Prunes sessions when they exceed the limit for the role of this node.
    pub(in crate::proto) fn prune_to_limit(&mut self) {
        let limit = if self.cx.is_server() {
            MAX_SESSIONS_SERVER
        } else if self.cx.is_carrier() {
            MAX_SESSIONS_RELAY
        } else {
            MAX_SESSIONS
        };
        // Sessions that must stay may exceed the limit. Waiting for an eighth more saves scanning them all for each new
        // session.
        if self.people.sessions.count() > limit.max(self.people.left_by_prune) + limit / 8 {
            self.prune(limit);
            self.people.left_by_prune = self.people.sessions.count();
        }
    }

    /// Forgets sessions until `keep` are left, as far as they need not stay. Returns how many were forgotten.
    pub(in crate::proto) fn prune(&mut self, keep: usize) -> usize {
        let forgotten = self.people.sessions.prune(keep, |id, session, last| {
            let matters = self.people.links.wants(&session.user) || self.chat.waits_for(&session.user);
            self.peers.connections.up(id).is_some()
                || self.presence.online.is_online(id)
                || self.peers.nearby.is_announced(id)
                || (last && matters)
        });
        for (session, user) in &forgotten {
            self.presence.online.forget(session);
            self.cx.out.store(Op::ForgetSession(*session));
            // A relay needs no user without a session.
            if self.cx.is_carrier() {
                self.forget_if_unneeded(user);
            }
        }
        forgotten.len()
    }
}
