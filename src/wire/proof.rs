//! The first frame in each direction. No other frame is sent or read before it has been verified.

use super::codec::{Fixed, List, record};

record! {
    /// Proves that the sender holds a key of the network. Made and verified by
    /// [`NetworkKey`](crate::identity::network::NetworkKey).
    pub struct Proof {
        /// The protocol versions that the sender speaks, in order of preference.
        0 => versions: List<u16, 8>,
        /// The sender's boot id: 64 random bits, new at every start.
        1 => boot: u64,
        /// One HMAC-SHA256 under each key of the sender's key file, newest first. One that the receiver can verify is enough,
        /// so that keys can be replaced on one node after another.
        2 => macs: List<Fixed<32>, 4>,
    }
}
