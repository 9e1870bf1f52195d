//! Peers: connections, and how they come about.
//!
//! [`connections`] keeps one of several connections to a session, [`seek`] schedules the search for missing users and bootstrap
//! addresses, [`dials`] bounds what is dialled, [`joining`] keeps what people know about the nodes given by `--bootstrap`, and
//! [`lan`] is the local link and the strangers there. A connection comes up, is introduced and ends in `on_connection`; `on_dial`
//! handles dials, `on_moved` changes of a neighbour's address, `on_flow` paths on which too little arrives.

pub mod connections;
pub mod dials;
pub mod joining;
pub mod lan;
mod on_bootstrap;
mod on_connection;
mod on_dial;
mod on_flow;
mod on_forget;
mod on_moved;
mod on_seek;
mod on_sister;
pub mod seek;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use crate::id::{SessionId, UserId};
use crate::proto::budget::Budget;
use crate::proto::limits;
use crate::time::Moment;
use connections::Connections;
use dials::{Dials, Pings};
use joining::Joining;
use lan::hearsay::Hearsay;
use lan::nearby::Nearby;
use seek::Seek;

/// Connections, dials, and the search for missing users.
pub struct Peers {
    /// All connections.
    pub connections: Connections,
    /// Announcements on the local link.
    pub nearby: Nearby,
    /// What neighbours on the local link tell of others there.
    pub hearsay: Hearsay,
    /// Limits the records of nodes on the link that are sent, per address.
    pub told: Budget<IpAddr>,
    /// When the connections to strangers are reviewed next.
    pub review_at: Moment,
    /// When a chosen stranger is replaced next.
    pub rotate_at: Moment,
    /// Outstanding dials.
    pub dials: Dials,
    /// Outstanding pings.
    pub pings: Pings,
    /// Wanted users, with the pauses between attempts to reach them.
    pub sought: Seek<UserId>,
    /// The user's other sessions, with the pauses between attempts to reach them.
    pub sisters: Seek<SessionId>,
    /// Addresses given by `--bootstrap`, with the pauses between attempts to reach them.
    pub bootstrap: Seek<SocketAddr>,
    /// Which session answered at a bootstrap address.
    pub bootstrapped: BTreeMap<SocketAddr, SessionId>,
    /// Whether the places given by `--bootstrap` answer.
    pub joining: Joining,
    /// The user who must answer at an address that was given together with a user.
    pub expected: BTreeMap<SocketAddr, UserId>,
    /// When all missing users were last retried because one of them came back.
    pub sought_all: Option<Moment>,
    /// When the last known address of one missing user is probed next.
    pub probe_at: Moment,
    /// Limits dials to addresses where an introducer claims to see a user, per introducer.
    pub introductions: Budget<SessionId>,
    /// Limits how often others are told that a neighbour has another address, per neighbour.
    pub moves: Budget<SessionId>,
    /// Limits dials to addresses where no key has answered before, per IP address.
    pub unproven: Budget<IpAddr>,
}

impl Peers {
    /// Restarts the search for a session and its user, of which there is news.
    pub fn retry(&mut self, session: &SessionId, user: &UserId, now: Moment) {
        self.sought.retry(user, now);
        self.sisters.retry(session, now);
    }

    /// When something here is due: hellos, probes, pings, and rounds of seeking.
    pub fn next(&self) -> Option<Moment> {
        let probe = self.sought.silent().next().map(|_| self.probe_at);
        let review = (!self.nearby.is_empty() || self.connections.count() > 0).then_some(self.review_at);
        let Peers { connections, pings, sought, sisters, bootstrap, joining, hearsay, .. } = self;
        let of_dials = [sought.next(), sisters.next(), bootstrap.next(), joining.next(), probe];
        let others = [connections.next(), pings.next(), hearsay.next(), review];
        of_dials.into_iter().chain(others).flatten().min()
    }

    /// No connections. `me` is this session.
    pub fn new(me: SessionId, now: Moment) -> Peers {
        Peers {
            connections: Connections::new(me),
            nearby: Nearby::default(),
            hearsay: Hearsay::default(),
            told: Budget::new(limits::HEARSAY_BURST, limits::HEARSAY_REFILL),
            review_at: now,
            rotate_at: now + limits::ROTATION,
            dials: Dials::default(),
            pings: Pings::default(),
            sought: Seek::new(),
            sisters: Seek::new(),
            bootstrap: Seek::new(),
            bootstrapped: BTreeMap::new(),
            joining: Joining::default(),
            expected: BTreeMap::new(),
            sought_all: None,
            probe_at: now + limits::PROBE_EVERY,
            introductions: Budget::new(limits::FAILED_INTRODUCTIONS, limits::INTRODUCTION_REFILL),
            moves: Budget::new(limits::MOVES_TOLD, limits::MOVE_REFILL),
            unproven: Budget::new(limits::UNPROVEN_DIALS_PER_IP, limits::UNPROVEN_REFILL),
        }
    }
}
