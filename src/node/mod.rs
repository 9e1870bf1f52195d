//! The async shell: everything that touches the world, around the core that does not.
//!
//! One loop ([`node_loop`]) owns the core, takes what happened in batches, and does what the core wants done. Everything else
//! is a task of its own that reaches the loop through one bounded channel: [`connection`]s (one task each, made by
//! [`admission`] or by a dial), the [`lan`], the [`interfaces`], the [`bootstrap`] names, and the store's thread. The loop
//! never waits for any of them: what a connection does not take in time costs that connection.

pub mod admission;
pub mod bootstrap;
pub mod clock;
pub mod connection;
pub mod counters;
pub mod endpoint;
pub mod home;
pub mod interfaces;
pub mod lan;
pub mod node_loop;
pub mod printer;
pub mod run;
mod socket;
pub mod store;
pub mod switchboard;
pub mod tls;

pub use run::{NodeConfig, StartError, start};
