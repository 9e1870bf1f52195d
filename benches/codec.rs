//! The cost of frames, records and seals, for one message in an envelope and for as many as fit into one under load.
//!
//! `cargo bench --bench codec`. One core, no I/O; each figure is the median of several rounds.

#![expect(clippy::disallowed_methods, reason = "a benchmark has a clock of its own")]

#[path = "common/conditions.rs"]
mod conditions;
#[path = "common/median.rs"]
mod median;

use std::hint::black_box;
use std::time::{Duration, Instant};

use darknode::id::{Address, NetworkId, UserId};
use darknode::identity::seal::{Author, PrekeySecret, Sealed, open, seal};
use darknode::identity::{Domain, Scheme, SecretKey, Verifier};
use darknode::time::Moment;
use darknode::wire::chat::{Chat, Items, Parcel};
use darknode::wire::content::{Content, Contents, kind};
use darknode::wire::{Bytes, List, decode, encode};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

const ROUNDS: usize = 9;
const ROUND: Duration = Duration::from_millis(60);
const TEXT: &[u8] = b"A line of about the length that people write when they talk to each other, no more.";
/// Number of messages of this length that fit into one envelope.
const MANY: usize = 120;
const NETWORK: NetworkId = NetworkId([9; 32]);

fn main() {
    conditions::conditions();
    let (alice, bob) = (SecretKey::from_seed(Scheme::Ed25519, &[1; 32]), UserId([2; 32]));
    signatures(&alice);
    for lines in [1, MANY] {
        envelope(&alice, bob, lines);
    }
}

fn signatures(key: &SecretKey) {
    let body = [7u8; 200];
    let signature = key.sign(Domain::Declaration, &NETWORK, &[&body]);
    let verifies = || {
        let parts: [&[u8]; 1] = [&body];
        darknode::identity::sign::verify(
            Scheme::Ed25519,
            &key.public(),
            Domain::Declaration,
            &NETWORK,
            &parts,
            &signature,
        )
    };
    show("sign a record of 200 bytes", 1, || key.sign(Domain::Declaration, &NETWORK, &[&body]));
    show("verify it, strictly", 1, verifies);
}

fn envelope(key: &SecretKey, to: UserId, lines: usize) {
    let mut rng = ChaCha20Rng::from_seed([3; 32]);
    let secret = PrekeySecret::generate(&mut rng, Moment::default());
    let author = Author { user: UserId(key.public()), key, network: &NETWORK, roster: None, card: None };
    let contents: Vec<Content> = (1..=lines as u64).map(content).collect();
    let list: Contents = List(contents.clone());
    let bytes = encode(&list);
    let what = if lines == 1 { "1 line".to_owned() } else { format!("{lines} lines") };
    show(&format!("{what}: encode the contents"), lines, || encode(&list));
    show(&format!("{what}: decode them"), lines, || decode::<Contents>(&bytes).expect("what was encoded"));

    let prekeys = [secret.public()];
    let mut sealing =
        |contents: Vec<Content>| seal(&mut rng, &author, Address::from(to), &prekeys, contents).expect("so many fit");
    let sealed = sealing(contents.clone());
    show(&format!("{what}: seal, signed, to one session"), lines, || sealing(contents.clone()));
    let opened = || open(&NETWORK, &sealed.bytes, |_| Some(&secret)).expect("what was sealed");
    show(&format!("{what}: open"), lines, opened);
    let verifier = Verifier { scheme: Scheme::Ed25519, network: NETWORK };
    let held = opened();
    show(&format!("{what}: verify the author"), lines, || held.is_by_author(&verifier));
    frame(&what, lines, sealed);
}

fn frame(what: &str, lines: usize, sealed: Sealed) {
    let parcel = Parcel { envelope: Bytes(sealed.bytes), life_ms: 1 << 30, copies: 1 };
    let items: Items = List(vec![Chat::Parcel(parcel)]);
    let bytes = encode(&items);
    show(&format!("{what}: encode the frame ({} bytes)", bytes.len()), lines, || encode(&items));
    show(&format!("{what}: decode it"), lines, || decode::<Items>(&bytes).expect("what was encoded"));
}

fn content(n: u64) -> Content {
    let wall = 1_790_000_000_000;
    Content { kind: kind::TEXT, epoch: u64::MAX / 3, n, lamport: n, wall, body: Bytes(TEXT.to_vec()) }
}

/// Prints the time of one call, and per message.
fn show<T>(what: &str, lines: usize, mut work: impl FnMut() -> T) {
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let (begin, mut calls) = (Instant::now(), 0u32);
        while begin.elapsed() < ROUND {
            black_box(work());
            calls += 1;
        }
        rounds.push(begin.elapsed().as_secs_f64() * 1e6 / f64::from(calls));
    }
    let call = median::median(&rounds);
    println!("{what:42} {call:8.2} us   {:8.3} us a line", call / lines as f64);
}
