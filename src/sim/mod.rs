//! The simulator: many real cores in one process, driven by one event queue and one seed. Equal seeds give equal
//! traces, to the last byte sent.
//!
//! A [`Sim`] is a world of [`node`]s. Each has a simulated disk that commits after a delay and loses uncommitted ops
//! in a crash ([`disk`]), and connections with latency over links that can be cut ([`net`]). The outputs of a core
//! are grouped into frames as in the shell (`framing`) and pass through the real encoder and decoder, so that the
//! [`traffic`] counted is what would be sent. `faults` injects failures.

mod contacts;
pub mod disk;
mod dissemination;
mod faults;
mod framing;
pub mod invariants;
mod nat;
pub mod net;
pub mod node;
mod oracle;
mod preload;
mod queue;
pub mod report;
pub mod scenario;
mod sisters;
pub mod topology;
mod trace;
pub mod traffic;
mod unproven_dials;
mod world;

pub use world::Sim;

use std::time::Duration;

use crate::id::NetworkId;
use crate::identity::Scheme;

/// The parameters of a simulated world.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Seeds all randomness of the world and of its cores.
    pub seed: u64,
    /// The signature scheme: real, or a cheap substitute for large worlds.
    pub scheme: Scheme,
    /// Minimum and maximum one-way delay.
    pub delay: (Duration, Duration),
    /// Packet loss in percent. QUIC retransmits, so loss shows as delay.
    pub loss: u8,
    /// Percentage of multicast packets on a local link that do not arrive at a listener. An announcement takes two, over IPv4
    /// and over IPv6.
    pub sightings_lost: u8,
    /// Percentage of frames that arrive twice, except hellos. QUIC does not duplicate, but a peer may repeat itself.
    pub twice: u8,
    /// Duration of a commit. Ops written meanwhile wait for the next one.
    pub commit: Duration,
    /// How long a dial to an address without a listener takes to fail.
    pub dial_timeout: Duration,
    /// The network of all nodes.
    pub network: NetworkId,
    /// Keep every notice of every node. Otherwise only answers to commands are kept, and who is shown online.
    pub record: bool,
    /// Keep the content of disks. Without it a node cannot be restarted.
    pub disks: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            seed: 1,
            scheme: Scheme::Ed25519,
            delay: (Duration::from_millis(1), Duration::from_millis(5)),
            loss: 0,
            sightings_lost: 0,
            twice: 0,
            commit: Duration::from_millis(2),
            dial_timeout: Duration::from_secs(4),
            network: NetworkId::OPEN,
            record: true,
            disks: true,
        }
    }
}
