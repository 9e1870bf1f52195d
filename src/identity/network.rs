//! Network keys. Members prove on each connection that they hold one, and recognize each other's mDNS announcements by it.
//!
//! A proof is HMAC-SHA256 under a key of the network. It covers `"darknode/proof/1\0"`, the network id, the TLS exporter of the
//! connection, one byte for the sender's role, its boot id (64 bits) and the versions it speaks (16 bits each), all big-endian.
//! The exporter makes the proof useless on any other connection. The role prevents the receiver from sending it back as its own.
//!
//! The key file is text: comment lines that begin with `#`, one line `network ID`, and one to four lines `key KEY`, newest
//! first. ID and KEY are 32 random bytes, 52 characters in base32. The id does not depend on the keys, so that keys can be
//! replaced: add the new key as the first one on each node, then remove the old ones.

use std::fmt::Write;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroize;

use crate::id::{BASE32, BootId, NetworkId};
use crate::wire::proof::Proof;
use crate::wire::{Fixed, List};

/// The protocol versions that this program speaks, in order of preference.
pub const PROTOCOL_VERSIONS: [u16; 1] = [1];

/// The maximum number of keys in a file: as many as a proof can have macs.
const MAX_KEYS: usize = 4;

/// The side of a connection that sends a proof. The value is the byte that the proof covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The side that opened the connection.
    Dialler = 1,
    /// The side that accepted the connection.
    Acceptor = 2,
}

/// The id of a network and its one to four keys, newest first. The keys are zeroed when the value is dropped.
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

/// Why a text is not a network key file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadNetworkKey {
    /// The file holds only comments and empty lines.
    #[error("it is empty")]
    Empty,
    /// A line has the wrong form. Holds its number, counted from 1.
    #[error("line {0} is not understood")]
    Line(usize),
    /// The `network` line is missing.
    #[error("it names no network; a network key file is what `darknode network new` prints")]
    NoNetwork,
    /// There is no `key` line.
    #[error("it holds no key")]
    NoKey,
    /// There are more than four `key` lines.
    #[error("it holds more than 4 keys")]
    TooManyKeys,
}

impl NetworkKey {
    /// The open network. Its key is public (all zero), so that open and closed networks use the same handshake.
    pub fn open() -> NetworkKey {
        NetworkKey { id: NetworkId::OPEN, keys: vec![[0; 32]] }
    }

    /// Makes a closed network from 64 random bytes: 32 for the id and 32 for the key.
    pub fn generate(random: [u8; 64]) -> NetworkKey {
        let (id, key) = random.split_at(32);
        let half = |bytes: &[u8]| bytes.try_into().expect("64 bytes split in the middle");
        NetworkKey { id: NetworkId(half(id)), keys: vec![half(key)] }
    }

    /// Parses the text of a network key file.
    pub fn parse(text: &str) -> Result<NetworkKey, BadNetworkKey> {
        let mut id = None;
        let mut network = NetworkKey { id: NetworkId::OPEN, keys: Vec::new() };
        for (index, line) in text.lines().enumerate().map(|(index, line)| (index, line.trim())) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let wrong = || BadNetworkKey::Line(index + 1);
            match line.split_once(' ').ok_or_else(wrong)? {
                ("network", value) if id.is_none() => id = Some(parse_bytes(value).ok_or_else(wrong)?),
                ("key", _) if network.keys.len() == MAX_KEYS => return Err(BadNetworkKey::TooManyKeys),
                ("key", value) => network.keys.push(parse_bytes(value).ok_or_else(wrong)?),
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
            "# The key of a darknode network. Every node that has this file is a member. Keep it secret.\n\
             # To exclude a lost node: on all other nodes, add a new `key` line before the old one; then remove the old line.\n\
             # A new line comes from `darknode network new`; copy only its `key` line. Restart each node after a change.\n",
        );
        let _ = writeln!(text, "network {}", self.id);
        for key in &self.keys {
            let _ = writeln!(text, "key {}", BASE32.encode(key));
        }
        text
    }

    /// The id of the network.
    pub fn id(&self) -> NetworkId {
        self.id
    }

    /// Whether this is not the open network.
    pub fn is_closed(&self) -> bool {
        self.id != NetworkId::OPEN
    }

    /// Makes the proof to send on a connection with this TLS exporter. `role` and `boot` are the sender's.
    pub fn prove(&self, exporter: &[u8; 32], role: Role, boot: BootId) -> Proof {
        let versions = List(PROTOCOL_VERSIONS.to_vec());
        let mac = |key| Fixed(self.mac(key, exporter, role, boot, &versions).finalize().into_bytes().into());
        let macs = List(self.keys.iter().map(mac).collect());
        Proof { versions, boot: boot.0, macs }
    }

