//! What reads bytes of strangers, or of files, one function each. The fuzzer runs them by name, and `tests/corpus.rs` runs
//! every file of the corpus through them, on stable and in every test run.

use darknode::id::{BootId, NetworkId, SessionId};
use darknode::identity::invitation::{Code, Token};
use darknode::identity::name::escape;
use darknode::identity::network::{NetworkKey, Role};
use darknode::identity::pake::{Binding, Channel, Exchange, Side};
use darknode::identity::record::{Checked, Record};
use darknode::identity::seal::{PrekeySecret, open};
use darknode::identity::{Name, Scheme, Verifier};
use darknode::node::home::from_pem;
use darknode::node::lan::packet::{Data, Item, MAX_ITEMS, Packet, text};
use darknode::proto::ranges::Ranges;
use darknode::time::Moment;
use darknode::wire::chat::Items;
use darknode::wire::content::{Bundle, Contents, LinkBody, MirrorBody, Range, ReceiptBody};
use darknode::wire::control::{Batch, Control};
use darknode::wire::frame::{FrameBuf, StreamType};
use darknode::wire::link::{LinkSession, Newcomer, RelayedStep, Welcome};
use darknode::wire::proof::Proof;
use darknode::wire::record::{Declaration, KeyCard, LinkList, Roster, Signed};
use darknode::wire::{Fixed, decode, scan};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

/// Something that takes any bytes. It breaks by a panic, or by taking for ever.
pub type Target = fn(&[u8]);

/// Every target, by the name of its file and of its corpus.
pub const TARGETS: [(&str, Target); 13] = [
    ("control_frame", control_frame),
    ("chat_frame", chat_frame),
    ("frames", frames),
    ("envelope", envelope),
    ("bundle", bundle),
    ("records", records),
    ("proof", proof),
    ("key_file", key_file),
    ("name", name),
    ("scan", scan_only),
    ("mdns", mdns),
    ("linking", linking),
    ("invitation", invitation),
];

fn shown(value: impl std::fmt::Debug) {
    assert!(!format!("{value:?}").is_empty());
}

pub fn control_frame(bytes: &[u8]) {
    let Ok(batch) = decode::<Batch>(bytes) else { return };
    for message in batch.iter() {
        match message {
            Control::Holdings(holdings) => holdings.streams.iter().for_each(|stream| set(&stream.ranges)),
            Control::LinkSession(step) | Control::RelayedStep(RelayedStep { step, .. }) => link_step(step),
            _ => {}
        }
    }
    shown(batch);
}

/// A step that a session gets which waits to be linked.
fn link_step(step: &LinkSession) {
    let Some(Fixed(share)) = &step.share else { return };
    let (holder, newcomer) = (SessionId([1; 32]), SessionId([2; 32]));
    let binding = Binding { network: NetworkId::OPEN, channel: Channel::Relayed, holder, newcomer };
    let (exchange, _) = Exchange::start(b"x", Side::Newcomer, &binding, &mut ChaCha20Rng::from_seed([7; 32]));
    if let Some(keys) = exchange.finish(share) {
        assert!(!keys.confirms(share) && keys.open(share).is_none());
    }
}

pub fn chat_frame(bytes: &[u8]) {
    decode::<Items>(bytes).map(shown).ok();
}

/// The first byte says how the rest is cut.
pub fn frames(bytes: &[u8]) {
    let Some((size, stream)) = bytes.split_first() else { return };
    let mut buffer = FrameBuf::new(StreamType::Control);
    for piece in stream.chunks(usize::from(*size).max(1)) {
        buffer.push(piece);
        loop {
            match buffer.next_frame() {
                Ok(Some(frame)) => control_frame(frame),
                Ok(None) => break,
                Err(_) => return,
            }
        }
    }
}

/// With the prekey of the test vectors, whatever id a wrap names.
pub fn envelope(bytes: &[u8]) {
    let prekey = PrekeySecret { id: [0x23; 8], secret: [0x23; 32], made: Moment(0) };
    let verifier = Verifier { scheme: Scheme::Ed25519, network: NetworkId::OPEN };
    if let Ok(opened) = open(&NetworkId::OPEN, bytes, |_| Some(&prekey)) {
        shown(opened.is_by_author(&verifier));
    }
}

pub fn bundle(bytes: &[u8]) {
    if let Ok(bundle) = decode::<Bundle>(bytes) {
        contents(&bundle.contents);
    }
    contents(bytes);
}

