//! Dials and what comes of them: whom to try, from where, and what a failure tells.

use std::net::SocketAddr;

use crate::id::{ConnId, DialId, SessionId, UserId};
use crate::proto::Core;
use crate::proto::drops::DropReason;
use crate::proto::event::{DialFailure, Output};
use crate::proto::notice::{ErrorCode, Notice};
use crate::proto::peer::Peer;
use crate::proto::peers::dials::{Dial, Purpose};
use crate::proto::persist::Provenance;
use crate::wire::control::{Control, RequestPing};

impl Core {
    /// Dials, unless it is my own address or there are enough dials.
    pub(in crate::proto) fn dial(&mut self, dial: Dial, expect: Option<SessionId>) {
        let addr = dial.addr;
        // A dial that is not made now must not use up what is allowed of them.
        if self.people.myself.addrs.contains(&addr) || !self.peers.dials.admit(&dial, self.cx.now.moment) {
            return;
        }
        if !self.is_proven(&dial) && !self.peers.unproven.draw(addr.ip(), self.cx.now.moment) {
            return self.cx.dropped(DropReason::DialOverBudget);
        }
        if let Some(id) = self.peers.dials.start(dial, self.cx.now.moment) {
            self.cx.out.after_own(Output::Dial { dial: id, addr, expect });
        }
    }

    /// Whether a dial goes where a key has answered before, where the local link shows somebody, to this machine itself, or
    /// where a person wants it to go. Only others could be made to knock on a third party's door.
    fn is_proven(&self, dial: &Dial) -> bool {
        let ip = dial.addr.ip();
        match &dial.purpose {
            Purpose::Ping { .. } | Purpose::Bootstrap | Purpose::Sighting(_) => true,
            Purpose::Seek(session) | Purpose::Random(session) => {
                ip.is_loopback()
                    || self.people.myself.addrs.iter().any(|mine| mine.ip() == ip)
                    || self.people.sessions.get(session).is_some_and(|known| known.has_answered_at(&dial.addr))
                    || self.peers.nearby.addresses(session).contains(&dial.addr)
            }
        }
    }

    pub(in crate::proto) fn on_dial_failed(&mut self, dial: DialId, failure: DialFailure) {
        let Some(dial) = self.peers.dials.finish(&dial) else { return };
        if let DialFailure::Met(met) = failure
            && let Some(user) = self.people.sessions.get(&met).map(|session| session.user)
        {
            self.people.sessions.note_address(&met, dial.addr, Provenance::Answered, self.cx.now.moment);
            self.peers.sought.news(&user, self.cx.now.moment);
        }
        match dial.purpose {
            Purpose::Ping { whom: Some(_), .. } => {}
            Purpose::Ping { line, whom: None } => {
                let message = match failure {
                    DialFailure::Stranger => format!("{} answers, but is not of this network", dial.addr),
                    _ => format!("nobody answers at {}", dial.addr),
                };
                self.cx.notice(line, Notice::Error { code: ErrorCode::Unreachable, message });
            }
            Purpose::Sighting(boot) => {
                let silent = self
                    .peers
                    .nearby
                    .silent(&(boot, dial.addr))
                    .filter(|session| self.peers.connections.up(session).is_none());
                silent.iter().for_each(|session| self.hide_nearby(session));
            }
            Purpose::Seek(_) | Purpose::Random(_) | Purpose::Bootstrap => {}
        }
    }

    /// `\ping` is answered once the hello has told whose session it is.
    pub(in crate::proto) fn answer_pings(&mut self, session: &SessionId) {
        let known =
            self.peers.connections.up(session).and_then(|conn| self.peers.connections.get(&conn)).and_then(|n| n.user);
        let Some(user) = known else { return };
        for ping in self.peers.pings.take(session) {
            match ping.whom {
                Some(whom) if whom != user => {
                    self.peers.pings.meet_another(ping.line);
                    continue;
                }
                Some(_) if !self.peers.pings.settle(ping.line) => continue,
                _ => {}
            }
            let handle = self.people.users.handle(&user);
            let pong = Notice::Pong { addr: ping.addr, user: handle, id: user, session: *session, rtt_ms: ping.rtt_ms };
            self.cx.notice(ping.line, pong);
        }
    }

