//! The asynchronous shell around the core: network, disk, clock and configuration.
//!
//! One loop (`node_loop`) owns the core. It hands events to the core in batches and carries out the outputs.
//! Everything else runs in tasks of its own that reach the loop through one bounded channel: one task per connection
//! (`connection`, spawned by `admission` or by a dial), the [`lan`] discovery, the `interfaces` watcher, the
//! `bootstrap` resolver, and the store's thread. The loop never waits for any of them: a connection whose queue is
//! full is closed. What `\doctor` wants to know of the machine is gathered by the `examiner`.

mod admission;
mod bootstrap;
pub mod clock;
mod connection;
mod connections;
mod counters;
mod delivery;
pub mod endpoint;
mod examiner;
pub mod home;
mod interfaces;
pub mod lan;
pub mod linked;
mod node_loop;
mod places;
mod run;
mod socket;
pub mod store;
mod tally;
pub mod tls;

pub use endpoint::BindError;
pub use examiner::examine_machine;
pub use run::{NodeConfig, StartError, start, start_waiting};
