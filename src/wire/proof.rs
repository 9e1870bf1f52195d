//! The first frame each way. Nothing else is sent or read before it holds.

use super::codec::{Fixed, List, record};

record! {
    /// "I speak these versions, this is my boot, and I hold a key of this network."
    pub struct Proof {
        /// Protocol versions the sender speaks, best first.
        0 => versions: List<u16, 8>,
        /// Random per start of the sender.
        1 => boot: u64,
        /// HMAC-SHA256 over the TLS exporter and the sender's role, one under each key of the sender's key file, newest
        /// first. One that the receiver can check is enough, so that keys can be replaced one node after another.
        2 => macs: List<Fixed<32>, 4>,
    }
}
