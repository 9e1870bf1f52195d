//! The network key: who is a member, proved over each connection and hinted at on the local link.

use crate::id::{BootId, NetworkId};
use crate::wire::proof::Proof;

/// Which side of a connection speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Dialler,
    Acceptor,
}

/// A network and its keys, newest first.
#[derive(Clone)]
pub struct NetworkKey {
    id: NetworkId,
    keys: Vec<[u8; 32]>,
}

/// Why a text is no network key file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadNetworkKey {
    #[error("it is empty")]
    Empty,
    #[error("line {0} is not understood; a network key file is what `darknode network new` prints")]
    Line(usize),
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
    pub fn generate(_random: [u8; 64]) -> NetworkKey {
        todo!()
    }

    /// Reads a network key file.
    pub fn parse(_text: &str) -> Result<NetworkKey, BadNetworkKey> {
        todo!()
    }

    /// The text of a network key file.
    pub fn to_text(&self) -> String {
        todo!()
    }

    pub fn id(&self) -> NetworkId {
        self.id
    }

    pub fn is_closed(&self) -> bool {
        self.id != NetworkId::OPEN
    }

    /// The proof to send over a connection whose TLS exporter is `exporter`.
    pub fn prove(&self, _exporter: &[u8; 32], _role: Role, _boot: BootId) -> Proof {
        todo!()
    }

    /// Whether a proof by the other side (`role` is the sender's) holds under any of my keys.
    pub fn holds(&self, _exporter: &[u8; 32], _role: Role, _proof: &Proof) -> bool {
        todo!()
    }

    /// What stands in an mDNS record for this network: keyed, and different at every boot.
    pub fn tag(&self, _boot: BootId) -> [u8; 8] {
        todo!()
    }

    /// Whether a tag seen beside `boot` is of this network, under any of its keys.
    pub fn owns_tag(&self, _tag: &[u8], _boot: BootId) -> bool {
        todo!()
    }
}
