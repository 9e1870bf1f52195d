//! What every implementation must refuse, beside what it must take: signatures, names and seals. Written to the vectors
//! beside `docs/protocol.md`, as `tests/vectors.rs` does. What the program answers to each seal is held against the page, too.

#[path = "adversary/mod.rs"]
mod adversary;
mod known;

use std::time::Duration;

use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT as B, EIGHT_TORSION};
use curve25519_dalek::{EdwardsPoint, Scalar};
use darknode::id::{BootId, ConnId, NetworkId};
use darknode::identity::record::Verifier;
use darknode::identity::seal::{PrekeySecret, Unopened, open};
use darknode::identity::sign::verify;
use darknode::identity::{Domain, Name, Scheme};
use darknode::proto::Core;
use darknode::proto::event::{CloseReason, Connected, Input, Output};
use darknode::wire::chat::{Chat, custody_state};
use darknode::wire::content::{Bundle, Content, Contents, kind};
use darknode::wire::control::{Control, Hello};
use darknode::wire::envelope::Envelope;
use darknode::wire::record::{Declaration, roles};
use darknode::wire::{Bytes, Fixed, List, decode, encode};
use known::{Person, Vectors, bob};
use sha2::{Digest, Sha256, Sha512};

/// The order of the group, lowest byte first.
const ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

/// A signature in the domain of rosters, in the open network.
struct Case {
    key: [u8; 32],
    payload: Vec<u8>,
    signature: [u8; 64],
}

impl Case {
    fn new(key: [u8; 32], payload: Vec<u8>, r: [u8; 32], s: [u8; 32]) -> Case {
        Case { key, payload, signature: [r, s].concat().try_into().expect("two halves") }
    }

    fn holds(&self) -> bool {
        let parts: [&[u8]; 1] = [&self.payload];
        verify(Scheme::Ed25519, &self.key, Domain::Roster, &NetworkId::OPEN, &parts, &self.signature)
    }
}

/// What Ed25519 multiplies the key by.
fn challenge(r: &[u8; 32], key: &[u8; 32], payload: &[u8]) -> Scalar {
    let signed = [&r[..], key, Domain::Roster.tag(), &NetworkId::OPEN.0, payload].concat();
    Scalar::from_bytes_mod_order_wide(&Sha512::digest(signed).into())
}

/// The first of many payloads for which the challenge leaves this remainder of 8.
fn payload_for(r: &[u8; 32], key: &[u8; 32], wanted: impl Fn(u8) -> bool) -> Vec<u8> {
    let all = (0..=255u8).map(|n| vec![n]);
    let fits = |payload: &Vec<u8>| wanted(challenge(r, key, payload).to_bytes()[0] % 8);
    all.into_iter().find(fits).expect("one in eight fits")
}

fn encoded(point: &EdwardsPoint) -> [u8; 32] {
    point.compress().to_bytes()
}

/// An encoding that is small but for its first and last byte.
fn ends(first: u8, middle: u8, last: u8) -> [u8; 32] {
    let mut bytes = [middle; 32];
    (bytes[0], bytes[31]) = (first, last);
    bytes
}

/// Keys of small order, as they are written and as they are not.
fn small_keys() -> Vec<(String, [u8; 32])> {
    let canonical = EIGHT_TORSION.iter().enumerate().map(|(n, point)| (format!("small-order-{n}"), encoded(point)));
    let others = [
        ("y-is-p", ends(0xed, 0xff, 0x7f)),
        ("y-is-p-signed", ends(0xed, 0xff, 0xff)),
        ("y-is-p-plus-1", ends(0xee, 0xff, 0x7f)),
        ("y-is-p-plus-1-signed", ends(0xee, 0xff, 0xff)),
        ("minus-zero", ends(1, 0, 0x80)),
        ("minus-zero-of-order-2", ends(0xec, 0xff, 0xff)),
    ];
    canonical.chain(others.map(|(name, key)| (name.to_owned(), key))).collect()
}

