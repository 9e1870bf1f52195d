//! Dials and their outcomes: what may be dialled, and what a failure means.

use std::net::{IpAddr, SocketAddr};

use crate::id::{ConnId, DialId, SessionId};
use crate::proto::Core;
use crate::proto::drops::DropReason;
use crate::proto::event::{CloseReason, DialFailure, Output};
use crate::proto::notice::examination::Outcome;
use crate::proto::notice::{ErrorCode, Notice};
use crate::proto::peer::Peer;
use crate::proto::peers::dials::{Dial, Purpose};
use crate::proto::peers::joining::{Obstacle, TOO_LARGE};
use crate::proto::peers::lan::nearby::Place;
use crate::proto::persist::Provenance;
use crate::wire::control::{Control, RequestPing};

impl Core {
    /// Dials an address, unless it is this node's own or a limit is reached. Returns whether it is dialled.
    pub(in crate::proto) fn dial(&mut self, dial: Dial, expect: Option<SessionId>) -> bool {
        let addr = dial.addr;
        // A dial that does not start must not use up the budget.
        if self.people.myself.addrs.contains(&addr) || !self.peers.dials.allows(&dial, self.cx.now.moment) {
            return false;
        }
        if !self.is_proven(&dial) && !self.peers.unproven.draw(addr.ip(), self.cx.now.moment) {
            self.cx.dropped(DropReason::DialOverBudget);
            return false;
        }
        let started = self.peers.dials.start(dial, self.cx.now.moment);
        started.iter().for_each(|id| self.cx.out.after_own(Output::Dial { dial: *id, addr, expect }));
        started.is_some()
    }

    /// Whether an address is proven: a key has answered there before, the local link shows the session there, it is
    /// this machine, or a person requested the dial. Other addresses are claims of third parties, and unlimited dials
    /// to them would allow reflected traffic.
    fn is_proven(&self, dial: &Dial) -> bool {
        let ip = dial.addr.ip();
        match &dial.purpose {
            Purpose::Ping { .. } | Purpose::Bootstrap | Purpose::Link | Purpose::Probe(_) | Purpose::Sighting(_) => {
                true
            }
            Purpose::Seek(session) | Purpose::Random(session) => {
                self.is_own_ip(&ip)
                    || self.people.sessions.get(session).is_some_and(|known| known.has_answered_at(&dial.addr))
                    || self.peers.nearby.addresses(session).contains(&dial.addr)
            }
        }
    }

    /// Whether an address belongs to this machine.
    pub(in crate::proto) fn is_own_ip(&self, ip: &IpAddr) -> bool {
        ip.is_loopback() || self.people.myself.addrs.iter().any(|own| own.ip() == *ip)
    }

    /// Handles a dial that led to no connection.
    pub(in crate::proto) fn on_dial_failed(&mut self, dial: DialId, failure: DialFailure) {
        let Some(dial) = self.peers.dials.finish(&dial) else { return };
        self.record_try(&dial, outcome_of(&failure));
        if let DialFailure::Met(met) = failure
            && let Some(user) = self.people.sessions.get(&met).map(|session| session.user)
        {
            self.people.sessions.add_address(&met, dial.addr, Provenance::Answered, self.cx.now.moment);
            self.peers.retry(&met, &user, self.cx.now.moment);
        }
        match dial.purpose {
            Purpose::Ping { expected: Some(_), .. } => {}
            Purpose::Ping { line, expected: None } if self.peers.dials.has_ping(line) => {}
            Purpose::Ping { line, expected: None } => {
                let message = why_not_reached(&dial.addr, &failure);
                self.cx.notice(line, Notice::Error { code: ErrorCode::Unreachable, message });
            }
            Purpose::Sighting(boot) => {
                let session = self.peers.nearby.session_at(&(boot, dial.addr));
                let silent = session.filter(|session| self.peers.connections.up(session).is_none());
                silent.iter().for_each(|session| self.hide_nearby(session));
                self.review_soon();
            }
            Purpose::Bootstrap => self.peers.joining.hindered(&dial.addr, obstacle_of(&failure)),
            Purpose::Link => self.peers.dials.link_met_stranger |= failure == DialFailure::Stranger,
            Purpose::Seek(_) | Purpose::Random(_) | Purpose::Probe(_) => {}
        }
    }

