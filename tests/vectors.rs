//! The test vectors beside `docs/protocol.md`: made again here and compared with the files, byte for byte. Run with
//! `DARKNODE_WRITE_VECTORS=1` to write the files anew, after a change of the protocol that is meant.

mod known;

use chacha20poly1305::ChaCha20Poly1305;
use chacha20poly1305::aead::{AeadInOut, KeyInit};
use darknode::id::{Address, BootId, EnvelopeId, MessageId, NetworkId, StreamId};
use darknode::identity::network::{NetworkKey, Role};
use darknode::identity::pake::Channel;
use darknode::identity::seal::{Author, Sealed, open, seal};
use darknode::identity::{Domain, words};
use darknode::wire::chat::{Ask, Chat, Custody, Items, Offer, Parcel, Release, Unopenable, custody_state};
use darknode::wire::content::{Bundle, Content, Contents, LinkBody, Range, ReceiptBody, StreamRanges, kind};
use darknode::wire::control::{
    Batch, Control, Declare, DeliverKnownList, Digest, Explode, Exploded, Find, Hello, KnownDeclaration, KnownUser,
    NearbyDigest, NearbyNode, NearbyRecords, NearbyWant, Reached, RequestPing, RequestUserList, Sample, SessionSummary,
    SessionWant, ShortId, UserSummary, UserWant, Want,
};
use darknode::wire::envelope::Envelope;
use darknode::wire::frame::{StreamType, encode_frame};
use darknode::wire::record::link_state;
use darknode::wire::{Bytes, Fixed, List, Text, decode, encode};
use data_encoding::HEXLOWER;
use hmac::{Hmac, Mac};
use known::{BOOT, BOOT_NONCE, EXPORTER, Person, Vectors, addr, linking, sisters};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use sha2::{Digest as _, Sha256};

const SEAL_SEED: [u8; 32] = [0x5a; 32];

fn contents() -> Vec<Content> {
    let link = LinkBody { state: link_state::LINKED, lamport: 4 };
    let ranges = List(vec![Range(1, 4), Range(6, 6)]);
    let stream = StreamRanges { author: Person::bob().session_id(), epoch: 99, ranges, address: None };
    let receipt = ReceiptBody { streams: List(vec![stream]) };
    let content =
        |kind, n, body| Content { kind, epoch: 7, n, lamport: 4 + n, wall: 1_700_000_000_003, body: Bytes(body) };
    vec![
        content(kind::TEXT, 1, "hello, bob".into()),
        content(kind::LINK, 2, encode(&link)),
        content(kind::RECEIPT, 0, encode(&receipt)),
    ]
}

fn sealed() -> Sealed {
    let (alice, bob) = (Person::alice(), Person::bob());
    let author =
        Author { user: alice.user_id(), key: &alice.session, network: &NetworkId::OPEN, roster: None, card: None };
    let mut rng = ChaCha20Rng::from_seed(SEAL_SEED);
    seal(&mut rng, &author, bob.user_id().into(), &[bob.prekey.public()], contents()).expect("it is short")
}

#[test]
fn ids_and_words_are_as_in_the_files() {
    let mut vectors = Vectors::default();
    let alice = Person::alice();
    vectors.note("Keys: the seed of an Ed25519 key, its public half, and how people see it.");
    vectors.hex("user-seed", &alice.user.seed());
    vectors.hex("user", &alice.user.public());
    vectors.text("user-base32", alice.user_id());
    vectors.text("user-short", alice.user_id().short());
    vectors.text("fingerprint", words::fingerprint(&alice.user_id()));
    vectors.text("recovery", words::recovery(&alice.user.seed()));
    vectors.note("Message tokens: author, epoch, addressee, n.");
    let stream = StreamId { author: alice.session_id(), epoch: BOOT.0, to: Address([0x21; 32]) };
    vectors.hex("token-author", &stream.author.0);
    vectors.text("token-epoch", stream.epoch);
    vectors.hex("token-to", &stream.to.0);
    for n in [1, 255, 256, 1 << 40] {
        vectors.text(&format!("token-{n}"), MessageId { stream, n }.token());
    }
    vectors.note("A boot id: of which session, with which nonce.");
    vectors.hex("boot-session", &alice.session.public());
    vectors.hex("boot-nonce", &BOOT_NONCE);
    let boot = BootId::of(&alice.session_id(), &BOOT_NONCE);
    vectors.hex("boot", &boot.0.to_be_bytes());
    vectors.hex("boot-mark", &boot.mark().to_be_bytes());
    vectors.settle("ids.txt");
}

