//! Linking: a session that holds the user key signs a new session of the same person into the roster.
//!
//! The new session runs as a node of a throw-away user called [`WAITING_NAME`](crate::wire::link::WAITING_NAME), so it is found like any other node. It shows a
//! code and a token ([`waiting`]). Where the user key is, one of them is typed ([`attempt`]). The two sessions prove to each
//! other that they know it (`identity::pake`), with one guess per code. `on_link` has the side of the holder of the user key,
//! `on_waiting` that of the new session, which ends with what the driver stores for the new session
//! ([`Adopted`](crate::proto::event::Adopted)).
//!
//! If no connection of the two comes about, their steps go through a relay or server that both are connected with
//! (`on_relayed_step`). It passes on the few steps of an exchange in their order ([`relayed`]).
//!
//! Nothing else depends on it: after each input it looks what has changed that it waits for.

pub mod attempt;
mod on_link;
mod on_relayed_step;
mod on_waiting;
pub mod relayed;
pub mod waiting;

use std::net::{IpAddr, SocketAddr};

use crate::id::{ConnId, SessionId};
use crate::identity::invitation::Invitation;
use crate::proto::budget::Budget;
use crate::proto::limits::{LINK_ASKS_BURST, LINK_ASKS_REFILL};
use crate::time::Moment;
use crate::wire::link::LinkSession;
use attempt::Attempt;
use relayed::RelayedExchanges;
use waiting::Waiting;

/// Both sides of linking, and what a relay between them holds. A node is on at most one side.
pub struct Linking {
    /// Set on a session that waits to be linked.
    pub waiting: Option<Waiting>,
    /// The `\link` that is being carried out.
    pub attempt: Option<Attempt>,
    /// A `\link` that was typed just now, with its line.
    pub requested: Option<(Option<u64>, Invitation)>,
    /// What was typed to link a session last. It is not valid again.
    pub used: Option<Invitation>,
    /// The session that was linked last and has not come back yet.
    pub awaited: Option<Awaited>,
    /// Exchanges of two neighbours that this relay passes on.
    pub relayed: RelayedExchanges,
    /// Limits the exchanges that others begin, with this session or through it, per address.
    pub asks: Budget<IpAddr>,
}

/// A session that was linked and now restarts as a session of the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Awaited {
    /// The session.
    pub session: SessionId,
    /// What it was sent to start with, and the connection on which it was sent.
    pub welcome: (LinkSession, ConnId),
    /// Where it was.
    pub addr: SocketAddr,
    /// When it is dialled next.
    pub dial_at: Moment,
    /// When it is given up.
    pub until: Moment,
}

impl Linking {
    /// `waiting` is set on a session that waits to be linked.
    pub fn new(waiting: Option<Waiting>) -> Linking {
        let asks = Budget::new(LINK_ASKS_BURST, LINK_ASKS_REFILL);
        let relayed = RelayedExchanges::default();
        Linking { waiting, attempt: None, requested: None, used: None, awaited: None, relayed, asks }
    }

    /// When something here is due.
    pub fn next(&self) -> Option<Moment> {
        let waiting = self.waiting.as_ref().map(Waiting::next);
        let attempt = self.attempt.as_ref().map(Attempt::next);
        [waiting, attempt, self.awaited.as_ref().map(|awaited| awaited.dial_at)].into_iter().flatten().min()
    }
}
