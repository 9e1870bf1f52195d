//! The password-authenticated key exchange by which two sessions of one user are linked.
//!
//! It is SPAKE2 on Ed25519 as magic-wormhole uses it. The password is a spoken code or the secret of a token. The two
//! identities are `"darknode/link/1\0"`, the network, the TLS exporter of the connection and the session key of the respective
//! side. Whoever stands between the two with certificates of their own has two connections with different exporters, so the
//! keys differ even if the password is passed on.
//!
//! Two sessions that only reach the same relay have no TLS connection with each other. Their identities are
//! `"darknode/link-relayed/1\0"`, the network and the session key. The relay passes on what it cannot open or replace, because it
//! does not know the password.
//!
//! Each side proves that it has the same key with an HMAC-SHA256 under it (key confirmation). Until then nothing may be sent
//! that depends on the key. One payload in each direction is then encrypted with ChaCha20-Poly1305 under a key for that
//! direction, so the nonce is zero.

use chacha20poly1305::ChaCha20Poly1305;
use chacha20poly1305::aead::{Aead, KeyInit};
use hmac::{Hmac, Mac};
use rand_core::CryptoRng;
use sha2::Sha256;
use spake2::{Ed25519Group, Identity, Password, Spake2};
use zeroize::Zeroizing;

use crate::id::{NetworkId, SessionId};

/// The domain string of the identities on a connection, and of the derived keys.
const DOMAIN: &[u8] = b"darknode/link/1\0";
/// The domain string of the identities of an exchange through a relay.
const RELAYED_DOMAIN: &[u8] = b"darknode/link-relayed/1\0";

/// A side of the exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The session that holds the user key. It sends the first message.
    Holder,
    /// The session that is to be linked. It has shown the password.
    Newcomer,
}

impl Side {
    fn other(self) -> Side {
        match self {
            Side::Holder => Side::Newcomer,
            Side::Newcomer => Side::Holder,
        }
    }

    /// What SPAKE2 puts before the share of this side.
    fn mark(self) -> u8 {
        match self {
            Side::Holder => b'A',
            Side::Newcomer => b'B',
        }
    }
}

/// How the messages of an exchange get from one side to the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    /// On a connection of the two, with the bytes exported from TLS for linking, which only its two ends know.
    Direct([u8; 32]),
    /// Through a relay that both are connected with.
    Relayed,
}

/// What an exchange is bound to. Both sides must have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Binding {
    /// The network of both sessions.
    pub network: NetworkId,
    /// How the two reach each other.
    pub channel: Channel,
    /// The session of [`Side::Holder`], as its certificate says, or the relay.
    pub holder: SessionId,
    /// The session of [`Side::Newcomer`], likewise.
    pub newcomer: SessionId,
}

impl Binding {
    fn identity(&self, session: &SessionId) -> Identity {
        let (domain, exporter): (&[u8], &[u8]) = match &self.channel {
            Channel::Direct(exporter) => (DOMAIN, exporter),
            Channel::Relayed => (RELAYED_DOMAIN, &[]),
        };
        Identity::new(&[domain, &self.network.0, exporter, &session.0].concat())
    }
}

/// An exchange whose own share was sent.
pub struct Exchange {
    side: Side,
    state: Spake2<Ed25519Group>,
}

impl Exchange {
    /// Begins an exchange. Returns the share to send.
    pub fn start(password: &[u8], side: Side, binding: &Binding, rng: &mut impl CryptoRng) -> (Exchange, [u8; 32]) {
        let password = Password::new(password);
        let (holder, newcomer) = (binding.identity(&binding.holder), binding.identity(&binding.newcomer));
        let (state, message) = match side {
            Side::Holder => Spake2::start_a_with_rng(&password, &holder, &newcomer, rng),
            Side::Newcomer => Spake2::start_b_with_rng(&password, &holder, &newcomer, rng),
        };
        let share = *message.last_chunk().expect("a share is a point of 32 bytes behind one byte for the side");
        (Exchange { side, state }, share)
    }

    /// Derives the keys from the share of the other side; `None` if it is no point of the curve. The keys of both sides are
    /// equal only if their passwords and bindings were.
    pub fn finish(self, share: &[u8; 32]) -> Option<Keys> {
        let message = [&[self.side.other().mark()], &share[..]].concat();
        let key = Zeroizing::new(self.state.finish(&message).ok()?);
        Some(Keys { side: self.side, key })
    }
}

impl std::fmt::Debug for Exchange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exchange").field("side", &self.side).finish_non_exhaustive()
    }
}

/// The keys of a finished exchange, as one side has them.
pub struct Keys {
    side: Side,
    key: Zeroizing<Vec<u8>>,
}

impl Keys {
    /// The proof that this side has the key.
    pub fn confirmation(&self) -> [u8; 32] {
        self.hmac("confirm", self.side).finalize().into_bytes().into()
    }

