//! The network key: who is a member, proved over each connection and hinted at on the local link.
//!
//! A proof is HMAC-SHA256 under a key of the network over `"darknode/proof/1\0"`, the network id, the TLS exporter of this
//! very connection, one byte for the sender's role, its boot id (64 bits) and the versions it speaks (16 bits each),
//! big-endian. It holds for nobody else and at no other time, and role keeps a mirror from proving anything.
//!
//! The key file is text: comment lines that begin with `#`, one line `network ID`, and one to four lines `key KEY`, newest
//! first, ID and KEY being 32 random bytes in 52 characters of base32. The id is no function of the keys, so that
//! they can be replaced: a new one is put in front on one node after another, and old ones are taken out at the end.

use std::fmt::Write;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroize;

use crate::id::{BASE32, BootId, NetworkId};
use crate::wire::proof::Proof;
use crate::wire::{Fixed, List};

/// The versions of the protocol that this program speaks, best first.
pub const PROTOCOL_VERSIONS: [u16; 1] = [1];

/// Keys that one file may hold: as many as a proof has room for.
const MAX_KEYS: usize = 4;

/// Which side of a connection speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Dialler = 1,
    Acceptor = 2,
}

/// A network and its keys, newest first.
#[derive(Clone)]
pub struct NetworkKey {
    id: NetworkId,
    keys: Vec<[u8; 32]>,
}

impl Drop for NetworkKey {
    fn drop(&mut self) {
        self.keys.zeroize();
    }
}

/// Why a text is no network key file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadNetworkKey {
    #[error("it is empty")]
    Empty,
    #[error("line {0} is not understood; a network key file is what `darknode network new` prints")]
    Line(usize),
    #[error("it names no network; a network key file is what `darknode network new` prints")]
    NoNetwork,
    #[error("it holds no key")]
    NoKey,
    #[error("it holds more than 4 keys")]
    TooManyKeys,
}

impl NetworkKey {
    /// The open network: a key that everybody knows, so that both kinds take the same way.
    pub fn open() -> NetworkKey {
        NetworkKey { id: NetworkId::OPEN, keys: vec![[0; 32]] }
    }

    /// A new closed network from 64 random bytes.
    pub fn generate(random: [u8; 64]) -> NetworkKey {
        let (id, key) = random.split_at(32);
        let half = |bytes: &[u8]| bytes.try_into().expect("64 bytes split in the middle");
        NetworkKey { id: NetworkId(half(id)), keys: vec![half(key)] }
    }

