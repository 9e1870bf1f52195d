//! Sealing and opening of envelopes. Only the addressee's sessions can open an envelope.
//!
//! Each envelope has one content key. It is encrypted with HPKE (RFC 9180, base mode, X25519, HKDF-SHA256, ChaCha20-Poly1305,
//! one context each) to one prekey of every session of the addressee, and bound to network, address and lock. The plaintext is
//! a `u32` length and a [`Bundle`], padded with zeros to one of the lengths in [`PADDED`].
//!
//! - The `info` of HPKE is `"darknode/seal/1\0"`, network, address, lock and prekey id. Its associated data is empty.
//! - The content key encrypts one plaintext only, so the nonce is zero. The associated data is network, address and lock.
//! - The author's session signs network, address, its user, and the encoded contents. A retry is a new envelope with the same
//!   contents.
//!
//! Sealing takes from the random source, in this order: `r`, the content key, and for each prekey the 32 bytes from which HPKE
//! derives its ephemeral key. The test vectors depend on this order. Other implementations need not follow it.

use chacha20poly1305::ChaCha20Poly1305;
use chacha20poly1305::aead::{AeadInOut, KeyInit};
use hpke::aead::ChaCha20Poly1305 as HpkeAead;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable, Kem, OpModeR, OpModeS, Serializable};
use rand_core::CryptoRng;
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, Zeroizing};

use super::record::Verifier;
use super::sign::{Domain, SecretKey, verify};
use crate::id::{Address, EnvelopeId, NetworkId, SessionId, UserId};
use crate::time::Moment;
use crate::wire::content::{
    Bundle, CONTENT_OVERHEAD, CONTENTS_OVERHEAD, Content, Contents, MAX_BODY, MAX_BUNDLE, MAX_CONTENTS,
};
use crate::wire::envelope::{Envelope, MAX_PADDED, MAX_WRAPS, Wrap};
use crate::wire::record::{LONGEST_CARD, LONGEST_ROSTER, Prekey, SIGNED_OVERHEAD, Signed};
use crate::wire::{Bytes, Fixed, List, Malformed, decode, encode};

/// The largest encoded size of contents, in bytes, that fits one envelope together with the longest roster and key card. It
/// does not depend on the number of sessions of the addressee.
pub const CAPACITY: usize = MAX_PADDED
    - LENGTH
    - BUNDLE_OVERHEAD
    - (1 + SIGNED_OVERHEAD + LONGEST_ROSTER)
    - (1 + SIGNED_OVERHEAD + LONGEST_CARD);
const _: () = assert!(CONTENTS_OVERHEAD + CONTENT_OVERHEAD + MAX_BODY <= CAPACITY);

/// The lengths in bytes to which a plaintext is padded.
pub const PADDED: [usize; 5] = [256, 512, 1024, 4096, MAX_PADDED];

/// Bytes of a bundle without contents, roster and key card: a map, `r`, two ids, the head of the contents, and the signature.
const BUNDLE_OVERHEAD: usize = 1 + 3 * 35 + 4 + 67;

/// Bytes of a Poly1305 tag.
const TAG: usize = 16;

/// Bytes of the length before a bundle.
const LENGTH: usize = 4;

type PrivateKey = <X25519HkdfSha256 as Kem>::PrivateKey;
type PublicKey = <X25519HkdfSha256 as Kem>::PublicKey;
type EncappedKey = <X25519HkdfSha256 as Kem>::EncappedKey;

/// The private key of a prekey. It is zeroed when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct PrekeySecret {
    /// The random id that wraps refer to.
    pub id: [u8; 8],
    /// The X25519 private key.
    pub secret: [u8; 32],
    /// When it was made, in the time of the owner's node.
    pub made: Moment,
}

impl std::fmt::Debug for PrekeySecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PrekeySecret made at {:?}", self.made)
    }
}