    /// Remembers how a dial ended for which an announced node, a session or a bootstrap node was expected.
    pub(in crate::proto) fn record_try(&mut self, dial: &Dial, outcome: Outcome) {
        for place in self.announced_places(dial) {
            self.peers.nearby.record_silence(&place, outcome == Outcome::Silent);
        }
        let session = match dial.purpose {
            Purpose::Seek(session) | Purpose::Random(session) | Purpose::Probe(session) => Some(session),
            Purpose::Sighting(boot) => match self.peers.nearby.session_at(&(boot, dial.addr)) {
                Some(session) => Some(session),
                None => return,
            },
            Purpose::Bootstrap => None,
            Purpose::Ping { .. } | Purpose::Link => return,
        };
        if self.tries.record_dial((session, dial.addr), outcome, self.cx.now.moment) {
            self.cx.dropped(DropReason::TryForgotten);
        }
    }

    /// The announcements whose node a dial tries to reach.
    fn announced_places(&self, dial: &Dial) -> Vec<Place> {
        match dial.purpose {
            Purpose::Sighting(boot) => vec![(boot, dial.addr)],
            Purpose::Seek(session) | Purpose::Random(session) | Purpose::Probe(session) => {
                let its = self.peers.nearby.places_of_session(&session);
                its.filter(|(_, addr)| *addr == dial.addr).collect()
            }
            Purpose::Ping { .. } | Purpose::Bootstrap | Purpose::Link => Vec::new(),
        }
    }

