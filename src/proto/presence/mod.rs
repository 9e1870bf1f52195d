//! Presence: who is online, and who may know it.
//!
//! [`horizon`] holds the users within two links, [`online`] the reachable sessions and their witnesses, [`refusals`]
//! who refuses this node, [`claims`] who else counts on its reports, [`offers`] and [`pushes`] what is still to be sent to
//! whom. `on_presence` handles declarations and their forwarding. Whenever two peers connect, `on_digest` compares what they hold
//! and `on_known_list` sends what one of them lacks, which repairs lost updates.

pub mod claims;
pub mod horizon;
pub mod offers;
mod on_digest;
mod on_known_list;
mod on_presence;
pub mod online;
pub mod pushes;
pub mod refusals;

use crate::time::Moment;
use claims::Claims;
use horizon::Horizon;
use offers::Offers;
use online::Online;
use pushes::Pushes;
use refusals::Refusals;

/// Who is within two links, which of their sessions are online, and which updates are still to be sent.
pub struct Presence {
    /// Users within two links.
    pub horizon: Horizon,
    /// Sessions that are shown as online.
    pub online: Online,
    /// Users who refuse this node and are not shown as online.
    pub refusals: Refusals,
    /// Claims to others than friends that a session is connected here.
    pub claims: Claims,
    /// Version summaries to be sent later.
    pub offers: Offers,
    /// Neighbours to whom the own link list is to be sent.
    pub pushes: Pushes,
}

impl Presence {
    /// When something here is due: grace periods, the end of refusals, offers, and pushes that wait for their turn.
    pub fn next(&self) -> Option<Moment> {
        [self.online.next(), self.refusals.next(), self.offers.next(), self.pushes.next()].into_iter().flatten().min()
    }

    /// Nobody is online yet.
    pub fn new(horizon: Horizon) -> Presence {
        Presence {
            horizon,
            online: Online::default(),
            refusals: Refusals::default(),
            claims: Claims::default(),
            offers: Offers::default(),
            pushes: Pushes::default(),
        }
    }
}