impl Drop for PrekeySecret {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

impl PrekeySecret {
    /// Makes a prekey from a random source.
    pub fn generate(rng: &mut impl CryptoRng, made: Moment) -> PrekeySecret {
        PrekeySecret { id: random(rng), secret: random(rng), made }
    }

    /// The public key for the key card.
    pub fn public(&self) -> Prekey {
        let public = X25519HkdfSha256::sk_to_pk(&self.private());
        Prekey { id: Fixed(self.id), key: Fixed(public.to_bytes().into()) }
    }

    fn private(&self) -> PrivateKey {
        PrivateKey::from_bytes(&self.secret).expect("any 32 bytes are an X25519 private key")
    }
}

/// The author of an envelope, and the records by which an addressee can verify the authorship.
pub struct Author<'a> {
    /// The author.
    pub user: UserId,
    /// The key of the author's session, which signs the contents.
    pub key: &'a SecretKey,
    /// The network of the author and the addressee.
    pub network: &'a NetworkId,
    /// The author's roster, if the addressee may not have it.
    pub roster: Option<&'a Signed>,
    /// The key card of the author's session, if the addressee may not have it.
    pub card: Option<&'a Signed>,
}

/// A sealed envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The id of the envelope.
    pub id: EnvelopeId,
    /// The SHA-256 of `r`.
    pub lock: [u8; 32],
    /// The secret that releases the envelope. The author may release it too.
    pub r: [u8; 32],
    /// The encoded [`Envelope`].
    pub bytes: Vec<u8>,
}

/// The contents of an opened envelope. User and session are claims until [`Opened::is_by_author`] has verified them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// The id of the envelope.
    pub id: EnvelopeId,
    /// The addressee.
    pub address: Address,
    /// The secret that releases the envelope.
    pub r: [u8; 32],
    /// The claimed author.
    pub user: UserId,
    /// The claimed session of the author.
    pub session: SessionId,
    /// At most [`MAX_CONTENTS`], each within the limit of its kind.
    pub contents: Vec<Content>,
    /// The author's roster, not verified.
    pub roster: Option<Signed>,
    /// The key card of the author's session, not verified.
    pub card: Option<Signed>,
    signed_bytes: Vec<u8>,
    signature: [u8; 64],
}

/// Why an envelope could not be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unopened {
    /// The bytes are not an envelope. Carriers can detect this.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// No wrap is for a prekey that this session has. Holds the address of the envelope.
    #[error("sealed to none of these prekeys")]
    NoKey(Address),
    /// Decryption of the content key or the content failed.
    #[error("the seal is broken")]
    Broken,
    /// The lock is not the SHA-256 of `r`.
    #[error("the lock does not fit what is inside")]
    WrongLock,
    /// The plaintext is malformed. Only the author can cause this, and carriers cannot detect it.
    #[error("what is inside makes no sense: {0}")]
    Unsound(Malformed),
}

/// The id of an encoded envelope: its SHA-256.
pub fn envelope_id(bytes: &[u8]) -> EnvelopeId {
    EnvelopeId(Sha256::digest(bytes).into())
}

/// Seals contents to prekeys, one for each session of the addressee.
///
/// Returns `None` if a content or the encoded contents exceed their limits ([`CAPACITY`] bytes always fit), if there are more
/// than [`MAX_WRAPS`] prekeys, or if none of them is a valid X25519 key. An invalid prekey among valid ones is skipped, so that
/// it does not prevent delivery to the addressee's other sessions.
pub fn seal(
    rng: &mut impl CryptoRng,
    author: &Author<'_>,
    address: Address,
    prekeys: &[Prekey],
    contents: Vec<Content>,
) -> Option<Sealed> {
    if prekeys.len() > MAX_WRAPS {
        return None;
    }
    let r: [u8; 32] = random(rng);
    let key = Zeroizing::new(random::<32>(rng));
    let lock: [u8; 32] = Sha256::digest(r).into();
    let sealed = seal_body(&key, &binding(author.network, &address, &lock), bundle(author, address, r, contents)?);
    let wraps: Vec<Wrap> =
        prekeys.iter().filter_map(|prekey| wrap(rng, author.network, &address, &lock, prekey, &key)).collect();
    if wraps.is_empty() {
        return None;
    }
    let bytes = encode(&Envelope { address, lock: Fixed(lock), wraps: List(wraps), sealed: Bytes(sealed) });
    Some(Sealed { id: envelope_id(&bytes), lock, r, bytes })
}

