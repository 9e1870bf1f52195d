//! The socket: who may connect, and how many.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};

use super::output::error_line;
use super::{client, place};
use crate::hub::Clients;
use crate::proto::notice::ErrorCode;

/// The administrator of the system may do what the person may.
const ROOT: u32 = 0;
/// Pause after an error of the system, such as too many open files.
const PAUSE: Duration = Duration::from_millis(200);
/// How long clients may take to read the last events.
const FAREWELL: Duration = Duration::from_millis(150);

/// The open socket.
#[derive(Debug)]
pub struct Server {
    dir: PathBuf,
    socket: PathBuf,
    stop: Arc<Notify>,
    task: JoinHandle<()>,
}

/// Opens the socket of a data directory, whose lock is held, so that one that is there already is of no use to anybody.
///
/// # Errors
/// Those of the system. The node can run without a socket.
pub fn open(dir: &Path, clients: Clients) -> io::Result<Server> {
    let (listener, socket) = bind(place::inside(dir)?).or_else(|_| bind(place::outside(dir)?))?;
    place::note(dir, &socket)?;
    let stop = Arc::new(Notify::new());
    let task = tokio::spawn(accept(listener, place::owner(dir)?, clients, stop.clone()));
    Ok(Server { dir: dir.to_owned(), socket, stop, task })
}

/// Opens the socket at a place.
fn bind(socket: PathBuf) -> io::Result<(UnixListener, PathBuf)> {
    if !place::fits(&socket) {
        return Err(io::Error::other("the path of the socket is too long"));
    }
    if fs::symlink_metadata(&socket).is_ok_and(|found| found.file_type().is_socket()) {
        fs::remove_file(&socket)?;
    }
    let listener = UnixListener::bind(&socket)?;
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o600))?;
    Ok((listener, socket))
}

impl Server {
    /// Removes the socket, and gives the clients a moment to read that the node has stopped.
    pub async fn close(self) {
        place::remove(&self.dir, &self.socket);
        self.stop.notify_one();
        timeout(FAREWELL, self.task).await.ok();
    }
}

async fn accept(listener: UnixListener, owner: u32, clients: Clients, stop: Arc<Notify>) {
    let (mut served, clients) = (JoinSet::new(), Arc::new(clients));
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => drop(served.spawn(admit(stream, owner, clients.clone()))),
                Err(error) => {
                    tracing::warn!(%error, "the socket of the local API does not accept connections");
                    sleep(PAUSE).await;
                }
            },
            Some(_) = served.join_next() => {}
            () = stop.notified() => break,
        }
    }
    // Each of them ends with the node.
    while served.join_next().await.is_some() {}
}

/// Serves a connection from the person who runs the node.
async fn admit(mut stream: UnixStream, owner: u32, clients: Arc<Clients>) {
    let is_owner = stream.peer_cred().is_ok_and(|peer| [owner, ROOT].contains(&peer.uid()));
    if !is_owner {
        return tracing::warn!("another user of this machine tried to connect to the local API");
    }
    match clients.attach() {
        Some(hub) => {
            let (read, write) = stream.into_split();
            client::serve(hub, read, write).await;
        }
        None => {
            let message = "too many programs are connected to this node; end one of them";
            // It may have gone.
            let _ = stream.write_all((error_line(None, ErrorCode::TooMany, message) + "\n").as_bytes()).await;
        }
    }
}
