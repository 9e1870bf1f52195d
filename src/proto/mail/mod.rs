//! Mail: envelopes to people who are not connected, and envelopes carried for others.
//!
//! [`custody`] holds envelopes within quotas, [`handover`] sends them to neighbours within a window, [`watchdog`] notices carriers
//! that deliver nothing. `on_mail` seals and entrusts what waits here, `on_custody` takes, refuses and ends envelopes,
//! `on_handover` decides where each one goes.

pub mod custody;
pub mod handover;
mod on_custody;
mod on_handover;
mod on_mail;
pub mod watchdog;

use crate::id::{SessionId, UserId};
use crate::proto::budget::Budget;
use crate::proto::limits::{SEALED_ANEW_BURST, SEALED_ANEW_REFILL, UNOPENABLE_BURST, UNOPENABLE_REFILL};
use custody::Custody;
use handover::{Forwards, Handover};
use watchdog::Watchdog;

/// Envelopes held, on their way, and watched.
pub struct Mail {
    pub custody: Custody,
    pub handover: Handover,
    pub forwards: Forwards,
    pub watchdog: Watchdog,
    pub budgets: Budgets,
}

/// How often others may make this node work for an envelope.
pub struct Budgets {
    /// Statements that an envelope cannot be opened, by who makes them.
    pub unopenables: Budget<SessionId>,
    /// Mail sealed anew, by addressee.
    pub sealed_anew: Budget<UserId>,
}

impl Mail {
    pub fn new(custody: Custody) -> Mail {
        Mail {
            custody,
            handover: Handover::default(),
            forwards: Forwards::default(),
            watchdog: Watchdog::default(),
            budgets: Budgets {
                unopenables: Budget::new(UNOPENABLE_BURST, UNOPENABLE_REFILL),
                sealed_anew: Budget::new(SEALED_ANEW_BURST, SEALED_ANEW_REFILL),
            },
        }
    }
}