/// The padded plaintext for these contents.
fn bundle(author: &Author<'_>, address: Address, r: [u8; 32], contents: Vec<Content>) -> Option<Vec<u8>> {
    if contents.len() > MAX_CONTENTS || !contents.iter().all(Content::fits) {
        return None;
    }
    let contents: Contents = List(contents);
    let contents = encode(&contents);
    if contents.len() > MAX_BUNDLE {
        return None;
    }
    let signature = author.key.sign(Domain::Bundle, author.network, &[&address.0, &author.user.0, &contents]);
    let bundle = encode(&Bundle {
        r: Fixed(r),
        user: author.user,
        session: SessionId(author.key.public()),
        contents: Bytes(contents),
        signature: Fixed(signature),
        roster: author.roster.cloned(),
        card: author.card.cloned(),
    });
    let padded = PADDED.into_iter().find(|padded| LENGTH + bundle.len() <= *padded)?;
    let mut plaintext = Vec::with_capacity(padded + TAG);
    plaintext.extend_from_slice(&(bundle.len() as u32).to_be_bytes());
    plaintext.extend_from_slice(&bundle);
    plaintext.resize(padded, 0);
    Some(plaintext)
}

fn seal_body(key: &[u8; 32], binding: &[u8], mut plaintext: Vec<u8>) -> Vec<u8> {
    ChaCha20Poly1305::new(key.into())
        .encrypt_in_place(&Default::default(), binding, &mut plaintext)
        .expect("21 KiB are far below the limit of ChaCha20-Poly1305");
    plaintext
}

fn wrap(
    rng: &mut impl CryptoRng,
    network: &NetworkId,
    address: &Address,
    lock: &[u8; 32],
    prekey: &Prekey,
    key: &[u8; 32],
) -> Option<Wrap> {
    let public = PublicKey::from_bytes(&prekey.key.0).ok()?;
    let info = info(network, address, lock, &prekey.id.0);
    // Fails if the shared secret is zero, so nothing is sealed to a key of small order.
    let (encapped, wrapped) = hpke::single_shot_seal_with_rng::<HpkeAead, HkdfSha256, X25519HkdfSha256>(
        &OpModeS::Base,
        &public,
        &info,
        key,
        b"",
        rng,
    )
    .ok()?;
    let wrapped = wrapped.try_into().expect("32 bytes of key and a tag of 16 bytes");
    Some(Wrap(prekey.id, Fixed(encapped.to_bytes().into()), Fixed(wrapped)))
}

