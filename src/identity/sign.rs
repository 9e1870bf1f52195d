//! Signing and verification. Every signature covers a domain string, which says what kind of value is signed, and the id of the
//! network. A signature is therefore not valid for another kind of value or in another network.

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};

use crate::id::NetworkId;

/// The signature scheme.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Ed25519 (RFC 8032). Nodes always use it.
    Ed25519,
    /// A hash over the public key and the message, which is not secure. Simulations of thousands of nodes use it to save time.
    Cheap,
}

/// The kind of value that is signed. A signature for one domain is not valid for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Domain {
    /// A [`Roster`](crate::wire::record::Roster), signed by the user key.
    Roster,
    /// A [`Declaration`](crate::wire::record::Declaration), signed by the session key.
    Declaration,
    /// A [`KeyCard`](crate::wire::record::KeyCard), signed by the session key.
    KeyCard,
    /// A [`LinkList`](crate::wire::record::LinkList), signed by the session key.
    LinkList,
    /// The contents of a [`Bundle`](crate::wire::content::Bundle), signed by the session key.
    Bundle,
    /// A [`RequestPing`](crate::wire::control::RequestPing), signed by the asker's session key.
    RequestPing,
}

impl Domain {
    /// The domain string that precedes the signed bytes, with its terminating zero byte.
    pub fn tag(self) -> &'static [u8] {
        match self {
            Domain::Roster => b"darknode/roster/1\0",
            Domain::Declaration => b"darknode/declaration/1\0",
            Domain::KeyCard => b"darknode/key-card/1\0",
            Domain::LinkList => b"darknode/link-list/1\0",
            Domain::Bundle => b"darknode/bundle/1\0",
            Domain::RequestPing => b"darknode/request-ping/1\0",
        }
    }
}

/// The private key of a user or a session.
#[derive(Clone)]
pub struct SecretKey {
    scheme: Scheme,
    key: SigningKey,
    public: [u8; 32],
}

impl SecretKey {
    /// Derives a key from a seed.
    pub fn from_seed(scheme: Scheme, seed: &[u8; 32]) -> SecretKey {
        let key = SigningKey::from_bytes(seed);
        let public = match scheme {
            Scheme::Ed25519 => key.verifying_key().to_bytes(),
            Scheme::Cheap => Sha256::digest(seed).into(),
        };
        SecretKey { scheme, key, public }
    }

    /// The seed of the key.
    pub fn seed(&self) -> [u8; 32] {
        self.key.to_bytes()
    }

    /// The public key: the bytes of a [`UserId`](crate::id::UserId) or a [`SessionId`](crate::id::SessionId).
    pub fn public(&self) -> [u8; 32] {
        self.public
    }

    /// The signature scheme of the key.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Signs the concatenation of `parts` for a domain and a network.
    pub fn sign(&self, domain: Domain, network: &NetworkId, parts: &[&[u8]]) -> [u8; 64] {
        let message = message(domain, network, parts);
        match self.scheme {
            Scheme::Ed25519 => self.key.sign(&message).to_bytes(),
            Scheme::Cheap => cheap(&self.public, &message),
        }
    }
}

/// Whether `signature` was made by `public` over the concatenation of `parts` for this domain and network.
///
/// Ed25519 verification is strict: small-order keys and malleable signatures are refused, so that all nodes agree about each
/// signature.
pub fn verify(
    scheme: Scheme,
    public: &[u8; 32],
    domain: Domain,
    network: &NetworkId,
    parts: &[&[u8]],
    signature: &[u8; 64],
) -> bool {
    let message = message(domain, network, parts);
    match scheme {
        Scheme::Ed25519 => VerifyingKey::from_bytes(public)
            .is_ok_and(|key| key.verify_strict(&message, &Signature::from_bytes(signature)).is_ok()),
        Scheme::Cheap => cheap(public, &message) == *signature,
    }
}

fn message(domain: Domain, network: &NetworkId, parts: &[&[u8]]) -> Vec<u8> {
    let mut message = Vec::with_capacity(64 + parts.iter().map(|part| part.len()).sum::<usize>());
    message.extend_from_slice(domain.tag());
    message.extend_from_slice(&network.0);
    parts.iter().for_each(|part| message.extend_from_slice(part));
    message
}

fn cheap(public: &[u8; 32], message: &[u8]) -> [u8; 64] {
    let half: [u8; 32] = Sha256::new().chain_update(public).chain_update(message).finalize().into();
    let mut signature = [0; 64];
    signature[..32].copy_from_slice(&half);
    signature
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_valid_only_for_its_domain_network_bytes_and_key() {
        for scheme in [Scheme::Ed25519, Scheme::Cheap] {
            let key = SecretKey::from_seed(scheme, &[1; 32]);
            let other = SecretKey::from_seed(scheme, &[2; 32]);
            let network = NetworkId([9; 32]);
            let signature = key.sign(Domain::Roster, &network, &[b"ab"]);
            let holds = |public: &[u8; 32], domain, network: &NetworkId, bytes: &[u8]| {
                verify(scheme, public, domain, network, &[bytes], &signature)
            };
            assert!(holds(&key.public(), Domain::Roster, &network, b"ab"));
            assert!(!holds(&other.public(), Domain::Roster, &network, b"ab"));
            assert!(!holds(&key.public(), Domain::KeyCard, &network, b"ab"));
            assert!(!holds(&key.public(), Domain::Roster, &NetworkId::OPEN, b"ab"));
            assert!(!holds(&key.public(), Domain::Roster, &network, b"abc"));
        }
    }

    #[test]
    fn a_signature_by_a_small_order_key_is_refused() {
        let zero = [0u8; 32];
        assert!(!verify(Scheme::Ed25519, &zero, Domain::Roster, &NetworkId::OPEN, &[b"x"], &[0; 64]));
    }
}
