//! Signing and verification of records. A [`Checked`] record has a valid signature; only this module can construct one. A
//! [`Kept`] record is the same in a compact form.

use std::marker::PhantomData;
use std::ops::Deref;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::name::Name;
use super::sign::{Domain, Scheme, SecretKey, verify};
use crate::id::NetworkId;
use crate::wire::record::{Declaration, KeyCard, LinkList, MAX_RECORD, MAX_SMALL_RECORD, Roster, Signed};
use crate::wire::{Bytes, Fixed, Malformed, decode, encode};

/// Why a record was refused. A refused record has no effect, and counts against the connection that delivered it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The payload exceeds [`Record::MAX`]. Holds its length in bytes.
    #[error("record of {0} bytes is over its cap")]
    TooLong(usize),
    /// The signature is not by the expected key, or for another network.
    #[error("the signature does not hold in this network")]
    BadSignature,
    /// The payload is not a record of this type.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The payload violates a rule that the grammar cannot express ([`Record::is_sound`]).
    #[error("the record contradicts itself")]
    Unsound,
}

/// A record that can be signed.
pub trait Record: Serialize + DeserializeOwned {
    /// The domain of the signature.
    const DOMAIN: Domain;
    /// The longest payload in bytes.
    const MAX: usize;

    /// The public key that must have signed the record.
    fn signer(&self) -> [u8; 32];

    /// Whether the record satisfies the rules that the grammar cannot express.
    fn is_sound(&self) -> bool;
}

/// A record with a valid signature, and the bytes that were signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked<T> {
    value: T,
    signed: Signed,
}

/// The scheme and network for which signatures are verified.
#[derive(Debug, Clone, Copy)]
pub struct Verifier {
    /// The signature scheme.
    pub scheme: Scheme,
    /// The network that signatures must be for.
    pub network: NetworkId,
}

impl<T: Record> Checked<T> {
    /// Signs a record.
    pub fn sign(value: T, key: &SecretKey, network: &NetworkId) -> Checked<T> {
        let payload = encode(&value);
        let signature = key.sign(T::DOMAIN, network, &[&payload]);
        Checked { value, signed: Signed(Bytes(payload), Fixed(signature)) }
    }

    /// Decodes and verifies a record from an untrusted source.
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

    /// Decodes a record from the store without verification. Only verified records are stored.
    pub fn from_store(signed: &Signed) -> Result<Checked<T>, Malformed> {
        Ok(Checked { value: decode(&signed.0)?, signed: signed.clone() })
    }

    /// The signed bytes, to be passed on.
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

/// A [`Checked`] record in one compact allocation. A node may hold records of a hundred thousand users and reads each of them
/// rarely, so a record is decoded again on each access.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept<T> {
    /// The signature, followed by the payload.
    bytes: Box<[u8]>,
    of: PhantomData<T>,
}

impl<T: Record> Kept<T> {
    /// Decodes the record together with its signed bytes.
    pub fn read(&self) -> Checked<T> {
        Checked { value: self.value(), signed: self.signed() }
    }

    /// Decodes the record.
    pub fn value(&self) -> T {
        decode(self.parts().1).expect("a Kept record is made from a decoded one")
    }

    /// The signed bytes, to be passed on.
    pub fn signed(&self) -> Signed {
        let (signature, payload) = self.parts();
        Signed(Bytes(payload.to_vec()), Fixed(*signature))
    }

    fn parts(&self) -> (&[u8; 64], &[u8]) {
        self.bytes.split_first_chunk().expect("a Kept record begins with its signature")
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
        !self.name.is_empty() && !self.sessions.is_empty()
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
    /// The user's name, if what the roster holds is one as it stands. A reader whose tables of Unicode are older than the
    /// writer's may not know a letter; it shows the user by id.
    pub fn name(&self) -> Option<Name> {
        Name::parse(&self.name).ok().filter(|name| name.as_str() == &*self.name)
    }

    /// Whether it lists a session that an older roster has revoked. Who signed it did not know that one.
    pub fn readmits(&self, older: &Roster) -> bool {
        older.revoked.iter().any(|session| self.admits(session))
    }

    /// Whether a session may act for this user: it is listed and not revoked.
    pub fn admits(&self, session: &crate::id::SessionId) -> bool {
        self.sessions.iter().any(|entry| entry.id == *session) && !self.revoked.contains(session)
    }
}
