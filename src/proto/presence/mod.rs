//! Presence: who is online, and who may hear about it.
//!
//! [`horizon`] holds everybody within two links, [`online`] which sessions are reachable and through whom, [`offers`] and
//! [`pushes`] who passes a change on to whom. `on_presence` takes declarations and offers, `on_digest` repairs at each meeting
//! what a push lost.

pub mod horizon;
pub mod offers;
mod on_digest;
mod on_presence;
pub mod online;
pub mod pushes;

use horizon::Horizon;
use offers::Offers;
use online::Online;
use pushes::Pushes;

/// Who is within two links, who of them is online, and which changes are still to be told.
pub struct Presence {
    pub horizon: Horizon,
    pub online: Online,
    pub offers: Offers,
    pub pushes: Pushes,
}

impl Presence {
    pub fn new(horizon: Horizon) -> Presence {
        Presence { horizon, online: Online::default(), offers: Offers::default(), pushes: Pushes::default() }
    }
}