/// Opens an envelope. `find` returns the prekey with an id.
///
/// Only the first wrap whose prekey is found is tried, so that an envelope costs one key agreement regardless of its number of
/// wraps. The signature is not verified here; see [`Opened::is_by_author`].
pub fn open<'k>(
    network: &NetworkId,
    bytes: &[u8],
    find: impl Fn(&[u8; 8]) -> Option<&'k PrekeySecret>,
) -> Result<Opened, Unopened> {
    let Envelope { address, lock, wraps, sealed } = decode(bytes)?;
    if !PADDED.iter().any(|padded| padded + TAG == sealed.len()) {
        return Err(Malformed::Shape(format!("sealed content of {} bytes", sealed.len())).into());
    }
    let held = |wrap: &Wrap| find(&wrap.0.0).map(|secret| (secret, wrap.clone()));
    let (secret, wrap) = wraps.iter().find_map(held).ok_or(Unopened::NoKey(address))?;
    let key = unwrap(network, &address, &lock.0, secret, &wrap).ok_or(Unopened::Broken)?;
    let mut plaintext = sealed.0;
    ChaCha20Poly1305::new((&*key).into())
        .decrypt_in_place(&Default::default(), &binding(network, &address, &lock.0), &mut plaintext)
        .map_err(|_| Unopened::Broken)?;
    let bundle: Bundle = unpad(&plaintext).and_then(decode).map_err(Unopened::Unsound)?;
    if !fits(&lock.0, &bundle.r.0) {
        return Err(Unopened::WrongLock);
    }
    let contents: Contents = decode(&bundle.contents).map_err(Unopened::Unsound)?;
    if !contents.iter().all(Content::fits) {
        return Err(Unopened::Unsound(Malformed::Shape("a text over its cap".to_owned())));
    }
    Ok(Opened {
        id: envelope_id(bytes),
        address,
        r: bundle.r.0,
        user: bundle.user,
        session: bundle.session,
        contents: contents.0,
        roster: bundle.roster,
        card: bundle.card,
        signed_bytes: bundle.contents.0,
        signature: bundle.signature.0,
    })
}

fn unwrap(
    network: &NetworkId,
    address: &Address,
    lock: &[u8; 32],
    secret: &PrekeySecret,
    wrap: &Wrap,
) -> Option<Zeroizing<[u8; 32]>> {
    let Wrap(id, encapped, wrapped) = wrap;
    let key = hpke::single_shot_open::<HpkeAead, HkdfSha256, X25519HkdfSha256>(
        &OpModeR::Base,
        &secret.private(),
        &EncappedKey::from_bytes(&encapped.0).ok()?,
        &info(network, address, lock, &id.0),
        &wrapped.0,
        b"",
    )
    .ok()
    .map(Zeroizing::new)?;
    key.first_chunk().copied().map(Zeroizing::new)
}

/// The encoded bundle in a plaintext. Fails if the padding is not zero.
fn unpad(plaintext: &[u8]) -> Result<&[u8], Malformed> {
    let (length, rest) = plaintext.split_first_chunk::<LENGTH>().ok_or(Malformed::Truncated)?;
    let length = u32::from_be_bytes(*length) as usize;
    let (bundle, padding) = rest.split_at_checked(length).ok_or(Malformed::Truncated)?;
    if padding.iter().any(|byte| *byte != 0) {
        return Err(Malformed::TrailingBytes);
    }
    Ok(bundle)
}

/// Whether `r` releases an envelope with this lock: whether the lock is its SHA-256.
pub fn fits(lock: &[u8; 32], r: &[u8; 32]) -> bool {
    *lock == <[u8; 32]>::from(Sha256::digest(r))
}

fn binding(network: &NetworkId, address: &Address, lock: &[u8; 32]) -> Vec<u8> {
    [network.0, address.0, *lock].concat()
}

fn info(network: &NetworkId, address: &Address, lock: &[u8; 32], prekey: &[u8; 8]) -> Vec<u8> {
    [b"darknode/seal/1\0", &network.0[..], &address.0, lock, prekey].concat()
}

fn random<const N: usize>(rng: &mut impl CryptoRng) -> [u8; N] {
    let mut bytes = [0; N];
    rng.fill_bytes(&mut bytes);
    bytes
}

impl Opened {
    /// Whether the claimed session signed these contents for the claimed user, this address and this network. The caller must
    /// also check that the user's roster [admits](crate::wire::record::Roster::admits) the session.
    pub fn is_by_author(&self, verifier: &Verifier) -> bool {
        let parts: [&[u8]; 3] = [&self.address.0, &self.user.0, &self.signed_bytes];
        verify(verifier.scheme, &self.session.0, Domain::Bundle, &verifier.network, &parts, &self.signature)
    }
}
