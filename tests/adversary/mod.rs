//! A peer that can send anything: with keys of its own, and records and envelopes signed or sealed with them, valid
//! or not.

// Each test program uses a different part of this module.
#![allow(dead_code)]

use std::net::SocketAddr;

use chacha20poly1305::ChaCha20Poly1305;
use chacha20poly1305::aead::{AeadInOut, KeyInit};
use darknode::id::{Address, BootId, BootNonce, NetworkId, SessionId, UserId};
use darknode::identity::record::{Checked, Record};
use darknode::identity::seal::{Author, PrekeySecret, Sealed, envelope_id, seal};
use darknode::identity::{Domain, Scheme, SecretKey};
use darknode::time::Moment;
use darknode::wire::addr::Addr;
use darknode::wire::chat::{Chat, Parcel};
use darknode::wire::content::{Bundle, Content, Contents, LinkBody, Range, ReceiptBody, StreamRanges, kind};
use darknode::wire::control::{Control, Declare, DeliverKnownList, Hello, KnownUser};
use darknode::wire::envelope::{Envelope, Wrap};
use darknode::wire::record::{
    Declaration, KeyCard, LinkEntry, LinkList, Prekey, Roster, RosterSession, Signed, link_state,
};
use darknode::wire::{Bytes, Fixed, List, Text, encode};
use hpke::aead::ChaCha20Poly1305 as HpkeAead;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable, Kem, OpModeS, Serializable};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use sha2::{Digest, Sha256};

pub const EPOCH: u64 = 0xe90c;

pub struct Person {
    pub name: String,
    pub user: SecretKey,
    pub session: SecretKey,
    pub prekey: PrekeySecret,
    pub network: NetworkId,
}

impl Person {
    pub fn new(number: u32, name: &str) -> Person {
        let key = |role: u8| {
            let seed: [u8; 32] = Sha256::digest([&number.to_be_bytes()[..], &[role]].concat()).into();
            SecretKey::from_seed(Scheme::Ed25519, &seed)
        };
        let prekey =
            PrekeySecret { id: number.to_be_bytes().repeat(2).try_into().unwrap(), secret: [7; 32], made: Moment(0) };
        Person { name: name.to_owned(), user: key(0), session: key(1), prekey, network: NetworkId::OPEN }
    }

    pub fn user_id(&self) -> UserId {
        UserId(self.user.public())
    }

    pub fn session_id(&self) -> SessionId {
        SessionId(self.session.public())
    }

    pub fn roster_of(&self, version: u64, sessions: &[SessionId], revoked: &[SessionId]) -> Signed {
        let sessions = sessions.iter().map(|id| RosterSession { id: *id, label: Text("x".to_owned()) }).collect();
        let (user, name) = (self.user_id(), Text(self.name.clone()));
        self.by_user(Roster { user, name, version, sessions: List(sessions), revoked: List(revoked.to_vec()) })
    }

    pub fn roster(&self) -> Signed {
        self.roster_of(1, &[self.session_id()], &[])
    }

    pub fn declaration(&self, seq: u64, online: bool, addrs: &[SocketAddr]) -> Signed {
        let addrs = List(addrs.iter().map(|addr| Addr(*addr)).collect());
        let (user, session) = (self.user_id(), self.session_id());
        self.by_session(Declaration { user, session, seq, online, addrs, roles: 0, boot_nonce: None })
    }

    /// The nonce of the only start of this person's session.
    fn boot_nonce(&self) -> BootNonce {
        self.prekey.id.repeat(2).try_into().expect("16 bytes")
    }

    pub fn boot(&self) -> BootId {
        BootId::of(&self.session_id(), &self.boot_nonce())
    }

    /// A declaration of being online that names the boot id.
    pub fn declaration_at_boot(&self, seq: u64) -> Signed {
        self.sign_boot(seq, true)
    }

    /// A declaration that names the boot id.
    pub fn sign_boot(&self, seq: u64, online: bool) -> Signed {
        let (user, session, boot_nonce) = (self.user_id(), self.session_id(), Some(Fixed(self.boot_nonce())));
        self.by_session(Declaration { user, session, seq, online, addrs: List(vec![]), roles: 0, boot_nonce })
    }

    pub fn card(&self, seq: u64) -> Signed {
        let prekeys = List(vec![self.prekey.public()]);
        self.by_session(KeyCard { user: self.user_id(), session: self.session_id(), seq, prekeys })
    }

    pub fn link_list(&self, about: UserId, state: u8, lamport: u64) -> Signed {
        let entries = List(vec![LinkEntry { user: about, state, lamport }]);
        let (user, session) = (self.user_id(), self.session_id());
        self.by_session(LinkList { user, session, version: lamport, page: 0, pages: 1, entries })
    }

    pub fn by_user<T: Record>(&self, record: T) -> Signed {
        Checked::sign(record, &self.user, &self.network).signed().clone()
    }

    pub fn by_session<T: Record>(&self, record: T) -> Signed {
        Checked::sign(record, &self.session, &self.network).signed().clone()
    }

    pub fn hello(&self) -> Hello {
        Hello {
            declaration: self.declaration(1, true, &[]),
            roster: self.roster(),
            card: Some(self.card(1)),
            observed: Addr(([127, 0, 0, 1], 1).into()),
            known_seq: None,
            agent: Text("mallory\u{1b}[2J".to_owned()),
            features: Some(u64::MAX),
        }
    }

    pub fn declare(&self, declaration: Signed) -> Control {
        let (roster, card, told) = (Some(self.roster()), None, List(Vec::new()));
        Control::DeclareOnline(Declare { declaration, roster, card, age_ms: 0, hops: 0, flood: 1, told })
    }

