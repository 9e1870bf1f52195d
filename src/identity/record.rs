//! Signed records: made here, checked here. A [`Checked`] value is one whose signature held; nothing else in the
//! program makes one. A [`Kept`] one is the same, remembered.

use std::marker::PhantomData;
use std::ops::Deref;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::name::Name;
use super::sign::{Domain, Scheme, SecretKey, verify};
use crate::id::NetworkId;
use crate::wire::record::{Declaration, KeyCard, LinkList, MAX_RECORD, MAX_SMALL_RECORD, Roster, Signed};
use crate::wire::{Bytes, Fixed, Malformed, decode, encode};

/// Why a record is worth nothing. It is dropped and counted against whoever brought it; nothing was changed by it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("record of {0} bytes is over its cap")]
    TooLong(usize),
    #[error("the signature does not hold in this network")]
    BadSignature,
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error("the record contradicts itself")]
    Unsound,
}

/// What can be signed and travel.
pub trait Record: Serialize + DeserializeOwned {
    const DOMAIN: Domain;
    const MAX: usize;

    /// The key that must have signed it.
    fn signer(&self) -> [u8; 32];

    /// What the grammar cannot say.
    fn is_sound(&self) -> bool;
}

/// A record whose signature held, with the bytes that were signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked<T> {
    value: T,
    signed: Signed,
}

/// What is needed to check a record: the network it must be of.
#[derive(Debug, Clone, Copy)]
pub struct Verifier {
    pub scheme: Scheme,
    pub network: NetworkId,
}

impl<T: Record> Checked<T> {
    /// Signs a record of one's own.
    pub fn sign(value: T, key: &SecretKey, network: &NetworkId) -> Checked<T> {
        let payload = encode(&value);
        let signature = key.sign(T::DOMAIN, network, &[&payload]);
        Checked { value, signed: Signed(Bytes(payload), Fixed(signature)) }
    }

    /// Checks a record from anywhere.
    pub fn open(signed: &Signed, verifier: &Verifier) -> Result<Checked<T>, Refused> {
        let payload: &[u8] = &signed.0;
        if payload.len() > T::MAX {
            return Err(Refused::TooLong(payload.len()));
        }
        let value: T = decode(payload)?;
        let holds = verify(verifier.scheme, &value.signer(), T::DOMAIN, &verifier.network, &[payload], &signed.1.0);
        if !holds {
            return Err(Refused::BadSignature);
        }
        if !value.is_sound() {
            return Err(Refused::Unsound);
        }
        Ok(Checked { value, signed: signed.clone() })
    }

    /// A record out of one's own store, which was checked before it went in.
    pub fn from_store(signed: &Signed) -> Result<Checked<T>, Malformed> {
        Ok(Checked { value: decode(&signed.0)?, signed: signed.clone() })
    }

    /// The bytes that were signed, to pass on.
    pub fn signed(&self) -> &Signed {
        &self.signed
    }
}

impl<T> Deref for Checked<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// A checked record as it is remembered: one piece of memory of its own length. What is in it is read again when it is
/// asked for; of a hundred thousand people that is seldom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept<T> {
    /// The signature, then what was signed.
    bytes: Box<[u8]>,
    of: PhantomData<T>,
}

impl<T: Record> Kept<T> {
    /// As it was before it was kept.
    pub fn read(&self) -> Checked<T> {
        Checked { value: self.value(), signed: self.signed() }
    }

    /// What it says.
    pub fn value(&self) -> T {
        decode(self.parts().1).expect("it was read before it was kept")
    }

    /// The bytes that were signed, to pass on.
    pub fn signed(&self) -> Signed {
        let (signature, payload) = self.parts();
        Signed(Bytes(payload.to_vec()), Fixed(*signature))
    }

    fn parts(&self) -> (&[u8; 64], &[u8]) {
        self.bytes.split_first_chunk().expect("it was made with a signature in front")
    }
}

impl<T> From<&Checked<T>> for Kept<T> {
    fn from(checked: &Checked<T>) -> Kept<T> {
        let Signed(payload, signature) = &checked.signed;
        Kept { bytes: [&signature.0, payload.as_slice()].concat().into(), of: PhantomData }
    }
}

impl Record for Roster {
    const DOMAIN: Domain = Domain::Roster;
    const MAX: usize = MAX_RECORD;

    fn signer(&self) -> [u8; 32] {
        self.user.0
    }

    fn is_sound(&self) -> bool {
        Name::parse(&self.name).is_ok_and(|name| name.as_str() == &*self.name) && !self.sessions.is_empty()
    }
}

impl Record for Declaration {
    const DOMAIN: Domain = Domain::Declaration;
    const MAX: usize = MAX_SMALL_RECORD;

    fn signer(&self) -> [u8; 32] {
        self.session.0
    }

    fn is_sound(&self) -> bool {
        true
    }
}

impl Record for KeyCard {
    const DOMAIN: Domain = Domain::KeyCard;
    const MAX: usize = MAX_SMALL_RECORD;

    fn signer(&self) -> [u8; 32] {
        self.session.0
    }

    fn is_sound(&self) -> bool {
        !self.prekeys.is_empty()
    }
}

impl Record for LinkList {
    const DOMAIN: Domain = Domain::LinkList;
    const MAX: usize = MAX_RECORD;

    fn signer(&self) -> [u8; 32] {
        self.session.0
    }

    fn is_sound(&self) -> bool {
        self.pages > 0 && self.page < self.pages
    }
}

impl Roster {
    /// Whether a session speaks for this user.
    pub fn admits(&self, session: &crate::id::SessionId) -> bool {
        self.sessions.iter().any(|entry| entry.id == *session) && !self.revoked.contains(session)
    }
}