fn signatures() -> Vec<(String, Case)> {
    let (a, r) = (Scalar::from(0x1234_5678_9abc_def0u64), Scalar::from(0x0fed_cba9_8765_4321u64));
    let (key, big_r) = (encoded(&(B * a)), encoded(&(B * r)));
    let identity = encoded(&EIGHT_TORSION[0]);
    let mixed = encoded(&(B * a + EIGHT_TORSION[1]));
    let mut cases = Vec::new();
    let ordinary = Case::new(key, vec![1], big_r, (r + challenge(&big_r, &key, &[1]) * a).to_bytes());
    let mut over = ordinary.signature;
    let mut carry = 0u16;
    for (byte, of_order) in over[32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(of_order) + carry;
        (*byte, carry) = (sum as u8, sum >> 8);
    }
    cases.push(("refused-s-plus-order".to_owned(), Case { key, payload: vec![1], signature: over }));
    cases.push(("holds-ordinary".to_owned(), ordinary));
    for (name, key) in small_keys() {
        let payload = payload_for(&big_r, &key, |rest| rest == 0);
        cases.push((format!("refused-key-{name}"), Case::new(key, payload, big_r, r.to_bytes())));
    }
    for (name, r) in [("small-order-r", identity), ("r-y-is-p-plus-1", ends(0xee, 0xff, 0x7f))] {
        let s = challenge(&r, &key, &[1]) * a;
        cases.push((format!("refused-{name}"), Case::new(key, vec![1], r, s.to_bytes())));
    }
    for (name, wanted) in [("holds-mixed-order-key", 0), ("refused-only-times-eight", 1)] {
        let payload = payload_for(&big_r, &mixed, |rest| (rest != 0) == (wanted != 0));
        let s = r + challenge(&big_r, &mixed, &payload) * a;
        cases.push((name.to_owned(), Case::new(mixed, payload, big_r, s.to_bytes())));
    }
    cases.push(("refused-no-point".to_owned(), Case::new(ends(2, 0, 0), vec![1], big_r, r.to_bytes())));
    cases
}

#[test]
fn signatures_are_checked_strictly_and_without_the_cofactor() {
    let mut vectors = Vectors::default();
    vectors.note("Signatures in the domain of rosters, in the open network: key, payload, signature.");
    vectors.note("The names say which hold. Those that are refused pass at least one check that is not strict.");
    for (name, case) in signatures() {
        assert_eq!(case.holds(), name.starts_with("holds-"), "{name}");
        vectors.text(
            &name,
            [&case.key[..], &case.payload, &case.signature].map(|part| data_encoding::HEXLOWER.encode(part)).join(" "),
        );
    }
    vectors.settle("strict.txt");
}

const NAMES: [&str; 18] = [
    "alice",
    "Zoë",
    "Анна Каренина",
    "李小龍",
    "نور",
    "अमिताभ",
    "a.b-c_d",
    "D'Arcy",
    "John 5",
    "4th",
    "N.",
    "བསྒྲུབས",
    "ṩ\u{331}\u{332}\u{333}\u{346}",
    "Straße",
    "ΣΟΦΟΣ",
    "ﬁn",
    "Ａnn",
    "üüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüü",
];

/// Texts that are no names as they stand in a roster.
const NO_NAMES: [&str; 54] = [
    "",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "Zoe\u{308}",
    " a",
    "a ",
    "a  b",
    "a\u{a0}b",
    "a\u{3000}b",
    "a#b",
    "a:b",
    "a*b",
    "a>b",
    "a(b)",
    "a@b",
    "a/b",
    "a\\b",
    "a,b",
    "a’b",
    "🦊",
    "½a",
    "aⅧ",
    "a\u{e000}",
    "a\u{378}",
    "5",
    "...",
    ".a",
    "-a",
    "'a",
    "a\u{331}\u{331}\u{331}\u{331}\u{331}",
    "\\quit",
    "\u{301}a",
    "a\0b",
    "a\u{1b}b",
    "a\u{7f}b",
    "a\u{85}b",
    "a\u{ad}b",
    "a\u{34f}b",
    "a\u{61c}b",
    "a\u{600}b",
    "a\u{115f}b",
    "a\u{17b4}b",
    "a\u{180e}b",
    "a\u{200b}b",
    "a\u{200d}b",
    "a\u{202e}b",
    "a\u{2028}b",
    "a\u{2060}b",
    "a\u{2800}b",
    "a\u{3164}b",
    "a\u{fe0f}b",
    "a\u{feff}b",
    "a\u{1d173}b",
    "a\u{e0041}b",
    "a\u{e0100}b",
];

#[test]
fn names_are_taken_and_refused_as_in_the_files() {
    let mut vectors = Vectors::default();
    vectors.note("Names in UTF-8, in hex: as a roster may hold them, what they are compared by, and what is no name.");
    for (n, text) in NAMES.into_iter().enumerate() {
        let name = Name::parse(text).expect("a name");
        assert_eq!(name.as_str(), text, "it is in NFC");
        vectors.hex(&format!("name-{n}"), text.as_bytes());
        vectors.hex(&format!("folded-{n}"), name.folded().as_bytes());
    }
    for (n, text) in NO_NAMES.into_iter().enumerate() {
        assert!(Name::parse(text).ok().is_none_or(|name| name.as_str() != text), "{text:?}");
        vectors.hex(&format!("no-name-{n}"), text.as_bytes());
    }
    vectors.settle("names.txt");
}