    /// Seals like a correct author.
    pub fn seal(&self, to: UserId, prekey: &Prekey, contents: Vec<Content>) -> Sealed {
        let (roster, card) = (self.roster(), self.card(1));
        let author = Author {
            user: self.user_id(),
            key: &self.session,
            network: &self.network,
            roster: Some(&roster),
            card: Some(&card),
        };
        let bytes = encode(&contents.iter().map(|content| content.n).collect::<Vec<_>>());
        let mut rng = ChaCha20Rng::from_seed(Sha256::digest(bytes).into());
        seal(&mut rng, &author, Address::from(to), std::slice::from_ref(prekey), contents).expect("it fits")
    }

    pub fn parcel(&self, to: UserId, prekey: &Prekey, contents: Vec<Content>) -> Chat {
        parcel(self.seal(to, prekey, contents).bytes)
    }

    /// A bundle signed by this person for an address.
    pub fn bundle(&self, to: UserId, contents: Vec<Content>) -> Bundle {
        let contents: Contents = List(contents);
        let contents = encode(&contents);
        let parts: [&[u8]; 3] = [&to.0, &self.user_id().0, &contents];
        let signature = self.session.sign(Domain::Bundle, &self.network, &parts);
        Bundle {
            r: Fixed([9; 32]),
            user: self.user_id(),
            session: self.session_id(),
            contents: Bytes(contents),
            signature: Fixed(signature),
            roster: Some(self.roster()),
            card: Some(self.card(1)),
        }
    }
}

/// Seals any bundle to any user, with a lock that fits or not.
pub fn seal_raw(network: &NetworkId, to: UserId, prekey: &Prekey, bundle: &Bundle, fits: bool) -> Vec<u8> {
    let r = if fits { bundle.r.0 } else { [3; 32] };
    seal_bytes(network, to, prekey, &encode(bundle), &r)
}

/// Seals whatever bytes under the lock that `r` fits.
pub fn seal_bytes(network: &NetworkId, to: UserId, prekey: &Prekey, bundle: &[u8], r: &[u8; 32]) -> Vec<u8> {
    let lock: [u8; 32] = Sha256::digest(r).into();
    let mut padded = [&(bundle.len() as u32).to_be_bytes(), bundle].concat();
    padded.resize([256, 512, 1024, 4096, 21504].into_iter().find(|step| *step >= padded.len()).unwrap(), 0);
    seal_padded(network, to, prekey, padded, lock)
}

/// Seals bytes that are padded, or are not.
pub fn seal_padded(network: &NetworkId, to: UserId, prekey: &Prekey, mut sealed: Vec<u8>, lock: [u8; 32]) -> Vec<u8> {
    let (key, binding) = ([5u8; 32], [network.0, to.0, lock].concat());
    ChaCha20Poly1305::new((&key).into()).encrypt_in_place(&Default::default(), &binding, &mut sealed).unwrap();
    let public = <X25519HkdfSha256 as Kem>::PublicKey::from_bytes(&prekey.key.0).unwrap();
    let info = [b"darknode/seal/1\0", &network.0[..], &to.0, &lock, &prekey.id.0].concat();
    let (encapped, wrapped) = hpke::single_shot_seal_with_rng::<HpkeAead, HkdfSha256, X25519HkdfSha256>(
        &OpModeS::Base,
        &public,
        &info,
        &key,
        b"",
        &mut ChaCha20Rng::from_seed([6; 32]),
    )
    .unwrap();
    let wrap = Wrap(prekey.id, Fixed(encapped.to_bytes().into()), Fixed(wrapped.try_into().unwrap()));
    encode(&Envelope { address: Address::from(to), lock: Fixed(lock), wraps: List(vec![wrap]), sealed: Bytes(sealed) })
}

pub fn parcel(envelope: Vec<u8>) -> Chat {
    Chat::Parcel(Parcel { envelope: Bytes(envelope), life_ms: 1, copies: 1 })
}

pub fn id_of(item: &Chat) -> darknode::id::EnvelopeId {
    match item {
        Chat::Parcel(parcel) => envelope_id(&parcel.envelope),
        other => panic!("{other:?} is not a parcel"),
    }
}

pub fn content(kind: u64, epoch: u64, n: u64, body: Vec<u8>) -> Content {
    Content { kind, epoch, n, lamport: n, wall: i64::MIN, body: Bytes(body) }
}

pub fn text(n: u64, text: &str) -> Content {
    content(kind::TEXT, EPOCH, n, text.as_bytes().to_vec())
}

pub fn link(n: u64, state: u8, lamport: u64) -> Content {
    content(kind::LINK, EPOCH, n, encode(&LinkBody { state, lamport }))
}

pub fn linked(n: u64) -> Content {
    link(n, link_state::LINKED, n)
}

/// A receipt for all numbers of a stream.
pub fn receipt(author: SessionId, epoch: u64) -> Content {
    receipt_of(author, epoch, None)
}

/// The same of a stream to somewhere else.
pub fn receipt_of(author: SessionId, epoch: u64, address: Option<Address>) -> Content {
    let ranges = List(vec![Range(0, u64::MAX)]);
    let body = ReceiptBody { streams: List(vec![StreamRanges { author, epoch, ranges, address }]) };
    content(kind::RECEIPT, 0, 0, encode(&body))
}

pub fn known_list(user: UserId, rosters: Option<Signed>, links: Vec<Signed>, cards: Vec<Signed>) -> Control {
    let declarations = List(Vec::new());
    let card_ages = List(vec![0; cards.len()]);
    let known = KnownUser { user, roster: rosters, links: List(links), cards: List(cards), declarations, card_ages };
    Control::DeliverKnownList(DeliverKnownList { id: 0, users: List(vec![known]), complete: true, more: false })
}