#[test]
fn proofs_are_as_in_the_files() {
    let mut vectors = Vectors::default();
    let closed = NetworkKey::generate(std::array::from_fn(|i| i as u8 + 1));
    vectors.hex("exporter", &EXPORTER);
    vectors.hex("boot", &BOOT.0.to_be_bytes());
    for (name, network) in [("open", NetworkKey::open()), ("closed", closed)] {
        vectors.note(&format!("The {name} network. Frames have their length in front."));
        for line in network.to_text().lines().filter(|line| network.is_closed() && !line.starts_with('#')) {
            vectors.text(&format!("{name}-file"), line);
        }
        vectors.hex(&format!("{name}-network"), &network.id().0);
        for (side, role) in [("dialler", Role::Dialler), ("acceptor", Role::Acceptor)] {
            let proof = network.prove(&EXPORTER, role, BOOT);
            assert!(network.holds(&EXPORTER, role, &proof));
            vectors.hex(&format!("{name}-{side}-mac"), &proof.macs[0].0);
            let frame = encode_frame(StreamType::Control, &proof).expect("it is short");
            vectors.hex(&format!("{name}-{side}-frame"), &frame);
        }
        vectors.hex(&format!("{name}-lan-tag"), &network.tag(BOOT));
    }
    vectors.settle("proof.txt");
}

#[test]
fn records_are_as_in_the_files() {
    let mut vectors = Vectors::default();
    let (alice, bob) = (Person::alice(), Person::bob());
    vectors.note("Alice's records in the open network: the payload, its signature, and both as they travel.");
    vectors.hex("user-seed", &alice.user.seed());
    vectors.hex("session-seed", &alice.session.seed());
    vectors.hex("prekey-secret", &alice.prekey.secret);
    vectors.hex("bob", &bob.user_id().0);
    let records = [
        ("roster", alice.roster("alice")),
        ("declaration", alice.declaration(true)),
        ("key-card", alice.card()),
        ("link-list", alice.links(bob.user_id())),
    ];
    for (name, signed) in records {
        vectors.hex(&format!("{name}-payload"), &signed.0);
        vectors.hex(&format!("{name}-signature"), &signed.1.0);
        vectors.hex(&format!("{name}-signed"), &encode(&signed));
    }
    vectors.settle("records.txt");
}

fn control_messages() -> Vec<(&'static str, Control)> {
    let (alice, bob) = (Person::alice(), Person::bob());
    let hello = Hello {
        declaration: alice.declaration(true),
        roster: alice.roster("alice"),
        card: Some(alice.card()),
        observed: addr("198.51.100.2:4711"),
        known_seq: Some(5),
        agent: Text("darknode/0.1.0".to_owned()),
        features: None,
    };
    let declare = |online| Declare {
        declaration: alice.declaration(online),
        roster: None,
        card: None,
        age_ms: 1500,
        hops: 1,
        flood: 0xdead_beef,
        told: List(vec![Fixed([1; 8]), Fixed([2; 8])]),
    };
    let ping = |hops, observed, signature| RequestPing {
        id: 1,
        target: bob.user_id(),
        declaration: alice.declaration(true),
        roster: None,
        hops,
        observed,
        signature,
    };
    let known = KnownUser {
        user: alice.user_id(),
        roster: Some(alice.roster("alice")),
        links: List(vec![alice.links(bob.user_id())]),
        cards: List(vec![alice.card()]),
        declarations: List(vec![KnownDeclaration {
            declaration: alice.declaration(true),
            age_ms: 60_000,
            observed: Some(addr("198.51.100.2:4711")),
            live: Some(true),
        }]),
        card_ages: List(vec![120_000]),
    };
    let list = DeliverKnownList { id: 2, users: List(vec![known.clone()]), complete: true, more: false };
    vec![
        ("hello", Control::Hello(hello)),
        ("declare-online", Control::DeclareOnline(declare(true))),
        ("declare-offline", Control::DeclareOffline(declare(false))),
        ("request-ping", Control::RequestPing(ping(1, None, None))),
        ("request-ping-passed-on", Control::RequestPing(ping(0, Some(addr("198.51.100.2:4711")), None))),
        ("request-ping-over-relays", Control::RequestPing(ping(16, None, Some(alice.asks(1, bob.user_id()))))),
        ("request-user-list", Control::RequestUserList(RequestUserList { id: 2, user: bob.user_id() })),
        ("deliver-known-list", Control::DeliverKnownList(list)),
        ("sample", Control::Sample(Sample { members: List(vec![known]), answer: true })),
    ]
    .into_iter()
    .chain(messages_of_the_horizon())
    .collect()
}