    pub(in crate::proto) fn fail_ping(&mut self, dial: Option<&Dial>, why: &str) {
        if let Some(Dial { purpose: Purpose::Ping { line, whom: None }, .. }) = dial {
            self.cx.notice(*line, Notice::Error { code: ErrorCode::BadAddress, message: why.to_owned() });
        }
    }

    pub(in crate::proto) fn on_bootstrap(&mut self, addrs: Vec<SocketAddr>, whom: Option<UserId>) {
        for addr in addrs {
            if let Some(whom) = whom {
                self.peers.expected.insert(addr, whom);
            }
            let connected =
                self.peers.bootstrapped.get(&addr).is_some_and(|session| self.peers.connections.has(session))
                    || whom.is_some_and(|whom| !self.peers.connections.of_user(&whom).is_empty());
            if !connected {
                self.peers.bootstrap.want(addr, self.cx.now.moment);
            }
        }
    }

    pub(in crate::proto) fn bootstrap_again(&mut self, session: &SessionId) {
        let lost: Vec<SocketAddr> =
            self.peers.bootstrapped.iter().filter(|(_, kept)| *kept == session).map(|(addr, _)| *addr).collect();
        if !self.peers.connections.has(session) {
            lost.into_iter().for_each(|addr| self.peers.bootstrap.want(addr, self.cx.now.moment));
        }
    }

    /// My addresses changed: tell everybody, and try whoever is missing from here. Where I stood before, connections may be
    /// dead.
    pub(in crate::proto) fn on_interfaces(&mut self, addrs: Vec<SocketAddr>) {
        if addrs == self.people.myself.addrs {
            return;
        }
        let left = self.people.myself.addrs.iter().any(|addr| !addrs.contains(addr));
        self.people.myself.addrs = addrs;
        self.declare(true);
        if left {
            self.redial_accepted();
            self.probe_neighbours();
        }
        self.seek_anew();
    }

    /// A QUIC connection follows the side that dialled to a new address, not the side that accepted: where I accepted, I
    /// dial.
    fn redial_accepted(&mut self) {
        let up: Vec<Peer> = self.peers.connections.iter_up().collect();
        for Peer { conn, user, .. } in up {
            let accepted = self.peers.connections.get(&conn).is_some_and(|neighbour| !neighbour.mine);
            if accepted && self.people.links.wants(&user) {
                self.dial_user(&user);
            }
        }
    }

    /// The machine slept, or stands somewhere else: whoever does not answer now is dialled anew, and everybody else is tried.
    pub(in crate::proto) fn try_everything(&mut self) {
        self.probe_neighbours();
        self.seek_anew();
    }

    fn seek_anew(&mut self) {
        self.peers.sought.news_for_all(&mut self.cx.rng, self.cx.now.moment);
        self.peers.bootstrap.news_for_all(&mut self.cx.rng, self.cx.now.moment);
    }

    fn probe_neighbours(&mut self) {
        let up: Vec<ConnId> = self.peers.connections.iter_up().map(|peer| peer.conn).collect();
        up.into_iter().for_each(|conn| self.probe(conn));
    }

    /// Asks whoever is at the other end to declare itself. Without an answer it is soon dialled anew.
    pub(in crate::proto) fn probe(&mut self, conn: ConnId) {
        let Some(target) = self.peers.connections.get(&conn).and_then(|neighbour| neighbour.user) else { return };
        if !self.peers.connections.probe(&conn, self.cx.now.moment) {
            return;
        }
        let message = RequestPing {
            id: self.cx.count.seq(),
            target,
            declaration: self.people.myself.declaration.signed().clone(),
            roster: None,
            hops: 0,
            observed: None,
            signature: None,
        };
        self.cx.send(conn, Control::RequestPing(message));
    }
}
