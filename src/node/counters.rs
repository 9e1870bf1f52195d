//! What was refused, dropped or cut off at a bound: counted here, so that it can be seen.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// Counts since the start. Any task counts, anybody reads.
        #[derive(Debug, Default)]
        pub struct Counters { $($(#[$doc])* pub $name: Count),* }

        impl Counters {
            /// Every count that is not zero, by name.
            pub fn seen(&self) -> Vec<(&'static str, u64)> {
                let all = [$((stringify!($name), self.$name.get())),*];
                all.into_iter().filter(|(_, count)| *count > 0).collect()
            }
        }
    };
}

counters! {
    /// Handshakes that had to prove their address first because many were pending.
    handshakes_retried,
    /// Handshakes refused because too many were pending in all.
    handshakes_refused,
    /// Handshakes ignored because too many of one IP were pending.
    handshakes_ignored,
    /// Handshakes that failed or ran into their deadline.
    handshakes_failed,
    /// Connections without a proof of this network or without a common version.
    strangers,
    /// Connections closed for bytes that make no sense.
    protocol,
    /// Connections closed for too much, too fast or too slow.
    limits,
    /// Streams of a type this version does not know.
    unknown_streams,
    /// Messages of ours that no frame could hold.
    oversized,
    /// Dials given up at once because too many were under way.
    dials_dropped,
    /// Announcements on the local link beyond what is remembered.
    sightings_dropped,
    /// Packets of mDNS beyond what is read of one address, or of all.
    mdns_beyond_budget,
    /// Packets of mDNS from no address of a link of ours.
    mdns_from_elsewhere,
    /// Packets of mDNS that make no sense.
    mdns_garbled,
    /// Times that the mDNS responder was stopped because too many packets came, or made it remember too much.
    mdns_storms,
}

/// One count.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    pub fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