    /// Whether a received proof is valid under any key of this network. `role` is that of the sender. Macs are compared in
    /// constant time.
    pub fn holds(&self, exporter: &[u8; 32], role: Role, proof: &Proof) -> bool {
        self.keys.iter().any(|key| {
            let mac = self.mac(key, exporter, role, BootId(proof.boot), &proof.versions);
            proof.macs.iter().any(|claimed| mac.clone().verify_slice(&claimed.0).is_ok())
        })
    }

    fn mac(&self, key: &[u8; 32], exporter: &[u8; 32], role: Role, boot: BootId, versions: &[u16]) -> Hmac<Sha256> {
        let mut mac = hmac(key);
        mac.update(b"darknode/proof/1\0");
        mac.update(&self.id.0);
        mac.update(exporter);
        mac.update(&[role as u8]);
        mac.update(&boot.0.to_be_bytes());
        versions.iter().for_each(|version| mac.update(&version.to_be_bytes()));
        mac
    }

    /// The tag of this network in mDNS records. Only members recognize it, and it differs for each boot id.
    pub fn tag(&self, boot: BootId) -> [u8; 8] {
        let newest = self.keys.first().expect("every network has a key");
        let tag = tag_mac(newest, boot).finalize().into_bytes();
        *tag.first_chunk().expect("SHA-256 has 32 bytes")
    }

    /// Whether a tag received with `boot` was made with any key of this network.
    pub fn owns_tag(&self, tag: &[u8], boot: BootId) -> bool {
        tag.len() == 8 && self.keys.iter().any(|key| tag_mac(key, boot).verify_truncated_left(tag).is_ok())
    }
}

/// The preferred version of this program that the other side speaks too; `None` if there is none.
pub fn common_version(theirs: &[u16]) -> Option<u16> {
    PROTOCOL_VERSIONS.into_iter().find(|version| theirs.contains(version))
}

fn tag_mac(key: &[u8; 32], boot: BootId) -> Hmac<Sha256> {
    let mut mac = hmac(key);
    mac.update(b"darknode/lan/1\0");
    mac.update(&boot.0.to_be_bytes());
    mac
}

fn hmac(key: &[u8; 32]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}

/// Parses 32 bytes in base32. All zero is refused: it stands for the open network.
fn parse_bytes(text: &str) -> Option<[u8; 32]> {
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
    fn a_key_file_can_be_parsed() {
        let made = network(3);
        let read = NetworkKey::parse(&made.to_text()).expect("what was written");
        assert_eq!((read.id, &read.keys), (made.id, &made.keys));
        assert!(read.is_closed() && !NetworkKey::open().is_closed());
        assert!(NetworkKey::parse(&made.to_text().replace('\n', "\r\n\r\n")).is_ok());
    }

    #[test]
    fn other_files_are_refused_with_the_reason() {
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
        assert_eq!(refused(&NetworkKey::open().to_text()), Some(BadNetworkKey::Line(4)));
    }

    #[test]
    fn a_proof_is_valid_only_for_its_network_connection_role_boot_and_versions() {
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
    fn keys_can_be_replaced_node_by_node() {
        let (old, both, new) = (with_keys(&[1]), with_keys(&[2, 1]), with_keys(&[2]));
        let accepts = |a: &NetworkKey, b: &NetworkKey| {
            a.holds(&EXPORTER, Role::Dialler, &b.prove(&EXPORTER, Role::Dialler, BOOT))
        };
        assert!(accepts(&old, &both) && accepts(&both, &old));
        assert!(accepts(&new, &both) && accepts(&both, &new));
        assert!(!accepts(&old, &new) && !accepts(&new, &old));
        assert!(both.owns_tag(&old.tag(BOOT), BOOT));
    }

    #[test]
    fn a_tag_is_recognized_by_members_and_differs_for_each_boot() {
        let mine = network(1);
        assert!(mine.owns_tag(&mine.tag(BOOT), BOOT));
        assert!(!mine.owns_tag(&mine.tag(BOOT), BootId(78)));
        assert!(!mine.owns_tag(&mine.tag(BOOT)[..4], BOOT));
        assert!(!network(2).owns_tag(&mine.tag(BOOT), BOOT));
    }

    #[test]
    fn the_preferred_common_version_is_chosen() {
        assert_eq!(common_version(&[9, 1]), Some(1));
        assert_eq!(common_version(&[2]), None);
    }
}
