//! The nodes named by `--bootstrap`: they are sought until they answer, and people are told whether they do.

use std::net::SocketAddr;

use crate::id::{SessionId, UserId};
use crate::proto::Core;
use crate::proto::notice::{Notice, WarningCode};
use crate::proto::peers::joining::{Obstacle, TOO_LARGE, Unanswered};

impl Core {
    /// Starts to seek the addresses of a place named by `--bootstrap`.
    pub(in crate::proto) fn on_bootstrap(&mut self, place: String, addrs: &[SocketAddr], expected: Option<UserId>) {
        self.peers.joining.resolved(place, addrs, self.cx.now.moment);
        for addr in addrs.iter().filter(|addr| self.people.myself.addrs.contains(addr)) {
            self.peers.joining.hindered(addr, Obstacle::Myself);
        }
        self.join_by(addrs, expected);
    }

    /// Starts to seek addresses, where only `expected` is accepted if given.
    pub(in crate::proto) fn join_by(&mut self, addrs: &[SocketAddr], expected: Option<UserId>) {
        for addr in addrs {
            if let Some(expected) = expected {
                self.peers.expected.insert(*addr, expected);
            }
            let connected =
                self.peers.bootstrapped.get(addr).is_some_and(|session| self.peers.connections.has(session))
                    || expected.is_some_and(|expected| !self.peers.connections.of_user(&expected).is_empty());
            if !connected {
                self.peers.bootstrap.start(*addr, self.cx.now.moment);
            }
        }
    }

    /// Seeks the bootstrap addresses of a session again if it has no connection left; after a growing pause if it has refused
    /// the last one.
    pub(in crate::proto) fn retry_bootstrap(&mut self, session: &SessionId, refused: bool) {
        if self.peers.connections.has(session) {
            return;
        }
        let now = self.cx.now.moment;
        for addr in self.places_of(session) {
            self.peers.joining.lost(&addr, now);
            match refused {
                true => self.peers.bootstrap.start_refused(addr, now),
                false => self.peers.bootstrap.start(addr, now),
            }
        }
    }

    /// Tells people that a session answers at an address given by `--bootstrap`, once its hello has named the user.
    pub(in crate::proto) fn confirm_bootstrap(&mut self, session: &SessionId) {
        let neighbour = self.peers.connections.up(session).and_then(|conn| self.peers.connections.get(&conn));
        let Some(id) = neighbour.and_then(|neighbour| neighbour.user) else { return };
        for addr in self.places_of(session) {
            for place in self.peers.joining.answered(&addr) {
                let user = self.people.users.handle(&id);
                self.cx.notice(None, Notice::Bootstrap { place, addr, user, id, session: *session });
            }
        }
    }

    /// Warns about the places where nobody has answered in time.
    pub(in crate::proto) fn report_unanswered_bootstrap(&mut self) {
        for Unanswered { place, addrs, obstacle } in self.peers.joining.take_due(self.cx.now.moment) {
            let why = match obstacle {
                Obstacle::OtherUser => continue,
                Obstacle::Silence => {
                    let port = addrs.first().map_or(0, SocketAddr::port);
                    format!(
                        "does not answer; check the address, that a node runs there, and that UDP port {port} is open in \
                         its firewall; still trying"
                    )
                }
                Obstacle::TooLarge => format!("is not reached: {TOO_LARGE}; the path needs an MTU of 1,280"),
                Obstacle::Forbidden => "is not reached: a firewall does not let UDP pass; still trying".to_owned(),
                Obstacle::OtherNetwork => {
                    "answers, but is not of this network; both sides need the same network key, or \
                                           both none"
                        .to_owned()
                }
                Obstacle::Myself => "is this node itself; give the address of another one".to_owned(),
                Obstacle::Closed => "answers, but closes the connection; it may be full; still trying".to_owned(),
            };
            let message = format!("the bootstrap node {place} {why}");
            self.cx.notice(None, Notice::Warning { code: WarningCode::Bootstrap, message, user: None });
        }
    }

    /// The bootstrap addresses at which a session answered.
    fn places_of(&self, session: &SessionId) -> Vec<SocketAddr> {
        self.peers.bootstrapped.iter().filter(|(_, kept)| *kept == session).map(|(addr, _)| *addr).collect()
    }
}
