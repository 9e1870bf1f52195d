//! Mail: envelopes to users who are not connected, and envelopes carried for others.
//!
//! [`Mail`] is a state machine of its own. It handles messages of neighbours about envelopes, reads other state through
//! [`Near`], sends through the [`Context`], and leaves a [`Fact`] for every effect outside of mail.
//! [`custody`] holds envelopes within quotas. [`handover`] sends them to neighbours within a window. [`forwards`] records
//! envelopes that are passed on without being held. [`watchdog`] detects carriers that do not deliver. `carry` accepts,
//! refuses and ends envelopes; `route` decides where each one goes. This user's own mail is sealed and entrusted in `chat`,
//! which also applies the facts.

mod carry;
pub mod custody;
pub mod forwards;
pub mod handover;
mod route;
pub mod watchdog;

use std::collections::VecDeque;

use crate::id::{ConnId, EnvelopeId, SessionId, UserId};
use crate::identity::{Checked, Refused};
use crate::proto::budget::Budget;
use crate::proto::cx::Context;
use crate::proto::limits::{SEALED_ANEW_BURST, SEALED_ANEW_REFILL, UNOPENABLE_BURST, UNOPENABLE_REFILL};
use crate::proto::near::Near;
use crate::proto::peer::Peer;
use crate::proto::persist::CustodyRow;
use crate::time::Moment;
use crate::wire::record::{KeyCard, Roster};
use custody::Custody;
use forwards::Forwards;
use handover::Handover;
use watchdog::Watchdog;

/// Envelopes held, in flight, and watched.
pub struct Mail {
    /// The envelopes that are held.
    pub custody: Custody,
    handover: Handover,
    forwards: Forwards,
    watchdog: Watchdog,
    budgets: Budgets,
    /// Effects outside of mail, in order. Empty before every input.
    facts: VecDeque<Fact>,
}

/// Limits on work that others can cause, each per key.
struct Budgets {
    /// Reports that an envelope cannot be opened, by sender.
    unopenables: Budget<SessionId>,
    /// Mail sealed again, by addressee.
    sealed_again: Budget<UserId>,
}

/// An event in mail with effects elsewhere.
pub enum Fact {
    /// A carrier has an own envelope.
    Carried { by: SessionId, envelope: EnvelopeId },
    /// A carrier refused or evicted an own envelope.
    Refused { by: SessionId },
    /// An own envelope was opened, as `by` has shown, or withdrawn, and is not held any more.
    Opened { row: CustodyRow, by: Option<SessionId> },
    /// An own envelope has expired, and is not held any more.
    Expired(CustodyRow),
    /// A session of the addressee cannot open an own envelope. The records are the addressee's.
    Unopenable { peer: Peer, envelope: EnvelopeId, roster: Box<Checked<Roster>>, card: Box<Checked<KeyCard>> },
    /// A record received on a connection does not verify.
    BadRecord { conn: ConnId, refused: Refused },
    /// A carrier that was full may be tried again.
    CapacityAgain,
}

impl Mail {
    /// The state at start.
    pub fn new(custody: Custody) -> Mail {
        Mail {
            custody,
            handover: Handover::default(),
            forwards: Forwards::default(),
            watchdog: Watchdog::default(),
            budgets: Budgets {
                unopenables: Budget::new(UNOPENABLE_BURST, UNOPENABLE_REFILL),
                sealed_again: Budget::new(SEALED_ANEW_BURST, SEALED_ANEW_REFILL),
            },
            facts: VecDeque::new(),
        }
    }

    /// Takes the oldest fact.
    pub fn next_fact(&mut self) -> Option<Fact> {
        self.facts.pop_front()
    }

    /// Whether mail to a user may be sealed again now.
    pub fn may_seal_again(&mut self, user: UserId, now: Moment) -> bool {
        self.budgets.sealed_again.draw(user, now)
    }

    /// Puts off the resend to a neighbour: what is under way to it moves.
    pub fn postpone_resend(&mut self, session: &SessionId, now: Moment) {
        self.handover.postpone_resend(session, now);
    }

    /// When something is due here.
    pub fn next(&self) -> Option<Moment> {
        [self.custody.next(), self.handover.next(), self.watchdog.next()].into_iter().flatten().min()
    }

    /// Does what is due.
    pub fn on_time(&mut self, cx: &mut Context, near: &Near<'_>) {
        self.expire(cx);
        self.retry(cx, near);
        self.check_watchdog(cx, near);
    }
}
