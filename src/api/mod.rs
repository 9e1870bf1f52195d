//! The local API: other programs of the same person speak to the running node over a socket in its data directory.
//!
//! One JSON object a line in both directions; `docs/api.md` is the reference. A client is one of the [`hub`](crate::hub). For
//! each of them one task reads requests ([`request`]) and one serves it ([`client`]): it passes requests on, and writes answers
//! and the events that it has subscribed to ([`filter`]). The socket ([`listener`]) exists while the node runs; [`place`] says
//! where, which the commands that connect to it ask too. An interface of the same process connects without a socket ([`local`]).

pub mod client;
mod filter;
#[cfg(unix)]
pub mod listener;
pub mod local;
mod output;
#[cfg(unix)]
pub mod place;
mod reader;
pub mod request;

use std::path::Path;

use crate::hub::Clients;

/// The API of a running node.
#[derive(Debug)]
pub struct Api {
    #[cfg(unix)]
    server: Option<listener::Server>,
}

/// Opens the API of the node that holds the lock of this data directory. Without a socket the node runs all the same, and the
/// log says why.
pub fn open(dir: &Path, clients: Clients) -> Api {
    #[cfg(unix)]
    {
        let server = listener::open(dir, clients);
        if let Err(error) = &server {
            tracing::warn!(%error, "no local API: the socket cannot be opened");
        }
        Api { server: server.ok() }
    }
    #[cfg(not(unix))]
    {
        let _ = (dir, clients);
        Api {}
    }
}

impl Api {
    /// Closes it, and gives its clients a moment to read that the node has stopped.
    pub async fn close(self) {
        #[cfg(unix)]
        if let Some(server) = self.server {
            server.close().await;
        }
    }
}
