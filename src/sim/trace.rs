//! The trace: a hash over everything that happened. Equal seeds give equal traces, to the last byte sent.

use std::hash::Hasher;

use sha2::{Digest, Sha256};

use crate::time::Moment;

/// The running hash of a simulation.
#[derive(Clone, Default)]
pub struct Trace(Sha256);

impl Trace {
    /// Records that a node did something. `what` is its kind; further writes add its content.
    pub fn record(&mut self, now: Moment, node: usize, what: u8) {
        let mut bytes = [0; 17];
        bytes[..8].copy_from_slice(&now.0.to_be_bytes());
        bytes[8..16].copy_from_slice(&(node as u64).to_be_bytes());
        bytes[16] = what;
        self.0.update(bytes);
    }

    pub fn hash(&self) -> [u8; 32] {
        self.0.clone().finalize().into()
    }
}

/// Lets any type that implements `Hash` be traced.
impl Hasher for Trace {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let hash = self.hash();
        u64::from_be_bytes(hash[..8].try_into().expect("a hash has 32 bytes"))
    }
}
