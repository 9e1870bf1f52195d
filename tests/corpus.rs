//! Runs every file of the fuzzing corpus through its target. The initial files are made from the test vectors;
//! `DARKNODE_WRITE_CORPUS=1` writes them again.
#![cfg(feature = "node")]

#[path = "../fuzz/targets.rs"]
mod targets;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use darknode::wire::content::{Content, kind};
use darknode::wire::{Bytes, List, encode};
use data_encoding::HEXLOWER;
use targets::TARGETS;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The name and value of every line in a file of vectors.
fn texts(file: &str) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(root().join("tests/vectors").join(file)).expect("the vectors exist");
    let pairs = text.lines().filter_map(|line| line.split_once(" = "));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// The name and bytes of every hex line in it.
fn vectors(file: &str) -> Vec<(String, Vec<u8>)> {
    let decoded = |(name, hex): (String, String)| Some((name, HEXLOWER.decode(hex.as_bytes()).ok()?));
    texts(file).into_iter().filter_map(decoded).collect()
}

/// Contents of one receipt or mirror with this body.
fn contents_with(kind: u64, body: &[u8]) -> Vec<u8> {
    let body = Bytes(body.to_vec());
    encode(&List::<_, 1>(vec![Content { kind, epoch: 7, n: 0, lamport: 4, wall: 0, body }]))
}

/// The corpus files made from the vectors, by target.
fn seeds() -> BTreeMap<&'static str, Vec<(String, Vec<u8>)>> {
    let mut seeds = BTreeMap::<_, Vec<_>>::new();
    let mut add = |target, name: String, bytes: Vec<u8>| seeds.entry(target).or_default().push((name, bytes));
    for (name, frame) in vectors("control.txt") {
        add("control_frame", name.clone(), frame[4..].to_vec());
        add("frames", name, [&[7][..], &frame].concat());
    }
    for (name, frame) in vectors("chat.txt") {
        add("chat_frame", name, frame[4..].to_vec());
    }
    for (name, bytes) in vectors("seal.txt") {
        match name.as_str() {
            "envelope" => add("envelope", name, bytes),
            "contents" => add("bundle", name, bytes),
            _ => {}
        }
    }
    for (name, bytes) in vectors("mirrors.txt") {
        match name.as_str() {
            "envelope" => add("envelope", "mirror".to_owned(), bytes),
            "mirror-body" => add("bundle", name, contents_with(kind::MIRROR, &bytes)),
            _ => {}
        }
    }
    for (name, bytes) in vectors("linking.txt") {
        if name == "newcomer" || name == "welcome" {
            add("linking", name, bytes);
        }
    }
    for (name, text) in texts("linking.txt").into_iter().filter(|(name, _)| name == "code" || name == "token") {
        add("invitation", name, text.into_bytes());
    }
    for (name, bytes) in vectors("records.txt").into_iter().filter(|(name, _)| name.contains('-')) {
        if name.ends_with("-signed") || name.ends_with("-payload") {
            add("records", name, bytes);
        }
    }
    for (name, frame) in vectors("proof.txt").into_iter().filter(|(name, _)| name.ends_with("-frame")) {
        add("proof", name, frame[4..].to_vec());
    }
    for (name, bytes) in vectors("seal-refused.txt") {
        add("envelope", name, bytes);
    }
    for (name, bytes) in vectors("names.txt") {
        add("name", name, bytes);
    }
    for (name, bytes) in vectors("later.txt") {
        match name.as_str() {
            "control-reserved" | "hello-features" => add("control_frame", name, bytes[4..].to_vec()),
            "chat-reserved" | "parcel-targets" => add("chat_frame", name, bytes[4..].to_vec()),
            _ => add("bundle", name, contents_with(kind::RECEIPT, &bytes)),
        }
    }
    for (name, bytes) in vectors("refused.txt") {
        for target in ["scan", "control_frame", "chat_frame", "records"] {
            add(target, format!("refused-{name}"), bytes.clone());
        }
    }
    let key = darknode::identity::network::NetworkKey::generate([7; 64]);
    add("key_file", "network".to_owned(), key.to_text().into_bytes());
    let pem = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIBERERERERERERERERERERERERERERERERERERERERER\n-----END PRIVATE KEY-----\n";
    add("key_file", "seed-of-11".to_owned(), pem.as_bytes().to_vec());
    for (file, text) in
        [("plain", "Anna Lee"), ("escapes", "a\u{1b}[2Jb\u{202e}c\u{200d}"), ("marks", "Zoe\u{308}\u{301}")]
    {
        add("name", file.to_owned(), text.as_bytes().to_vec());
    }
    seeds
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    entries.map(|entry| entry.expect("the directory can be read").path()).collect()
}

#[test]
fn every_file_of_the_corpus_is_decoded_or_refused() {
    for (name, target) in TARGETS {
        let files = files(&root().join("fuzz/corpus").join(name));
        assert!(!files.is_empty(), "{name} has a corpus");
        files.iter().for_each(|file| target(&std::fs::read(file).expect("the corpus can be read")));
    }
}

#[test]
fn the_corpus_contains_all_test_vectors() {
    for (target, seeds) in seeds() {
        let dir = root().join("fuzz/corpus").join(target);
        for (name, bytes) in seeds {
            if std::env::var_os("DARKNODE_WRITE_CORPUS").is_some() {
                std::fs::create_dir_all(&dir).expect("the corpus can be written");
                std::fs::write(dir.join(&name), &bytes).expect("the corpus can be written");
            }
            let kept = std::fs::read(dir.join(&name)).ok();
            assert_eq!(kept.as_deref(), Some(&bytes[..]), "{target}/{name}: write it again, and check why it changed");
        }
    }
}
