//! Forgetting: users who have fallen out of everything that is a reason to remember them, and sessions beyond the bound.

use crate::id::UserId;
use crate::proto::Core;
use crate::proto::event::CloseReason;
use crate::proto::limits::{MAX_SESSIONS, MAX_SESSIONS_RELAY, MAX_SESSIONS_SERVER};
use crate::proto::notice::Absence;
use crate::proto::peer::Peer;
use crate::proto::persist::Op;

impl Core {
    /// A user is not within two links any more: a connection that was there by chance ends, and they are forgotten.
    pub(in crate::proto) fn fall_out(&mut self, user: &UserId) {
        if !self.is_remembered(user) && !self.peers.nearby.shows(user) && !self.cx.is_carrier() {
            for Peer { conn, session, .. } in self.peers.connections.of_user(user) {
                if !self.peers.bootstrapped.values().any(|kept| *kept == session) {
                    self.close(conn, CloseReason::Surplus);
                }
            }
        }
        self.forget_if_strange(user);
    }

    /// Users who have fallen out of the horizon, of the sample, or off the local link are forgotten, unless there is more to
    /// remember of them.
    pub(in crate::proto) fn forget_if_strange(&mut self, user: &UserId) {
        if self.is_remembered(user) || !self.peers.connections.of_user(user).is_empty() || self.peers.nearby.shows(user)
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

    /// Whether a user is to be remembered when they are not here.
    fn is_remembered(&self, user: &UserId) -> bool {
        *user == self.cx.config.user
            || self.cx.is_server()
            || self.people.links.row(user).is_some()
            || self.people.users.is_pinned(user)
            || self.people.users.is_verified(user)
            || self.presence.horizon.reaches(user)
            || self.chat.waits_for(user)
            || self.commands.lookups.was_found(user)
            || (self.cx.is_carrier() && self.people.sessions.of_user(user).next().is_some())
            || self
                .people
                .sessions
                .of_user(user)
                .any(|session| self.chat.inbox.knows(&session) || self.search.members.contains(&session))
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
