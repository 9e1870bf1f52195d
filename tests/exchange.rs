//! Two sessions meet and a line is delivered: every byte that goes over their streams, as `docs/protocol.md` shows it in its
//! worked example. They are made here and written to `tests/vectors/exchange.txt`; `tests/page.rs` compares the page with
//! that file.

mod known;

use std::collections::BTreeMap;
use std::time::Duration;

use darknode::id::{BootId, ConnId, EnvelopeId, NetworkId};
use darknode::identity::network::{NetworkKey, Role};
use darknode::identity::seal::{Author, Sealed, open, seal};
use darknode::proto::event::{Connected, Input, Output};
use darknode::proto::notice::Notice;
use darknode::wire::chat::{Chat, Items, Parcel, Release};
use darknode::wire::content::{Content, LinkBody, Range, ReceiptBody, StreamRanges, kind};
use darknode::wire::control::{Batch, Control, Declare, Hello};
use darknode::wire::frame::{StreamType, encode_frame};
use darknode::wire::record::link_state;
use darknode::wire::{Bytes, Fixed, List, Text, decode, encode};
use hmac::{Hmac, KeyInit, Mac};
use known::{BOOT, Person, Vectors, addr, bob};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use sha2::digest::Digest;
use sha2::{Sha256, Sha384};

const LIFE: u64 = 1_209_600_000;

/// HKDF-Expand-Label of RFC 8446, section 7.1, for no more than one block.
fn expand_label<M: Mac + KeyInit>(secret: &[u8], label: &[u8], context: &[u8], length: usize) -> Vec<u8> {
    let label = [b"tls13 ", label].concat();
    let mut info = (length as u16).to_be_bytes().to_vec();
    for part in [&label[..], context] {
        info.push(part.len() as u8);
        info.extend_from_slice(part);
    }
    let mac = <M as KeyInit>::new_from_slice(secret).expect("a key of any length");
    mac.chain_update(info).chain_update([1]).finalize().into_bytes()[..length].to_vec()
}

/// What both ends of a connection export (RFC 8446, section 7.5), from the exporter's master secret.
fn export<M: Mac + KeyInit, D: Digest>(master: &[u8]) -> [u8; 32] {
    let empty = D::digest(b"");
    let secret = expand_label::<M>(master, b"EXPORTER-darknode", &empty, empty.len());
    expand_label::<M>(&secret, b"exporter", &empty, 32).try_into().expect("32 bytes were asked for")
}

fn exporter() -> [u8; 32] {
    export::<Hmac<Sha256>, Sha256>(&[0xa1; 32])
}

#[test]
fn the_exporter_is_what_the_secrets_of_tls_make_of_it() {
    let mut vectors = Vectors::default();
    vectors.note("From the exporter_master_secret of RFC 8446 to the exporter, by the hash of the cipher suite.");
    vectors.hex("master-sha256", &[0xa1; 32]);
    vectors.hex("exporter-sha256", &exporter());
    vectors.hex("master-sha384", &[0xa2; 48]);
    vectors.hex("exporter-sha384", &export::<Hmac<Sha384>, Sha384>(&[0xa2; 48]));
    vectors.settle("exporter.txt");
}

fn control(messages: Vec<Control>) -> Vec<u8> {
    encode_frame(StreamType::Control, &Batch { 0: messages }).expect("it is short")
}

fn chat(items: Vec<Chat>) -> Vec<u8> {
    encode_frame(StreamType::Chat, &List::<Chat, 64>(items)).expect("it is short")
}

fn proof(role: Role, boot: BootId) -> Vec<u8> {
    encode_frame(StreamType::Control, &NetworkKey::open().prove(&exporter(), role, boot)).expect("it is short")
}

fn hello(of: &Person, name: &str, observed: &str) -> Vec<u8> {
    control(vec![Control::Hello(Hello {
        declaration: of.declaration(true),
        roster: of.roster(name),
        card: Some(of.card()),
        observed: addr(observed),
        known_seq: None,
        agent: Text("example/1".to_owned()),
        features: None,
    })])
}

fn content(kind: u64, epoch: u64, n: u64, lamport: u64, body: Vec<u8>) -> Content {
    Content { kind, epoch, n, lamport, wall: 1_700_000_000_003, body: Bytes(body) }
}

fn link(epoch: u64, state: u8, lamport: u64) -> Content {
    content(kind::LINK, epoch, 1, lamport, encode(&LinkBody { state, lamport }))
}

fn receipt(of: &Person, epoch: u64, last: u64, lamport: u64) -> Content {
    let ranges = List(vec![Range(1, last)]);
    let stream = StreamRanges { author: of.session_id(), epoch, ranges, address: None };
    content(kind::RECEIPT, 0, 0, lamport, encode(&ReceiptBody { streams: List(vec![stream]) }))
}

/// Seals to one person's prekey, with roster and key card while the two are not linked.
fn sealed(from: &Person, name: Option<&str>, to: &Person, seed: u8, contents: Vec<Content>) -> Sealed {
    let (roster, card) = (name.map(|name| from.roster(name)), name.map(|_| from.card()));
    let (user, key, network) = (from.user_id(), &from.session, &NetworkId::OPEN);
    let author = Author { user, key, network, roster: roster.as_ref(), card: card.as_ref() };
    let mut rng = ChaCha20Rng::from_seed([seed; 32]);
    seal(&mut rng, &author, to.user_id().into(), &[to.prekey.public()], contents).expect("it is short")
}

