//! Presence: who is online, and who may know it.
//!
//! [`horizon`] holds the users within two links, [`online`] the reachable sessions and their witnesses, [`offers`] and
//! [`pushes`] what is still to be sent to whom. `on_presence` handles declarations and their forwarding. Whenever two peers
//! connect, `on_digest` compares what they hold and `on_known_list` sends what one of them lacks, which repairs lost updates.

pub mod horizon;
pub mod offers;
mod on_digest;
mod on_known_list;
mod on_presence;
pub mod online;
pub mod pushes;

use crate::time::Moment;
use horizon::Horizon;
use offers::Offers;
use online::Online;
use pushes::Pushes;

/// Who is within two links, which of their sessions are online, and which updates are still to be sent.
pub struct Presence {
    /// Users within two links.
    pub horizon: Horizon,
    /// Sessions that are shown as online.
    pub online: Online,
    /// Version summaries to be sent later.
    pub offers: Offers,
    /// Neighbours to whom the own link list is to be sent.
    pub pushes: Pushes,
}

impl Presence {
    /// When something here is due: grace periods, offers, and pushes that wait for their turn.
    pub fn next(&self) -> Option<Moment> {
        [self.online.next(), self.offers.next(), self.pushes.next()].into_iter().flatten().min()
    }

    /// Nobody is online yet.
    pub fn new(horizon: Horizon) -> Presence {
        Presence { horizon, online: Online::default(), offers: Offers::default(), pushes: Pushes::default() }
    }
}
