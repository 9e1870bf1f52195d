//! Pinning of names, and who else claims a name.

use std::collections::BTreeSet;

use super::Users;
use crate::id::{SessionId, UserId};

/// How a name came to be pinned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pin {
    /// It follows from a link that was accepted automatically, or that another own session has made. Other own sessions are not
    /// told of it, and it gives way to a decision.
    Derived,
    /// The local user has linked or verified the user, on this session or on another one that says so.
    Decided,
}

impl Users {
    /// Binds a user's current name to their key. Returns false if that changes nothing, or if another key holds that name or
    /// one that looks like it.
    pub fn pin(&mut self, id: &UserId, pin: Pin) -> bool {
        let Some(user) = self.known.get_mut(id).filter(|user| user.pinned < Some(pin)) else { return false };
        let is_pinned = user.called.as_ref().is_some_and(|called| self.pins.pin(called, *id));
        if is_pinned {
            user.pinned = Some(pin);
            self.claimants.remove(id);
        }
        is_pinned
    }

    /// Whether a user's name is pinned to their key, and how.
    pub fn pin_of(&self, user: &UserId) -> Option<Pin> {
        self.known.get(user)?.pinned
    }

    /// Whether a user's name is pinned to their key because the local user has decided so.
    pub fn is_decided(&self, user: &UserId) -> bool {
        self.pin_of(user) == Some(Pin::Decided)
    }

    /// Treats the stored pin of a user who was not verified as derived.
    pub fn weaken_pin(&mut self, user: &UserId) {
        if let Some(user) = self.known.get_mut(user).filter(|user| !user.verified) {
            user.pinned = user.pinned.map(|_| Pin::Derived);
        }
    }

    /// The users whose pinned names this user's name equals or looks like. `None` if it cannot be pinned: it is not known, or is
    /// what interfaces call the local user.
    pub fn rivals(&self, user: &UserId) -> Option<BTreeSet<UserId>> {
        self.pins.rivals(self.called(user)?, user)
    }

    /// Takes the pinned name away from a user, who is called as their roster says from then on.
    pub fn release_name(&mut self, user: &UserId) {
        self.unpin(user);
        let name = self.roster(user).and_then(|roster| roster.name());
        self.rename(*user, name);
    }

    /// Remembers that another own session has pinned a user's name, which cannot be pinned to them here now.
    pub fn remember_claim(&mut self, user: UserId, by: SessionId) {
        self.claimants.insert(user, by);
    }

    /// Forgets that another own session has pinned a user's name.
    pub fn drop_claim(&mut self, user: &UserId) {
        self.claimants.remove(user);
    }

    /// The users whose names other own sessions have pinned and this one has not, and one session each.
    pub fn claims(&self) -> Vec<(UserId, SessionId)> {
        self.claimants.iter().map(|(user, by)| (*user, *by)).collect()
    }

    pub(super) fn unpin(&mut self, user: &UserId) {
        let Some(user) = self.known.get_mut(user) else { return };
        if let (Some(_), Some(called)) = (user.pinned.take(), &user.called) {
            self.pins.unpin(called);
        }
    }
}