    /// Reads a network key file.
    pub fn parse(text: &str) -> Result<NetworkKey, BadNetworkKey> {
        let mut id = None;
        let mut network = NetworkKey { id: NetworkId::OPEN, keys: Vec::new() };
        for (index, line) in text.lines().enumerate().map(|(index, line)| (index, line.trim())) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let wrong = || BadNetworkKey::Line(index + 1);
            match line.split_once(' ').ok_or_else(wrong)? {
                ("network", value) if id.is_none() => id = Some(secret(value).ok_or_else(wrong)?),
                ("key", _) if network.keys.len() == MAX_KEYS => return Err(BadNetworkKey::TooManyKeys),
                ("key", value) => network.keys.push(secret(value).ok_or_else(wrong)?),
                _ => return Err(wrong()),
            }
        }
        match id {
            None if network.keys.is_empty() => Err(BadNetworkKey::Empty),
            None => Err(BadNetworkKey::NoNetwork),
            Some(_) if network.keys.is_empty() => Err(BadNetworkKey::NoKey),
            Some(id) => {
                network.id = NetworkId(id);
                Ok(network)
            }
        }
    }

    /// The text of a network key file.
    pub fn to_text(&self) -> String {
        let mut text = String::from(
            "# A darknode network. Whoever holds this file is a member of it: keep it secret, give it to each node.\n\
             # To lock out a lost node, put a new `key` line first on every other node, then take the old ones out.\n",
        );
        let _ = writeln!(text, "network {}", self.id);
        for key in &self.keys {
            let _ = writeln!(text, "key {}", BASE32.encode(key));
        }
        text
    }

    pub fn id(&self) -> NetworkId {
        self.id
    }

    pub fn is_closed(&self) -> bool {
        self.id != NetworkId::OPEN
    }

    /// The proof to send over a connection whose TLS exporter is `exporter`.
    pub fn prove(&self, exporter: &[u8; 32], role: Role, boot: BootId) -> Proof {
        let versions = List(PROTOCOL_VERSIONS.to_vec());
        let mac = |key| Fixed(self.mac(key, exporter, role, boot, &versions).finalize().into_bytes().into());
        let macs = List(self.keys.iter().map(mac).collect());
        Proof { versions, boot: boot.0, macs }
    }

    /// Whether a proof by the other side (`role` is the sender's) holds under any of my keys. Takes the same time for
    /// every wrong mac.
    pub fn holds(&self, exporter: &[u8; 32], role: Role, proof: &Proof) -> bool {
        self.keys.iter().any(|key| {
            let mac = self.mac(key, exporter, role, BootId(proof.boot), &proof.versions);
            proof.macs.iter().any(|claimed| mac.clone().verify_slice(&claimed.0).is_ok())
        })
    }

    fn mac(&self, key: &[u8; 32], exporter: &[u8; 32], role: Role, boot: BootId, versions: &[u16]) -> Hmac<Sha256> {
        let mut mac = keyed(key);
        mac.update(b"darknode/proof/1\0");
        mac.update(&self.id.0);
        mac.update(exporter);
        mac.update(&[role as u8]);
        mac.update(&boot.0.to_be_bytes());
        versions.iter().for_each(|version| mac.update(&version.to_be_bytes()));
        mac
    }

    /// What stands in an mDNS record for this network: keyed, and different at every boot.
    pub fn tag(&self, boot: BootId) -> [u8; 8] {
        let newest = self.keys.first().expect("every network has a key");
        let tag = lan(newest, boot).finalize().into_bytes();
        *tag.first_chunk().expect("SHA-256 has 32 bytes")
    }

    /// Whether a tag seen beside `boot` is of this network, under any of its keys.
    pub fn owns_tag(&self, tag: &[u8], boot: BootId) -> bool {
        tag.len() == 8 && self.keys.iter().any(|key| lan(key, boot).verify_truncated_left(tag).is_ok())
    }
}

/// The best of my versions that the other side speaks too.
pub fn common_version(theirs: &[u16]) -> Option<u16> {
    PROTOCOL_VERSIONS.into_iter().find(|version| theirs.contains(version))
}

fn lan(key: &[u8; 32], boot: BootId) -> Hmac<Sha256> {
    let mut mac = keyed(key);
    mac.update(b"darknode/lan/1\0");
    mac.update(&boot.0.to_be_bytes());
    mac
}

fn keyed(key: &[u8; 32]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}