    /// Answers `\ping` once the hello has named the user.
    pub(in crate::proto) fn answer_pings(&mut self, session: &SessionId) {
        let known =
            self.peers.connections.up(session).and_then(|conn| self.peers.connections.get(&conn)).and_then(|n| n.user);
        let Some(user) = known else { return };
        for ping in self.peers.pings.take(session) {
            match ping.expected {
                Some(expected) if expected != user => {
                    self.peers.pings.record_other_user(ping.line);
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

    /// Handles a dial that has reached this node itself.
    pub(in crate::proto) fn on_dialled_myself(&mut self, dial: Dial) {
        self.record_try(&dial, Outcome::Myself);
        match dial.purpose {
            Purpose::Ping { line, expected: None } => {
                self.peers.dials.forget_pings(line);
                let message = format!("{} is this node's own address", dial.addr);
                self.cx.notice(line, Notice::Error { code: ErrorCode::BadAddress, message });
            }
            Purpose::Bootstrap => self.peers.joining.hindered(&dial.addr, Obstacle::Myself),
            _ => {}
        }
    }

    /// Handles a change of the own addresses: declares them and retries every missing user. If an address was lost,
    /// connections may be dead, so they are probed.
    pub(in crate::proto) fn on_interfaces(&mut self, addrs: Vec<SocketAddr>) {
        if addrs == self.people.myself.addrs {
            return;
        }
        let lost_one = self.people.myself.addrs.iter().any(|addr| !addrs.contains(addr));
        self.people.myself.addrs = addrs;
        self.declare(true);
        if lost_one {
            self.redial_accepted();
            self.probe_neighbours();
        }
        self.retry_all_seeks();
    }

    /// A QUIC connection survives an address change of the side that dialled, but not of the side that accepted. So
    /// accepted connections are redialled.
    fn redial_accepted(&mut self) {
        let up: Vec<Peer> = self.peers.connections.iter_up().collect();
        for Peer { conn, user, .. } in up {
            let accepted = self.peers.connections.get(&conn).is_some_and(|neighbour| !neighbour.dialled);
            if accepted && (self.people.links.wants(&user) || user == self.cx.config.user) {
                self.dial_user(&user);
            }
        }
    }

    /// After sleep or a change of network: probes all neighbours and retries all missing users.
    pub(in crate::proto) fn on_woke(&mut self) {
        self.probe_neighbours();
        self.retry_all_seeks();
    }

    /// Starts the next round of all searches now.
    fn retry_all_seeks(&mut self) {
        self.peers.sought.retry_all(&mut self.cx.rng, self.cx.now.moment);
        self.peers.sisters.retry_all(&mut self.cx.rng, self.cx.now.moment);
        self.peers.bootstrap.retry_all(&mut self.cx.rng, self.cx.now.moment);
    }

    fn probe_neighbours(&mut self) {
        let up: Vec<ConnId> = self.peers.connections.iter_up().map(|peer| peer.conn).collect();
        up.into_iter().for_each(|conn| self.probe(conn));
    }

    /// Asks a neighbour to declare itself. Without an answer it is soon redialled.
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

    /// Connections that say no hello end; sessions that do not answer a probe are dialled beside their connection.
    pub(in crate::proto) fn close_silent_connections(&mut self) {
        for conn in self.peers.connections.overdue(self.cx.now.moment) {
            self.close(conn, CloseReason::Limits);
        }
        for session in self.peers.connections.due_redials(self.cx.now.moment) {
            self.dial_session(session);
        }
    }

    /// Pings that nobody answered, or that somebody else did, come to an error.
    pub(in crate::proto) fn report_overdue_pings(&mut self) {
        let now = self.cx.now.moment;
        for ping in self.peers.pings.overdue(now).into_iter().filter(|ping| ping.expected.is_none()) {
            let message = format!("{} answers, but did not say who it is", ping.addr);
            self.cx.notice(ping.line, Notice::Error { code: ErrorCode::Unreachable, message });
        }
        for awaited in self.peers.pings.overdue_users(now) {
            let who = self.people.users.handle(&awaited.expected);
            let why =
                if awaited.other_answered { "somebody else answers there, not" } else { "nobody answers there for" };
            let message = format!("{why} {who}");
            self.cx.notice(awaited.line, Notice::Error { code: ErrorCode::Unreachable, message });
        }
    }
}

/// What to tell a person about a dial that has failed.
fn why_not_reached(addr: &SocketAddr, failure: &DialFailure) -> String {
    match failure {
        DialFailure::Stranger => format!("{addr} answers, but is not of this network"),
        DialFailure::TooLarge => format!("{TOO_LARGE} to {addr}"),
        DialFailure::Forbidden => format!("a firewall does not let UDP pass to {addr}"),
        DialFailure::NoRoute => format!("there is no route to {addr}"),
        DialFailure::Closed => format!("nobody answers at {addr}: its UDP port {} is closed", addr.port()),
        DialFailure::Unreachable | DialFailure::Met(_) => {
            format!("nobody answers at {addr}; if a node runs there, UDP port {} may be blocked", addr.port())
        }
    }
}

fn outcome_of(failure: &DialFailure) -> Outcome {
    match failure {
        DialFailure::Unreachable => Outcome::Silent,
        DialFailure::TooLarge => Outcome::TooLarge,
        DialFailure::Forbidden => Outcome::Forbidden,
        DialFailure::NoRoute => Outcome::NoRoute,
        DialFailure::Closed => Outcome::Closed,
        DialFailure::Met(_) => Outcome::Other,
        DialFailure::Stranger => Outcome::Stranger,
    }
}

fn obstacle_of(failure: &DialFailure) -> Obstacle {
    match failure {
        DialFailure::Stranger => Obstacle::OtherNetwork,
        DialFailure::TooLarge => Obstacle::TooLarge,
        DialFailure::Forbidden => Obstacle::Forbidden,
        DialFailure::Unreachable | DialFailure::NoRoute | DialFailure::Closed | DialFailure::Met(_) => {
            Obstacle::Silence
        }
    }
}
