//! Who of several users with one name has it.
//!
//! A name stays with the user to whom it was pinned, with two exceptions, by which all sessions of the local user come to the same
//! result. A pin that merely follows from a link gives way to a decision of the local user. If two sessions have pinned a name to
//! different users, the better right to it decides, which depends only on what the sessions know in common.

use std::cmp::Reverse;

use crate::id::{SessionId, UserId};
use crate::proto::Core;
use crate::proto::cx::Context;
use crate::proto::notice::{Notice, WarningCode};
use crate::proto::people::People;
use crate::proto::people::users::Pin;
use crate::proto::persist::LinkState;

/// Why a user is to have their name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// The local user's link list names them, but no command on this session has done it.
    Link,
    /// A command on this session has linked or verified them.
    Command,
    /// Another session of the local user says that their name is pinned.
    Sister(SessionId),
}

impl Claim {
    fn pin(self) -> Pin {
        if self == Claim::Link { Pin::Derived } else { Pin::Decided }
    }
}

impl People {
    /// The right of a user to a name that another one claims, too; the greater one counts. A decision comes before what was derived,
    /// then verified before linked users before others, then the older statement about the link, then the smaller id.
    fn right_to_name(&self, user: &UserId, pin: Pin) -> impl Ord + use<> {
        let mine = self.links.row(user).map(|row| row.mine).unwrap_or_default();
        let (is_verified, is_linked) = (self.users.is_verified(user), mine.state == LinkState::Linked);
        (pin, is_verified, is_linked, Reverse(mine.lamport), Reverse(*user))
    }

    /// Whether the holder of a name gives it up to another user. What the local user is called is given up to nobody.
    fn yields_name(&self, cx: &Context, holder: &UserId, user: &UserId, claim: Claim) -> bool {
        let Some(held) = self.users.pin_of(holder).filter(|_| *holder != cx.config.user) else { return false };
        if claim == Claim::Command {
            let is_linked = self.links.own_state(holder) == LinkState::Linked;
            return held == Pin::Derived && !is_linked && !self.users.is_verified(holder);
        }
        self.right_to_name(user, claim.pin()) > self.right_to_name(holder, held)
    }
}

impl Core {
    /// Pins the name of a user, unless somebody with a better right to it has it or one that looks like it. Others lose it.
    pub(in crate::proto) fn claim_name(&mut self, user: UserId, claim: Claim) {
        let pin = claim.pin();
        if self.people.users.pin_of(&user) >= Some(pin) {
            return;
        }
        let rivals = self.people.users.rivals(&user);
        let yields = |rival: &UserId| self.people.yields_name(&self.cx, rival, &user, claim);
        let Some(rivals) = rivals.filter(|rivals| rivals.iter().all(yields)) else {
            if let Claim::Sister(by) = claim {
                self.people.users.remember_claim(user, by);
            }
            return;
        };
        rivals.iter().for_each(|rival| self.people.users.release_name(rival));
        self.people.users.pin(&user, pin);
        if pin == Pin::Decided {
            let by = if let Claim::Sister(by) = claim { Some(by) } else { None };
            self.sisters.ledger.note_person(&mut self.cx, user, by);
            self.people.keep(&mut self.cx, user);
        }
        self.people.save_user(&mut self.cx, &user);
        rivals.into_iter().for_each(|rival| self.on_name_lost(rival, &user));
    }

    /// Pins the name of a user if the local user's link list names them, however they came to be on it.
    pub(in crate::proto::people) fn claim_by_link(&mut self, user: UserId) {
        if matches!(self.people.links.own_state(&user), LinkState::Linked | LinkState::Auto) {
            self.claim_name(user, Claim::Link);
        }
    }

    /// Decides again on the names that other own sessions have pinned to somebody else, after something of what decides has changed.
    pub(in crate::proto) fn review_claims(&mut self) {
        for (user, by) in self.people.users.claims() {
            self.claim_name(user, Claim::Sister(by));
        }
    }

    /// Handles that a user has lost a pinned name to another one.
    fn on_name_lost(&mut self, loser: UserId, winner: &UserId) {
        self.sisters.ledger.note_person(&mut self.cx, loser, None);
        self.people.save_user(&mut self.cx, &loser);
        let [loser, winner] = [&loser, winner].map(|user| self.people.users.handle(user));
        let message = format!(
            "\"{winner}\" now stands for another user, whom you have linked or verified; the one who had the name here is \
             shown as \"{loser}\""
        );
        let warning = Notice::Warning { code: WarningCode::NameClash, message, user: Some(loser) };
        self.cx.notice_after_store(None, warning);
    }
}
