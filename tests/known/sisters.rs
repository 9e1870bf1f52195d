//! Bob's two sessions: what the phone mirrors to the laptop, and what the laptop says of what it holds then. The hashes are
//! computed by the words of `docs/protocol.md`, not by the code of the program.

use std::collections::BTreeMap;

use darknode::id::{Address, NetworkId, StreamId};
use darknode::identity::record::Checked;
use darknode::identity::seal::{Author, Sealed, seal};
use darknode::wire::content::{
    Content, MirrorBody, MirroredLine, MirroredPerson, MirroredRead, MirroredReceipt, MirroredStream, Range, kind,
};
use darknode::wire::control::{BUCKETS, Compare, HeldStream, Holdings};
use darknode::wire::record::{Roster, RosterSession, Signed, link_state};
use darknode::wire::{Bytes, List, Text, encode};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use sha2::{Digest, Sha256};

use super::Person;

/// Bob's second session.
pub fn phone() -> Person {
    Person::from_bytes(0x21, 0x24, 0x25)
}

/// Bob's roster with both sessions.
pub fn roster() -> Signed {
    let bob = Person::bob();
    let session = |of: &Person, label: &str| RosterSession { id: of.session_id(), label: Text(label.to_owned()) };
    let roster = Roster {
        user: bob.user_id(),
        name: Text("bob".to_owned()),
        version: 1_900_000_000_000,
        sessions: List(vec![session(&bob, "laptop"), session(&phone(), "phone")]),
        revoked: List(vec![]),
    };
    Checked::sign(roster, &bob.user, &NetworkId::OPEN).signed().clone()
}

/// Alice's stream to Bob, and that of Bob's phone to Alice.
fn streams() -> [StreamId; 2] {
    let (alice, bob) = (Person::alice(), Person::bob());
    [
        StreamId { author: alice.session_id(), epoch: 7, to: bob.user_id().into() },
        StreamId { author: phone().session_id(), epoch: 9, to: alice.user_id().into() },
    ]
}

fn line(n: u64, text: &str) -> MirroredLine {
    let body = Bytes(text.as_bytes().to_vec());
    MirroredLine { n, kind: kind::TEXT, lamport: 4 + n, wall: 1_700_000_000_003, body }
}

/// Alice has written two lines, between which is one of her statements about the link. Bob has read the first and answered, on
/// the phone.
pub fn body() -> MirrorBody {
    let (alice, bob) = (Person::alice(), Person::bob());
    let [hers, own] = streams();
    let of = |stream: StreamId, user, lines, void| MirroredStream {
        author: stream.author,
        epoch: stream.epoch,
        address: stream.to,
        user,
        lines: List(lines),
        void: List(void),
    };
    let person = MirroredPerson {
        user: alice.user_id(),
        roster: Some(alice.roster("alice")),
        pinned: true,
        verified: false,
        state: link_state::LINKED,
        lamport: 6,
    };
    let delivered = MirroredReceipt {
        author: own.author,
        epoch: own.epoch,
        address: own.to,
        session: alice.session_id(),
        ranges: List(vec![Range(1, 1)]),
    };
    let (author, epoch, user) = (hers.author, hers.epoch, alice.user_id());
    let read = MirroredRead { author, epoch, user, ranges: List(vec![Range(1, 2)]) };
    MirrorBody {
        streams: List(vec![
            of(hers, alice.user_id(), vec![line(3, "are you there?"), line(1, "hello, bob")], vec![Range(2, 2)]),
            of(own, bob.user_id(), vec![line(1, "on my way")], vec![]),
        ]),
        people: List(vec![person]),
        delivered: List(vec![delivered]),
        read: List(vec![read]),
    }
}

/// The content that holds the body. Nothing but its kind and body means anything.
pub fn contents() -> Vec<Content> {
    let body = Bytes(encode(&body()));
    vec![Content { kind: kind::MIRROR, epoch: 0, n: 0, lamport: 0, wall: 1_700_000_000_004, body }]
}

/// The phone seals contents to the laptop: its session is the address, and its prekey the only one.
pub fn sealed(contents: Vec<Content>) -> Sealed {
    let (phone, laptop) = (phone(), Person::bob());
    let (user, key, network) = (phone.user_id(), &phone.session, &NetworkId::OPEN);
    let author = Author { user, key, network, roster: None, card: None };
    let mut rng = ChaCha20Rng::from_seed([0x5b; 32]);
    let address = Address::from(&laptop.session_id());
    seal(&mut rng, &author, address, &[laptop.prekey.public()], contents).expect("it is short")
}

/// The numbers that the laptop holds once it has the mirror.
fn held() -> BTreeMap<StreamId, Range> {
    streams().into_iter().zip([Range(1, 3), Range(1, 1)]).collect()
}

fn first_eight(parts: &[&[u8]]) -> u64 {
    let hash = Sha256::digest(parts.concat());
    u64::from_be_bytes(hash[..8].try_into().expect("a hash has 32 bytes"))
}

/// What the laptop says about it when the phone connects.
pub fn compare() -> Compare {
    let (held, read) = (held(), BTreeMap::from([(streams()[0], Range(1, 2))]));
    let flags = [1, 0, link_state::LINKED];
    let people = first_eight(&[b"darknode/person/1\0", &Person::alice().user_id().0, &flags, &6u64.to_be_bytes()]);
    Compare { buckets: buckets(held), people, read: buckets(read) }
}

fn buckets(numbers: BTreeMap<StreamId, Range>) -> List<u64, BUCKETS> {
    let mut buckets = vec![0u64; BUCKETS];
    for (StreamId { author, epoch, to }, Range(first, last)) in numbers {
        let bucket = Sha256::digest([&b"darknode/bucket/1\0"[..], &author.0, &to.0].concat())[0];
        let (epoch, first, last) = (epoch.to_be_bytes(), first.to_be_bytes(), last.to_be_bytes());
        let hash = first_eight(&[b"darknode/held/1\0", &author.0, &epoch, &to.0, &first, &last]);
        let sum = &mut buckets[usize::from(bucket)];
        *sum = sum.wrapping_add(hash);
    }
    List(buckets)
}

/// What it says to a session that holds nothing.
pub fn holdings() -> Holdings {
    let stream = |(StreamId { author, epoch, to }, range)| {
        let ranges = List(vec![range]);
        HeldStream { author, epoch, address: to, ranges }
    };
    Holdings { streams: List(held().into_iter().map(stream).collect()), complete: true }
}
