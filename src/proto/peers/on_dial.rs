//! Dials and what comes of them: whom to try, from where, and what a failure tells.

use std::net::SocketAddr;

use crate::id::{ConnId, DialId, SessionId, UserId};
use crate::proto::Core;
use crate::proto::event::{DialFailure, Output};
use crate::proto::notice::{ErrorCode, Notice};
use crate::proto::peers::dials::{Dial, Purpose};
use crate::proto::persist::Provenance;
use crate::wire::control::{Control, RequestPing};

impl Core {
    /// Dials, unless it is my own address or there are enough dials.
    pub(in crate::proto) fn dial(&mut self, dial: Dial, expect: Option<SessionId>) {
        let addr = dial.addr;
        // A dial that is not made now must not use up what is allowed of them.
        if self.myself.addrs.contains(&addr) || !self.dials.admit(&dial, self.now.moment) {
            return;
        }
        if !self.is_proven(&dial) && !self.budgets.unproven.draw(addr.ip(), self.now.moment) {
            return self.drop_counted("dial to an unproven address over its budget");
        }
        if let Some(id) = self.dials.start(dial, self.now.moment) {
            self.out.after_own(Output::Dial { dial: id, addr, expect });
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
                    || self.myself.addrs.iter().any(|mine| mine.ip() == ip)
                    || self.sessions.get(session).is_some_and(|known| known.has_answered_at(&dial.addr))
                    || self.nearby.addresses(session).contains(&dial.addr)
            }
        }
    }

    pub(in crate::proto) fn on_dial_failed(&mut self, dial: DialId, failure: DialFailure) {
        let Some(dial) = self.dials.finish(&dial) else { return };
        if let DialFailure::Met(met) = failure
            && let Some(user) = self.sessions.get(&met).map(|session| session.user)
        {
            self.sessions.note_address(&met, dial.addr, Provenance::Answered, self.now.moment);
            self.wanted.news(&user, self.now.moment);
        }
        match dial.purpose {
            Purpose::Ping { whom: Some(_), .. } => {}
            Purpose::Ping { line, whom: None } => {
                let message = match failure {
                    DialFailure::Stranger => format!("{} answers, but is not of this network", dial.addr),
                    _ => format!("nobody answers at {}", dial.addr),
                };
                self.notice(line, Notice::Error { code: ErrorCode::Unreachable, message });
            }
            Purpose::Sighting(boot) => {
                let silent =
                    self.nearby.silent(&(boot, dial.addr)).filter(|session| self.neighbours.up(session).is_none());
                silent.iter().for_each(|session| self.hide_nearby(session));
            }
            Purpose::Seek(_) | Purpose::Random(_) | Purpose::Bootstrap => {}
        }
    }

    /// `\ping` is answered once the hello has told whose session it is.
    pub(in crate::proto) fn answer_pings(&mut self, session: &SessionId) {
        let known = self.neighbours.up(session).and_then(|conn| self.neighbours.get(&conn)).and_then(|n| n.user);
        let Some(user) = known else { return };
        for ping in self.pings.take(session) {
            match ping.whom {
                Some(whom) if whom != user => {
                    self.pings.meet_another(ping.line);
                    continue;
                }
                Some(_) if !self.pings.settle(ping.line) => continue,
                _ => {}
            }
            let handle = self.users.handle(&user);
            let pong = Notice::Pong { addr: ping.addr, user: handle, id: user, session: *session, rtt_ms: ping.rtt_ms };
            self.notice(ping.line, pong);
        }
    }

    pub(in crate::proto) fn fail_ping(&mut self, dial: Option<&Dial>, why: &str) {
        if let Some(Dial { purpose: Purpose::Ping { line, whom: None }, .. }) = dial {
            self.notice(*line, Notice::Error { code: ErrorCode::BadAddress, message: why.to_owned() });
        }
    }

    pub(in crate::proto) fn on_bootstrap(&mut self, addrs: Vec<SocketAddr>, whom: Option<UserId>) {
        for addr in addrs {
            if let Some(whom) = whom {
                self.expected.insert(addr, whom);
            }
            let connected = self.bootstrapped.get(&addr).is_some_and(|session| self.neighbours.has(session))
                || whom.is_some_and(|whom| !self.neighbours.of_user(&whom).is_empty());
            if !connected {
                self.bootstrap.want(addr, self.now.moment);
            }
        }
    }

    pub(in crate::proto) fn bootstrap_again(&mut self, session: &SessionId) {
        let lost: Vec<SocketAddr> =
            self.bootstrapped.iter().filter(|(_, kept)| *kept == session).map(|(addr, _)| *addr).collect();
        if !self.neighbours.has(session) {
            lost.into_iter().for_each(|addr| self.bootstrap.want(addr, self.now.moment));
        }
    }

    /// My addresses changed: tell everybody, and try whoever is missing from here. Where I stood before, connections may be
    /// dead.
    pub(in crate::proto) fn on_interfaces(&mut self, addrs: Vec<SocketAddr>) {
        if addrs == self.myself.addrs {
            return;
        }
        let left = self.myself.addrs.iter().any(|addr| !addrs.contains(addr));
        self.myself.addrs = addrs;
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
        let up: Vec<(ConnId, UserId)> = self.neighbours.iter_up().map(|(_, conn, user)| (conn, user)).collect();
        for (conn, user) in up {
            let accepted = self.neighbours.get(&conn).is_some_and(|neighbour| !neighbour.mine);
            if accepted && self.links.wants(&user) {
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
        self.wanted.news_for_all(&mut self.rng, self.now.moment);
        self.bootstrap.news_for_all(&mut self.rng, self.now.moment);
    }

    fn probe_neighbours(&mut self) {
        let up: Vec<ConnId> = self.neighbours.iter_up().map(|(_, conn, _)| conn).collect();
        up.into_iter().for_each(|conn| self.probe(conn));
    }

    /// Asks whoever is at the other end to declare itself. Without an answer it is soon dialled anew.
    pub(in crate::proto) fn probe(&mut self, conn: ConnId) {
        let Some(target) = self.neighbours.get(&conn).and_then(|neighbour| neighbour.user) else { return };
        if !self.neighbours.probe(&conn, self.now.moment) {
            return;
        }
        let message = RequestPing {
            id: self.count.seq(),
            target,
            declaration: self.myself.declaration.signed().clone(),
            roster: None,
            hops: 0,
            observed: None,
            signature: None,
        };
        self.send_control(conn, Control::RequestPing(message));
    }
}
