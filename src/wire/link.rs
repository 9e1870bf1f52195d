//! The steps by which a session of a user is linked, over a connection or through a relay, and the payloads that are sealed in
//! them.

use super::codec::{Bytes, Fixed, List, Text, record};
use super::record::{MAX_LABEL, Signed};
use crate::id::SessionId;

/// The name of the throw-away user of a session that waits to be linked.
pub const WAITING_NAME: &str = "new-session";
/// The longest sealed payload in bytes. A [`Welcome`] with all its records at their longest fits.
pub const MAX_LINK_PAYLOAD: usize = 16 * 1024;
/// Pages of a link list in a [`Welcome`]: the 128 first links. The others come like all news between sessions of one user.
pub const MAX_WELCOME_PAGES: usize = 2;

record! {
    /// A step of linking, between a session that holds a user key and one that waits to be linked.
    pub struct LinkSession {
        /// One of the values of [`link_step`]. Others are ignored.
        0 => step: u8,
        /// In `BY_CODE`, `BY_TOKEN` and `ANSWER`: the share of the key exchange.
        1 => share: Option<Fixed<32>>,
        /// In `CONFIRM` and `ACCEPT`: the proof that the sender has the key.
        2 => confirmation: Option<Fixed<32>>,
        /// In `ACCEPT` a [`Newcomer`], in `WELCOME` a [`Welcome`], encrypted.
        3 => sealed: Option<Bytes<MAX_LINK_PAYLOAD>>,
        /// In `REFUSE`: one of the values of [`refusal`].
        4 => reason: Option<u8>,
    }
}

/// Values of [`LinkSession::step`], in the order in which they are sent.
pub mod link_step {
    /// The holder of the user key begins, with the code as the password.
    pub const BY_CODE: u8 = 1;
    /// The same, with the secret of the token.
    pub const BY_TOKEN: u8 = 2;
    /// The waiting session answers.
    pub const ANSWER: u8 = 3;
    /// The holder proves that it has the key.
    pub const CONFIRM: u8 = 4;
    /// The waiting session has checked it and proves the same.
    pub const ACCEPT: u8 = 5;
    /// The holder has signed the new roster.
    pub const WELCOME: u8 = 6;
    /// The waiting session ends the exchange, or the relay that was to pass a step on does not.
    pub const REFUSE: u8 = 7;
}

/// Values of [`LinkSession::reason`]; others mean that there is another reason.
pub mod refusal {
    /// The proof does not hold: the code is wrong.
    pub const WRONG: u8 = 1;
    /// No code is valid at present: it has expired or was used.
    pub const EXPIRED: u8 = 2;
    /// Too many exchanges lately.
    pub const BUSY: u8 = 3;
    /// Said by a relay: no session of this id is connected with it and waits to be linked.
    pub const ABSENT: u8 = 4;
}

impl LinkSession {
    /// A step with nothing in it.
    pub fn empty(step: u8) -> LinkSession {
        LinkSession { step, share: None, confirmation: None, sealed: None, reason: None }
    }
}

record! {
    /// A step of linking between two sessions that are connected with the same relay, and not with each other.
    pub struct RelayedStep {
        /// The session at the other end: to the relay, the one that the step is for; from the relay, the one that it is by.
        0 => session: SessionId,
        /// Whether the relay sends it.
        1 => passed_on: bool,
        /// The step.
        2 => step: LinkSession,
    }
}

record! {
    /// What the holder of the user key learns of the session that it links.
    pub struct Newcomer {
        /// The label that it would like to have: the name of its machine.
        0 => label: Text<MAX_LABEL>,
    }
}

record! {
    /// What a newly linked session starts with.
    pub struct Welcome {
        /// The [`Roster`](super::record::Roster) of the user, which lists it.
        0 => roster: Signed,
        /// The [`Declaration`](super::record::Declaration) of the session that has linked it.
        1 => declaration: Signed,
        /// The [`KeyCard`](super::record::KeyCard) of that session.
        2 => card: Signed,
        /// The first pages of its [`LinkList`](super::record::LinkList).
        3 => links: List<Signed, MAX_WELCOME_PAGES>,
    }
}
