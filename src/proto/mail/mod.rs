//! Mail: envelopes to people who are not connected, and envelopes carried for others.
//!
//! [`Mail`] is a state machine of its own. It takes what neighbours say about envelopes, reads what it needs of the rest through
//! [`Near`](crate::proto::near::Near), sends through the [`Context`], and leaves a [`Fact`] where something follows elsewhere: in the outbox, among people,
//! in what interfaces are told. [`custody`] holds envelopes within quotas, [`handover`] sends them to neighbours within a
//! window, [`forwards`] remembers what was passed on without being held, [`watchdog`] notices carriers that deliver nothing.
//! `carry` takes, refuses and ends envelopes; `route` decides where each one goes. This user's own mail is sealed and entrusted
//! in `chat`, which also acts on the facts.

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

/// Envelopes held, on their way, and watched.
pub struct Mail {
    pub custody: Custody,
    handover: Handover,
    forwards: Forwards,
    watchdog: Watchdog,
    budgets: Budgets,
    /// What follows elsewhere from what was done here, in order. Empty again before the next input.
    facts: VecDeque<Fact>,
}

/// How often others may make this node work for an envelope.
struct Budgets {
    /// Statements that an envelope cannot be opened, by who makes them.
    unopenables: Budget<SessionId>,
    /// Mail sealed anew, by addressee.
    sealed_anew: Budget<UserId>,
}

/// Something happened to mail from which more follows outside of it.
pub enum Fact {
    /// A carrier has an envelope of mine.
    Carried { by: SessionId, envelope: EnvelopeId },
    /// A carrier does not take, or does not keep, an envelope of mine.
    Refused { by: SessionId },
    /// An envelope of mine was opened or withdrawn, and is not held any more.
    Opened(CustodyRow),
    /// The life of an envelope of mine is over, and it is not held any more.
    Expired(CustodyRow),
    /// A session of the addressee cannot open an envelope of mine. The records are the addressee's.
    Unopenable { peer: Peer, envelope: EnvelopeId, roster: Box<Checked<Roster>>, card: Box<Checked<KeyCard>> },
    /// A record that came on a connection does not verify.
    BadRecord { conn: ConnId, refused: Refused },
    /// A carrier that was full may be tried again.
    CapacityAgain,
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
            facts: VecDeque::new(),
        }
    }

    /// What follows elsewhere from what was done, the oldest first.
    pub fn next_fact(&mut self) -> Option<Fact> {
        self.facts.pop_front()
    }

    /// Whether mail to a user may be sealed anew now.
    pub fn may_seal_again(&mut self, user: UserId, now: Moment) -> bool {
        self.budgets.sealed_anew.draw(user, now)
    }

    /// When something is due here.
    pub fn next(&self) -> Option<Moment> {
        [self.custody.next(), self.handover.next(), self.watchdog.next()].into_iter().flatten().min()
    }

    /// Does what is due.
    pub fn on_time(&mut self, cx: &mut Context, near: &Near<'_>) {
        self.expire(cx);
        self.try_again(cx, near);
        self.keep_watch(cx, near);
    }
}