/// Alice's bundle for Bob, sound but for what is changed.
fn bundle(change: impl Fn(&mut Bundle)) -> Bundle {
    let (alice, bob) = (Person::alice(), Person::bob());
    let text = Content { kind: kind::TEXT, epoch: 7, n: 1, lamport: 4, wall: 0, body: Bytes(b"hello, bob".to_vec()) };
    let contents: Contents = List(vec![text]);
    let contents = encode(&contents);
    let parts: [&[u8]; 3] = [&bob.user_id().0, &alice.user_id().0, &contents];
    let signature = alice.session.sign(Domain::Bundle, &NetworkId::OPEN, &parts);
    let mut bundle = Bundle {
        r: Fixed([9; 32]),
        user: alice.user_id(),
        session: alice.session_id(),
        contents: Bytes(contents),
        signature: Fixed(signature),
        roster: None,
        card: None,
    };
    change(&mut bundle);
    bundle
}

fn sealed(bundle: &[u8]) -> Vec<u8> {
    let bob = Person::bob();
    adversary::seal_bytes(&NetworkId::OPEN, bob.user_id(), &bob.prekey.public(), bundle, &[9; 32])
}

fn padded(step: usize, change: impl Fn(&mut Vec<u8>)) -> Vec<u8> {
    let (bob, bundle) = (Person::bob(), encode(&bundle(|_| ())));
    let mut padded = [&(bundle.len() as u32).to_be_bytes(), &bundle[..]].concat();
    padded.resize(step, 0);
    change(&mut padded);
    let lock = Sha256::digest([9; 32]).into();
    adversary::seal_padded(&NetworkId::OPEN, bob.user_id(), &bob.prekey.public(), padded, lock)
}

fn changed(change: impl Fn(&mut Envelope)) -> Vec<u8> {
    let mut envelope: Envelope = decode(&sealed(&encode(&bundle(|_| ())))).expect("an envelope");
    change(&mut envelope);
    encode(&envelope)
}

fn seals() -> Vec<(&'static str, Vec<u8>)> {
    let with = |change: fn(&mut Bundle)| sealed(&encode(&bundle(change)));
    let bob = Person::bob();
    let locked = |lock| {
        let prekey = bob.prekey.public();
        let bundle = encode(&bundle(|_| ()));
        adversary::seal_bytes(&NetworkId::OPEN, bob.user_id(), &prekey, &bundle, lock)
    };
    vec![
        ("opened", changed(|_| ())),
        ("opened-of-a-larger-step", padded(512, |_| ())),
        ("malformed-behind", [changed(|_| ()), vec![0]].concat()),
        ("malformed-step", changed(|envelope| envelope.sealed.0.truncate(271))),
        ("malformed-wrap-of-two", {
            let mut envelope = changed(|envelope| envelope.wraps.0.clear());
            envelope[0] += 1;
            let at = envelope.len() - (1 + 3 + 272);
            envelope.splice(at..at, [0x02, 0x81, 0x82, 0x41, 1, 0x41, 2]);
            envelope
        }),
        ("no-key-without-wraps", changed(|envelope| envelope.wraps.0.clear())),
        ("no-key-of-another", changed(|envelope| envelope.wraps.0[0].0 = Fixed([1; 8]))),
        ("broken-tag", changed(|envelope| envelope.sealed.0[271] ^= 1)),
        ("broken-body", changed(|envelope| envelope.sealed.0[0] ^= 1)),
        ("broken-wrap", changed(|envelope| envelope.wraps.0[0].2.0[47] ^= 1)),
        ("broken-small-order", changed(|envelope| envelope.wraps.0[0].1 = Fixed([0; 32]))),
        ("broken-lock", changed(|envelope| envelope.lock = Fixed([7; 32]))),
        ("broken-first-wrap-decides", {
            changed(|envelope| {
                let mut wrong = envelope.wraps[0].clone();
                wrong.2.0[0] ^= 1;
                envelope.wraps.0.insert(0, wrong);
            })
        }),
        ("wrong-lock", locked(&[8; 32])),
        ("unsound-padding", padded(256, |padded| padded[255] = 1)),
        ("unsound-length", padded(256, |padded| padded[..4].copy_from_slice(&253u32.to_be_bytes()))),
        ("unsound-bundle", sealed(&[0x80])),
        ("unsound-contents", with(|bundle| bundle.contents = Bytes(vec![0xa0]))),
        ("unsigned-other-user", with(|bundle| bundle.user = Person::bob().user_id())),
        ("unsigned-other-session", with(|bundle| bundle.session = Person::bob().session_id())),
        ("unsigned-other-contents", with(|bundle| *bundle.contents.0.last_mut().expect("a text") ^= 1)),
        ("unsigned-small-order", with(|bundle| bundle.session.0 = encoded(&EIGHT_TORSION[0]))),
    ]
}