fn parcel(sealed: &Sealed) -> Chat {
    Chat::Parcel(Parcel { envelope: Bytes(sealed.bytes.clone()), life_ms: LIFE, copies: 1 })
}

fn release(sealed: &Sealed) -> Chat {
    let envelope: EnvelopeId = sealed.id;
    Chat::Release(Release { envelope, r: Fixed(sealed.r) })
}

/// What each side writes, in the order in which it could be seen; a stream's first bytes begin with its type.
fn exchange() -> Vec<(&'static str, Vec<u8>)> {
    let (alice, bob) = (Person::alice(), Person::bob());
    let asks = sealed(&alice, Some("alice"), &bob, 1, vec![link(7, link_state::LINKED, 1)]);
    let accepts = vec![receipt(&alice, 7, 1, 2), link(9, link_state::AUTO, 2)];
    let accepts = sealed(&bob, Some("bob"), &alice, 2, accepts);
    let line = vec![receipt(&bob, 9, 1, 3), content(kind::TEXT, 7, 2, 3, b"hello, bob".to_vec())];
    let line = sealed(&alice, None, &bob, 3, line);
    let delivered = sealed(&bob, None, &alice, 4, vec![receipt(&alice, 7, 2, 4)]);
    let leaves = Control::DeclareOffline(Declare {
        declaration: alice.declaration(false),
        roster: None,
        card: None,
        age_ms: 0,
        hops: 1,
        flood: 5,
        told: List(vec![]),
    });
    vec![
        ("1-alice-control", [vec![1], proof(Role::Dialler, BOOT)].concat()),
        ("1-bob-control", [vec![1], proof(Role::Acceptor, bob::BOOT)].concat()),
        ("2-alice-control", hello(&alice, "alice", "198.51.100.2:27272")),
        ("2-bob-control", hello(&bob, "bob", "192.0.2.7:27272")),
        ("3-alice-chat", [vec![2], chat(vec![parcel(&asks)])].concat()),
        ("4-bob-chat", [vec![2], chat(vec![release(&asks), parcel(&accepts)])].concat()),
        ("5-alice-chat", chat(vec![release(&accepts), parcel(&line)])),
        ("6-bob-chat", chat(vec![release(&line), parcel(&delivered)])),
        ("7-alice-chat", chat(vec![release(&delivered)])),
        ("8-alice-control", control(vec![leaves])),
    ]
}

#[test]
fn the_exchange_is_as_in_the_files() {
    let mut vectors = Vectors::default();
    vectors.note(
        "Alice dials Bob in the open network, asks for a link, writes a line, and leaves. Keys as in records.txt;",
    );
    vectors.note("Bob's are made of 21, 22 and 23. The exporter is that of exporter.txt with SHA-256.");
    for (name, bytes) in exchange() {
        vectors.hex(name, &bytes);
    }
    vectors.settle("exchange.txt");
}

/// What the items that are put out say: which envelopes are released, and what is sealed to Alice.
fn answered(out: &[Output]) -> (Vec<Release>, Vec<Content>) {
    let (alice, mut releases, mut contents) = (Person::alice(), Vec::new(), Vec::new());
    for output in out {
        match output {
            Output::Chat { item: Chat::Release(release), .. } => releases.push(release.clone()),
            Output::Chat { item: Chat::Parcel(parcel), .. } => {
                let opened =
                    open(&NetworkId::OPEN, &parcel.envelope, |_| Some(&alice.prekey)).expect("sealed to alice");
                contents.extend(opened.contents);
            }
            _ => {}
        }
    }
    (releases, contents)
}

#[test]
fn the_program_takes_what_alice_writes_and_answers_in_kind() {
    let (mut program, conn, alice) = (bob::program(), ConnId(1), Person::alice());
    let bytes: BTreeMap<_, _> = exchange().into_iter().collect();
    let items = |name: &str, behind: usize| -> Items { decode(&bytes[name][behind + 4..]).expect("a chat frame") };
    let batch: Batch = decode(&bytes["2-alice-control"][4..]).expect("a control frame");
    let (session, addr, rtt) = (alice.session_id(), ([192, 0, 2, 7], 27272).into(), Duration::ZERO);
    bob::feed(
        &mut program,
        Input::Connected(Connected { conn, session, boot: BOOT, addr, exporter: [0; 32], dial: None, rtt }),
    );
    bob::feed(&mut program, Input::Control { conn, batch: batch.0 });
    let (releases, contents) =
        answered(&bob::feed(&mut program, Input::Chat { conn, items: items("3-alice-chat", 1).0 }));
    assert_eq!(releases.len(), 1);
    let said: BTreeMap<_, _> = contents.into_iter().map(|content| (content.kind, content.body.0)).collect();
    assert_eq!(said.keys().copied().collect::<Vec<_>>(), [kind::LINK, kind::RECEIPT]);
    assert_eq!(said[&kind::RECEIPT], receipt(&alice, 7, 1, 0).body.0);
    let out = bob::feed(&mut program, Input::Chat { conn, items: items("5-alice-chat", 0).0 });
    let shown = out.iter().find_map(|output| match output {
        Output::Notice { notice: Notice::Message(view), .. } => Some(view.text.clone()),
        _ => None,
    });
    assert_eq!((shown.as_deref(), answered(&out).0.len()), (Some("hello, bob"), 1));
}
