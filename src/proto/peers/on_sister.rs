//! The user's other sessions: those that the own roster lists and that are not connected are sought like linked users, each by
//! itself, so that one that is off for ever costs no more than the rounds of a search.

use crate::id::SessionId;
use crate::proto::Core;

impl Core {
    /// The other sessions that the own roster lists and that are not connected.
    fn missing_sisters(&self) -> Vec<SessionId> {
        let listed = self.people.users.audience(&self.cx.config.user).into_iter();
        listed.filter(|session| self.is_missing_sister(session)).collect()
    }

    /// Whether a session is another one of the local user and not connected.
    pub(in crate::proto) fn is_missing_sister(&self, session: &SessionId) -> bool {
        *session != self.cx.me
            && self.people.users.admits(&self.cx.config.user, session)
            && self.peers.connections.up(session).is_none()
    }

    /// Starts to seek the other sessions that are not connected.
    pub(in crate::proto) fn seek_sisters(&mut self) {
        for session in self.missing_sisters() {
            self.peers.sisters.start(session, self.cx.now.moment);
        }
    }

    /// Starts to seek another session whose connection is lost. `refused`: it has closed the connection on purpose.
    pub(in crate::proto) fn seek_sister(&mut self, session: SessionId, refused: bool) {
        if !self.is_missing_sister(&session) {
            return;
        }
        if refused {
            self.peers.sisters.start_refused(session, self.cx.now.moment);
        } else {
            self.peers.sisters.start(session, self.cx.now.moment);
        }
    }

    /// Performs the rounds that are due for other sessions: dials them, and asks who may know where they are.
    pub(in crate::proto) fn seek_due_sisters(&mut self) {
        let mut asks = false;
        for session in self.peers.sisters.due(&mut self.cx.rng, self.cx.now.moment) {
            if self.is_missing_sister(&session) {
                self.dial_session(session);
                asks = true;
            } else {
                self.peers.sisters.forget(&session);
            }
        }
        if asks {
            let me = self.cx.config.user;
            self.ask_for_missing(&me);
        }
    }
}