    /// Whether this is the proof of the other side that it has the same key. Takes the same time for all proofs.
    pub fn confirms(&self, confirmation: &[u8; 32]) -> bool {
        self.hmac("confirm", self.side.other()).verify_slice(confirmation).is_ok()
    }

    /// Encrypts the one payload of this side.
    pub fn seal(self: &Keys, payload: &[u8]) -> Vec<u8> {
        self.cipher(self.side).encrypt(&[0; 12].into(), payload).expect("a payload is shorter than 256 GiB")
    }

    /// Decrypts the payload of the other side; `None` if it was not encrypted with the same key.
    pub fn open(&self, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        self.cipher(self.side.other()).decrypt(&[0; 12].into(), sealed).ok().map(Zeroizing::new)
    }

    fn cipher(&self, by: Side) -> ChaCha20Poly1305 {
        let key = self.hmac("seal", by).finalize().into_bytes();
        ChaCha20Poly1305::new(&key)
    }

    fn hmac(&self, purpose: &str, by: Side) -> Hmac<Sha256> {
        let mut mac =
            <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(&self.key).expect("HMAC takes keys of any length");
        mac.update(DOMAIN);
        mac.update(purpose.as_bytes());
        mac.update(&[0, by.mark()]);
        mac
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys").field("side", &self.side).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;

    const BINDING: Binding = Binding {
        network: NetworkId([1; 32]),
        channel: Channel::Direct([2; 32]),
        holder: SessionId([3; 32]),
        newcomer: SessionId([4; 32]),
    };

    /// The keys of both sides after an exchange in which each has this password and binding.
    fn exchange(holder: (&str, Binding), newcomer: (&str, Binding)) -> (Keys, Keys) {
        let mut rng = ChaCha20Rng::from_seed([7; 32]);
        let (a, share_a) = Exchange::start(holder.0.as_bytes(), Side::Holder, &holder.1, &mut rng);
        let (b, share_b) = Exchange::start(newcomer.0.as_bytes(), Side::Newcomer, &newcomer.1, &mut rng);
        (a.finish(&share_b).expect("a point"), b.finish(&share_a).expect("a point"))
    }

    #[test]
    fn with_the_same_code_both_sides_confirm_and_open_each_others_payload() {
        let (a, b) = exchange(("abandon zoo able", BINDING), ("abandon zoo able", BINDING));
        assert!(a.confirms(&b.confirmation()) && b.confirms(&a.confirmation()));
        assert_eq!(b.open(&a.seal(b"roster")).as_deref(), Some(&b"roster".to_vec()));
        assert_eq!(a.open(&b.seal(b"label")).as_deref(), Some(&b"label".to_vec()));
        assert!(a.open(&a.seal(b"roster")).is_none(), "each direction has a key of its own");
        assert!(!a.confirms(&a.confirmation()), "a confirmation that is sent back is worth nothing");
    }

    #[test]
    fn another_code_channel_network_or_session_confirms_nothing() {
        let other = |change: fn(&mut Binding)| {
            let mut binding = BINDING;
            change(&mut binding);
            binding
        };
        for (code, binding) in [
            ("abandon zoo about", BINDING),
            ("abandon zoo able", other(|binding| binding.channel = Channel::Direct([3; 32]))),
            ("abandon zoo able", other(|binding| binding.channel = Channel::Relayed)),
            ("abandon zoo able", other(|binding| binding.network.0[0] ^= 1)),
            ("abandon zoo able", other(|binding| binding.holder.0[0] ^= 1)),
            ("abandon zoo able", other(|binding| binding.newcomer.0[0] ^= 1)),
            ("abandon zoo able", other(|binding| std::mem::swap(&mut binding.holder, &mut binding.newcomer))),
        ] {
            let (a, b) = exchange(("abandon zoo able", BINDING), (code, binding));
            assert!(!a.confirms(&b.confirmation()) && !b.confirms(&a.confirmation()), "{code} {binding:?}");
            assert!(b.open(&a.seal(b"roster")).is_none());
        }
    }

    #[test]
    fn two_sides_of_one_role_do_not_agree() {
        let mut rng = ChaCha20Rng::from_seed([7; 32]);
        let (a, share_a) = Exchange::start(b"x", Side::Holder, &BINDING, &mut rng);
        let (b, share_b) = Exchange::start(b"x", Side::Holder, &BINDING, &mut rng);
        let (a, b) = (a.finish(&share_b).expect("a point"), b.finish(&share_a).expect("a point"));
        assert!(!a.confirms(&b.confirmation()));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn no_share_confirmation_or_payload_makes_it_panic(
            share in any::<[u8; 32]>(), confirmation in any::<[u8; 32]>(), sealed in any::<Vec<u8>>(),
        ) {
            let mut rng = ChaCha20Rng::from_seed([7; 32]);
            let (exchange, _) = Exchange::start(b"x", Side::Newcomer, &BINDING, &mut rng);
            if let Some(keys) = exchange.finish(&share) {
                prop_assert!(!keys.confirms(&confirmation));
                prop_assert!(keys.open(&sealed).is_none());
            }
        }
    }
}
