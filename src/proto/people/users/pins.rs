//! Which key each pinned name belongs to, found without looking through all users, who may be namesakes by the thousand.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::id::UserId;
use crate::identity::Name;

/// What interfaces call the local user. A user who is called that, or something that looks like it, is always shown with
/// an id.
const RESERVED: &str = "you";

/// A name with the forms in which it is compared.
#[derive(Debug)]
pub struct DisplayName {
    pub name: Name,
    pub folded: Arc<str>,
    /// See [`Name::looks`]. Kept, because they are needed with every message of a user whose name is not pinned.
    pub looks: [Arc<str>; 2],
}

impl DisplayName {
    pub fn new(name: Name) -> DisplayName {
        DisplayName { folded: name.folded(), looks: name.looks(), name }
    }
}

/// The pinned names, by their folded form and by what they look like.
#[derive(Debug)]
pub struct Pins {
    by_name: BTreeMap<Arc<str>, UserId>,
    /// The user to whom each look belongs; `None` for the reserved name.
    by_look: BTreeMap<Arc<str>, Option<UserId>>,
}

impl Default for Pins {
    fn default() -> Pins {
        let reserved = Name::parse(RESERVED).expect("the reserved name is a name");
        Pins { by_name: BTreeMap::new(), by_look: reserved.looks().into_iter().map(|look| (look, None)).collect() }
    }
}

impl Pins {
    /// Pins a name to a user. Returns false if another user holds it or one that looks like it, or if it is reserved.
    pub fn pin(&mut self, called: &DisplayName, user: UserId) -> bool {
        if self.holder(&called.folded).is_some_and(|holder| holder != user) || self.resembles(called, &user).is_some() {
            return false;
        }
        self.by_name.insert(called.folded.clone(), user);
        self.by_look.extend(called.looks.iter().map(|look| (look.clone(), Some(user))));
        true
    }

    /// Releases a name that was pinned to a user.
    pub fn unpin(&mut self, called: &DisplayName) {
        self.by_name.remove(&called.folded);
        for look in &called.looks {
            self.by_look.remove(look);
        }
    }

    /// The user to whom a folded name is pinned.
    pub fn holder(&self, folded: &str) -> Option<UserId> {
        self.by_name.get(folded).copied()
    }

    /// Whose pinned name the name of a user equals or looks like: another user's, or `Some(None)` for the local user, whom
    /// interfaces call [`RESERVED`].
    pub fn resembles(&self, called: &DisplayName, user: &UserId) -> Option<Option<UserId>> {
        let holders = called.looks.iter().filter_map(|look| self.by_look.get(look));
        holders.copied().find(|holder| *holder != Some(*user))
    }

    /// The other users whose pinned names the name of a user equals or looks like. `None` if it is reserved.
    pub fn rivals(&self, called: &DisplayName, user: &UserId) -> Option<BTreeSet<UserId>> {
        let by_look = called.looks.iter().filter_map(|look| self.by_look.get(look).copied());
        let holders: Option<BTreeSet<UserId>> = by_look.chain(self.holder(&called.folded).map(Some)).collect();
        holders.map(|holders| holders.into_iter().filter(|holder| holder != user).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOB: UserId = UserId([2; 32]);
    const EVE: UserId = UserId([3; 32]);

    fn called(name: &str) -> DisplayName {
        DisplayName::new(Name::parse(name).expect("a name"))
    }

    fn pin(pins: &mut Pins, name: &str, user: UserId) -> bool {
        pins.pin(&called(name), user)
    }

    fn resembles(pins: &Pins, name: &str, user: UserId) -> Option<Option<UserId>> {
        pins.resembles(&called(name), &user)
    }

    #[test]
    fn a_name_that_looks_like_a_pinned_one_is_not_free() {
        let mut pins = Pins::default();
        assert!(pin(&mut pins, "bob", BOB));
        for name in ["bob", "BOB", "b\u{43e}b"] {
            assert!(!pin(&mut pins, name, EVE), "{name}");
            assert_eq!(resembles(&pins, name, EVE), Some(Some(BOB)), "{name}");
        }
        assert_eq!(resembles(&pins, "bob", BOB), None);
        assert!(pin(&mut pins, "eve", EVE));
    }

    #[test]
    fn a_released_name_is_free() {
        let mut pins = Pins::default();
        pin(&mut pins, "bob", BOB);
        pins.unpin(&called("bob"));
        assert!(pin(&mut pins, "b\u{43e}b", EVE));
    }

    #[test]
    fn nobody_holds_what_the_local_user_is_called() {
        let mut pins = Pins::default();
        for name in ["you", "You", "y\u{43e}u"] {
            assert!(!pin(&mut pins, name, EVE), "{name}");
            assert_eq!(resembles(&pins, name, EVE), Some(None), "{name}");
        }
        assert_eq!(pins.holder("you"), None);
    }
}