fn short(id: [u8; 32]) -> ShortId {
    Fixed(id[..8].try_into().expect("an id has 32 bytes"))
}

/// Questions, marks and floods.
fn messages_of_the_horizon() -> [(&'static str, Control); 6] {
    let (alice, bob) = (Person::alice(), Person::bob());
    let (user, session) = (short(bob.user_id().0), short(bob.session_id().0));
    let name = Some(Text("bob".to_owned()));
    let (seq, card, links) = (Some(1_700_000_000_001), Some(1_700_000_000_002), Some(3));
    let held = SessionSummary { session, seq, card, links, live: Some(true), distance: Some(3) };
    let marks =
        vec![UserSummary { user, version: Some(1_700_000_000_000), sessions: List(vec![held]), distance: Some(2) }];
    let lacked = SessionWant { session, declaration: true, card: true, links: false };
    let wants = vec![
        UserWant { user, roster: true, sessions: List(vec![lacked]) },
        UserWant { user: short(alice.user_id().0), roster: true, sessions: List(vec![]) },
    ];
    let flood = 0xdead_beef;
    let explode = Explode { flood, declaration: alice.declaration(true), roster: Some(alice.roster("alice")), hops: 1 };
    let reached = Reached(counted(flood, bob.user_id().0), counted(flood, bob.session_id().0));
    let by_name = Find { id: 3, name, user: None, hops: 16 };
    let by_id = Find { id: 4, name: None, user: Some(bob.user_id()), hops: 15 };
    [
        ("find-name", Control::Find(by_name)),
        ("find-user", Control::Find(by_id)),
        ("digest", Control::Digest(Digest { users: List(marks) })),
        ("want", Control::Want(Want { users: List(wants) })),
        ("explode", Control::Explode(explode)),
        ("exploded", Control::Exploded(Exploded { flood, reached: List(vec![reached]), messages: 5 })),
    ]
}

/// How two nodes on one link tell each other who else is there.
fn nearby_messages() -> [(&'static str, Control); 3] {
    let bob = Person::bob();
    let boot = BootId::of(&bob.session_id(), &BOOT_NONCE);
    let node = NearbyNode { roster: bob.roster("bob"), declaration: bob.declaration_at(BOOT_NONCE) };
    [
        ("nearby-digest", Control::NearbyDigest(NearbyDigest { marks: List(vec![boot.mark(), 7]) })),
        ("nearby-want", Control::NearbyWant(NearbyWant { boots: List(vec![boot.0]) })),
        ("nearby-records", Control::NearbyRecords(NearbyRecords { nodes: List(vec![node]) })),
    ]
}

/// How two sessions of one user find out what each of them lacks.
fn messages_of_sisters() -> [(&'static str, Control); 2] {
    [("compare", Control::Compare(sisters::compare())), ("holdings", Control::Holdings(sisters::holdings()))]
}

/// Somebody as an answer to a flood counts them.
fn counted(flood: u64, id: [u8; 32]) -> ShortId {
    short(Sha256::digest([&b"darknode/explode/1\0"[..], &flood.to_be_bytes(), &id].concat()).into())
}

/// The key of the exchange in `linking.txt`, which the program keeps to itself.
const LINK_KEY: &str = "79dbdea8283b5d858206f8f392c8c487cb88deb5f5eaccf65cb2637a4a78bef1";

#[test]
fn an_exchange_that_links_is_as_in_the_file() {
    let mut vectors = Vectors::default();
    let (holder, newcomer, linked) =
        (Person::alice().session_id(), Person::bob().session_id(), linking::exchange(Channel::Direct(EXPORTER)));
    vectors.note("What is shown: the code of 33 random bits, and a token with its session, secret and places.");
    vectors.text("code-bits", linking::CODE_BITS);
    vectors.text("code", linking::code());
    vectors.hex("token-secret", &linking::token().secret);
    vectors.text("token", linking::token());
    vectors.note("The exchange by that code, in the open network. Scalars are little-endian.");
    vectors.hex("exporter", &EXPORTER);
    vectors.hex("holder-session", &holder.0);
    vectors.hex("newcomer-session", &newcomer.0);
    for (side, who) in ["holder", "newcomer"].iter().enumerate() {
        vectors.hex(&format!("{who}-scalar"), &linked.scalars[side]);
        vectors.hex(&format!("{who}-share"), &linked.shares[side]);
    }
    vectors.text("key", LINK_KEY);
    let key = HEXLOWER.decode(LINK_KEY.as_bytes()).expect("it is hex");
    for (who, side, keys) in [("holder", "A", &linked.holder), ("newcomer", "B", &linked.newcomer)] {
        let mac = <Hmac<Sha256>>::new_from_slice(&key).expect("a key of any length");
        let made = mac.chain_update(format!("darknode/link/1\0confirm\0{side}")).finalize().into_bytes();
        assert_eq!(keys.confirmation()[..], made[..], "the key is another one");
        vectors.hex(&format!("{who}-confirmation"), &keys.confirmation());
    }
    let (label, welcome) = (encode(&linking::newcomer()), encode(&linking::welcome()));
    vectors.note("What each side seals. The messages are link-... in control.txt.");
    vectors.hex("newcomer", &label);
    vectors.hex("newcomer-sealed", &linked.newcomer.seal(&label));
    vectors.hex("welcome", &welcome);
    vectors.hex("welcome-sealed", &linked.holder.seal(&welcome));
    let relayed = linking::exchange(Channel::Relayed);
    assert_eq!(relayed.shares, linked.shares, "identities are not in the shares");
    vectors.note("The same through a relay, with the same shares.");
    vectors.hex("relayed-holder-confirmation", &relayed.holder.confirmation());
    vectors.hex("relayed-newcomer-confirmation", &relayed.newcomer.confirmation());
    vectors.hex("relayed-newcomer-sealed", &relayed.newcomer.seal(&label));
    vectors.settle("linking.txt");
}

#[test]
fn control_frames_are_as_in_the_files() {
    let mut vectors = Vectors::default();
    vectors.note("Control frames with their length in front, of one message each, and one of none and two.");
    let frame = |batch: Batch| encode_frame(StreamType::Control, &batch).expect("it is short");
    for (name, message) in
        control_messages().into_iter().chain(nearby_messages()).chain(messages_of_sisters()).chain(linking::messages())
    {
        vectors.hex(name, &frame(List(vec![message])));
    }
    vectors.hex("empty", &frame(List(vec![])));
    let request = |id| Control::RequestUserList(RequestUserList { id, user: Person::bob().user_id() });
    vectors.hex("two", &frame(List(vec![request(1), request(2)])));
    vectors.settle("control.txt");
}

#[test]
fn chat_frames_are_as_in_the_files() {
    let mut vectors = Vectors::default();
    vectors.note("Chat frames with their length in front, of one item each. The envelope is the one of seal.txt.");
    let sealed = sealed();
    let bob = Person::bob();
    let items = [
        ("parcel", Chat::Parcel(Parcel { envelope: Bytes(sealed.bytes), life_ms: 1_209_600_000, copies: 1 })),
        ("release", Chat::Release(Release { envelope: sealed.id, r: Fixed([3; 32]) })),
        (
            "unopenable",
            Chat::Unopenable(Unopenable { envelope: EnvelopeId([4; 32]), roster: bob.roster("bob"), card: bob.card() }),
        ),
        ("custody", Chat::Custody(Custody { envelope: EnvelopeId([4; 32]), state: custody_state::HELD })),
        ("offer", Chat::Offer(Offer { envelopes: List(vec![EnvelopeId([4; 32]), EnvelopeId([5; 32])]) })),
        ("ask", Chat::Ask(Ask { envelopes: List(vec![EnvelopeId([5; 32])]) })),
    ];
    for (name, item) in items {
        let items: Items = List(vec![item]);
        vectors.hex(name, &encode_frame(StreamType::Chat, &items).expect("it is short"));
    }
    vectors.settle("chat.txt");
}

#[test]
fn seals_are_as_in_the_files() {
    let mut vectors = Vectors::default();
    let (alice, bob) = (Person::alice(), Person::bob());
    let sealed = sealed();
    let mut drawn = [0; 96];
    ChaCha20Rng::from_seed(SEAL_SEED).fill_bytes(&mut drawn);
    vectors
        .note("Alice's session seals three contents (text, link, receipt) to Bob's one prekey, in the open network.");
    vectors.hex("author-user", &alice.user_id().0);
    vectors.hex("author-session-seed", &alice.session.seed());
    vectors.hex("address", &bob.user_id().0);
    vectors.hex("prekey-id", &bob.prekey.id);
    vectors.hex("prekey-secret", &bob.prekey.secret);
    vectors.hex("prekey-public", &bob.prekey.public().key.0);
    vectors.note("Drawn at random: r, content key, and what HPKE derives the ephemeral key from (DeriveKeyPair).");
    vectors.hex("r", &drawn[..32]);
    vectors.hex("content-key", &drawn[32..64]);
    vectors.hex("ephemeral", &drawn[64..]);
    vectors.note(
        "The contents as signed, what is signed, the bundle, and what is encrypted: bundle with length and padding.",
    );
    let listed: Contents = List(contents());
    let listed = encode(&listed);
    let signed = [Domain::Bundle.tag(), &NetworkId::OPEN.0, &bob.user_id().0, &alice.user_id().0, &listed].concat();
    let parts: [&[u8]; 3] = [&bob.user_id().0, &alice.user_id().0, &listed];
    let signature = alice.session.sign(Domain::Bundle, &NetworkId::OPEN, &parts);
    let bundle = encode(&Bundle {
        r: Fixed(drawn[..32].try_into().expect("32 bytes")),
        user: alice.user_id(),
        session: alice.session_id(),
        contents: Bytes(listed.clone()),
        signature: Fixed(signature),
        roster: None,
        card: None,
    });
    let envelope: Envelope = decode(&sealed.bytes).expect("an envelope");
    let mut plaintext = [&(bundle.len() as u32).to_be_bytes()[..], &bundle].concat();
    plaintext.resize(envelope.sealed.len() - 16, 0);
    vectors.hex("contents", &listed);
    vectors.hex("signed", &signed);
    vectors.hex("signature", &signature);
    vectors.hex("bundle", &bundle);
    vectors.hex("plaintext", &plaintext);
    vectors.note("What binds the body and the wrap, and the envelope.");
    let binding = [NetworkId::OPEN.0, bob.user_id().0, envelope.lock.0].concat();
    vectors.hex("associated", &binding);
    vectors.hex("info", &[b"darknode/seal/1\0", &binding[..], &bob.prekey.id].concat());
    let cipher = ChaCha20Poly1305::new_from_slice(&drawn[32..64]).expect("a key of 32 bytes");
    cipher.encrypt_in_place(&Default::default(), &binding, &mut plaintext).expect("it is short");
    assert_eq!(plaintext, envelope.sealed.0, "the body is what is said to be in it");
    vectors.hex("lock", &envelope.lock.0);
    vectors.hex("encapsulated", &envelope.wraps[0].1.0);
    vectors.hex("wrapped", &envelope.wraps[0].2.0);
    vectors.hex("envelope", &sealed.bytes);
    vectors.hex("envelope-id", &sealed.id.0);
    let opened = open(&NetworkId::OPEN, &sealed.bytes, |_| Some(&bob.prekey)).expect("sealed to this prekey");
    assert_eq!((&opened.r[..], opened.contents), (&drawn[..32], contents()));
    vectors.settle("seal.txt");
}

/// `[number, {0: 1}]`.
fn of_a_later_version(number: u8) -> Vec<u8> {
    vec![0x82, number, 0xa1, 0x00, 0x01]
}

/// A frame of these items.
fn framed(items: &[Vec<u8>]) -> Vec<u8> {
    let body = [vec![0x80 | items.len() as u8], items.concat()].concat();
    [&(body.len() as u32).to_be_bytes()[..], &body].concat()
}

/// The bytes of a record with one more key behind its own.
fn with_key(record: &impl serde::Serialize, key: u8, value: &[u8]) -> Vec<u8> {
    let mut bytes = encode(record);
    bytes[0] += 1;
    [bytes, vec![key], value.to_vec()].concat()
}

#[test]
fn what_a_later_version_may_say_is_read_as_the_page_says() {
    let mut vectors = Vectors::default();
    vectors
        .note("What a later version may say. Each is well formed, and this version passes over what it does not know.");
    let request = Control::RequestUserList(RequestUserList { id: 2, user: Person::bob().user_id() });
    let reserved = [16, 17];
    let messages: Vec<_> = reserved.map(of_a_later_version).into_iter().chain([encode(&request)]).collect();
    let batch = framed(&messages);
    let mut read = reserved.map(|number| Control::Unknown(number.into())).to_vec();
    read.push(request);
    assert_eq!(decode::<Batch>(&batch[4..]), Ok(List(read)));
    vectors.note("Control messages 16 and 17, then request-user-list of control.txt.");
    vectors.hex("control-reserved", &batch);
    let (_, Control::Hello(hello)) = control_messages().remove(0) else { panic!("the first is a hello") };
    let features = Hello { features: Some(0xff), ..hello };
    vectors.note("The hello of control.txt with features 255.");
    vectors.hex("hello-features", &framed(&[encode(&Control::Hello(features))]));
    let sealed = sealed();
    let release = Chat::Release(Release { envelope: sealed.id, r: Fixed([3; 32]) });
    let items = framed(&[of_a_later_version(7), encode(&release)]);
    assert_eq!(decode::<Items>(&items[4..]), Ok(List(vec![Chat::Unknown(7), release])));
    vectors.note("Chat item 7, then release of chat.txt.");
    vectors.hex("chat-reserved", &items);
    let parcel = Parcel { envelope: Bytes(sealed.bytes), life_ms: 1_209_600_000, copies: 1 };
    let targets = with_key(&parcel, 3, &[&[0x81, 0x48][..], &[2; 8]].concat());
    let items = framed(&[[vec![0x82, 1], targets].concat()]);
    assert_eq!(decode::<Items>(&items[4..]), Ok(List(vec![Chat::Parcel(parcel)])));
    vectors.note("Parcel of chat.txt with targets.");
    vectors.hex("parcel-targets", &items);
    let stream = |address| {
        let author = Person::bob().session_id();
        StreamRanges { author, epoch: 99, ranges: List(vec![Range(1, 4)]), address }
    };
    let body = ReceiptBody { streams: List(vec![stream(Some(Address([5; 32]))), stream(None)]) };
    vectors.note("The body of a receipt: a stream to another address, which counts for no line, and one that does.");
    vectors.hex("receipt-address", &encode(&body));
    vectors.settle("later.txt");
}

#[test]
fn refused_bytes_are_refused() {
    let mut vectors = Vectors::default();
    vectors.note("No item of this protocol: whoever reads one of these refuses it.");
    let deep = [vec![0x81; 17], vec![0x00]].concat();
    let refused: [(&str, &[u8]); 13] = [
        ("long-integer", &[0x18, 0x17]),
        ("indefinite-list", &[0x9f, 0xff]),
        ("tag", &[0xc0, 0x00]),
        ("float", &[0xf9, 0x00, 0x00]),
        ("undefined", &[0xf7]),
        ("trailing", &[0x80, 0x00]),
        ("key-twice", &[0xa2, 0x00, 0x01, 0x00, 0x01]),
        ("keys-descend", &[0xa2, 0x01, 0x01, 0x00, 0x01]),
        ("text-key", &[0xa1, 0x61, 0x61, 0x00]),
        ("bad-utf8", &[0x61, 0xff]),
        ("claims-2^60", &[0x9b, 0x10, 0, 0, 0, 0, 0, 0, 0]),
        ("truncated", &[0x43, 0x01, 0x02]),
        ("seventeen-deep", &deep),
    ];
    for (name, bytes) in refused {
        assert!(darknode::wire::scan::check(bytes).is_err(), "{name}");
        vectors.hex(name, bytes);
    }
    vectors.settle("refused.txt");
}
