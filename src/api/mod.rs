//! The local API: other programs of the same person speak to the running node.
//!
//! They do so over a Unix socket (`socket`) or a named pipe of Windows (`pipe`), and a [`note`] in the data directory says where
//! it is. One JSON object a line in both directions; `docs/api.md` is the reference. A client is one of the
//! [`hub`](crate::hub). The [`listener`] accepts them while the node runs. For each of them one task reads requests ([`request`])
//! and one serves it ([`client`]): it passes requests on, and writes answers and the events that it has subscribed to
//! ([`filter`]). An interface of the same process connects without a socket ([`local`]).

pub mod client;
mod filter;
mod listener;
pub mod local;
mod note;
mod output;
#[cfg(windows)]
mod pipe;
mod reader;
pub mod request;
#[cfg(unix)]
mod socket;

use std::path::Path;

use crate::hub::Clients;
#[cfg(windows)]
use pipe as system;
#[cfg(unix)]
use socket as system;
pub use system::{Stream, connect};

/// The API of a running node.
#[derive(Debug)]
pub struct Api {
    server: Option<listener::Server>,
}

/// Opens the API of the node that holds the lock of this data directory. Without it the node runs all the same, and the log says
/// why.
pub fn open(dir: &Path, clients: Clients) -> Api {
    let server = listener::open(dir, clients);
    if let Err(error) = &server {
        tracing::warn!(%error, "the local API cannot be opened");
    }
    Api { server: server.ok() }
}

impl Api {
    /// Closes it, and gives its clients a moment to read that the node has stopped.
    pub async fn close(self) {
        if let Some(server) = self.server {
            server.close().await;
        }
    }
}
