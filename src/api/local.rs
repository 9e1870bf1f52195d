//! Connections to the local API from within the process: for the interfaces that are clients of it like any other program.

use tokio::io::{DuplexStream, duplex, split};

use super::client;
use crate::hub::{Client, Clients};

/// Bytes that may be unread in each direction, as in the buffer of a socket.
const BUFFER: usize = 64 * 1024;

/// Connects a new client. `None` if there are [`MAX_CLIENTS`](crate::hub::MAX_CLIENTS). The connection ends when either the node
/// stops or the stream is dropped.
pub fn connect(clients: &Clients) -> Option<DuplexStream> {
    clients.attach().map(serve)
}

/// Like [`connect`], for the interface of the process, which says what was printed.
pub fn connect_own(clients: &Clients) -> Option<DuplexStream> {
    clients.attach_own().map(serve)
}

fn serve(hub: Client) -> DuplexStream {
    let (near, far) = duplex(BUFFER);
    let (read, write) = split(far);
    tokio::spawn(client::serve(hub, read, write));
    near
}
