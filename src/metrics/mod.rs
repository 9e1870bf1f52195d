//! Metrics and health over HTTP, for monitoring: `--metrics ADDR`.
//!
//! It has a listener of its own ([`listener`]) and asks the node by way of the [`hub`](crate::hub), so that an answer also
//! shows that the node's loop turns. What it tells are counts ([`text`], [`process`]): nothing tells one user, session or
//! address from another, so it may be reached from other machines.

#[cfg(not(feature = "metrics"))]
mod absent;
#[cfg(feature = "metrics")]
mod listener;
#[cfg(feature = "metrics")]
mod process;
#[cfg(feature = "metrics")]
mod server;
#[cfg(feature = "metrics")]
mod text;

use std::net::SocketAddr;

#[cfg(not(feature = "metrics"))]
pub use absent::{Bound, Serving, bind};
#[cfg(feature = "metrics")]
pub use server::{Bound, Serving, bind};

/// Why metrics cannot be served, in one line.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The system refuses the address.
    #[error("--metrics cannot use {addr}: {why}; choose another address")]
    Refused {
        /// The address.
        addr: SocketAddr,
        /// The reason.
        why: std::io::Error,
    },
    /// This program was built without the feature `metrics`.
    #[error("this darknode was built without metrics; leave --metrics out")]
    Absent,
}
