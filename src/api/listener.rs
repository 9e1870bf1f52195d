//! Accepts clients over the socket or pipe, and says no to more than the node serves.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, split};
use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};

use super::client;
use super::output::error_line;
use super::system::{self, Listener, Place};
use crate::hub::Clients;
use crate::proto::notice::ErrorCode;

/// Pause after an error of the system, such as too many open files.
const PAUSE: Duration = Duration::from_millis(200);
/// How long clients may take to read the last events.
const FAREWELL: Duration = Duration::from_millis(150);

/// The open socket or pipe.
#[derive(Debug)]
pub struct Server {
    place: Place,
    stop: Arc<Notify>,
    task: JoinHandle<()>,
}

/// Opens the socket or pipe of a data directory, whose lock is held.
///
/// # Errors
/// Those of the system. The node can run without it.
pub fn open(dir: &Path, clients: Clients) -> io::Result<Server> {
    let (listener, place) = system::bind(dir)?;
    let stop = Arc::new(Notify::new());
    let task = tokio::spawn(accept(listener, clients, stop.clone()));
    Ok(Server { place, stop, task })
}

impl Server {
    /// Lets nobody else connect, and gives the clients a moment to read that the node has stopped.
    pub async fn close(self) {
        self.place.remove();
        self.stop.notify_one();
        timeout(FAREWELL, self.task).await.ok();
    }
}

async fn accept(listener: Listener, clients: Clients, stop: Arc<Notify>) {
    let (mut served, clients) = (JoinSet::new(), Arc::new(clients));
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(stream) => drop(served.spawn(admit(stream, clients.clone()))),
                Err(error) => {
                    tracing::warn!(%error, "the local API does not accept connections");
                    sleep(PAUSE).await;
                }
            },
            Some(_) = served.join_next() => {}
            () = stop.notified() => break,
        }
    }
    drop(listener);
    // Each of them ends with the node.
    while served.join_next().await.is_some() {}
}

/// Serves a connection, if there is a place for it.
async fn admit(stream: impl AsyncRead + AsyncWrite + Send + 'static, clients: Arc<Clients>) {
    let (read, mut write) = split(stream);
    match clients.attach() {
        Some(hub) => client::serve(hub, read, write).await,
        None => {
            let message = "too many programs are connected to this node; end one of them";
            let line = error_line(None, ErrorCode::TooMany, message) + "\n";
            // It may have gone.
            if write.write_all(line.as_bytes()).await.is_ok() {
                let _ = write.shutdown().await;
            }
        }
    }
}
