//! Counters of what was refused, dropped or cut off at a bound.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// Counts since the start, shared by all tasks.
        #[derive(Debug, Default)]
        pub struct Counters { $($(#[$doc])* pub $name: Count),* }

        impl Counters {
            /// Every non-zero count, by name.
            pub fn seen(&self) -> Vec<(&'static str, u64)> {
                let all = [$((stringify!($name), self.$name.get())),*];
                all.into_iter().filter(|(_, count)| *count > 0).collect()
            }
        }
    };
}

counters! {
    /// Handshakes answered with a QUIC retry because many were pending.
    handshakes_retried,
    /// Handshakes refused because too many were pending overall.
    handshakes_refused,
    /// Handshakes ignored because too many from one IP were pending.
    handshakes_ignored,
    /// Handshakes that failed or timed out.
    handshakes_failed,
    /// Connections without a proof of this network or without a shared version.
    strangers,
    /// Connections closed for malformed data.
    protocol,
    /// Connections closed for sending too much or too fast, or for reading too slowly.
    limits,
    /// Streams of an unknown type.
    unknown_streams,
    /// Outgoing messages that fit no frame.
    oversized,
    /// Dials dropped because too many were under way.
    dials_dropped,
    /// Announcements on the local link beyond the number remembered.
    sightings_dropped,
    /// mDNS packets beyond the budget of one address, or of all.
    mdns_beyond_budget,
    /// mDNS packets from an address outside our links.
    mdns_from_elsewhere,
    /// Malformed mDNS packets.
    mdns_garbled,
    /// Times that the mDNS responder was stopped because too many packets came, or made it remember too much.
    mdns_storms,
}

/// One counter.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// Adds one.
    pub fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// The current value.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