/// 32 bytes from base32. All zero is the open network, which no file may stand for.
fn secret(text: &str) -> Option<[u8; 32]> {
    let bytes = BASE32.decode(text.trim().as_bytes()).ok()?;
    bytes.try_into().ok().filter(|bytes| *bytes != [0; 32])
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXPORTER: [u8; 32] = [5; 32];
    const BOOT: BootId = BootId(77);

    fn network(byte: u8) -> NetworkKey {
        NetworkKey::generate([byte; 64])
    }

    fn with_keys(keys: &[u8]) -> NetworkKey {
        let lines: String = keys.iter().map(|key| format!("key {}\n", BASE32.encode(&[*key; 32]))).collect();
        NetworkKey::parse(&format!("network {}\n{lines}", NetworkId([9; 32]))).expect("a key file")
    }

    #[test]
    fn a_key_file_reads_back() {
        let made = network(3);
        let read = NetworkKey::parse(&made.to_text()).expect("what was written");
        assert_eq!((read.id, &read.keys), (made.id, &made.keys));
        assert!(read.is_closed() && !NetworkKey::open().is_closed());
        assert!(NetworkKey::parse(&made.to_text().replace('\n', "\r\n\r\n")).is_ok());
    }

    #[test]
    fn files_that_are_no_key_files_say_why() {
        let refused = |text: &str| NetworkKey::parse(text).err();
        let id = NetworkId([9; 32]);
        assert_eq!(refused(""), Some(BadNetworkKey::Empty));
        assert_eq!(refused("# nothing\n\n"), Some(BadNetworkKey::Empty));
        assert_eq!(refused("-----BEGIN PRIVATE KEY-----"), Some(BadNetworkKey::Line(1)));
        assert_eq!(refused(&format!("network {id}\n")), Some(BadNetworkKey::NoKey));
        assert_eq!(refused(&format!("key {id}\n")), Some(BadNetworkKey::NoNetwork));
        assert_eq!(refused(&format!("network {id}\nnetwork {id}\nkey {id}")), Some(BadNetworkKey::Line(2)));
        assert_eq!(refused(&format!("network {id}\nkey abc")), Some(BadNetworkKey::Line(2)));
        let five = format!("key {id}\n").repeat(5);
        assert_eq!(refused(&format!("network {id}\n{five}")), Some(BadNetworkKey::TooManyKeys));
        assert_eq!(refused(&NetworkKey::open().to_text()), Some(BadNetworkKey::Line(3)));
    }

    #[test]
    fn a_proof_holds_only_for_its_network_connection_role_boot_and_versions() {
        let (mine, proof) = (network(1), network(1).prove(&EXPORTER, Role::Dialler, BOOT));
        assert!(mine.holds(&EXPORTER, Role::Dialler, &proof));
        assert!(!mine.holds(&EXPORTER, Role::Acceptor, &proof));
        assert!(!mine.holds(&[6; 32], Role::Dialler, &proof));
        assert!(!network(2).holds(&EXPORTER, Role::Dialler, &proof));
        assert!(!NetworkKey::open().holds(&EXPORTER, Role::Dialler, &proof));
        assert!(!mine.holds(&EXPORTER, Role::Dialler, &Proof { boot: 78, ..proof.clone() }));
        assert!(!mine.holds(&EXPORTER, Role::Dialler, &Proof { versions: List(vec![1, 2]), ..proof.clone() }));
        assert!(!mine.holds(&EXPORTER, Role::Dialler, &Proof { macs: List(vec![]), ..proof }));
    }

    #[test]
    fn keys_are_replaced_one_node_after_another() {
        let (old, both, new) = (with_keys(&[1]), with_keys(&[2, 1]), with_keys(&[2]));
        let believes = |a: &NetworkKey, b: &NetworkKey| a.holds(&EXPORTER, Role::Dialler, &b.prove(&EXPORTER, Role::Dialler, BOOT));
        assert!(believes(&old, &both) && believes(&both, &old));
        assert!(believes(&new, &both) && believes(&both, &new));
        assert!(!believes(&old, &new) && !believes(&new, &old));
        assert!(both.owns_tag(&old.tag(BOOT), BOOT));
    }

    #[test]
    fn a_tag_is_known_to_members_and_differs_at_every_boot() {
        let mine = network(1);
        assert!(mine.owns_tag(&mine.tag(BOOT), BOOT));
        assert!(!mine.owns_tag(&mine.tag(BOOT), BootId(78)));
        assert!(!mine.owns_tag(&mine.tag(BOOT)[..4], BOOT));
        assert!(!network(2).owns_tag(&mine.tag(BOOT), BOOT));
    }

    #[test]
    fn the_best_common_version_is_taken() {
        assert_eq!(common_version(&[9, 1]), Some(1));
        assert_eq!(common_version(&[2]), None);
    }
}
