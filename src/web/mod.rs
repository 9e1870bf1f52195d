//! The web page: a client of the local API in a browser on the same machine. `docs/web.md` is the reference.
//!
//! [`server`] answers requests, each after it has passed the [`guard`], and [`listener`] bounds connections. A browser gets a
//! token for a code that works once ([`logins`]); with the token every request is one of the local API, over a connection within
//! the process, and every stream of events another one ([`stream`]). The page itself is in the folder `assets`.

#[cfg(not(feature = "web"))]
mod absent;
#[cfg(feature = "web")]
mod assets;
#[cfg(feature = "web")]
mod guard;
#[cfg(feature = "web")]
mod listener;
#[cfg(feature = "web")]
mod logins;
#[cfg(feature = "web")]
mod server;
#[cfg(feature = "web")]
mod serving;
#[cfg(feature = "web")]
mod stream;

use std::net::SocketAddr;

#[cfg(not(feature = "web"))]
pub use absent::{Bound, Web, bind, start};
#[cfg(feature = "web")]
pub use serving::{Bound, Web, bind, start};

/// Makes random bytes, for codes and tokens.
pub type Random = fn() -> [u8; 32];

/// Why the page cannot be served, in one line.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Other machines could reach it.
    #[error(
        "--web is for this machine only, and {0} can be reached from others; leave the address out, and use `ssh -L`"
    )]
    Reachable(SocketAddr),
    /// The system refuses the address.
    #[error("--web cannot use {addr}: {why}; choose another address")]
    Refused {
        /// The address.
        addr: SocketAddr,
        /// The reason.
        why: std::io::Error,
    },
    /// This program was built without the feature `web`.
    #[error("this darknode was built without the page; leave --web out")]
    Absent,
}