fn outcome(prekey: &PrekeySecret, envelope: &[u8]) -> &'static str {
    let verifier = Verifier { scheme: Scheme::Ed25519, network: NetworkId::OPEN };
    match open(&NetworkId::OPEN, envelope, |id| (*id == prekey.id).then_some(prekey)) {
        Ok(opened) if opened.is_by_author(&verifier) => "opened",
        Ok(_) => "unsigned",
        Err(Unopened::Malformed(_)) => "malformed",
        Err(Unopened::NoKey(_)) => "no-key",
        Err(Unopened::Broken) => "broken",
        Err(Unopened::WrongLock) => "wrong-lock",
        Err(Unopened::Unsound(_)) => "unsound",
    }
}

#[test]
fn seals_come_to_what_their_names_say() {
    let mut vectors = Vectors::default();
    vectors.note("Envelopes to Bob, whose prekey is that of seal.txt. Each name begins with what opening comes to.");
    let bob = Person::bob();
    for (name, envelope) in seals() {
        let outcome = outcome(&bob.prekey, &envelope);
        assert!(name.starts_with(outcome), "{name} is {outcome}");
        vectors.hex(name, &envelope);
    }
    vectors.settle("seal-refused.txt");
}

/// A neighbour of Bob's, whom he has not linked, with these roles.
fn meet(program: &mut Core, roles: u32) -> ConnId {
    let (conn, giver) = (ConnId(1), adversary::Person::new(1, "giver"));
    let (user, session) = (giver.user_id(), giver.session_id());
    let declaration = giver.by_session(Declaration {
        user,
        session,
        seq: 1,
        online: true,
        addrs: List(vec![]),
        roles,
        boot_nonce: None,
    });
    let connected = Connected {
        conn,
        session,
        boot: BootId(9),
        addr: ([192, 0, 2, 1], 1000).into(),
        exporter: [0; 32],
        dial: None,
        rtt: Duration::ZERO,
    };
    bob::feed(program, Input::Connected(connected));
    let hello = Control::Hello(Hello { declaration, ..giver.hello() });
    bob::feed(program, Input::Control { conn, batch: vec![hello] });
    conn
}

/// What is said to whoever brings an envelope three times.
fn answers(roles: u32, envelope: &[u8]) -> (Vec<&'static str>, bool) {
    let mut program = bob::program();
    let conn = meet(&mut program, roles);
    let (mut said, mut closed) = (Vec::new(), false);
    for _ in 0..3 {
        for output in bob::feed(&mut program, Input::Chat { conn, items: vec![adversary::parcel(envelope.to_vec())] }) {
            match output {
                Output::Chat { item: Chat::Release(_), .. } => said.push("release"),
                Output::Chat { item: Chat::Unopenable(_), .. } => said.push("unopenable"),
                Output::Chat { item: Chat::Custody(custody), .. } if custody.state == custody_state::NO_CARRIER => {
                    said.push("no carrier");
                }
                Output::Chat { item, .. } => panic!("{item:?}"),
                Output::Close { reason, .. } => closed = reason == CloseReason::Protocol,
                _ => {}
            }
        }
    }
    (said, closed)
}

#[test]
fn each_outcome_is_answered_as_the_page_says() {
    for (name, envelope) in seals() {
        let (carrier, stranger) = (answers(roles::RELAY, &envelope), answers(0, &envelope));
        let nothing = |closed| (vec![], closed);
        let thrice = |what| (vec![what; 3], false);
        let expected = match outcome(&Person::bob().prekey, &envelope) {
            // Of an author of whom no roster is known.
            "opened" => (thrice("no carrier"), nothing(false)),
            "no-key" => (thrice("unopenable"), thrice("unopenable")),
            "malformed" => (nothing(true), nothing(true)),
            "broken" | "wrong-lock" | "unsound" => (thrice("no carrier"), nothing(true)),
            "unsigned" => (thrice("release"), nothing(true)),
            other => panic!("{other} is in no table"),
        };
        assert_eq!((carrier, stranger), expected, "{name}");
    }
}
