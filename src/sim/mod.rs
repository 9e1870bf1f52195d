//! The simulator: the product's own cores in one process, one queue of events by moment, one seed. The same seed gives the
//! same trace, to the last byte sent.
//!
//! A [`Sim`] is a world of [`node`]s. Each has a disk that commits after a while and loses the rest in a crash ([`disk`]),
//! and connections with delay over cables that can be cut ([`net`]). What a core puts out in one go becomes frames as in the
//! shell ([`post`]), and goes through the wire's encoder and decoder, so that what is counted ([`traffic`]) is what would
//! travel. What can go wrong is in [`faults`].

mod acquaint;
pub mod disk;
pub mod faults;
pub mod invariants;
pub mod knocks;
pub mod meetings;
pub mod net;
pub mod node;
mod post;
mod queue;
pub mod report;
pub mod rumour;
pub mod scenario;
pub mod topology;
mod trace;
pub mod traffic;
pub mod truth;
mod world;

pub use world::Sim;

use std::time::Duration;

use crate::id::NetworkId;
use crate::identity::Scheme;

/// How the simulated world behaves.
#[derive(Debug, Clone)]
pub struct Settings {
    pub seed: u64,
    pub scheme: Scheme,
    /// One way, at least and at most.
    pub delay: (Duration, Duration),
    /// Of a hundred packets so many are lost; QUIC sends them again.
    pub loss: u8,
    /// Of a hundred frames so many come twice, hellos apart: no cable does that, but a peer may say a thing again.
    pub twice: u8,
    /// What a commit takes; what is written meanwhile waits for the next.
    pub commit: Duration,
    /// What a dial into nothing takes.
    pub dial_timeout: Duration,
    pub network: NetworkId,
    /// Keep every notice; else only answers, and who is shown online.
    pub record: bool,
    /// Keep what is written to disks; without it a node cannot be started again.
    pub disks: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            seed: 1,
            scheme: Scheme::Ed25519,
            delay: (Duration::from_millis(1), Duration::from_millis(5)),
            loss: 0,
            twice: 0,
            commit: Duration::from_millis(2),
            dial_timeout: Duration::from_secs(4),
            network: NetworkId::OPEN,
            record: true,
            disks: true,
        }
    }
}
