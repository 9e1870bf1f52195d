//! Sealing: what an author writes becomes an envelope that only the addressee's sessions can open.
//!
//! One content key per envelope, wrapped by HPKE (RFC 9180, base mode, X25519, HKDF-SHA256, ChaCha20-Poly1305, one context
//! each) to one prekey of every session of the addressee, bound to network, address and lock. The plaintext is a
//! [`Bundle`] behind a `u32` length, padded with zeros to one of [`PADDED`].
//!
//! - HPKE's `info` is `"darknode/seal/1\0"`, network, address, lock, prekey id; its associated data is empty.
//! - The content key seals one plaintext in its life, so the nonce is zero; the associated data are network, address, lock.
//! - The author's session signs network, address, its user, and the bytes of the contents. A retry is sealed anew: another
//!   envelope with the same contents in it.
//!
//! Whoever seals takes from the random source, in this order: `r`, the content key, and for each prekey the 32 bytes
//! from which HPKE derives its ephemeral key. The test vectors rest on that; nobody else has to.

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

/// The encoded size of contents that always fits one envelope, whoever wrote it and to however many sessions: beside them
/// there is place for the longest roster and key card.
pub const ROOM: usize = MAX_PADDED
    - LENGTH
    - BUNDLE_OVERHEAD
    - (1 + SIGNED_OVERHEAD + LONGEST_ROSTER)
    - (1 + SIGNED_OVERHEAD + LONGEST_CARD);
const _: () = assert!(CONTENTS_OVERHEAD + CONTENT_OVERHEAD + MAX_BODY <= ROOM);

/// The lengths that a plaintext is padded to.
pub const PADDED: [usize; 5] = [256, 512, 1024, 4096, MAX_PADDED];

/// Bytes of a bundle beside contents, roster and key card: a map, `r`, two ids, the head of the contents, and the signature.
const BUNDLE_OVERHEAD: usize = 1 + 3 * 35 + 4 + 67;

/// Bytes of a Poly1305 tag.
const TAG: usize = 16;

/// Bytes of the length in front of a bundle.
const LENGTH: usize = 4;

type PrivateKey = <X25519HkdfSha256 as Kem>::PrivateKey;
type PublicKey = <X25519HkdfSha256 as Kem>::PublicKey;
type EncappedKey = <X25519HkdfSha256 as Kem>::EncappedKey;

/// The private half of a prekey.
#[derive(Clone, PartialEq, Eq)]
pub struct PrekeySecret {
    pub id: [u8; 8],
    pub secret: [u8; 32],
    /// When it was made, by its owner's own time.
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
    pub fn generate(rng: &mut impl CryptoRng, made: Moment) -> PrekeySecret {
        PrekeySecret { id: random(rng), secret: random(rng), made }
    }

    /// The half that goes on a key card.
    pub fn public(&self) -> Prekey {
        let public = X25519HkdfSha256::sk_to_pk(&self.private());
        Prekey { id: Fixed(self.id), key: Fixed(public.to_bytes().into()) }
    }

    fn private(&self) -> PrivateKey {
        PrivateKey::from_bytes(&self.secret).expect("any 32 bytes are an X25519 private key")
    }
}

/// Who writes, and what a stranger needs to believe it.
pub struct Author<'a> {
    pub user: UserId,
    pub key: &'a SecretKey,
    pub network: &'a NetworkId,
    pub roster: Option<&'a Signed>,
    pub card: Option<&'a Signed>,
}

/// An envelope ready to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    pub id: EnvelopeId,
    /// What a release must fit.
    pub lock: [u8; 32],
    /// What fits it: the author may show it too.
    pub r: [u8; 32],
    /// Of a [`Envelope`].
    pub bytes: Vec<u8>,
}

/// What an opened envelope held. The author is claimed until [`Opened::is_by_author`] says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    pub id: EnvelopeId,
    pub address: Address,
    pub r: [u8; 32],
    pub user: UserId,
    pub session: SessionId,
    pub contents: Vec<Content>,
    pub roster: Option<Signed>,
    pub card: Option<Signed>,
    signed_bytes: Vec<u8>,
    signature: [u8; 64],
}

/// Why an envelope could not be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unopened {
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// With where the envelope goes.
    #[error("sealed to none of these prekeys")]
    NoKey(Address),
    #[error("the seal is broken")]
    Broken,
    #[error("the lock does not fit what is inside")]
    WrongLock,
    /// The author's fault: a carrier cannot see it.
    #[error("what is inside makes no sense: {0}")]
    Unsound(Malformed),
}

/// The id of an envelope's bytes.
pub fn envelope_id(bytes: &[u8]) -> EnvelopeId {
    EnvelopeId(Sha256::digest(bytes).into())
}

/// Seals contents to prekeys. `None` when they do not fit the largest padding (more than [`ROOM`]), and when none of the
/// prekeys can be sealed to: there are none, more than an envelope has room for, or only such as are no X25519 key. One
/// bad prekey among good ones is passed over: it must not keep the line from the addressee's other sessions.
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

/// The padded plaintext of these contents.
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
        .expect("21 KiB are far below what ChaCha20 can seal");
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
    // Fails where the shared secret is zero, so a key of small order is never sealed to.
    let (encapped, wrapped) = hpke::single_shot_seal_with_rng::<HpkeAead, HkdfSha256, X25519HkdfSha256>(
        &OpModeS::Base,
        &public,
        &info,
        key,
        b"",
        rng,
    )
    .ok()?;
    let wrapped = wrapped.try_into().expect("a key of 32 bytes and a tag of 16");
    Some(Wrap(prekey.id, Fixed(encapped.to_bytes().into()), Fixed(wrapped)))
}

/// Opens an envelope with whichever prekey `find` yields. The first wrap whose prekey is found decides: an envelope costs
/// one key agreement, however many wraps it claims.
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

/// The bundle in a plaintext whose padding is zero.
fn unpad(plaintext: &[u8]) -> Result<&[u8], Malformed> {
    let (length, rest) = plaintext.split_first_chunk::<LENGTH>().ok_or(Malformed::Truncated)?;
    let length = u32::from_be_bytes(*length) as usize;
    let (bundle, padding) = rest.split_at_checked(length).ok_or(Malformed::Truncated)?;
    if padding.iter().any(|byte| *byte != 0) {
        return Err(Malformed::TrailingBytes);
    }
    Ok(bundle)
}

/// Whether `r` fits the lock of an envelope.
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
    /// Whether the session it names signed these contents, as its user's, for this address in this network. Whether that
    /// session speaks for the user, the user's roster says.
    pub fn is_by_author(&self, verifier: &Verifier) -> bool {
        let parts: [&[u8]; 3] = [&self.address.0, &self.user.0, &self.signed_bytes];
        verify(verifier.scheme, &self.session.0, Domain::Bundle, &verifier.network, &parts, &self.signature)
    }
}