fn contents(bytes: &[u8]) {
    let Ok(contents) = decode::<Contents>(bytes) else { return };
    for content in contents.iter() {
        shown(decode::<LinkBody>(&content.body));
        if let Ok(receipt) = decode::<ReceiptBody>(&content.body) {
            receipt.streams.iter().for_each(|stream| set(&stream.ranges));
        }
        if let Ok(mirror) = decode::<MirrorBody>(&content.body) {
            mirror.streams.iter().for_each(|stream| set(&stream.void));
            mirror.delivered.iter().for_each(|receipt| set(&receipt.ranges));
            shown(mirror.people);
        }
    }
}

fn set(ranges: &[Range]) {
    let numbers: Ranges = ranges.iter().map(|range| (range.0, range.1)).collect();
    shown(numbers.count());
}

pub fn records(bytes: &[u8]) {
    record::<Roster>(bytes);
    record::<Declaration>(bytes);
    record::<KeyCard>(bytes);
    record::<LinkList>(bytes);
}

fn record<T: Record>(bytes: &[u8]) {
    let verifier = Verifier { scheme: Scheme::Ed25519, network: NetworkId::OPEN };
    if let Ok(signed) = decode::<Signed>(bytes) {
        let checked = Checked::<T>::open(&signed, &verifier);
        assert!(checked.is_err() || Checked::<T>::from_store(&signed).is_ok());
    }
    if let Ok(record) = decode::<T>(bytes) {
        shown((record.signer(), record.is_sound()));
    }
    if let Ok(roster) = decode::<Roster>(bytes) {
        shown(roster.admits(&SessionId([0; 32])));
    }
}

pub fn proof(bytes: &[u8]) {
    let Ok(proof) = decode::<Proof>(bytes) else { return };
    shown(NetworkKey::open().holds(&[0x5e; 32], Role::Dialler, &proof));
    shown(NetworkKey::open().owns_tag(bytes, BootId(proof.boot)));
}

pub fn key_file(bytes: &[u8]) {
    from_pem(bytes).map(drop).ok();
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(key) = NetworkKey::parse(text) {
        let again = NetworkKey::parse(&key.to_text()).expect("what was read can be written and read");
        assert_eq!(again.id(), key.id());
    }
}

pub fn name(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let tame = escape(&text);
    assert!(tame.chars().all(|c| !c.is_control() || c == '\n' || c == '\t'));
    assert_eq!(escape(&tame), tame);
    if let Ok(name) = Name::parse(&text) {
        assert_eq!(Name::parse(name.as_str()).as_ref(), Ok(&name));
        assert!(!name.folded().is_empty());
    }
}

/// What the scan passes, decoders may read; what it refuses, none does.
pub fn scan_only(bytes: &[u8]) {
    let passes = scan::check(bytes).is_ok();
    assert!(passes || decode::<Batch>(bytes).is_err() && decode::<Bundle>(bytes).is_err());
}

/// What the two sides of linking seal for each other.
pub fn linking(bytes: &[u8]) {
    decode::<Newcomer>(bytes).map(shown).ok();
    let Ok(welcome) = decode::<Welcome>(bytes) else { return };
    let verifier = Verifier { scheme: Scheme::Ed25519, network: NetworkId::OPEN };
    shown(Checked::<Roster>::open(&welcome.roster, &verifier));
    shown(Checked::<Declaration>::open(&welcome.declaration, &verifier));
    shown(Checked::<KeyCard>::open(&welcome.card, &verifier));
    welcome.links.iter().for_each(|page| shown(Checked::<LinkList>::open(page, &verifier)));
}

/// What is typed or scanned to link a session.
pub fn invitation(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(code) = text.parse::<Code>() {
        assert_eq!(code.to_string().parse(), Ok(code));
    }
    if let Ok(token) = text.parse::<Token>() {
        assert_eq!(token.to_string().parse(), Ok(token));
    }
}

/// A packet of the local link.
pub fn mdns(bytes: &[u8]) {
    let Ok(packet) = Packet::read(bytes) else { return };
    assert!(packet.first_question().is_none_or(|question| question.len() < 32));
    let items = packet.items().inspect(|item| {
        if let Ok(Item::Record(record)) = item {
            assert!((1..64).contains(&record.instance.len()));
            if let Data::Txt(data) = record.data {
                shown(text(data, "b"));
            }
        }
    });
    assert!(items.count() <= MAX_ITEMS);
}
