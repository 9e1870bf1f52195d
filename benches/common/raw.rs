//! Raw quinn with our certificates and transport settings.

use std::net::{Ipv4Addr, SocketAddr};

use darknode::identity::{Scheme, SecretKey};
use darknode::node::endpoint::{bind, client_config, open, server_config};
use darknode::node::tls::{Credentials, SERVER_NAME};
use quinn::{Connection, Endpoint};

/// One end, with its own key, socket and endpoint.
pub struct Side {
    endpoint: Endpoint,
    credentials: Credentials,
    pub port: u16,
}

impl Side {
    /// Different seeds give different sessions.
    pub fn new(seed: u64) -> Side {
        let credentials = Credentials::new(&key(seed));
        let socket = bind(Some(0)).expect("loopback has a free port");
        let port = socket.local_addr().expect("it is bound").port();
        let (endpoint, _) = open(socket, server_config(credentials.server_config())).expect("a runtime is there");
        Side { endpoint, credentials, port }
    }

    pub async fn dial(&self, port: u16) -> Connection {
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let config = client_config(self.credentials.client_config(None).0);
        let dial = self.endpoint.connect_with(config, addr, SERVER_NAME).expect("the address can be dialled");
        dial.await.expect("it answers")
    }

    pub async fn accept(&self) -> Connection {
        self.endpoint.accept().await.expect("it is open").await.expect("we are answered ourselves")
    }
}

/// The session key of a seed.
pub fn key(seed: u64) -> SecretKey {
    let mut bytes = [7; 32];
    bytes[..8].copy_from_slice(&seed.to_be_bytes());
    SecretKey::from_seed(Scheme::Ed25519, &bytes)
}
